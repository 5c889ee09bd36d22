"""Normalisation in time, against earthquakes and other transients (Bensen et al. 2007, section 2.1)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seisloom.config import CorrelationSettings

Series = npt.NDArray[np.float64]


def normalise(x: Series, settings: CorrelationSettings) -> Series:
    """``x`` (n,) at settings.fs after the chosen time normalisation."""
    if settings.time_norm == "one-bit":
        return np.sign(x)
    if settings.time_norm == "clip":
        limit = settings.clip_std * x.std()
        return np.clip(x, -limit, limit)
    if settings.time_norm == "ram":
        window = settings.ram_window or 0.5 / settings.freqmin
        return running_absolute_mean(x, 2 * int(window * settings.fs / 2) + 1)
    return x


def running_absolute_mean(x: Series, width: int) -> Series:
    """``x`` over the mean of its absolute value in a centred window of ``width`` (odd) samples.

    Bensen et al. 2007, eq. 1-2; at the ends the mean is over the samples that there are.
    """
    half = width // 2
    total = np.concatenate([[0.0], np.cumsum(np.abs(x))])
    index = np.arange(len(x))
    first, stop = np.maximum(index - half, 0), np.minimum(index + half + 1, len(x))
    mean = (total[stop] - total[first]) / (stop - first)
    return np.divide(x, mean, out=np.zeros_like(x), where=mean > 0)
