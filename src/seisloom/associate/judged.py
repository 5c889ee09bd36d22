"""What an association by likelihood comes to, with all that its verdicts rest on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seisloom.associate.assign import Assignment
from seisloom.associate.hypothesis import Box, Evidence
from seisloom.associate.learn import Known
from seisloom.associate.pick_model import PickModel
from seisloom.associate.search import Needed
from seisloom.associate.trust import Falsehood

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """Events, what was learned, and everything that a verdict rests on."""

    events: Array
    """(event, 7), columns as in ``hypothesis``, by origin time."""
    assignment: Assignment
    false_probability: Array
    """(event,)"""
    model: PickModel
    known: Known
    data: Evidence
    box: Box
    needed: Needed
    falsehood: Falsehood
    """Events by chance."""
    mixtures: Falsehood
    """Events that are mixtures of others."""
    spacing_km: float
    spread_s: float
    least: tuple[int, int, int]
    """Picks, P picks and S picks that an event must be given."""
    fronts: int
    """Hypotheses that fell because a wave from far away, or a burst at one instant, explains their picks better."""
    front_rate: Array
    """(slot,): rate of picks by these waves and bursts, 1/s; part of the noise."""
