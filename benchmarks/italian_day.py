"""A real day of picks in central Italy: reference events found, events that survive without half of the stations, sections."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks import peer_settings
from benchmarks.comparison import COST, Comparison, cost_cells
from benchmarks.measure import print_table
from benchmarks.peers.associators import Job, Outcome, run
from benchmarks.pyocto_settings import N_MIN_PICKS
from benchmarks.streams import recall
from seisloom.picks import read_picks
from seisloom.stations import read_sites
from seisloom.traveltime import PHASES, VelocityModel, first_arrivals, read_velocity_model

ITALY = Path(__file__).resolve().parents[2] / "shared" / "data" / "italy_20161014"
# A reference event is found by an event within so many seconds and kilometres; an event is found again within so many seconds.
REFERENCE_S, REFERENCE_KM, AGAIN_S = 3.0, 20.0, 2.0
SEED = 1


class Survival(NamedTuple):
    """Events of all stations that half of the stations find again, and the other way round."""

    events: int
    halved: int
    again: float
    """Share of the events that are found again."""
    again_possible: float
    """The same of the events that keep as many picks as an event needs."""
    known: float
    """Share of the events of the half that all stations found."""


class ItalianDay:
    """115,440 PhaseNet picks of 56 stations, 2016-10-14."""

    def __init__(self, bench: Comparison, hours: float) -> None:
        self.bench, self.hours = bench, hours
        self.folder = bench.directory / "italy"

    @cached_property
    def job(self) -> Job:
        data, folder = self.bench.options.data, self.folder
        folder.mkdir(parents=True, exist_ok=True)
        picks = pd.read_csv(data / "picks.csv")
        picks = picks[picks["time"] < picks["time"].min() + 3600.0 * self.hours]
        picks.to_csv(folder / "picks.csv", index=False)
        return Job(
            folder / "picks.csv", data / "stations.csv", data / "velocity.csv", (42.2, 43.4), (12.4, 14.0), (0.0, 30.0),
            N_MIN_PICKS, peer_settings.tuned("italy"), self.bench.options.threads,
        )  # fmt: skip

    def compare(self) -> None:
        """Reference events that are found, and what it costs."""
        picks, catalog = pd.read_csv(self.job.picks), pd.read_csv(self.bench.options.data / "catalog.csv")
        catalog = catalog[catalog["time"] < picks["time"].min() + 3600.0 * self.hours]
        rows, first = [], None
        for program in self.bench.programs("italy"):
            outcome = run(program, self.job, self.folder, fresh=self.bench.options.fresh)
            first = first or outcome.usage.cpu_s
            found = recall(outcome.events, catalog, REFERENCE_S, REFERENCE_KM)
            counts = [len(outcome.events), outcome.assignments["pick_index"].nunique(), f"{found} of {len(catalog)}"]
            rows.append([program.name, *map(str, counts), *cost_cells(outcome, first)])
        print(f"Central Italy, 2016-10-14, {self.hours:g} h, {len(picks)} picks, {self.job.threads} threads")
        print_table(["program", "events", "picks in them", "reference", *COST], rows)

    def survival(self, n_halves: int) -> None:
        """Events that random halves of the stations find again."""
        rng, rows = np.random.default_rng(SEED), []
        stations = pd.read_csv(self.job.stations)["station"].to_numpy()
        halves = [rng.permutation(stations)[: len(stations) // 2] for _ in range(n_halves)]
        for program in self.bench.programs("italy"):
            whole = run(program, self.job, self.folder, fresh=self.bench.options.fresh)
            for number, half in enumerate(halves, 1):
                job = self._of_stations(half, self.folder / f"half_{number}")
                found = survival(whole, run(program, job, job.picks.parent), job)
                shares = (f"{share:.3f}" for share in (found.again, found.again_possible, found.known))
                rows.append([program.name, str(number), str(found.events), str(found.halved), *shares])
        header = ["program", "half", "events", "of half", "found again", "of those possible", "known"]
        print_table(header, rows)

    def sections(self, n: int) -> None:
        """Record sections of random events of the first program, one PNG each."""
        from seisloom.plot import event_section

        program = self.bench.programs("italy")[0]
        outcome = run(program, self.job, self.folder)
        folder = self.folder / "sections"
        folder.mkdir(exist_ok=True)
        picks, sites = read_picks(self.job.picks), read_sites(self.job.stations)
        model = read_velocity_model(self.job.velocity)
        events = outcome.events.assign(time=pd.to_datetime(outcome.events["time"] * 1e9, utc=True))
        others = picks[~picks["pick_index"].isin(outcome.assignments["pick_index"])]
        chosen = np.random.default_rng(SEED).choice(len(events), min(n, len(events)), replace=False)
        for row in np.sort(chosen):
            event = events.iloc[row]
            curves = predicted_curves(model, float(event["depth_km"]))
            figure = event_section(
                event, outcome.assignments, picks, sites, predictions=curves, unassociated=others, sort=True
            )
            figure.savefig(folder / f"event_{event['event_id']}.png", dpi=130)
        print(f"{len(chosen)} record sections in {folder}")

    def _of_stations(self, stations: npt.NDArray[np.object_], folder: Path) -> Job:
        """The job with the picks of some stations; the list of stations has no others."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("picks", "stations"):
            table = pd.read_csv(getattr(self.job, name))
            table[table["station"].isin(stations)].to_csv(folder / f"{name}.csv", index=False)
        return replace(self.job, picks=folder / "picks.csv", stations=folder / "stations.csv")


def survival(whole: Outcome, half: Outcome, job: Job) -> Survival:
    """How the events of all stations and those of the job's stations agree in origin time."""
    ours, theirs = (np.sort(outcome.events["time"].to_numpy()) for outcome in (whole, half))
    again = _near(whole.events["time"].to_numpy(), theirs)
    there = whole.assignments["pick_index"].isin(pd.read_csv(job.picks)["pick_index"])
    left = whole.assignments[there].groupby("event_id").size()
    possible = whole.events["event_id"].map(left).fillna(0).to_numpy() >= job.n_min_picks
    return Survival(len(ours), len(theirs), again.mean(), again[possible].mean(), _near(theirs, ours).mean())


def _near(time_s: npt.NDArray[np.float64], sorted_s: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Whether each time is within AGAIN_S of one of the others."""
    low, high = np.searchsorted(sorted_s, time_s - AGAIN_S), np.searchsorted(sorted_s, time_s + AGAIN_S)
    return np.asarray(high > low)


def predicted_curves(model: VelocityModel, depth_km: float, to_km: float = 150.0) -> pd.DataFrame:
    """Times of P and S over distance, for stations at sea level."""
    distance = np.linspace(0.0, to_km, 151)
    parts = [
        pd.DataFrame(
            {"phase": name, "distance_km": distance, "time_s": first_arrivals(model, name, depth_km, 0.0, distance)}
        )
        for name in PHASES
    ]
    return pd.concat(parts, ignore_index=True)
