"""A million picks through ``seisloom associate``, from files to files: CPU, picks a second and peak memory."""

from __future__ import annotations

import argparse
import os
import shutil
import sys

import numpy as np
import pandas as pd

from benchmarks.measure import THREAD_VARIABLES, WORK, run_measured
from seisloom.associate.scenario import Scenario
from seisloom.associate.score import Score, score
from seisloom.associate.simulate import Simulation, pick_table, simulate
from seisloom.associate.synthetic import CRUST, synthetic_network, synthetic_sites, synthetic_times
from seisloom.picks import write_picks
from seisloom.stations import write_sites
from seisloom.traveltime import write_velocity_model

FOLDER = WORK / "million"
MIN_PICKS = 8


def main(argv: list[str]) -> None:
    options = _options(argv)
    shutil.rmtree(FOLDER / "out", ignore_errors=True)
    simulation = write_inputs(options.picks, options.rate, options.stations)
    n = len(simulation.event)
    print(f"{n} picks of {len(simulation.events)} events and noise in {simulation.picks.time_s[-1] / 3600:.1f} hours")
    command = [sys.executable, "-m", "seisloom", "associate", "picks.csv", "stations.csv", "velocity.txt", "-o", "out"]
    command += ["--min-picks", str(MIN_PICKS), "--threads", str(options.threads), "--no-figures"]
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(options.threads))
    log = FOLDER / "log.txt"
    command += ["--method", options.method]
    if options.method == "phaselink":
        command += ["--train-minutes", str(options.minutes)]
        run_measured(command, log, cwd=FOLDER, env=environment)  # trains, so that the next run is association alone
    used = run_measured(command, log, cwd=FOLDER, env=environment)
    print(
        f"{used.cpu_s:.0f} s CPU, {used.wall_s:.0f} s: {n / used.wall_s:.0f} picks a second; peak {used.peak_mb:.0f} MB"
    )
    print(against_truth(simulation))


def write_inputs(n_picks: int, events_per_hour: float, n_stations: int | None) -> Simulation:
    """Files of a local network and of a stream of about so many picks, half of them noise."""
    rng = np.random.default_rng(1)
    network = synthetic_network("local", np.random.default_rng(1), n_stations)
    times = synthetic_times(network)
    hour = Scenario(events_per_hour=events_per_hour)
    hours = n_picks / len(simulate(hour, network, times, np.random.default_rng(2)).event)
    scenario = Scenario(events_per_hour=events_per_hour, duration_s=3600.0 * hours)
    simulation = simulate(scenario, network, times, rng)
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_sites(synthetic_sites("local", n_stations, np.random.default_rng(1)), FOLDER / "stations.csv")
    write_velocity_model(CRUST, FOLDER / "velocity.txt")
    write_picks(pick_table(simulation.picks, network), FOLDER / "picks.csv")
    return simulation


def against_truth(simulation: Simulation) -> Score:
    assigned = pd.read_csv(FOLDER / "out" / "assignments.csv")
    event = np.full(len(simulation.event), -1)
    event[assigned["pick_index"]] = assigned["event_id"]
    return score(event, simulation.event, MIN_PICKS)


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks million", description=__doc__)
    parser.add_argument("--picks", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=100.0, help="events an hour")
    parser.add_argument("--stations", type=int, help="[default: 30]")
    parser.add_argument("--method", choices=["likelihood", "phaselink"], default="likelihood")
    parser.add_argument("--minutes", type=float, default=2.0, help="of training (phaselink)")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(argv)
