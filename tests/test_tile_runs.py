"""Runs whose days are cut into tiles: shared out, killed, failing and resumed, they end as runs of whole days do."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seisloom.compute import Slice
from seisloom.errors import SourceError
from seisloom.noise import tile_run
from seisloom.noise.archive import open_correlations
from seisloom.noise.channel_day import Prepared
from seisloom.noise.pipeline import Progress
from seisloom.noise.report import Problem, Summary
from seisloom.noise.spectra import ChannelSpectra
from seisloom.noise.spectra_store import SpectraStore, decoded, encoded
from seisloom.noise.tile_marks import TileMarks
from seisloom.storage import Storage
from seisloom.waveforms import Record
from tests.jobs import DAY, DAY_START, Records, objects
from tests.object_stores import NewWorkspace
from tests.test_resume import Killed, Writes
from tests.test_tiles import COMPUTED, STORED, N, run, slow_source, small_shards, told

NEXT = "2024-03-02"
TILED = 0.008
"""GB, in which a day has some tiles."""


@pytest.fixture(autouse=True)
def shards(monkeypatch: pytest.MonkeyPatch) -> None:
    small_shards(monkeypatch, 100)
    monkeypatch.setattr(tile_run, "_measured", lambda *_: STORED)


@cache
def whole(n_days: int = 1) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """Objects of the archive and reports of undisturbed whole days."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        small_shards(patch, 100)
        summary = run(slow_source(n_days), folder, 4.0, DAY if n_days == 1 else NEXT)
        return objects(folder), told(summary)


def check_whole(workspace: str | Path, n_days: int = 1) -> None:
    """The archive is that of whole days, and nothing of tiles is left."""
    assert objects(workspace) == whole(n_days)[0]
    assert not Storage(workspace).keys("tiles")
    assert not Storage(workspace).keys("spectra")


@pytest.mark.parametrize("object_store", ["folder", "moto"], indirect=True)
def test_workers_share_tiles_and_spectra_on_every_store(object_store: NewWorkspace) -> None:
    steps: list[Progress] = []
    url = object_store()
    summary = run(slow_source(2), url, TILED, NEXT, compute="processes", workers=2, threads=1, progress=steps.append)
    check_whole(url, 2)
    assert told(summary) == whole(2)[1]
    assert "stored between tiles" in summary.notes[0]
    assert steps[-1].pairs_done == steps[-1].pairs
    assert steps[-1].days_done == 2
    assert [s.days_done for s in steps] == sorted(s.days_done for s in steps)


@pytest.mark.parametrize("of", [2, 3])
def test_slices_do_days_or_where_these_are_fewer_their_tiles(tmp_path: Path, of: int) -> None:
    asked = []
    for number in reversed(range(1, of + 1)):
        source = slow_source(2)
        summary = run(source, tmp_path, TILED, NEXT, part=Slice(number, of))
        asked += source.asked
        assert [day.day for day in summary.days] == {2: [[NEXT], [DAY]], 3: [[], [], [DAY, NEXT]]}[of][of - number]
    check_whole(tmp_path, 2)
    assert len(asked) == len(set(asked)) == 2 * N  # spectra are shared between slices


