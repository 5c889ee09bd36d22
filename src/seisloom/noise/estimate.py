"""What a correlation job will take: pairs, bytes, time on this machine, before it starts.

The time is that of the same stages as in a job, run for a second or so on made-up records: records of one channel-day
to spectra, spectra to correlations. Where days of the same settings and source were done before, their time counts.
"""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import threadpoolctl

from seisloom.config import DAY_S, CorrelationSettings
from seisloom.noise.archive import pairs_a_chunk
from seisloom.noise.correlate import INVERSE_BATCH, Inverse, SpectraStack, correlate_windows, product
from seisloom.noise.day import DayWork
from seisloom.noise.pairs import channel_pairs
from seisloom.noise.plan import WindowPlan, make_plan, window_groups
from seisloom.noise.progress import Counters
from seisloom.noise.report import DayReport
from seisloom.noise.response import FAR_FUTURE, FAR_PAST, Epoch, Responses
from seisloom.noise.spectra import correlation_scale
from seisloom.stations import channel_ids
from seisloom.waveforms.base import Record
from seisloom.waveforms.mseed import decode
from seisloom.waveforms.synthetic.instrument import broadband

BYTES_A_SAMPLE = 1.5
"""Of noise compressed by Steim's methods, typically."""
# Rates that band codes stand for (SEED manual, appendix A), where the metadata tell none.
_BAND_HZ = {"F": 1000.0, "G": 1000.0, "D": 250.0, "C": 250.0, "E": 100.0, "H": 100.0, "S": 50.0, "B": 40.0}
_BAND_HZ |= {"M": 5.0, "L": 1.0, "V": 0.1, "U": 0.01}
_OTHER_HZ = 100.0
# Sizes of the trial: samples of a record, samples of all windows of a channel, bytes of the spectra of all.
_SAMPLES, _WINDOW_SAMPLES, _SPECTRA_BYTES = 2e6, 1e6, 30e6
_trying = threading.Lock()


@dataclass(frozen=True)
class Rates:
    """Seconds of this machine, with all threads at work."""

    response_s: float
    """A channel, once: its instrument response."""
    channel_s: float
    """A channel-day: records to spectra."""
    product_s: float
    """A product of the spectra of two channels on a day; they are made of all channels with all."""
    pair_s: float
    """A pair-day: back to lag, and written."""

    def day_s(self, n_channels: int, n_pairs: int) -> float:
        """Seconds for a day."""
        return n_channels * self.channel_s + n_channels**2 / 2 * self.product_s + n_pairs * self.pair_s


@dataclass(frozen=True)
class Estimate:
    """Size of a job. ``rates_guessed`` channels have no sampling rate, and are taken to have that of their band code."""

    channels: int
    pairs: int
    days: int
    download_bytes: int
    output_bytes: int
    memory_bytes: int
    rates_guessed: int


def estimate(channels: pd.DataFrame, settings: CorrelationSettings, days: pd.DatetimeIndex) -> Estimate:
    """Size of correlating the channels of a table on days; InputError where there is no pair.

    Downloads are BYTES_A_SAMPLE for every sample of the epochs in the table; what is not there is not known. The output
    is that of the archive, where every pair has every day.
    """
    table = channels.assign(id=channel_ids(channels))
    first = table.drop_duplicates("id").sort_values("id").reset_index(drop=True)
    plan, pairs = make_plan(settings), channel_pairs(first, settings)
    groups = len(window_groups(settings, plan))
    values = (2 * plan.n_half_lag + 1) * groups
    return Estimate(
        channels=len(first),
        pairs=len(pairs),
        days=len(days),
        download_bytes=round(_samples(table, days) * BYTES_A_SAMPLE),
        output_bytes=len(days) * (_shard_bytes(len(pairs), values) + 4 * len(pairs) * groups),
        memory_bytes=len(plan.weight) * len(first) * _rows(settings, plan) * 8 * _sides(settings),
        rates_guessed=int(first["sample_rate_hz"].isna().sum()),
    )


def sampling_rates(channels: pd.DataFrame) -> pd.Series[float]:
    """Sampling rate of every row in Hz, by the band code where there is none."""
    by_band = channels["channel"].str[0].map(_BAND_HZ).fillna(_OTHER_HZ)
    return channels["sample_rate_hz"].where(channels["sample_rate_hz"] > 0).fillna(by_band)


def measure_rates(settings: CorrelationSettings, sample_rate_hz: float, workers: int | None = None) -> Rates:
    """Rates of this machine for records of a sampling rate, from a run of a second or so; known for settings asked before."""
    workers = workers or os.cpu_count() or 1
    with _trying:  # two trials at once would measure one another
        return _measured(settings, float(np.clip(sample_rate_hz, 0.01, 1000)), workers)


def past_factor(days: Sequence[DayReport], rates: Rates) -> float | None:
    """How much longer days took than ``rates`` say, in all; None without days that correlated anything."""
    done = [day for day in days if day.pairs and day.seconds]
    said = sum(rates.day_s(day.channels, day.pairs) for day in done)
    return sum(day.seconds for day in done) / said if said else None


def _samples(table: pd.DataFrame, days: pd.DatetimeIndex) -> float:
    """Samples of all epochs within the days; of epochs of a channel that overlap, the longest counts."""
    first, stop = (t.tz_localize("UTC") for t in (days[0], days[-1] + pd.Timedelta(days=1)))
    start = table["start"].where(table["start"] > first, first)
    end = table["end"].where(table["end"] < stop, stop)
    seconds = (end - start).dt.total_seconds().clip(lower=0)
    samples = (seconds * sampling_rates(table)).groupby(table["id"])
    longest = sampling_rates(table).groupby(table["id"]).max() * len(days) * DAY_S
    return float(np.minimum(samples.sum(), longest).sum())


