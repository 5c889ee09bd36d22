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
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seisloom.errors import InputError
from seisloom.jobs.log import TRANSITIONS, Event, Job, fold
from seisloom.storage import Storage

JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
STALE_AFTER_S = 30.0
_EVENT_KEY = re.compile(r"jobs/([^/]+)/(\d{6})\.json")
_READERS = 16
"""Events that are read at once."""


class NoSuchJobError(InputError):
    """No job of that id."""


class JobStateError(InputError):
    """What was asked cannot be done in the state that the job is in."""


class Board:
    """Jobs of one workspace. Instances are used from several threads."""

    def __init__(self, storage: Storage, stale_after_s: float = STALE_AFTER_S) -> None:
        self.storage, self.stale_after_s = storage, stale_after_s
        self._events: dict[str, Event] = {}  # by key; they never change
        self._jobs: dict[str, Job] = {}  # as their events tell that were there when they were last asked for
        self._beats: dict[str, tuple[bytes | None, float]] = {}  # job: progress as last seen, and since when

    def submit(self, kind: str, name: str, files: Mapping[str, bytes], job_id: str | None = None) -> str:
        """Put a new job on the board: its files in ``incoming/ID/``, then the event that makes it one. Returns ID."""
        if job_id and self._fold(check_id(job_id)):
            raise JobStateError(f"job {job_id}: there is one of this id already")
        job_id = job_id or secrets.token_hex(16)
        for file, data in files.items():
            self.storage.put(f"incoming/{job_id}/{file}", data)
        self._append(job_id, 0, "submitted", "", kind=kind, name=name)  # or a worker found the files already
        return job_id

    def adopt(self, job_id: str, kind: str, name: str) -> bool:
        """Make a job of files that another program put in ``incoming/ID/``; False where it is one already."""
        return self._append(check_id(job_id), 0, "submitted", "found", kind=kind, name=name)

    def jobs(self) -> list[Job]:
        """All jobs that are not deleted, newest first."""
        there = [job for job in self.everything().values() if job.state != "deleted"]
        return sorted(there, key=lambda job: (job.submitted, job.id), reverse=True)

    def everything(self) -> dict[str, Job]:
        """All jobs by id, deleted ones too. Events are read and put together once, so asking again costs one listing."""
        by_id: dict[str, list[str]] = {}
        for key in self.storage.keys("jobs"):
            if match := _EVENT_KEY.fullmatch(key):
                by_id.setdefault(match[1], []).append(key)
        self._load(key for keys in by_id.values() for key in keys)
        jobs = {job_id: self._told(job_id, keys) for job_id, keys in by_id.items()}
        return {job_id: job for job_id, job in jobs.items() if job}

    def job(self, job_id: str) -> Job:
        """One job; NoSuchJobError where there is none, or it is deleted."""
        job = self._fold(check_id(job_id))
        if job is None or job.state == "deleted":
            raise NoSuchJobError(f"there is no job {job_id}")
        return job

    def progress(self, job_id: str) -> dict[str, Any]:
        """How far whoever works at a job is, empty where nobody has said yet."""
        data = self.storage.get(f"jobs/{check_id(job_id)}/progress.json")
        try:
            held = json.loads(data or b"{}")
        except ValueError:
            return {}
        return held if isinstance(held, dict) else {}

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

    def claim(self, worker: str, job_id: str | None = None) -> Claim | None:
        """The job that has waited longest, or one whose worker is no longer heard of; None where there is nothing to do.

        With ``job_id`` that one or none.
        """
        for job in reversed(self.jobs()):
            if job_id not in (None, job.id):
                continue
            free = job.state == "waiting" or (job.state == "running" and self._stale(job))
            if free and (claim := self._claim(job, worker)):
                return claim
        return None

    def note(self, job: Job, event: str, by: str, **more: Any) -> bool:
        """Write an event of a job that nobody holds a claim to; False where something else has happened meanwhile."""
        return self._append(job.id, job.number, event, by, **more)

    def release(self, worker: str) -> None:
        """Give back the jobs of a worker that is known to be dead, so that nobody has to wait until it is taken for so."""
        for job in self.jobs():
            if job.state == "running" and job.worker == worker:
                self._append(job.id, job.number, "released", worker, done=self._done(job.id), lost=True)

    def _claim(self, job: Job, worker: str) -> Claim | None:
        token, done = secrets.token_hex(8), self._done(job.id)
        if not self._append(job.id, job.number, "claimed", worker, token, done=done):
            return None
        keys = [_event_key(job.id, n + 1) for n in range(job.number + 1)]
        claimed = self._told(job.id, keys) or job
        return Claim(self, claimed, claimed.number, worker, token)

    def _done(self, job_id: str) -> int:
        """Days that whoever worked at a job last had finished."""
        done = self.progress(job_id).get("days_done", 0)
        return done if isinstance(done, int) else 0

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

    def _append(self, job_id: str, number: int, event: str, by: str, token: str | None = None, **more: Any) -> bool:
        """Write the event after ``number``; False where another is there.

        A store that answers late may have written it all the same: then the event that is there has the same token.
        """
        at, token = datetime.now(UTC).isoformat(timespec="milliseconds"), token or secrets.token_hex(8)
        data = {"event": event, "at": at, "by": by, "token": token, **more}
        key = _event_key(job_id, number + 1)
        if self.storage.put_new(key, json.dumps(data).encode()):
            return True
        held = self._read(key)
        return (held["event"], held.get("token")) == (event, token)

    def _fold(self, job_id: str) -> Job | None:
        keys = [key for key in self.storage.keys(f"jobs/{job_id}") if _EVENT_KEY.fullmatch(key)]
        self._load(keys)
        return self._told(job_id, keys)

    def _told(self, job_id: str, keys: Sequence[str]) -> Job | None:
        """The job that the events of these keys (sorted) tell of, put together when one is new: nearly all jobs have long ended."""
        job = self._jobs.get(job_id)
        if job and (len(keys), keys[-1]) == (job.number, _event_key(job_id, job.number)):
            return job
        job = fold(job_id, self._history(job_id, keys))
        if job and all(
            _event_key(job_id, n + 1) in self._events for n in range(job.number)
        ):  # or one could not be read yet
            self._jobs[job_id] = job
        return job

    def _history(self, job_id: str, keys: Iterable[str]) -> list[Event]:
        """The events of a job up to the first that is not listed: a listing made meanwhile may have passed over one."""
        there, number, events = set(keys), 1, []
        while (key := _event_key(job_id, number)) in there:
            events.append(self._read(key))
            number += 1
        return events

    def _load(self, keys: Iterable[str]) -> None:
        """Read events that were not read yet, many at once where there are many."""
        new = [key for key in keys if key not in self._events]
        if len(new) > 1:
            with ThreadPoolExecutor(_READERS) as pool:
                list(pool.map(self._read, new))

    def _read(self, key: str) -> Event:
        if key not in self._events:
            data = self.storage.get(key)
            if data is None:
                return _event(b"")
            self._events[key] = _event(data)
        return self._events[key]


