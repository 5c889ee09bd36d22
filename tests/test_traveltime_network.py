"""Times of a network: what is looked up against exact first arrivals, from a model and from tables."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import xarray as xr
from obspy.taup import TauPyModel
from obspy.taup import __path__ as taup_folder

from seisloom.associate.network import Region, make_network
from seisloom.errors import InputError
from seisloom.traveltime import (
    TravelTimes,
    VelocityModel,
    first_arrivals,
    network_times,
    network_times_from_tables,
    read_growclust,
    read_velocity_model,
    travel_time,
    travel_time_table,
    travel_times,
)
from seisloom.traveltime.model import Earth

Array = npt.NDArray[np.float64]
CRUST = VelocityModel([0.0, 1.0, 8.0, 25.0, 25.0], [4.6, 5.2, 6.1, 6.8, 8.0], [2.6, 3.0, 3.5, 3.9, 4.6])
TAUP = Path(taup_folder[0]) / "data"
ELEVATION = np.array([0.0, 0.3, 0.3, 1.1, 2.4])


def errors(
    times: TravelTimes,
    model: VelocityModel,
    elevation: Array,
    z: Array,
    x: Array,
    rng: np.random.Generator,
    earth: Earth = "sphere",
) -> Array:
    """Looked-up less exact times (s) for random phases and stations."""
    phase, station = rng.integers(0, 2, len(x)), rng.integers(0, len(elevation), len(x))
    found = travel_times(times, phase, station, x, z)
    exact = [first_arrivals(model, code, z, -elevation[station], x, earth) for code in (0, 1)]
    return found - np.where(phase == 0, *exact)


def percentile(error: Array, q: float) -> float:
    return float(np.percentile(np.abs(error), q))


@pytest.mark.parametrize("name", ["crust", "hkun07", "italy"])
def test_lookups_are_within_milliseconds(name: str, request: pytest.FixtureRequest) -> None:
    """Sources evenly over 0 to 30 km depth and 100 km radius. The few above 5 ms are next to where head waves overtake."""
    rng = np.random.default_rng(3)
    model = CRUST
    if name != "crust":
        folder = request.getfixturevalue("real_data")
        path = {"hkun07": "phaselink/hkun07.sealevel.txt", "italy": "italy_20161014/velocity.csv"}[name]
        model = read_velocity_model(folder / path)
    times = network_times(model, ELEVATION, -1.0, 30.0, 150.0)
    z, x = rng.uniform(0.0, 30.0, 5000), 100.0 * np.sqrt(rng.random(5000))
    error = errors(times, model, ELEVATION, z, x, rng)
    assert percentile(error, 50) < 0.5e-3
    assert percentile(error, 99) < 5e-3
    assert np.abs(error).max() < 40e-3
    # Shallow and near, where the time has its cusp.
    error = errors(times, model, ELEVATION, z / 10.0, x / 20.0, rng)
    assert percentile(error, 99) < 5e-3


@pytest.mark.parametrize(
    ("distance_km", "depth_km"), [(5.0, 5.0), (45.0, 30.0), (300.0, 60.0), (1000.0, 300.0), (1400.0, 700.0)]
)
@pytest.mark.parametrize("name", ["crust", "ak135"])
def test_lookups_at_every_size(name: str, distance_km: float, depth_km: float) -> None:
    """Sources evenly over the area and depth; those of the few tenths of a second cross where arrivals change order."""
    rng = np.random.default_rng(9)
    model = CRUST if name == "crust" else read_velocity_model(TAUP / f"{name}.tvel")
    elevation = np.array([0.0, 0.02, 1.5]) * min(distance_km / 30.0, 1.0)
    times = network_times(model, elevation, -1.0, depth_km, distance_km)
    assert times.slowness.nbytes < 7e6
    z, x = rng.uniform(0.0, depth_km, 3000), distance_km * np.sqrt(rng.random(3000))
    for nearer in (1.0, 20.0):
        error = errors(times, model, elevation, z / nearer, x / nearer, rng)
        assert percentile(error, 50) < 0.5e-3
        assert percentile(error, 99) < 10e-3
        assert np.abs(error).max() < 0.1


@pytest.mark.parametrize("name", ["iasp91", "ak135"])
def test_first_arrivals_of_the_whole_earth_against_taup(name: str) -> None:
    """What locations look up, for stations at sea level and in a borehole 3 km deep; TauP knows no elevations."""
    taup = TauPyModel(name)
    times = network_times(read_velocity_model(TAUP / f"{name}.tvel"), [0.0, -3.0], 0.0, 700.0, 1000.0)
    names = ["p", "P", "Pn", "Pg"], ["s", "S", "Sn", "Sg"]
    for distance, depth in itertools.product(
        (10.0, 100.0, 300.0, 860.0, 1000.0), (0.0, 35.0, 100.0, 300.0, 600.0, 700.0)
    ):
        for phase, station in ((0, 0), (1, 0), (1, 1))[: 2 if depth < 3.0 else 3]:
            arrivals = taup.get_travel_times(
                depth, np.degrees(distance / 6371.0), names[phase], receiver_depth_in_km=3.0 * station
            )
            found = travel_time(times, phase, station, distance, depth)[0]
            assert found == pytest.approx(min(a.time for a in arrivals), abs=0.02), (distance, depth, phase, station)


@pytest.mark.parametrize("elevation_km", [4.0, 0.0, -3.0])
def test_elevation_and_boreholes_in_a_uniform_sphere(elevation_km: float) -> None:
    """The straight line between two radii: chord² = r1² + r2² - 2 r1 r2 cos(angle)."""
    rng = np.random.default_rng(10)
    times = network_times(VelocityModel([0.0], [6.0], [3.4]), [elevation_km, 1.0], -2.0, 300.0, 800.0)
    z, x = rng.uniform(-2.0, 300.0, 1000), rng.uniform(0.0, 800.0, 1000)
    z[:300], x[:300] = rng.uniform(-2.0, 5.0, 300), rng.uniform(0.0, 5.0, 300)  # beside and above the borehole
    r1, r2 = 6371.0 - z, 6371.0 + elevation_km
    chord = np.sqrt((r1 - r2) ** 2 + 4.0 * r1 * r2 * np.sin(x / 6371.0 / 2.0) ** 2)
    for phase, velocity in ((0, 6.0), (1, 3.4)):
        error = travel_times(times, phase, 0, x, z) - chord / velocity
        assert np.abs(error).max() < 2e-3


def test_the_depth_of_sensors_counts_against_the_elevation() -> None:
    """A borehole 3 km deep under ground at 0.5 km: the sensor is 2.5 km below sea level."""
    sites = pd.DataFrame(
        {
            "station": ["A.TOP", "A.DEEP"],
            "latitude": [50.0, 50.0],
            "longitude": [10.0, 10.0],
            "elevation_m": [500.0, 500.0],
            "depth_m": [np.nan, 3000.0],
        }
    )
    network = make_network(sites, Region(49.9, 50.1, 9.9, 10.1, 0.0, 10.0))
    assert network.elevation_km.tolist() == [0.5, -2.5]
    times = network_times(VelocityModel([0.0], [6.0], [3.4]), network.elevation_km, -1.0, 10.0, 30.0, "flat")
    found = travel_times(times, 0, [0, 1], 4.0, 5.5)
    np.testing.assert_allclose(found, np.hypot(4.0, [6.0, 3.0]) / 6.0, atol=1e-5)


def test_stations_between_levels_have_their_own_elevation() -> None:
    """500 stations over 4 km of height share 24 levels; a model with a slow top shows what is left of the error."""
    rng = np.random.default_rng(11)
    elevation = rng.uniform(0.0, 4.0, 500)
    times = network_times(CRUST, elevation, 0.0, 60.0, 300.0)
    assert np.ptp(times.station_rise_km) > 0.1
    station, x, z = rng.integers(0, 500, 2000), rng.uniform(0.0, 300.0, 2000), rng.uniform(0.0, 60.0, 2000)
    for phase in (0, 1):
        exact = first_arrivals(CRUST, phase, z, -elevation[station], x, "sphere")
        assert percentile(travel_times(times, phase, station, x, z) - exact, 99) < 5e-3


def test_uniform_medium_is_exact_wherever_the_source_is() -> None:
    rng = np.random.default_rng(4)
    model = VelocityModel([0.0], [6.0], [3.4])
    times = network_times(model, ELEVATION, -3.0, 12.0, 40.0, "flat")
    z, x = rng.uniform(-3.0, 12.0, 500), rng.uniform(0.0, 40.0, 500)
    assert np.abs(errors(times, model, ELEVATION, z, x, rng, "flat")).max() < 1e-6
    at_station = travel_times(times, [0, 1], 4, 0.0, -2.4)
    np.testing.assert_allclose(at_station, 0.0, atol=1e-9)


def test_every_node_is_finite_even_at_the_stations() -> None:
    times = network_times(CRUST, [0.0, 0.5, 2.0], -2.0, 10.0, 20.0)
    assert np.isfinite(times.slowness).all()
    assert times.depth_km[[0, -1]].tolist() == [-2.0, 10.0]
    assert times.distance_km[[0, -1]].tolist() == [0.0, 20.0]
    time, by_distance, by_depth = travel_time(times, 0, 1, 0.0, -0.5)
    assert (time, by_distance) == (0.0, 0.0)
    assert np.isfinite(by_depth)


def test_derivatives_are_those_of_the_time() -> None:
    times = network_times(CRUST, ELEVATION, 0.0, 20.0, 60.0)
    x, z, h = 23.71, 7.33, 1e-4
    _, by_distance, by_depth = travel_time(times, 1, 3, x, z)
    along = travel_times(times, 1, 3, [x - h, x + h], z)
    down = travel_times(times, 1, 3, x, [z - h, z + h])
    assert by_distance == pytest.approx((along[1] - along[0]) / (2 * h), rel=1e-6)
    assert by_depth == pytest.approx((down[1] - down[0]) / (2 * h), rel=1e-5)


def test_stations_of_one_elevation_share_a_level() -> None:
    times = network_times(CRUST, ELEVATION, 0.0, 5.0, 10.0)
    assert times.level_depth_km.tolist() == [-2.4, -1.1, -0.3, 0.0]
    assert times.station_level.tolist() == [3, 2, 2, 1, 0]
    assert times.slowness.shape == (2, 4, len(times.depth_km), len(times.distance_km))
    np.testing.assert_allclose(times.station_rise_km, 0.0, atol=1e-9)


def test_many_elevations_share_24_levels_as_evenly_as_can_be() -> None:
    rng = np.random.default_rng(5)
    elevation = np.concatenate([rng.uniform(0.0, 0.5, 300), rng.uniform(2.0, 2.3, 100)])
    times = network_times(CRUST, elevation, 0.0, 2.0, 3.0)
    assert len(times.level_depth_km) == 24
    off = elevation + times.level_depth_km[times.station_level]
    # 0.8 km of elevations by 24 levels are 33 m a level; the gap between the two groups costs nothing.
    assert np.abs(off).max() <= 0.5 * 0.8 / 23
    np.testing.assert_allclose(times.station_rise_km, off, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0], 5.0, 5.0, 10.0), "depths from 5 to 5 km"),
        (([0.0], 0.0, 5.0, 0.0), "the distance positive"),
        (([0.0], 0.0, np.inf, 10.0), "depths from 0 to inf"),
        (([0.0, np.nan], 0.0, 5.0, 10.0), "2 station elevations, 1 without a number"),
        (([], 0.0, 5.0, 10.0), "there are no stations"),
        (([0.0], 0.0, 5.0, 10.0, "round"), "earth 'round'"),
        (([0.0], 0.0, 5.0, 10.0, "flat", [None, CRUST]), "1 stations and 2 velocity models"),
    ],
)
def test_wrong_arguments(arguments: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        network_times(CRUST, *arguments)


def tables(model: VelocityModel, datum: float = 0.0, depth_km: float = 44.0) -> tuple[xr.DataArray, xr.DataArray]:
    """P and S tables at 1 km by 2 km for a receiver ``datum`` above sea level, their depth 0 there."""
    below = VelocityModel(model.depth_km + datum, model.vp_km_s, model.vs_km_s)
    table = travel_time_table(below, np.arange(0.0, depth_km + 0.5), np.arange(0.0, 161.0, 2.0))
    table = table.squeeze("receiver_depth_km", drop=True)
    return table.sel(phase="P"), table.sel(phase="S")


def smooth(top_km: float) -> VelocityModel:
    """A crust without kinks at the scale of the tables, from ``top_km`` down."""
    depth = top_km + np.arange(0.0, 60.5, 2.0)
    vp = 4.6 + 2.0 * (1.0 - np.exp(-(depth - top_km) / 12.0))
    return VelocityModel(depth, vp, vp / 1.75)


@pytest.mark.parametrize(("datum", "top"), [(0.0, 0.0), (1.0, -1.0), (3.0, -3.0)])
def test_tables_give_the_times_of_their_model(datum: float, top: float) -> None:
    """Stations above, on and below the surface of the tables."""
    rng = np.random.default_rng(6)
    model = smooth(top)
    elevation = np.array([0.0, 0.4, 1.0, 2.4, 3.0])
    times = network_times_from_tables(*tables(model, datum), elevation, 0.0, 30.0, 150.0, datum)
    assert np.isfinite(times.slowness).all()
    z, x = rng.uniform(1.0, 30.0, 4000), 100.0 * np.sqrt(rng.random(4000))
    error = errors(times, model, elevation, z, x, rng, "flat")
    assert percentile(error, 95) < 5e-3
    error = errors(times, model, elevation, z / 3.0, x / 10.0, rng, "flat")
    assert percentile(error, 95) < 10e-3


def test_elevation_delays_by_the_vertical_slowness() -> None:
    """Far away: r sqrt(1/v0² - p²) with p of the table."""
    p_table, s_table = tables(CRUST)
    r, v0 = 0.5, 4.6
    times = network_times_from_tables(p_table, s_table, [0.0, r, np.nan], 0.0, 30.0, 150.0)
    found = travel_times(times, 0, [0, 1, 2], 80.0, 10.0)
    p = float(p_table.sel(depth_km=10, distance_km=82) - p_table.sel(depth_km=10, distance_km=78)) / 4.0
    assert found[1] - found[0] == pytest.approx(r * np.sqrt(1.0 / v0**2 - p**2), abs=1e-3)
    assert found[2] == found[0]  # of unknown elevation: at the surface of the tables
    assert found[0] == pytest.approx(float(p_table.sel(depth_km=10, distance_km=80)), abs=1e-6)


@pytest.mark.parametrize("datum", [0.0, 2.0])
def test_tables_of_a_uniform_medium_are_nearly_exact(datum: float) -> None:
    """Sources above stations included."""
    rng = np.random.default_rng(7)
    model = VelocityModel([0.0], [6.0], [3.4])
    elevation = np.array([-0.5, 0.0, 1.2, 2.0])
    times = network_times_from_tables(*tables(model), elevation, 0.0, 20.0, 50.0, datum)
    z, x = rng.uniform(0.0, 20.0, 2000), rng.uniform(0.0, 40.0, 2000)
    z[:500] /= 20.0
    x[:1000] /= 10.0
    error = errors(times, model, elevation, z, x, rng, "flat")
    assert percentile(error, 95) < 2e-3
    assert np.abs(error).max() < 12e-3


def test_published_tables_give_the_times_of_their_model(real_data: Path) -> None:
    """hkun07 with Vp/Vs 1.70, on a sphere: within 40 km, where the tables hold the first arrival."""
    rng = np.random.default_rng(8)
    folder = real_data / "phaselink"
    model = read_velocity_model(folder / "hkun07.sealevel.txt", vp_vs=1.70)
    p_table, s_table = (read_growclust(folder / f"TT.hkun07.sealevel.{c}g") for c in "ps")
    times = network_times_from_tables(p_table, s_table, [0.0], 0.0, 40.0, 200.0)
    assert np.isfinite(times.slowness).all()  # where no ray arrives, too
    z, x = rng.uniform(0.0, 20.0, 2000), rng.uniform(0.0, 40.0, 2000)
    error = errors(times, model, np.zeros(1), z, x, rng, "sphere")
    assert percentile(error, 50) < 1.5e-3
    assert percentile(error, 95) < 5e-3
    # Beyond the last ray time goes on, and never backwards.
    far = travel_times(times, 0, 0, np.arange(60.0, 200.0), 30.0)
    assert (np.diff(far) > 0.1).all()


def test_tables_too_short_say_what_is_needed() -> None:
    pair = tables(CRUST, depth_km=20.0)
    with pytest.raises(
        InputError, match=r"P travel-time table too short .* 0 to 300 km are needed and it has 0 to 160 km"
    ):
        network_times_from_tables(*pair, [0.0], 0.0, 15.0, 300.0)
    with pytest.raises(InputError, match=r"depths 1 to 31 km .* has 0 to 20 km\. Make longer .*phaselink tables"):
        network_times_from_tables(*pair, [0.0], 0.0, 30.0, 100.0, datum_km=1.0)
    with pytest.raises(InputError, match="depths -2 to 10 km"):
        network_times_from_tables(*pair, [0.0], -2.0, 10.0, 100.0)
    with pytest.raises(InputError, match="S travel-time table too short"):
        network_times_from_tables(pair[0], pair[1].isel(distance_km=slice(0, 10)), [0.0], 0.0, 10.0, 100.0)
    with pytest.raises(InputError, match="P table: dimensions phase, depth_km"):
        network_times_from_tables(xr.concat(pair, "phase"), pair[1], [0.0], 0.0, 10.0, 100.0)
    empty = pair[0].where(pair[0]["depth_km"] < 1.0)
    with pytest.raises(InputError, match="1 depths and 81 distances with rays"):
        network_times_from_tables(empty, pair[1], [0.0], 0.0, 10.0, 100.0)
