"""Stacks of a workspace: its correlations over all days, or by day, week, month or N days, pair block by pair block."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom import __version__
from seisloom.compute import Compute, ComputeError, Failed, open_engine, parse_compute
from seisloom.cores import cores
from seisloom.errors import InputError
from seisloom.noise.archive import (
    STACKS,
    ArchiveWriter,
    create_archive,
    open_correlations,
    pairs_a_chunk,
    stack_names,
)
from seisloom.noise.select import select_pairs, time_dim
from seisloom.noise.snr import snr
from seisloom.noise.spans import days_a_row
from seisloom.noise.stack import resolve_options
from seisloom.noise.stack_task import Groups, Stacked, StackJob, stack_task, stacks
from seisloom.storage import Storage

if TYPE_CHECKING:
    import xarray as xr

MOST_DAYS = 100_000
_DAYS = r"(\d+) ?d(ays?)?"
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
    compute: str = "serial",
    workers: int | None = None,
    **options: Any,
) -> str:
    """Stack the correlations of a workspace and store the result as ``stacks/NAME.zarr``; returns NAME.

    ``method`` and ``options`` are those of :func:`seisloom.noise.stack.stack`; ``period`` is all, day, week, month or
    "N days"; ``pairs`` are names or patterns; ``rotate`` turns nine-component stacks to radial, transverse and vertical.
    NAME is METHOD_PERIOD unless given. ``compute``, ``workers`` and ``threads`` say what the blocks of pairs are stacked by, as
    for :func:`seisloom.noise.pipeline.correlate`. Raises InputError, WorkspaceError, ComputeError.
    """
    wanted = wanted_stack(workspace, method, period, pairs, rotate, name, **options)
    data, groups, name, values = wanted.data, wanted.groups, wanted.name, wanted.options
    card = {"method": method, "method_options": values, "period": period, "rotated": rotate}
    how = parse_compute(compute, workers, threads)
    job = StackJob(Storage(workspace), pairs, groups, method, values, how.n_threads, None, wanted.block)
    if rotate:
        from seisloom.noise.rotate import rotate as rotated

        # Rotation joins pairs, so it needs all of them at once.
        done = _run(job, how, len(data["pair"]), progress)
        turned = rotated(_in_memory(data, groups, [(block.ccf, block.counts) for block in done]))
        _write_rotated(job.storage, name, turned, groups, card)
    else:
        group = _begin(job.storage, name, data, groups, card)
        done = _run(replace(job, path=f"{STACKS}/{name}.zarr"), how, len(data["pair"]), progress)
        counts, ratios = (np.concatenate(parts) for parts in zip(*[block[:2] for block in done], strict=True))
        _end(job.storage, name, group, counts, ratios, card)
    return name


@dataclass(frozen=True)
class WantedStack:
    """A stack as it is asked for, and what it is of."""

    data: xr.Dataset
    """Correlations of the pairs, not read yet."""
    groups: Groups
    method: str
    options: dict[str, Any]
    """All of the method."""
    name: str
    rotated: bool

    @property
    def block(self) -> int:
        """Pairs of a task: those of a shard of the archive."""
        return pairs_a_chunk(len(self.data["pair"]), len(self.groups) * len(self.data["lag"]))[1]


def wanted_stack(
    workspace: str | Path,
    method: str,
    period: str,
    pairs: Sequence[str] | None,
    rotate: bool,
    name: str | None,
    **options: Any,
) -> WantedStack:
    """What :func:`stack_correlations` with the same arguments would stack. Raises what it raises."""
    values = resolve_options(method, options)
    data = select_pairs(open_correlations(workspace), pairs)
    if not data["count"].values.any():
        raise InputError(f"{workspace}: no correlation of these pairs holds any window, so there is nothing to stack")
    groups = periods_of(data, period)
    name = name or f"{method}_{period.replace(' ', '')}" + ("_RTZ" if rotate else "")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise InputError(f"stack name {name!r}: use letters, digits, dots, dashes and underscores")
    return WantedStack(data, groups, method, values, name, rotate)


def _run(job: StackJob, how: Compute, n_pairs: int, progress: Callable[[int, int], None] | None) -> list[Stacked]:
    """All blocks, in order; ComputeError where one cannot be done."""
    tell = progress or (lambda done, total: None)
    prepare = partial(stack_task, job) if how.remote else partial(stack_task, job, lambda done: tell(done, n_pairs))
    made: dict[int, Stacked] = {}
    with open_engine(how) as engine:
        for number, block in engine.run(prepare, range(-(-n_pairs // job.block))):
            if isinstance(block, Failed):
                first = number * job.block
                raise ComputeError(f"pairs {first + 1:,} to {min(first + job.block, n_pairs):,}: {block}")
            made[number] = block
            if how.remote:
                tell(sum(len(done.counts) for done in made.values()), n_pairs)
    return [made[number] for number in sorted(made)]


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
    groups = periods_of(data, period)
    made = _in_memory(data, groups, list(_told(data, groups, method, threads or cores(), values, progress)))
    made.attrs |= {"method": method, "method_options": json.dumps(values)}
    return with_snr(made)


def with_snr(stacks: xr.Dataset) -> xr.Dataset:
    """Stacks with their ``snr(pair, period)`` (see :func:`seisloom.noise.snr.snr`), float32."""
    ratio = snr(stacks["ccf"].values, stacks["lag"].values, stacks["distance_km"].values[:, None])
    return stacks.assign(snr=(("pair", "period"), ratio.astype(np.float32), SNR_ATTRIBUTES))


def periods_of(data: xr.Dataset, period: str) -> Groups:
    """The periods of a dataset of correlations, as below; InputError for those that rows of several days do not fill."""
    groups = period_groups(pd.DatetimeIndex(data[str(time_dim(data))].values), period)
    n_days, whole = days_a_row(data.attrs), re.fullmatch(_DAYS, period)
    if n_days and period != "all" and not (whole and int(whole[1]) % n_days == 0):
        raise InputError(
            f"period {period!r}: these correlations are means of {n_days} days (keep stack): use all, or a multiple of them such "
            f"as '{3 * n_days} days'"
        )
    return groups


def period_groups(times: pd.DatetimeIndex, period: str) -> Groups:
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
    elif match := re.fullmatch(_DAYS, period):
        n = int(match[1])
        if not 1 <= n <= MOST_DAYS:
            raise InputError(f"period {period!r}: at least one day and at most {MOST_DAYS:,}")
        starts = days - pd.to_timedelta((days - days[0]).days % n, unit="D")
    else:
        raise InputError(f"period {period!r}: use all, day, week, month, or a number of days such as '10 days'")
    codes, unique = pd.factorize(starts, sort=True)
    return [(start, np.flatnonzero(codes == i)) for i, start in enumerate(unique)]


def _told(
    data: xr.Dataset,
    groups: Groups,
    method: str,
    threads: int,
    options: dict[str, Any],
    progress: Callable[[int, int], None] | None,
) -> Iterator[tuple[Any, Any]]:
    """The blocks of :func:`stacks`, and how many pairs are done."""
    done = 0
    for block, count in stacks(data, groups, method, threads, options):
        yield block, count
        done += len(count)
        if progress is not None:
            progress(done, len(data["pair"]))


def _in_memory(data: xr.Dataset, groups: Groups, blocks: list[tuple[Any, Any]]) -> xr.Dataset:
    ccf, count = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    small = data.drop_vars([v for v in data.variables if time_dim(data) in data[v].dims])
    return small.assign(
        ccf=(("pair", "period", "lag"), ccf, data["ccf"].attrs), count=(("pair", "period"), count)
    ).assign_coords(period=[start.to_datetime64() for start, _ in groups])


def _begin(storage: Storage, name: str, data: xr.Dataset, groups: Groups, card: dict[str, Any]) -> Any:
    """The empty archive of a stack, of which nothing of an earlier one is left."""
    mark, path = f"{STACKS}/{name}.json", f"{STACKS}/{name}.zarr"
    storage.delete([mark])  # what is being written again is not finished
    storage.delete(storage.keys(path))
    attributes = {
        "settings": data.attrs.get("settings", "{}"),
        "method": card["method"],
        "method_options": json.dumps(card["method_options"]),
        **({"not_rotated": data.attrs["not_rotated"]} if "not_rotated" in data.attrs else {}),
    }
    starts = pd.DatetimeIndex([start for start, _ in groups])
    units, lag = data["ccf"].attrs.get("units", "1"), data["lag"].values
    return create_archive(storage, path, pair_columns(data), lag, starts, "period", len(starts), attributes, units)


def _end(
    storage: Storage,
    name: str,
    group: Any,
    counts: npt.NDArray[np.int32],
    ratios: npt.NDArray[np.float64],
    card: dict[str, Any],
) -> None:
    """What is known only when all stacks are written, and the mark that says so."""
    group["count"][:] = counts
    _write_snr(group, ratios)
    card |= {"made": _made(storage), "seisloom": __version__}
    storage.put(f"{STACKS}/{name}.json", json.dumps(card).encode(), durable=True)


def _write_rotated(storage: Storage, name: str, data: xr.Dataset, groups: Groups, card: dict[str, Any]) -> None:
    group = _begin(storage, name, data, groups, card)
    ccf, count = data["ccf"].values, data["count"].values
    writer = ArchiveWriter(group, slice(0, len(groups)))
    writer.append(ccf)
    writer.close()
    ratios = snr(ccf, data["lag"].values, data["distance_km"].values[:, None])
    _end(storage, name, group, count, ratios, card)


def _made(storage: Storage) -> str:
    """Now (UTC, ISO 8601), or just after the newest stack where the clock was set back: the newest is the last one made."""
    cards = [storage.get_json(f"{STACKS}/{name}.json") or {} for name in stack_names(storage)]
    newest = max((card.get("made", "") for card in cards), default="")
    now = _now()
    return now if now > newest else (pd.Timestamp(newest) + pd.Timedelta(microseconds=1)).isoformat()


def _now() -> str:
    return pd.Timestamp.now("UTC").isoformat()


def pair_columns(data: xr.Dataset) -> pd.DataFrame:
    """Names, places and directions of the pairs of a dataset, one row each."""
    columns = {str(c): data[c].values for c in data.coords if data[c].dims == ("pair",)}
    return pd.DataFrame({k: v if v.dtype.kind in "fiub" else v.astype(object) for k, v in columns.items()})


def _write_snr(group: Any, ratios: npt.NDArray[np.float64]) -> None:
    array = group.create_array(
        "snr", shape=ratios.shape, dtype="float32", fill_value=np.nan, dimension_names=("pair", "period")
    )
    array[:] = ratios.astype(np.float32)
    array.attrs.update(SNR_ATTRIBUTES)
