"""Magnitudes of the events of a catalogue, from the amplitudes of their picks, with station corrections learned from them.

The magnitude at a station is that of a published relation. An event's magnitude M, the corrections c of the stations and the
scatter are estimated together: m(event, station) = M(event) - c(station) + error, by iteratively reweighted least squares
(Huber 1964) in alternation, where the corrections are random effects of mean zero (a station of few events is shrunk towards
none, Robinson 1991, doi:10.1214/ss/1177011926).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.associate.magnitude_relations import AUTO, Relation, choose_relation
from seisloom.catalog import UNKNOWN, Catalog, arrivals
from seisloom.words import counted

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
# Huber's constant: 95 % efficient where errors are normal.
_HUBER = 1.345
# Standard deviation of a normal distribution over its median absolute value.
_MAD = 1.4826
_ROUNDS, _SETTLED = 300, 1e-5
# Events that a correction needs: fewer cannot tell the station from the events.
LEAST_EVENTS = 5
# Stations of both phases that the ratio of P to S amplitudes needs.
LEAST_PAIRS = 20
# The scatter of an event counts as if so many more readings had the scatter of all (Smyth 2004, doi:10.2202/1544-6115.1027).
_PRIOR_READINGS = 4.0
# E[psi(z)^2] of Huber's psi for normal z: what bounded residuals lack of the variance.
_BOUNDED = 0.71
# The spread of corrections counts as if so many more stations had the usual one (Hutton and Boore 1987 found 0.2).
_USUAL_SPREAD, _PRIOR_STATIONS = 0.2, 4.0


class Fit(NamedTuple):
    """Magnitudes of events and corrections of stations."""

    magnitude: Array
    """(event,)."""
    uncertainty: Array
    """(event,): standard error; NaN where no event has two stations."""
    n: Index
    """(event,): readings."""
    correction: Array
    """(station,): what is added to its magnitudes; 0 where it cannot be learned."""
    correction_error: Array
    """(station,): standard error; NaN where it was not learned."""
    scatter: float
    """Standard deviation of a station magnitude after correction, robust; NaN where no event has two stations."""
    weight: Array
    """(reading,): 1, less for outliers."""


@dataclass(frozen=True)
class MagnitudeReport:
    """What magnitudes were made of; ``str()`` is for people."""

    relation: str
    type: str
    source: str
    events: int
    """Events that have a magnitude."""
    readings: int
    """Station magnitudes, one a station and event."""
    scatter: float
    """Standard deviation of a station magnitude."""
    p_offset: float
    """log10 of the amplitude of P over that of S at the same station; where only P was measured it is taken off. 0: unknown."""
    too_far: int
    """Amplitudes left out beyond the distances of the relation."""
    stations: dict[str, tuple[float, float, int]] = field(default_factory=dict)
    """Station -> correction (is added), its standard error, events; those that were learned."""

    def to_json(self) -> dict[str, Any]:
        """All of it; null for what is not known."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return told | {"scatter": None if math.isnan(self.scatter) else self.scatter}

    def __str__(self) -> str:
        scatter = "" if math.isnan(self.scatter) else f", scatter {self.scatter:.2f}"
        far = f"; {counted(self.too_far, 'amplitude')} left out: too far" if self.too_far else ""
        text = f"magnitudes ({self.type}, {self.relation}): {counted(self.events, 'event')} from {counted(self.readings, 'reading')}{scatter}{far}"
        if not self.stations:
            return text
        values = [value for value, _, _ in self.stations.values()]
        return f"{text}; corrections of {counted(len(values), 'station')}, {min(values):+.2f} to {max(values):+.2f}"


def with_magnitudes(
    catalog: Catalog, picks: pd.DataFrame, sites: pd.DataFrame | None = None, relation: str = AUTO
) -> tuple[Catalog, MagnitudeReport | None]:
    """The catalogue with magnitudes, and what they were made of; unchanged, and None, where there are no amplitudes.

    ``sites`` has the elevations for hypocentral distances (default, and where unknown: sea level). Columns ``magnitude``,
    ``magnitude_type``, ``magnitude_uncertainty``, ``n_magnitude`` of the events and ``station_magnitude`` of the assignments
    are replaced. Errors are those of :func:`choose_relation` and :func:`seisloom.catalog.arrivals`.
    """
    chosen = choose_relation(picks, relation)
    if chosen is None:
        return catalog, None
    found = fit_magnitudes([measured(catalog, picks, sites, chosen)], chosen)
    return (catalog, None) if found is None else (found.put(catalog), found.report)


