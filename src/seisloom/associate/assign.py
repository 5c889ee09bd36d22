"""Every pick to one event at most, and in an event one pick for each station and phase."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seisloom.associate.gather import LEAST_ODDS, odds_of, pairs, share_out
from seisloom.associate.hypothesis import Evidence
from seisloom.associate.pick_model import PickModel
from seisloom.traveltime import TravelTimes

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Assignment(NamedTuple):
    """Which event each slot went to; events are numbered as they were given."""

    event: Integers
    """(slot,): -1 for none."""
    phase: Integers
    """(slot,): that the event predicts, -1 for none; another than the pick's own where its label is taken for wrong."""
    posterior: Array
    """(slot,): probability that the pick is of that event, and neither of another nor by chance; 0 for none."""
    stands: npt.NDArray[np.bool_]
    """(event,): has the picks that it needs."""


def assign(
    times: TravelTimes, data: Evidence, model: PickModel, events: Array, least: tuple[int, int, int]
) -> Assignment:
    """Share the picks out by their odds; ``least`` picks, P and S picks make an event, others give theirs back."""
    found, cells = pairs(times, data, model, events)
    n_slots = len(data.picks.time_s)
    odds = odds_of(found, cells, data, model)
    total = np.bincount(found.slot, odds, n_slots) + 1.0
    order = np.flatnonzero(odds > LEAST_ODDS)
    order = order[np.lexsort((found.slot[order], found.event[order], -odds[order]))]
    phase = (cells.channel % 2)[found.cell]
    stands = np.ones(len(events), bool)
    while True:
        rows = order[stands[found.event[order]]]
        owner, row = share_out(found.event[rows], found.cell[rows], found.slot[rows], n_slots, len(cells.event))
        took = rows[row[row >= 0]]
        n_p, n_s = (np.bincount(found.event[took][phase[took] == code], minlength=len(events)) for code in (0, 1))
        lacking = stands & ((n_p + n_s < least[0]) | (n_p < least[1]) | (n_s < least[2]))
        if not lacking.any():
            break
        stands &= ~lacking
    named, posterior = np.full(n_slots, -1, np.int64), np.zeros(n_slots)
    named[found.slot[took]] = phase[took]
    posterior[found.slot[took]] = odds[took] / total[found.slot[took]]
    return Assignment(owner, named, posterior, stands)
