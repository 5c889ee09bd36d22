"""Days cut into tiles: every pair once, within the memory; and the archive has the bytes of the same day in one piece."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seisloom.errors import InputError
from seisloom.noise import archive, tile_run
from seisloom.noise.pipeline import correlate
from seisloom.noise.product import FREQUENCY_BLOCK, GRID
from seisloom.noise.report import Summary
from seisloom.noise.tiles import DaySize, SharingRates, Tile, Tiling, cut, days_stored, passes, sharing
from seisloom.stations import channel_ids
from seisloom.waveforms import Record, Segment
from seisloom.waveforms.base import DAY_NS
from tests.jobs import DAY, DAY_START, Records, channel_table, objects, small_settings

N = 52
"""Channels: more than a cell of the grid."""
STORED, COMPUTED = SharingRates(1.0, 1e-9, 1e-9), SharingRates(1e-9, 1.0, 1.0)
"""What makes either way of sharing the cheaper one."""


@st.composite
def days(draw: st.DrawFn) -> tuple[DaySize, np.ndarray, float]:
    """A day of some pairs among some channels, and a memory."""
    n = draw(st.integers(2, 150))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    every = np.stack(np.triu_indices(n), axis=1)
    pairs = every[rng.random(len(every)) < draw(st.sampled_from([0.02, 0.3, 1.0]))]
    assume(len(pairs))
    groups, lags = draw(st.integers(1, 5)), draw(st.sampled_from([11, 241]))
    size = DaySize(
        n_channels=n,
        n_pairs=len(pairs),
        n_frequencies=draw(st.integers(1, 300)),
        rows=draw(st.integers(1, 50)),
        sides=draw(st.sampled_from([1, 2])),
        n_groups=groups,
        values_a_pair=groups * lags,
        shard_pairs=draw(st.sampled_from([1, 7, 100])),
        windows=draw(st.booleans()),
        readers=draw(st.integers(1, 4)),
        threads=draw(st.integers(1, 4)),
    )
    least = size.streaming_bytes(1) + size.side_bytes + size.pair_bytes(size.shard_pairs)
    return size, pairs, draw(st.floats(0.5 * least, 1.2 * max(size.whole_bytes, least)))


@settings(max_examples=200, deadline=None)
@given(days())
def test_tiles_hold_every_pair_once_within_the_memory(day: tuple[DaySize, np.ndarray, float]) -> None:
    size, pairs, memory = day
    try:
        tiling = cut(size, pairs, memory)
    except InputError:
        # Not even with one column, one row and one shard at a time.
        least = size.streaming_bytes(1) + size.side_bytes + size.pair_bytes(min(size.shard_pairs, size.n_pairs))
        assert memory < max(least, size.count_bytes, size.whole_bytes)
        assert memory < least or memory < size.count_bytes or memory < 2 * size.streaming_bytes(1)
        return
    assert tiling.memory_bytes <= memory
    assert tiling.whole == (size.whole_bytes <= memory)
    if tiling.whole:
        return
    edges = [0, *(tile.stop for tile in tiling.tiles)]
    assert edges == [*(tile.first for tile in tiling.tiles), len(pairs)]
    assert all(edge % size.shard_pairs == 0 for edge in edges[:-1])
    assert tiling.memory_bytes >= held(size, tiling, pairs)
    assert tiling.channel_reads == sum(reads(size, tile, pairs) for tile in tiling.tiles)


def held(size: DaySize, tiling: Tiling, pairs: np.ndarray) -> int:
    """The arrays of the greediest tile: rows, two lots of columns, cross-spectra and correlations."""
    lots = 2 * tiling.columns * size.side_bytes
    most = 0
    for tile in tiling.tiles:
        rows = max(len(set(part[:, 0])) for _, part in passes(tile, pairs))
        assert rows <= tile.rows
        most = max(most, rows * size.side_bytes + 4 * (tile.stop - tile.first) * size.values_a_pair)
    cross = 0 if size.windows else 8 * size.n_frequencies * tiling.columns * min(48, size.n_channels)
    return lots + most + cross


def reads(size: DaySize, tile: Tile, pairs: np.ndarray) -> int:
    """Spectra that a tile asks for: of every row, and of every column that is not held as a row or differs from it."""
    total, done = 0, 0
    for place, part in passes(tile, pairs):
        assert place == done
        done += len(part)
        a, b = set(part[:, 0].tolist()), set(part[:, 1].tolist())
        total += len(a) + len(b if size.sides == 2 else b - a)
    assert done == tile.stop - tile.first
    return total


def small_shards(monkeypatch: pytest.MonkeyPatch, pairs: int, values: int = 241) -> None:
    """Shards of so many pairs, where a run of the size of a test would have one."""
    monkeypatch.setattr(archive, "CHUNK_BYTES", 4 * values * pairs // 5)
    monkeypatch.setattr(archive, "SHARD_BYTES", 4 * values * pairs)


def slow_source(n_days: int = 1) -> Records:
    """Noise of all channels at half a hertz, with a gap of two hours on every fifth."""
    table, held = channel_table(N), {}
    for c, name in enumerate(channel_ids(table)):
        for day_ns in DAY_START + DAY_NS * np.arange(n_days):
            data = np.random.default_rng([c, day_ns // DAY_NS]).normal(scale=1000, size=43_200).astype(np.int32)
            pieces = [(0, 43_200)] if c % 5 else [(0, 10_000), (13_600, 43_200)]
            segments = [Segment(int(day_ns) + 2_000_000_000 * a, 0.5, data[a:b]) for a, b in pieces]
            held[name, int(day_ns)] = Record(segments)
    return Records(held, table)


def run(source: Records, folder: Path | str, memory_gb: float, end: str = DAY, **changes: Any) -> Summary:
    """A run at half a hertz; ``changes`` are of settings or arguments of ``correlate``."""
    slow = {"fs": 0.5, "freqmin": 0.02, "freqmax": 0.1, "cc_len": 3600, "cc_step": 1800, "maxlag": 240}
    arguments = {k: changes.pop(k) for k in list(changes) if k in inspect.signature(correlate).parameters}
    values = small_settings(**slow | changes)
    return correlate(source.table, values, source, folder, DAY, end, memory_gb=memory_gb, **arguments)


@pytest.mark.parametrize("rates", [STORED, COMPUTED], ids=["stored", "computed anew"])
@pytest.mark.parametrize(
    ("memory_gb", "changes"),
    [
        (0.008, {}),
        (0.003, {"keep": "window", "cc_len": 7200, "cc_step": 7200}),
        (0.012, {"keep": "substack", "substack_len": 21600, "measure": "deconvolution"}),
        (0.07, {"measure": "pcc", "whiten": "none", "cc_len": 7200, "keep": "substack", "substack_len": 43200}),
    ],
    ids=["day", "window", "deconvolution", "pcc"],
)
def test_tiles_have_the_bytes_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory_gb: float, changes: dict[str, Any], rates: SharingRates
) -> None:
    small_shards(monkeypatch, 100)
    monkeypatch.setattr(tile_run, "_measured", lambda *_: rates)
    source = slow_source()
    whole = run(source, tmp_path / "whole", 4.0, **changes)
    asked = len(source.asked)
    assert asked == N
    tiled = run(source, tmp_path / "tiled", memory_gb, **changes)
    assert not whole.notes
    assert ("stored between" in tiled.notes[0]) == (rates is STORED)
    assert objects(tmp_path / "tiled") == objects(tmp_path / "whole")
    assert {p.name for p in (tmp_path / "tiled").iterdir()} == {p.name for p in (tmp_path / "whole").iterdir()}
    again = len(source.asked) - asked
    assert again == N if rates is STORED else again > N
    assert told(tiled) == told(whole)


def told(summary: Summary) -> list[dict[str, Any]]:
    """What days came to, but for the seconds."""
    return [day.to_json() | {"seconds": 0} for day in summary.days]


@pytest.mark.parametrize("keep", ["day", "window"])
def test_readers_take_memory_for_records_and_threads_for_products(keep: str) -> None:
    """A source that sends 16 records at a time: two spectra a side for each. Products are made by the threads alone."""

    def taken(readers: int, threads: int) -> int:
        size = DaySize.of(100, 4950, small_settings(measure="deconvolution", keep=keep), readers, threads)
        assert (size.sides, size.readers) == (2, max(readers, threads))
        return size.streaming_bytes(8)

    size = DaySize.of(100, 4950, small_settings(measure="deconvolution"))
    assert taken(16, 2) - taken(1, 2) == 14 * 2 * 2 * size.side_bytes
    a_product = 8 * FREQUENCY_BLOCK * GRID * (2 * size.rows + GRID) + (size.side_bytes if keep == "window" else 0)
    assert taken(16, 4) - taken(16, 2) == 2 * a_product


def test_the_cheaper_way_for_spectra_is_taken() -> None:
    """Reads are 300 for 100 channels: 100 (2 + 1) + 300 x 0.5 s stored, 300 x 2 s computed anew."""
    tiling = Tiling((Tile(0, 5, 1), Tile(5, 9, 1)), 1, 1, 300, 10**9)
    found = sharing(tiling, 100, SharingRates(2.0, 1.0, 0.5), days=1)
    assert (found.stored, found.stored_s, found.computed_s) == (True, 450.0, 600.0)
    assert not sharing(tiling, 100, SharingRates(1.0, 1.0, 0.5), days=1).stored  # 350 s against 300 s
    assert not sharing(tiling, 100, SharingRates(2.0, 1.0, 0.5), days=0).stored
    assert "stored between tiles (1 GB a day, of 1 day at a time): 450 s a day stored, 600 s" in str(found)


@given(st.integers(1, 40), st.integers(1, 60))
def test_days_are_stored_that_workers_are_at(n_tiles: int, n_workers: int) -> None:
    """Any so many consecutive tiles of all days lie in no more days than that."""
    tiling = Tiling(tuple(Tile(k, k + 1, 1) for k in range(n_tiles)), 1, 1, 1, 10**9)
    days = days_stored(tiling, None, n_workers)
    spans = [(first + n_workers - 1) // n_tiles - first // n_tiles + 1 for first in range(n_tiles)]
    assert max(spans) == days
    assert days_stored(tiling, 2.5, n_workers) == 2
