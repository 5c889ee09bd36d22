"""The plan of an association: its time from a trial, its parts and sections against those of a run, and that it writes nothing."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.associate import pace as pace_module
from seisloom.associate import parts as parts_module
from seisloom.associate.job import JobSettings
from seisloom.associate.learn import Known
from seisloom.associate.pace import Pace, Trial, typical_stretch
from seisloom.associate.parts import HeldPicks, Parts
from seisloom.associate.plan import _timing, dry_run_association
from seisloom.associate.scenario import Scenario
from seisloom.associate.settle import Searched, n_sections, section_borders
from seisloom.associate.streamed import Run, associate_files
from seisloom.associate.synthetic import CRUST
from seisloom.compute.crew import START_CPU_S, START_S, Crew
from seisloom.compute.prices import Prices
from seisloom.picks import PickArrays, write_picks
from seisloom.stations import write_sites
from seisloom.traveltime import write_velocity_model
from tests.jobs import command
from tests.test_likelihood import REGION, Stream, stream

ONE = Crew("serial", 1, 1, 1, 6e9)


@pytest.fixture(scope="module")
def made() -> Stream:
    return stream(Scenario(duration_s=3600.0, events_per_hour=45, noise_ratio=0.6))


@pytest.fixture(scope="module")
def folder(made: Stream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inputs")
    write_picks(made.table, path / "picks.csv")
    write_sites(made.study.sites, path / "stations.csv")
    write_velocity_model(CRUST, path / "velocity.txt")
    return path


def test_parts_and_files_are_those_of_a_run(
    made: Stream, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts_module, "_PART_PICKS", 400)
    monkeypatch.setattr(pace_module, "TRIED", 300)
    before = sorted(folder.iterdir())
    settings = JobSettings(region=REGION)
    prices = Prices(currency="EUR", core_hour=3600)
    plan = dry_run_association(folder / "picks.csv", made.study.sites, CRUST, settings, ONE, prices=prices)
    assert sorted(folder.iterdir()) == before
    assert (plan.picks, plan.stations, plan.stations_listed) == (len(made.table), 14, 14)
    assert plan.first == f"{made.table['time'].min():%Y-%m-%dT%H:%M:%S}"
    assert plan.span_s == pytest.approx((made.table["time"].max() - made.table["time"].min()).total_seconds())
    assert plan.bytes_in == (folder / "picks.csv").stat().st_size
    assert plan.timing
    assert plan.bill
    assert plan.bill.computing == pytest.approx(plan.timing.seconds)
    assert set(plan.timing.cpu_s) == {"starting", "reading", "learning", "searching", "judging", "writing"}
    assert all(seconds > 0 for seconds in plan.timing.cpu_s.values())
    searched: list[list[Searched]] = []
    write = Run.write

    def noted(self: Run, search: object, found: list[Searched], *rest: object) -> object:
        searched.append(found)
        return write(self, search, found, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Run, "write", noted)
    associate_files(folder / "picks.csv", made.study.sites, CRUST, settings, tmp_path)
    assert len(searched[0]) == plan.timing.tasks > 1
    files = list(tmp_path.iterdir())
    assert len(files) == plan.objects_out
    assert 0.5 < plan.bytes_out / sum(path.stat().st_size for path in files) < 2


@pytest.mark.parametrize(
    ("crew", "seconds", "starting_s", "idle"),
    [
        # Learning 2.0 x 4 and 1.0 x 4, searching 0.5 x 12, judging 0.1 x 12, writing 0.2 x 12 + 0.7.
        (Crew("serial", 1, 1, 1, 6e9), 12 + 6 + 1.2 + 3.1, START_CPU_S + 1.5, ""),
        (Crew("serial", 1, 2, 2, 6e9), 12 + 4 + 1.2 + 3.1, START_CPU_S + 1.5, ""),  # 3 parts, 2 threads: 2 rounds of 2 s
        (Crew("processes", 4, 1, 2, 6e9), 12 + 3 + 1.2 + 3.1, 4 * START_CPU_S + 4.5, "; 1 worker without a task, for there are 3"),
    ],
    ids=["one", "threads", "processes"],
)  # fmt: skip
def test_time_of_a_run(crew: Crew, seconds: float, starting_s: float, idle: str) -> None:
    """Three parts of 40 picks, by a trial of ten; the sample is the first of them."""
    n = 120
    picks = PickArrays(
        np.arange(n) * 1.0, *(np.zeros(n, kind) for kind in (np.int32, np.int8, np.float32, np.int64)), 0
    )
    parts = Parts(HeldPicks(picks), 1, [-math.inf, 40.0, 80.0, math.inf], Known.__new__(Known), 0.0)
    trial = Trial(
        n_picks=10, learning_s=2.0, rehearsing_s=1.0, searching_s=0.5, judging_s=0.1, writing_s=0.2, files_s=0.7,
        written_bytes=5000, files_bytes=300, n_files=8,
    )  # fmt: skip
    timing = _timing(parts, [40], Pace(trial, 0.0, 9.0, loading_s=1.5), 4.0, crew, 1)
    assert timing.tasks == 3
    assert timing.seconds == pytest.approx(START_S[crew.kind] + 1.5 + 4.0 + seconds)
    assert sum(timing.cpu_s.values()) == pytest.approx(starting_s + 4.0 + 12 + 6 + 1.2 + 3.1)
    assert timing.limit == f"learning from a sample of the picks ({12 / (4 + seconds):.0%} of the work)" + idle


@given(st.integers(1, 300), st.integers(1, 20))
def test_sections_are_counted_as_they_are_made(n_found: int, n_parts: int) -> None:
    ends = [-math.inf, *(100.0 * k for k in range(1, n_found)), math.inf]
    nothing = np.zeros((0, 7)), np.zeros(0, np.int64), np.zeros(0), 0
    found = [Searched(first, last, *nothing) for first, last in pairwise(ends)]
    assert n_sections(n_found, n_parts) == len(section_borders(found, n_parts)) - 1


@given(st.lists(st.tuples(st.integers(2, 500), st.floats(0.01, 100.0)), min_size=1, max_size=20), st.integers(1, 300))
def test_what_is_tried_is_as_dense_as_half_of_all_picks(stretches: list[tuple[int, float]], most: int) -> None:
    """Half of the picks are in parts that are as dense at most, and half in parts that are as dense at least."""
    apart = np.concatenate([np.full(n, step) for n, step in stretches])
    time, sizes = np.cumsum(apart), np.array([n for n, _ in stretches])
    borders = [-math.inf, *time[np.cumsum(sizes)[:-1]].tolist(), math.inf]
    first, last = typical_stretch(time, borders, most)
    assert 0 < last - first <= most
    part = int(np.searchsorted(np.cumsum(sizes), first, side="right"))
    assert last <= np.cumsum(sizes)[part]
    rate = sizes / np.maximum([(n - 1) * step for n, step in stretches], 1.0)
    for sign in (1, -1):
        assert sizes[sign * rate <= sign * rate[part] * (1 + sign * 1e-6)].sum() >= len(time) / 2 - 1


def test_command(folder: Path) -> None:
    before = sorted(folder.iterdir())
    files = "picks.csv", "stations.csv", "velocity.txt", "-o", "out"
    told = command("associate", *files, "--dry-run", "--compute", "dask=10.0.0.1:8786", "--workers", "5", cwd=folder)
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert " picks at 14 of 14 stations, " in lines[0]
    assert [line.split()[0] for line in lines[1:8]] == ["in", "out", "memory", "tasks", "time", "limit", "basis"]
    assert sorted(folder.iterdir()) == before
    for options, words in (
        (("--json",), "--json is of use with --dry-run only"),
        (("--dry-run", "--method", "phaselink"), "--dry-run is for the method likelihood"),
    ):
        refused = command("associate", *files, *options, cwd=folder)
        assert refused.returncode == 1
        assert words in refused.stderr
