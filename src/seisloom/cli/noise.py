"""Commands of the noise half: stations, correlate, stack."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from seisloom.cli.compute_options import ComputeOption, SliceOption, WorkersOption, WorkerThreadsOption
from seisloom.cli.dry_run import (
    DryRunOption,
    JsonOption,
    NetworkOption,
    PricesOption,
    planned_crew,
    prices_in,
    refuse_without_dry_run,
    tell_plan,
)
from seisloom.cli.progress import job_bar, progress_bar
from seisloom.errors import InputError
from seisloom.words import counted

SourceOption = Annotated[
    str,
    typer.Option(help="fdsn:NAME-or-URL, sds:DIR, files:DIR, s3:scedc|ncedc|URL or synthetic:key=value,..."),
]


def stations(
    source: SourceOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="stations.csv to write.")] = Path("stations.csv"),
    network: Annotated[str, typer.Option(help="Codes with * and ?, comma lists.")] = "*",
    station: Annotated[str, typer.Option(help="Codes with * and ?, comma lists.")] = "*",
    location: Annotated[str, typer.Option(help="Codes; -- for the empty one.")] = "*",
    channel: Annotated[str, typer.Option(help="Codes, e.g. BH? or BHZ,HHZ.")] = "*",
    start: Annotated[str | None, typer.Option(help="Operating on or after this day.")] = None,
    end: Annotated[str | None, typer.Option(help="Operating on or before this day.")] = None,
    bbox: Annotated[
        str | None, typer.Option(help="minlon,minlat,maxlon,maxlat; minlon > maxlon crosses the date line.")
    ] = None,
) -> None:
    """List the channels of a source as stations.csv."""
    from seisloom.stations import write_stations
    from seisloom.waveforms import open_source
    from seisloom.waveforms.query import parse_query

    query = parse_query(network, station, location, channel, start, end, read_box(bbox))
    found = open_source(source).channels(query)
    write_stations(found, out)
    typer.echo(f"{counted(len(found), 'channel')} written to {out}")


def correlate(
    channels: Annotated[Path, typer.Argument(metavar="STATIONS.csv", help="Channels, one a row.")],
    params: Annotated[Path, typer.Argument(metavar="PARAMS.csv", help="Parameters (CSV or TOML).")],
    source: SourceOption,
    out: Annotated[str, typer.Option("--out", "-o", help="Workspace: a folder or s3://bucket/prefix.")],
    inventory: Annotated[
        Path | None, typer.Option(help="StationXML file, or a folder of them. [default: ask the source]")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="First day, e.g. 2019-02-03. [default: sds and files: the first they hold]")
    ] = None,
    end: Annotated[
        str | None, typer.Option(help="Last day, included. [default: the first; without --start, the last they hold]")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="name=value, over PARAMS.csv; may be repeated.")
    ] = None,
    compute: ComputeOption = "serial",
    workers: WorkersOption = None,
    threads: WorkerThreadsOption = None,
    memory: Annotated[float, typer.Option(min=0.1, help="Memory for spectra and products, GB; of each worker.")] = 6.0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    spectra_gb: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Where days are cut into tiles: spectra that may lie in the workspace, GB. [default: of the days that workers are at]",
        ),
    ] = None,
    part: SliceOption = None,
    dry_run: DryRunOption = False,
    prices: PricesOption = None,
    network: NetworkOption = None,
    as_json: JsonOption = False,
) -> None:
    """Correlate all pairs of channels, day by day; run it again to continue where it stopped."""
    from seisloom.compute import parse_slice
    from seisloom.config import read_settings
    from seisloom.noise.pipeline import correlate as run
    from seisloom.stations import read_stations
    from seisloom.waveforms import open_source

    days = parse_slice(part) if part else None
    table = read_stations(channels)
    settings = read_settings(params, **_assignments(setting))
    opened = open_source(source)
    responses = None
    if inventory is not None:
        from seisloom.noise.response import read_inventories

        responses = read_inventories(inventory)
    if start is None:
        start, end = source_span(opened, end)
    if dry_run:
        from seisloom.cli.plan_words import correlation_lines
        from seisloom.noise.dry_run import dry_run as plan_of

        plan = plan_of(
            table, settings, opened, out, start, end, planned_crew(compute, workers, threads, memory), responses,
            part=days, spectra_gb=spectra_gb, network_mb_s=network, prices=prices_in(prices),
        )  # fmt: skip
        return tell_plan(plan, correlation_lines, as_json)
    refuse_without_dry_run(prices=prices, network=network, json=as_json)
    try:
        with job_bar() as show:
            summary = run(
                table,
                settings,
                opened,
                out,
                start,
                end,
                responses,
                workers,
                memory,
                device,
                show,
                compute,
                threads,
                days,
                spectra_gb,
            )
    except KeyboardInterrupt:
        # What Zarr had under way is dropped, of which Python would complain as it ends.
        logging.getLogger("asyncio").disabled = True
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        typer.echo("seisloom: interrupted; the same command continues where it stopped", err=True)
        raise typer.Exit(130) from None
    typer.echo(summary)
    if summary.days and not summary.totals()["pairs"]:
        typer.echo("seisloom: nothing was correlated; the reasons are above", err=True)
        raise typer.Exit(1)


def stack(
    workspace: Annotated[str, typer.Argument(help="Workspace that correlate has written.")],
    method: Annotated[
        str, typer.Option(help="linear, pws, robust, nroot, selective, tf-pws, acf or robust-pws.")
    ] = "linear",
    period: Annotated[str, typer.Option(help="all, day, week, month or 'N days'.")] = "all",
    pairs: Annotated[
        list[str] | None, typer.Option(help="Pair names or patterns with * and ?; may be repeated.")
    ] = None,
    rotate: Annotated[bool, typer.Option("--rotate", help="Turn nine components to R, T and Z.")] = False,
    option: Annotated[
        list[str] | None, typer.Option("--set", help="Option of the method, name=value; may be repeated.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the stack. [default: METHOD_PERIOD]")] = None,
    compute: ComputeOption = "serial",
    workers: WorkersOption = None,
    threads: WorkerThreadsOption = None,
    dry_run: DryRunOption = False,
    prices: PricesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stack the correlations of a workspace."""
    from seisloom.noise.stacking import stack_correlations

    options = _assignments(option)
    if dry_run:
        from seisloom.cli.plan_words import stack_lines
        from seisloom.noise.stack_plan import dry_run_stack

        crew = planned_crew(compute, workers, threads)
        plan = dry_run_stack(workspace, method, period, pairs, rotate, name, crew, prices_in(prices), **options)
        return tell_plan(plan, stack_lines, as_json)
    refuse_without_dry_run(prices=prices, json=as_json)
    with progress_bar() as bar:
        task = bar.add_task("stacking", total=None)
        made = stack_correlations(
            workspace,
            method,
            period,
            pairs,
            rotate,
            name,
            threads,
            lambda done, total: bar.update(task, completed=done, total=total),
            compute,
            workers,
            **options,
        )
    typer.echo(f"stack {made} written to {workspace}")


def _assignments(texts: list[str] | None) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text!r}: write name=value")
        out[name.strip()] = value.strip()
    return out


def source_span(source: Any, end: str | None) -> tuple[str, str]:
    """First and last day of a source that knows them."""
    span = getattr(source, "days", lambda: None)()
    if span is None:
        raise InputError("--start is needed: this source does not say what days it holds")
    return span[0], end or span[1]


def read_box(text: str | None) -> tuple[float, float, float, float] | None:
    """The box of --bbox, None for none."""
    if text is None:
        return None
    from seisloom.waveforms.query import parse_box

    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError as error:
        raise InputError(f"--bbox {text!r}: write minlon,minlat,maxlon,maxlat in degrees") from error
    try:
        return parse_box((west, south, east, north))
    except InputError as error:
        raise InputError(f"--bbox {text!r}: {error}") from error
