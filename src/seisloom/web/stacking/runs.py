"""Stacks of whole jobs, made in the background and stored with the job: one at a time a job."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from seisloom.errors import SeisloomError
from seisloom.jobs import JobStateError, NoSuchJobError
from seisloom.noise.archive import STACKS, stack_names
from seisloom.noise.stacking import stack_correlations
from seisloom.storage import Storage
from seisloom.web.services import Services


@dataclass(frozen=True)
class StackRun:
    """How far the making of a stack is."""

    state: Literal["running", "done", "failed"]
    method: str
    period: str
    rotate: bool
    done: int = 0
    """Pairs that are stacked."""
    pairs: int = 0
    """Pairs in all; 0 until it has begun."""
    name: str = ""
    """Of the stored stack, when it is done."""
    message: str = ""
    """Why it failed."""


class StackRuns:
    """The runs of a server, the newest of each job."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._runs: dict[str, StackRun] = {}
        self._lock = threading.Lock()

    def of(self, job_id: str) -> StackRun | None:
        """The newest run of a job since the server started, None where there is none."""
        return self._runs.get(job_id)

    def start(self, job_id: str, method: str, options: Mapping[str, Any], period: str, rotate: bool) -> StackRun:
        """Begin to stack all pairs of a job; JobStateError while a stack of it is being made."""
        run = StackRun("running", method, period, rotate)
        with self._lock:
            before = self._runs.get(job_id)
            if before and before.state == "running":
                raise JobStateError(f"job {job_id}: its {before.method} stack is being made: wait until it is done")
            self._runs[job_id] = run
        threading.Thread(target=self._work, args=(job_id, run, dict(options)), daemon=True).start()
        return run

    def _work(self, job_id: str, run: StackRun, options: dict[str, Any]) -> None:
        url = f"{self._services.storage.url}/processed/{job_id}"

        def say(done: int, pairs: int) -> None:
            self._runs[job_id] = replace(run, done=done, pairs=pairs)

        try:
            name = stack_correlations(
                url, run.method, run.period, rotate=run.rotate, threads=1, progress=say, **options
            )
            pairs = self._runs[job_id].pairs
            self._runs[job_id] = replace(run, state="done", done=pairs, pairs=pairs, name=name)
        except SeisloomError as error:
            message = str(error).replace(self._services.storage.url, "the workspace")
            self._runs[job_id] = replace(run, state="failed", message=message)
        except Exception:
            self._runs[job_id] = replace(
                run, state="failed", message="an error of the program: see the server's output"
            )
            raise
        finally:
            self._clear_deleted(job_id)

    def _clear_deleted(self, job_id: str) -> None:
        """A job that was deleted meanwhile leaves nothing behind."""
        try:
            self._services.board.job(job_id)
        except NoSuchJobError:
            self._services.board.clear(job_id)


def stored_stacks(storage: Storage) -> list[dict[str, Any]]:
    """What the workspace says of each of its stacks: ``name``, ``method``, ``period``, ``made`` ..., newest first."""
    cards = [{"name": name} | (storage.get_json(f"{STACKS}/{name}.json") or {}) for name in stack_names(storage)]
    return sorted(cards, key=lambda card: str(card.get("made", "")), reverse=True)
