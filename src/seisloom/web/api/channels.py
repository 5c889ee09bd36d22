"""Channels of a source that match a query."""

from __future__ import annotations

import gzip
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from seisloom.errors import NoDataError
from seisloom.waveforms.base import ChannelQuery
from seisloom.waveforms.query import parse_query, widening
from seisloom.web.api.tables import ChannelColumns, ChannelRows, columns_json, rows_json
from seisloom.web.services import Served

router = APIRouter(prefix="/channels", tags=["channels"])

MOST = 200_000
"""Rows that a query may find."""
WORTH_PACKING = 50_000
"""Bytes of an answer that are worth packing."""
_WORLD = (-180.0, -90.0, 180.0, 90.0)


class ChannelFilter(BaseModel):
    """Which channels; what is left out does not limit."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    source: str | None = Field(
        None, max_length=500, description="name from /sources, or fdsn:URL; left out: the default", examples=["demo"]
    )
    network: str = Field("*", max_length=2000, description="codes with * and ?, comma lists")
    station: str = Field("*", max_length=20_000, description="codes with * and ?, comma lists")
    location: str = Field("*", max_length=2000, description="codes with * and ?, comma lists; -- is the empty one")
    channel: str = Field("*", max_length=2000, description="codes with * and ?, comma lists", examples=["BH?,HHZ"])
    start: str | None = Field(None, max_length=40, description="operating after this time (ISO 8601, UTC)")
    end: str | None = Field(None, max_length=40, description="operating before this time; a date alone is its end")
    west: float | None = Field(None, description="degrees; west above east is a box across the date line")
    south: float | None = Field(None, description="degrees")
    east: float | None = Field(None, description="degrees")
    north: float | None = Field(None, description="degrees")

    def query(self) -> ChannelQuery:
        """What it means; InputError where it means nothing."""
        sides = (self.west, self.south, self.east, self.north)
        box = None
        if any(side is not None for side in sides):
            west, south, east, north = (
                limit if side is None else side for side, limit in zip(sides, _WORLD, strict=True)
            )
            box = west, south, east, north
        codes = (self.network, self.station, self.location, self.channel)
        return parse_query(*codes, self.start, self.end, box, MOST)


class _Asked(ChannelFilter):
    form: Literal["rows", "columns"] = Field(
        "rows", description="rows: {channels: [{...}]}; columns: {columns: {name: [...]}}, which is half as long"
    )


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": ChannelRows | ChannelColumns, "description": "Channels, one row a channel epoch"},
    404: {"description": "No channel matches; the detail says what could be made wider"},
    502: {"description": "The source failed"},
}


@router.get("", responses=_ANSWERS, response_class=Response)
def channels(asked: Annotated[_Asked, Query()], services: Served, request: Request) -> Response:
    """Channels of a source that match. What was asked in the last minutes is answered without asking the source again."""
    query = asked.query()
    try:
        table = services.sources.channels(asked.source, query)
    except NoDataError as error:
        raise NoDataError(f"{error}: {widening(query)}") from None
    body = rows_json(table) if asked.form == "rows" else columns_json(table)
    headers = {"Vary": "Accept-Encoding"}
    if len(body) > WORTH_PACKING and "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"  # a seventh, in no time
    return Response(body, media_type="application/json", headers=headers)
