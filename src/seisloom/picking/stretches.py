"""Pieces of the components of a station to stretches that a picker can read: one rate, one grid, no gaps.

A stretch lasts as long as the same components have data. What is missing is not filled: it ends the stretch, or, where other
components go on, is a row of zeros from there on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError
from seisloom.waveforms.base import NS_PER_S, Segment

LOWEST_HZ = 10.0
"""Local earthquakes cannot be picked at lower sampling rates."""
# Of the ratio of two sampling rates. What is left of a rate such as 99.9987 Hz stays in the times of the samples.
_LARGEST_DENOMINATOR = 25
# The resampling filter reaches over so many samples of the lower rate on both sides; the window is 90 dB down outside.
_HALF_LENGTH, _KAISER = 16, 9.0


@dataclass(frozen=True)
class Piece:
    """A segment on the picker's grid: ``first`` is the number of its first sample there."""

    first: int
    start_ns: int
    rate_hz: float
    data: npt.NDArray[np.number]

    @property
    def stop(self) -> int:
        return self.first + len(self.data)


@dataclass(frozen=True)
class Stretch:
    """Samples ``first`` to ``stop`` of the grid, in which the same components have data: the others are None.

    ``core`` are the samples that no other stretch has; those before and after it are there as context.
    """

    first: int
    stop: int
    core: tuple[int, int]
    start_ns: int
    rate_hz: float
    rows: tuple[npt.NDArray[np.number] | None, ...]

    def time_ns(self, sample: float) -> int:
        """Time of a sample of the grid."""
        return self.start_ns + round((sample - self.first) * NS_PER_S / self.rate_hz)

    def sample(self, time_ns: int) -> int:
        """The first sample of the grid that is not before a time."""
        return self.first + int(np.ceil((time_ns - self.start_ns) * self.rate_hz / NS_PER_S - 1e-6))

    def block(self, begin: int, end: int) -> npt.NDArray[np.float64]:
        """(component, sample) from ``begin`` to ``end`` of the grid; zeros where there is no component."""
        out = np.zeros((len(self.rows), end - begin))
        for row, held in zip(out, self.rows, strict=True):
            if held is not None:
                row[:] = held[begin - self.first : end - self.first]
        return out


def on_grid(segment: Segment, rate_hz: float) -> Piece:
    """A segment at (nearly) the picker's rate, on a grid that is the same wherever the segment has been cut.

    Samples are numbered from 1970. The ratio of the rates is one of small numbers, so that new samples fall on old ones
    again and again: they begin at such a one, and nothing is interpolated where the rates agree. InputError for a rate that
    is too low.
    """
    if segment.rate_hz < LOWEST_HZ:
        raise InputError(f"sampling rate too low: {segment.rate_hz:g} Hz, picking needs {LOWEST_HZ:g} Hz")
    up, down = Fraction(rate_hz / segment.rate_hz).limit_denominator(_LARGEST_DENOMINATOR).as_integer_ratio()
    skipped = -_number(segment.start_ns, segment.rate_hz) % down
    data = segment.data[skipped:]
    if (up, down) != (1, 1) and len(data):
        from scipy.signal import resample_poly

        data = resample_poly(data.astype(np.float64), up, down, window=_filter(up, down), padtype="median")
    start_ns = segment.start_ns + round(skipped * NS_PER_S / segment.rate_hz)
    return Piece(_number(start_ns, rate_hz), start_ns, segment.rate_hz * up / down, data)


def _number(time_ns: int, rate_hz: float) -> int:
    # Times are often an odd multiple of half a sample: rounding must not depend on the last digit there.
    return int(np.floor(time_ns * rate_hz / NS_PER_S + 0.501))


@lru_cache
def _filter(up: int, down: int) -> npt.NDArray[np.float64]:
    """Low-pass at the lower Nyquist frequency. Each of its phases has gain 1 at 0 Hz: offsets leave no pattern."""
    from scipy.signal import firwin

    longest = max(up, down)
    taps: npt.NDArray[np.float64] = firwin(2 * _HALF_LENGTH * longest + 1, 0.9 / longest, window=("kaiser", _KAISER))
    for phase in range(up):
        taps[phase::up] /= up * taps[phase::up].sum()
    return taps


def stretches(pieces: Mapping[str, Sequence[Piece]], components: str, context: int) -> list[Stretch]:
    """The stretches of pieces by component; as context they reach over at most so many samples beyond their core."""
    edges = sorted({edge for held in pieces.values() for piece in held for edge in (piece.first, piece.stop)})
    found = []
    for begin, end in pairwise(edges):
        held = [_covering(pieces.get(name, ()), begin, end) for name in components]
        there = [piece for piece in held if piece is not None]
        if not there:
            continue
        first = max(begin - context, *(piece.first for piece in there))
        stop = min(end + context, *(piece.stop for piece in there))
        rows = tuple(piece.data[first - piece.first : stop - piece.first] if piece else None for piece in held)
        start_ns = there[0].start_ns + round((first - there[0].first) * NS_PER_S / there[0].rate_hz)
        found.append(Stretch(first, stop, (begin, end), start_ns, there[0].rate_hz, rows))
    return found


def _covering(pieces: Sequence[Piece], begin: int, end: int) -> Piece | None:
    return next((piece for piece in pieces if piece.first <= begin and piece.stop >= end), None)
