"""What the benchmark of the app shows: very many stations, and a year of correlations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from seisloom.config import CorrelationSettings
from seisloom.jobs import Board, CorrelationRequest
from seisloom.noise.pipeline import correlate
from seisloom.storage import Storage
from seisloom.waveforms import ChannelQuery, Record, Segment
from seisloom.waveforms.base import DAY_NS
from seisloom.waveforms.synthetic import SyntheticSource

if TYPE_CHECKING:
    from obspy import Inventory

YEAR = 365
FIRST = "2023-01-01"
NETWORK = "stations=4,rate=4,seed=5"
SETTINGS = CorrelationSettings(fs=4.0, freqmin=0.1, freqmax=1.0, cc_len=1800.0, cc_step=1800.0, maxlag=100.0)
JOB = "year"


def many_stations(n: int) -> bytes:
    """FDSN station text of n stations in 40 networks all over the world, three channels each."""
    rng = np.random.default_rng(1)
    header = "#Network|Station|Location|Channel|Latitude|Longitude|Elevation|Depth|Azimuth|Dip|SensorDescription|Scale|"
    lines = [header + "ScaleFreq|ScaleUnits|SampleRate|StartTime|EndTime"]
    latitude, longitude = np.degrees(np.arcsin(rng.uniform(-0.94, 0.97, n))), rng.uniform(-180, 180, n)
    for i in range(n):
        codes, place = f"N{i % 40:02d}|S{i:05d}|00", f"{latitude[i]:.5f}|{longitude[i]:.5f}|{i % 3000}.0|0.0"
        for channel, azimuth, dip in (("BHZ", 0, -90), ("BHN", 0, 0), ("BHE", 90, 0)):
            sensor = "Streckeisen STS-2, 120 s|6.0e8|0.1|M/S|40.0|2012-05-01T00:00:00|"
            lines.append(f"{codes}|{channel}|{place}|{azimuth}|{dip}|{sensor}")
    return "\n".join(lines).encode()


class SameDay:
    """A source that gives the records of one day on every day, so that a year is soon made."""

    parallel = 1

    def __init__(self) -> None:
        self.network = SyntheticSource(NETWORK)
        self.spec = self.network.spec

    def fetch(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        first = pd.Timestamp(FIRST).value
        days = round((start_ns - first) / DAY_NS) * DAY_NS
        record = self.network.fetch(channel_id, start_ns - days, end_ns - days)
        return Record([Segment(s.start_ns + days, s.rate_hz, s.data) for s in record.segments])

    def channels(self, query: ChannelQuery) -> pd.DataFrame:
        return self.network.channels(query)

    def inventory(self, channel_ids: Sequence[str], start_ns: int, end_ns: int) -> Inventory | None:
        return None


def make_year(folder: Path) -> tuple[str, str]:
    """A workspace whose only job is a year of daily correlations, made once; the job's id and the name of a pair."""
    board = Board(Storage(folder, create=True))
    settings = SETTINGS.model_copy(update={"response": "none"})
    source, days = SameDay(), pd.date_range(FIRST, periods=YEAR)
    channels = source.channels(ChannelQuery())
    if JOB not in board.everything():
        last = f"{days[-1]:%Y-%m-%d}"
        request = CorrelationRequest(channels, settings, "demo", FIRST, last, "A year")
        board.submit(request.kind, request.name, request.files(), JOB)
        claim = board.claim("bench")
        assert claim
        summary = correlate(channels, settings, source, folder / "processed" / JOB, FIRST, last)
        claim.finish({**summary.totals(), "problems": 0})
    ids = sorted(source.network.ids)
    return JOB, f"{ids[0]}_{ids[1]}"
