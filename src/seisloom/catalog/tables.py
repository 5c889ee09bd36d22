"""The catalogue: a table of events, and one that says which picks belong to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.catalog.clock import nanoseconds
from seisloom.errors import InputError

UNKNOWN = -1
"""Counts that a source does not give."""

EVENT_COLUMNS: Mapping[str, str] = {
    "event_id": "id", "time": "time", "latitude": "number", "longitude": "number", "depth_km": "number",
    "n_picks": "count", "n_p": "count", "n_s": "count", "n_stations": "count", "rms_s": "number", "gap_deg": "number",
    "nearest_station_km": "number", "time_uncertainty_s": "number", "horizontal_uncertainty_km": "number",
    "ellipse_minor_km": "number", "ellipse_azimuth_deg": "number", "depth_uncertainty_km": "number",
    "quality": "text", "flags": "text", "magnitude": "number", "magnitude_type": "text",
    "magnitude_uncertainty": "number", "n_magnitude": "count", "evidence": "number", "false_probability": "number",
    "missing": "text",
}  # fmt: skip
ASSIGNMENT_COLUMNS: Mapping[str, str] = {
    "pick_index": "id", "event_id": "id", "residual_s": "number", "distance_km": "number", "azimuth_deg": "number",
    "weight": "number", "station_magnitude": "number", "phase": "text", "probability": "number",
}  # fmt: skip
AMPLITUDES = ("amplitude_m", "velocity_m_s")
"""Columns of a pick table that may hold amplitudes: on a Wood-Anderson seismograph of magnification 1, of ground velocity."""
WOOD_ANDERSON_MM = 2080.0 * 1000.0
"""Millimetres on the trace of a real Wood-Anderson seismograph for 1 m of ``amplitude_m`` (Uhrhammer and Collins 1990)."""
_NEEDED = {"event_id", "time", "latitude", "longitude", "depth_km", "pick_index"}
_BOUNDS = {"latitude": 90.0, "longitude": 360.0, "depth_km": 7000.0}
# Other programs write numbers such as 999 or -9.9 for a magnitude that they do not have.
_MAGNITUDES = (-9.0, 12.0)


@dataclass(frozen=True)
class Catalog:
    """Events and the picks that are assigned to them; both tables are checked and completed when it is made.

    ``events``, one row each: ``event_id``; ``time`` (UTC); ``latitude``, ``longitude`` (degrees); ``depth_km`` (positive
    down from sea level); ``n_picks``, ``n_p``, ``n_s``, ``n_stations`` (-1 = unknown); ``rms_s``; ``gap_deg``;
    ``nearest_station_km``; ``time_uncertainty_s`` and ``depth_uncertainty_km`` (standard errors);
    ``horizontal_uncertainty_km``, ``ellipse_minor_km`` (half axes of the ellipse of 68 %), ``ellipse_azimuth_deg`` (of the
    longer one, from north); ``quality`` ("A" to "D", "" = unknown); ``flags`` (text, "; " between them); ``magnitude``,
    ``magnitude_type`` ("ML", ...; "" = none), ``magnitude_uncertainty`` (standard error), ``n_magnitude`` (stations);
    ``evidence`` (logarithm of the likelihood ratio against chance), ``false_probability`` (that it is no event), ``missing``
    (channels that would be expected to have picked it and have not, "NET.STA P; NET.STA S").

    ``assignments``, one row a pick: ``pick_index`` (of the pick table), ``event_id``, ``residual_s`` (observed minus
    predicted), ``distance_km`` (of the epicentre), ``azimuth_deg`` (at the epicentre towards the station), ``weight``
    (0 = not used), ``station_magnitude`` (from its amplitude, corrected for the station), ``phase`` (that the event predicts;
    "" = as in the pick table), ``probability`` (that the pick is of this event). What is unknown is NaN. A pick belongs to
    one event at most.
    """

    events: pd.DataFrame
    assignments: pd.DataFrame
    origin: str = "catalogue"

    def __post_init__(self) -> None:
        object.__setattr__(self, "events", _typed(self.events, EVENT_COLUMNS, f"{self.origin}: events"))
        object.__setattr__(self, "assignments", _typed(self.assignments, ASSIGNMENT_COLUMNS, f"{self.origin}: picks"))
        self._check()

    def _check(self) -> None:
        events, assignments = self.events, self.assignments
        for column, bound in _BOUNDS.items():
            wrong = ~(events[column].abs() <= bound)
            if wrong.any():
                row = events[wrong].iloc[0]
                raise InputError(f"{self.origin}: event {row['event_id']}: {column} is {row[column]:g}")
        low, high = _MAGNITUDES
        wrong = events["magnitude"].notna() & ~events["magnitude"].between(low, high)
        if wrong.any():
            row = events[wrong].iloc[0]
            raise InputError(
                f"{self.origin}: event {row['event_id']}: magnitude is {row['magnitude']:g}; leave it empty where there is none"
            )
        _once(events["event_id"], f"{self.origin}: event_id")
        _once(assignments["pick_index"], f"{self.origin}: pick_index of the assignments")
        strange = sorted(set(assignments["event_id"]) - set(events["event_id"]))
        if strange:
            raise InputError(f"{self.origin}: picks are assigned to events that are not there: {_some(strange)}")


def arrivals(catalog: Catalog, picks: pd.DataFrame) -> pd.DataFrame:
    """The assigned picks, events in the order of their table and picks in that of time.

    Columns: those of the assignments, ``station`` (NET.STA), ``phase``, ``time`` (UTC), ``probability``, the amplitudes
    (AMPLITUDES; NaN where there are none) and ``error_s``: the standard error of the pick, from a column of that
    name in ``picks`` where it has one, else :func:`pick_error`.
    InputError names assigned picks that are not in the table.
    """
    columns = ["pick_index", "station", "phase", "time", "probability"]
    columns += [name for name in ("error_s", *AMPLITUDES) if name in picks]
    assigned = catalog.assignments.rename(columns={"phase": "predicted", "probability": "posterior"})
    table = assigned.merge(picks[columns], on="pick_index", how="left", validate="one_to_one")
    lost = table.loc[table["station"].isna(), "pick_index"]
    if len(lost):
        raise InputError(f"{catalog.origin}: {len(lost)} assigned picks are not in the pick table: {_some(lost)}")
    table = table.assign(**{name: np.nan for name in AMPLITUDES if name not in table})
    table["phase"] = table["predicted"].where(table["predicted"] != "", table["phase"])
    usual = pd.Series(pick_error(table["phase"], table["probability"]), table.index)
    table["error_s"] = table["error_s"].fillna(usual) if "error_s" in table else usual
    rank = pd.Index(catalog.events["event_id"]).get_indexer(table["event_id"])
    # Numbers of the names in their order: sorting text is slow.
    station, phase = (np.unique(table[name].to_numpy(str), return_inverse=True)[1] for name in ("station", "phase"))
    order = np.lexsort((station, phase, nanoseconds(table["time"]), rank))
    return table.iloc[order].reset_index(drop=True)


def pick_error(
    phase: pd.Series, probability: pd.Series, sigma_s: tuple[float, float] = (0.1, 0.2)
) -> npt.NDArray[np.float64]:
    """Standard error (s) of picks: ``sigma_s`` (P, S) at probability 0.5, half of it at 1, twice as much at 0.

    sigma * 4^(0.5 - probability): probabilities of deep pickers rank the scatter of their picks, though they do not
    measure it; the factor keeps any pick within 2 of the typical error. A probability that is not known counts as 0.5.
    """
    sigma = np.where(phase == "S", sigma_s[1], sigma_s[0])
    likely = probability.fillna(0.5).clip(0.0, 1.0).to_numpy(float)
    return np.asarray(sigma * 4.0 ** (0.5 - likely), float)


def _typed(table: pd.DataFrame, columns: Mapping[str, str], origin: str) -> pd.DataFrame:
    """The columns in their order and types; those that may be missing are filled in."""
    missing = [name for name in columns if name in _NEEDED and name not in table]
    if missing:
        raise InputError(f"{origin}: no column {', '.join(missing)}; there are: {', '.join(map(str, table.columns))}")
    return pd.DataFrame({name: _column(table, name, kind, origin) for name, kind in columns.items()})


def _column(table: pd.DataFrame, name: str, kind: str, origin: str) -> Any:
    n = len(table)
    if name not in table:
        fill = {"count": UNKNOWN, "text": "", "number": np.nan}[kind]
        return np.full(n, fill, object if kind == "text" else None)
    values = table[name].reset_index(drop=True)
    try:
        if kind == "time":
            if values.isna().any():
                raise ValueError(f"row {int(values.isna().argmax())} has no time")
            return pd.DatetimeIndex(pd.to_datetime(values, utc=True)).as_unit("ns")
        if kind in ("id", "count"):
            whole = values.fillna(UNKNOWN) if kind == "count" else values
            if (whole.astype(float) % 1 != 0).any():
                raise ValueError("whole numbers are expected")
            return whole.to_numpy(np.int64)
        if kind == "text":
            return np.array(["" if pd.isna(value) else str(value) for value in values], object)
        return values.to_numpy(float)
    except (ValueError, TypeError) as error:
        raise InputError(f"{origin}: column {name}: {error}") from error


def _once(values: pd.Series, what: str) -> None:
    twice = sorted(set(values[values.duplicated()]))
    if twice:
        raise InputError(f"{what} is there more than once: {_some(twice)}")


def _some(values: Any, n: int = 5) -> str:
    found = [str(value) for value in values]
    return ", ".join(found[:n]) + (f" and {len(found) - n} more" if len(found) > n else "")
