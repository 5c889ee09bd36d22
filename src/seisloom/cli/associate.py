"""``seisloom associate``: picks to a catalogue in one command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seisloom.cli.association_options import (
    EarthOption,
    FalseEventsOption,
    GridSpacingOption,
    LearnOption,
    MagnitudeOption,
    MinEvidenceOption,
    MinPicksOption,
    MinPOption,
    MinProbabilityOption,
    MinSOption,
    RegionOption,
    SeedOption,
    StationModelsOption,
    StationsArgument,
    ThreadsOption,
    VelocityArgument,
)
from seisloom.cli.compute_options import ComputeOption, WorkersOption
from seisloom.cli.dry_run import (
    DryRunOption,
    JsonOption,
    PricesOption,
    planned_crew,
    prices_in,
    refuse_without_dry_run,
    tell_plan,
)
from seisloom.cli.progress import association_bar
from seisloom.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from seisloom.associate.job import JobSettings
    from seisloom.associate.streamed import Streamed
    from seisloom.cli.progress import AssociationBar
    from seisloom.traveltime import VelocityModel


def associate(
    picks: Annotated[
        Path,
        typer.Argument(
            help="Picks: CSV, GPD, SeisBench, PhaseNet, GaMMA, PyOcto or QuakeML; or a folder of such files."
        ),
    ],
    stations: StationsArgument,
    velocity: VelocityArgument,
    out: Annotated[str, typer.Option("--out", "-o", help="For the catalogue: a folder or s3://bucket/prefix.")],
    method: Annotated[
        str, typer.Option(help="likelihood: needs no training; phaselink: a network that links picks.")
    ] = "likelihood",
    model: Annotated[
        Path | None, typer.Option(help="Trained network, for phaselink. [default: train one for these stations first]")
    ] = None,
    region: RegionOption = None,
    min_picks: MinPicksOption = 8,
    min_p: MinPOption = 0,
    min_s: MinSOption = 0,
    false_events_per_day: FalseEventsOption = None,
    min_evidence: MinEvidenceOption = None,
    grid_spacing: GridSpacingOption = None,
    learn: LearnOption = True,
    magnitude: MagnitudeOption = "auto",
    max_distance: Annotated[
        float | None,
        typer.Option(min=1, help="Farthest station of an event (phaselink), km. [default: size of the network]"),
    ] = None,
    min_probability: MinProbabilityOption = 0.0,
    earth: EarthOption = "sphere",
    station_models: StationModelsOption = None,
    train_minutes: Annotated[float, typer.Option(min=0.05, help="Time to train (phaselink), without --model.")] = 5.0,
    seed: SeedOption = 1,
    threads: ThreadsOption = None,
    compute: ComputeOption = "serial",
    workers: WorkersOption = None,
    device: Annotated[str, typer.Option(help="cpu or cuda (phaselink).")] = "cpu",
    figures: Annotated[bool, typer.Option(help="Draw map, time line and the events with most picks.")] = True,
    dry_run: DryRunOption = False,
    prices: PricesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the earthquakes of a pick file."""
    from seisloom.associate.job import METHODS, JobSettings
    from seisloom.associate.network import region_of_box
    from seisloom.associate.outputs import remove_figures
    from seisloom.associate.streamed import associate_files
    from seisloom.compute import parse_compute
    from seisloom.cores import cores
    from seisloom.out_folder import out_folder, work_folder
    from seisloom.picks import read_picks
    from seisloom.stations import read_sites
    from seisloom.traveltime import read_station_models, read_velocity_model

    if method not in METHODS:
        raise InputError(f"--method {method!r} is unknown: use {' or '.join(METHODS)}")
    if earth not in ("flat", "sphere"):
        raise InputError(f"--earth {earth!r}: use flat or sphere")
    n_threads = threads or cores()
    if model is not None:
        method = "phaselink"
    if not dry_run:
        refuse_without_dry_run(prices=prices, json=as_json)
    elif method == "phaselink":
        raise InputError("--dry-run is for the method likelihood")
    # At a running scheduler a plan is for as many workers as are said to be there.
    way = parse_compute(compute, None if dry_run and "=" in compute else workers, None)
    if way.remote and method == "phaselink":
        raise InputError(f"--compute {compute} is for the method likelihood; phaselink uses --threads and --device")
    if method == "phaselink":
        from seisloom.associate.requirement import require_torch

        require_torch().set_num_threads(n_threads)
    sites, speeds = read_sites(stations), read_velocity_model(velocity)
    own = read_station_models(station_models, list(sites["station"])) if station_models else None
    settings = JobSettings(
        region=region_of_box(*region) if region else None, method="phaselink" if method == "phaselink" else "likelihood",
        min_picks=min_picks, min_p=min_p, min_s=min_s, false_events_per_day=false_events_per_day,
        min_evidence=min_evidence, spacing_km=grid_spacing, learn=learn, magnitude=magnitude, max_distance_km=max_distance,
        earth="sphere" if earth == "sphere" else "flat", train_minutes=train_minutes, seed=seed, n_threads=n_threads,
        device=device, compute=way if way.remote else None, keep=work_folder(out),
    )  # fmt: skip
    if dry_run:
        from seisloom.associate.plan import dry_run_association
        from seisloom.cli.plan_words import association_lines

        crew = planned_crew(compute, workers if way.remote else None, 1 if way.remote else n_threads)
        plan = dry_run_association(
            picks, sites, speeds, settings, crew, min_probability=min_probability, station_models=own, prices=prices_in(prices)
        )  # fmt: skip
        return tell_plan(plan, association_lines, as_json)
    with out_folder(out, _is_ours) as folder:
        if method == "likelihood":
            with association_bar() as bar:
                done = associate_files(
                    picks, sites, speeds, settings, folder, min_probability=min_probability, station_models=own, progress=bar.stage
                )  # fmt: skip
        else:
            table = read_picks(picks, min_probability=min_probability)
            with association_bar() as bar:
                done = _by_links(table, sites, speeds, settings, folder, model, own, bar)
        typer.echo(done.report)
        remove_figures(folder)
        drawn = _drawn(folder, done) if figures else []
    typer.echo(f"written to {out}")
    for name in drawn:
        typer.echo(f"figure {out.rstrip('/')}/{name}")


