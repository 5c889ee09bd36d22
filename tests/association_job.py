"""What tests of the whole association job share: a small network with picks of known events, a network trained on it, the command."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch

from seisloom.associate.by_links import likely_streams, window_settings
from seisloom.associate.job import make_study
from seisloom.associate.models import ModelConfig, StackedGRU, one_thread, save_model
from seisloom.associate.network import Region
from seisloom.associate.scenario import Scenario
from seisloom.associate.simulate import Simulation, pick_table, simulate
from seisloom.associate.sources import StreamSource
from seisloom.associate.stream import stream_windows
from seisloom.associate.study import Study, pick_set
from seisloom.associate.synthetic import CRUST, synthetic_sites
from seisloom.associate.train import BEST, TrainSettings, train
from seisloom.associate.trained import model_facts
from seisloom.associate.windows import FeatureKind
from seisloom.cli import main
from seisloom.picks import write_picks
from seisloom.stations import write_sites
from seisloom.traveltime import write_velocity_model

REGION = Region(42.7, 43.3, 12.6, 13.4, 0.0, 20.0)
REGION_OPTION = ("--region", 42.7, 43.3, 12.6, 13.4, 0, 20)
MIN_PICKS = 8

# Scripts for ``interrupted``.
SMALL_PARTS = """
from seisloom.associate.predict import link_probabilities
link_probabilities.__kwdefaults__["chunk_members"] = 300
"""
KILLED_AFTER_FOUR_PARTS = f"""
import os, signal
from seisloom.associate.link_store import LinkStore
{SMALL_PARTS}
keep, parts = LinkStore.keep, []
def keep_and_die(self, links, stop):
    keep(self, links, stop)
    parts.append(stop)
    if len(parts) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
LinkStore.keep = keep_and_die
"""


@dataclass(frozen=True)
class Prepared:
    """Files of a network of 14 stations, an hour of simulated picks at it, and what is true of them."""

    folder: Path
    study: Study
    simulation: Simulation

    @property
    def picks(self) -> Path:
        return self.folder / "picks.csv"

    @property
    def stations(self) -> Path:
        return self.folder / "stations.csv"

    @property
    def velocity(self) -> Path:
        return self.folder / "velocity.txt"

    @property
    def model(self) -> Path:
        return self.folder / "model" / BEST

    def table(self) -> pd.DataFrame:
        """The picks as they are in the file, all text."""
        return pd.read_csv(self.picks, dtype=str, keep_default_na=False)


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return _prepare(tmp_path_factory.getbasetemp() / "association")


def seisloom(*arguments: object) -> Outcome:
    """The command in this process, as its entry point runs it; what is no user's error comes out as it is."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["seisloom", *map(str, arguments)]
    code: Any = 0
    with redirect_stdout(out), redirect_stderr(err), mock.patch.object(sys, "argv", argv):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    return Outcome(code, out.getvalue(), err.getvalue())


def associate(made: Prepared, out: Path, *options: object, **files: Path) -> Outcome:
    """``seisloom associate`` on the files of ``made`` or those given, with its network and region, without figures.

    With --train-minutes or --method among the options no network is given.
    """
    inputs = [files.get(name, getattr(made, name)) for name in ("picks", "stations", "velocity")]
    given = {str(option) for option in options}
    if "--region" not in given:
        options += REGION_OPTION
    if "--figures" not in given:
        options += ("--no-figures",)
    if "--train-minutes" in given:
        options += ("--method", "phaselink")
    elif "--method" not in given:
        options += ("--model", files.get("model", made.model))
    return seisloom("associate", *inputs, "-o", out, "--threads", 1, *options)


def interrupted(script: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """``seisloom ARGUMENTS`` in a process of its own, after a script that meddles with it."""
    text = f"{script}\nfrom seisloom.cli import main\nmain()"
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", text, *map(str, arguments)],
        cwd=cwd, env=os.environ | threads, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def trusting_model(path: Path, features: FeatureKind = "relative") -> Path:
    """A network that links whatever it is shown: right where events are far apart and there is no noise."""
    model = StackedGRU(ModelConfig(features, 4, 4, 1))
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.get_submodule("fc2").bias.fill_(5.0)
    save_model(path, model)
    return path


def catalogue(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """events.csv and assignments.csv."""
    return pd.read_csv(folder / "events.csv"), pd.read_csv(folder / "assignments.csv")


@cache
def _prepare(folder: Path) -> Prepared:
    rng = np.random.default_rng(3)
    sites = synthetic_sites("local", 14, rng)
    study = make_study(sites, CRUST, REGION)
    scenario = Scenario(duration_s=3600.0, events_per_hour=30, noise_ratio=1.0)
    simulation = simulate(scenario, study.network, study.times, rng)
    table = pick_table(simulation.picks, study.network)
    write_sites(sites, folder / "stations.csv")
    write_velocity_model(CRUST, folder / "velocity.txt")
    write_picks(table, folder / "picks.csv")
    _train(study, table, folder / "model")
    return Prepared(folder, study, simulation)


@one_thread()
def _train(study: Study, picks: pd.DataFrame, folder: Path) -> None:
    """A small network, as ``seisloom associate`` trains one, by a number of windows instead of by time."""
    windows = window_settings(study)
    limits = study.limits(windows)
    variety = likely_streams(pick_set(picks, study), windows.max_distance_km)
    torch.manual_seed(1)
    source = StreamSource(
        lambda rng: stream_windows(variety, study.network, study.times, limits, windows, rng), 1, 12_000, 2_000
    )
    model = StackedGRU(ModelConfig(windows.features, 24))
    train(model, source, TrainSettings(n_epochs=3), folder, facts=model_facts(study, windows))
