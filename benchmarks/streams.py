"""The streams of the association benchmark as files, and how an outcome compares with the truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks import cases, peer_settings, recording
from benchmarks.peers.associators import Job, Outcome
from benchmarks.recording import REFERENCE_S, Recording
from seisloom import geo
from seisloom.associate.score import Score, match_events, score


class Stream(NamedTuple):
    """A recording, its files, and what can be found in it."""

    name: str
    network: str
    recording: Recording
    job: Job
    ceiling: Score
    outside: list[int]
    """Events outside the region, which do not count."""
    folder: Path


def case_stream(
    name: str, generator: str, seed: int, directory: Path, threads: int = 1, duration_s: float | None = None
) -> Stream:
    """A named case, its files in ``directory``/GENERATOR/NAME/SEED."""
    case = cases.ALL[name]
    network = case.network(generator)
    peers = peer_settings.tuned(network, case.peers)
    made = cases.make(name, generator, seed, duration_s)
    lasting = "" if duration_s is None else f"_{duration_s:g}s"
    folder = directory / generator / name / f"seed_{seed}{lasting}"
    return as_stream(name, network, made, folder, case.n_min_picks, peers, threads)


def as_stream(
    name: str,
    network: str,
    made: Recording,
    folder: Path,
    n_min_picks: int,
    peers: dict[str, dict[str, Any]],
    threads: int = 1,
) -> Stream:
    """A recording written to ``folder``."""
    job = replace(recording.write(made, folder, n_min_picks, peers), threads=threads)
    outside = made.outside
    return Stream(name, network, made, job, made.ceiling(n_min_picks, outside), outside, folder)


def scored(stream: Stream, outcome: Outcome) -> tuple[Score, float, float]:
    """Score, and of the matched events the median distance from their epicentres (km) and origin times (s)."""
    truth = stream.recording.event_of_pick
    found = outcome.event_of_pick(len(truth))
    result = score(found, truth, stream.job.n_min_picks, stream.outside)
    ours, true, _ = match_events(found, truth)
    if not len(ours):
        return result, np.nan, np.nan
    there, event = outcome.events.set_index("event_id").loc[ours], stream.recording.events.loc[true]
    columns = (table[name].to_numpy() for table in (there, event) for name in ("latitude", "longitude"))
    away_km, _, _ = geo.distance_azimuth(*columns)
    late_s = np.abs(there["time"].to_numpy() - REFERENCE_S - event["time_s"].to_numpy())
    return result, float(np.median(away_km)), float(np.median(late_s))


def recall(events: pd.DataFrame, catalog: pd.DataFrame, time_s: float, distance_km: float) -> int:
    """How many events of a catalogue (time in epoch s, lat, lon) are found, each by an event of its own."""
    from scipy.optimize import linear_sum_assignment

    late = np.abs(events["time"].to_numpy()[:, None] - catalog["time"].to_numpy())
    e, c = np.nonzero(late < time_s)
    away_km, _, _ = geo.distance_azimuth(
        *(events[name].to_numpy()[e] for name in ("latitude", "longitude")),
        *(catalog[name].to_numpy()[c] for name in ("lat", "lon")),
    )
    possible = np.zeros(late.shape, bool)
    possible[e, c] = away_km < distance_km
    return int(possible[linear_sum_assignment(possible, maximize=True)].sum())
