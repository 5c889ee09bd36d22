"""Records on a local disk: SeisComP archives (SDS), and MiniSEED or SAC files in any layout."""

from __future__ import annotations

import os
import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from seisloom.errors import InputError, NoDataError, SourceError
from seisloom.stations import validate
from seisloom.waveforms import sac
from seisloom.waveforms.availability import span_table
from seisloom.waveforms.base import DAY_NS, ChannelQuery, Record, Reopened, matches
from seisloom.waveforms.mseed import decode, is_mseed, spans
from seisloom.waveforms.query import select
from seisloom.waveforms.stationxml import StationFiles

if TYPE_CHECKING:
    from obspy import Inventory


def _parse(rest: str, kind: str) -> tuple[Path, StationFiles | None]:
    """The directory, and the metadata that may be named behind it."""
    text, _, option = rest.partition("?")
    path = Path(text).expanduser()
    if not text or not path.is_dir():
        raise InputError(f"source {kind}:{text}: no such directory")
    name, _, where = option.partition("=")
    if option and (name != "stationxml" or not where):
        raise InputError(f"source {kind}:{rest}: {option!r} is not understood; ?stationxml=FILE-or-DIR is")
    return path, StationFiles(where, f"{kind}:{rest}") if option else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error


def sds_path(archive: str | Path, channel_id: str, day_ns: int) -> Path:
    """YEAR/NET/STA/CHA.D/NET.STA.LOC.CHA.D.YEAR.DAY below a SeisComP archive, of the day of a time."""
    date = pd.Timestamp(day_ns)
    network, station, _, channel = channel_id.split(".")
    name = f"{channel_id}.D.{date.year}.{date.day_of_year:03d}"
    return Path(archive) / str(date.year) / network / station / f"{channel}.D" / name


def _selected(table: pd.DataFrame, query: ChannelQuery, spec: str, metadata: StationFiles | None) -> pd.DataFrame:
    """Rows that match, with what metadata tell of them; NoDataError for none."""
    if metadata:
        table = metadata.complete(table)
    found = select(table, query)
    if found.empty:
        known = table["latitude"].notna().any()
        reason = "no channel matches the query" if known else "its records hold no coordinates: ask without a box"
        raise NoDataError(f"{spec}: {reason}")
    return found


def _add(record: Record, path: Path, data: bytes, channel_id: str, start_ns: int, end_ns: int) -> None:
    """Add what a MiniSEED file holds; one that cannot be used is named and does not lose the others."""
    try:
        part = decode(data, str(path), channel_id, start_ns, end_ns)
    except InputError as error:
        record.problems.append(str(error))
        return
    record.segments += part.segments
    record.problems += part.problems
    if not part.segments and not part.problems and channel_id not in {name for name, _, _ in spans(str(path))}:
        record.problems.append(f"{path}: no records of {channel_id} in it")


