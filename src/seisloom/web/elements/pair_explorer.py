"""Pairs of a job on map and table, kept in step; what is chosen in one is marked in the other. All in the browser."""

from __future__ import annotations

from nicegui.element import Element

from seisloom.web.elements.map import Map
from seisloom.web.elements.pair_table import PairTable
from seisloom.web.elements.picture import Picture


class PairExplorer(Element, component="pair_explorer.js"):
    """Has no looks of its own.

    Methods: ``load(job, state)`` asks the API for the pairs and stations of a job, ``show(state)`` marks others of them,
    ``rate()`` asks for the signal-to-noise ratios, if they are not there.
    ``state``: ``component``; ``pair``, of channels or stations in either order, "" for the best one; ``station`` (the virtual
    source); ``view`` ("virtual-shot": clicks on stations choose the source).

    Events: ``loaded`` ``{pairs, stations, version}``; ``failed`` ``{status, detail}``; ``shown``, the pair that is marked:
    ``{name, label, distance_km, azimuth_deg, days, windows, snr}``, or null; ``pick`` (name of a pair); ``source`` (NET.STA);
    ``hint`` (what a click on the map will do).
    """

    def __init__(self, stations: Map, table: PairTable, picture: Picture) -> None:
        """``stations`` shows stations and pairs, ``table`` lists the pairs; clicks in ``picture`` choose the nearest."""
        super().__init__()
        self._props |= {"map": stations.id, "table": table.id}
        for element, event, method in (
            (stations, "pick", "picked_on_map"),
            (stations, "nothing", "disarm"),
            (table, "pick", "picked"),
            (table, "hover", "hovered"),
            (picture, "pick", "picked_in_picture"),
        ):
            element.on(event, js_handler=f"(event) => getElement({self.id}).{method}(event)")
