"""How a job goes: progress, what each day made, problems as they come, the log."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from seisloom.jobs import Job
from seisloom.jobs.log import Event, State
from seisloom.noise.report import DayReport
from seisloom.web.api.files import JobId, attachment
from seisloom.web.api.jobs import seen
from seisloom.web.services import Served, Services
from seisloom.web.spreadsheets import harmless
from seisloom.words import counted

router = APIRouter(prefix="/jobs/{job_id}", tags=["jobs"])


class DayMade(BaseModel):
    """What became of a day of a correlation."""

    day: str
    complete: bool = Field(description="false where the source failed for some channel; a retry tries it again")
    pairs: int
    windows: int = Field(description="of all pairs")
    channels: int = Field(description="with data")
    seconds: float
    problems: int


class JobProgress(BaseModel):
    """How far a job is: what its worker says again and again (``stage`` and its numbers), and the days so far."""

    model_config = ConfigDict(extra="allow")

    state: State
    position: int | None = Field(default=None, description="in the queue, 1 is next; none where it does not wait")
    stage: str | None = Field(default=None, description="what is being done", examples=["correlation"])
    reports: list[DayMade] = Field(default=[], description="the newest days of a correlation, in order of time")
    days_reported: int = Field(default=0, description="days of which there is a report")
    problems_reported: int = Field(default=0, description="on all these days")


class JobProblem(BaseModel):
    """What to know of one channel (of an association: one station) on one day."""

    day: str
    channel: str
    message: str
    unused: bool = Field(default=False, description="it gave nothing that day")
    failed: bool = Field(default=False, description="the source failed; another run may succeed")


class JobProblems(BaseModel):
    """The newest problems of a job, in order of time."""

    problems: list[JobProblem]
    count: int = Field(description="of all, listed here or not")


class LogEntry(BaseModel):
    """Something that happened to a job."""

    at: str = Field(description="UTC, ISO 8601")
    event: str = Field(examples=["claimed"])
    by: str = Field(default="", description="the worker")
    message: str = ""


class JobLog(BaseModel):
    """What happened to a job, and what the work printed."""

    log: list[LogEntry]
    text: str = Field(description="the last lines that the work printed")


@router.get("/progress")
def progress(job_id: JobId, services: Served, days: Annotated[int, Query(ge=0, le=4000)] = 30) -> JobProgress:
    """How far a job is; ``days`` is how many of the newest day reports are wanted."""
    job = seen(services.board.job(job_id), services)
    made = day_reports(job, services)
    told = services.board.progress(job_id) if job.state != "waiting" else {}
    return JobProgress(
        **told
        | {"state": job.state, "position": job.position, "days_reported": len(made)}
        | {"reports": [_made(report) for report in made[len(made) - min(days, len(made)) :]]}
        | {"problems_reported": sum(len(report.problems) for report in made)}
    )


@router.get("/problems")
def problems(job_id: JobId, services: Served, limit: Annotated[int, Query(ge=0, le=100_000)] = 1000) -> JobProblems:
    """What the user should know, by day and channel, as days finish."""
    found = list(_problems(services.board.job(job_id), services))
    return JobProblems(problems=found[len(found) - min(limit, len(found)) :], count=len(found))


@router.get("/problems.csv", response_class=StreamingResponse, responses={200: {"content": {"text/csv": {}}}})
def problems_csv(job_id: JobId, services: Served) -> StreamingResponse:
    """All problems so far as CSV: day, channel, message, unused, failed."""
    rows = _problems(services.board.job(job_id), services)
    headers = attachment(f"problems-{job_id[:8]}.csv")
    return StreamingResponse(_csv(rows), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/log")
def log(job_id: JobId, services: Served, lines: Annotated[int, Query(ge=0, le=10_000)] = 500) -> JobLog:
    """What happened to a job, the oldest first, and the last lines that the work printed."""
    services.board.job(job_id)
    entries = [
        LogEntry(
            at=event["at"],
            event=event["event"],
            by=event.get("by", ""),
            message=services.discreet(event.get("message", "")),
        )
        for event in _events(job_id, services)
    ]
    printed = (services.storage.get(f"processed/{job_id}/log.txt") or b"").decode(errors="replace").splitlines()
    return JobLog(log=entries, text=services.discreet("\n".join(printed[len(printed) - min(lines, len(printed)) :])))


def _events(job_id: str, services: Services) -> list[Event]:
    keys = [key for key in services.storage.keys(f"jobs/{job_id}") if key.rpartition("/")[2][:1].isdigit()]
    return [services.storage.get_json(key) for key in keys]


def day_reports(job: Job, services: Services) -> list[DayReport]:
    """What became of the days of a correlation so far, in order of time."""
    return services.days.read(job.id) if job.kind == "correlation" else []


def _made(report: DayReport) -> DayMade:
    numbers = {name: getattr(report, name) for name in ("day", "pairs", "windows", "channels", "seconds")}
    return DayMade(complete=not report.failed, problems=len(report.problems), **numbers)


def _problems(job: Job, services: Services) -> Iterator[JobProblem]:
    for report in day_reports(job, services):
        for problem in report.problems:
            told = vars(problem) | {"message": services.discreet(problem.message)}
            yield JobProblem(day=report.day, **told)
    if job.kind == "association" and job.state == "done":
        yield from _left_out(services.storage.get_json(f"{job.result.get('folder', '')}/report.json") or {}, services)


def _left_out(report: dict[str, Any], services: Services) -> Iterator[JobProblem]:
    """What the report of an association says that is worth knowing."""
    for station, number, reason in report.get("unknown", []):
        yield JobProblem(day="", channel=station, message=f"{counted(number, 'pick')} not used: {reason}", unused=True)
    for warning in report.get("warnings", []):
        yield JobProblem(day="", channel="", message=services.discreet(warning))


def _csv(rows: Iterator[JobProblem]) -> Iterator[str]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(JobProblem.model_fields)
    for row in rows:
        writer.writerow([harmless(value) for value in row.model_dump().values()])
        if out.tell() > 1 << 16:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()
