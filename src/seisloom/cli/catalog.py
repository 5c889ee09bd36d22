"""``seisloom pick`` and ``seisloom catalog``: continuous records to picks, and to a catalogue."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from seisloom.cli.associate import associate
from seisloom.cli.association_options import MinPicksOption, RegionOption, VelocityArgument
from seisloom.cli.noise import SourceOption, read_box, source_span
from seisloom.cli.progress import association_bar

OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")]
ModelOption = Annotated[
    str, typer.Option(help="PhaseNet, EQTransformer, GPD or another model of SeisBench; stalta needs no weights.")
]
WeightsOption = Annotated[
    str | None, typer.Option(help="Name of a set of weights, or FILE.pt beside FILE.json. [default: original]")
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Least probability of a pick. [default: 0.3; stalta: all that trigger]"),
]
NetworkOption = Annotated[str, typer.Option(help="Codes with * and ?, comma lists.")]
StationOption = Annotated[str, typer.Option(help="Codes with * and ?, comma lists.")]
LocationOption = Annotated[str, typer.Option(help="Codes; -- for the empty one.")]
ChannelOption = Annotated[str, typer.Option(help="Codes, e.g. HH? or HH?,EHZ.")]
BoxOption = Annotated[
    str | None, typer.Option(help="minlon,minlat,maxlon,maxlat; minlon > maxlon crosses the date line.")
]
StartOption = Annotated[
    str | None,
    typer.Option(help="First day, or time, e.g. 2019-02-03T12:00. [default: sds and files: the first they hold]"),
]
EndOption = Annotated[
    str | None,
    typer.Option(help="Last day, included, or time. [default: the first day; without --start, the last they hold]"),
]
InventoryOption = Annotated[
    Path | None, typer.Option(help="StationXML file, or a folder of them. [default: ask the source]")
]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Stations at once. [default: all cores]")]
DeviceOption = Annotated[str, typer.Option(help="cpu or cuda.")]


def pick(
    source: SourceOption,
    out: OutOption,
    model: ModelOption = "PhaseNet",
    weights: WeightsOption = None,
    threshold: ThresholdOption = None,
    network: NetworkOption = "*",
    station: StationOption = "*",
    location: LocationOption = "*",
    channel: ChannelOption = "*",
    bbox: BoxOption = None,
    start: StartOption = None,
    end: EndOption = None,
    inventory: InventoryOption = None,
    workers: WorkersOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Pick P and S on continuous records; run it again to continue where it stopped."""
    query = ChannelOptions(network, station, location, channel, bbox)
    _pick(source, out, (model, weights, threshold, device), query, (start, end), inventory, workers)


class ChannelOptions(NamedTuple):
    """Which channels, as it is written on the command line."""

    network: str
    station: str
    location: str
    channel: str
    bbox: str | None


def _pick(
    source: str,
    out: Path,
    picker: tuple[str, str | None, float | None, str],
    channels: ChannelOptions,
    span: tuple[str | None, str | None],
    inventory: Path | None,
    workers: int | None,
    places: bool = False,
) -> None:
    """Pick, and print what came of it; exit with 1 where there is no pick at all."""
    from seisloom.picking import open_picker
    from seisloom.picking.job import pick_records
    from seisloom.waveforms import open_source
    from seisloom.waveforms.query import parse_query, parse_span

    model, opened = open_picker(*picker), open_source(source)
    responses = None
    if inventory is not None:
        from seisloom.noise.response import read_inventories

        responses = read_inventories(inventory)
    start, end = span
    if start is None:
        start, end = source_span(opened, end)
    start_ns, end_ns = parse_span(start, end)
    query = parse_query(*channels[:4], bbox=read_box(channels.bbox))
    table = opened.channels(replace(query, start_ns=start_ns, end_ns=end_ns))
    with association_bar() as bar:
        summary = pick_records(
            table, model, opened, out, start_ns, end_ns, responses, workers, places,
            progress=lambda done, total: bar.stage("picking", done, total),
        )  # fmt: skip
    typer.echo(summary)
    if not summary.totals()["p"] + summary.totals()["s"]:
        typer.echo("seisloom: nothing was picked; the reasons are above", err=True)
        raise typer.Exit(1)


def catalog(
    velocity: VelocityArgument,
    source: SourceOption,
    out: OutOption,
    model: ModelOption = "PhaseNet",
    weights: WeightsOption = None,
    threshold: ThresholdOption = None,
    network: NetworkOption = "*",
    station: StationOption = "*",
    location: LocationOption = "*",
    channel: ChannelOption = "*",
    bbox: BoxOption = None,
    start: StartOption = None,
    end: EndOption = None,
    inventory: InventoryOption = None,
    region: RegionOption = None,
    min_picks: MinPicksOption = 8,
    workers: WorkersOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Continuous records to a catalogue: pick, then associate; run it again to continue where it stopped."""
    from seisloom.picking.ledger import PICKS, STATIONS
    from seisloom.traveltime import read_velocity_model

    read_velocity_model(velocity)  # what is wrong with it is better said now than after hours of picking
    query = ChannelOptions(network, station, location, channel, bbox)
    _pick(source, out, (model, weights, threshold, device), query, (start, end), inventory, workers, places=True)
    # All that it may be told otherwise is told to `seisloom associate` with the same files.
    associate(out / PICKS, out / STATIONS, velocity, str(out), region=region, min_picks=min_picks, threads=workers)
