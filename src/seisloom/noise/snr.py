"""Signal-to-noise ratio of correlations: peak near the expected arrival over the rms of late lags."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError
from seisloom.noise.stack.phase import envelope
from seisloom.noise.stack.rows import BLOCK_SAMPLES

SIDES = ("both", "causal", "acausal", "symmetric")
# The noise window begins where the signal window ends, but between these fractions of the largest lag: not so early that
# the coda counts as noise, and not so late that too few samples are left.
EARLIEST_NOISE, LATEST_NOISE = 0.5, 0.8

Mask = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]


def snr(
    ccf: npt.ArrayLike,
    lag: npt.ArrayLike,
    distance_km: npt.ArrayLike | None = None,
    *,
    side: str = "both",
    velocity_kms: tuple[float, float] = (1.5, 5.0),
    margin_s: float = 0.0,
    peak: str = "envelope",
) -> Float64:
    """Signal-to-noise ratio of correlations (..., lag), as (...): Bensen et al. 2007, Geophys. J. Int. 169, 1239–1260.

    The peak in the signal window over the rms in the noise window. The signal window is where a wave with one of the
    velocities (slowest, fastest; km/s) arrives: distance / fastest - margin_s <= |lag| <= distance / slowest + margin_s
    (a margin of one period keeps the wavelet of a short path inside). The noise window goes from the end of the signal
    window to the largest lag, but begins no earlier than at 0.5 and no later than at 0.8 of it; there the signal
    window ends at the latest. Where the distance (km, broadcast against (...)) is NaN or not given, everything before
    0.8 of the largest lag is signal.

    ``side``: "both" takes the larger peak of the two sides over the rms of both; "causal" and "acausal" take positive
    and negative lags alone; "symmetric" first folds the two sides into their mean. ``peak``: "envelope", or "amplitude" for the largest |ccf|.

    ``lag`` in seconds is symmetric about zero. NaN where a correlation is NaN or zero throughout, or where no sample of
    the axis lies in the signal window (the arrival would be later than the axis goes). Raises InputError.
    """
    values, axis = _checked(ccf, lag, side, velocity_kms, peak)
    distance = np.nan if distance_km is None else np.asarray(distance_km, np.float64)
    try:
        distances = np.broadcast_to(distance, values.shape[:-1]).ravel()
    except ValueError:
        raise InputError(f"distance_km has shape {np.shape(distance)}, the correlations {values.shape}") from None
    flat = values.reshape(distances.size, axis.size)
    ratio = np.empty(len(flat))
    step = max(1, BLOCK_SAMPLES // max(1, axis.size))
    for start in range(0, len(flat), step):
        block = slice(start, start + step)
        windows = _windows(axis, distances[block], side, velocity_kms, margin_s)
        ratio[block] = _ratio(flat[block], *windows, folded=side == "symmetric", peak=peak)
    return ratio.reshape(values.shape[:-1])


def _checked(
    ccf: npt.ArrayLike, lag: npt.ArrayLike, side: str, velocity_kms: tuple[float, float], peak: str
) -> tuple[npt.NDArray[np.floating], Float64]:
    if side not in SIDES:
        raise InputError(f"side is {side!r}: use one of {', '.join(SIDES)}")
    if peak not in ("envelope", "amplitude"):
        raise InputError(f"peak is {peak!r}: use envelope or amplitude")
    slowest, fastest = velocity_kms
    if not 0 < slowest < fastest:
        raise InputError(f"velocity_kms is {velocity_kms}: (slowest, fastest) in km/s, for instance (1.5, 5.0)")
    values, axis = np.asarray(ccf), np.asarray(lag, np.float64)
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    if values.ndim < 1 or axis.shape != values.shape[-1:]:
        raise InputError(f"lag has shape {axis.shape}, the correlations {values.shape}: their last axis must be lag")
    if axis.size < 3 or not np.allclose(axis, -axis[::-1], rtol=0, atol=1e-3 * abs(axis[1] - axis[0])):
        raise InputError("lag must be symmetric about zero, in seconds: -maxlag ... 0 ... maxlag")
    return values, axis


def _windows(
    axis: Float64, distances: Float64, side: str, velocity_kms: tuple[float, float], margin_s: float
) -> tuple[Mask, Mask]:
    """Masks (pair, lag) of the signal and the noise window."""
    slowest, fastest = velocity_kms
    # Half a sample of tolerance: the sample nearest to either end of the window belongs to it.
    tolerance = (axis[1] - axis[0]) / 2
    earliest, latest = EARLIEST_NOISE * axis[-1], LATEST_NOISE * axis[-1]
    known = np.isfinite(distances)[:, None]
    first = np.where(known, distances[:, None] / fastest - margin_s, 0.0) - tolerance
    last = np.where(known, distances[:, None] / slowest + margin_s, latest) + tolerance
    begin = np.clip(last, earliest, latest)
    size = np.abs(axis)
    on_side = {"causal": axis >= 0, "acausal": axis <= 0}.get(side, np.full(axis.shape, True))
    signal = (size >= first) & (size <= np.minimum(last, begin)) & on_side
    noise = (size > begin) & on_side
    return signal, noise


def _ratio(ccf: npt.NDArray[np.floating], signal: Mask, noise: Mask, *, folded: bool, peak: str) -> Float64:
    """Largest value in the signal window over the rms in the noise window, for every row."""
    finite = np.isfinite(ccf).all(axis=-1)
    # Scaled to a peak of one, so that squares of small amplitudes do not underflow.
    top = np.max(np.abs(ccf), axis=-1, keepdims=True, where=finite[:, None], initial=0)
    usable = finite & (top[:, 0] > 0) & signal.any(axis=-1)
    trace = np.where(usable[:, None], ccf, 0) / np.where(usable[:, None], top, 1)
    if folded:
        trace = (trace + trace[:, ::-1]) / 2
    size = envelope(trace) if peak == "envelope" else np.abs(trace)
    highest = np.max(size, axis=-1, where=signal, initial=0).astype(np.float64)
    power = np.mean(trace.astype(np.float64) ** 2, axis=-1, where=noise)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(usable, highest / np.sqrt(power), np.nan)
