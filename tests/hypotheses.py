"""What tests of association by likelihood share: a known model of picks, picks of planted events, the formula itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seisloom.associate.hypothesis import RADIUS, RADIUS_S, Box, Evidence
from seisloom.associate.network import Network
from seisloom.associate.pick_model import (
    FARTHEST,
    NO_SEISMICITY,
    WIDE,
    Channels,
    PickModel,
    detection_table,
    residual_density,
)
from seisloom.associate.plane import distances_km
from seisloom.traveltime import TravelTimes
from tests.association import VP, VS, ring_network, uniform_times

Array = npt.NDArray[np.float64]
NOISE = 1e-3
FALLOFF, OUTLIERS = 0.15, 0.05
RADIUS_KM = np.concatenate([[1.5], np.geomspace(15.0, 120.0, 11)])
BOX = Box(np.array([-60.0, -60.0, 0.0]), np.array([60.0, 60.0, 20.0]), np.array([6.0, 6.0, 6.0, 2.0]))


def known(n_stations: int = 12) -> tuple[Network, TravelTimes, PickModel]:
    """Stations on a spiral of 30 km radius in a uniform medium, and how picks behave there."""
    network = ring_network(n_stations)
    model = PickModel(
        network.x_km, network.y_km, -network.elevation_km, np.ones(n_stations), np.ones(n_stations), np.tile([0.9, 0.7], n_stations),
        np.zeros(2 * n_stations), np.array([0.1, 0.2]), 0.005, 0.0, residual_density(OUTLIERS), detection_table(FALLOFF),
        RADIUS_KM, np.full(len(RADIUS_KM), -math.log(len(RADIUS_KM))), NO_SEISMICITY, np.ones((2, 3)),
    )  # fmt: skip
    return network, uniform_times(network), model


def share_near(path_km: npt.ArrayLike, radius_km: float) -> Array:
    """Share of detection at distances, for a radius of detection."""
    v = np.asarray(path_km, float) / radius_km
    return np.where(v < FARTHEST, 1.0 / (1.0 + np.exp(np.minimum((v - 1.0) / FALLOFF, 99.0))), 0.0)


def paths_km(model: PickModel, event: Array) -> Array:
    """Straight lines from an event (x, y, depth, ...) to the stations."""
    across = distances_km(event[:1], event[1:2], model.x_km, model.y_km)[0]
    return np.hypot(across, event[2] - model.depth_km)


def travel_s(model: PickModel, event: Array) -> Array:
    """(channel,) in the uniform medium."""
    return np.column_stack([paths_km(model, event) / v for v in (VP, VS)]).ravel()


def arrivals_s(model: PickModel, event: Array) -> Array:
    """(channel,), delays included."""
    return event[3] + travel_s(model, event) + model.delay_s


def evidence(model: PickModel, time_s: npt.ArrayLike, channel: npt.ArrayLike, noise: float = NOISE) -> Evidence:
    """Picks in the order of channel and time, at one rate of noise, nothing explained."""
    time, of = np.asarray(time_s, float), np.asarray(channel, np.int64)
    order = np.lexsort((time, of))
    offsets = np.searchsorted(of[order], np.arange(len(model.detection) + 1)).astype(np.int64)
    picks = Channels(offsets, time[order], of[order], order)
    return Evidence(picks, np.full(len(time), noise), np.zeros(len(time)))


def planted(
    model: PickModel, events: Sequence[Array], rng: np.random.Generator, n_noise: int = 0, span_s: float = 200.0
) -> Evidence:
    """Picks of events, each with its errors and detected as the model says with radius 60 km, among noise."""
    time, channel = [rng.uniform(0, span_s, n_noise)], [rng.integers(0, len(model.detection), n_noise)]
    for event in events:
        near = np.repeat(share_near(paths_km(model, event), 60.0), 2)
        seen = np.flatnonzero(rng.random(len(near)) < near * model.detection)
        time.append(arrivals_s(model, event)[seen] + model.sigma_s[seen % 2] * rng.normal(size=len(seen)))
        channel.append(seen)
    rate = max(n_noise, 1) / span_s / len(model.detection)
    return evidence(model, np.concatenate(time), np.concatenate(channel), rate)


def hypothesis(x: float, y: float, depth: float, time: float, radius: int = 6) -> Array:
    """An event with one class of radius for P and S."""
    return np.array([x, y, depth, time, radius, 0.0, radius])


def formula(model: PickModel, data: Evidence, event: Array, phases: tuple[int, ...] = (0, 1)) -> tuple[float, float]:
    """Evidence of an event and its expected picks, from the definition, without tables (but for their end)."""
    total, own = 0.0, 0.0
    radius = RADIUS_KM[event[[RADIUS, RADIUS_S]].astype(int)]
    arrival, travel, path = arrivals_s(model, event), travel_s(model, event), np.repeat(paths_km(model, event), 2)
    for phase in phases:
        total += model.radius_prior[int(event[RADIUS_S if phase else RADIUS])]
    for c in range(len(model.detection)):
        if c % 2 not in phases:
            continue
        p = model.detection[c] * share_near(path[c], radius[c % 2])
        sigma = math.hypot(model.sigma_s[c % 2], model.model_error * travel[c])
        ratio = 0.0
        for other, share in ((c, 1.0 - model.wrong_label), (c ^ 1, model.wrong_label)):
            here = slice(data.picks.offsets[other], data.picks.offsets[other + 1])
            u = (data.picks.time_s[here] - arrival[c]) / sigma
            f = (1 - OUTLIERS) * np.exp(-(u**2) / 2) + OUTLIERS / WIDE * np.exp(-((u / WIDE) ** 2) / 2)
            end = np.clip(50 * (8.0 - abs(u)), 0.0, 1.0)  # the table goes to nothing within its last fiftieth
            density = f * end / math.sqrt(2 * math.pi) / sigma
            ratio += share * float(np.sum(density / (data.noise[here] + data.explained[here])))
        if p > 0.0:
            total += model.weight[c // 2] * math.log(1.0 - p + p * ratio)
            own += p * ratio / (1.0 - p + p * ratio)
    return total, own
