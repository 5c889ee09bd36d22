"""Interrupted, repeated, extended and refused: the archive is that of an undisturbed run, and nothing is done twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
import xarray as xr
from moto.server import ThreadedMotoServer
from zarr.storage import ObjectStore

from seisloom import storage
from seisloom.config import CorrelationSettings, read_settings, write_params_csv
from seisloom.errors import InputError, SourceError, WorkspaceError
from seisloom.noise import archive
from seisloom.noise.archive import open_correlations, open_stacks
from seisloom.noise.pipeline import Progress, correlate
from seisloom.noise.report import Summary
from seisloom.noise.stacking import stack_correlations
from seisloom.stations import channel_ids, read_stations, write_stations
from seisloom.storage import Storage
from seisloom.stores import zarr_store
from seisloom.waveforms.base import DAY_NS
from seisloom.waveforms.local import sds_path
from seisloom.waveforms.synthetic.dataset import write_mseed
from tests.jobs import DAY, DAY_START, Records, noise_source, objects, small_settings

END = "2024-03-03"
DAYS = [DAY, "2024-03-02", END]


def run(source: Records, workspace: Path | str, end: str | None = END, **changes: Any) -> Summary:
    return correlate(source.table, small_settings(**changes), source, workspace, DAY, end)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every object of the archive of an undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    run(noise_source(4, 3), folder)
    return objects(folder)


class Killed(BaseException):
    """Stands in for a kill between two writes; nothing in the program catches it."""


class Writes:
    """Counts objects as they are stored or removed, by Zarr and by Storage, and kills before number ``at``."""

    def __init__(self, patch: pytest.MonkeyPatch, at: float = np.inf) -> None:
        self.done, self.at, self.names = 0, at, list[str]()
        patch.setattr(ObjectStore, "set", self._counted_async(ObjectStore.set))
        patch.setattr(ObjectStore, "delete", self._counted_async(ObjectStore.delete))
        patch.setattr(zarr_store, "put_durable", self._counted(zarr_store.put_durable))
        for module in (archive, storage):
            patch.setattr(module, "put_object", self._counted(storage.put_object))
        patch.setattr(Storage, "delete", self._counted(Storage.delete))

    def _count(self, key: str) -> None:
        if self.done >= self.at:
            raise Killed(key)
        self.done += 1
        self.names.append(key)

    def _counted(self, write: Callable) -> Callable:
        def counted(store: Any, key: str | list[str], *rest: Any, **options: Any) -> None:
            self._count(str(key))
            write(store, key, *rest, **options)

        return counted

    def _counted_async(self, write: Callable) -> Callable:
        async def counted(store: ObjectStore, key: str, *rest: Any) -> None:
            self._count(key)
            await write(store, key, *rest)

        return counted


def run_until_killed(workspace: Path | str, ends: list[str], at: float = np.inf) -> Writes:
    """Runs of the job, one end after the other, killed before write number ``at``."""
    with pytest.MonkeyPatch.context() as patch, suppress(Killed):
        writes = Writes(patch, at)
        for end in ends:
            run(noise_source(2, 3), workspace, end)
    return writes


def test_a_kill_between_any_two_writes_is_made_good(tmp_path: Path) -> None:
    """Making the archive for a day, writing the day, lengthening the archive, the other days, marks and summary."""
    names = run_until_killed(tmp_path / "whole", [DAY, END]).names
    wanted = objects(tmp_path / "whole")
    made = names.index("correlations.zarr/zarr.json")
    assert len(names) > made + 15
    for at in [*range(0, made, 9), *range(made, len(names))]:  # one coordinate is like another
        folder = tmp_path / str(at)
        assert run_until_killed(folder, [DAY, END], at).done == at
        done = {path.stem for path in folder.glob("done/*.json")}
        check_unfinished(folder, done)
        source = noise_source(2, 3)
        run(source, folder)
        assert objects(folder) == wanted, f"killed before write {at}, {names[at]}"
        assert {day for _, day in source.asked} == set(DAYS) - done


def check_unfinished(folder: Path | str, done: set[str]) -> None:
    """What a reader sees of a killed run: the finished days as they are, and no window of another day but the last.

    Counts are written when all of a day's correlations are; between them and the mark the day is whole.
    """
    try:
        data = open_correlations(folder).load()
    except (WorkspaceError, ValueError):  # not made, or the arrays being lengthened
        assert len(done) < 2
        return
    counted = {str(day)[:10] for day in data.day.values[(data["count"].values > 0).any(axis=0)]}
    assert done <= counted
    assert len(counted - done) <= 1
    for day in counted:
        assert np.isfinite(data.ccf.sel(day=day).values).all()


# --- real processes ---

LAST = "2024-03-10"


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with archive/, stations.csv and params.csv of ten days of six stations."""
    folder = tmp_path_factory.mktemp("job")
    source = noise_source(6, 10)
    for (name, day_ns), record in source.held.items():
        write_mseed(record, name, sds_path(folder / "archive", name, day_ns))
    write_stations(source.table, folder / "stations.csv")
    (folder / "params.csv").write_text(write_params_csv(small_settings(cc_len=1800, cc_step=450)))
    return folder


