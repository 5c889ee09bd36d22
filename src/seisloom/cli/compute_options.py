"""Options of the commands whose work can be shared out."""

from __future__ import annotations

from typing import Annotated

import typer

ComputeOption = Annotated[
    str, typer.Option(help="serial, processes, dask, or dask=ADDRESS of a running scheduler.", metavar="ENGINE")
]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Worker processes; threads with serial. [default: all cores]")
]
WorkerThreadsOption = Annotated[
    int | None, typer.Option(min=1, help="Threads of a worker. [default: cores / workers; 1 with dask=ADDRESS]")
]
SliceOption = Annotated[str | None, typer.Option("--slice", help="Do only part i of n, for job arrays.", metavar="I/N")]
