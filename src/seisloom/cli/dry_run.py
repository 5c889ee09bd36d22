"""``--dry-run``: what a command would do and take."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from seisloom.errors import InputError

if TYPE_CHECKING:
    from seisloom.compute.crew import Crew
    from seisloom.compute.forecast import Forecast
    from seisloom.compute.prices import Prices

Planned = TypeVar("Planned", bound="Forecast")
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would be done, and what it takes; write nothing.")
]
PricesOption = Annotated[Path | None, typer.Option(help="With --dry-run: prices (TOML), for what it costs.")]
NetworkOption = Annotated[
    float | None,
    typer.Option(min=0.001, help="With --dry-run: what the network of a worker carries, MB/s.", metavar="MB/S"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="With --dry-run: the plan as JSON.")]


def refuse_without_dry_run(**options: Any) -> None:
    """InputError for options that are of use with --dry-run only."""
    for name, value in options.items():
        if value:
            raise InputError(f"--{name} is of use with --dry-run only: add --dry-run, or leave it out")


def planned_crew(compute: str, workers: int | None, threads: int | None, memory_gb: float = 6.0) -> Crew:
    """Those that a plan is for; at a running scheduler ``workers`` are as many as are said to be there."""
    from seisloom.compute import parse_compute
    from seisloom.compute.crew import Crew

    elsewhere = "=" in compute
    return Crew.of(parse_compute(compute, None if elsewhere else workers, threads, memory_gb), workers)


def prices_in(path: Path | None) -> Prices | None:
    """The prices of ``--prices``."""
    from seisloom.compute.prices import read_prices

    return read_prices(path) if path else None


def tell_plan(plan: Planned, lines: Callable[[Planned], Iterable[str]], as_json: bool) -> None:
    """Print a plan as ``lines`` say it, or as JSON."""
    typer.echo(json.dumps(plan.to_json(), indent=1) if as_json else "\n".join(lines(plan)))
