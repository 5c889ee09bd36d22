"""What tests of jobs share: tiny correlations, workers as processes and in threads, and what is on the board."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from seisloom.config import CorrelationSettings
from seisloom.jobs import Board, CorrelationRequest, Limits, Sources
from seisloom.jobs.worker import Worker
from seisloom.noise.pipeline import correlate
from seisloom.storage import Storage
from seisloom.waveforms import ChannelQuery, open_source
from tests.jobs import objects

SPEC = "synthetic:stations=4,rate=2"
SOURCES = Sources({"tiny": SPEC}, "tiny")
FIRST = "2024-03-01"
PATIENCE_S = 180
"""How long a test waits for what a busy machine does late."""


@cache
def tiny_channels() -> pd.DataFrame:
    return open_source(SPEC).channels(ChannelQuery())


def tiny_settings(**values: Any) -> CorrelationSettings:
    """Settings of a correlation that takes a fraction of a second a day."""
    chosen = {"fs": 1.0, "freqmin": 0.05, "freqmax": 0.2, "cc_len": 3600.0, "cc_step": 3600.0, "maxlag": 60.0}
    return CorrelationSettings(**(chosen | {"response": "none"} | values))


def tiny_request(days: int = 2, source: str | None = "tiny", name: str = "", **values: Any) -> CorrelationRequest:
    last = pd.Timestamp(FIRST) + pd.Timedelta(days=days - 1)
    return CorrelationRequest(tiny_channels(), tiny_settings(**values), source, FIRST, f"{last:%Y-%m-%d}", name)


@cache
def undisturbed(days: int) -> dict[str, bytes]:
    """Objects of the archive that a tiny request leads to without jobs, workers or processes."""
    request = tiny_request(days)
    with TemporaryDirectory() as folder:
        correlate(request.channels, request.settings, open_source(SPEC), folder, request.start, request.end, workers=1)
        return objects(folder)


def archive(workspace: str, job_id: str) -> dict[str, bytes]:
    """Objects of the archive of a job."""
    return objects(f"{workspace}/processed/{job_id}")


def events(storage: Storage, job_id: str) -> list[dict[str, Any]]:
    """Everything that happened to a job, read anew."""
    keys = [key for key in storage.keys(f"jobs/{job_id}") if "progress" not in key]
    return [storage.get_json(key) for key in keys]


def names(storage: Storage, job_id: str) -> list[str]:
    return [event["event"] for event in events(storage, job_id)]


def start_worker(workspace: str, *options: object, stale_s: float = 3.0, once: bool = False) -> subprocess.Popen[bytes]:
    """``seisloom work`` in a process of its own."""
    more = [*map(str, options), *(["--once"] if once else [])]
    return subprocess.Popen(
        [sys.executable, "-m", "seisloom", "work", workspace, "--archive", f"tiny={SPEC}", "--source", "tiny",
         "--threads", "1", "--stale", str(stale_s), *more],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def children_of(pid: int) -> list[int]:
    """Processes that a process has started and that are still there."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def until(there: Callable[[], Any], what: str = "", timeout_s: float = PATIENCE_S) -> Any:
    """The first true answer; the test fails where none comes."""
    deadline = time.monotonic() + timeout_s
    while not (answer := there()):
        assert time.monotonic() < deadline, f"waited in vain: {what or there}"
        time.sleep(0.02)
    return answer


def days_done(storage: Storage, job_id: str) -> int:
    return len(storage.keys(f"processed/{job_id}/done"))


@contextmanager
def working(
    workspace: str | Storage,
    sources: Sources = SOURCES,
    limits: Limits | None = None,
    stale_s: float = 10.0,
    settle_s: float = 0.5,
) -> Iterator[tuple[Board, list[str]]]:
    """A worker in a thread: a board of its own for the test, and the lines that the worker tells."""
    storage = workspace if isinstance(workspace, Storage) else Storage(workspace, create=True)
    told: list[str] = []
    worker = Worker(Board(storage, stale_s), sources, limits or Limits(), 1, 1.0, told.append, settle_s)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield Board(Storage(storage.url), stale_s), told
    finally:
        worker.stop()
        thread.join(PATIENCE_S)
    assert not thread.is_alive(), "the worker does not end"


def drain(workspace: str, sources: Sources = SOURCES, limits: Limits | None = None, **options: Any) -> list[str]:
    """Work until every job has ended, in this thread; what the worker told."""
    told: list[str] = []
    Worker(Board(Storage(workspace, create=True)), sources, limits or Limits(), 1, 1.0, told.append, **options).run(
        True
    )
    return told
