"""One channel-day of records to one series of ground motion on the day's grid.

Each contiguous piece is, on its own: freed of mean and trend, tapered, transformed, divided by the instrument response
inside the filter band, shifted by its sub-sample offset, and transformed back at the working rate. What is missing
stays missing: the series carries the ranges that hold data. All of it is in float64: noise spectra span many decades, and what
rounding leaves in the quiet ones would come back with whitening.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from seisloom.config import CorrelationSettings
from seisloom.errors import InputError
from seisloom.noise.decimate import decimate, decimation_factor
from seisloom.noise.plan import (
    FILTER_FLAT_HIGH,
    FILTER_FLAT_LOW,
    FILTER_HIGH,
    FILTER_LOW,
    WindowPlan,
    cosine_band,
    cosine_flank,
)
from seisloom.noise.response import Epoch
from seisloom.noise.timenorm import normalise
from seisloom.waveforms.base import DAY_NS, NS_PER_S, Record, Segment
from seisloom.waveforms.pieces import finite, joined, one_rate, trim, without_flat

# A digitiser that repeats one value for this fraction of a window is not recording.
FLAT_FRACTION = 0.2


@dataclass
class DaySeries:
    """A channel-day on the working grid: ``samples`` (n_day,), data only inside ``ranges`` [first, stop)."""

    samples: npt.NDArray[np.float64]
    ranges: list[tuple[int, int]]


def day_series(
    record: Record,
    day_ns: int,
    settings: CorrelationSettings,
    plan: WindowPlan,
    epochs: list[Epoch] | None = None,
) -> tuple[DaySeries, list[str]]:
    """The series of one channel-day, and what had to be left out: sentences of the form "kind: details".

    ``epochs`` are the channel's responses on that day (needed unless response is "none"). Amplitudes are in
    the units of ``settings.response`` (m, m/s, m/s²), or counts.
    """
    problems = list(record.problems)
    series = DaySeries(np.zeros(plan.n_day), [])
    pieces = contiguous(record.segments, settings, problems)
    pieces = [p for piece in pieces for p in _without_flat(piece, settings, problems)]
    for piece, epoch in _with_response(pieces, day_ns, settings, epochs, problems):
        if len(piece.data) >= settings.cc_len * piece.rate_hz:  # shorter ones hold no window
            try:
                _place(piece, epoch, day_ns, settings, plan, series)
            except InputError as error:
                _note(problems, str(error))
    return series, problems


def contiguous(segments: list[Segment], settings: CorrelationSettings, problems: list[str]) -> list[Segment]:
    """Segments of one sampling rate, in order of time, joined where they meet and cut where they disagree."""
    segments = one_rate(finite(segments, problems), problems)
    rate = segments[0].rate_hz if segments else np.inf
    if rate < 2 * settings.freqmax * (1 - 1e-9):
        problems.append(
            f"sampling rate too low: {rate:g} Hz allows freqmax <= {rate / 2:g} Hz, {settings.freqmax:g} is asked for"
        )
        return []
    return joined(segments, settings.fill_gap, problems)


def _without_flat(piece: Segment, settings: CorrelationSettings, problems: list[str]) -> list[Segment]:
    """The piece without the stretches in which the digitiser repeats one value (a dead or unplugged sensor)."""
    return without_flat(piece, max(2, int(FLAT_FRACTION / 2 * settings.cc_len * piece.rate_hz)), problems)


def _with_response(
    pieces: list[Segment],
    day_ns: int,
    settings: CorrelationSettings,
    epochs: list[Epoch] | None,
    problems: list[str],
) -> list[tuple[Segment, Epoch | None]]:
    """The pieces cut at the day's borders and where the response changes, each with its epoch."""
    if settings.response == "none":
        whole = Epoch(day_ns, day_ns + DAY_NS, None)
        return [(trim(p, whole.start_ns, whole.end_ns), None) for p in pieces]
    if not epochs:
        if pieces:
            problems.append(
                "no response: the metadata have none for this channel and day (give --inventory, or set response none)"
            )
        return []
    day_end = day_ns + DAY_NS
    spans = [(max(e.start_ns, day_ns), min(e.end_ns, day_end), e) for e in epochs]
    covered = sum(end - start for start, end, _ in spans)
    if covered < DAY_NS:
        problems.append(f"no response: metadata cover {covered / NS_PER_S:.0f} s of the day, the rest is left out")
    if len(spans) > 1:
        problems.append("response changes during the day: each part is corrected with its own")
    return [(trim(p, start, end), epoch) for start, end, epoch in spans for p in pieces]


