"""Pick files piece by piece, so that none is ever held whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seisloom.errors import InputError
from seisloom.picks.amplitudes import Stray, take_amplitudes
from seisloom.picks.faults import SHOWN, refuse
from seisloom.picks.formats import QUAKEML, amplitude_unit
from seisloom.picks.read import COLUMNS, PickReport, faults_of, select, typed
from seisloom.picks.text import RawPicks, cut_text, find_layout, known, read_text, text_pieces
from seisloom.picks.times import parse_times


def pick_files(path: Path) -> list[Path]:
    """A file, or the files of a folder by name, hidden ones left out; InputError where the folder has none."""
    if not path.is_dir():
        return [path]
    files = sorted(one for one in path.iterdir() if one.is_file() and not one.name.startswith("."))
    if not files:
        raise InputError(f"{path}: no files in this folder")
    return files


class PickPieces:
    """The picks of files, a table at a time, and what was left out of them.

    Iterating gives tables as :func:`seisloom.picks.read_picks` makes them, with ``time`` in nanoseconds, and with all that is said
    twice. Picks of several files are numbered anew, in the order of the files. Raises InputError, at the end for what is wrong
    with single lines.
    """

    def __init__(self, paths: Sequence[Path], origin: str, min_probability: float = 0.0) -> None:
        self.origin, self._paths, self._least = origin, paths, min_probability
        self.stray = Stray(0, 0, "")
        """Amplitudes that cannot be; all must be left out where they are many."""
        self._formats: dict[str, None] = {}
        self._rows, self._rejected, self._zoneless, self._unlikely = 0, 0, 0, 0
        self._phases: Counter[str] = Counter()
        self._note, self._faults, self._n_faults = "", list[str](), 0

    def __iter__(self) -> Iterator[pd.DataFrame]:
        for path in self._paths:
            before = self._rows
            for raw in self._raw(path):
                yield self._table(raw, str(path))
            if self._rows == before:
                raise InputError(f"{path}: no picks in it; known:\n{known()}")
        if self._n_faults:
            refuse(self.origin, self._faults, self._n_faults)

    def report(self, kept: int, duplicates: int, amplitudes: int) -> PickReport:
        """What was read, once all tables were taken; so many picks were kept, and have amplitudes."""
        return PickReport(
            self.origin, " and ".join(self._formats), self._rows + self._rejected, kept, dict(self._phases.most_common()),
            self._unlikely, 0, duplicates, self._rejected, self._zoneless, 0 if self.stray.many else amplitudes,
            self.stray.note or self._note,
        )  # fmt: skip

    def _raw(self, path: Path) -> Iterator[RawPicks]:
        """Cells of a file."""
        layout, lines = None, 0
        for text in text_pieces(path):
            if layout is None and text.lstrip().startswith("<"):
                from seisloom.picks.quakeml import parse_quakeml

                self._formats[QUAKEML] = None
                yield parse_quakeml(read_text(path), str(path))
                return
            goes_on = layout is not None
            layout = layout or find_layout(text, str(path))
            if layout is not None:
                self._formats[layout.format] = None
                yield cut_text(text, str(path), layout, lines, goes_on=goes_on)
            lines += text.count("\n")

    def _table(self, raw: RawPicks, origin: str) -> pd.DataFrame:
        """The picks of a piece that are wanted."""
        times = parse_times(raw.cells["time"].tolist())
        amplitudes = take_amplitudes(raw.cells, amplitude_unit(raw.format), None, origin, piece=True)
        table, bad = typed(raw, times, amplitudes)
        if "pick_index" not in raw.cells or len(self._paths) > 1:
            bad.pop("pick_index", None)
            table["pick_index"] = self._rows + np.arange(len(table))
        found = faults_of(raw, bad)
        where = f"{Path(origin).name}, " if len(self._paths) > 1 else ""
        self._faults += [f"{where}{fault}" for fault in found[: SHOWN - len(self._faults)]]
        self._n_faults += len(found)
        keep, left_out = select(table, self._least, 0.0)
        self._rows, self._rejected = self._rows + len(table), self._rejected + raw.rejected
        self._zoneless += times.without_zone
        self._phases.update(left_out["other_phases"])
        self._unlikely += left_out["below_probability"]
        self._note = self._note or amplitudes.note
        self.stray = self.stray.plus(amplitudes.stray) if amplitudes.stray else self.stray
        return table.loc[keep, [*COLUMNS, *amplitudes.columns]]
