"""``seisloom follow``: events from picks as they arrive."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from seisloom.cli.associate import associate
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
from seisloom.errors import InputError

if TYPE_CHECKING:
    from seisloom.associate.follow_run import FollowRun


def follow(
    picks: Annotated[str, typer.Argument(help="Table of picks that grows, or - for standard input.")],
    stations: StationsArgument,
    velocity: VelocityArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for picks, statements and the catalogue.")],
    every: Annotated[float, typer.Option(min=0.1, help="Seconds from one look for events to the next.")] = 10.0,
    latency: Annotated[float, typer.Option(min=0, help="Say an event so long after its origin time, s.")] = 0.0,
    until_end: Annotated[bool, typer.Option("--until-end", help="Do not wait for more than the file holds.")] = False,
    region: RegionOption = None,
    min_picks: MinPicksOption = 8,
    min_p: MinPOption = 0,
    min_s: MinSOption = 0,
    false_events_per_day: FalseEventsOption = None,
    min_evidence: MinEvidenceOption = None,
    grid_spacing: GridSpacingOption = None,
    learn: LearnOption = True,
    magnitude: MagnitudeOption = "auto",
    min_probability: MinProbabilityOption = 0.0,
    earth: EarthOption = "sphere",
    station_models: StationModelsOption = None,
    seed: SeedOption = 1,
    threads: ThreadsOption = None,
) -> None:
    """Say events as their picks arrive, a line of JSON each; at the end of the picks, or on Ctrl-C, write the catalogue."""
    from seisloom.associate.follow import Pace
    from seisloom.associate.follow_run import FollowRun
    from seisloom.associate.job import JobSettings, make_study
    from seisloom.associate.network import region_of_box
    from seisloom.cores import cores
    from seisloom.picks.tail import Pipe, Tail
    from seisloom.stations import read_sites
    from seisloom.traveltime import read_station_models, read_velocity_model

    if earth not in ("flat", "sphere"):
        raise InputError(f"--earth {earth!r}: use flat or sphere")
    n_threads = threads or cores()
    sites, speeds = read_sites(stations), read_velocity_model(velocity)
    own = read_station_models(station_models, list(sites["station"])) if station_models else None
    settings = JobSettings(
        region=region_of_box(*region) if region else None, min_picks=min_picks, min_p=min_p, min_s=min_s,
        false_events_per_day=false_events_per_day, min_evidence=min_evidence, spacing_km=grid_spacing, learn=learn,
        magnitude=magnitude, earth="sphere" if earth == "sphere" else "flat", seed=seed, n_threads=n_threads,
    )  # fmt: skip
    source = Pipe(sys.stdin.fileno()) if picks == "-" else Tail(picks, until_end)
    study = make_study(sites, speeds, settings.region, settings.earth, own)
    with FollowRun(study, settings, Pace(every, latency), out, picks, min_probability, tell=_tell) as run:
        with _interruptible(run):
            _print(run.statements(source))
        if not run.report.picks:
            raise InputError(f"{picks}: no picks have come")
        with contextlib.redirect_stdout(sys.stderr):
            associate(
                run.files.picks, stations, velocity, str(out), region=region, min_picks=min_picks, min_p=min_p, min_s=min_s,
                false_events_per_day=false_events_per_day, min_evidence=min_evidence, grid_spacing=grid_spacing,
                learn=learn, magnitude=magnitude, min_probability=min_probability, earth=earth,
                station_models=station_models, seed=seed, threads=threads, figures=False,
            )  # fmt: skip
        _print(run.settle(out))


def _print(lines: Iterable[str]) -> None:
    """Lines at once, for whoever waits for them."""
    for line in lines:
        typer.echo(line)
        sys.stdout.flush()


def _tell(text: str) -> None:
    typer.echo(text, err=True)


@contextlib.contextmanager
def _interruptible(run: FollowRun) -> Iterator[None]:
    """The first Ctrl-C ends the picks, not the work; the next one ends all."""
    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        _tell("no more picks are read; the catalogue is made (Ctrl-C again: go on another time)")
        run.stop()

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    finally:
        signal.signal(signal.SIGINT, before)
