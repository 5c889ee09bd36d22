"""Quick items in one task: the same results, and nothing given up for what a neighbour did."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from seisloom.compute import Engine, Failed, Serial, open_engine, parse_compute
from seisloom.compute.batches import AIM_S, items_a_task, run_together
from tests.compute_tasks import BAD, dying, failing, noted, squares


@pytest.mark.parametrize(
    ("item_s", "items", "workers", "together"),
    [(6.0, 1000, 1, 1), (4.0, 1000, 1, 3), (0.1, 1000, 1, 100), (0.1, 1000, 25, 10), (0.1, 30, 25, 1), (0.0, 7, 1, 1)],
)
def test_items_of_a_task(item_s: float, items: int, workers: int, together: int) -> None:
    assert items_a_task(item_s, items, workers) == together
    assert together == 1 or together * item_s < AIM_S + item_s


@pytest.mark.parametrize("together", [1, 2, 3, 100])
def test_every_item_has_its_result(together: int) -> None:
    assert list(run_together(Serial(), squares, range(7), together)) == [(k, k * k) for k in range(7)]


def test_so_many_tasks_are_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[object] = []
    run = Serial.run
    monkeypatch.setattr(Serial, "run", lambda self, task, items: handed.extend(items) or run(self, task, items))
    list(run_together(Serial(), squares, range(7), 3))
    assert handed == [(0, 1, 2), (3, 4, 5), (6,)]


def test_only_the_item_that_fails_is_given_up() -> None:
    made = dict(run_together(Serial(), failing, range(6), 3))
    assert made.keys() == set(range(6))
    assert [k for k, result in made.items() if isinstance(result, Failed)] == [BAD]


def test_only_the_item_that_kills_its_worker_is_given_up(tmp_path: Path) -> None:
    engine: Engine
    with open_engine(parse_compute("processes", workers=2)) as engine:
        made = dict(run_together(engine, partial(dying, str(tmp_path)), range(6), 3))
    assert {k: result for k, result in made.items() if k != BAD} == {k: k * k for k in range(6) if k != BAD}
    assert isinstance(made[BAD], Failed)


def test_who_stops_taking_begins_no_more(tmp_path: Path) -> None:
    results = run_together(Serial(), partial(noted, str(tmp_path), 0.0), range(9), 3)
    next(results)
    results.close()
    assert len(list(tmp_path.iterdir())) == 3
