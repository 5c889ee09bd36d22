"""Synthetic networks, and the Earth model under them, for tests, the demonstration and benchmarks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom import geo
from seisloom.associate.network import Network, make_network, region_around
from seisloom.associate.plane import distances_km
from seisloom.errors import InputError
from seisloom.traveltime import TravelTimes, VelocityModel, network_times

Array = npt.NDArray[np.float64]

_VP_VS = 1.75
_VP_KM_S = np.array([4.8, 5.6, 6.1, 6.4, 6.9, 8.0, 8.1, 8.4])
CRUST = VelocityModel(
    np.array([0.0, 2.0, 10.0, 20.0, 35.0, 35.0, 80.0, 200.0]),
    _VP_KM_S,
    _VP_KM_S / _VP_VS,
    "continental crust and mantle",
)
"""Under all synthetic networks."""


class Layout(NamedTuple):
    """A box that stations are strewn over, its middle and the direction of its length."""

    n_stations: int
    length_km: float
    width_km: float
    latitude: float
    longitude: float
    azimuth_deg: float
    elevation_max_m: float
    margin_km: float
    """How far the region of earthquakes goes beyond the stations."""
    z_max_km: float


KINDS = {
    "local": Layout(30, 50.0, 50.0, 43.0, 13.0, 0.0, 1500.0, 10.0, 20.0),
    "regional": Layout(100, 400.0, 120.0, 43.0, 13.0, 140.0, 2000.0, 30.0, 30.0),
    "subduction": Layout(100, 400.0, 150.0, -21.0, -69.5, 0.0, 4000.0, 50.0, 120.0),
    "small": Layout(12, 16.0, 16.0, 63.9, -22.1, 0.0, 500.0, 5.0, 10.0),
    "sparse": Layout(8, 120.0, 120.0, 47.0, 10.0, 0.0, 2000.0, 20.0, 20.0),
    "dense": Layout(150, 80.0, 80.0, 35.7, -117.5, 0.0, 1500.0, 5.0, 8.0),
}


def synthetic_sites(kind: str, n: int | None, rng: np.random.Generator) -> pd.DataFrame:
    """Site table of ``n`` stations (None: as many as is usual) of a network of a kind (a key of KINDS)."""
    layout = _layout(kind)
    n = layout.n_stations if n is None else n
    along, across = _spread(n, layout.length_km, layout.width_km, rng)
    azimuth = layout.azimuth_deg + np.degrees(np.arctan2(across, along))
    lat, lon = geo.destination(layout.latitude, layout.longitude, azimuth, np.hypot(along, across))
    return pd.DataFrame(
        {
            "station": [f"SY.S{k:03d}" for k in range(n)],
            "latitude": lat.round(5),
            "longitude": lon.round(5),
            "elevation_m": rng.uniform(0.0, layout.elevation_max_m, n).round(),
            "depth_m": 0.0,
        }
    )


def synthetic_network(kind: str, rng: np.random.Generator, n: int | None = None) -> Network:
    """Network of ``synthetic_sites``, with the region of its kind around it."""
    sites, layout = synthetic_sites(kind, n, rng), _layout(kind)
    return make_network(sites, region_around(sites, layout.margin_km, 0.0, layout.z_max_km))


def synthetic_times(network: Network, model: VelocityModel = CRUST) -> TravelTimes:
    """Travel times from everywhere in the region of a network to its stations."""
    x_min, x_max, y_min, y_max = network.box_km
    corners = np.array([(x_min, y_min), (x_min, y_max), (x_max, y_min), (x_max, y_max)])
    farthest = float(distances_km(*corners.T, network.x_km, network.y_km).max())
    region = network.region
    return network_times(model, network.elevation_km, region.z_min, region.z_max, farthest)


def _layout(kind: str) -> Layout:
    if kind not in KINDS:
        raise InputError(f"no synthetic network is called {kind!r}; there are {', '.join(KINDS)}")
    return KINDS[kind]


def _spread(n: int, length_km: float, width_km: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Places in a box about 0, neither regular nor clumped: of ten candidates, the one farthest from all before."""
    half = np.array([length_km, width_km]) / 2
    places = np.empty((n, 2))
    for k in range(n):
        candidates = rng.uniform(-half, half, (10, 2))
        apart = np.linalg.norm(candidates[:, None] - places[None, :k], axis=2).min(axis=1, initial=np.inf)
        places[k] = candidates[np.argmax(apart)]
    return places[:, 0], places[:, 1]
