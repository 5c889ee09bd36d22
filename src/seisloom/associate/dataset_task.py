"""Blocks of a training set as tasks: each is drawn with random numbers of its own, so that who draws it makes no difference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from seisloom.associate.dataset import WindowSet, WindowSettings, join
from seisloom.associate.network import Network
from seisloom.associate.stream import Variety, stream_windows
from seisloom.associate.windows import Limits
from seisloom.compute import Compute, ComputeError, Failed, open_engine
from seisloom.traveltime import TravelTimes

_STREAMS = 16  # of a block: some 4000 windows
AT_ONCE = 256
"""Blocks whose windows may be held."""


@dataclass(frozen=True)
class Simulated:
    """What windows are made from; picklable."""

    variety: Variety
    network: Network
    times: TravelTimes
    limits: Limits | None
    settings: WindowSettings
    seed: int

    def block(self, number: int) -> WindowSet:
        """The windows of some streams, drawn with the seed and the number of the block."""
        rng = np.random.default_rng([self.seed, number])
        stream = stream_windows(self.variety, self.network, self.times, self.limits, self.settings, rng)
        return join(list(islice(stream, _STREAMS)))


@contextmanager
def block_task(simulated: Simulated) -> Iterator[Callable[[int], WindowSet]]:
    """What makes one block."""
    yield simulated.block


def window_blocks(simulated: Simulated, n_windows: int, compute: Compute) -> Iterator[WindowSet]:
    """Blocks in their order, ``n_windows`` or a few more in all, made by an engine."""
    given, first = 0, 0
    with open_engine(compute) as engine:
        while given < n_windows:
            # As many as are needed if they are like those before; at first, if they had as many windows as there can be.
            a_block = given / first if first else 256 * _STREAMS
            wanted = max(math.ceil((n_windows - given) / a_block), 1)
            numbers = range(first, first + min(wanted, AT_ONCE))
            made: dict[int, WindowSet] = {}
            for number, windows in engine.run(partial(block_task, simulated), numbers):
                if isinstance(windows, Failed):
                    raise ComputeError(f"block {number} of the training set: {windows}")
                made[number] = windows
                while first in made:
                    given += made[first].n_windows
                    yield made.pop(first)
                    first += 1
