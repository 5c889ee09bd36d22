"""SAC files: of which channel, where and when their header says that they are, and their samples."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seisloom.errors import InputError
from seisloom.stations import channel_ids, validate
from seisloom.waveforms.base import NS_PER_S, Segment

HEADER_BYTES = 632


def scan(path: Path) -> tuple[str, int, int, list[float]]:
    """Channel id, times in ns of the first and last sample, and [latitude, longitude, elevation in m] (NaN if unknown)."""
    sac = _open(path, str(path), headonly=True)
    codes = {"network": sac.knetwk, "station": sac.kstnm, "location": sac.khole, "channel": sac.kcmpnm}
    # The shortest number that the header's float32 can mean: 38.4999, not 38.49990844726562.
    numbers = [np.nan if v is None else float(str(np.float32(v))) for v in (sac.stla, sac.stlo, sac.stel)]
    start_ns, rate_hz = _axis(sac, path)
    last_ns = start_ns + round((int(sac.npts) - 1) * NS_PER_S / rate_hz)
    ids = channel_ids(validate(pd.DataFrame([codes]), f"{path}: SAC header"))
    return ids[0], start_ns, last_ns, numbers


def read(path: Path, data: bytes) -> Segment:
    """The samples of a file; InputError names it where it cannot be read."""
    sac = _open(path, io.BytesIO(data))
    return Segment(*_axis(sac, path), np.asarray(sac.data, np.float32))


def _open(path: Path, content: str | io.BytesIO, headonly: bool = False) -> Any:
    from obspy.io.sac import SACTrace

    try:
        return SACTrace.read(content, headonly=headonly, checksize=headonly)
    except Exception as error:  # ObsPy raises many kinds here; the file is named either way
        raise InputError(f"{path}: not readable as SAC: {error}") from error


def _axis(sac: Any, path: Path) -> tuple[int, float]:
    """Time of the first sample and sampling rate. A header holds the begin and the interval in single precision."""
    try:
        start_ns = sac.reftime.ns + round(float(sac.b) * 1e6) * 1000
        interval = np.float32(sac.delta)
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: its SAC header has no time or no sampling interval: {error}") from error
    if not interval > 0:
        raise InputError(f"{path}: its SAC header has a sampling interval of {interval} s")
    # The rate with fewest decimals that has this interval: 1 / 0.33333334 s is meant to be 3 Hz.
    rates = (round(1 / float(interval), decimals) for decimals in range(7))
    return start_ns, next((r for r in rates if r > 0 and np.float32(1 / r) == interval), 1 / float(interval))
