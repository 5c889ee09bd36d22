"""How large a correlation job is: pairs, bytes read, written and held, before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from seisloom.config import DAY_S, CorrelationSettings
from seisloom.noise.archive import pairs_a_chunk
from seisloom.noise.tiles import DaySize
from seisloom.stations import channel_ids

BYTES_A_SAMPLE = 1.5
"""Of noise compressed by Steim's methods, typically."""
# Rates that band codes stand for (SEED manual, appendix A), where the metadata tell none.
_BAND_HZ = {"F": 1000.0, "G": 1000.0, "D": 250.0, "C": 250.0, "E": 100.0, "H": 100.0, "S": 50.0, "B": 40.0}
_BAND_HZ |= {"M": 5.0, "L": 1.0, "V": 0.1, "U": 0.01}
_OTHER_HZ = 100.0


@dataclass(frozen=True)
class Estimate:
    """Size of a job. ``rates_guessed`` channels have no sampling rate, and are taken to have that of their band code."""

    channels: int
    pairs: int
    days: int
    download_bytes: int
    """Of records, as they are sent or stored."""
    written_bytes: int
    """Of all that is written: days and, with ``keep`` stack, means of them, after which these days are removed."""
    written_objects: int
    """Files, or objects of a store, that this is written as, with a mark for each day and mean."""
    output_bytes: int
    """Of what is there in the end."""
    stacked_bytes: int
    """The same with ``keep`` stack, as means of ``stack_days`` days."""
    spectra_bytes: int
    """Of the spectra of a day."""
    rates_guessed: int


def estimate(channels: pd.DataFrame, settings: CorrelationSettings, days: pd.DatetimeIndex, size: DaySize) -> Estimate:
    """Size of correlating the channels of a table on days; ``size`` is that of each of them.

    Downloads are BYTES_A_SAMPLE for every sample of the epochs in the table; what is not there is not known. The output
    is that of archives in which every pair has every day.
    """
    table = channels.assign(id=channel_ids(channels))
    n_lag = size.values_a_pair // size.n_groups
    day, mean = _row(size.n_pairs, n_lag, size.n_groups), _row(size.n_pairs, n_lag, 1)
    means, rest = divmod(len(days), settings.stack_days)
    stacked = settings.keep == "stack"
    return Estimate(
        channels=size.n_channels,
        pairs=size.n_pairs,
        days=len(days),
        download_bytes=round(_samples(table, days) * BYTES_A_SAMPLE),
        written_bytes=len(days) * day.bytes + stacked * means * mean.bytes,
        written_objects=len(days) * day.objects + stacked * means * mean.objects,
        output_bytes=means * mean.bytes + rest * day.bytes if stacked else len(days) * day.bytes,
        stacked_bytes=(means + rest) * mean.bytes,
        spectra_bytes=size.day_bytes,
        rates_guessed=int(table.drop_duplicates("id")["sample_rate_hz"].isna().sum()),
    )


def one_a_channel(channels: pd.DataFrame) -> pd.DataFrame:
    """The first row of every channel, sorted by id."""
    return channels.assign(id=channel_ids(channels)).drop_duplicates("id").sort_values("id").reset_index(drop=True)


def sampling_rates(channels: pd.DataFrame) -> pd.Series[float]:
    """Sampling rate of every row in Hz, by the band code where there is none."""
    by_band = channels["channel"].str[0].map(_BAND_HZ).fillna(_OTHER_HZ)
    return channels["sample_rate_hz"].where(channels["sample_rate_hz"] > 0).fillna(by_band)


def _samples(table: pd.DataFrame, days: pd.DatetimeIndex) -> float:
    """Samples of all epochs within the days; of epochs of a channel that overlap, the longest counts."""
    first, stop = (t.tz_localize("UTC") for t in (days[0], days[-1] + pd.Timedelta(days=1)))
    start = table["start"].where(table["start"] > first, first)
    end = table["end"].where(table["end"] < stop, stop)
    seconds = (end - start).dt.total_seconds().clip(lower=0)
    samples = (seconds * sampling_rates(table)).groupby(table["id"])
    longest = sampling_rates(table).groupby(table["id"]).max() * len(days) * DAY_S
    return float(np.minimum(samples.sum(), longest).sum())


class _Row(NamedTuple):
    """A day, or a mean of days, in an archive."""

    bytes: int
    objects: int


def _row(n_pairs: int, n_lag: int, n_groups: int) -> _Row:
    """Its shards (see ArchiveWriter) with the counts, and the mark."""
    values = n_lag * n_groups
    chunk, shard = pairs_a_chunk(n_pairs, values)
    chunks, shards = -(-n_pairs // chunk), -(-n_pairs // shard)
    correlations = chunks * chunk * values * 4 + shards * (16 * (shard // chunk) + 4)
    return _Row(correlations + 4 * n_pairs * n_groups, shards + 2)
