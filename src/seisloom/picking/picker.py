"""What a picker is, whatever it does inside."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from seisloom.waveforms.pieces import runs

Array = npt.NDArray[np.float64]
CLASSICAL = "stalta"
"""The model that needs no weights."""


class Onset(NamedTuple):
    """A pick in an array of samples."""

    sample: float
    """From the first of the array."""
    phase: str
    """"P" or "S"."""
    probability: float
    """0 to 1."""
    duration_s: float
    """Of the trigger."""


class Picker(Protocol):
    """Picks in contiguous samples. Instances are used from several threads at once."""

    name: str
    """For people."""
    identity: str
    """Differs where the picks would differ: the name, settings, a digest of the weights."""
    rate_hz: float
    components: str
    """Components in the order of the rows that it reads, of the letters Z, N and E."""
    margin_s: float
    """Samples farther away than this do not change a pick."""
    shortest: int
    """Fewest samples that it can work on."""

    def pick(self, data: Array, first: int) -> list[Onset]:
        """Picks in ``data`` (component, sample): counts at ``rate_hz`` without gaps, zeros for a component that is missing.

        ``first`` is the number of the first sample on a grid that is the same in every call: a picker whose windows
        begin at multiples of a number there has the same windows however records are cut.
        """
        ...


def triggers(curve: npt.NDArray[np.floating], on: float, off: float) -> list[tuple[int, int, int]]:
    """(first sample at or above ``on``, peak, first sample below ``off`` after it) of every stretch that reaches ``on``."""
    found = []
    for begin, stop in runs(curve >= off):
        part = curve[begin:stop]
        above = part >= on
        if above.any():
            found.append((begin + int(above.argmax()), begin + int(part.argmax()), stop))
    return found
