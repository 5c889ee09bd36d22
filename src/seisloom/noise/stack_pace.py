"""How fast this machine stacks the correlations of a workspace: some of its pairs are read and stacked, and nothing is written."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seisloom.compute.batches import SHORTEST_S, items_a_task
from seisloom.compute.crew import Crew
from seisloom.memory import keep_freed_memory
from seisloom.noise.archive import pairs_a_chunk
from seisloom.noise.rates import writing_rate
from seisloom.noise.select import time_dim
from seisloom.noise.snr import snr
from seisloom.noise.stack.rows import BLOCK_SAMPLES
from seisloom.noise.stack_task import block_pairs, stacks
from seisloom.noise.stack_wanted import WantedStack

if TYPE_CHECKING:
    import xarray as xr

STACKING_S = 0.7
"""What stacking is tried for, about."""
_READ_BYTES, _STACKED_BYTES = 10e6, 128e6  # of a trial, at most
_READINGS, _ROUNDS = 4, 8


@dataclass(frozen=True)
class StackPace:
    """CPU seconds of a pair, with all threads at work, and how many pairs they are from."""

    reading_s: float
    """All its rows. What a store takes to send them is in ``waiting_s``."""
    waiting_s: float
    """Seconds that reading took by the clock beyond that, from an object store. What a disk takes is not told from other work here."""
    stacking_s: float
    """By the method; threads share this, and nothing else."""
    ratio_s: float
    """Signal-to-noise ratios of its stacks."""
    writing_s: float
    n_pairs: int

    def cpu_s(self, n: int = 1) -> dict[str, float]:
        """CPU seconds of so many pairs, by stage."""
        stages = {
            "reading": self.reading_s,
            "stacking": self.stacking_s,
            "ratios": self.ratio_s,
            "writing": self.writing_s,
        }
        return {stage: n * seconds for stage, seconds in stages.items()}

    def clock_s(self, cores: float) -> dict[str, float]:
        """Seconds of a pair by the clock, by stage, for a worker of so many cores."""
        shared = {"stacking": cores}
        stages = {stage: cpu / shared.get(stage, min(cores, 1.0)) for stage, cpu in self.cpu_s().items()}
        return stages | {"waiting": self.waiting_s}

    def pairs_a_task(self, wanted: WantedStack, crew: Crew) -> int:
        """How many pairs to hand out at a time: whole shards, or parts of one where these take long or are too few for the workers."""
        shard, n = wanted.shard_pairs, wanted.n_pairs
        if crew.kind == "serial":
            return shard
        workers = min(crew.workers, n)
        pair_s = sum(self.clock_s(crew.each(workers)).values())
        # Parts of the chunks that one read takes are for what takes long.
        chunk = pairs_a_chunk(n, len(wanted.data["lag"]))[0]
        least = min(math.ceil(SHORTEST_S / max(pair_s, 1e-6)), chunk)
        each = max(items_a_task(pair_s, n, workers), least)
        if each >= shard:
            return each // shard * shard
        even = math.ceil(shard / math.ceil(shard / each))
        return min(math.ceil(even / chunk) * chunk, shard) if even > chunk else even


def measure_stack(wanted: WantedStack, threads: int, store: bool = False) -> StackPace:
    """That of a stack, measured in a second or two with ``threads`` at work at once; ``store``: the workspace is in one."""
    keep_freed_memory()  # as workers do
    data = wanted.data
    trials = _trials(len(data["pair"]), _pairs_at_once(wanted, threads))
    _stacked(data.isel(pair=slice(0, 1)).load(), wanted, 1)  # what is imported on use
    reading_s, waiting_s = _reading(data)
    stacking, ratios, done = 0.0, 0.0, 0
    for chosen in trials:
        held = data.isel(pair=chosen).load()
        spent, of_ratios = _stacked(held, wanted, threads)
        stacking, ratios, done = stacking + spent, ratios + of_ratios, done + chosen.stop - chosen.start
        if stacking + ratios > STACKING_S:
            break
    writing_s = writing_rate() * 4 * len(wanted.groups) * len(data["lag"])
    return StackPace(reading_s, waiting_s if store else 0.0, stacking / done, ratios / done, writing_s, done)


def _pairs_at_once(wanted: WantedStack, threads: int) -> int:
    """As many as give all threads a block of every period, where they are not too large."""
    _, n_times, n_lag = wanted.data["ccf"].shape
    longest = max(len(times) for _, times in wanted.groups)
    busy = threads * max(1, BLOCK_SAMPLES // (longest * n_lag))
    return int(max(1, min(busy, _STACKED_BYTES // (4 * n_times * n_lag))))


def _trials(n_pairs: int, at_once: int) -> Iterator[slice]:
    """Runs of pairs that are spread over all."""
    firsts = np.linspace(0, max(n_pairs - at_once, 0), _ROUNDS + 2).astype(int)[1:-1]
    for first in dict.fromkeys(firsts.tolist()):
        yield slice(first, min(first + at_once, n_pairs))


def _reading(data: xr.Dataset) -> tuple[float, float]:
    """CPU seconds of reading a pair, and what more it took: blocks as tasks read them, at some of their times, in a few trials.

    The shortest wait counts: what else is done here makes one longer, and a slow store makes all of them so.
    """
    n_pairs, n_times, n_lag = data["ccf"].shape
    step = min(block_pairs(n_times, n_lag), n_pairs)
    n = int(min(math.ceil(n_times / _READINGS), max(1, _READ_BYTES // (4 * n_lag * step))))
    cpu, waits, done = 0.0, [], 0
    for first in np.linspace(0, n_times - n, _READINGS).astype(int).tolist():
        pair = first * n_pairs // n_times // step * step  # of blocks that are spread over all
        block = data.isel(
            {"pair": slice(pair, min(pair + step, n_pairs)), str(time_dim(data)): slice(first, first + n)}
        )
        began, cpu_s, rows = time.perf_counter(), _cpu_s(block.load), n * len(block["pair"])
        waits.append(max(0.0, time.perf_counter() - began - cpu_s) / rows)
        cpu, done = cpu + cpu_s, done + rows
    return n_times * cpu / done, n_times * min(waits)


def _stacked(held: xr.Dataset, wanted: WantedStack, threads: int) -> tuple[float, float]:
    """CPU seconds of stacking these pairs, and of the ratios of their stacks."""
    lag, distance = held["lag"].values, held["distance_km"].values[:, None]
    made = list[tuple[Any, Any]]()
    stacking_s = _cpu_s(lambda: made.extend(stacks(held, wanted.groups, wanted.method, threads, wanted.options)))
    return stacking_s, _cpu_s(lambda: [snr(block, lag, distance) for block, _ in made])


def _cpu_s(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began
