"""How fast this machine does each stage of a day: the same code as in a job, run for a second or so on made-up records."""

from __future__ import annotations

import io
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import threadpoolctl

from seisloom.config import DAY_S, CorrelationSettings
from seisloom.cores import cores
from seisloom.memory import keep_freed_memory
from seisloom.noise.archive import SHARD_BYTES
from seisloom.noise.correlate import INVERSE_BATCH, MIN_HEIGHT, Inverse, SpectraStack, correlate_windows, invert
from seisloom.noise.day import DayWork
from seisloom.noise.plan import WindowPlan, make_plan, window_groups
from seisloom.noise.product import product
from seisloom.noise.progress import Counters
from seisloom.noise.report import DayReport
from seisloom.noise.response import FAR_FUTURE, FAR_PAST, Epoch, Responses
from seisloom.noise.spectra import correlation_scale
from seisloom.noise.tiles import DaySize
from seisloom.storage import Storage
from seisloom.waveforms.base import Record
from seisloom.waveforms.mseed import decode
from seisloom.waveforms.synthetic.instrument import broadband

STAGES = ("reading", "spectra", "sharing", "product", "inverse", "writing")
"""Of a day, as :class:`Rates` has them."""
# Sizes of the trial: samples of a record, samples of all windows of a channel, bytes of spectra and of cross-spectra, channels.
_SAMPLES, _WINDOW_SAMPLES, _BYTES, _CHANNELS = 2e6, 1e6, 40e6, 256
_SHARDS = 4
_trying = threading.Lock()


@dataclass(frozen=True)
class Rates:
    """CPU seconds, with all threads at work, of what a job is made of."""

    response_s: float
    """A channel, once a worker: its instrument response."""
    reading_s: float
    """A channel-day: records decoded. What a source takes to send them is not in it."""
    spectra_s: float
    """A channel-day: response removed, resampled, cut into windows, transformed, whitened."""
    product_s: float
    """A product of the spectra of two channels on a day; they are made of all channels with all."""
    inverse_s: float
    """A pair-day: back to lag."""
    writing_s: float
    """A pair-day: into the archive."""
    store_s: float
    """Spectra of a channel-day: into the store, or back."""

    def day(self, n_channels: int, n_pairs: int, makings: float = 1.0, moves: float = 0.0) -> dict[str, float]:
        """CPU seconds of a day by stage, if spectra of a channel are made so often, and go to or from the store so often."""
        seconds = (
            n_channels * makings * self.reading_s, n_channels * makings * self.spectra_s, n_channels * moves * self.store_s,
            n_channels**2 / 2 * self.product_s, n_pairs * self.inverse_s, n_pairs * self.writing_s,
        )  # fmt: skip
        return dict(zip(STAGES, seconds, strict=True))


def measure_rates(
    settings: CorrelationSettings, sample_rate_hz: float, n_channels: int, threads: int | None = None
) -> Rates:
    """Rates of this machine for records of a sampling rate, measured in a second or so; known for what was asked before.

    ``n_channels`` is that of the job: products of few channels run below the speed of the machine. ``threads`` work at once
    [all cores].
    """
    size = min(_CHANNELS, 1 << max(n_channels - 1, 1).bit_length())
    with _trying:  # two trials at once would measure one another
        return _measured(
            settings, float(np.clip(sample_rate_hz, 0.01, 1000)), min(size, n_channels), threads or cores()
        )


@lru_cache(64)
def _measured(settings: CorrelationSettings, rate_hz: float, n_channels: int, threads: int) -> Rates:
    keep_freed_memory()  # as workers do
    plan = make_plan(settings)
    size = DaySize.of(2, 1, settings)
    with ThreadPoolExecutor(threads) as pool, threadpoolctl.threadpool_limits(1):
        byte_s = writing_rate()
        return Rates(
            *_reading(settings, rate_hz, threads, pool),
            *_correlating(settings, plan, n_channels, threads, pool),
            byte_s * 4 * size.values_a_pair,
            byte_s * size.channel_bytes,
        )


