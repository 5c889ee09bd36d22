"""How long a day of a job takes on this machine: by rates measured here, or by the days that were done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from seisloom.compute.batches import TASKS_A_WORKER, items_a_task
from seisloom.compute.crew import Crew
from seisloom.config import CorrelationSettings
from seisloom.noise.estimate import sampling_rates
from seisloom.noise.job_time import DayLoad, DayTiming, timing
from seisloom.noise.ledger import Ledger
from seisloom.noise.rates import Rates, measure_rates
from seisloom.noise.report import DayReport
from seisloom.noise.tiles import DaySize, Sharing, SharingRates, Tiling, days_stored, sharing

LOOKED_AT = 20
"""Finished days whose time is looked at."""
MOST_TRIED = 1e9
"""Bytes of the spectra of a channel with which measuring would take too long."""
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


@dataclass(frozen=True)
class Pacing:
    """What decides how long the days of a job take, however they are cut."""

    channels: pd.DataFrame
    settings: CorrelationSettings
    source: str
    """As users write it."""
    size: DaySize
    crew: Crew
    past: Sequence[DayReport] = ()
    """Reports of days of the same settings and source."""
    network: Network = Network()
    spectra_gb: float | None = None
    """That may lie in the workspace where days are cut."""
    slices: int = 1
    """Runs side by side that share out the job."""

    @property
    def measurable(self) -> bool:
        return self.size.channel_bytes < MOST_TRIED

    def of(self, tiling: Tiling | None = None) -> Pace:
        """That of days which are cut so, or not."""
        channels, size, network = self.channels, self.size, self.network
        rates = measure_rates(self.settings, float(sampling_rates(channels).median()), size.n_channels)
        n, shared, makings, moves = size.n_channels, None, 1.0, 0.0
        if tiling and not tiling.whole:
            reads = tiling.channel_reads
            move_s = rates.store_s + network.result_s(size.channel_bytes)
            channel_s = rates.reading_s + rates.spectra_s + network.record_s(1 / n)
            stored = days_stored(tiling, self.spectra_gb, self.crew.workers * self.slices)
            shared = sharing(tiling, n, SharingRates(channel_s, move_s, move_s), stored)
            makings, moves = (1.0, 1 + reads / n) if shared.stored else (reads / n, 0.0)
        took = past_factor(self.past, rates, self.crew.each(self.crew.workers), makings, moves)
        load = DayLoad(rates.day(n, size.n_pairs, makings, moves))
        if not took:  # which has the network in it
            moved = network.day_out + moves * n * size.channel_bytes
            load = replace(load, receiving_s=network.record_s(makings), sending_s=network.result_s(moved))
        return Pace(load, rates.response_s * n, took, self.source.partition(":")[0], makings, shared)

    def timing(self, tiling: Tiling, days: int) -> DayTiming:
        """Of so many days that are cut so, by the rates of this machine alone: finished days may have been cut otherwise."""
        pace = replace(self, past=()).of(tiling)
        together = pace.days_a_task(self.crew, days)
        return timing(pace.load, pace.response_s, self.crew, days, 1.0, together, tiling.tasks_a_day)


def past_factor(
    days: Sequence[DayReport], rates: Rates, threads: float, makings: float = 1.0, moves: float = 0.0
) -> float | None:
    """How much longer days took than ``rates`` say, in all; None without days that correlated anything."""
    done = [day for day in days if day.pairs and day.seconds]
    said = sum(DayLoad(rates.day(day.channels, day.pairs, makings, moves)).seconds(threads) for day in done)
    return sum(day.seconds for day in done) / said if said else None


def days_a_task(books: Ledger, size: DaySize, days: int, crew: Crew) -> int:
    """How many of the days that are left of a job to put into a task."""
    if crew.kind == "serial" or days < 2 * TASKS_A_WORKER * crew.workers:  # so few that they stay single, however quick
        return 1
    past = books.reports(sorted(books.done())[-LOOKED_AT:])
    return Pacing(books.channels, books.settings, books.source, size, crew, past).of().days_a_task(crew, days)
