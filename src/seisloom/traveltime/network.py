"""Travel times of a network, gridded for compiled code, from velocity models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError
from seisloom.traveltime.lookup import PHASES, TravelTimes, make_axis
from seisloom.traveltime.model import Earth, VelocityModel
from seisloom.traveltime.nodes import apparent_slowness, node_axes, station_levels
from seisloom.traveltime.rays import arrival_grid

Array = npt.NDArray[np.float64]


def network_times(
    model: VelocityModel,
    station_elevation_km: npt.ArrayLike,
    z_min: float,
    z_max: float,
    max_distance_km: float,
    earth: Earth = "sphere",
    station_models: Sequence[VelocityModel | None] | None = None,
) -> TravelTimes:
    """First-arrival times from sources between two depths (km) to stations at given elevations (km).

    ``station_models`` holds, for every station, the velocity model of its paths (None: ``model``): as if the Earth were
    layered so everywhere. Memory is 8 bytes a node, 200 MB at most. Stations of more than 64 elevations share levels, so
    that the largest error in elevation is as small as can be. Between nodes time over straight-line distance is linear
    by depth and distance; 99 % of the times are within 20 ms of exact ones, at any size.
    """
    elevation = np.atleast_1d(np.asarray(station_elevation_km, float))
    chosen = [own or model for own in station_models or [model] * elevation.size]
    if not elevation.size:
        raise InputError("travel times: there are no stations")
    if len(chosen) != elevation.size:
        raise InputError(f"travel times: {elevation.size} stations and {len(chosen)} velocity models of stations")
    models = {id(own): own for own in chosen}
    levels: list[tuple[VelocityModel, float]] = []
    station_level, station_rise = np.empty(elevation.size, np.int32), np.empty(elevation.size)
    for number, own in models.items():
        here = np.array([id(other) == number for other in chosen])
        level_depth, level, station_rise[here] = station_levels(elevation[here])
        station_level[here] = len(levels) + level
        levels += [(own, z) for z in level_depth]
    depth, distance = node_axes(z_min, z_max, max_distance_km, len(levels), models.values())
    slowness = np.empty((len(PHASES), len(levels), len(depth), len(distance)), np.float32)
    ground = np.empty((len(PHASES), len(levels)))
    for code, number in np.ndindex(*ground.shape):  # one by one: less memory than all of them in double precision
        own, level_depth = levels[number][0], np.array([levels[number][1]])
        times = arrival_grid(own, code, level_depth, depth, distance, earth)
        at_source = 1.0 / own.velocity(code, depth)
        slowness[code, number] = apparent_slowness(times, level_depth, depth, distance, at_source)[0]
        ground[code, number] = 1.0 / own.velocity(code, level_depth)[0]
    return TravelTimes(
        slowness, *make_axis(depth), *make_axis(distance), np.array([z for _, z in levels]), ground, station_level,
        station_rise,
    )  # fmt: skip
