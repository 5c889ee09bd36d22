"""The associators that are compared: each turns the same files into events and assignments, as a process of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.measure import CommandFailed, Usage, run_measured, thread_environment

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Job:
    """What is to be associated: files, region, and the fewest picks of an event."""

    picks: Path
    """pick_index, station, phase, time (epoch s), prob"""
    stations: Path
    """station, lat, lon, elevation_m"""
    velocity: Path
    """depth_km, vp, vs: knots, linear between"""
    lat: tuple[float, float]
    lon: tuple[float, float]
    depth_km: tuple[float, float]
    n_min_picks: int
    peers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of the other programs for this network, by the key of ``Peer``."""
    threads: int = 1

    @property
    def told(self) -> dict[str, Any]:
        """What every program is told."""
        return {name: value for name, value in asdict(self).items() if name != "peers"}


class Outcome(NamedTuple):
    """What an associator found and what it cost."""

    events: pd.DataFrame
    """event_id, time (epoch s), latitude, longitude, depth_km"""
    assignments: pd.DataFrame
    """pick_index, event_id"""
    usage: Usage
    """Of the whole process: start-up, reading, travel times, association, writing."""
    associate_cpu_s: float
    """Of the association alone (seisloom: with its travel times and locations)."""

    def event_of_pick(self, n_picks: int) -> npt.NDArray[np.int64]:
        """Event of each of the picks 0, 1, ..., -1 for none.

        PyOcto lets events share picks where two of its time blocks meet: the one that it lists first keeps them.
        """
        held = self.assignments.drop_duplicates("pick_index").set_index("pick_index")["event_id"]
        return held.reindex(np.arange(n_picks)).fillna(-1).to_numpy(np.int64)


class Associator(Protocol):
    """Something that turns a job into an Outcome."""

    name: str
    keeps: bool
    """Whether a result stands for later runs with the same files and settings."""

    @property
    def driver(self) -> Path:
        """The script that the command executes."""
        ...

    def version(self) -> str:
        """Its release."""
        ...

    def settings(self, job: Job) -> dict[str, Any]:
        """What it wants to find in the job's file besides what every program is told."""
        ...

    def prepare(self, job: Job, folder: Path) -> None:
        """What is done once for a network and does not count."""
        ...

    def command(self, job_file: Path) -> list[str]:
        """The command that reads the job and writes events.csv, assignments.csv and cost.json to its folder "out"."""
        ...


@dataclass(frozen=True)
class Seisloom(Associator):
    """This project's associator: the likelihood of events, which needs nothing but the job."""

    name: str = "seisloom"
    method: str = "likelihood"
    keeps: bool = False

    @property
    def driver(self) -> Path:
        return HERE / "seisloom_association.py"

    def version(self) -> str:
        from seisloom import __version__

        return __version__

    def settings(self, job: Job) -> dict[str, Any]:
        return {"method": self.method}

    def prepare(self, job: Job, folder: Path) -> None:
        pass

    def command(self, job_file: Path) -> list[str]:
        return self._command("run", job_file)

    @staticmethod
    def _command(action: str, job_file: Path) -> list[str]:
        return [sys.executable, "-m", "benchmarks.peers.seisloom_association", action, str(job_file)]


@dataclass(frozen=True)
class PhaseLink(Seisloom):
    """This project's associator by one trained network."""

    name: str = "phaselink"
    method: str = "phaselink"
    model: Path = Path()
    """Checkpoint; trained where there is none yet."""
    train_minutes: float = 20.0

    def settings(self, job: Job) -> dict[str, Any]:
        return {"method": self.method, "model": str(self.model), "train_minutes": self.train_minutes}

    def prepare(self, job: Job, folder: Path) -> None:
        if not self.model.exists():
            print(f"training {self.model} for {self.train_minutes:g} minutes ...", flush=True)
            command = self._command("train", _write(self, job, folder))
            run_measured(command, folder / "train.log", cwd=HERE.parents[1], env=thread_environment(None))


@dataclass(frozen=True)
class Peer(Associator):
    """Another program in its own environment, with its settings of the job or with others in their place."""

    name: str
    key: str
    """Of its settings, its driver and its environment."""
    python: Path
    instead: tuple[tuple[str, Any], ...] | None = None
    keeps: bool = True

    @property
    def driver(self) -> Path:
        return HERE / f"{self.key}_association.py"

    def version(self) -> str:
        command = [self.python, self.driver, "version"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def settings(self, job: Job) -> dict[str, Any]:
        return {self.key: dict(self.instead) if self.instead is not None else job.peers[self.key]}

    def prepare(self, job: Job, folder: Path) -> None:
        pass

    def command(self, job_file: Path) -> list[str]:
        return [str(self.python), str(self.driver), "run", str(job_file)]


def run(
    program: Associator, job: Job, folder: Path, cpu_limit_s: float | None = None, *, fresh: bool = False
) -> Outcome:
    """One measured run, its files in ``folder``; CommandFailed where it fails or takes too long.

    What a program that ``keeps`` results has found before is read again, failures too, unless ``fresh``.
    """
    out, kept = _out(program, folder), _out(program, folder, ".kept.json")
    key = _key(program, job)
    if program.keeps and not fresh and kept.exists():
        before = json.loads(kept.read_text())
        if before["key"] == key and not before["failure"]:
            return _outcome(out, Usage(**before["usage"]))
        if before["key"] == key and before["cpu_limit_s"] == cpu_limit_s:
            raise CommandFailed(before["failure"])
    program.prepare(job, folder)
    job_file = _write(program, job, folder)
    shutil.rmtree(out, ignore_errors=True)
    kept.unlink(missing_ok=True)
    try:
        usage = run_measured(
            program.command(job_file), _out(program, folder, ".log"), cwd=HERE.parents[1],
            env=thread_environment(job.threads), cpu_limit_s=cpu_limit_s,
        )  # fmt: skip
    except CommandFailed as error:
        kept.write_text(json.dumps({"key": key, "failure": str(error), "cpu_limit_s": cpu_limit_s}))
        raise
    kept.write_text(json.dumps({"key": key, "failure": "", "usage": asdict(usage)}))
    return _outcome(out, usage)


def _outcome(out: Path, usage: Usage) -> Outcome:
    cost = json.loads((out / "cost.json").read_text())
    events, assignments = pd.read_csv(out / "events.csv"), pd.read_csv(out / "assignments.csv")
    return Outcome(events, assignments, usage, cost["associate_cpu_s"])


def _key(program: Associator, job: Job) -> dict[str, str]:
    """What a result depends on: the contents of the files, the program's settings and its driver."""
    files = {
        name: hashlib.sha256(getattr(job, name).read_bytes()).hexdigest() for name in ("picks", "stations", "velocity")
    }
    settings = replace(job, picks=Path(), stations=Path(), velocity=Path()).told | program.settings(job)
    driver = program.driver.read_bytes()
    told = json.dumps(settings, default=str, sort_keys=True).encode()
    return files | {"settings": hashlib.sha256(told + driver).hexdigest()}


def _out(program: Associator, folder: Path, ending: str = "") -> Path:
    return folder.absolute() / (program.name.lower().replace(" ", "_") + ending)


def _write(program: Associator, job: Job, folder: Path) -> Path:
    """The job as a file that its driver reads."""
    path = _out(program, folder, ".json")
    contents = job.told | program.settings(job) | {"out": str(_out(program, folder))}
    path.write_text(json.dumps(contents, default=lambda value: str(Path(value).absolute()), indent=1))
    return path
