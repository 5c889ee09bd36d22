"""First arrivals in a layered Earth, exact by Fermat's principle.

In a layer of linear velocity the distance and time of a ray of slowness p have closed forms. The first arrival at
distance X is the earliest of: the direct ray; rays that turn in a gradient; and paths that meet an interface
horizontally and run along it (head waves, and what creeps along the top of a low-velocity layer), each with
T(X) = tau(p) + p X from the distance on at which its two ends meet. Rays are computed at slownesses close together;
between two of one branch T(X) is a cubic with the known slopes dT/dX = p.

References: Slawinski and Slawinski (1999), On raytracing in constant velocity-gradient media, Can. J. Expl.
Geophys. 35; Shearer (2009), Introduction to Seismology, 2nd ed., chapter 4; Červený and Ravindra (1971), Theory of
Seismic Head Waves.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from seisloom.errors import InputError
from seisloom.traveltime.model import EARTH_RADIUS_KM, Earth, Layers, VelocityModel, flat_depth

Array = npt.NDArray[np.float64]

# Rays are spaced evenly in u, where p = tanh(u)/v for direct rays and 1/(v cosh(u)) for turning ones. Times between them
# are then wrong by some microseconds within 300 km (uniform media and linear gradients, flat; 10 µs on a sphere).
_STEP = 0.05
_STEEPEST = 18.0
# From here on, the next ray after one that is so near to the flattest direct ray is that one.
_STEEP, _NEAR_KM = 3.0, 0.1
_FLATNESS = np.array([math.tanh(step * _STEP) for step in range(round(_STEEPEST / _STEP) + 2)])
"""Slowness of each direct ray over that of the flattest."""


def first_arrivals(
    model: VelocityModel,
    phase: int | str,
    source_depth_km: npt.ArrayLike,
    receiver_depth_km: npt.ArrayLike,
    distance_km: npt.ArrayLike,
    earth: Earth = "flat",
) -> Array:
    """Times (s) of the first P or S from sources to receivers.

    Depths (positive down from the datum, negative above it) and horizontal distances in km; the arrays broadcast
    against one another and give the shape of the result. On a sphere (radius 6371 km) distances are along the datum.
    S is S all the way: conversions are not among the arrivals.
    """
    arrays = [np.asarray(a, float) for a in (source_depth_km, receiver_depth_km, distance_km)]
    source, receiver, distance = np.broadcast_arrays(*arrays)
    shape = source.shape
    source, receiver, distance = source.ravel(), receiver.ravel(), distance.ravel()
    if not (np.isfinite(source).all() and np.isfinite(receiver).all() and np.isfinite(distance).all()):
        raise InputError("first_arrivals: depths and distances must be finite")
    if (distance < 0).any():
        raise InputError(f"first_arrivals: distance {distance.min():g} km is negative")
    times = np.empty(len(source))
    if len(source):
        order = np.lexsort((distance, receiver, source))
        layers = _reachable(model, phase, source, receiver, distance, earth)
        z_source, z_receiver = flat_depth(source[order], earth), flat_depth(receiver[order], earth)
        times[order] = _grouped_times(layers, z_source, z_receiver, distance[order])
    return times.reshape(shape)


def arrival_grid(
    model: VelocityModel,
    phase: int | str,
    receiver_depth_km: Array,
    source_depth_km: Array,
    distance_km: Array,
    earth: Earth = "flat",
) -> Array:
    """``first_arrivals`` at every combination, shape (receiver, source, distance); distances ascend."""
    layers = _reachable(model, phase, source_depth_km, receiver_depth_km, distance_km, earth)
    return _fans(layers, flat_depth(receiver_depth_km, earth), flat_depth(source_depth_km, earth), distance_km)


def _reachable(
    model: VelocityModel, phase: int | str, source_km: Array, receiver_km: Array, distance_km: Array, earth: Earth
) -> Layers:
    """The layers that rays between these depths over these distances can reach."""
    top = min(source_km.min(), receiver_km.min())
    bottom = max(source_km.max(), receiver_km.max())
    # On a sphere rays turn below the last knot too: a chord sags by X²/8R.
    sag = distance_km.max() ** 2 / (4.0 * EARTH_RADIUS_KM) if earth == "sphere" else 0.0
    return model.layers(phase, float(top), float(bottom + sag), earth)


@njit(cache=True, nogil=True, error_model="numpy")
def _fans(layers: Layers, receiver: Array, source: Array, distance: Array) -> Array:
    times = np.empty((len(receiver), len(source), len(distance)))
    for i in range(len(receiver)):
        for j in range(len(source)):
            times[i, j] = _fan(layers, source[j], receiver[i], distance)
    return times


@njit(cache=True, nogil=True, error_model="numpy")
def _grouped_times(layers: Layers, source: Array, receiver: Array, distance: Array) -> Array:
    """Times of rows sorted by source, receiver and distance: one fan of rays for each pair of depths."""
    times = np.empty(len(source))
    first = 0
    for k in range(1, len(source) + 1):
        if k == len(source) or source[k] != source[first] or receiver[k] != receiver[first]:
            times[first:k] = _fan(layers, source[first], receiver[first], distance[first:k])
            first = k
    return times


@njit(cache=True, nogil=True, error_model="numpy")
def _fan(layers: Layers, source: float, receiver: float, distance: Array) -> Array:
    """First arrivals (s) between two depths at ascending distances."""
    shallow, deep = min(source, receiver), max(source, receiver)
    between = _cut(layers, shallow, deep)
    times = np.full(len(distance), np.inf)
    vmax = 0.0
    if len(between.v_top):
        vmax = max(between.v_top.max(), between.v_bottom.max())
        _direct(between, vmax, distance, times)
    _legs(between, _cut(layers, deep, np.inf), vmax, distance, times)
    above = _cut(layers, -np.inf, shallow)
    mirrored = Layers(
        -above.bottom_km[::-1], -above.top_km[::-1], above.v_bottom[::-1].copy(), above.v_top[::-1].copy()
    )
    _legs(between, mirrored, vmax, distance, times)
    return times


@njit(cache=True, nogil=True, error_model="numpy")
def _cut(layers: Layers, top: float, bottom: float) -> Layers:
    """The layers from top to bottom; at the ends the outer layers are cut."""
    keep = (layers.bottom_km > top) & (layers.top_km < bottom)
    z1, z2 = layers.top_km[keep], layers.bottom_km[keep]
    v1, v2 = layers.v_top[keep], layers.v_bottom[keep]
    if len(z1) == 0 or top >= bottom:
        return Layers(z1[:0], z2[:0], v1[:0], v2[:0])
    if z1[0] < top:
        v1[0] += (v2[0] - v1[0]) * (top - z1[0]) / (z2[0] - z1[0])
        z1[0] = top
    if z2[-1] > bottom:
        v2[-1] += (v1[-1] - v2[-1]) * (z2[-1] - bottom) / (z2[-1] - z1[-1])
        z2[-1] = bottom
    return Layers(z1, z2, v1, v2)


@njit(cache=True, nogil=True, error_model="numpy")
def _through(layers: Layers, n: int, p: float) -> tuple[float, float]:
    """Distance (km) and time (s) of a ray of slowness p once through the first n layers.

    With cosines c = sqrt(1 - p²v²) at the two ends of a layer of thickness h and gradient k = (v2 - v1)/h,
    X = (c1 - c2)/(p k) and T = ln[v2 (1 + c1)/(v1 (1 + c2))]/k, written here without differences of near numbers.
    """
    distance = time = 0.0
    for i in range(n):
        v1, v2 = layers.v_top[i], layers.v_bottom[i]
        h = layers.bottom_km[i] - layers.top_km[i]
        c1, c2 = _cosine(p, v1), _cosine(p, v2)
        x = p * h * (v1 + v2) / (c1 + c2)
        distance += x
        if v1 == v2:
            time += h / (v1 * c1)
        else:
            k = (v2 - v1) / h
            faster, wider = k * h / v1, p * k * x / (1.0 + c2)
            time += math.log1p(faster + wider + faster * wider) / k
    return distance, time


@njit(cache=True, nogil=True, error_model="numpy")
def _cosine(p: float, v: float) -> float:
    return math.sqrt(max((1.0 - p * v) * (1.0 + p * v), 0.0))


@njit(cache=True, nogil=True, error_model="numpy")
def _direct(between: Layers, vmax: float, distance: Array, times: Array) -> None:
    """The direct ray, and beyond its reach the path along the fastest depth between the two ends."""
    n = len(between.v_top)
    x0, t0 = _through(between, n, 0.0)
    p0 = 0.0
    flattest, _ = _through(between, n, 1.0 / vmax)
    for step in range(1, len(_FLATNESS)):
        last = step * _STEP > (_STEEPEST if flattest - x0 > _NEAR_KM else _STEEP)
        p = 1.0 / vmax if last else _FLATNESS[step] / vmax
        x, t = _through(between, n, p)
        if not math.isfinite(x):
            break
        _fill(distance, times, x0, t0, p0, x, t, p)
        x0, t0, p0 = x, t, p
        if last or x > distance[-1]:
            break
    _along(distance, times, x0, t0, p0)


@njit(cache=True, nogil=True, error_model="numpy")
def _legs(between: Layers, side: Layers, vmax: float, distance: Array, times: Array) -> None:
    """Rays that turn, or run along an interface, in the layers on one side of both ends (given outwards).

    A depth can be reached so only where it is faster than all on the way to it.
    """
    n = len(between.v_top)
    x0 = t0 = 0.0
    known = False  # x0, t0 are of the ray that grazes the near side of the layer
    soonest = _through(between, n, 0.0)[1]
    for i in range(len(side.v_top)):
        if soonest > times[-1]:  # what comes back from here, straight out and in at best, is late everywhere
            return
        near, far = side.v_top[i], side.v_bottom[i]
        soonest += 2.0 * (side.bottom_km[i] - side.top_km[i]) / max(near, far)
        if near > vmax:
            vmax = near
            x0, t0 = _leg(between, n, side, i, 1.0 / vmax)
            _along(distance, times, x0, t0, 1.0 / vmax)
            known = True
        known = known and near == vmax
        if far <= vmax:
            known = False
            continue
        gradient = (far - near) / (side.bottom_km[i] - side.top_km[i])
        p0 = 1.0 / vmax
        if not known:
            x0, t0 = _turning(between, n, side, i, gradient, p0)
        opening = math.acosh(far / vmax)
        steps = max(math.ceil(opening / _STEP), 2)
        for step in range(1, steps + 1):
            p = 1.0 / far if step == steps else 1.0 / (vmax * math.cosh(opening * step / steps))
            x, t = _turning(between, n, side, i, gradient, p)
            _fill(distance, times, x0, t0, p0, x, t, p)
            x0, t0, p0 = x, t, p
        vmax = far
        known = True
        _along(distance, times, x0, t0, p0)


@njit(cache=True, nogil=True, error_model="numpy")
def _leg(between: Layers, n: int, side: Layers, i: int, p: float) -> tuple[float, float]:
    """Distance and time through the layers between the ends once and through the first i beyond them twice."""
    x, t = _through(between, n, p)
    x_side, t_side = _through(side, i, p)
    return x + 2.0 * x_side, t + 2.0 * t_side


@njit(cache=True, nogil=True, error_model="numpy")
def _turning(between: Layers, n: int, side: Layers, i: int, gradient: float, p: float) -> tuple[float, float]:
    """Distance and time of the ray that turns in layer i beyond the ends, whose velocity grows by ``gradient``."""
    x, t = _leg(between, n, side, i, p)
    v = side.v_top[i]
    c = _cosine(p, v)
    return x + 2.0 * c / (gradient * p), t + 2.0 * math.log((1.0 + c) / (p * v)) / gradient


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(distance: Array, times: Array, x0: float, t0: float, p0: float, x1: float, t1: float, p1: float) -> None:
    """Lower the times between two rays of a branch to the cubic with their times and slopes."""
    if not (math.isfinite(x0) and math.isfinite(x1)) or x0 == x1:
        return
    h = x1 - x0
    first = np.searchsorted(distance, min(x0, x1))
    for j in range(first, len(distance)):
        if distance[j] > max(x0, x1):
            break
        s = (distance[j] - x0) / h
        r = 1.0 - s
        t = r * r * ((1.0 + 2.0 * s) * t0 + s * h * p0) + s * s * ((1.0 + 2.0 * r) * t1 - r * h * p1)
        times[j] = min(times[j], t)


@njit(cache=True, nogil=True, error_model="numpy")
def _along(distance: Array, times: Array, x: float, t: float, p: float) -> None:
    """Lower the times from distance x on to those of a path that runs on along its deepest depth."""
    if not math.isfinite(x):
        return
    for j in range(np.searchsorted(distance, x), len(distance)):
        times[j] = min(times[j], t + p * (distance[j] - x))
