"""What is detected: signal over noise of every arrival, from magnitude, distance, mechanism, site, noise and coda."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from numba import njit

from benchmarks.held_out.earth import Arrivals
from benchmarks.held_out.sources import MAGNITUDE_MIN

Array = npt.NDArray[np.float64]

# All amplitudes are decimal logarithms. Attenuation is that of Hutton & Boore (1987): 1.110 log r + 0.00189 r.
_SPREADING, _ABSORPTION = 1.110, 0.00189
# P is so much smaller than S; S must also stand out of the coda of P, which is so much smaller than P.
P_UNDER_S, P_CODA = 0.55, 0.35
SITE_SPREAD, NOISE_SPREAD = 0.25, 0.3
DAY_AND_NIGHT = 0.15
# The coda of S begins so much below S and falls by a factor of ten in so many seconds.
CODA_BELOW, CODA_DECADE_S = 0.7, 12.0
# Half of the arrivals that stand out by DETECTED are picked; the share of the best ones is MOST.
DETECTED, WIDTH, MOST = 0.45, 0.1, (0.96, 0.9)
# Radiation patterns have nodes, but scattering fills them.
_NODE = 0.15


def signal_to_noise(
    events: pd.DataFrame, arrivals: Arrivals, reach_km: float, duration_s: float, rng: np.random.Generator
) -> Array:
    """(event, station, phase): logarithm of signal over noise; events must be sorted by time.

    The smallest event stands out by DETECTED at ``reach_km`` from a station like most.
    """
    depth = events["depth_km"].to_numpy()[:, None]
    r = np.hypot(arrivals.distance_km, np.maximum(depth, 0.5))
    n_stations = r.shape[1]
    fallen = _SPREADING * np.log10(r / reach_km) + _ABSORPTION * (r - reach_km)
    s = events["magnitude"].to_numpy()[:, None] - MAGNITUDE_MIN - fallen + DETECTED + P_UNDER_S
    s += SITE_SPREAD * rng.standard_normal(n_stations) + 0.12 * rng.standard_normal(r.shape)
    p_pattern, s_pattern = radiation(events, arrivals, depth)
    amplitude = np.stack([s - P_UNDER_S + np.log10(p_pattern), s + np.log10(s_pattern)], axis=-1)
    level = NOISE_SPREAD * rng.standard_normal(n_stations)
    day = DAY_AND_NIGHT * np.sin(2 * np.pi * (arrivals.time_s[..., 0] / duration_s + rng.random()))
    return _over_noise(amplitude, arrivals.time_s, level, day)


def detection(snr: Array) -> Array:
    """(event, station, phase): probability that an arrival is picked."""
    return np.array(MOST) / (1.0 + np.exp(-np.clip((snr - DETECTED) / WIDTH, -40.0, 40.0)))


def radiation(events: pd.DataFrame, arrivals: Arrivals, depth_km: Array) -> tuple[Array, Array]:
    """Amplitude of P and S over its mean on the focal sphere (Aki & Richards, eq. 4.89-4.91), along straight rays."""
    strike, dip, rake = (np.radians(events[name].to_numpy())[:, None] for name in ("strike_deg", "dip_deg", "rake_deg"))
    takeoff = np.pi - np.arctan2(arrivals.distance_km, np.maximum(depth_km, 0.5))
    phi = np.radians(arrivals.azimuth_deg) - strike
    ray = np.stack([np.sin(takeoff) * np.cos(phi), np.sin(takeoff) * np.sin(phi), np.cos(takeoff)])
    # Slip and normal of the fault in axes along strike, across it and down.
    slip = np.stack([np.cos(rake), np.cos(dip) * -np.sin(rake), -np.sin(rake) * np.sin(dip)])
    normal = np.stack([np.zeros_like(dip), np.sin(dip), -np.cos(dip)])
    along_slip, along_normal = (ray * slip).sum(axis=0), (ray * normal).sum(axis=0)
    p = np.abs(2.0 * along_slip * along_normal)
    s = np.sqrt(np.maximum(along_slip**2 + along_normal**2 - p**2, 0.0))
    # Mean squares over the sphere: 4/15 and 2/5.
    return np.maximum(p / np.sqrt(4 / 15), _NODE), np.maximum(s / np.sqrt(2 / 5), _NODE)


@njit(cache=True)
def _over_noise(amplitude: Array, time_s: Array, level: Array, day: Array) -> Array:
    """Noise is the site's own, or the coda of an earlier event where that is larger."""
    found = np.empty_like(amplitude)
    n_events, n_stations = amplitude.shape[:2]
    for j in range(n_stations):
        coda, since = -99.0, 0.0  # the coda that is largest now: its level when it began
        for k in range(n_events):
            quiet = level[j] + day[k, j]
            for phase in range(2):
                at = time_s[k, j, phase]
                noise = quiet
                if at > since:
                    noise = max(noise, coda - (at - since) / CODA_DECADE_S)
                if phase == 1:
                    noise = max(noise, amplitude[k, j, 0] - P_CODA)
                found[k, j, phase] = amplitude[k, j, phase] - noise
            begins, starts = amplitude[k, j, 1] - CODA_BELOW, time_s[k, j, 1]
            if begins > coda - (starts - since) / CODA_DECADE_S:
                coda, since = begins, starts
    return found
