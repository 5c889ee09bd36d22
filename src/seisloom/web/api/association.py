"""Association jobs, and the files of the workspace that they are made from."""

from __future__ import annotations

import re
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, BinaryIO

import numpy as np
import pandas as pd
from fastapi import APIRouter, Depends, File, Form, HTTPException, Query, Request, Response, UploadFile
from fastapi import Path as PathParameter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, ValidationError

from seisloom.config.faults import sentences
from seisloom.errors import InputError, SettingsError
from seisloom.jobs import AssociationRequest, submit
from seisloom.jobs.association_inputs import KINDS, FileKind, check_request, read_file
from seisloom.jobs.requests import AssociationOptions
from seisloom.jobs.upkeep import listing
from seisloom.stations import write_stations
from seisloom.web.api.files import attachment
from seisloom.web.api.jobs import ListedJob, created
from seisloom.web.services import Served, Services
from seisloom.web.session import Session
from seisloom.words import counted

router = APIRouter(tags=["association"])

FOLDER = "files"
NAME_MAX = 100
_LETTERS = re.compile(r"[^A-Za-z0-9._ +-]+")
_NAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._ +-]{{0,{NAME_MAX - 1}}}")

FileName = Annotated[str, PathParameter(max_length=200, description="name of a file in the workspace")]


class WorkspaceFile(BaseModel):
    """A file of the workspace's folder ``files/``, which all who use the workspace share."""

    name: str
    size: int = Field(description="bytes")
    modified: str = Field(description="UTC, ISO 8601")


class WorkspaceFiles(BaseModel):
    """Files of the workspace, newest first."""

    files: list[WorkspaceFile]
    count: int


class FilePlace(BaseModel):
    """A station of a station list."""

    station: str = Field(examples=["IV.CESI"])
    latitude: float
    longitude: float


class FileFacts(BaseModel):
    """What is in a file, read as picks, stations, velocity model or network."""

    name: str
    kind: FileKind
    summary: str = Field(examples=["4,512 picks at 30 stations"])
    stations: list[FilePlace] | None = Field(default=None, description="of a station list")
    layers: list[tuple[float, float, float]] | None = Field(
        default=None, description="of a velocity model: depth (km), Vp, Vs (km/s)"
    )


class DemoFiles(BaseModel):
    """Names of the files of the demonstration."""

    picks: str
    stations: str
    velocity: str


@router.get("/files")
def files(services: Served) -> WorkspaceFiles:
    """The files in the workspace's folder ``files/``: picks, stations, velocity models, networks."""
    found = [
        WorkspaceFile(name=name, size=size, modified=modified)
        for name, (size, _, modified) in listing(services.storage, FOLDER).items()
        if _NAME.fullmatch(name)
    ]
    found.sort(key=lambda file: file.modified, reverse=True)
    return WorkspaceFiles(files=found, count=len(found))


@router.post("/files", status_code=201)
def upload(
    services: Served,
    file: Annotated[UploadFile, File(description="in any format of the command line")],
    kind: Annotated[FileKind, Form(description="what it is")],
) -> FileFacts:
    """Put a file into the workspace. It is read at once: what cannot be used is refused, with its line.

    Another file of that name stays as it is: the new one gets a number, as the answer says.
    """
    name, data = _clean(file.filename), _content(file, services)
    facts = _facts(kind, name, data)
    return facts.model_copy(update={"name": _keep(services, name, data)})


@router.post("/files/demo", status_code=201)
def demo(services: Served) -> DemoFiles:
    """Put the files of the demonstration into the workspace: two hours of simulated picks at 30 stations."""
    from seisloom.demo.association import write_inputs

    names = {"picks": "picks.csv", "stations": "stations.csv", "velocity": "velocity.txt"}
    with tempfile.TemporaryDirectory(prefix="seisloom-") as folder:
        write_inputs(Path(folder))
        kept = {
            kind: _keep(services, f"demo-{name}", (Path(folder) / name).read_bytes()) for kind, name in names.items()
        }
    return DemoFiles(**kept)


@router.get("/files/{name}", response_class=StreamingResponse, responses={200: {"content": {"*/*": {}}}})
def download(name: FileName, services: Served) -> StreamingResponse:
    """A file of the workspace."""
    return StreamingResponse(iter([_stored(services, name)]), media_type="text/plain", headers=attachment(name))


@router.get("/files/{name}/facts")
def facts(
    name: FileName, services: Served, kind: Annotated[FileKind, Query(description="what to read it as")]
) -> FileFacts:
    """What is in a file of the workspace; refused, with the line, if it is none of that kind."""
    return _facts(kind, name, _stored(services, name))


@router.delete("/files/{name}", status_code=204)
def delete(name: FileName, services: Served) -> None:
    """Remove a file from the workspace; jobs have their own copies."""
    _stored(services, name)
    services.storage.delete([f"{FOLDER}/{name}"])


@dataclass
class Given:
    """The files of a job: each sent along, or the name of one of the workspace."""

    picks: Annotated[UploadFile | None, File(description="CSV, GPD, SeisBench, PhaseNet, GaMMA, PyOcto or QuakeML")] = (
        None
    )
    picks_file: Annotated[str | None, Form(max_length=200, description="or a file of the workspace")] = None
    stations: Annotated[UploadFile | None, File(description="list, CSV, StationXML or FDSN text")] = None
    stations_file: Annotated[str | None, Form(max_length=200)] = None
    stations_saved: Annotated[bool, Form(description="or the stations of this session's saved channels")] = False
    velocity: Annotated[UploadFile | None, File(description="depth (km), Vp, Vs (km/s); .nd, .tvel, NonLinLoc")] = None
    velocity_file: Annotated[str | None, Form(max_length=200)] = None
    model: Annotated[UploadFile | None, File(description="a trained network for phaselink")] = None
    model_file: Annotated[str | None, Form(max_length=200)] = None

    def of(self, kind: FileKind, services: Services, session: str) -> tuple[str, bytes] | None:
        """Name and content of a file; InputError where it is given in more than one way."""
        sent, named = getattr(self, kind), getattr(self, f"{kind}_file")
        saved = kind == "stations" and self.stations_saved
        if (sent is not None) + bool(named) + saved > 1:
            raise InputError(f"{kind}: give it in one way: sent along, a file of the workspace, or what is saved")
        if sent is not None:
            return _clean(sent.filename), _content(sent, services)
        if named:
            return named, _stored(services, named)
        return _saved_stations(services, session) if saved else None


