"""``seisloom compact``: the finished days of a workspace once more, pair by pair, or in place of the days.

A day is computed for all pairs at once and is stored so. Who reads one pair over years has to gather it from as many
objects as there are days; in a segment (:mod:`seisloom.noise.by_pair`) it lies together. Rounding to fewer bits of the
mantissa (Kloewer et al. 2021, https://doi.org/10.1038/s43588-021-00156-2) leaves numbers of which the rest compresses:
the error is at most 2**-(bits + 1) of each value.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom import __version__
from seisloom.compute import each
from seisloom.cores import cores
from seisloom.errors import InputError, WorkspaceError
from seisloom.noise.archive import Layout, create_archive, open_archive, open_correlations
from seisloom.noise.by_pair import FOLDER, Segment, segments
from seisloom.noise.formats import BY_PAIR, CORRELATIONS
from seisloom.noise.select import time_dim
from seisloom.noise.spans import days_a_row
from seisloom.noise.stack_wanted import pair_columns
from seisloom.storage import Storage

FEWEST_BITS, MOST_BITS = 4, 22


def compact(
    workspace: str,
    replace: bool = False,
    keep_bits: int | None = None,
    memory_gb: float = 1.0,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Segment | None:
    """Gather the finished days after the last segment into a new one; None where there are none.

    They end before the first day that is not done. With ``replace`` the days are removed when the segment is whole, those
    of earlier segments too. ``keep_bits`` of the 23 bits of the mantissa are kept, which needs ``replace``. What an
    interrupted call has written is used by the next one. Raises InputError, WorkspaceError.
    """
    if keep_bits is not None and not (replace and FEWEST_BITS <= keep_bits <= MOST_BITS):
        raise InputError(
            f"keep_bits {keep_bits}: {FEWEST_BITS} to {MOST_BITS}, and only in place of the days, since correlations by day "
            "and by pair would differ"
        )
    storage = Storage(workspace)
    data = open_correlations(workspace)
    if n_days := days_a_row(data.attrs):
        raise InputError(
            f"{workspace}: keeps means of {n_days} days in place of the days, so there is nothing to compact"
        )
    segment = _next(storage, pd.DatetimeIndex(data[str(time_dim(data))].values), replace, keep_bits)
    if segment is not None:
        _write(storage, data, segment, memory_gb * 1e9, threads or cores(), progress or (lambda done, of: None))
        storage.put_new(segment.card, json.dumps(_card(segment), indent=1).encode())
    if replace:
        _remove_days(storage)
    return segment


def _next(storage: Storage, times: pd.DatetimeIndex, replace: bool, keep_bits: int | None) -> Segment | None:
    """The days from the end of the last segment to the first that is not done, or those of an interrupted call."""
    held = segments(storage)
    first = held[-1].stop if held else 0
    done = {key.rpartition("/")[2].removesuffix(".json") for key in storage.keys("done")}
    days = times.normalize().strftime("%Y-%m-%d").to_numpy()
    stop = first
    while stop < len(days) and days[stop] in done:
        stop += 1
    if stop == first:
        return None
    last = _begun(storage, str(days[first])) or str(days[stop - 1])
    stop = int(np.searchsorted(days, last, "right"))
    return Segment(str(days[first]), last, first, stop, replace, keep_bits)


def _begun(storage: Storage, first_day: str) -> str | None:
    """The last day of a segment from this day on that was begun and not finished."""
    names = {key.split("/")[1].removesuffix(".zarr") for key in storage.keys(FOLDER) if key.endswith(".zarr/zarr.json")}
    return max((name.partition("_")[2] for name in names if name.startswith(f"{first_day}_")), default=None)


def _card(segment: Segment) -> dict[str, Any]:
    return vars(segment) | {"format": BY_PAIR if segment.replaced else 1, "seisloom": __version__}


def _write(
    storage: Storage, data: Any, segment: Segment, memory: float, threads: int, progress: Callable[[int, int], None]
) -> None:
    """All shards of a segment that are not there yet, and the counts."""
    dim = str(time_dim(data))
    part = data.isel({dim: slice(segment.start, segment.stop)})
    n_pairs, n_times, n_lag = part["ccf"].shape
    group: Any = open_archive(storage, segment.path)
    if group is None:
        attributes = {"settings": data.attrs.get("settings", "{}"), "keep_bits": segment.keep_bits}
        layout = Layout.by_pair(n_pairs, n_lag, n_times)
        times, units = pd.DatetimeIndex(part[dim].values), part["ccf"].attrs.get("units", "1")
        group = create_archive(
            storage, segment.path, pair_columns(part), part["lag"].values, times, dim, 1, attributes, units, layout
        )
    if group.attrs["keep_bits"] != segment.keep_bits:
        raise InputError(
            f"{storage.url}/{segment.path}: was begun with keep_bits {group.attrs['keep_bits']} and interrupted; finish it so, "
            "or remove it"
        )
    pairs, span = group["ccf"].shards[:2]
    there = set(storage.keys(f"{segment.path}/ccf"))
    fit = max(1, int(memory / 3 / (4 * n_lag * min(span, n_times) * pairs))) * pairs
    for begin in range(0, n_pairs, fit):
        for time in range(0, n_times, span):
            block = slice(begin, min(begin + fit, n_pairs)), slice(time, min(time + span, n_times))
            _write_block(group, segment, part, block, there, threads)
        progress(min(begin + fit, n_pairs), n_pairs)
    pairs = group["count"].chunks[0] * 64
    for first in range(0, n_pairs, pairs):
        group["count"][first : first + pairs] = part["count"][first : first + pairs].values


def _write_block(
    group: Any, segment: Segment, part: Any, block: tuple[slice, slice], there: set[str], threads: int
) -> None:
    """The shards of some pairs and times."""
    array = group["ccf"]
    pairs, span = array.shards[:2]
    here, times = block
    key = f"{segment.path}/ccf/c/{{}}/{times.start // span}/0"
    missing = [p for p in range(here.start, here.stop, pairs) if key.format(p // pairs) not in there]
    if not missing:
        return
    values = np.ascontiguousarray(part["ccf"][block].values, np.float32)
    if segment.keep_bits is not None:
        values = rounded(values, segment.keep_bits)

    def write(first: int) -> None:
        last = min(first + pairs, here.stop)
        array[first:last, times] = values[first - here.start : last - here.start]

    for _ in each(write, missing, threads):
        pass


def rounded(values: npt.NDArray[np.float32], keep_bits: int) -> npt.NDArray[np.float32]:
    """Values with so many bits of the mantissa, to nearest even; NaN and infinity stay."""
    from numcodecs import BitRound

    # The rounding works in place.
    return np.asarray(BitRound(keep_bits).encode(values)).view(np.float32).reshape(values.shape)


def _remove_days(storage: Storage) -> None:
    """Remove the correlations by day that segments have replaced, once older versions cannot take them for empty."""
    held = segments(storage)
    for segment in [dataclasses.replace(s, replaced=True) for s in held if not s.replaced]:
        storage.put(segment.card, json.dumps(_card(segment), indent=1).encode(), durable=True)
    group: Any = open_archive(storage, CORRELATIONS)
    if group is None:
        raise WorkspaceError(f"{storage.url}: holds no {CORRELATIONS}; run seisloom correlate first")
    if held and group.attrs.get("format") != BY_PAIR:
        group.attrs["format"] = BY_PAIR
    n_times = group["ccf"].shards[1]
    gone = {shard for s in held for shard in range(s.start // n_times, -(-s.stop // n_times))}
    keys = [key for key in storage.keys(f"{CORRELATIONS}/ccf/c") if int(key.split("/")[-2]) in gone]
    storage.delete(keys)
