"""Travel times of a network from tables for a receiver at their surface, as GrowClust and PhaseLink have them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.errors import InputError
from seisloom.traveltime.lookup import PHASES, TravelTimes, make_axis
from seisloom.traveltime.nodes import apparent_slowness, check_extent, station_levels

if TYPE_CHECKING:
    import xarray as xr

Array = npt.NDArray[np.float64]
# The best of them is late by less than r (π/2n)²/(8 v cos i): 0.1 ms for r = 2 km.
_DIRECTIONS = 48
_BEYOND_KM = 30.0


class _Surface(NamedTuple):
    """A table's times over straight-line distance, without holes."""

    depth: Array
    distance: Array
    slowness: Array
    """(depth, distance), s/km"""
    at_receiver: float
    """slowness of the ground at the receiver, s/km"""


def network_times_from_tables(
    p_table: xr.DataArray,
    s_table: xr.DataArray,
    station_elevation_km: npt.ArrayLike,
    z_min: float,
    z_max: float,
    max_distance_km: float,
    datum_km: float = 0.0,
    depth_step_km: float = 0.5,
    distance_step_km: float = 0.5,
) -> TravelTimes:
    """``network_times`` from tables ``time_s`` (depth_km, distance_km), such as ``read_growclust`` gives.

    The surface of the tables (their depth 0) lies ``datum_km`` above sea level: the depth in a table is depth + datum,
    as in PhaseLink. A station r km above that surface is reached through the point of it that makes the time least,
    min over x of T(X - x) + sqrt(x² + r²)/v0 (Fermat), with the velocity v0 of the table at its surface: to first order
    r sqrt(1/v0² - p²) later, p = dT/dX. Below the surface it is the reverse, max over x of T(X + x) - sqrt(x² + r²)/v0,
    v0 being the mean down to the station. A station of unknown elevation (NaN) is taken to be at the surface of the tables.

    Between its nodes a table is interpolated by cubics (modified Akima) of time over straight-line distance, whose
    values at the source are finite and smooth. Where it says that no ray arrives, time goes on with the slowness of the
    last one that does. Raises InputError where a table is too short.
    """
    check_extent(z_min, z_max, max_distance_km)
    depth, distance = _multiples(z_min, z_max, depth_step_km), _multiples(0.0, max_distance_km, distance_step_km)
    elevation = np.atleast_1d(np.asarray(station_elevation_km, float))
    level_depth, station_level, station_rise = station_levels(np.where(np.isnan(elevation), datum_km, elevation))
    slowness = np.empty((len(PHASES), len(level_depth), len(depth), len(distance)), np.float32)
    ground = np.empty((len(PHASES), len(level_depth)))
    for code, table in enumerate((p_table, s_table)):
        surface = _surface(table, PHASES[code])
        _check_reach(surface, PHASES[code], z_min + datum_km, z_max + datum_km, max_distance_km)
        rise, ground[code] = -level_depth - datum_km, surface.at_receiver
        # Rays to stations below the surface come up to it farther away.
        farthest = min(max_distance_km + _BEYOND_KM, float(surface.distance[-1]))
        columns = max(len(distance), int(farthest / distance_step_km) + 1)
        wide = np.arange(float(columns)) * distance_step_km
        lifted = _lifted(_resampled(surface, depth + datum_km, wide), depth + datum_km, wide, rise, surface)
        at_source = np.full(len(depth), surface.at_receiver)
        lifted = lifted[:, :, : len(distance)]
        slowness[code] = apparent_slowness(lifted, level_depth, depth, distance, at_source)
    return TravelTimes(
        slowness, *make_axis(depth), *make_axis(distance), level_depth, ground, station_level, station_rise
    )


def _multiples(first: float, last: float, step: float) -> Array:
    """Multiples of a step that hold everything between two numbers."""
    return np.arange(math.floor(first / step + 1e-9), math.ceil(last / step - 1e-9) + 1.0) * step


def _surface(table: xr.DataArray, phase: str) -> _Surface:
    """Slowness of the part of a table that rays reach, at least two depths and two distances."""
    flat = table.squeeze(drop=True)
    if set(flat.dims) != {"depth_km", "distance_km"}:
        raise InputError(
            f"{phase} table: dimensions {', '.join(map(str, table.dims))}; depth_km and distance_km are needed"
        )
    flat = flat.transpose("depth_km", "distance_km")
    depth, distance = flat["depth_km"].to_numpy().astype(float), flat["distance_km"].to_numpy().astype(float)
    times = flat.to_numpy().astype(float)
    reached = np.isfinite(times).sum(axis=1) >= 2
    # From the first depth without rays on, it is no table.
    n = len(depth) if reached.all() else int(np.argmin(reached))
    if n < 2 or len(distance) < 2:
        raise InputError(f"{phase} table: {n} depths and {len(distance)} distances with rays; at least two are needed")
    depth, times = depth[:n], np.array([_without_holes(distance, row) for row in times[:n]])
    straight = np.hypot(depth[:, None], distance)
    slowness = times / np.where(straight > 0, straight, 1.0)
    if straight[0, 0] == 0:
        slowness[0, 0] = slowness[0, 1]
    return _Surface(depth, distance, slowness, float(slowness[0, 0]))