@router.post("/jobs/association", status_code=201)
def association(
    services: Served,
    session: Session,
    request: Request,
    response: Response,
    given: Annotated[Given, Depends()],
    options: Annotated[str, Form(description="AssociationOptions as JSON", examples=['{"min_picks": 8}'])] = "{}",
    name: Annotated[str, Form(max_length=200, description="for people; need not be unique")] = "",
) -> ListedJob:
    """Put an association on the board; a worker takes it up.

    All is read at once and refused with words: files that cannot be read, with their lines; picks at none of the
    stations; regions that are none; jobs beyond the limits, with the numbers.
    """
    found = {kind: given.of(kind, services, session) for kind in KINDS}
    picks, stations, velocity = (_needed(kind, found[kind]) for kind in KINDS[:3])
    name = re.sub(r"[\x00-\x1f\x7f]+", " ", name).strip()
    asked = AssociationRequest(picks, stations, velocity, _options(options), found["model"], name)
    with tempfile.TemporaryDirectory(prefix="seisloom-") as folder:
        check_request(asked, Path(folder), services.limits)
    return created(submit(services.board, asked), services, request, response)


def _needed(kind: str, file: tuple[str, bytes] | None) -> tuple[str, bytes]:
    if file is None:
        raise InputError(f"{kind}: missing: send a file, or name one of the workspace")
    return file


def _options(text: str) -> AssociationOptions:
    try:
        return AssociationOptions.model_validate_json(text)
    except ValidationError as error:
        raise SettingsError(sentences(error, AssociationOptions), "options") from None


def _saved_stations(services: Services, session: str) -> tuple[str, bytes]:
    from seisloom.web.api.saved import saved_channels

    channels = saved_channels(services, session)
    if channels.empty:
        raise InputError("no channels are saved: save some on the map, or give a file of stations")
    return "saved.csv", write_stations(channels).encode()


def _clean(given: str | None) -> str:
    """A file's name without what names of the workspace have no place for."""
    name = PurePosixPath((given or "").replace("\\", "/")).name
    name = _LETTERS.sub("_", name).lstrip(" .+-")
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix[:16]
    return (stem[: NAME_MAX - len(suffix) - 4] + suffix) or "file"


def _content(file: UploadFile, services: Services) -> bytes:
    services.limits.check(upload_mb=round((file.size or 0) / 1e6, 1))
    content: BinaryIO = file.file
    return content.read()


def _stored(services: Services, name: str) -> bytes:
    data = services.storage.get(f"{FOLDER}/{name}") if _NAME.fullmatch(name) else None
    if data is None:
        raise HTTPException(404, f"the workspace has no file {name[:NAME_MAX]!r}")
    return data


def _keep(services: Services, name: str, data: bytes) -> str:
    """Put a file under its name, or that with a number where another file has it; returns the name."""
    path = PurePosixPath(name)
    for tried in (name, *(f"{path.stem}-{n}{path.suffix}" for n in range(2, 100))):
        key = f"{FOLDER}/{tried}"
        if services.storage.put_new(key, data) or services.storage.get(key) == data:
            return tried
    tried = f"{path.stem}-{secrets.token_hex(4)}{path.suffix}"
    services.storage.put(f"{FOLDER}/{tried}", data)
    return tried


def _facts(kind: FileKind, name: str, data: bytes) -> FileFacts:
    """Read a file and say what is in it."""
    with tempfile.TemporaryDirectory(prefix="seisloom-") as folder:
        read = read_file(kind, name, data, Path(folder))
    about: dict[str, Any] = {}
    if kind == "picks":
        summary = _picks_in_words(read)
    elif kind == "stations":
        summary = "; ".join([counted(len(read), "station"), *read.attrs.get("notes", [])])
        about["stations"] = read[["station", "latitude", "longitude"]].to_dict("records")
    elif kind == "velocity":
        layers = np.column_stack([read.depth_km, read.vp_km_s, read.vs_km_s])
        summary = (
            f"{len(layers)} depths from {layers[0, 0]:g} to {layers[-1, 0]:g} km, "
            f"Vp {layers[:, 1].min():.2f} to {layers[:, 1].max():.2f} km/s"
        )
        about["layers"] = layers.round(5).tolist()
    else:
        summary = f"a trained network, {len(data) / 1e6:.1f} MB"
    return FileFacts(name=name, kind=kind, summary=summary, **about)


def _picks_in_words(picks: pd.DataFrame) -> str:
    report, first, last = picks.attrs["report"], picks["time"].min(), picks["time"].max()
    phases = picks["phase"].value_counts()
    counts = ", ".join(f"{phases.get(phase, 0):,} {phase}" for phase in ("P", "S"))
    left = f"; {report.read - report.kept:,} left out" if report.read > report.kept else ""
    return (
        f"{counted(len(picks), 'pick')} ({counts}) at {counted(picks['station'].nunique(), 'station')}, "
        f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC{left}"
    )
