"""The plan of a stack, before it runs: tasks, bytes, memory, time by a trial on some of its pairs, what limits it, what it costs."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seisloom.compute.crew import PROGRAM_BYTES, START_S, Crew
from seisloom.compute.forecast import Forecast, Timing, idle_words
from seisloom.compute.prices import Bill, Prices, Use, bill
from seisloom.cores import cores
from seisloom.noise.archive import SHARD_BYTES, open_correlations, pairs_a_chunk
from seisloom.noise.select import select_pairs, time_dim
from seisloom.noise.stack.rows import BLOCK_SAMPLES
from seisloom.noise.stack_pace import StackPace, measure_stack
from seisloom.noise.stack_task import block_pairs, pair_ranges
from seisloom.noise.stack_wanted import WantedStack, pair_columns, wanted_stack

# What a worker holds beside the program: libraries that read archives, shards of days that are read at a time (Zarr's
# async.concurrency), of the rows that a thread works on so many copies, a shard that is filled and sent, bytes for what is known of
# a pair.
_LIBRARY_BYTES, _READS, _ROW_COPIES, _SHARD_COPIES, _PAIR_BYTES = 30e6, 10, 8, 2, 2000
_WORDS = {
    "reading": "reading correlations",
    "waiting": "the store that correlations come from",
    "stacking": "the method",
    "ratios": "signal-to-noise ratios, by one thread a worker",
    "writing": "writing, by one thread a worker",
}


@dataclass(frozen=True, kw_only=True)
class StackPlan(Forecast):
    """What a stack will do and take."""

    name: str
    method: str
    pairs: int
    times: int
    what: str
    """That times are: day, or time (sub-stacks, windows, means of days)."""
    periods: int
    pairs_a_task: int
    pairs_tried: int
    """That the time was measured on."""


def dry_run_stack(
    workspace: str | Path,
    method: str,
    period: str,
    pairs: Sequence[str] | None,
    rotate: bool,
    name: str | None,
    crew: Crew,
    prices: Prices | None = None,
    **options: object,
) -> StackPlan:
    """What :func:`seisloom.noise.stacking.stack_correlations` with the same arguments would do, and take; raises what it raises."""
    wanted = wanted_stack(workspace, method, period, pairs, rotate, name, **options)
    began = time.process_time()
    select_pairs(open_correlations(workspace), pairs)  # as workers do; the first time, libraries were loaded too
    opening_s = time.process_time() - began
    store = "://" in str(workspace)
    pace = measure_stack(wanted, min(cores(), crew.cores), store)
    plan = _plan(wanted, pace, opening_s, crew, "" if store else "; without waiting for the disk")
    gets = _gets(wanted, plan.pairs_a_task) if store else 0
    return replace(plan, bill=_bill(plan, gets, prices)) if prices else plan


def _plan(wanted: WantedStack, pace: StackPace, opening_s: float, crew: Crew, without: str) -> StackPlan:
    n_pairs, n_times, n_lag = wanted.data["ccf"].shape
    n_periods = len(wanted.groups)
    each = min(pace.pairs_a_task(wanted, crew), n_pairs)
    row_bytes, stack_bytes = 4 * n_times * n_lag, 4 * n_periods * n_lag
    memory_bytes = _memory(wanted, each, crew)
    notes = ["turning to R, T and Z, which follows, is not in the time"] if wanted.rotated else []
    return StackPlan(
        name=wanted.name,
        method=wanted.method,
        pairs=n_pairs,
        times=n_times,
        what=str(time_dim(wanted.data)),
        periods=n_periods,
        pairs_a_task=each,
        pairs_tried=pace.n_pairs,
        threads=crew.threads,
        bytes_in=n_pairs * row_bytes,
        bytes_out=n_pairs * (stack_bytes + 8 * n_periods),
        objects_out=_objects(wanted),
        memory_bytes=memory_bytes,
        timing=_timing(wanted, pace, each, opening_s, crew),
        basis=f"from {pace.n_pairs:,} of these pairs, read and stacked on this machine{without}",
        notes=[*crew.notes(memory_bytes), *notes],
    )


def _timing(wanted: WantedStack, pace: StackPace, each: int, opening_s: float, crew: Crew) -> Timing:
    """Workers take ``each`` pairs after another; threads share the method, and one reads, writes and takes ratios."""
    n_pairs = wanted.n_pairs
    tasks = len(pair_ranges(n_pairs, wanted.shard_pairs, each))
    workers = crew.at_work(tasks)
    cores_each = crew.each(workers)
    parts = pace.clock_s(cores_each)
    pair_s = sum(parts.values())
    most = min(math.ceil(tasks / workers) * each, n_pairs)  # whoever is last has a task more than others
    # The workspace is opened to see what there is, and by every worker.
    start_s, work_s = START_S[crew.kind] + 2 * opening_s, most * pair_s
    stage = max(parts, key=lambda name: parts[name])
    limit = f"{_WORDS[stage]} ({parts[stage] / pair_s:.0%} of the work)"
    return Timing(
        workers=workers,
        cores=workers * cores_each,
        tasks=tasks,
        cpu_s={"starting": crew.starting_cpu_s(tasks) + (1 + workers) * opening_s} | pace.cpu_s(n_pairs),
        task_s=each * pair_s,
        seconds=start_s + work_s,
        limit=(f"starting ({start_s:.0f} s)" if start_s > work_s else limit) + idle_words(crew, tasks),
    )


def _memory(wanted: WantedStack, task: int, crew: Crew) -> int:
    """Bytes of a worker; with rotation the command itself holds all stacks, before and after."""
    n_pairs, n_times, n_lag = wanted.data["ccf"].shape
    block = min(block_pairs(n_times, n_lag), task)
    # A block as it is read and as it is handed on; or the block before, and the next one as it is read.
    held = max(2 * block, block + 2 * min(block, task - block)) * 4 * n_times * n_lag
    reading = min(_READS, n_times) * pairs_a_chunk(n_pairs, n_lag)[1] * 4 * n_lag
    rows = crew.threads * _ROW_COPIES * 4 * max(BLOCK_SAMPLES, max(len(times) for _, times in wanted.groups) * n_lag)
    stacks = 2 * n_pairs * 4 * len(wanted.groups) * n_lag if wanted.rotated else _SHARD_COPIES * SHARD_BYTES
    return round(PROGRAM_BYTES + _LIBRARY_BYTES + held + reading + rows + stacks + _PAIR_BYTES * n_pairs)


def _objects(wanted: WantedStack) -> int:
    """Shards, an array of counts, one of ratios and one for every coordinate (each with its metadata), the group and the mark."""
    shards = math.ceil(wanted.n_pairs / wanted.shard_pairs)
    arrays = 4 + len(pair_columns(wanted.data).columns)
    return 1 + shards + 2 * arrays + 2


def _gets(wanted: WantedStack, each: int) -> int:
    """Requests for correlations: every inner chunk that a block of pairs has part in, of every day, and where it lies."""
    n_pairs, n_times, n_lag = wanted.data["ccf"].shape
    chunk, step = pairs_a_chunk(n_pairs, n_lag)[0], block_pairs(n_times, n_lag)
    tasks = pair_ranges(n_pairs, wanted.shard_pairs, each)
    blocks = [(first, min(first + step, task.stop)) for task in tasks for first in task[::step]]
    return n_times * sum(math.ceil(stop / chunk) - first // chunk + 1 for first, stop in blocks)


def _bill(plan: StackPlan, gets: int, prices: Prices) -> Bill:
    assert plan.timing
    use = Use(
        workers=plan.timing.workers,
        cores=plan.threads,
        memory_bytes=plan.memory_bytes,
        seconds=plan.timing.seconds,
        bytes_read=0,
        bytes_stored=plan.bytes_out,
        puts=plan.objects_out,
        gets=gets,
    )
    return bill(prices, use)
