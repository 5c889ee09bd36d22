"""Python that opens the same data and draws the same picture."""

from __future__ import annotations

from typing import Any

from seisloom.noise.stack import METHODS
from seisloom.web.stacking import views
from seisloom.web.stacking.archives import Archive
from seisloom.web.stacking.choice import Choice
from seisloom.web.stacking.pictures import Name

IMPORTS = {
    "open_correlations": "seisloom",
    "open_stacks": "seisloom",
    "rotate": "seisloom.noise.rotate",
    "between": "seisloom.noise.select",
    "pairs_with": "seisloom.noise.select",
    "select_component": "seisloom.noise.select",
    "select_pair": "seisloom.noise.select",
    "stations_of": "seisloom.noise.select",
    "stacked": "seisloom.noise.stacking",
    "correlogram": "seisloom.plot",
    "record_section": "seisloom.plot",
    "save": "seisloom.plot",
    "station_map": "seisloom.plot",
    "virtual_shot": "seisloom.plot",
}
LOOKS: dict[Name, tuple[str, ...]] = {
    "correlogram": ("lag", "band", "scale_rows", "velocities", "title"),
    "record-section": ("lag", "band", "velocities", "sides", "kind", "bin_km", "title"),
    "virtual-shot": ("component", "lag", "band", "velocities", "sides", "kind", "colour", "title"),
    "station-map": ("title",),
}


def snippet(archive: Archive, name: Name, choice: Choice, workspace: str) -> str:
    """A script that writes NAME.png; ``workspace`` is where whoever runs it finds the job's folder."""
    makers = {
        "correlogram": _correlogram,
        "record-section": _record_section,
        "virtual-shot": _virtual_shot,
        "station-map": _station_map,
    }
    lines = [
        f"workspace = {workspace!r}",
        *makers[name](archive, choice),
        f'save(figure, "{name}.png")',
    ]
    text = "\n".join(lines)
    homes: dict[str, list[str]] = {}
    for word, home in IMPORTS.items():
        if f"{word}(" in text:
            homes.setdefault(home, []).append(word)
    imports = [f"from {home} import {', '.join(sorted(words))}" for home, words in sorted(homes.items())]
    return "\n".join([*imports, "", text, ""])


def _correlogram(archive: Archive, choice: Choice) -> list[str]:
    name, pairs = views.named_pair(archive, choice)
    component = choice.component if name == choice.pair else None
    pick = f"select_pair({{}}, {', '.join(map(repr, filter(None, (name, component))))})"
    if archive.turned(choice):
        ends = archive.data["channel_a"].values[pairs[0]], archive.data["channel_b"].values[pairs[0]]
        stations = "_".join(".".join(str(end).split(".")[:2]) for end in ends)
        start, turn = f"select_pair(days, {stations!r})", pick.format("rotate({})")
    else:
        start, turn = pick.format("days"), "{}"
    rows = f"stacked(days, {_stacking(choice, choice.period)})" if choice.period else "days"
    stack = turn.format(f"stacked(days, {_stacking(choice)})")
    return [
        f"days = {_between(start.replace('days', 'open_correlations(workspace)'), choice)}",
        f"rows = {turn.format(rows)}",
        f"stack = {stack}",
        f"figure = correlogram(rows, stack=stack{_look('correlogram', choice)})",
    ]


def _record_section(archive: Archive, choice: Choice) -> list[str]:
    code = repr(choice.component.upper()) if choice.component else ""
    chosen = f"select_component({{}}, {code})" if code else "{}"
    name = views.stored_name(archive, choice, archive.all_pairs)
    if name is None:
        turned = archive.turned(choice)
        days = _between("open_correlations(workspace)", choice)
        stacks = f"stacked({'days' if turned or not code else chosen.format('days')}, {_stacking(choice)})"
        lines = [f"days = {days}", f"stacks = {chosen.format(f'rotate({stacks})') if turned else stacks}"]
    else:
        lines = [f"stacks = {chosen.format(f'open_stacks(workspace, {name!r})')}"]
    return [*lines, f"figure = record_section(stacks{_look('record-section', choice)})"]


def _virtual_shot(archive: Archive, choice: Choice) -> list[str]:
    name = views.stored_name(archive, choice, views.station_pairs(archive, choice))
    if name is None:
        stacks = f"stacked(pairs_with(days, {choice.station!r}), {_stacking(choice)})"
        lines = [
            f"days = {_between('open_correlations(workspace)', choice)}",
            f"stacks = {f'rotate({stacks})' if archive.turned(choice) else stacks}",
        ]
    else:
        lines = [f"stacks = open_stacks(workspace, {name!r})"]
    return [*lines, f"figure = virtual_shot(stacks, {choice.station!r}{_look('virtual-shot', choice)})"]


def _station_map(archive: Archive, choice: Choice) -> list[str]:
    return [f"figure = station_map(stations_of(open_correlations(workspace)){_look('station-map', choice)})"]


def _between(days: str, choice: Choice) -> str:
    return days if choice.days == (None, None) else f"between({days}, {choice.days[0]!r}, {choice.days[1]!r})"


def _stacking(choice: Choice, period: str | None = None) -> str:
    options = choice.options  # checks the method too
    known = METHODS[choice.method].options
    changed = [f"{name}={value!r}" for name, value in options.items() if value != known[name].default]
    return ", ".join([repr(choice.method), *([repr(period)] if period else []), *changed])


def _look(name: Name, choice: Choice) -> str:
    """The arguments of a figure function that are not its defaults."""
    values: dict[str, Any] = {
        field: getattr(choice, field) for field in ("scale_rows", "sides", "kind", "bin_km", "colour", "title")
    }
    values |= {"lag": choice.lags, "band": choice.pass_band, "velocities": choice.speeds}
    values["component"] = choice.component.upper() if choice.component else None
    defaults = {field: info.default for field, info in Choice.model_fields.items()} | {"velocities": (2.0, 3.0, 4.0)}
    return "".join(f", {field}={values[field]!r}" for field in LOOKS[name] if values[field] != defaults[field])