def start(folder: Path, out: str = "out") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "seisloom", "correlate", "stations.csv", "params.csv", "--source", "sds:archive",
         "--start", DAY, "--end", LAST, "--out", out],
        cwd=folder, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    assert path.exists(), process.communicate()


@pytest.fixture(scope="module")
def undisturbed(job: Path) -> tuple[dict[str, bytes], float]:
    """Objects of the archive, and how long a day takes."""
    process = start(job, "undisturbed")
    wait_for(job / "undisturbed/job.json", process)
    began = time.monotonic()
    assert process.wait() == 0
    return objects(job / "undisturbed"), (time.monotonic() - began) / 10


def finished(folder: Path) -> dict[Path, int]:
    """When every object of the days that are done was written."""
    archive, found = folder / "correlations.zarr", {}
    for mark in folder.glob("done/*.json"):
        number = (np.datetime64(mark.stem) - np.datetime64(DAY)).astype(int)
        found |= {
            p: p.stat().st_mtime_ns for p in (mark, archive / f"ccf/c/0/{number}/0", archive / f"count/c/0/{number}")
        }
    return found


def test_killed_again_and_again(job: Path, undisturbed: tuple[dict[str, bytes], float]) -> None:
    rng, kept = np.random.default_rng(8), dict[Path, int]()
    # While the archive is made, and somewhere in the day after one that is done.
    for sign in ("job.json", *(f"done/2024-03-{day:02d}.json" for day in range(1, 8))):
        process = start(job)
        wait_for(job / "out" / sign, process)
        time.sleep(rng.uniform(0, 1) * undisturbed[1])
        process.kill()
        process.wait()
        now = finished(job / "out")
        assert kept.items() <= now.items(), "a day that was done was written again"
        kept = now
    assert len(kept) >= 7 * 3
    process = start(job)
    text = process.communicate()[0]
    assert process.returncode == 0
    assert "15 pairs on 10 days" in text
    assert objects(job / "out") == undisturbed[0]
    assert kept.items() <= finished(job / "out").items()


def test_ctrl_c_says_how_to_go_on(job: Path, undisturbed: tuple[dict[str, bytes], float]) -> None:
    for _ in range(5):  # on a busy machine the job may be done before the signal comes
        shutil.rmtree(job / "interrupted", ignore_errors=True)
        process = start(job, "interrupted")
        wait_for(job / f"interrupted/done/{DAY}.json", process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=180)
        if process.returncode != 0:
            break
    assert process.returncode in (130, -signal.SIGINT)  # a shell calls both 130
    assert err.strip() == "seisloom: interrupted; the same command continues where it stopped"
    assert out == ""
    assert not (job / f"interrupted/done/{LAST}.json").exists()
    assert start(job, "interrupted").wait() == 0
    assert objects(job / "interrupted") == undisturbed[0]


def test_two_runs_of_one_job_at_once(job: Path, undisturbed: tuple[dict[str, bytes], float]) -> None:
    both = [start(job, "twice"), start(job, "twice")]
    assert [process.wait() for process in both] == [0, 0]
    assert objects(job / "twice") == undisturbed[0]


def test_two_runs_with_different_ends_at_once(tmp_path: Path, whole: dict[str, bytes]) -> None:
    with ThreadPoolExecutor(2) as pool:
        ends = pool.map(lambda end: run(noise_source(4, 3), tmp_path, end), [END, "2024-03-02"])
        assert [len(summary.days) for summary in ends] == [3, 2]
    assert objects(tmp_path) == whole


# --- the same job again ---


def test_a_finished_job_does_nothing(tmp_path: Path) -> None:
    first, again = noise_source(4, 3), noise_source(4, 3)
    told = run(first, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("correlations.zarr/**/*")}
    assert str(run(again, tmp_path)) == str(told)
    assert len(first.asked) == 12
    assert not again.asked
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("correlations.zarr/**/*")} == before