@dataclass
class Claim:
    """The right to work at a job, until somebody else writes an event after ``number``, the claim's own."""

    board: Board
    job: Job
    number: int
    worker: str
    token: str

    def beat(self, progress: Mapping[str, Any]) -> bool:
        """Say how far the work is; False where the claim no longer holds."""
        if not self.holds():
            return False
        data = {**progress, "claim": self.number, "beat": time.time_ns()}
        self.board.storage.put(f"jobs/{self.job.id}/progress.json", json.dumps(data).encode())
        return True

    def holds(self) -> bool:
        """Whether nothing happened to the job since it was claimed."""
        return self.board.storage.get(_event_key(self.job.id, self.number + 1)) is None

    def finish(self, result: Mapping[str, Any], message: str = "") -> bool:
        """The job is done; False where the claim no longer holds."""
        return self._end("finished", result=dict(result), message=message)

    def fail(self, message: str) -> bool:
        """The job cannot be done; False where the claim no longer holds."""
        return self._end("failed", message=message)

    def release(self, done: int = 0, message: str = "") -> bool:
        """Give the job back with ``done`` days finished, ``message`` saying what broke down, if it did.

        False where the claim no longer holds.
        """
        return self._end("released", done=done, message=message)

    def _end(self, event: str, **more: Any) -> bool:
        return self.board._append(self.job.id, self.number, event, self.worker, self.token, **more)


def _event_key(job_id: str, number: int) -> str:
    return f"jobs/{job_id}/{number:06d}.json"


def _event(data: bytes) -> Event:
    """An event as written; one that cannot be read changes nothing."""
    try:
        event = json.loads(data)
        if all(isinstance(event[name], str) for name in ("event", "at", "by")):
            return dict(event)
    except (ValueError, TypeError, KeyError):
        pass
    return {"event": "unreadable", "at": "", "by": ""}


def check_id(job_id: str) -> str:
    """The id, if it can be one: it becomes part of object keys."""
    if not JOB_ID.fullmatch(job_id) or ".." in job_id:
        raise NoSuchJobError(
            f"{job_id[:100]!r} is no job id: letters, digits, dots, dashes and underscores, at most 100"
        )
    return job_id
