"""The picks that events could have, and which event gets which."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.hypothesis import Evidence, arrival_at, away_from, picks_near, reach_of
from seisloom.associate.pick_model import RESIDUAL_MAX, PickModel, density_at
from seisloom.traveltime import TravelTimes

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LEAST_ODDS = 0.5
"""Odds of a pick from which an event may have it. Less than one to one: picks that events miss raise the rate of chance about
these very events, so that of the picks with such odds as many are theirs as not."""


class Pairs(NamedTuple):
    """Every pick near an arrival that an event predicts, one row each, by event, then cell."""

    event: Integers
    cell: Integers
    """Of ``Cells``: the arrival predicted."""
    slot: Integers
    density: Array
    """Probability of detection times density of the residual, 1/s."""
    residual_s: Array


class Cells(NamedTuple):
    """Every channel that could have picked an event, one row each, by event, then channel."""

    event: Integers
    channel: Integers
    distance_km: Array
    """Hypocentral."""
    near: Array
    """Detection over that near the event."""
    sigma_s: Array
    """Standard error of the arrival time."""
    travel_s: Array
    slope: Array
    """(cell, 3): derivatives of the travel time by x, y and depth, s/km."""


def pairs(
    times: TravelTimes, data: Evidence, model: PickModel, events: Array, least_s: float = 0.0, beyond: float = 1.0
) -> tuple[Pairs, Cells]:
    """All picks within the largest residual, ``least_s`` at least, of arrivals that the events predict.

    Channels are looked at up to ``beyond`` times the distance to which events explain picks.
    """
    rows, row_values, cells, cell_values = _pairs(times, data, model, events, float(least_s), float(beyond))
    event, cell, slot = rows.T.copy()
    density, residual = row_values.T.copy()
    of, channel = cells.T.copy()
    far, near, sigma, travel = cell_values[:, :4].T.copy()
    return Pairs(event, cell, slot, density, residual), Cells(
        of, channel, far, near, sigma, travel, cell_values[:, 4:].copy()
    )


def odds_of(found: Pairs, cells: Cells, data: Evidence, model: PickModel) -> Array:
    """(row,): how much likelier it is that a pick is the event's than that it came by chance and the event has none there.

    p f(r) / ((1 - p) b), symbols as in ``hypothesis``. ``found`` and ``cells`` are those of ``pairs``.
    """
    p = model.detection[cells.channel] * cells.near
    return np.asarray(found.density / (data.noise[found.slot] * (1.0 - p)[found.cell]))


@njit(cache=True, nogil=True, error_model="numpy")
def _pairs(
    times: TravelTimes, data: Evidence, model: PickModel, events: Array, least_s: float, beyond: float
) -> tuple[Integers, Array, Integers, Array]:
    """Columns of ``Pairs`` and of ``Cells``: whole numbers, and the others."""
    rows, cells = np.empty((1024, 3), np.int64), np.empty((1024, 2), np.int64)
    row_values, cell_values = np.empty((1024, 2)), np.empty((1024, 7))
    n, n_cells = 0, 0
    for e in range(len(events)):
        reach = reach_of(model, events[e]) * beyond
        for s in range(len(model.x_km)):
            away = away_from(model, events[e], s)
            if away.far_km > reach:
                continue
            for phase in range(2):
                one = arrival_at(times, model, events[e], s, phase, away)
                if one.p <= 0.0:
                    continue
                if n_cells == len(cells):
                    cells, cell_values = _longer(cells), _longer(cell_values)
                channel = 2 * s + phase
                cells[n_cells, 0], cells[n_cells, 1] = e, channel
                value = cell_values[n_cells]
                value[0], value[1], value[2], value[3] = away.far_km, one.near, one.sigma_s, one.travel_s
                value[4], value[5], value[6] = one.slope * away.by_x, one.slope * away.by_y, one.by_depth
                within = max(RESIDUAL_MAX * one.sigma_s, least_s)
                for wrong in range(2):
                    first, last, share = picks_near(data.picks, model, channel, wrong, one.time_s, within)
                    for slot in range(first, last):
                        if n == len(rows):
                            rows, row_values = _longer(rows), _longer(row_values)
                        residual = data.picks.time_s[slot] - one.time_s
                        rows[n, 0], rows[n, 1], rows[n, 2] = e, n_cells, slot
                        row_values[n, 0] = one.p * share * density_at(model, abs(residual) / one.sigma_s) / one.sigma_s
                        row_values[n, 1] = residual
                        n += 1
                n_cells += 1
    return rows[:n].copy(), row_values[:n].copy(), cells[:n_cells].copy(), cell_values[:n_cells].copy()


@njit(cache=True, nogil=True)
def _longer(table: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A table with twice the rows."""
    longer = np.empty((2 * table.shape[0], table.shape[1]), table.dtype)
    longer[: len(table)] = table
    return longer


@njit(cache=True, nogil=True)
def share_out(event: Integers, cell: Integers, slot: Integers, n_slots: int, n_cells: int) -> tuple[Integers, Integers]:
    """Owner (event) and row of every slot, -1 for none: rows in the order given, each if slot and cell are still free."""
    owner, row = np.full(n_slots, -1, np.int64), np.full(n_slots, -1, np.int64)
    taken = np.zeros(n_cells, np.bool_)
    for i in range(len(event)):
        if owner[slot[i]] < 0 and not taken[cell[i]]:
            owner[slot[i]], row[slot[i]] = event[i], i
            taken[cell[i]] = True
    return owner, row
