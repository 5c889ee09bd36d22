"""``seisloom associate``: picks to a catalogue in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seisloom.cli.progress import association_bar
from seisloom.errors import InputError

if TYPE_CHECKING:
    from seisloom.associate.job import Result


def associate(
    picks: Annotated[Path, typer.Argument(help="Picks: CSV, GPD, SeisBench, PhaseNet, GaMMA, PyOcto or QuakeML.")],
    stations: Annotated[Path, typer.Argument(help="Stations: list, CSV, StationXML or FDSN text.")],
    velocity: Annotated[Path, typer.Argument(help="1-D velocity model: depth (km), Vp, Vs (km/s).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the catalogue.")],
    method: Annotated[str, typer.Option(help="phaselink: a network that links picks.")] = "phaselink",
    model: Annotated[
        Path | None, typer.Option(help="Trained network. [default: train one for these stations first]")
    ] = None,
    region: Annotated[
        tuple[float, float, float, float, float, float] | None,
        typer.Option(
            metavar="LAT0 LAT1 LON0 LON1 Z0 Z1",
            help="Where to look for events: degrees, km. [default: 30 km around the stations, 0 to 30 km deep]",
        ),
    ] = None,
    min_picks: Annotated[int, typer.Option(min=4, help="Fewest picks of an event.")] = 8,
    min_p: Annotated[int, typer.Option(min=0, help="Fewest P picks of an event.")] = 0,
    min_s: Annotated[int, typer.Option(min=0, help="Fewest S picks of an event.")] = 0,
    max_distance: Annotated[
        float | None, typer.Option(min=1, help="Farthest station of an event, km. [default: size of the network]")
    ] = None,
    min_probability: Annotated[float, typer.Option(min=0, max=1, help="Leave out less probable picks.")] = 0.0,
    earth: Annotated[str, typer.Option(help="flat, or sphere for networks of hundreds of km.")] = "flat",
    train_minutes: Annotated[float, typer.Option(min=0.05, help="Time to train, without --model.")] = 5.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the training.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads. [default: all cores]")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    figures: Annotated[bool, typer.Option(help="Draw map, time line and the events with most picks.")] = True,
) -> None:
    """Find the earthquakes of a pick file; run it again to continue where it stopped."""
    from seisloom.associate.requirement import require_torch

    torch = require_torch()
    from seisloom.associate.job import JobSettings
    from seisloom.associate.job import associate_picks as run
    from seisloom.associate.network import region_of_box
    from seisloom.associate.outputs import write_result
    from seisloom.config.phaselink_keys import cores
    from seisloom.figures import remove_figures
    from seisloom.picks import read_picks
    from seisloom.stations import read_sites
    from seisloom.traveltime import read_velocity_model

    if method != "phaselink":
        raise InputError(f"--method {method!r} is unknown: use phaselink")
    if earth not in ("flat", "sphere"):
        raise InputError(f"--earth {earth!r}: use flat or sphere")
    sites, speeds = read_sites(stations), read_velocity_model(velocity)
    table = read_picks(picks, min_probability=min_probability)
    n_threads = threads or cores()
    settings = JobSettings(
        region=region_of_box(*region) if region else None, min_picks=min_picks, min_p=min_p, min_s=min_s, max_distance_km=max_distance,
        earth="sphere" if earth == "sphere" else "flat", train_minutes=train_minutes, seed=seed, n_threads=n_threads, device=device, keep=out,
    )  # fmt: skip
    torch.set_num_threads(n_threads)
    with association_bar() as bar:
        result = run(table, sites, speeds, settings, model, progress=bar.stage, training=bar.training)
    write_result(result, out)
    typer.echo(f"{result.report}\nwritten to {out}")
    remove_figures(out)
    if figures:
        _draw(result, out)


def _draw(result: Result, out: Path) -> None:
    from seisloom.figures import catalog_figures, event_figures, largest_events

    for path in catalog_figures(result.catalog, result.study.sites, out):
        typer.echo(f"figure {path}")
    events = largest_events(result.catalog, 3)
    for path in event_figures(result.catalog, events, result.picks, result.study.sites, out, study=result.study):
        typer.echo(f"figure {path}")
