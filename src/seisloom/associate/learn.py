"""What events teach about picks and stations: the next ``PickModel``.

Expectation maximisation (Dempster et al. 1977, J. R. Statist. Soc. B 39): each pick near a predicted arrival is the
event's own with the probability that the present model gives it, as a common pick or as an outlier; what maximises the
likelihood with these shares is the next model. What few picks speak of is drawn to what the whole network shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from seisloom.associate.delays import learn_delays, learn_jumps
from seisloom.associate.detectability import learn_detection
from seisloom.associate.observations import N_BINS, Observations, bin_of, join, observe, of_events
from seisloom.associate.odd_stations import odd_stations
from seisloom.associate.pick_model import PickModel, residual_density
from seisloom.associate.residuals import Shares, learn_errors, shares

__all__ = ["Known", "Observations", "join", "learn", "observe", "odd_stations", "worth_of_probability"]

Array = npt.NDArray[np.float64]

_STRONG = 15.0  # evidence of an event that teaches
_FEWEST = 3  # such events
_ITERATIONS = 4
_SURE = 20.0  # picks that what is usual counts as
_USUAL_WRONG_LABEL = 0.02
_WRONG_LABEL = (0.002, 0.3)
_OUTLIERS = (0.01, 0.25)
_GROUPS = 10  # of as many picks each, by probability
_WORTH = (0.2, 5.0)


@dataclass(frozen=True)
class Known:
    """Shares that tables of a ``PickModel`` were made from, and what the probabilities of a picker are worth."""

    falloff: float = 0.15
    by_logarithm: bool = False
    """Whether the fall-off is with the logarithm of distance."""
    outlier_share: float = 0.05
    worth: Array = field(default_factory=lambda: np.ones((2, N_BINS)))
    """(phase, bin): how much likelier a pick with such a probability is of an event than another."""
    clear_events: int = 0
    """Events that show where sources are usual; 0 if they were too few."""


def learn(model: PickModel, seen: Observations, known: Known) -> tuple[PickModel, Known]:
    """The model that events bear out, and the shares behind its tables; as they were if there are too few events."""
    strong = of_events(seen, seen.evidence >= _STRONG)
    if len(strong.radius) < _FEWEST:
        return model, known
    model, strong = learn_jumps(model, strong)
    for _ in range(_ITERATIONS):
        share = shares(model, strong, known.outlier_share)
        known = replace(known, outlier_share=_outliers(share, strong, known))
        model = model._replace(wrong_label=_wrong_label(share, strong))
        model, strong, share = learn_delays(model, strong, share)
        model = learn_errors(model, strong, share)
    share = shares(model, strong, known.outlier_share)
    model, (falloff, by_logarithm) = learn_detection(model, strong, share.ratio)
    known = replace(known, falloff=falloff, by_logarithm=by_logarithm, worth=_worth(seen.by_probability))
    return model._replace(density=residual_density(known.outlier_share)), known


def _outliers(share: Shares, seen: Observations, known: Known) -> float:
    own = share.own[seen.right]
    wide = np.sum(own * (1.0 - share.core[seen.right]))
    return float(np.clip((wide + _SURE * known.outlier_share) / (own.sum() + _SURE), *_OUTLIERS))


def _wrong_label(share: Shares, seen: Observations) -> float:
    wrong = share.own[~seen.right].sum()
    return float(np.clip((wrong + _SURE * _USUAL_WRONG_LABEL) / (share.own.sum() + _SURE), *_WRONG_LABEL))


def _worth(by_probability: Array) -> Array:
    """(phase, bin): share of the picks of events that are in a group of bins over that of the others."""
    worth = np.ones((2, N_BINS))
    for phase in (0, 1):
        count = by_probability[:, phase]
        before = np.cumsum(count.sum(axis=0)) - count.sum(axis=0)
        group = np.minimum((_GROUPS * before / max(count.sum(), 1.0)).astype(int), _GROUPS - 1)
        own, other = (np.bincount(group, of, _GROUPS) + _SURE / _GROUPS for of in count)
        worth[phase] = np.clip((own / own.sum()) / (other / other.sum()), *_WORTH)[group]
    return worth


def worth_of_probability(known: Known, phase: npt.NDArray[np.integer], probability: npt.NDArray[np.floating]) -> Array:
    """(pick,): how much likelier picks with such probabilities are of an event than others; 1 if nothing is known."""
    return np.asarray(known.worth[phase, bin_of(probability)])
