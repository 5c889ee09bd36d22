"""Stacks of a workspace: its correlations over all days, or by day, week, month or N days, pair block by pair block."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom import __version__
from seisloom.errors import InputError
from seisloom.noise.archive import STACKS, ArchiveWriter, create_archive, open_correlations
from seisloom.noise.select import select_pairs, time_dim
from seisloom.noise.snr import snr
from seisloom.noise.stack import resolve_options, stack
from seisloom.storage import Storage

if TYPE_CHECKING:
    import xarray as xr

MOST_DAYS = 100_000
BLOCK_BYTES = 256 * 1024 * 1024
SNR_ATTRIBUTES = {"long_name": "signal-to-noise ratio (peak of the envelope over the rms of late lags)"}


def stack_correlations(
    workspace: str | Path,
    method: str = "linear",
    period: str = "all",
    pairs: Sequence[str] | None = None,
    rotate: bool = False,
    name: str | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> str:
    """Stack the correlations of a workspace and store the result as ``stacks/NAME.zarr``; returns NAME.

    ``method`` and ``options`` are those of :func:`seisloom.noise.stack.stack`; ``period`` is all, day, week, month or
    "N days"; ``pairs`` are names or patterns; ``rotate`` turns nine-component stacks to radial, transverse and vertical.
    NAME is METHOD_PERIOD unless given. Raises InputError, WorkspaceError.
    """
    values = resolve_options(method, options)
    data = select_pairs(open_correlations(workspace), pairs)
    if not data["count"].values.any():
        raise InputError(f"{workspace}: no correlation of these pairs holds any window, so there is nothing to stack")
    times = pd.DatetimeIndex(data[str(time_dim(data))].values)
    groups = period_groups(times, period)
    name = name or f"{method}_{period.replace(' ', '')}" + ("_RTZ" if rotate else "")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise InputError(f"stack name {name!r}: use letters, digits, dots, dashes and underscores")
    card = {"method": method, "method_options": values, "period": period, "rotated": rotate}
    stacks = _stacks(data, groups, method, threads or os.cpu_count() or 1, values, progress)
    if rotate:
        from seisloom.noise.rotate import rotate as rotated

        # Rotation joins pairs, so it needs all of them at once.
        turned = rotated(_in_memory(data, groups, stacks))
        values_, counts_ = turned["ccf"].values, turned["count"].values
        data, stacks = turned, iter([(values_, counts_)])
    _write(Storage(workspace), name, data, groups, stacks, card)
    return name


def stacked(
    data: xr.Dataset,
    method: str = "linear",
    period: str = "all",
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> xr.Dataset:
    """The stacks of a dataset of correlations, in memory: what :func:`stack_correlations` stores, without storing it.

    ``ccf(pair, period, lag)``, ``count(pair, period)`` and ``snr(pair, period)``, as ``open_stacks`` gives them.
    Raises InputError.
    """
    values = resolve_options(method, options)
    groups = period_groups(pd.DatetimeIndex(data[str(time_dim(data))].values), period)
    made = _in_memory(data, groups, _stacks(data, groups, method, threads or os.cpu_count() or 1, values, progress))
    made.attrs |= {"method": method, "method_options": json.dumps(values)}
    return with_snr(made)


def with_snr(stacks: xr.Dataset) -> xr.Dataset:
    """Stacks with their ``snr(pair, period)`` (see :func:`seisloom.noise.snr.snr`), float32."""
    ratio = snr(stacks["ccf"].values, stacks["lag"].values, stacks["distance_km"].values[:, None])
    return stacks.assign(snr=(("pair", "period"), ratio.astype(np.float32), SNR_ATTRIBUTES))


def period_groups(times: pd.DatetimeIndex, period: str) -> list[tuple[pd.Timestamp, npt.NDArray[np.int64]]]:
    """(start, indices of times) of every period that holds any. Weeks begin on Monday, N days on the first day."""
    days = times.normalize()
    if period == "all":
        starts = pd.DatetimeIndex([days[0]] * len(days))
    elif period == "day":
        starts = days
    elif period == "week":
        starts = days - pd.to_timedelta(days.day_of_week, unit="D")
    elif period == "month":
        starts = days - pd.to_timedelta(days.day - 1, unit="D")
    elif match := re.fullmatch(r"(\d+) ?d(ays?)?", period):
        n = int(match[1])
        if not 1 <= n <= MOST_DAYS:
            raise InputError(f"period {period!r}: at least one day and at most {MOST_DAYS:,}")
        starts = days - pd.to_timedelta((days - days[0]).days % n, unit="D")
    else:
        raise InputError(f"period {period!r}: use all, day, week, month, or a number of days such as '10 days'")
    codes, unique = pd.factorize(starts, sort=True)
    return [(start, np.flatnonzero(codes == i)) for i, start in enumerate(unique)]


def _stacks(
    data: xr.Dataset,
    groups: list[tuple[pd.Timestamp, npt.NDArray[np.int64]]],
    method: str,
    threads: int,
    options: dict[str, Any],
    progress: Callable[[int, int], None] | None,
) -> Any:
    """Blocks of pairs: stacks (pair, period, lag) and window counts (pair, period)."""
    n_pairs, n_times, n_lag = data["ccf"].shape
    step = max(1, BLOCK_BYTES // (4 * n_times * n_lag))
    lag = data["lag"].values
    for first in range(0, n_pairs, step):
        here = slice(first, first + step)
        rows, count = data["ccf"][here].values, data["count"][here].values
        made = [stack(rows[:, i], method, weights=count[:, i], lag=lag, threads=threads, **options) for _, i in groups]
        yield np.stack(made, axis=1), np.stack([count[:, i].sum(axis=1) for _, i in groups], axis=1)
        if progress is not None:
            progress(min(first + step, n_pairs), n_pairs)


def _in_memory(data: xr.Dataset, groups: list[tuple[pd.Timestamp, npt.NDArray[np.int64]]], stacks: Any) -> xr.Dataset:
    ccf, count = (np.concatenate(parts) for parts in zip(*stacks, strict=True))
    small = data.drop_vars([v for v in data.variables if time_dim(data) in data[v].dims])
    return small.assign(
        ccf=(("pair", "period", "lag"), ccf, data["ccf"].attrs), count=(("pair", "period"), count)
    ).assign_coords(period=[start.to_datetime64() for start, _ in groups])


def _write(
    storage: Storage,
    name: str,
    data: xr.Dataset,
    groups: list[tuple[pd.Timestamp, npt.NDArray[np.int64]]],
    stacks: Any,
    card: dict[str, Any],
) -> None:
    mark, path = f"{STACKS}/{name}.json", f"{STACKS}/{name}.zarr"
    storage.delete([mark])  # what is being written again is not finished
    storage.delete(storage.keys(path))
    pairs = _pair_table(data)
    lag = data["lag"].values
    attributes = {
        "settings": data.attrs.get("settings", "{}"),
        "method": card["method"],
        "method_options": json.dumps(card["method_options"]),
        **({"not_rotated": data.attrs["not_rotated"]} if "not_rotated" in data.attrs else {}),
    }
    starts = pd.DatetimeIndex([start for start, _ in groups])
    units = data["ccf"].attrs.get("units", "1")
    group: Any = create_archive(storage, path, pairs, lag, starts, "period", len(starts), attributes, units)
    ratios, counts = [], []
    writer = ArchiveWriter(group, slice(0, len(starts)))
    distance = pairs["distance_km"].to_numpy()
    first = 0
    for block, count in stacks:
        writer.append(block)
        counts.append(count)
        ratios.append(snr(block, lag, distance[first : first + len(block), None]))
        first += len(block)
    writer.flush()
    group["count"][:] = np.concatenate(counts)
    _write_snr(group, np.concatenate(ratios))
    made = pd.Timestamp.now("UTC").isoformat()
    storage.put(mark, json.dumps(card | {"made": made, "seisloom": __version__}).encode())


def _pair_table(data: xr.Dataset) -> pd.DataFrame:
    columns = {str(c): data[c].values for c in data.coords if data[c].dims == ("pair",)}
    return pd.DataFrame({k: v if v.dtype.kind in "fiub" else v.astype(object) for k, v in columns.items()})


def _write_snr(group: Any, ratios: npt.NDArray[np.float64]) -> None:
    array = group.create_array(
        "snr", shape=ratios.shape, dtype="float32", fill_value=np.nan, dimension_names=("pair", "period")
    )
    array[:] = ratios.astype(np.float32)
    array.attrs.update(SNR_ATTRIBUTES)
