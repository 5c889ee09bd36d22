"""The channel table: one row a channel epoch, read from and written to the files that users have.

Columns (units in the name): network, station, location, channel (str); latitude, longitude (degrees);
elevation_m; depth_m (of the sensor below the surface); azimuth_deg (clockwise from north), dip_deg (down from
horizontal); sample_rate_hz; sensor, site (str); start, end (UTC, NaT = open). Numbers that a file does
not give are NaN. ``id`` is NET.STA.LOC.CHA.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pandas.api.typing import NaTType

from seisloom.errors import InputError

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
ALIASES = {
    "net": "network",
    "sta": "station",
    "name": "station",
    "loc": "location",
    "locationcode": "location",
    "cha": "channel",
    "chan": "channel",
    "lat": "latitude",
    "lon": "longitude",
    "long": "longitude",
    "elev": "elevation_m",
    "elevationm": "elevation_m",
    "depthm": "depth_m",
    "localdepth": "depth_m",
    "azimuthdeg": "azimuth_deg",
    "dipdeg": "dip_deg",
    "sampleratehz": "sample_rate_hz",
    "samplingrate": "sample_rate_hz",
    "sensordescription": "sensor",
    "sitename": "site",
    "starttime": "start",
    "endtime": "end",
}
ALIASES |= {re.sub("[^a-z0-9]", "", name.lower()): column for column, name in CSV_NAMES.items()}
_CODE = re.compile(r"^[A-Za-z0-9_-]{1,8}$")


def channel_ids(table: pd.DataFrame) -> list[str]:
    """NET.STA.LOC.CHA of every row."""
    codes = (table[c] for c in CODES)
    return [".".join(row) for row in zip(*codes, strict=True)]


def validate(table: pd.DataFrame, origin: str = "channel table") -> pd.DataFrame:
    """The table with every column present and typed; InputError names the line of what cannot be used.

    Only the codes and the channel are required; rows are counted from 2, as in a file with a header.
    """
    missing = [c for c in ("network", "station", "channel") if c not in table]
    if missing:
        wanted = ", ".join(CSV_NAMES[c] for c in missing)
        have = ", ".join(map(str, table.columns))
        raise InputError(f"{origin}: no column {wanted}; the header has: {have}")
    if table.empty:
        raise InputError(f"{origin}: no channels in it; one row a channel is expected below the header")
    out = pd.DataFrame(index=range(len(table)))
    for column in CODES:
        text = table[column] if column in table else pd.Series("", index=table.index)
        out[column] = [_clean_code(v) for v in text]
    for column in NUMBERS:
        out[column] = _numbers(table, column, origin)
    for column in TEXTS:
        out[column] = table[column].fillna("").astype(str).to_numpy() if column in table else ""
    for column in TIMES:
        out[column] = _times(table, column, origin)
    _check_codes(out, origin)
    _check_ranges(out, origin)
    return out


def read_stations(path: str | Path) -> pd.DataFrame:
    """Channel table from stations.csv as the XCor app writes it, or from a StationXML / FDSN text file.

    Header names are matched without regard to case, spaces and underscores; unknown columns are ignored.
    Raises InputError naming file and line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot read the channel list: {error}") from error
    return parse_stations(text, str(path))


def parse_stations(text: str, origin: str) -> pd.DataFrame:
    """Channel table from the text of a station file (CSV, FDSN text or StationXML)."""
    if text.lstrip().startswith("<"):
        from obspy import read_inventory

        return from_inventory(read_inventory(io.BytesIO(text.encode()), format="STATIONXML"))
    if not text.strip():
        raise InputError(f"{origin}: the file is empty; a header and one row a channel are expected")
    header = text.lstrip().splitlines()[0]
    separator = "|" if "|" in header else ("\t" if "\t" in header else ("," if "," in header else ";"))
    try:
        table = pd.read_csv(
            io.StringIO(text.lstrip("\n\r #")),
            sep=separator,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=True,
        )
    except (pd.errors.ParserError, ValueError) as error:
        raise InputError(f"{origin}: not a readable CSV file: {error}") from error
    names = {c: ALIASES.get(re.sub("[^a-z0-9]", "", str(c).lower()), str(c)) for c in table.columns}
    return validate(table.rename(columns=names), origin)


