"""The plan of a stack: its time from a trial, its tasks and bytes against those of a run, and that making it changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from seisloom.compute import Serial
from seisloom.compute.crew import START_CPU_S, START_S, Crew
from seisloom.compute.prices import Prices
from seisloom.config import CorrelationSettings
from seisloom.errors import InputError, WorkspaceError
from seisloom.noise import archive
from seisloom.noise.archive import CORRELATIONS, create_archive
from seisloom.noise.pairs import channel_pairs, pair_table
from seisloom.noise.stack_pace import StackPace, _trials
from seisloom.noise.stack_plan import StackPlan, dry_run_stack
from seisloom.noise.stack_task import pair_ranges
from seisloom.noise.stack_wanted import WantedStack
from seisloom.noise.stacking import stack_correlations
from seisloom.storage import Storage
from tests.jobs import channel_table, command, small_settings

N_DAYS, N_LAG = 12, 81
PACE = StackPace(reading_s=0.1, waiting_s=0.05, stacking_s=0.8, ratio_s=0.02, writing_s=0.03, n_pairs=3)
PLENTY = Crew("serial", 1, 1, 1, 6e9)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pairs on twelve days."""
    folder, rng, channels = tmp_path_factory.mktemp("w"), np.random.default_rng(5), channel_table(5)
    pairs = pair_table(channels, channel_pairs(channels, small_settings()))
    days, lag = pd.date_range("2024-03-01", periods=N_DAYS), np.arange(-40, 41) / 4.0
    settings = {"settings": CorrelationSettings().model_dump_json()}
    group = create_archive(Storage(folder, create=True), CORRELATIONS, pairs, lag, days, "day", 1, settings, "m")
    group["ccf"][:] = rng.normal(size=(10, N_DAYS, N_LAG)).astype(np.float32)
    group["count"][:] = np.full((10, N_DAYS), 96, np.int32)
    return folder


def plan_of(workspace: Path, period: str = "all", crew: Crew = PLENTY, method: str = "linear", **how: Any) -> StackPlan:
    return dry_run_stack(workspace, method, period, how.pop("pairs", None), False, None, crew, **how)


def sizes(workspace: Path) -> dict[str, int]:
    return {item["path"]: item["size"] for item in Storage(workspace).objects("")}


@pytest.mark.parametrize(("period", "periods"), [("all", 1), ("week", 3), ("day", 12)])
def test_tasks_objects_and_bytes_are_those_of_a_run(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, period: str, periods: int
) -> None:
    handed: list[object] = []
    run = Serial.run
    monkeypatch.setattr(Serial, "run", lambda self, task, items: handed.extend(items) or run(self, task, items))
    for size in ("CHUNK_BYTES", "SHARD_BYTES"):
        monkeypatch.setattr(archive, size, 4 * N_LAG * 4)  # four pairs of a stack
    before = sizes(workspace)
    plan = plan_of(workspace, period, pairs=["*S00*", "*S01*"])
    assert sizes(workspace) == before
    assert (plan.pairs, plan.times, plan.periods, plan.what) == (7, N_DAYS, periods, "day")
    assert plan.bytes_in == 7 * N_DAYS * N_LAG * 4
    assert plan.timing
    name = stack_correlations(workspace, "linear", period, ["*S00*", "*S01*"], threads=1)
    assert name == plan.name
    assert len(handed) == plan.timing.tasks
    made = {key: n for key, n in sizes(workspace).items() if key.startswith(f"stacks/{name}")}
    assert len(made) == plan.objects_out - 2  # azimuths of sensors that are all 0 need no chunks
    results = sum(n for key, n in made.items() if "/ccf/c/" in key or "/count/c/" in key or "/snr/c/" in key)
    padding = 4 * N_LAG * periods * 3 + 20 * plan.timing.tasks * 4  # of the last chunk, and what says where chunks lie
    assert plan.bytes_out - 7 * 8 * periods <= results <= plan.bytes_out + padding