def _shard_bytes(n_pairs: int, values_a_pair: int) -> int:
    """Bytes of all shards of a place in time (see ArchiveWriter)."""
    chunk, shard = pairs_a_chunk(n_pairs, values_a_pair)
    chunks, shards = -(-n_pairs // chunk), -(-n_pairs // shard)
    return chunks * chunk * values_a_pair * 4 + shards * (16 * (shard // chunk) + 4)


def _rows(settings: CorrelationSettings, plan: WindowPlan) -> int:
    return plan.n_windows * (2 if settings.measure == "pcc" else 1)


def _sides(settings: CorrelationSettings) -> int:
    return 2 if settings.measure == "deconvolution" else 1


@lru_cache(64)
def _measured(settings: CorrelationSettings, rate_hz: float, workers: int) -> Rates:
    with ThreadPoolExecutor(workers) as pool, threadpoolctl.threadpool_limits(1):
        return Rates(*_reading(settings, rate_hz, workers, pool), *_correlating(settings, workers, pool))


def _reading(
    settings: CorrelationSettings, rate_hz: float, workers: int, pool: ThreadPoolExecutor
) -> tuple[float, float]:
    """Seconds a channel, for its response; and a channel-day."""
    plan = make_plan(settings)
    windows = min(max(_WINDOW_SAMPLES // plan.nfft, 2), plan.n_windows)
    span_s = min(DAY_S, _SAMPLES / rate_hz, settings.cc_len + (windows - 1) * settings.cc_step)
    span_s = min(DAY_S, max(span_s, settings.cc_len + settings.cc_step))
    n = max(2, workers)
    ids, pairs = [f"SY.S{i:02d}..BHZ" for i in range(n)], np.zeros((1, 2), np.int64)
    source: Any = _Noise(rate_hz, span_s)  # no more than records are asked of it
    groups = window_groups(settings, plan)
    work = DayWork(ids, settings, source, _Instruments(rate_hz), plan, pairs, groups, memory_bytes=np.inf)

    def read() -> None:
        counters = Counters("", 0, 1, n, 0, lambda _: None)
        work.read(pd.Timestamp(0), pool, DayReport(""), counters)

    cold, warm = _timed(read, 1), _timed(read)
    return max(cold - warm, 0.0) / n, warm * DAY_S / span_s / n


def _correlating(settings: CorrelationSettings, workers: int, pool: ThreadPoolExecutor) -> tuple[float, float]:
    """Seconds a product of two channels, and a pair; of a part of the frequencies where they are many."""
    plan = make_plan(settings)
    frequency_bytes = 8 * _rows(settings, plan)
    n = int(np.clip(_SPECTRA_BYTES / (frequency_bytes * len(plan.weight)), 6, 64))
    part = max(1, min(len(plan.weight), int(_SPECTRA_BYTES / (frequency_bytes * n))))
    stack = SpectraStack.empty(part, n, plan.n_windows, _rows(settings, plan), two_sided=False)
    stack.right[:] = 1
    stack.valid[:] = True
    inverse = Inverse.from_plan(plan, correlation_scale(settings, plan))
    if settings.keep == "window":  # pair by pair
        pairs = np.stack([np.zeros(workers, int), np.arange(workers) % n], axis=1)
        seconds = _timed(lambda: [block.tobytes() for _, block in correlate_windows(stack, pairs, inverse, pool)])
        return 0.0, seconds / workers
    cross = np.zeros((part, n, n), np.complex64)

    def inverted(_: int) -> None:
        out = np.zeros((INVERSE_BATCH, 2 * plan.n_half_lag + 1), np.float32)
        inverse.transform(cross[:, 0, :INVERSE_BATCH], out[:n], inverse.buffers(INVERSE_BATCH))
        np.divide(out, np.float32(2), out=out).tobytes()  # what is written

    product_s = _timed(lambda: product(stack, 0, n, slice(None), pool, cross)) * len(plan.weight) / part
    inverse_s = _timed(lambda: list(pool.map(inverted, range(workers)))) / (workers * min(n, INVERSE_BATCH))
    return product_s / (n**2 / 2), inverse_s * len(window_groups(settings, plan))


def _timed(run: Callable[[], object], times: int = 3) -> float:
    """Seconds of the quickest of several runs: what else is done here makes one longer, never shorter."""

    def once() -> float:
        began = time.perf_counter()
        run()
        return time.perf_counter() - began

    return min(once() for _ in range(times))


class _Noise:
    """A source that has one record for all channels, as a data centre sends it."""

    spec, parallel = "trial:", 1

    def __init__(self, rate_hz: float, span_s: float) -> None:
        from obspy import Trace

        data = np.random.default_rng(1).normal(scale=300.0, size=round(span_s * rate_hz)).astype(np.int32)
        target = io.BytesIO()
        Trace(data, {"sampling_rate": rate_hz}).write(target, format="MSEED", encoding="STEIM2")
        self._data = target.getvalue()

    def fetch(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        return decode(self._data, channel_id)


class _Instruments(Responses):
    """Every channel has a broadband seismometer of its own."""

    def __init__(self, rate_hz: float) -> None:
        super().__init__()
        self._response = broadband("120", rate_hz).response()

    def epochs(self, channel_id: str, start_ns: int, end_ns: int) -> list[Epoch]:
        return self._epochs.setdefault(channel_id, [Epoch(FAR_PAST, FAR_FUTURE, self._response)])
