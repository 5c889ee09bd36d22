"""The plan of a training set: its bytes and tasks against those of a run, its time from a trial, and that making it changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seisloom.associate.dataset_plan import _timing, dry_run_dataset
from seisloom.associate.phaselink import dataset
from seisloom.compute import Serial
from seisloom.compute.crew import START_CPU_S, START_S, Crew
from seisloom.compute.prices import Prices
from seisloom.config.phaselink import read_params
from seisloom.demo.association import write_inputs
from tests.jobs import command

pytest.importorskip("torch")
N = 3000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stations, a velocity model and parameters, as users have them."""
    made = tmp_path_factory.mktemp("set")
    write_inputs(made)
    keys = {"station_file": "stations.csv", "velocity_model": "velocity.txt", "n_train_samp": N, "t_win": 60}
    (made / "params.json").write_text(json.dumps(keys))
    return made


def test_bytes_and_tasks_are_those_of_a_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    before, params = sorted(folder.iterdir()), read_params(folder / "params.json")
    prices = Prices(currency="EUR", core_hour=3600)
    plan = dry_run_dataset(params, Crew("serial", 1, 1, 1, 6e9), prices)
    assert sorted(folder.iterdir()) == before
    assert (plan.windows, plan.stations, plan.threads) == (N, 30, 1)
    assert plan.timing
    assert plan.bill
    assert plan.bill.computing == pytest.approx(plan.timing.seconds)
    handed: list[object] = []
    run = Serial.run
    monkeypatch.setattr(Serial, "run", lambda self, task, items: handed.extend(items) or run(self, task, items))
    dataset(params)
    files = [folder / params.training_dset_X, folder / params.training_dset_Y]
    files.append(files[0].with_suffix(".json"))
    assert len(handed) == pytest.approx(plan.timing.tasks, rel=0.5)  # blocks have as many windows as chance gives them
    assert plan.bytes_out == pytest.approx(sum(path.stat().st_size for path in files), rel=0.3)
    assert plan.objects_out == len(files)
    for path in files:
        path.unlink()


def test_time_of_a_run() -> None:
    """Ten and a half blocks of 2 s; the command writes while workers simulate, and otherwise after that."""
    made = _timing(10.5, 1.0, 0.5, 2.0, 0.1, Crew("serial", 1, 1, 1, 6e9))
    assert (made.tasks, made.workers, made.task_s) == (11, 1, 2.0)
    assert made.seconds == pytest.approx(START_S["serial"] + 1.5 + 22 + 1.05)
    assert made.cpu_s == {"starting": START_CPU_S + 1.5, "simulating": 22.0, "writing": pytest.approx(1.05)}
    made = _timing(10.5, 1.0, 0.5, 2.0, 0.1, Crew("processes", 4, 1, 2, 6e9))  # two cores for four
    assert made.task_s == 4.0
    assert made.seconds == pytest.approx(START_S["processes"] + 1.5 + 3 * 4 + 0.1)
    slow = _timing(10.5, 1.0, 0.5, 2.0, 3.0, Crew("dask", 20, 1, 20, 6e9))
    assert slow.seconds == pytest.approx(START_S["dask"] + 1.5 + 10.5 * 3)
    assert slow.limit == "writing the files, by the command alone; 9 workers without a task, for there are 11"


def test_command(folder: Path) -> None:
    told = command("phaselink", "dataset", "params.json", "--dry-run", cwd=folder)
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0].startswith("3,000 windows of some ")
    assert lines[0].endswith(" picks at 30 stations")
    assert [line.split()[0] for line in lines[1:7]] == ["out", "memory", "tasks", "time", "limit", "basis"]
    refused = command("phaselink", "dataset", "params.json", "--json", cwd=folder)
    assert refused.returncode == 1
    assert "--json is of use with --dry-run only" in refused.stderr