def test_time_of_a_run(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten pairs, four a task: three tasks; the worker that does two of them is the last."""
    monkeypatch.setattr("seisloom.noise.stack_plan.measure_stack", lambda *_: PACE)
    for size in ("CHUNK_BYTES", "SHARD_BYTES"):
        monkeypatch.setattr(archive, size, 4 * N_LAG * 4)
    pair_s = 0.1 + 0.05 + 0.8 / 2 + 0.02 + 0.03  # two threads share the method only
    timing = plan_of(workspace, crew=Crew("processes", 2, 2, 4, 6e9)).timing
    assert timing
    assert (timing.tasks, timing.workers, timing.cores) == (3, 2, 4)
    assert timing.task_s == pytest.approx(4 * pair_s)
    assert timing.seconds == pytest.approx(START_S["processes"] + 8 * pair_s, abs=0.5)  # and opening the workspace
    assert timing.cpu_s["stacking"] == pytest.approx(8.0)
    assert timing.cpu_s["starting"] == pytest.approx(3 * START_CPU_S, abs=0.5)
    assert timing.limit == f"the method ({0.4 / pair_s:.0%} of the work)"
    many = plan_of(workspace, crew=Crew("dask", 50, 1, 50, 6e9)).timing
    assert many
    assert many.workers == 3
    assert many.limit.endswith("; 47 workers without a task, for there are 3")


@given(st.integers(1, 3000), st.integers(1, 700), st.integers(1, 3000))
def test_tasks_are_whole_shards_or_parts_of_one(n_pairs: int, shard: int, each: int) -> None:
    tasks = pair_ranges(n_pairs, shard, each)
    assert [pair for task in tasks for pair in task] == list(range(n_pairs))
    assert all(0 < len(task) <= each for task in tasks)
    for task in tasks:
        whole = task.start % shard == 0 and (task.stop % shard == 0 or task.stop == n_pairs)
        assert whole or task.start // shard == (task.stop - 1) // shard


@pytest.mark.parametrize(
    ("pair_s", "workers", "each"),
    [
        (0.001, 2, 80),  # a worker has four tasks
        (0.05, 2, 80),
        (0.3, 2, 48),  # some 10 s, in chunks of 16
        (0.1, 100, 16),  # a chunk at least
        (1.0, 2, 10),  # less than a chunk, for it takes long
        (7.0, 2, 1),
        (7.0, 200, 1),
    ],
)
def test_pairs_of_a_task_by_the_time_of_one(pair_s: float, workers: int, each: int) -> None:
    """640 pairs, which are one shard."""
    data = xr.Dataset({"ccf": (("pair", "day", "lag"), np.empty((640, 1, 4001), np.float32))})
    data = data.assign_coords(pair=np.arange(640), lag=np.arange(4001))
    wanted = WantedStack(data, [(pd.Timestamp(0), np.zeros(1, np.int64))], "linear", {}, "x", False)
    pace = StackPace(0.0, 0.0, pair_s, 0.0, 0.0, 1)
    assert wanted.shard_pairs == 640
    assert pace.pairs_a_task(wanted, Crew("serial", 1, 2, 2, 6e9)) == 640
    assert pace.pairs_a_task(wanted, Crew("processes", workers, 1, workers, 6e9)) == each


def test_cost(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seisloom.noise.stack_plan.measure_stack", lambda *_: PACE)
    prices = Prices(currency="EUR", core_hour=3600, get_per_1000=1e6)
    plan = plan_of(workspace, crew=Crew("serial", 1, 2, 2, 6e9), prices=prices)
    assert plan.bill
    assert plan.timing
    assert plan.bill.computing == pytest.approx(2 * plan.timing.seconds)
    assert plan.bill.requests == 0  # a folder


def test_the_trial_is_of_the_method(workspace: Path) -> None:
    """The time-frequency method takes many times what the mean takes."""
    cpu_s = []
    for method in ("linear", "tf-pws"):
        timing = plan_of(workspace, method=method).timing
        assert timing
        assert all(seconds >= 0 for seconds in timing.cpu_s.values())
        cpu_s.append(timing.cpu_s["stacking"])
    assert cpu_s[1] > 3 * cpu_s[0] > 0


@given(st.integers(1, 10_000), st.integers(1, 500))
def test_pairs_that_are_tried_are_spread_over_all(n_pairs: int, at_once: int) -> None:
    tried = list(_trials(n_pairs, at_once))
    assert tried
    assert all(0 <= run.start < run.stop <= n_pairs and run.stop - run.start <= at_once for run in tried)
    middle = np.mean([(run.start + run.stop) / 2 for run in tried])
    assert abs(middle - n_pairs / 2) <= 1 + 0.05 * n_pairs


def test_what_the_stack_refuses_its_plan_refuses(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="stack method 'lineal' is unknown"):
        plan_of(workspace, method="lineal")
    with pytest.raises(InputError, match="has no option 'power'"):
        plan_of(workspace, power=2)
    with pytest.raises(WorkspaceError, match="no such workspace"):
        plan_of(tmp_path / "none")


def test_command(workspace: Path) -> None:
    before = sizes(workspace)
    told = command("stack", "w", "--dry-run", "--period", "3 days", cwd=_beside(workspace))
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0] == "linear_3days: 10 pairs, 4 periods of 12 days"
    assert [line.split()[0] for line in lines[1:]] == ["in", "out", "memory", "tasks", "time", "limit", "basis"]
    told = command(
        "stack", "w", "--dry-run", "--json", "--compute", "dask=10.0.0.1:8786", "--workers", "5", cwd=_beside(workspace)
    )
    assert json.loads(told.stdout)["pairs"] == 10
    assert sizes(workspace) == before
    told = command("stack", "w", "--json", cwd=_beside(workspace))
    assert told.returncode == 1
    assert "--json is of use with --dry-run only" in told.stderr


def _beside(workspace: Path) -> Path:
    """A folder in which ``w`` is the workspace."""
    link = workspace.parent / "w"
    if not link.exists():
        link.symlink_to(workspace)
    return workspace.parent
