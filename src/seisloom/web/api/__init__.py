"""The REST interface: one router a subject, errors as JSON, its description at /api/openapi.json."""

from __future__ import annotations

from fastapi import FastAPI

from seisloom import __version__
from seisloom.web.api import (
    association,
    availability,
    basemap,
    catalogue_files,
    catalogues,
    channels,
    correlations,
    data,
    docs,
    estimate,
    figures,
    files,
    jobs,
    reports,
    saved,
    settings,
    sources,
    stacks,
)
from seisloom.web.api.docs import describe
from seisloom.web.api.errors import RESPONSES, add_error_handlers
from seisloom.web.services import Services

MODULES = (
    sources,
    channels,
    availability,
    settings,
    estimate,
    saved,
    basemap,
    jobs,
    reports,
    files,
    association,
    catalogues,
    catalogue_files,
    correlations,
    figures,
    data,
    stacks,
)


def make_api(services: Services) -> FastAPI:
    """The API of a workspace, to be mounted at /api; routes find the services in ``app.state``."""
    api = FastAPI(title="seisloom", version=__version__, docs_url=None, redoc_url=None)
    api.state.services = services
    add_error_handlers(api)
    api.include_router(docs.router)
    for module in MODULES:
        api.include_router(module.router, responses=RESPONSES)
    describe(api)
    return api
