"""The whole app: API and pages in one ASGI application."""

from __future__ import annotations

import secrets
from importlib.resources import files

from fastapi import FastAPI
from nicegui import app as nicegui_app
from nicegui import ui

from seisloom.web import layout
from seisloom.web.api import make_api
from seisloom.web.pages import catalogue, correlate, stacking, stations
from seisloom.web.services import Services
from seisloom.web.session import SessionMiddleware


def make_app(services: Services) -> FastAPI:
    """The application of a workspace. NiceGUI keeps its pages in the process, so there is one app a process."""
    api = make_api(services)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.mount("/api", api)
    nicegui_app.add_static_files("/static", str(files("seisloom.web") / "static"))
    context = layout.Context(services, api)
    for page in (stations, correlate, stacking, catalogue):
        page.register(context)
    ui.run_with(app, title="seisloom", storage_secret=secrets.token_hex(16), show_welcome_message=False, dark=None)
    app.add_middleware(SessionMiddleware)
    return app
