"""``seisloom work``: a worker for the jobs of a workspace."""

from __future__ import annotations

import os
import signal
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from seisloom.cli.compute_options import ComputeOption, SliceOption
from seisloom.cli.service_options import ServiceOptions, WorkspaceArgument, with_service_options
from seisloom.errors import InputError

if TYPE_CHECKING:
    from seisloom.jobs.worker import Worker


@with_service_options
def work(
    service: ServiceOptions,
    workspace: WorkspaceArgument,
    once: Annotated[bool, typer.Option("--once", help="End when every job has ended.")] = False,
    compute: ComputeOption = "serial",
    part: SliceOption = None,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", hidden=True, help="End when standard input does.")
    ] = False,
) -> None:
    """Do the jobs of a workspace as they come; any number of workers may share one, on any machines."""
    sources, limits = service.sources(), service.limits()
    from seisloom.compute import parse_slice

    days = parse_slice(part) if part else None
    _check(compute, service)
    from seisloom.jobs import Board
    from seisloom.jobs.worker import Worker
    from seisloom.storage import Storage

    board = Board(Storage(workspace, create=True), service.stale)
    worker = Worker(board, sources, limits, service.threads, service.memory, _tell, compute=compute, part=days)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    if with_parent:
        threading.Thread(target=_follow_parent, args=(worker,), daemon=True).start()
    _tell(f"worker {worker.name} at {workspace}")
    worker.run(drain=once or days is not None)


def _check(compute: str, service: ServiceOptions) -> None:
    """Refuse an engine that is not there, or whose workers would go where jobs must not."""
    from seisloom.compute import open_engine, parse_compute

    way = parse_compute(compute, None, service.threads, service.memory)
    with open_engine(way):
        pass  # Dask is started when there is work
    if way.kind == "dask" and not service.allow_private:
        raise InputError(
            f"--compute {compute}: workers of Dask cannot be kept from private addresses, which jobs must not name here: add "
            "--allow-private if those who put jobs may, or use --compute processes"
        )


def _follow_parent(worker: Worker) -> None:
    """Look for jobs at every byte of standard input; end with it, which also comes when the process at its other end is killed."""
    while os.read(0, 4096):
        worker.wake()
    worker.stop()


def _tell(line: str) -> None:
    typer.echo(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {line}")
