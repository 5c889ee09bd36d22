"""The page Map: channels are found, looked at, chosen and saved."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from nicegui import ui
from nicegui.events import GenericEventArguments

from seisloom.web.client import Api
from seisloom.web.components.style import add_style
from seisloom.web.elements.channel_table import ChannelTable
from seisloom.web.elements.map import Map
from seisloom.web.elements.query_form import PARAMETERS, QueryForm
from seisloom.web.elements.saved_panel import SavedPanel
from seisloom.web.elements.splitter import Splitter
from seisloom.web.elements.station_query import StationQuery
from seisloom.web.layout import Context, frame

EMPTY = "No stations yet. Choose a data source and press Query."
FAULTS = "Some fields cannot be used as they are."


def register(context: Context) -> None:
    """Make the page at /."""

    @ui.page("/")
    async def _page(request: Request) -> None:
        api = context.client(request)
        offers = await api.get("/sources")
        given = {name: request.query_params[name] for name in PARAMETERS if name in request.query_params}
        with frame("/", "Map"):
            _Page(api, offers, given)


class _Page:
    """Filters and saved channels at the left, map and table beside them."""

    def __init__(self, api: Api, offers: list[dict[str, Any]], given: dict[str, str]) -> None:
        add_style("map")
        self.given = given
        with ui.element("div").classes("sl-explore"):
            with ui.column().classes("sl-explore-side"):
                with ui.column().classes("sl-panel sl-query"):
                    self.form = QueryForm(
                        offers,
                        on_box=lambda box: self.map.set_box(box),
                        on_sides=lambda: self.map.run_method("show_box"),
                        on_enter=self.ask,
                        on_draw=lambda: self.map.run_method("draw_box", True),
                    )
                    self._buttons()
                self.saved = SavedPanel(api, lambda replace: self.query.run_method("save", replace))
            with ui.element("div").classes("sl-explore-main"):
                with ui.element("div").classes("sl-explore-map"):
                    self.map = Map("Map of the stations", box=True, remember="stations")
                Splitter("Share of map and table", "stations")
                self._table()
        self.query = StationQuery(self.map, self.table)
        self._listen()

    def _buttons(self) -> None:
        with ui.row().classes("sl-buttons"):
            self.button = ui.button("Query", icon="search", on_click=self.ask).props("no-caps unelevated")
            self.stop = ui.button("Cancel", on_click=lambda: self.query.run_method("cancel")).props("no-caps flat")
            self.stop.disable()
        self.status = ui.label("").classes("sl-status").props("role=status")

    def _table(self) -> None:
        with ui.element("div").classes("sl-explore-table"):
            with ui.row().classes("sl-table-bar"):
                ui.label("Channels").classes("sl-title")
                self.counts = ui.label("").classes("sl-muted")
                ui.space()
                self.all = ui.button("Select All").props("no-caps flat dense")
                self.none = ui.button("Select None").props("no-caps flat dense")
            with ui.element("div").classes("sl-table-frame"):
                self.table = ChannelTable("Channels found")
                self.empty = ui.label(EMPTY).classes("sl-empty sl-table-empty")
        for button, on in ((self.all, "true"), (self.none, "false")):
            button.on("click", js_handler=f"() => getElement({self.table.id}).choose({on})")
        self.found = self.shown = self.chosen = 0
        self._count()

    def _listen(self) -> None:
        self.map.on("ready", self._begin)
        self.map.on("box", lambda event: self.form.set_box(event.args))
        self.table.on("chosen", self._chosen, throttle=0.05)
        self.table.on("shown", self._shown, throttle=0.05)
        self.query.on("state", self._told)
        self.query.on("saved", lambda event: self.saved.saved(event.args))
        self.query.on("return", self.saved.refresh)

    async def _begin(self) -> None:
        """The browser is ready: run the query that the address holds."""
        if self.given:
            self.form.set(self.given)
            if self.form.check():
                self.query.run_method("run", self.form.parameters(), False)
        await self.saved.refresh()

    def ask(self) -> None:
        """Query, if the fields have no fault."""
        if not self.form.check():
            self._say(FAULTS, fault=True)
            return
        parameters = self.form.parameters()
        ui.navigate.history.replace(f"/?{urlencode(parameters)}")
        self.query.run_method("run", parameters, True)

    def _told(self, event: GenericEventArguments) -> None:
        told = event.args
        asking = told["state"] == "asking"
        self.button.props(add="loading" if asking else "", remove="" if asking else "loading")
        self.stop.set_enabled(asking)
        if asking:
            self._say("Asking …", "Asking …")
            return
        if told["state"] == "found":
            self.found = told["rows"]
            self._say(f"Found {_number(told['channels'], 'channel')} at {_number(told['stations'], 'station')}.")
        elif told["state"] == "failed":
            self.found = 0
            others = self.form.show_faults(told["faults"] or [told["detail"]])
            short = "Nothing found." if told["status"] == 404 else "The query failed."
            self._say(short if others else FAULTS, " ".join(others) or FAULTS, fault=True)
        else:
            self._say("Cancelled.", EMPTY)
        self._count()

    def _say(self, words: str, over_table: str = "", fault: bool = False) -> None:
        """Words below the button, and longer ones where the table has no rows."""
        self.status.set_text(words)
        if over_table:
            self.empty.set_text(over_table)
        for label in (self.status, self.empty):
            label.classes(add="sl-fault" if fault else "", remove="" if fault else "sl-fault")

    def _chosen(self, event: GenericEventArguments) -> None:
        self.chosen = event.args
        self.saved.choose(self.chosen)
        self._count()

    def _shown(self, event: GenericEventArguments) -> None:
        self.shown = event.args
        self._count()

    def _count(self) -> None:
        """What is found, shown and checked."""
        rows = f"{self.shown:,} of {self.found:,} rows" if self.shown != self.found else f"{self.found:,} rows"
        self.counts.set_text(f"{rows}, {self.chosen:,} selected" if self.found else "")
        self.empty.set_visibility(not self.found)
        self.all.set_enabled(self.shown > 0)
        self.none.set_enabled(self.chosen > 0)


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
