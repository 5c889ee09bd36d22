"""Whether of events that are reported with a false probability about that share is false."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.errors import InputError

EDGES = (0.0, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.2, 0.4, 1.0)
"""Of the bins of false probability; each holds its lower edge, the last one also its upper."""
_Z = 1.96  # 95 %


def calibration_table(
    false_probability: npt.ArrayLike, false: npt.ArrayLike, edges: Sequence[float] = EDGES
) -> pd.DataFrame:
    """Events binned by false probability; both arrays hold one value an event, ``false`` whether it is.

    Columns: low, high (of the bin), events, false (counts), reported (mean false probability), share (false / events),
    share_low, share_high (Wilson 1927: 95 % interval of the share). Bins without events are left out. InputError for
    arrays of different lengths and for what is no probability.
    """
    reported, wrong = np.asarray(false_probability, float), np.asarray(false, bool)
    if reported.ndim != 1 or reported.shape != wrong.shape:
        raise InputError(
            f"calibration: {reported.shape} false probabilities and {wrong.shape} verdicts; one each an event"
        )
    outside = ~((reported >= 0.0) & (reported <= 1.0))
    if outside.any():
        raise InputError(f"calibration: a false probability of {reported[outside][0]:g}; expected is 0 to 1")
    limits = np.asarray(edges, float)
    number = np.clip(np.searchsorted(limits, reported, side="right") - 1, 0, len(limits) - 2)
    n = np.bincount(number, minlength=len(limits) - 1)
    kept = n > 0
    n_false = np.bincount(number, wrong, len(n))[kept].astype(np.int64)
    mean = np.bincount(number, reported, len(n))[kept] / n[kept]
    low, high = wilson(n_false, n[kept])
    return pd.DataFrame(
        {
            "low": limits[:-1][kept], "high": limits[1:][kept], "events": n[kept], "false": n_false, "reported": mean,
            "share": n_false / n[kept], "share_low": low, "share_high": high,
        }
    )  # fmt: skip


def wilson(count: npt.ArrayLike, of: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """95 % score interval of a share (Wilson 1927, JASA 22): roots of (p - share)² = z² p (1 - p) / n."""
    k, n = np.asarray(count, float), np.asarray(of, float)
    middle = (k + 0.5 * _Z**2) / (n + _Z**2)
    half = _Z / (n + _Z**2) * np.sqrt(k * (n - k) / n + 0.25 * _Z**2)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
