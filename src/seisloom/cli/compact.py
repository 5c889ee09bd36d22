"""``seisloom compact``."""

from __future__ import annotations

from typing import Annotated

import typer

from seisloom.cli.progress import progress_bar


def compact(
    workspace: Annotated[str, typer.Argument(help="Workspace that correlate has written.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove the correlations by day that are then there by pair.")
    ] = False,
    keep_bits: Annotated[
        int | None,
        typer.Option(
            help="Bits of the mantissa that are kept (of 23), with --replace. [default: all; nothing is lost]"
        ),
    ] = None,
    memory: Annotated[float, typer.Option(min=0.1, help="Memory, GB.")] = 1.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads. [default: all cores]")] = None,
) -> None:
    """Gather finished days pair by pair, for reading few pairs over many days, or to save space."""
    from seisloom.noise.compaction import compact as run

    with progress_bar() as bar:
        task = bar.add_task("compacting", total=None)
        made = run(
            workspace, replace, keep_bits, memory, threads, lambda done, of: bar.update(task, completed=done, total=of)
        )
    if made is None:
        typer.echo("nothing to compact: no finished day that is not compacted already")
    else:
        typer.echo(f"{made.first_day} to {made.last_day} compacted in {workspace}")
