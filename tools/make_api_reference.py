"""Rebuild docs/reference/api.md from the description that the API gives of itself.

    python tools/make_api_reference.py

tests/test_docs_api.py fails while the page says something else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seisloom.web.api import make_api
from seisloom.web.services import Services

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "api.md"
HEAD = """\
# API

The routes of a running app, under `/api`. [How to drive a job with them](../how-to/api.md) is a page of its own. A
running app has the whole description, with the types of every answer, at `/api/openapi.json`, and as a page
with forms at `/api/docs`. Parameters in brackets may be left out.
"""


def page() -> str:
    """The text of the page."""
    with tempfile.TemporaryDirectory() as folder:
        api = make_api(Services(folder)).openapi()
    tags = {tag["name"]: tag.get("description", "") for tag in api.get("tags", [])}
    by_tag: dict[str, list[str]] = {tag: [] for tag in tags}
    for path, methods in api["paths"].items():
        for method, route in methods.items():
            by_tag.setdefault(route["tags"][0], []).append(
                _row(method.upper(), path, route, api["components"]["schemas"])
            )
    return "\n".join(
        [HEAD, *(line for tag, rows in by_tag.items() if rows for line in _section(tag, tags.get(tag, ""), rows))]
    )


def _section(tag: str, description: str, rows: list[str]) -> Iterator[str]:
    yield f"## {tag.capitalize()}\n"
    if description:
        yield f"{description}\n"
    yield from ("| route | takes | what |", "|---|---|---|", *rows, "")


def _row(method: str, path: str, route: dict[str, Any], schemas: dict[str, Any]) -> str:
    takes = [_named(p["name"], p.get("required", False)) for p in route.get("parameters", []) if p["in"] == "query"]
    for kind, content in route.get("requestBody", {}).get("content", {}).items():
        schema = content["schema"]
        schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        needed = schema.get("required", [])
        what = "form" if "form" in kind else "JSON" if "json" in kind else kind
        keys = ", ".join(_named(name, name in needed) for name in schema.get("properties", {}))
        takes.append(f"{what}: {keys}" if keys else what)
    first = " ".join(route.get("description", "").split("\n\n")[0].split()).replace("|", r"\|").replace("``", "`")
    return f"| `{method} {path}` | {', '.join(takes) or '–'} | {first} |"


def _named(name: str, required: bool) -> str:
    return f"`{name}`" if required else f"[`{name}`]"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
