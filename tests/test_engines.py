"""Engines: every item has a result, whatever becomes of the workers; what ends a run, and what does not."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from seisloom.compute import Compute, ComputeError, Engine, Failed, open_engine, parse_compute
from seisloom.compute import on_dask as dask_engine
from seisloom.compute.engine import TRIES
from seisloom.cores import cores
from seisloom.errors import InputError, MissingExtraError, SettingsError
from tests import compute_tasks as tasks
from tests.job_workers import PATIENCE_S, alive, children_of, until

ITEMS = list(range(6))


@pytest.fixture(scope="module", params=["processes", "dask"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Two workers in processes of their own."""
    if request.param == "dask":
        pytest.importorskip("distributed")
    with open_engine(parse_compute(request.param, workers=2, memory_gb=1.0)) as opened:
        yield opened


def results(engine: Engine, prepare: Any, items: list[int] = ITEMS) -> dict[int, Any]:
    found = list(engine.run(prepare, items))
    assert sorted(item for item, _ in found) == items
    return dict(found)


def test_every_item_has_its_result(engine: Engine) -> None:
    assert results(engine, tasks.squares) == {k: k * k for k in ITEMS}
    assert results(engine, tasks.squares, []) == {}


def test_a_worker_makes_its_task_ready_once(engine: Engine) -> None:
    made = results(engine, tasks.numbered)
    workers = {worker for worker, _ in made.values()}
    assert os.getpid() not in workers
    for worker in workers:
        assert sorted(count for w, count in made.values() if w == worker) == list(
            range(1, 1 + sum(w == worker for w, _ in made.values()))
        )


def test_a_worker_that_is_killed_is_replaced_and_its_item_tried_again(engine: Engine, tmp_path: Path) -> None:
    assert results(engine, partial(tasks.dying, str(tmp_path), 1)) == {k: k * k for k in ITEMS}
    assert len(list(tmp_path.iterdir())) == 1


def test_an_item_that_kills_every_worker_is_given_up_and_the_others_go_on(engine: Engine, tmp_path: Path) -> None:
    made = results(engine, partial(tasks.dying, str(tmp_path)))
    failed = made.pop(tasks.BAD)
    assert isinstance(failed, Failed)
    assert "perhaps because memory ran out" in str(failed)
    assert f"given up after {TRIES} tries" in str(failed)
    assert len(list(tmp_path.iterdir())) == TRIES
    assert made == {k: k * k for k in ITEMS if k != tasks.BAD}


@pytest.mark.parametrize("kind", ["serial", "others"])
def test_an_item_that_always_fails_is_given_up_with_the_reason(engine: Engine, kind: str) -> None:
    with open_engine(Compute()) as serial:
        made = results(serial if kind == "serial" else engine, tasks.failing)
    failed = made.pop(tasks.BAD)
    assert isinstance(failed, Failed)
    assert failed.words.startswith("ZeroDivisionError: integer division or modulo by zero (compute_tasks.py, line ")
    assert failed.tries == TRIES
    assert len(made) == len(ITEMS) - 1


def test_an_error_for_the_user_ends_the_run_with_its_words(engine: Engine) -> None:
    with pytest.raises(InputError, match="item 2 cannot be used: leave it out"):
        list(engine.run(tasks.refusing, ITEMS))
    assert results(engine, tasks.squares) == {k: k * k for k in ITEMS}


def test_errors_travel_whatever_they_are_made_of() -> None:
    answer = tasks_answer(SettingsError(["fs is wrong", "so is freqmax"], "params.csv"))
    with pytest.raises(SettingsError, match=r"params\.csv: 2 faults\n  - fs is wrong\n  - so is freqmax"):
        pickle.loads(pickle.dumps(answer)).check()


def tasks_answer(error: Exception) -> Any:
    from seisloom.compute.engine import Kept

    return Kept(partial(tasks.raising, error)).answer(0)


