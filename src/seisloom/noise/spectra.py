"""One channel-day's windows to whitened spectra in the pass band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seisloom.config import CorrelationSettings
from seisloom.noise.plan import WindowPlan, cosine_flank
from seisloom.noise.preprocess import DaySeries

Real = npt.NDArray[np.floating]
# Transforms are made in float64; what follows keeps the relative precision of single values, so float32 will do.
Spectra = npt.NDArray[np.complex64]


@dataclass
class ChannelSpectra:
    """Spectra of one channel-day.

    ``right`` (rows, frequency), complex64, enters the product as it is, ``left`` conjugated; they are one array except for
    deconvolution. Rows of windows that are not ``valid`` (n_windows,) are zero. Phase correlation has two rows
    a window (see :func:`phase_spectra`).
    """

    left: Spectra
    right: Spectra
    valid: npt.NDArray[np.bool_]


def channel_spectra(
    series: DaySeries, settings: CorrelationSettings, plan: WindowPlan
) -> tuple[ChannelSpectra | None, list[str]]:
    """Spectra of the usable windows of a day, or None where there are none; and what was left out, in words."""
    valid = covered_windows(series.ranges, plan)
    if not valid.any():
        return None, ["no window: no stretch of data is as long as cc_len"]
    view = np.lib.stride_tricks.sliding_window_view(series.samples, plan.n_window)[:: plan.n_step]
    windows = view[valid]
    good, problems = _usable(windows, settings)
    if not good.any():
        return None, problems
    if not good.all():
        windows = windows[good]
    valid[valid] = good
    with np.errstate(over="ignore", invalid="ignore"):  # found and reported below
        left, right = _window_spectra(windows, np.flatnonzero(valid), settings, plan)
    if not np.isfinite(right.view(np.float32)).all():
        return None, [*problems, "not finite: the spectra of the day"]
    return ChannelSpectra(left, right, valid), problems


def covered_windows(ranges: list[tuple[int, int]], plan: WindowPlan) -> npt.NDArray[np.bool_]:
    """Which windows (n_windows,) lie wholly inside one range of data."""
    starts = plan.starts
    inside = [(starts >= first) & (starts + plan.n_window <= stop) for first, stop in ranges]
    return np.any(inside, axis=0) if inside else np.zeros(len(starts), bool)


def taper_window(plan: WindowPlan, settings: CorrelationSettings) -> Real:
    """Cosine (Tukey) taper of a window, (n_window,)."""
    width = int(settings.taper * plan.n_window)
    window = np.ones(plan.n_window)
    flank = cosine_flank(width)
    window[:width], window[plan.n_window - width :] = flank, flank[::-1]
    return window


def correlation_scale(settings: CorrelationSettings, plan: WindowPlan) -> float:
    """Factor on the unscaled inverse transform of conj(A) B.

    Whitened measures: the autocorrelation is 1 at zero lag. Unwhitened: the mean of a(t) b(t + lag).
    """
    if settings.measure == "pcc":
        return 1.0 / (2 * plan.nfft * plan.n_window)  # two rows a window
    if settings.measure == "cc" and settings.whiten == "none":
        return 1.0 / (plan.nfft * float(np.sum(taper_window(plan, settings) ** 2)))
    return 1.0 / (2 * float(np.sum(plan.weight**2)))


def _usable(windows: Real, settings: CorrelationSettings) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """Which windows (window, time) are neither silent nor peak far above the day's level (glitch, earthquake)."""
    peak = np.maximum(windows.max(axis=1), -windows.min(axis=1))
    rms = np.sqrt(np.einsum("wt,wt->w", windows, windows) / windows.shape[1])
    level = float(np.median(rms[rms > 0])) if np.any(rms > 0) else 0.0
    heard = rms > 1e-9 * level
    quiet = np.ones(len(rms), bool)
    if settings.reject_peak and settings.time_norm == "none":
        quiet = peak <= settings.reject_peak * level
    problems = []
    if not quiet.all():
        why = f"peak above {settings.reject_peak:g} x rms"
        problems.append(f"transients: {np.count_nonzero(~quiet)} of {len(rms)} windows left out ({why})")
    if not heard.all():
        problems.append(f"silent: {np.count_nonzero(~heard)} of {len(rms)} windows left out (all samples are zero)")
    return heard & quiet, problems


