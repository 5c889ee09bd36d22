"""Distances and directions on the WGS84 ellipsoid, and plane coordinates about a point."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@cache
def _geod() -> Any:
    from pyproj import Geod

    return Geod(ellps="WGS84")


def _projection(lat0: float, lon0: float) -> Any:
    from pyproj import Proj

    return Proj(proj="sterea", lat_0=lat0, lon_0=lon0, k=1, ellps="WGS84", units="km")


def distance_azimuth(
    lat_a: npt.ArrayLike, lon_a: npt.ArrayLike, lat_b: npt.ArrayLike, lon_b: npt.ArrayLike
) -> tuple[Array, Array, Array]:
    """Geodesics from A to B: (distance in km, azimuth at A towards B, back-azimuth at B towards A).

    Degrees in, degrees in [0, 360) out; arrays broadcast against one another.
    """
    lat_a, lon_a, lat_b, lon_b = np.broadcast_arrays(*(np.asarray(v, float) for v in (lat_a, lon_a, lat_b, lon_b)))
    forward, back, metres = _geod().inv(lon_a.ravel(), lat_a.ravel(), lon_b.ravel(), lat_b.ravel())
    shape = lat_a.shape
    return np.reshape(metres, shape) / 1000.0, _turn(np.reshape(forward, shape)), _turn(np.reshape(back, shape))


def local_xy(lat: npt.ArrayLike, lon: npt.ArrayLike, lat0: float, lon0: float) -> tuple[Array, Array]:
    """East and north of a point in km (azimuthal equidistant: distance and azimuth from it are exact)."""
    distance, azimuth, _ = distance_azimuth(lat0, lon0, lat, lon)
    return distance * np.sin(np.radians(azimuth)), distance * np.cos(np.radians(azimuth))


def to_plane(lat: npt.ArrayLike, lon: npt.ArrayLike, lat0: float, lon0: float) -> tuple[Array, Array]:
    """East and north of a point in km: the oblique stereographic projection of WGS84 (EPSG method 9809, scale 1).

    Stereographic from Gauss's conformal sphere, so angles are kept everywhere, and distances follow in closed form
    (``seisloom.associate.plane``). The opposite point of the Earth alone has no place in it.
    """
    lat, lon = np.broadcast_arrays(np.asarray(lat, float), np.asarray(lon, float))
    x, y = _projection(lat0, lon0)(lon.ravel(), lat.ravel())
    return np.reshape(x, lat.shape), np.reshape(y, lat.shape)


def from_plane(x_km: npt.ArrayLike, y_km: npt.ArrayLike, lat0: float, lon0: float) -> tuple[Array, Array]:
    """Latitude and longitude (degrees, in [-180, 180]) of a place in the plane of ``to_plane``."""
    x, y = np.broadcast_arrays(np.asarray(x_km, float), np.asarray(y_km, float))
    lon, lat = _projection(lat0, lon0)(x.ravel(), y.ravel(), inverse=True)
    return np.reshape(lat, x.shape), np.reshape(lon, x.shape)


def destination(
    lat: npt.ArrayLike, lon: npt.ArrayLike, azimuth_deg: npt.ArrayLike, distance_km: npt.ArrayLike
) -> tuple[Array, Array]:
    """Latitude and longitude (degrees) reached from a point along an azimuth."""
    lat, lon, azimuth, distance = np.broadcast_arrays(
        *(np.asarray(v, float) for v in (lat, lon, azimuth_deg, distance_km))
    )
    lons, lats, _ = _geod().fwd(lon.ravel(), lat.ravel(), azimuth.ravel(), distance.ravel() * 1000.0)
    return np.reshape(lats, lat.shape), np.reshape(lons, lat.shape)


def _turn(degrees: Array) -> Array:
    """Angles in [0, 360)."""
    turned = degrees % 360.0
    return np.where(turned == 360.0, 0.0, turned)  # the remainder of a tiny negative number rounds to 360