def _without_holes(distance: Array, times: Array) -> Array:
    """Times at all distances of one depth; no ray arrives where they are NaN."""
    known = np.isfinite(times)
    x, t = distance[known], times[known]
    beyond = t[-1] + (t[-1] - t[-2]) / (x[-1] - x[-2]) * (distance - x[-1])
    return np.where(distance > x[-1], beyond, np.interp(distance, x, t))


def _check_reach(surface: _Surface, phase: str, top: float, bottom: float, farthest: float) -> None:
    """InputError where the table does not hold the depths (in the table) and distances that are asked for."""
    depth, distance = surface.depth, surface.distance
    faults = []
    if distance[0] > 0 or distance[-1] < farthest - 1e-6:
        faults.append(f"distances 0 to {farthest:g} km are needed and it has {distance[0]:g} to {distance[-1]:g} km")
    if depth[0] > top + 1e-6 or depth[-1] < bottom - 1e-6:
        faults.append(
            f"depths {top:g} to {bottom:g} km below its surface are needed and it has {depth[0]:g} to {depth[-1]:g} km"
        )
    if faults:
        raise InputError(
            f"{phase} travel-time table too short for the network: {'; '.join(faults)}. Make longer tables from the velocity "
            "model with `seisloom phaselink tables`, or narrow the region"
        )


def _resampled(surface: _Surface, depth: Array, distance: Array) -> Array:
    """Time over straight-line distance at nodes, (depth, distance)."""
    from scipy.interpolate import Akima1DInterpolator

    along = Akima1DInterpolator(surface.distance, surface.slowness, axis=1, method="makima", extrapolate=True)(distance)
    return Akima1DInterpolator(surface.depth, along, axis=0, method="makima", extrapolate=True)(depth)


def _lifted(slowness: Array, depth: Array, distance: Array, rise: Array, surface: _Surface) -> Array:
    """Times (level, depth, distance) to receivers ``rise`` km above the one that ``slowness`` is for."""
    # Down to a receiver below the surface: the mean that a vertical ray meets, which the table has at distance 0.
    ground = np.interp(-rise, surface.depth, surface.slowness[:, 0])
    lifted = _by_fermat(slowness, depth, distance[1], rise, ground)
    # Rays from above a receiver do not pass it on their way up: exact in a uniform medium, of first order elsewhere.
    times = slowness * np.hypot(depth[:, None], distance)
    by_distance = np.gradient(times, distance, axis=1)
    for level, r in enumerate(rise):
        above = depth < -r
        p = np.clip(by_distance, 0.0, ground[level])
        shifted = np.hypot(times + r * np.sqrt(ground[level] ** 2 - p**2), r * p)
        lifted[level, above] = shifted[above]
    return lifted


@njit(cache=True, nogil=True, error_model="numpy")
def _by_fermat(slowness: Array, depth: Array, step: float, rise: Array, ground: Array) -> Array:
    """Times by the best of the points of the surface in ``_DIRECTIONS`` directions from the receiver."""
    n = slowness.shape[1]
    slowness = _continued(slowness, depth, step, math.ceil(_BEYOND_KM / step))
    times = np.full((len(rise), len(depth), n), np.inf)
    for level in range(len(rise)):
        sign = 1.0 if rise[level] >= 0.0 else -1.0
        for k in range(_DIRECTIONS if rise[level] != 0.0 else 1):
            angle = 0.5 * math.pi * k / _DIRECTIONS
            leg = abs(rise[level]) * ground[level] / math.cos(angle)
            shift = -rise[level] * math.tan(angle) / step
            whole = math.floor(shift)
            a = shift - whole
            for i in range(len(depth)):
                for j in range(max(-whole, 0), min(n, slowness.shape[1] - 1 - whole)):
                    straight = math.sqrt(((j + shift) * step) ** 2 + depth[i] ** 2)
                    time = ((1.0 - a) * slowness[i, j + whole] + a * slowness[i, j + whole + 1]) * straight
                    times[level, i, j] = min(times[level, i, j], sign * time + leg)
        times[level] *= sign
    return times


@njit(cache=True, nogil=True, error_model="numpy")
def _continued(slowness: Array, depth: Array, step: float, more: int) -> Array:
    """More columns, to which time goes on as between the last two."""
    n = slowness.shape[1]
    longer = np.empty((len(depth), n + more))
    longer[:, :n] = slowness
    for i in range(len(depth)):
        last = slowness[i, n - 1] * math.hypot((n - 1) * step, depth[i])
        increase = last - slowness[i, n - 2] * math.hypot((n - 2) * step, depth[i])
        for j in range(n, n + more):
            longer[i, j] = (last + (j - n + 1) * increase) / math.hypot(j * step, depth[i])
    return longer
