"""How long a day of a job takes on this machine: by rates measured here, or by the days that were done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from seisloom.compute import Compute
from seisloom.compute.batches import TASKS_A_WORKER, items_a_task
from seisloom.compute.crew import Crew
from seisloom.config import CorrelationSettings
from seisloom.noise.estimate import sampling_rates
from seisloom.noise.job_time import DayLoad
from seisloom.noise.ledger import Ledger
from seisloom.noise.rates import Rates, measure_rates
from seisloom.noise.report import DayReport
from seisloom.noise.tiles import DaySize, Sharing, SharingRates, Tiling, sharing

LOOKED_AT = 20
"""Finished days whose time is looked at."""
# How records are come by, which takes a time that nobody knows before; what is not named is downloaded.
_FETCHING = {"synthetic": "making the records", "sds": "reading the disk", "files": "reading the disk"}


@dataclass(frozen=True)
class Network:
    """What the network of a worker takes for a day, s; nothing where it is no matter."""

    bytes_s: float = math.inf
    day_in: float = 0.0
    """Bytes of records that come by it, once for every channel."""
    day_out: float = 0.0
    """Bytes of results that go by it; none where the workspace is a folder."""

    def record_s(self, share: float) -> float:
        """Seconds of some share of the records of a day."""
        return share * self.day_in / self.bytes_s

    def result_s(self, n_bytes: float) -> float:
        """Seconds of bytes between worker and workspace."""
        return n_bytes / self.bytes_s if self.day_out else 0.0


@dataclass(frozen=True)
class Cutting:
    """Days that are cut, and of how many of them spectra may be stored at a time."""

    tiling: Tiling
    days_stored: int


@dataclass(frozen=True)
class Pace:
    """Of the days of a job."""

    load: DayLoad
    response_s: float
    """CPU seconds of the responses of all channels, once a worker."""
    factor: float | None
    """How much longer days took than the load says; None where none were done."""
    kind: str
    """Of the source."""
    makings: float = 1.0
    """How often the spectra of a channel-day are made."""
    sharing: Sharing | None = None
    """How tiles come by their spectra, None where days are not cut."""

    @property
    def basis(self) -> str:
        """What it rests on, and what is not in it."""
        fetching = _FETCHING.get(self.kind, "the download")
        if self.factor:
            return f"from finished days of these settings and this source; with {fetching}"
        if self.load.receiving_s:
            return "from a short run on this machine, and the network as given"
        return f"from a short run on this machine; without {fetching}"

    def days_a_task(self, crew: Crew, days: int) -> int:
        """How many days to put into a task; one where nobody knows how long downloads take."""
        if crew.kind == "serial" or self.sharing or not (self.factor or self.kind in _FETCHING):
            return 1
        workers = max(1, min(crew.workers, days))
        day_s = (self.factor or 1.0) * DayLoad(self.load.cpu_s).seconds(crew.each(workers))
        return items_a_task(day_s, days, workers)


def job_pace(
    channels: pd.DataFrame,
    settings: CorrelationSettings,
    source: str,
    size: DaySize,
    crew: Crew,
    past: Sequence[DayReport] = (),
    cutting: Cutting | None = None,
    network: Network | None = None,
) -> Pace:
    """That of a job; ``past`` are reports of days of the same settings and source."""
    rates = measure_rates(settings, float(sampling_rates(channels).median()), size.n_channels)
    n, shared, makings, moves = size.n_channels, None, 1.0, 0.0
    network = network or Network()
    if cutting and not cutting.tiling.whole:
        reads = cutting.tiling.channel_reads
        move_s = rates.store_s + network.result_s(size.channel_bytes)
        channel_s = rates.reading_s + rates.spectra_s + network.record_s(1 / n)
        shared = sharing(cutting.tiling, n, SharingRates(channel_s, move_s, move_s), cutting.days_stored)
        makings, moves = (1.0, 1 + reads / n) if shared.stored else (reads / n, 0.0)
    took = past_factor(past, rates, crew.each(crew.workers), makings, moves)
    load = DayLoad(rates.day(n, size.n_pairs, makings, moves))
    if not took:  # which has the network in it
        moved = network.day_out + moves * n * size.channel_bytes
        load = replace(load, receiving_s=network.record_s(makings), sending_s=network.result_s(moved))
    return Pace(load, rates.response_s * n, took, source.partition(":")[0], makings, shared)


def past_factor(
    days: Sequence[DayReport], rates: Rates, threads: float, makings: float = 1.0, moves: float = 0.0
) -> float | None:
    """How much longer days took than ``rates`` say, in all; None without days that correlated anything."""
    done = [day for day in days if day.pairs and day.seconds]
    said = sum(DayLoad(rates.day(day.channels, day.pairs, makings, moves)).seconds(threads) for day in done)
    return sum(day.seconds for day in done) / said if said else None


def days_a_task(books: Ledger, size: DaySize, days: int, compute: Compute) -> int:
    """How many of the days that are left of a job to put into a task."""
    crew = Crew.of(compute)
    if not compute.remote or days < 2 * TASKS_A_WORKER * crew.workers:  # so few that they stay single, however quick
        return 1
    past = books.reports(sorted(books.done())[-LOOKED_AT:])
    return job_pace(books.channels, books.settings, books.source, size, crew, past).days_a_task(crew, days)