class Measured(NamedTuple):
    """Amplitudes of the picks of events."""

    best: pd.DataFrame
    """One of a station, event and phase: event_id, station, phase, pick_index, distance (km, hypocentral), log (to base 10)."""
    too_far: int
    """Amplitudes beyond the distances of the relation."""


@dataclass(frozen=True)
class Magnitudes:
    """Magnitudes by event and station magnitudes by pick, and what they were made of."""

    of_event: pd.DataFrame
    """Rows by ``event_id``."""
    of_pick: pd.Series
    """By ``pick_index``."""
    report: MagnitudeReport

    def put(self, catalog: Catalog) -> Catalog:
        """A catalogue of these events, or some of them, with their magnitudes."""
        of_event = self.of_event.reindex(catalog.events["event_id"])
        of_event["n_magnitude"] = of_event["n_magnitude"].fillna(UNKNOWN)
        return replace(
            catalog,
            events=catalog.events.assign(**{str(name): column.to_numpy() for name, column in of_event.items()}),
            assignments=catalog.assignments.assign(
                station_magnitude=self.of_pick.reindex(catalog.assignments["pick_index"]).to_numpy()
            ),
        )


def fit_magnitudes(found: Sequence[Measured], relation: Relation) -> Magnitudes | None:
    """Magnitudes of events from their amplitudes, which may come in parts; None where there are none."""
    best = pd.concat([one.best for one in found], ignore_index=True)
    if best.empty:
        return None
    readings, p_offset = _readings(best, relation)
    event_id, event = np.unique(readings["event_id"].to_numpy(), return_inverse=True)
    names, station = np.unique(readings["station"].to_numpy(str), return_inverse=True)
    value = readings["magnitude"].to_numpy(float)
    fit = local_magnitudes(value, event, station)
    columns = {
        "magnitude": fit.magnitude, "magnitude_type": relation.type, "magnitude_uncertainty": fit.uncertainty,
        "n_magnitude": fit.n,
    }  # fmt: skip
    of_pick = pd.Series(value + fit.correction[station], index=readings["pick_index"])
    events = np.bincount(station, minlength=len(names))
    learned = np.flatnonzero(np.isfinite(fit.correction_error))
    report = MagnitudeReport(
        relation.name, relation.type, relation.source, len(event_id), len(value), fit.scatter, p_offset,
        sum(one.too_far for one in found),
        {str(names[s]): (float(fit.correction[s]), float(fit.correction_error[s]), int(events[s])) for s in learned},
    )  # fmt: skip
    return Magnitudes(pd.DataFrame(columns, index=event_id), of_pick, report)


def local_magnitudes(value: Array, event: Index, station: Index) -> Fit:
    """Event magnitudes of station magnitudes ``value``, (reading,), at events and stations numbered from 0.

    Outliers count less (Huber, with a robust scatter). A correction is learned for stations with LEAST_EVENTS events that
    others have read too. The mean of the corrections is zero, so that the level is that of the relation.
    """
    n_event, n_station = int(event.max()) + 1, int(station.max()) + 1
    n = np.bincount(event, minlength=n_event)
    shared = n[event] > 1
    learn = np.bincount(station, shared, n_station) >= LEAST_EVENTS
    correction, error, spread2 = np.zeros(n_station), np.full(n_station, np.nan), _USUAL_SPREAD**2
    magnitude = pd.Series(value).groupby(event).median().to_numpy(float)
    weight, scatter = np.ones(len(value)), math.nan
    for _ in range(_ROUNDS):
        before = magnitude
        residual = value + correction[station] - magnitude[event]
        scatter = _scatter(residual[shared], n[event[shared]])
        weight = _huber(residual, scatter)
        if learn.any():
            # Of a reading m = M - c + error, what it says of c is M - m.
            said = np.bincount(station, weight * shared * (magnitude[event] - value), n_station)
            precision = np.maximum(np.bincount(station, weight * shared, n_station) + scatter**2 / spread2, 1e-9)
            correction = np.where(learn, said / precision, 0.0)
            correction -= np.where(learn, correction[learn].mean(), 0.0)
            error = np.where(learn, scatter / np.sqrt(precision), np.nan)
            squares = float((correction[learn] ** 2 + error[learn] ** 2).sum())
            spread2 = (_PRIOR_STATIONS * _USUAL_SPREAD**2 + squares) / (_PRIOR_STATIONS + learn.sum())
        magnitude = np.bincount(event, weight * (value + correction[station])) / np.bincount(event, weight)
        if np.abs(magnitude - before).max() < _SETTLED:
            break
    residual = value + correction[station] - magnitude[event]
    total = np.bincount(event, weight).astype(float)
    own = np.bincount(event, (weight * residual) ** 2) / _BOUNDED
    variance = (_PRIOR_READINGS * scatter**2 + own) / (_PRIOR_READINGS + n - 1.0)
    return Fit(
        np.asarray(magnitude, float),
        np.asarray(np.sqrt(variance / total), float),
        n,
        correction,
        error,
        scatter,
        weight,
    )


