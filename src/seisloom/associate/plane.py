"""Great-circle distances between places given in the plane of a network, for compiled code.

The plane is stereographic (``seisloom.geo.to_plane``). On a sphere of radius R two of its places are apart by the chord
q² = ((x - x')² + (y - y')²) / ((1 + c (x² + y²)) (1 + c (x'² + y'²))), c = 1/(4 R²), and by the arc 2 R asin(q / 2R)
(Snyder 1987, Map Projections, USGS Professional Paper 1395, section 21). The Earth is not a sphere: of geodesics on
WGS84 that lie within 500, 1000 and 1500 km of the middle these distances are off by 0.0014, 0.0055 and 0.021 % at most.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[np.float64]

_RADIUS_KM = 6371.0
_C = 0.25 / _RADIUS_KM**2


@njit(cache=True, nogil=True, error_model="numpy")
def epicentral_km(x_km: float, y_km: float, station_x_km: float, station_y_km: float) -> float:
    """Distance (km) along the surface from (x, y) to a station."""
    scale = (1.0 + _C * (x_km**2 + y_km**2)) * (1.0 + _C * (station_x_km**2 + station_y_km**2))
    chord = math.sqrt(((x_km - station_x_km) ** 2 + (y_km - station_y_km) ** 2) / scale)
    return 2.0 * _RADIUS_KM * math.asin(min(chord / (2.0 * _RADIUS_KM), 1.0))


@njit(cache=True, nogil=True, error_model="numpy")
def epicentral(x_km: float, y_km: float, station_x_km: float, station_y_km: float) -> tuple[float, float, float]:
    """(distance in km, its derivative by x, by y), which are 0 at the station itself."""
    east, north = x_km - station_x_km, y_km - station_y_km
    near = 1.0 + _C * (x_km**2 + y_km**2)
    scale = near * (1.0 + _C * (station_x_km**2 + station_y_km**2))
    chord = math.sqrt((east**2 + north**2) / scale)
    sine = min(chord / (2.0 * _RADIUS_KM), 1.0 - 1e-12)
    distance = 2.0 * _RADIUS_KM * math.asin(sine)
    if chord == 0.0:
        return 0.0, 0.0, 0.0
    along = 1.0 / math.sqrt(1.0 - sine**2)  # the arc's derivative by the chord
    inverse, shrink = 1.0 / (chord * scale), chord * _C / near
    by_x = along * (east * inverse - shrink * x_km)
    by_y = along * (north * inverse - shrink * y_km)
    return distance, by_x, by_y


def stretch(x_km: Array, y_km: Array) -> Array:
    """Length in the plane over length on the sphere, at places."""
    return np.asarray(1.0 + _C * (x_km**2 + y_km**2))


@njit(cache=True, nogil=True, error_model="numpy")
def distances_km(x_km: Array, y_km: Array, station_x_km: Array, station_y_km: Array) -> Array:
    """``epicentral_km`` from every place to every station, (place, station)."""
    found = np.empty((len(x_km), len(station_x_km)))
    for i in range(len(x_km)):
        for j in range(len(station_x_km)):
            found[i, j] = epicentral_km(x_km[i], y_km[i], station_x_km[j], station_y_km[j])
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def paths(x_km: Array, y_km: Array, station_x_km: Array, station_y_km: Array) -> tuple[Array, Array]:
    """Distance (km) and azimuth at (x, y) (degrees clockwise from the plane's y axis), row by row, (row,).

    With the azimuth of that axis (``Network.north_deg``) azimuths are within 0.01° of geodesics up to 1500 km.
    """
    distance, azimuth = np.empty(len(x_km)), np.empty(len(x_km))
    for i in range(len(x_km)):
        # Angles are kept: away from the station is where the distance grows.
        distance[i], by_x, by_y = epicentral(x_km[i], y_km[i], station_x_km[i], station_y_km[i])
        azimuth[i] = math.degrees(math.atan2(-by_x, -by_y))
    return distance, azimuth
