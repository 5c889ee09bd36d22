"""Windows of picks that can share an event with a root pick, and the features that the network reads of them.

PhaseLink (Ross et al. 2019, doi:10.1029/2018JB016674) takes every pick in turn as the root of a window of later picks
and asks which of them belong to the root's event. Most picks of a window cannot, whatever the source: the difference
of their arrival times is impossible for the two stations. ``pair_limits`` finds what is possible, ``root_windows``
leaves out the rest. Training and prediction both build windows and features here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom import geo
from seisloom.associate.network import Network
from seisloom.associate.plane import epicentral_km, stretch
from seisloom.errors import InputError
from seisloom.picks.arrays import PickArrays
from seisloom.traveltime import TravelTimes, travel_time

FeatureKind = Literal["published", "relative"]
Limits = npt.NDArray[np.float32]

FEATURES: dict[str, tuple[str, ...]] = {
    # x and y of the station between the westernmost and easternmost (southernmost and northernmost) station, 0 to 1;
    # time after the root over t_win; phase; one.
    "published": ("x", "y", "time", "phase", "one"),
    # Of the pick: x and y as above, phase, probability. Against the root: its phase; time after it / 10 s; way from its
    # station to the pick's, east, north and straight / 50 km; place of the time difference among the possible ones, -1
    # (earliest, less the slack) to 1 (latest, plus the slack); width of the possible ones / 10 s.
    "relative": (
        "x", "y", "phase", "probability",
        "root_phase", "time", "east", "north", "distance", "place", "width",
    ),
}  # fmt: skip
"""Names of the feature columns of each kind."""

# Fixed scales, so that a network means the same with another t_win or another region.
_TIME_S = 10.0
_DISTANCE_KM = 50.0
# Trial sources are taken in tiles of so many nodes along x and y: few stations see a tile, and its times stay in the cache.
_TILE = 4


class Windows(NamedTuple):
    """Windows in compressed rows: window k holds ``members[offsets[k] : offsets[k + 1]]``, in order of time."""

    roots: npt.NDArray[np.int64]
    """(window,): position of the root in PickArrays."""
    offsets: npt.NDArray[np.int64]
    """(window + 1,)"""
    members: npt.NDArray[np.int64]
    """Positions in PickArrays; the first of each window is its root."""

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        return np.diff(self.offsets)


def pair_limits(network: Network, times: TravelTimes, max_distance_km: float, spacing_km: float = 4.0) -> Limits:
    """Least and greatest difference of arrival times between any two channels that one source can give.

    Channel 2 * station + phase. ``limits[a, b]`` = (least, greatest) t_b - t_a in s over all sources of the region no
    farther than ``max_distance_km`` (hypocentral) from both stations; NaN where there is no such source. (2n, 2n, 2).

    Sources are the nodes of a grid of ``spacing_km`` (half of it in depth) and columns below the stations, where times
    have their cusps. Reach is widened by the diagonal of a cell, so that all corners of a cell count if any point of
    it does: the limits are too narrow by no more than the curvature of the times within a cell,
    spacing_km² / (4 v R) at R km from the nearer station or 0.03 s for 4 km, 4 km/s and 30 km, and too wide by no more
    than a cell's diagonal over v.
    """
    reach = max_distance_km + math.hypot(spacing_km, spacing_km, 0.5 * spacing_km)
    n = 2 * network.n_stations
    least, greatest = np.full((n, n), np.inf, np.float32), np.full((n, n), -np.inf, np.float32)
    at = (network.x_km, network.y_km, -network.elevation_km)
    for x, y, z in _sources(network, spacing_km):
        _widen(times, x, y, z, _within(x, y, network, reach), *at, reach, least, greatest)
    lower = np.tril_indices(n, -1)
    least[lower], greatest[lower] = -greatest.T[lower], -least.T[lower]
    limits = np.stack([least, greatest], axis=-1)
    limits[least > greatest] = np.nan
    return limits


def root_windows(
    picks: PickArrays,
    limits: Limits | None,
    slack_s: float,
    t_win: float,
    n_max_picks: int,
    first: int = 0,
    last: int | None = None,
) -> Windows:
    """For each root in ``[first, last)``: itself and the later picks that can share its source.

    A later pick belongs to the window if it comes no later than ``t_win`` s after the root, from another channel, and
    its difference in time is within ``limits`` (of pair_limits) widened by ``slack_s`` (pick errors, faults of the
    model). The first ``n_max_picks`` are kept, the root among them. ``limits=None`` keeps all picks of ``t_win``, as
    the published model was trained. Picks of one instant count as later in the order of PickArrays.
    """
    last = len(picks.time_s) if last is None else last
    search = _search(picks, limits, slack_s, t_win, n_max_picks)
    offsets = np.concatenate([[0], np.cumsum(_count(*search, first, last))]).astype(np.int64)
    return Windows(np.arange(first, last), offsets, _fill(*search, first, offsets))


def window_sizes(
    picks: PickArrays, limits: Limits | None, slack_s: float, t_win: float, n_max_picks: int
) -> npt.NDArray[np.int64]:
    """How many members root_windows will give every pick, (pick,): to cut the work into parts of known size."""
    return _count(*_search(picks, limits, slack_s, t_win, n_max_picks), 0, len(picks.time_s))


def features(
    picks: PickArrays,
    network: Network,
    limits: Limits | None,
    windows: Windows,
    kind: FeatureKind,
    slack_s: float,
    t_win: float,
) -> npt.NDArray[np.float32]:
    """The columns FEATURES[kind] of every member of every window, (member, column); all finite, of order one."""
    if kind == "relative" and limits is None:
        raise InputError('features "relative" need the limits of the pairs: give those of pair_limits')
    place = station_map(network)
    out = np.empty((len(windows.members), len(FEATURES[kind])), np.float32)
    if limits is None or kind == "published":
        _published(windows, picks.time_s, picks.station, picks.phase, place, t_win, out)
    else:
        at = np.column_stack([network.x_km, network.y_km])
        pick = (picks.time_s, picks.station, picks.phase, picks.probability)
        _relative(windows, *pick, place, at, limits, slack_s, out)
    return out


def labels(event: npt.NDArray[np.int32], windows: Windows) -> npt.NDArray[np.uint8]:
    """1 for the root and for members of the root's event, (member,); ``event`` is -1 for noise, which shares none."""
    root = np.repeat(windows.roots, windows.sizes)
    same = (event[windows.members] == event[root]) & (event[root] >= 0)
    return (same | (windows.members == root)).astype(np.uint8)


