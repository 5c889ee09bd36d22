"""Saved channels: what a session has chosen on the map, for its correlation jobs."""

from __future__ import annotations

import json
import threading
from typing import Annotated, Any

import pandas as pd
from fastapi import APIRouter, HTTPException, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from seisloom.errors import InputError
from seisloom.stations import CODES, COLUMNS, TEXTS, channel_ids, parse_stations, validate, write_stations
from seisloom.waveforms.query import parse_time
from seisloom.web.api.tables import ChannelRow, columns
from seisloom.web.services import Served, Services
from seisloom.web.session import Session, folder_of
from seisloom.web.spreadsheets import harmless

router = APIRouter(prefix="/saved", tags=["saved channels"])

# Epochs of channels in one request; how many channels a job may have is the operator's limit.
ROWS_MAX = 100_000
_lock = threading.Lock()  # of two tabs that add at once, both count

Text = Annotated[str, Field(max_length=500)]


class GivenRow(BaseModel):
    """A channel epoch, as GET /channels gives it; further keys are passed over."""

    model_config = ConfigDict(allow_inf_nan=False)

    network: Text
    station: Text
    location: Text = ""
    channel: Text
    latitude: float | None = Field(default=None, description="degrees, WGS84")
    longitude: float | None = Field(default=None, description="degrees")
    elevation_m: float | None = Field(default=None, description="of the ground, positive up")
    depth_m: float | None = Field(default=None, description="of the sensor below the ground")
    azimuth_deg: float | None = Field(default=None, description="of the sensor, clockwise from north")
    dip_deg: float | None = Field(default=None, description="of the sensor, down from horizontal")
    sample_rate_hz: float | None = None
    sensor: Text | None = ""
    site: Text | None = ""
    start: Text | None = Field(default=None, description="of the epoch, ISO 8601 in UTC")
    end: Text | None = Field(default=None, description="null where it is open")


class Saved(BaseModel):
    """Saved channels, and the query that they came from last."""

    source: str | None = Field(default=None, description="as it was named; null where nothing is saved")
    start: str | None = Field(default=None, description="as in the query; null where it had none")
    end: str | None = None
    count: int = Field(default=0, description="channels; a channel may have several epochs")
    channels: list[ChannelRow] = []


class Addition(BaseModel):
    """Channels to be saved."""

    source: Annotated[str, Field(max_length=500, description="as in GET /channels")]
    start: Text | None = Field(default=None, description="of the query, ISO 8601")
    end: Text | None = None
    channels: Annotated[list[GivenRow], Field(min_length=1, max_length=ROWS_MAX)]
    replace: bool = Field(default=False, description="forget what is saved; needed to change the source")


class Added(BaseModel):
    """What came of it."""

    count: int = Field(description="channels that are saved now")
    added: int = Field(description="of them, those that were not before")


@router.get("")
def saved(services: Served, session: Session) -> Saved:
    """The saved channels of this session."""
    source, start, end = saved_query(services, session)
    table = saved_channels(services, session)
    return Saved(source=source, start=start, end=end, count=_count(table), channels=_rows(table))


@router.post("", responses={409: {"description": "The saved channels are of another source."}})
def add(addition: Addition, services: Served, session: Session) -> Added:
    """Add channels; those that are saved already are brought up to date."""
    services.sources.spec(addition.source)
    parse_time("start", addition.start)
    parse_time("end", addition.end)
    given = validate(pd.DataFrame([row.model_dump() for row in addition.channels]), "channels")
    _refuse_signs(given)
    with _lock:
        there = saved_channels(services, session)
        source, *_ = saved_query(services, session)
        if addition.replace:
            there = there[:0]
        elif len(there) and source != addition.source:
            raise HTTPException(
                409,
                f"the saved channels are from {source}, and a job has one source: clear them, or let these replace them",
            )
        table = pd.concat([there, given], ignore_index=True) if len(there) else given
        table = table[~table.duplicated([*CODES, "start"], keep="last")]
        services.limits.check(channels=_count(table))
        _write(services, session, table, {"source": addition.source, "start": addition.start, "end": addition.end})
    return Added(count=_count(table), added=_count(table) - _count(there))


@router.delete("", status_code=204)
def remove(
    services: Served,
    session: Session,
    ids: Annotated[list[str], Query(alias="id", description="NET.STA.LOC.CHA; without any, all", max_length=1000)] = [],  # noqa: B006
) -> None:
    """Forget saved channels, all or those of some ids."""
    with _lock:
        if not ids:
            services.storage.delete([_key(session)])
            return
        table = saved_channels(services, session)
        left = table[~pd.Series(channel_ids(table), index=table.index, dtype=str).isin(ids)]
        source, start, end = saved_query(services, session)
        _write(services, session, left, {"source": source, "start": start, "end": end})


@router.get(
    "/stations.csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}}, 404: {"description": "None is saved."}},
)
def stations_csv(services: Served, session: Session) -> Response:
    """The saved channels as the file that ``seisloom correlate`` and other programs read."""
    table = saved_channels(services, session)
    if table.empty:
        raise HTTPException(404, "no channels are saved")
    text = write_stations(table.assign(**{name: table[name].map(harmless) for name in TEXTS}))
    headers = {"Content-Disposition": 'attachment; filename="stations.csv"', "Cache-Control": "no-store"}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def saved_channels(services: Services, session: str) -> pd.DataFrame:
    """The saved channels as a channel table (see :mod:`seisloom.stations`), without rows where none is saved."""
    text = _card(services, session).get("stations")
    return parse_stations(text, "saved channels") if text else pd.DataFrame(columns=COLUMNS)


def saved_query(services: Services, session: str) -> tuple[str | None, str | None, str | None]:
    """Source, start and end of the query that the saved channels came from last, as they were written; None for none."""
    card = _card(services, session)
    return card.get("source"), card.get("start"), card.get("end")


def _key(session: str) -> str:
    return f"{folder_of(session)}/saved.json"


def _card(services: Services, session: str) -> dict[str, Any]:
    return services.storage.get_json(_key(session)) or {}


def _write(services: Services, session: str, table: pd.DataFrame, query: dict[str, str | None]) -> None:
    if table.empty:
        services.storage.delete([_key(session)])
    else:
        services.storage.put(_key(session), json.dumps(query | {"stations": write_stations(table)}).encode())


def _count(table: pd.DataFrame) -> int:
    return len(table[CODES].drop_duplicates())


def _rows(table: pd.DataFrame) -> list[ChannelRow]:
    told = columns(table)
    return [ChannelRow(**dict(zip(told, row, strict=True))) for row in zip(*told.values(), strict=True)]


def _refuse_signs(table: pd.DataFrame) -> None:
    """Codes with a sign before them would be formulas in a spreadsheet; no network has any."""
    for column in CODES:
        for code in table.loc[table[column].str.startswith("-"), column]:
            raise InputError(f"channels: {column} {code!r} begins with a sign: letters and digits are expected")