def test_two_runs_at_once_that_cut_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One removes what the other counts on: that one says so, and the archive is whole in the end."""
    put, done = TileMarks.put, list[Summary]()

    def beside(marks: TileMarks, mark: Any) -> None:
        put(marks, mark)
        if not done:
            monkeypatch.setattr(TileMarks, "put", put)
            done.append(run(slow_source(), tmp_path, 0.012))

    monkeypatch.setattr(TileMarks, "put", beside)
    assert told(run(slow_source(), tmp_path, TILED)) == told(done[0]) == whole()[1]
    check_whole(tmp_path)
    Storage(tmp_path).delete([f"done/{DAY}.json"])

    def removed(marks: TileMarks, mark: Any) -> None:
        put(marks, mark)
        monkeypatch.setattr(TileMarks, "put", put)
        marks.remove()

    monkeypatch.setattr(TileMarks, "put", removed)
    summary = run(slow_source(), tmp_path, TILED)
    assert list(summary.problems()["message"]) == [
        "not done: another run, with another --memory, has removed tiles of it"
    ]
    run(slow_source(), tmp_path, TILED)
    check_whole(tmp_path)


def test_a_killed_run_goes_on_with_its_next_tile(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        writes = Writes(patch)
        run(slow_source(), tmp_path / "whole", TILED)
    marks = [k for k, name in enumerate(writes.names) if name.startswith("tiles/")]
    spectra = [k for k, name in enumerate(writes.names) if name.startswith("spectra/")]
    done = next(k for k, name in enumerate(writes.names) if name.startswith("done/"))
    for at in (
        spectra[1],
        spectra[20],
        marks[0],
        marks[1] - 1,
        marks[1],
        done - 1,
        done,
        done + 1,
        len(writes.names) - 4,
    ):
        folder = tmp_path / str(at)
        with pytest.MonkeyPatch.context() as patch:
            Writes(patch, at)
            with pytest.raises(Killed):
                run(slow_source(), folder, TILED)
        tiles = {path.name for path in folder.glob("tiles/*/*")}
        assert len(tiles) == sum(k < at for k in marks) or at > done
        source = slow_source()
        with pytest.MonkeyPatch.context() as patch:
            again = Writes(patch)
            run(source, folder, TILED)
        check_whole(folder)
        # Neither tiles nor spectra that are there are made anew.
        assert not tiles.intersection(name.rpartition("/")[2] for name in again.names if name.startswith("tiles/"))
        assert len({channel for channel, _ in source.asked}) <= N - sum(k < at for k in spectra) + 1


def killed_after(act: Callable[..., None]) -> Callable[..., None]:
    def killed(*arguments: Any) -> None:
        act(*arguments)
        raise Killed

    return killed


@pytest.mark.parametrize("memory_gb", [4.0, 0.012], ids=["whole", "cut otherwise"])
def test_what_a_killed_run_left_is_of_no_account_to_another_cut(tmp_path: Path, memory_gb: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TileMarks, "put", killed_after(TileMarks.put))
        with pytest.raises(Killed):
            run(slow_source(), tmp_path, TILED)
    assert list(tmp_path.glob("tiles/*/*"))
    assert list(tmp_path.glob("spectra/*/*"))
    run(slow_source(), tmp_path, memory_gb)
    check_whole(tmp_path)


class Failing(Records):
    """A source that fails for some channels, from the ``after``-th time that one is asked for."""

    def __init__(self, records: Records, channels: list[str], after: int = 0) -> None:
        super().__init__(records.held, records.table)
        self.channels, self.after = channels, after

    def fetch(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        record = super().fetch(channel_id, start_ns, end_ns)
        times = sum(channel == channel_id for channel, _ in self.asked)
        if channel_id in self.channels and times > self.after:
            time.sleep(0.01)  # as a data centre takes to refuse, in which others hear of it
            raise SourceError(f"no answer for {channel_id}")
        return record


@pytest.mark.parametrize("rates", [STORED, COMPUTED], ids=["stored", "computed anew"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_channel_that_fails_is_told_of_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rates: Any, after: int
) -> None:
    """However often it gave something before, and to whichever tiles: pairs count what is in them."""
    monkeypatch.setattr(tile_run, "_measured", lambda *_: rates)
    bad = "XX.S30..MHZ"
    source = Failing(slow_source(), [bad], after)
    first = run(source, tmp_path, TILED)
    failed = first.problems().query("failed")
    assert list(failed["channel"]) == ([bad] if rates is COMPUTED or after == 0 else [])
    data = open_correlations(tmp_path).load()
    gone = np.isnan(data.ccf.values).any(axis=2)
    assert (gone == (data["count"].values == 0)).all()
    if after == 0:
        assert gone.sum() == N - 1
    if len(failed):
        assert first.days[0].pairs == (data["count"].values > 0).sum()
        assert not list(tmp_path.glob("done/*"))
        assert not list(tmp_path.glob("spectra/*"))
        run(slow_source(), tmp_path, TILED)
    check_whole(tmp_path)


def test_a_channel_that_fails_within_a_tile_is_in_none_of_its_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As A it gave something, as B (deconvolution has spectra of its own for both) it does not any more."""
    monkeypatch.setattr(tile_run, "_measured", lambda *_: COMPUTED)
    source = Failing(slow_source(), ["XX.S03..MHZ"], 1)
    summary = run(source, tmp_path, 0.012, measure="deconvolution")
    assert list(summary.problems().query("failed")["message"]) == ["no answer for XX.S03..MHZ"]
    data = open_correlations(tmp_path).load()
    lost = data.sel(pair=[name for name in data.pair.values if "XX.S03" in name])
    assert (lost["count"] == 0).all()
    assert np.isnan(lost.ccf).all()
    assert (data["count"] > 0).sum() == summary.days[0].pairs == (N - 1) * (N - 2) // 2
    assert not (data.ccf == 0).all("lag").any()


