"""What is asked of a job, as the files of ``incoming/ID/``.

Correlation: ``stations.csv`` and ``params.csv`` (CSV of the XCor app), and ``job.json`` for what these cannot say: name,
source, first and last day. Without job.json, as from other programs, the source is the worker's default and the days
are those of StartDate and EndDate in stations.csv.
Association: picks, stations and velocity model in any format of the command line, and ``job.json`` with their names and
the settings.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from seisloom.config import CorrelationSettings, parse_settings, write_params_csv
from seisloom.config.faults import sentences
from seisloom.errors import InputError, SettingsError
from seisloom.jobs.board import Board
from seisloom.jobs.limits import Limits
from seisloom.noise.pairs import channel_pairs
from seisloom.noise.pipeline import day_range
from seisloom.stations import channel_ids, parse_stations, write_stations
from seisloom.storage import Storage

STATIONS, PARAMS, CARD = "stations.csv", "params.csv", "job.json"
NAME_LENGTH = 200
"""Letters of a job's name at most."""


@dataclass(frozen=True)
class CorrelationRequest:
    """Correlate the channels of a table over days; ``source`` None is the worker's default."""

    channels: pd.DataFrame
    settings: CorrelationSettings
    source: str | None
    start: str
    end: str
    name: str = ""
    kind: Literal["correlation"] = "correlation"

    def check(self, limits: Limits) -> dict[str, int]:
        """Channels, days and pairs of the job; LimitError where these are too many.

        Without ``pairs`` where distances are limited and coordinates are still to come from the metadata.
        """
        channels = self.channels.assign(id=channel_ids(self.channels)).drop_duplicates("id").sort_values("id")
        size = {"channels": len(channels), "days": len(day_range(self.start, self.end))}
        limits.check(**size)  # before all pairs are counted, which takes the square of the memory
        limited = self.settings.min_distance_km > 0 or self.settings.max_distance_km is not None
        if not (limited and channels[["latitude", "longitude"]].isna().any(axis=None)):
            size["pairs"] = len(channel_pairs(channels, self.settings))
            limits.check(**size)
        return size

    def files(self) -> dict[str, bytes]:
        """The files of ``incoming/ID/``; params.csv, which makes other programs' jobs complete, comes last."""
        card = {"kind": self.kind, "name": self.name, "source": self.source, "start": self.start, "end": self.end}
        return {
            CARD: _json(card),
            STATIONS: write_stations(self.channels).encode(),
            PARAMS: write_params_csv(self.settings).encode(),
        }


