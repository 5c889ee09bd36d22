"""The association job on two hours of simulated picks at 30 stations: events by their likelihood, and the truth."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seisloom import geo
from seisloom.associate.network import make_network, region_around
from seisloom.associate.outputs import REPORT
from seisloom.associate.scenario import Scenario
from seisloom.associate.score import match_events, score
from seisloom.associate.simulate import Simulation, pick_table, simulate
from seisloom.associate.synthetic import CRUST, synthetic_sites, synthetic_times
from seisloom.catalog import Catalog, read_catalog
from seisloom.demo.board import begin
from seisloom.jobs import AssociationRequest, Board, Claim, Limits, Sources, read_request
from seisloom.jobs.association import PICKS, run, run_folder
from seisloom.jobs.requests import AssociationOptions
from seisloom.picks import read_picks, write_picks
from seisloom.stations import write_sites
from seisloom.target import write_whole
from seisloom.traveltime import write_velocity_model
from seisloom.words import counted

NAME = "Demonstration: two hours of picks"
INPUTS = ("picks.csv", "stations.csv", "velocity.txt")
SCENARIO = Scenario(duration_s=7200.0, events_per_hour=60.0, noise_ratio=1.0, sequence_share=0.5)
MIN_PICKS = 8
SEED = 1


def run_association(folder: Path, board: Board, say: Callable[[str], None]) -> None:
    """Write stations, velocity model and picks, associate them, draw the catalogue and compare it with the truth."""
    folder.mkdir(parents=True, exist_ok=True)
    simulation = write_inputs(folder)
    n_noise = int(np.count_nonzero(simulation.event < 0))
    say(
        f"1. Two hours of picks at 30 stations in {folder}: {len(simulation.events)} events and {n_noise} noise picks "
        f"among {len(simulation.event)}"
    )
    claim = begin(board, "demo-association", request(folder))
    out = Path(board.storage.url) / run_folder(claim.job.id, claim.number)
    say("2. Earthquakes are found by what picks, and missing picks, say for them; the same as")
    inputs = " ".join(str(folder / name) for name in INPUTS)
    say(f"     seisloom associate {inputs} --out {out}")
    claim.finish(find_events(board, claim))
    say("   " + (out / REPORT).read_text(encoding="utf-8").strip().replace("\n", "\n   "))
    say("3. Catalogue (events.csv, assignments.csv, QuakeML, NonLinLoc, HypoInverse) and figures")
    for path in sorted(out.glob("*.png")):
        say(f"     {path}")
    say(f"4. {against_truth(read_catalog(out), read_picks(out / PICKS), simulation)}")


def request(folder: Path) -> AssociationRequest:
    """The job of the files in a folder."""
    picks, stations, velocity = ((name, (folder / name).read_bytes()) for name in INPUTS)
    options = AssociationOptions(min_picks=MIN_PICKS, seed=SEED)
    return AssociationRequest(picks, stations, velocity, options, name=NAME)


def find_events(board: Board, claim: Claim) -> dict[str, Any]:
    """Do the job in this process; the result."""
    wanted = read_request(board.storage, claim.job.id)
    assert isinstance(wanted, AssociationRequest)
    threads = os.cpu_count() or 1
    return run(board.storage, claim.job.id, wanted, claim.number, Sources(), Limits(), threads, 6.0, lambda _: None)


def write_inputs(folder: Path) -> Simulation:
    """Write stations.csv, velocity.txt, picks.csv and the true events; the same every time."""
    rng = np.random.default_rng(SEED)
    sites = synthetic_sites("local", None, rng)
    network = make_network(sites, region_around(sites, 10.0, 0.0, 20.0))
    simulation = simulate(SCENARIO, network, synthetic_times(network), rng)
    write_sites(sites, folder / "stations.csv")
    write_velocity_model(CRUST, folder / "velocity.txt")
    write_picks(pick_table(simulation.picks, network), folder / "picks.csv")
    write_whole(folder / "true-events.csv", simulation.events.to_csv(index=False, lineterminator="\n"))
    return simulation


def against_truth(catalog: Catalog, picks: pd.DataFrame, simulation: Simulation) -> str:
    """How many of the true events were found, and where, in a sentence."""
    assigned = catalog.assignments.set_index("pick_index")["event_id"]
    found = assigned.reindex(picks["pick_index"], fill_value=-1).to_numpy(np.int64)
    true = simulation.event[picks["pick_index"].to_numpy()]
    s = score(found, true, MIN_PICKS)
    ids, true_ids, _ = match_events(found, true)
    events = catalog.events.set_index("event_id").loc[ids]
    truth = simulation.events.set_index("event_id").loc[true_ids]
    apart, _, _ = geo.distance_azimuth(events["latitude"], events["longitude"], truth["latitude"], truth["longitude"])
    return (
        f"Against the truth: {s.matched_events} of {s.true_events} events with {MIN_PICKS} picks or more were found, "
        f"{counted(s.found_events - s.matched_events, 'other')} too (event F1 {s.event_f1:.3f}, pick F1 {s.pick_f1:.3f}); median error of the "
        f"epicentres {np.median(apart):.2f} km."
    )
