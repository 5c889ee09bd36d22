"""Errors as JSON: ``{"detail": "what is wrong and what to do", "faults": [...]}``, without paths of this machine."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

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


def add_error_handlers(api: FastAPI) -> None:
    """Answer errors that users can mend in words."""
    api.add_exception_handler(SeisloomError, _answer)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    status = next(code for kind, code in STATUS if isinstance(error, kind))
    faults = error.faults if isinstance(error, SettingsError) else []
    text = str(error).replace(request.app.state.services.storage.url, "the workspace")
    return JSONResponse({"detail": text, "faults": faults}, status)
