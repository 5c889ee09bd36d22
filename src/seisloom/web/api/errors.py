"""Errors as JSON: ``{"detail": "what is wrong and what to do", "faults": [...]}``, without paths of this machine."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seisloom.errors import InputError, NoDataError, SeisloomError, SettingsError, SourceError, WorkspaceError
from seisloom.jobs import JobStateError, NoSuchJobError
from seisloom.jobs.limits import LimitError

# The first class that fits counts.
STATUS: tuple[tuple[type[SeisloomError], int], ...] = (
    (NoSuchJobError, 404),
    (JobStateError, 409),
    (LimitError, 422),
    (InputError, 422),
    (NoDataError, 404),
    (SourceError, 502),
    (WorkspaceError, 404),
    (SeisloomError, 500),
)
_log = logging.getLogger(__name__)


class ErrorBody(BaseModel):
    """What every refusal looks like."""

    detail: str = Field(description="what is wrong, and what to do", examples=["there is no job 5f2c"])
    faults: list[str] = Field(
        default=[],
        description="one sentence for each fault of what was sent, beginning with its name",
        examples=[["freqmax 6 Hz is above the Nyquist frequency 5 Hz of fs 10 Hz: use freqmax <= 5"]],
    )


REFUSAL = {"application/json": {"schema": {"$ref": f"#/components/schemas/{ErrorBody.__name__}"}}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    422: {"content": REFUSAL, "description": "What was sent cannot be used"},
    "default": {"content": REFUSAL, "description": "Any other refusal"},
}
"""Of every route, in its description; always JSON, whatever its other answers are."""


def add_error_handlers(api: FastAPI) -> None:
    """Answer everything that can go wrong in words, as :class:`ErrorBody`."""
    api.add_exception_handler(SeisloomError, _refused)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _http)
    api.add_middleware(_Unforeseen)


def error_response(
    status: int, detail: str, faults: list[str] | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer with an :class:`ErrorBody`."""
    # In ASCII: what was sent, and is told here, may hold what has no form in UTF-8.
    content = json.dumps({"detail": detail, "faults": faults or []})
    return Response(content, status, headers=dict(headers or {}), media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    services = request.app.state.services
    status = next(code for kind, code in STATUS if isinstance(error, kind))
    if isinstance(error, WorkspaceError) and error.__cause__ is not None:
        status = 503  # the store itself failed
    if status >= 500:
        _log.warning("%s %s: %s", request.method, request.url.path, error)
    faults = error.faults if isinstance(error, SettingsError) else []
    return error_response(status, services.discreet(str(error)), [services.discreet(f) for f in faults])


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = list(_faults(error))
    return error_response(422, "; ".join(faults), faults)


def _faults(error: RequestValidationError) -> Iterator[str]:
    """A sentence for each fault; settings that contradict one another bring their own."""
    for fault in error.errors():
        cause = fault.get("ctx", {}).get("error")
        if isinstance(cause, SettingsError):
            yield from cause.faults
        else:
            name = ".".join(map(str, fault["loc"][1:])) or str(fault["loc"][0])
            yield f"{name[:200]}: {fault['msg'][:1].lower()}{fault['msg'][1:]}"


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: f"there is nothing at {request.url.path[:200]}", 405: f"{request.method} is not possible here"}
    standard = error.detail in ("Not Found", "Method Not Allowed")
    return error_response(
        error.status_code, words[error.status_code] if standard else error.detail, headers=error.headers
    )


class _Unforeseen:
    """Answers what nobody foresaw with a number, under which the log has the rest."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception:
            number = secrets.token_hex(4)
            _log.exception("error %s at %s %s", number, scope.get("method"), scope.get("path"))
            if begun:  # too late for words: the connection breaks
                raise
            detail = f"something went wrong here; whoever runs this service finds it in the log as error {number}"
            await error_response(500, detail)(scope, receive, send)
