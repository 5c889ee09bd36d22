"""The page Catalogue."""

from __future__ import annotations

from fastapi import Request
from nicegui import ui

from seisloom.web.layout import Context, frame


def register(context: Context) -> None:
    """Make the page at /catalogue."""

    @ui.page("/catalogue")
    async def _page(request: Request) -> None:
        with frame("/catalogue", "Catalogue"):
            ui.label("No picks yet.").classes("sl-empty")
