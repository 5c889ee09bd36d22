"""The plan of a correlation job, before it runs: tasks, bytes, memory, time on these workers, what limits it, what it costs.

Time is a model (:mod:`seisloom.noise.job_time`) of rates measured on this machine (:mod:`seisloom.noise.rates`);
docs/scale.md has its formulas, and how well they hold.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from seisloom.compute import Slice
from seisloom.compute.crew import PROGRAM_BYTES, Crew
from seisloom.compute.forecast import Forecast
from seisloom.compute.prices import Bill, Prices, Use, bill
from seisloom.config import DAY_S, CorrelationSettings
from seisloom.noise.archive import SHARD_BYTES
from seisloom.noise.correlate import SpectraStack, band_height
from seisloom.noise.estimate import BYTES_A_SAMPLE, Estimate, estimate, one_a_channel, sampling_rates
from seisloom.noise.job_pace import Network, Pacing
from seisloom.noise.job_time import DayTiming, timing
from seisloom.noise.pairs import channel_pairs
from seisloom.noise.plan import make_plan
from seisloom.noise.report import DayReport
from seisloom.noise.span_stacks import shared
from seisloom.noise.tile_time import best_cut
from seisloom.noise.tiles import DaySize, Sharing, Tiling, cut
from seisloom.stations import channel_ids

SAMPLE_BYTES, WINDOW_COPIES = 8, 3
"""What a reader holds: bytes for every sample of a record, and how often the windows of a channel-day in float64."""


@dataclass(frozen=True, kw_only=True)
class Plan(Forecast):
    """What a run will do and take. All numbers but ``size`` are of this run: its slice, the days that are not done yet.

    With ``keep`` stack, days are written too, and are removed when they are in a mean.
    """

    size: Estimate
    """Of the whole job."""
    part: str | None
    """The slice."""
    stacks_only: bool
    """Whether means of several days are kept in place of the days."""
    days: int
    days_done: int
    tiles: int
    """Of a day; 1 where it is done in one piece."""
    sharing: Sharing | None
    """How the tiles of a day come by their spectra; None where it is done in one piece."""
    bytes_shared: int
    """Of spectra that tiles keep in the workspace until their day is done."""
    bytes_kept: int
    """Of results, when days that were done before are with them."""
    timing: DayTiming | None

    @property
    def days_to_do(self) -> int:
        return self.days - self.days_done


def plan_job(
    channels: pd.DataFrame,
    settings: CorrelationSettings,
    source: str,
    days: pd.DatetimeIndex,
    crew: Crew,
    *,
    done: Collection[str] = (),
    past: Sequence[DayReport] = (),
    part: Slice | None = None,
    readers: int = 1,
    spectra_gb: float | None = None,
    network_mb_s: float | None = None,
    store: bool = False,
    prices: Prices | None = None,
    most_pairs: int | None = None,
) -> Plan:
    """The plan of correlating the channels of a table on ``days``, of which some (YYYY-MM-DD) are ``done``.

    ``source`` is what records come from, as users write it, ``readers`` of them at a time. ``past`` are reports of days of the
    same settings and source: how long they took counts. ``spectra_gb`` may lie in the workspace where days are cut into tiles.
    ``network_mb_s`` is what a worker's network carries, MB/s, from the source and, with ``store``, to a workspace in an object
    store; without it that takes no time. ``most_pairs`` of a tile are what another run of the workspace has settled on. Raises InputError where there is no pair, or a day cannot be done with this memory, or
    no worker fits the machine of the ``prices``.
    """
    pairs = channel_pairs(table := one_a_channel(channels), settings)
    day = DaySize.of(len(table), len(pairs), settings, readers, crew.threads)
    size = estimate(channels, settings, days, day)
    own = shared(days, part, settings)
    to_do = sum(f"{day:%Y-%m-%d}" not in done for day in own)
    share, kind = to_do / len(days), source.partition(":")[0]
    remote = kind in ("fdsn", "s3")
    moved = size.download_bytes / len(days) * remote, size.written_bytes / len(days) * store
    network = Network(network_mb_s * 1e6, *moved) if network_mb_s else Network()
    slices = part.of if part else 1
    pacing = Pacing(channels, settings, source, day, crew, past, network, spectra_gb, slices)
    # Slices know nothing of each other, and what is measured here: they cut by memory alone.
    settled = part or most_pairs
    most_pairs = None if part else most_pairs
    tiling = cut(day, pairs, crew.memory_bytes, most_pairs) if settled else best_cut(pacing, pairs, to_do)
    pace, timed = None, None
    if pacing.measurable:
        pace = pacing.of(tiling)
        together = pace.days_a_task(crew, to_do)
        timed = timing(pace.load, pace.response_s, crew, to_do, pace.factor or 1.0, together, tiling.tasks_a_day)
    memory_bytes = _memory(channels, settings, day, tiling, crew)
    between = bool(pace and pace.sharing and pace.sharing.stored)
    plan = Plan(
        size=size,
        part=str(part) if part else None,
        stacks_only=settings.keep == "stack",
        days=len(own),
        days_done=len(own) - to_do,
        tiles=tiling.tasks_a_day,
        sharing=pace.sharing if pace else None,
        threads=crew.threads,
        bytes_in=0 if kind == "synthetic" else round(size.download_bytes * share * (pace.makings if pace else 1)),
        bytes_out=round(size.written_bytes * share),
        objects_out=round(size.written_objects * share),
        bytes_shared=day.day_bytes * to_do if between else 0,
        bytes_kept=round(size.output_bytes * len(own) / len(days)),
        memory_bytes=memory_bytes,
        timing=timed,
        basis=pace.basis if pace else "not measured: the spectra of a single channel take more than a gigabyte",
        notes=[*crew.notes(memory_bytes), *_notes(channels, settings, size)],
    )
    reads = tiling.channel_reads * to_do
    return replace(plan, bill=_bill(plan, reads, prices, remote)) if prices and timed else plan


def _memory(channels: pd.DataFrame, settings: CorrelationSettings, day: DaySize, tiling: Tiling, crew: Crew) -> int:
    """Bytes of a worker: the program, records, and a tile, or spectra with a band of cross-spectra and correlations."""
    windows = settings.n_windows * make_plan(settings).nfft * 8 * WINDOW_COPIES
    records = day.readers * (sampling_rates(channels).max() * DAY_S * SAMPLE_BYTES + windows)
    if not tiling.whole:
        return round(PROGRAM_BYTES + tiling.memory_bytes + records)
    shape = (day.n_frequencies, day.n_channels, day.rows)
    sides = [
        np.broadcast_to(np.complex64(0), shape) for _ in range(day.sides)
    ]  # no memory: only their size is asked for
    stack = SpectraStack(sides[0], sides[-1], np.empty((0, 0), bool))
    height = band_height(stack, day.values_a_pair, crew.memory_bytes)
    band = height * day.n_channels * (8 * day.n_frequencies + 4 * day.values_a_pair)
    return round(PROGRAM_BYTES + day.day_bytes + band + 2 * SHARD_BYTES + records)


def _bill(plan: Plan, channel_reads: int, prices: Prices, remote: bool) -> Bill:
    """What it costs, where tiles need the spectra of so many channel-days."""
    assert plan.timing
    made = plan.size.channels * plan.days_to_do
    between = plan.bytes_shared > 0
    use = Use(
        workers=plan.timing.workers,
        cores=plan.threads,
        memory_bytes=plan.memory_bytes,
        seconds=plan.timing.seconds,
        bytes_read=plan.bytes_in if remote else 0,
        bytes_stored=plan.bytes_kept,
        puts=plan.objects_out + between * made,
        gets=remote * (made if between else channel_reads) + between * channel_reads,
    )
    return bill(prices, use)


def _notes(channels: pd.DataFrame, settings: CorrelationSettings, size: Estimate) -> list[str]:
    notes = [f"download: {BYTES_A_SAMPLE:g} bytes a sample, as compressed noise typically takes"]
    if size.rates_guessed:
        notes.append(
            f"sampling rate by the band code: {size.rates_guessed} of {size.channels} channels, which tell none"
        )
    low = sampling_rates(channels) < 2 * settings.freqmax
    if low.any():
        ids = set(channel_ids(channels[low]))
        notes.append(f"sampled too slowly for freqmax, to be left out: {len(ids)} of {size.channels} channels")
    return notes
