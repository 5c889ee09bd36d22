"""One worker: what it makes of jobs that succeed, cannot be done, break down, or are taken from it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seisloom.errors import WorkspaceError
from seisloom.jobs import Board, Limits, Sources, submit
from seisloom.jobs.discretion import discreet
from seisloom.jobs.logfile import LARGEST, LogFile
from seisloom.jobs.task import ABANDONED
from seisloom.jobs.worker import MAX_CRASHES, MAX_LOSSES
from seisloom.storage import Storage
from tests.job_workers import (
    PATIENCE_S,
    alive,
    archive,
    children_of,
    days_done,
    drain,
    names,
    start_worker,
    tiny_request,
    undisturbed,
    until,
    working,
)
from tests.object_stores import NewWorkspace

DAYS = 6
LONG = 20
"""Days of a job that is not finished before a test has done something to it."""


@pytest.fixture
def workspace(tmp_path: Path) -> str:
    return str(tmp_path / "workspace")


@pytest.fixture
def board(workspace: str) -> Board:
    return Board(Storage(workspace, create=True))


def job_process() -> int | None:
    """The child that works at a job for a worker in this process."""
    for pid in children_of(os.getpid()):
        if b"seisloom.jobs.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return None


def log_of(board: Board, job_id: str) -> str:
    return (board.storage.get(f"processed/{job_id}/log.txt") or b"").decode()


# --- jobs that succeed ---


@pytest.mark.parametrize("object_store", ["folder", "radosgw"], indirect=True)
def test_a_job_from_submission_to_the_archive(object_store: NewWorkspace) -> None:
    workspace, request = object_store(), tiny_request(DAYS, name="Umbria")
    board = Board(Storage(workspace, create=True))
    job_id = submit(board, request)
    told = drain(workspace)
    job = board.job(job_id)
    assert (job.state, job.attempts, job.message) == ("done", 1, "")
    assert job.result | {"seconds": 0} == {
        "days": DAYS, "days_without_pairs": 0, "pairs": 6, "windows": DAYS * 6 * 24, "channel_days": 4 * DAYS,
        "problems": 0, "seconds": 0,
    }  # fmt: skip
    assert names(board.storage, job_id) == ["submitted", "claimed", "finished"]
    assert archive(workspace, job_id) == undisturbed(DAYS)
    assert board.storage.get_json(f"processed/{job_id}/job.json")["source"] == "tiny"
    progress = board.progress(job_id)
    assert (progress["days_done"], progress["days"], progress["pairs_done"]) == (DAYS, DAYS, 6)
    assert f"{job_id}: claimed (correlation, Umbria, attempt 1)" in told
    assert f"{job_id}: {DAYS} of {DAYS} days done" in told
    assert told[-1] == f"{job_id}: finished"
    log = log_of(board, job_id).splitlines()
    assert re.fullmatch(rf"= \d{{4}}-.* UTC, attempt 1, worker {re.escape(str(job.worker))}", log[0])
    assert [line.partition(":")[0] for line in log[1:]] == [f"2024-03-0{n}" for n in range(1, DAYS + 1)]


def test_a_second_attempt_adds_to_the_log_and_does_nothing_twice(workspace: str, board: Board) -> None:
    job_id = submit(board, tiny_request(2))
    drain(workspace)
    marks = {key: board.storage.get(key) for key in board.storage.keys(f"processed/{job_id}/done")}
    board.retry(job_id)
    drain(workspace)
    assert {key: board.storage.get(key) for key in board.storage.keys(f"processed/{job_id}/done")} == marks
    log = log_of(board, job_id)
    assert log.count("= ") == 2
    assert log.count("2024-03-01: 6 pairs") == 1
    assert board.job(job_id).attempts == 1


def test_files_copied_by_another_program_are_done(workspace: str, board: Board) -> None:
    """The original way: stations.csv and params.csv, here with a pause in between, and the worker's own source."""
    request = tiny_request(2)
    folder = Path(workspace) / "incoming" / "by-hand"
    with working(workspace) as (_, told):
        folder.mkdir(parents=True)
        files = request.files()
        table = request.channels.assign(start="2024-03-01", end="2024-03-02").rename(
            columns={"network": "Network", "station": "Station", "location": "Location", "channel": "Channel",
                     "latitude": "Latitude", "longitude": "Longitude", "start": "StartDate", "end": "EndDate"}
        )  # fmt: skip
        text = table[["Network", "Station", "Location", "Channel", "Latitude", "Longitude", "StartDate", "EndDate"]]
        with (folder / "stations.csv").open("w") as slow:
            for line in text.to_csv(index=False).splitlines(keepends=True):
                slow.write(line)
                slow.flush()
                time.sleep(0.05)
        (folder / "params.csv").write_bytes(files["params.csv"])
        until(lambda: any(job.state == "done" for job in board.jobs()))
    job = board.job("by-hand")
    assert "by-hand found in incoming/" in told
    assert (job.attempts, job.result["days"]) == (1, 2)
    held = archive(workspace, "by-hand")
    for n in range(2):
        shard = f"correlations.zarr/ccf/c/0/{n}/0"
        assert held[shard] == undisturbed(DAYS)[shard]


