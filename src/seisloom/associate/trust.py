"""How many false events chance makes, by their evidence, and how likely each event is one of them.

The picks that events do not explain are shaken: each moves by a time of its own, to where another was, so that no event
is left while times stay, and with them bursts. What the search then finds is false. The number of false events falls off
exponentially with evidence, as for any likelihood ratio; two numbers, found by maximum likelihood, say how.
"""

from __future__ import annotations

import math
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
_SHAKE = (16.0, 48.0)  # standard errors of arrivals: far enough for no event, and near enough for the same minute
_TIMES, _ENOUGH_PICKS = 4, 40_000  # few picks are shaken so often, or until there are so many
_TRIALS_S = 3.0  # independent origin times a second
DAY_S = 86_400.0
_FALSE_SHARE = 0.01  # of the events found, where no number of false events is wanted
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


def needed_evidence(falsehood: Falsehood, evidence: Array, false_events_per_day: float | None, span_s: float) -> float:
    """Evidence that leaves the wanted number of false events: so many a day, or one a day or in a hundred events.

    ``evidence`` (event,) is that of the events found in ``span_s``. Noise that all stations share is known in part only: it
    is at least what so many trials by chance would ask for.
    """
    share = _FALSE_SHARE if false_events_per_day is None else 0.0
    wanted_s = (false_events_per_day or 1.0) / DAY_S
    trials = -math.log(max(wanted_s, share * len(evidence) / span_s) / _TRIALS_S)
    return max(falsehood.threshold(evidence, wanted_s, share, span_s), trials)


def times_shaken(n_picks: int) -> int:
    """How often so many picks must be shaken to tell of chance."""
    return math.ceil(min(float(_TIMES), _ENOUGH_PICKS / max(n_picks, 1)))


def shaken(data: Evidence, worth: Array, span_s: float, sigma_s: float, rng: np.random.Generator) -> Evidence:
    """Picks that no event explains, each moved to the time of another; ``worth`` (slot,) of their probabilities stays.

    Times are moved by 16 to 48 standard errors ``sigma_s`` of arrivals; the old ones take their places, in their order.
    """
    picks = data.picks
    kept = unexplained(data, rng)
    before = picks.time_s[kept]
    n = len(before)
    moved_s = before + sigma_s * rng.uniform(*_SHAKE, n) * rng.choice([-1.0, 1.0], n)
    time = np.empty(n)
    time[np.argsort(moved_s, kind="stable")] = np.sort(before)
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
