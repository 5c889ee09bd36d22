"""What ``seisloom associate`` cannot work with: one message that says what to do, exit code 1, and nothing written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from tests.association_job import Prepared, associate, catalogue, prepared, seisloom  # noqa: F401 - a fixture


def refused(made: Prepared, folder: Path, *options: object, **files: Path) -> str:
    """What the command says; checks that it ends as it should."""
    out = folder / "out"
    outcome = associate(made, out, *options, **files)
    assert outcome.code == 1, outcome
    assert outcome.out == ""
    assert outcome.err.startswith("seisloom: ")
    assert "Traceback" not in outcome.err
    assert not out.exists()
    return outcome.err


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def written(path: Path, text: list[str]) -> Path:
    path.write_text("\n".join(text) + "\n")
    return path


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("500000,SY.S001,P", "time ''"),
        ("500000,SY.S001,P,2020-13-01T00:00:00Z,0.5,", "time '2020-13-01T00:00:00Z'"),
        ("500000,SY.S001,P,2020-01-01T00:00:00Z,nan,", "probability 'nan'"),
        ("500000,SY.S001,P,2020-01-01T00:00:00Z,1.5,", "probability '1.5'"),
        ("500000,,P,2020-01-01T00:00:00Z,0.5,", "station ''"),
        ("four,SY.S001,P,2020-01-01T00:00:00Z,0.5,", "pick_index 'four'"),
    ],
)
def test_a_malformed_line(prepared: Prepared, tmp_path: Path, line: str, says: str) -> None:  # noqa: F811
    text = lines(prepared.picks)
    text[6] = line
    message = refused(prepared, tmp_path, picks=written(tmp_path / "picks.csv", text))
    assert "picks.csv: 1 pick cannot be read" in message
    assert f"line 7: {says}" in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ([""], "the file is empty"),
        (["station,phase,time,probability"], "no picks in it"),
        (["station,phase,when,probability", "A.B,P,2020-01-01,1"], "found: station, phase, when, probability"),
        (["station,phase,time", "SY.S001,Lg,2020-01-01T00:00:00Z"], "of other phases (Lg 1)"),
    ],
)
def test_a_pick_file_without_picks(prepared: Prepared, tmp_path: Path, text: list[str], says: str) -> None:  # noqa: F811
    message = refused(prepared, tmp_path, picks=written(tmp_path / "picks.csv", text))
    assert "picks.csv" in message
    assert says in message


@pytest.mark.parametrize("what", ["picks", "stations", "velocity", "model"])
def test_a_file_that_is_not_there(prepared: Prepared, tmp_path: Path, what: str) -> None:  # noqa: F811
    message = refused(prepared, tmp_path, **{what: tmp_path / "nothing.here"})
    assert "nothing.here: cannot " in message
    assert "No such file" in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (["0 5.0 2.9", "ten 6.0 3.5"], "line 2: 'ten' is not a number"),
        (["0 5.0 2.9", "10 6.0 -3.5"], "line 2: Vp 6 and Vs -3.5 km/s at 10 km"),
        (["0 5.0 6.0"], "line 1: Vp 5 and Vs 6 km/s at 0 km"),
        ([""], "no velocities"),
    ],
)
def test_a_malformed_velocity_model(prepared: Prepared, tmp_path: Path, text: list[str], says: str) -> None:  # noqa: F811
    message = refused(prepared, tmp_path, velocity=written(tmp_path / "velocity.txt", text))
    assert "velocity.txt" in message
    assert says in message


@pytest.mark.parametrize(
    ("n", "says"),
    [
        (0, "no stations in it"),
        (1, "8 picks or more are asked for, and no event can have more than 2,"),
        (2, "8 picks or more are asked for, and no event can have more than 4,"),
    ],
)
def test_too_few_stations(prepared: Prepared, tmp_path: Path, n: int, says: str) -> None:  # noqa: F811
    stations = written(tmp_path / "stations.csv", lines(prepared.stations)[: n + 1])
    assert says in refused(prepared, tmp_path, stations=stations)


def test_two_stations_can_be_enough(prepared: Prepared, tmp_path: Path) -> None:  # noqa: F811
    stations = written(tmp_path / "stations.csv", lines(prepared.stations)[:3])
    outcome = associate(prepared, tmp_path, "--min-picks", 4, stations=stations)
    assert outcome.code == 0
    events, _ = catalogue(tmp_path)
    assert (events["n_picks"] == 4).all()


def test_no_pick_at_a_station_of_the_list(prepared: Prepared, tmp_path: Path) -> None:  # noqa: F811
    table = prepared.table().assign(station="ZZ.ELSE")
    table.to_csv(tmp_path / "picks.csv", index=False)
    message = refused(prepared, tmp_path, picks=tmp_path / "picks.csv")
    assert "none of the" in message
    assert "stations of the picks: ZZ.ELSE" in message
    assert "stations of the list: SY.S000" in message


@pytest.mark.parametrize(
    ("region", "says"),
    [
        ((43.3, 42.7, 12.6, 13.4, 0, 20), "latitude runs from 43.3 to 42.7"),
        ((42.7, 43.3, 13.4, 12.6, 0, 20), "longitude runs from 13.4 to 12.6"),
        ((42.7, 43.3, 12.6, 13.4, 20, 0), "depth runs from 20 to 0"),
        (("nan", 43.3, 12.6, 13.4, 0, 20), "latitude runs from nan"),
        ((42.7, 99, 12.6, 13.4, 0, 20), "latitudes from -90 to 90"),
        ((-80, 80, -170, 170, 0, 20), "more than 3000 km wide"),
        ((10, 11, 12, 13, 0, 20), "no station is within 60 km of any place in latitudes 10 to 11,"),
        ((42.7, 43.3, 179, -179, 0, 20), "longitudes 179 to 181"),
    ],
)
def test_a_region_that_cannot_be(prepared: Prepared, tmp_path: Path, region: tuple[object, ...], says: str) -> None:  # noqa: F811
    message = refused(prepared, tmp_path, "--region", *region)
    assert message.startswith("seisloom: region: ")
    assert says in message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--min-picks", 1000), "events of 1000 picks or more are asked for, and no event can have more than 28"),
        (("--min-p", 15), "events of 15 P picks or more are asked for, and no event can have more than 14"),
        (("--min-s", 15), "events of 15 S picks or more are asked for, and no event can have more than 14"),
        (("--min-probability", 1.0), "below the least probability"),
        (("--device", "cuda:99"), "device 'cuda:99' cannot be used here"),
        (("--device", "abacus"), "device 'abacus' cannot be used here"),
        (("--earth", "disc"), "--earth 'disc': use flat or sphere"),
        (("--method", "guess"), "--method 'guess' is unknown"),
    ],
)
def test_options_that_cannot_be(prepared: Prepared, tmp_path: Path, options: tuple[object, ...], says: str) -> None:  # noqa: F811
    assert says in refused(prepared, tmp_path, *options)


def test_picks_of_one_instant(prepared: Prepared, tmp_path: Path) -> None:  # noqa: F811
    prepared.table().assign(time="2020-01-01T00:00:00Z").to_csv(tmp_path / "picks.csv", index=False)
    outcome = associate(prepared, tmp_path, picks=tmp_path / "picks.csv")
    assert outcome.code == 0
    assert "28 of" in outcome.out
    assert len(catalogue(tmp_path)[0]) <= 3


def changed_model(made: Prepared, path: Path, **values: object) -> Path:
    checkpoint = torch.load(made.model, weights_only=True)
    torch.save(checkpoint | values, path)
    return path


def test_a_model_file_that_is_none(prepared: Prepared, tmp_path: Path) -> None:  # noqa: F811
    message = refused(prepared, tmp_path, model=prepared.picks)
    assert "picks.csv: not a complete PyTorch checkpoint" in message
    half = tmp_path / "half.pt"
    half.write_bytes(prepared.model.read_bytes()[:5000])
    assert "half.pt: not a complete PyTorch checkpoint" in refused(prepared, tmp_path, model=half)
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pt")
    assert "other.pt: holds no 'model_state_dict' but a dict" in refused(
        prepared, tmp_path, model=tmp_path / "other.pt"
    )


def test_a_model_of_another_shape(prepared: Prepared, tmp_path: Path) -> None:  # noqa: F811
    config = torch.load(prepared.model, weights_only=True)["config"] | {"hidden_size": 64}
    message = refused(prepared, tmp_path, model=changed_model(prepared, tmp_path / "model.pt", config=config))
    assert "model.pt: not the weights of a network of 11 features" in message
    assert "gru1.weight_hh_l0 is 72 x 24, 192 x 64 is needed" in message


@pytest.mark.parametrize("windows", [{"t_win_s": -1.0}, {"features": "other"}, {"length": 3}, [1, 2], 7])
def test_a_model_whose_windows_make_no_sense(prepared: Prepared, tmp_path: Path, windows: object) -> None:  # noqa: F811
    model = changed_model(prepared, tmp_path / "model.pt", windows=windows)
    assert "model.pt: its 'windows' are" in refused(prepared, tmp_path, model=model)


def test_a_model_of_another_network(prepared: Prepared, tmp_path: Path) -> None:  # noqa: F811
    model = changed_model(prepared, tmp_path / "model.pt", stations=["ZZ.A", "ZZ.B"])
    message = refused(prepared, tmp_path, model=model)
    assert "trained for 2 other stations (ZZ.A, ZZ.B, ...), none of them in the list" in message
    model = changed_model(prepared, tmp_path / "model.pt", stations=5)
    assert "its 'stations' are 5" in refused(prepared, tmp_path, model=model)


def test_a_model_of_some_of_the_stations_and_another_region_is_noted(prepared: Prepared, tmp_path: Path) -> None:  # noqa: F811
    stations = list(prepared.study.network.ids)
    model = changed_model(prepared, tmp_path / "model.pt", stations=stations[3:], region={"lat_min": 1.0})
    outcome = associate(prepared, tmp_path, "--max-distance", 5, model=model)
    assert outcome.code == 0
    assert "trained without 3 of the 14 stations (SY.S000, SY.S001, SY.S002); links at these" in outcome.out
    assert "trained for another region than latitudes 42.7 to 43.3" in outcome.out
    assert "this is used, and not 5 km" in outcome.out
    assert "note" not in associate(prepared, tmp_path).out


def test_an_output_that_cannot_be_written(prepared: Prepared, tmp_path: Path) -> None:  # noqa: F811
    file = written(tmp_path / "file", ["not a folder"])
    for options in ((), ("--train-minutes", 0.05)):
        outcome = associate(prepared, file, *options)
        assert outcome.code == 1
        assert str(file) in outcome.err
        assert "Traceback" not in outcome.err
    assert file.read_text() == "not a folder\n"


def test_without_pytorch(prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "association by PhaseLink needs PyTorch: pip install 'seisloom[link]'" in refused(prepared, tmp_path)
    (tmp_path / "params.json").write_text("{}")
    for step in ("dataset", "train", "eval", "plot"):
        assert "association by PhaseLink needs PyTorch" in seisloom("phaselink", step, tmp_path / "params.json").err
