"""The page Stacking: pairs of a job are chosen on map, table or picture; their stacks are drawn as one sets them."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import quote

from fastapi import Request
from nicegui import ui
from nicegui.events import GenericEventArguments

from seisloom.web.client import Api, ApiError
from seisloom.web.components.jobs import JobPanel
from seisloom.web.components.style import add_style
from seisloom.web.elements.map import Map
from seisloom.web.elements.pair_explorer import PairExplorer
from seisloom.web.elements.pair_table import PairTable
from seisloom.web.elements.picture import Picture
from seisloom.web.layout import Context, frame
from seisloom.web.pages.stacking_downloads import Downloads
from seisloom.web.pages.stacking_settings import Settings
from seisloom.web.pages.stacking_state import VIEWS, State
from seisloom.web.pages.stacking_store import StackStore

POLL_S = 2.0
LIVE = ("waiting", "running")


def register(context: Context) -> None:
    """Make the page at /stacking; ``?job=ID&pair=...`` and the other parameters of the figures show a picture."""

    @ui.page("/stacking")
    async def _page(request: Request) -> None:
        api = context.client(request)
        state = State.read(request.query_params, request.query_params.getlist("set"))
        jobs = await api.get("/jobs", kind="correlation")
        with frame("/stacking", "Stacking"):
            add_style("stacking")
            if not jobs:
                _no_job()
                return
            page = _Page(api, state)
            await page.build(jobs)
        await ui.context.client.connected()
        await page.begin()


def _no_job() -> None:
    with ui.column().classes("sl-panel st-none"):
        ui.icon("layers", size="3rem").classes("sl-muted")
        ui.label("No correlations yet").classes("sl-title")
        ui.label("Choose channels on the map and launch a correlation. Its stacks appear here as days finish.").classes(
            "sl-muted"
        )
        with ui.row():
            ui.button("Choose channels", icon="map", on_click=lambda: ui.navigate.to("/")).props("no-caps unelevated")
            ui.button("Launch", icon="tune", on_click=lambda: ui.navigate.to("/xcor")).props("no-caps outline")


class _Page:
    """Jobs at the top; map and table at the left; settings and the picture at the right."""

    def __init__(self, api: Api, state: State) -> None:
        self.api, self.state = api, state
        self.version = self._first = self._address = ""
        self.shown: dict[str, Any] | None = None
        self._busy = False
        self._drawing = False
        self._switching = False

    async def build(self, jobs: list[dict[str, Any]]) -> None:
        """Make all elements."""
        known = {job["id"]: job for job in jobs}
        if not self.state.job:
            self.state.job = next((job["id"] for job in jobs if job["state"] == "done"), jobs[0]["id"])
        methods = await self.api.get(f"/jobs/{jobs[0]['id']}/stacking-methods")
        self._head(known)
        with ui.element("div").classes("st-page") as self._content:
            with ui.element("div").classes("st-side"):
                with ui.element("div").classes("st-map"):
                    self.map = Map("Stations and pairs", remember="stacking")
                self._hint = ui.label().classes("sl-muted st-hint").props("role=status")
                with ui.element("div").classes("st-table"):
                    self.table = PairTable("Pairs")
            with ui.element("div").classes("st-main"), ui.element("div").classes("sl-panel st-card"):
                bar = self._tabs()
                self.settings = Settings(methods, self._changed)
                with bar:
                    self.settings.add_switch()
                    self.downloads = Downloads(self.api, lambda: self.state)
                self._store = StackStore(self.api, self._stored)
                self.picture = Picture("Picture of the correlations")
                self._title = ui.label().classes("sl-muted st-title")
        self.explorer = PairExplorer(self.map, self.table, self.picture)
        with ui.column().classes("sl-panel") as self._waiting:
            self._panel = JobPanel("correlation", [], "Choose a job above.", lambda: None)
        self._content.set_visibility(False)
        self._waiting.set_visibility(False)
        self._listen()

    def _head(self, known: dict[str, dict[str, Any]]) -> None:
        with ui.element("div").classes("st-head"):
            choices = {job_id: job["name"] or job_id for job_id, job in known.items()}
            if self.state.job not in choices:
                choices[self.state.job] = self.state.job
            self._job = ui.select(choices, value=self.state.job, label="Job", with_input=len(choices) > 8).classes(
                "st-job"
            )
            self._job.props("outlined dense options-dense behavior=menu").on_value_change(self._other_job)
            self._about = ui.label().classes("sl-muted st-about-job").props("role=status")
            ui.space()
            self._whole = ui.button("Whole job", icon="folder_zip").props("flat no-caps tag=a")
            self._whole.tooltip("All files of the job as one ZIP archive")

    def _tabs(self) -> ui.element:
        """The row above the settings, which gets what they need of it."""
        with ui.element("div").classes("st-bar") as bar:
            with ui.tabs().props("no-caps dense inline-label align=left") as self.tabs:
                for name, label in VIEWS.items():
                    ui.tab(name, label=label)
            self.tabs.set_value(self.state.view)
            ui.space()
        return bar

    def _listen(self) -> None:
        self.tabs.on_value_change(lambda event: self._view(event.value))
        self.explorer.on("shown", self._marked)
        self.explorer.on("pick", lambda event: self._pick(event.args))
        self.explorer.on("source", lambda event: self._source(event.args))
        self.explorer.on("hint", lambda event: self._hint.set_text(event.args))
        self.explorer.on("failed", lambda event: self._about.set_text(event.args["detail"]))
        self.picture.on("drawn", self._drawn)
        self.picture.on("failed", self._failed)
        ui.timer(POLL_S, self._poll)

    async def begin(self) -> None:
        """Open the job of the address."""
        await self._open()

    async def _open(self) -> None:
        """Ask what there is of the job, and show it, or how far it is."""
        self.version = ""
        self._whole.set_visibility(True)
        self._whole.props["href"] = f"api/jobs/{quote(self.state.job, safe='')}/archive"
        await self._poll(first=True)

    async def _poll(self, first: bool = False) -> None:
        """Follow a job that is under way: days as they finish, its end."""
        if self._busy or not self.state.job or (not first and self._settled):
            return
        self._busy = True
        try:
            await self._refresh()
        finally:
            self._busy = False

    @property
    def _settled(self) -> bool:
        """Whether nothing more is to come by itself."""
        return bool(self.version) and self._job_state not in LIVE

    _job_state = ""

    async def _refresh(self) -> None:
        path = f"/jobs/{quote(self.state.job, safe='')}"
        try:
            made = await self.api.get(f"{path}/correlations")
        except ApiError as refused:
            await self._nothing(path, refused)
            return
        self._job_state = made["state"]
        self._content.set_visibility(True)
        self._waiting.set_visibility(False)
        self._tell(made)
        if made["version"] == self.version or (self._drawing and self.version):
            return
        another = not self.version
        self.version = made["version"]
        if another:
            stations = [row["station"] for row in await self.api.get(f"{path}/stations")]
            self._settle(made, stations)
        self.settings.offer_stacks(await self._store.stacks(self.state.job))
        self.settings.fill(self.state)
        self.explorer.run_method("load", self.state.job, self.state.explorer())
        if another:
            self._draw()
        else:
            self._drawing = True
            self.picture.reload()

    async def _nothing(self, path: str, refused: ApiError) -> None:
        """No correlations yet: how far the job is, or that there is none."""
        self._content.set_visibility(False)
        try:
            job = await self.api.get(path)
        except ApiError as error:
            self._about.set_text(f"{str(error).capitalize()}: choose another.")
            self._whole.set_visibility(False)
            self._waiting.set_visibility(False)
            self._job_state, self.version = "gone", "none"
            return
        self._job_state = job["state"]
        self._panel.show(self.state.job)
        self._waiting.set_visibility(True)
        live = job["state"] in LIVE
        self._about.set_text(
            "No day is finished yet. Pictures appear here when the first one is." if live else str(refused)
        )

    def _tell(self, made: dict[str, Any]) -> None:
        """What there is of the job, in a line."""
        days = (
            f"{made['days_done']:,} of {_days(made):,} days"
            if made["state"] in LIVE
            else _number(made["days_done"], "day")
        )
        live = " · running" if made["state"] == "running" else ""
        self._about.set_text(
            f"{_number(made['pairs'], 'pair')} of {_number(made['stations'], 'station')}, {days}{live}"
        )

    def _settle(self, made: dict[str, Any], stations: list[str]) -> None:
        """What the address leaves open: component and source."""
        values = self.state.values
        if values["component"].upper() not in made["components"]:
            values["component"] = "ZZ" if "ZZ" in made["components"] else made["components"][0]
        values["component"] = values["component"].upper()
        self._first = stations[0] if stations else ""
        self._need_source()
        self.settings.offer(made, stations)

    def _marked(self, event: GenericEventArguments) -> None:
        """The pair that map and table mark; where the address names none, it is the best."""
        self.shown = event.args
        if self.shown and not self.state.values["pair"]:
            self.state.values["pair"] = self.shown["name"]
        self._draw()

    def _need_source(self) -> None:
        """A virtual shot without a source is that of the first station of the pair."""
        values = self.state.values
        if self.state.view == "virtual-shot" and not values["station"]:
            values["station"] = self.shown["stations"][0] if self.shown else self._first

    def _pick(self, name: str) -> None:
        """A pair was chosen on map, table or picture."""
        self.state.values["pair"] = name
        if self.state.view != "correlogram":
            self._view("correlogram")
        else:
            self._changed()

    def _source(self, station: str) -> None:
        self.state.values["station"] = station
        self.settings.fill(self.state)
        self._changed()

    def _view(self, view: str) -> None:
        if view == self.state.view or view not in VIEWS:
            return
        self.state.view = view
        self._need_source()
        self.tabs.set_value(view)
        self.settings.fill(self.state)
        self._changed()

    def _changed(self) -> None:
        """A setting is another: map, table and picture follow."""
        self.explorer.run_method("show", self.state.explorer())
        self._draw()

    def _draw(self) -> None:
        ui.navigate.history.replace(self.state.address())
        self.downloads.update()
        self._title.set_text(self._words())
        if self.state.view == "correlogram" and not self.state.values["pair"]:
            return
        address = self.state.figure("png")
        if address != self._address:
            self._address, self._drawing = address, True
            self.picture.show(address, self._title.text)

    def _words(self) -> str:
        """What is shown, above the picture."""
        component = self.state.values["component"]
        if self.state.view == "record-section":
            return f"All pairs, {component}. A click opens the pair nearest in distance."
        if self.state.view == "virtual-shot":
            return f"Source {self.state.values['station']}, {component}. A click opens the pair nearest in distance."
        if not self.shown:
            return "No such pair" if self.state.values["pair"] else ""
        pair = self.shown
        parts = [pair["label"], component]
        parts += [f"{pair['distance_km']:.1f} km"] if pair["distance_km"] is not None else []
        parts += [f"azimuth {pair['azimuth_deg']:.0f}°"] if pair.get("azimuth_deg") is not None else []
        parts += [_number(pair["windows"], "window")]
        return " · ".join(parts)

    def _drawn(self, event: GenericEventArguments) -> None:
        self._drawing = False
        self.settings.fault("")
        self._store.told("")
        self.explorer.run_method("rate")

    def _failed(self, event: GenericEventArguments) -> None:
        self._drawing = False
        self.settings.fault(event.args["detail"])
        self._store.told(event.args["detail"], self.state)

    async def _stored(self, name: str) -> None:
        """A stack was stored with the job."""
        await self._refresh()

    async def _other_job(self) -> None:
        self.state.job = self._job.value
        for name in ("pair", "station", "component", "stack", "start", "end"):
            self.state.values[name] = ""
        self.shown = None
        ui.navigate.history.replace(self.state.address())
        await self._open()


def _days(made: dict[str, Any]) -> int:
    """Days that the archive has room for."""
    first, last = (made[name][:10] for name in ("first", "last"))
    return (date.fromisoformat(last) - date.fromisoformat(first)).days + 1


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