def _place(
    piece: Segment,
    epoch: Epoch | None,
    day_ns: int,
    settings: CorrelationSettings,
    plan: WindowPlan,
    series: DaySeries,
) -> None:
    """Filter a piece, remove its response, bring it to the working grid and put it into the series."""
    import ducc0

    offset = (piece.start_ns - day_ns) / NS_PER_S
    # A grid point less than one raw sample ahead of the first is within reach of the interpolation.
    first = max(0, int(np.ceil((offset - 1 / piece.rate_hz) * plan.rate + 1e-6)))
    stop = min(int(np.ceil((offset + len(piece.data) / piece.rate_hz) * plan.rate - 1e-6)), plan.n_day)
    piece = _thinned(piece, settings)
    # Odd rates (99.9987 Hz) need long fractions, or the end of the day would drift from the beginning.
    ratio = Fraction(plan.rate / piece.rate_hz).limit_denominator(max(10_000, len(piece.data)))
    # Transform length: a whole number of samples at both rates, with zeros enough for the filter to ring out.
    padded = len(piece.data) + 4 / settings.freqmin * piece.rate_hz
    cycles = ducc0.fft.good_size(int(np.ceil(padded / ratio.denominator)), True)
    n_in, n_out = cycles * ratio.denominator, cycles * ratio.numerator
    spectrum = ducc0.fft.r2c(_tapered(piece, n_in, settings))
    bins, transfer = _transfer(n_in, piece.rate_hz, first / plan.rate - offset, epoch, settings, plan)
    filtered = np.zeros(n_out // 2 + 1, np.complex128)
    filtered[bins] = spectrum[bins] * transfer
    output = ducc0.fft.c2r(filtered, lastsize=n_out, forward=False, inorm=0)
    output *= 1.0 / n_in
    series.samples[first:stop] = normalise(output[: stop - first], settings)
    series.ranges.append((first, stop))


def _thinned(piece: Segment, settings: CorrelationSettings) -> Segment:
    """The piece at the lowest rate that leaves the filter band as it is."""
    top = FILTER_HIGH * settings.freqmax
    factor = decimation_factor(piece.rate_hz, top)
    if factor == 1:
        return piece
    return Segment(piece.start_ns, piece.rate_hz / factor, decimate(piece.data, factor, top / piece.rate_hz))


def _tapered(piece: Segment, n_in: int, settings: CorrelationSettings) -> npt.NDArray[np.float64]:
    """The piece without mean and trend, with cosine ends of 2.5 periods of freqmin, zero-padded to n_in."""
    n = len(piece.data)
    out = np.zeros(n_in)
    x = out[:n]
    np.subtract(piece.data, piece.data.mean(), out=x)
    ramp = _ramp(n)
    x -= ramp * (float(x @ ramp) / (n * (float(n) ** 2 - 1) / 12))
    width = min(int(2.5 / settings.freqmin * piece.rate_hz), n // 2)
    flank = cosine_flank(width)
    x[:width] *= flank
    x[n - width :] *= flank[::-1]
    return out


@lru_cache(maxsize=4)
def _ramp(n: int) -> npt.NDArray[np.floating]:
    """-(n-1)/2 .. (n-1)/2: the same for every channel of a day, and as dear as the fit of a trend to it."""
    return np.arange(n) - (n - 1) / 2


def _transfer(
    n_in: int,
    rate_hz: float,
    advance_s: float,
    epoch: Epoch | None,
    settings: CorrelationSettings,
    plan: WindowPlan,
) -> tuple[slice, npt.NDArray[np.complex128]]:
    """Bins of the filter band and what they are multiplied with: filter, inverse response, shift in time."""
    first_bin, f, weight = _filter_band(n_in, rate_hz, settings.freqmin, settings.freqmax, min(plan.rate, rate_hz) / 2)
    transfer = weight.astype(np.complex128)
    if epoch is not None:
        transfer /= epoch.evaluate(f, settings.response)
    if abs(advance_s) > 1e-9:
        transfer *= np.exp(2j * np.pi * advance_s * f)
    return slice(first_bin, first_bin + len(f)), transfer


@lru_cache(maxsize=4)
def _filter_band(
    n_in: int, rate_hz: float, freqmin: float, freqmax: float, nyquist: float
) -> tuple[int, npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """First bin, frequencies and weights of the filter that records pass."""
    zero_low, flat_low = FILTER_LOW * freqmin, FILTER_FLAT_LOW * freqmin
    flat_high, zero_high = min(FILTER_FLAT_HIGH * freqmax, nyquist), min(FILTER_HIGH * freqmax, nyquist)
    df = rate_hz / n_in
    first = int(zero_low / df) + 1
    f = np.arange(first, int(np.ceil(zero_high / df - 1e-9))) * df
    return first, f, cosine_band(f, zero_low, flat_low, flat_high, zero_high)


def _note(problems: list[str], text: str) -> None:
    if text not in problems:
        problems.append(text)
