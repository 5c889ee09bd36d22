"""Stacks of a workspace: its correlations over all days, or by day, week, month or N days, pair block by pair block."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom import __version__
from seisloom.compute import Compute, ComputeError, Failed, open_engine, parse_compute
from seisloom.compute.crew import Crew
from seisloom.cores import cores
from seisloom.noise.archive import STACKS, ArchiveWriter, create_archive, stack_names
from seisloom.noise.select import time_dim
from seisloom.noise.snr import snr
from seisloom.noise.stack import resolve_options
from seisloom.noise.stack_pace import measure_stack
from seisloom.noise.stack_task import Groups, Stacked, StackJob, pair_ranges, stack_task, stacks
from seisloom.noise.stack_wanted import WantedStack, pair_columns, periods_of, wanted_stack
from seisloom.storage import Storage

if TYPE_CHECKING:
    import xarray as xr

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
    NAME is METHOD_PERIOD unless given. ``compute``, ``workers`` and ``threads`` say what the pairs are stacked by, as for
    :func:`seisloom.noise.pipeline.correlate`; workers get as many at a time as take seconds, by a trial on some of them. Raises InputError, WorkspaceError, ComputeError.
    """
    wanted = wanted_stack(workspace, method, period, pairs, rotate, name, **options)
    data, groups, name, values = wanted.data, wanted.groups, wanted.name, wanted.options
    card = {"method": method, "method_options": values, "period": period, "rotated": rotate}
    how = parse_compute(compute, workers, threads)
    job = StackJob(Storage(workspace), pairs, groups, method, values, how.n_threads, None, wanted.shard_pairs)
    if rotate:
        from seisloom.noise.rotate import rotate as rotated

        # Rotation joins pairs, so it needs all of them at once.
        done = _run(job, how, wanted, None, progress)
        turned = rotated(_in_memory(data, groups, [(block.ccf, block.counts) for block in done]))
        _write_rotated(job.storage, name, turned, groups, card)
    else:
        group = _begin(job.storage, name, data, groups, card)
        done = _run(replace(job, path=f"{STACKS}/{name}.zarr"), how, wanted, group, progress)
        counts, ratios = (np.concatenate(parts) for parts in zip(*[block[:2] for block in done], strict=True))
        _end(job.storage, name, group, counts, ratios, card)
    return name


def _pairs_a_task(wanted: WantedStack, how: Compute, store: bool) -> int:
    """A shard in this process; for workers what is worth handing out."""
    if not how.remote:
        return wanted.shard_pairs
    crew = Crew.of(how)
    return measure_stack(wanted, min(cores(), crew.cores), store).pairs_a_task(wanted, crew)


def _run(
    job: StackJob, how: Compute, wanted: WantedStack, group: Any, progress: Callable[[int, int], None] | None
) -> list[Stacked]:
    """All pairs, in order, written to the archive ``group`` if there is one; ComputeError where some cannot be stacked."""
    n_pairs, tell = wanted.n_pairs, progress or (lambda done, total: None)
    prepare = partial(stack_task, job) if how.remote else partial(stack_task, job, lambda done: tell(done, n_pairs))
    each = _pairs_a_task(wanted, how, "://" in job.storage.url)
    tasks = pair_ranges(n_pairs, job.shard_pairs, each)
    parts, made = _Parts(group, job, n_pairs), dict[int, Stacked]()
    with open_engine(how) as engine:
        for pairs, done in engine.run(prepare, tasks):
            if isinstance(done, Failed):
                raise ComputeError(f"pairs {pairs.start + 1:,} to {pairs.stop:,}: {done}")
            made[pairs.start] = parts.written(pairs, done) if job.path else done
            if how.remote:
                tell(sum(len(some.counts) for some in made.values()), n_pairs)
    return [made[first] for first in sorted(made)]


class _Parts:
    """Parts of shards that workers have given back, each shard written when all of it is there."""

    def __init__(self, group: Any, job: StackJob, n_pairs: int) -> None:
        self._group, self._job, self._n_pairs = group, job, n_pairs
        self._held: dict[int, dict[int, npt.NDArray[np.float32]]] = {}

    def written(self, pairs: range, done: Stacked) -> Stacked:
        """What is left of a task when its stacks are written, or wait for the rest of their shard."""
        if done.ccf is None:
            return done
        size = self._job.shard_pairs
        shard = pairs.start // size
        held = self._held.setdefault(shard, {})
        held[pairs.start] = done.ccf
        if sum(map(len, held.values())) == min(size, self._n_pairs - shard * size):
            writer = ArchiveWriter(self._group, slice(0, len(self._job.groups)), shard)
            for first in sorted(held):
                writer.append(held[first])
            writer.close()
            del self._held[shard]
        return done._replace(ccf=None)


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


def _write_snr(group: Any, ratios: npt.NDArray[np.float64]) -> None:
    array = group.create_array(
        "snr", shape=ratios.shape, dtype="float32", fill_value=np.nan, dimension_names=("pair", "period")
    )
    array[:] = ratios.astype(np.float32)
    array.attrs.update(SNR_ATTRIBUTES)
