"""Jobs that other programs put into a workspace as files, one after another and piece by piece."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from seisloom.jobs import Board
from seisloom.jobs.upkeep import Foreign, listing, sweep
from seisloom.storage import Storage
from tests.job_workers import names, tiny_request
from tests.object_stores import NewWorkspace

SETTLE_S = 0.15
FILES = tiny_request().files()
CSV = {name: FILES[name] for name in ("stations.csv", "params.csv")}


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


@pytest.fixture
def board(storage: Storage) -> Board:
    return Board(storage)


@pytest.fixture
def foreign(board: Board, told: list[str]) -> Foreign:
    return Foreign(board, told.append, SETTLE_S)


def put(storage: Storage, folder: str, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        storage.put(f"incoming/{folder}/{name}", data)


def look_twice(foreign: Foreign) -> bool:
    foreign.adopt()
    time.sleep(SETTLE_S * 1.2)
    return foreign.adopt()


def test_a_folder_becomes_a_job_once_it_has_settled(object_store: NewWorkspace, told: list[str]) -> None:
    storage = Storage(object_store(), create=True)
    board = Board(storage)
    foreign = Foreign(board, told.append, SETTLE_S)
    put(storage, "mine", CSV)
    assert foreign.adopt()
    assert board.jobs() == []
    time.sleep(SETTLE_S * 1.2)
    assert not foreign.adopt()
    assert [(job.id, job.kind, job.state) for job in board.jobs()] == [("mine", "correlation", "waiting")]
    assert told == ["mine found in incoming/"]
    assert not look_twice(foreign)
    assert names(storage, "mine") == ["submitted"]


def test_nothing_is_read_while_files_still_grow(storage: Storage, board: Board, foreign: Foreign) -> None:
    data = CSV["stations.csv"]
    put(storage, "slow", {"params.csv": CSV["params.csv"]})
    for end in range(50, len(data), 60):
        put(storage, "slow", {"stations.csv": data[:end]})
        foreign.adopt()
        time.sleep(SETTLE_S / 3)
    assert board.jobs() == []
    put(storage, "slow", {"stations.csv": data})
    assert foreign.adopt()
    assert board.jobs() == []
    time.sleep(SETTLE_S * 1.2)
    foreign.adopt()
    assert [job.id for job in board.jobs()] == ["slow"]


def test_a_change_of_content_alone_is_seen(storage: Storage, board: Board, foreign: Foreign) -> None:
    put(storage, "a", CSV)
    foreign.adopt()
    time.sleep(SETTLE_S * 1.2)
    put(storage, "a", {"params.csv": CSV["params.csv"][::-1]})  # of the same length
    assert foreign.adopt()
    assert board.jobs() == []


@pytest.mark.parametrize("files", [{"stations.csv"}, {"params.csv"}, {"stations.csv", "job.json"}])
def test_folders_that_lack_a_file_wait_for_it(
    storage: Storage, board: Board, foreign: Foreign, files: set[str]
) -> None:
    put(storage, "half", {name: FILES[name] for name in files})
    assert not look_twice(foreign)
    assert board.jobs() == []
    put(storage, "half", CSV)
    look_twice(foreign)
    assert [job.id for job in board.jobs()] == ["half"]


def test_the_card_gives_name_and_kind_and_the_files_to_wait_for(
    storage: Storage, board: Board, foreign: Foreign
) -> None:
    card = {"kind": "association", "name": "Norcia", "files": {"picks": "p.csv", "stations": "s.csv", "velocity": "v"}}
    put(storage, "assoc", {"job.json": json.dumps(card).encode(), "p.csv": b"", "s.csv": b""})
    assert not look_twice(foreign)
    put(storage, "assoc", {"v": b""})
    look_twice(foreign)
    assert [(job.kind, job.name) for job in board.jobs()] == [("association", "Norcia")]


@pytest.mark.parametrize("card", [b"{", b"[]", b'{"kind": "inversion"}', b'{"kind": "association", "files": 3}'])
def test_a_card_that_cannot_be_used_becomes_a_job_that_will_say_so(
    storage: Storage, board: Board, foreign: Foreign, card: bytes
) -> None:
    put(storage, "odd", {"job.json": card})
    look_twice(foreign)
    assert [job.id for job in board.jobs()] == ["odd"]


def test_ids_that_are_none_are_told_once(
    tmp_path: Path, storage: Storage, board: Board, foreign: Foreign, told: list[str]
) -> None:
    for folder in ("my job", "..x", "a..b", "x" * 101):
        (tmp_path / "incoming" / folder).mkdir(parents=True)
        for name, data in CSV.items():
            (tmp_path / "incoming" / folder / name).write_bytes(data)
    (tmp_path / "incoming" / "stations.csv").write_bytes(b"not in a folder")
    for _ in range(3):
        assert not look_twice(foreign)
    assert board.jobs() == []
    assert sum("'my job' is passed over" in line for line in told) == 1
    assert len(told) == 4
    assert all("use letters, digits" in line for line in told)


def test_several_workers_make_one_job_of_a_folder(storage: Storage) -> None:
    told: list[str] = []
    several = [Foreign(Board(storage), told.append, SETTLE_S) for _ in range(3)]
    put(storage, "mine", CSV)
    for foreign in several:
        foreign.adopt()
    time.sleep(SETTLE_S * 1.2)
    for foreign in several:
        foreign.adopt()
    assert told == ["mine found in incoming/"]
    assert names(storage, "mine") == ["submitted"]


def test_jobs_of_the_app_are_left_alone(storage: Storage, board: Board, foreign: Foreign, told: list[str]) -> None:
    for _ in range(3):
        board.submit("correlation", "", CSV)
    foreign.adopt()
    assert told == []
    assert not look_twice(foreign)
    assert all(names(storage, job.id) == ["submitted"] for job in board.jobs())


def test_a_submission_that_a_worker_was_faster_to_find_stands(storage: Storage, board: Board) -> None:
    """The files of a job come before its event; a submitter that halts in between finds its job adopted."""

    class Slow(Board):
        def _append(self, job_id: str, *arguments: object, **more: object) -> bool:
            board.adopt(job_id, "correlation", "found")
            return super()._append(job_id, *arguments, **more)  # type: ignore[arg-type]

    job_id = Slow(storage).submit("correlation", "", CSV)
    assert board.job(job_id).state == "waiting"
    assert names(storage, job_id) == ["submitted"]


def test_files_of_a_deleted_job_are_swept_and_never_adopted(storage: Storage, board: Board, foreign: Foreign) -> None:
    put(storage, "mine", CSV)
    look_twice(foreign)
    board.submit("correlation", "", CSV, "other")
    board.delete("mine")
    put(storage, "mine", CSV)  # somebody copies them again
    storage.put("processed/mine/log.txt", b"a worker that hung")
    storage.put("processed/other/log.txt", b"")
    assert not look_twice(Foreign(board, print, SETTLE_S))
    told: list[str] = []
    sweep(board, told.append)
    sweep(board, told.append)
    assert told == ["mine: files of this deleted job are removed; for a new job use another id"]
    assert [job.id for job in board.jobs()] == ["other"]
    assert storage.keys("incoming/mine") == storage.keys("processed/mine") == []
    assert len(storage.keys("incoming/other")) == 2
    assert len(storage.keys("processed")) == 1


def test_idle_looks_cost_one_listing_of_folders(tmp_path: Path) -> None:
    class Counting(Storage):
        asked = 0

        def keys(self, prefix: str) -> list[str]:
            self.asked += 1
            return super().keys(prefix)

        def get(self, key: str) -> bytes | None:
            self.asked += 1
            return super().get(key)

    storage = Counting(tmp_path)
    board = Board(storage)
    for _ in range(20):
        board.submit("correlation", "", CSV)
    foreign = Foreign(board, print)
    foreign.adopt()
    storage.asked = 0
    for _ in range(5):
        foreign.adopt()
    assert storage.asked == 0


def test_listings(object_store: NewWorkspace) -> None:
    storage = Storage(object_store(), create=True)
    assert storage.folders("incoming") == set()
    put(storage, "a", {"x.csv": b"123", "y.csv": b""})
    put(storage, "ab", {"z": b""})
    assert storage.folders("incoming") == {"a", "ab"}
    held = listing(storage, "incoming/a")
    assert {name: size for name, (size, *_) in held.items()} == {"x.csv": 3, "y.csv": 0}
    put(storage, "a", {"x.csv": b"456"})
    assert listing(storage, "incoming/a")["x.csv"] != held["x.csv"]
