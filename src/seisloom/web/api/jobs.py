"""Jobs: list, look, cancel, retry, delete."""

from __future__ import annotations

from fastapi import APIRouter

from seisloom.jobs import Job
from seisloom.web.services import Served

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.get("")
def jobs(services: Served) -> list[Job]:
    """All jobs of the workspace, newest first."""
    return services.board.jobs()


@router.get("/{job_id}")
def job(job_id: str, services: Served) -> Job:
    """One job."""
    return services.board.job(job_id)


@router.post("/{job_id}/cancel")
def cancel(job_id: str, services: Served) -> Job:
    """Stop a job that waits or runs."""
    return services.board.cancel(job_id)


@router.post("/{job_id}/retry")
def retry(job_id: str, services: Served) -> Job:
    """Have an ended job done again."""
    return services.board.retry(job_id)


@router.delete("/{job_id}", status_code=204)
def delete(job_id: str, services: Served) -> None:
    """Remove a job with all its files."""
    services.board.delete(job_id)
