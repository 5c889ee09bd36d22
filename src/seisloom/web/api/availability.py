"""When a source has data of channels."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from seisloom.errors import InputError
from seisloom.waveforms.availability import Availability, fewest
from seisloom.waveforms.query import parse_time
from seisloom.web.api.tables import iso
from seisloom.web.services import Served, Services

router = APIRouter(prefix="/availability", tags=["channels"])

_ID = re.compile(r"([A-Za-z0-9_-]{1,8}\.){2}[A-Za-z0-9_-]{0,8}\.[A-Za-z0-9_-]{1,8}")
MOST_CHANNELS = 2000
MOST_SPANS = 60
"""Of a channel; of more, the shorter gaps between them are not told."""


class _Span(BaseModel):
    model_config = ConfigDict(extra="forbid")

    source: str | None = Field(None, max_length=500, description="as for /channels", examples=["demo"])
    start: str = Field(max_length=40, description="ISO 8601, UTC", examples=["2024-01-01"])
    end: str = Field(max_length=40, description="a date alone is the end of that day", examples=["2024-01-31"])


class AskedInUrl(_Span):
    """Channels and a span of time."""

    ids: str = Field(max_length=20_000, description="NET.STA.LOC.CHA, a comma list", examples=["SY.S01.00.BHZ"])


class Asked(_Span):
    """Channels and a span of time."""

    ids: list[str] = Field(description="NET.STA.LOC.CHA", examples=[["SY.S01.00.BHZ"]], max_length=MOST_CHANNELS)


class ChannelAvailability(BaseModel):
    """What there is of a channel in the span asked for."""

    id: str
    first: str | None = Field(description="where the data in the span begin; null for no data")
    last: str | None
    percent: float = Field(description="of the span that has data")
    spans: list[tuple[str, str]] = Field(description=f"at most {MOST_SPANS}, gaps of up to a minute not counted")


class Answer(BaseModel):
    """What there is; ``told`` is false where the source does not say."""

    told: bool
    channels: list[ChannelAvailability]


@router.get("")
def availability(asked: Annotated[AskedInUrl, Query()], services: Served) -> Answer:
    """Which data a source has of channels in a span of time, where it tells that without giving the data."""
    return _answer([part.strip() for part in asked.ids.split(",") if part.strip()], asked, services)


@router.post("")
def availability_of(asked: Asked, services: Served) -> Answer:
    """As GET, for many channels."""
    return _answer(asked.ids, asked, services)


def _answer(ids: list[str], asked: _Span, services: Services) -> Answer:
    start_ns, end_ns = parse_time("start", asked.start), parse_time("end", asked.end, whole_day=True)
    if start_ns is None or end_ns is None or end_ns <= start_ns:
        raise InputError(f"start {asked.start!r} and end {asked.end!r}: give two times, the later one second")
    if wrong := next((name for name in ids if not _ID.fullmatch(name)), None):
        raise InputError(f"{wrong[:60]!r} is no channel: write NET.STA.LOC.CHA, or NET.STA..CHA for the empty location")
    if not ids or len(ids) > MOST_CHANNELS:
        raise InputError(f"{len(ids)} channels: name from 1 to {MOST_CHANNELS}")
    told = services.sources.availability(asked.source, ids, start_ns, end_ns)
    return Answer(told=told is not None, channels=[_channel(one) for one in (told or {}).values()])


def _channel(one: Availability) -> ChannelAvailability:
    spans = [(iso(start), iso(end)) for start, end in fewest(one.spans, MOST_SPANS).tolist()]
    return ChannelAvailability(
        id=one.id,
        first=spans[0][0] if spans else None,
        last=spans[-1][1] if spans else None,
        percent=round(100 * one.share, 2),
        spans=spans,
    )
