"""One attempt at a job, in an interpreter of its own: ``python -m seisloom.jobs.child``.

The worker writes one line of JSON (:class:`seisloom.jobs.task.Task`) to standard input and then a line from time to time; when these stay
away, because the worker has ended, hangs or cannot reach the store, the child ends at once, so that nobody works at
what another may have taken over. Lines of JSON on standard output: ``{"progress": {...}}`` again and again, and last one of
``{"result": {...}}``, ``{"failed": words}`` (doing it again would not help) or ``{"broken": words}`` (it might). Standard
error is the job's log.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from seisloom.compute import parse_slice
from seisloom.errors import SeisloomError, WorkspaceError
from seisloom.jobs import egress
from seisloom.jobs.limits import Limits
from seisloom.jobs.requests import CorrelationRequest, read_request
from seisloom.jobs.sources import Sources
from seisloom.jobs.task import ABANDONED, Task
from seisloom.storage import Storage

REPORT_S = 0.25
"""Shortest time between two reports of the same stage."""


def run(task: Task, out: TextIO) -> None:
    """Do the job by its kind, and say what came of it."""
    try:
        reports = Reports(out)
        result = _work(task, Storage(task.workspace), reports.send)
        reports.end()
        _say(out, {"result": result})
    except WorkspaceError as error:  # the store may be there again later
        _say(out, {"broken": str(error)})
    except SeisloomError as error:
        _say(out, {"failed": str(error)})
    except Exception as error:
        traceback.print_exc()
        _say(out, {"broken": f"{type(error).__name__}: {error}"})


def _work(task: Task, storage: Storage, report: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    request = read_request(storage, task.job_id)
    sources, limits = Sources(**task.sources), Limits(**task.limits)
    services = (task.claim, sources, limits, task.threads, task.memory_gb, report)
    if isinstance(request, CorrelationRequest):
        from seisloom.jobs import correlation

        part = parse_slice(task.part) if task.part else None
        return correlation.run(storage, task.job_id, request, *services, task.compute, part)
    from seisloom.jobs import association

    return association.run(storage, task.job_id, request, *services)


class Reports:
    """Passes progress on, not more often than anyone can look at; called from several threads."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._lock = out, threading.Lock()
        self._last: tuple[Any, ...] = ()
        self._at = 0.0
        self._held: dict[str, Any] | None = None

    def send(self, progress: dict[str, Any]) -> None:
        """How far the work is."""
        what, now = (progress.get("stage"), progress.get("day")), time.monotonic()
        with self._lock:
            self._held = progress
            if what != self._last or now - self._at >= REPORT_S:
                self._last, self._at = what, now
                self._pass_on()

    def end(self) -> None:
        """Pass the last report on, too."""
        with self._lock:
            self._pass_on()

    def _pass_on(self) -> None:
        if self._held is not None:
            _say(self._out, {"progress": self._held})
        self._held = None


def _say(out: TextIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


def end_with_worker(patience_s: float) -> None:
    """End this process when no sign of the worker came for so long, or its end of the pipe is closed."""
    while True:
        ready, _, _ = select.select([0], [], [], patience_s)
        if not ready or not os.read(0, 4096):
            os._exit(ABANDONED)


def main() -> None:
    """Read the task, watch the worker, work."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to the log
    with suppress(OSError):  # where memory runs out, this process is to be ended and not its worker
        Path("/proc/self/oom_score_adj").write_text("500")
    task = Task(**json.loads(_first_line()))
    sources = Sources(**task.sources)
    egress.install(sources.allow_private, sources.addresses())
    threading.Thread(target=end_with_worker, args=(task.patience_s,), daemon=True).start()
    run(task, out)
    os._exit(0)  # threads that some library left must not keep the job open


def _first_line() -> bytes:
    """Standard input up to the first newline, and no byte more, without a buffer that would swallow what follows."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece:
            sys.exit(ABANDONED)
        line += piece
    return line


if __name__ == "__main__":
    main()
