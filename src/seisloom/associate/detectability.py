"""Who picks an event: the detection of channels, its fall-off with distance, and the radii of events.

The likelihood of what a channel shows of an event, 1 - p + p Q (see ``hypothesis``), is summed over the radii that the event
may have.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.associate.observations import Observations, of_events
from seisloom.associate.pick_model import PickModel, detection_table, nearness_at

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FALLOFFS = (
    *((width, False) for width in (0.05, 0.08, 0.12, 0.18, 0.27, 0.4, 0.6, 0.9)),
    *((width, True) for width in (0.12, 0.18, 0.24, 0.32, 0.42, 0.56)),
)
"""Widths of the fall-off that are tried, with distance and with its logarithm."""
_SAMPLE = 1000  # events that they are tried on
_PASSES = 4
_USUAL = 0.7
_SURE = 5.0  # events that the share of the network counts as for a channel
_DETECTION = (0.02, 0.98)
_CHANGES = np.exp(np.linspace(-0.4, 0.4, 21))
"""Of the sensitivity of a station, that are tried at once."""
_USUAL_SPREAD = 0.4  # of the logarithm of sensitivities
_SMALL, _LARGE = 1e-100, 1e100  # between them there is room for one more factor
_RADII = (0.5, 1.4)  # radii that an event may have, over the one that it was found with


def learn_detection(model: PickModel, seen: Observations, ratio: Array) -> tuple[PickModel, tuple[float, bool]]:
    """Detection by channel and radii; the fall-off: its width, and whether it is with the logarithm of distance; ``ratio`` (cell,) is Q of every channel."""
    order, seen = _by_phase(seen)
    ratio = ratio[order]
    step = -(-len(seen.radius) // _SAMPLE)
    sample = np.arange(len(seen.radius)) % step == 0
    few, few_ratio = of_events(seen, sample), ratio[sample[seen.event]]
    tried = [model._replace(nearness=detection_table(*one)) for one in FALLOFFS]
    best = int(np.argmax([_fit_of(one, few, few_ratio) for one in tried]))
    model = tried[best]
    for _ in range(_PASSES):
        _, hits, trials, radii = _expect(model, seen, ratio)
        model = model._replace(detection=_drawn(model.detection, hits, trials), radius_prior=_smooth(radii))
        model, seen = _learn_sensitivity(model, seen, ratio)
    return model, FALLOFFS[best]


def _learn_sensitivity(model: PickModel, seen: Observations, ratio: Array) -> tuple[PickModel, Observations]:
    """Radii of detection by station, and the observations with distances over them."""
    value = _by_change(
        model, seen.channel, seen.distance_km / model.radius_km[seen.radius[seen.event]], ratio, _CHANGES,
        np.zeros((len(model.x_km), len(_CHANGES))),
    )  # fmt: skip
    now = np.log(model.sensitivity)
    value -= 0.5 * ((now[:, None] + np.log(_CHANGES)) / _USUAL_SPREAD) ** 2
    new = now + np.log(_CHANGES)[np.argmax(value, axis=1)]
    known = np.bincount(seen.channel // 2, minlength=len(now)) > 0
    new = np.where(known, new - new[known].mean(), 0.0)
    change = np.exp(new - now)
    distance = seen.distance_km / change[seen.channel // 2]
    return model._replace(sensitivity=np.exp(new)), seen._replace(distance_km=distance)


@njit(cache=True, nogil=True, error_model="numpy")
def _by_change(model: PickModel, channel: Integers, far: Array, ratio: Array, change: Array, value: Array) -> Array:
    """Log-likelihood of the cells of every station (added to ``value``) if its radius of detection changes."""
    for c in range(len(channel)):
        for k in range(len(change)):
            p = model.detection[channel[c]] * nearness_at(model, far[c] / change[k])
            value[channel[c] // 2, k] += math.log(1.0 - p + p * ratio[c])
    return value


def _by_phase(seen: Observations) -> tuple[Integers, Observations]:
    """P and S of an event as two events, each with a radius of its own; and the order that cells come in."""
    event = 2 * seen.event + seen.channel % 2
    order = np.argsort(event, kind="stable")
    cells = {name: getattr(seen, name)[order] for name in ("channel", "distance_km", "travel_s", "slope")}
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    evidence = np.repeat(seen.evidence, 2)
    return order, seen._replace(
        radius=seen.radius.ravel(), evidence=evidence, event=event[order], cell=place[seen.cell], **cells
    )


def _fit_of(model: PickModel, seen: Observations, ratio: Array) -> float:
    """Log-likelihood, when all channels' detection rises or falls with it alike."""
    value = -np.inf
    for _ in range(_PASSES):
        value, hits, trials, radii = _expect(model, seen, ratio)
        change = [hits[k::2].sum() / max(np.sum(model.detection[k::2] * trials[k::2]), 1e-9) for k in (0, 1)]
        detection = np.clip(model.detection * np.resize(change, len(hits)), 0.0, _DETECTION[1])
        model = model._replace(detection=detection, radius_prior=_smooth(radii))
    return value


