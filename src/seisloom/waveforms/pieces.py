"""Segments as they come from a source to contiguous pieces of one rate: joined, cut where they disagree, freed of what is no record.

What had to be left out is appended to a list of problems: sentences of the form "kind: details".
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from seisloom.waveforms.base import NS_PER_S, Segment
from seisloom.words import counted

# Two segments belong together when they meet within this fraction of a sample.
JOIN_TOLERANCE = 0.1


def finite(segments: list[Segment], problems: list[str]) -> list[Segment]:
    """The stretches of segments without NaN or infinity; empty segments are left out."""
    return [s for segment in segments if len(segment.data) for s in _finite(segment, problems)]


def one_rate(segments: list[Segment], problems: list[str]) -> list[Segment]:
    """The segments that have the sampling rate of most of the time."""
    counts: dict[float, int] = {}
    for s in segments:
        counts[s.rate_hz] = counts.get(s.rate_hz, 0) + len(s.data)
    if len(counts) < 2:
        return segments
    rate = max(counts, key=lambda r: (counts[r] / r, r))
    for other in sorted(set(counts) - {rate}):
        seconds = counts[other] / other
        problems.append(
            f"mixed sampling rates: {seconds:.0f} s at {other:g} Hz left out, most of the day is at {rate:g} Hz"
        )
    return [s for s in segments if s.rate_hz == rate]


def joined(segments: list[Segment], fill_gap_s: float, problems: list[str]) -> list[Segment]:
    """Segments of one rate in order of time, joined where they meet and cut where they disagree.

    Gaps of one sample, or up to ``fill_gap_s``, are bridged by a straight line.
    """
    out: list[Segment] = []
    for segment in sorted(segments, key=lambda s: (s.start_ns, -len(s.data))):
        if not out:
            out.append(segment)
            continue
        # What a dispute took stays taken: it ended where the last segment, which may be empty, begins.
        later = trim(segment, out[-1].start_ns, segment.end_ns)
        if len(later.data):
            out += _join(out.pop(), later, fill_gap_s, problems)
    return [s for s in out if len(s.data)]


def without_flat(piece: Segment, block: int, problems: list[str]) -> list[Segment]:
    """The piece without blocks of so many samples in which one value is repeated (a dead or unplugged sensor)."""
    n = len(piece.data) // block
    if n == 0:
        return [piece]
    blocks = piece.data[: n * block].reshape(n, block)
    moving = blocks.max(axis=1) != blocks.min(axis=1)
    if moving.all():
        return [piece]
    seconds = np.count_nonzero(~moving) * block / piece.rate_hz
    problems.append(f"dead: the same value for {seconds:.0f} s, left out there")
    ends = {n: len(piece.data)}  # the samples beyond the last whole block go with it
    return [cut(piece, first * block, ends.get(stop, stop * block)) for first, stop in runs(moving)]


def trim(segment: Segment, start_ns: int, end_ns: int) -> Segment:
    """The samples at or after start and before end."""
    to_sample = segment.rate_hz / NS_PER_S
    first = max(0, int(np.ceil((start_ns - segment.start_ns) * to_sample - 1e-6)))
    stop = min(len(segment.data), int(np.ceil((end_ns - segment.start_ns) * to_sample - 1e-6)))
    return cut(segment, first, max(first, stop))


def cut(segment: Segment, first: int, stop: int) -> Segment:
    """The samples from ``first`` to ``stop``, which is not among them."""
    start_ns = segment.start_ns + round(first * NS_PER_S / segment.rate_hz)
    return Segment(start_ns, segment.rate_hz, segment.data[first:stop])


def runs(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[first, stop) of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _finite(segment: Segment, problems: list[str]) -> list[Segment]:
    if segment.data.dtype.kind != "f":
        return [segment]
    good = np.isfinite(segment.data)
    if good.all():
        return [segment]
    problems.append(f"not finite: {counted(int(np.count_nonzero(~good)), 'sample')}, treated as missing")
    return [cut(segment, first, stop) for first, stop in runs(good)]


def _join(a: Segment, b: Segment, fill_gap_s: float, problems: list[str]) -> list[Segment]:
    """One segment where b continues a, two where it does not; disputed samples belong to neither."""
    offset = (b.start_ns - a.start_ns) * a.rate_hz / NS_PER_S  # of b's first sample, in samples of a
    step = round(offset)
    aligned = abs(offset - step) <= JOIN_TOLERANCE
    gap = step - len(a.data)
    if gap < 0:
        return _resolve_overlap(a, b, step, aligned, problems)
    if not len(a.data):
        return [a, b]
    if aligned and gap == 0:
        return [replace(a, data=np.concatenate([a.data, b.data]))]
    if aligned and gap <= max(1.0, fill_gap_s * a.rate_hz):
        problems.append(f"short gap: {counted(gap, 'sample')} bridged by a straight line")
        bridge = np.linspace(float(a.data[-1]), float(b.data[0]), gap + 2)[1:-1]
        bridge = bridge if a.data.dtype.kind == "f" else np.round(bridge)
        return [replace(a, data=np.concatenate([a.data, bridge.astype(a.data.dtype), b.data]))]
    seconds = (b.start_ns - a.end_ns) / NS_PER_S
    problems.append(f"gap or clock jump: {seconds:.6g} s of time without samples")
    return [a, b]


def _resolve_overlap(a: Segment, b: Segment, step: int, aligned: bool, problems: list[str]) -> list[Segment]:
    """Two segments that claim the same time: kept once where they agree, dropped where they do not."""
    n = min(len(a.data) - step, len(b.data))
    if aligned and np.array_equal(a.data[step : step + n], b.data[:n]):
        return [replace(a, data=np.concatenate([a.data, b.data[n:]]))] if n < len(b.data) else [a]
    problems.append(f"overlap: {n / a.rate_hz:g} s of records differ, left out there")
    rest = cut(b, n, len(b.data)) if n < len(b.data) else cut(a, step + n, len(a.data))
    return [cut(a, 0, step), rest]
