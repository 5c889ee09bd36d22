"""The catalogue of an association job, as the routes and pages need it: read once, then filtered in memory."""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from fastapi import HTTPException, Query

from seisloom.catalog import ASSIGNMENTS, EVENTS, Catalog, reread_catalog
from seisloom.jobs import AssociationRequest, Job, read_request
from seisloom.jobs.association import PICKS, PRELIMINARY, SETTINGS, STATIONS, VELOCITY
from seisloom.jobs.association_inputs import read_file
from seisloom.picks import reread_picks
from seisloom.storage import Storage
from seisloom.web.services import Services

if TYPE_CHECKING:
    from seisloom.associate.study import Study

# Catalogues that are held in memory, and drawn figures of each.
_HELD, _FIGURES = 4, 48
_NUMBER = r"-?\d{1,3}(\.\d{1,9})?"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class EventFilter:
    """Which events; without any of these, all."""

    start: Annotated[
        datetime | None, Query(description="origin time from, ISO 8601 (UTC unless it says otherwise)")
    ] = None
    end: Annotated[datetime | None, Query(description="origin time before")] = None
    min_depth: Annotated[float | None, Query(description="km below sea level")] = None
    max_depth: Annotated[float | None, Query(description="km below sea level")] = None
    min_picks: Annotated[int | None, Query(ge=0, description="fewest picks")] = None
    min_magnitude: Annotated[float | None, Query(description="least magnitude; events that have none are left out")] = (
        None
    )
    max_false: Annotated[
        float | None, Query(ge=0, le=1, description="largest probability that it is false; unknown ones are left out")
    ] = None
    quality: Annotated[str | None, Query(pattern="^[A-D]{1,4}$", description="letters, e.g. AB", examples=["AB"])] = (
        None
    )

    box: Annotated[
        str | None,
        Query(
            pattern=rf"^{_NUMBER}(,{_NUMBER}){{3}}$",
            description="west,south,east,north of the epicentres (degrees); west > east across ±180°",
            examples=["12.9,42.7,13.4,43.1"],
        ),
    ] = None

    def applies(self) -> bool:
        """Whether it may leave out any event."""
        return any(value is not None for value in vars(self).values())

    def of(self, events: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """(event,): those that are asked for."""
        keep = np.ones(len(events), bool)
        ns = events["time"].to_numpy("datetime64[ns]").astype(np.int64)
        if self.start is not None:
            keep &= ns >= _nanoseconds(self.start)
        if self.end is not None:
            keep &= ns < _nanoseconds(self.end)
        if self.min_depth is not None:
            keep &= (events["depth_km"] >= self.min_depth).to_numpy()
        if self.max_depth is not None:
            keep &= (events["depth_km"] <= self.max_depth).to_numpy()
        if self.min_picks is not None:
            keep &= (events["n_picks"] >= self.min_picks).to_numpy()
        if self.min_magnitude is not None:
            keep &= (events["magnitude"] >= self.min_magnitude).to_numpy()
        if self.max_false is not None:
            keep &= (events["false_probability"] <= self.max_false).to_numpy()
        if self.quality is not None:
            keep &= events["quality"].isin(list(self.quality)).to_numpy()
        if self.box is not None:
            west, south, east, north = map(float, self.box.split(","))
            eastwards = (events["longitude"].to_numpy(float) - west) % 360.0
            keep &= events["latitude"].between(south, north).to_numpy() & (eastwards <= (east - west) % 360.0)
        return keep


def _nanoseconds(time: datetime) -> int:
    """Since 1970; of any year, as whole numbers have no bounds here."""
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    since = aware - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


@dataclass(eq=False)
class HeldCatalogue:
    """A catalogue in memory; what few ask for is read when it is first asked for."""

    storage: Storage
    folder: str
    """``processed/ID/run-NUMBER``."""
    catalog: Catalog
    preliminary: bool
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _figures: OrderedDict[tuple[Any, ...], bytes] = field(default_factory=OrderedDict)

    def chosen(self, wanted: EventFilter) -> Catalog:
        """The events that a filter lets through, with their picks."""
        if not wanted.applies():
            return self.catalog
        events = self.catalog.events[wanted.of(self.catalog.events)].reset_index(drop=True)
        mine = self.catalog.assignments["event_id"].isin(events["event_id"])
        return Catalog(events, self.catalog.assignments[mine].reset_index(drop=True), self.catalog.origin)

    @cached_property
    def picks(self) -> pd.DataFrame:
        """All picks at known stations."""
        return reread_picks(self.data(PICKS))

    @cached_property
    def sites(self) -> pd.DataFrame:
        """Stations."""
        with tempfile.TemporaryDirectory(prefix="seisloom-") as folder:
            sites: pd.DataFrame = read_file("stations", STATIONS, self.data(STATIONS), Path(folder))
            return sites

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What the run was asked and what followed: options, region, windows."""
        held = self.storage.get_json(f"{self.folder}/{SETTINGS}")
        return held if isinstance(held, dict) else {}

    @cached_property
    def study(self) -> Study:
        """Stations, region and travel times, as the catalogue was made with them."""
        from seisloom.associate.job import make_study
        from seisloom.associate.network import Region

        with tempfile.TemporaryDirectory(prefix="seisloom-") as folder:
            velocity = read_file("velocity", VELOCITY, self.data(VELOCITY), Path(folder))
        region = Region(**self.settings["region"])
        return make_study(self.sites, velocity, region, self.settings["options"]["earth"])

    def data(self, name: str) -> bytes:
        """A file of the folder; 404 where it is not there."""
        data = self.storage.get(f"{self.folder}/{name}")
        if data is None:
            raise HTTPException(404, f"the catalogue has no {name}" + (" yet" if self.preliminary else ""))
        return data

    def drawn(self, key: tuple[Any, ...], draw: Callable[[], bytes]) -> bytes:
        """A figure, drawn when it is asked for the first time; one at a time, as drawing takes the whole machine."""
        with self._lock:
            if key not in self._figures:
                self._figures[key] = draw()
                while len(self._figures) > _FIGURES:
                    self._figures.popitem(last=False)
            self._figures.move_to_end(key)
            return self._figures[key]


class _Shelf:
    """The catalogues that were asked for last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str], HeldCatalogue] = OrderedDict()

    def get(self, storage: Storage, folder: str) -> HeldCatalogue:
        key = (storage.url, folder)
        with self._lock:
            if key not in self._held:
                self._held[key] = _read(storage, folder)
                while len(self._held) > _HELD:
                    self._held.popitem(last=False)
            self._held.move_to_end(key)
            return self._held[key]


