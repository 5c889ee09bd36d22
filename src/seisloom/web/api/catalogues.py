"""Catalogues: events with filters, one event with its picks, figures, report, downloads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
from fastapi import APIRouter, Depends, HTTPException, Path, Response
from pydantic import BaseModel, Field

from seisloom import geo
from seisloom.associate.outputs import REPORT, REPORT_JSON
from seisloom.catalog import EVENT_COLUMNS
from seisloom.catalog.clock import iso
from seisloom.web.api.catalogue_data import (
    EventFilter,
    HeldCatalogue,
    asked_sites,
    association_job,
    held,
)
from seisloom.web.api.files import JobId
from seisloom.web.services import Served, Services

if TYPE_CHECKING:
    pass

router = APIRouter(prefix="/jobs/{job_id}", tags=["catalogues"])

Wanted = Annotated[EventFilter, Depends()]
EventNumber = Annotated[int, Path(ge=1, le=2**53, description="event_id", examples=[1])]
ELLIPSE_POINTS = 72


class Ranges(BaseModel):
    """Smallest and largest value."""

    time: tuple[str, str]
    depth_km: tuple[float, float]
    n_picks: tuple[int, int]
    magnitude: tuple[float, float] | None = Field(description="null where no event has one")
    false_probability: tuple[float, float] | None = Field(description="null where it is not known")


class Events(BaseModel):
    """Events as columns of equal length: those of events.csv, times in ISO 8601 (UTC), null for what is unknown."""

    preliminary: bool = Field(description="found while links are made; the catalogue will replace them")
    run: str = Field(description="changes when the catalogue does", examples=["run-000002"])
    count: int = Field(description="events that the filter lets through")
    total: int
    ranges: Ranges | None = Field(description="of all events; null where there are none")
    columns: dict[str, list[Any]]


class Place(BaseModel):
    """A station."""

    station: str
    latitude: float
    longitude: float
    elevation_m: float | None


class Overview(BaseModel):
    """What a catalogue was made from, and what became of the picks."""

    preliminary: bool
    run: str
    total: int = Field(description="events")
    stations: list[Place]
    region: dict[str, float] | None = Field(
        description="lat_min, lat_max, lon_min, lon_max (degrees), z_min, z_max (km)"
    )
    options: dict[str, Any] = Field(description="as the job was given them")
    report: dict[str, Any] | None = Field(description="report.json; null until there is a catalogue")
    text: str = Field(description="the report for people")


class EventPick(BaseModel):
    """A pick of an event."""

    pick_index: int
    station: str
    phase: str = Field(description="that the event predicts")
    labelled: str = Field(description="phase of the pick file, which may be wrong")
    time: str = Field(description="ISO 8601, UTC")
    predicted: str | None = Field(description="predicted arrival with the station's delay: time less the residual")
    probability: float | None = Field(description="of the picker")
    posterior: float | None = Field(description="probability that the pick is of this event")
    residual_s: float | None = Field(description="observed minus predicted")
    distance_km: float | None = Field(description="horizontal")
    azimuth_deg: float | None = Field(description="at the epicentre towards the station")
    weight: float | None = Field(description="in the location, 0 to 1")
    station_magnitude: float | None = Field(description="from its amplitude")


class EventDetail(BaseModel):
    """An event with its uncertainty and its picks, nearest first."""

    preliminary: bool
    event: dict[str, Any] = Field(description="its row of events.csv")
    ellipse: list[tuple[float, float]] = Field(
        description="68 % of the epicentre: longitude and latitude (degrees) around it"
    )
    picks: list[EventPick] = Field(description="none while it is preliminary")
    previous: int | None = Field(description="the event before it")
    next: int | None


@router.get("/events", response_model=Events)
def events(job_id: JobId, services: Served, wanted: Wanted) -> Response:
    """The events of an association, as columns; while it runs, preliminary ones."""
    found = found_catalogue(services, job_id)
    table = found.catalog.events
    kept = table[wanted.of(table)]
    columns = ",".join(f"{json.dumps(name)}:{_column(kept, name, kind)}" for name, kind in EVENT_COLUMNS.items())
    head: dict[str, Any] = {
        "preliminary": found.preliminary,
        "run": run_name(found),
        "count": len(kept),
        "total": len(table),
    }
    head["ranges"] = _ranges(table)
    return Response(f'{json.dumps(head)[:-1]},"columns":{{{columns}}}}}', media_type="application/json")


@router.get("/events/{number}")
def event(job_id: JobId, number: EventNumber, services: Served) -> EventDetail:
    """One event: hypocentre, uncertainty, quality and flags; its picks with residuals and predicted times."""
    found = found_catalogue(services, job_id)
    row = event_row(found, number)
    numbers = found.catalog.events["event_id"].to_numpy()
    before, after = numbers[numbers < number], numbers[numbers > number]
    return EventDetail(
        preliminary=found.preliminary,
        event=_told(row),
        ellipse=_ellipse(row),
        picks=[] if found.preliminary else _picks(found, number),
        previous=int(before.max()) if len(before) else None,
        next=int(after.min()) if len(after) else None,
    )


@router.get("/catalogue")
def overview(job_id: JobId, services: Served) -> Overview:
    """Stations, region, options and report of an association."""
    job = association_job(services, job_id)
    found = held(services, job)
    sites = asked_sites(services, job) if found.preliminary else found.sites
    asked = services.storage.get_json(f"incoming/{job.id}/job.json") or {}
    report = None if found.preliminary else json.loads(found.data(REPORT_JSON))
    text = "" if found.preliminary else found.data(REPORT).decode()
    return Overview(
        preliminary=found.preliminary,
        run=run_name(found),
        total=len(found.catalog.events),
        stations=[Place(**row) for row in _rows(sites[["station", "latitude", "longitude", "elevation_m"]])],
        region=found.settings.get("region"),
        options=asked.get("options", {}),
        report=report,
        text=services.discreet(text),
    )


def found_catalogue(services: Services, job_id: str) -> HeldCatalogue:
    return held(services, association_job(services, job_id))


def run_name(found: HeldCatalogue) -> str:
    return found.folder.rpartition("/")[2]


def event_row(found: HeldCatalogue, number: int) -> pd.Series:
    rows = found.catalog.events[found.catalog.events["event_id"] == number]
    if rows.empty:
        raise HTTPException(404, f"there is no event {number} in this catalogue")
    return rows.iloc[0]


def _column(table: pd.DataFrame, name: str, kind: str) -> str:
    """A column as JSON: 2 million numbers a second and more, as pandas writes them."""
    values = table[name]
    if kind == "time":
        return json.dumps(iso(values).tolist())
    if kind == "count" and (values < 0).any():
        values = values.astype(object).where(values >= 0)
    return str(values.to_json(orient="values", double_precision=5))  # type: ignore[call-overload]


def _ranges(table: pd.DataFrame) -> dict[str, Any] | None:
    if table.empty:
        return None
    told: dict[str, Any] = {"time": iso(pd.Series([table["time"].min(), table["time"].max()])).tolist()}
    told["n_picks"] = [int(table["n_picks"].min()), int(table["n_picks"].max())]
    for name in ("depth_km", "magnitude", "false_probability"):
        known = table[name].dropna()
        told[name] = [float(known.min()), float(known.max())] if len(known) else None
    return told


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table; None for what is unknown."""
    columns = {name: [None if pd.isna(value) else value for value in table[name].tolist()] for name in map(str, table)}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _told(row: pd.Series) -> dict[str, Any]:
    (told,) = _rows(pd.DataFrame([row]).assign(time=iso(pd.Series([row["time"]]))))
    return {name: None if EVENT_COLUMNS[name] == "count" and value < 0 else value for name, value in told.items()}


