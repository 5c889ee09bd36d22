"""The stations of a network and the region of its earthquakes, in plane coordinates about the network's middle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom import geo
from seisloom.errors import InputError

Array = npt.NDArray[np.float64]
_SIDE = 33  # an odd number: the middle is the farthest point of most sides


@dataclass(frozen=True)
class Region:
    """Where earthquakes are looked for: a box of latitude, longitude (degrees) and depth (km, positive down)."""

    lat_min: float
    lat_max: float
    lon_min: float
    lon_max: float
    z_min: float = 0.0
    z_max: float = 30.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("latitude", self.lat_min, self.lat_max),
            ("longitude", self.lon_min, self.lon_max),
            ("depth", self.z_min, self.z_max),
        ):
            if not low < high:
                raise InputError(f"region: {name} runs from {low:g} to {high:g}; the first must be the smaller")
        if not (self.lat_min >= -90 and self.lat_max <= 90 and self.lon_min >= -360 and self.lon_max <= 540):
            raise InputError(f"region: {self}; latitudes from -90 to 90 and longitudes from -180 to 360 are expected")

    def __str__(self) -> str:
        return (
            f"latitudes {self.lat_min:g} to {self.lat_max:g}, longitudes {self.lon_min:g} to {self.lon_max:g}, depths "
            f"{self.z_min:g} to {self.z_max:g} km"
        )


@dataclass(frozen=True)
class Network:
    """Stations and region in km east (x) and north (y) of the middle of the region; depth z is positive down.

    The plane is that of ``geo.to_plane``; distances in it are ``plane.epicentral_km``, not the square root of a sum.
    """

    ids: tuple[str, ...]
    x_km: Array
    y_km: Array
    elevation_km: Array
    lat0: float
    lon0: float
    region: Region

    @property
    def n_stations(self) -> int:
        return len(self.ids)

    @cached_property
    def box_km(self) -> tuple[float, float, float, float]:
        """(x_min, x_max, y_min, y_max) of the region."""
        r = self.region
        # Parallels and meridians are arcs in the plane: along every side of the region.
        lat, lon = np.linspace(r.lat_min, r.lat_max, _SIDE), np.linspace(r.lon_min, r.lon_max, _SIDE)
        west, east, south, north = (np.full(_SIDE, v) for v in (r.lon_min, r.lon_max, r.lat_min, r.lat_max))
        x, y = geo.to_plane(
            np.concatenate([lat, lat, south, north]), np.concatenate([west, east, lon, lon]), self.lat0, self.lon0
        )
        return float(x.min()), float(x.max()), float(y.min()), float(y.max())

    def geographic(self, x_km: npt.ArrayLike, y_km: npt.ArrayLike) -> tuple[Array, Array]:
        """Latitude and longitude (degrees) of plane coordinates."""
        return geo.from_plane(x_km, y_km, self.lat0, self.lon0)

    def north_deg(self, x_km: Array, y_km: Array) -> Array:
        """Azimuth (degrees) of the plane's y axis at places (n,): meridians meet at the poles. Angles are the plane's."""
        return geo.distance_azimuth(*self.geographic(x_km, y_km), *self.geographic(x_km, y_km + 1e-2))[1]


def make_network(sites: pd.DataFrame, region: Region) -> Network:
    """Network of a site table (columns station, latitude, longitude, elevation_m, depth_m) for a region."""
    lat0, lon0 = 0.5 * (region.lat_min + region.lat_max), 0.5 * (region.lon_min + region.lon_max)
    x, y = geo.to_plane(sites["latitude"].to_numpy(float), sites["longitude"].to_numpy(float), lat0, lon0)
    elevation = sites["elevation_m"].fillna(0.0).to_numpy(float) - sites["depth_m"].fillna(0.0).to_numpy(float)
    return Network(tuple(sites["station"]), x, y, elevation / 1000.0, lat0, lon0, region)


def region_of_box(south: float, north: float, west: float, east: float, top: float, bottom: float) -> Region:
    """The region of a box as users give it; from 179 to -179 it goes across 180 degrees."""
    return Region(south, north, west, east + 360.0 if west - east > 180.0 else east, top, bottom)


def region_around(sites: pd.DataFrame, margin_km: float = 30.0, z_min: float = 0.0, z_max: float = 30.0) -> Region:
    """The box of the stations, widened on every side."""
    lat, lon = sites["latitude"].to_numpy(float), sites["longitude"].to_numpy(float)
    middle = 0.5 * (lat.min() + lat.max())
    north = margin_km / 111.2
    east = margin_km / (111.2 * max(np.cos(np.radians(middle)), 0.05))
    return Region(
        float(max(lat.min() - north, -90.0)),
        float(min(lat.max() + north, 90.0)),
        float(lon.min() - east),
        float(lon.max() + east),
        z_min,
        z_max,
    )