# --- jobs that cannot be done ---


def test_jobs_that_cannot_be_done_fail_in_words_and_the_worker_goes_on(workspace: str, board: Board) -> None:
    storage = board.storage
    broken = {
        "card": r"incoming/card/job\.json: damaged, not valid JSON",
        "params": r"incoming/params/params\.csv: 1 fault\n  - freqmax 77 Hz",
        "large": r"too large: 4 channels \(at most 3\)",
    }
    for job_id in broken:
        for name, data in tiny_request(2).files().items():
            storage.put(f"incoming/{job_id}/{name}", data)
    storage.put("incoming/card/job.json", b"{")
    storage.put("incoming/params/params.csv", b"fs,freqmax\n1,77\n")
    wrong = submit(board, tiny_request(2, "nowhere"))
    told = drain(workspace, limits=Limits(channels=3), settle_s=0.3)
    for job_id, words in broken.items():
        assert board.job(job_id).state == "failed"
        assert re.search(words, board.job(job_id).message), board.job(job_id).message
    assert all(names(storage, job_id) == ["submitted", "claimed", "failed"] for job_id in (*broken, wrong))
    assert "too large" in log_of(board, "large")
    assert sum(": failed: " in line for line in told) == 4

    assert [line for line in drain(workspace) if "claimed" in line] == []  # what has failed is left alone
    board.retry(wrong), board.retry("large")
    drain(workspace)  # without the limit
    assert board.job("large").state == "done"
    assert "source 'nowhere' is not allowed here" in board.job(wrong).message


# --- attempts that break down ---


def test_a_job_whose_process_is_killed_is_tried_again(workspace: str, board: Board) -> None:
    """As often as it gets further: here it is killed whenever it has finished another day or two."""
    job_id = submit(board, tiny_request(DAYS))
    kills = 0
    with working(workspace):
        for days in (1, 2, 4):
            until(lambda days=days: days_done(board.storage, job_id) >= days)
            if pid := job_process():
                os.kill(pid, signal.SIGKILL)
                kills += 1
                until(lambda pid=pid: not alive(pid))
        until(lambda: board.job(job_id).state == "done", names(board.storage, job_id).__str__)
    assert kills >= 2
    history = names(board.storage, job_id)
    assert history.count("finished") == 1
    assert history.count("released") == kills
    assert archive(workspace, job_id) == undisturbed(DAYS)
    assert "broken: the process was ended by SIGKILL, perhaps because memory ran out" in log_of(board, job_id)


