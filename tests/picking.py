"""What tests of picking share: continuous records in memory, and a picker that finds spikes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from obspy import Inventory

from seisloom.errors import NoDataError
from seisloom.picking.picker import Array, Onset
from seisloom.stations import validate
from seisloom.waveforms import ChannelQuery, Record, Segment
from seisloom.waveforms.base import DAY_NS, NS_PER_S
from seisloom.waveforms.pieces import trim

DAY = "2024-03-01"
DAY_START = pd.Timestamp(DAY).value
HOUR_NS = 3600 * NS_PER_S
RATE = 20.0


class Continuous:
    """A source of segments by channel, or of errors to raise; it notes what it is asked for."""

    def __init__(self, held: Mapping[str, Sequence[Segment] | Exception], inventory: Inventory | None = None) -> None:
        self.spec, self.parallel = "continuous:", 1
        self.held, self._inventory = dict(held), inventory
        self.asked: list[tuple[str, int, int]] = []

    def fetch(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        self.asked.append((channel_id, start_ns, end_ns))
        held = self.held.get(channel_id, ())
        if isinstance(held, Exception):
            raise held
        parts = [trim(segment, start_ns, end_ns) for segment in held]
        if not any(len(part.data) for part in parts):
            raise NoDataError(f"no record of {channel_id}")
        return Record([part for part in parts if len(part.data)])

    def channels(self, query: ChannelQuery) -> pd.DataFrame:
        return table_of(self.held)

    def inventory(self, channel_ids: Sequence[str], start_ns: int, end_ns: int) -> Inventory | None:
        return self._inventory


class Spikes:
    """Picks samples of Z above 100 as P and of N as S, and notes the first samples and data that it is given."""

    name = identity = "spikes"
    rate_hz, components = RATE, "ZNE"
    margin_s, shortest = 5.0, 20

    def __init__(self) -> None:
        self.given: list[tuple[int, Array]] = []

    def pick(self, data: Array, first: int) -> list[Onset]:
        self.given.append((first, data.copy()))
        rows = zip("PS", data, strict=False)
        return [Onset(float(i), phase, 0.9, 0.1) for phase, row in rows for i in np.flatnonzero(row > 100)]


def table_of(ids: Sequence[str] | Mapping[str, object]) -> pd.DataFrame:
    """Channels with places, a station of its own each."""
    codes = pd.DataFrame([name.split(".") for name in ids], columns=["network", "station", "location", "channel"])
    return validate(codes.assign(latitude=42.0, longitude=13.0, elevation_m=0.0))


def segment(start_ns: int, seconds: float, rng: np.random.Generator, rate: float = RATE) -> Segment:
    """Noise of some 10 counts."""
    return Segment(start_ns, rate, np.rint(10 * rng.normal(size=round(seconds * rate))).astype(np.int32))


def with_spikes(part: Segment, times_ns: Sequence[int]) -> Segment:
    """The segment with 1000 counts at these times."""
    data = part.data.copy()
    for time_ns in times_ns:
        data[round((time_ns - part.start_ns) * part.rate_hz / NS_PER_S)] = 1000
    return Segment(part.start_ns, part.rate_hz, data)


def midnight(days: int) -> int:
    return DAY_START + days * DAY_NS
