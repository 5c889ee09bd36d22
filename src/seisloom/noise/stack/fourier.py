"""Fourier transforms of rows, each with the same bits whatever rows are transformed beside it.

ducc0 transforms as many rows at once as the vectors of the machine hold, and those that are left over one by one, which rounds
differently. So there are always made up to a multiple of TOGETHER.
"""

from __future__ import annotations

import math
from typing import Any

import ducc0
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
Complex = npt.NDArray[np.complexfloating]

TOGETHER = 16
"""float32 that the longest vectors hold (AVX-512), of which all others hold a part."""


def fast_length(n: int) -> int:
    """The next length without large prime factors."""
    return ducc0.fft.good_size(n, True)


def forward(rows: Array, nfft: int) -> Complex:
    """Spectra (..., nfft // 2 + 1) of real rows (..., n), with zeros behind them up to length ``nfft``."""
    spectra = ducc0.fft.r2c(_lines(rows, nfft), axes=(1,))
    return _rows(spectra, rows.shape)


def backward(spectra: Complex, nfft: int) -> npt.NDArray[Any]:
    """Rows (..., nfft) of one-sided spectra (..., nfft // 2 + 1)."""
    lines = _lines(spectra, spectra.shape[-1])
    return _rows(ducc0.fft.c2r(lines, axes=(1,), lastsize=nfft, forward=False, inorm=2), spectra.shape)


def backward_complex(spectra: Complex) -> Complex:
    """Complex rows of two-sided spectra (..., n), times n."""
    lines = _lines(spectra, spectra.shape[-1])
    return _rows(ducc0.fft.c2c(lines, axes=(1,), forward=False, out=lines), spectra.shape)


def hilbert(rows: Array) -> Array:
    """Hilbert transform of rows (..., n) with zeros behind them up to the next :func:`fast_length`: -i sign(f) on the
    spectrum, nothing at zero and the Nyquist frequency."""
    nfft = fast_length(rows.shape[-1])
    spectrum = ducc0.fft.r2c(_lines(rows, nfft), axes=(1,))
    spectrum *= -1j
    spectrum[:, 0] = 0
    if nfft % 2 == 0:
        spectrum[:, -1] = 0
    made = ducc0.fft.c2r(spectrum, axes=(1,), lastsize=nfft, forward=False, inorm=2)
    return _rows(made, rows.shape)[..., : rows.shape[-1]]


def _lines(rows: npt.NDArray, length: int) -> npt.NDArray:
    """Rows as lines (line, length) of as many as are transformed together, zero where there is none."""
    n = math.prod(rows.shape[:-1])
    lines = np.empty((-(-n // TOGETHER) * TOGETHER, length), rows.dtype)
    lines[:n].reshape(*rows.shape[:-1], length)[..., : rows.shape[-1]] = rows
    lines[:n, rows.shape[-1] :] = lines[n:] = 0
    return lines


def _rows(lines: npt.NDArray, shape: tuple[int, ...]) -> npt.NDArray:
    """The rows of lines again, in the shape of what they were made of but for the last axis."""
    return lines[: math.prod(shape[:-1])].reshape(*shape[:-1], lines.shape[-1])
