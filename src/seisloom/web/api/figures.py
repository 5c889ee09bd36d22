"""Pictures of correlations, as the command line draws them, and where in them the axes are."""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, Field

from seisloom.web.api.files import JobId, attachment
from seisloom.web.stacking.choice import Choice
from seisloom.web.stacking.pictures import Name, axes, picture
from seisloom.web.stacking.service import Shown

router = APIRouter(prefix="/jobs/{job_id}", tags=["correlations"])

TYPES = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"}


class Drawn(Choice):
    """A choice and how sharp it is drawn."""

    dpi: float = Field(
        default=200.0, ge=20, le=1200, description="dots per inch of .png and of images in .svg and .pdf"
    )
    width: int | None = Field(
        default=None,
        ge=100,
        le=4000,
        description="width of a .png in pixels in place of dpi: drawn quickly, for screens",
    )
    height: int | None = Field(
        default=None, ge=100, le=4000, description="with width: largest height of the .png, pixels"
    )
    download: bool = Field(default=False, description="as an attachment with a name")


class Box(BaseModel):
    """Where axes are, in fractions of the picture from its upper left corner."""

    left: float
    top: float
    width: float
    height: float


class Across(BaseModel):
    """What is at the left and right side of axes."""

    quantity: str = Field(examples=["lag_s"])
    left: float
    right: float


class Down(BaseModel):
    """What is at the top and bottom of axes; times are ISO 8601."""

    quantity: str = Field(examples=["distance_km", "time"])
    top: float | str
    bottom: float | str


class AxesShown(BaseModel):
    """The axes of a part of a picture."""

    name: Literal["stack", "rows", "section", "map"]
    box: Box
    x: Across
    y: Down


@router.get("/figures/{name}.json")
async def figure_axes(job_id: JobId, name: Name, choice: Annotated[Choice, Query()], gallery: Shown) -> list[AxesShown]:
    """The axes of a picture, so that a place in it can be told in lag, distance, time, longitude and latitude."""
    made = gallery.submit(lambda: axes(gallery.archives.open(job_id), name, choice))
    return [AxesShown(**one) for one in await asyncio.wrap_future(made)]


@router.get(
    "/figures/{name}.{ending}",
    response_class=Response,
    responses={200: {"content": {kind: {} for kind in TYPES.values()}}, 304: {"description": "Still the same"}},
)
async def figure(
    job_id: JobId,
    name: Name,
    ending: Literal["png", "svg", "pdf"],
    drawn: Annotated[Drawn, Query()],
    gallery: Shown,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """A correlogram of `pair`, the record section of all pairs, the virtual shot of `station`, or the map of stations."""

    def make() -> tuple[bytes | None, str]:
        archive = gallery.archives.open(job_id)
        tag = hashlib.sha256(f"{archive.version} {name}.{ending} {drawn.model_dump_json()}".encode()).hexdigest()[:32]
        if if_none_match == f'"{tag}"':
            return None, tag
        choice = Choice(**drawn.model_dump(include=set(Choice.model_fields)))
        screen = (drawn.width, drawn.height or 10_000) if drawn.width and ending == "png" else None
        return picture(archive, name, choice, ending, drawn.dpi, screen), tag

    data, tag = await asyncio.wrap_future(gallery.submit(make))
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache"}
    if data is None:
        return Response(status_code=304, headers=headers)
    if drawn.download:
        headers |= attachment(f"{stem(name, drawn)}.{ending}")
    return Response(data, media_type=TYPES[ending], headers=headers)


def stem(name: str, choice: Choice) -> str:
    """What a download is called, without its ending."""
    of = {"correlogram": choice.pair, "stack": choice.pair, "virtual-shot": choice.station}.get(name)
    parts = [name, of, choice.component, None if choice.method == "linear" else choice.method]
    return re.sub(r"[^A-Za-z0-9._-]", "-", "-".join(part for part in parts if part))[:150]
