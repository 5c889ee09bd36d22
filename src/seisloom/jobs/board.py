"""The board of a workspace: what jobs there are, who works at them, and how far they are.

    incoming/ID/            what is asked (seisloom.jobs.requests); any program may put it there
    jobs/ID/NNNNNN.json     events (seisloom.jobs.log)
    jobs/ID/progress.json   written again and again by whoever works at it: sign of life, and how far it is
    processed/ID/           what came of it

Only create-if-absent decides anything. A worker is taken for dead when its progress has not changed for ``stale_after_s``
by the clock of whoever looks, so that clocks need not agree. What it may still write then is the same as what its
successor writes, or lies in a place that only its own claim names.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seisloom.errors import InputError
from seisloom.jobs.log import TRANSITIONS, Event, Job, fold
from seisloom.storage import Storage

JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
STALE_AFTER_S = 30.0


class NoSuchJobError(InputError):
    """No job of that id."""


class JobStateError(InputError):
    """What was asked cannot be done in the state that the job is in."""


class Board:
    """Jobs of one workspace. Instances are used from several threads."""

    def __init__(self, storage: Storage, stale_after_s: float = STALE_AFTER_S) -> None:
        self.storage, self.stale_after_s = storage, stale_after_s
        self._events: dict[str, Event] = {}  # by key; they never change
        self._beats: dict[str, tuple[bytes | None, float]] = {}  # job: progress as last seen, and since when

    def submit(self, kind: str, name: str, files: Mapping[str, bytes], job_id: str | None = None) -> str:
        """Put a new job on the board: its files in ``incoming/ID/``, then the event that makes it one. Returns ID."""
        job_id = check_id(job_id) if job_id else secrets.token_hex(16)
        for file, data in files.items():
            self.storage.put(f"incoming/{job_id}/{file}", data)
        if not self._append(job_id, 0, "submitted", "", kind=kind, name=name):
            raise JobStateError(f"job {job_id}: there is one of this id already")
        return job_id

    def adopt(self, job_id: str, kind: str, name: str) -> bool:
        """Make a job of files that another program put in ``incoming/ID/``; False where it is one already."""
        return self._append(check_id(job_id), 0, "submitted", "found", kind=kind, name=name)

    def jobs(self) -> list[Job]:
        """All jobs that are not deleted, newest first."""
        by_id: dict[str, list[str]] = {}
        for key in self.storage.keys("jobs"):
            _, job_id, file = key.split("/", 2)
            if file[:1].isdigit():
                by_id.setdefault(job_id, []).append(key)
        jobs = [fold(job_id, self._read(keys)) for job_id, keys in by_id.items()]
        there = [job for job in jobs if job and job.state != "deleted"]
        return sorted(there, key=lambda job: job.submitted, reverse=True)

    def job(self, job_id: str) -> Job:
        """One job; NoSuchJobError where there is none, or it is deleted."""
        job = self._fold(check_id(job_id))
        if job is None or job.state == "deleted":
            raise NoSuchJobError(f"there is no job {job_id}")
        return job

    def progress(self, job_id: str) -> dict[str, Any]:
        """How far whoever works at a job is, empty where nobody has said yet."""
        return self.storage.get_json(f"jobs/{check_id(job_id)}/progress.json") or {}

    def cancel(self, job_id: str) -> Job:
        """Stop a job that waits or runs; what it has made stays."""
        return self._change(job_id, "cancelled", "nothing to cancel")

    def retry(self, job_id: str) -> Job:
        """Have an ended job done again; days that are done already are not done again."""
        return self._change(job_id, "retried", "it has not ended yet")

    def delete(self, job_id: str) -> None:
        """Remove a job with all that was asked and made; whoever works at it stops, and removes what it wrote meanwhile."""
        self._change(job_id, "deleted", "it is deleted already")
        self.clear(job_id)

    def clear(self, job_id: str) -> None:
        """Remove the objects of a deleted job; its events stay, so that nobody does it again."""
        for folder in ("incoming", "processed"):
            self.storage.delete(self.storage.keys(f"{folder}/{job_id}"))
        self.storage.delete([f"jobs/{job_id}/progress.json"])

    def claim(self, worker: str) -> Claim | None:
        """The job that has waited longest, or one whose worker is no longer heard of; None where there is nothing to do."""
        for job in reversed(self.jobs()):
            free = job.state == "waiting" or (job.state == "running" and self._stale(job))
            if free and self._append(job.id, job.number, "claimed", worker):
                return Claim(self, job, job.number + 1, worker)
        return None

    def release(self, worker: str) -> None:
        """Give back the jobs of a worker that is known to be dead, so that nobody has to wait until it is taken for so."""
        for job in self.jobs():
            if job.state == "running" and job.worker == worker:
                self._append(job.id, job.number, "released", worker)

    def _stale(self, job: Job) -> bool:
        now, beat = time.monotonic(), self.storage.get(f"jobs/{job.id}/progress.json")
        seen = (beat or b"") + str(job.number).encode()
        if self._beats.get(job.id, (None, 0.0))[0] != seen:
            self._beats[job.id] = (seen, now)
        return now - self._beats[job.id][1] > self.stale_after_s

    def _change(self, job_id: str, event: str, why_not: str) -> Job:
        while True:
            job = self.job(job_id)
            if event not in TRANSITIONS[job.state]:
                raise JobStateError(f"job {job_id} is {job.state}: {why_not}")
            if self._append(job_id, job.number, event, ""):
                return self._fold(job_id) or job

    def _append(self, job_id: str, number: int, event: str, by: str, **more: Any) -> bool:
        """Write the event after ``number``; False where another is there."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        data = {"event": event, "at": at, "by": by, **more}
        return self.storage.put_new(f"jobs/{job_id}/{number + 1:06d}.json", json.dumps(data).encode())

    def _fold(self, job_id: str) -> Job | None:
        keys = self.storage.keys(f"jobs/{job_id}")
        return fold(job_id, self._read(key for key in keys if key.rpartition("/")[2][:1].isdigit()))

    def _read(self, keys: Iterable[str]) -> list[Event]:
        for key in (keys := list(keys)):
            if key not in self._events:
                self._events[key] = self.storage.get_json(key)
        return [self._events[key] for key in keys]


