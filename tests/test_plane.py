"""Distances in the plane of a network against geodesics, and their derivatives against differences."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seisloom.associate.network import Network, Region, make_network
from seisloom.associate.plane import distances_km, epicentral, epicentral_km, paths, stretch
from seisloom.errors import InputError
from seisloom.geo import destination, distance_azimuth, from_plane, to_plane

places = st.floats(-1500, 1500)
LATITUDES = [0.0, -20.0, 35.0, 50.0, -65.0, 80.0, 89.5, 90.0, -90.0]


def strewn(lat0: float, lon0: float, radius_km: float, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Latitudes and longitudes of 500 pairs of places in a circle, the first ones on its rim."""
    distance = radius_km * np.sqrt(rng.uniform(0, 1, (2, 500)))
    distance[0] = radius_km
    lat, lon = destination(lat0, lon0, rng.uniform(0, 360, (2, 500)), distance)
    return lat, lon


@pytest.mark.parametrize("lat0", LATITUDES)
@pytest.mark.parametrize("lon0", [10.0, 179.9])
@pytest.mark.parametrize(
    ("radius_km", "percent"),
    [(10.0, 2e-5), (300.0, 1e-3), (500.0, 2e-3), (1000.0, 8e-3), (1500.0, 0.03), (2000.0, 0.05)],
)
def test_distances_are_geodesics(
    lat0: float, lon0: float, radius_km: float, percent: float, rng: np.random.Generator
) -> None:
    lat, lon = strewn(lat0, lon0, radius_km, rng)
    (x, sx), (y, sy) = to_plane(lat, lon, lat0, lon0)
    expected, azimuth, _ = distance_azimuth(lat[0], lon[0], lat[1], lon[1])
    distance, found = paths(x, y, sx, sy)
    assert np.abs(distance / expected - 1).max() < percent / 100
    network = Network(("A",), sx[:1], sy[:1], np.zeros(1), lat0, lon0, Region(-1, 1, 0, 1))
    turned = np.abs((found + network.north_deg(x, y) - azimuth + 180) % 360 - 180)
    # Near a pole a north that is 10 m away is known to micrometres, and so to 1e-5 degrees at best.
    assert (np.radians(turned) * expected).max() < 0.02 + 2e-7 * radius_km**2


@pytest.mark.parametrize("lat0", LATITUDES)
def test_places_return_from_the_plane(lat0: float, rng: np.random.Generator) -> None:
    lat, lon = strewn(lat0, -179.5, 2000.0, rng)
    back = from_plane(*to_plane(lat, lon, lat0, -179.5), lat0, -179.5)
    assert distance_azimuth(lat, lon, *back)[0].max() < 1e-6


def test_the_plane_keeps_lengths_and_angles_at_its_middle() -> None:
    x, y = to_plane(*destination(50.0, 20.0, [0.0, 90.0, 210.0], 1.0), 50.0, 20.0)
    np.testing.assert_allclose(x, [0.0, 1.0, -0.5], atol=1e-6)
    np.testing.assert_allclose(y, [1.0, 0.0, -math.cos(math.pi / 6)], atol=1e-6)
    # Along the equator (EPSG guidance note 7-2, 3.1.6.1): longitudes times n on a sphere of radius √(MN).
    lat, lon = destination(0.0, 20.0, 90.0, 1000.0)
    e2 = 0.00669437999014
    sphere, n = 6378.137 * math.sqrt(1 - e2), math.sqrt(1 + e2 / (1 - e2))
    assert to_plane(lat, lon, 0.0, 20.0)[0] == pytest.approx(2 * sphere * math.tan(n * 1000.0 / 6378.137 / 2), rel=1e-9)