def test_a_job_that_breaks_down_again_and_again_fails(workspace: str, board: Board) -> None:
    bad, good = submit(board, tiny_request(LONG)), submit(board, tiny_request(1))
    with working(workspace):
        for attempt in range(1, MAX_CRASHES + 1):
            until(lambda attempt=attempt: board.job(bad).attempts == attempt)
            os.kill(until(job_process), signal.SIGSEGV)
        until(lambda: board.job(bad).state == "failed")
        until(lambda: board.job(good).state == "done")
    job = board.job(bad)
    assert names(board.storage, bad).count("released") == MAX_CRASHES
    assert f"{MAX_CRASHES} attempts in a row broke down and got no further (0 days done)" in job.message
    assert "the process was ended by SIGSEGV" in job.message
    assert "The log ends with:" in job.message
    assert board.retry(bad).state == "waiting"
    assert board.job(bad).crashes == 0


def test_a_job_that_loses_one_worker_after_another_fails(workspace: str) -> None:
    board = Board(Storage(workspace, create=True), stale_after_s=0.0)
    job_id = submit(board, tiny_request(1))
    for n in range(MAX_LOSSES + 1):
        until(lambda n=n: board.claim(f"dies{n}"))
    with working(workspace, stale_s=1.0):
        until(lambda: board.job(job_id).state == "failed")
    assert "the last worker was no longer heard of" in board.job(job_id).message


def test_what_is_told_of_an_attempt_holds_no_path_of_this_machine(tmp_path: Path) -> None:
    sources = Sources({"local": "sds:/srv/data", "sc": "fdsn:SCEDC"}, f"files:{tmp_path}/own")
    tidy = discreet(str(tmp_path / "ws"), sources)
    for text, shown in {
        f'File "{os.__file__}", line 3, in x': 'File ".../os.py", line 3, in x',
        f"{tmp_path}/ws/processed/a/job.json: damaged": "the workspace/processed/a/job.json: damaged",
        f"{tmp_path}/wsx/a: no": ".../a: no",
        "sds:/srv/data failed: sds:/srv/data/XX": "local failed: local/XX",
        f"files:{tmp_path}/own failed": "the default source failed",
        "http://service.scedc.caltech.edu/fdsnws: 503": "http://service.scedc.caltech.edu/fdsnws: 503",
        "0.5/1.5 m/s of data": "0.5/1.5 m/s of data",
    }.items():
        assert tidy(text) == shown
    assert discreet("data", sources)(f"no data in {Path('data').resolve()}/a") == "no data in the workspace/a"


def test_a_job_reaches_no_private_address(workspace: str, board: Board) -> None:
    """A data centre that the job names is refused by the process that works, whatever it is told to ask."""
    listener = socket.create_server(("127.0.0.1", 0))
    job_id = submit(board, tiny_request(1, f"fdsn:http://127.0.0.1:{listener.getsockname()[1]}"))
    drain(workspace)
    job = board.job(job_id)
    assert job.state == "failed"
    assert "127.0.0.1" in job.message
    listener.settimeout(0)
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()


# --- what others do to a job meanwhile ---