def _drawn(present: Array, hits: Array, trials: Array) -> Array:
    """Hits over trials, drawn to the network's share as if by five more trials; channels left out stay so."""
    found = present.copy()
    for phase in (0, 1):
        usual = (hits[phase::2].sum() + _SURE * _USUAL) / (trials[phase::2].sum() + _SURE)
        share = (hits[phase::2] + _SURE * usual) / (trials[phase::2] + _SURE)
        found[phase::2] = np.where(present[phase::2] > 0.0, np.clip(share, *_DETECTION), 0.0)
    return found


def _smooth(count: Array) -> Array:
    """Logarithm of the shares of the classes of radius."""
    padded = np.concatenate([count[:1], count, count[-1:]]) + 0.5
    smooth = np.convolve(padded, [0.25, 0.5, 0.25], "valid")
    return np.log(smooth / smooth.sum())


def _expect(model: PickModel, seen: Observations, ratio: Array) -> tuple[float, Array, Array, Array]:
    """Log-likelihood, and what is expected: picks and trials of every channel, events of every class of radius."""
    n = len(model.detection)
    hits, trials, radii = np.zeros(n), np.zeros(n), np.zeros(len(model.radius_km))
    first = np.searchsorted(seen.event, np.arange(len(seen.radius) + 1))
    value = _expectations(model, first, seen.channel, seen.distance_km, ratio, seen.radius, hits, trials, radii)
    return value, hits, trials, radii


@njit(cache=True, nogil=True, error_model="numpy")
def _expectations(
    model: PickModel,
    first: Integers,
    channel: Integers,
    distance: Array,
    ratio: Array,
    radius: Integers,
    hits: Array,
    trials: Array,
    radii: Array,
) -> float:
    """Log-likelihood of all events; adds up expected detections and trials by channel, and events by radius."""
    total = 0.0
    radius_km, detection, radius_prior = model.radius_km, model.detection, model.radius_prior
    value = np.empty(len(radius_km))
    near = np.empty((len(radius_km), np.max(np.diff(first))))
    for e in range(len(first) - 1):
        for k in range(len(radius_km)):
            value[k] = -np.inf
            if not _RADII[0] <= radius_km[k] / radius_km[radius[e]] <= _RADII[1]:
                continue
            value[k], product = radius_prior[k], 1.0
            for c in range(first[e], first[e + 1]):
                near[k, c - first[e]] = nearness_at(model, distance[c] / radius_km[k])
                p = detection[channel[c]] * near[k, c - first[e]]
                product *= 1.0 - p + p * ratio[c]  # one logarithm for many channels
                if not _SMALL < product < _LARGE:
                    value[k] += math.log(product)
                    product = 1.0
            value[k] += math.log(product)
        most = value.max()
        scale = 0.0
        for k in range(len(radius_km)):
            scale += math.exp(value[k] - most)
        total += most + math.log(scale)
        for k in range(len(radius_km)):
            share = math.exp(value[k] - most) / scale
            if share < 1e-3:
                continue
            radii[k] += share
            for c in range(first[e], first[e + 1]):
                q, there = detection[channel[c]], near[k, c - first[e]]
                p = q * there
                hit = p * ratio[c] / (1.0 - p + p * ratio[c])
                hits[channel[c]] += share * hit
                trials[channel[c]] += share * (hit + (1.0 - hit) * there * (1.0 - q) / (1.0 - p))
    return total