def write_stations(table: pd.DataFrame, path: str | Path | None = None) -> str:
    """The table as stations.csv text (columns of the XCor app first); written to ``path`` if given."""
    out = table.reindex(columns=COLUMNS).copy()
    for column in TIMES:
        stamps = pd.to_datetime(out[column], utc=True)
        out[column] = [t.strftime("%Y-%m-%dT%H:%M:%S") if pd.notna(t) else "" for t in stamps]
    text: str = out.rename(columns=CSV_NAMES).to_csv(index=False)
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text


def from_inventory(inventory: Inventory) -> pd.DataFrame:
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
        raise InputError("the inventory holds no channels: ask for level=channel or level=response")
    return validate(pd.DataFrame(rows), "inventory")


def _clean_code(value: object) -> str:
    text = "" if value is None or value != value else str(value).strip().strip('"')
    return "" if text in ("--", "nan", "None") else text


def _numbers(table: pd.DataFrame, column: str, origin: str) -> np.ndarray:
    if column not in table:
        return np.full(len(table), np.nan)
    text = table[column].replace("", np.nan)
    numbers = pd.to_numeric(text, errors="coerce")
    bad = np.flatnonzero(numbers.isna() & text.notna())
    if len(bad):
        raise InputError(f"{origin}, line {bad[0] + 2}: {CSV_NAMES[column]} is {text.iloc[bad[0]]!r}, not a number")
    return numbers.to_numpy(float)


def _times(table: pd.DataFrame, column: str, origin: str) -> pd.DatetimeIndex:
    if column not in table:
        return pd.DatetimeIndex([pd.NaT] * len(table), tz="UTC")
    stamps: list[pd.Timestamp | NaTType] = []
    for line, value in enumerate(table[column], start=2):
        text = "" if value is None or value != value else str(value).strip()
        # Catalogues write "open until further notice" as a far year that 64-bit nanoseconds cannot hold.
        if text in ("", "null", "undefined", "None", "NaT") or re.match(r"(2[2-9]|[3-9]\d)\d\d-", text):
            stamps.append(pd.NaT)
            continue
        try:
            stamp = pd.Timestamp(text)
        except ValueError as error:
            message = f"{origin}, line {line}: {CSV_NAMES[column]} is {text!r}; write it as 2019-02-03T00:00:00"
            raise InputError(message) from error
        stamps.append(stamp.tz_localize("UTC") if stamp.tz is None else stamp.tz_convert("UTC"))
    return pd.DatetimeIndex(stamps, tz="UTC") if any(pd.notna(s) for s in stamps) else _times(table[[]], column, origin)


def _check_codes(table: pd.DataFrame, origin: str) -> None:
    for column in CODES:
        for line, code in enumerate(table[column], start=2):
            if not _CODE.match(code) and not (column == "location" and code == ""):
                hint = "1 to 8 letters, digits, - or _"
                raise InputError(f"{origin}, line {line}: {CSV_NAMES[column]} is {code!r}; {hint} are expected")


def _check_ranges(table: pd.DataFrame, origin: str) -> None:
    for column, limit in (("latitude", 90.0), ("longitude", 360.0)):
        bad = np.flatnonzero(table[column].abs() > limit)
        if len(bad):
            value = table[column].iloc[bad[0]]
            message = f"{origin}, line {bad[0] + 2}: {CSV_NAMES[column]} {value} is outside ±{limit:g}°"
            raise InputError(message)
    table["longitude"] = (table["longitude"] + 180.0) % 360.0 - 180.0
