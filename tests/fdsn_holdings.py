"""What the FDSN test server holds (a StationXML inventory, MiniSEED records) and how it is selected from."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from obspy import Inventory, Stream, UTCDateTime
from obspy.io.stationtxt.core import inventory_to_station_text
from pymseed import MS3Record, sourceid2nslc

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees."""


@dataclass(frozen=True)
class Wanted:
    """One selection: comma lists of wildcards for the four codes, and inclusive times."""

    patterns: tuple[str, ...]
    start: UTCDateTime
    end: UTCDateTime

    def takes(self, codes: Iterable[str], start: UTCDateTime | None, end: UTCDateTime | None) -> bool:
        """Whether a channel with something between ``start`` and ``end`` (None = open) is selected."""
        overlaps = (end is None or end >= self.start) and (start is None or start <= self.end)
        return overlaps and all(
            any(fnmatchcase(code, "" if p == "--" else p) for p in listing.split(","))
            for code, listing in zip(codes, self.patterns, strict=True)
        )


@dataclass(frozen=True)
class MseedRecord:
    """One MiniSEED record as it is sent."""

    start: UTCDateTime
    end: UTCDateTime
    rate_hz: float
    data: bytes


class Holdings:
    """An inventory and the records of a Stream, of MiniSEED bytes, or of a directory of MiniSEED files."""

    def __init__(self, inventory: Inventory, waveforms: Stream | bytes | Path) -> None:
        self.inventory = inventory
        held: dict[tuple[str, ...], list[MseedRecord]] = defaultdict(list)
        data = _mseed_bytes(waveforms)
        for record in MS3Record.from_buffer(data) if data else ():
            times = UTCDateTime(ns=record.starttime), UTCDateTime(ns=record.endtime)
            codes = tuple(sourceid2nslc(record.sourceid))
            held[codes].append(MseedRecord(*times, record.samprate, bytes(record.record)))
        self.records = {codes: sorted(records, key=lambda r: r.start) for codes, records in held.items()}

    def station(self, wanted: list[Wanted], box: Box, level: str, text: bool) -> bytes:
        """StationXML or FDSN station text; empty for nothing."""
        chosen = _select(self.inventory, wanted, box)
        if not len(chosen):
            return b""
        if text:
            return inventory_to_station_text(chosen, level).encode()
        buffer = io.BytesIO()
        chosen.write(buffer, format="STATIONXML", level=level)
        return buffer.getvalue()

    def dataselect(self, wanted: list[Wanted]) -> dict[tuple[str, ...], bytes]:
        """Whole MiniSEED records that overlap the selection, by channel."""
        found = {
            codes: b"".join(r.data for r in records if any(w.takes(codes, r.start, r.end) for w in wanted))
            for codes, records in self.records.items()
        }
        return {codes: data for codes, data in found.items() if data}

    def availability(self, wanted: list[Wanted], extent: bool) -> bytes:
        """Availability text: every stretch without a gap, or earliest and latest (``extent``)."""
        lines = ["#Network Station Location Channel Quality SampleRate Earliest Latest"]
        for codes, records in sorted(self.records.items()):
            for start, end in _stretches(records, extent):
                if any(w.takes(codes, start, end) for w in wanted):
                    names = " ".join(code or "--" for code in codes)
                    lines.append(f"{names} D {records[0].rate_hz:.1f} {start} {end}")
        return "\n".join(lines).encode() if len(lines) > 1 else b""


def _mseed_bytes(waveforms: Stream | bytes | Path) -> bytes:
    if isinstance(waveforms, Path):
        files = (p for p in sorted(waveforms.rglob("*")) if p.is_file() and p.suffix not in (".xml", ".txt"))
        return b"".join(p.read_bytes() for p in files)
    if isinstance(waveforms, bytes):
        return waveforms
    buffer = io.BytesIO()
    for trace in waveforms:
        trace.write(buffer, format="MSEED")
    return buffer.getvalue()


def _stretches(records: list[MseedRecord], extent: bool) -> Iterator[tuple[UTCDateTime, UTCDateTime]]:
    start, end = records[0].start, records[0].end
    for record in records[1:]:
        if not extent and record.start - end > 1.5 / record.rate_hz:
            yield start, end
            start = record.start
        end = record.end
    yield start, end


def _select(inventory: Inventory, wanted: list[Wanted], box: Box) -> Inventory:
    """Copies down to the channels that match; a channel matches if it ran at some time of the selection."""
    chosen = Inventory(networks=[], source="test server")
    for network in inventory:
        kept = copy(network)
        kept.stations = []
        for station in network:
            channels = [c for c in station if _takes_channel(network.code, station.code, c, wanted, box)]
            if channels:
                kept.stations.append(copy(station))
                kept.stations[-1].channels = channels
        if kept.stations:
            chosen.networks.append(kept)
    return chosen


def _takes_channel(network: str, station: str, channel: object, wanted: list[Wanted], box: Box) -> bool:
    west, south, east, north = box
    codes = (network, station, channel.location_code or "", channel.code)
    inside = west <= channel.longitude <= east and south <= channel.latitude <= north
    return inside and any(w.takes(codes, channel.start_date, channel.end_date) for w in wanted)
