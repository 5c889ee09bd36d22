"""A stream of picks whose events are known, from whichever generator, and the files that every associator reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.peers.associators import Job
from seisloom.associate.network import Region
from seisloom.associate.score import Score, best_assignment, score
from seisloom.associate.simulate import REFERENCE_NS
from seisloom.traveltime import PHASES, VelocityModel

Array = npt.NDArray[np.float64]

REFERENCE_S = REFERENCE_NS / 1e9
# Of the ceiling: width of the errors over their standard deviation, share of such picks, whether the label is the other one.
_STAGES = ((1.0, 1.0, False), (3.0, 0.06, False), (1.0, 0.02, True))


class Recording(NamedTuple):
    """Picks, what they are picks of, and what associators are told of stations and Earth."""

    sites: pd.DataFrame
    """Columns of ``seisloom.stations``."""
    region: Region
    model: VelocityModel
    picks: pd.DataFrame
    """time_s (sorted), station (row of ``sites``), phase (0 = P, 1 = S), probability, event (-1 for noise)."""
    events: pd.DataFrame
    """event_id (0, 1, ...), time_s, latitude, longitude, depth_km, magnitude."""
    predicted_s: Array
    """(event, 2 station + phase): arrivals as the ceiling knows them, NaN where a pick is unlikely."""
    sigma_s: Array
    """Their standard deviations."""
    detection: Array
    """How likely they are picked."""

    @property
    def event_of_pick(self) -> npt.NDArray[np.int64]:
        return self.picks["event"].to_numpy(np.int64)

    @property
    def outside(self) -> list[int]:
        """Events outside the region."""
        box, events = self.region, self.events
        inside = events["latitude"].between(box.lat_min, box.lat_max)
        inside &= events["longitude"].between(box.lon_min, box.lon_max)
        return list(events["event_id"][~inside])

    def ceiling(self, n_min_picks: int, ignored_events: npt.ArrayLike = ()) -> Score:
        """Score of who knows all hypocentres and gives each pick to the event that most likely made it.

        First picks with common errors, then of what is left those with large ones, last those with the other label; each
        must be more likely the event's than not.
        """
        time_s, station, phase = (self.picks[name].to_numpy() for name in ("time_s", "station", "phase"))
        found, free = np.full(len(time_s), -1, np.int32), self.predicted_s.copy()
        for wider, share, swap in _STAGES:
            left = np.flatnonzero(found < 0)
            channel = 2 * station[left] + (1 - phase[left] if swap else phase[left])
            stage = self._assignment(time_s[left], channel, free, wider * self.sigma_s, share)
            taken = stage >= 0
            free[stage[taken], channel[taken]] = np.nan
            found[left] = stage
        sizes = np.bincount(found[found >= 0], minlength=len(self.events))
        kept = np.where((found >= 0) & (sizes[found] >= n_min_picks), found, -1)
        return score(kept, self.event_of_pick, n_min_picks, ignored_events)

    def _assignment(
        self, time_s: Array, channel: npt.NDArray[np.int64], predicted_s: Array, sigma_s: Array, share: float
    ) -> npt.NDArray[np.int32]:
        length = max(float(np.ptp(self.picks["time_s"])), 1.0) if len(self.picks) else 1.0
        rate = np.maximum(np.bincount(channel, minlength=predicted_s.shape[1]), 1) / length
        with np.errstate(divide="ignore"):
            odds = np.log(share * self.detection / (np.sqrt(2.0 * np.pi) * sigma_s * rate))
        return best_assignment(time_s, channel, predicted_s, sigma_s, 1, odds)


def write(recording: Recording, folder: Path, n_min_picks: int, peers: dict[str, dict[str, Any]]) -> Job:
    """picks.csv, stations.csv and velocity.csv in ``folder``; truth.csv and events.csv beside them, for people."""
    folder.mkdir(parents=True, exist_ok=True)
    files = tuple(folder / name for name in ("picks.csv", "stations.csv", "velocity.csv"))
    sites, picks, model = recording.sites, recording.picks, recording.model
    table = pd.DataFrame(
        {
            "pick_index": np.arange(len(picks)),
            "station": sites["station"].to_numpy(object)[picks["station"]],
            "phase": np.array(PHASES, object)[picks["phase"]],
            "time": (REFERENCE_S + picks["time_s"].to_numpy()).round(4),
            "prob": picks["probability"].to_numpy().round(3),
        }
    )
    table.to_csv(files[0], index=False)
    sites.to_csv(files[1], index=False)
    layers = pd.DataFrame({"depth_km": model.depth_km, "vp": model.vp_km_s, "vs": model.vs_km_s})
    layers.to_csv(files[2], index=False)
    table[["pick_index"]].assign(event=picks["event"].to_numpy()).to_csv(folder / "truth.csv", index=False)
    recording.events.assign(time=REFERENCE_S + recording.events["time_s"]).to_csv(folder / "events.csv", index=False)
    box = recording.region
    limits = (box.lat_min, box.lat_max), (box.lon_min, box.lon_max), (box.z_min, box.z_max)
    return Job(*files, *limits, n_min_picks, peers)
