"""A Leaflet map for any page: markers and lines on canvas, legend, selection, a rectangle, a base map without network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nicegui.elements.leaflet  # registers the module nicegui-leaflet, which map.js imports
from nicegui.awaitable_response import AwaitableResponse
from nicegui.element import Element

from seisloom import __version__
from seisloom.plot.style import COLOURS
from seisloom.web.components.style import add_style

_LEAFLET = Path(nicegui.elements.leaflet.__file__).parent / "dist"
PARTS: list[str | Path] = ["map_canvas.js", "map_base.js", "map_marks.js", "map_tools.js"]


class Map(Element, component="map.js", dependencies=PARTS):
    """Markers and lines in named layers; later layers lie on top.

    Everything below can be called from Python, where little is sent, or in the browser, where a page fetches its rows
    itself: ``getElement(ID).set_markers("stations", rows)`` with ID = ``map.id``, once the event ``ready`` came
    (or after ``await getElement(ID).ready``).

    - ``set_markers(layer, markers, options)``: each marker has ``id``, ``latitude``, ``longitude`` (degrees), and as one
      likes ``group``, ``colour`` (CSS), ``size`` (diameter in pixels), ``shape`` (circle, triangle, square, diamond, star),
      ``title`` (shown on hover; the default is the id), ``label`` (written beside it where few are in sight). Without a colour the marker has that of its group: the most
      frequent groups have one each, the others share grey. ``options``: ``size``, ``shape``, ``colour`` for all;
      ``legend`` (default true: groups are listed, and shown or hidden by a click); ``pick`` (default true: answers to the
      pointer); ``fit`` (default false: move the map there).
    - ``set_lines(layer, lines, options)``: each line has ``id``, ``from`` and ``to`` ([latitude, longitude]; drawn as
      the great circle between them), and as one likes ``colour``, ``width`` (pixels), ``title``.
    - ``set_legend(title, entries)``: further entries ``{"label", "colour", "shape"}``; None takes them away.
    - ``select(ids)``, ``highlight(ids)``: mark markers and lines of these ids, of any layer; in place of those marked before.
    - ``fit(layer)``, ``show(id)``: move the map to all of a layer, or so that one marker is seen.
    - ``set_box([west, south, east, north])``: the rectangle; None for none; west > east across ±180°. ``show_box()``
      moves the map there if it is out of sight. ``draw_box(on)`` starts or ends drawing it with the pointer.
    - ``popup(id, content)``: a popup at a marker. ``content``: ``title``, ``subtitle``, ``rows`` ([[name, value], ...]),
      ``table`` (list of rows, the first its header), ``availability``
      (``title`` and ``bars``: ``label``, ``spans`` [[from, to], ...] as fractions of the whole, ``text``), ``note``, ``link`` ([text, address]), ``actions`` ([[text, name],
      ...], buttons); all shown as text, never as HTML. None closes it.
    - ``amend_popup(id, content)``: change parts of the popup of that marker, if it is open.

    Events: ``ready``; ``pick`` ``{layer, id, shift}`` for a click on a marker or line, ``nothing`` for a click beside them;
    ``hover`` ``{layer, id}``, or null when the pointer leaves; ``action`` ``{id, action}`` for a button in a popup; ``box`` [west, south, east, north] or null, when drawn or
    taken away by the user; ``view`` ``{latitude, longitude, zoom}`` when moved. In Python, ``event.args`` is that.
    """

    def __init__(self, label: str, *, box: bool = False, remember: str = "") -> None:
        """``label`` names the map for screen readers; ``box``: with a button to draw a rectangle; ``remember``: a name
        under which the browser tab keeps the view over a reload."""
        super().__init__()
        self.add_resource(_LEAFLET)
        add_style("map")
        self.classes("sl-map")
        self._props |= {
            "label": label,
            "box-tool": box,
            "remember": remember,
            "palette": list(COLOURS),
            "base-url": "/api/basemap",
            "base-version": __version__,
        }

    def set_markers(self, layer: str, markers: Sequence[dict[str, Any]], **options: Any) -> AwaitableResponse:
        """Markers of a layer, in place of those that it had."""
        return self.run_method("set_markers", layer, list(markers), options)

    def set_lines(self, layer: str, lines: Sequence[dict[str, Any]], **options: Any) -> AwaitableResponse:
        """Lines of a layer, in place of those that it had."""
        return self.run_method("set_lines", layer, list(lines), options)

    def set_legend(self, title: str, entries: Sequence[dict[str, str]] | None) -> AwaitableResponse:
        """Entries of the legend beside those of the groups."""
        return self.run_method("set_legend", title, entries)

    def select(self, ids: Sequence[str]) -> AwaitableResponse:
        """Mark these as selected, and no others."""
        return self.run_method("select", list(ids))

    def highlight(self, ids: Sequence[str]) -> AwaitableResponse:
        """Mark these as the ones that the pointer is at elsewhere, and no others."""
        return self.run_method("highlight", list(ids))

    def fit(self, layer: str) -> AwaitableResponse:
        """Move the map to all of a layer."""
        return self.run_method("fit", layer)

    def show(self, mark: str) -> AwaitableResponse:
        """Move the map, if need be, so that a marker is seen."""
        return self.run_method("show", mark)

    def set_box(self, box: Sequence[float] | None) -> AwaitableResponse:
        """The rectangle: west, south, east, north in degrees."""
        return self.run_method("set_box", None if box is None else list(box))

    def popup(self, mark: str, content: dict[str, Any] | None) -> AwaitableResponse:
        """Open a popup at a marker, or close it."""
        return self.run_method("popup", mark, content)
