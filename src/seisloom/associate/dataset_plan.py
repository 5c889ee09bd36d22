"""The plan of a training set, before it is simulated: tasks, bytes, memory, time by a trial of some of its blocks, its cost."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from seisloom.associate.dataset import WindowSet, join, write_dataset
from seisloom.associate.phaselink import training_windows
from seisloom.compute.crew import START_S, Crew
from seisloom.compute.forecast import Forecast, Timing, idle_words
from seisloom.compute.prices import Prices, Use, bill
from seisloom.config.phaselink import PhaselinkParams

TRIED_S = 1.0
"""What is tried, about."""
# The command with its libraries; and how often it holds the windows of a block: as streams, joined, on their way.
_PROGRAM_BYTES, _BLOCK_COPIES, _FILES = 430e6, 3, 3
_WORDS = {"simulating": "simulating windows", "writing": "writing the files, by the command alone"}
Done = TypeVar("Done")


@dataclass(frozen=True, kw_only=True)
class DatasetPlan(Forecast):
    """What a training set will take."""

    windows: int
    picks: int
    """Of all windows, about."""
    stations: int
    windows_tried: int
    """That the time was measured on."""


def dry_run_dataset(params: PhaselinkParams, crew: Crew, prices: Prices | None = None) -> DatasetPlan:
    """What :func:`seisloom.associate.phaselink.dataset` would make, and take; raises what it raises.

    Some blocks of windows are made, and written to a temporary folder.
    """
    loading_s, (simulated, made) = _cpu_s(lambda: training_windows(params))
    first_s, first = _cpu_s(lambda: simulated.block(0))  # code is compiled, or loaded
    n, tried_s, blocks = params.n_train_samp, 0.0, list[WindowSet]()
    while tried_s < TRIED_S and sum(block.n_windows for block in blocks) < max(n - first.n_windows, 1):
        made_s, block = _cpu_s(partial(simulated.block, len(blocks) + 1))
        tried_s, blocks = tried_s + made_s, [*blocks, block]
    some, block_s = join(blocks), tried_s / len(blocks)
    writing_s, written = _cpu_s(lambda: _written(some, made))
    share = n / some.n_windows * len(blocks)
    writing_s /= len(blocks)
    timing = _timing(share, loading_s, max(0.0, first_s - block_s), block_s, writing_s, crew)
    memory = _PROGRAM_BYTES + (_BLOCK_COPIES + 2 * timing.workers) * (some.features.nbytes + some.labels.nbytes) / len(
        blocks
    )
    plan = DatasetPlan(
        windows=n,
        picks=round(n * len(some.labels) / some.n_windows),
        stations=simulated.network.n_stations,
        windows_tried=some.n_windows,
        threads=1,
        bytes_in=0,
        bytes_out=round(n * written / some.n_windows),
        objects_out=_FILES,
        memory_bytes=round(memory),
        timing=timing,
        basis=f"from {some.n_windows:,} windows, simulated and written on this machine",
        notes=crew.notes(memory),
    )
    if not prices:
        return plan
    use = Use(timing.workers, 1, plan.memory_bytes, timing.seconds, 0, plan.bytes_out, 0, 0)
    return replace(plan, bill=bill(prices, use))


def _timing(share: float, loading_s: float, compiling_s: float, block_s: float, writing_s: float, crew: Crew) -> Timing:
    """Of ``share`` times a block, where stations and travel times take ``loading_s``. Workers simulate, while the command writes."""
    tasks = math.ceil(share)
    workers = crew.at_work(tasks)
    each = min(1.0, crew.each(workers))
    rounds_s, written_s = math.ceil(tasks / workers) * block_s / each, share * writing_s
    remote = crew.kind != "serial"
    work_s = max(rounds_s + writing_s, written_s) if remote else rounds_s + written_s
    start_s = START_S[crew.kind] + loading_s + compiling_s
    stage = "writing" if written_s > rounds_s else "simulating"
    limit = f"starting ({start_s:.0f} s)" if start_s > work_s else _WORDS[stage]
    return Timing(
        workers=workers,
        cores=workers * each,
        tasks=tasks,
        cpu_s={
            "starting": crew.starting_cpu_s(tasks) + loading_s + workers * compiling_s,
            "simulating": tasks * block_s,
            "writing": written_s,
        },
        task_s=block_s / each,
        seconds=start_s + work_s,
        limit=limit + idle_words(crew, tasks),
    )


def _written(block: WindowSet, made: dict) -> int:
    """Bytes of the files of a block."""
    with tempfile.TemporaryDirectory(prefix="seisloom-") as folder:
        x, y = Path(folder) / "X.npy", Path(folder) / "Y.npy"
        write_dataset(x, y, block.n_windows, [block], made)
        return sum(path.stat().st_size for path in Path(folder).iterdir())


def _cpu_s(run: Callable[[], Done]) -> tuple[float, Done]:
    """CPU seconds of a call, and what it gives."""
    began = time.process_time()
    done = run()
    return time.process_time() - began, done