def test_problems_are_those_of_whole_days(tmp_path: Path) -> None:
    """A dead channel, one that is not there and one that fails for good."""
    source = slow_source()
    names = [name for name, _ in source.held]
    refused = SourceError("forbidden")
    refused.lasting = True
    source.held[names[3], DAY_START] = refused
    del source.held[names[7], DAY_START]
    source.held[names[50], DAY_START].segments[0].data[:] = 0
    cut, one = run(source, tmp_path / "cut", TILED), run(source, tmp_path / "one", 4.0)
    assert len(cut.problems()) >= 3
    assert told(cut) == told(one)
    assert objects(tmp_path / "cut") == objects(tmp_path / "one")


def test_a_source_that_fails_for_all_ends_the_run(tmp_path: Path) -> None:
    names = [name for name, _ in slow_source().held]
    source = Failing(slow_source(), names)
    with pytest.raises(SourceError, match="2024-03-01: records: failed for the first 10 channels: no answer for"):
        run(source, tmp_path, TILED)
    assert len(source.asked) < N
    run(slow_source(), tmp_path, TILED)
    check_whole(tmp_path)


def test_a_day_without_data_takes_no_room(tmp_path: Path) -> None:
    summary = run(Records({}, slow_source().table), tmp_path, TILED)
    assert summary.totals()["pairs"] == 0
    assert not list((tmp_path / "correlations.zarr" / "ccf").glob("c/*/*/*"))
    assert len(summary.problems()) == N


