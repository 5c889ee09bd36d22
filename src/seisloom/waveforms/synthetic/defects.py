"""Defects that real archives have, planted on purpose: in records, in files, in metadata.

The functions on records return a new one and leave their argument alone; times are ns since 1970. Records
have segments in time order that do not overlap, as :meth:`SyntheticSource.fetch` gives them.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError
from seisloom.waveforms.base import NS_PER_S, Record, Segment

if TYPE_CHECKING:
    from obspy import Inventory
    from obspy.core.inventory import Channel, Station

Samples = npt.NDArray[np.number]


def cut(record: Record, start_ns: int, end_ns: int) -> list[Segment]:
    """The samples whose times are in [start, end), by segment."""
    pieces = []
    for segment in record.segments:
        first, last = (_index(segment, t) for t in (start_ns, end_ns))
        if first < last:
            begin = segment.start_ns + round(first * NS_PER_S / segment.rate_hz)
            pieces.append(replace(segment, start_ns=begin, data=segment.data[first:last]))
    return pieces


def _index(segment: Segment, time_ns: int) -> int:
    """Index of the first sample at or after a time; the small number forgives rounding to nanoseconds."""
    index = np.ceil((time_ns - segment.start_ns) * segment.rate_hz / NS_PER_S - 1e-6)
    return int(np.clip(index, 0, len(segment.data)))


def _split(record: Record, at_ns: int) -> tuple[list[Segment], list[Segment]]:
    end_ns = max(segment.end_ns for segment in record.segments)
    start_ns = min(segment.start_ns for segment in record.segments)
    return cut(record, start_ns, at_ns), cut(record, at_ns, end_ns)


def _with_data(record: Record, change: Callable[[Samples], Samples]) -> Record:
    return Record([replace(s, data=change(s.data)) for s in record.segments], list(record.problems))


def gap(record: Record, start_ns: int, end_ns: int) -> Record:
    """Nothing in [start, end)."""
    return Record(_split(record, start_ns)[0] + _split(record, end_ns)[1], list(record.problems))


def missing_sample(record: Record, at_ns: int) -> Record:
    """The first sample at or after a time is missing; the stamps around it are right."""
    segment = cut(record, at_ns, max(s.end_ns for s in record.segments))[0]
    return gap(record, segment.start_ns, segment.start_ns + round(NS_PER_S / segment.rate_hz))


def late_start(record: Record, at_ns: int) -> Record:
    """The record begins in the middle of the day."""
    return Record(_split(record, at_ns)[1], list(record.problems))


def overlap(record: Record, start_ns: int, end_ns: int) -> Record:
    """The samples in [start, end) are there twice, identical."""
    return Record(record.segments + cut(record, start_ns, end_ns), list(record.problems))


def conflicting_overlap(record: Record, start_ns: int, end_ns: int, rng: np.random.Generator) -> Record:
    """The samples in [start, end) are there twice, and the second version is noise of the same strength."""
    other = [
        replace(s, data=np.rint(rng.normal(0, np.std(s.data), len(s.data))).astype(s.data.dtype))
        for s in cut(record, start_ns, end_ns)
    ]
    return Record(record.segments + other, list(record.problems))


def glitch(record: Record, at_ns: int, counts: float) -> Record:
    """The first sample at or after a time is ``counts`` too high."""
    before, after = _split(record, at_ns)
    data = after[0].data.copy()
    data[0] += np.asarray(counts).astype(data.dtype)
    return Record([*before, replace(after[0], data=data), *after[1:]], list(record.problems))


def clock_jump(record: Record, at_ns: int, jump_s: float = 0.8) -> Record:
    """From a time on, all stamps are ``jump_s`` too late (negative: too early, which makes an overlap)."""
    before, after = _split(record, at_ns)
    wrong = [replace(s, start_ns=s.start_ns + round(jump_s * NS_PER_S)) for s in after]
    return Record(before + wrong, list(record.problems))


def subsample_start(record: Record, shift_s: float) -> Record:
    """The same motion, sampled ``shift_s`` later than the grid of whole samples (stamps are right; float64).

    The shift is a phase factor, which wraps around: a few samples at both ends are not to be relied on.
    """

    def moved(segment: Segment) -> Segment:
        n = len(segment.data)
        phase = np.exp(2j * np.pi * np.fft.rfftfreq(n, 1 / segment.rate_hz) * shift_s)
        data = np.fft.irfft(np.fft.rfft(segment.data) * phase, n)
        return Segment(segment.start_ns + round(shift_s * NS_PER_S), segment.rate_hz, data)

    return Record([moved(s) for s in record.segments], list(record.problems))


def dead(record: Record, counts: int = 0) -> Record:
    """A dead channel: the same number throughout."""
    return _with_data(record, lambda data: np.full_like(data, counts))


def reversed_polarity(record: Record) -> Record:
    """Every sample with the wrong sign."""
    return _with_data(record, lambda data: -data)


def change_gain(record: Record, at_ns: int, factor: float) -> Record:
    """From a time on, ``factor`` times the counts: what :func:`change_epoch` describes."""
    before, after = _split(record, at_ns)
    louder = [replace(s, data=np.rint(s.data * factor).astype(s.data.dtype)) for s in after]
    return Record(before + louder, list(record.problems))


def other_rate(record: Record, rate_hz: float) -> Record:
    """The same motion at another sampling rate (anti-aliased; float64), from the same first sample on."""
    from scipy.signal import resample_poly

    def resampled(segment: Segment) -> Segment:
        ratio = Fraction(rate_hz / segment.rate_hz).limit_denominator(1000)
        data = resample_poly(segment.data.astype(float), ratio.numerator, ratio.denominator)
        return Segment(segment.start_ns, rate_hz, data)

    return Record([resampled(s) for s in record.segments], list(record.problems))


def empty_file(path: str | Path) -> None:
    """Leave a file of no bytes."""
    Path(path).write_bytes(b"")


def truncate_file(path: str | Path, keep: float = 0.6) -> None:
    """Cut a file after ``keep`` of its bytes, in the middle of a MiniSEED record of 512 bytes."""
    data = Path(path).read_bytes()
    whole = int(len(data) * keep) // 512 * 512
    Path(path).write_bytes(data[: whole + 200])


def change_epoch(inventory: Inventory, channel_id: str, at_ns: int, factor: float) -> Inventory:
    """A copy in which a channel has a new epoch from a time on, ``factor`` times as sensitive.

    Raises InputError where the inventory does not hold the channel.
    """
    from obspy import UTCDateTime

    changed = inventory.copy()
    station, old = _find(changed, channel_id)
    new = deepcopy(old)
    new.response.response_stages[0].stage_gain *= factor
    new.response.instrument_sensitivity.value *= factor
    old.end_date = new.start_date = UTCDateTime(ns=at_ns)
    station.channels.insert(station.channels.index(old) + 1, new)
    return changed


def without_channel(inventory: Inventory, channel_id: str) -> Inventory:
    """A copy that lacks a channel; InputError where it was not there in the first place."""
    changed = inventory.copy()
    station, channel = _find(changed, channel_id)
    station.channels = [c for c in station.channels if c is not channel]
    return changed


def _find(inventory: Inventory, channel_id: str) -> tuple[Station, Channel]:
    codes = channel_id.split(".")
    for network in inventory:
        for station in network:
            for channel in station:
                if [network.code, station.code, channel.location_code, channel.code] == codes:
                    return station, channel
    raise InputError(f"the inventory has no channel {channel_id}")
