"""A search for events on a grid of sources and origin times: where evidence has a local maximum."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.hypothesis import Evidence
from seisloom.associate.pick_model import RESIDUAL_MAX, PickModel
from seisloom.associate.plane import epicentral_km
from seisloom.associate.traces import LANES, Errors, Integers, Singles, Traces, draw, error_classes
from seisloom.traveltime import TravelTimes, travel_time

Array = npt.NDArray[np.float64]

_BLOCK = 12_000_000  # nodes times origin times that are held at once
_MOST_BINS = 2000  # more would not stay in the nearest cache
_STRETCH = 128  # bins that are passed over together where none is high


class Grid(NamedTuple):
    """Nodes where sources are tried. Stations of a node come in the order of their distance."""

    shape: tuple[int, int, int]
    """Nodes along x, y, depth; x varies fastest."""
    place_km: Array
    """(node, 3): x, y, depth."""
    travel_s: Singles
    """(node, channel), delays included."""
    distance_km: Singles
    """(node, station): hypocentral."""
    order: npt.NDArray[np.int32]
    """(node, station)"""
    spread_s: Array
    """(2,): standard error of P and S arrivals because sources lie between nodes."""
    step_s: float
    """Between origin times."""
    radius_km: Array
    """(class,): radii of detection that are tried."""
    longest_s: float


def make_grid(
    times: TravelTimes, model: PickModel, low: Array, high: Array, spacing_km: float, shift: bool = False
) -> Grid:
    """Nodes about ``spacing_km`` apart (half as much again in depth) between corners (x, y, depth) in km.

    With ``shift`` they lie where cells of the other grid meet, so that both together miss less.
    """
    step = np.array([spacing_km, spacing_km, 1.5 * spacing_km])
    shape = np.maximum(np.round((high - low) / step).astype(int), 1)
    step = (high - low) / shape
    shape += shift & (shape > 1)
    axes = [low[k] + (np.arange(shape[k]) + 0.5 * (1 - (shift and shape[k] > 1))) * step[k] for k in range(3)]
    depth, north, east = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    place = np.column_stack([east.ravel(), north.ravel(), depth.ravel()])
    slowness = _slowness(times, place[len(place) // 2, 2])
    radius = np.geomspace(model.radius_km[1] * 1.25, model.radius_km[-1], 6)
    n, n_stations = len(place), len(model.x_km)
    travel = np.zeros((n, 2 * n_stations), np.float32)
    distance = np.empty((n, n_stations), np.float32)
    _travel(times, model, place, radius[-1], travel, distance)
    order = np.argsort(distance, axis=1, kind="stable").astype(np.int32)
    away = 0.29 * math.hypot(step[0], 0.6 * step[2])
    near = np.repeat(distance < radius[-1], 2, axis=1)
    longest = float(np.where(near, travel, 0).max())
    return Grid(
        (int(shape[0]), int(shape[1]), int(shape[2])), place, travel, distance, order,
        away * slowness, float(0.66 * away * slowness[0]), radius, longest,
    )  # fmt: skip


def _slowness(times: TravelTimes, depth_km: float) -> Array:
    """Of P and S (s/km) about a depth: that over short distances."""
    return np.array([travel_time(times, phase, 0, 1.0, depth_km)[0] for phase in (0, 1)]) / np.hypot(
        1.0, depth_km - times.level_depth_km[times.station_level[0]]
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _travel(times: TravelTimes, model: PickModel, place: Array, farthest: float, travel: Singles, far: Singles) -> None:
    for n in range(len(place)):
        for s in range(len(model.x_km)):
            distance = epicentral_km(place[n, 0], place[n, 1], model.x_km[s], model.y_km[s])
            height = place[n, 2] - model.depth_km[s]
            far[n, s] = math.sqrt(distance * distance + height * height) / model.sensitivity[s]
            if far[n, s] > farthest:
                continue
            for phase in range(2):
                t, _, _ = travel_time(times, phase, s, distance, place[n, 2])
                travel[n, 2 * s + phase] = t + model.delay_s[2 * s + phase]


def scan(
    data: Evidence,
    model: PickModel,
    grid: Grid,
    first_s: float,
    last_s: float,
    threshold: float,
    only: npt.NDArray[np.bool_] | None = None,
) -> Array:
    """Local maxima of evidence above a threshold for origin times in [first_s, last_s), (candidate, 5).

    Columns: x, y, depth (km), origin time (s), evidence. For each node and origin time stations are added nearest first, and
    the sums of P and of S are looked at for several radii of detection; a maximum is one in space and time. Times from which
    no pick, or none of ``only`` (slot,), can come are passed over.
    """
    errors = error_classes(model, grid.spread_s, min(float(grid.travel_s.min()), 0.0), grid.longest_s)
    held = len(grid.place_km) + len(errors.sigma_s) * len(model.detection)
    n_bins = int(min(max(_BLOCK // held, 40), _MOST_BINS))
    log_noise = np.log(data.noise + data.explained)
    memory = np.empty(len(grid.place_km) * (n_bins + 2), np.float32)
    shifts = _shifts(grid, errors)
    reach_s = RESIDUAL_MAX * float(errors.sigma_s.max()) + grid.step_s
    heard_s = np.sort(data.picks.time_s if only is None else data.picks.time_s[only])
    found = [np.empty((0, 5))]
    for begin, end in _spans(heard_s, grid.longest_s + reach_s, reach_s, first_s, last_s, grid.step_s):
        for start in np.arange(begin, end, n_bins * grid.step_s):
            count = min(n_bins, math.ceil((end - start) / grid.step_s))
            here = memory[: len(grid.place_km) * (count + 2)].reshape(-1, count + 2)
            traces = draw(data.picks, log_noise, model, grid.step_s, errors, start - grid.step_s, count + 2)
            _stack(traces, shifts, model, here)
            top = peaks(here, grid.shape, np.float32(threshold))
            node, column, value = top[:, 0].astype(int), top[:, 1], top[:, 2]
            found.append(np.column_stack([grid.place_km[node], start + (column - 1) * grid.step_s, value]))
    return np.concatenate(found)


def _spans(time_s: Array, before_s: float, after_s: float, first_s: float, last_s: float, step_s: float) -> Array:
    """(span, 2): what lies within [first_s, last_s) and near some of the times (sorted), in whole steps from ``first_s`` on."""
    begin, end = np.maximum(time_s - before_s, first_s), np.minimum(time_s + after_s, last_s)
    begin = first_s + np.floor((begin - first_s) / step_s) * step_s
    begin, end = begin[begin < end], end[begin < end]
    apart = begin[1:] > end[:-1]
    return np.column_stack([begin[np.append(True, apart)[: len(begin)]], end[np.append(apart, True)[: len(end)]]])


class _Shifts(NamedTuple):
    """How a node reads the traces of its stations, the nearest first."""

    station: npt.NDArray[np.int32]
    """(node, rank)"""
    within: Integers
    """(node, radius): how many of them."""
    bins: npt.NDArray[np.int32]
    """(node, rank, phase): travel time in whole bins."""
    part: Singles
    """What is left of it, in bins."""
    of: npt.NDArray[np.uint8]
    """Class of standard errors."""


@njit(cache=True, nogil=True, error_model="numpy")
def _shifts(grid: Grid, errors: Errors) -> _Shifts:
    """Of all nodes."""
    n, n_stations = grid.order.shape
    within = np.empty((n, len(grid.radius_km)), np.int64)
    bins = np.zeros((n, n_stations, 2), np.int32)
    part = np.zeros((n, n_stations, 2), np.float32)
    of = np.zeros((n, n_stations, 2), np.uint8)
    for node in range(n):
        count = 0
        for radius in range(len(grid.radius_km)):
            while count < n_stations and grid.distance_km[node, grid.order[node, count]] <= grid.radius_km[radius]:
                count += 1
            within[node, radius] = count
        for rank in range(within[node, -1]):
            for phase in range(2):
                later = grid.travel_s[node, 2 * grid.order[node, rank] + phase] - errors.shortest_s
                shift = later / grid.step_s
                bins[node, rank, phase] = int(shift)
                part[node, rank, phase] = shift - int(shift)
                of[node, rank, phase] = errors.of_travel[int(2.0 * later)]
    return _Shifts(grid.order, within, bins, part, of)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def _stack(traces: Traces, shifts: _Shifts, model: PickModel, score: Singles) -> None:
    """Largest evidence over the radii for every node and origin time: traces shifted by travel times and added."""
    n_bins, margin = score.shape[1], int(LANES)
    total, best = np.empty((2, n_bins + 2 * margin), np.float32), np.empty((2, n_bins), np.float32)
    missed = np.zeros(len(model.detection), np.float32)
    for c in range(len(missed)):
        missed[c] = model.weight[c // 2] * math.log(1.0 - model.detection[c])
    for node in range(len(score)):
        _stack_node(traces, shifts, missed, node, total, best)
        for i in range(n_bins):
            score[node, i] = best[0, i] + best[1, i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def _stack_node(traces: Traces, shifts: _Shifts, missed: Singles, node: int, total: Singles, best: Singles) -> None:
    """Largest evidence over the radii at a node, (phase, bin): of no station at all to begin with, as an event may be picked
    by one phase only."""
    total[:] = 0.0
    best[:] = 0.0
    base_p, base_s = np.float32(0.0), np.float32(0.0)
    first = 0
    for radius in range(shifts.within.shape[1]):
        for rank in range(first, shifts.within[node, radius]):
            p = 2 * shifts.station[node, rank]
            base_p += missed[p]
            base_s += missed[p + 1]
            for phase in range(2):
                _add(traces, p + phase, shifts, node, rank, phase, total)
        if first < shifts.within[node, radius]:
            first = shifts.within[node, radius]
            _raise(best, total, 0, base_p)
            _raise(best, total, 1, base_s)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True, forceinline=True)
def _raise(best: Singles, total: Singles, phase: int, base: float) -> None:
    """Raise what is best so far to a sum and a constant, where that is more."""
    for i in range(best.shape[1]):
        value = total[phase, i + int(LANES)] + base
        best[phase, i] = value if value > best[phase, i] else best[phase, i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True, forceinline=True)
def _add(traces: Traces, channel: int, shifts: _Shifts, node: int, rank: int, phase: int, total: Singles) -> None:
    """Add the trace of a channel, linear between its bins; ``total`` has margins of ``LANES``."""
    later, part = int(LANES) - shifts.bins[node, rank, phase], shifts.part[node, rank, phase]
    of = shifts.of[node, rank, phase]
    for k in range(traces.offsets[channel], traces.offsets[channel + 1]):
        start, there = np.uint64(traces.blocks[k]), traces.blocks[k] + later
        if 0 < there <= total.shape[1] - int(LANES):
            to = np.uint64(there)
            for j in range(LANES):
                one = traces.value[of, channel, start + j]
                following = traces.value[of, channel, start + j + np.uint64(1)]
                total[phase, to + j] += one + part * (following - one)


@njit(cache=True, nogil=True)
def peaks(score: Singles, shape: tuple[int, int, int], threshold: float) -> Array:
    """(node, bin, value) of what no neighbour in space and time exceeds; the first and last bin are neighbours only."""
    rows = [(0, 0, np.float32(0.0)) for _ in range(0)]
    nx, ny, nz = shape
    n_bins = score.shape[1]
    for node in range(score.shape[0]):
        x, y, z = node % nx, (node // nx) % ny, node // (nx * ny)
        for first in range(1, n_bins - 1, _STRETCH):
            last = min(first + _STRETCH, n_bins - 1)
            if not _any_reaches(score[node, first:last], threshold):
                continue
            for i in range(first, last):
                value = score[node, i]
                if value < threshold or value < score[node, i - 1] or value < score[node, i + 1]:
                    continue
                if _is_peak(score, value, node, i, x, y, z, nx, ny, nz):
                    rows.append((node, i, value))
    out = np.empty((len(rows), 3))
    for k, (node, i, value) in enumerate(rows):
        out[k, 0], out[k, 1], out[k, 2] = node, i, value
    return out


@njit(cache=True, nogil=True, fastmath=True)
def _any_reaches(values: Singles, threshold: float) -> bool:
    """Whether one is not below a threshold; all are looked at, many at once."""
    count = 0
    for i in range(len(values)):
        count += values[i] >= threshold
    return count > 0


@njit(cache=True, nogil=True)
def _is_peak(
    score: Singles, value: float, node: int, i: int, x: int, y: int, z: int, nx: int, ny: int, nz: int
) -> bool:
    """Whether no neighbour is larger; of equals the first counts."""
    for dz in range(max(z - 1, 0), min(z + 2, nz)):
        for dy in range(max(y - 1, 0), min(y + 2, ny)):
            for dx in range(max(x - 1, 0), min(x + 2, nx)):
                other = (dz * ny + dy) * nx + dx
                for di in range(-1, 2):
                    near = score[other, i + di]
                    if near > value or (near == value and (other < node or (other == node and di < 0))):
                        return False
    return True
