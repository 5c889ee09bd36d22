"""Anti-alias filter and decimation by a whole factor, in blocks that stay in the cache.

Noise correlation keeps frequencies far below the Nyquist frequency of the records. A short filter with a wide transition,
applied by overlap-save, brings a day down to a few samples a second in a fraction of the time that one long Fourier transform
of all samples takes; what needs sharp edges is then done at the low rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

# Everything beyond the transition is this far down, in dB: rounding level in float64.
STOPBAND_DB = 240.0
# The decimated rate is at least this many times the highest frequency that is wanted, which leaves a wide transition.
OVERSAMPLING = 4.0
# Samples of a block, and blocks that are transformed together.
BLOCK, BATCH = 8192, 8


@dataclass(frozen=True)
class _Filter:
    factor: int
    taps: int
    block: int
    step: int  # input samples from one block to the next
    response: npt.NDArray[np.complex128]  # conjugate, over the block length, up to the decimated sampling rate


def decimation_factor(rate_hz: float, top_hz: float) -> int:
    """Largest product of 2, 3 and 5 by which a record may be decimated without harm below ``top_hz``."""
    limit = int(rate_hz / (OVERSAMPLING * top_hz) + 1e-9)
    return max((k for k in range(1, max(limit, 1) + 1) if _is_smooth(k)), default=1)


def decimate(x: npt.NDArray[np.number], factor: int, top: float) -> npt.NDArray[np.float64]:
    """Every ``factor``-th sample of ``x`` (n,) after a zero-phase low-pass that is flat up to ``top`` cycles a sample.

    Sample k of the result stands at sample k · factor of ``x``; beyond its ends ``x`` is continued by its end values.
    """
    import ducc0

    f = _design(factor, top)
    half, n_out = f.taps // 2, -(-len(x) // factor)
    kept = f.step // factor
    n_blocks = -(-n_out // kept)
    out = np.empty((n_blocks, kept))
    samples = np.empty((min(BATCH, n_blocks), f.block))
    for first in range(0, n_blocks, BATCH):
        some = samples[: min(BATCH, n_blocks - first)]
        for row, block in enumerate(some, start=first):
            _cut_block(x, row * f.step - half, block)
        spectra = ducc0.fft.r2c(some, axes=(1,))[:, : len(f.response)]
        spectra *= f.response
        m = f.block // factor  # what lies between half and all of the decimated rate folds back
        folded = spectra[:, : m // 2 + 1] + spectra[:, m : m // 2 - 1 : -1].conj()
        out[first : first + len(some)] = ducc0.fft.c2r(folded, axes=(1,), lastsize=m, forward=False)[:, :kept]
    return out.ravel()[:n_out]


@lru_cache(maxsize=16)
def _design(factor: int, top: float) -> _Filter:
    """Kaiser-window low-pass (Kaiser 1974) from ``top`` to where aliases would reach it, on a block of good size."""
    import ducc0

    transition = 1 / factor - 2 * top
    n = math.ceil((STOPBAND_DB - 8) / (2.285 * 2 * math.pi * transition)) // 2 * 2 + 1
    t = np.arange(n) - n // 2
    taps = np.sinc(t / factor) / factor * np.kaiser(n, 0.1102 * (STOPBAND_DB - 8.7))
    m = 2 * ducc0.fft.good_size(-(-max(BLOCK, 4 * n) // (2 * factor)), True)
    block = m * factor
    response = np.fft.rfft(taps / taps.sum(), block)[: m + 1].conj() / block
    return _Filter(factor, n, block, ((block - n) // factor + 1) * factor, response)


def _cut_block(x: npt.NDArray[np.number], start: int, block: npt.NDArray[np.float64]) -> None:
    """Copy x[start : start + len(block)] into ``block``, with x continued by its end values."""
    stop = start + len(block)
    a, b = min(max(start, 0), len(x)), min(max(stop, 0), len(x))
    block[a - start : b - start] = x[a:b]
    if a > start:
        block[: a - start] = x[0]
    if b < stop:
        block[b - start :] = x[-1]


def _is_smooth(k: int) -> bool:
    for prime in (2, 3, 5):
        while k % prime == 0:
            k //= prime
    return k == 1
