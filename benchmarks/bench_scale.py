"""A plan against runs: predicted and measured time, CPU, bytes and memory at 1 and 2 workers; a network-year on paper."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import WORK, Usage, describe_machine, print_table, run_measured, thread_environment
from seisloom.compute.crew import Crew
from seisloom.compute.prices import read_prices
from seisloom.config import CorrelationSettings, write_params_csv
from seisloom.noise.job_plan import Plan, plan_job
from seisloom.noise.pipeline import day_range
from seisloom.stations import validate
from seisloom.words import duration, size

FIRST = "2024-03-01"
MAKE = """
import sys
from seisloom.waveforms.synthetic import SyntheticSource, write_dataset
channels, days, rate, folder, first = sys.argv[1:]
write_dataset(SyntheticSource(f"stations={channels},rate={rate}"), folder, first, int(days))
"""
PRICES = Path(__file__).parents[1] / "deploy" / "prices.toml"


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale", description=__doc__)
    parser.add_argument("--channels", type=int, nargs="+", default=[100], help="of the runs")
    parser.add_argument("--days", type=int, default=4, help="of the runs")
    parser.add_argument("--rate", type=float, default=20.0, help="of their records, Hz")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="of the runs, one thread each")
    parser.add_argument("--prices", type=Path, default=PRICES)
    parser.add_argument("--only", nargs="+", choices=("runs", "year"), default=["runs", "year"])
    given = parser.parse_args(argv)
    print(describe_machine(), flush=True)
    if "runs" in given.only:
        made = [run(n, given.days, given.rate, workers) for n in given.channels for workers in given.workers]
        report(made)
    if "year" in given.only:
        year(given.prices)


# --- a plan against runs ---


@dataclass(frozen=True)
class Check:
    """A plan, and what its run took."""

    plan: dict[str, Any]
    used: Usage
    bytes_out: int
    objects_out: int
    waited_s: float
    """For a processor that others had: in the command, and in the worker that waited most."""


def run(n_channels: int, n_days: int, rate_hz: float, workers: int) -> Check:
    """Plan a job and do it, both as commands."""
    data = WORK / f"scale-{n_channels}-{n_days}-{rate_hz:g}"
    if not (
        data / "stations.xml"
    ).exists():  # by a process of its own: peak memory is inherited by what a process starts
        subprocess.run(
            [sys.executable, "-c", MAKE, str(n_channels), str(n_days), str(rate_hz), str(data), FIRST], check=True
        )
    (data / "params.csv").write_text(write_params_csv(CorrelationSettings()))
    out = data / "out"
    shutil.rmtree(out, ignore_errors=True)
    command = [
        sys.executable, "-m", "seisloom", "correlate", "stations.csv", "params.csv", "--source", "sds:archive",
        "--inventory", "stations.xml", "--out", "out", "--start", FIRST, "--end", f"{last(n_days):%Y-%m-%d}",
        "--compute", "processes", "--workers", str(workers), "--threads", "1",
    ]  # fmt: skip
    environment = thread_environment(1)
    log = data / "plan.json"
    run_measured([*command, "--dry-run", "--json"], log, cwd=data, env=environment)
    with Waiting() as waiting:
        used = run_measured(command, data / "run.log", cwd=data, env=environment)
    written = [path.stat().st_size for path in out.rglob("*") if "/c/" in str(path) or path.parent.name == "done"]
    held = sum(path.stat().st_size for path in (out / "correlations.zarr").rglob("*") if path.is_file())
    shutil.rmtree(out)
    coordinates = held - sum(written)
    return Check(json.loads(log.read_text()), used, held - max(coordinates, 0), len(written), waiting.seconds())


class Waiting(threading.Thread):
    """Sees how long the processes that this one has started are ready to run and do not (schedstat of proc(5))."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._ended = threading.Event()
        self._waited: dict[int, dict[str, int]] = {}
        """ns by process and thread."""

    def run(self) -> None:
        while not self._ended.wait(0.02):
            for process in children(os.getpid()):
                for schedstat in Path(f"/proc/{process}/task").glob("*/schedstat"):
                    with suppress(OSError, IndexError):
                        waited = int(schedstat.read_text().split()[1])
                        self._waited.setdefault(process, {})[schedstat.parent.name] = waited

    def seconds(self) -> float:
        """That of the first process, which is the command, and of the worker that waited most."""
        command, *workers = [sum(threads.values()) / 1e9 for threads in self._waited.values()]
        return command + max(workers, default=0.0)

    def __enter__(self) -> Waiting:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()


