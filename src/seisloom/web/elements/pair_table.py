"""The table of pairs: sorted and filtered in the browser, one row chosen."""

from __future__ import annotations

import nicegui.elements.aggrid  # registers the module nicegui-aggrid, which pair_table.js imports  # noqa: F401
from nicegui.element import Element

from seisloom.web.components.style import add_style


class PairTable(Element, component="pair_table.js", dependencies=["table_look.js"]):
    """AG Grid over the pairs of a job, which the browser is given by :class:`PairExplorer`.

    Methods in the browser: ``set_rows(rows, {several})`` (whether there are several components); ``choose(id)`` marks a row, and brings it into sight; null none.
    Events: ``pick`` (id of the row that is clicked or entered), ``hover`` (id or null), ``shown`` (rows that the filters show).
    """

    def __init__(self, label: str) -> None:
        """``label`` names the table for screen readers."""
        super().__init__()
        add_style("map")
        self.classes("sl-table")
        self._props["label"] = label
