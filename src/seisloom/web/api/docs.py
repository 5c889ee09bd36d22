"""The description of the API: /api/openapi.json, and /api/docs to read it and try it out, without any other host."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import swagger_ui_bundle
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse, HTMLResponse, Response

from seisloom.web.api.errors import REFUSAL, ErrorBody

router = APIRouter(prefix="/docs", include_in_schema=False)

TAGS = [
    {"name": "channels", "description": "Where records come from, what channels there are, and when they have data."},
    {"name": "saved channels", "description": "What this session has chosen (a cookie tells sessions apart)."},
    {"name": "base map", "description": "Coasts and borders."},
    {
        "name": "settings",
        "description": "Settings of correlations: what there is, what is wrong, what a job will take.",
    },
    {"name": "jobs", "description": "Put a job on the board, follow it, cancel, retry, delete."},
    {"name": "files", "description": "The files of a job, one by one or in one archive."},
    {"name": "correlations", "description": "Results of correlations: pairs, figures, data, stacks."},
    {"name": "association", "description": "Association jobs, and the files that they are made from."},
    {"name": "catalogues", "description": "Results of associations: events, picks, figures, files."},
]
DESCRIPTION = """\
Everything that the pages of the app do. Times are ISO 8601 in UTC, places in degrees (WGS84), distances in km; a
rectangle across ±180° has its western side greater than its eastern.

Refusals are `{"detail": "what is wrong and what to do", "faults": [...]}`. Where the server asks for an access token, send
it as `Authorization: Bearer TOKEN`. Saved channels belong to the cookie `seisloom_session`, which every answer to a caller
without one sets.
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>API · seisloom</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body><div id="page"></div><script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body>
</html>
"""
# This edition of Swagger UI refuses a description that says it is of OpenAPI 3.1, and shows it well if it does not.
_START = """\
fetch("openapi.json")
  .then((answer) => answer.json())
  .then((spec) => {
    window.ui = SwaggerUIBundle({
      spec: { ...spec, openapi: "3.0.3" },
      dom_id: "#page",
      deepLinking: true,
      defaultModelsExpandDepth: 0,
      presets: [SwaggerUIBundle.presets.apis],
      layout: "BaseLayout",
    });
  });
"""
_FILES = Path(swagger_ui_bundle.swagger_ui_path)


@router.get("")
def page() -> HTMLResponse:
    """The description, to read and try out."""
    return HTMLResponse(_PAGE)


@router.get("/start.js")
def start() -> Response:
    """What the page begins with."""
    return Response(_START, media_type="text/javascript")


@router.get("/{name}")
def swagger(name: str) -> Response:
    """The two files of Swagger UI that the page needs."""
    if name not in ("swagger-ui.css", "swagger-ui-bundle.js"):
        return Response(status_code=404)
    return FileResponse(_FILES / name, headers={"Cache-Control": "max-age=86400"})


def describe(api: FastAPI) -> None:
    """Have openapi.json say how to show an access token, and what the tags mean."""

    def openapi() -> dict[str, Any]:
        if not api.openapi_schema:
            made = get_openapi(
                title=api.title,
                version=api.version,
                summary="Ambient-noise correlation and phase association for seismic networks",
                description=DESCRIPTION,
                routes=api.routes,
                tags=TAGS,
            )
            parts = made.setdefault("components", {})
            parts.setdefault("schemas", {})[ErrorBody.__name__] = ErrorBody.model_json_schema()
            for operation in (operation for path in made["paths"].values() for operation in path.values()):
                # The first sentence of a docstring says more than the name of its function.
                operation["summary"] = re.split(r"\.\s|\.$|\n\n", operation["description"])[0].replace("\n", " ")
                for status, answer in operation["responses"].items():
                    if status.startswith(("4", "5")):
                        answer.setdefault("content", REFUSAL)
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            made["security"] = [{}, {"token": []}]
            api.openapi_schema = made
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]