@dataclass
class Claim:
    """The right to work at a job, until somebody else writes an event after ``number``, the claim's own."""

    board: Board
    job: Job
    number: int
    worker: str

    def beat(self, progress: Mapping[str, Any]) -> bool:
        """Say how far the work is (which must differ every time); False where the claim no longer holds."""
        if not self.holds():
            return False
        data = {**progress, "claim": self.number, "beat": time.time_ns()}
        self.board.storage.put(f"jobs/{self.job.id}/progress.json", json.dumps(data).encode())
        return True

    def holds(self) -> bool:
        """Whether nothing happened to the job since it was claimed."""
        return self.board.storage.get(f"jobs/{self.job.id}/{self.number + 1:06d}.json") is None

    def finish(self, result: Mapping[str, Any], message: str = "") -> bool:
        """The job is done; False where the claim no longer holds."""
        return self._end("finished", result=dict(result), message=message)

    def fail(self, message: str) -> bool:
        """The job cannot be done; False where the claim no longer holds."""
        return self._end("failed", message=message)

    def release(self) -> bool:
        """Give the job back unfinished; False where the claim no longer holds."""
        return self._end("released")

    def _end(self, event: str, **more: Any) -> bool:
        return self.board._append(self.job.id, self.number, event, self.worker, **more)


def check_id(job_id: str) -> str:
    """The id, if it can be one: it becomes part of object keys."""
    if not JOB_ID.fullmatch(job_id) or ".." in job_id:
        raise NoSuchJobError(
            f"{job_id[:100]!r} is no job id: letters, digits, dots, dashes and underscores, at most 100"
        )
    return job_id
