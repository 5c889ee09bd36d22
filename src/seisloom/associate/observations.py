"""What events show of picks and stations: tables that ``learn`` reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seisloom.associate.gather import pairs
from seisloom.associate.hypothesis import EVIDENCE, RADIUS, RADIUS_S, Evidence
from seisloom.associate.pick_model import RESIDUAL_MAX, PickModel
from seisloom.traveltime import TravelTimes

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FARTHEST_S = 3.0
"""Picks are looked for so far from arrivals, in case a clock is wrong."""
N_BINS = 50
"""Of the probabilities that a picker gave."""
_BEYOND = 1.4  # channels are looked at so much farther than picks are explained: a radius may be larger


class Observations(NamedTuple):
    """Tables of events, of the arrivals that they predict (*cells*), of the picks near those (*rows*), and sums."""

    radius: Integers
    """(event, phase): class of the radius of detection."""
    evidence: Array
    """(event,)"""
    event: Integers
    """(cell,)"""
    channel: Integers
    """(cell,)"""
    distance_km: Array
    """(cell,): hypocentral."""
    travel_s: Array
    """(cell,)"""
    slope: Array
    """(cell, 3): derivatives of the travel time by x, y and depth, s/km."""
    cell: Integers
    """(row,), ascending."""
    right: Flags
    """(row,): the pick is named after the phase that is predicted."""
    residual_s: Array
    """(row,)"""
    background: Array
    """(row,): density of picks like this one by chance and of other events, 1/s."""
    by_probability: Array
    """(2, phase, bin): picks of events, and others, by the probability that the picker gave them."""


_TABLES = {
    "radius": "event", "evidence": "event", "event": "cell", "channel": "cell", "distance_km": "cell",
    "travel_s": "cell", "slope": "cell", "cell": "row", "right": "row", "residual_s": "row", "background": "row",
}  # fmt: skip
"""Columns of ``Observations`` and what they have one of."""


def observe(
    times: TravelTimes, data: Evidence, model: PickModel, events: Array, probability: npt.NDArray[np.floating]
) -> Observations:
    """Tables of the events (event, 6) that explain ``data.explained``; ``probability`` (slot,) is the picker's."""
    found, cells = pairs(times, data, model, events, FARTHEST_S, _BEYOND)
    background = data.noise[found.slot] + np.maximum(data.explained[found.slot] - found.density, 0.0)
    right = data.picks.channel[found.slot] == cells.channel[found.cell]
    near = right | (np.abs(found.residual_s) < RESIDUAL_MAX * cells.sigma_s[found.cell])
    return Observations(
        events[:, [RADIUS, RADIUS_S]].astype(np.int64), events[:, EVIDENCE].copy(), cells.event, cells.channel, cells.distance_km,
        cells.travel_s, cells.slope, found.cell[near], right[near], found.residual_s[near], background[near],
        _by_probability(data, probability),
    )  # fmt: skip


def join(parts: list[Observations]) -> Observations:
    """The tables of several sets of events as those of one. Raises ValueError for none."""
    if not parts:
        raise ValueError("there are no observations to join")
    first_event = np.cumsum([len(one.radius) for one in parts]) - [len(one.radius) for one in parts]
    first_cell = np.cumsum([len(one.event) for one in parts]) - [len(one.event) for one in parts]
    moved = [
        one._replace(event=one.event + event, cell=one.cell + cell)
        for one, event, cell in zip(parts, first_event, first_cell, strict=True)
    ]
    columns = {name: np.concatenate([getattr(one, name) for one in moved]) for name in _TABLES}
    return Observations(**columns, by_probability=np.sum([one.by_probability for one in parts], axis=0))


def of_events(seen: Observations, kept: Flags) -> Observations:
    """Tables of the events that are kept; the sums stay as they are."""
    cells = kept[seen.event]
    of = {"event": kept, "cell": cells, "row": cells[seen.cell]}
    columns = {name: getattr(seen, name)[of[kind]] for name, kind in _TABLES.items()}
    columns["event"] = (np.cumsum(kept) - 1)[columns["event"]]
    columns["cell"] = (np.cumsum(cells) - 1)[columns["cell"]]
    return Observations(**columns, by_probability=seen.by_probability)


def bin_of(probability: npt.NDArray[np.floating]) -> Integers:
    """Bin of the probabilities of a picker, 0 to 1; what is no number is in the last."""
    inside = np.clip(np.nan_to_num(probability, nan=1.0), 0.0, 1.0)
    return np.minimum((inside * N_BINS).astype(np.int64), N_BINS - 1)


def _by_probability(data: Evidence, probability: npt.NDArray[np.floating]) -> Array:
    own = data.explained / (data.explained + data.noise)
    column = (data.picks.channel % 2) * N_BINS + bin_of(probability)
    return np.array([np.bincount(column, share, 2 * N_BINS) for share in (own, 1.0 - own)]).reshape(2, 2, N_BINS)
