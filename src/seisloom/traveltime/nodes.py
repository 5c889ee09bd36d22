"""Where the nodes of a network's travel times lie: depths and distances of sources, depths of stations."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError
from seisloom.traveltime.model import VelocityModel

Array = npt.NDArray[np.float64]

MAX_LEVELS = 24
"""Of the stations of one velocity model."""
_MAX_NODES = 25_000_000
# Steps are the shortest ones out to where they are this share of the distance (depth), and grow with it to the longest.
_GROWTH = 0.005, 0.015
_LONGEST_KM = 4.0


def node_axes(
    z_min: float, z_max: float, max_distance_km: float, n_levels: int, models: Iterable[VelocityModel]
) -> tuple[Array, Array]:
    """Depths and distances (km) of the nodes, finer for smaller regions and nearer to the stations.

    Discontinuities of the models are nodes of depth: times have kinks there. With many levels steps are longer, so that
    memory keeps to 200 MB.
    """
    check_extent(z_min, z_max, max_distance_km)
    finest = min(max(max_distance_km / 500.0, 0.05), 0.5)
    for coarser in 1.25 ** np.arange(30):
        distance, depth = (
            _stretching(first, last, coarser * finest, coarser * growth, coarser * _LONGEST_KM)
            for first, last, growth in ((0.0, max_distance_km, _GROWTH[0]), (z_min, z_max, _GROWTH[1]))
        )
        if n_levels * len(depth) * len(distance) <= _MAX_NODES:
            break
    return _with(depth, (z for model in models for z in model.discontinuities)), distance


def check_extent(z_min: float, z_max: float, max_distance_km: float) -> None:
    """InputError for depths and distances that no times can be computed for."""
    if not (z_min < z_max and 0 < max_distance_km < math.inf and math.isfinite(z_max - z_min)):
        raise InputError(
            f"travel times: depths from {z_min:g} to {z_max:g} km and distances to {max_distance_km:g} km; "
            "the first depth must be the smaller, the distance positive"
        )


def _stretching(first: float, last: float, shortest: float, growth: float, longest: float) -> Array:
    """Nodes from first to last, apart by ``growth`` times their distance from 0, within the two limits."""
    nodes = [first]
    while nodes[-1] < last:
        nodes.append(nodes[-1] + min(max(growth * abs(nodes[-1]), shortest), longest))
    # The last node is the end: all steps shrink a little.
    return first + (np.array(nodes) - first) * (last - first) / (nodes[-1] - first)


def _with(nodes: Array, wanted: Iterable[float]) -> Array:
    """The nodes, those nearest to wanted places moved there, each but once; the ends stay."""
    moved = np.zeros(len(nodes), bool)
    moved[[0, -1]] = True
    nodes = nodes.copy()
    for place in wanted:
        k = int(np.argmin(np.abs(nodes - place)))
        if not moved[k]:
            nodes[k], moved[k] = place, True
    return nodes


def apparent_slowness(times: Array, level_depth: Array, depth: Array, distance: Array, at_source: Array) -> Array:
    """Time over straight-line distance (s/km), shape (level, depth, distance); at the source its limit, 1/v."""
    height = depth[:, None] - level_depth[:, None, None]
    straight = np.hypot(height, distance)
    near = straight < 1e-6
    return np.where(near, at_source[:, None], times / np.where(near, 1.0, straight))


def station_levels(station_elevation_km: npt.ArrayLike) -> tuple[Array, npt.NDArray[np.int32], Array]:
    """Depths of the levels (ascending), the level of each station and how far (km) it stands above it."""
    depth = -np.atleast_1d(np.asarray(station_elevation_km, float))
    if not (depth.ndim == 1 and len(depth) and np.isfinite(depth).all()):
        raise InputError(f"travel times: {depth.size} station elevations, {np.isnan(depth).sum()} without a number")
    levels, station_level = np.unique(np.round(depth, 6) + 0.0, return_inverse=True)
    if len(levels) > MAX_LEVELS:
        levels, shared = _share(levels)
        station_level = shared[station_level]
    return levels, station_level.astype(np.int32), levels[station_level] - depth


def _share(depth: Array) -> tuple[Array, npt.NDArray[np.int64]]:
    """As many levels as may be, each in the middle of the depths that share it, with the smallest width that does."""
    low, high = 0.0, float(depth[-1] - depth[0])
    for _ in range(50):
        width = 0.5 * (low + high)
        low, high = (low, width) if _bins(depth, width)[-1] < MAX_LEVELS else (width, high)
    shared = _bins(depth, high)
    first = np.searchsorted(shared, np.arange(shared[-1] + 1))
    last = np.append(first[1:], len(depth)) - 1
    return 0.5 * (depth[first] + depth[last]), shared


def _bins(depth: Array, width: float) -> npt.NDArray[np.int64]:
    """Number of the bin of each of ascending depths, where a bin spans at most a width."""
    bins = np.zeros(len(depth), np.int64)
    start = depth[0]
    for k in range(1, len(depth)):
        bins[k] = bins[k - 1]
        if depth[k] - start > width:
            start, bins[k] = depth[k], bins[k - 1] + 1
    return bins
