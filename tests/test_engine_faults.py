"""Workers of an engine on a workspace in an object store: one is killed while the store is slow, and then the store is gone."""

from __future__ import annotations

import os
import signal
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from seisloom.noise.pipeline import correlate
from seisloom.noise.report import Summary
from seisloom.waveforms import open_source
from tests.faulty_store import Fault, FaultyGateway, faulty
from tests.job_workers import FIRST, SPEC, children_of, tiny_channels, tiny_settings
from tests.jobs import objects
from tests.object_stores import BUCKET, use_server

DAYS = 5
SLOW, GONE_S = 12, 1.5
"""Requests for which the store is slow, and how long it is gone then."""


class Trouble:
    """What becomes of requests: from the second day's correlations on they are slow and cost a worker, then nobody answers."""

    def __init__(self) -> None:
        self.slow, self.gone_at, self.killed = 0, 0.0, list[int]()
        self._before = set(children_of(os.getpid()))

    def choose(self, number: int, method: str, path: str) -> Fault | None:
        """For one request at a time."""
        if not self.slow and not (method == "PUT" and path.endswith("/ccf/c/0/1/0")):
            return None
        if not self.slow:
            self._kill()
        if self.slow < SLOW:
            self.slow += 1
            return "slow"
        self.gone_at = self.gone_at or time.monotonic()
        return "gone" if time.monotonic() < self.gone_at + GONE_S else None

    def _kill(self) -> None:
        """Kill a worker: a process of this one's that was not there before, and is Python at work."""
        for pid in sorted(set(children_of(os.getpid())) - self._before):
            words = Path(f"/proc/{pid}/cmdline").read_text()
            if "process_worker" in words or "spawn_main" in words:
                os.kill(pid, signal.SIGKILL)
                self.killed.append(pid)
                return


@pytest.mark.parametrize(("compute", "server"), [("processes", "moto_server"), ("dask", "radosgw_server")])
def test_a_worker_is_killed_while_the_store_is_slow_and_then_gone(
    compute: str, server: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if compute == "dask":
        pytest.importorskip("distributed")
    with faulty(request.getfixturevalue(server)) as gateway:
        use_server(gateway.url, monkeypatch)
        check(gateway, compute)


def check(gateway: FaultyGateway, compute: str) -> None:
    """A job that keeps means of two days, so that days are removed too."""
    trouble, url = Trouble(), f"s3://{BUCKET}/engines {time.time_ns():x}"
    gateway.choose = trouble.choose
    summary = job(url, compute)
    assert len(trouble.killed) == 1
    assert {fault for _, _, fault in gateway.seen} == {None, "slow", "gone"}
    assert not summary.problems()["failed"].any()
    assert kept(url) == undisturbed()


def job(workspace: str, compute: str) -> Summary:
    settings, last = tiny_settings(keep="stack", stack_days=2), f"2024-03-{DAYS:02d}"
    how: dict[str, Any] = {"workers": 2, "memory_gb": 0.5, "compute": compute}
    return correlate(tiny_channels(), settings, open_source(SPEC), workspace, FIRST, last, **how)


def kept(workspace: str) -> dict[str, bytes]:
    return objects(workspace) | objects(workspace, "days.zarr")


@cache
def undisturbed() -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        job(folder, "serial")
        return kept(folder)
