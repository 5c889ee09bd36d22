"""The page XCor."""

from __future__ import annotations

from fastapi import Request
from nicegui import ui

from seisloom.web.layout import Context, frame


def register(context: Context) -> None:
    """Make the page at /xcor."""

    @ui.page("/xcor")
    async def _page(request: Request) -> None:
        with frame("/xcor", "XCor"):
            ui.label("Save channels on the map first.").classes("sl-empty")
