"""What happened to a job, as a list of events that only grows, and what state follows from it.

Event number n of a job, from 1 on, is the object ``jobs/ID/NNNNNN.json``, made by create-if-absent: of several that would
write it one wins, and the others look again. So there is one order of events for everybody, on every store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["waiting", "running", "done", "failed", "cancelled", "deleted"]
Event = dict[str, Any]
"""``event`` (its name), ``at`` (UTC, ISO 8601), ``by`` (who), ``token`` (whose writing), and what belongs to it.

``claimed`` and ``released`` have ``done``, how many days were finished by then; ``released`` has ``message`` where the attempt
broke down, ``lost`` where its worker died.
"""

# What may follow on a state, and the state that it leads to.
TRANSITIONS: dict[State | None, dict[str, State]] = {
    None: {"submitted": "waiting"},
    "waiting": {
        "claimed": "running",
        "joined": "running",
        "cancelled": "cancelled",
        "failed": "failed",
        "deleted": "deleted",
    },
    "running": {
        "claimed": "running",  # taken over from a worker that is no longer heard of
        "released": "waiting",
        "finished": "done",
        "failed": "failed",
        "cancelled": "cancelled",
        "deleted": "deleted",
    },
    "done": {"retried": "waiting", "deleted": "deleted"},
    "failed": {"retried": "waiting", "deleted": "deleted"},
    "cancelled": {"retried": "waiting", "deleted": "deleted"},
    "deleted": {},
}


@dataclass(frozen=True)
class Job:
    """A job as its events tell."""

    id: str
    kind: str
    """"correlation" or "association"."""
    name: str
    state: State
    number: int
    """Of the last event."""
    submitted: str
    """When (UTC, ISO 8601), as all times here."""
    started: str | None = None
    """First claim since it was submitted or retried."""
    ended: str | None = None
    worker: str | None = None
    """Who has it, or had it last."""
    attempts: int = 0
    """Claims since it was submitted or retried."""
    done: int = 0
    """Days that were finished at the last claim or release."""
    crashes: int = 0
    """Attempts, the last ones in a row, that broke down without having finished a day."""
    losses: int = 0
    """The same, for attempts whose worker was no longer heard of."""
    message: str = ""
    """Why it failed, why the last attempt broke down, or what there is to say of its end."""
    result: dict[str, Any] = field(default_factory=dict)
    """What its kind says of a finished job (counts; where the files are)."""


def fold(job_id: str, events: Sequence[Event]) -> Job | None:
    """The job after its events, None for none. Events that cannot follow on the state before them are passed over."""
    state: State | None = None
    job: dict[str, Any] = {}
    for event in events:
        name = event["event"]
        if name not in TRANSITIONS[state]:
            continue
        job |= _changes(job, name, event)
        job["state"] = state = TRANSITIONS[state][name]
    return Job(id=job_id, number=len(events), **job) if job else None


def _changes(job: dict[str, Any], name: str, event: Event) -> dict[str, Any]:
    """What an event changes of a job, its state apart."""
    at = event["at"]
    match name:
        case "submitted":
            return {"kind": event.get("kind", "correlation"), "name": event.get("name", ""), "submitted": at}
        case "claimed":
            claim = {"worker": event["by"], "attempts": job.get("attempts", 0) + 1, "started": job.get("started") or at}
            return claim | _advance(job, event, losses=int(job["state"] == "running"))
        case "joined":
            return {"worker": event["by"], "attempts": job.get("attempts", 0) + 1, "started": job.get("started") or at}
        case "released":
            message = event.get("message", "")
            counts = {"crashes": int(bool(message)), "losses": int(bool(event.get("lost")))}
            return {"message": message} | _advance(job, event, **counts)
        case "retried":
            fresh = {"attempts": 0, "done": 0, "crashes": 0, "losses": 0}
            return {"started": None, "ended": None, "message": "", "result": {}} | fresh
        case "finished" | "failed" | "cancelled":
            return {"ended": at, "message": event.get("message", ""), "result": event.get("result", {})}
        case _:
            return {}


def _advance(job: dict[str, Any], event: Event, crashes: int = 0, losses: int = 0) -> dict[str, Any]:
    """How far the job is, and how many attempts have ended without bringing it further."""
    before, done = job.get("done", 0), event.get("done", 0)
    if done > before:
        return {"done": done, "crashes": 0, "losses": 0}
    return {"crashes": job.get("crashes", 0) + crashes, "losses": job.get("losses", 0) + losses}
