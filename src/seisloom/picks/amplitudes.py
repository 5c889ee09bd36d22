"""Amplitudes of picks: what is in the files, and in which unit.

A pick table has at most these two columns more, NaN where a pick has no amplitude:

``amplitude_m``: zero-to-peak amplitude on a Wood-Anderson seismograph of magnification 1, in metres: the amplitude of the
IASPEI standard for ML (Bormann and Dewey 2014, doi:10.2312/GFZ.NMSOP-2_IS_3.3), which gives it in nm.

``velocity_m_s``: peak ground velocity, in metres per second: what PhaseNet measures on records whose response has been
removed, and what GaMMA reads (Zhu et al. 2022, doi:10.1029/2021JB023249).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.errors import InputError
from seisloom.picks.text import as_numbers

AMPLITUDE, VELOCITY = AMPLITUDES = ("amplitude_m", "velocity_m_s")
MAGNIFICATION = 2080.0
"""Static magnification of a Wood-Anderson seismograph (Uhrhammer and Collins 1990)."""
UNITS: Mapping[str, tuple[str, float]] = {
    "m/s": (VELOCITY, 1.0),
    "cm/s": (VELOCITY, 1e-2),
    "m": (AMPLITUDE, 1.0),
    "nm": (AMPLITUDE, 1e-9),
    "m-wa": (AMPLITUDE, 1.0 / MAGNIFICATION),
    "mm-wa": (AMPLITUDE, 1e-3 / MAGNIFICATION),
}
"""Unit -> column and factor; m and nm are those of magnification 1, -wa of the trace of a real Wood-Anderson seismograph."""
NONE = "none"
LARGEST = 10.0
"""No ground moves by more metres, or metres a second: larger numbers are counts, or of another unit."""
# Of a unit that nobody has stated, so many amplitudes may be impossible before it is taken for another one.
_STRAY_SHARE = 0.01
_UNKNOWN = ("", "nan", "none", "null")


class Amplitudes(NamedTuple):
    """The amplitudes of a pick file."""

    columns: dict[str, npt.NDArray[np.float64]]
    """Those of AMPLITUDES that have any value."""
    bad: dict[str, npt.NDArray[np.bool_]]
    """Cells that are refused, by the name of their column in the file's cells."""
    note: str = ""
    """What was left out."""
    stray: Stray | None = None
    """Those that are impossible in a unit that was only assumed, where they were left out one by one."""


@dataclass(frozen=True)
class Stray:
    """Amplitudes that are impossible in the unit that is the custom of a format."""

    count: int
    of: int
    """Amplitudes in all."""
    example: str

    @property
    def many(self) -> bool:
        """So many that the unit must be another one."""
        return self.count > _STRAY_SHARE * self.of

    @property
    def note(self) -> str:
        """What was left out."""
        which = "all" if self.many else f"{self.count}"
        left = f"{which} amplitudes left out: they are not in the unit of this format (such as {self.example!r})"
        return left if self.count else ""

    def plus(self, other: Stray) -> Stray:
        """Those of two pieces of a file."""
        return Stray(self.count + other.count, self.of + other.of, self.example or other.example)


def check_unit(unit: str | None) -> None:
    """InputError for a unit that is not known."""
    if unit not in (None, NONE, *UNITS):
        raise InputError(f"unit of amplitudes {unit!r} is not known; choose one of {', '.join([*UNITS, NONE])}")


def take_amplitudes(
    cells: pd.DataFrame, usual: str | None, asked: str | None, origin: str, *, piece: bool = False
) -> Amplitudes:
    """Amplitudes of the cells of a pick file: columns AMPLITUDES, and ``amplitude`` whose unit must be known.

    The unit of ``amplitude`` is the one that was asked for, else that of each row (``amplitude_unit``), else the usual one of
    the format; where there is none of these the column is passed over. Zero is unknown. Values that cannot be are refused
    where their unit was stated; where it is only the custom of the format they are left out, all of them if they are many.
    Of a ``piece`` of a file they are left out one by one: whether they are many, all of them tell.
    """
    none: dict[str, npt.NDArray[np.float64]] = {}
    if asked == NONE:
        return Amplitudes(none, {})
    if asked and "amplitude" not in cells:
        raise InputError(f"{origin}: there is no column of amplitudes to be read in {asked}")
    stated = {name: as_numbers(cells[name]) for name in AMPLITUDES if name in cells}
    bad = {name: _impossible(values, cells[name]) for name, values in stated.items()}
    columns, note, stray = stated, "", None
    if "amplitude" in cells and (asked or usual or "amplitude_unit" in cells):
        units = [asked] * len(cells) if asked or "amplitude_unit" not in cells else cells["amplitude_unit"].tolist()
        found = _converted(as_numbers(cells["amplitude"]), [unit or usual or "" for unit in units])
        wrong = np.logical_or.reduce([_impossible(values, cells["amplitude"]) for values in found.values()])
        if asked:
            bad["amplitude"] = wrong
        else:
            stray = _left_out(found, wrong, cells["amplitude"])
            note = "" if piece else stray.note
            for values in found.values() if stray.many and not piece else ():
                values[:] = np.nan
        columns = found
    elif "amplitude" in cells and not stated:
        note = "amplitudes not used: their unit is not known"
    known = {name: np.where(values > 0.0, values, np.nan) for name, values in columns.items()}
    return Amplitudes({name: values for name, values in known.items() if np.isfinite(values).any()}, bad, note, stray)


def _converted(values: npt.NDArray[np.float64], units: list[str]) -> dict[str, npt.NDArray[np.float64]]:
    """The amplitudes in the two columns; NaN in the one that the unit of a row does not belong to."""
    names = np.array(units, object)
    out = {name: np.full(len(values), np.nan) for name in AMPLITUDES}
    for unit in set(units) & set(UNITS):
        column, factor = UNITS[unit]
        rows = names == unit
        out[column][rows] = values[rows] * factor
    return out


def _left_out(found: dict[str, npt.NDArray[np.float64]], wrong: npt.NDArray[np.bool_], cells: pd.Series) -> Stray:
    """Set amplitudes to NaN that are impossible in a unit that was only assumed."""
    count, of = int(wrong.sum()), sum(int(np.isfinite(values).sum()) for values in found.values())
    for values in found.values():
        values[wrong] = np.nan
    return Stray(count, of, str(cells[wrong].iloc[0]) if count else "")


def _impossible(values: npt.NDArray[np.float64], cells: pd.Series) -> npt.NDArray[np.bool_]:
    """Negative, too large, or no number where something is written."""
    blank = cells.astype(str).str.strip().str.lower().isin(_UNKNOWN).to_numpy()
    with np.errstate(invalid="ignore"):
        return np.asarray((values < 0.0) | (values > LARGEST) | (np.isnan(as_numbers(cells)) & ~blank))
