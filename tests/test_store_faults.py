"""Stores that fail: a job finishes, or stops with a clear word and is completed by the next run, to the same bytes."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from zarr import Array

from seisloom.errors import WorkspaceError
from seisloom.noise.archive import open_correlations, open_stacks
from seisloom.noise.pipeline import Progress, correlate
from seisloom.noise.stacking import stack_correlations
from seisloom.storage import Storage
from seisloom.stores.patience import Limits
from tests.faulty_store import Fault, FaultyGateway, faulty
from tests.jobs import DAY, noise_source, objects, small_settings
from tests.object_stores import BUCKET, NewWorkspace, use_server
from tests.test_resume import check_unfinished, run_until_killed

END = "2024-03-03"
FAILING = 5 * (1 + Limits.retries)
"""Requests that fail of a store that does for a while."""


def job(workspace: str | Path, progress: Callable[[Progress], None] | None = None) -> None:
    """Three days of three channels."""
    source = noise_source(3, 3)
    correlate(source.table, small_settings(), source, workspace, DAY, END, progress=progress)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    job(folder)
    return results(folder)


def results(workspace: str | Path) -> dict[str, bytes]:
    """All that a job made but for its reports, which say how long it took."""
    kept = objects(workspace, "")
    return {key: data for key, data in kept.items() if key.endswith(".csv") or ".zarr/" in key or key == "job.json"}


@pytest.fixture
def gateway(server: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyGateway]:
    """What stands before an S3 server, and the environment that leads there."""
    with faulty(request.getfixturevalue(server)) as gateway:
        use_server(gateway.url, monkeypatch)
        yield gateway


@pytest.fixture
def url() -> str:
    return f"s3://{BUCKET}/faults {time.time_ns():x}"


# --- the way to the store ---


@pytest.mark.parametrize("server", ["radosgw_server"])
def test_one_request_in_five_goes_wrong(gateway: FaultyGateway, url: str, tmp_path: Path) -> None:
    """In every way at random: nobody there, slow, busy, answers cut short or lost, half of what was sent."""
    folder = tmp_path / "undisturbed"
    job(folder)
    rng, faults = np.random.default_rng(31), get_args(Fault)
    draw = [faults[n] if n < len(faults) else None for n in rng.integers(0, 5 * len(faults), 5000)]
    gateway.choose = lambda number, method, path: draw[number]
    job(url)
    stack_correlations(url, "pws")
    assert {fault for _, _, fault in gateway.seen} == {None, *faults}
    gateway.choose = lambda number, method, path: None
    stack_correlations(folder, "pws")
    assert results(url) == results(folder)


@pytest.mark.parametrize(("server", "what"), [("moto_server", "gone"), ("radosgw_server", "busy")])
def test_a_store_that_fails_for_a_while(
    gateway: FaultyGateway, url: str, undisturbed: dict[str, bytes], what: Fault
) -> None:
    """More often than the client repeats by itself; the run waits, and goes on."""
    failed = 0

    def choose(number: int, method: str, path: str) -> Fault | None:
        nonlocal failed
        begins = method == "PUT" and path.endswith("/ccf/c/0/1/0")
        if not (failed or begins) or failed == FAILING:
            return None
        failed += 1
        return what

    gateway.choose = choose
    job(url)
    assert failed == FAILING
    assert results(url) == undisturbed


@pytest.mark.parametrize("server", ["moto_server"])
def test_a_store_that_does_not_come_back(
    gateway: FaultyGateway, url: str, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEISLOOM_STORE_PATIENCE", "0.2")
    gone = [False]

    def choose(number: int, method: str, path: str) -> Fault | None:
        gone[0] = gone[0] or (method == "PUT" and path.endswith("count/c/0/1"))
        return "gone" if gone[0] else None

    gateway.choose = choose
    with pytest.raises(WorkspaceError, match=r"count/c/0/1: cannot be written: the store cannot be reached"):
        job(url)
    with pytest.raises(WorkspaceError, match=r"cannot be (read|listed): the store cannot be reached"):
        open_correlations(url)
    gateway.choose = lambda number, method, path: None
    counts = open_correlations(url)["count"].values
    assert (counts > 0).all(axis=0).tolist() == [True, False, False]  # the correlations of the second day are there
    job(url)
    assert results(url) == undisturbed


@pytest.mark.parametrize("server", ["moto_server"])
@pytest.mark.parametrize(
    ("what", "words"), [("full", "the quota of the store is used up"), ("denied", "access denied")]
)
def test_a_store_that_takes_nothing_more(
    gateway: FaultyGateway, url: str, undisturbed: dict[str, bytes], what: Fault, words: str
) -> None:
    gateway.choose = lambda number, method, path: what if method == "PUT" and path.endswith("/ccf/c/0/2/0") else None
    with pytest.raises(WorkspaceError, match=rf"ccf/c/0/2/0: cannot be written: {words}"):
        job(url)
    gateway.choose = lambda number, method, path: None
    job(url)
    assert results(url) == undisturbed


@pytest.mark.parametrize("server", ["moto_server"])
def test_reading_from_a_bad_store(gateway: FaultyGateway, url: str, undisturbed: dict[str, bytes]) -> None:
    """Whole arrays, or an error: what does not come is never taken for what is not there."""
    job(url)
    wanted = open_correlations(url).load()
    cut = iter(["cut", "gone", "busy"] * 1000)
    gateway.choose = lambda number, method, path: next(cut) if number % 2 else None
    assert open_correlations(url).load().identical(wanted)


# --- folders ---


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts (again) a file system in memory with these options."""
    place, libc = tmp_path / "disk", ctypes.CDLL(None, use_errno=True)
    place.mkdir()
    remount, mounted = 32, False

    def mount(options: str, flags: int = 0) -> Path:
        nonlocal mounted
        flags |= remount if mounted else 0
        if libc.mount(b"tmpfs", bytes(place), b"tmpfs", flags, options.encode()):
            pytest.skip(f"file systems cannot be mounted here: {os.strerror(ctypes.get_errno())}")
        mounted = True
        return place

    yield mount
    if mounted:
        libc.umount2(bytes(place), 2)


