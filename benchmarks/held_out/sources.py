"""Earthquakes of the held-out generator: on faults, in clusters, on a slab, offshore; with magnitudes and mechanisms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.held_out.networks import LAYOUTS
from seisloom import geo
from seisloom.associate.network import Region

Array = npt.NDArray[np.float64]

MAGNITUDE_MIN, MAGNITUDE_SPAN = 0.5, 3.5
N_FAULTS, ON_FAULTS = 6, 0.7
# Omori's law of a mainshock's hour: aftershocks in proportion to 1 / (time + C).
OMORI_C_S, MAINSHOCK_S, MAINSHOCK_ABOVE = 60.0, 600.0, 5.0


@dataclass(frozen=True)
class Conditions:
    """What is asked of a stream; shares from 0 to 1."""

    events_per_hour: float = 100.0
    duration_s: float = 3600.0
    noise_ratio: float = 1.0
    """Expected noise picks for each pick of an event, without teleseisms and second picks."""
    burst_share: float = 0.2
    """Share of the noise that telemetry bursts make."""
    label_error: float = 0.01
    """Share of event picks with the other phase's label."""
    outside_share: float = 0.0
    """Share of events to the south of the network: most in the region, a fifth beyond its border."""
    error_scale: float = 1.0
    """Of pick errors."""
    outlier_share: float = 0.03
    b_value: float = 0.95
    mainshock: bool = False
    """Aftershocks in one place after an event that is 5 magnitudes larger than the smallest."""


def draw_sources(network: str, region: Region, asked: Conditions, rng: np.random.Generator) -> pd.DataFrame:
    """event_id, time_s (sorted), latitude, longitude, depth_km, magnitude, strike_deg, dip_deg, rake_deg."""
    layout = LAYOUTS[network]
    n = round(asked.events_per_hour * asked.duration_s / 3600.0)
    time = np.sort(_times(n, asked, rng))
    rate = asked.b_value * math.log(10.0)
    above = -np.log1p(rng.random(n) * np.expm1(-rate * MAGNITUDE_SPAN)) / rate
    east, north = _half_sides_km(region)
    place = rng.uniform(-1.0, 1.0, (n, 2))
    depth = _crustal(layout.depth_mean_km, n, rng)
    on_fault = rng.random(n) < ON_FAULTS
    place[on_fault], depth[on_fault] = _on_faults(layout.depth_mean_km, int(on_fault.sum()), rng)
    if layout.slab:
        place, depth = _on_slab(place, depth, 2.0 * east, rng)
    if asked.mainshock:
        place, depth = 0.2 + 0.04 * rng.standard_normal((n, 2)), np.clip(8 + 2 * rng.standard_normal(n), 1.0, 15.0)
        above[0] = MAINSHOCK_ABOVE
    depth = np.clip(depth, 0.3, 0.97 * layout.z_max_km)
    outside = rng.random(n) < asked.outside_share
    place[outside, 1] = rng.uniform(-1.25, -0.1, int(outside.sum()))
    middle = 0.5 * (region.lat_min + region.lat_max), 0.5 * (region.lon_min + region.lon_max)
    latitude, longitude = geo.from_plane(east * place[:, 0], north * place[:, 1], *middle)
    return pd.DataFrame(
        {
            "event_id": np.arange(n), "time_s": time, "latitude": latitude, "longitude": longitude, "depth_km": depth,
            "magnitude": MAGNITUDE_MIN + above, "strike_deg": rng.uniform(0, 360, n), "dip_deg": rng.uniform(20, 90, n),
            "rake_deg": rng.uniform(-180, 180, n),
        }
    )  # fmt: skip


def _half_sides_km(region: Region) -> tuple[float, float]:
    north = 0.5 * (region.lat_max - region.lat_min) * 111.2
    middle = math.radians(0.5 * (region.lat_max + region.lat_min))
    return 0.5 * (region.lon_max - region.lon_min) * 111.2 * math.cos(middle), north


def _times(n: int, asked: Conditions, rng: np.random.Generator) -> Array:
    if not asked.mainshock:
        return rng.uniform(0.0, asked.duration_s, n)
    # Inverse of the integral of 1 / (t + c); the mainshock itself comes first.
    most = math.log1p((asked.duration_s - MAINSHOCK_S) / OMORI_C_S)
    after = OMORI_C_S * np.expm1(rng.random(n) * most)
    after[0] = 0.0
    return MAINSHOCK_S + after


def _crustal(mean_km: float, n: int, rng: np.random.Generator) -> Array:
    return rng.gamma(3.0, mean_km / 3.0, n)


def _on_faults(depth_mean_km: float, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Along segments of random strike, half of the events of each in a cluster on it."""
    ends = rng.uniform(-0.85, 0.85, (N_FAULTS, 2, 2))
    fault = rng.choice(N_FAULTS, n, p=rng.dirichlet(np.ones(N_FAULTS)))
    along = np.where(rng.random(n) < 0.5, rng.random(n), rng.random(N_FAULTS)[fault] + 0.03 * rng.standard_normal(n))
    along = np.clip(along, 0.0, 1.0)[:, None]
    place = ends[fault, 0] + along * (ends[fault, 1] - ends[fault, 0]) + 0.015 * rng.standard_normal((n, 2))
    depth = _crustal(depth_mean_km, N_FAULTS, rng)[fault] + 0.15 * depth_mean_km * rng.standard_normal(n)
    return np.clip(place, -0.99, 0.99), depth


def _on_slab(place: Array, depth: Array, width_km: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Four fifths of the events on a plane that goes down to the east at 28 degrees, from 10 km at the western border."""
    n = len(depth)
    on = rng.random(n) < 0.8
    # More of them shallow than deep.
    down = rng.beta(1.2, 2.0, n)
    surface = 10.0 + 0.85 * width_km * down * math.tan(math.radians(28.0))
    place = np.where(on[:, None], np.column_stack([-0.95 + 1.7 * down, place[:, 1]]), place)
    return place, np.where(on, surface + 4.0 * rng.standard_normal(n), depth)
