"""The page Catalogue: picks become earthquakes, to be looked at, filtered and taken away."""

from __future__ import annotations

from fastapi import Request
from nicegui import ui

from seisloom.web.catalogue.job_form import AssociationForm
from seisloom.web.catalogue.views import FILTERS, CatalogueMap, EventPanel, EventTable
from seisloom.web.client import Api
from seisloom.web.components.jobs import JobList, JobPanel
from seisloom.web.components.style import add_style
from seisloom.web.elements.map import Map
from seisloom.web.elements.splitter import Splitter
from seisloom.web.layout import Context, frame

EMPTY = "No catalogues yet. Choose picks, stations and a velocity model, or try the example."


def register(context: Context) -> None:
    """Make the page at /catalogue; ``?job=ID&event=N`` shows a catalogue and one event, with filters."""

    @ui.page("/catalogue")
    async def _page(request: Request) -> None:
        api, given = context.client(request), request.query_params
        saved = (await api.get("/saved"))["count"]
        with frame("/catalogue", "Catalogue"):
            page = _Page(api, saved)
        await ui.context.client.connected()
        number = given.get("event", "")
        filters = {name: given[name] for name in FILTERS if given.get(name)}
        page.show(given.get("job", ""), int(number) if number.isdecimal() else None, filters)


class _Page:
    """Jobs and form at the left; map, one event, and the table beside them."""

    def __init__(self, api: Api, saved: int) -> None:
        add_style("map")
        add_style("catalogue")
        with ui.element("div").classes("sl-explore ct-page"):
            side = ui.column().classes("sl-explore-side")
            with ui.element("div").classes("sl-explore-main ct-main") as self.main:
                with ui.element("div").classes("ct-top"):
                    with ui.element("div").classes("sl-explore-map"):
                        self.map = Map("Map of the events", box=True, remember="")
                    EventPanel()
                Splitter("Share of map and table", "catalogue")
                with ui.element("div").classes("sl-explore-table"):
                    self.table = EventTable("Events")
            CatalogueMap(self.map)
        self.map.on("box", lambda event: self._boxed(event.args))
        with side:
            self._side(api, saved)

    def _side(self, api: Api, saved: int) -> None:
        with ui.column().classes("sl-panel"):
            with ui.row().classes("ct-head"):
                ui.label("Catalogues").classes("sl-title")
                ui.space()
                self.new = ui.button("New", icon="add", on_click=lambda: self.show("")).props("flat dense no-caps")
            self.jobs = JobList("association", EMPTY, self.show)
            # On a phone the list says enough, and what is long waits below it.
            self.about = ui.button("About this job", icon="info").props("flat dense no-caps").classes("ct-about")
        with ui.column().classes("sl-panel ct-form") as self.form_panel:
            self.form = AssociationForm(api, saved, self.map, self._launched)
        with ui.column().classes("sl-panel ct-job") as self.job_panel:
            self.job = JobPanel("association", [], "Choose a catalogue.", lambda: self.show(""))
        self.about.on_click(lambda: self.job_panel.classes(toggle="ct-open"))

    def show(self, job_id: str, event: int | None = None, filters: dict[str, str] | None = None) -> None:
        """Show a job, or the form of a new one for ""."""
        self.shown = job_id
        self.jobs.choose(job_id)
        self.job.show(job_id)
        self.form_panel.set_visibility(not job_id)
        self.job_panel.set_visibility(bool(job_id))
        self.new.set_visibility(bool(job_id))
        self.about.set_visibility(bool(job_id))
        self.main.classes(add="" if job_id else "ct-new", remove="ct-new" if job_id else "")
        self.table.open(job_id, event, filters)
        if not job_id:
            self.form.show_on_map()

    def _boxed(self, box: list[float] | None) -> None:
        """The rectangle is the region of a new job; of a catalogue it is a filter, of which the table takes care."""
        if not self.shown:
            self.form.set_box(box)

    async def _launched(self, job_id: str) -> None:
        self.jobs.refresh()
        self.show(job_id)
