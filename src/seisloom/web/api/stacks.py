"""Stacks of all pairs of a job, stored with it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from seisloom.errors import InputError
from seisloom.jobs.limits import LimitError
from seisloom.noise.stack_wanted import periods_of
from seisloom.web.api.files import JobId
from seisloom.web.stacking.archives import ROTATED, Archive
from seisloom.web.stacking.choice import finite_options
from seisloom.web.stacking.runs import StackRun, stored_stacks
from seisloom.web.stacking.service import Shown

router = APIRouter(prefix="/jobs/{job_id}", tags=["correlations"])

MOST_STORED = 16 * 2**30


class StackAsked(BaseModel):
    """A stack to make, as `seisloom stack` does."""

    model_config = ConfigDict(extra="forbid")

    method: str = Field(default="linear", max_length=40)
    options: dict[str, float | bool | None] = Field(default={}, max_length=20, description="of the method")
    period: str = Field(default="all", max_length=20, description="all, day, week, month or 'N days'")
    rotate: bool = Field(default=False, description="turn nine components to R, T and Z")


class StackStored(BaseModel):
    """A stack of the job, for `stack=NAME`."""

    model_config = ConfigDict(extra="allow")

    name: str
    method: str = ""
    method_options: dict[str, Any] = {}
    period: str = ""
    rotated: bool = False
    made: str = Field(default="", description="when (UTC)")


class Stacks(BaseModel):
    """The stacks of a job."""

    stacks: list[StackStored] = Field(description="newest first")
    run: StackRun | None = Field(description="the newest that this server makes or made")


@router.get("/stacks")
def stacks(job_id: JobId, gallery: Shown) -> Stacks:
    """The stacks of a job, and how far the one is that is being made."""
    archive = gallery.archives.open(job_id)
    cards = [StackStored(**card) for card in stored_stacks(archive.storage)]
    return Stacks(stacks=cards, run=gallery.runs.of(job_id))


@router.post("/stacks", status_code=202)
def make_stack(job_id: JobId, asked: StackAsked, gallery: Shown) -> StackRun:
    """Stack all pairs of a job and store the result with it; GET tells how far it is. One at a time a job."""
    archive = gallery.archives.open(job_id)
    options = finite_options(asked.method, asked.options)
    _check(archive, asked)
    return gallery.runs.start(job_id, asked.method, options, asked.period, asked.rotate)


def _check(archive: Archive, asked: StackAsked) -> None:
    """InputError for what could not be made, LimitError for what would fill the store."""
    periods = len(periods_of(archive.data, asked.period))
    pairs, lags = len(archive.windows), archive.data.sizes["lag"]
    if (size := 4 * pairs * periods * lags) > MOST_STORED:
        raise LimitError(
            f"stacks of {pairs:,} pairs in {periods:,} periods would take {size / 2**30:,.0f} GiB (at most "
            f"{MOST_STORED / 2**30:.0f}): choose longer periods"
        )
    if asked.rotate and not set(ROTATED) <= set(archive.components):
        raise InputError("the pairs cannot be turned to R, T and Z: that needs all nine components (components=all)")
