"""``seisloom explain``: why a pick, or a time, has the event that it has, or none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from seisloom.errors import InputError


def explain(
    folder: Annotated[Path, typer.Argument(help="Folder of a catalogue that `seisloom associate` wrote.")],
    pick: Annotated[int | None, typer.Option(help="Number of a pick (pick_index).")] = None,
    time: Annotated[str | None, typer.Option(help="Origin time that an event might have, UTC.")] = None,
    place: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LAT LON", help="With --time: where it might be, within 30 km. [default: anywhere]"),
    ] = None,
    within: Annotated[float, typer.Option(min=0.1, max=60, help="With --time: how far off it may be, s.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say why a pick was or was not associated, or why there is no event at a time."""
    if (pick is None) == (time is None):
        raise InputError("give either --pick N or --time T")
    if place is not None and time is None:
        raise InputError("--place goes with --time")
    from seisloom.associate.explain import PickExplanation, TimeExplanation, explain_pick, explain_time
    from seisloom.associate.outputs import EVIDENCE
    from seisloom.associate.state import read_state
    from seisloom.waveforms.query import parse_time

    instant = parse_time("--time", time)
    state = read_state(folder / EVIDENCE)
    found: PickExplanation | TimeExplanation
    if pick is not None:
        found = explain_pick(state, pick)
    elif instant is not None:
        found = explain_time(state, instant, place, within)
    else:
        raise InputError("--time is empty: write it as 2019-02-03T12:00:00")
    typer.echo(json.dumps(found.to_json(), indent=2) if as_json else str(found))