class AssociationOptions(BaseModel):
    """What may be chosen of an association job; the defaults are those of ``seisloom associate``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Literal["likelihood", "phaselink"] = Field(
        default="likelihood", description="phaselink: a network that links picks, trained first unless one is given"
    )
    region: tuple[float, float, float, float, float, float] | None = Field(
        default=None, description="south, north, west, east (degrees), top, bottom (km); default: around the stations"
    )
    min_picks: int = Field(default=8, ge=4, description="fewest picks of an event")
    min_p: int = Field(default=0, ge=0, description="fewest P picks of an event")
    min_s: int = Field(default=0, ge=0, description="fewest S picks of an event")
    false_events_per_day: float | None = Field(
        default=None, ge=1e-6, description="that are put up with (likelihood); default: 1, or 1 % of the events"
    )
    min_evidence: float | None = Field(
        default=None, gt=0, description="log likelihood ratio of an event (likelihood); default: from the false events"
    )
    spacing_km: float | None = Field(
        default=None, ge=0.1, description="of the search (likelihood); default: from stations and picks"
    )
    learn: bool = Field(default=True, description="errors, delays and detection from the picks (likelihood)")
    magnitude: str = Field(default="auto", description="relation for magnitudes where picks have amplitudes, or none")
    max_distance_km: float | None = Field(default=None, ge=1, description="farthest station of an event (phaselink)")
    min_probability: float = Field(default=0.0, ge=0, le=1, description="picks less probable than this are left out")
    earth: Literal["flat", "sphere"] = Field(default="sphere", description="that travel times are computed for")
    train_minutes: float = Field(default=5.0, ge=0.05, description="time for training (phaselink), without a network")
    seed: int = Field(default=1, ge=0, description="seed of random numbers")

    @model_validator(mode="before")
    @classmethod
    def _of_old(cls, given: Any) -> Any:
        """Options that say how long to train are of a time when every job did, or of somebody who wants it."""
        if isinstance(given, dict) and "train_minutes" in given and "method" not in given:
            return {"method": "phaselink"} | given
        return given


@dataclass(frozen=True)
class AssociationRequest:
    """Associate picks: file names within ``incoming/ID/`` and their contents."""

    picks: tuple[str, bytes]
    stations: tuple[str, bytes]
    velocity: tuple[str, bytes]
    options: AssociationOptions = field(default_factory=AssociationOptions)
    model: tuple[str, bytes] | None = None
    name: str = ""
    kind: Literal["association"] = "association"

    def __post_init__(self) -> None:
        if self.model:  # there is only one use for it
            object.__setattr__(self, "options", self.options.model_copy(update={"method": "phaselink"}))

    def files(self) -> dict[str, bytes]:
        """The files of ``incoming/ID/``, named by what they are; job.json comes last."""
        given = {"picks": self.picks, "stations": self.stations, "velocity": self.velocity, "model": self.model}
        named = {what: f"{what}{PurePosixPath(file[0]).suffix}" for what, file in given.items() if file}
        card = {"kind": self.kind, "name": self.name, "files": named, "options": self.options.model_dump()}
        return {named[what]: file[1] for what, file in given.items() if file} | {CARD: _json(card)}


Request = CorrelationRequest | AssociationRequest


def submit(board: Board, request: Request) -> str:
    """Put a job on the board; returns its id."""
    return board.submit(request.kind, request.name, request.files())


def announced(card: bytes | None) -> tuple[str, str, set[str]]:
    """Kind, name and files of a job as its job.json announces them; None is a job without one.

    Of a card that cannot be understood no files are expected: reading the request then says what is wrong with it.
    """
    if card is None:
        return "correlation", "", {STATIONS, PARAMS}
    try:
        read = _card(card, CARD)
    except InputError:
        return "correlation", "", set()
    name = str(read.get("name", ""))[:NAME_LENGTH]
    if read.get("kind", "correlation") == "correlation":
        return "correlation", name, {STATIONS, PARAMS}
    named = read.get("files")
    return "association", name, set(map(str, named.values())) if isinstance(named, dict) else set()


def read_request(storage: Storage, job_id: str) -> Request:
    """What a job asks; InputError names the file and what is wrong with it."""
    where = f"incoming/{job_id}"
    card = _card(storage.get(f"{where}/{CARD}") or b"{}", f"{where}/{CARD}")
    kind = card.get("kind", "correlation")
    if kind == "correlation":
        return _correlation(storage, where, card)
    if kind == "association":
        return _association(storage, where, card)
    raise InputError(f"{where}/{CARD}: kind {kind!r} is unknown: use correlation or association")


def _card(data: bytes, origin: str) -> dict[str, Any]:
    """A job.json, with what is text in all kinds checked to be so."""
    try:
        card = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{origin}: damaged, not valid JSON: {error}") from None
    if not isinstance(card, dict):
        raise InputError(f"{origin}: an object {{...}} is expected")
    for key in ("kind", "name", "source", "start", "end"):
        if not isinstance(card.get(key), str | None):
            raise InputError(f"{origin}: {key} is {card[key]!r}: write it as text in quotes")
    return card


def _correlation(storage: Storage, where: str, card: dict[str, Any]) -> CorrelationRequest:
    channels = parse_stations(_text(storage, f"{where}/{STATIONS}"), f"{where}/{STATIONS}")
    settings = parse_settings(_text(storage, f"{where}/{PARAMS}"), f"{where}/{PARAMS}")
    start, end = card.get("start"), card.get("end")
    if start is None:
        start, last = span_of(channels, f"{where}/{STATIONS}")
        end = end or last
    try:
        day_range(start, end)
    except InputError as error:
        raise InputError(f"{where}/{CARD}: {error}") from error
    return CorrelationRequest(channels, settings, card.get("source"), start, end or start, card.get("name") or "")


def span_of(channels: pd.DataFrame, origin: str) -> tuple[str, str]:
    """First and last day that a channel table names; InputError where a channel is open at an end, or none is dated."""
    if channels["start"].isna().all():
        raise InputError(f"{origin}: no StartDate in it: give the days there, or start and end in {CARD}")
    last = channels["end"].max()
    if pd.isna(last) or last > pd.Timestamp(datetime.now(UTC)):
        raise InputError(f"{origin}: no EndDate that is past: give the days there, or start and end in {CARD}")
    return f"{channels['start'].min():%Y-%m-%d}", f"{last:%Y-%m-%d}"


def _association(storage: Storage, where: str, card: dict[str, Any]) -> AssociationRequest:
    named, chosen = card.get("files", {}), card.get("options", {})
    if not (isinstance(named, dict) and isinstance(chosen, dict)):
        raise InputError(f"{where}/{CARD}: files and options are objects {{...}}")
    files = {}
    for what in ("picks", "stations", "velocity", "model"):
        if what not in named:
            continue
        name = str(named[what])
        if "/" in name or name.startswith("."):
            raise InputError(f"{where}/{CARD}: {what} is {name!r}: name a file of this folder")
        files[what] = (name, _bytes(storage, f"{where}/{name}"))
    if missing := [what for what in ("picks", "stations", "velocity") if what not in files]:
        raise InputError(f"{where}/{CARD}: files names no {', '.join(missing)}")
    try:
        options = AssociationOptions(**chosen)
    except ValidationError as error:
        raise SettingsError(sentences(error, AssociationOptions), f"{where}/{CARD}") from None
    return AssociationRequest(
        files["picks"], files["stations"], files["velocity"], options, files.get("model"), card.get("name") or ""
    )


def _bytes(storage: Storage, key: str) -> bytes:
    data = storage.get(key)
    if data is None:
        raise InputError(f"{key}: there is no such file")
    return data


def _text(storage: Storage, key: str) -> str:
    try:
        return _bytes(storage, key).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{key}: not UTF-8 text: {error}") from error


def _json(card: dict[str, Any]) -> bytes:
    return (json.dumps(card, indent=1) + "\n").encode()