def _scatter(residual: Array, n: Index) -> float:
    """Standard deviation of errors by the median of residuals from the mean of n readings, which are smaller than errors."""
    return _MAD * float(np.median(np.abs(residual) / np.sqrt(1.0 - 1.0 / n))) if len(residual) else math.nan


def _huber(residual: Array, scatter: float) -> Array:
    size = np.abs(residual)
    limit = _HUBER * scatter
    # Where more than half of the residuals are zero, so is the scatter: what is not then has hardly any weight.
    return np.asarray(np.where(size > limit, np.maximum(limit, 1e-9) / np.maximum(size, 1e-9), 1.0))


def measured(catalog: Catalog, picks: pd.DataFrame, sites: pd.DataFrame | None, relation: Relation) -> Measured:
    """The amplitudes of a catalogue, or of some of its events, that a relation can use.

    Picks without weight in the location are left out: they may be those of another event.
    """
    table = arrivals(catalog, picks).merge(catalog.events[["event_id", "depth_km"]], on="event_id")
    there = (table[relation.amplitude] > 0.0) & np.isfinite(table["distance_km"])
    known = table[there & (table["weight"] != 0.0)]
    elevation_km = known["station"].map(_elevation_km(sites)).fillna(0.0)
    distance = np.hypot(known["distance_km"], known["depth_km"] + elevation_km)
    near = (distance <= relation.farthest_km).to_numpy()
    known = known.assign(distance=distance, log=np.log10(known[relation.amplitude]))[near]
    best = known.sort_values("log", ascending=False, kind="stable").drop_duplicates(["event_id", "station", "phase"])
    return Measured(
        best[["event_id", "station", "phase", "pick_index", "distance", "log"]].reset_index(drop=True),
        int((~near).sum()),
    )


def _readings(best: pd.DataFrame, relation: Relation) -> tuple[pd.DataFrame, float]:
    """One amplitude a station and event as a magnitude (event_id, station, pick_index, magnitude), and the offset of P.

    It is that of the S, which is what the relations are made for, else that of the P less its usual offset.
    """
    s, p = (best[best["phase"] == phase].set_index(["event_id", "station"]) for phase in "SP")
    both = (p["log"] - s["log"]).dropna()
    offset = float(both.median()) if len(both) >= LEAST_PAIRS else 0.0
    alone = p[~p.index.isin(s.index)]
    one = pd.concat([s, alone.assign(log=alone["log"] - offset)]).reset_index()
    magnitude = relation.magnitude(10.0 ** one["log"], one["distance"])
    one = one.assign(magnitude=magnitude).sort_values(["event_id", "station"], kind="stable")
    return one[["event_id", "station", "pick_index", "magnitude"]], offset


def _elevation_km(sites: pd.DataFrame | None) -> dict[str, float]:
    """Height of the sensors above sea level."""
    if sites is None:
        return {}
    height = sites["elevation_m"].fillna(0.0) - sites["depth_m"].fillna(0.0)
    return dict(zip(sites["station"], height / 1000.0, strict=True))
