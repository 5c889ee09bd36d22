"""``seisloom work``: a worker for the jobs of a workspace."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from typing import Annotated

import typer

from seisloom.cli import service_options as options


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
    _tell(f"worker {worker.name} at {workspace}")
    worker.run(drain=once)


def _tell(line: str) -> None:
    typer.echo(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {line}")
