"""Pick files that are text: their lines cut into the columns that are needed, a million in a second or two."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.errors import InputError
from seisloom.picks.faults import refuse
from seisloom.picks.formats import GPD, GPD_COLUMNS, find, known, recognise
from seisloom.picks.times import UNREADABLE, parse_times

_PIECE_BYTES = 8_000_000  # of a file that are held at once
_OVER = "over"  # holds the cell that a line has too many


class RawPicks(NamedTuple):
    """A pick file as text, before anything is made of it."""

    format: str
    cells: pd.DataFrame
    """One row a pick; columns of the pick table that the file has, and ``network`` where that is one of its own."""
    place: Callable[[int], str]
    """Where a row stands in the file, for messages."""
    rejected: int = 0
    """Picks that are not among the cells because an analyst has rejected them."""


class Layout(NamedTuple):
    """How the lines of a pick file are cut into cells."""

    format: str
    separator: str | None
    """None: white space."""
    n_cells: int
    used: dict[str, int]
    """Column of the pick table -> position of its cell."""
    has_header: bool


def read_text(path: Path) -> str:
    """The text of a pick file; InputError for one that is empty, binary or cannot be opened."""
    text = "".join(text_pieces(path, whole=True))
    if not text.strip():
        raise InputError(f"{path}: the file is empty; known:\n{known()}")
    return text


def text_pieces(path: Path, *, whole: bool = False) -> Iterator[str]:
    """The text of a pick file in pieces of whole lines, some megabytes each, or whole; InputError as for :func:`read_text`."""
    try:
        with path.open("rb") as file:
            encoding = "utf-8-sig"
            while data := file.read() if whole else file.read(_PIECE_BYTES) + file.readline():
                if b"\0" in data:
                    raise InputError(f"{path}: a binary file, not a pick file; known:\n{known()}")
                yield data.decode(encoding)
                encoding = "utf-8"
    except OSError as error:
        raise InputError(f"{path}: cannot read the picks: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not text in UTF-8 ({error}); known:\n{known()}") from error


def parse_text(text: str, origin: str, format: str | None = None) -> RawPicks:  # noqa: A002
    """Cells of a pick file in one of the text formats; blank lines and lines that begin with # are passed over.

    InputError names the lines that have too many cells, and shows the columns of a file that is not known.
    """
    layout = find_layout(text, origin, format)
    if layout is None:
        raise InputError(f"{origin}: no picks in it; known:\n{known()}")
    return cut_text(text, origin, layout)


def find_layout(text: str, origin: str, format: str | None = None) -> Layout | None:  # noqa: A002
    """The layout that the first lines of a pick file show, None where it has none; InputError as for :func:`parse_text`."""
    begin = [line.rstrip("\r") for line in islice(filter(_is_told, text.split("\n")), 10)]
    if not begin:
        return None
    separator = next((s for s in "|\t,;" if s in begin[0]), None)
    header = next(csv.reader(begin[:1], delimiter=separator, skipinitialspace=True)) if separator else begin[0].split()
    if format == GPD or (format is None and find(header) is None and any(map(_is_gpd, begin))):
        used = {name: i for i, name in enumerate(GPD_COLUMNS[: max(len(line.split()) for line in begin)])}
        return Layout(GPD, None, len(used), used, has_header=False)
    table, used = recognise(header, origin, format)
    return Layout(table.name, separator, len(header), used, has_header=True)


def cut_text(text: str, origin: str, layout: Layout, before: int = 0, *, goes_on: bool = False) -> RawPicks:
    """Cells of a text, or of the piece that goes on with one, which has so many lines ``before``."""
    lines = text.split("\n")
    numbers = np.array([n for n, line in enumerate(lines, 1) if _is_told(line)], np.int64)
    if layout.has_header and not goes_on:
        numbers = numbers[1:]
    cells = _cut(lines, numbers, origin, layout, before)
    return RawPicks(layout.format, cells, lambda row: f"line {before + numbers[row]}")


def _is_told(line: str) -> bool:
    """Whether a line says something: it is neither blank nor a comment."""
    return bool(line) and not line.isspace() and line[0] != "#"


def as_numbers(cells: pd.Series) -> npt.NDArray[np.float64]:
    """The numbers of a column of text; NaN where it is none."""
    return pd.to_numeric(cells, errors="coerce").to_numpy(float)


def _is_gpd(line: str) -> bool:
    """Whether a line reads NET STA PHASE TIME [PROB [DUR]]."""
    words = line.split()
    if len(words) not in (4, 5, 6) or "," in line or not words[2][0].isalpha():
        return False
    return bool(parse_times(words[3:4]).ns[0] != UNREADABLE)


def _cut(lines: list[str], numbers: npt.NDArray[np.int64], origin: str, layout: Layout, before: int) -> pd.DataFrame:
    """The columns that are used of the lines with these numbers."""
    _, separator, n_cells, used, _ = layout
    name_at = {position: name for name, position in used.items()}
    header = [*(name_at.get(i, f"unused{i}") for i in range(n_cells)), _OVER]
    # The lines are counted here and not by pandas: what it passes over would shift the numbers in messages.
    body = [lines[number - 1] for number in numbers]
    try:
        cells = pd.read_csv(
            io.StringIO("\n".join([(separator or " ").join(header), *body])),
            sep=separator or r"\s+",
            usecols=[*used, _OVER],
            dtype=str,  # not category, which makes numbers of codes such as 007
            na_filter=False,
            index_col=False,
            skip_blank_lines=False,
            skipinitialspace=True,
            quoting=csv.QUOTE_MINIMAL if separator else csv.QUOTE_NONE,
        )
    except pd.errors.ParserError:
        cells = None
    if cells is None or (cells[_OVER] != "").any():
        faults = _ragged(lines, numbers, separator, n_cells, before)
        if faults:
            refuse(origin, faults)
    if cells is None or len(cells) != len(numbers):
        raise InputError(f"{origin}: a quotation mark begins a cell that does not end on its line")
    return cells.drop(columns=_OVER)


def _ragged(
    lines: list[str], numbers: npt.NDArray[np.int64], separator: str | None, n_cells: int, before: int
) -> list[str]:
    """What to say of the lines that have more cells than there are columns."""
    faults = []
    for number in numbers:
        line = lines[number - 1]
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True)) if separator else line.split()
        if len(cells) > n_cells:
            faults.append(f"line {before + number}: {len(cells)} cells, and there are {n_cells} columns")
    return faults