@pytest.mark.parametrize("keep", ["day", "substack", "window"])
def test_later_days_are_added(tmp_path: Path, keep: str) -> None:
    changes = {"keep": keep, "substack_len": 21_600.0, "cc_len": 3600.0, "cc_step": 3600.0}
    run(noise_source(4, 3), tmp_path / "whole", **changes)
    for end in (None, "2024-03-02", END):
        source = noise_source(4, 3)
        run(source, tmp_path / "grown", end, **changes)
        assert {day for _, day in source.asked} == {end or DAY}
    assert objects(tmp_path / "grown") == objects(tmp_path / "whole")
    data = open_correlations(tmp_path / "grown")
    assert len(np.unique(data[data.ccf.dims[1]].values.astype("datetime64[D]"))) == 3


def test_days_may_be_left_out_and_done_later(tmp_path: Path, whole: dict[str, bytes]) -> None:
    source = noise_source(4, 3)
    run(source, tmp_path, None)
    correlate(source.table, small_settings(), source, tmp_path, END, END)
    data = open_correlations(tmp_path).load()
    assert (data["count"].values > 0).all(axis=0).tolist() == [True, False, True]
    assert np.isnan(data.ccf.sel(day="2024-03-02")).all()
    run(source, tmp_path)
    assert objects(tmp_path) == whole
    assert len(source.asked) == 12


def test_earlier_days_are_refused(tmp_path: Path) -> None:
    source = noise_source(4, 3)
    run(source, tmp_path)
    with pytest.raises(WorkspaceError, match=r"begins on 2024-03-01; use another workspace for earlier days"):
        correlate(source.table, small_settings(), source, tmp_path, "2024-02-27", "2024-02-28")


@pytest.mark.parametrize("killed", [False, True])
def test_another_job_is_refused_with_the_differences(tmp_path: Path, killed: bool) -> None:
    source = noise_source(4, 3)
    run(source, tmp_path)
    before = objects(tmp_path, "")
    if killed:  # as if the archive had not been made yet
        Storage(tmp_path).delete(["correlations.zarr/zarr.json"])
    other = noise_source(5, 3)
    other.table = other.table[1:].reset_index(drop=True)
    with pytest.raises(WorkspaceError) as caught:
        correlate(other.table, small_settings(maxlag=40.0, whiten="none"), other, tmp_path, DAY, END)
    text = str(caught.value)
    assert "maxlag is 30.0 there and 40.0 now" in text
    assert "whiten is 'phase' there and 'none' now" in text
    assert "missing now: 1 channel, e.g. XX.S00..MHZ" in text
    assert "new: 1 channel, e.g. XX.S04..MHZ" in text
    assert "use another workspace" in text
    assert "freqmin" not in text
    if not killed:
        assert objects(tmp_path, "") == before
    assert not other.asked


# --- sources that fail ---


def test_a_day_on_which_the_source_failed_is_completed_by_the_next_run(tmp_path: Path, whole: dict[str, bytes]) -> None:
    source = noise_source(4, 3)
    name, day_ns = channel_ids(source.table)[2], DAY_START + DAY_NS
    record = source.held[name, day_ns]
    source.held[name, day_ns] = SourceError("503 from the server, asked 5 times")
    summary = run(source, tmp_path)
    assert [d.failed for d in summary.days] == [False, True, False]
    assert [d.pairs for d in summary.days] == [6, 3, 6]
    problem = summary.problems().iloc[0].to_dict()
    assert problem == {
        "day": "2024-03-02",
        "channel": name,
        "message": "503 from the server, asked 5 times",
        "unused": True,
        "failed": True,
    }
    assert sorted(path.stem for path in tmp_path.glob("done/*")) == [DAY, END]
    data = open_correlations(tmp_path).load()
    touched = (data.channel_a == name) | (data.channel_b == name)
    assert data["count"].values[:, 1].tolist() == [0 if t else 96 for t in touched.values]
    assert np.isnan(data.ccf.values[touched.values, 1]).all()

    source.held[name, day_ns], source.asked = record, []
    assert run(source, tmp_path).problems().empty
    assert {day for _, day in source.asked} == {"2024-03-02"}
    assert not list(tmp_path.glob("incomplete/*"))
    assert objects(tmp_path) == whole


def test_an_incomplete_day_that_turns_out_empty_is_empty(tmp_path: Path) -> None:
    """Nothing of an earlier try remains when a later one finds that nothing can be used."""
    source = noise_source(3, 1)
    names = channel_ids(source.table)
    source.held[names[0], DAY_START] = SourceError("later")
    run(source, tmp_path, None)
    assert open_correlations(tmp_path)["count"].values.sum() == 96
    for name in names:
        source.held.pop((name, DAY_START))
    assert run(source, tmp_path, None).days[0].pairs == 0
    data = open_correlations(tmp_path).load()
    assert np.isnan(data.ccf).all()
    assert (data["count"] == 0).all()