def station_map(network: Network) -> npt.NDArray[np.float64]:
    """Station places from 0 to 1 between the extremes of the network, (station, 2): the published definition.

    x is the geodesic along the middle parallel of the stations, y that along their middle meridian, both from the
    middle of their extremes, then scaled to the extremes.
    """
    lat, lon = network.geographic(network.x_km, network.y_km)
    lat0, lon0 = 0.5 * (lat.min() + lat.max()), 0.5 * (lon.min() + lon.max())
    x = np.sign(lon - lon0) * geo.distance_azimuth(lat0, lon, lat0, lon0)[0]
    y = np.sign(lat - lat0) * geo.distance_azimuth(lat, lon0, lat0, lon0)[0]
    at = np.column_stack([x, y])
    span = np.ptp(at, axis=0)
    return (at - at.min(axis=0)) / np.where(span > 0, span, 1.0)


def _sources(network: Network, spacing_km: float) -> Iterator[tuple[npt.NDArray[np.float64], ...]]:
    """x, y, z of trial sources: nodes over the region, its faces included, tile by tile; and columns below the stations."""
    x0, x1, y0, y1 = network.box_km
    z0, z1 = network.region.z_min, network.region.z_max
    zs = _nodes(z0, z1, 0.5 * spacing_km)
    xs, ys = (
        np.split(axis, range(_TILE, len(axis), _TILE))
        for axis in (_nodes(x0, x1, spacing_km), _nodes(y0, y1, spacing_km))
    )
    for tile in itertools.product(xs, ys):
        yield tuple(axis.ravel() for axis in np.meshgrid(*tile, zs, indexing="ij"))
    columns = zip(
        np.clip(network.x_km, x0, x1),
        np.clip(network.y_km, y0, y1),
        np.clip(-network.elevation_km, z0, z1),
        strict=True,
    )
    for x, y, z in columns:
        depths = np.append(zs, z)
        yield np.full(len(depths), x), np.full(len(depths), y), depths


def _within(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], network: Network, reach_km: float
) -> npt.NDArray[np.int64]:
    """Stations no farther than ``reach_km`` (horizontally) from the box of some sources, and maybe more."""
    east = np.maximum(x.min() - network.x_km, network.x_km - x.max()).clip(0.0)
    north = np.maximum(y.min() - network.y_km, network.y_km - y.max()).clip(0.0)
    stretched = np.sqrt(stretch(x, y).max() * stretch(network.x_km, network.y_km))
    return np.flatnonzero(np.hypot(east, north) <= reach_km * stretched)


def _nodes(start: float, stop: float, spacing: float) -> npt.NDArray[np.float64]:
    return np.linspace(start, stop, math.ceil((stop - start) / spacing) + 1)