def _reading(
    settings: CorrelationSettings, rate_hz: float, threads: int, pool: ThreadPoolExecutor
) -> tuple[float, float, float]:
    """Seconds a channel, for its response; and a channel-day, for its records and for its spectra."""
    plan = make_plan(settings)
    windows = min(max(_WINDOW_SAMPLES // plan.nfft, 2), plan.n_windows)
    span_s = min(DAY_S, _SAMPLES / rate_hz, settings.cc_len + (windows - 1) * settings.cc_step)
    span_s = min(DAY_S, max(span_s, settings.cc_len + settings.cc_step))
    n = max(2, threads)
    ids, pairs = [f"SY.S{i:02d}..BHZ" for i in range(n)], np.zeros((1, 2), np.int64)
    source: Any = _Noise(rate_hz, span_s)  # no more than records are asked of it
    groups = window_groups(settings, plan)
    instruments = _Instruments(rate_hz)
    work = DayWork(ids, settings, source, instruments, plan, pairs, groups, memory_bytes=np.inf)

    def both() -> None:
        counters = Counters("", 0, 1, n, 0, lambda _: None)
        work.read(pd.Timestamp(0), pool, DayReport(""), counters)

    both()  # what is imported on use
    instruments.forget()
    cold, warm = _timed(both, 1), _timed(both)
    reading = _timed(lambda: list(pool.map(lambda name: source.fetch(name, 0, 0), ids)))
    day = DAY_S / span_s / n
    return max(cold - warm, 0.0) / n, reading * day, max(warm - reading, 0.0) * day


def _correlating(
    settings: CorrelationSettings, plan: WindowPlan, n_channels: int, threads: int, pool: ThreadPoolExecutor
) -> tuple[float, float]:
    """Seconds a product of two channels, and a pair's way back to lag; of a part of the frequencies where they are many."""
    rows = plan.n_windows * (2 if settings.measure == "pcc" else 1)
    inverse = Inverse.from_plan(plan, correlation_scale(settings, plan))
    if settings.keep == "window":
        return 0.0, _windows(plan, rows, inverse, threads, pool)
    n = int(np.clip(_BYTES / (8 * rows), 2, n_channels))
    height = min(n, MIN_HEIGHT)
    part = int(np.clip(_BYTES / (8 * n * max(rows, height)), 1, len(plan.weight)))
    stack = SpectraStack.empty(part, n, plan.n_windows, rows, two_sided=False)
    stack.right[:] = 1
    every, cross = np.arange(n), np.zeros((part, height, n), np.complex64)

    def products() -> None:
        for first in range(0, n, height):
            stop = min(first + height, n)
            a, b = slice(first, stop), slice(first, n)
            space = cross[:, : stop - first, first:]
            product(stack.left[:, a], every[a], stack.right[:, b], every[b], n, slice(None), pool, space)

    product_s = _timed(products) * len(plan.weight) / part / (n**2 / 2)
    return product_s, _inverse(plan, inverse, pool) * len(window_groups(settings, plan))


def _windows(plan: WindowPlan, rows: int, inverse: Inverse, threads: int, pool: ThreadPoolExecutor) -> float:
    """Seconds a pair of which every window is kept."""
    stack = SpectraStack.empty(len(plan.weight), 2, plan.n_windows, rows, two_sided=False)
    stack.right[:] = 1
    pairs = np.tile([0, 1], (threads, 1))
    return _timed(lambda: list(correlate_windows(stack, pairs, inverse, pool))) / threads


def _inverse(plan: WindowPlan, inverse: Inverse, pool: ThreadPoolExecutor) -> float:
    """Seconds a transform, from cross-spectra that do not fit the caches, as those of many channels do not."""
    n = int(np.clip(_BYTES / (8 * len(plan.weight)), 2 * INVERSE_BATCH, 4096))
    cross = np.ones((len(plan.weight), 1, n), np.complex64)
    wanted = np.stack([np.zeros(n, np.int64), np.arange(n)], axis=1)
    out = np.zeros((n, 2 * plan.n_half_lag + 1), np.float32)
    return _timed(lambda: invert(cross, wanted, inverse, pool, out)) / n


def writing_rate() -> float:
    """Seconds a byte of the archive: gathered in a shard, copied and put into a folder."""
    shard, block = np.empty(SHARD_BYTES, np.uint8), np.ones(SHARD_BYTES, np.uint8)
    with tempfile.TemporaryDirectory(prefix="seisloom-") as folder:
        storage = Storage(folder)

        def write() -> None:
            for number in range(_SHARDS):
                np.divide(block.view("<f4"), np.float32(2), out=block.view("<f4"))  # by the number of windows
                shard[:] = block
                storage.put(str(number), shard.tobytes())

        return _timed(write, 2) / (_SHARDS * SHARD_BYTES)


def _timed(run: Callable[[], object], times: int = 3) -> float:
    """CPU seconds, of all threads, of the quickest of several runs: what else is done here makes one longer, never shorter."""

    def once() -> float:
        began = time.process_time()
        run()
        return time.process_time() - began

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

    def forget(self) -> None:
        """Have every response evaluated anew."""
        self._epochs.clear()
