"""Some of the pairs as tasks: what a worker needs to stack them.

A task is a range of pairs: whole shards of the archive, which the worker writes, or a part of one, which goes back to be written with
the other parts. The stack of a pair has the same bits in whatever range it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.errors import WorkspaceError
from seisloom.noise.archive import ArchiveWriter, open_archive, open_correlations
from seisloom.noise.select import select_pairs
from seisloom.noise.snr import snr
from seisloom.noise.stack import stack
from seisloom.storage import Storage

if TYPE_CHECKING:
    import xarray as xr

BLOCK_BYTES = 256 * 1024 * 1024
"""Of correlations that are held at once."""
Groups = list[tuple[pd.Timestamp, npt.NDArray[np.int64]]]
"""Start, and indices of times, of every period."""


@dataclass(frozen=True)
class StackJob:
    """A stack of a workspace as its workers have it; it travels to them pickled.

    They are written to the archive at ``path``, of which ``shard_pairs`` are a shard, or given back where that is None.
    """

    storage: Storage
    pairs: Sequence[str] | None
    groups: Groups
    method: str
    options: dict[str, Any]
    threads: int
    path: str | None
    shard_pairs: int

    def writes(self, pairs: range, n_pairs: int) -> bool:
        """Whether the worker writes some of all pairs: whole shards."""
        ends = pairs.stop == n_pairs or pairs.stop % self.shard_pairs == 0
        return bool(self.path) and ends and pairs.start % self.shard_pairs == 0


class Stacked(NamedTuple):
    """What a task gives: window counts and signal-to-noise ratios (pair, period), and stacks (pair, period, lag) if they are
    not written."""

    counts: npt.NDArray[np.int32]
    ratios: npt.NDArray[np.float64]
    ccf: npt.NDArray[np.float32] | None


@contextmanager
def stack_task(job: StackJob, told: Callable[[int], None] | None = None) -> Iterator[Callable[[range], Stacked]]:
    """What stacks a range of pairs; ``told`` is called with the number of pairs that are done, in order."""
    data = select_pairs(open_correlations(job.storage.url), job.pairs)
    distance, lag = data["distance_km"].values, data["lag"].values
    group: Any = open_archive(job.storage, job.path) if job.path else None
    if job.path and group is None:
        raise WorkspaceError(f"{job.storage.url}/{job.path}: not there any more; run the command again")

    def task(pairs: range) -> Stacked:
        first = pairs.start
        writes = job.writes(pairs, len(distance))
        writer = ArchiveWriter(group, slice(0, len(job.groups)), first // job.shard_pairs) if writes else None
        made = []
        chosen = data.isel(pair=slice(first, pairs.stop))
        for block, count in stacks(chosen, job.groups, job.method, job.threads, job.options):
            ratio = snr(block, lag, distance[first : first + len(block), None])
            first += len(block)
            if writer:
                writer.append(block)
            made.append((count, ratio, None if writer else block))
            if told:
                told(first)
        if writer:
            writer.close()
        counts, ratios, blocks = zip(*made, strict=True)
        return Stacked(np.concatenate(counts), np.concatenate(ratios), None if writer else np.concatenate(blocks))

    yield task


def pair_ranges(n_pairs: int, shard_pairs: int, each: int) -> list[range]:
    """All pairs in tasks of ``each``, at most: whole shards where it holds one, and parts of single ones where it does not."""
    span = max(each // shard_pairs, 1) * shard_pairs
    step = min(each, span)
    spans = [range(first, min(first + span, n_pairs)) for first in range(0, n_pairs, span)]
    return [range(first, min(first + step, held.stop)) for held in spans for first in held[::step]]


def block_pairs(n_times: int, n_lag: int) -> int:
    """Pairs whose correlations are held at once."""
    return max(1, BLOCK_BYTES // (4 * n_times * n_lag))


def stacks(
    data: xr.Dataset, groups: Groups, method: str, threads: int, options: dict[str, Any]
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]]:
    """Blocks of pairs: stacks (pair, period, lag) and window counts (pair, period)."""
    n_pairs, n_times, n_lag = data["ccf"].shape
    step = block_pairs(n_times, n_lag)
    lag = data["lag"].values
    for first in range(0, n_pairs, step):
        here = slice(first, first + step)
        rows, count = data["ccf"][here].values, data["count"][here].values
        made = [stack(rows[:, i], method, weights=count[:, i], lag=lag, threads=threads, **options) for _, i in groups]
        yield np.stack(made, axis=1), np.stack([count[:, i].sum(axis=1) for _, i in groups], axis=1)