def test_cancel_retry_and_delete_while_it_runs(workspace: str, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = submit(board, tiny_request(LONG))
    with working(workspace, stale_s=3.0) as (_, told):
        until(lambda: days_done(board.storage, job_id) >= 2)
        pid = job_process()
        assert pid
        assert board.cancel(job_id).state == "cancelled"
        until(lambda: not alive(pid))
        until(lambda: f"{job_id}: cancelled" in told)
        kept = days_done(board.storage, job_id)
        time.sleep(0.5)
        assert 2 <= kept == days_done(board.storage, job_id) < LONG
        assert board.job(job_id).state == "cancelled"

        board.retry(job_id)
        until(lambda: days_done(board.storage, job_id) > kept)
        assert board.progress(job_id)["days_done"] >= kept
        monkeypatch.setattr(board, "clear", lambda _: None)  # whoever deletes it ends before the files are removed
        board.delete(job_id)
        until(lambda: f"{job_id}: deleted" in told)
        assert not job_process()
        assert {key.split("/")[0] for key in board.storage.keys("")} == {"jobs"}
        assert board.jobs() == []
    assert names(board.storage, job_id) == ["submitted", "claimed", "cancelled", "retried", "claimed", "deleted"]


def test_a_worker_that_is_told_to_end_gives_its_job_back(workspace: str, board: Board) -> None:
    job_id = submit(board, tiny_request(LONG))
    for number in (signal.SIGTERM, signal.SIGINT):
        worker = start_worker(workspace)
        before = board.job(job_id).attempts
        until(lambda before=before: board.job(job_id).attempts > before)
        pid = until(lambda worker=worker: children_of(worker.pid))[0]
        worker.send_signal(number)
        out, _ = worker.communicate(timeout=PATIENCE_S)
        assert worker.returncode == 0, out
        assert f"{job_id}: given back" in out.decode()
        assert not alive(pid)
        assert board.job(job_id).state == "waiting"
    assert names(board.storage, job_id) == ["submitted", *["claimed", "released"] * 2]
    assert (board.job(job_id).crashes, board.job(job_id).losses) == (0, 0)


WATCHING = "from seisloom.jobs.child import end_with_worker as watch; print('ready', flush=True); watch({})"


@pytest.mark.parametrize("closed", [True, False])
def test_a_job_process_does_not_outlive_the_signs_of_its_worker(closed: bool) -> None:
    """Whatever it computes: here it does nothing but watch. The end of the pipe is a sign that needs no patience."""
    patience_s = 10 * PATIENCE_S if closed else 2.0
    code = WATCHING.format(patience_s)
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin
    assert child.stdout
    assert child.stdout.readline() == b"ready\n"
    for _ in range(10):
        child.stdin.write(b"\n")
        child.stdin.flush()
        time.sleep(0.25)
        assert child.poll() is None
    if closed:
        child.stdin.close()
    assert child.wait(PATIENCE_S) == ABANDONED


def test_the_job_process_ends_with_its_worker(workspace: str, board: Board) -> None:
    job_id = submit(board, tiny_request(LONG))
    worker = start_worker(workspace)
    until(lambda: days_done(board.storage, job_id) >= 1)
    pids = children_of(worker.pid)
    assert len(pids) == 1
    worker.kill()
    worker.communicate()
    until(lambda: not alive(pids[0]))
    assert names(board.storage, job_id) == ["submitted", "claimed"]


@pytest.mark.parametrize("with_child", [False, True])
def test_a_worker_that_wakes_after_it_was_succeeded_does_no_harm(
    workspace: str, board: Board, with_child: bool
) -> None:
    job_id = submit(board, tiny_request(LONG))
    zombie = start_worker(workspace, stale_s=2.0)
    until(lambda: days_done(board.storage, job_id) >= 1)
    pids = children_of(zombie.pid)
    for pid in [zombie.pid, *(pids if with_child else [])]:
        os.kill(pid, signal.SIGSTOP)
    if not with_child:  # the child is on its own, and ends by itself
        until(lambda: not alive(pids[0]))
    done_by_zombie = days_done(board.storage, job_id)
    with working(workspace, stale_s=2.0):
        until(lambda: board.job(job_id).attempts == 2)
        until(lambda: days_done(board.storage, job_id) > done_by_zombie)
        for pid in [*(pids if with_child else []), zombie.pid]:
            os.kill(pid, signal.SIGCONT)
        until(lambda: board.job(job_id).state == "done")
    until(lambda: not alive(pids[0]))
    zombie.terminate()
    out, _ = zombie.communicate(timeout=PATIENCE_S)
    assert f"{job_id}: taken over" in out.decode()
    assert names(board.storage, job_id) == ["submitted", "claimed", "claimed", "finished"]
    assert board.progress(job_id)["claim"] == 3
    assert archive(workspace, job_id) == undisturbed(LONG)


# --- a store that cannot be reached ---


class Switched(Storage):
    """A store that can be cut off."""

    cut = False

    def _check(self) -> None:
        if self.cut:
            raise WorkspaceError(f"{self.url}: cannot be read: connection refused")

    def put(self, key: str, data: bytes) -> None:
        self._check()
        super().put(key, data)

    def put_new(self, key: str, data: bytes) -> bool:
        self._check()
        return super().put_new(key, data)

    def get(self, key: str) -> bytes | None:
        self._check()
        return super().get(key)

    def keys(self, prefix: str) -> list[str]:
        self._check()
        return super().keys(prefix)


def test_a_store_that_cannot_be_reached_for_a_moment_disturbs_nobody(workspace: str) -> None:
    storage = Switched(workspace, create=True)
    board = Board(Storage(workspace))
    job_id = submit(board, tiny_request(8))
    with working(storage, stale_s=30.0) as (_, told):
        until(lambda: days_done(board.storage, job_id) >= 1)
        storage.cut = True
        until(lambda: any("connection refused" in line for line in told))
        storage.cut = False
        until(lambda: board.job(job_id).state == "done")
        storage.cut = True  # while idle, too
        until(lambda: any("trying again in 1 s" in line for line in told))
        storage.cut = False
        other = submit(board, tiny_request(1))
        until(lambda: board.job(other).state == "done")
    assert names(board.storage, job_id) == ["submitted", "claimed", "finished"]


def test_a_worker_that_is_cut_off_for_long_stops_its_child_and_begins_again(workspace: str) -> None:
    storage = Switched(workspace, create=True)
    board = Board(Storage(workspace))
    job_id = submit(board, tiny_request(LONG))
    with working(storage, stale_s=2.0):
        until(lambda: days_done(board.storage, job_id) >= 1)
        pid = job_process()
        assert pid
        storage.cut = True
        until(lambda: not alive(pid))
        done = days_done(board.storage, job_id)
        storage.cut = False
        until(lambda: board.job(job_id).attempts == 2)
        until(lambda: days_done(board.storage, job_id) > done)
    job = board.job(job_id)
    assert (job.crashes, job.losses) == (0, 0)
    assert names(board.storage, job_id)[:4] == ["submitted", "claimed", "released", "claimed"]


def test_the_end_of_a_job_is_said_as_soon_as_the_store_is_there_again(workspace: str) -> None:
    storage = Switched(workspace, create=True)
    board = Board(Storage(workspace))
    job_id = submit(board, tiny_request(2))
    with working(storage, stale_s=30.0) as (_, told):
        until(lambda: days_done(board.storage, job_id) >= 1)
        storage.cut = True
        until(lambda: board.storage.get(f"processed/{job_id}/summary.json"))
        until(lambda: not job_process())
        until(lambda: any("trying again" in line for line in told))
        storage.cut = False
        until(lambda: board.job(job_id).state == "done")
    assert names(board.storage, job_id) == ["submitted", "claimed", "finished"]


# --- the log ---


def test_the_log_is_bounded_and_keeps_its_end(board: Board) -> None:
    log = LogFile(board.storage, "a")
    log.add("= first attempt")
    for n in range(30_000):
        log.add(f"line {n:06d} äö")
    log.write()
    text = log_of(board, "a")
    assert LARGEST * 0.9 < len(text) < LARGEST * 1.1
    assert text.startswith("(earlier lines are left out)\nline 0")
    assert text.endswith("line 029999 äö\n")
    again = LogFile(board.storage, "a")
    again.add("= second attempt")
    again.add("bang")
    again.write()
    assert log_of(board, "a").endswith("line 029999 äö\n= second attempt\nbang\n")
    assert again.tail() == "bang"


def test_the_log_is_written_only_when_it_has_grown(board: Board) -> None:
    writes: list[str] = []

    class Noting(Storage):
        def put(self, key: str, data: bytes) -> None:
            writes.append(key)
            super().put(key, data)

    log = LogFile(Noting(board.storage.url), "a")
    log.write()
    log.add("x")
    log.write()
    log.write()
    assert writes == ["processed/a/log.txt"]