@given(places, places, places, places)
def test_derivatives_are_differences(x: float, y: float, sx: float, sy: float) -> None:
    assume(math.hypot(x - sx, y - sy) > 1.0)
    distance, by_x, by_y = epicentral(x, y, sx, sy)
    h = 1e-3
    assert distance == pytest.approx(epicentral_km(x, y, sx, sy), rel=1e-12)
    assert by_x == pytest.approx(
        (epicentral_km(x + h, y, sx, sy) - epicentral_km(x - h, y, sx, sy)) / (2 * h), abs=1e-6
    )
    assert by_y == pytest.approx(
        (epicentral_km(x, y + h, sx, sy) - epicentral_km(x, y - h, sx, sy)) / (2 * h), abs=1e-6
    )
    # A kilometre of the plane is 1/(1 + r²/4R²) on the sphere, whatever its direction.
    scale = stretch(np.array([x]), np.array([y]))[0]
    assert math.hypot(by_x, by_y) == pytest.approx(1.0 / scale, rel=1e-6)


@given(places, places, places, places)
def test_there_and_back(x: float, y: float, sx: float, sy: float) -> None:
    assert epicentral_km(x, y, sx, sy) == pytest.approx(epicentral_km(sx, sy, x, y), rel=1e-12, abs=1e-9)
    assert epicentral_km(x, y, sx, sy) <= math.hypot(x - sx, y - sy) * (1 + 1e-9)


@given(places, places, st.floats(0, 1e-9))
def test_at_the_station_nothing_is_undefined(x: float, y: float, off: float) -> None:
    assert epicentral(x, y, x, y) == (0.0, 0.0, 0.0)
    assert np.isfinite(epicentral(x + off, y, x, y)).all()


def test_opposite_and_very_far_places_are_finite() -> None:
    # The places 2 R from the middle are a quarter of the Earth away from it, and opposite ones half of it apart.
    assert epicentral_km(-12742.0, 0.0, 12742.0, 0.0) == pytest.approx(math.pi * 6371.0)
    assert np.isfinite(epicentral(-12742.0, 0.0, 12742.0, 0.0)).all()
    assert np.isfinite(epicentral(0.0, 0.0, 1e12, 0.0)).all()


def test_every_place_to_every_station(rng: np.random.Generator) -> None:
    x, y = rng.uniform(-500, 500, (2, 7))
    found = distances_km(x, y, x[:3], y[:3])
    assert found.shape == (7, 3)
    for i, j in np.ndindex(7, 3):
        assert found[i, j] == epicentral_km(x[i], y[i], x[j], y[j])
    assert (np.diag(found[:3]) == 0).all()


@pytest.mark.parametrize(("south", "north", "lon"), [(30.0, 45.0, 10.0), (-8.0, 25.0, 10.0), (-60.0, -50.0, 175.0)])
def test_the_box_holds_all_of_the_region(south: float, north: float, lon: float, rng: np.random.Generator) -> None:
    region = Region(south, north, lon, lon + 12.0)
    sites = pd.DataFrame(
        {"station": ["A.B"], "latitude": [south], "longitude": [lon], "elevation_m": 0.0, "depth_m": 0.0}
    )
    network = make_network(sites, region)
    lat, lon_ = rng.uniform(south, north, 5000), rng.uniform(lon, lon + 12.0, 5000)
    x, y = to_plane(lat, lon_, network.lat0, network.lon0)
    x0, x1, y0, y1 = network.box_km
    assert x.min() > x0 - 0.5
    assert x.max() < x1 + 0.5
    assert y.min() > y0 - 0.5
    assert y.max() < y1 + 0.5
    assert (x1 - x0) - np.ptp(x) < 30.0
    assert (y1 - y0) - np.ptp(y) < 30.0


@pytest.mark.parametrize(
    "box", [(80.0, 91.0, 0.0, 1.0), (-91.0, 0.0, 0.0, 1.0), (0.0, 1.0, 500.0, 541.0), (2.0, 1.0, 0.0, 1.0)]
)
def test_regions_are_on_earth(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(InputError, match="region"):
        Region(*box)
