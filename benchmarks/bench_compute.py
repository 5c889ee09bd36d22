"""Engines: what Dask and processes cost beside serial, on tasks that sleep, on the same job and the same stack; one worker against two."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import WORK, run_measured
from seisloom.compute import open_engine, parse_compute
from seisloom.config import CorrelationSettings
from seisloom.noise.archive import CORRELATIONS, create_archive
from seisloom.noise.pairs import channel_pairs, pair_table
from seisloom.stations import validate
from seisloom.storage import Storage
from seisloom.waveforms.synthetic import SyntheticSource, write_dataset

DAY = "2024-03-01"
PARAMS = "fs,freqmin,freqmax,cc_step,cc_len,maxlag,keep,substack_len\n20,0.1,4,450,1800,200,substack,3600\n"
ENGINES = ("serial", "processes", "dask")


@contextmanager
def sleeping(seconds: float) -> Iterator[Callable[[int], None]]:
    """A task that leaves the machine alone, so that what else is done there does not count."""
    yield lambda _: time.sleep(seconds)


def overhead(n_tasks: int, seconds: float) -> None:
    """Wall time of one worker on tasks of known length: what it takes to start and end, a task more, and both in the job."""
    print(f"{n_tasks} tasks of {seconds:g} s, one worker")
    print("engine     start+end s  a task ms  job %")
    for name in ENGINES:
        none, some, long = (once(name, *given) for given in ((100, 0.0), (400, 0.0), (n_tasks, seconds)))
        task_s = (some - none) / 300
        extra = 100 * (long / (n_tasks * seconds) - 1)
        print(f"{name:<9}  {none - 100 * task_s:11.2f}  {1e3 * task_s:9.1f}  {extra:5.1f}", flush=True)


def once(name: str, n_tasks: int, seconds: float) -> float:
    """Wall time of an engine from its start to its end, s."""
    began = time.perf_counter()
    with open_engine(parse_compute(name, workers=1, memory_gb=1.0)) as engine:
        list(engine.run(partial(sleeping, seconds), range(n_tasks)))
    return time.perf_counter() - began


def job(n_stations: int, n_days: int) -> None:
    """A correlation job as a command: wall and CPU seconds with all its processes; every archive must be the same."""
    data = WORK / f"compute-{n_stations}-{n_days}"
    if not (data / "stations.xml").exists():
        write_dataset(SyntheticSource(f"stations={n_stations},rate=20"), data, DAY, n_days)
    (data / "params.csv").write_text(PARAMS)
    print(f"\n{n_stations} channels, {n_days} days; each worker has one thread")
    print("engine     workers  wall s   CPU s")
    first: dict[str, bytes] = {}
    for name, workers in (("serial", 1), ("processes", 1), ("dask", 1), ("serial", 2), ("processes", 2), ("dask", 2)):
        out = data / f"out-{name}-{workers}"
        shutil.rmtree(out, ignore_errors=True)
        command = [
            sys.executable, "-m", "seisloom", "correlate", "stations.csv", "params.csv", "--source", "sds:archive",
            "--inventory", "stations.xml", "-o", str(out), "--compute", name, "--workers", str(workers), "--memory", "2",
            *(("--threads", "1") if name != "serial" else ()),
        ]  # fmt: skip
        used = run_measured(command, data / f"{name}.log", cwd=data)
        made = archive(out)
        first = first or made
        same = "" if made == first else "   NOT THE SAME BYTES"
        print(f"{name:<9}  {workers:7d}  {used.wall_s:6.1f}  {used.cpu_s:6.1f}{same}", flush=True)
        shutil.rmtree(out)


def stacks(n_stations: int, n_days: int, method: str) -> None:
    """A stack of made-up correlations, less than a file of the result, as a command."""
    data = WORK / f"compute-stack-{n_stations}-{n_days}"
    shutil.rmtree(data, ignore_errors=True)
    pairs = correlations(data / "w", n_stations, n_days)
    print(f"\n{method} of {pairs} pairs, {n_days} days; each worker has one thread")
    print("engine     workers  wall s   CPU s")
    first: dict[str, bytes] = {}
    for name, workers in (("serial", 1), ("processes", 1), ("processes", 2), ("dask", 2)):
        command = [
            sys.executable, "-m", "seisloom", "stack", "w", "--method", method, "--name", "same", "--compute", name,
            "--workers", str(workers), "--threads", "1",
        ]  # fmt: skip
        used = run_measured(command, data / f"{name}.log", cwd=data)
        made = archive(data / "w", "stacks/same.zarr")
        first = first or made
        same = "" if made == first else "   NOT THE SAME BYTES"
        print(f"{name:<9}  {workers:7d}  {used.wall_s:6.1f}  {used.cpu_s:6.1f}{same}", flush=True)
    shutil.rmtree(data)


def correlations(workspace: Path, n_stations: int, n_days: int) -> int:
    """A workspace of all pairs of stations in a row, an arrival in noise; returns how many there are."""
    rng, lag = np.random.default_rng(1), np.arange(-2000, 2001) / 20
    codes = [f"S{i:03d}" for i in range(n_stations)]
    table = validate(pd.DataFrame({"network": "XX", "station": codes, "channel": "BHZ", "latitude": 35.0,
                                   "longitude": -117 + 0.1 * np.arange(n_stations)}))  # fmt: skip
    settings = CorrelationSettings()
    names = pair_table(table, channel_pairs(table, settings))
    days = pd.date_range(DAY, periods=n_days)
    attributes = {"settings": settings.model_dump_json()}
    group: Any = create_archive(Storage(workspace, create=True), CORRELATIONS, names, lag, days, attributes=attributes)
    arrival = np.exp(-((lag - 20) ** 2)) * np.cos(2 * np.pi * (lag - 20))
    for day in range(n_days):
        rows = rng.standard_normal((len(names), len(lag)), np.float32)
        group["ccf"][:, day] = rows + arrival.astype(np.float32)
    group["count"][:] = np.full((len(names), n_days), 189, np.int32)
    return len(names)


def archive(workspace: Path, path: str = CORRELATIONS) -> dict[str, bytes]:
    """Objects of an archive."""
    storage = Storage(workspace)
    return {key: storage.get(key) or b"" for key in storage.keys(path)}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks compute", description=__doc__)
    parser.add_argument("--tasks", type=int, default=6, help="tasks that sleep")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each sleeps")
    parser.add_argument("--stations", type=int, default=24, help="channels of the job")
    parser.add_argument("--days", type=int, default=6, help="days of the job")
    parser.add_argument("--method", default="robust", help="of the stack")
    parser.add_argument("--only", choices=("overhead", "job", "stack"), help="only this part")
    given = parser.parse_args(argv)
    if given.only in (None, "overhead"):
        overhead(given.tasks, given.seconds)
    if given.only in (None, "job"):
        job(given.stations, given.days)
    if given.only in (None, "stack"):
        stacks(given.stations, 10 * given.days, given.method)
