"""The channel table: one row a channel epoch, read from and written to the files that users have.

Columns (units in the name): network, station, location, channel (str); latitude, longitude (degrees);
elevation_m; depth_m (of the sensor below the surface); azimuth_deg (clockwise from north), dip_deg (down from
horizontal); sample_rate_hz; sensor, site (str); start, end (UTC, NaT = open). Numbers that a file does
not give are NaN. ``id`` is NET.STA.LOC.CHA.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from seisloom.errors import InputError
from seisloom.stations import cells
from seisloom.stations.cells import squeeze

if TYPE_CHECKING:
    from obspy import Inventory

CODES = ["network", "station", "location", "channel"]
NUMBERS = [
    "latitude",
    "longitude",
    "elevation_m",
    "depth_m",
    "azimuth_deg",
    "dip_deg",
    "sample_rate_hz",
]
TEXTS = ["sensor", "site"]
TIMES = ["start", "end"]
COLUMNS = [*CODES, *NUMBERS, *TEXTS, *TIMES]

# Names under which the columns are written: those of the XCor app, and what it lacks in the same style.
CSV_NAMES = {
    "network": "Network",
    "station": "Station",
    "location": "Location",
    "channel": "Channel",
    "latitude": "Latitude",
    "longitude": "Longitude",
    "elevation_m": "Elevation",
    "depth_m": "Depth",
    "azimuth_deg": "Azimuth",
    "dip_deg": "Dip",
    "sample_rate_hz": "SampleRate",
    "sensor": "Sensor",
    "site": "Site",
    "start": "StartDate",
    "end": "EndDate",
}
# Other spellings met in the wild, squeezed to lower-case letters and digits.
_SPELLINGS = {
    "network": "net",
    "station": "sta name",
    "location": "loc locationcode",
    "channel": "cha chan",
    "latitude": "lat",
    "longitude": "lon long",
    "elevation_m": "elev elevationm",
    "depth_m": "depthm localdepth",
    "azimuth_deg": "azimuthdeg",
    "dip_deg": "dipdeg",
    "sample_rate_hz": "sampleratehz samplingrate",
    "sensor": "sensordescription",
    "site": "sitename",
    "start": "starttime",
    "end": "endtime",
}


ALIASES = {squeeze(name): column for column, name in CSV_NAMES.items()}
ALIASES |= {spelling: column for column, text in _SPELLINGS.items() for spelling in text.split()}


def channel_ids(table: pd.DataFrame) -> list[str]:
    """NET.STA.LOC.CHA of every row."""
    codes = (table[c].tolist() for c in CODES)
    return [".".join(row) for row in zip(*codes, strict=True)]


def validate(table: pd.DataFrame, origin: str = "channel table", lines: Sequence[int] | None = None) -> pd.DataFrame:
    """The table with every column present and typed; InputError names the line of what cannot be used.

    Only the codes and the channel are required. ``lines`` are the lines of the rows in their file; without them
    rows are counted from 2, as below a header.
    """
    missing = [c for c in ("network", "station", "channel") if c not in table]
    if missing:
        wanted = ", ".join(CSV_NAMES[c] for c in missing)
        have = ", ".join(map(str, table.columns))
        raise InputError(f"{origin}: no column {wanted}; the header has: {have}")
    if table.empty:
        raise InputError(f"{origin}: no channels in it; one row a channel is expected below the header")
    places = [f"{origin}, line {line}" for line in lines or range(2, len(table) + 2)]

    parsed: dict[str, Any] = {column: _parsed(table, column, places) for column in COLUMNS}
    parsed |= {column: np.array(parsed[column], float) for column in NUMBERS}
    parsed |= {column: pd.DatetimeIndex(parsed[column], dtype="datetime64[ns, UTC]") for column in TIMES}
    return pd.DataFrame(parsed)


def read_stations(path: str | Path) -> pd.DataFrame:
    """Channel table from stations.csv as the XCor app writes it, or from a StationXML / FDSN text file.

    Header names are matched without regard to case, spaces and underscores; unknown columns are ignored.
    Raises InputError naming file and line.
    """
    return parse_stations(cells.read_text(path, "the channel list"), str(path))


def parse_stations(text: str, origin: str) -> pd.DataFrame:
    """Channel table from the text of a station file (CSV, FDSN text or StationXML)."""
    if text.lstrip().startswith("<"):
        return from_inventory(cells.read_stationxml(text, origin), origin)
    if not text.strip():
        raise InputError(f"{origin}: the file is empty; a header and one row a channel are expected")
    header, rows = cells.header_and_rows(text, origin, _is_header)
    names = _column_names(header, origin)
    table = pd.DataFrame([row for _, row in rows], columns=names, dtype=str)
    return validate(table, origin, [line for line, _ in rows])


def write_stations(table: pd.DataFrame, path: str | Path | None = None) -> str:
    """The table as stations.csv text (columns of the XCor app first); written to ``path`` if given."""
    out = table.reindex(columns=COLUMNS)
    for column in TIMES:
        stamps = pd.to_datetime(out[column], utc=True).dt.tz_localize(None)
        out[column] = [t.isoformat() if pd.notna(t) else "" for t in stamps]
    text: str = out.rename(columns=CSV_NAMES).to_csv(index=False, lineterminator="\n")
    if path is not None:
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path}: cannot write the channel list: {error}") from error
    return text


def from_inventory(inventory: Inventory, origin: str = "inventory") -> pd.DataFrame:
    """Channel table of an ObsPy Inventory (level channel or response)."""
    rows = [
        {
            "network": network.code,
            "station": station.code,
            "location": channel.location_code or "",
            "channel": channel.code,
            "latitude": channel.latitude,
            "longitude": channel.longitude,
            "elevation_m": channel.elevation,
            "depth_m": channel.depth,
            "azimuth_deg": channel.azimuth,
            "dip_deg": channel.dip,
            "sample_rate_hz": channel.sample_rate,
            "sensor": (channel.sensor.description or channel.sensor.type or "") if channel.sensor else "",
            "site": (station.site.name or "") if station.site else "",
            "start": str(channel.start_date or ""),
            "end": str(channel.end_date or ""),
        }
        for network in inventory
        for station in network
        for channel in station
    ]
    if not rows:
        raise InputError(f"{origin}: no channels in it; ask for level=channel or level=response")
    return validate(pd.DataFrame(rows), origin)


def _parsed(table: pd.DataFrame, column: str, places: list[str]) -> list[Any]:
    """The values of a column, or what stands for nothing where the table lacks it; ``places`` name its rows."""
    parse = lru_cache(None, typed=True)(_PARSERS[column])  # most cells of a column come again and again
    if column not in table:
        return [parse("")] * len(table)
    out = []
    for place, value in zip(places, table[column].tolist(), strict=True):
        try:
            out.append(parse(value))
        except ValueError as error:
            raise InputError(f"{place}: {CSV_NAMES[column]} is {cells.text_of(value)!r}; {error}") from None
    return out


def _is_header(names: list[str]) -> bool:
    return "station" in {ALIASES.get(name) for name in names}


def _column_names(header: list[str], origin: str) -> list[str]:
    """The table's names of the columns. Of two for one thing ("Name" beside "Station"), the app's name counts."""
    names = [ALIASES.get(squeeze(cell), cell) for cell in header]
    for column in COLUMNS:
        at = [i for i, name in enumerate(names) if name == column]
        full = [i for i in at if squeeze(header[i]) == squeeze(CSV_NAMES[column])]
        if len(at) > 1 and len(full) != 1:
            found = ", ".join(header[i] for i in at)
            raise InputError(f"{origin}: more than one column for {CSV_NAMES[column]}: {found}")
        for i in set(at) - set(full) if full else ():
            names[i] = f"{header[i]} (not used)"
    return names


_PARSERS: dict[str, Callable[[object], Any]] = (
    dict.fromkeys(CODES, cells.code)
    | dict.fromkeys(NUMBERS, cells.number)
    | dict.fromkeys(TEXTS, cells.words)
    | dict.fromkeys(TIMES, cells.time)
    | {"location": cells.location, "latitude": cells.latitude, "longitude": cells.longitude}
)
