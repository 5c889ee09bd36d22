"""The processing written again, plainly and in float64, as the definitions say it; the tests hold the package to it.

Nothing here is fast, and nothing is taken from the package but its settings and lengths of transforms.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import obspy
import scipy.fft
import scipy.signal

from seisloom.config import CorrelationSettings


def cosine_ends(n: int, width: int) -> np.ndarray:
    """n ones whose first and last ``width`` rise and fall as half a cosine, sampled in the middle of the steps."""
    out = np.ones(n)
    for k in range(width):
        out[k] = out[n - 1 - k] = np.sin(0.5 * np.pi * (k + 0.5) / width) ** 2
    return out


def flanked(f: np.ndarray, zero_low: float, low: float, high: float, zero_high: float) -> np.ndarray:
    """1 from low to high, half cosines to 0 at zero_low and zero_high."""
    rise = 0.5 - 0.5 * np.cos(np.pi * (f - zero_low) / (low - zero_low))
    fall = 0.5 + 0.5 * np.cos(np.pi * (f - high) / (zero_high - high)) if zero_high > high else np.zeros_like(f)
    return np.select(
        [f <= zero_low, f < low, f <= high, f < zero_high], [np.zeros_like(f), rise, np.ones_like(f), fall]
    )


def pass_band(f: np.ndarray, s: CorrelationSettings) -> np.ndarray:
    """Weight of a frequency in a spectrum that is correlated."""
    return flanked(f, 0.8 * s.freqmin, s.freqmin, s.freqmax, min(1.1 * s.freqmax, s.fs / 2))


def running_mean(x: np.ndarray, half: int) -> np.ndarray:
    """Mean over half values on either side, of as many as there are."""
    box = np.ones(2 * half + 1)
    return np.convolve(x, box)[half:-half] / np.convolve(np.ones(len(x)), box)[half:-half]


def whitened(spectrum: np.ndarray, f: np.ndarray, s: CorrelationSettings) -> np.ndarray:
    """A spectrum in the pass band: whitened as the settings say, and weighted."""
    weight = pass_band(f, s)
    inside = weight > 0
    amplitude = np.abs(spectrum[inside])
    if s.measure == "coherency" or s.whiten == "running-mean":
        amplitude = running_mean(amplitude, max(1, round(s.whiten_width / f[1] / 2)))
    elif s.whiten == "none":
        amplitude = np.ones_like(amplitude)
    out = np.zeros_like(spectrum)
    out[inside] = spectrum[inside] / amplitude * weight[inside]
    return out


def window_starts(s: CorrelationSettings) -> list[float]:
    """Seconds of the day at which windows start that end within it."""
    starts, t = [], 0.0
    while t + s.cc_len <= 86_400.0 + 1e-6:
        starts.append(t)
        t = len(starts) * s.cc_step
    return starts


def window_correlation(a: np.ndarray, b: np.ndarray, rate: float, nfft: int, s: CorrelationSettings) -> np.ndarray:
    """Correlation of two windows (samples at ``rate``) at the lags of the settings, transforms of nfft samples.

    Whitened: the weights' own correlation at zero lag is 1. Not whitened: the mean of a(t) b(t + lag).
    """
    taper = cosine_ends(len(a), int(s.taper * len(a)))
    f = np.arange(nfft // 2 + 1) * rate / nfft
    spectra = [whitened(scipy.fft.rfft(x * taper, nfft), f, s) for x in (a, b)]
    factor = round(s.fs / rate)  # the inverse transform goes to the sampling rate of the settings
    cross = np.zeros(nfft * factor // 2 + 1, complex)
    cross[: len(f)] = spectra[0].conj() * spectra[1]
    full = scipy.fft.irfft(cross, nfft * factor) * factor
    plain = s.measure == "cc" and s.whiten == "none"
    scale = np.sum(taper**2) if plain else scipy.fft.irfft(pass_band(f, s) ** 2 + 0j, nfft)[0]
    half = round(s.maxlag * s.fs)
    return np.concatenate([full[-half:], full[: half + 1]]) / scale


def day_correlation(
    a: np.ndarray, b: np.ndarray, rate: float, nfft: int, s: CorrelationSettings
) -> tuple[np.ndarray, int]:
    """Mean over the windows of a day in which both series (samples at ``rate``, NaN for missing) are whole; their number."""
    total, count = np.zeros(2 * round(s.maxlag * s.fs) + 1), 0
    for start in window_starts(s):
        here = slice(round(start * rate), round(start * rate) + round(s.cc_len * rate))
        if np.isfinite(a[here]).all() and np.isfinite(b[here]).all():
            total += window_correlation(a[here], b[here], rate, nfft, s)
            count += 1
    return total / max(count, 1), count


def phase_correlation(a: np.ndarray, b: np.ndarray, half: int) -> np.ndarray:
    """PCC of power 2 at lags -half..half samples (Schimmel 1999, eq. 10): sums of squared moduli of phasors.

    Over the time that the window holds, divided by its whole length; 1 for a window with itself at zero lag.
    """
    phasors = [z / np.abs(z) for z in (scipy.signal.hilbert(x) for x in (a, b))]
    n, out = len(a), np.zeros(2 * half + 1)
    for lag, t in product(range(-half, half + 1), range(n)):
        if 0 <= t + lag < n:
            u, v = phasors[0][t], phasors[1][t + lag]
            out[lag + half] += (abs(u + v) ** 2 - abs(u - v) ** 2) / (4 * n)
    return out


def prepared(x: np.ndarray, rate: float, s: CorrelationSettings) -> np.ndarray:
    """A record without trend, with ends of 2.5 periods of freqmin."""
    x = scipy.signal.detrend(np.asarray(x, float))
    return x * cosine_ends(len(x), int(2.5 / s.freqmin * rate))


def day_by_obspy(
    files: list[Path], day: str, s: CorrelationSettings, inventory: obspy.Inventory | None = None
) -> np.ndarray:
    """A day's ground motion (or counts in the band) at s.fs, NaN where there is none, by ObsPy's own means.

    Read, merge, detrend, taper, remove the response (or band-pass, a Butterworth filter run both ways), resample in the
    frequency domain, and interpolate to the whole samples of the day (Lanczos).
    """
    stream = obspy.Stream(trace for file in files for trace in obspy.read(str(file)))
    trace = stream.merge()[0]
    trace.detrend("linear")
    trace.taper(None, max_length=2.5 / s.freqmin)
    if inventory is not None:
        corners = (0.5 * s.freqmin, 0.75 * s.freqmin, 1.12 * s.freqmax, 1.25 * s.freqmax)
        trace.remove_response(
            inventory, output=s.response, pre_filt=corners, water_level=None, taper=False, zero_mean=False
        )
    else:
        trace.filter(
            "bandpass",
            freqmin=0.5 * s.freqmin,
            freqmax=min(1.12 * s.freqmax, 0.49 * trace.stats.sampling_rate),
            zerophase=True,
        )
    midnight = obspy.UTCDateTime(day)
    first = int(np.ceil((trace.stats.starttime - midnight) * s.fs - 1e-6))
    if trace.stats.sampling_rate != s.fs or abs(trace.stats.starttime - midnight - first / s.fs) > 1e-6:
        trace.interpolate(s.fs, method="lanczos", a=40, starttime=midnight + first / s.fs)
    out = np.full(round(86_400 * s.fs), np.nan)
    stop = min(len(out), first + len(trace.data))
    out[first:stop] = trace.data[: stop - first]
    return out
