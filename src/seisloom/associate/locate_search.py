"""Where an event is, to two kilometres: a compiled search that wrong picks cannot trap.

The search asks of a hypocentre how well the origin times that the picks imply agree. With onset o_i = t_i - T_i and
a cutoff c it takes, over every run of onsets no wider than 2c, the largest of sum_i w_i (1 - (o_i - mean)^2 / c^2):
truncated least squares, the origin time eliminated. Picks outside the run count nothing, however far off they are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.plane import epicentral_km
from seisloom.traveltime import TravelTimes, travel_time

Array = npt.NDArray[np.float64]

_BEAM = 8
_BINS = 32


class Search(NamedTuple):
    """Nodes at which every search begins, and the box that it stays in."""

    nodes: Array
    """(node, 3): x, y, depth in km, neighbours in sequence."""
    times: npt.NDArray[np.float32]
    """(node, channel): travel times in s, channel = 2 station + phase."""
    step: Array
    """(3,): spacing of the nodes in km."""
    low: Array
    """(3,): smallest x, y, depth in km."""
    high: Array
    """(3,): largest x, y, depth in km."""
    n_levels: int
    """How often the cells are halved."""


@njit(cache=True, nogil=True, error_model="numpy")
def node_times(times: TravelTimes, x: Array, y: Array, nodes: Array, out: npt.NDArray[np.float32]) -> None:
    """Travel times from every node to every channel."""
    for station in range(len(x)):
        for k in range(len(nodes)):
            distance = epicentral_km(nodes[k, 0], nodes[k, 1], x[station], y[station])
            for phase in range(2):
                out[k, 2 * station + phase] = travel_time(times, phase, station, distance, nodes[k, 2])[0]


@njit(cache=True, nogil=True, error_model="numpy")
def sort_onsets(onset: Array, order: npt.NDArray[np.int64]) -> None:
    """Sort both by onset, by insertion: quick for what is nearly sorted."""
    for head in range(1, len(order)):
        late, i = onset[head], order[head]
        k = head - 1
        while k >= 0 and onset[k] > late:
            onset[k + 1] = onset[k]
            order[k + 1] = order[k]
            k -= 1
        onset[k + 1] = late
        order[k + 1] = i


@njit(cache=True, nogil=True, error_model="numpy")
def agreement(onset: Array, order: npt.NDArray[np.int64], weight: Array, cutoff: float) -> tuple[float, float]:
    """The largest truncated-least-squares agreement of the onsets, and their weighted mean there.

    ``onset[k]`` is that of pick ``order[k]``, in any order; both are left sorted. A caller that goes on to a
    neighbouring hypocentre keeps ``order``, which is then nearly right already.
    """
    n = len(order)
    sort_onsets(onset, order)
    base = onset[0]
    best, mean = -1.0, base
    total = first = second = 0.0
    tail = 0
    inverse = 1.0 / (cutoff * cutoff)
    for head in range(n):
        late, w = onset[head] - base, weight[order[head]]
        total += w
        first += w * late
        second += w * late * late
        while onset[head] - onset[tail] > 2.0 * cutoff:
            early, w = onset[tail] - base, weight[order[tail]]
            total -= w
            first -= w * early
            second -= w * early * early
            tail += 1
        if total > best:  # no run does better than its weight
            value = total - (second - first * first / total) * inverse
            if value > best:
                best, mean = value, base + first / total
    return best, mean


@njit(cache=True, nogil=True, error_model="numpy")
def agreement_bound(
    onset: Array, order: npt.NDArray[np.int64], weight: Array, cutoff: float, bins: Array, bin_of: npt.NDArray[np.int64]
) -> float:
    """No less than ``agreement``, for a fraction of its cost: the weight in three neighbouring bins of one cutoff.

    ``bins`` (a power of two) holds zeros before and after; onsets that differ by its whole length share a bin, which
    can only raise the bound.
    """
    last, inverse = len(bins) - 1, 1.0 / cutoff
    for k in range(len(order)):
        bin_of[k] = math.floor(onset[k] * inverse) & last
        bins[bin_of[k]] += weight[order[k]]
    best = 0.0
    for k in range(len(order)):
        b = bin_of[k]
        best = max(best, bins[b] + bins[(b + 1) & last] + bins[(b + 2) & last])
    bins[:] = 0.0
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def _keep(value: float, x: float, y: float, z: float, t: float, values: Array, cells: Array, held: int) -> int:
    """Put a cell among the best, sorted by value downwards; returns how many are held."""
    if held == len(values) and value <= values[held - 1]:
        return held
    k = held if held < len(values) else held - 1
    while k > 0 and values[k - 1] < value:
        values[k] = values[k - 1]
        cells[k] = cells[k - 1]
        k -= 1
    values[k] = value
    cells[k, 0], cells[k, 1], cells[k, 2], cells[k, 3] = x, y, z, t
    return min(held + 1, len(values))


@njit(cache=True, nogil=True, error_model="numpy")
def _cutoff(step: Array, level: int, sigma: float) -> float:
    """How far an onset may lie from the mean: pick errors, and the time across half a cell at 4.5 km/s."""
    half = 0.5 * math.sqrt(step[0] ** 2 + step[1] ** 2 + step[2] ** 2) / 2.0**level
    return 2.5 * sigma + 0.75 * half / 4.5


@njit(cache=True, nogil=True, error_model="numpy")
def search_event(
    times: TravelTimes,
    x: Array,
    y: Array,
    search: Search,
    time: Array,
    station: npt.NDArray[np.int32],
    phase: npt.NDArray[np.int8],
    sigma: Array,
    state: Array,
) -> float:
    """Put the best hypocentre (x, y, depth, origin time) into ``state``; returns the cutoff (s) of the last level."""
    n = len(time)
    onset, weight, order, channel = np.empty(n), np.empty(n), np.arange(n), np.empty(n, np.int64)
    bins, bin_of = np.zeros(_BINS), np.empty(n, np.int64)
    typical = 0.0
    for i in range(n):
        weight[i] = 1.0 / (1.0 + 0.5 * phase[i])  # half a cell is worth more seconds of S than of P
        channel[i] = 2 * station[i] + phase[i]
        typical += sigma[i] / n
    values, cells = np.empty(_BEAM), np.empty((_BEAM, 4))
    next_values, next_cells = np.empty(_BEAM), np.empty((_BEAM, 4))
    held = 0
    cutoff = _cutoff(search.step, 0, typical)
    for k in range(len(search.nodes)):
        for i in range(n):
            onset[i] = time[order[i]] - search.times[k, channel[order[i]]]
        if held == _BEAM and agreement_bound(onset, order, weight, cutoff, bins, bin_of) <= values[held - 1]:
            continue
        value, mean = agreement(onset, order, weight, cutoff)
        held = _keep(value, search.nodes[k, 0], search.nodes[k, 1], search.nodes[k, 2], mean, values, cells, held)
    for level in range(1, search.n_levels + 1):
        cutoff = _cutoff(search.step, level, typical)
        shift = search.step / 2.0 ** (level + 1)
        found = 0
        for cell in range(held):
            for corner in range(8):
                cx = cells[cell, 0] + (shift[0] if corner & 1 else -shift[0])
                cy = cells[cell, 1] + (shift[1] if corner & 2 else -shift[1])
                cz = cells[cell, 2] + (shift[2] if corner & 4 else -shift[2])
                cz = min(max(cz, search.low[2]), search.high[2])
                for k in range(n):
                    i = order[k]
                    distance = epicentral_km(cx, cy, x[station[i]], y[station[i]])
                    onset[k] = time[i] - travel_time(times, phase[i], station[i], distance, cz)[0]
                if found == _BEAM and (
                    agreement_bound(onset, order, weight, cutoff, bins, bin_of) <= next_values[found - 1]
                ):
                    continue
                value, mean = agreement(onset, order, weight, cutoff)
                found = _keep(value, cx, cy, cz, mean, next_values, next_cells, found)
        values, next_values = next_values, values
        cells, next_cells = next_cells, cells
        held = found
    state[:] = cells[0]
    return cutoff
