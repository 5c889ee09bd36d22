"""``events.csv`` and ``assignments.csv``: the catalogue as tables that every tool reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from seisloom.catalog.clock import iso
from seisloom.catalog.tables import ASSIGNMENT_COLUMNS, EVENT_COLUMNS, Catalog
from seisloom.errors import InputError
from seisloom.target import write_whole

EVENTS, ASSIGNMENTS = "events.csv", "assignments.csv"
# Decimals: a metre, 0.1 ms, 0.01 degree; a column that is not listed has three.
_DECIMALS = {
    "latitude": 5, "longitude": 5, "rms_s": 4, "time_uncertainty_s": 4, "residual_s": 4, "gap_deg": 1,
    "ellipse_azimuth_deg": 1, "azimuth_deg": 2, "magnitude": 2, "magnitude_uncertainty": 2, "station_magnitude": 2,
    "false_probability": 5,
}  # fmt: skip


def write_csv(catalog: Catalog, folder: str | Path) -> None:
    """Write ``events.csv`` and ``assignments.csv`` to a folder; times are ISO 8601 in UTC, unknown cells empty."""
    write_whole(Path(folder) / EVENTS, events_csv(catalog.events))
    write_whole(Path(folder) / ASSIGNMENTS, assignments_csv(catalog.assignments))


def read_catalog(folder: str | Path) -> Catalog:
    """The catalogue of a folder with ``events.csv`` and ``assignments.csv`` (no assignments where that is not there).

    Columns beyond those of the catalogue are passed over. InputError names file and line of what cannot be read.
    """
    events = _read(Path(folder) / EVENTS, EVENT_COLUMNS)
    path = Path(folder) / ASSIGNMENTS
    assignments = _read(path, ASSIGNMENT_COLUMNS) if path.exists() else pd.DataFrame(columns=list(ASSIGNMENT_COLUMNS))
    return Catalog(events, assignments, str(folder))


def reread_catalog(events: bytes, assignments: bytes | None = None, origin: str = "catalogue") -> Catalog:
    """The catalogue of files that :func:`write_csv` wrote: quick, as nothing has to be found that may be wrong with them."""
    empty = pd.DataFrame(columns=list(ASSIGNMENT_COLUMNS))
    assigned = _reread(assignments, ASSIGNMENT_COLUMNS) if assignments else empty
    return Catalog(_reread(events, EVENT_COLUMNS), assigned, origin)


def _reread(data: bytes, columns: Mapping[str, str]) -> pd.DataFrame:
    text = {name: str for name, kind in columns.items() if kind in ("text", "time")}
    table = pd.read_csv(io.BytesIO(data), dtype=text, keep_default_na=False, na_values=[""])
    for name, kind in columns.items():
        if kind == "time":
            table[name] = pd.to_datetime(table[name], utc=True, format="ISO8601")
    return table


def events_csv(events: pd.DataFrame) -> str:
    """The text of ``events.csv``; columns that a table of events does not have yet are left out."""
    return _text(events, EVENT_COLUMNS)


def assignments_csv(assignments: pd.DataFrame) -> str:
    """The text of ``assignments.csv``."""
    return _text(assignments, ASSIGNMENT_COLUMNS)


def _text(table: pd.DataFrame, columns: Mapping[str, str]) -> str:
    out = table.copy()
    for name in out.columns.intersection(list(columns)):
        kind = columns[name]
        if kind == "number":
            # Adding zero turns -0.0 into 0.0.
            out[name] = np.round(out[name].to_numpy(float), _DECIMALS.get(name, 3)) + 0.0
        elif kind == "time":
            out[name] = iso(out[name])
        elif kind == "count":
            out[name] = out[name].astype(object).where(out[name] >= 0, "")
    return str(out.to_csv(index=False, lineterminator="\n"))


def _read(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    lines, cells = _cells(path)
    known = [name for name in columns if name in cells]
    return pd.DataFrame({name: _parsed(cells[name], columns[name], name, path, lines) for name in known})


def _cells(path: Path) -> tuple[list[int], pd.DataFrame]:
    """Lines of the rows in the file, and their cells as text."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [cell.strip() for cell in next(reader, [])]
    lines, rows = [], []
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise InputError(f"{path}, line {reader.line_num}: {len(row)} cells, and the header has {len(header)}")
        lines.append(reader.line_num)
        rows.append(row)
    return lines, pd.DataFrame(rows, columns=header, dtype=str)


def _parsed(cells: pd.Series, kind: str, name: str, path: Path, lines: list[int]) -> pd.Series:
    """Values of a column; empty cells are unknown."""
    text = cells.str.strip()
    if kind == "text":
        return text
    if kind == "time":
        zoned = text.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", regex=True)
        values: pd.Series = pd.to_datetime(text, utc=True, errors="coerce", format="ISO8601")
        wrong, wanted = values.isna() | ~zoned, "a time such as 2016-10-14T07:59:59.999999Z is expected, with its zone"
    else:
        values = pd.to_numeric(text, errors="coerce")
        wrong, wanted = values.isna() & (text != ""), "a number is expected"
        if kind == "id":
            wrong, wanted = values.isna() | (values % 1 != 0), "a whole number is expected"
    if wrong.any():
        row = int(np.argmax(wrong.to_numpy()))
        raise InputError(f"{path}, line {lines[row]}: {name} is {text.iloc[row]!r}; {wanted}")
    return values
