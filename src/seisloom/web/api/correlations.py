"""What a correlation job has made so far: pairs, stations, components; and the stacking methods."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import orjson
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from seisloom.jobs.log import State
from seisloom.noise.stack import METHODS
from seisloom.web.api.files import JobId
from seisloom.web.stacking.service import Shown
from seisloom.web.stacking.tables import pair_columns, ratios, station_rows

router = APIRouter(prefix="/jobs/{job_id}", tags=["correlations"])


class CorrelationsMade(BaseModel):
    """The correlations of a job in one state."""

    version: str = Field(description="changes when there is more, or something else")
    state: State = Field(description="of the job")
    pairs: int = Field(description="pairs of channels")
    stations: int
    components: list[str] = Field(description="component pairs that can be asked for", examples=[["ZZ"]])
    rows: str = Field(description="what is kept of a pair: by `day`, or by `time` (sub-stacks, windows)")
    times: int = Field(description="rows of a pair, with and without data")
    first: str = Field(description="start of the first row (UTC)")
    last: str = Field(description="start of the last row (UTC)")
    days_done: int = Field(description="days with data so far")
    maxlag_s: float
    sampling_rate_hz: float
    settings: dict[str, Any] = Field(description="of the correlation")
    fits: bool = Field(description="whether stacks of all pairs are made for a picture, without storing them first")


class PairColumns(BaseModel):
    """All pairs, a list a column; what is unknown is null."""

    version: str
    count: int
    channels: list[str] = Field(description="NET.STA.LOC.CHA")
    a: list[int] = Field(description="number of the first channel in `channels`")
    b: list[int] = Field(description="number of the second channel")
    component: list[str]
    distance_km: list[float | None]
    azimuth_deg: list[float | None]
    days: list[int] = Field(description="rows (days, sub-stacks or windows) with data")
    windows: list[int] = Field(description="windows in all of them")
    snr: list[float | None] = Field(description="of the linear stack, where one is at hand (see /pairs/snr)")


class Ratios(BaseModel):
    """Signal-to-noise ratios of all pairs, in their order."""

    version: str
    snr: list[float | None] = Field(description="null where a pair has no data, or there are too many to stack here")


class StationRow(BaseModel):
    """A station that has pairs."""

    station: str = Field(description="NET.STA")
    latitude: float | None
    longitude: float | None
    pairs: int


class OptionShown(BaseModel):
    """An option of a stacking method."""

    name: str
    default: float | int | bool | None = Field(description="null is off")
    unit: str
    help: str
    low: float | None = Field(description="least value")
    high: float | None = Field(description="largest value")


class MethodShown(BaseModel):
    """A stacking method."""

    name: str
    help: str
    options: list[OptionShown]


@router.get("/correlations")
def correlations(job_id: JobId, gallery: Shown) -> CorrelationsMade:
    """What there is so far; 404 while there is nothing."""
    archive = gallery.archives.open(job_id)
    times, lag = archive.data[archive.dim].values, archive.data["lag"].values
    days = np.unique(times[archive.windows.any(axis=0)].astype("datetime64[D]"))
    return CorrelationsMade(
        version=archive.version,
        state=archive.job.state,
        pairs=len(archive.windows),
        stations=len(station_rows(archive)),
        components=archive.components,
        rows=archive.dim,
        times=len(times),
        first=f"{np.datetime_as_string(times[0], 's')}Z",
        last=f"{np.datetime_as_string(times[-1], 's')}Z",
        days_done=len(days),
        maxlag_s=float(lag[-1]),
        sampling_rate_hz=round((len(lag) - 1) / float(lag[-1] - lag[0]), 6),
        settings=orjson.loads(archive.data.attrs.get("settings") or "{}"),
        fits=archive.fits(archive.all_pairs),
    )


@router.get("/pairs", response_model=PairColumns)
def pairs(job_id: JobId, gallery: Shown) -> Response:
    """All pairs of channels. A pair is called `channels[a]_channels[b]`."""
    return _json(pair_columns(gallery.archives.open(job_id)))


@router.get("/pairs/snr", response_model=Ratios)
async def pair_ratios(job_id: JobId, gallery: Shown) -> Response:
    """The signal-to-noise ratio of the linear stack of every pair, stacked for the purpose where need be."""

    def make() -> Response:
        archive = gallery.archives.open(job_id)
        return _json({"version": archive.version, "snr": ratios(archive, make=True)})

    return await asyncio.wrap_future(gallery.submit(make))


def _json(columns: dict[str, Any]) -> Response:
    return Response(orjson.dumps(columns, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


@router.get("/stations")
def stations(job_id: JobId, gallery: Shown) -> list[StationRow]:
    """The stations that have pairs."""
    return [StationRow(**row) for row in station_rows(gallery.archives.open(job_id))]


@router.get("/stacking-methods")
def stacking_methods(job_id: JobId, gallery: Shown) -> list[MethodShown]:
    """The stacking methods with their options."""
    gallery.services.board.job(job_id)
    return [
        MethodShown(
            name=name,
            help=method.text,
            options=[
                OptionShown(
                    name=key,
                    default=option.default,
                    unit=option.unit,
                    help=option.text,
                    low=option.low if np.isfinite(option.low) else None,
                    high=option.high if np.isfinite(option.high) else None,
                )
                for key, option in method.options.items()
            ],
        )
        for name, method in METHODS.items()
    ]
