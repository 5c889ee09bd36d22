"""What the page Catalogue shows of a job; all of it asks the API from the browser itself, and shares one store there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nicegui.elements.aggrid  # registers the module nicegui-aggrid, which event_table.js imports  # noqa: F401
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from nicegui.element import Element

from seisloom.plot.hypocentres import DEPTHS
from seisloom.web import components, elements
from seisloom.web.elements.map import Map

BOARD = Path(components.__file__).parent / "job_board.js"
TABLE_LOOK = Path(elements.__file__).parent / "table_look.js"
STORE: list[str | Path] = [BOARD, "catalogue_store.js"]
FILTERS = ("start", "end", "min_depth", "max_depth", "min_picks", "min_magnitude", "max_false", "quality", "box")
_SHADES = np.linspace(0.0, 1.0, 64)
# Shallow is light, deep is dark, as in the figures; on a dark map the deep end stays light enough to be seen.
LIGHT = [to_hex(DEPTHS(shade)) for shade in _SHADES]
DARK = [to_hex(colormaps["viridis"](1.0 - 0.72 * shade)) for shade in _SHADES]


class CatalogueMap(Element, component="catalogue_map.js", dependencies=STORE):
    """Draws the catalogue on a map. It has no looks of its own."""

    def __init__(self, target: Map) -> None:
        super().__init__()
        self._props |= {"map": target.id, "light": LIGHT, "dark": DARK}
        for event, method in (("ready", "begin"), ("pick", "picked"), ("hover", "hovered"), ("box", "boxed")):
            target.on(event, js_handler=f"(event) => getElement({self.id}).{method}(event)")


class EventTable(Element, component="event_table.js", dependencies=[*STORE, TABLE_LOOK]):
    """Filters, downloads, and the events that the filters let through.

    The job that is looked at is opened here; the address of the page follows it.
    """

    def __init__(self, label: str) -> None:
        super().__init__()
        self._props["label"] = label

    def open(self, job_id: str, event: int | None = None, filters: dict[str, str] | None = None) -> None:
        """Show the catalogue of a job, "" for none; all views follow."""
        self.run_method("open", job_id, event, filters or {})


class EventPanel(Element, component="event_panel.js", dependencies=[*STORE, "catalogue_report.js"]):
    """The event that is chosen: hypocentre, uncertainty, record section, picks. Without one, the report and the time line."""


class FileChoice(Element, component="file_choice.js", dependencies=[BOARD]):
    """An input file: one of the workspace, or sent along. ``on_chosen`` hears its name and what is in it.

    ``more`` are further choices: value, words. Of these, and where nothing is chosen (""), nothing is known (None).
    """

    def __init__(
        self,
        kind: str,
        label: str,
        hint: str,
        on_chosen: Callable[[str, dict[str, Any] | None], object],
        accept: str = "",
        more: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__()
        self._props |= {
            "kind": kind,
            "label": label,
            "hint": hint,
            "accept": accept,
            "more": [list(pair) for pair in more],
        }
        self.value, self.busy = "", False
        self._on_chosen = on_chosen
        self.on_busy: Callable[[], object] = lambda: None
        """Called when a file begins to be read, and when it has been."""
        self.on("chosen", lambda event: self._chosen(event.args["value"], event.args["facts"]))
        self.on("busy", lambda event: self._read(bool(event.args)))

    def _read(self, busy: bool) -> None:
        self.busy = busy
        self.on_busy()

    def _chosen(self, value: str, facts: dict[str, Any] | None) -> None:
        self.value = value
        self._on_chosen(value, facts)

    def choose(self, value: str, words: str = "") -> None:
        """Choose a file of the workspace, or one of the further choices with what is to be said of it."""
        self.run_method("choose", value, words)
