"""Records on a local disk: SeisComP archives (SDS), and MiniSEED or SAC files in any layout."""

from __future__ import annotations

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
from seisloom.waveforms.base import DAY_NS, NS_PER_S, ChannelQuery, Record, Segment, matches
from seisloom.waveforms.mseed import decode, is_mseed, spans

if TYPE_CHECKING:
    from obspy import Inventory


def _directory(text: str, kind: str) -> Path:
    path = Path(text).expanduser()
    if not text or not path.is_dir():
        raise InputError(f"source {kind}:{text}: no such directory")
    return path


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


class SdsSource:
    """A SeisComP archive: YEAR/NET/STA/CHA.D/NET.STA.LOC.CHA.D.YEAR.DAY, a MiniSEED file a channel and day."""

    parallel = 1

    def __init__(self, directory: str) -> None:
        self.spec = f"sds:{directory}"
        self.root = _directory(directory, "sds")

    def fetch(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        record = Record()
        # A record that spans midnight stands in the file of the day in which it starts.
        for day in range(start_ns // DAY_NS - 1, (end_ns - 1) // DAY_NS + 1):
            path = sds_path(self.root, channel_id, day * DAY_NS)
            if path.exists():
                part = decode(_read(path), str(path), channel_id, start_ns, end_ns)
                record.segments += part.segments
                record.problems += part.problems
        if not record.segments and not record.problems:
            raise NoDataError(f"{channel_id}: no file in {self.root} for this time")
        return record

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
        return validate(pd.DataFrame(found.values()), self.spec)

    def inventory(self, channel_ids: Sequence[str], start_ns: int, end_ns: int) -> Inventory | None:
        return None


@dataclass(frozen=True)
class _Span:
    path: Path
    start_ns: int
    end_ns: int
    latitude: float = np.nan
    longitude: float = np.nan
    elevation_m: float = np.nan


class FilesSource:
    """Every MiniSEED and SAC file below a directory, in any layout; headers are read once, at the first use."""

    parallel = 1

    def __init__(self, directory: str) -> None:
        self.spec = f"files:{directory}"
        self.root = _directory(directory, "files")
        self._lock = threading.Lock()
        self._spans: dict[str, list[_Span]] | None = None
        self._problems: list[str] = []

    def fetch(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        held = [s for s in self._index().get(channel_id, []) if s.start_ns < end_ns and s.end_ns >= start_ns]
        record = Record()
        for path in dict.fromkeys(span.path for span in held):
            data = _read(path)
            if is_mseed(data[:8]):
                part = decode(data, str(path), channel_id, start_ns, end_ns)
                record.segments += part.segments
                record.problems += part.problems
            else:
                record.segments += _read_sac(path)
        station, channel = channel_id.split(".")[1::2]
        record.problems += [p for p in self._problems if station in p and channel in p]
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
        return validate(pd.DataFrame(rows), self.spec)

    def inventory(self, channel_ids: Sequence[str], start_ns: int, end_ns: int) -> Inventory | None:
        return None

    def days(self) -> tuple[str, str] | None:
        """First and last day with any records."""
        held = [span for spans_ in self._index().values() for span in spans_]
        if not held:
            return None
        first, last = min(s.start_ns for s in held), max(s.end_ns for s in held)
        return f"{pd.Timestamp(first):%Y-%m-%d}", f"{pd.Timestamp(last - 1):%Y-%m-%d}"

    def _index(self) -> dict[str, list[_Span]]:
        with self._lock:
            if self._spans is None:
                index: dict[str, list[_Span]] = defaultdict(list)
                for path in sorted(p for p in self.root.rglob("*") if p.is_file()):
                    for channel_id, span in self._scan(path):
                        index[channel_id].append(span)
                self._spans = dict(index)
        return self._spans

    def _scan(self, path: Path) -> Iterator[tuple[str, _Span]]:
        with path.open("rb") as file:
            head = file.read(8)
        if not head:
            self._problems.append(f"{path}: the file is empty")
        elif is_mseed(head):
            for channel_id, start_ns, end_ns in spans(str(path)):
                yield channel_id, _Span(path, start_ns, end_ns)
        elif path.suffix.lower() in (".sac", ".bin") or path.stat().st_size >= 632:
            yield from _scan_sac(path)


def _scan_sac(path: Path) -> Iterator[tuple[str, _Span]]:
    from obspy.io.sac import SACTrace
    from obspy.io.sac.util import SacError

    try:
        sac = SACTrace.read(str(path), headonly=True, checksize=True)
    except (SacError, ValueError, OSError, TypeError):
        return  # some other kind of file
    codes = [(v or "").strip() for v in (sac.knetwk, sac.kstnm, sac.khole, sac.kcmpnm)]
    numbers = [np.nan if v is None else float(v) for v in (sac.stla, sac.stlo, sac.stel)]
    start_ns = (sac.reftime + float(sac.b)).ns
    end_ns = start_ns + round(int(sac.npts) * float(sac.delta) * NS_PER_S)
    yield ".".join(codes), _Span(path, start_ns, end_ns, *numbers)


def _read_sac(path: Path) -> list[Segment]:
    from obspy import read

    try:
        stream = read(str(path), format="SAC")
    except Exception as error:  # ObsPy raises many kinds here; the file is named either way
        raise SourceError(f"{path}: not readable as SAC: {error}") from error
    return [Segment(t.stats.starttime.ns, t.stats.sampling_rate, t.data) for t in stream]
