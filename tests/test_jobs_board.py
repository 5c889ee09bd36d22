"""The board: one order of events for everybody, whoever writes at once."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from seisloom.errors import WorkspaceError
from seisloom.jobs import Board, Claim, Job, JobStateError, NoSuchJobError
from seisloom.jobs.log import TRANSITIONS, fold
from seisloom.storage import Storage
from tests.job_workers import events, names
from tests.object_stores import NewWorkspace

FILES = {"stations.csv": b"a", "params.csv": b"b"}


@pytest.fixture
def storage(tmp_path: Any) -> Storage:
    return Storage(tmp_path)


@pytest.fixture
def board(storage: Storage) -> Board:
    return Board(storage)


def put(board: Board, name: str = "") -> str:
    return board.submit("correlation", name, FILES)


def claim(board: Board, worker: str = "w") -> Claim:
    claimed = board.claim(worker)
    assert claimed
    return claimed


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """What actions give, or the errors of users, each in a thread and let go together."""
    barrier = Barrier(len(actions))

    def one(action: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return action()
        except (JobStateError, NoSuchJobError) as error:
            return error

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(one, actions))


def check_histories(storage: Storage) -> None:
    """Every event follows on those before it."""
    for job_id in {key.split("/")[1] for key in storage.keys("jobs")}:
        history = events(storage, job_id)
        for n in range(len(history)):
            before = fold(job_id, history[:n])
            assert history[n]["event"] in TRANSITIONS[before.state if before else None], names(storage, job_id)


# --- the life of a job ---


def test_from_submission_to_the_end(board: Board, storage: Storage) -> None:
    job_id = put(board, "Italy")
    assert {key: storage.get(key) for key in storage.keys("incoming")} == {
        f"incoming/{job_id}/{name}": data for name, data in FILES.items()
    }
    job = board.job(job_id)
    assert (job.state, job.name, job.kind, job.attempts) == ("waiting", "Italy", "correlation", 0)
    held = claim(board)
    assert held.beat({"stage": "records"})
    assert board.progress(job_id)["stage"] == "records"
    assert board.job(job_id).state == "running"
    assert held.finish({"pairs": 3}, "all well")
    job = board.job(job_id)
    assert (job.state, job.result, job.message, job.worker) == ("done", {"pairs": 3}, "all well", "w")
    assert board.claim("w") is None
    assert not held.beat({})
    assert not held.fail("there is an end already")


def test_the_oldest_job_comes_first_and_the_newest_is_listed_first(board: Board) -> None:
    ids = []
    for name in "abc":
        ids.append(put(board, name))
        time.sleep(0.002)
    assert [job.id for job in board.jobs()] == ids[::-1]
    assert [claim(board).job.id for _ in ids] == ids


def test_a_job_that_was_given_back_is_claimed_again(board: Board) -> None:
    job_id = put(board)
    claim(board).release()
    assert claim(board, "other").job.id == job_id
    assert board.job(job_id).attempts == 2


@pytest.mark.parametrize("ended", ["finish", "fail", "cancel"])
def test_ended_jobs_can_be_retried(board: Board, ended: str) -> None:
    job_id = put(board)
    held = claim(board)
    {"finish": lambda: held.finish({}), "fail": lambda: held.fail("x"), "cancel": lambda: board.cancel(job_id)}[ended]()
    assert board.retry(job_id).state == "waiting"
    with pytest.raises(JobStateError, match="is waiting: it has not ended yet"):
        board.retry(job_id)
    assert not held.holds()
    assert claim(board).job.id == job_id


def test_cancelling_what_has_ended_is_refused(board: Board) -> None:
    job_id = put(board)
    claim(board).finish({})
    with pytest.raises(JobStateError, match="is done: nothing to cancel"):
        board.cancel(job_id)


def test_a_deleted_job_is_gone_and_its_id_stays_taken(board: Board, storage: Storage) -> None:
    job_id = put(board)
    held = claim(board)
    held.beat({})
    storage.put(f"processed/{job_id}/correlations.zarr/zarr.json", b"")
    board.delete(job_id)
    assert board.jobs() == []
    for ask in (board.job, board.cancel, board.retry, board.delete):
        with pytest.raises(NoSuchJobError):
            ask(job_id)
    assert storage.keys("incoming") == storage.keys("processed") == []
    assert board.claim("w") is None
    assert not board.adopt(job_id, "correlation", "")
    with pytest.raises(JobStateError, match="there is one of this id already"):
        board.submit("correlation", "", FILES, job_id)


def test_an_id_that_is_there_keeps_its_files(board: Board, storage: Storage) -> None:
    board.submit("correlation", "", FILES, "mine")
    with pytest.raises(JobStateError, match="job mine: there is one of this id already"):
        board.submit("correlation", "", {"params.csv": b"other"}, "mine")
    assert storage.get("incoming/mine/params.csv") == b"b"


@pytest.mark.parametrize("job_id", ["", "..", "a/b", "../a", "a..b", ".hidden", "a b", "ä", "a" * 101, "a\n"])
def test_ids_that_could_be_paths_are_refused(board: Board, job_id: str) -> None:
    for ask in (board.job, board.progress, board.cancel, board.retry, board.delete):
        with pytest.raises(NoSuchJobError, match="is no job id"):
            ask(job_id)
    with pytest.raises(NoSuchJobError):
        board.adopt(job_id, "correlation", "")


# --- the dead ---


def test_a_worker_that_is_not_heard_of_is_succeeded(storage: Storage) -> None:
    looking, job_id = Board(storage, stale_after_s=0.2), put(Board(storage))
    first = claim(Board(storage), "first")
    for beat in range(8):  # as long as it beats, it lives
        first.beat({"days_done": beat})
        assert looking.claim("second") is None
        time.sleep(0.05)
    time.sleep(0.25)
    second = claim(looking, "second")
    assert second.job.id == job_id
    assert (second.job.done, second.job.losses, second.job.attempts) == (7, 0, 2)
    assert not first.beat({})
    assert not first.finish({"pairs": 1})
    assert second.finish({"pairs": 2})
    assert looking.job(job_id).result == {"pairs": 2}


def test_a_claim_without_any_beat_becomes_stale_too(storage: Storage) -> None:
    put(Board(storage))
    looking = Board(storage, stale_after_s=0.1)
    claim(looking, "first")
    assert looking.claim("second") is None
    time.sleep(0.15)
    assert claim(looking, "second").job.losses == 1


def test_jobs_of_a_worker_that_is_known_to_be_dead_are_given_back(board: Board) -> None:
    ids = {put(board), put(board)}
    claim(board, "dead"), claim(board, "alive")
    board.release("dead")
    assert sorted(job.state for job in board.jobs()) == ["running", "waiting"]
    again = claim(board, "other").job
    assert again.id in ids
    assert (again.losses, again.crashes) == (1, 0)


# --- many at once ---


def test_a_job_has_one_claim(object_store: NewWorkspace) -> None:
    storage = Storage(object_store(), create=True)
    boards = [Board(storage) for _ in range(4)]
    ids = sorted(put(boards[0]) for _ in range(6))

    def take(board: Board, me: str) -> list[str]:
        taken = []
        while held := board.claim(me):
            taken.append(held.job.id)
        return taken

    taken = at_once(*[lambda board=board, n=n: take(board, f"w{n}") for n, board in enumerate(boards)])
    assert sorted(job_id for some in taken for job_id in some) == ids
    check_histories(storage)
    assert all(names(storage, job_id) == ["submitted", "claimed"] for job_id in ids)


@pytest.mark.parametrize("seed", range(5))
def test_of_an_end_and_a_cancellation_one_happens(board: Board, storage: Storage, seed: int) -> None:
    job_id = put(board)
    held = claim(board)
    other = Board(storage)
    ends = [lambda: held.finish({}), lambda: other.cancel(job_id), lambda: Board(storage).cancel(job_id)]
    order = np.random.default_rng(seed).permutation(3)
    outcomes = dict(zip(order, at_once(*[ends[i] for i in order]), strict=True))
    won = [outcomes[0] is True, isinstance(outcomes[1], Job), isinstance(outcomes[2], Job)]
    assert sum(won) == 1
    assert names(storage, job_id) == ["submitted", "claimed", "finished" if won[0] else "cancelled"]
    assert [isinstance(outcomes[i], JobStateError) for i in (1, 2)] == [not won[1], not won[2]]


def test_anything_at_once_leaves_a_sound_history(object_store: NewWorkspace) -> None:
    """Clients and workers that do what comes to their mind, each with a board of its own."""
    url = object_store()
    ids = [put(Board(Storage(url, create=True))) for _ in range(3)]

    def end(held: Claim, how: int) -> None:
        [lambda: held.finish({}), lambda: held.fail("no"), held.release][how]()

    def act(seed: int) -> None:
        rng, board = np.random.default_rng(seed), Board(Storage(url), stale_after_s=0.02)
        for _ in range(12):
            job_id = ids[rng.integers(3)]
            try:
                match rng.integers(5):
                    case 0 | 1:
                        if held := board.claim(f"w{seed}"):
                            held.beat({"days_done": int(rng.integers(3))})
                            end(held, rng.integers(3))
                    case 2:
                        board.cancel(job_id)
                    case _:
                        board.retry(job_id)
            except JobStateError:
                pass

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(act, range(6)))
    storage = Storage(url)
    check_histories(storage)
    assert sum(len(events(storage, job_id)) for job_id in ids) > 10
    views = [{job.id: job for job in Board(Storage(url)).jobs()} for _ in range(2)]
    assert views[0] == views[1] == {job_id: fold(job_id, events(storage, job_id)) for job_id in ids}


CLAIMS = """
import sys
from seisloom.jobs import Board
from seisloom.storage import Storage
board = Board(Storage(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
while held := board.claim(sys.argv[2]):
    print(held.job.id, flush=True)
    held.finish({"by": sys.argv[2]})
"""


def test_processes_share_the_jobs(object_store: NewWorkspace) -> None:
    url = object_store()
    board = Board(Storage(url, create=True))
    ids = sorted(put(board) for _ in range(12))
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMS, url, f"w{n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for n in range(3)
    ]
    assert [worker.stdout.readline() for worker in workers if worker.stdout] == ["ready\n"] * 3
    taken = {f"w{n}": worker.communicate("go\n", timeout=180)[0].split() for n, worker in enumerate(workers)}
    assert sorted(job_id for some in taken.values() for job_id in some) == ids
    for worker, some in taken.items():
        assert [board.job(job_id).result for job_id in some] == [{"by": worker}] * len(some)


# --- stores that fail, and objects that are not what they should be ---


class Flaky(Storage):
    """Writes events, and says all the same that it could not, or finds what it wrote itself a moment ago."""

    answer: str = ""

    def put_new(self, key: str, data: bytes) -> bool:
        made = super().put_new(key, data)
        if self.answer == "error":
            raise WorkspaceError(f"{key}: cannot be written: timeout")
        return made and self.answer != "exists"


def test_a_write_that_the_store_repeated_by_itself_counts_once(tmp_path: Any) -> None:
    storage = Flaky(tmp_path)
    board = Board(storage)
    put(board)
    storage.answer = "exists"
    held = claim(board)
    assert held.finish({})


def test_an_end_of_which_the_answer_was_lost_can_be_said_again(tmp_path: Any) -> None:
    storage = Flaky(tmp_path)
    board = Board(storage)
    job_id = put(board)
    held = claim(board)
    storage.answer = "error"
    with pytest.raises(WorkspaceError):
        held.finish({"pairs": 1})
    storage.answer = ""
    assert held.finish({"pairs": 1})
    assert not held.fail("another end is none")
    assert names(storage, job_id) == ["submitted", "claimed", "finished"]


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"null", b'{"event": 3}', b'{"event": "finished"}', b"\xff\xfe"])
def test_an_event_that_cannot_be_read_stops_nobody(board: Board, storage: Storage, data: bytes) -> None:
    damaged, sound = put(board), put(board)
    storage.put(f"jobs/{damaged}/000002.json", data)
    fresh = Board(storage)
    assert {job.id: job.state for job in fresh.jobs()} == {damaged: "waiting", sound: "waiting"}
    held = {(c := claim(fresh)).job.id: c for _ in range(2)}
    assert held[damaged].number == 3
    assert held[damaged].finish({})


def test_objects_that_are_no_events_are_passed_over(board: Board, storage: Storage) -> None:
    job_id = put(board)
    for key in ("jobs/readme.txt", "jobs/x/y/000001.json", f"jobs/{job_id}/1.json", f"jobs/{job_id}/000002.json.bak"):
        storage.put(key, b"{}")
    storage.put(f"jobs/{job_id}/progress.json", b"[")
    assert [job.id for job in board.jobs()] == [job_id]
    assert board.progress(job_id) == {}
    assert claim(board).number == 2


def test_a_listing_that_passed_over_an_event_changes_nothing(tmp_path: Any) -> None:
    """Of a folder to which others write while it is listed, a newer file may be seen and an older one not."""

    class Late(Storage):
        hidden = ""

        def keys(self, prefix: str) -> list[str]:
            return [key for key in super().keys(prefix) if not self.hidden or not key.endswith(self.hidden)]

    storage = Late(tmp_path)
    board = Board(storage)
    job_id = put(board)
    claim(board).finish({})
    storage.hidden = "000002.json"
    assert (board.job(job_id).state, board.job(job_id).number) == ("waiting", 1)
    assert board.claim("w") is None
    storage.hidden = ""
    assert names(storage, job_id) == ["submitted", "claimed", "finished"]


# --- many jobs ---


class Counting(Storage):
    """Counts what is asked of the store."""

    listed = read = 0

    def keys(self, prefix: str) -> list[str]:
        self.listed += 1
        return super().keys(prefix)

    def get(self, key: str) -> bytes | None:
        self.read += 1
        return super().get(key)


@pytest.fixture
def thousand(tmp_path: Any) -> Counting:
    storage = Counting(tmp_path)
    for n in range(1000):
        for number, name in enumerate(["submitted", "claimed", "finished"], start=1):
            data = {"event": name, "at": f"2024-03-01T00:00:{n % 60:02d}", "by": "w", "kind": "correlation", "name": ""}
            storage.put(f"jobs/job{n:04d}/{number:06d}.json", json.dumps(data).encode())
        storage.put(f"jobs/job{n:04d}/progress.json", b"{}")
    return storage


def test_a_thousand_finished_jobs_cost_one_listing(thousand: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(thousand)
    assert len(board.jobs()) == 1000
    assert thousand.read == 3000
    thousand.listed = thousand.read = 0
    # What has ended is not put together again.
    monkeypatch.setattr("seisloom.jobs.board.fold", Mock(side_effect=AssertionError))
    began = time.process_time()
    assert len(board.jobs()) == 1000
    took = time.process_time() - began
    assert board.claim("w") is None
    assert (thousand.listed, thousand.read) == (2, 0)
    assert took < 1.0
