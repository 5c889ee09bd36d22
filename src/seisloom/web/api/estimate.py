"""What a correlation job will take, said before it starts."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from seisloom.compute import Compute
from seisloom.compute.crew import Crew
from seisloom.jobs.limits import LimitError, Limits
from seisloom.noise.estimate import BYTES_A_SAMPLE
from seisloom.noise.job_plan import plan_job
from seisloom.noise.pipeline import day_range
from seisloom.noise.report import DayReport
from seisloom.stations import channel_ids
from seisloom.web.api.jobs import CorrelationJob, correlation_request
from seisloom.web.services import Served, Services
from seisloom.web.session import Session

router = APIRouter(prefix="/estimate", tags=["settings"])

LOOKED_AT = 5
"""Finished jobs whose pace is looked at."""


class JobEstimate(BaseModel):
    """Size and time of a job. What cannot be told for a job beyond the limits is null."""

    channels: int
    days: int
    pairs: int | None
    download_bytes: int | None = Field(description=f"of records, at {BYTES_A_SAMPLE:g} bytes a sample")
    output_bytes: int | None = Field(description="of the archive of daily correlations")
    memory_bytes: int | None = Field(description="of the spectra of a day")
    seconds: float | None = Field(description="on this machine, with all its cores")
    basis: str = Field(description="what the time was measured on, and what is not in it")
    notes: list[str] = Field(description="what had to be assumed")
    exceeded: list[str] = Field(description="limits of whoever runs this service that the job is beyond; none is fine")


@router.post("")
def estimate_job(wanted: CorrelationJob, services: Served, session: Session) -> JobEstimate:
    """Channels, pairs, days, bytes and time of a job as POST /jobs/correlation takes it, without starting it.

    The time comes from a short run of the same stages on this machine, or from finished jobs of the same settings and
    source. Limits that the job is beyond are listed.
    """
    request = correlation_request(wanted, services, session)
    spec = services.sources.spec(request.source)
    days = day_range(request.start, request.end)
    channels = len(set(channel_ids(request.channels)))
    exceeded = beyond(services.limits, channels=channels, days=len(days))
    if exceeded:  # the pairs of very many channels take long to count
        nothing = dict.fromkeys(("pairs", "download_bytes", "output_bytes", "memory_bytes", "seconds"))
        return JobEstimate(channels=channels, days=len(days), **nothing, basis="", notes=[], exceeded=exceeded)
    past = _past_days(request.settings.digest(), spec, services)
    plan = plan_job(request.channels, request.settings, spec, days, Crew.of(Compute()), past=past)
    return JobEstimate(
        channels=plan.size.channels,
        days=plan.size.days,
        pairs=plan.size.pairs,
        download_bytes=plan.bytes_in,
        output_bytes=plan.bytes_kept,
        memory_bytes=plan.size.spectra_bytes,
        seconds=None if plan.seconds is None else _rounded(plan.seconds),
        basis=plan.basis,
        notes=plan.notes,
        exceeded=beyond(services.limits, pairs=plan.size.pairs),
    )


def beyond(limits: Limits, **sizes: int) -> list[str]:
    """Every limit that a size is beyond, in words."""
    exceeded = []
    for name, size in sizes.items():
        try:
            limits.check(**{name: size})
        except LimitError as error:
            exceeded.append(str(error))
    return exceeded


def _rounded(seconds: float) -> float:
    """Two digits: more are not known."""
    return float(f"{seconds:.2g}")


def _past_days(digest: str, spec: str, services: Services) -> list[DayReport]:
    """Reports of the days of the last finished jobs of the same settings and source."""
    days, found = [], 0
    for job in services.board.jobs():
        if job.state != "done" or job.kind != "correlation":
            continue
        card = services.storage.get_json(f"processed/{job.id}/job.json") or {}
        if (card.get("digest"), card.get("source")) != (digest, spec):
            continue
        summary = services.storage.get_json(f"processed/{job.id}/summary.json") or {}
        days += [DayReport.from_json(day) for day in summary.get("days", [])]
        found += 1
        if found == LOOKED_AT:
            break
    return days
