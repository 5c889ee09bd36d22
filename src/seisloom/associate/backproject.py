"""Cleaning of linked picks by back-projection (after Ross et al. 2019, doi:10.1029/2018JB016674).

Every pick about the time of a cluster is carried back to every node of a grid; the picks whose origin times agree best,
at one node, are the event's.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.clusters import Clusters, make_clusters
from seisloom.associate.locate_search import agreement_bound, node_times, sort_onsets
from seisloom.associate.network import Network
from seisloom.associate.plane import distances_km
from seisloom.errors import InputError, SettingsError
from seisloom.picks import PickArrays
from seisloom.traveltime import TravelTimes

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_SPACING_KM = (5.0, 5.0, 2.5)
_MAX_BYTES = 2**30
_BINS = 256


@dataclass(frozen=True)
class BackprojectSettings:
    """The grid, and which picks may be of one event. Raises SettingsError."""

    n_nodes: tuple[int | None, int | None, int | None] = (None, None, None)
    """Nodes along x, y and depth, the ends of the region among them; None: one every 5, 5 and 2.5 km."""
    t_repick_s: float = 20.0
    """Half of this before and after a cluster, picks are considered once more."""
    min_sep_s: float = 2.0
    """Picks of one event have origin times within less than this at its node."""
    max_pick_dist_km: float = math.inf
    """Farthest station that a pick may be of (hypocentral distance)."""
    min_pick_dist_km: float = 0.0
    """Nearest."""

    def __post_init__(self) -> None:
        faults = [f"n_nodes is {self.n_nodes}; every number must be at least 1"] * any(
            n is not None and n < 1 for n in self.n_nodes
        )
        if not self.t_repick_s >= 0:
            faults.append(f"t_repick_s is {self.t_repick_s:g}; it must be 0 or more")
        if not self.min_sep_s > 0:
            faults.append(f"min_sep_s is {self.min_sep_s:g}; it must be positive")
        if not 0 <= self.min_pick_dist_km < self.max_pick_dist_km:
            between = f"{self.min_pick_dist_km:g} to {self.max_pick_dist_km:g} km"
            faults.append(f"picks are wanted from {between}; the first must be the smaller, and not negative")
        if faults:
            raise SettingsError(faults, "back-projection")


def backproject(
    picks: PickArrays,
    clusters: Clusters,
    network: Network,
    times: TravelTimes,
    settings: BackprojectSettings | None = None,
    *,
    n_threads: int = 1,
) -> Clusters:
    """Of every cluster, the picks within its time that agree on an origin at one node; in the same order, maybe empty.

    The best node has the most stations and phases with origin times within ``min_sep_s``; of equals, the one with the
    smallest spread. Of two picks of a station and phase the one nearer the mean is kept. Clusters do not see each other:
    a pick may end in several. Cost: picks in the time of a cluster times nodes.
    """
    settings = settings or BackprojectSettings()
    node_time = _node_times(network, times, settings)
    sizes = clusters.sizes
    window = np.zeros((len(sizes), 2), np.int64)
    some = sizes > 0
    half = settings.t_repick_s / 2.0
    # Members ascend, and so do their times.
    first = picks.time_s[clusters.members[clusters.offsets[:-1][some]]] - half
    last = picks.time_s[clusters.members[clusters.offsets[1:][some] - 1]] + half
    window[some, 0] = np.searchsorted(picks.time_s, first)
    window[some, 1] = np.searchsorted(picks.time_s, last, side="right")
    channel = 2 * picks.station.astype(np.int64) + picks.phase

    def part(rows: npt.NDArray[np.int64]) -> list[Integers]:
        return [_best_picks(node_time, picks.time_s, channel, *window[k], settings.min_sep_s) for k in rows]

    with ThreadPoolExecutor(n_threads) as pool:
        parts = list(pool.map(part, np.array_split(np.arange(len(sizes)), 8 * n_threads)))
    return make_clusters([group for groups in parts for group in groups])


def _node_times(network: Network, times: TravelTimes, settings: BackprojectSettings) -> npt.NDArray[np.float32]:
    """(node, channel): travel times, infinite where the station is too far or too near."""
    x_min, x_max, y_min, y_max = network.box_km
    ends = [(x_min, x_max), (y_min, y_max), (network.region.z_min, network.region.z_max)]
    axes = []
    for (low, high), n, spacing in zip(ends, settings.n_nodes, _SPACING_KM, strict=True):
        count = math.ceil((high - low) / spacing) + 1 if n is None else n
        axes.append(np.linspace(low, high, count) if count > 1 else np.array([(low + high) / 2]))
    n_nodes = math.prod(map(len, axes))
    needed = 4 * n_nodes * 2 * network.n_stations
    if needed > _MAX_BYTES:
        shape = " x ".join(str(len(axis)) for axis in axes)
        raise InputError(
            f"back-projection: {shape} nodes for {network.n_stations} stations need {needed / 2**30:.1f} GiB; "
            "at most 1 GiB is used: ask for fewer nodes or a smaller region"
        )
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    result = np.empty((n_nodes, 2 * network.n_stations), np.float32)
    node_times(times, network.x_km, network.y_km, nodes, result)
    x, y, z = nodes.T
    for s in range(network.n_stations):
        epicentral = distances_km(x, y, network.x_km[s : s + 1], network.y_km[s : s + 1])[:, 0]
        distance = np.hypot(epicentral, z + network.elevation_km[s])
        away = (distance > settings.max_pick_dist_km) | (distance < settings.min_pick_dist_km)
        result[away, 2 * s : 2 * s + 2] = np.inf
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def _best_picks(
    node_time: npt.NDArray[np.float32], time: Array, channel: Integers, first: int, last: int, min_sep: float
) -> Integers:
    """Positions of the picks, of those from first to last - 1, that agree best at one node."""
    n = last - first
    origin, order, weight = np.empty(n), np.empty(n, np.int64), np.ones(n)
    bins, bin_of = np.zeros(_BINS), np.empty(n, np.int64)
    count = np.zeros(node_time.shape[1], np.int64)
    usual = np.arange(n)  # nearly sorted by origin time, from the node before
    best, spread, best_node, best_origin = 0, 0.0, -1, 0.0
    for node in range(len(node_time)):
        m = _origins(node_time[node], time[first:last], channel[first:last], usual, origin, order)
        if m < best or agreement_bound(origin[:m], order[:m], weight, min_sep / 2, bins, bin_of) < best:
            continue
        sort_onsets(origin[:m], order[:m])
        usual[:] = order
        most, width, middle = _densest(origin[:m], order[:m], channel[first:last], min_sep, count)
        if most > best or (most == best and width < spread):
            best, spread, best_node, best_origin = most, width, node, middle
    if best_node < 0:
        return np.zeros(0, np.int64)
    m = _origins(node_time[best_node], time[first:last], channel[first:last], usual, origin, order)
    sort_onsets(origin[:m], order[:m])
    return first + _nearest(origin[:m], order[:m], channel[first:last], min_sep, best_origin, len(count))


@njit(cache=True, nogil=True, error_model="numpy")
def _origins(
    node_time: npt.NDArray[np.float32], time: Array, channel: Integers, usual: Integers, origin: Array, order: Integers
) -> int:
    """Origin times, from the first pick on, of the picks in reach of a node, in the usual order; returns how many.

    ``order`` holds the picks in reach, then the others.
    """
    m, beyond = 0, len(usual)
    for k in usual:
        travel = node_time[channel[k]]
        if travel < np.inf:
            origin[m], order[m] = time[k] - time[0] - travel, k
            m += 1
        else:
            beyond -= 1
            order[beyond] = k
    return m


@njit(cache=True, nogil=True, error_model="numpy")
def _densest(
    origin: Array, order: Integers, channel: Integers, min_sep: float, count: Integers
) -> tuple[int, float, float]:
    """Most channels within less than ``min_sep`` of sorted origin times: their number, spread (s) and first origin."""
    most, narrowest, start = 0, 0.0, 0.0
    tail = distinct = 0
    total = square = 0.0
    for head in range(len(order)):
        count[channel[order[head]]] += 1
        distinct += count[channel[order[head]]] == 1
        total += origin[head]
        square += origin[head] ** 2
        while origin[head] - origin[tail] >= min_sep:
            count[channel[order[tail]]] -= 1
            distinct -= count[channel[order[tail]]] == 0
            total -= origin[tail]
            square -= origin[tail] ** 2
            tail += 1
        if distinct >= most:
            n = head - tail + 1
            width = max(square / n - (total / n) ** 2, 0.0)
            if distinct > most or width < narrowest:
                most, narrowest, start = distinct, width, origin[tail]
    while tail < len(order):
        count[channel[order[tail]]] = 0
        tail += 1
    return most, math.sqrt(narrowest), start


@njit(cache=True, nogil=True, error_model="numpy")
def _nearest(
    origin: Array, order: Integers, channel: Integers, min_sep: float, start: float, n_channels: int
) -> Integers:
    """Places of the picks within ``min_sep`` from ``start``: of every channel the one nearest to their mean."""
    low = high = np.searchsorted(origin, start)
    while high < len(origin) and origin[high] - start < min_sep:
        high += 1
    mean = np.mean(origin[low:high])
    held = np.full(n_channels, -1, np.int64)
    for k in range(low, high):
        c = channel[order[k]]
        if held[c] < 0 or abs(origin[k] - mean) < abs(origin[held[c]] - mean):
            held[c] = k
    return np.sort(order[held[held >= 0]])