def _is_ours(name: str) -> bool:
    """Whether an earlier catalogue may have left a file of that name which another one need not have."""
    from seisloom.associate.outputs import EVIDENCE, HYPOINVERSE, is_figure

    return name in (EVIDENCE, HYPOINVERSE) or is_figure(name)


def _by_links(
    picks: pd.DataFrame,
    sites: pd.DataFrame,
    speeds: VelocityModel,
    settings: JobSettings,
    out: Path,
    model: Path | None,
    station_models: Mapping[str, VelocityModel] | None,
    bar: AssociationBar,
) -> Streamed:
    """The catalogue by PhaseLink, in its folder."""
    from seisloom.associate.job import associate_picks
    from seisloom.associate.outputs import write_result
    from seisloom.associate.streamed import Streamed
    from seisloom.one_run import one_run

    with one_run(out):
        result = associate_picks(
            picks, sites, speeds, settings, model, station_models=station_models, progress=bar.stage, training=bar.training
        )  # fmt: skip
        write_result(result, out)
    return Streamed(result.report, result.study, result.catalog, result.picks)


def _drawn(folder: Path, done: Streamed) -> list[str]:
    """Draw the catalogue in a folder, and its largest events; the names of the figures."""
    from seisloom.catalog import EVENTS, reread_catalog
    from seisloom.figures import catalog_figures, event_figures, largest_events

    whole = reread_catalog((folder / EVENTS).read_bytes())
    maps = catalog_figures(whole, done.study.sites, folder)
    numbers = largest_events(done.largest, 3)
    events = event_figures(done.largest, numbers, done.largest_picks, done.study.sites, folder, study=done.study)
    return [path.name for path in (*maps, *events)]
