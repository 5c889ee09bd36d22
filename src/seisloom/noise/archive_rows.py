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
from obstore.exceptions import BaseError

from seisloom.errors import WorkspaceError
from seisloom.noise.archive import CORRELATIONS
from seisloom.storage import Storage, words

# Requests at once: what hides the latency of an object store; of a disk, a few are as fast.
REQUESTS = 16
NOT_THERE = 2**64 - 1


def read_rows(
    storage: Storage, pairs: npt.ArrayLike, there: npt.NDArray[np.bool_], path: str = CORRELATIONS
) -> npt.NDArray[np.float32]:
    """``ccf[pairs]`` (pair, time, lag) of the archive at ``path``, NaN where ``there`` (pair, time) is False.

    ``there`` may cover fewer times than the archive has. Raises WorkspaceError.
    """
    import zarr

    numbers = np.atleast_1d(np.asarray(pairs, np.int64))
    array: Any = zarr.open_array(storage.zarr(read_only=True), path=f"{path}/ccf", mode="r", zarr_format=3)
    n_lag, n_time = array.shape[2], array.shards[1]
    out = np.full((len(numbers), there.shape[1], n_lag), np.nan, np.float32)
    wanted: dict[tuple[int, int], list[int]] = {}
    for i, time in np.argwhere(there):
        found = wanted.setdefault((int(numbers[i]) // array.shards[0], int(time) // n_time), [])
        if not found or found[-1] != i:
            found.append(int(i))

    def read(shard: tuple[tuple[int, int], list[int]]) -> None:
        (place, time), rows = shard
        key = f"{path}/ccf/c/{place}/{time}/0"
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
    try:
        tail = storage.store.get(key, options={"range": {"suffix": 16 * n_chunks + 4}}).bytes()
        index = np.frombuffer(tail, np.uint8)[:-4].view("<u8").reshape(n_chunks, 2)
        offsets = [int(index[p // n_pairs, 0]) for p in places]
        starts = [o + int(p % n_pairs) * size for o, p in zip(offsets, places, strict=True) if o != NOT_THERE]
        ranges = storage.store.get_ranges(key, starts=starts, lengths=[size] * len(starts)) if starts else []
    except FileNotFoundError:
        return [empty] * len(places)
    except (BaseError, OSError, ValueError) as error:
        raise WorkspaceError(f"{storage.url}/{key}: cannot be read: {words(error)}") from error
    found = iter(ranges)
    made = [None if o == NOT_THERE else np.frombuffer(next(found), "<f4").reshape(n_time, n_lag) for o in offsets]
    return [empty if block is None else block for block in made]