def test_damaged_spectra_are_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put = SpectraStore.put

    def damaged(store: SpectraStore, channel: str, prepared: Prepared) -> None:
        put(store, channel, prepared)
        key = f"spectra/{store.day}/{channel}"
        data = store.storage.get(key)
        assert data
        if channel.endswith("7..MHZ"):
            store.storage.put(key, data[: len(data) // 2])
        elif channel.endswith("8..MHZ"):
            store.storage.put(key, b"")
        elif channel.endswith("9..MHZ"):
            store.storage.put(key, data[:900] + bytes([data[900] ^ 1]) + data[901:])

    monkeypatch.setattr(SpectraStore, "put", damaged)
    run(slow_source(), tmp_path, TILED)
    check_whole(tmp_path)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([1, 2]), st.integers(1, 9), st.data())
def test_stored_spectra_are_what_was_put_or_nothing(seed: int, sides: int, n_windows: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    made = [rng.normal(size=(n_windows, 14)).astype(np.float32).view(np.complex64) for _ in range(sides)]
    held = ChannelSpectra(made[-1], made[0], rng.random(n_windows) < 0.5)
    problems = [Problem("XX.Ä..Z", "a\nnote"), Problem("a", "b", unused=True)][: data.draw(st.integers(0, 2))]
    text = encoded(Prepared(held, problems))
    got = decoded(text)
    assert got
    assert got.spectra
    assert got.problems == problems
    assert (got.spectra.left is got.spectra.right) or sides == 2
    for name in ("left", "right", "valid"):
        np.testing.assert_array_equal(getattr(got.spectra, name), getattr(held, name))
    place, stop = data.draw(st.integers(0, len(text) - 1)), data.draw(st.integers(0, len(text) - 1))
    assert decoded(text[:place] + bytes([text[place] ^ data.draw(st.integers(1, 255))]) + text[place + 1 :]) is None
    assert decoded(text[:stop]) is None


def test_spectra_stay_within_their_budget_and_what_was_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(tmp_path, create=True)
    run(slow_source(), tmp_path, TILED)
    storage.put(f"spectra/{DAY}/XX.S01..MHZ", b"of a run that was killed as it removed them")
    storage.put(f"tiles/{DAY}/000000000-000000100.json", b"{}")
    storage.put("spectra/2024-03-09/open", b"of a day that another run is at")
    held: set[tuple[str, ...]] = set()
    put = SpectraStore.put

    def watched(store: SpectraStore, channel: str, prepared: Prepared) -> None:
        held.add(tuple(sorted(store.storage.folders("spectra"))))
        put(store, channel, prepared)

    monkeypatch.setattr(SpectraStore, "put", watched)
    day_gb = 7.1e-3
    summary = run(slow_source(2), tmp_path, TILED, NEXT, spectra_gb=1.5 * day_gb)  # which the other day takes
    assert "of 1 day at a time" in summary.notes[0]
    assert not held
    assert storage.keys("spectra") == ["spectra/2024-03-09/open"]
    assert objects(tmp_path) == whole(2)[0]
    run(slow_source(2), tmp_path / "both", TILED, NEXT, spectra_gb=2.5 * day_gb)
    assert held == {(DAY,), (NEXT,)}
    summary = run(slow_source(), tmp_path / "none", TILED, spectra_gb=0)
    assert "computed anew by every tile" in summary.notes[0]


def test_what_a_channel_costs_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first channel with data; nothing of the trial stays where spectra are not stored."""
    monkeypatch.undo()
    small_shards(monkeypatch, 100)
    source = slow_source()
    del source.held["XX.S00..MHZ", DAY_START]
    summary = run(source, tmp_path, TILED, spectra_gb=1.0)
    assert "tiles; spectra are " in summary.notes[0]
    assert [channel for channel, _ in source.asked[:4]] == ["XX.S00..MHZ", *["XX.S01..MHZ"] * 3]
    assert not list(tmp_path.glob("spectra/*"))


@pytest.mark.parametrize("changes", [{}, {"keep": "window", "cc_len": 7200, "cc_step": 7200}], ids=["day", "window"])
def test_tiles_on_a_device(tmp_path: Path, changes: dict[str, Any]) -> None:
    pytest.importorskip("torch", reason="torch is not installed (extra gpu)")
    memory_gb = 0.003 if changes else TILED
    cut = run(slow_source(), tmp_path / "cut", memory_gb, device="torch:cpu", **changes)
    assert cut.notes
    run(slow_source(), tmp_path / "one", 4.0, **changes)
    got, expected = (open_correlations(tmp_path / name).load() for name in ("cut", "one"))
    assert (got["count"] == expected["count"]).all()
    assert float(abs(got.ccf - expected.ccf).max()) < 1e-6


def test_memory_stays_within_the_budget(tmp_path: Path) -> None:
    """What Python and NumPy hold at once, beside a margin for records on their way, which are small here."""
    margin = 4e6

    def peak(name: str, memory_gb: float) -> int:
        source = slow_source()
        tracemalloc.start()
        try:
            run(source, tmp_path / name, memory_gb, workers=1)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak("first", TILED)  # what is imported on use
    assert peak("whole", 4.0) > 0.012e9 + margin
    assert peak("cut", TILED) < TILED * 1e9 + margin
