"""What can be wrong with a recording besides noise: each takes a recording and returns another one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.recording import Recording
from seisloom import geo
from seisloom.traveltime import VelocityModel

Twist = Callable[[Recording, np.random.Generator], Recording]

CLOCK_ERROR_S = 1.0
SILENT, DUPLICATED = 0.2, 0.2
DUPLICATE_JITTER_S = 0.03


def velocities(factor: float) -> Twist:
    """The model that associators are told is wrong by a factor."""

    def twist(recording: Recording, rng: np.random.Generator) -> Recording:
        model = recording.model
        told = VelocityModel(model.depth_km, factor * model.vp_km_s, factor * model.vs_km_s, model.name)
        return recording._replace(model=told)

    return twist


def only(phase: int) -> Twist:
    """Picks of one label alone."""

    def twist(recording: Recording, rng: np.random.Generator) -> Recording:
        predicted = recording.predicted_s.copy()
        predicted[:, 1 - phase :: 2] = np.nan
        return _keep(recording, (recording.picks["phase"] == phase).to_numpy())._replace(predicted_s=predicted)

    return twist


def silent_stations(recording: Recording, rng: np.random.Generator) -> Recording:
    """A fifth of the stations of the inventory send nothing."""
    n = len(recording.sites)
    silent = rng.permutation(n)[: max(1, round(SILENT * n))]
    predicted = recording.predicted_s.copy()
    predicted[:, np.concatenate([2 * silent, 2 * silent + 1])] = np.nan
    return _keep(recording, ~recording.picks["station"].isin(silent).to_numpy())._replace(predicted_s=predicted)


def clock_error(recording: Recording, rng: np.random.Generator) -> Recording:
    """The clock of the station with the most picks of events is a second late."""
    wrong = int(recording.picks.loc[recording.picks["event"] >= 0, "station"].mode()[0])
    picks, predicted = recording.picks.copy(), recording.predicted_s.copy()
    picks.loc[picks["station"] == wrong, "time_s"] += CLOCK_ERROR_S
    predicted[:, 2 * wrong : 2 * wrong + 2] += CLOCK_ERROR_S
    picks = picks.sort_values("time_s", kind="stable", ignore_index=True)
    return recording._replace(picks=picks, predicted_s=predicted)


def duplicate_stations(recording: Recording, rng: np.random.Generator) -> Recording:
    """A fifth of the stations have a second code, 20 m away, with nearly the same picks."""
    n = len(recording.sites)
    twins = np.sort(rng.permutation(n)[: max(1, round(DUPLICATED * n))])
    more = recording.sites.iloc[twins].copy()
    more["station"] = [f"{name}B" for name in more["station"]]
    more["latitude"], more["longitude"] = geo.destination(more["latitude"], more["longitude"], 90.0, 0.02)
    row = pd.Series(np.arange(n, n + len(twins)), index=twins)
    picks = recording.picks
    again = picks[picks["station"].isin(twins) & (rng.random(len(picks)) < 0.9)].copy()
    again["station"] = again["station"].map(row)
    again["time_s"] += DUPLICATE_JITTER_S * rng.standard_normal(len(again))
    channels = np.column_stack([2 * twins, 2 * twins + 1]).ravel()
    return recording._replace(
        sites=pd.concat([recording.sites, more], ignore_index=True),
        picks=pd.concat([picks, again]).sort_values("time_s", kind="stable", ignore_index=True),
        **{name: _with_columns(getattr(recording, name), channels) for name in ("predicted_s", "sigma_s", "detection")},
    )


def _with_columns(array: npt.NDArray[np.float64], columns: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.concatenate([array, array[:, columns]], axis=1)


def _keep(recording: Recording, rows: npt.NDArray[np.bool_]) -> Recording:
    return recording._replace(picks=recording.picks[rows].reset_index(drop=True))
