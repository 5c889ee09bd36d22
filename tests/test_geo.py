"""Distances and azimuths against closed forms, published geodesics and the properties that any geodesic has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.integrate import quad

from seisloom.geo import destination, distance_azimuth, local_xy

# WGS84
A_KM = 6378.137
F = 1 / 298.257223563
E2 = F * (2 - F)
QUARTER_KM = 10_001.965_729  # from the equator to a pole

latitudes = st.floats(-89.9, 89.9)
longitudes = st.floats(-180, 180)


def apart(a: np.ndarray, b: np.ndarray | float) -> np.ndarray:
    """Difference of two angles, degrees in [0, 180]."""
    return np.abs((np.asarray(a) - b + 180) % 360 - 180)


def meridian_km(lat_a: float, lat_b: float) -> float:
    """Length of a meridian between two latitudes: the integral of its radius of curvature."""
    radius = lambda phi: A_KM * (1 - E2) / (1 - E2 * np.sin(phi) ** 2) ** 1.5  # noqa: E731
    return abs(quad(radius, np.radians(lat_a), np.radians(lat_b))[0])


# --- closed forms -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("longitude", [0.0, 120.0, -77.25])
def test_one_degree_of_the_equator(longitude: float) -> None:
    distance, azimuth, back = distance_azimuth(0, longitude, 0, longitude + 1)
    assert distance == pytest.approx(np.radians(1) * A_KM, rel=1e-12)  # 111.3195 km
    assert (azimuth, back) == (90.0, 270.0)


@pytest.mark.parametrize("pole", [90.0, -90.0])
def test_equator_to_pole(pole: float) -> None:
    distance, azimuth, _ = distance_azimuth(0, 13, pole, -50)
    assert distance == pytest.approx(QUARTER_KM, abs=1e-6)
    assert azimuth == (0.0 if pole > 0 else 180.0)


def test_pole_to_pole_and_antipodes() -> None:
    lat, lon = np.array([90.0, 0.0, 34.5]), np.array([0.0, 20.0, -116.0])
    distance, _, _ = distance_azimuth(lat, lon, -lat, lon + 180)
    # The shortest way between antipodes of the oblate Earth runs over a pole.
    np.testing.assert_allclose(distance, 2 * QUARTER_KM, atol=2e-6)


@given(latitudes, latitudes, longitudes)
def test_along_a_meridian(lat_a: float, lat_b: float, lon: float) -> None:
    assume(abs(lat_a - lat_b) > 1e-3)
    distance, azimuth, back = distance_azimuth(lat_a, lon, lat_b, lon)
    assert distance == pytest.approx(meridian_km(lat_a, lat_b), rel=1e-9)
    north = lat_b > lat_a
    assert apart(azimuth, 0 if north else 180) < 1e-9
    assert apart(back, 180 if north else 0) < 1e-9


@pytest.mark.parametrize(
    ("a", "b", "km", "azimuth", "back"),
    [
        # Flinders Peak to Buninyong, Geocentric Datum of Australia Technical Manual 2.4, section 4.1
        (
            (-(37 + 57 / 60 + 3.72030 / 3600), 144 + 25 / 60 + 29.52440 / 3600),
            (-(37 + 39 / 60 + 10.15610 / 3600), 143 + 55 / 60 + 35.38390 / 3600),
            54.972271,
            306 + 52 / 60 + 5.37 / 3600,
            127 + 10 / 60 + 25.07 / 3600,
        ),
        # New York JFK to London LHR, GeographicLib's GeodSolve manual
        ((40.6, -73.8), (51.6, -0.5), 5551.759400, 51.19888284557982, 107.82177673551446 + 180),
    ],
)
def test_published_geodesics(
    a: tuple[float, float], b: tuple[float, float], km: float, azimuth: float, back: float
) -> None:
    found = distance_azimuth(*a, *b)
    assert found[0] == pytest.approx(km, abs=1e-6)
    assert apart(found[1], azimuth) < 1e-5
    assert apart(found[2], back) < 1e-5


def test_over_the_date_line() -> None:
    distance, azimuth, back = distance_azimuth(-17.0, 179.9, -17.0, -179.9)
    inland = distance_azimuth(-17.0, 20.0, -17.0, 20.2)
    assert distance == pytest.approx(inland[0], rel=1e-12)
    assert azimuth == pytest.approx(inland[1], abs=1e-9)
    assert back == pytest.approx(inland[2], abs=1e-9)
    assert azimuth < 180


# --- properties ---------------------------------------------------------------------------------------------


@given(latitudes, longitudes, latitudes, longitudes)
def test_symmetric_and_close_to_the_sphere(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> None:
    there, azimuth, back = distance_azimuth(lat_a, lon_a, lat_b, lon_b)
    here, azimuth_reversed, back_reversed = distance_azimuth(lat_b, lon_b, lat_a, lon_a)
    assert there == pytest.approx(here, rel=1e-12, abs=1e-9)
    assert 0 <= azimuth < 360
    assert 0 <= back < 360
    u, v = (
        np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
        for lat, lon in np.radians([(lat_a, lon_a), (lat_b, lon_b)])
    )
    angle = np.arctan2(np.linalg.norm(np.cross(u, v)), u @ v)
    assert there == pytest.approx(6371.0 * angle, rel=0.006, abs=1e-6)
    if 1.0 < there < 19_900:  # the azimuths are ill-determined at a point and near its antipode
        assert apart(azimuth, back_reversed) < 1e-6
        assert apart(back, azimuth_reversed) < 1e-6


@given(latitudes, longitudes, latitudes, longitudes, st.floats(-400, 400))
def test_turning_the_earth_changes_nothing(lat_a: float, lon_a: float, lat_b: float, lon_b: float, turn: float) -> None:
    still = distance_azimuth(lat_a, lon_a, lat_b, lon_b)[0]
    turned = distance_azimuth(lat_a, lon_a + turn, lat_b, lon_b + turn)[0]
    assert turned == pytest.approx(still, rel=1e-10, abs=1e-7)


@pytest.mark.parametrize("longitude", [1e-13, -1e-13, -1e-14, -1e-12])
def test_azimuth_a_hair_west_of_north_stays_below_360(longitude: float) -> None:
    _, azimuth, back = distance_azimuth([0.0, 89.0], 0.0, [89.9, 89.99], longitude)
    assert np.all((azimuth >= 0) & (azimuth < 360))
    assert np.all(apart(azimuth, 0) < 1e-9)
    assert np.all(apart(back, 180) < 1e-9)


def test_same_place() -> None:
    assert distance_azimuth(34.5, -116.0, 34.5, -116.0)[0] == 0.0


def test_arrays_broadcast() -> None:
    lat, lon = np.array([0.0, 10.0, 20.0]), np.array([5.0, 6.0, 7.0, 8.0])
    found = distance_azimuth(lat[:, None], 0.0, 0.0, lon)
    assert [values.shape for values in found] == [(3, 4)] * 3
    for i, j in np.ndindex(3, 4):
        assert [float(values[i, j]) for values in found] == [
            float(v) for v in distance_azimuth(lat[i], 0.0, 0.0, lon[j])
        ]


def test_unknown_places_are_unknown_distances() -> None:
    distance, azimuth, back = distance_azimuth([0.0, np.nan], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0])
    assert np.isfinite([distance[0], azimuth[0], back[0]]).all()
    assert np.isnan([distance[1], azimuth[1], back[1]]).all()


# --- destination and plane coordinates ----------------------------------------------------------------------


@given(latitudes, longitudes, st.floats(0, 359.999), st.floats(0.001, 15_000))
def test_destination_inverts_distance_and_azimuth(lat: float, lon: float, azimuth: float, km: float) -> None:
    found = distance_azimuth(lat, lon, *destination(lat, lon, azimuth, km))
    assert found[0] == pytest.approx(km, rel=1e-9, abs=1e-8)
    tolerance = 1e-8 + np.degrees(1e-7 / km) + 1e-4 / (90 - abs(lat))
    assert apart(found[1], azimuth) < tolerance


def test_destination_broadcasts() -> None:
    lat, lon = destination(10.0, 179.0, np.array([[0.0], [90.0]]), np.array([100.0, 200.0, 300.0]))
    assert lat.shape == lon.shape == (2, 3)
    assert np.all(np.diff(lat[0]) > 0)
    assert lon[1, 2] < 0  # 300 km east of 179° E lies across the date line


@given(latitudes, longitudes, st.floats(0, 360), st.floats(0, 2000))
def test_plane_coordinates_keep_distance_and_azimuth(lat0: float, lon0: float, azimuth: float, km: float) -> None:
    east, north = local_xy(*destination(lat0, lon0, azimuth, km), lat0, lon0)
    tolerance = 1e-7 + km * 1e-5 / (90 - abs(lat0))
    assert east == pytest.approx(km * np.sin(np.radians(azimuth)), abs=tolerance)
    assert north == pytest.approx(km * np.cos(np.radians(azimuth)), abs=tolerance)


def test_plane_axes() -> None:
    east, north = local_xy(np.array([45.0, 46.0, 45.0]), np.array([-180.0, 180.0, -179.0]), 45.0, 180.0)
    np.testing.assert_allclose([east[0], north[0], east[1]], 0, atol=1e-9)
    assert north[1] == pytest.approx(meridian_km(45, 46), rel=1e-9)
    # A degree of the 45th parallel, whose radius is a cos φ / √(1 - e² sin² φ).
    assert east[2] == pytest.approx(np.radians(1) * A_KM * np.cos(np.pi / 4) / np.sqrt(1 - E2 / 2), rel=1e-4)
