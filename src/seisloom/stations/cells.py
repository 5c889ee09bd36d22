"""Cells of the text files that stations come in: the header, the rows with their lines, and what a cell may hold.

A parser takes a cell and raises ValueError with what is expected in it; its callers name file, line and column.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from seisloom.errors import InputError

if TYPE_CHECKING:
    from obspy import Inventory

_CODE = re.compile(r"^[A-Za-z0-9_-]{1,8}$")
# How a cell says that there is nothing in it, in lower case.
_NOTHING = {"", "nan", "nat", "none", "null", "undefined"}
# Catalogues write "open until further notice" as a year from here on.
_OPEN_YEAR = 2200


def squeeze(name: str) -> str:
    """A column's name without case, spaces and signs."""
    return re.sub("[^a-z0-9]", "", name.lower())


def read_text(path: str | Path, what: str) -> str:
    """The text of a file; InputError says that ``what`` cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot read {what}: {error}") from error


def read_stationxml(text: str, origin: str) -> Inventory:
    """An ObsPy Inventory from the text of a StationXML file."""
    from obspy import read_inventory

    try:
        return read_inventory(io.BytesIO(text.encode()), format="STATIONXML")
    except Exception as error:  # ObsPy and lxml raise many kinds here; the file is named either way
        raise InputError(f"{origin}: not readable as StationXML: {error}") from error


def find_header(lines: Iterable[str], is_header: Callable[[list[str]], bool]) -> int | None:
    """The first of the lines whose squeezed cells ``is_header`` accepts."""
    squeezed = ([squeeze(cell) for cell in re.split(r"[|\t,;]", line)] for line in lines)
    return next((i for i, names in enumerate(squeezed) if is_header(names)), None)


def header_and_rows(
    text: str, origin: str, is_header: Callable[[list[str]], bool]
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Cells of the header, and of every row below it with its line; blank and comment lines are passed over.

    Without a line that ``is_header`` accepts (see :func:`find_header`), the first that is not blank is the header.
    """
    lines = list(io.StringIO(text, newline=""))
    first = find_header(lines, is_header)
    if first is None:
        first = next(i for i, line in enumerate(lines) if line.strip())
    separator = next((s for s in "|\t,;" if s in lines[first]), ",")
    # In FDSN text a quotation mark is a character like any other (inches, in the name of a sensor).
    quoted = separator != "|"
    reader = csv.reader(lines[first:], delimiter=separator, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
    header = [cell.strip(" #\r\n") for cell in next(reader)]
    rows = []
    for row in reader:
        if not any(row) or row[0].startswith("#") or not "".join(row).strip():
            continue
        line = first + reader.line_num
        if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :]):
            raise InputError(f"{origin}, line {line}: {len(row)} cells, and the header has {len(header)}")
        rows.append((line, (row + [""] * len(header))[: len(header)]))
    return header, rows


def text_of(value: Any) -> str:
    """A cell as text without blanks around it; empty for None and NaN."""
    return "" if value is None or pd.isna(value) else str(value).strip()


def code(value: object) -> str:
    """A network, station or channel code."""
    text = text_of(value).strip('"')
    if not _CODE.match(text):
        raise ValueError("1 to 8 letters, digits, - or _ are expected")
    return text


def location(value: object) -> str:
    """A location code; empty and -- are the empty one."""
    text = text_of(value).strip('"').strip()
    return "" if text.lower() in _NOTHING or text == "--" else code(text)


def number(value: object) -> float:
    """A finite number, NaN for an empty cell."""
    text = text_of(value)
    if text.lower() in _NOTHING:
        return math.nan
    try:
        parsed = float(text)
    except ValueError:
        raise ValueError("a number is expected") from None
    if not math.isfinite(parsed):
        raise ValueError("a finite number is expected")
    return parsed


def latitude(value: object) -> float:
    """Degrees within ±90, NaN for an empty cell."""
    degrees = number(value)
    if abs(degrees) > 90:
        raise ValueError("latitudes are within ±90°")
    return degrees


def longitude(value: object) -> float:
    """Degrees within ±180 (brought there from 0 to 360), NaN for an empty cell."""
    degrees = number(value)
    if abs(degrees) > 360:
        raise ValueError("longitudes are within ±180°, or from 0 to 360°")
    return degrees if not abs(degrees) > 180 else (degrees + 180.0) % 360.0 - 180.0


def time(value: object) -> Any:
    """A UTC timestamp; NaT for an empty cell and for the far future, which means open."""
    text = text_of(value)
    if text.lower() in _NOTHING:
        return pd.NaT
    try:
        stamp = pd.Timestamp(text) if re.search(r"\d{4}", text) else None
        if stamp is None:
            raise ValueError
        if stamp.year >= _OPEN_YEAR:
            return pd.NaT
        stamp = stamp.as_unit("ns")
    except ValueError:
        raise ValueError("write it as 2019-02-03T00:00:00") from None
    return stamp.tz_localize("UTC") if stamp.tz is None else stamp.tz_convert("UTC")


def words(value: object) -> str:
    """Text on one line."""
    return " ".join(text_of(value).split())
