"""The plan of a correlation as ``seisloom correlate --dry-run`` tells it: no record is read, nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from seisloom.compute import Slice
from seisloom.compute.crew import Crew
from seisloom.compute.prices import Prices
from seisloom.config import CorrelationSettings
from seisloom.noise.estimate import one_a_channel
from seisloom.noise.job_pace import LOOKED_AT
from seisloom.noise.job_plan import Plan, plan_job
from seisloom.noise.ledger import Ledger
from seisloom.noise.pairs import channel_pairs
from seisloom.noise.pipeline import complete_channels, day_range
from seisloom.noise.plan import make_plan, window_groups
from seisloom.noise.report import DayReport
from seisloom.noise.response import Responses
from seisloom.noise.tile_time import held_cut
from seisloom.stations import channel_ids, validate
from seisloom.storage import Storage, is_there
from seisloom.waveforms.base import Source

if TYPE_CHECKING:
    from obspy import Inventory


def dry_run(
    channels: pd.DataFrame,
    settings: CorrelationSettings,
    source: Source,
    workspace: str | Path,
    start: str | pd.Timestamp,
    end: str | pd.Timestamp | None,
    crew: Crew,
    inventory: Inventory | None = None,
    part: Slice | None = None,
    spectra_gb: float | None = None,
    network_mb_s: float | None = None,
    prices: Prices | None = None,
) -> Plan:
    """What :func:`seisloom.noise.pipeline.correlate` with the same arguments would do in this workspace, and take.

    Raises what it would raise for arguments that cannot be used, and for a workspace of another job.
    """
    days = day_range(start, end)
    channels = validate(channels)
    if settings.min_distance_km > 0 or settings.max_distance_km is not None:
        channels = _with_places(channels, Responses(inventory), source)
    done, past, most_pairs = _held(channels, settings, source.spec, workspace, days)
    return plan_job(
        channels, settings, source.spec, days, crew, done=done, past=past, part=part, readers=source.parallel,
        spectra_gb=spectra_gb, network_mb_s=network_mb_s, store="://" in str(workspace), prices=prices,
        most_pairs=most_pairs,
    )  # fmt: skip


def _held(
    channels: pd.DataFrame, settings: CorrelationSettings, source: str, workspace: str | Path, days: pd.DatetimeIndex
) -> tuple[set[str], list[DayReport], int | None]:
    """Days that are done in the workspace, the reports of some, and pairs of a tile if a run has settled on them."""
    if not is_there(workspace):
        return set(), [], None
    first = one_a_channel(channels)
    plan, pairs = make_plan(settings), channel_pairs(first, settings)
    ledger = Ledger(Storage(workspace), first, settings, source, plan, pairs, window_groups(settings, plan))
    done = ledger.finished(days)
    return done, ledger.reports(sorted(done)[-LOOKED_AT:]), held_cut(ledger.storage)


def _with_places(channels: pd.DataFrame, responses: Responses, source: Source) -> pd.DataFrame:
    """The table with the places that metadata know, which limits of distance need."""
    whole = complete_channels(channels, responses, source)
    known = whole.assign(id=channel_ids(whole)).set_index("id")
    ids = pd.Series(channel_ids(channels), index=channels.index)
    return channels.assign(**{name: ids.map(known[name]) for name in ("latitude", "longitude")})
