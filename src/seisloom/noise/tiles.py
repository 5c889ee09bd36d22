"""How a day that does not fit the memory of a worker is cut into tiles, and what its spectra cost to share.

A tile is a contiguous range of the pairs of a day in their natural order (A, then B): a band of rows, channels as A, against
the channels that they are paired with. The spectra of the band are held, those of the columns pass by a few at a time, and the
correlations are kept until the last column. Tiles end where shards of the archive do, so that each is written by one worker.
Within one shard there may be more channels as A than fit; then the columns pass by several times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seisloom.config import CorrelationSettings
from seisloom.errors import InputError
from seisloom.noise.archive import pairs_a_chunk
from seisloom.noise.plan import make_plan, window_groups
from seisloom.noise.product import FREQUENCY_BLOCK, GRID, UNIT
from seisloom.words import counted

# Counts of windows are summed in float32, kept and encoded.
_COUNT_COPIES = 3
# A shard is gathered, and copied as it is sent.
_SHARD_COPIES = 2


@dataclass(frozen=True)
class DaySize:
    """What the memory of a day is made of. ``values_a_pair`` are groups of windows times lags."""

    n_channels: int
    n_pairs: int
    n_frequencies: int
    rows: int
    """Windows, or twice as many (phase correlation)."""
    sides: int
    """2 where the spectra of A and B differ (deconvolution), else 1."""
    n_groups: int
    values_a_pair: int
    shard_pairs: int
    windows: bool = False
    """Whether every window is kept: then pairs are correlated one by one."""
    readers: int = 2
    """Channel-days that are read at a time."""
    threads: int = 2
    """Products, or pairs whose windows are kept, that are computed at a time."""

    @classmethod
    def of(
        cls, n_channels: int, n_pairs: int, settings: CorrelationSettings, readers: int = 1, threads: int = 2
    ) -> DaySize:
        """That of a job whose source sends ``readers`` records at a time; all ``threads`` read too."""
        plan = make_plan(settings)
        n_groups = len(window_groups(settings, plan))
        values = n_groups * (2 * plan.n_half_lag + 1)
        rows = plan.n_windows * (2 if settings.measure == "pcc" else 1)
        sides = 2 if settings.measure == "deconvolution" else 1
        shard = pairs_a_chunk(n_pairs, values)[1]
        windows = settings.keep == "window"
        return cls(
            n_channels,
            n_pairs,
            len(plan.weight),
            rows,
            sides,
            n_groups,
            values,
            shard,
            windows,
            max(threads, readers),
            threads,
        )

    @property
    def side_bytes(self) -> int:
        """Spectra of a channel, as A or as B."""
        return 8 * self.n_frequencies * self.rows

    @property
    def channel_bytes(self) -> int:
        """Spectra of a channel-day, as they are stored."""
        return self.side_bytes * self.sides

    @property
    def day_bytes(self) -> int:
        """Spectra of all channels."""
        return self.n_channels * self.channel_bytes

    @property
    def whole_bytes(self) -> int:
        """What a day takes in one piece: all spectra, and cross-spectra and correlations of one cell of rows."""
        pairs = 1 if self.windows else min(GRID, self.n_channels) * self.n_channels
        return self.day_bytes + pairs * (8 * self.n_frequencies + 4 * self.values_a_pair)

    @property
    def count_bytes(self) -> int:
        """Counts of the windows of all pairs."""
        return _COUNT_COPIES * 4 * self.n_pairs * self.n_groups

    def streaming_bytes(self, columns: int) -> int:
        """What a tile takes beside the spectra of its rows and its correlations, with ``columns`` at a time."""
        spectra = (2 * columns + 2 * self.sides * self.readers) * self.side_bytes  # columns are read ahead
        cross = self.threads * self.side_bytes if self.windows else 8 * self.n_frequencies * columns * GRID
        operands = 8 * FREQUENCY_BLOCK * GRID * (2 * self.rows + GRID) * self.threads
        return spectra + cross + operands + _SHARD_COPIES * 4 * self.shard_pairs * self.values_a_pair

    def pair_bytes(self, pairs: int) -> int:
        """Correlations and counts of some pairs."""
        return pairs * 4 * (self.values_a_pair + _COUNT_COPIES * self.n_groups)


@dataclass(frozen=True)
class Tile:
    """The pairs ``first`` to ``stop`` of a day, computed for at most ``rows`` channels as A at a time."""

    first: int
    stop: int
    rows: int

    @property
    def name(self) -> str:
        return f"{self.first:09d}-{self.stop:09d}"


@dataclass(frozen=True)
class Tiling:
    """How the days of a job are cut. Without ``tiles`` a day is done in one piece."""

    tiles: tuple[Tile, ...]
    columns: int
    """Channels as B whose spectra are held at a time."""
    memory_bytes: int
    """What one task takes at most."""
    channel_reads: int
    """Spectra of channel-days that all tiles of a day need, each as often as it is needed."""
    day_bytes: int
    """Spectra of a day, were they all stored."""

    @property
    def whole(self) -> bool:
        """Whether a day is one task."""
        return not self.tiles

    @property
    def tasks_a_day(self) -> int:
        return max(1, len(self.tiles))

    @property
    def most_pairs(self) -> int | None:
        """Of a tile: days that are cut with this as the most are cut so again. None where a day is one task."""
        return max((tile.stop - tile.first for tile in self.tiles), default=None)


def cut(size: DaySize, pairs: npt.NDArray[np.int64], memory_bytes: float, most_pairs: int | None = None) -> Tiling:
    """Tiles of a day that stay within a memory budget, as few as it allows; of ``most_pairs`` at most, or of a shard.

    ``pairs`` (pair, 2) are sorted by A then B. Raises InputError where not even the smallest tile fits.
    """
    most = most_pairs or size.n_pairs
    whole = Tiling((), size.n_channels, size.whole_bytes, size.n_channels, size.day_bytes)
    fits = size.whole_bytes <= memory_bytes
    if fits and most >= size.n_pairs:
        return whole
    columns = _columns(size, memory_bytes)
    room = int(memory_bytes) - size.streaming_bytes(columns)
    tiles = tuple(_tiles(size, pairs[:, 0], room, most))
    if size.count_bytes > memory_bytes or not tiles:
        if fits:
            return whole
        raise InputError(_refusal(size, pairs, memory_bytes))
    taken = [tile.rows * size.side_bytes + size.pair_bytes(tile.stop - tile.first) for tile in tiles]
    most = max(size.count_bytes, size.streaming_bytes(columns) + max(taken))
    reads = sum(_reads(tile, pairs, size.sides) for tile in tiles)
    return Tiling(tiles, columns, most, reads, size.day_bytes)


def _columns(size: DaySize, memory_bytes: float) -> int:
    """Channels as B at a time: a cell of the grid, or as large a part of it as leaves half of the memory to the rows."""
    for columns in (*range(GRID, 0, -UNIT), 4, 2):
        if size.streaming_bytes(columns) <= memory_bytes / 2:
            return min(columns, size.n_channels)
    return 1


def _tiles(size: DaySize, channel_a: npt.NDArray[np.int64], room: int, most: int) -> list[Tile]:
    """Tiles of as many shards as there is room for and ``most`` pairs hold, one at least; none where a shard and one row do not fit."""
    n = size.n_pairs
    # Which one among the channels that are A of some pair: how many rows a range of pairs has is a difference.
    rank = np.cumsum(np.diff(channel_a, prepend=channel_a[0]) > 0)
    stops = np.append(np.arange(size.shard_pairs, n, size.shard_pairs), n)
    tiles: list[Tile] = []
    first = 0
    while first < n:
        ahead = stops[stops > first]
        ahead = ahead[: max(int(np.searchsorted(ahead, first + most, side="right")), 1)]
        rows = rank[ahead - 1] - rank[first] + 1
        taken = rows * size.side_bytes + size.pair_bytes(1) * (ahead - first)
        k = max(int(np.searchsorted(taken, room, side="right")) - 1, 0)
        left = (room - size.pair_bytes(int(ahead[k]) - first)) // size.side_bytes
        if left < 1:
            return []
        tiles.append(Tile(first, int(ahead[k]), int(min(rows[k], left))))
        first = int(ahead[k])
    return tiles


def _reads(tile: Tile, pairs: npt.NDArray[np.int64], sides: int) -> int:
    """Channel-days whose spectra a tile needs, each as often as it is read."""
    total = 0
    for _, part in passes(tile, pairs):
        a, b = np.unique(part[:, 0]), np.unique(part[:, 1])
        # What is held as a row need not be read as a column, but where the two sides differ.
        total += len(a) + len(b) - (0 if sides == 2 else len(np.intersect1d(a, b, assume_unique=True)))
    return total


def passes(tile: Tile, pairs: npt.NDArray[np.int64]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """The pairs of a tile in parts with at most ``tile.rows`` channels as A, each with its place in the tile."""
    own = pairs[tile.first : tile.stop]
    begins = np.flatnonzero(np.diff(own[:, 0], prepend=-1))[:: tile.rows]
    yield from zip(begins.tolist(), np.split(own, begins[1:]), strict=True)


def _refusal(size: DaySize, pairs: npt.NDArray[np.int64], memory_bytes: float) -> str:
    """Why a day cannot be done, and what to do."""
    smallest = size.streaming_bytes(1) + size.side_bytes + size.pair_bytes(min(size.shard_pairs, size.n_pairs))
    needed = max(smallest, size.count_bytes)
    return (
        f"even the smallest part of a day takes {needed / 1e9:.2g} GB for {len(pairs):,} pairs of {size.n_channels:,} channels "
        f"({size.channel_bytes / 1e6:.3g} MB of spectra a channel), the memory limit is {memory_bytes / 1e9:.2g} GB: raise --memory, "
        "or use fewer threads, a narrower band or longer steps"
    )


@dataclass(frozen=True)
class SharingRates:
    """What decides whether tiles share spectra: seconds of one thread."""

    channel_s: float
    """A channel-day: records to spectra, with the time to fetch them."""
    write_s: float
    """Spectra of a channel-day to the store."""
    read_s: float
    """And back."""

    @classmethod
    def guessed(cls, size: DaySize) -> SharingRates:
        """Where nothing can be measured: a broadband channel on disk, a store at 100 MB/s."""
        return cls(0.2, size.channel_bytes / 100e6, size.channel_bytes / 100e6)


@dataclass(frozen=True)
class Sharing:
    """Whether the spectra of a day are computed once and stored for all of its tiles, and what a day costs either way, s."""

    stored: bool
    stored_s: float
    computed_s: float
    days: int
    """Days whose spectra may lie in the store at a time."""
    day_bytes: int

    def __str__(self) -> str:
        each = f"{self.day_bytes / 1e9:.2g} GB a day, of {counted(self.days, 'day')} at a time"
        words = f"stored between tiles ({each})" if self.stored else "computed anew by every tile"
        return f"spectra are {words}: {self.stored_s:.3g} s a day stored, {self.computed_s:.3g} s computed anew"


def sharing(tiling: Tiling, n_channels: int, rates: SharingRates, days: int) -> Sharing:
    """The cheaper way for spectra between tiles, where those of ``days`` may be stored at a time (0: none)."""
    stored_s = n_channels * (rates.channel_s + rates.write_s) + tiling.channel_reads * rates.read_s
    computed_s = tiling.channel_reads * rates.channel_s
    stored = days > 0 and not tiling.whole and stored_s < computed_s
    return Sharing(stored, stored_s, computed_s, days, tiling.day_bytes)


def days_stored(tiling: Tiling, spectra_gb: float | None, n_workers: int) -> int:
    """Days whose spectra may be stored at a time.

    By default as many as workers are at, who take the tiles of all days one after the other; else what ``spectra_gb`` holds.
    """
    if spectra_gb is not None:
        return int(spectra_gb * 1e9 // tiling.day_bytes)
    return -(-(n_workers - 1) // tiling.tasks_a_day) + 1
