"""Rows of a few pairs out of an archive, without the pairs beside them.

Zarr reads whole inner chunks, which hold many pairs of one day: for one pair over a year that is a hundred times what is
wanted. The shards are not compressed, so that the bytes of a row can be asked for by themselves. Where an inner chunk lies
in its shard is said by the index at the end of the shard (Zarr specification, sharding-indexed codec 1.0).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from seisloom.noise.formats import CORRELATIONS
from seisloom.noise.spans import parts
from seisloom.storage import Storage

# Requests at once: what hides the latency of an object store; of a disk, a few are as fast.
REQUESTS = 16
NOT_THERE = 2**64 - 1


def read_rows(storage: Storage, pairs: npt.ArrayLike, there: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """``ccf[pairs]`` (pair, time, lag) of the correlations, NaN where ``there`` (pair, time) is False.

    ``there`` may cover fewer times than the archive has. Raises WorkspaceError.
    """
    numbers, rest = np.atleast_1d(np.asarray(pairs, np.int64)), there.copy()
    held = []
    for part in parts(storage):
        times = np.arange(part.start, min(part.stop, there.shape[1]))
        if len(times) and there[:, times].any():
            held.append((times, part.read(storage, "ccf", numbers, times)))
            rest[:, times] = False
    out = rows_by_day(storage, numbers, rest)
    for times, values in held:
        out[:, times] = np.where(there[:, times, None], values, np.nan)
    return out


def rows_by_day(
    storage: Storage, numbers: npt.NDArray[np.int64], there: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """The same from ``correlations.zarr`` alone."""
    import zarr

    array: Any = zarr.open_array(storage.zarr(read_only=True), path=f"{CORRELATIONS}/ccf", mode="r", zarr_format=3)
    n_lag, n_time = array.shape[2], array.shards[1]
    out = np.full((len(numbers), there.shape[1], n_lag), np.nan, np.float32)
    wanted: dict[tuple[int, int], list[int]] = {}
    for i, time in np.argwhere(there):
        found = wanted.setdefault((int(numbers[i]) // array.shards[0], int(time) // n_time), [])
        if not found or found[-1] != i:
            found.append(int(i))

    def read(shard: tuple[tuple[int, int], list[int]]) -> None:
        (place, time), rows = shard
        key = f"{CORRELATIONS}/ccf/c/{place}/{time}/0"
        span = slice(time * n_time, min((time + 1) * n_time, there.shape[1]))
        blocks = _blocks(storage, key, array, numbers[rows] % array.shards[0])
        for i, block in zip(rows, blocks, strict=True):
            out[i, span] = np.where(there[i, span, None], block[: span.stop - span.start], np.nan)

    with ThreadPoolExecutor(REQUESTS) as pool:
        list(pool.map(read, wanted.items()))
    return out


def _blocks(storage: Storage, key: str, array: Any, places: npt.NDArray[np.int64]) -> list[npt.NDArray[np.float32]]:
    """Rows (time, lag) of the pairs at these places in a shard; NaN for an inner chunk that is not there."""
    n_pairs, n_time, n_lag = array.chunks
    n_chunks, size = array.shards[0] // n_pairs, 4 * n_time * n_lag
    empty = np.full((n_time, n_lag), np.nan, np.float32)
    tail = storage.get_end(key, 16 * n_chunks + 4)
    if tail is None:
        return [empty] * len(places)
    index = np.frombuffer(tail, np.uint8)[:-4].view("<u8").reshape(n_chunks, 2)
    offsets = [int(index[p // n_pairs, 0]) for p in places]
    starts = [o + int(p % n_pairs) * size for o, p in zip(offsets, places, strict=True) if o != NOT_THERE]
    ranges = (storage.get_ranges(key, starts, [size] * len(starts)) or []) if starts else []
    found = iter(ranges)
    made = [None if o == NOT_THERE else np.frombuffer(next(found), "<f4").reshape(n_time, n_lag) for o in offsets]
    return [empty if block is None else block for block in made]
