"""Several workers at one workspace, killed again and again: every job is done once, and to the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress

import numpy as np
import pytest

from seisloom.jobs import Board, submit
from seisloom.storage import Storage
from tests.job_workers import (
    PATIENCE_S,
    alive,
    archive,
    children_of,
    days_done,
    events,
    names,
    start_worker,
    tiny_request,
    undisturbed,
    until,
)
from tests.object_stores import NewWorkspace

DAYS, JOBS, WORKERS, KILLS = 6, 3, 2, 8
STALE_S = 3.0


def marks(storage: Storage) -> dict[str, bytes | None]:
    """The marks of all days that are done."""
    return {key: storage.get(key) for key in storage.keys("processed") if "/done/" in key}


def kill(worker: subprocess.Popen[bytes], machine: bool) -> list[int]:
    """End a worker without a word, and with ``machine`` its child at the same instant; what is left of it."""
    children = children_of(worker.pid)
    worker.kill()
    for pid in children if machine else []:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    worker.communicate()
    return children


def at_work(board: Board, workers: list[subprocess.Popen[bytes]]) -> list[int]:
    """The workers, by their number, that have a job."""
    busy = [job.worker or "" for job in board.jobs() if job.state == "running"]
    return [n for n, worker in enumerate(workers) if any(f"-{worker.pid}-" in name for name in busy)]


@pytest.mark.parametrize("object_store", ["folder", "radosgw"], indirect=True)
def test_workers_killed_at_random(object_store: NewWorkspace) -> None:
    workspace, rng = object_store(), np.random.default_rng(20240301)
    storage = Storage(workspace, create=True)
    board = Board(storage)
    ids = [submit(board, tiny_request(DAYS)) for _ in range(JOBS)]
    workers = [start_worker(workspace, stale_s=STALE_S, once=True) for _ in range(WORKERS)]
    left, kept = [], dict[str, bytes | None]()
    for n in range(KILLS):
        # The first blow strikes a worker that has just taken up a job; half of the others fall soon after another day is
        # done, the rest at any time, on a busy machine perhaps before a worker has begun.
        first = until(lambda: at_work(board, workers), "a worker with a job")[:1] if n == 0 else []
        deadline, before = time.monotonic() + rng.uniform(0.5, 4.0), len(kept)
        while not first and time.monotonic() < deadline and (n % 2 or len(marks(storage)) == before):
            time.sleep(0.02)
        time.sleep(0 if first else rng.uniform(0, 0.3))
        victim = first[0] if first else int(rng.integers(WORKERS))
        left += kill(workers[victim], machine=bool(rng.integers(2)))
        now = marks(storage)
        assert kept.items() <= now.items(), "a day that was done was done again"
        kept = now
        workers[victim] = start_worker(workspace, stale_s=STALE_S, once=True)
    for worker in workers:
        out, _ = worker.communicate(timeout=PATIENCE_S)
        assert worker.returncode == 0, out
    until(lambda: not any(alive(pid) for pid in left), "children of dead workers")

    for job_id in ids:
        history = names(storage, job_id)
        assert history.count("finished") == 1, history
        assert set(history) <= {"submitted", "claimed", "released", "finished"}
        assert history[-1] == "finished"
        assert board.job(job_id).result["days"] == DAYS
        assert archive(workspace, job_id) == undisturbed(DAYS)
        assert days_done(storage, job_id) == DAYS
    assert kept.items() <= marks(storage).items()
    assert sum(names(storage, job_id).count("claimed") for job_id in ids) > JOBS
    for claimed in (e for job_id in ids for e in events(storage, job_id) if e["event"] == "claimed"):
        assert 0 <= claimed["done"] <= DAYS