def children(process: int) -> Iterator[int]:
    """Processes that a process has started, and that these have, parents first."""
    for listing in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, listing.read_text().split()):
                yield child
                yield from children(child)


def last(n_days: int) -> pd.Timestamp:
    return pd.Timestamp(FIRST) + pd.Timedelta(days=n_days - 1)


def report(checks: list[Check]) -> None:
    """Predicted / measured, and by how much the prediction is wrong."""
    rows = []
    for check in checks:
        plan, used = check.plan, check.used
        timing = plan["timing"]
        cpu = sum(timing["cpu_s"].values())
        rows.append(
            [
                plan["size"]["channels"], plan["days"], timing["workers"],
                f"{used.wall_s:.1f}",
                *against(timing["seconds"], used.wall_s - check.waited_s, 1), *against(cpu, used.cpu_s, 1),
                *against(plan["bytes_out"] / 1e6, check.bytes_out / 1e6, 1),
                *against(plan["memory_bytes"] / 1e6, used.peak_mb, 0),
            ]
        )  # fmt: skip
    measured = ("wall s", "less waiting", "error", "CPU s", "error", "MB out", "error", "MB a worker", "error")
    print("predicted / measured, and the error of the prediction; waiting: for processors that others had")
    print_table(["channels", "days", "workers", *measured], rows)


def against(predicted: float, measured: float, digits: int) -> tuple[str, str]:
    """Both, and the error."""
    return f"{predicted:.{digits}f} / {measured:.{digits}f}", f"{100 * (predicted / measured - 1):+.0f} %"


# --- a network-year on paper ---


def year(prices: Path, n_channels: int = 1000, rate_hz: float = 100.0, threads: int = 2) -> None:
    """The plan of a thousand channels for a year, for workers of two cores like this machine's."""
    days = day_range("2023-01-01", "2023-12-31")
    table = network(n_channels, rate_hz)
    print(
        f"\n{n_channels} channels at {rate_hz:g} Hz, {len(days)} days, default settings; workers of {threads} threads, 100 MB/s"
    )
    for memory_gb in (12.0, 4.0):
        rows = []
        for workers in (1, 10, 100, 1000):
            crew = Crew("dask", workers, threads, workers * threads, memory_gb * 1e9)
            plan = plan_job(
                table, CorrelationSettings(), "s3:scedc", days, crew, network_mb_s=100.0, store=True, prices=read_prices(prices)
            )  # fmt: skip
            rows.append([workers, *cells(plan)])
        print(f"--memory {memory_gb:g}, {plan.tiles} tiles a day" + (f", {plan.sharing}" if plan.sharing else ""))
        header = ["tasks", "a task", "time", "CPU h", "in", "out", "stacked", "memory", "run", "a month", "limit"]
        print_table(["workers", *header], rows)
        assert plan.timing
        day = {stage: f"{cpu / len(days):.0f} s" for stage, cpu in plan.timing.cpu_s.items() if stage != "starting"}
        print("CPU of a day:", ", ".join(f"{stage} {cpu}" for stage, cpu in day.items()), flush=True)


def cells(plan: Plan) -> list[str]:
    """What stands in a row of the table."""
    timing, bill = plan.timing, plan.bill
    assert timing
    assert bill
    return [
        f"{timing.tasks:,}", duration(timing.task_s), duration(timing.seconds), f"{sum(timing.cpu_s.values()) / 3600:.0f}",
        size(plan.bytes_in), size(plan.bytes_out), size(plan.size.stacked_bytes), size(plan.memory_bytes),
        f"{bill.run:.0f}", f"{bill.stored_month:.0f}", timing.limit,
    ]  # fmt: skip


def network(n: int, rate_hz: float) -> pd.DataFrame:
    """Vertical channels of n stations."""
    place = np.arange(n)
    codes = {"network": "XX", "station": [f"S{i:04d}" for i in place], "location": "", "channel": "HHZ"}
    return validate(
        pd.DataFrame(codes | {"latitude": 35 + 0.01 * place, "longitude": -118.0, "sample_rate_hz": rate_hz})
    )


if __name__ == "__main__":
    main(sys.argv[1:])
