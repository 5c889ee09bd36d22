"""HypoInverse phase files: the Y2000 archive format (Klein 2002, doi:10.3133/ofr02171), which is input as well.

An event is a summary line, a line for each station with its P and its S, and a terminator line. Numbers have the
places of their decimals implied: F5.2 of 7.56 s is "  756". What is not known is blank.
"""

from __future__ import annotations

import math
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seisloom.catalog.clock import clock, nanoseconds
from seisloom.catalog.tables import WOOD_ANDERSON_MM, Catalog, arrivals
from seisloom.errors import InputError
from seisloom.target import write_whole

# Largest standard error (s) of the weight codes 0 (full weight) to 3; beyond is 4 (not used).
WEIGHT_CODE_ERROR_S = (0.1, 0.2, 0.4, 0.8)
# Seconds of an S count from the minute of its P and end before 1000.
_LONGEST_NS = 900_000_000_000


class _Pick(NamedTuple):
    station: str
    phase: str
    date: str
    minute: str
    minute_ns: int
    ticks: int
    """Hundredths of a second since the minute."""
    code: int
    residual: float
    weight: float
    distance: float
    azimuth: float
    amplitude: float
    """Zero to peak, mm on the trace of a Wood-Anderson seismograph."""
    magnitude: float


def write_hypoinverse(catalog: Catalog, picks: pd.DataFrame, path: str | Path) -> None:
    """Write the events with their assigned picks; commands ``200 T 2000 0`` and ``COP 3`` read the file.

    The weight code of a pick is that of its standard error (WEIGHT_CODE_ERROR_S), 4 where its weight is 0. InputError
    for stations of more than 5 letters or networks of more than 2, for which the format has no room. Magnitudes are in the
    fields of amplitude magnitudes and of the preferred magnitude, the amplitude of a station is that of its S, else its P.
    """
    write_whole(path, phase_lines(catalog, picks))


def phase_lines(catalog: Catalog, picks: pd.DataFrame) -> str:
    """The text of a phase file, or of some events of it. Errors are those of :func:`write_hypoinverse`."""
    table = arrivals(catalog, picks)
    _fit(table["station"], catalog.events["event_id"])
    code = np.searchsorted(WEIGHT_CODE_ERROR_S, table["error_s"])
    code[(table["weight"] == 0).to_numpy()] = 4
    fields = clock(nanoseconds(table["time"]), decimals=2)
    columns = [table[name].tolist() for name in ("event_id", "station", "phase")]
    columns += [part.tolist() for part in (fields.date, fields.minute, fields.minute_ns, fields.ticks, code)]
    columns += [table[name].tolist() for name in ("residual_s", "weight", "distance_km", "azimuth_deg")]
    columns += [(WOOD_ANDERSON_MM * table["amplitude_m"]).tolist(), table["station_magnitude"].tolist()]
    rows = zip(*columns, strict=True)
    of_event = {number: [_Pick(*row[1:]) for row in group] for number, group in groupby(rows, itemgetter(0))}
    lines: list[str] = []
    for number, head in zip(catalog.events["event_id"].tolist(), _summaries(catalog.events), strict=True):
        lines += [head, *_station_lines(of_event.get(number, [])), f"{'':62}{number:10d}"]
    return "\n".join([*lines, ""]) if lines else ""


def _fit(stations: pd.Series, event_ids: pd.Series) -> None:
    parts = [name.split(".", 1) for name in sorted(set(stations))]
    long = [".".join(part) for part in parts if len(part[0]) > 2 or len(part[-1]) > 5]
    if long:
        raise InputError(
            f"stations {', '.join(long[:5])}: HypoInverse has room for 2 letters of the network and 5 of the station"
        )
    if not event_ids.between(0, 10**10 - 1).all():
        raise InputError(f"event_id {event_ids.abs().max()}: HypoInverse has room for 10 digits")


