"""Queries for channels: from what people write to a :class:`ChannelQuery`, and rows of a table that match one."""

from __future__ import annotations

import math
import re

import pandas as pd

from seisloom.errors import InputError
from seisloom.stations import channel_ids
from seisloom.waveforms.base import DAY_NS, ChannelQuery, matches

_PATTERN = re.compile(r"[A-Za-z0-9_*?-]{1,20}")
_EARLIEST, _LATEST = 1900, 2200
Box = tuple[float, float, float, float]


def parse_query(
    network: str = "*",
    station: str = "*",
    location: str = "*",
    channel: str = "*",
    start: str | None = None,
    end: str | None = None,
    bbox: Box | None = None,
    limit: int | None = None,
) -> ChannelQuery:
    """The query of four code patterns, ISO times and a box (west, south, east, north; west > east crosses ±180°).

    Empty codes mean all, ``--`` the empty location. An ``end`` without a time of day is the end of that day. Raises
    InputError that says what cannot be used.
    """
    codes = {"network": network, "station": station, "location": location, "channel": channel}
    patterns = {name: parse_codes(name, text) for name, text in codes.items()}
    start_ns, end_ns = parse_time("start", start), parse_time("end", end, whole_day=True)
    if start_ns is not None and end_ns is not None and end_ns <= start_ns:
        raise InputError(f"end {end} is not after start {start}")
    return ChannelQuery(
        **patterns, start_ns=start_ns, end_ns=end_ns, bbox=parse_box(bbox) if bbox else None, limit=limit
    )


def parse_codes(name: str, text: str) -> str:
    """A comma list of code patterns without blanks, ``*`` for none; InputError names the one that cannot be."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if part != "--" and not _PATTERN.fullmatch(part):
            raise InputError(f"{name} {part[:40]!r}: codes are letters and digits, with * and ?, in a comma list")
    return ",".join(parts) or "*"


def parse_time(name: str, text: str | None, whole_day: bool = False) -> int | None:
    """Nanoseconds since 1970 of an ISO time in UTC, None for none; ``whole_day``: a date alone is the end of that day."""
    if not text or not text.strip():
        return None
    try:
        stamp = pd.Timestamp(text.strip()) if re.match(r"\d{4}-\d", text.strip()) else pd.NaT
        if pd.isna(stamp) or not _EARLIEST <= stamp.year <= _LATEST:
            raise ValueError
    except (ValueError, OverflowError):
        raise InputError(f"{name} {text[:40]!r} is not a date: write it as 2019-02-03 or 2019-02-03T12:00:00") from None
    stamp = (stamp if stamp.tz is None else stamp.tz_convert(None)).as_unit("ns")
    return int(stamp.value) + (DAY_NS if whole_day and len(text.strip()) <= len("2019-02-03") else 0)


def parse_span(start: str, end: str | None) -> tuple[int, int]:
    """Nanoseconds since 1970 of [start, end); an end without a time of day is the end of that day, None that of the first."""
    start_ns = parse_time("start", start)
    if start_ns is None:
        raise InputError("start: a date such as 2019-02-03 is needed, or a time such as 2019-02-03T12:00:00")
    end_ns = parse_time("end", end, whole_day=True) or (start_ns // DAY_NS + 1) * DAY_NS
    if end_ns <= start_ns:
        raise InputError(f"end {end} is not after start {start}")
    return start_ns, end_ns


def parse_box(bbox: Box) -> Box:
    """A box with its longitudes brought to ±180; InputError where it cannot be one."""
    west, south, east, north = bbox
    if not all(map(math.isfinite, bbox)):
        raise InputError("west, south, east and north must be numbers of degrees")
    if not -90 <= south <= north <= 90:
        raise InputError(f"south {south:g} and north {north:g}: latitudes must rise from -90 to 90")
    if not (-360 <= west <= 360 and -360 <= east <= 360):
        raise InputError(f"west {west:g} and east {east:g}: longitudes are from -180 to 180")
    if east - west >= 360:
        return -180.0, south, 180.0, north
    return _to_180(west), south, _to_180(east), north


def _to_180(longitude: float) -> float:
    return longitude if abs(longitude) <= 180 else (longitude + 180) % 360 - 180


def select(table: pd.DataFrame, query: ChannelQuery) -> pd.DataFrame:
    """Rows of a channel table whose codes, epochs and coordinates match; unknown coordinates are in no box."""
    keep = pd.Series([matches(channel_id, query) for channel_id in channel_ids(table)], index=table.index, dtype=bool)
    if query.start_ns is not None:
        keep &= ~(table["end"] < pd.Timestamp(query.start_ns, tz="UTC"))
    if query.end_ns is not None:
        keep &= ~(table["start"] >= pd.Timestamp(query.end_ns, tz="UTC"))
    if query.bbox is not None:
        west, south, east, north = query.bbox
        after, before = table["longitude"] >= west, table["longitude"] <= east
        keep &= (after & before) if west <= east else (after | before)
        keep &= table["latitude"].between(south, north)
    if query.limit is not None and keep.sum() > query.limit:
        raise InputError(f"{keep.sum():,} channels match, at most {query.limit:,} can be shown: ask for less")
    return table[keep].reset_index(drop=True)


def widening(query: ChannelQuery) -> str:
    """What of a query that found nothing could be made wider, in words."""
    codes = {name: getattr(query, name) for name in ("network", "station", "location", "channel")}
    narrow = [f"{name} {text}" for name, text in codes.items() if text != "*"]
    advice = [f"fewer or wider codes ({', '.join(narrow)})"] if narrow else []
    if any(text != text.upper() for text in codes.values()):
        advice.append("codes in capital letters")
    if query.start_ns is not None or query.end_ns is not None:
        advice.append("other dates")
    if query.bbox is not None:
        advice.append("a larger box")
    return f"try {' or '.join(advice)}" if advice else "the source holds no channels"
