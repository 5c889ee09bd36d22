"""NonLinLoc observation files (NLLOC_OBS): the picks of events, for location.

Format: http://alomax.free.fr/nlloc, Formats, Phase Files, NonLinLoc Format. Fields between blanks: station label,
instrument, component, onset, phase, first motion, date, hour and minute, seconds, ``GAU``, standard error (s), coda,
amplitude (peak to peak, mm on the trace of a Wood-Anderson seismograph here), period; -1 is unknown. Events are
separated by blank lines.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from seisloom.catalog.clock import clock, instant, nanoseconds
from seisloom.catalog.labels import station_labels, station_of
from seisloom.catalog.tables import WOOD_ANDERSON_MM, Catalog, arrivals
from seisloom.errors import InputError
from seisloom.target import write_whole

EVENT_ID = "smi:local/event/"
"""What event numbers follow in ``PUBLIC_ID`` lines; NonLinLoc 7 copies these to its .hyp files."""


def write_nonlinloc_obs(
    catalog: Catalog, picks: pd.DataFrame, path: str | Path, stations: Iterable[str] | None = None
) -> None:
    """Write the assigned picks of every event, in the order of the events; picks of weight 0 are left out.

    The label of a station is its code, or NET_STA where two networks share the code among ``stations`` (default: those
    of ``picks``); the instrument field holds the network. Errors are those of :func:`arrivals`.
    """
    write_whole(path, observations(catalog, picks, picks["station"] if stations is None else stations))


def observations(catalog: Catalog, picks: pd.DataFrame, stations: Iterable[str]) -> str:
    """The text of an observation file; those of several catalogues go together with a blank line between them."""
    labels = station_labels(stations)
    table = arrivals(catalog, picks)
    table = table[table["weight"] != 0]
    unknown = sorted(set(table["station"]) - set(labels))
    if unknown:
        raise InputError(f"{catalog.origin}: picks at stations that are not in the list: {', '.join(unknown[:5])}")
    fields = clock(nanoseconds(table["time"]), decimals=4)
    lines: list[str] = []
    event = None
    table["amplitude"] = (2.0 * WOOD_ANDERSON_MM * table["amplitude_m"]).fillna(-1.0)
    columns = [table[name].tolist() for name in ("event_id", "station", "phase", "error_s", "amplitude")]
    columns += [part.tolist() for part in (fields.date, fields.minute, fields.ticks)]
    for number, station, phase, error, amplitude, date, minute, ticks in zip(*columns, strict=True):
        if number != event:
            lines += [""] * bool(lines) + [f"PUBLIC_ID {EVENT_ID}{number}"]
            event = number
        network = station.partition(".")[0] or "?"
        lines.append(
            f"{labels[station]:<6} {network:<4} {'?':<4} ? {phase:<6} ? {date} {minute} {ticks / 1e4:7.4f} "
            f"GAU {error:9.2e} {-1:9.2e} {amplitude:9.2e} {-1:9.2e}"
        )
    return "\n".join([*lines, ""]) if lines else ""


def read_nonlinloc_obs(path: str | Path, stations: Iterable[str] = ()) -> pd.DataFrame:
    """The picks of an observation file: event_id, station (NET.STA), phase, time (UTC), error_s, and amplitude_m if there are.

    Events are numbered from 1, or as their ``PUBLIC_ID`` lines of ours say. Labels are looked up among ``stations``, else
    the instrument field is taken for the network, where it is not "?". InputError names file and line of a fault.
    """
    known = {label: name for name, label in station_labels(stations).items()}
    rows: list[tuple[int, str, str, int, float, float]] = []
    event, fresh = 0, True
    for number, line in enumerate(_lines(path), 1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            fresh = fresh or not fields
        elif fields[0] == "PUBLIC_ID":
            told = fields[-1].removeprefix(EVENT_ID)
            event, fresh = (int(told) if told.isdigit() else event + 1), False
        else:
            event, fresh = event + fresh, False
            rows.append((event, *_pick(fields, known, f"{path}, line {number}")))
    table = pd.DataFrame(rows, columns=["event_id", "station", "phase", "time", "error_s", "amplitude_m"])
    table = table.astype({"event_id": "int64", "time": "int64", "error_s": "float64", "amplitude_m": "float64"})
    if table["amplitude_m"].isna().all():
        table = table.drop(columns="amplitude_m")
    return table.assign(time=pd.to_datetime(table["time"], unit="ns", utc=True))


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


def _pick(fields: list[str], known: dict[str, str], place: str) -> tuple[str, str, int, float, float]:
    if len(fields) < 11:
        raise InputError(f"{place}: {len(fields)} fields, at least 11 are expected: station ... GAU error")
    try:
        time = instant(fields[6], fields[7].zfill(4), float(fields[8]))
        error = float(fields[10])
        peak_to_peak = float(fields[12]) if len(fields) > 12 else -1.0
    except ValueError as fault:
        raise InputError(f"{place}: {' '.join(fields[6:13])!r}: {fault}") from None
    amplitude = peak_to_peak / (2.0 * WOOD_ANDERSON_MM) if peak_to_peak > 0 else math.nan
    return station_of(fields[0], fields[1].strip("?"), known), fields[4], time, error, amplitude