_shelf = _Shelf()


def association_job(services: Services, job_id: str) -> Job:
    """The job; 404 for one of another kind."""
    job = services.board.job(job_id)
    if job.kind != "association":
        raise HTTPException(404, f"job {job_id} is a {job.kind}: it has no catalogue")
    return job


def held(services: Services, job: Job) -> HeldCatalogue:
    """The catalogue of a job; until it is done, its preliminary events, which may be none."""
    folder = job.result.get("folder")
    if job.state == "done" and isinstance(folder, str):
        return _shelf.get(services.storage, folder)
    return _preliminary(services.storage, job)


def asked_sites(services: Services, job: Job) -> pd.DataFrame:
    """The stations that a job was given."""
    request = read_request(services.storage, job.id)
    assert isinstance(request, AssociationRequest)
    with tempfile.TemporaryDirectory(prefix="seisloom-") as folder:
        sites: pd.DataFrame = read_file("stations", *request.stations, Path(folder))
        return sites


def _read(storage: Storage, folder: str) -> HeldCatalogue:
    events, assignments = (storage.get(f"{folder}/{name}") for name in (EVENTS, ASSIGNMENTS))
    if events is None:
        raise HTTPException(404, "the files of this catalogue are gone: retry the job")
    return HeldCatalogue(storage, folder, reread_catalog(events, assignments), preliminary=False)


def _preliminary(storage: Storage, job: Job) -> HeldCatalogue:
    """Events so far, of the newest run that has any."""
    keys = [key for key in storage.keys(f"processed/{job.id}") if key.endswith(f"/{PRELIMINARY}")]
    running = [key for key in keys if job.state != "running" or key.split("/")[2] == f"run-{job.number:06d}"]
    data = storage.get(running[-1]) if running else None
    folder = running[-1].rpartition("/")[0] if running else f"processed/{job.id}/none"
    catalog = reread_catalog(data) if data else Catalog(_nothing(), pd.DataFrame(columns=_ASSIGNED))
    return HeldCatalogue(storage, folder, catalog, preliminary=True)


_ASSIGNED = ["pick_index", "event_id", "residual_s", "distance_km", "azimuth_deg", "weight"]
FigureFormat = Literal["png", "svg", "pdf"]


def _nothing() -> pd.DataFrame:
    """No events."""
    columns = ["event_id", "time", "latitude", "longitude", "depth_km"]
    return pd.DataFrame({name: pd.Series(dtype="datetime64[ns, UTC]" if name == "time" else float) for name in columns})
