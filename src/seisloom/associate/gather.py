"""The picks that events could have, and which event gets which."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.hypothesis import DEPTH, TIME, Evidence, X, Y, radius_km, reach_of
from seisloom.associate.pick_model import RESIDUAL_MAX, PickModel, density_at, first_slot, nearness_at
from seisloom.associate.plane import epicentral
from seisloom.traveltime import TravelTimes, travel_time

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
            distance, by_x, by_y = epicentral(events[e, X], events[e, Y], model.x_km[s], model.y_km[s])
            height = events[e, DEPTH] - model.depth_km[s]
            far = math.sqrt(distance * distance + height * height) / model.sensitivity[s]
            if far > reach:
                continue
            for phase in range(2):
                near = nearness_at(model, far / radius_km(model, events[e], phase))
                channel = 2 * s + phase
                p = model.detection[channel] * near
                if p <= 0.0:
                    continue
                travel, slope, by_depth = travel_time(times, phase, s, distance, events[e, DEPTH])
                sigma = math.sqrt(model.sigma_s[phase] ** 2 + (model.model_error * travel) ** 2)
                arrival = events[e, TIME] + travel + model.delay_s[channel]
                if n_cells == len(cells):
                    cells, cell_values = _longer(cells), _longer(cell_values)
                cells[n_cells, 0], cells[n_cells, 1] = e, channel
                value = cell_values[n_cells]
                value[0], value[1], value[2], value[3] = far, near, sigma, travel
                value[4], value[5], value[6] = slope * by_x, slope * by_y, by_depth
                within = max(RESIDUAL_MAX * sigma, least_s)
                for label in range(2 if model.wrong_label > 0.0 else 1):
                    other = 2 * s + (phase if label == 0 else 1 - phase)
                    share = p * (1.0 - model.wrong_label if label == 0 else model.wrong_label)
                    slot = first_slot(data.picks, other, arrival - within)
                    last = data.picks.offsets[other + 1]
                    while slot < last and data.picks.time_s[slot] < arrival + within:
                        if n == len(rows):
                            rows, row_values = _longer(rows), _longer(row_values)
                        residual = data.picks.time_s[slot] - arrival
                        rows[n, 0], rows[n, 1], rows[n, 2] = e, n_cells, slot
                        row_values[n, 0] = share * density_at(model, abs(residual) / sigma) / sigma
                        row_values[n, 1] = residual
                        n += 1
                        slot += 1
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
