"""Arguments and options that several commands of association share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StationsArgument = Annotated[Path, typer.Argument(help="Stations: list, CSV, StationXML or FDSN text.")]
VelocityArgument = Annotated[Path, typer.Argument(help="1-D velocity model: depth (km), Vp, Vs (km/s).")]
RegionOption = Annotated[
    tuple[float, float, float, float, float, float] | None,
    typer.Option(
        metavar="LAT0 LAT1 LON0 LON1 Z0 Z1",
        help="Where to look for events: degrees, km. [default: 30 km around the stations, 0 to 30 km deep]",
    ),
]
MinPicksOption = Annotated[int, typer.Option(min=4, help="Fewest picks of an event.")]
MinPOption = Annotated[int, typer.Option(min=0, help="Fewest P picks of an event.")]
MinSOption = Annotated[int, typer.Option(min=0, help="Fewest S picks of an event.")]
FalseEventsOption = Annotated[
    float | None,
    typer.Option(
        min=1e-6, help="False events a day that are put up with (likelihood). [default: 1, or 1 % of the events]"
    ),
]
MinEvidenceOption = Annotated[
    float | None,
    typer.Option(min=0, help="Log likelihood ratio of an event (likelihood). [default: from the false events]"),
]
GridSpacingOption = Annotated[
    float | None,
    typer.Option(min=0.1, help="Of the search (likelihood), km. [default: from stations and picks]"),
]
LearnOption = Annotated[bool, typer.Option(help="Learn errors, delays and detection from the picks (likelihood).")]
MagnitudeOption = Annotated[str, typer.Option(help="Relation for magnitudes where picks have amplitudes, or none.")]
MinProbabilityOption = Annotated[float, typer.Option(min=0, max=1, help="Leave out less probable picks.")]
EarthOption = Annotated[str, typer.Option(help="sphere, or flat.")]
StationModelsOption = Annotated[
    Path | None, typer.Option(help="CSV of stations that have a velocity model of their own: station, velocity.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of random numbers.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Threads. [default: all cores]")]
