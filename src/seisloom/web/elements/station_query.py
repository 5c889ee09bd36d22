"""The query of the page Map: asks the API for channels, and gives them to the map and the table, all in the browser."""

from __future__ import annotations

from nicegui.element import Element

from seisloom.web.elements.channel_table import ChannelTable
from seisloom.web.elements.map import Map


class StationQuery(Element, component="station_query.js", dependencies=["station_popup.js"]):
    """Has no looks of its own. The events of map and table go to it, and its answers back to them.

    Methods: ``run(parameters, lead)`` asks /api/channels (what was asked before is given up); ``cancel()``; ``save(replace)``
    adds the checked channels to the saved ones.

    Events: ``state`` ``{state, ...}``: ``asking``; ``found`` with numbers of ``rows``, ``channels`` and ``stations``; ``failed``
    with ``status``, ``detail``, ``faults``; ``cancelled``. ``saved`` with ``status`` and what POST /api/saved answered. ``return`` when the tab is looked at again.
    """

    def __init__(self, stations: Map, table: ChannelTable) -> None:
        """``stations`` shows what is found, ``table`` lists it."""
        super().__init__()
        self._props |= {"map": stations.id, "table": table.id}
        for element, event, method in (
            (stations, "hover", "hovered_on_map"),
            (stations, "pick", "picked"),
            (stations, "action", "chosen_in_popup"),
            (table, "hover", "hovered_in_table"),
            (table, "open", "entered"),
            (table, "chosen", "chosen"),
            (table, "shown", "keep"),
            (table, "sorted", "keep"),
        ):
            element.on(event, js_handler=f"(event) => getElement({self.id}).{method}(event)")