def test_lasting_refusals_do_not_keep_a_day_open(tmp_path: Path) -> None:
    source = noise_source(3, 1)
    refusal = SourceError("403: restricted")
    refusal.lasting = True
    source.held[channel_ids(source.table)[0], DAY_START] = refusal
    run(source, tmp_path, None)
    source.asked = []
    assert "403: restricted" in str(run(source, tmp_path, None))
    assert not source.asked


def test_an_outage_stops_the_run_and_keeps_what_is_done(tmp_path: Path, whole: dict[str, bytes]) -> None:
    source = noise_source(4, 3)
    held = dict(source.held)
    source.held |= {key: SourceError("connection refused") for key in held if key[1] > DAY_START}
    with pytest.raises(SourceError, match=r"2024-03-02: records: failed for the first 4 channels: connection refused"):
        run(source, tmp_path)
    assert [path.stem for path in tmp_path.glob("done/*")] == [DAY]
    source.held = held
    run(source, tmp_path)
    assert objects(tmp_path) == whole


def test_an_error_in_the_progress_report_stops_the_run_and_no_more(tmp_path: Path, whole: dict[str, bytes]) -> None:
    def stop(step: Progress) -> None:
        if step.days_done == 1 and step.pairs_done:
            raise KeyboardInterrupt

    source = noise_source(4, 3)
    with pytest.raises(KeyboardInterrupt):
        correlate(source.table, small_settings(), source, tmp_path, DAY, END, progress=stop)
    run(source, tmp_path)
    assert objects(tmp_path) == whole


# --- where the workspace is ---


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"], region_name="us-east-1").create_bucket(
        Bucket="noise"
    )
    yield "s3://noise/jobs/one"
    server.stop()


def test_an_object_store_holds_the_same(bucket: str, tmp_path: Path) -> None:
    source = noise_source(2, 3)
    run(source, bucket, "2024-03-02")
    assert run_until_killed(bucket, [END], 6).names[-1] == "correlations.zarr/ccf/zarr.json"
    summary = run(source, bucket)
    assert summary.workspace == bucket
    run(source, tmp_path)
    assert objects(bucket) == objects(tmp_path)
    stack_correlations(bucket, "pws")
    stack_correlations(tmp_path, "pws")
    xr.testing.assert_identical(open_stacks(bucket).load(), open_stacks(tmp_path).load())
    with pytest.raises(WorkspaceError, match="holds another job"):
        run(source, bucket, maxlag=40.0)


def test_a_bucket_that_is_not_there_is_said_so(bucket: str) -> None:
    with pytest.raises(WorkspaceError, match=r"s3://nowhere/x/job\.json: cannot be written"):
        run(noise_source(4, 3), "s3://nowhere/x")


def test_places_that_cannot_be_written_are_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    source = noise_source(4, 3)
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(WorkspaceError, match=f"{place}: cannot be used as a workspace"):
            run(source, place)
    assert not source.asked
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(WorkspaceError, match=r"cannot be used as a workspace|no permission to write"):
        run(noise_source(4, 3), tmp_path / "new")


@pytest.mark.parametrize("text", ["{", '{"settings": {}}', ""])
def test_a_damaged_job_card_is_named(tmp_path: Path, text: str) -> None:
    source = noise_source(4, 3)
    run(source, tmp_path)
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(WorkspaceError, match=r"job\.json: damaged"):
        run(source, tmp_path)


def test_settings_that_contradict_are_refused_before_a_workspace_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        CorrelationSettings(freqmax=9.0)
    source = noise_source(4, 3)
    with pytest.raises(InputError, match="no pairs left"):
        run(source, tmp_path / "new", min_distance_km=900.0)
    assert not (tmp_path / "new" / "job.json").exists()


def test_the_card_and_lists_say_what_the_workspace_is(tmp_path: Path) -> None:
    source = noise_source(4, 3)
    run(source, tmp_path)
    card = json.loads((tmp_path / "job.json").read_text())
    assert card["channels"] == channel_ids(source.table)
    assert card["first_day"] == DAY
    assert card["source"] == "records:"
    assert read_settings(tmp_path / "params.csv") == small_settings()
    assert channel_ids(read_stations(tmp_path / "stations.csv")) == card["channels"]
