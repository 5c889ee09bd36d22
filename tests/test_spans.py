"""Means of several days in place of the days: the same bytes whoever did the days and when, and never half."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seisloom.compute import Slice
from seisloom.errors import InputError, SourceError, WorkspaceError
from seisloom.noise import span_stacks, spans
from seisloom.noise.archive import open_correlations, open_stacks
from seisloom.noise.archive_rows import read_rows
from seisloom.noise.compaction import compact
from seisloom.noise.pipeline import correlate
from seisloom.noise.stacking import stack_correlations
from seisloom.storage import Storage
from seisloom.waveforms.base import DAY_NS
from tests.jobs import DAY, DAY_START, Records, noise_source, objects, small_settings
from tests.object_stores import NewWorkspace
from tests.test_resume import Killed, Writes

N, N_DAYS, LAST = 3, 8, "2024-03-08"
"""Days of a span, and of the job: two spans and two days."""


@pytest.fixture(scope="module", autouse=True)
def small_blocks() -> Iterator[None]:
    """Means are made in several blocks of pairs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans, "BLOCK_BYTES", 2 * 4 * N * 241)
        yield


@cache
def records() -> Records:
    """Three channels, one of which is not there on one day."""
    source = noise_source(3, N_DAYS)
    del source.held["XX.S01..MHZ", DAY_START + DAY_NS]
    return source


def run(workspace: str | Path, end: str = LAST, source: Records | None = None, **given: Any) -> None:
    source = source or records()
    settings = small_settings(keep="stack", stack_days=N)
    correlate(source.table, settings, source, workspace, DAY, end, **given)


def kept(workspace: str | Path) -> dict[str, bytes]:
    """Every object of both archives."""
    return objects(workspace) | objects(workspace, "days.zarr")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, small_blocks: None) -> Path:
    """An undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder)
    return folder


@pytest.fixture(scope="module")
def by_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same job with every day."""
    folder = tmp_path_factory.mktemp("days")
    correlate(records().table, small_settings(), records(), folder, DAY, LAST)
    return folder


def days_held(workspace: str | Path) -> set[int]:
    """Numbers of the days that are kept by themselves."""
    held = [
        {int(key.split("/")[at]) for key in Storage(workspace).keys(f"days.zarr/{name}/c")}
        for name, at in (("ccf", -2), ("count", -1))
    ]
    assert held[0] == held[1]
    return held[0]


def test_rows_are_the_means_of_days(whole: Path, by_day: Path) -> None:
    """Of the last two days too, which do not fill a span."""
    days, rows = open_correlations(by_day).load(), open_correlations(whole).load()
    assert days_held(whole) == {6, 7}
    assert rows["time"].values.astype("datetime64[D]").astype(str).tolist() == [DAY, "2024-03-04", "2024-03-07"]
    for number, span in enumerate((slice(0, 3), slice(3, 6), slice(6, 8))):
        counts = days["count"].values[:, span]
        sums = np.where(counts[..., None] > 0, days["ccf"].values[:, span].astype(float) * counts[..., None], 0).sum(
            axis=1
        )
        np.testing.assert_array_equal(rows["count"][:, number], counts.sum(axis=1))
        np.testing.assert_allclose(rows["ccf"][:, number], sums / counts.sum(axis=1)[:, None], rtol=1e-6, atol=1e-7)
    there = rows["count"].values > 0
    np.testing.assert_array_equal(read_rows(Storage(whole), [2, 0], there[[2, 0]]), rows["ccf"].values[[2, 0]])
    np.testing.assert_array_equal(open_correlations(whole)["ccf"][1, -1].values, rows["ccf"].values[1, -1])


def test_the_stack_is_that_of_all_days(whole: Path, by_day: Path) -> None:
    made = [open_stacks(folder, stack_correlations(folder)).load() for folder in (whole, by_day)]
    np.testing.assert_array_equal(made[0]["count"], made[1]["count"])
    largest = float(np.abs(made[1]["ccf"]).max())
    np.testing.assert_allclose(made[0]["ccf"], made[1]["ccf"], rtol=0, atol=2e-7 * largest)
    assert len(open_stacks(whole, stack_correlations(whole, "pws", f"{2 * N} days"))["period"]) == 2
    for period in ("week", "day", "4d"):
        with pytest.raises(InputError, match=r"are means of 3 days \(keep stack\): use all, or a multiple of them"):
            stack_correlations(whole, period=period)


@pytest.mark.parametrize("object_store", ["radosgw"], indirect=True)
def test_an_object_store_holds_the_same(object_store: NewWorkspace, whole: Path) -> None:
    url = object_store()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, [url, url]))
    assert kept(url) == kept(whole)


@pytest.mark.parametrize("seed", range(2))
def test_slices_in_any_order_with_any_end(tmp_path: Path, whole: Path, seed: int) -> None:
    draw = random.Random(seed)
    parts = [Slice(1, 2), Slice(2, 2), Slice(draw.randint(1, 3), 3), None]
    draw.shuffle(parts)
    for part in parts:
        run(tmp_path, f"2024-03-{draw.randint(1, N_DAYS):02d}", part=part)
    run(tmp_path)
    assert kept(tmp_path) == kept(whole)


