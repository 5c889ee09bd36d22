"""Workers with slices do one job side by side: every day once, the job finished by whoever does the last."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seisloom.compute import Slice
from seisloom.jobs import Board, Sources, submit
from seisloom.jobs.egress import install
from seisloom.storage import Storage
from tests.job_workers import archive, days_done, drain, names, start_worker, tiny_request, undisturbed, until
from tests.jobs import command

N_DAYS = 5


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(Storage(tmp_path, create=True))


def marks(board: Board, job_id: str) -> set[str]:
    return {key.rpartition("/")[2] for key in board.storage.keys(f"processed/{job_id}/done")}


def test_slices_do_their_days_and_the_last_finishes_the_job(board: Board, tmp_path: Path) -> None:
    job_id = submit(board, tiny_request(N_DAYS))
    told = drain(str(tmp_path), part=Slice(2, 2))
    assert marks(board, job_id) == {"2024-03-02.json", "2024-03-04.json"}
    assert any("slice done; days left to others: 3" in line for line in told)
    assert board.job(job_id).state == "running"
    assert board.progress(job_id)["days_done"] == 2
    assert board.progress(job_id)["days"] == N_DAYS

    drain(str(tmp_path), part=Slice(1, 2))
    job = board.job(job_id)
    assert job.state == "done"
    assert job.result["days"] == N_DAYS
    assert job.result["windows"] == 6 * 24 * N_DAYS
    assert archive(str(tmp_path), job_id) == undisturbed(N_DAYS)
    assert names(board.storage, job_id) == ["submitted", "joined", "finished"]
    assert drain(str(tmp_path), part=Slice(1, 2)) == []


def test_slices_at_once(board: Board, tmp_path: Path) -> None:
    job_id = submit(board, tiny_request(N_DAYS))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda number: drain(str(tmp_path), part=Slice(number, 2)), (1, 2)))
    assert board.job(job_id).state == "done"
    assert names(board.storage, job_id) == ["submitted", "joined", "finished"]
    assert archive(str(tmp_path), job_id) == undisturbed(N_DAYS)


def test_what_slices_leave_any_worker_goes_on_with(board: Board, tmp_path: Path) -> None:
    job_id = submit(board, tiny_request(N_DAYS))
    drain(str(tmp_path), part=Slice(3, 3))
    whole = start_worker(str(tmp_path), stale_s=1.0, once=True)
    assert whole.wait(90) == 0
    assert board.job(job_id).state == "done"
    assert archive(str(tmp_path), job_id) == undisturbed(N_DAYS)


def test_a_slice_that_is_killed_is_begun_again(board: Board, tmp_path: Path) -> None:
    job_id = submit(board, tiny_request(12))
    worker = start_worker(str(tmp_path), "--slice", "1/1")
    until(lambda: days_done(board.storage, job_id) >= 2)
    worker.kill()
    worker.wait()
    assert board.job(job_id).state == "running"
    again = start_worker(str(tmp_path), "--slice", "1/1", "--compute", "processes")
    said = again.communicate(timeout=90)[0].decode()
    assert again.returncode == 0, said
    assert f"{job_id}: finished" in said
    assert archive(str(tmp_path), job_id) == undisturbed(12)


def test_a_slice_of_a_job_that_is_cancelled_stops(board: Board, tmp_path: Path) -> None:
    job_id = submit(board, tiny_request(400))
    worker = start_worker(str(tmp_path), "--slice", "1/2")
    until(lambda: days_done(board.storage, job_id) >= 1)
    board.cancel(job_id)
    said = worker.communicate(timeout=90)[0].decode()
    assert f"{job_id}: cancelled" in said
    assert board.job(job_id).state == "cancelled"


@pytest.mark.parametrize(("allow", "guarded"), [(False, True), (True, False)])
def test_sources_keep_other_processes_from_private_addresses_too(allow: bool, guarded: bool) -> None:
    """Checked without unpickling, which would install the guard here for good."""
    source = Sources(allow_private=allow).open("demo")
    build, (guard, kind, *_), state = source.__reduce__()
    assert (guard is not None) == guarded
    assert kind is type(source)
    assert state["spec"] == "demo"
    if guarded:
        assert (guard.func, guard.args) == (install, (False, []))
        assert build(None, kind, *source._opened_with).spec == "synthetic:stations=12"


def test_workers_of_dask_are_refused_where_private_addresses_are(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    said = command("work", "jobs", "--compute", "dask", cwd=tmp_path)
    assert said.returncode == 1
    assert "workers of Dask cannot be kept from private addresses" in said.stderr