# Metadata alone, the first days, the reports.
@pytest.mark.parametrize("kilobytes", [4, 60, 120, 150, 170])
def test_a_full_disk(small_disk: Callable[[str], Path], undisturbed: dict[str, bytes], kilobytes: int) -> None:
    disk = small_disk(f"size={kilobytes}k")
    with pytest.raises(WorkspaceError, match="cannot be written: the disk is full: free some space, then run the same"):
        job(disk)
    check_unfinished(disk, {path.stem for path in disk.glob("done/*.json")})
    small_disk("size=4m")
    job(disk)
    assert results(disk) == undisturbed


def test_a_folder_that_is_read_only(small_disk: Callable[..., Path], undisturbed: dict[str, bytes]) -> None:
    """What is there can be read; nothing can be added."""
    disk = small_disk("size=4m")
    source = noise_source(3, 3)
    correlate(source.table, small_settings(), source, disk, DAY)
    small_disk("size=4m", 1)
    assert (open_correlations(disk).load()["count"] > 0).all()
    with pytest.raises(WorkspaceError, match="cannot be written: the folder is on a file system that is read-only"):
        job(disk)
    with pytest.raises(WorkspaceError, match="the folder is on a file system that is read-only"):
        job(disk / "below")
    small_disk("size=4m")
    job(disk)
    assert results(disk) == undisturbed


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_a_folder_that_is_moved_away_meanwhile(tmp_path: Path, undisturbed: dict[str, bytes], steps: int) -> None:
    """At the first to the last thing told of the second day: before, in and after its writing."""
    told = []

    def move(step: Progress) -> None:
        if step.days_done == 1:
            told.append(step)
            if len(told) == steps:
                (tmp_path / "w").rename(tmp_path / "away")

    with pytest.raises(WorkspaceError, match=r"w(/correlations\.zarr.*)?: .*; run the same command again"):
        job(tmp_path / "w", move)
    assert not list((tmp_path / "w").glob("done/*"))
    job(tmp_path / "w")
    assert results(tmp_path / "w") == undisturbed
    assert [path.stem for path in (tmp_path / "away").glob("done/*.json")] == [DAY]