class SdsSource(Reopened):
    """A SeisComP archive: YEAR/NET/STA/CHA.D/NET.STA.LOC.CHA.D.YEAR.DAY, a MiniSEED file a channel and day."""

    parallel = 1

    def __init__(self, directory: str) -> None:
        self.spec = f"sds:{directory}"
        self.root, self._metadata = _parse(directory, "sds")

    def fetch(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        record = Record()
        first, last = start_ns // DAY_NS, (end_ns - 1) // DAY_NS
        for day in range(first, last + 1):
            path = sds_path(self.root, channel_id, day * DAY_NS)
            if path.exists():
                _add(record, path, _read(path), channel_id, start_ns, end_ns)
        self._add_eve(record, channel_id, first - 1, start_ns, end_ns)
        if not record.segments and not record.problems:
            raise NoDataError(f"{channel_id}: no file in {self.root} for this time")
        return record

    def _add_eve(self, record: Record, channel_id: str, day: int, start_ns: int, end_ns: int) -> None:
        """What the file of the day before holds: a record that spans midnight stands where it starts.

        Whatever is wrong with that file concerns its own day, and not this one.
        """
        path = sds_path(self.root, channel_id, day * DAY_NS)
        try:
            record.segments += decode(path.read_bytes(), str(path), channel_id, start_ns, end_ns).segments
        except (OSError, InputError):
            return

    def days(self) -> tuple[str, str] | None:
        """First and last day with any file."""
        found = [path.name.split(".")[-2:] for path in self.root.glob("[0-9]*/*/*/*.D/*.D.*")]
        held = sorted((int(year), int(day)) for year, day in found if year.isdigit() and day.isdigit())
        if not held:
            return None
        first, last = (pd.Timestamp(year, 1, 1) + pd.Timedelta(days=day - 1) for year, day in (held[0], held[-1]))
        return f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"

    def channels(self, query: ChannelQuery) -> pd.DataFrame:
        found = {}
        for path in sorted(self.root.glob("[0-9]*/*/*/*.D/*.D.*")):
            codes = path.name.split(".")
            channel_id = ".".join(codes[:4])
            if len(codes) == 7 and matches(channel_id, query):
                found[channel_id] = dict(zip(("network", "station", "location", "channel"), codes, strict=False))
        if not found:
            raise NoDataError(f"{self.spec}: no channel matches the query")
        return _selected(validate(pd.DataFrame(found.values()), self.spec), query, self.spec, self._metadata)

    def inventory(self, channel_ids: Sequence[str], start_ns: int, end_ns: int) -> Inventory | None:
        return self._metadata.inventory(channel_ids) if self._metadata else None

    def availability(self, channel_ids: Sequence[str], start_ns: int, end_ns: int) -> pd.DataFrame:
        """Days that have a file, by its name."""
        return span_table(
            (channel_id, day, day + DAY_NS)
            for channel_id in channel_ids
            for day in self._file_days(channel_id, start_ns, end_ns)
            if start_ns < day + DAY_NS and day < end_ns
        )

    def _file_days(self, channel_id: str, start_ns: int, end_ns: int) -> Iterator[int]:
        """Midnights of the days of a channel's files, in the years of a span."""
        for year in range(pd.Timestamp(start_ns).year, pd.Timestamp(end_ns - 1).year + 1):
            new_year = pd.Timestamp(year, 1, 1).as_unit("ns").value
            folder = sds_path(self.root, channel_id, new_year).parent
            prefix = f"{channel_id}.D.{year}."
            names = os.listdir(folder) if folder.is_dir() else []
            days = (name.removeprefix(prefix) for name in names if name.startswith(prefix))
            yield from (new_year + (int(day) - 1) * DAY_NS for day in days if re.fullmatch(r"[0-9]{3}", day))


_MSEED_SUFFIXES = (".mseed", ".miniseed", ".msd", ".ms")


@dataclass(frozen=True)
class _Span:
    """A contiguous stretch of a channel in a file: the times of its first and last sample, and the place if known."""

    path: Path
    start_ns: int
    last_ns: int
    latitude: float = np.nan
    longitude: float = np.nan
    elevation_m: float = np.nan


class FilesSource(Reopened):
    """Every MiniSEED and SAC file below a directory, in any layout; headers are read once, at the first use."""

    parallel = 1

    def __init__(self, directory: str) -> None:
        self.spec = f"files:{directory}"
        self.root, self._metadata = _parse(directory, "files")
        self._lock = threading.Lock()
        self._spans: dict[str, list[_Span]] | None = None
        self._problems: dict[str, str] = {}

    def fetch(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        held = [s for s in self._index().get(channel_id, []) if s.start_ns < end_ns and s.last_ns >= start_ns]
        record = Record()
        for path in dict.fromkeys(span.path for span in held):
            data = _read(path)
            if _holds_mseed(path, data[:8]):
                _add(record, path, data, channel_id, start_ns, end_ns)
            else:
                record.segments.append(sac.read(path, data))
        # A file that cannot be read does not say what it should hold; its name is what there is to go by.
        station, channel = channel_id.split(".")[1::2]
        record.problems += [text for name, text in self._problems.items() if station in name and channel in name]
        if not record.segments and not record.problems:
            raise NoDataError(f"{channel_id}: no file below {self.root} for this time")
        return record

    def channels(self, query: ChannelQuery) -> pd.DataFrame:
        rows = []
        for channel_id, held in sorted(self._index().items()):
            if matches(channel_id, query):
                codes = dict(zip(("network", "station", "location", "channel"), channel_id.split("."), strict=True))
                place = {k: getattr(held[0], k) for k in ("latitude", "longitude", "elevation_m")}
                rows.append(codes | place)
        if not rows:
            raise NoDataError(f"{self.spec}: no channel matches the query")
        return _selected(validate(pd.DataFrame(rows), self.spec), query, self.spec, self._metadata)

    def inventory(self, channel_ids: Sequence[str], start_ns: int, end_ns: int) -> Inventory | None:
        return self._metadata.inventory(channel_ids) if self._metadata else None

    def availability(self, channel_ids: Sequence[str], start_ns: int, end_ns: int) -> pd.DataFrame:
        """Stretches of the files, by their headers."""
        index = self._index()
        return span_table(
            (channel_id, span.start_ns, span.last_ns)
            for channel_id in channel_ids
            for span in index.get(channel_id, [])
            if span.start_ns < end_ns and span.last_ns >= start_ns
        )

    def days(self) -> tuple[str, str] | None:
        """First and last day with any records."""
        held = [span for spans_ in self._index().values() for span in spans_]
        if not held:
            return None
        first, last = min(s.start_ns for s in held), max(s.last_ns for s in held)
        return f"{pd.Timestamp(first):%Y-%m-%d}", f"{pd.Timestamp(last):%Y-%m-%d}"

    def _index(self) -> dict[str, list[_Span]]:
        with self._lock:
            if self._spans is None:
                index: dict[str, list[_Span]] = defaultdict(list)
                for path in sorted(p for p in self.root.rglob("*") if p.is_file()):
                    try:
                        for channel_id, span in _scan(path):
                            index[channel_id].append(span)
                    except InputError as error:
                        self._problems[str(path.relative_to(self.root))] = str(error)
                self._spans = dict(index)
        return self._spans


def _scan(path: Path) -> list[tuple[str, _Span]]:
    """What a file holds by its headers: nothing for other kinds of file; InputError for a broken one."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not head:
        raise InputError(f"{path}: the file is empty")
    if _holds_mseed(path, head):
        found = [(channel_id, _Span(path, first, last)) for channel_id, first, last in spans(str(path))]
        if not found:
            raise InputError(f"{path}: no whole record in it")
        return found
    named_sac = path.suffix.lower() == ".sac"
    if not named_sac and path.stat().st_size < sac.HEADER_BYTES:
        return []
    try:
        channel_id, start_ns, last_ns, place = sac.scan(path)
        return [(channel_id, _Span(path, start_ns, last_ns, *place))]
    except InputError:
        if named_sac:
            raise
        return []


def _holds_mseed(path: Path, head: bytes) -> bool:
    """By its first bytes or, should they be damaged, by its name."""
    return is_mseed(head) or path.suffix.lower() in _MSEED_SUFFIXES
