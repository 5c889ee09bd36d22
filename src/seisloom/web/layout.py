"""What all pages share: the header with the four steps, colours, and how a page comes by the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import FastAPI, Request
from nicegui import ui

from seisloom.web.access import COOKIE_PREFIX
from seisloom.web.client import Api
from seisloom.web.services import Services
from seisloom.web.session import session_of

STEPS = (
    ("/", "Map", "map", ""),
    ("/xcor", "XCor", "tune", "correlation"),
    ("/stacking", "Stacking", "layers", ""),
    ("/catalogue", "Catalogue", "public", "association"),
)
"""Path, name, icon of the pages, and the kind of the jobs that are launched there."""
THEME = "seisloom_theme"
"""The cookie by which a browser remembers whether light or dark was chosen; without it the system decides."""
THEMES = {"dark": True, "light": False}


COLOURS = {
    "primary": "#2f5d8a", "secondary": "#5b6b7a", "accent": "#c1440e", "positive": "#2e7d5b", "negative": "#b3261e",
    "dark": "#20272e", "dark_page": "#14191e",
}  # fmt: skip


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
    cookies = ui.context.client.request.cookies
    ui.page_title(f"{title} · seisloom")
    ui.add_head_html('<link rel="stylesheet" href="static/style.css"><script src="static/frame.js"></script>')
    ui.colors(**COLOURS)
    ui.dark_mode(THEMES.get(cookies.get(THEME, "")))
    with ui.header(elevated=False).classes("sl-header"):
        ui.link("Skip to the content", "#sl-main").classes("sl-skip")
        ui.link("seisloom", "/").classes("sl-brand").props('aria-hidden=true tabindex="-1"')
        with ui.element("nav").classes("sl-steps").props('aria-label="Steps"'):
            for target, name, icon, kind in STEPS:
                _step(target, name, icon, kind, here=target == path)
        with ui.element("div").classes("sl-tools"):
            _tools(logged_in=any(name.startswith(COOKIE_PREFIX) for name in cookies))
    with ui.column().classes("sl-main").props('id=sl-main tabindex="-1"'):
        yield


def _step(target: str, name: str, icon: str, kind: str, here: bool) -> None:
    """The link to a page; static/frame.js shows beside it how many jobs of its kind run."""
    with ui.link(target=target).classes("sl-step" + (" sl-here" if here else "")) as link:
        ui.icon(icon).props("aria-hidden=true")
        ui.label(name)
        if kind:
            ui.element("span").classes("sl-count").props(f"data-kind={kind} role=status")
    if here:
        link.props('aria-current="page"')


def _tools(logged_in: bool) -> None:
    button = ui.button(icon="contrast", color=None).props("flat round").classes("sl-tool")
    button.props('aria-label="Light or dark"').tooltip("Light or dark")
    button.on("click", js_handler="() => seisloom.switchTheme()")
    if logged_in:
        with ui.element("form").props("method=post action=logout"):
            leave = ui.button(icon="logout", color=None).props('flat round type=submit aria-label="Log out"')
            leave.classes("sl-tool").tooltip("Log out")
