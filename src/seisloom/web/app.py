"""The whole app: API and pages in one ASGI application."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from nicegui import app as nicegui_app
from nicegui import ui
from starlette.middleware.gzip import GZipMiddleware

from seisloom.web import layout
from seisloom.web.access import Access
from seisloom.web.api import make_api
from seisloom.web.pages import catalogue, correlate, login, stacking, stations
from seisloom.web.security import Guard
from seisloom.web.services import Services
from seisloom.web.session import SessionMiddleware

STATIC = Path(str(files("seisloom.web") / "static"))


def make_app(services: Services, hosts: Iterable[str] = (), names: Iterable[str] = ()) -> FastAPI:
    """The application of a workspace; ``hosts`` are names of the machine, ``names`` are those by which a proxy is reached.

    NiceGUI keeps its pages in the process, so there is one app a process.
    """
    api = make_api(services)
    access = Access(services.token) if services.token else None
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.mount("/api", api)
    if access:
        app.include_router(login.login_router(access))
    nicegui_app.add_static_files("/static", STATIC, max_cache_age=0)
    context = layout.Context(services, api)
    for page in (stations, correlate, stacking, catalogue):
        page.register(context)
    ui.run_with(
        app,
        title="seisloom",
        favicon=STATIC / "favicon.svg",
        storage_secret=secrets.token_hex(16),
        show_welcome_message=False,
        dark=None,
        language="en-GB",
        reconnect_timeout=30.0,  # a browser that draws very many events is silent for a while
        # The frame and its scripts are a megabyte: packed a little in no time, not as much as can be.
        gzip_middleware_factory=lambda app: GZipMiddleware(app, compresslevel=2),
    )
    app.add_middleware(SessionMiddleware)
    app.add_middleware(Guard, hosts=hosts, names=names, access=access, upload_mb=services.limits.upload_mb)
    return app
