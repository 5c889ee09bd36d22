"""``seisloom work``: a worker for the jobs of a workspace."""

from __future__ import annotations

import os
import signal
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from seisloom.cli import service_options as options

if TYPE_CHECKING:
    from seisloom.jobs.worker import Worker


def work(
    workspace: options.WorkspaceArgument,
    source: options.SourceOption = None,
    archive: options.ArchiveOption = None,
    allow_private: options.AllowPrivateOption = False,
    threads: options.ThreadsOption = None,
    memory: options.MemoryOption = options.MEMORY_GB,
    once: Annotated[bool, typer.Option("--once", help="End when every job has ended.")] = False,
    stale: options.StaleOption = options.STALE_S,
    max_channels: options.MaxChannelsOption = options.MAX_CHANNELS,
    max_pairs: options.MaxPairsOption = options.MAX_PAIRS,
    max_days: options.MaxDaysOption = options.MAX_DAYS,
    max_picks: options.MaxPicksOption = options.MAX_PICKS,
    max_train_minutes: options.MaxTrainOption = options.MAX_TRAIN,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", hidden=True, help="End when standard input does.")
    ] = False,
) -> None:
    """Do the jobs of a workspace as they come; any number of workers may share one, on any machines."""
    sources = options.make_sources(source, archive, allow_private)
    limits = options.make_limits(max_channels, max_pairs, max_days, max_picks, max_train_minutes)
    from seisloom.jobs import Board
    from seisloom.jobs.worker import Worker
    from seisloom.storage import Storage

    worker = Worker(Board(Storage(workspace, create=True), stale), sources, limits, threads, memory, _tell)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    if with_parent:
        threading.Thread(target=_follow_parent, args=(worker,), daemon=True).start()
    _tell(f"worker {worker.name} at {workspace}")
    worker.run(drain=once)


def _follow_parent(worker: Worker) -> None:
    """Look for jobs at every byte of standard input; end with it, which also comes when the process at its other end is killed."""
    while os.read(0, 4096):
        worker.wake()
    worker.stop()


def _tell(line: str) -> None:
    typer.echo(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {line}")
