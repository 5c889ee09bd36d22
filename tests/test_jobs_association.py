"""Association jobs: files in a workspace to a catalogue that is the command line's, whatever happens on the way."""

# ruff: noqa: F401, F811 - fixtures that are imported

from __future__ import annotations

import builtins
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seisloom.associate import parts, preview, trained
from seisloom.associate.job import JobSettings, associate_picks
from seisloom.associate.predict import link_probabilities
from seisloom.associate.train import _Run
from seisloom.catalog import read_catalog
from seisloom.errors import InputError, MissingExtraError
from seisloom.jobs import AssociationRequest, Board, Limits, Sources, submit
from seisloom.jobs.association import remove_scratch, run
from seisloom.jobs.limits import LimitError
from seisloom.jobs.requests import AssociationOptions, read_request
from seisloom.picks import read_picks
from seisloom.stations import read_sites
from seisloom.storage import Storage
from seisloom.traveltime import read_velocity_model
from tests.association_job import (
    KILLED_AFTER_FOUR_PARTS,
    REGION,
    REGION_OPTION,
    SMALL_PARTS,
    Prepared,
    associate,
    prepared,
)

TABLES = ("events.csv", "assignments.csv")


@pytest.fixture
def workspace(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "workspace", create=True)


def request_of(made: Prepared, *, model: bool = True, **options: Any) -> AssociationRequest:
    """A job on the small network, its region that of the command in these tests."""
    options = {"region": REGION_OPTION[1:], **options}
    files = {
        name: (getattr(made, name).name, getattr(made, name).read_bytes()) for name in ("picks", "stations", "velocity")
    }
    trained_here = (made.model.name, made.model.read_bytes()) if model else None
    return AssociationRequest(**files, options=AssociationOptions(**options), model=trained_here)


