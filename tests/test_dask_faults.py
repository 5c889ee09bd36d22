"""A cluster that fails, with a scheduler and workers in processes of their own: the run ends with a word, another completes it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seisloom.compute import parse_compute
from seisloom.compute.crew import Crew
from tests.job_workers import FIRST, SPEC, tiny_channels, until
from tests.jobs import objects

pytest.importorskip("distributed")
PARAMS = "fs,freqmin,freqmax,cc_step,cc_len,maxlag,response\n1,0.05,0.2,3600,3600,60,none\n"
LAST = "2024-03-20"
N_DAYS = 20


class Cluster:
    """``dask scheduler`` and ``dask worker``, as people start them on a cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, list[subprocess.Popen[bytes]]()
        self.scheduler = self.start("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", "scheduler.json")
        until(lambda: (folder / "scheduler.json").exists() and "tcp" in (folder / "scheduler.json").read_text())
        self.address = (folder / "scheduler.json").read_text().split('"address": "')[1].split('"')[0]

    def worker(self, *options: str) -> subprocess.Popen[bytes]:
        return self.start("worker", self.address, "--no-dashboard", "--no-nanny", *(options or ("--nthreads", "1")))

    def start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{what}.log").open("ab")
        code = "import sys; from distributed.cli import dask_scheduler, dask_worker; getattr(globals()['dask_' + sys.argv.pop(1)], 'main')()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, what, *options], cwd=self.folder, stdout=log, stderr=log,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    run = client(folder)
    assert run.wait() == 0
    return objects(folder / "out")


def client(folder: Path, *options: str) -> subprocess.Popen[str]:
    """``seisloom correlate`` in a process of its own."""
    (folder / "params.csv").write_text(PARAMS)
    tiny_channels().to_csv(folder / "stations.csv", index=False)
    given = ("correlate", "stations.csv", "params.csv", "--source", SPEC, "--start", FIRST, "--end", LAST, "-o", "out")
    return subprocess.Popen(
        [sys.executable, "-m", "seisloom", *given, *options], cwd=folder, text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def done(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("out/done/*.json")}


def test_a_worker_the_client_and_the_scheduler_are_killed(
    cluster: Cluster, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    """One after the other, in the middle of one job."""
    there = ("--compute", f"dask={cluster.address}")
    first, _ = cluster.worker(), cluster.worker()
    run = client(tmp_path, *there)
    until(lambda: len(done(tmp_path)) >= 2)
    first.kill()
    n = len(done(tmp_path))
    until(lambda: len(done(tmp_path)) >= n + 2)
    run.kill()
    run.wait()
    assert len(done(tmp_path)) < N_DAYS

    run = client(tmp_path, *there)
    n = len(done(tmp_path))
    until(lambda: len(done(tmp_path)) >= n + 5)  # a worker may still be at two days of the run before, two at most
    cluster.scheduler.kill()
    said = run.communicate(timeout=90)[1]
    assert run.returncode == 1
    assert (
        said
        == "seisloom: the Dask scheduler is gone; what was finished is kept, and the same command goes on from there\n"
    )

    kept = done(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("out/done/*")}
    assert 6 <= len(kept) < N_DAYS
    run = client(tmp_path)
    told = run.communicate()[0]
    assert "6 pairs on 20 days" in told
    assert objects(tmp_path / "out") == whole
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_plan_asks_who_is_there(cluster: Cluster) -> None:
    how = parse_compute(f"dask={cluster.address}", threads=4)
    crew = Crew.of(how)
    assert (crew.workers, crew.notes(0)) == (1, [f"the scheduler at {cluster.address} has no workers yet: for one"])
    for limit in ("2GB", "3GB"):
        cluster.worker("--nthreads", "2", "--memory-limit", limit)
    until(lambda: Crew.of(how).workers == 4)
    crew = Crew.of(how)
    assert (crew.workers, crew.threads, crew.cores, crew.limit_bytes) == (4, 4, 16, 1e9)
    told = f"2 workers at {cluster.address}, 4 tasks at a time, 1 GB a task"
    assert crew.notes(0.9e9) == [told]
    assert crew.notes(1.1e9)[1].startswith("too much memory: a task may use 1 GB of a worker there")
    assert Crew.of(how, 9) == Crew("dask", 9, 4, 36, 6e9)  # as said
    cluster.scheduler.kill()
    cluster.scheduler.wait()
    assert Crew.of(how).notes(0) == [
        f"no scheduler answers at {cluster.address}: for one worker; --workers says how many to plan for"
    ]
