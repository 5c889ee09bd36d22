"""Which event gets which pick: strong events explain picks away, what survivors contest goes where it fits best."""

from __future__ import annotations

import heapq
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.evidence import Channels, PickModel, first_slot, prediction, student, weigh
from seisloom.associate.plane import epicentral_km
from seisloom.traveltime import TravelTimes

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_DUPLICATE_ORIGIN_S = 6.0  # events farther apart in origin time are never one


class Limits(NamedTuple):
    """What an event must have."""

    n_picks: int
    n_p: int
    n_s: int
    evidence: float
    support: float
    separation_s: float


@njit(cache=True, nogil=True, error_model="numpy")
def _same_event(
    times: TravelTimes,
    index: Channels,
    model: PickModel,
    limits: Limits,
    one: Array,
    other: Array,
    order: Integers,
    reach: int,
    covariance: Array,
) -> bool:
    """Whether two hypocentres predict the same arrivals, to the separation, in most channels."""
    same = 0
    for rank in range(reach):
        for channel in (2 * order[rank], 2 * order[rank] + 1):
            a, _ = prediction(times, index, model, channel, one, covariance)
            b, _ = prediction(times, index, model, channel, other, covariance)
            same += abs(a - b) < limits.separation_s
    return same > reach


@njit(cache=True, nogil=True, error_model="numpy")
def explain_away(
    times: TravelTimes,
    index: Channels,
    model: PickModel,
    limits: Limits,
    hypocentres: Array,
    covariances: Array,
    evidence: Array,
    support: Array,
    radius_km: Array,
) -> Integers:
    """Owner (event or -1) of every slot when events take their picks in the order of what then speaks for them.

    Events, in the order of origin time, that lack what they need or repeat a stronger one get no pick and a radius of
    -1. ``evidence``, ``support`` (picks over those expected) and ``radius_km`` are filled for the others.
    """
    n_stations = len(index.x_km)
    order, distance = np.empty(n_stations, np.int64), np.empty(n_stations)
    chosen = np.empty(2 * n_stations, np.int64)
    owner = np.full(len(index.time_s), -1, np.int64)
    radius_km[:] = -1.0
    heap = [(0.0, 0) for _ in range(0)]
    for event in range(len(hypocentres)):
        value, _ = weigh(
            times, index, model, owner, event, hypocentres[event], covariances[event], order, distance, chosen
        )
        if value >= limits.evidence:
            heap.append((-value, event))
    heapq.heapify(heap)
    while len(heap) > 0:
        before, event = heapq.heappop(heap)
        here = hypocentres[event]
        value, reach = weigh(times, index, model, owner, event, here, covariances[event], order, distance, chosen)
        if value < limits.evidence:
            continue
        if value < -before - 1e-9 and len(heap) > 0 and -value > heap[0][0]:
            heapq.heappush(heap, (-value, event))
            continue
        count = np.zeros(2, np.int64)
        expected = 0.0
        for rank in range(reach):
            for phase in range(2):
                count[phase] += chosen[2 * order[rank] + phase] >= 0
                expected += model.detection[2 * order[rank] + phase]
        n = count[0] + count[1]
        if n < limits.n_picks or count[0] < limits.n_p or count[1] < limits.n_s or n < limits.support * expected:
            continue
        repeated = False
        for step in (-1, 1):
            other = event + step
            while 0 <= other < len(hypocentres) and abs(hypocentres[other, 3] - here[3]) < _DUPLICATE_ORIGIN_S:
                if radius_km[other] >= 0 and not repeated:
                    repeated = _same_event(
                        times, index, model, limits, here, hypocentres[other], order, reach, covariances[event]
                    )
                other += step
        if repeated:
            continue
        evidence[event], support[event], radius_km[event] = value, n / expected, distance[reach - 1]
        for rank in range(reach):
            for channel in (2 * order[rank], 2 * order[rank] + 1):
                if chosen[channel] >= 0:
                    owner[chosen[channel]] = event
    return owner


@njit(cache=True, nogil=True, error_model="numpy")
def rivals(
    times: TravelTimes, index: Channels, model: PickModel, hypocentres: Array, covariances: Array, radius_km: Array
) -> tuple[Integers, Integers, Integers, Array, Integers]:
    """All picks that accepted events could take: event, cell, slot, logarithm of the likelihood ratio.

    A cell is one channel of one event, within its radius; last come the channels of all cells.
    """
    rows = [(0, 0, 0, 0.0) for _ in range(0)]
    cells = [0 for _ in range(0)]
    for event in range(len(hypocentres)):
        if radius_km[event] < 0:
            continue
        here = hypocentres[event]
        for channel in range(2 * len(index.x_km)):
            far = epicentral_km(here[0], here[1], index.x_km[channel // 2], index.y_km[channel // 2])
            if far > radius_km[event] + 1e-9 or model.detection[channel] <= 0.0:
                continue
            arrival, sigma = prediction(times, index, model, channel, here, covariances[event])
            within = min(model.tolerance * sigma, model.max_residual_s[channel % 2])
            slot = first_slot(index, channel, arrival - within)
            while slot < index.offsets[channel + 1] and index.time_s[slot] <= arrival + within:
                density = index.worth[slot] * student(index.time_s[slot] - arrival, sigma) / index.rate[slot]
                rows.append((event, len(cells), slot, math.log(density)))
                slot += 1
            cells.append(channel)
    found, value = np.empty((3, len(rows)), np.int64), np.empty(len(rows))
    for i, (event, one, slot, density) in enumerate(rows):
        found[0, i], found[1, i], found[2, i], value[i] = event, one, slot, density
    cell_channel = np.empty(len(cells), np.int64)
    for i, channel in enumerate(cells):
        cell_channel[i] = channel
    return found[0], found[1], found[2], value, cell_channel


@njit(cache=True, nogil=True)
def share_out(event: Integers, cell: Integers, slot: Integers, n_slots: int, n_cells: int) -> Integers:
    """Owner of every slot: rivals in the order given, each if slot and cell are still free."""
    owner, taken = np.full(n_slots, -1, np.int64), np.zeros(n_cells, np.bool_)
    for i in range(len(event)):
        if owner[slot[i]] < 0 and not taken[cell[i]]:
            owner[slot[i]] = event[i]
            taken[cell[i]] = True
    return owner