def test_what_a_killed_write_leaves_is_passed_over(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    """Objects are written beside their place and then moved there; a kill leaves the beginning of one."""
    for key in ("correlations.zarr/ccf/c/0/0/0", "done/2024-03-01.json", "job.json", "correlations.zarr/zarr.json"):
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{key}#1").write_bytes(b"{half")
    job(tmp_path)
    assert results(tmp_path) == undisturbed


# --- on every store ---


@pytest.mark.parametrize("object_store", ["moto", "radosgw"], indirect=True)  # in folders: tests/test_resume.py
def test_two_runs_of_one_job_at_once(object_store: NewWorkspace, undisturbed: dict[str, bytes]) -> None:
    url = object_store()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(job, [url, url]))
    assert results(url) == undisturbed


@pytest.mark.parametrize("steps", range(5))
def test_two_runs_that_lengthen_the_archive_at_once(
    tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """All of a run with a later end, before this or that step of one with an earlier end."""
    source = noise_source(3, 3)
    correlate(source.table, small_settings(), source, tmp_path, DAY)
    calls = [0]

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def step(array: Any, *given: Any) -> Any:
            calls[0] += 1
            if calls[0] == steps + 1:
                job(tmp_path)
            return act(array, *given)

        return step

    monkeypatch.setattr(Array, "resize", counted(Array.resize))
    monkeypatch.setattr(Array, "__setitem__", counted(Array.__setitem__))
    correlate(source.table, small_settings(), source, tmp_path, DAY, "2024-03-02")
    assert calls[0] > steps
    assert results(tmp_path) == undisturbed


@pytest.mark.parametrize(("object_store", "n"), [("folder", 50), ("moto", 10)], indirect=["object_store"])
def test_kills_at_random(object_store: NewWorkspace, n: int) -> None:
    """Each some writes after the one before, until the job is done; then anew in another workspace."""
    rng, kills = np.random.default_rng(50), 0
    whole = object_store()
    run_until_killed(whole, [DAY, END])
    wanted = objects(whole)
    while kills < n:
        workspace, ended = object_store(), False
        while not ended and kills < n:
            at = int(rng.integers(3, 40))
            ended = run_until_killed(workspace, [DAY, END], at).done < at
            kills += not ended
            done = {key.rpartition("/")[2].removesuffix(".json") for key in Storage(workspace).keys("done")}
            if kills % 5 == 0 or not workspace.startswith("s3://"):
                check_unfinished(workspace, done)
        run_until_killed(workspace, [DAY, END])
        assert objects(workspace) == wanted, f"after {kills} kills"


# --- clocks ---


def test_a_clock_that_jumps(tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A year ahead, ten years back: the days are those that were asked for, and the newest stack is the last one."""
    jumps = iter([3.2e7, -3.2e8] * 1000)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    monkeypatch.setattr(time, "time_ns", lambda: int((real() + next(jumps)) * 1e9))
    job(tmp_path)
    assert results(tmp_path) == undisturbed
    for now, name in (
        ("2031-01-01T00:00:00+00:00", "ahead"),
        ("2011-01-01T00:00:00+00:00", "back"),
        ("2012-01-01T00:00:00+00:00", "last"),
    ):
        monkeypatch.setattr("seisloom.noise.stacking._now", lambda now=now: now)
        stack_correlations(tmp_path, name=name)
        assert Storage(tmp_path).get_json(f"stacks/{name}.json")["made"] >= now
        assert open_stacks(tmp_path).identical(open_stacks(tmp_path, name))
        assert open_stacks(tmp_path).encoding.get("source", "") == open_stacks(tmp_path, name).encoding.get(
            "source", ""
        )