def _window_spectra(
    windows: Real, rows: npt.NDArray[np.int64], settings: CorrelationSettings, plan: WindowPlan
) -> tuple[Spectra, Spectra]:
    """(left, right) spectra of windows (window, time) at their ``rows`` among those of the day."""
    import ducc0

    padded = np.zeros((len(rows), plan.nfft))
    np.multiply(windows, taper_window(plan, settings), out=padded[:, : plan.n_window])
    if settings.measure == "pcc":
        rows = np.concatenate([rows, rows + plan.n_windows])
        both = _scatter(phase_spectra(padded, plan), rows, 2 * plan.n_windows)
        return both, both
    stop = plan.first_bin + len(plan.weight)
    used = ducc0.fft.r2c(padded, axes=(1,))[:, plan.first_bin : stop].astype(np.complex64)
    weight = plan.weight.astype(np.float32)
    if settings.measure == "deconvolution":
        power = running_mean(np.abs(used) ** 2, settings, plan)
        left, right = used * _over(weight, power), used * weight
        return _scatter(left, rows, plan.n_windows), _scatter(right, rows, plan.n_windows)
    both = _scatter(used * _whitening(used, weight, settings, plan), rows, plan.n_windows)
    return both, both


def _whitening(used: Spectra, weight: Real, settings: CorrelationSettings, plan: WindowPlan) -> Real:
    """What spectra are multiplied with: the weight of the band, over the amplitude or its running mean."""
    smoothed = settings.measure == "coherency" or settings.whiten == "running-mean"
    if not smoothed and settings.whiten == "none":
        return weight
    amplitude = np.abs(used)
    return _over(weight, running_mean(amplitude, settings, plan) if smoothed else amplitude)


def running_mean(x: Real, settings: CorrelationSettings, plan: WindowPlan) -> Real:
    """Mean of ``x`` (rows, frequency) over whiten_width Hz about each frequency, one-sided at the ends."""
    half = max(1, round(settings.whiten_width * plan.nfft / plan.rate / 2))
    total = np.cumsum(np.pad(x, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    index = np.arange(x.shape[1])
    first, stop = np.maximum(index - half, 0), np.minimum(index + half + 1, x.shape[1])
    mean: Real = ((total[:, stop] - total[:, first]) / (stop - first)).astype(x.dtype)
    return mean


def phase_spectra(windows: Real, plan: WindowPlan) -> npt.NDArray[np.complex128]:
    """Spectra whose product is the phase cross-correlation (Schimmel 1999; power 2 as in Ventosa et al. 2019).

    With the phase signal u = s/|s| of the analytic signal s, PCC is the real part of the mean of conj(u_a(t)) u_b(t + lag).
    Of a complex correlation with spectrum C(f), the real part has (C(f) + conj C(-f)) / 2 at f >= 0: a window gives
    two rows, U(f) and conj U(-f), and their products add up to it. (windows, nfft) -> (2 windows, nfft/2 + 1).
    """
    import ducc0

    n = plan.nfft
    spectrum = ducc0.fft.c2c(windows[:, : plan.n_window] + 0j, axes=(1,))
    half = (plan.n_window + 1) // 2
    spectrum[:, 1:half] *= 2
    spectrum[:, plan.n_window // 2 + 1 :] = 0
    analytic = ducc0.fft.c2c(spectrum, axes=(1,), forward=False, inorm=2)
    padded = np.zeros((len(windows), n), np.complex128)
    padded[:, : plan.n_window] = analytic * _over(np.ones(1), np.abs(analytic))
    full = ducc0.fft.c2c(padded, axes=(1,))
    positive = full[:, : n // 2 + 1]
    negative = full[:, -np.arange(n // 2 + 1) % n].conj()
    return np.concatenate([positive, negative])


def _over(weight: Real, amplitude: Real) -> Real:
    """weight / amplitude, and 0 where the amplitude is 0; ``amplitude`` is used up."""
    amplitude[amplitude == 0] = np.inf
    return np.divide(weight, amplitude, out=amplitude)


def _scatter(used: npt.NDArray[np.complexfloating], rows: npt.NDArray[np.int64], n_rows: int) -> Spectra:
    """The spectra at their rows among zeros, in the precision of the product."""
    if len(rows) == n_rows:
        return used.astype(np.complex64, copy=False)
    out = np.zeros((n_rows, used.shape[1]), np.complex64)
    out[rows] = used
    return out
