"""The grids that follow from the settings: samples, windows, frequencies, lags."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from seisloom.config import DAY_S, CorrelationSettings

# The pass band is flat from freqmin to freqmax; outside it falls to zero as a cosine over these fractions.
LOW_EDGE, HIGH_EDGE = 0.8, 1.1
# Records are filtered a little wider, so that the pass band is untouched: zero below half the minimum frequency
# (where response removal starts) and above the second factor times the maximum.
FILTER_LOW, FILTER_FLAT_LOW, FILTER_FLAT_HIGH, FILTER_HIGH = 0.5, 0.75, 1.12, 1.25


@dataclass(frozen=True)
class WindowPlan:
    """Grids of one set of settings.

    Linear processing needs no more than the band it keeps, so records are brought to ``rate`` = fs / ``factor``,
    the lowest sub-multiple of fs that holds the filter band and whole windows; the inverse transform goes
    back to fs. With non-linear steps (time normalisation, phase correlation) ``factor`` is 1.
    """

    rate: float
    factor: int
    n_day: int
    n_window: int
    n_step: int
    n_windows: int
    nfft: int
    first_bin: int
    frequencies: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]
    n_half_lag: int

    @property
    def nfft_out(self) -> int:
        """Length of the inverse transform, at fs."""
        return self.nfft * self.factor

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """First sample of every window of a day."""
        return np.arange(self.n_windows) * self.n_step


def make_plan(settings: CorrelationSettings) -> WindowPlan:
    """The plan for validated settings."""
    import ducc0

    factor = _decimation(settings)
    rate = settings.fs / factor
    # Zero-padding by the maximum lag keeps the correlation linear; even, so that it has a Nyquist bin.
    needed = math.ceil((settings.cc_len + settings.maxlag) * rate / 2)
    nfft = 2 * ducc0.fft.good_size(needed, True)
    frequencies = np.arange(nfft // 2 + 1) * (rate / nfft)
    weight = band_weight(frequencies, settings, settings.fs / 2)
    if settings.measure == "pcc":
        weight = np.ones_like(frequencies)  # the phase signal is not band-limited; the filter has set its band
    kept = np.flatnonzero(weight > 0)
    band = slice(int(kept[0]), int(kept[-1]) + 1)
    return WindowPlan(
        rate=rate,
        factor=factor,
        n_day=round(DAY_S * rate),
        n_window=round(settings.cc_len * rate),
        n_step=round(settings.cc_step * rate),
        n_windows=settings.n_windows,
        nfft=nfft,
        first_bin=band.start,
        frequencies=frequencies[band],
        weight=weight[band],
        n_half_lag=round(settings.maxlag * settings.fs),
    )


def window_groups(settings: CorrelationSettings, plan: WindowPlan) -> list[slice]:
    """Windows that are averaged together: all of the day, those that start in each sub-stack, or each alone."""
    if settings.keep in ("day", "stack"):
        return [slice(0, plan.n_windows)]
    if settings.keep == "window":
        return [slice(w, w + 1) for w in range(plan.n_windows)]
    start_s = np.arange(plan.n_windows) * settings.cc_step
    number = (start_s / settings.substack_len + 1e-9).astype(int)
    edges = np.flatnonzero(np.diff(number, prepend=-1, append=number[-1] + 1))
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


def band_weight(
    frequencies: npt.NDArray[np.float64], settings: CorrelationSettings, nyquist: float
) -> npt.NDArray[np.float64]:
    """Weight of each frequency in the correlations: 1 in the pass band, cosine flanks outside it."""
    top = min(HIGH_EDGE * settings.freqmax, nyquist)
    return cosine_band(frequencies, LOW_EDGE * settings.freqmin, settings.freqmin, settings.freqmax, top)


def cosine_flank(width: int) -> npt.NDArray[np.float64]:
    """Rise of a cosine taper over ``width`` samples, from just above 0 to just below 1."""
    return 0.5 - 0.5 * np.cos(np.pi * (np.arange(width) + 0.5) / max(width, 1))


def cosine_band(
    f: npt.NDArray[np.floating], zero_low: float, flat_low: float, flat_high: float, zero_high: float
) -> npt.NDArray[np.float64]:
    """1 between the flat corners, 0 outside the zero corners, half a cosine between them (all Hz)."""
    rise = np.clip((f - zero_low) / max(flat_low - zero_low, 1e-12), 0.0, 1.0)
    fall = np.clip((zero_high - f) / max(zero_high - flat_high, 1e-12), 0.0, 1.0)
    return 0.25 * (1 - np.cos(np.pi * rise)) * (1 - np.cos(np.pi * fall))


def _decimation(settings: CorrelationSettings) -> int:
    if settings.time_norm != "none" or settings.measure == "pcc":
        return 1
    samples = math.gcd(round(settings.cc_len * settings.fs), round(settings.cc_step * settings.fs))
    samples = math.gcd(samples, round(DAY_S * settings.fs))
    most = int(settings.fs / (2 * FILTER_HIGH * settings.freqmax))
    return max(k for k in range(1, max(most, 1) + 1) if samples % k == 0)
