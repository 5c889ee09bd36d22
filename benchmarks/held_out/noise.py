"""Noise of the held-out generator: lively and quiet stations, trains, telemetry bursts, second picks, teleseisms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.held_out.earth import Arrivals
from benchmarks.held_out.sources import Conditions

Array = npt.NDArray[np.float64]

# Rates of stations: standard deviation of the natural logarithm; from quietest to liveliest two orders of magnitude.
RATE_SPREAD = 1.2
TRAIN_SHARE, TRAIN_PICKS = 0.2, 15
P_SHARE = 0.6
SECOND_PICKS, SECOND_LATE_S = 0.04, 1.5
TELESEISMS_PER_HOUR = 1.0


def draw_noise(
    n_event_picks: int, end_s: float, sites: pd.DataFrame, xy_km: Array, asked: Conditions, rng: np.random.Generator
) -> pd.DataFrame:
    """time_s, station (row of ``sites``), phase, probability of noise picks; ``xy_km`` are (station, east and north)."""
    n_stations = len(sites)
    rate = rng.lognormal(0.0, RATE_SPREAD, n_stations)
    rate /= rate.sum()
    expected = asked.noise_ratio * n_event_picks
    n_steady = rng.poisson(expected * (1.0 - TRAIN_SHARE - asked.burst_share))
    parts = [(rng.uniform(0.0, end_s, n_steady), rng.choice(n_stations, n_steady, p=rate))]
    parts += _trains(rng.poisson(expected * TRAIN_SHARE / TRAIN_PICKS), rate, end_s, rng)
    parts += _bursts(expected * asked.burst_share, xy_km, end_s, rng)
    time, station = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    phase = (rng.random(len(time)) >= P_SHARE).astype(np.int64)
    probability = 0.3 + 0.7 * rng.beta(1.2, 2.6, len(time))
    found = pd.DataFrame({"time_s": time, "station": station, "phase": phase, "probability": probability})
    everything = pd.concat([found, _teleseisms(xy_km, end_s, asked, rng)], ignore_index=True)
    return everything.astype({"station": np.int64, "phase": np.int64})


def second_picks(picks: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Picks in the coda of some of the picks of events: reflections, or the same arrival once more."""
    again = picks[rng.random(len(picks)) < SECOND_PICKS]
    n = len(again)
    return pd.DataFrame(
        {
            "time_s": again["time_s"] + 0.1 + rng.exponential(SECOND_LATE_S, n),
            "station": again["station"],
            "phase": np.where(rng.random(n) < 0.5, again["phase"], 1),
            "probability": 0.3 + 0.7 * rng.beta(1.5, 2.0, n),
        }
    )


def _trains(n: int, rate: Array, end_s: float, rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """At single stations: footsteps, machines, glitches, one pick every few seconds to minutes."""
    found = []
    for start in rng.uniform(0.0, end_s, n):
        steps = rng.lognormal(np.log(6.0), 0.8) * rng.uniform(0.5, 1.5, 1 + rng.poisson(TRAIN_PICKS - 1))
        found.append((start + np.cumsum(steps), np.full(len(steps), rng.choice(len(rate), p=rate))))
    return found


def _bursts(expected: float, xy_km: Array, end_s: float, rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """Of stations that share telemetry: part of the nearest ones of a hub, at once or within seconds."""
    found, left = [], expected
    while left > 0:
        hub = rng.integers(len(xy_km))
        near = np.argsort(np.hypot(*(xy_km - xy_km[hub]).T))[: max(3, round(rng.uniform(0.3, 1.0) * len(xy_km)))]
        member = np.repeat(near[rng.random(len(near)) < rng.uniform(0.4, 0.9)], rng.integers(1, 4))
        if rng.random() * len(member) > left:  # the last one comes with the probability that keeps the mean
            break
        late = np.abs(0.15 * rng.standard_normal(len(member)))
        if rng.random() < 0.6:
            late = rng.exponential(rng.uniform(2.0, 12.0), len(member))
        found.append((rng.uniform(0.0, end_s) + late, member))
        left -= len(member)
    return found


def _teleseisms(xy_km: Array, end_s: float, asked: Conditions, rng: np.random.Generator) -> pd.DataFrame:
    """Plane waves of P, and sometimes of the depth phase after it, across the whole network."""
    parts = [pd.DataFrame({"time_s": [], "station": [], "phase": [], "probability": []})]
    n = rng.poisson(TELESEISMS_PER_HOUR * end_s / 3600.0) if asked.noise_ratio > 0 else 0
    for start in rng.uniform(0.0, end_s, n):
        azimuth, slowness = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.045, 0.08)
        across = slowness * (xy_km @ np.array([np.sin(azimuth), np.cos(azimuth)]))
        for late, share in ((0.0, 0.6), (rng.uniform(20.0, 90.0), 0.3 * (rng.random() < 0.5))):
            at = np.flatnonzero(rng.random(len(xy_km)) < share)
            time = start + late + across[at] + 0.25 * rng.standard_normal(len(at))
            phase, quality = (rng.random(len(at)) < 0.1).astype(int), 0.4 + 0.6 * rng.beta(2.0, 1.5, len(at))
            parts.append(pd.DataFrame({"time_s": time, "station": at, "phase": phase, "probability": quality}))
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def end_of(arrivals: Arrivals, duration_s: float, picked: npt.NDArray[np.bool_]) -> float:
    """Noise goes on until the last pick of an event."""
    return float(max(duration_s, arrivals.time_s[picked].max(initial=0.0)))
