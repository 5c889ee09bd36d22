"""How many false events chance makes, by their evidence, and how likely each event is one of them.

The picks that events do not explain are shaken: each moves by a time of its own, so that no event is left while
rates and bursts stay. What the search then finds is false. The number of false events falls off exponentially with evidence,
as for any likelihood ratio; two numbers, found by maximum likelihood, say how.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seisloom.associate.hypothesis import Evidence
from seisloom.associate.noise_rates import noise_rates
from seisloom.associate.pick_model import Channels

Array = npt.NDArray[np.float64]

FLOOR = 5.0
"""Evidence from which false events are counted."""
_SHAKE_S = (4.0, 12.0)
_PRIOR_SLOPE, _PRIOR_EVENTS = 0.7, 3.0
_MANY = 10


class Falsehood(NamedTuple):
    """Rate of false events above an evidence: ``rate_s exp(-slope (evidence - floor))``, from the floor on."""

    floor: float
    rate_s: float
    """Above the floor, 1/s."""
    slope: float
    events: int
    """False events that were seen."""
    span_s: float
    """Length of the picks that were shaken."""

    def threshold(self, evidence: Array, wanted_s: float, share: float, span_s: float) -> float:
        """Least evidence above which false events come at a rate (1/s), or make up a share of the events found.

        ``evidence`` (event,) is that of the events found in ``span_s``, false ones among them.
        """
        found = np.sort(evidence)
        most = np.maximum(wanted_s, share * np.arange(len(found), 0, -1) / span_s)
        # Between one event and the next weaker one all thresholds leave as many events.
        weaker = np.concatenate([[-np.inf], found])[:-1]
        least = [max(self.evidence_of(rate), below) for rate, below in zip(most, weaker, strict=True)]
        enough = [one for one, own in zip(least, found, strict=True) if one <= own]
        return min([self.evidence_of(wanted_s), *enough])

    def evidence_of(self, rate_s: float) -> float:
        """Evidence above which false events come at a rate (1/s)."""
        return self.floor + max(float(np.log(self.rate_s / rate_s)) / self.slope, 0.0)

    def rate_above(self, evidence: float) -> float:
        """False events in 1/s above an evidence."""
        return float(self.rate_s * np.exp(-self.slope * max(evidence - self.floor, 0.0)))

    def density(self, evidence: Array) -> Array:
        """False events in 1/s and unit of evidence."""
        return self.rate_s * self.slope * np.exp(-self.slope * np.maximum(evidence - self.floor, 0.0))


def fit_falsehood(evidence: Array, span_s: float, least: float = FLOOR) -> Falsehood:
    """From the evidence of the false events above ``least`` in a time: its upper half, few helped by a weak prior."""
    evidence = evidence[evidence >= least]
    floor = float(np.median(evidence)) if len(evidence) >= _MANY else least
    above = evidence[evidence >= floor] - floor
    slope = (len(above) + _PRIOR_EVENTS) / (above.sum() + _PRIOR_EVENTS / _PRIOR_SLOPE)
    return Falsehood(floor, (len(above) + 0.5) / span_s, float(slope), len(above), span_s)


def shaken(data: Evidence, worth: Array, span_s: float, rng: np.random.Generator) -> Evidence:
    """Picks that no event explains, each moved by a time of its own; ``worth`` (slot,) of their probabilities stays."""
    picks = data.picks
    kept = unexplained(data, rng)
    n = int(np.count_nonzero(kept))
    time = data.picks.time_s[kept] + rng.uniform(*_SHAKE_S, n) * rng.choice([-1.0, 1.0], n)
    channel = picks.channel[kept]
    order = np.lexsort((time, channel))
    offsets = np.searchsorted(channel, np.arange(len(picks.offsets))).astype(np.int64)
    moved = Channels(offsets, time[order], channel, picks.pick[kept][order])
    noise = noise_rates(moved, np.ones(len(time)), span_s) / worth[kept][order]
    return Evidence(moved, noise, np.zeros(len(time)))


def unexplained(data: Evidence, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """(slot,): which picks no event explains, drawn by the share of chance in them."""
    return np.asarray(rng.random(len(data.noise)) * (data.noise + data.explained) < data.noise)


def false_probability(falsehoods: Sequence[Falsehood], evidence: Array, span_s: float, wide: float = 0.25) -> Array:
    """(event,): expected false events over all events of about as much evidence, never rising with evidence.

    ``falsehoods`` are the ways in which events may be false.

    Events are counted in a window of ``wide`` of the evidence either side, and together with the false ones expected.
    """
    if not len(evidence):
        return np.zeros(0)
    order = np.argsort(evidence)
    value = evidence[order]
    half = np.maximum(wide * value, 2.0)
    low, high = np.maximum(value - half, 0.0), value + half
    near = np.searchsorted(value, high, "right") - np.searchsorted(value, low, "left")
    density = near / (high - np.maximum(low, value[0]) + 1e-9)
    false = sum(kind.density(value) for kind in falsehoods) * span_s
    share = np.minimum(false / np.maximum(density, 1e-12), 1.0)
    found = np.empty(len(value))
    found[order] = np.minimum.accumulate(share)
    return found
