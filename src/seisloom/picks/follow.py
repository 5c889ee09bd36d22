"""Pick tables that are read while they are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from seisloom.errors import InputError
from seisloom.picks.amplitudes import AMPLITUDES, Amplitudes, take_amplitudes
from seisloom.picks.formats import GPD, amplitude_unit
from seisloom.picks.read import COLUMNS, fault, typed
from seisloom.picks.text import RawPicks, parse_text
from seisloom.picks.times import parse_times

FOLLOWED = [*COLUMNS, *AMPLITUDES]
_LONGEST = 65_536  # bytes of a line
_PATIENCE = 10  # lines without a header, one of which must be a pick
_GPD_REST = ["1", "nan"]  # probability and duration where a line has none

Line = tuple[int, str]


class Arrived(NamedTuple):
    """Picks of a piece of text, in its order, and what was wrong with it."""

    picks: pd.DataFrame
    """Columns FOLLOWED; ``time`` is UTC, ``pick_index`` counts the rows of all files from 0. P and S only."""
    faults: list[str]
    """A sentence for each line that is left out."""


@dataclass
class PickLines:
    """Reader of a text of picks that comes in pieces; what it makes of them does not depend on where they are cut.

    Its fields are all that there is to remember of what was read.
    """

    origin: str
    """Name of the text, for messages."""
    amplitude: str | None = None
    """Unit of the amplitudes, as for :func:`seisloom.picks.read_picks`."""
    format: str = ""
    header: str = ""
    lines: int = 0
    """Lines read of the present file."""
    rows: int = 0
    """Rows of picks read of all files."""
    fresh: bool = True
    """No pick of the present file has been read."""
    rest: bytes = b""
    """The beginning of a line that has not come to its end."""
    waiting: list[Line] = field(default_factory=list)
    """First lines, until the format is known."""

    def add(self, data: bytes) -> Arrived:
        """The picks of the lines that end in a piece of the text. InputError for a text that is no table of picks."""
        *whole, self.rest = (self.rest + data).split(b"\n")
        if len(self.rest) > _LONGEST:
            whole.append(self.rest)
            self.rest = b""
        return self._read(whole)

    def end(self) -> Arrived:
        """The pick of a last line that has no end, and InputError where the format is not known by now."""
        last, self.rest = [self.rest] if self.rest else [], b""
        arrived = self._read(last)
        if self.waiting:
            parse_text(self.waiting[0][1], self.origin)  # says why not
        return arrived

    def begin_anew(self) -> None:
        """Go on with another file; where it has no header, with that of the last."""
        self.lines, self.fresh, self.rest, self.waiting = 0, True, b"", []

    def _read(self, whole: list[bytes]) -> Arrived:
        faults: list[Line] = []
        numbered, self.waiting = self.waiting, []
        for raw in whole:
            self.lines += 1
            line = _decoded(raw)
            if line is None:
                faults.append((self.lines, "not text in UTF-8, or too long"))
            elif line and not line.isspace() and line[0] != "#":
                numbered.append((self.lines, line))
        if self.fresh and numbered:
            numbered = self._recognised(numbered)
        numbered = [line for line in numbered if line[1] != self.header]  # said again where files are joined
        first, self.rows = self.rows, self.rows + len(numbered)
        tables = [self._table(raw, lines, faults) for raw, lines in self._parsed(numbered, faults)]
        picks = pd.concat([_NONE, *(table for table in tables if len(table))], ignore_index=True)
        index = {number: first + k for k, (number, _) in enumerate(numbered)}
        picks["pick_index"] = np.array([index[number] for number in picks["pick_index"]], np.int64)
        return Arrived(picks, [f"line {number}: {what}" for number, what in sorted(faults)])

    def _recognised(self, numbered: list[Line]) -> list[Line]:
        """The first lines of a file without its header; none of them until the format is known."""
        for k, (_, line) in enumerate(numbered[:_PATIENCE]):
            try:
                found = parse_text(line, self.origin).format
            except InputError:
                continue
            if found == GPD or k == 0:
                self.format, self.header, self.fresh = found, "" if found == GPD else line, False
                return numbered if found == GPD else numbered[1:]
        if self.format:
            self.fresh = False
            return numbered
        table = any(separator in numbered[0][1] for separator in "|\t,;<")
        if table or len(numbered) >= _PATIENCE:
            parse_text(numbered[0][1], self.origin)  # says what is known
        self.waiting = numbered
        return []

    def _parsed(self, lines: list[Line], faults: list[Line]) -> Iterator[tuple[RawPicks, list[Line]]]:
        """Cells of lines; those that cannot be cut into cells are found by halving."""
        if not lines:
            return
        texts = [_padded(line) if self.format == GPD else line for _, line in lines]
        try:
            raw = parse_text("\n".join([self.header, *texts] if self.header else texts), self.origin, self.format)
        except InputError:
            if len(lines) == 1:
                faults.append((lines[0][0], "more cells than there are columns, or a quotation mark without another"))
                return
            middle = len(lines) // 2
            yield from self._parsed(lines[:middle], faults)
            yield from self._parsed(lines[middle:], faults)
        else:
            yield raw, lines

    def _table(self, raw: RawPicks, lines: list[Line], faults: list[Line]) -> pd.DataFrame:
        """Picks of cells; ``pick_index`` is the number of the line."""
        raw = raw._replace(cells=raw.cells.drop(columns="pick_index", errors="ignore"))
        amplitudes = _amplitudes(raw, self.amplitude, self.origin)
        table, bad = typed(raw, parse_times(raw.cells["time"].tolist()), amplitudes)
        wrong = np.logical_or.reduce(list(bad.values()))
        faults += [(lines[row][0], fault(raw, bad, row)) for row in np.flatnonzero(wrong).tolist()]
        table["pick_index"] = [number for number, _ in lines]
        table["time"] = pd.to_datetime(table["time"], unit="ns", utc=True)
        return table[~wrong & (table["phase"] != "").to_numpy()].reindex(columns=FOLLOWED)


_NONE = pd.DataFrame(
    {name: pd.Series(dtype=object if name in ("station", "phase") else float) for name in FOLLOWED}
).astype({"pick_index": np.int64, "time": "datetime64[ns, UTC]"})


def _decoded(line: bytes) -> str | None:
    """Text of a line without its end; None for what is no text."""
    if len(line) > _LONGEST or b"\0" in line:
        return None
    try:
        return line.decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError:
        return None


def _padded(line: str) -> str:
    """A line of GPD with a probability and a duration, so that lines with and without them go together."""
    words = line.split()
    return " ".join(words + _GPD_REST[len(words) - 4 :]) if len(words) in (4, 5) else line


def _amplitudes(raw: RawPicks, asked: str | None, origin: str) -> Amplitudes:
    """Amplitudes of cells, where what is impossible in a unit that is only the custom of the format is left out one by one."""
    usual = amplitude_unit(raw.format)
    if asked or not usual or "amplitude" not in raw.cells or "amplitude_unit" in raw.cells:
        return take_amplitudes(raw.cells, usual, asked, origin)
    found = take_amplitudes(raw.cells, usual, usual, origin)
    impossible = found.bad.pop("amplitude")
    return found._replace(columns={name: np.where(impossible, np.nan, of) for name, of in found.columns.items()})
