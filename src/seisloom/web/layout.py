"""What all pages share: the header with the four steps, colours, and how a page comes by the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import FastAPI, Request
from nicegui import ui

from seisloom.web.client import Api
from seisloom.web.services import Services
from seisloom.web.session import session_of

STEPS = (
    ("/", "Map", "map"),
    ("/xcor", "XCor", "tune"),
    ("/stacking", "Stacking", "layers"),
    ("/catalogue", "Catalogue", "public"),
)
"""Path, name, icon of the pages."""


@dataclass(frozen=True)
class Context:
    """What pages are made from."""

    services: Services
    api: FastAPI

    def client(self, request: Request) -> Api:
        """The API as the browser that sent this request sees it."""
        return Api(self.api, session_of(request))


@contextmanager
def frame(path: str, title: str) -> Iterator[None]:
    """Header and main area of the page at ``path``."""
    ui.page_title(f"{title} · seisloom")
    ui.add_head_html('<link rel="stylesheet" href="/static/style.css">')
    ui.colors(primary="#2f5d8a", secondary="#5b6b7a", accent="#c1440e", positive="#2e7d5b", negative="#b3261e")
    dark = ui.dark_mode(None)
    with ui.header(elevated=False).classes("sl-header"):
        ui.label("seisloom").classes("sl-brand")
        with ui.row().classes("sl-steps").props('role=navigation aria-label="Steps"'):
            for target, name, icon in STEPS:
                link = ui.link(target=target).classes("sl-step" + (" sl-here" if target == path else ""))
                if target == path:
                    link.props('aria-current="page"')
                with link:
                    ui.icon(icon)
                    ui.label(name)
        ui.space()
        button = ui.button(icon="contrast", on_click=lambda: dark.set_value(not dark.value)).props("flat round dense")
        button.props('aria-label="Light or dark"').tooltip("Light or dark")
    with ui.column().classes("sl-main"):
        yield