@njit(cache=True, nogil=True)
def _widen(times, source_x, source_y, source_z, stations, x, y, depth, reach, least, greatest):  # type: ignore[no-untyped-def]
    """Widen the upper triangles of ``least`` and ``greatest`` by what sources give at some (ascending) stations."""
    n, m = len(source_x), 2 * len(stations)
    t = np.empty((n, m), np.float32)
    for s in range(n):
        for k in range(len(stations)):
            i = stations[k]
            distance = epicentral_km(source_x[s], source_y[s], x[i], y[i])
            near = math.hypot(distance, source_z[s] - depth[i]) <= reach
            for phase in range(2):
                t[s, 2 * k + phase] = travel_time(times, phase, i, distance, source_z[s])[0] if near else np.nan
    low, high = np.empty(m, np.float32), np.empty(m, np.float32)
    for a in range(m):
        low[a:], high[a:] = np.inf, -np.inf
        for s in range(n):
            if not math.isnan(t[s, a]):
                _stretch(t[s, a:], t[s, a], low[a:], high[a:])
        i = 2 * stations[a // 2] + a % 2
        for b in range(a, m):
            j = 2 * stations[b // 2] + b % 2
            least[i, j], greatest[i, j] = min(least[i, j], low[b]), max(greatest[i, j], high[b])


@njit(cache=True, nogil=True)
def _stretch(t, start, low, high):  # type: ignore[no-untyped-def]
    """Widen ``low`` and ``high`` by t - start: no branches (NaN compares false), so that the loop is vectorised."""
    for b in range(len(t)):
        difference = t[b] - start
        low[b] = difference if difference < low[b] else low[b]
        high[b] = difference if difference > high[b] else high[b]


def _search(
    picks: PickArrays, limits: Limits | None, slack_s: float, t_win: float, n_max_picks: int
) -> tuple[Any, ...]:
    """What the loops over roots share: (time, channel, limits, whether they count, slack, reach of a channel, most)."""
    channel = 2 * picks.station.astype(np.int64) + picks.phase
    if limits is None:
        reach = np.full(channel.max(initial=0) + 1, t_win)
        return picks.time_s, channel, np.zeros((0, 0, 2), np.float32), False, slack_s, reach, n_max_picks
    latest = np.nanmax(limits[..., 1], axis=1, initial=0.0)
    return picks.time_s, channel, limits, True, slack_s, np.minimum(latest + slack_s, t_win), n_max_picks


@njit(cache=True, nogil=True)
def _possible(time, channel, limits, pruned, slack, i, j):  # type: ignore[no-untyped-def]
    """Whether pick j can share the source of the root i."""
    if not pruned:
        return True
    a, b = channel[i], channel[j]
    difference = time[j] - time[i]
    # A second arrival of one phase at one station cannot be the same event's.
    return a != b and limits[a, b, 0] - slack <= difference <= limits[a, b, 1] + slack


@njit(cache=True, nogil=True)
def _count(time, channel, limits, pruned, slack, reach, most, first, last):  # type: ignore[no-untyped-def]
    sizes = np.empty(last - first, np.int64)
    for i in range(first, last):
        n, j, end = 1, i + 1, time[i] + reach[channel[i]]
        while n < most and j < len(time) and time[j] <= end:
            n += _possible(time, channel, limits, pruned, slack, i, j)
            j += 1
        sizes[i - first] = n
    return sizes


@njit(cache=True, nogil=True)
def _fill(time, channel, limits, pruned, slack, reach, most, first, offsets):  # type: ignore[no-untyped-def]
    members = np.empty(offsets[-1], np.int64)
    for k in range(len(offsets) - 1):
        i = j = first + k
        members[offsets[k]] = i
        n = offsets[k] + 1
        while n < offsets[k + 1]:
            j += 1
            if _possible(time, channel, limits, pruned, slack, i, j):
                members[n] = j
                n += 1
    return members


@njit(cache=True, nogil=True)
def _published(windows, time, station, phase, place, t_win, out):  # type: ignore[no-untyped-def]
    for k in range(len(windows.roots)):
        start = time[windows.roots[k]]
        for m in range(windows.offsets[k], windows.offsets[k + 1]):
            j = windows.members[m]
            row = out[m]
            row[0], row[1] = place[station[j], 0], place[station[j], 1]
            row[2], row[3], row[4] = (time[j] - start) / t_win, phase[j], 1.0


@njit(cache=True, nogil=True)
def _relative(windows, time, station, phase, probability, place, at, limits, slack, out):  # type: ignore[no-untyped-def]
    for k in range(len(windows.roots)):
        i = windows.roots[k]
        a, root = station[i], 2 * station[i] + phase[i]
        for m in range(windows.offsets[k], windows.offsets[k + 1]):
            j = windows.members[m]
            b = station[j]
            low, high = limits[root, 2 * b + phase[j], 0], limits[root, 2 * b + phase[j], 1]
            difference = time[j] - time[i]
            half = 0.5 * (high - low) + slack
            east, north = at[b, 0] - at[a, 0], at[b, 1] - at[a, 1]
            row = out[m]
            row[0], row[1] = place[b, 0], place[b, 1]
            row[2], row[3], row[4] = phase[j], probability[j], phase[i]
            row[5] = difference / _TIME_S
            row[6], row[7], row[8] = east / _DISTANCE_KM, north / _DISTANCE_KM, math.hypot(east, north) / _DISTANCE_KM
            row[9] = (difference - 0.5 * (low + high)) / half if half > 0.0 else 0.0
            row[10] = (high - low) / _TIME_S
