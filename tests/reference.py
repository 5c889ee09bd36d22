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


def window_spectra(x: np.ndarray, rate: float, nfft: int, s: CorrelationSettings) -> np.ndarray:
    """Whitened spectra (window, frequency) of a day of samples at ``rate``; NaN for windows that hold one."""
    f, length = np.arange(nfft // 2 + 1) * rate / nfft, round(s.cc_len * rate)
    taper = cosine_ends(length, int(s.taper * length))
    out = []
    for start in window_starts(s):
        window = x[round(start * rate) : round(start * rate) + length]
        whole = bool(np.isfinite(window).all())
        out.append(whitened(scipy.fft.rfft(window * taper, nfft), f, s) if whole else np.full(len(f), np.nan))
    return np.array(out)


def mean_correlation(
    a: np.ndarray, b: np.ndarray, rate: float, nfft: int, s: CorrelationSettings
) -> tuple[np.ndarray, int]:
    """Correlation at the lags of the settings, one by one over the windows that two spectra share, their mean; their number.

    Whitened: the weights' own correlation at zero lag is 1. Not whitened: the mean of a(t) b(t + lag).
    """
    half, factor = round(s.maxlag * s.fs), round(s.fs / rate)  # the inverse transform goes to the rate of the settings
    total, count = np.zeros(2 * half + 1), 0
    for product_ in a.conj() * b:
        if np.isfinite(product_).all():
            cross = np.zeros(nfft * factor // 2 + 1, complex)
            cross[: len(product_)] = product_
            full = scipy.fft.irfft(cross, nfft * factor) * factor
            total += np.concatenate([full[-half:], full[: half + 1]])
            count += 1
    if s.measure == "cc" and s.whiten == "none":
        length = round(s.cc_len * rate)
        scale = np.sum(cosine_ends(length, int(s.taper * length)) ** 2)
    else:
        scale = scipy.fft.irfft(pass_band(np.arange(nfft // 2 + 1) * rate / nfft, s) ** 2 + 0j, nfft)[0]
    return total / scale / max(count, 1), count


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


def day_by_obspy(file: Path, day: str, s: CorrelationSettings, inventory: obspy.Inventory | None = None) -> np.ndarray:
    """A day's ground motion (or counts in the band) at s.fs, NaN where there is none, by ObsPy's own means.

    Read, merge, mark what repeats one value for ten minutes, detrend, taper, resample in the frequency domain, remove the
    response (or band-pass, a Butterworth filter run both ways), and interpolate to whole samples of the day (Lanczos).
    """
    trace = obspy.read(str(file)).merge()[0]
    dead = repeats(trace.data, round(600 * trace.stats.sampling_rate))
    trace.detrend("linear")
    trace.taper(None, max_length=2.5 / s.freqmin)
    if trace.stats.sampling_rate != s.fs:
        assert not dead.any()
        trace.resample(s.fs, window=None)
    if inventory is not None:
        corners = (0.5 * s.freqmin, 0.75 * s.freqmin, 1.12 * s.freqmax, 1.25 * s.freqmax)
        options = {"water_level": None, "taper": False, "zero_mean": False}
        trace.remove_response(inventory, output=s.response, pre_filt=corners, **options)
    else:
        top = min(1.12 * s.freqmax, 0.49 * trace.stats.sampling_rate)
        trace.filter("bandpass", freqmin=0.5 * s.freqmin, freqmax=top, zerophase=True)
    midnight = obspy.UTCDateTime(day)
    first = int(np.ceil((trace.stats.starttime - midnight) * s.fs - 1e-6))
    if abs(trace.stats.starttime - midnight - first / s.fs) > 1e-6:
        first -= 1  # the record has been brought to zero at its ends, and goes on so for a sample
        trace.trim(trace.stats.starttime - 1 / s.fs, trace.stats.endtime + 1 / s.fs, pad=True, fill_value=0.0)
        trace.interpolate(s.fs, method="lanczos", a=40, starttime=midnight + first / s.fs)
    out = np.full(round(86_400 * s.fs), np.nan)
    stop = min(len(out), first + len(trace.data))
    out[first:stop] = np.where(dead, np.nan, trace.data) if dead.any() else trace.data[: stop - first]
    return out


def repeats(x: np.ndarray, n: int) -> np.ndarray:
    """Which samples belong to a run of at least n equal ones."""
    edges = np.flatnonzero(np.concatenate([[True], np.diff(x) != 0, [True]]))
    long = np.diff(edges) >= n
    return np.repeat(long, np.diff(edges))
