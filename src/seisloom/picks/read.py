"""Pick files of every known format as one table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.errors import InputError
from seisloom.picks.amplitudes import LARGEST, Amplitudes, check_unit, take_amplitudes
from seisloom.picks.faults import SHOWN, refuse
from seisloom.picks.formats import QUAKEML, amplitude_unit, check_name
from seisloom.picks.text import RawPicks, as_numbers, parse_text, read_text
from seisloom.picks.times import UNREADABLE, Times, parse_times

COLUMNS = ["pick_index", "station", "phase", "time", "probability", "duration_s"]

# First arrivals at local and regional distance; depth phases, reflections and core phases are others.
_PHASE = re.compile(r"([PpSs])[nNgGbB*]?$")
# Probabilities may have gone through single precision.
_ROUNDING = 1e-6
_EXPECTED = {
    "station": "a station is expected",
    "time": "ISO 8601 or seconds since 1970 are expected",
    "probability": "a number from 0 to 1 is expected",
    "duration_s": "seconds are expected",
    "pick_index": "whole numbers, each but once, are expected",
    "amplitude_m": f"metres of ground displacement, from 0 to {LARGEST:g}, are expected",
    "velocity_m_s": f"metres per second of ground velocity, from 0 to {LARGEST:g}, are expected",
    "amplitude": f"an amplitude in the unit that was asked for, from 0 to {LARGEST:g} m or m/s, is expected",
}


@dataclass(frozen=True)
class PickReport:
    """What a pick file held, and what became of it; ``str()`` is for people."""

    origin: str
    format: str
    read: int
    """Picks in the file."""
    kept: int
    other_phases: dict[str, int] = field(default_factory=dict)
    """Left out because of their phase: label and number, most frequent first."""
    below_probability: int = 0
    below_duration: int = 0
    duplicates: int = 0
    """Left out because the same station, phase and time was there with at least this probability."""
    rejected: int = 0
    """Left out because an analyst has rejected them (QuakeML)."""
    without_zone: int = 0
    """Times without a zone, taken as UTC."""
    amplitudes: int = 0
    """Picks that are kept and have an amplitude."""
    amplitude_note: str = ""
    """Amplitudes that were left out, and why."""

    def __str__(self) -> str:
        labels = ", ".join(f"{label or 'none'} {count}" for label, count in list(self.other_phases.items())[:SHOWN])
        lines = [
            (sum(self.other_phases.values()), f"of other phases ({labels})"),
            (self.rejected, "rejected by an analyst"),
            (self.below_probability, "below the least probability"),
            (self.below_duration, "below the least duration"),
            (self.duplicates, "said twice"),
        ]
        text = f"{self.origin} ({self.format}): {self.kept} of {self.read} picks"
        left = "; ".join(f"{count} {why}" for count, why in lines if count)
        zone = f"; times without a zone, taken as UTC: {self.without_zone}" if self.without_zone else ""
        amplitudes = f"; with an amplitude: {self.amplitudes}" if self.amplitudes else ""
        note = f"; {self.amplitude_note}" if self.amplitude_note else ""
        return text + (f"; left out: {left}" if left else "") + zone + amplitudes + note


def read_picks(
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002
    min_probability: float = 0.0,
    min_duration_s: float = 0.0,
    amplitude: str | None = None,
) -> pd.DataFrame:
    """Pick table of a file, in the order of the file.

    Columns: ``pick_index`` (int64: as in the file, else the row from 0), ``station`` (as in the file; see
    :func:`seisloom.picks.match_stations`), ``phase`` ("P" or "S"), ``time`` (UTC), ``probability`` (1 where the file
    gives none), ``duration_s`` (NaN where it gives none); of :data:`seisloom.picks.AMPLITUDES` those that the file has.
    ``attrs["report"]`` is a :class:`PickReport`.

    P, Pn, Pg, Pb and p are P, likewise S; other phases are left out. Picks below ``min_probability``, or whose
    trigger lasted less than ``min_duration_s`` (pr_min and trig_dur_min of PhaseLink), are left out. Of picks with
    the same station, phase and time the most probable stays.

    The format is recognised from the columns unless ``format`` names it (:data:`seisloom.picks.FORMATS`). ``amplitude`` is
    the unit of the amplitudes where it is not that of the format, one of :data:`seisloom.picks.UNITS`, or "none" to leave
    them out. Raises InputError that lists what is wrong, line by line, and when no pick is left.
    """
    check_name(format)
    check_unit(amplitude)
    path = Path(path)
    text = read_text(path)
    if format == QUAKEML or (format is None and text.lstrip().startswith("<")):
        from seisloom.picks.quakeml import parse_quakeml

        raw = parse_quakeml(text, str(path))
    else:
        raw = parse_text(text, str(path), format)
    if raw.cells.empty:
        raise InputError(f"{path}: no picks in it")
    times = parse_times(raw.cells["time"].tolist())
    amplitudes = take_amplitudes(raw.cells, amplitude_unit(raw.format), amplitude, str(path))
    table, bad = typed(raw, times, amplitudes)
    if faults := faults_of(raw, bad):
        refuse(str(path), faults)
    keep, left_out = select(table, min_probability, min_duration_s)
    again = repeated(table[keep])
    keep[keep] = ~again
    kept = table.loc[keep, [*COLUMNS, *amplitudes.columns]].reset_index(drop=True)
    kept["time"] = pd.to_datetime(kept["time"], unit="ns", utc=True)
    report = PickReport(
        str(path),
        raw.format,
        read=len(table) + raw.rejected,
        kept=len(kept),
        rejected=raw.rejected,
        without_zone=times.without_zone,
        amplitudes=int(kept[[*amplitudes.columns]].notna().any(axis=1).sum()),
        amplitude_note=amplitudes.note,
        duplicates=int(again.sum()),
        **left_out,
    )
    if kept.empty:
        raise InputError(f"no pick is left to work with: {report}")
    kept.attrs["report"] = report
    return kept


Bad = dict[str, npt.NDArray[np.bool_]]
"""Column -> rows whose cell cannot be read."""


def typed(raw: RawPicks, times: Times, amplitudes: Amplitudes) -> tuple[pd.DataFrame, Bad]:
    """All picks, and what is wrong with them.

    ``time`` is in nanoseconds, ``label`` is the phase as written, ``phase`` is empty where it is another.
    """
    cells, n = raw.cells, len(raw.cells)
    columns: dict[str, npt.NDArray[Any]] = {
        "pick_index": np.arange(n),
        "station": _stations(cells),
        "phase": _each(cells["phase"], _phase),
        "time": times.ns,
        "probability": np.ones(n),
        "duration_s": np.full(n, np.nan),
    }
    bad: Bad = {"station": columns["station"] == "", "time": times.ns == UNREADABLE}
    if "pick_index" in cells:
        columns["pick_index"], bad["pick_index"] = _indices(cells["pick_index"])
    if "probability" in cells:
        columns["probability"] = p = as_numbers(cells["probability"])
        bad["probability"] = ~((p >= 0.0) & (p <= 1.0 + _ROUNDING))
    if "duration_s" in cells:
        columns["duration_s"] = duration = as_numbers(cells["duration_s"])
        unknown = cells["duration_s"].isin(["", "nan", "NaN"]).to_numpy()
        bad["duration_s"] = ~((duration >= 0.0) | unknown)
    columns["probability"] = np.minimum(columns["probability"], 1.0)
    return pd.DataFrame(columns | amplitudes.columns).assign(label=cells["phase"]), bad | amplitudes.bad


def fault(raw: RawPicks, bad: Bad, row: int) -> str:
    """What is wrong with a row."""
    return "; ".join(f"{name} {str(raw.cells[name].iloc[row])!r}: {_EXPECTED[name]}" for name in bad if bad[name][row])


def faults_of(raw: RawPicks, bad: Bad) -> list[str]:
    """What is wrong, a line for each row that cannot be read."""
    rows = np.flatnonzero(np.logical_or.reduce(list(bad.values())))
    return [f"{raw.place(row)}: {fault(raw, bad, row)}" for row in rows.tolist()]


def select(
    table: pd.DataFrame, min_probability: float, min_duration_s: float
) -> tuple[npt.NDArray[np.bool_], dict[str, Any]]:
    """Rows to keep, among them what is said twice, and for the report how many are not and why."""
    known = (table["phase"] != "").to_numpy()
    unlikely = known & (table["probability"] < min_probability).to_numpy()
    brief = known & ~unlikely & (table["duration_s"] < min_duration_s).to_numpy()
    return known & ~unlikely & ~brief, {
        "other_phases": dict(Counter(table["label"][~known].tolist()).most_common()),
        "below_probability": int(unlikely.sum()),
        "below_duration": int(brief.sum()),
    }


def repeated(table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Rows that another row says with the same or a higher probability (of equals the first stays)."""
    key = ["station", "phase", "time"]
    if not table.duplicated(key).any():
        return np.zeros(len(table), bool)
    order = np.argsort(-table["probability"].to_numpy(), kind="stable")
    again = np.empty(len(table), bool)
    again[order] = table.iloc[order].duplicated(key).to_numpy()
    return again


def _each(cells: pd.Series, change: Callable[[str], str]) -> npt.NDArray[Any]:
    """Every text changed; what repeats is changed once."""
    codes, names = pd.factorize(cells)
    return np.array([change(str(name)) for name in names], object)[codes]


def _phase(label: str) -> str:
    """P or S, and nothing for other phases."""
    match = _PHASE.match(label.strip())
    return match[1].upper() if match else ""


def _stations(cells: pd.DataFrame) -> npt.NDArray[Any]:
    """NET.STA where network and station are columns of their own (-- is no network), else the station as written."""
    station = _each(cells["station"], str.strip)
    if "network" not in cells:
        return station
    network = _each(cells["network"], lambda code: code.strip().replace("--", ""))
    return np.array([f"{n}.{s}" if n and s else s for n, s in zip(network, station, strict=True)], object)


def _indices(cells: pd.Series) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Pick numbers, and where they are no whole numbers or not unique."""
    values = as_numbers(cells)
    whole = np.isfinite(values) & (values == np.rint(values)) & (np.abs(values) < 2**53)
    indices = np.where(whole, values, 0).astype(np.int64)
    return indices, ~whole | (pd.Series(indices).duplicated().to_numpy() & whole)
