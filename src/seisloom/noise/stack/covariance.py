"""Adaptive covariance filter: frequencies at which the rows do not agree are held down."""

from __future__ import annotations

import numpy as np

from seisloom.noise.stack.fourier import backward, fast_length, forward
from seisloom.noise.stack.rows import Array, Float64, row_blocks


def acf(rows: Array, weights: Float64, lag: Float64 | None, *, exponent: float) -> Float64:
    """Mean of the rows, filtered by P(f)^exponent (Nakata et al. 2015, J. Geophys. Res. 120, 1159–1173, appendix B).

    P is the mean cross-spectrum of different rows over the mean power spectrum: 1 where the rows are equal, about 0
    where they have nothing in common. Chance makes it negative there, which counts as 0 (NoisePy and StackMaster let
    such frequencies through with their sign turned). The sum over rows j ≠ k of X_j X_k* is |sum X_j|² - sum |X_j|².
    """
    n_lag = rows.shape[-1]
    nfft = fast_length(n_lag)
    count = (weights > 0).sum(axis=-1)[:, None]
    total = np.zeros((len(rows), nfft // 2 + 1), np.complex128)
    power = np.zeros(total.shape)
    for part in row_blocks(rows.shape):
        spectra = forward(rows[:, part], nfft).astype(np.complex128)
        total += spectra.sum(axis=1)
        power += (spectra.real**2 + spectra.imag**2).sum(axis=1)
    agreement = (np.abs(total) ** 2 - power) / np.where(power > 0, power * np.maximum(count - 1, 1), 1)
    agreement[count[:, 0] == 1] = 1  # one row has nothing to disagree with
    filtered = total / count * np.maximum(agreement, 0) ** exponent
    return backward(filtered, nfft)[:, :n_lag]
