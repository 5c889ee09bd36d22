"""Earthquakes in the synthetic noise: P and S of point sources in a homogeneous half-space, for pickers and associators.

Far-field pulses of Brune (1970, J. Geophys. Res. 75, 4997-5009) with mean radiation, attenuation and a coda of scattered
waves, on all components. Times, places and magnitudes of a day are a pure function of seed and day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seisloom.waveforms.synthetic.field import Geometry, Transfer
from seisloom.waveforms.synthetic.settings import Array, NetworkSettings

VP_KM_S = 6.0
VS_KM_S = VP_KM_S / np.sqrt(3.0)
QUALITY = 300.0
DENSITY, STRESS_DROP_PA = 2700.0, 3e6
LEAST_MAGNITUDE, GREATEST_MAGNITUDE = 1.2, 4.0
DEPTHS_KM = (4.0, 14.0)
# Slow ground below the stations, too thin to delay anything, bends rays upwards: the sine of their angle from the vertical.
BENT = 0.4
DAY_S = 86_400.0
# Signals last for so long after the origin time; the coda fades with the second time, and is so strong for a pulse of 1.
SIGNAL_S, CODA_S, CODA = 90.0, 4.0, 0.1
# Mean radiation of P and S over all directions (Boore and Boatwright 1984).
_RADIATION = {"P": 0.52, "S": 0.63}
_STREAM = 11


@dataclass(frozen=True)
class Quakes:
    """The earthquakes of a day, in the plane of the network; arrays of one entry each."""

    time_s: Array
    """Origin times after midnight."""
    east_km: Array
    north_km: Array
    depth_km: Array
    """Below sea level."""
    magnitude: Array


def quakes_of(day: int, settings: NetworkSettings) -> Quakes:
    """Earthquakes of the day with this number since 1970: anywhere within the network, magnitudes with b = 1."""
    rng = np.random.default_rng([settings.seed, _STREAM, day])
    n = settings.quakes
    radius, angle = 0.4 * settings.aperture * np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
    span = 10 ** -(GREATEST_MAGNITUDE - LEAST_MAGNITUDE)
    magnitude = LEAST_MAGNITUDE - np.log10(1 - (1 - span) * rng.random(n))
    time_s = np.sort(rng.random(n)) * DAY_S
    return Quakes(time_s, radius * np.sin(angle), radius * np.cos(angle), rng.uniform(*DEPTHS_KM, n), magnitude)


def add_quakes(
    counts: npt.NDArray[np.float32],
    first: int,
    geometry: Geometry,
    elevation_km: Array,
    settings: NetworkSettings,
    transfer: Transfer,
) -> None:
    """Add what earthquakes are in counts (channel, sample), the first of which is number ``first`` since 1970."""
    rate, length = settings.rate, counts.shape[1]
    n, a_day = round(SIGNAL_S * rate), round(DAY_S * rate)
    if not settings.quakes:
        return
    frequency = np.linspace(0.0, rate / 2, n + 1, dtype=np.float64)
    response = transfer(frequency)
    for day in range((first - n) // a_day, (first + length - 1) // a_day + 1):
        found = quakes_of(day, settings)
        for number, time_s in enumerate(found.time_s):
            sample = int(np.floor(time_s * rate))
            at = day * a_day + sample - first
            if not -n < at < length:
                continue
            rng = np.random.default_rng([settings.seed, _STREAM, day, number])
            depth_km = found.depth_km[number] + elevation_km
            spectrum = _spectrum(found, number, geometry, depth_km, frequency, time_s - sample / rate, rng)
            signal = rate * np.fft.irfft(spectrum * response, 2 * n)[:, :n]
            begin, end = max(at, 0), min(at + n, length)
            counts[:, begin:end] += signal[:, begin - at : end - at]


def _spectrum(
    quakes: Quakes,
    number: int,
    geometry: Geometry,
    depth: Array,
    frequency: Array,
    delay_s: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.complex128]:
    """Spectra (channel, frequency) of ground velocity in m/s, from the origin time less ``delay_s`` on.

    ``depth`` is that of the source below each channel, km.
    """
    east = geometry.east_km - quakes.east_km[number]
    north = geometry.north_km - quakes.north_km[number]
    distance = np.sqrt(east**2 + north**2 + depth**2)
    moment = 10 ** (1.5 * quakes.magnitude[number] + 9.1)
    places, place = np.unique(np.stack([east, north]), axis=1, return_inverse=True)
    place = place.ravel()
    out = np.zeros((len(distance), len(frequency)), complex)
    omega = 2j * np.pi * frequency
    for phase, velocity in (("P", VP_KM_S), ("S", VS_KM_S)):
        # Stations see other parts of the radiation, and S other mixtures of SV and SH.
        sign = np.sign(rng.normal(size=places.shape[1:]))[place]
        turn = rng.uniform(0, 2 * np.pi, size=places.shape[1:])[place]
        travel_s = distance / velocity
        strength = _RADIATION[phase] * moment / (4 * np.pi * DENSITY * (1e3 * velocity) ** 3 * 1e3 * distance)
        corner = 0.49 * 1e3 * VS_KM_S * (STRESS_DROP_PA / moment) ** (1 / 3)
        pulse = omega / (1 + omega / (2 * np.pi * corner)) ** 2
        late = np.exp(-omega * (travel_s + delay_s)[:, None] - np.pi * frequency * travel_s[:, None] / QUALITY)
        direct = _polarisation(phase, geometry, east, north, depth, turn)
        scattered = _coda(len(distance), 2 * (len(frequency) - 1), 2 * frequency[-1], rng)
        out += (sign * strength)[:, None] * pulse * late * (direct[:, None] + scattered)
    return out


def _polarisation(phase: str, geometry: Geometry, east: Array, north: Array, depth: Array, turn: Array) -> Array:
    """Part of the motion that each channel sees: along the ray for P, across it for S. A free surface does not double it."""
    epicentral = np.hypot(east, north)
    sine = BENT * epicentral / np.hypot(epicentral, depth)
    cosine = np.sqrt(1 - sine**2)
    along = np.cos(geometry.azimuth - np.arctan2(east, north))
    across = np.sin(geometry.azimuth - np.arctan2(east, north))
    if phase == "P":
        return np.where(geometry.vertical, cosine, sine * along)
    return np.where(geometry.vertical, -sine * np.cos(turn), cosine * np.cos(turn) * along + np.sin(turn) * across)


def _coda(channels: int, n: int, rate: float, rng: np.random.Generator) -> npt.NDArray[np.complex128]:
    """Spectra (channel, frequency) of ``n`` samples of scattered pulses, random in each channel, that follow a pulse of 1."""
    time_s = np.arange(n // 2) / rate
    envelope = CODA * np.exp(-time_s / CODA_S) * np.sqrt(np.minimum(time_s, 1.0) * 20.0 / rate)
    return np.asarray(np.fft.rfft(rng.normal(size=(channels, n // 2)) * envelope, n))