def _picks(found: HeldCatalogue, number: int) -> list[EventPick]:
    own = found.catalog.assignments[found.catalog.assignments["event_id"] == number]
    own = own.rename(columns={"probability": "posterior"})
    picks = found.picks[["pick_index", "station", "phase", "time", "probability"]].rename(columns={"phase": "labelled"})
    table = own.merge(picks, on="pick_index")
    table["phase"] = table["phase"].where(table["phase"] != "", table["labelled"])
    predicted = table["time"] - pd.to_timedelta(table["residual_s"], unit="s")
    known = table["residual_s"].notna()
    told = pd.Series(iso(predicted.where(known, table["time"])), table.index, dtype=object).where(known, None)
    table = table.assign(time=iso(table["time"]), predicted=told).drop(columns="event_id")
    return [EventPick(**row) for row in _rows(table.sort_values(["distance_km", "phase"], kind="stable"))]


def _ellipse(row: pd.Series) -> list[tuple[float, float]]:
    """Points around the ellipse of the epicentre, the first one again last; none where it is not known."""
    major, minor, azimuth = (
        float(row[name]) for name in ("horizontal_uncertainty_km", "ellipse_minor_km", "ellipse_azimuth_deg")
    )
    if not np.isfinite([major, minor, azimuth]).all():
        return []
    angle = np.linspace(0.0, 2 * np.pi, ELLIPSE_POINTS + 1)
    along, across = major * np.cos(angle), minor * np.sin(angle)
    towards = azimuth + np.degrees(np.arctan2(across, along))
    lat, lon = geo.destination(row["latitude"], row["longitude"], towards, np.hypot(along, across))
    return [(round(x, 6), round(y, 6)) for x, y in zip(lon.tolist(), lat.tolist(), strict=True)]
