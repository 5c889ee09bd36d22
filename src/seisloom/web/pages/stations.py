"""The page Map."""

from __future__ import annotations

from fastapi import Request
from nicegui import ui

from seisloom.web.layout import Context, frame


def register(context: Context) -> None:
    """Make the page at /."""

    @ui.page("/")
    async def _page(request: Request) -> None:
        with frame("/", "Map"):
            ui.label("No stations yet. Choose a source and press Query.").classes("sl-empty")
