"""Travel times of a network as compiled code reads them: a grid of apparent slowness over depth and distance.

What is stored is time over straight-line distance. It varies slowly where time itself has a cusp, at the source,
so that linear interpolation stays exact there (for a uniform medium: everywhere).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[np.float64]

P, S = 0, 1
PHASES = ("P", "S")


class TravelTimes(NamedTuple):
    """First-arrival times of P and S from any source of a region to the stations of a network.

    Depths are in km, positive down from the datum; a station at elevation e lies at depth -e. Distances are
    horizontal, in km. Stations of one elevation and velocity model share a *level*. Made by ``network_times``; read by
    ``travel_time``.
    """

    slowness: npt.NDArray[np.float32]
    """(phase, level, depth, distance): time over straight-line distance, s/km."""
    depth_km: Array
    """Nodes, ascending, at any spacing; here and below, bins are those of ``make_axis``."""
    depth_cell: npt.NDArray[np.int32]
    depth_bins_per_km: float
    distance_km: Array
    distance_cell: npt.NDArray[np.int32]
    distance_bins_per_km: float
    level_depth_km: Array
    """(level,): depth of the receivers of a level, km (negative above the datum)."""
    level_slowness: Array
    """(phase, level): slowness of the ground there, s/km."""
    station_level: npt.NDArray[np.int32]
    """(station,): the level that a station reads."""
    station_rise_km: Array
    """(station,): how far it stands above that level."""


def make_axis(node_km: Array) -> tuple[Array, npt.NDArray[np.int32], float]:
    """Nodes (two or more, ascending), the interval between them that holds the start of each bin, bins per km.

    Bins are even, and none holds two nodes: where a value lies among nodes at any spacing is found without a search.
    """
    width = 0.999 * np.diff(node_km).min()
    start = node_km[0] + width * np.arange(np.ceil((node_km[-1] - node_km[0]) / width) + 1.0)
    cell = np.searchsorted(node_km, start, side="right") - 1
    return node_km, np.minimum(cell, len(node_km) - 2).astype(np.int32), 1.0 / width


def of_stations(times: TravelTimes, stations: npt.NDArray[np.integer]) -> TravelTimes:
    """Travel times of some of the stations, which are numbered anew."""
    return times._replace(station_level=times.station_level[stations], station_rise_km=times.station_rise_km[stations])


@njit(cache=True, nogil=True, error_model="numpy")
def _interval(
    node_km: Array, cell: npt.NDArray[np.int32], bins_per_km: float, value: float
) -> tuple[int, float, float]:
    """The interval of an axis that holds a value or is nearest to it, the share of it that lies before, 1/km."""
    # Without branches (and loose arrays, not a tuple of them): three times as fast.
    last = len(node_km) - 1
    first, end = node_km[0], node_km[last]
    inside = value if value > first else first  # NaN is at the first node
    inside = inside if inside < end else end
    i = cell[int((inside - first) * bins_per_km)]
    i = min(i + int(inside >= node_km[i + 1]), last - 1)
    inverse = 1.0 / (node_km[i + 1] - node_km[i])
    return i, (inside - node_km[i]) * inverse, inverse


@njit(cache=True, nogil=True, error_model="numpy")
def travel_time(
    times: TravelTimes, phase: int, station: int, distance_km: float, depth_km: float
) -> tuple[float, float, float]:
    """Time (s) and its derivatives by distance and by source depth (s/km).

    A station r above its level has the time of that level and r sqrt(1/v² - p²) more, of first order in r. Sources and distances beyond the grid read its edge (the slowness there), so the caller keeps them inside.
    """
    level = times.station_level[station]
    i, b, per_depth = _interval(times.depth_km, times.depth_cell, times.depth_bins_per_km, depth_km)
    j, a, per_distance = _interval(times.distance_km, times.distance_cell, times.distance_bins_per_km, distance_km)
    grid = times.slowness
    s00, s01 = grid[phase, level, i, j], grid[phase, level, i, j + 1]
    s10, s11 = grid[phase, level, i + 1, j], grid[phase, level, i + 1, j + 1]
    slowness = (1.0 - b) * ((1.0 - a) * s00 + a * s01) + b * ((1.0 - a) * s10 + a * s11)
    by_distance = ((1.0 - b) * (s01 - s00) + b * (s11 - s10)) * per_distance
    by_depth = ((1.0 - a) * (s10 - s00) + a * (s11 - s01)) * per_depth
    height = depth_km - times.level_depth_km[level]
    straight = math.sqrt(distance_km * distance_km + height * height)
    inverse = 1.0 / max(straight, 1e-6)
    by_distance = by_distance * straight + slowness * distance_km * inverse
    time = slowness * straight
    steep = times.level_slowness[phase, level] ** 2 - by_distance * by_distance
    rise = times.station_rise_km[station]
    time += (rise if height > 0.0 else 0.0) * math.sqrt(steep if steep > 0.0 else 0.0)
    return time, by_distance, by_depth * straight + slowness * height * inverse


def travel_times(
    times: TravelTimes,
    phase: npt.ArrayLike,
    station: npt.ArrayLike,
    distance_km: npt.ArrayLike,
    depth_km: npt.ArrayLike,
) -> Array:
    """``travel_time`` (s) for arrays, which broadcast against one another: phase codes and station numbers (int), km."""
    codes, stations = np.asarray(phase, np.int64), np.asarray(station, np.int64)
    distance, depth = np.asarray(distance_km, np.float64), np.asarray(depth_km, np.float64)
    rows = np.broadcast_arrays(codes, stations, distance, depth)
    return _each(times, *(row.ravel() for row in rows)).reshape(rows[0].shape)


@njit(cache=True, nogil=True, error_model="numpy")
def _each(
    times: TravelTimes,
    phase: npt.NDArray[np.int64],
    station: npt.NDArray[np.int64],
    distance_km: Array,
    depth_km: Array,
) -> Array:
    found = np.empty(len(phase))
    for i in range(len(phase)):
        found[i] = travel_time(times, phase[i], station[i], distance_km[i], depth_km[i])[0]
    return found