def test_a_slice_completes_the_spans_that_it_has(tmp_path: Path) -> None:
    run(tmp_path, part=Slice(2, 2))
    assert [path.stem for path in tmp_path.glob("stacked/*")] == ["2024-03-04"]
    assert {path.stem for path in tmp_path.glob("done/*")} == {f"2024-03-0{day}" for day in (4, 5, 6)}
    assert days_held(tmp_path) == set()


def test_kills_between_any_two_writes(tmp_path: Path, whole: Path) -> None:
    """In the second span: what is read is right after each, and the next run goes on to the same bytes."""
    begun = tmp_path / "begun"
    run(begun, "2024-03-05")
    with pytest.MonkeyPatch.context() as patch:
        run_from(begun, tmp_path / "counted")
        writes = Writes(patch)
        run(tmp_path / "counted", "2024-03-06", workers=1)
    wanted = open_correlations(tmp_path / "counted").load()
    assert [name for name in writes.names if name.startswith("stacked")] == ["stacked/2024-03-04.json"]
    for at in range(writes.names.index("done/2024-03-06.json") - 1, len(writes.names), 2):
        name = writes.names[at]
        other = run_from(begun, tmp_path / f"{at}")
        with pytest.MonkeyPatch.context() as patch:
            Writes(patch, at)
            with pytest.raises(Killed):
                run(other, "2024-03-06", workers=1)
        if (other / "done/2024-03-06.json").exists():
            assert open_correlations(other).load().equals(wanted), f"killed before {name}"
        run(other)
        assert kept(other) == kept(whole), f"killed before {name}"


def run_from(begun: Path, other: Path) -> Path:
    """A workspace that is a copy of another."""
    for key, data in objects(begun, "").items():
        Storage(other, create=True).put(key, data)
    return other


def test_a_span_with_a_day_that_failed_keeps_its_days(tmp_path: Path, whole: Path) -> None:
    source = noise_source(3, N_DAYS)
    source.held = dict(records().held)
    source.held["XX.S02..MHZ", DAY_START] = SourceError("connection refused")
    run(tmp_path, source=source)
    assert [path.stem for path in tmp_path.glob("stacked/*")] == ["2024-03-04"]
    assert days_held(tmp_path) == {0, 1, 2, 6, 7}
    counts = open_correlations(tmp_path)["count"].values
    assert counts[:, 0].tolist() == [2 * 96, 2 * 96, 96]  # S01 lacks on the second day, S02 on the first
    run(tmp_path)
    assert kept(tmp_path) == kept(whole)


def test_a_day_that_is_to_be_done_again(tmp_path: Path, whole: Path) -> None:
    run(tmp_path)
    (tmp_path / "done" / "2024-03-02.json").unlink()
    with pytest.raises(
        WorkspaceError, match=r"2024-03-02 is in the mean of 2024-03-01 to 2024-03-03, whose days are not"
    ):
        run(tmp_path)
    (tmp_path / "stacked" / "2024-03-01.json").unlink()
    for day in (1, 3):
        (tmp_path / "done" / f"2024-03-0{day}.json").unlink()
    (tmp_path / "correlations.zarr/ccf/c/0/0/0").unlink()
    run(tmp_path)
    assert kept(tmp_path) == kept(whole)


def test_days_that_another_run_takes_away_meanwhile(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While they are read for the mean, by a run that makes it too: what was read is not written."""
    run(tmp_path, "2024-03-02")
    real, calls = spans.means, 0

    def overtaken(*given: Any) -> Iterator[Any]:
        nonlocal calls
        calls += 1
        if calls > 1:
            yield from real(*given)
            return
        run(tmp_path, "2024-03-03")
        for mean, count in real(*given):
            yield np.full_like(mean, np.nan), 0 * count

    monkeypatch.setattr(span_stacks, "means", overtaken)
    run(tmp_path, "2024-03-03")
    assert calls == 2
    run(tmp_path)
    assert kept(tmp_path) == kept(whole)


def test_what_is_read_while_it_is_being_stacked(tmp_path: Path, whole: Path) -> None:
    run(tmp_path, "2024-03-02")
    data = open_correlations(tmp_path)
    run(tmp_path, "2024-03-03")
    assert days_held(tmp_path) == set()
    np.testing.assert_array_equal(data["ccf"][:, 0].values, open_correlations(whole)["ccf"][:, 0].values)
    np.testing.assert_array_equal(data["count"][:, 0].values, open_correlations(whole)["count"][:, 0].values)


def test_what_is_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="keeps means of 3 days in place of the days, so there is nothing to compact"):
        compact(str(whole))
    with pytest.raises(InputError, match="stack_days is 0: input should be greater than or equal to 1"):
        small_settings(keep="stack", stack_days=0)
    with pytest.raises(WorkspaceError, match="stack_days is 3 there and 4 now"):
        correlate(records().table, small_settings(keep="stack", stack_days=4), records(), whole, DAY)