def do(
    storage: Storage, request: AssociationRequest, limits: Limits | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Submit, claim, run and finish a job; its result and what it reported."""
    board, told = Board(storage), []  # type: ignore[var-annotated]
    submit(board, request)
    claim = board.claim("test")
    assert claim is not None
    asked = read_request(storage, claim.job.id)
    assert isinstance(asked, AssociationRequest)
    services = (claim.number, Sources(), limits or Limits(), 1, 4.0, told.append)
    result = run(storage, claim.job.id, asked, *services)
    claim.finish(result)
    return result, told


def folder_of(storage: Storage, result: dict[str, Any]) -> Path:
    return Path(storage.url) / result["folder"]


def test_the_catalogue_is_that_of_the_command(prepared: Prepared, workspace: Storage, tmp_path: Path) -> None:
    associate(prepared, tmp_path / "command", "--figures")
    result, told = do(workspace, request_of(prepared))
    folder = folder_of(workspace, result)
    for name in ("events.csv", "assignments.csv", "catalog.xml", "observations.obs", "hypoinverse.arc"):
        assert (folder / name).read_bytes() == (tmp_path / "command" / name).read_bytes(), name
    drawn = {path.name for path in (tmp_path / "command").glob("*.png")}
    assert len(drawn) == 5
    assert drawn == {path.name for path in folder.glob("*.png")}
    ours, theirs = (json.loads((path / "report.json").read_text()) for path in (folder, tmp_path / "command"))
    assert ours["picks"]["origin"] == "picks.csv"
    assert ours | {"picks": 0, "warnings": 0} == theirs | {"picks": 0, "warnings": 0}

    events = read_catalog(folder).events
    assert result["events"] == len(events) > 15
    assert result["used_picks"] == events["n_picks"].sum()
    assert sum(result["qualities"].values()) == len(events)
    assert pd.Timestamp(result["first"]) == pytest.approx(events["time"].min(), abs=pd.Timedelta("1s"))
    stages = [step["stage"] for step in told]
    assert list(dict.fromkeys(stages)) == ["reading", "links", "events", "files"]
    assert told[1]["done"] == told[1]["total"] == result["picks"]


def test_the_folder_holds_all_that_the_catalogue_was_made_from(prepared: Prepared, workspace: Storage) -> None:
    result, _ = do(workspace, request_of(prepared))
    folder = folder_of(workspace, result)
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["options"]["region"] == list(REGION_OPTION[1:])
    again = associate_picks(
        read_picks(folder / "picks.csv"), read_sites(folder / "stations.csv"), read_velocity_model(folder / "velocity.txt"),
        JobSettings(region=REGION), folder / "model.pt",
    )  # fmt: skip
    made = read_catalog(folder)
    assert len(again.catalog.events) == len(made.events)
    apart = (again.catalog.events["time"] - made.events["time"]).abs()
    assert apart.max() < pd.Timedelta("1ms")
    np.testing.assert_array_equal(again.catalog.assignments["pick_index"], made.assignments["pick_index"])


def test_nothing_is_left_but_the_result(prepared: Prepared, workspace: Storage) -> None:
    result, _ = do(workspace, request_of(prepared))
    assert not any((Path(workspace.url) / "scratch").iterdir())
    assert {key.split("/")[2] for key in workspace.keys("processed")} == {result["folder"].rpartition("/")[2]}
    assert not [key for key in workspace.keys("processed") if "preliminary" in key]


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look after every part of 3000 members."""
    monkeypatch.setitem(link_probabilities.__kwdefaults__, "chunk_members", 3000)
    monkeypatch.setattr(preview, "EVERY_S", 0.0)
    monkeypatch.setattr(preview, "SHARE", float("inf"))


def test_preliminary_events_change_nothing_and_are_events_of_the_catalogue(prepared: Prepared, eager: None) -> None:
    inputs = (read_picks(prepared.picks), read_sites(prepared.stations), read_velocity_model(prepared.velocity))
    without = associate_picks(*inputs, JobSettings(region=REGION), prepared.model)
    shown: list[pd.DataFrame] = []
    with_it = associate_picks(*inputs, JobSettings(region=REGION), prepared.model, preview=shown.append)
    pd.testing.assert_frame_equal(with_it.catalog.events, without.catalog.events, check_exact=True)
    pd.testing.assert_frame_equal(with_it.catalog.assignments, without.catalog.assignments, check_exact=True)

    assert len(shown) > 1
    early, final = pd.concat(shown), without.catalog.events
    apart_s = (
        np.abs((early["time"].to_numpy()[:, None] - final["time"].to_numpy()).astype("timedelta64[ms]").astype(float))
        / 1e3
    )
    assert (apart_s.min(axis=1) < 1.0).mean() > 0.9  # few are none
    assert len(np.unique(apart_s.argmin(axis=1))) == len(early)  # none comes twice
    assert (apart_s.min(axis=0) < 1.0).sum() > 0.8 * len(final)  # few are missed before the end


def test_preliminary_events_of_parts_change_nothing_and_are_events_of_the_catalogue(
    prepared: Prepared, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_PART_PICKS", 100)
    inputs = (read_picks(prepared.picks), read_sites(prepared.stations), read_velocity_model(prepared.velocity))
    shown: list[pd.DataFrame] = []
    found = associate_picks(*inputs, JobSettings(region=REGION), preview=shown.append)
    without = associate_picks(*inputs, JobSettings(region=REGION))
    pd.testing.assert_frame_equal(found.catalog.events, without.catalog.events, check_exact=True)
    assert len(shown) > 2
    early, final = pd.concat(shown), without.catalog.events
    assert list(early.columns) == list(final.columns)
    ordered = early.sort_values("time")
    together = pd.merge_asof(ordered, final, on="time", tolerance=pd.Timedelta("1s"), direction="nearest")
    same = together.dropna(subset="event_id_y")
    assert len(same) > 0.9 * len(early)
    assert len(same) > 0.9 * len(final)
    assert (same["latitude_x"] - same["latitude_y"]).abs().median() < 0.01
    assert (same["n_picks_x"] == same["n_picks_y"]).mean() > 0.8


def test_looking_takes_a_bounded_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, looks = [0.0], []

    class Slow:
        def __init__(self, wanted: object) -> None: ...
        def add(self, links: object) -> None: ...
        def look(self) -> None:
            looks.append(clock[0])
            clock[0] += 2.0

    monkeypatch.setattr(preview, "_Part", Slow)
    monkeypatch.setattr(preview.time, "monotonic", lambda: clock[0])

    def chunks() -> Any:
        for _ in range(200):
            clock[0] += 1.0
            yield None

    assert len(list(preview.watched(chunks(), None))) == 200  # type: ignore[arg-type]
    assert looks[0] == preview.EVERY_S
    assert 2.0 * len(looks) <= preview.SHARE * clock[0] + 2.0
    assert len(looks) >= 0.8 * preview.SHARE * clock[0] / 2.0


def test_events_can_be_read_while_the_run_is_under_way(
    prepared: Prepared,
    workspace: Storage,
    eager: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[pd.DataFrame] = []
    put = Storage.put

    def noted(storage: Storage, key: str, data: bytes) -> None:
        put(storage, key, data)
        if key.endswith("preliminary.csv"):
            seen.append(pd.read_csv(Path(storage.url) / key))

    monkeypatch.setattr(Storage, "put", noted)
    result, told = do(workspace, request_of(prepared))
    assert [len(table) for table in seen] == sorted({len(table) for table in seen})
    assert seen[-1]["event_id"].tolist() == list(range(1, len(seen[-1]) + 1))
    assert [step["events"] for step in told if step["stage"] == "events"] == [len(seen[-1])] * 2
    assert abs(len(seen[-1]) - result["events"]) < 5


KILLED = """
import json, sys
from seisloom.jobs import Limits, Sources
from seisloom.jobs.association import run
from seisloom.jobs.requests import read_request
from seisloom.storage import Storage
storage = Storage(sys.argv[1])
run(storage, sys.argv[2], read_request(storage, sys.argv[2]), int(sys.argv[3]), Sources(), Limits(), 1, 4.0, lambda told: None)
"""


def test_a_killed_run_goes_on_from_its_links(
    prepared: Prepared,
    workspace: Storage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    associate(prepared, tmp_path / "command")
    board = Board(workspace, stale_after_s=0.0)
    job_id = submit(board, request_of(prepared))
    first = board.claim("first")
    assert first
    script = KILLED_AFTER_FOUR_PARTS + KILLED
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    killed = subprocess.run(
        [sys.executable, "-c", script, workspace.url, job_id, str(first.number)],
        env=os.environ | threads, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    scratch = Path(workspace.url) / "scratch" / job_id
    (left,) = scratch.iterdir()
    assert left.name == f"{first.number:06d}"
    assert len(list(left.rglob("*.npz"))) == 4

    begun: list[int] = []
    monkeypatch.setitem(link_probabilities.__kwdefaults__, "chunk_members", 300)

    def noted(*arguments: Any, first: int, **options: Any) -> Any:
        begun.append(first)
        yield from link_probabilities(*arguments, first=first, **options)

    monkeypatch.setattr("seisloom.associate.pipeline.link_probabilities", noted)
    while not (second := board.claim("second")):
        pass
    asked = read_request(workspace, job_id)
    assert isinstance(asked, AssociationRequest)
    result = run(workspace, job_id, asked, second.number, Sources(), Limits(), 1, 4.0, lambda told: None)
    assert begun[0] > 0
    assert result["folder"] == f"processed/{job_id}/run-{second.number:06d}"
    folder = folder_of(workspace, result)
    assert [(folder / name).read_bytes() for name in TABLES] == [
        (tmp_path / "command" / name).read_bytes() for name in TABLES
    ]
    assert not scratch.exists()


@pytest.fixture
def three_short_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "_EPOCH_WINDOWS", 800)
    monkeypatch.setattr(_Run, "finished", lambda run: "three are enough" if run.epoch >= 3 else "")


def test_a_network_is_trained_and_an_interrupted_training_goes_on(
    prepared: Prepared,
    workspace: Storage,
    three_short_epochs: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save = _Run._save_last

    def save_and_interrupt(run: _Run) -> None:
        save(run)
        raise KeyboardInterrupt

    monkeypatch.setattr(_Run, "_save_last", save_and_interrupt)
    request = request_of(prepared, model=False, train_minutes=0.5)
    with pytest.raises(KeyboardInterrupt):
        do(workspace, request)
    (job,) = Board(workspace).jobs()
    monkeypatch.setattr(_Run, "_save_last", save)
    told: list[dict[str, Any]] = []
    result = run(workspace, job.id, request, job.number + 1, Sources(), Limits(), 1, 4.0, told.append)
    training = [step for step in told if step["stage"] == "training"]
    assert training[0]["epoch"] == 1  # the first one is not done again
    assert all(step["loss"] > 0 and 0 <= step["done"] <= step["total"] == 100 for step in training)
    assert (folder_of(workspace, result) / "model.pt").stat().st_size > 10_000


def test_what_is_kept_of_jobs_that_are_over_goes(prepared: Prepared, workspace: Storage) -> None:
    board = Board(workspace)
    waiting, cancelled, deleted = (submit(board, request_of(prepared)) for _ in range(3))
    for job_id in (waiting, cancelled, deleted):
        (Path(workspace.url) / "scratch" / job_id / "000002" / "model").mkdir(parents=True)
    board.cancel(cancelled)
    board.delete(deleted)
    remove_scratch(workspace)
    assert [path.name for path in (Path(workspace.url) / "scratch").iterdir()] == [waiting]


def test_what_cannot_be_used_is_named_as_its_user_names_it(prepared: Prepared, workspace: Storage) -> None:
    good = request_of(prepared)
    bad = AssociationRequest(("mine.csv", b"station,phase,time\nXX.S,P,yesterday\n"), good.stations, good.velocity)
    with pytest.raises(InputError, match=r"^picks.csv: 1 pick cannot be read\n  line 2: time 'yesterday'"):
        do(workspace, bad)
    bad = AssociationRequest(good.picks, ("sites.txt", b"XX S000 north 13\n"), good.velocity)
    with pytest.raises(InputError, match=r"^stations.txt, line 1: latitude is 'north'"):
        do(workspace, bad)
    bad = AssociationRequest(good.picks, good.stations, good.velocity, model=("best.pt", b"no checkpoint"))
    with pytest.raises(InputError, match=r"^model.pt: not a complete PyTorch checkpoint"):
        do(workspace, bad)
    assert not any((Path(workspace.url) / "scratch").iterdir())


def test_jobs_beyond_the_limits_are_refused_with_the_numbers(prepared: Prepared, workspace: Storage) -> None:
    with pytest.raises(LimitError, match=r"picks \(at most 100\)"):
        do(workspace, request_of(prepared), Limits(picks=100))
    with pytest.raises(LimitError, match=r"60 minutes of training \(at most 10\)"):
        do(workspace, request_of(prepared, model=False, train_minutes=60), Limits(train_minutes=10))


def test_without_pytorch_the_job_says_what_to_install(
    prepared: Prepared,
    workspace: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "torch":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'seisloom\[link\]'"):
        do(workspace, request_of(prepared))
