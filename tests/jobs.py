"""What tests of the whole job share: records in memory as a source, seeded noise, small settings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from obspy import Inventory

from seisloom.config import CorrelationSettings
from seisloom.errors import NoDataError
from seisloom.stations import channel_ids, validate
from seisloom.storage import Storage
from seisloom.waveforms import ChannelQuery, Record, Segment
from seisloom.waveforms.base import DAY_NS
from seisloom.waveforms.synthetic import SyntheticSource

DAY = "2024-03-01"
DAY_START = pd.Timestamp(DAY).value
RATE = 4.0


class Records:
    """A source that holds records, or errors to raise, by (channel, start of the day), and notes what is asked for."""

    def __init__(
        self,
        held: Mapping[tuple[str, int], Record | Exception],
        table: pd.DataFrame,
        inventory: Inventory | None = None,
    ) -> None:
        self.spec, self.parallel = "records:", 2
        self.held, self.table, self._inventory = dict(held), table, inventory
        self.asked: list[tuple[str, str]] = []

    def fetch(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        self.asked.append((channel_id, f"{pd.Timestamp(start_ns):%Y-%m-%d}"))
        record = self.held.get((channel_id, start_ns))
        if record is None:
            raise NoDataError(f"no record of {channel_id}")
        if isinstance(record, Exception):
            raise record
        return Record(list(record.segments), list(record.problems))

    def channels(self, query: ChannelQuery) -> pd.DataFrame:
        return self.table

    def inventory(self, channel_ids: Sequence[str], start_ns: int, end_ns: int) -> Inventory | None:
        return self._inventory


def small_settings(**values: object) -> CorrelationSettings:
    """Settings at 4 Hz with 96 windows a day that do not overlap, of raw counts, unless told otherwise."""
    chosen = {"fs": RATE, "freqmax": 1.0, "cc_len": 900.0, "cc_step": 900.0, "maxlag": 30.0, "response": "none"}
    return CorrelationSettings(**(chosen | values))


def channel_table(n: int) -> pd.DataFrame:
    """Vertical channels of n stations on a line to the north-east, some 14 km from one to the next."""
    place = np.arange(n)
    codes = {"network": "XX", "station": [f"S{i:02d}" for i in place], "location": "", "channel": "MHZ"}
    where = {"latitude": 42.0 + 0.1 * place, "longitude": 13.0 + 0.1 * place, "elevation_m": 100.0 * place}
    return validate(pd.DataFrame(codes | where | {"azimuth_deg": 0.0, "dip_deg": -90.0}))


@cache
def noise(channel: int, day_ns: int) -> np.ndarray:
    """A day of counts: noise of the channel's own, and noise that reaches channel k 2k samples late."""
    n, shared = round(86_400 * RATE), np.random.default_rng([day_ns // DAY_NS, 1_000_000])
    own = np.random.default_rng([day_ns // DAY_NS, channel])
    return np.rint(100 * (own.normal(size=n) + np.roll(shared.normal(size=n), 2 * channel))).astype(np.int32)


def noise_source(n_channels: int, n_days: int, first: str = DAY) -> Records:
    """Whole days of :func:`noise` on the channels of :func:`channel_table`."""
    table = channel_table(n_channels)
    days = pd.Timestamp(first).value + DAY_NS * np.arange(n_days)
    held = {
        (name, int(day)): Record([Segment(int(day), RATE, noise(c, int(day)))])
        for c, name in enumerate(channel_ids(table))
        for day in days
    }
    return Records(held, table)


@cache
def network(rest: str) -> SyntheticSource:
    """A synthetic network; made once, and its days with it."""
    return SyntheticSource(rest)


def objects(workspace: str | Path, below: str = "correlations.zarr") -> dict[str, bytes]:
    """Every object of a workspace below a key: {key: bytes}."""
    storage = Storage(workspace)
    return {key: storage.get(key) or b"" for key in storage.keys(below)}


def command(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """``python -m seisloom ARGUMENTS`` in a directory, one thread for BLAS."""
    return subprocess.run(
        [sys.executable, "-m", "seisloom", *map(str, arguments)],
        cwd=cwd, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"} | environment,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
