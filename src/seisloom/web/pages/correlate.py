"""The page XCor: a new correlation job, and the jobs there are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from fastapi import Request
from nicegui import ui

from seisloom.web.components.jobs import JobList, JobPanel
from seisloom.web.components.style import add_style
from seisloom.web.layout import Context, frame
from seisloom.web.pages.correlate_form import JobForm

LINKS = [("Open in Stacking", "stacking?job={id}", "layers")]


def register(context: Context) -> None:
    """Make the page at /xcor; ``?job=ID`` shows a job."""

    @ui.page("/xcor")
    async def _page(request: Request, job: str = "") -> None:
        api = context.client(request)
        saved, offers, schema = await asyncio.gather(*map(api.get, ("/saved", "/sources", "/settings")))
        with frame("/xcor", "XCor"):
            add_style("xcor")
            with ui.element("div").classes("xc-page"):
                jobs = _Jobs()
                form = JobForm(api, saved, offers, schema, jobs.launched)
                with ui.column().classes("xc-side"):
                    form.add_forecast()
                    jobs.build(job, form.reuse)
        ui.timer(0, form.begin, once=True)  # when the browser is there


class _Jobs:
    """The list of jobs, and below it the one that is chosen."""

    def build(self, job: str, reuse: Callable[[str], Awaitable[None]]) -> None:
        """Make both; ``job`` is the id of the one that is shown first, "" for none."""
        with ui.column().classes("sl-panel"):
            ui.label("Jobs").classes("sl-title")
            self._list = JobList("correlation", "No jobs yet. They appear here when they are launched.", self.show)
        with ui.column().classes("sl-panel"):
            self._panel = JobPanel("correlation", LINKS, "Choose a job to see it here.", lambda: self.show(""), reuse)
        self._list.choose(job)
        self._panel.show(job)

    def show(self, job_id: str) -> None:
        """Show a job, also in the address, so that it can be shared."""
        self._list.choose(job_id)
        self._panel.show(job_id)
        ui.navigate.history.replace(f"xcor?job={quote(job_id)}" if job_id else "xcor")

    async def launched(self, job_id: str) -> None:
        """Show a job that was just launched."""
        self._list.refresh()
        self.show(job_id)
