"""One recording of the held-out generator: earthquakes, what is picked of them and how badly, and noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.held_out import networks
from benchmarks.held_out.amplitudes import DETECTED, detection, signal_to_noise
from benchmarks.held_out.earth import LAYERED, Arrivals, arrivals, draw_earth
from benchmarks.held_out.noise import draw_noise, end_of, second_picks
from benchmarks.held_out.sources import Conditions, draw_sources
from benchmarks.recording import Recording
from seisloom import geo
from seisloom.associate.score import CEILING_DETECTION

Array = npt.NDArray[np.float64]

NETWORK_SEED = 7
# Pick errors (s): of clear arrivals, what is added to that at the threshold of detection, and by distance (s/km).
SHARP_S, FAINT_S, FAR_S_PER_KM = 0.03, 0.09, 0.0002
S_ERROR = 1.7
TAIL = 5  # degrees of freedom of Student's t
# Share of emergent arrivals, which are picked late; skipped cycles and their periods; outliers, which are late more often.
EMERGENT, SKIPPED, PERIOD_S, OUTLIER_S, OUTLIER_LATE = 0.25, 0.02, (0.15, 0.4), 0.9, 0.7
SPREAD_OF_ERRORS = 1.3
"""Standard deviation of the errors that are not outliers, over what is drawn as their scale."""


def record(network: str, asked: Conditions, rng: np.random.Generator) -> Recording:
    """A stream at a network (a key of ``networks.LAYOUTS``, always the same stations and Earth under them)."""
    fixed = np.random.default_rng(NETWORK_SEED)
    sites = networks.sites(network, fixed)
    region = networks.region(network, sites)
    earth = draw_earth(network, len(sites), fixed)
    events = draw_sources(network, region, asked, rng)
    there = arrivals(events, sites, earth, rng)
    snr = signal_to_noise(events, there, networks.LAYOUTS[network].reach_km, asked.duration_s, rng)
    likely = detection(snr)
    scale = error_scale(snr, there.distance_km) * asked.error_scale
    picked = rng.random(snr.shape) < likely
    real = _event_picks(there, snr, scale, picked, asked, rng)
    xy = np.column_stack(geo.to_plane(sites["latitude"], sites["longitude"], earth.latitude, earth.longitude))
    end_s = end_of(there, asked.duration_s, picked)
    false = [draw_noise(len(real), end_s, sites, xy, asked, rng), second_picks(real, rng)]
    everything = pd.concat([real, *(part.assign(event=-1) for part in false)], ignore_index=True)
    kinds = {"station": np.int64, "phase": np.int64, "event": np.int64}
    picks = everything.astype(kinds).sort_values("time_s", kind="stable", ignore_index=True)
    predicted = np.where(likely > CEILING_DETECTION, there.time_s, np.nan)
    sigma = np.where(likely > CEILING_DETECTION, SPREAD_OF_ERRORS * scale, np.nan)
    flat = (len(events), 2 * len(sites))
    truth = (array.reshape(flat) for array in (predicted, sigma, likely))
    return Recording(sites, region, LAYERED, picks, events, *truth)


def error_scale(snr: Array, distance_km: Array) -> Array:
    """(event, station, phase): scale of the pick error (s), which falls with signal over noise and grows with distance."""
    faint = 10.0 ** (-0.8 * np.maximum(snr - DETECTED, -0.5))
    sigma = SHARP_S + FAINT_S * faint + FAR_S_PER_KM * distance_km[..., None]
    return np.asarray(sigma * np.array([1.0, S_ERROR]))


def _event_picks(
    there: Arrivals,
    snr: Array,
    scale: Array,
    picked: npt.NDArray[np.bool_],
    asked: Conditions,
    rng: np.random.Generator,
) -> pd.DataFrame:
    event, station, phase = np.nonzero(picked)
    n = len(event)
    error = pick_errors(scale[picked], asked.outlier_share, rng)
    wrong = rng.random(n) < asked.label_error
    clear = 1.0 / (1.0 + np.exp(-(snr[picked] - 0.8) / 0.3))
    probability = np.clip(0.3 + 0.65 * clear + 0.12 * rng.standard_normal(n), 0.3, 1.0)
    return pd.DataFrame(
        {
            "time_s": np.maximum(there.time_s[picked] + error, 0.0), "station": station,
            "phase": np.where(wrong, 1 - phase, phase), "probability": probability, "event": event,
        }
    )  # fmt: skip


def pick_errors(scale_s: Array, outlier_share: float, rng: np.random.Generator) -> Array:
    """Errors (s) of picks with these scales: heavy-tailed, late ones, skipped cycles and outliers."""
    n = len(scale_s)
    error = scale_s * rng.standard_t(TAIL, n) * np.sqrt((TAIL - 2) / TAIL)
    late = np.where(rng.random(n) < EMERGENT, rng.exponential(1.2, n), 0.0) * scale_s
    skipped = np.where(rng.random(n) < SKIPPED, rng.choice([-1.0, 1.0, 1.0], n) * rng.uniform(*PERIOD_S, n), 0.0)
    sign = np.where(rng.random(n) < OUTLIER_LATE, 1.0, -1.0)
    outlier = sign * (0.3 + rng.exponential(OUTLIER_S, n))
    return np.where(rng.random(n) < outlier_share, outlier, error + late + skipped)
