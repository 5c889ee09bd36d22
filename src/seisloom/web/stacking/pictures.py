"""Figures of a job as files, drawn by the functions of the command line, and where in them the axes are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from seisloom.noise.select import stations_of
from seisloom.plot.correlations import correlogram
from seisloom.plot.maps import station_map
from seisloom.plot.sections import record_section, virtual_shot
from seisloom.plot.style import render
from seisloom.web.stacking import views
from seisloom.web.stacking.archives import Archive
from seisloom.web.stacking.choice import Choice

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Name = Literal["correlogram", "record-section", "virtual-shot", "station-map"]
# What the axes of each part of a figure count: x, y.
QUANTITIES = {
    "stack": ("lag_s", "correlation"),
    "rows": ("lag_s", "time"),
    "section": ("lag_s", "distance_km"),
    "map": ("longitude", "latitude"),
}


def picture(
    archive: Archive, name: Name, choice: Choice, ending: str, dpi: float, screen: tuple[int, int] | None = None
) -> bytes:
    """A figure as .png, .svg or .pdf; ``screen``, a width and a height in pixels that it must fit in, in place of ``dpi``."""
    key = (archive.job.id, archive.version, "picture", name, choice.model_dump_json(), ending, dpi, screen)

    def make() -> bytes:
        figure = draw(archive, name, choice)
        archive.cache.put(_axes_key(archive, name, choice), _axes(figure), 1000)
        sharpness = min(np.array(screen) / figure.get_size_inches()) if screen else dpi
        return render(figure, f".{ending}", float(sharpness), quick=screen is not None)

    return archive.cache.get(key, make, len)


def axes(archive: Archive, name: Name, choice: Choice) -> list[dict[str, Any]]:
    """The axes of a picture: ``name``, box in fractions of the picture from its upper left corner, and data at its sides."""
    key = _axes_key(archive, name, choice)
    return archive.cache.get(key, lambda: _axes(draw(archive, name, choice)), lambda _: 1000)


def draw(archive: Archive, name: Name, choice: Choice) -> Figure:
    """The figure that the command line draws of the same choice."""
    return _DRAWERS[name](archive, choice)


def _correlogram(archive: Archive, choice: Choice) -> Figure:
    rows, stack = views.correlogram(archive, choice)
    return correlogram(
        rows,
        stack=stack,
        lag=choice.lags,
        band=choice.pass_band,
        scale_rows=choice.scale_rows,
        velocities=choice.speeds,
        title=choice.title,
    )


def _record_section(archive: Archive, choice: Choice) -> Figure:
    stacks = views.record_section(archive, choice)
    return record_section(stacks, bin_km=choice.bin_km, **_look(choice))


def _virtual_shot(archive: Archive, choice: Choice) -> Figure:
    stacks = views.virtual_shot(archive, choice)
    component = choice.component.upper() if choice.component else None
    return virtual_shot(stacks, choice.station or "", component=component, colour=choice.colour, **_look(choice))


def _station_map(archive: Archive, choice: Choice) -> Figure:
    return station_map(stations_of(archive.data), title=choice.title)


_DRAWERS: dict[Name, Callable[[Archive, Choice], Figure]] = {
    "correlogram": _correlogram,
    "record-section": _record_section,
    "virtual-shot": _virtual_shot,
    "station-map": _station_map,
}


def _look(choice: Choice) -> dict[str, Any]:
    return {
        "lag": choice.lags,
        "band": choice.pass_band,
        "velocities": choice.speeds,
        "sides": choice.sides,
        "kind": choice.kind,
        "title": choice.title,
    }


def _axes_key(archive: Archive, name: Name, choice: Choice) -> tuple[Any, ...]:
    return (archive.job.id, archive.version, "axes", name, choice.model_dump_json())


def _axes(figure: Figure) -> list[dict[str, Any]]:
    return [_axes_of(ax) for ax in figure.axes if ax.get_label() in QUANTITIES]


def _axes_of(ax: Axes) -> dict[str, Any]:
    name, box = str(ax.get_label()), ax.get_position()
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    x, y = QUANTITIES[name]
    return {
        "name": name,
        "box": {"left": box.x0, "top": 1.0 - box.y1, "width": box.width, "height": box.height},
        "x": {"quantity": x, "left": left, "right": right},
        "y": {"quantity": y, "top": _value(y, top), "bottom": _value(y, bottom)},
    }


def _value(quantity: str, value: float) -> float | str:
    if quantity != "time":
        return value
    from matplotlib.dates import num2date

    return f"{num2date(value):%Y-%m-%dT%H:%M:%SZ}"
