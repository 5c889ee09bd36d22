"""The associators that the benchmark compares with: settings, job files, results kept and read back.

What needs GaMMA itself runs where ``python -m benchmarks.peers.setup gamma`` has made its environment.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from benchmarks import cases, peer_settings
from benchmarks.comparison import Comparison
from benchmarks.held_out.networks import LAYOUTS
from benchmarks.measure import CommandFailed, Usage
from benchmarks.peers import associators, gamma_association
from benchmarks.peers.associators import Job, Outcome, Peer
from benchmarks.peers.programs import default_python
from benchmarks.peers.setup import DRIVERS, HERE, PYTHON
from benchmarks.streams import case_stream, scored

from seisloom.associate.synthetic import KINDS

SETTINGS = {"pyocto": {"n_picks": 8}, "gamma": {"min_picks_per_eq": 8}}
# Stands for a driver: one event of picks 3 and 7, and the settings that it was told.
DRIVER = """
import json, pathlib, sys
job = json.loads(pathlib.Path(sys.argv[2]).read_text())
out = pathlib.Path(job["out"])
out.mkdir(parents=True)
out.joinpath("told.json").write_text(json.dumps(job))
out.joinpath("events.csv").write_text("event_id,time,latitude,longitude,depth_km\\n1,5.0,1.0,2.0,3.0\\n")
out.joinpath("assignments.csv").write_text("pick_index,event_id\\n3,1\\n7,1\\n")
out.joinpath("cost.json").write_text('{"associate_cpu_s": 0.5}')
"""


@dataclass(frozen=True)
class Stub(Peer):
    """A peer with a driver of the test's."""

    script: Path = Path()

    @property
    def driver(self) -> Path:
        return self.script

    def command(self, job_file: Path) -> list[str]:
        return [str(self.python), str(self.script), "run", str(job_file)]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    files = [tmp_path / name for name in ("picks.csv", "stations.csv", "velocity.csv")]
    files[0].write_text(
        "pick_index,station,phase,time,prob\n5,HO.A,P,1577836800.25,0.4\n6,HO.B,S,1577836801.5,0.9\n", encoding="utf-8"
    )
    files[1].write_text(
        "station,latitude,longitude,elevation_m,depth_m\nHO.A,1.0,2.0,700,0\nHO.B,1.5,2.5,100,350\n", encoding="utf-8"
    )
    files[2].write_text("depth_km,vp,vs\n0,5,3\n30,7,4\n", encoding="utf-8")
    return Job(*files, (1.0, 2.0), (2.0, 3.0), (0.0, 20.0), 8, SETTINGS)


def stub(tmp_path: Path, key: str = "gamma", script: str = DRIVER) -> Stub:
    path = tmp_path / "driver.py"
    path.write_text(script, encoding="utf-8")
    return Stub("GaMMA as it comes", key, Path(sys.executable), script=path)


@pytest.mark.parametrize("key", peer_settings.MODULES)
def test_every_network_has_settings_of_every_peer(key: str) -> None:
    tuned = {network: peer_settings.tuned(network)[key] for network in (*LAYOUTS, *KINDS, "italy")}
    counted = peer_settings.MODULES[key].COUNTED
    assert all(settings[counted] >= 6 for settings in tuned.values())
    assert set(peer_settings.MODULES[key].AS_IT_COMES) & set(tuned["hills"])
    grids = [name for grid in peer_settings.MODULES[key].GRIDS for name in grid]
    assert counted in grids
    assert set(grids) <= set(tuned["hills"])


@pytest.mark.parametrize(("name", "fewest"), [("n6_100", 6), ("p_only", 8), ("local_100", 16)])
def test_cases_change_the_fewest_picks_of_every_peer(name: str, fewest: int) -> None:
    settings = peer_settings.tuned(cases.ALL[name].network("held-out"), cases.ALL[name].peers)
    assert [settings[key][peer_settings.MODULES[key].COUNTED] for key in settings] == [fewest, fewest]


def test_a_peer_is_told_its_own_settings_alone(tmp_path: Path, job: Job) -> None:
    outcome = associators.run(stub(tmp_path), job, tmp_path)
    told = json.loads((tmp_path / "gamma_as_it_comes/told.json").read_text())
    assert told["gamma"] == SETTINGS["gamma"]
    assert not {"pyocto", "peers"} & set(told)
    assert (told["picks"], told["depth_km"]) == (str(job.picks), [0.0, 20.0])
    assert outcome.event_of_pick(9).tolist() == [-1, -1, -1, 1, -1, -1, -1, 1, -1]
    assert outcome.associate_cpu_s == 0.5


def test_settings_in_place_of_those_of_the_job(tmp_path: Path, job: Job) -> None:
    program = replace(stub(tmp_path), instead=(("max_sigma11", 2.0),))
    assert program.settings(job) == {"gamma": {"max_sigma11": 2.0}}


def test_a_result_is_kept_until_something_it_depends_on_changes(tmp_path: Path, job: Job) -> None:
    program = stub(tmp_path)

    def runs(job: Job, **options: Any) -> bool:
        """Whether the driver ran."""
        mark = tmp_path / "gamma_as_it_comes" / "mark"
        if mark.parent.exists():
            mark.touch()
        associators.run(program, job, tmp_path, **options)
        return not mark.exists()

    assert runs(job)
    assert not runs(job)
    assert not runs(replace(job, peers=SETTINGS | {"pyocto": {"n_picks": 9}}))
    assert runs(job, fresh=True)
    assert runs(replace(job, peers=SETTINGS | {"gamma": {"min_picks_per_eq": 9}}))
    program.driver.write_text(DRIVER + "# changed\n", encoding="utf-8")
    assert runs(job)