def _summaries(events: pd.DataFrame) -> list[str]:
    """The summary line of every event, columns 1 to 154."""
    fields = clock(nanoseconds(events["time"]), decimals=2)
    rows: Any = events.itertuples()
    return [
        f"{date}{minute}{ticks:4d}{_degrees(e.latitude, 2, ' S')}{_degrees((e.longitude + 180) % 360 - 180, 3, 'E ')}"
        f"{_implied(e.depth_km, 5, 2)}{_implied(e.magnitude, 3, 2)}{_count(e.n_picks)}{_implied(e.gap_deg, 3, 0)}"
        f"{_implied(e.nearest_station_km, 3, 0)}{_implied(e.rms_s, 4, 2)}{'':30}{_count(e.n_s)}"
        f"{_implied(e.horizontal_uncertainty_km, 4, 2)}{_implied(e.depth_uncertainty_km, 4, 2)}{'':3}"
        f"{_readings(e)}{'':36}{e.event_id:10d}{_preferred(e)}"
        for e, date, minute, ticks in zip(rows, fields.date, fields.minute, fields.ticks, strict=True)
    ]


def _readings(event: Any) -> str:
    """Number of stations of the magnitude, F4.1."""
    return _implied(event.n_magnitude if event.n_magnitude >= 0 else math.nan, 4, 1)


def _preferred(event: Any) -> str:
    """Label, magnitude and number of stations; nothing where there is no magnitude."""
    if math.isnan(event.magnitude):
        return ""
    label = "L" if event.magnitude_type.upper() == "ML" else "X"
    return f"{label}{_implied(event.magnitude, 3, 2)}{_readings(event)}"


def _station_lines(picks: list[_Pick]) -> list[str]:
    """A line for each station, or two where its P and S do not fit on one."""
    lines = []
    for _, group in groupby(sorted(picks, key=lambda pick: (pick.station, pick.minute_ns, pick.ticks)), itemgetter(0)):
        waiting: _Pick | None = None
        for pick in group:
            together = pick.phase == "S" and waiting is not None and pick.minute_ns - waiting.minute_ns < _LONGEST_NS
            lines += [_station_line(waiting, None)] if waiting and not together else []
            lines += [_station_line(waiting if together else None, pick)] if pick.phase == "S" else []
            waiting = pick if pick.phase == "P" else None
        lines += [_station_line(waiting, None)] if waiting else []
    return lines


def _station_line(p: _Pick | None, s: _Pick | None) -> str:
    """Columns 1 to 115; the seconds of both phases count from the minute of the first."""
    first = p or s
    assert first is not None
    network, _, code = first.station.partition(".")
    p_part = s_part = ""
    if p:
        p_part = f" P {p.code}{p.date}{p.minute}{p.ticks:5d}{_implied(p.residual, 4, 2)}{_implied(p.weight, 3, 2)}"
    else:
        p_part = f"   4{first.date}{first.minute}{'':12}"
    if s:
        ticks = (s.minute_ns - first.minute_ns) // 10_000_000 + s.ticks
        s_part = f"{ticks:5d} S {s.code}{_implied(s.residual, 4, 2)}"
    measured = next((pick for pick in (s, p) if pick and not math.isnan(pick.amplitude)), None)
    # A decimal point in the field takes the place of the implied one; unit 1: zero to peak; type 1: Wood-Anderson.
    amplitude = f"{min(measured.amplitude, 999_999.0):.5f}"[:7] + " 1" if measured else ""
    s_part = f"{s_part:<13}{amplitude:<9}{_implied(s.weight, 3, 2) if s else ''}"
    ends = f"{_implied(first.distance, 4, 1)}{'':13}{_implied(first.azimuth, 3, 0)}"
    if measured:
        ends += f"{'':3}{_implied(measured.magnitude, 3, 2)}{'':13} 1"
    return f"{code:<5}{network:<2}{'':6}{p_part}{s_part:<25}{'':8}{ends}".rstrip()


def _degrees(value: float, width: int, letters: str) -> str:
    """Degrees, a letter ("first of ``letters`` where positive, else the second) and hundredths of minutes."""
    hundredths = round(abs(value) * 6000.0)
    return f"{hundredths // 6000:0{width}d}{letters[value < 0]}{hundredths % 6000:4d}"


def _implied(value: float, width: int, decimals: int) -> str:
    """A number without its decimal point, at the limit of the field where it is beyond; blank where it is not known."""
    if math.isnan(value):
        return " " * width
    return f"{min(max(round(value * 10**decimals), 1 - 10 ** (width - 1)), 10**width - 1):{width}d}"


def _count(value: int) -> str:
    return _implied(value if value >= 0 else math.nan, 3, 0)
