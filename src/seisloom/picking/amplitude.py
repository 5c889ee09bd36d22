"""Ground motion after picks: peak velocity, and the amplitude that local magnitudes are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seisloom.errors import InputError
from seisloom.noise.plan import cosine_band, cosine_flank
from seisloom.noise.response import Epoch
from seisloom.picking.picker import Array

LONGEST_S = 10.0
"""Motion is measured until the next pick of the station, at most for so long."""
LOWEST_HZ = 0.5
"""Ground motion below this is left out: microseisms, and what a response that falls off would blow up."""
# Period (s) and damping of the Wood-Anderson seismograph (Uhrhammer and Collins 1990).
_PERIOD_S, _DAMPING = 0.8, 0.7
_BEFORE_S, _TAPER_S, _SHORTEST_S = 20.0, 5.0, 0.5
# The band is flat to the first of these shares of the Nyquist frequency, and ends at the second.
_FLAT, _ZERO = 0.7, 0.9


def padding(rate_hz: float) -> tuple[int, int]:
    """Samples before and after a pick that :func:`ground_motion` needs for the longest measurement."""
    return round(_BEFORE_S * rate_hz), round((LONGEST_S + _TAPER_S) * rate_hz)


def ground_motion(
    data: Array, at: int, length: int, rate_hz: float, nyquist_hz: float, epochs: Sequence[Epoch | None]
) -> tuple[float, float]:
    """(peak velocity in m/s, amplitude on a Wood-Anderson seismograph of magnification 1 in m) after a pick.

    ``data`` (component, sample) are counts around the pick, ``at`` its sample, ``length`` the samples to measure in;
    ``epochs`` hold the response of each component, None where it is not known. Records have frequencies up to
    ``nyquist_hz``. Velocity is the greatest of all components, the amplitude zero to peak on the horizontals, the last
    two rows (IASPEI, doi:10.2312/GFZ.NMSOP-2_IS_3.3). NaN for what cannot be told.
    """
    length = min(length, data.shape[1] - at)
    velocity, amplitude = [np.nan], [np.nan]
    if length < _SHORTEST_S * rate_hz:
        return np.nan, np.nan
    for number, (row, epoch) in enumerate(zip(data, epochs, strict=True)):
        if epoch is None or not row.any():
            continue
        try:
            moved, traced = _motion(row, rate_hz, nyquist_hz, epoch)
        except InputError:  # a response that cannot be used
            continue
        velocity.append(float(np.abs(moved[at : at + length]).max()))
        if number > 0:
            amplitude.append(float(np.abs(traced[at : at + length]).max()))
    return float(np.fmax.reduce(velocity)), float(np.fmax.reduce(amplitude))


def _motion(row: Array, rate_hz: float, nyquist_hz: float, epoch: Epoch) -> tuple[Array, Array]:
    """Ground velocity (m/s), and the trace of the Wood-Anderson seismograph (m), of counts."""
    n = len(row)
    padded = 2 * sum(padding(rate_hz))  # the same for every pick, as response curves are kept by their frequencies
    x = row - row.mean()
    flank = cosine_flank(min(round(_TAPER_S * rate_hz), n // 4))
    x[: len(flank)] *= flank
    x[n - len(flank) :] *= flank[::-1]
    spectrum = np.fft.rfft(x, padded)
    f = np.fft.rfftfreq(padded, 1 / rate_hz)
    band = cosine_band(f, LOWEST_HZ / 2, LOWEST_HZ, _FLAT * nyquist_hz, _ZERO * nyquist_hz)
    kept = np.flatnonzero(band)
    velocity = np.zeros(len(f), complex)
    velocity[kept] = spectrum[kept] * band[kept] / epoch.evaluate(f[kept], "VEL")
    s, corner = 2j * np.pi * f, 2 * np.pi / _PERIOD_S
    traced = velocity * s / (s**2 + 2 * _DAMPING * corner * s + corner**2)
    return np.fft.irfft(velocity, padded)[:n], np.fft.irfft(traced, padded)[:n]
