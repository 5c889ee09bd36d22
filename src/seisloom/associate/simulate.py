"""A continuous stream of picks whose events are known: for training, tests and benchmarks."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from numba import njit

from seisloom.associate.network import Network
from seisloom.associate.plane import epicentral_km
from seisloom.associate.scenario import Scenario
from seisloom.picks import PickArrays
from seisloom.traveltime import PHASES, TravelTimes, travel_time

Array = npt.NDArray[np.float64]

REFERENCE_NS = 1_577_836_800_000_000_000
"""Simulated time 0: 2020-01-01T00:00 UTC."""
NOISE = -1
N_WAVES = 4
# Probabilities lie between this, the usual threshold of pickers, and 1: near 1 for true picks, near it for noise.
PROBABILITY_MIN = 0.3
PROBABILITY_POWER = 3.0


class Simulation(NamedTuple):
    """Picks and what they are picks of."""

    picks: PickArrays
    event: npt.NDArray[np.int32]
    """(pick,): event_id, or -1 for noise."""
    events: pd.DataFrame
    """event_id (0, 1, ... in the order of origin times), time_s (since ``picks.reference_ns``), x_km, y_km, depth_km,
    latitude, longitude, magnitude, radius_km (of detection), n_picks (that it has; 0 for what no station saw)."""


class Stations(NamedTuple):
    """The stations of one simulation as the kernel reads them."""

    x_km: Array
    y_km: Array
    elevation_km: Array
    alive: npt.NDArray[np.bool_]
    delay_s: Array
    """(phase, station)"""
    waves: Array
    """(3, wave): wave number east and north (1/km) and phase of the plane waves that make the model error."""


class PickSettings(NamedTuple):
    """What of a scenario the kernel reads."""

    error_s: tuple[float, float]
    outlier_share: float
    outlier_s: float
    model_error: float
    falloff: float
    detection: tuple[float, float]
    swap_share: float
    duplicate_share: float


def simulate(scenario: Scenario, network: Network, times: TravelTimes, rng: np.random.Generator) -> Simulation:
    """Picks of a scenario at a network, sorted by time, with truth; the same for the same state of ``rng``.

    Drawn in this order: events (times, magnitudes, hypocentres), stations (alive, model error, delays, noise rates),
    picks (events by time, their stations in order, P before S), noise (number, times, bursts, stations, phases,
    probabilities). Travel times beyond the grid of ``times`` extend the slowness at its edge. All arrivals of the events
    are kept, also those after ``duration_s``, and noise goes on as long. Takes less than a second for 10⁶ picks and, while
    it works, some 90 bytes a pick, three times what it returns.
    """
    events = _draw_events(scenario, network, rng)
    stations = _draw_stations(scenario, network, rng)
    noise_rate = stations.alive * rng.lognormal(0.0, scenario.noise_spread, network.n_stations)
    seen = _draw_picks(
        times, stations, _pick_settings(scenario),
        *(events[name].to_numpy() for name in ("time_s", "x_km", "y_km", "depth_km", "radius_km")), rng,
    )  # fmt: skip
    noise = _draw_noise(scenario, noise_rate, len(seen[0]), max(scenario.duration_s, seen[0].max(initial=0.0)), rng)
    time, station, phase, probability, event = (np.concatenate(parts) for parts in zip(seen, noise, strict=True))
    order = np.argsort(time, kind="stable")
    rows = np.arange(len(order))
    picks = PickArrays(time[order], station[order], phase[order], probability[order], rows, REFERENCE_NS)
    events["n_picks"] = np.bincount(seen[4], minlength=len(events))
    return Simulation(picks, event[order], events)


def pick_table(picks: PickArrays, network: Network) -> pd.DataFrame:
    """The pick table (columns of ``seisloom.picks``) of pick arrays; ``pick_index`` counts them in order of time."""
    stamps = picks.reference_ns + np.round(picks.time_s * 1e9).astype(np.int64)
    return pd.DataFrame(
        {
            "pick_index": np.arange(len(stamps)),
            "station": np.array(network.ids, object)[picks.station],
            "phase": np.array(PHASES, object)[picks.phase],
            "time": pd.to_datetime(stamps, utc=True),
            "probability": picks.probability,
            "duration_s": np.nan,
        }
    )


def _draw_events(scenario: Scenario, network: Network, rng: np.random.Generator) -> pd.DataFrame:
    time = _origin_times(scenario, rng)
    n = len(time)
    # Truncated Gutenberg-Richter by inversion; the radius is linear in magnitude on a logarithmic scale.
    span = scenario.magnitude_max - scenario.magnitude_min
    rate = scenario.b_value * math.log(10.0)
    above = -np.log1p(-rng.random(n) * -np.expm1(-rate * span)) / rate
    radius = scenario.radius_min_km * (scenario.radius_max_km / scenario.radius_min_km) ** (above / span)
    x, y, depth = _hypocentres(scenario, network, n, rng)
    latitude, longitude = network.geographic(x, y)
    return pd.DataFrame(
        {
            "event_id": np.arange(n), "time_s": time, "x_km": x, "y_km": y, "depth_km": depth, "latitude": latitude,
            "longitude": longitude, "magnitude": scenario.magnitude_min + above, "radius_km": radius,
        }
    )  # fmt: skip


def _origin_times(scenario: Scenario, rng: np.random.Generator) -> Array:
    if scenario.separation_s is not None:
        return np.arange(0.0, scenario.duration_s, scenario.separation_s)
    n = round(scenario.events_per_hour * scenario.duration_s / 3600.0)
    return np.sort(rng.uniform(0.0, scenario.duration_s, n))


def _hypocentres(scenario: Scenario, network: Network, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """x, y and depth: uniform in the region but for the shares in a sequence and outside."""
    x_min, x_max, y_min, y_max = network.box_km
    low = np.array([x_min, y_min, network.region.z_min])
    high = np.array([x_max, y_max, network.region.z_max])
    place = rng.uniform(low, high, (n, 3))
    kind = rng.random(n)
    centre = rng.uniform(low, high)
    around = centre + scenario.sequence_sigma_km * rng.standard_normal((n, 3))
    in_sequence = kind < scenario.sequence_share
    place[in_sequence] = np.clip(around, low, high)[in_sequence]
    outside = np.flatnonzero(kind >= 1.0 - scenario.outside_share)
    # A frame of half the region's size: along one side or the other, by the shares of the frame's area.
    middle, half = (low + high)[:2] / 2, (high - low)[:2] / 2
    while len(outside):
        beyond = rng.uniform(-2.0, 2.0, (len(outside), 2))
        place[outside, :2] = middle + half * beyond
        outside = outside[np.abs(beyond).max(axis=1) <= 1.0]
    return place[:, 0], place[:, 1], place[:, 2]


def _draw_stations(scenario: Scenario, network: Network, rng: np.random.Generator) -> Stations:
    n = network.n_stations
    alive = np.ones(n, np.bool_)
    alive[rng.permutation(n)[: min(round(scenario.dead_share * n), n - 1)]] = False
    sigma = np.array([[scenario.station_term_p_s], [scenario.station_term_s_s]])
    waves = np.empty((3, N_WAVES))
    waves[:2] = rng.standard_normal((2, N_WAVES)) / scenario.model_error_length_km
    waves[2] = rng.uniform(0.0, 2.0 * np.pi, N_WAVES)
    delay = sigma * rng.standard_normal((2, n))
    return Stations(network.x_km, network.y_km, network.elevation_km, alive, delay, waves)


def _pick_settings(scenario: Scenario) -> PickSettings:
    return PickSettings(
        (float(scenario.error_p_s), float(scenario.error_s_s)),
        float(scenario.outlier_share),
        float(scenario.outlier_s),
        float(scenario.model_error),
        float(scenario.falloff),
        (float(scenario.detection), float(scenario.detection * scenario.s_detection)),
        float(scenario.swap_share),
        float(scenario.duplicate_share),
    )


def _draw_noise(
    scenario: Scenario, rate: Array, n_event_picks: int, end_s: float, rng: np.random.Generator
) -> tuple[npt.NDArray[Any], ...]:
    """(time, station, phase, probability, event) of noise picks up to ``end_s``; ``rate`` is relative, by station."""
    expected = scenario.noise_ratio * n_event_picks
    if scenario.noise_per_station_hour is not None:
        expected = scenario.noise_per_station_hour * np.count_nonzero(rate) * end_s / 3600.0
    n = int(rng.poisson(expected))
    time = rng.uniform(0.0, end_s, n)
    n_bursts = max(1, round(scenario.bursts_per_hour * end_s / 3600.0))
    start, size = rng.uniform(0.0, end_s, n_bursts), rng.exponential(size=n_bursts)
    in_burst = np.flatnonzero(rng.random(n) < scenario.burst_share)
    burst = rng.choice(n_bursts, len(in_burst), p=size / size.sum())
    time[in_burst] = start[burst] + rng.uniform(0.0, scenario.burst_s, len(in_burst))
    station = rng.choice(len(rate), n, p=rate / rate.sum()).astype(np.int32)
    phase = (rng.random(n) < scenario.noise_s_share).astype(np.int8)
    quality = 1.0 - rng.random(n, np.float32) ** (1 / PROBABILITY_POWER)
    probability = (PROBABILITY_MIN + (1.0 - PROBABILITY_MIN) * quality).astype(np.float32)
    return time, station, phase, probability, np.full(n, NOISE, np.int32)


@njit(cache=True, nogil=True)
def _draw_picks(
    times: TravelTimes,
    stations: Stations,
    settings: PickSettings,
    origin_s: Array,
    x_km: Array,
    y_km: Array,
    depth_km: Array,
    radius_km: Array,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[Any], ...]:
    """(time, station, phase, probability, event) of the picks of all events, in arrays that double when full."""
    n_stations = len(stations.x_km)
    room = 4 * n_stations  # an event can have so many: two phases, each picked twice
    capacity = 2 * room + 1024
    time, station = np.empty(capacity), np.empty(capacity, np.int32)
    phase, probability = np.empty(capacity, np.int8), np.empty(capacity, np.float32)
    event = np.empty(capacity, np.int32)
    n = 0
    for k in range(len(origin_s)):
        if n + room > capacity:
            capacity *= 2
            time, station, phase = _longer(time, capacity), _longer(station, capacity), _longer(phase, capacity)
            probability, event = _longer(probability, capacity), _longer(event, capacity)
        for s in range(n_stations):
            distance = epicentral_km(x_km[k], y_km[k], stations.x_km[s], stations.y_km[s])
            height = depth_km[k] + stations.elevation_km[s]
            beyond = (math.sqrt(distance * distance + height * height) - radius_km[k]) / (
                settings.falloff * radius_km[k] + 1e-6
            )
            if beyond > 12.0 or not stations.alive[s]:
                continue
            seen = 1.0 / (1.0 + math.exp(beyond))
            stretch = -1.0  # drawn at the first pick: P and S share their path
            for code in range(2):
                if rng.random() >= seen * settings.detection[code]:
                    continue
                if stretch < 0.0:
                    stretch = 1.0 + settings.model_error * _model_error(
                        stations.waves, 0.5 * (x_km[k] + stations.x_km[s]), 0.5 * (y_km[k] + stations.y_km[s])
                    )
                sigma = settings.outlier_s if rng.random() < settings.outlier_share else settings.error_s[code]
                travel, _, _ = travel_time(times, code, s, distance, depth_km[k])
                arrival = origin_s[k] + travel * stretch + stations.delay_s[code, s] + sigma * rng.standard_normal()
                label = 1 - code if rng.random() < settings.swap_share else code
                twice = rng.random() < settings.duplicate_share
                for again in range(2 if twice else 1):
                    late = 0.05 + 0.45 * rng.random() if again else 0.0
                    time[n], station[n], phase[n], event[n] = max(arrival + late, 0.0), s, label, k
                    probability[n] = PROBABILITY_MIN + (1.0 - PROBABILITY_MIN) * rng.random() ** (
                        1.0 / PROBABILITY_POWER
                    )
                    n += 1
    return time[:n].copy(), station[:n].copy(), phase[:n].copy(), probability[:n].copy(), event[:n].copy()


@njit(cache=True)
def _longer(array: npt.NDArray[Any], capacity: int) -> npt.NDArray[Any]:
    longer = np.empty(capacity, array.dtype)
    longer[: len(array)] = array
    return longer


@njit(cache=True)
def _model_error(waves: Array, x_km: float, y_km: float) -> float:
    """A random field of zero mean and unit variance: a sum of plane waves."""
    total = 0.0
    for w in range(waves.shape[1]):
        total += math.cos(waves[0, w] * x_km + waves[1, w] * y_km + waves[2, w])
    return float(total * math.sqrt(2.0 / waves.shape[1]))