def test_who_stops_taking_results_begins_nothing_more(engine: Engine, tmp_path: Path) -> None:
    with closing(engine.run(partial(tasks.noted, str(tmp_path)), list(range(500)))) as run:  # type: ignore[type-var]
        next(run)

    def at_rest() -> bool:
        """Those that the workers had at that moment are done."""
        begun = len(list(tmp_path.iterdir()))
        time.sleep(0.5)
        return len(list(tmp_path.iterdir())) == begun

    until(at_rest, "an end")
    assert len(list(tmp_path.iterdir())) < 50


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    code = (
        "from functools import partial; from seisloom.compute import *; from tests import compute_tasks as tasks\n"
        f"with open_engine(parse_compute('processes', 2)) as e: list(e.run(partial(tasks.noted, {str(tmp_path)!r}, 60), [1, 2]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    until(lambda: len(list(tmp_path.iterdir())) == 2)
    workers = children_of(process.pid)
    assert len(workers) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not any(map(alive, workers)))


@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_ctrl_c_ends_the_workers_without_a_word_of_theirs(tmp_path: Path, kind: str) -> None:
    """It reaches all processes of a terminal at once."""
    if kind == "dask":
        pytest.importorskip("distributed")
    code = (
        "from functools import partial; from seisloom.compute import *; from tests import compute_tasks as tasks\n"
        "if __name__ == '__main__':\n"
        f"  try:\n    with open_engine(parse_compute({kind!r}, 2)) as e:\n"
        f"      list(e.run(partial(tasks.noted, {str(tmp_path)!r}, 0.2), list(range(500))))\n"
        "  except KeyboardInterrupt: print('interrupted')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    until(lambda: len(list(tmp_path.iterdir())) >= 4)
    workers = children_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=PATIENCE_S) == ("interrupted\n", "")
    assert len(list(tmp_path.iterdir())) < 100
    until(lambda: not any(map(alive, workers)))


# --- what is asked for ---


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("serial", Compute("serial")),
        ("processes", Compute("processes")),
        ("dask", Compute("dask")),
        ("dask=10.0.0.1:8786", Compute("dask", "10.0.0.1:8786")),
        (" dask=tcp://head.cluster:8786", Compute("dask", "tcp://head.cluster:8786")),
    ],
)
def test_ways_to_compute(text: str, wanted: Compute) -> None:
    assert parse_compute(text) == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dusk", r"'dusk' is unknown: use serial, processes, dask or dask=ADDRESS"),
        ("", "is unknown"),
        ("dask=", r"'' is no address of a scheduler: write dask=HOST:PORT"),
        ("dask=head", "'head' is no address"),
        ("processes=4", "only dask has an address"),
    ],
)
def test_others_are_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_compute(text)


def test_a_running_scheduler_has_its_own_workers() -> None:
    with pytest.raises(InputError, match="leave out --workers"):
        parse_compute("dask=head:8786", workers=3)


def test_threads_leave_no_core_idle_and_share_none() -> None:
    assert parse_compute("serial").n_threads == cores()
    assert parse_compute("serial", workers=3).n_threads == 3
    assert (parse_compute("processes").n_workers, parse_compute("processes").n_threads) == (cores(), 1)
    assert parse_compute("dask", workers=1).n_threads == cores()
    assert parse_compute("processes", workers=2 * cores()).n_threads == 1
    assert parse_compute("dask=head:8786").n_threads == 1
    assert parse_compute("dask=head:8786", threads=8).n_threads == 8


def test_without_dask_the_command_to_install_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'seisloom\[dask\]'"):
        open_engine(parse_compute("dask"))


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask_engine, "CONNECT_S", 1)
    with (
        open_engine(parse_compute("dask=127.0.0.1:9")) as engine,
        pytest.raises(ComputeError, match=r"no Dask scheduler answers at 127\.0\.0\.1:9"),
    ):
        list(engine.run(tasks.squares, ITEMS))
