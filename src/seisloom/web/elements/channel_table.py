"""The table of channels: one row a channel epoch, with check marks, sorted and filtered in the browser."""

from __future__ import annotations

import nicegui.elements.aggrid  # registers the module nicegui-aggrid, which channel_table.js imports  # noqa: F401
from nicegui.element import Element


class ChannelTable(Element, component="channel_table.js", dependencies=["table_look.js"]):
    """AG Grid over the rows of GET /api/channels, which the browser fetches itself.

    Methods in the browser, after ``await getElement(ID).ready``: ``set_rows(rows)``; ``choose(on)`` checks (or not) all rows that the filters show;
    ``choose_station(name, on)``; ``highlight(name)`` marks the rows of a station NET.STA, null none; ``reveal(name)``
    scrolls to its first; ``chosen()`` gives the checked rows; ``state()`` and ``restore(state)`` what is checked, sorted
    and filtered.

    Events: ``chosen`` (number of checked rows), ``hover`` (NET.STA or null), ``open`` (NET.STA, for a row that is
    double-clicked or entered), ``shown`` (number of rows that the filters show).
    """

    def __init__(self, label: str) -> None:
        """``label`` names the table for screen readers."""
        super().__init__()
        self.classes("sl-table")
        self._props["label"] = label