def test_a_failure_is_kept_too_and_names_what_was_printed(tmp_path: Path, job: Job) -> None:
    runs = tmp_path / "runs"
    program = stub(tmp_path, script=f"open({str(runs)!r}, 'a').write('.'); raise SystemExit('no eikonal table')")
    for _ in range(2):
        with pytest.raises(CommandFailed, match="no eikonal table"):
            associators.run(program, job, tmp_path)
    assert runs.read_text() == "."


def test_an_event_keeps_a_pick_that_is_listed_twice_once() -> None:
    assignments = pd.DataFrame({"pick_index": [0, 2, 2], "event_id": [4, 4, 9]})
    assert Outcome(pd.DataFrame(), assignments, Usage(0, 0, 0), 0.0).event_of_pick(4).tolist() == [4, -1, 4, -1]


def options(tmp_path: Path, *programs: str) -> Namespace:
    return Namespace(
        directory=tmp_path, programs=list(programs), pyocto_python=Path(sys.executable), gamma_python=tmp_path / "none"
    )


def test_programs_in_one_order_and_those_that_are_not_installed_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Comparison(options(tmp_path, "gamma", "pyocto-as-it-comes", "pyocto", "seisloom"))
    assert [program.name for program in bench.programs("hills")] == ["seisloom", "PyOcto", "PyOcto as it comes"]
    assert "GaMMA: no interpreter" in (said := capsys.readouterr().out)
    assert "benchmarks.peers.setup gamma" in said
    bench.options.gamma_python = Path(sys.executable)
    bench.options.programs = ["gamma-as-it-comes", "gamma"]
    assert [program.name for program in bench.programs("hills")] == ["GaMMA", "GaMMA as it comes"]


def test_tuning_goes_on_from_the_best_of_the_grid_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[dict[str, Any]] = []

    def right_with_a_large_radius(program: Peer, job: Job, folder: Path, *_: object, **__: object) -> Outcome:
        tried.append(settings := program.settings(job)["gamma"])
        truth = pd.read_csv(folder / "truth.csv").rename(columns={"event": "event_id"})
        found = (truth["event_id"] >= 0) & (settings["eps_times"] > 1.0)
        return Outcome(pd.read_csv(folder / "events.csv"), truth[found], Usage(0, 0, 0), 0.0)

    monkeypatch.setattr("benchmarks.comparison.run", right_with_a_large_radius)
    bench = Comparison(options(tmp_path, "gamma"))
    more = {"gamma_python": Path(sys.executable), "generator": ["development"], "seed": [1], "duration": 300.0}
    vars(bench.options).update(more, threads=1, cpu_limit=None, fresh=False)
    bench.tune(["local_100"])
    assert [settings["eps_times"] for settings in tried] == [1.0, *[1.5] * (len(tried) - 1)]
    assert {settings["min_picks_per_eq"] for settings in tried[2:]} == {8, 12, 16}


@pytest.mark.parametrize("peer", DRIVERS)
def test_every_peer_has_a_driver_and_exact_versions(peer: str) -> None:
    assert peer in PYTHON
    assert (HERE / DRIVERS[peer]).exists()
    pins = [line for line in (HERE / f"{peer}.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(pins) > 5
    assert all("==" in pin for pin in pins)


def to_km(x: Any, y: Any, inverse: bool = False) -> tuple[Any, Any]:
    """A plane with a degree of 100 km."""
    factor = 0.01 if inverse else 100.0
    return factor * np.asarray(x), factor * np.asarray(y)


def test_stations_and_picks_as_gamma_wants_them(job: Job) -> None:
    told = job.told | {"stations": str(job.stations), "picks": str(job.picks)}
    stations = gamma_association.station_table(told, to_km)
    assert stations.to_numpy().tolist() == [["HO.A", 200.0, 100.0, -0.7], ["HO.B", 250.0, 150.0, 0.25]]  # z down
    picks, numbers = gamma_association.pick_table(told)
    assert numbers.tolist() == [5, 6]
    assert picks["type"].tolist() == ["p", "s"]
    assert picks["prob"].tolist() == [0.4, 0.9]
    assert picks["timestamp"].iloc[1] == pd.Timestamp("2020-01-01T00:00:01.5Z")


def test_events_of_gamma_read_back() -> None:
    found = [{"event_index": 3, "time": "2020-01-01T00:00:01.500", "x(km)": 250.0, "y(km)": 150.0, "z(km)": 7.0}]
    table = gamma_association.event_table(found, to_km)
    assert table.to_dict("records") == [
        {"event_id": 3, "time": 1577836801.5, "latitude": 1.5, "longitude": 2.5, "depth_km": 7.0}
    ]
    assert gamma_association.event_table([], to_km).empty


@pytest.mark.skipif(not default_python("gamma").exists(), reason="python -m benchmarks.peers.setup gamma was not run")
def test_gamma_finds_events_of_a_quiet_stream(tmp_path: Path) -> None:
    stream = case_stream("local_20", "development", 3, tmp_path, duration_s=600.0)
    outcome = associators.run(Peer("GaMMA", "gamma", default_python("gamma")), stream.job, stream.folder)
    result, away_km, late_s = scored(stream, outcome)
    assert result.event_f1 > 0.6
    assert away_km < 5.0
    assert late_s < 1.0
