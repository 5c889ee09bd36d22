"""How far days are cut by time: where there are too few tasks for the workers, into more tiles than their memory asks for.

Whether that ends the job sooner the plan of the job says, which knows what tiles pay for their spectra. It goes by rates that are measured
anew by every run, so the first one leaves its cut in the workspace (``tiles/cut.json``), until all is done: others that join it, or go on
after it, would not know its tiles otherwise.
"""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt

from seisloom.compute.batches import SHORTEST_S, TASKS_A_WORKER
from seisloom.noise.job_pace import Pacing
from seisloom.noise.tile_marks import FOLDER
from seisloom.noise.tiles import Tiling, cut
from seisloom.storage import Storage

KEY = f"{FOLDER}/cut.json"
WORTH = 0.9
"""Share of the time that smaller tiles may take, or they are not worth while."""


def best_cut(pacing: Pacing, pairs: npt.NDArray[np.int64], days: int) -> Tiling:
    """How to cut ``days`` so that they are done first, in tasks of SHORTEST_S or more. Raises InputError as :func:`cut` does."""
    size, crew = pacing.size, pacing.crew
    best = cut(size, pairs, crew.memory_bytes)
    enough = TASKS_A_WORKER * crew.workers
    if crew.workers == 1 or not days or days * best.tasks_a_day >= enough or not pacing.measurable:
        return best
    quickest = pacing.timing(best, days)
    n, tried = 2, best
    while tried.tasks_a_day * days < enough and size.shard_pairs * n < 2 * size.n_pairs:
        tried, n = cut(size, pairs, crew.memory_bytes, -(-size.n_pairs // n)), 2 * n
        if tried.tasks_a_day <= best.tasks_a_day:
            continue
        made = pacing.timing(tried, days)
        if made.task_s < SHORTEST_S:
            break
        if made.seconds < WORTH * quickest.seconds:
            best, quickest = tried, made
    return best


def held_cut(storage: Storage) -> int | None:
    """Pairs of a tile as a run of this workspace has chosen them, None where none has."""
    card = storage.get_json(KEY)
    return card["pairs"] if card else None


def hold_cut(storage: Storage, tiling: Tiling, n_pairs: int) -> int:
    """Leave a cut for other runs; pairs of a tile of the first that did."""
    storage.put_new(KEY, json.dumps({"pairs": tiling.most_pairs or n_pairs}).encode())
    return held_cut(storage) or n_pairs


def forget_cut(storage: Storage) -> None:
    """The days are done: the next run chooses anew."""
    storage.delete([KEY])
