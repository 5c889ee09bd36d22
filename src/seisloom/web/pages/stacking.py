"""The page Stacking."""

from __future__ import annotations

from fastapi import Request
from nicegui import ui

from seisloom.web.layout import Context, frame


def register(context: Context) -> None:
    """Make the page at /stacking."""

    @ui.page("/stacking")
    async def _page(request: Request) -> None:
        with frame("/stacking", "Stacking"):
            ui.label("No finished job yet.").classes("sl-empty")
