"""Catalogues as files: figures and downloads, of all events or of those that a filter lets through."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pandas as pd
from fastapi import APIRouter, HTTPException, Query, Response

from seisloom.associate.outputs import EVIDENCE, REPORT, REPORT_JSON, write_catalog
from seisloom.catalog import EVENTS, Catalog
from seisloom.catalog.csv_files import events_csv
from seisloom.errors import InputError
from seisloom.jobs.association import PICKS, SETTINGS, STATIONS, VELOCITY
from seisloom.picks import write_picks
from seisloom.web.api.catalogue_data import EventFilter, FigureFormat, HeldCatalogue, asked_sites, association_job
from seisloom.web.api.catalogues import EventNumber, Wanted, event_row, found_catalogue
from seisloom.web.api.files import JobId, attachment
from seisloom.web.services import Served

if TYPE_CHECKING:
    from matplotlib.figure import Figure

router = APIRouter(prefix="/jobs/{job_id}", tags=["catalogues"])

Download = Literal[
    "events.csv", "assignments.csv", "catalog.xml", "observations.obs", "hypoinverse.arc", "catalogue.zip", "report.txt"
]
CatalogueFigure = Literal["seismicity", "timeline", "depth"]
MEDIA = {
    "csv": "text/csv", "xml": "application/xml", "zip": "application/zip", "obs": "text/plain", "arc": "text/plain",
    "txt": "text/plain", "png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf",
}  # fmt: skip
_ANY_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {"*/*": {}}}}


@router.get("/events/{number}/section.{form}", response_class=Response, responses=_ANY_FILE)
def section(job_id: JobId, number: EventNumber, form: FigureFormat, services: Served) -> Response:
    """The record section of an event: picks, predicted arrivals, residuals."""
    from seisloom.figures import event_figure

    found = found_catalogue(services, job_id)
    event_row(found, number)
    if found.preliminary:
        raise HTTPException(404, "there are no picks of preliminary events: wait until the job is done")

    def draw() -> Figure:
        return event_figure(found.catalog, number, found.picks, found.sites, study=found.study)

    return _figure(found, ("section", number, form), draw, form, f"event-{number}")


@router.get("/catalogue/figures/{name}.{form}", response_class=Response, responses=_ANY_FILE)
def figure(
    job_id: JobId,
    name: CatalogueFigure,
    form: FigureFormat,
    services: Served,
    wanted: Wanted,
    profile: Annotated[
        str | None,
        Query(
            pattern=r"^(-?\d{1,3}(\.\d{1,8})?,){4}\d{1,4}(\.\d{1,8})?$",
            description="of the depth section: latitude and longitude of start and end (degrees), width (km); default: along the events",
            examples=["42.8,13.0,43.2,13.3,10"],
        ),
    ] = None,
) -> Response:
    """A figure of the events that the filter lets through: map with sections, time line, or a depth section."""
    found = found_catalogue(services, job_id)
    shown = found.catalog.events[wanted.of(found.catalog.events)]
    sites = found.sites if not found.preliminary else asked_sites(services, association_job(services, job_id))

    def draw() -> Figure:
        from seisloom.figures import main_profile
        from seisloom.plot.profile import depth_section
        from seisloom.plot.seismicity import seismicity_map
        from seisloom.plot.timeline import timeline

        if name == "seismicity":
            return seismicity_map(shown, sites)
        if name == "timeline":
            return timeline(shown)
        return depth_section(shown, *(_profile(profile) if profile else main_profile(shown)), sites=sites)

    return _figure(found, (name, form, profile, *map(str, vars(wanted).values())), draw, form, name)


@router.get("/catalogue/{file}", response_class=Response, responses=_ANY_FILE)
def download(job_id: JobId, file: Download, services: Served, wanted: Wanted) -> Response:
    """The events that the filter lets through, in the format of the file's name; ``catalogue.zip`` is all of them.

    QuakeML, NonLinLoc and HypoInverse hold the picks of these events. The report is always that of all events.
    """
    found = found_catalogue(services, job_id)
    if file == EVENTS:
        data = events_csv(found.catalog.events[wanted.of(found.catalog.events)]).encode()
    elif found.preliminary:
        raise HTTPException(404, f"there is no {file} yet: wait until the job is done")
    elif file == REPORT or (file != "catalogue.zip" and not wanted.applies()):
        data = found.data(file)
    else:
        data = _written(found, file, wanted)
    return Response(data, media_type=MEDIA[file.rpartition(".")[2]], headers=attachment(file))


def _profile(text: str) -> tuple[tuple[float, float], tuple[float, float], float]:
    lat0, lon0, lat1, lon1, width = map(float, text.split(","))
    if max(abs(lat0), abs(lat1)) > 90 or max(abs(lon0), abs(lon1)) > 360:
        raise InputError(f"profile {text}: latitudes within ±90° and longitudes within ±360° are expected")
    return (lat0, lon0), (lat1, lon1), width


def _figure(found: HeldCatalogue, key: tuple[Any, ...], draw: Any, form: FigureFormat, name: str) -> Response:
    """A figure as an answer; preliminary ones are not kept."""

    def data() -> bytes:
        from seisloom.plot.style import render

        return render(draw(), f".{form}")

    content = data() if found.preliminary else found.drawn(key, data)
    headers = {"Content-Disposition": f'inline; filename="{name}.{form}"'}
    return Response(content, media_type=MEDIA[form], headers=headers)


def _written(found: HeldCatalogue, file: str, wanted: EventFilter) -> bytes:
    """The files of some events, made anew: one of them, or all in an archive with what they were made from."""
    chosen = found.chosen(wanted)
    with tempfile.TemporaryDirectory(prefix="seisloom-") as name:
        folder = FilePath(name)
        why_not = write_catalog(chosen, found.picks, folder, found.sites["station"].tolist())
        if file != "catalogue.zip":
            path = folder / file
            if not path.exists():
                raise HTTPException(404, f"there is no {file}: {'; '.join(why_not)}")
            return path.read_bytes()
        write_picks(_picks_of(found, chosen, wanted), folder / PICKS)
        for other in (STATIONS, VELOCITY, SETTINGS, REPORT, REPORT_JSON):
            (folder / other).write_bytes(found.data(other))
        if not wanted.applies() and (evidence := found.storage.get(f"{found.folder}/{EVIDENCE}")):
            (folder / EVIDENCE).write_bytes(evidence)
        return _zipped(folder)


def _picks_of(found: HeldCatalogue, chosen: Catalog, wanted: EventFilter) -> pd.DataFrame:
    """All picks, or those of the chosen events."""
    if not wanted.applies():
        return found.picks
    return found.picks[found.picks["pick_index"].isin(chosen.assignments["pick_index"])]


def _zipped(folder: FilePath) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"catalogue/{path.name}")
    return out.getvalue()
