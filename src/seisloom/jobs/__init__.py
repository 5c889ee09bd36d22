"""Jobs that survive: a workspace is a board on which anyone puts jobs and any number of workers do them."""

from __future__ import annotations

from seisloom.jobs.board import Board, Claim, JobStateError, NoSuchJobError
from seisloom.jobs.limits import Limits
from seisloom.jobs.log import Job
from seisloom.jobs.requests import (
    AssociationRequest,
    CorrelationRequest,
    Request,
    read_request,
    submit,
)
from seisloom.jobs.sources import Sources
from seisloom.jobs.worker import Worker

__all__ = [
    "AssociationRequest",
    "Board",
    "Claim",
    "CorrelationRequest",
    "Job",
    "JobStateError",
    "Limits",
    "NoSuchJobError",
    "Request",
    "Sources",
    "Worker",
    "read_request",
    "submit",
]
