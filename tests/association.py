"""What tests of the association half share: small networks with closed-form travel times."""

from __future__ import annotations

import numpy as np
import pandas as pd

from seisloom.associate.network import Network, Region, make_network
from seisloom.geo import distance_azimuth
from seisloom.traveltime import TravelTimes
from seisloom.traveltime.lookup import make_axis

VP, VS = 6.0, 3.5


def ring_sites(n: int = 12, radius_km: float = 30.0, lat0: float = 43.0, lon0: float = 13.0) -> pd.DataFrame:
    """Stations on a spiral about a point, elevations from 0 to 1 km: no symmetry that would hide a swapped axis."""
    from seisloom.geo import destination

    k = np.arange(n)
    lat, lon = destination(lat0, lon0, 137.5 * k, radius_km * np.sqrt((k + 0.5) / n))
    return pd.DataFrame(
        {
            "station": [f"XX.S{i:02d}" for i in k],
            "latitude": lat,
            "longitude": lon,
            "elevation_m": 1000.0 * k / max(n - 1, 1),
            "depth_m": 0.0,
        }
    )


def ring_network(n: int = 12, radius_km: float = 30.0) -> Network:
    return make_network(ring_sites(n, radius_km), Region(42.5, 43.5, 12.3, 13.7, 0.0, 20.0))


def geodesics(network: Network, x_km: np.typing.ArrayLike, y_km: np.typing.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Distance (km) and azimuth (degrees) on WGS84 from every place to every station, (place, station)."""
    lat, lon = (np.atleast_1d(v)[:, None] for v in network.geographic(x_km, y_km))
    return distance_azimuth(lat, lon, *network.geographic(network.x_km, network.y_km))[:2]


def uniform_times(network: Network, vp: float = VP, vs: float = VS) -> TravelTimes:
    """Exact times in a uniform medium: the stored slowness is 1/v everywhere."""
    depth = np.unique(-network.elevation_km)
    slowness = np.empty((2, len(depth), 41, 201), np.float32)
    slowness[0], slowness[1] = 1 / vp, 1 / vs
    level = np.searchsorted(depth, -network.elevation_km).astype(np.int32)
    ground = np.broadcast_to([[1 / vp], [1 / vs]], (2, len(depth))).copy()
    axes = *make_axis(np.arange(-2.0, 39.0)), *make_axis(np.arange(201.0))
    return TravelTimes(slowness, *axes, depth, ground, level, np.zeros(len(level)))
