"""Jobs: put one on the board, look, cancel, retry, delete."""

from __future__ import annotations

import datetime
import hashlib
import re
import secrets
from dataclasses import dataclass, fields
from typing import Annotated, Literal

import pandas as pd
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from seisloom.config import CorrelationSettings
from seisloom.errors import InputError
from seisloom.jobs import CorrelationRequest, Job, submit
from seisloom.jobs.log import State
from seisloom.jobs.requests import span_of
from seisloom.stations import parse_stations, validate
from seisloom.web.api.files import JobId
from seisloom.web.api.saved import ROWS_MAX, GivenRow, saved_channels, saved_query
from seisloom.web.services import Served, Services
from seisloom.web.session import Session

router = APIRouter(prefix="/jobs", tags=["jobs"])

_SERVER = secrets.token_hex(8)
"""This process: another one may tell of the same jobs in other words."""


@dataclass(frozen=True)
class ListedJob(Job):
    """A job as its events tell, and its place in the queue."""

    position: int | None = None
    """1 for the one that is taken next; None where it does not wait."""


class CorrelationJob(BaseModel):
    """What to correlate. The channels come one way: as rows, as the text of a station file, or as those that are saved."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "Ridgecrest, February",
                    "saved": True,
                    "settings": {"fs": 10, "freqmin": 0.1, "freqmax": 1},
                    "source": "fdsn:SCEDC",
                    "start": "2019-02-03",
                    "end": "2019-02-09",
                }
            ]
        },
    )

    name: str = Field(default="", max_length=200, description="for people; need not be unique")
    channels: list[GivenRow] | None = Field(default=None, min_length=1, max_length=ROWS_MAX)
    stations_csv: str | None = Field(default=None, description="text of stations.csv, FDSN station text or StationXML")
    saved: bool = Field(default=False, description="take the saved channels of this session")
    settings: CorrelationSettings = Field(
        default_factory=CorrelationSettings, description="what is left out is the default"
    )
    source: str | None = Field(
        default=None,
        max_length=500,
        description="of the records: a name of /sources, or fdsn:NAME-or-URL; that of the saved channels if left out",
        examples=["demo"],
    )
    start: datetime.date | None = Field(
        default=None, description="first day; both are those of the channels if left out"
    )
    end: datetime.date | None = Field(default=None, description="last day, included; the first if left out")

    @model_validator(mode="after")
    def _one_way(self) -> CorrelationJob:
        if (self.channels is not None) + (self.stations_csv is not None) + self.saved != 1:
            raise ValueError("give the channels in one way: channels, stations_csv or saved")
        if self.end and not self.start:
            raise ValueError("end needs a start")
        return self


@router.get("", response_model=list[ListedJob], responses={304: {"description": "Still the same"}})
def jobs(
    services: Served,
    response: Response,
    state: Annotated[State | None, Query(description="only these")] = None,
    kind: Annotated[Literal["correlation", "association"] | None, Query(description="only these")] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> list[ListedJob] | Response:
    """All jobs of the workspace, newest first; deleted ones are not there any more.

    With the `ETag` of the last answer as `If-None-Match` a list that is still the same is answered by 304.
    """
    there = services.board.jobs()
    tag = _tag(there)
    if tag in (if_none_match or ""):
        return Response(status_code=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    everything = listed(there, services)
    return [job for job in everything if state in (None, job.state) and kind in (None, job.kind)]


@router.get("/{job_id}")
def job(job_id: JobId, services: Served) -> ListedJob:
    """One job."""
    return seen(services.board.job(job_id), services)


@router.post("/correlation", status_code=201)
def correlation(
    wanted: CorrelationJob, services: Served, session: Session, request: Request, response: Response
) -> ListedJob:
    """Put a correlation on the board; a worker takes it up.

    Refused with words for settings that contradict one another, sources that are not allowed, and jobs beyond the
    limits, with the numbers.
    """
    asked = correlation_request(wanted, services, session)
    services.sources.spec(asked.source)
    asked.check(services.limits)
    return created(submit(services.board, asked), services, request, response)


@router.post("/{job_id}/cancel")
def cancel(job_id: JobId, services: Served) -> ListedJob:
    """Stop a job that waits or runs; what it has made stays."""
    return seen(services.board.cancel(job_id), services)


@router.post("/{job_id}/retry")
def retry(job_id: JobId, services: Served) -> ListedJob:
    """Have an ended job done again; days that are done are not done again."""
    job = services.board.retry(job_id)
    services.wake()
    return seen(job, services)


@router.delete("/{job_id}", status_code=204)
def delete(job_id: JobId, services: Served) -> None:
    """Remove a job with all its files."""
    services.board.delete(job_id)


def created(job_id: str, services: Services, request: Request, response: Response) -> ListedJob:
    """The answer to a request for a job: the job, and where it is from now on."""
    services.wake()
    response.headers["Location"] = f"{request.scope.get('root_path', '')}/jobs/{job_id}"
    return seen(services.board.job(job_id), services)


def listed(jobs: list[Job], services: Services) -> list[ListedJob]:
    """Jobs, newest first, with their places in the queue: workers take the oldest first, of whatever kind."""
    waiting = [job.id for job in reversed(jobs) if job.state == "waiting"]
    places = {job_id: number for number, job_id in enumerate(waiting, start=1)}
    return [_shown(job, places.get(job.id), services) for job in jobs]


def _tag(jobs: list[Job]) -> str:
    """What tells one list from another: events of a job are only ever added."""
    told = [_SERVER, *(f"{job.id} {job.number} {job.state}" for job in jobs)]
    return f'"{hashlib.sha256("/".join(told).encode()).hexdigest()[:32]}"'


def seen(job: Job, services: Services) -> ListedJob:
    """One job, with its place in the queue."""
    if job.state != "waiting":
        return _shown(job, None, services)
    everything = listed(services.board.jobs(), services)
    return next((other for other in everything if other.id == job.id), _shown(job, None, services))


def _shown(job: Job, position: int | None, services: Services) -> ListedJob:
    """A job for people elsewhere: what a worker wrote may name paths of its machine."""
    values = {field.name: getattr(job, field.name) for field in fields(job)}
    values["message"] = services.discreet(job.message)
    values["result"] = {
        name: services.discreet(value) if isinstance(value, str) else value for name, value in job.result.items()
    }
    return ListedJob(**values, position=position)


def correlation_request(wanted: CorrelationJob, services: Services, session: str) -> CorrelationRequest:
    """What is asked, as a job has it; InputError where it cannot be."""
    channels = _channels(wanted, services, session)
    if wanted.start is None:
        start, end = _span(channels)
    else:
        start, end = str(wanted.start), str(wanted.end or wanted.start)
    name = re.sub(r"[\x00-\x1f\x7f]+", " ", wanted.name).strip()
    source = wanted.source or (saved_query(services, session)[0] if wanted.saved else None)
    return CorrelationRequest(channels, wanted.settings, source, start, end, name)


def _span(channels: pd.DataFrame) -> tuple[str, str]:
    try:
        return span_of(channels, "channels")
    except InputError:
        raise InputError(
            "the channels are not dated at both ends: give the days, start and end, with the job"
        ) from None


def _channels(wanted: CorrelationJob, services: Services, session: str) -> pd.DataFrame:
    if wanted.stations_csv is not None:
        return parse_stations(wanted.stations_csv, "stations_csv")
    if wanted.channels is not None:
        return validate(pd.DataFrame([row.model_dump() for row in wanted.channels]), "channels")
    channels = saved_channels(services, session)
    if channels.empty:
        raise InputError("no channels are saved: save some on the map, or give them with the job")
    return channels
