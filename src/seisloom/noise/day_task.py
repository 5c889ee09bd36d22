"""Days as tasks: what a worker, wherever it is, needs to do the days of a job."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import threadpoolctl

from seisloom.errors import WorkspaceError
from seisloom.memory import keep_freed_memory
from seisloom.noise.archive import ArchiveWriter
from seisloom.noise.day import DayWork
from seisloom.noise.ledger import Ledger
from seisloom.noise.progress import Counters
from seisloom.noise.report import DayReport
from seisloom.noise.response import Responses
from seisloom.noise.span_stacks import SpanStacks
from seisloom.noise.tiles import DaySize, Tiling
from seisloom.waveforms.base import Source


@dataclass(frozen=True)
class DayJob:
    """A job as its workers have it; it travels to them pickled. ``first`` and ``last`` are days of the archive."""

    ids: list[str]
    source: Source
    responses: Responses
    ledger: Ledger
    first: pd.Timestamp
    last: pd.Timestamp
    threads: int
    memory_bytes: float
    device: str
    size: DaySize
    tiling: Tiling
    spectra_days: int = 0
    """Days whose spectra may be stored for their tiles at a time."""

    def work(self) -> DayWork:
        """What is the same on all days, with memory for one day."""
        books = self.ledger
        grids = (books.plan, books.pairs, books.groups)
        return DayWork(self.ids, books.settings, self.source, self.responses, *grids, self.memory_bytes, self.device)


@contextmanager
def worker_pools(job: DayJob) -> Iterator[tuple[ThreadPoolExecutor, ThreadPoolExecutor]]:
    """Threads of a worker, to read and to compute with. Raises WorkspaceError where the workspace is not within reach."""
    keep_freed_memory()
    if not job.ledger.claimed():
        raise WorkspaceError(
            f"{job.ledger.storage.url}: the worker on {socket.gethostname()} does not find the job there: use a folder that all "
            "workers share, or s3://"
        )
    with (
        threadpoolctl.threadpool_limits(1),
        _pool(max(job.threads, job.source.parallel)) as readers,
        _pool(job.threads) as computers,
    ):
        yield readers, computers


@contextmanager
def day_task(job: DayJob, counters: Callable[[str], Counters] | None = None) -> Iterator[Callable[[str], None]]:
    """What does a day (YYYY-MM-DD), to the mark in the workspace that says it is done.

    ``counters`` gives those of a day, None for none. Raises WorkspaceError where the workspace is not within reach.
    """
    with worker_pools(job) as (readers, computers):
        work, spans = job.work(), SpanStacks(job.ledger, job.first, job.last)

        def task(name: str) -> None:
            day = pd.Timestamp(name)
            count = counters(name) if counters else Counters(name, 0, 1, len(work.ids), len(work.pairs), lambda _: None)
            # Asked for anew, because another run with an earlier end may just have made it.
            group = job.ledger.archive(job.first, job.last)
            job.ledger.mark(_day(work, day, group, (day - job.first).days, readers, computers, count))
            spans.after(name)

        yield task


def _day(
    work: DayWork,
    day: pd.Timestamp,
    group: Any,
    index: int,
    readers: ThreadPoolExecutor,
    computers: ThreadPoolExecutor,
    counters: Counters,
) -> DayReport:
    """Read and correlate a day and write it to its place, number ``index``, in the archive."""
    began = time.perf_counter()
    report = DayReport(counters.day)
    work.read(day, readers, report, counters)
    counts = work.counts()
    report.pairs = int((counts.sum(axis=1) > 0).sum())
    report.windows = int(counts.sum())
    place = slice(index * len(work.groups), (index + 1) * len(work.groups))
    if report.pairs or group["count"][:, place].any():  # what an incomplete run left is written over
        writer = ArchiveWriter(group, place)
        for first, block in work.blocks(computers):
            n = counts[first : first + len(block)].astype(np.float32)[:, :, None]
            with np.errstate(invalid="ignore"):  # 0 / 0 is NaN, which is what no window means
                np.divide(block, n, out=block)
            writer.append(block)
            counters.pairs(first + len(block))
        writer.close()
        group["count"][:, place] = counts
    report.seconds = round(time.perf_counter() - began, 3)
    return report


@contextmanager
def _pool(n: int) -> Any:
    pool = ThreadPoolExecutor(n)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C nothing that has not begun begins
