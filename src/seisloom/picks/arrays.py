"""Picks as compiled code reads them: arrays in the order of time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

_CODE = {"P": 0, "S": 1}


class PickArrays(NamedTuple):
    """Picks sorted by time (then station, phase, probability, so that the order of a file means nothing)."""

    time_s: npt.NDArray[np.float64]
    """(pick,): seconds since ``reference_ns``."""
    station: npt.NDArray[np.int32]
    """(pick,): row of the station in the network."""
    phase: npt.NDArray[np.int8]
    """(pick,): 0 = P, 1 = S."""
    probability: npt.NDArray[np.float32]
    """(pick,): 0 to 1, from the picker."""
    row: npt.NDArray[np.int64]
    """(pick,): row of the pick in the table."""
    reference_ns: int
    """Nanoseconds since 1970-01-01T00:00 UTC: a whole second, not after the first pick."""

    def stretch(self, first: int, last: int) -> PickArrays:
        """Picks from one position on and before another."""
        time, station, phase, probability, row, reference = self
        rows = slice(first, last)
        return PickArrays(time[rows], station[rows], phase[rows], probability[rows], row[rows], reference)


def pick_arrays(picks: pd.DataFrame, station_ids: list[str]) -> PickArrays:
    """Arrays of a pick table whose stations are all among ``station_ids`` (KeyError otherwise)."""
    index = {name: number for number, name in enumerate(station_ids)}
    stamps = picks["time"].to_numpy("datetime64[ns]").astype(np.int64)
    second = 1_000_000_000
    reference = int(stamps.min() // second * second) if len(stamps) else 0
    time = (stamps - reference) / second
    station = np.array([index[name] for name in picks["station"]], np.int32)
    phase = np.array([_CODE[name] for name in picks["phase"]], np.int8)
    probability = picks["probability"].to_numpy(np.float32)
    order = np.lexsort((probability, phase, station, time))
    return PickArrays(time[order], station[order], phase[order], probability[order], order.astype(np.int64), reference)
