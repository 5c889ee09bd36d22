"""``seisloom phaselink``: travel-time tables, and the four steps of PhaseLink with its ``params.json``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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

if TYPE_CHECKING:
    from seisloom.config.phaselink import PhaselinkParams

app = typer.Typer(help="The steps of PhaseLink, as its params.json says.", no_args_is_help=True)

ParamsArgument = Annotated[Path, typer.Argument(metavar="PARAMS.json", help="Parameters of PhaseLink.")]


@app.command()
def tables(
    velocity: Annotated[Path, typer.Argument(help="1-D velocity model: depth (km), Vp, Vs (km/s; 0 = from Vp).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for TT.NAME.pg and TT.NAME.sg.")],
    max_distance: Annotated[float, typer.Option(min=1, help="Greatest distance, km.")] = 300.0,
    distance_step: Annotated[float, typer.Option(min=0.01, help="Step of distance, km.")] = 1.0,
    max_depth: Annotated[float, typer.Option(min=0.1, help="Greatest depth, km.")] = 40.0,
    depth_step: Annotated[float, typer.Option(min=0.01, help="Step of depth, km.")] = 1.0,
    vp_vs: Annotated[float, typer.Option(min=1.2, help="Vp/Vs where the model has no Vs.")] = 3**0.5,
    earth: Annotated[str, typer.Option(help="sphere, as the tables of PhaseLink, or flat.")] = "sphere",
) -> None:
    """Compute P and S travel times of a velocity model in GrowClust format."""
    import numpy as np

    from seisloom.errors import InputError
    from seisloom.traveltime import read_velocity_model, travel_time_table, write_growclust

    if earth not in ("flat", "sphere"):
        raise InputError(f"--earth {earth!r}: use flat or sphere")
    model = read_velocity_model(velocity, vp_vs)
    depths = np.arange(0.0, max_depth + depth_step / 2, depth_step)
    distances = np.arange(0.0, max_distance + distance_step / 2, distance_step)
    made = travel_time_table(model, depths, distances, earth=earth)  # type: ignore[arg-type]
    for phase, ending in (("P", "pg"), ("S", "sg")):
        path = out / f"TT.{velocity.stem}.{ending}"
        write_growclust(made.sel(phase=phase).isel(receiver_depth_km=0), path)
        typer.echo(f"{phase} times, {len(distances)} distances and {len(depths)} depths, written to {path}")


@app.command()
def dataset(
    params: ParamsArgument,
    compute: ComputeOption = "serial",
    workers: WorkersOption = None,
    dry_run: DryRunOption = False,
    prices: PricesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate the training set."""
    from seisloom.associate.phaselink import dataset as run
    from seisloom.compute import parse_compute

    read = _read(params)
    if dry_run:
        from seisloom.associate.dataset_plan import dry_run_dataset
        from seisloom.cli.plan_words import dataset_lines

        way = parse_compute(compute)
        crew = planned_crew(compute, workers if way.remote else None, 1)
        return tell_plan(dry_run_dataset(read, crew, prices_in(prices)), dataset_lines, as_json)
    refuse_without_dry_run(prices=prices, json=as_json)
    with association_bar() as bar:
        text = run(read, bar.count("windows", read.n_train_samp), parse_compute(compute, workers))
    typer.echo(text)


@app.command()
def train(
    params: ParamsArgument,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch.")] = False,
) -> None:
    """Train the network that links picks."""
    from seisloom.associate.phaselink import train_network
    from seisloom.plot.learning import learning_curves
    from seisloom.plot.style import save

    read = _read(params)
    with association_bar() as bar:
        trained = train_network(read, resume, bar.training)
    best = trained.history.sort_values("held_out_loss", kind="stable").iloc[0]
    typer.echo(
        f"{trained.ended}; best in epoch {int(best['epoch'])}: held-out loss {best['held_out_loss']:.4f}, links: precision "
        f"{best['precision_1']:.3f}, recall {best['recall_1']:.3f}; others: precision {best['precision_0']:.3f}, recall {best['recall_0']:.3f}"
    )
    typer.echo(
        f"models in {read.model_folder}; learning curves in {save(learning_curves(trained.history), Path(read.model_folder) / 'learning.png')}"
    )


@app.command(name="eval")
def evaluate(params: ParamsArgument) -> None:
    """Associate the picks and locate the events; run it again to continue where it stopped."""
    from seisloom.associate.phaselink import evaluate as run

    read = _read(params)
    with association_bar() as bar:
        result = run(read, bar.stage)
    typer.echo(f"{result.report}\nobservations written to {read.outfile}, all the rest to {read.out_folder}")


@app.command()
def plot(
    params: ParamsArgument,
    events: Annotated[int, typer.Option(min=0, help="Record sections of so many events, those with most picks.")] = 10,
) -> None:
    """Draw the located events: map, sections, time line, and picks on waveforms."""
    from seisloom.phaselink_figures import draw

    for path in draw(_read(params), events):
        typer.echo(f"figure {path}")


def _read(path: Path) -> PhaselinkParams:
    """The parameters; what is to be said of them goes to standard error."""
    from seisloom.associate.requirement import require_torch
    from seisloom.config.phaselink import read_params

    params = read_params(path)
    require_torch()
    for warning in params.warnings:
        typer.echo(f"seisloom: note: {warning}", err=True)
    return params
