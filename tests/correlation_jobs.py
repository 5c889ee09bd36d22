"""Correlation jobs with known contents, without correlating: archives filled with waves between stations, and noise."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.config import CorrelationSettings
from seisloom.jobs import Board, Claim, CorrelationRequest
from seisloom.noise.archive import CORRELATIONS, create_archive
from seisloom.noise.pairs import channel_pairs, pair_table
from seisloom.storage import Storage
from tests.jobs import channel_table

FIRST = "2023-12-27"  # a Wednesday
SETTINGS = CorrelationSettings(fs=4.0, freqmin=0.1, freqmax=1.0, maxlag=30.0)
SPEED_KMS = 3.0


def three_components(n: int) -> pd.DataFrame:
    """Vertical, north and east channels of n stations."""
    table = channel_table(n)
    letters = {"Z": (0.0, -90.0), "N": (0.0, 0.0), "E": (90.0, 0.0)}
    parts = [
        table.assign(channel=f"MH{letter}", azimuth_deg=azimuth, dip_deg=dip)
        for letter, (azimuth, dip) in letters.items()
    ]
    return pd.concat(parts).sort_values(["station", "channel"]).reset_index(drop=True)


def put_job(
    board: Board,
    name: str,
    channels: pd.DataFrame,
    days: int,
    done: int | None = None,
    settings: CorrelationSettings = SETTINGS,
    seed: int = 5,
) -> Claim:
    """A claimed job of ``days`` days, the first ``done`` of which (default: all) are there; its id is its name."""
    last = f"{pd.Timestamp(FIRST) + pd.Timedelta(days=days - 1):%Y-%m-%d}"
    request = CorrelationRequest(channels, settings, "demo", FIRST, last, name)
    board.submit("correlation", name, request.files(), job_id=name)
    claim = board.claim("test")
    assert claim
    assert claim.job.id == name
    storage = Storage(f"{board.storage.url}/processed/{name}", create=True)
    pairs = pair_table(channels, channel_pairs(channels, settings))
    lag = np.arange(-round(settings.maxlag * settings.fs), round(settings.maxlag * settings.fs) + 1) / settings.fs
    times = pd.date_range(FIRST, periods=days, freq="D")
    create_archive(storage, CORRELATIONS, pairs, lag, times, "day", 1, {"settings": settings.model_dump_json()}, "1")
    finish_days(board, name, range(days if done is None else done), seed)
    return claim


def finish_days(board: Board, job: str, days: range, seed: int = 5) -> None:
    """Have days of a job done; the first pair has none of its own on the third."""
    import zarr

    storage = Storage(f"{board.storage.url}/processed/{job}")
    group: Any = zarr.open_group(storage.zarr(), path=CORRELATIONS, mode="r+", zarr_format=3)
    waves = _waves(group["lag"][:], group["distance_km"][:])
    starts = pd.to_datetime(group["day"][:])
    for day in days:
        rng = np.random.default_rng([seed, day])
        rows = waves + 0.5 * rng.standard_normal(waves.shape)
        count = rng.integers(20, 48, len(waves)).astype(np.int32)
        if day == 2:
            rows[0], count[0] = np.nan, 0
        group["ccf"][:, day] = rows.astype(np.float32)
        group["count"][:, day] = count
        storage.put(f"done/{starts[day]:%Y-%m-%d}.json", json.dumps({"day": f"{starts[day]:%Y-%m-%d}"}).encode())


def _waves(lag: npt.NDArray[np.float64], distance_km: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A wave each way between the stations of every pair, the one that leaves the first being the larger."""
    out = np.zeros((len(distance_km), len(lag)))
    for side, size in ((1, 1.0), (-1, 0.6)):
        late = side * lag[None] - distance_km[:, None] / SPEED_KMS
        out += size * np.exp(-((late * 0.6) ** 2)) * np.cos(2 * np.pi * 0.4 * late)
    return out
