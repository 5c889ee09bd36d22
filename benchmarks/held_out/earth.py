"""The Earth of the held-out generator: a layered sphere with a gradient and slow basins across it, and path effects."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.held_out.networks import LAYOUTS
from seisloom import geo
from seisloom.traveltime import TravelTimes, VelocityModel, network_times, travel_times

Array = npt.NDArray[np.float64]

_DEPTH_KM = [0.0, 1.0, 4.0, 12.0, 22.0, 31.0, 31.0, 120.0, 210.0, 410.0, 410.0, 660.0, 660.0, 760.0]
_VP = np.array([3.9, 4.9, 5.75, 6.2, 6.6, 7.0, 7.9, 8.1, 8.3, 9.03, 9.36, 10.2, 10.79, 11.06])
_VP_VS = np.array([1.95, 1.83, 1.74, 1.71, 1.73, 1.76, 1.78, 1.79, 1.8, 1.84, 1.84, 1.84, 1.82, 1.82])
LAYERED = VelocityModel(np.array(_DEPTH_KM), _VP, _VP / _VP_VS, "soft sediments, crust and mantle")
"""What associators are told: the mean of the Earth."""

# Change of slowness from the middle to the border of the network, and in the middle of basins; S as much more.
GRADIENT, BASIN, S_FACTOR = 0.015, 0.05, 1.3
N_BASINS, BASIN_DEPTH_KM = 2, 8.0
# Relative errors that the arrivals of one event share: the far side of its source, by azimuth, and its Vp/Vs.
SOURCE_SIDE, SOURCE_VP_VS = 0.004, 0.003
# Delays of stations (Laplace), and how much of S's is P's.
STATION_DELAY_S, S_DELAY = 0.06, 1.7
_PATH_POINTS = 9


class Earth(NamedTuple):
    """What differs from the layered model; places in km of the plane about the middle of the network."""

    latitude: float
    longitude: float
    gradient: Array
    """(2,): relative slowness per km east and north."""
    basins: Array
    """(basin, 3): east, north, radius."""
    basin_mean: float
    """Of what the basins add, over the network: the layered model is the mean of all."""
    delay_s: Array
    """(phase, station)"""


class Arrivals(NamedTuple):
    """Of every event at every station, (event, station)."""

    distance_km: Array
    """Epicentral."""
    azimuth_deg: Array
    """At the epicentre towards the station."""
    time_s: Array
    """(event, station, phase): arrival, since time 0."""


def draw_earth(network: str, n_stations: int, rng: np.random.Generator) -> Earth:
    """The Earth under a network: the same for every stream."""
    layout = LAYOUTS[network]
    direction = rng.uniform(0.0, 2.0 * np.pi)
    gradient = GRADIENT / (0.5 * layout.size_km) * np.array([np.sin(direction), np.cos(direction)])
    basins = np.column_stack(
        [rng.uniform(-0.35, 0.35, (N_BASINS, 2)) * layout.size_km, rng.uniform(0.1, 0.2, N_BASINS) * layout.size_km]
    )
    p = rng.laplace(0.0, STATION_DELAY_S, n_stations)
    s = S_DELAY * p + rng.laplace(0.0, STATION_DELAY_S, n_stations)
    x, y = np.meshgrid(*2 * (np.linspace(-0.5, 0.5, 41) * layout.size_km,))
    mean = float(_in_basins(basins, x, y).mean())
    return Earth(layout.latitude, layout.longitude, gradient, basins, mean, np.stack([p, s]))


def arrivals(events: pd.DataFrame, sites: pd.DataFrame, earth: Earth, rng: np.random.Generator) -> Arrivals:
    """Arrivals of P and S of events (time_s, latitude, longitude, depth_km), to whatever distance."""
    lat, lon = (events[name].to_numpy()[:, None] for name in ("latitude", "longitude"))
    there = (sites["latitude"].to_numpy(), sites["longitude"].to_numpy())
    distance, azimuth, _ = geo.distance_azimuth(lat, lon, *there)
    depth = events["depth_km"].to_numpy()[:, None]
    tables, station = _tables(sites, events, float(distance.max())), np.arange(len(sites))
    slower = _path_slowness(earth, events, sites)
    n = (len(events), 1)
    toward = rng.uniform(0.0, 360.0, n)
    source_side = SOURCE_SIDE * rng.standard_normal(n) * np.cos(np.radians(azimuth - toward))
    vp_vs = SOURCE_VP_VS * rng.standard_normal(n)
    time = np.empty((*distance.shape, 2))
    for phase, factor in ((0, 1.0), (1, S_FACTOR)):
        travel = travel_times(tables, phase, station, distance, depth)
        stretch = 1.0 + factor * (slower + source_side) + phase * vp_vs
        time[..., phase] = events["time_s"].to_numpy()[:, None] + travel * stretch + earth.delay_s[phase]
    return Arrivals(distance, azimuth, time)


def _tables(sites: pd.DataFrame, events: pd.DataFrame, farthest_km: float) -> TravelTimes:
    elevation = (sites["elevation_m"] - sites["depth_m"]).to_numpy() / 1000.0
    return network_times(LAYERED, elevation, 0.0, float(events["depth_km"].max()) + 1.0, farthest_km, earth="sphere")


def _path_slowness(earth: Earth, events: pd.DataFrame, sites: pd.DataFrame) -> Array:
    """(event, station): relative slowness, averaged along the path."""
    (ex, ey), (sx, sy) = (
        geo.to_plane(table["latitude"].to_numpy(), table["longitude"].to_numpy(), earth.latitude, earth.longitude)
        for table in (events, sites)
    )
    # The deeper the source, the less of the path is in the basin.
    shallow = (BASIN_DEPTH_KM / (BASIN_DEPTH_KM + events["depth_km"].to_numpy()))[:, None]
    total = np.zeros((len(ex), len(sx)))
    for share in (np.arange(_PATH_POINTS) + 0.5) / _PATH_POINTS:
        x = ex[:, None] + share * (sx - ex[:, None])
        y = ey[:, None] + share * (sy - ey[:, None])
        total += np.clip(earth.gradient[0] * x + earth.gradient[1] * y, -1.5 * GRADIENT, 1.5 * GRADIENT)
        total += shallow * (_in_basins(earth.basins, x, y) - earth.basin_mean)
    return total / _PATH_POINTS


def _in_basins(basins: Array, x_km: Array, y_km: Array) -> Array:
    """Relative slowness that the basins add at the surface."""
    added = np.zeros(x_km.shape)
    for east, north, radius in basins:
        added += BASIN * np.exp(-0.5 * ((x_km - east) ** 2 + (y_km - north) ** 2) / radius**2)
    return added
