"""Jobs of the kind "association": picks, stations and a velocity model to the files of a catalogue.

    scratch/ID/NUMBER/          what an interrupted run goes on from; where the workspace is a folder of this machine
    processed/ID/run-NUMBER/    the catalogue; while links are made, preliminary.csv

NUMBER is that of the claim, so that a run which was taken for dead writes nowhere but where nobody looks any more.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from obstore.store import LocalStore

from seisloom.errors import SeisloomError, WorkspaceError
from seisloom.jobs.association_inputs import Inputs, names_without, read_inputs, region_of
from seisloom.jobs.board import Board, NoSuchJobError
from seisloom.jobs.limits import Limits
from seisloom.jobs.requests import AssociationOptions, AssociationRequest
from seisloom.jobs.sources import Sources
from seisloom.storage import Storage

if TYPE_CHECKING:
    from seisloom.associate.result import JobSettings, Result
    from seisloom.associate.train import Step

PICKS, STATIONS, VELOCITY, SETTINGS, MODEL = "picks.csv", "stations.csv", "velocity.txt", "settings.json", "model.pt"
PRELIMINARY = "preliminary.csv"
# Events with most picks that are drawn, as the command line does.
_DRAWN = 3
Report = Callable[[dict[str, Any]], None]


def run(
    storage: Storage,
    job_id: str,
    request: AssociationRequest,
    claim: int,
    sources: Sources,
    limits: Limits,
    threads: int,
    memory_gb: float,
    report: Report,
) -> dict[str, Any]:
    """Do the job, or what is left of it; returns the result: where the files are, and counts.

    ``report`` is called with stage (reading, files; of "likelihood" round 1, round 2, ...; of "phaselink" training, links,
    events), ``done`` of ``total``, ``elapsed_s``, ``seconds_left`` (None where nothing is known), ``events`` (preliminary
    ones so far), and in training (per cent) ``loss``. InputError for files that cannot be used, LimitError for a job that is
    too large, MissingExtraError for "phaselink" without PyTorch. Neither ``sources`` nor ``memory_gb`` matter here.
    """
    if request.options.method == "phaselink":
        from seisloom.associate.requirement import require_torch

        require_torch().set_num_threads(threads)
    folder = run_folder(job_id, claim)
    with _scratch(storage, job_id, claim) as scratch:
        teller = _Teller(storage, folder, request.options.train_minutes, report)
        teller.stage("reading", 0, 1)
        inputs = read_inputs(request, scratch / "input", limits)
        with names_without(scratch):
            result = _associate(inputs, _settings(request.options, threads, scratch), teller)
        result.report.warnings[:] = [text.replace(f"{scratch}/", "") for text in result.report.warnings]
        teller.stage("files", 0, 1)
        made = scratch / "catalogue"
        _write(result, inputs, request.options, scratch, made)
        _publish(made, storage, folder)
    _remove_earlier(storage, job_id, claim)
    return _summary(result, folder)


def run_folder(job_id: str, claim: int) -> str:
    """Where the files of a run lie in the workspace."""
    return f"processed/{job_id}/run-{claim:06d}"


def remove_scratch(storage: Storage) -> None:
    """Remove what is kept of jobs that are over."""
    root = _scratch_root(storage)
    board = Board(storage)
    for folder in root.iterdir() if root and root.is_dir() else ():
        try:
            over = board.job(folder.name).state not in ("waiting", "running")
        except NoSuchJobError:
            over = True
        if over:
            shutil.rmtree(folder, ignore_errors=True)


def _scratch_root(storage: Storage) -> Path | None:
    """Of a workspace that is a folder of this machine."""
    return Path(str(storage.store.prefix)) / "scratch" if isinstance(storage.store, LocalStore) else None


@contextmanager
def _scratch(storage: Storage, job_id: str, claim: int) -> Iterator[Path]:
    """A folder with what the attempt before left; it goes unless this attempt is interrupted.

    It is moved to a name of this claim's own, so that an attempt that was only taken for dead cannot write to it.
    """
    root = _scratch_root(storage)
    if root is None:
        with tempfile.TemporaryDirectory(prefix="seisloom-") as folder:
            yield Path(folder)
        return
    remove_scratch(storage)
    home = root / job_id
    folder_here = home / f"{claim:06d}"
    home.mkdir(parents=True, exist_ok=True)
    if earlier := sorted(home.iterdir()):
        earlier[-1].rename(folder_here)
    folder_here.mkdir(exist_ok=True)
    over = False
    try:
        yield folder_here
        over = True
    except SeisloomError as error:
        over = not isinstance(error, WorkspaceError)  # then it may be tried again
        raise
    finally:
        if over:
            shutil.rmtree(home, ignore_errors=True)


def _settings(options: AssociationOptions, threads: int, scratch: Path) -> JobSettings:
    from seisloom.associate.result import JobSettings

    chosen = options.model_dump(exclude={"region", "min_probability"})
    return JobSettings(region=region_of(options), n_threads=threads, keep=scratch, **chosen)


def _associate(inputs: Inputs, settings: JobSettings, teller: _Teller) -> Result:
    from seisloom.associate.job import associate_picks

    return associate_picks(
        inputs.picks, inputs.sites, inputs.velocity, settings, inputs.model,
        progress=teller.stage, training=teller.training, preview=teller.preview,
    )  # fmt: skip


class _Teller:
    """Passes on how far the run is, and writes preliminary events."""

    def __init__(self, storage: Storage, folder: str, train_minutes: float, report: Report) -> None:
        self._storage, self._folder, self._report = storage, folder, report
        self._train_s = 60.0 * train_minutes
        self._began = time.monotonic()
        self._stage: tuple[str, float, float] = ("", 0.0, 0.0)
        """Name, when it began, what of it was done then."""
        self._events: list[pd.DataFrame] = []

    def stage(self, name: str, done: float, total: float, seconds_left: float | None = None, **more: Any) -> None:
        """How much of a stage is done."""
        now = time.monotonic()
        if self._stage[0] != name:
            self._stage = (name, now, done)
        _, began, first = self._stage
        if seconds_left is None and first < done < total:
            seconds_left = (now - began) / (done - first) * (total - done)
        self._report({
            "stage": name, "done": done, "total": total, "elapsed_s": round(now - self._began, 1),
            "seconds_left": None if seconds_left is None else round(seconds_left, 1),
            "events": sum(map(len, self._events)), **more,
        })  # fmt: skip

    def training(self, step: Step) -> None:
        """How far training is: it goes by time."""
        left = self._train_s * max(1.0 - step.share, 0.0)
        percent = round(100.0 * min(step.share, 1.0), 1)
        self.stage("training", percent, 100, left, loss=round(step.loss, 4), epoch=step.epoch)

    def preview(self, events: pd.DataFrame) -> None:
        """Preliminary events that have come."""
        from seisloom.catalog.csv_files import events_csv

        self._events.append(events)
        table = pd.concat(self._events, ignore_index=True)
        table["event_id"] = range(1, len(table) + 1)
        self._storage.put(f"{self._folder}/{PRELIMINARY}", events_csv(table).encode())


def _write(result: Result, inputs: Inputs, options: AssociationOptions, scratch: Path, folder: Path) -> None:
    """The catalogue, what it was made from, and the figures of the command line."""
    from seisloom.associate.outputs import write_result
    from seisloom.figures import catalog_figures, event_figures, largest_events
    from seisloom.picks import write_picks
    from seisloom.stations import write_sites
    from seisloom.traveltime import write_velocity_model

    shutil.rmtree(folder, ignore_errors=True)
    write_result(result, folder)
    write_picks(result.picks, folder / PICKS)
    write_sites(result.study.sites, folder / STATIONS)
    write_velocity_model(inputs.velocity, folder / VELOCITY)
    used: dict[str, Any] = {"options": options.model_dump(), "region": asdict(result.study.network.region)}
    if result.settings:
        from seisloom.associate.train import BEST

        used["windows"] = asdict(result.settings.windows)
        shutil.copyfile(inputs.model or scratch / "model" / BEST, folder / MODEL)
    (folder / SETTINGS).write_text(json.dumps(used, indent=1) + "\n")
    drawn = largest_events(result.catalog, _DRAWN)
    list(catalog_figures(result.catalog, result.study.sites, folder))
    list(event_figures(result.catalog, drawn, result.picks, result.study.sites, folder, study=result.study))


def _publish(made: Path, storage: Storage, folder: str) -> None:
    """Put the files as objects; the preliminary events, which they replace, go last."""
    for path in sorted(path for path in made.rglob("*") if path.is_file()):
        storage.put(f"{folder}/{path.relative_to(made).as_posix()}", path.read_bytes())
    storage.delete([f"{folder}/{PRELIMINARY}"])


def _remove_earlier(storage: Storage, job_id: str, claim: int) -> None:
    """Remove what runs of earlier claims left."""
    here = run_folder(job_id, claim)
    runs = f"processed/{job_id}/run-"
    storage.delete([key for key in storage.keys(f"processed/{job_id}") if key.startswith(runs) and key < here])


def _summary(result: Result, folder: str) -> dict[str, Any]:
    events, report = result.catalog.events, result.report
    return {
        "folder": folder,
        "events": report.events,
        "picks": len(result.picks),
        "used_picks": len(result.catalog.assignments),
        "stations": result.study.network.n_stations,
        "qualities": report.qualities,
        "median_misfit_s": report.to_json()["rms_s"],
        "first": f"{events['time'].min():%Y-%m-%dT%H:%M:%SZ}" if len(events) else None,
        "last": f"{events['time'].max():%Y-%m-%dT%H:%M:%SZ}" if len(events) else None,
    }
