"""Stacks weighted by how well the phases of the rows agree: phase-weighted, robust phase-weighted, time-frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from seisloom.noise.stack.fourier import backward, backward_complex, fast_length, forward, hilbert
from seisloom.noise.stack.robust import robust
from seisloom.noise.stack.rows import Array, Float64, row_blocks, weighted_sum

# Frequency samples, in units of the width of a voice's Gaussian, beyond which it is below 1e-8.
GAUSSIAN_REACH = 6.1


def pws(rows: Array, weights: Float64, lag: Float64 | None, *, power: float, smooth_s: float) -> Float64:
    """Phase-weighted stack (Schimmel & Paulssen 1997, Geophys. J. Int. 130, 497–505).

    c(t)^power times the linear stack, with c(t) = |mean over rows of exp(i φ_j(t))| between 0 and 1 and φ_j the phase
    of the analytic signal. ``smooth_s`` averages c over a running window (s) first.
    """
    return _phase_weight(rows, weights, lag, power, smooth_s) * weighted_sum(rows, weights)


def robust_pws(
    rows: Array, weights: Float64, lag: Float64 | None, *, power: float, smooth_s: float, **options: Any
) -> Float64:
    """Phase weights of :func:`pws` times the robust stack: ``robustpws`` of SeisNoise.jl, times the number of rows.

    Outlying rows are held down by the robust weights, incoherent lags by the phase weights.
    """
    return _phase_weight(rows, weights, lag, power, smooth_s) * robust(rows, weights, lag, **options)


def tf_pws(
    rows: Array,
    weights: Float64,
    lag: Float64 | None,
    *,
    power: float,
    width: float,
    freqmin: float | None,
    freqmax: float | None,
) -> Float64:
    """Time-frequency phase-weighted stack (Schimmel & Gallart 2007, J. Geophys. Res. 112, B04303).

    The phases are those of the S-transform S_j(t, f), whose Gaussian window has a standard deviation of ``width``
    periods. S of the linear stack is multiplied by |mean over rows of S_j / |S_j||^power and transformed back by its
    sum over t, so that power 0 gives the linear stack. Frequencies outside [freqmin, freqmax] Hz are left out.
    """
    n_lag = rows.shape[-1]
    nfft = fast_length(n_lag)
    spectra, linear = forward(rows, nfft), forward(weighted_sum(rows, weights), nfft)
    count = (weights > 0).sum(axis=-1)[:, None]
    stacked = np.zeros_like(linear)
    for k in _band(nfft, lag, freqmin, freqmax):
        phasors = np.zeros((len(rows), nfft), np.complex128)
        # As many rows at once as of one pair alone, so that a sum is the same whatever pairs are beside it.
        for part in row_blocks((1, rows.shape[1], 2 * nfft)):
            phasors += _unit(_voice(spectra[:, part], k, width, nfft)).sum(axis=1)
        coherence = np.abs(phasors) / count
        stacked[:, k] = (coherence**power * _voice(linear, k, width, nfft)).mean(axis=-1)
    return backward(stacked, nfft)[:, :n_lag]


def quadrature(data: Array) -> Array:
    """Hilbert transform along the last axis, zero-padded to the next length without prime factors above 5.

    ``data + 1j * quadrature(data)`` is what scipy.signal.hilbert gives with N = scipy.fftpack.next_fast_len(n).
    """
    return hilbert(data)


def envelope(data: Array) -> Array:
    """Modulus of the analytic signal along the last axis."""
    return np.hypot(data, quadrature(data))


def _phase_weight(rows: Array, weights: Float64, lag: Float64 | None, power: float, smooth_s: float) -> Float64:
    """|mean over the rows that count of exp(i phase)|^power, as (pair, lag)."""
    cosine, sine = (np.zeros((rows.shape[0], rows.shape[2])) for _ in range(2))
    for part in row_blocks(rows.shape):
        for total, component in zip((cosine, sine), _phasors(rows[:, part]), strict=True):
            total += component.sum(axis=1)
    coherence = np.hypot(cosine, sine) / (weights > 0).sum(axis=-1)[:, None]
    if smooth_s > 0 and lag is not None:
        from scipy.ndimage import uniform_filter1d

        samples = 2 * round((smooth_s / (lag[1] - lag[0]) - 1) / 2) + 1
        coherence = uniform_filter1d(coherence, samples, axis=-1, mode="nearest")
    return coherence**power


def _phasors(rows: Array) -> tuple[Array, Array]:
    """Cosine and sine of the phase of the analytic signal; zero where a row is zero throughout."""
    # Squares of small amplitudes underflow in float32, so rows are scaled to a peak of one; phases do not mind.
    peak = np.maximum(rows.max(axis=-1, keepdims=True), -rows.min(axis=-1, keepdims=True))
    real = rows * (1 / np.where(peak > 0, peak, 1))
    imaginary = hilbert(real)
    scale = real * real
    scale += imaginary * imaginary
    np.maximum(scale, np.finfo(scale.dtype).tiny, out=scale)
    np.sqrt(scale, out=scale)
    real /= scale
    imaginary /= scale
    return real, imaginary


def _band(nfft: int, lag: Float64 | None, freqmin: float | None, freqmax: float | None) -> npt.NDArray[np.int64]:
    """Numbers of the frequencies of an FFT of length nfft that lie in [freqmin, freqmax] Hz."""
    frequency = np.fft.rfftfreq(nfft, 1.0 if lag is None else lag[1] - lag[0])
    return np.flatnonzero((frequency >= (freqmin or 0)) & (frequency <= (np.inf if freqmax is None else freqmax)))


def _voice(spectra: npt.NDArray, k: int, width: float, nfft: int) -> npt.NDArray:
    """S-transform at frequency k of one-sided spectra (..., nfft // 2 + 1), as (..., nfft) over time.

    The inverse FFT over m of X(k + m) exp(-2 π² m² width² / k²) (Stockwell et al. 1996, IEEE Trans. Signal Process. 44,
    998–1001), of the analytic signal.
    """
    sigma = k / (2 * np.pi * width)
    reach = int(GAUSSIAN_REACH * sigma)
    low, high = min(reach, k), min(reach, nfft // 2 - k)
    gauss = np.exp(-0.5 * (np.arange(-low, high + 1) / max(sigma, 1e-9)) ** 2).astype(spectra.real.dtype)
    shifted = np.zeros((*spectra.shape[:-1], nfft), spectra.dtype)
    np.multiply(spectra[..., k : k + high + 1], gauss[low:], out=shifted[..., : high + 1])
    if low:
        np.multiply(spectra[..., k - low : k], gauss[:low], out=shifted[..., nfft - low :])
    return backward_complex(shifted)


def _unit(values: npt.NDArray) -> npt.NDArray:
    """Complex values over their moduli; zero stays zero."""
    modulus = np.abs(values)
    values /= np.maximum(modulus, np.finfo(modulus.dtype).tiny)
    return values
