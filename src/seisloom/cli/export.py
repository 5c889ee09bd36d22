"""``seisloom export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seisloom.cli.progress import progress_bar
from seisloom.errors import InputError
from seisloom.words import counted


def export(
    workspace: Annotated[str, typer.Argument(help="Workspace that correlate or stack has written.")],
    file_format: Annotated[
        str,
        typer.Option("--format", "-f", help="npz, mseed, sac, netcdf or jld2-hdf5 (docs/reference/files.md)."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write; for sac and mseed, a folder.")],
    what: Annotated[
        str | None,
        typer.Option(help="days (the correlations) or stack. [default: days, or stack with --stack]"),
    ] = None,
    stack: Annotated[str | None, typer.Option(help="Name of the stack, where the workspace has several.")] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(help="Pair of channels NET.STA.LOC.CHA_NET.STA.LOC.CHA or stations NET.STA_NET.STA, or pattern."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Write correlations or stacks for other tools."""
    what = what or ("days" if stack is None else "stack")
    if what not in ("days", "stack"):
        raise InputError(f"--what {what!r}: use days or stack")
    if what == "days" and stack is not None:
        raise InputError(f"--stack {stack} names a stack but --what days asks for the correlations: leave one out")

    from seisloom.export import export as write
    from seisloom.noise.archive import open_correlations, open_stacks

    data = open_correlations(workspace) if what == "days" else open_stacks(workspace, stack)
    with progress_bar() as bar:
        task = bar.add_task("exporting", total=None)
        report = write(
            data,
            file_format,
            out,
            pairs=pairs,
            overwrite=overwrite,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    missing = f"; {report.missing} were missing" if report.missing else ""
    typer.echo(
        f"{out}: {counted(report.rows, 'correlation')} in {counted(report.files, 'file')} ({file_format}){missing}"
    )
