"""The page XCor."""

from __future__ import annotations

from fastapi import Request
from nicegui import ui

from seisloom.web.components.jobs import JobList, JobPanel
from seisloom.web.layout import Context, frame


def register(context: Context) -> None:
    """Make the page at /xcor."""

    @ui.page("/xcor")
    async def _page(request: Request, job: str = "") -> None:
        with frame("/xcor", "XCor"):
            _jobs(job)


def _jobs(job: str) -> None:
    """The list of jobs, and the one that is chosen."""

    def show(job_id: str) -> None:
        jobs.choose(job_id)
        panel.show(job_id)
        ui.navigate.history.replace(f"/xcor?job={job_id}" if job_id else "/xcor")

    with ui.column().classes("sl-panel"):
        ui.label("Jobs").classes("sl-title")
        jobs = JobList("correlation", "No jobs yet.", show)
    with ui.column().classes("sl-panel"):
        panel = JobPanel(
            [("Open in Stacking", "/stacking?job={id}", "layers")], "Choose a job to see it here.", lambda: show("")
        )
    if job:
        jobs.choose(job)
        panel.show(job)
