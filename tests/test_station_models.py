"""Velocity models of single stations: the table that names them, and times along their paths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seisloom.errors import InputError
from seisloom.traveltime import (
    VelocityModel,
    first_arrivals,
    network_times,
    of_stations,
    read_station_models,
    travel_time,
    travel_times,
)

STATIONS = ["IV.AAA", "IV.BBB", "MN.AAA", "MN.CCC"]
FAST, SLOW = VelocityModel([0.0], [6.0], [3.5]), VelocityModel([0.0], [3.0], [1.5])
LAYERED = VelocityModel([0.0, 8.3, 8.3, 30.0], [4.0, 5.0, 6.5, 7.0], [2.2, 2.8, 3.7, 4.0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "basin.txt").write_text("0 2.0 1.0\n2 4.0 2.0\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "rock.csv").write_text("depth,vp,vs\n0,5.5,3.2\n")
    return tmp_path


def table(folder: Path, text: str) -> Path:
    path = folder / "models.csv"
    path.write_text(text)
    return path


def test_stations_get_their_models_and_a_file_is_read_once(folder: Path) -> None:
    text = "# by hand\nstation, velocity ,remark\nIV.AAA,basin.txt,\n\nCCC,deep/rock.csv,by its code\nBBB,basin.txt,\n"
    found = read_station_models(table(folder, text), STATIONS)
    assert sorted(found) == ["IV.AAA", "IV.BBB", "MN.CCC"]
    assert found["MN.CCC"].vp_km_s.tolist() == [5.5]
    assert found["IV.AAA"] is found["IV.BBB"]
    assert found["IV.AAA"].vs_km_s.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "its columns are none; a CSV with the columns station and velocity"),
        ("station,model\nIV.AAA,basin.txt\n", "its columns are station, model"),
        ("station,velocity\nIV.AAA\n", "line 2: 1 columns, and the header has 2"),
        (
            "station,velocity\nIV.AAA,basin.txt\nIV.XXX,basin.txt\n",
            "line 3: station 'IV.XXX' is not in the station list",
        ),
        ("station,velocity\nAAA,basin.txt\n", "line 2: station AAA may be IV.AAA or MN.AAA; write its network"),
        ("station,velocity\nIV.BBB,basin.txt\nBBB,basin.txt\n", "line 3: station IV.BBB is there twice"),
        ("station,velocity\nIV.BBB,none.txt\n", "line 2: velocity file .*none.txt of station IV.BBB is not there"),
        ("station,velocity\nIV.BBB,\n", "line 2: no velocity file for station IV.BBB"),
    ],
)
def test_faults_are_named_with_their_line(folder: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_station_models(table(folder, text), STATIONS)


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_station_models(tmp_path / "none.csv", STATIONS)


def test_faults_of_a_model_name_its_own_file(folder: Path) -> None:
    (folder / "basin.txt").write_text("0 2.0 1.0\n2 nothing 2.0\n")
    with pytest.raises(InputError, match=r"basin\.txt, line 2: 'nothing' is not a number"):
        read_station_models(table(folder, "station,velocity\nIV.AAA,basin.txt\n"), STATIONS)


def test_every_station_has_the_times_of_its_model() -> None:
    """Two stations at one place in unlike ground, and two that share the model given for all."""
    elevation = [0.5, 0.5, 0.0, 1.0]
    models = [None, SLOW, LAYERED, FAST]
    times = network_times(FAST, elevation, 0.0, 20.0, 60.0, "flat", models)
    assert times.slowness.shape[1] == 4  # one of every elevation and model
    rng = np.random.default_rng(2)
    x, z, phase = rng.uniform(1, 60, 400), rng.uniform(0, 20, 400), rng.integers(0, 2, 400)
    for station, model in enumerate([FAST, SLOW, LAYERED, FAST]):
        exact = np.where(phase == 0, *(first_arrivals(model, c, z, -elevation[station], x) for c in (0, 1)))
        error = np.abs(travel_times(times, phase, station, x, z) - exact)
        assert np.percentile(error, 99) < 5e-3
        assert error.max() < (25e-3 if model is LAYERED else 1e-5)
    straight = np.hypot(40.0, 10.5)
    assert travel_time(times, 0, 0, 40.0, 10.0)[0] == pytest.approx(straight / 6.0, rel=1e-6)
    assert travel_time(times, 1, 1, 40.0, 10.0)[0] == pytest.approx(straight / 1.5, rel=1e-6)


def test_some_of_the_stations() -> None:
    times = network_times(FAST, [0.0, 0.5, 1.0], 0.0, 20.0, 60.0, "flat", [SLOW, None, None])
    part = of_stations(times, np.array([2, 0]))
    for new, old in enumerate((2, 0)):
        assert travel_time(part, 0, new, 20.0, 8.0) == travel_time(times, 0, old, 20.0, 8.0)


def test_many_stations_of_many_models_keep_levels_of_their_own(rng: np.random.Generator) -> None:
    """300 stations, three models: levels are shared within a model only, and elevations still count."""
    elevation = rng.uniform(0.0, 3.0, 300)
    models = [(FAST, SLOW, LAYERED)[k % 3] for k in range(300)]
    times = network_times(FAST, elevation, 0.0, 30.0, 80.0, "flat", models)
    assert times.slowness.shape[1] == 3 * 24
    station = rng.integers(0, 300, 2000)
    x, z = rng.uniform(2, 80, 2000), rng.uniform(0, 30, 2000)
    velocity = np.array([6.0, 3.0, np.nan])[station % 3]
    known = station % 3 < 2
    error = travel_times(times, 0, station, x, z) - np.hypot(x, z + elevation[station]) / velocity
    assert np.abs(error[known]).max() < 1e-3  # stations stand within 63 m of their levels
