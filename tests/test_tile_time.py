"""Days that are too few for the workers: cut further where that ends the job sooner, to the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seisloom.compute.crew import Crew
from seisloom.noise import tile_run
from seisloom.noise.dry_run import dry_run
from seisloom.noise.job_pace import Pacing
from seisloom.noise.pairs import channel_pairs
from seisloom.noise.pipeline import correlate
from seisloom.noise.rates import Rates
from seisloom.noise.tile_time import KEY, best_cut
from seisloom.noise.tiles import DaySize, Tiling, cut
from seisloom.storage import Storage
from tests.jobs import DAY, channel_table, objects, small_settings
from tests.test_tiles import STORED, run, slow_source, small_shards

PLENTY = 6e9
SETTINGS = small_settings(fs=0.5, freqmin=0.02, freqmax=0.1, cc_len=3600, cc_step=1800, maxlag=240)
"""Of test_tiles.run."""
# Products take nearly all of the time of a day: 4950 pairs, 100 s.
LONG = Rates(0.0, 1e-4, 1e-4, 0.02, 0.0, 0.0, 1e-4)


def best(
    monkeypatch: pytest.MonkeyPatch, workers: int, days: int, rates: Rates = LONG, memory: float = PLENTY
) -> tuple[Tiling, Tiling]:
    """How days of 100 channels, of 50 shards, are cut for workers of a thread; and how they are by memory alone."""
    monkeypatch.setattr("seisloom.noise.job_pace.measure_rates", lambda *_: rates)
    small_shards(monkeypatch, 99)
    table, settings = channel_table(100), small_settings()
    pairs = channel_pairs(table, settings)
    size = DaySize.of(100, len(pairs), settings, 1, 1)
    crew = Crew("dask", workers, 1, workers, memory)
    made = best_cut(Pacing(table, settings, "synthetic:", size, crew), pairs, days)
    return made, cut(size, pairs, memory)


@pytest.mark.parametrize(
    ("workers", "days", "tiles"),
    [
        (1, 1, 1),  # nobody else could do any of it
        (2, 8, 1),  # four tasks for each
        (2, 1, 8),  # the same, of one day
        (16, 1, 8),  # twice as many would be done in two rounds
        (1000, 1, 16),  # of 5 s or more
    ],
)
def test_days_are_cut_for_the_workers(monkeypatch: pytest.MonkeyPatch, workers: int, days: int, tiles: int) -> None:
    made, by_memory = best(monkeypatch, workers, days)
    assert by_memory.whole
    assert tiles <= made.tasks_a_day <= tiles * 1.2  # tiles end where shards do
    assert cut_again(made) == made


def cut_again(tiling: Tiling) -> Tiling:
    """As a run does that finds the cut of another."""
    settings = small_settings()
    pairs = channel_pairs(channel_table(100), settings)
    return cut(DaySize.of(100, len(pairs), settings, 1, 1), pairs, PLENTY, tiling.most_pairs)


def test_quick_days_are_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = Rates(0.0, 1e-4, 1e-4, 1e-3, 0.0, 0.0, 1e-4)  # 5 s, of which no part is worth a task
    assert best(monkeypatch, 8, 1, quick)[0].whole


def test_days_are_not_cut_where_spectra_cost_what_is_gained(monkeypatch: pytest.MonkeyPatch) -> None:
    dear = Rates(0.0, 0.5, 0.5, 1e-6, 0.0, 0.0, 0.5)  # 100 s of spectra, which tiles make anew, or store and read
    assert best(monkeypatch, 2, 1, dear)[0].whole


def test_memory_is_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    made, by_memory = best(monkeypatch, 4, 1, memory=40e6)
    assert made.tasks_a_day > by_memory.tasks_a_day > 1
    assert made.memory_bytes <= 40e6


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is slow by its rates, and short tasks that are worth while."""
    small_shards(monkeypatch, 100)
    monkeypatch.setattr("seisloom.noise.job_pace.measure_rates", lambda *_: LONG)
    monkeypatch.setattr("seisloom.noise.tile_time.SHORTEST_S", 0.1)
    monkeypatch.setattr(tile_run, "_measured", lambda *_: STORED)


@pytest.mark.usefixtures("slow")
def test_a_run_cuts_as_its_plan_says_and_makes_the_same_bytes(tmp_path: Path) -> None:
    source = slow_source()
    plan = dry_run(source.table, SETTINGS, source, tmp_path / "w", DAY, None, Crew("processes", 2, 1, 2, PLENTY))
    assert plan.tiles > 1
    run(slow_source(), tmp_path / "whole", 4.0)
    summary = run(slow_source(), tmp_path / "cut", 4.0, compute="processes", workers=2, threads=1)
    assert f"days are cut into {plan.tiles} tiles" in summary.notes[0]
    assert objects(tmp_path / "cut") == objects(tmp_path / "whole")
    assert not Storage(tmp_path / "cut").keys("tiles")


@pytest.mark.usefixtures("slow")
def test_a_run_goes_on_with_the_tiles_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast the machine is by then."""
    with monkeypatch.context() as patch:
        patch.setattr("seisloom.noise.pipeline.run_tiles", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(slow_source(), tmp_path, 4.0, compute="processes", workers=2, threads=1)
    assert Storage(tmp_path).get(KEY)
    monkeypatch.setattr("seisloom.noise.job_pace.measure_rates", lambda *_: Rates(*np.full(7, 1e-9)))
    source = slow_source()
    crew = Crew("processes", 2, 1, 2, PLENTY)
    plan = dry_run(source.table, SETTINGS, source, tmp_path, DAY, None, crew)
    assert plan.tiles > 1
    summary = run(source, tmp_path, 4.0)
    assert f"days are cut into {plan.tiles} tiles" in summary.notes[0]
    assert not Storage(tmp_path).keys("tiles")
    assert correlate(source.table, SETTINGS, source, tmp_path, DAY, workers=1).notes == []
