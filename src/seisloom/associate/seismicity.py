"""Where earthquakes are usual: the density of sources, learned from the events that are beyond doubt.

Earthquakes cluster: on faults and slabs, in swarms and quarries. A hypothesis among many events is likelier than one where
there are none by as much as the density of sources is higher there. That density is a mixture: a constant, and normal kernels
of several widths about every event (Silverman 1986, Density estimation for statistics and data analysis, section 5.3). The
shares of the mixture are those that make each event likeliest given all others (expectation maximisation).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.ndimage import gaussian_filter

from seisloom.associate.pick_model import PickModel

Array = npt.NDArray[np.float64]

NO_SEISMICITY = np.zeros((1, 1, 1))
"""The table of a model that knows nothing of places."""
WIDTHS = (0.35, 0.7, 1.4)
"""Of the kernels, over the distance of the nodes of the search."""
CLEAR = 40.0
"""Evidence of events that teach: weaker ones would bear themselves out."""
_FEWEST = 8  # such events
_MOST_CELLS = 250_000
_UNIFORM = 5.0  # events that the constant counts as besides
_PASSES = 30


def learn_seismicity(
    model: PickModel, places_km: Array, evidence: Array, corners_km: Sequence[Array], spacing_km: float
) -> PickModel:
    """The model with the density of the sources at ``places_km`` (event, 3), of which those with enough ``evidence`` (event,) count.

    ``corners_km`` are the lower and the upper (x, y, depth) of the region of the search, ``spacing_km`` the distance of its nodes.
    """
    low, high = corners_km
    places = places_km[evidence >= CLEAR]
    if len(places) < _FEWEST:
        return model._replace(seismicity=NO_SEISMICITY)
    size = np.maximum(high - low, 1e-3)
    side = max(WIDTHS[0] * spacing_km, float(np.cbrt(np.prod(np.maximum(size, spacing_km)) / _MOST_CELLS)))
    shape = np.maximum(np.ceil(size / side).astype(int), 1)
    cell = tuple(np.clip(((places - low) / size * shape).astype(int), 0, shape - 1).T)
    count = np.zeros(shape)
    np.add.at(count, cell, 1.0)
    widths = [width * spacing_km / (size / shape) for width in WIDTHS]
    kernels = [gaussian_filter(count, width) * (count.size / len(places)) for width in widths]
    own = [_peak(shape, width) * (count.size / len(places)) for width in widths]
    # Of every event by the others.
    others = [(kernel[cell] - peak).clip(0.0) for kernel, peak in zip(kernels, own, strict=True)]
    share = _shares(np.array([np.ones(len(places)), *others]) * len(places) / (len(places) - 1))
    density = share[0] + np.tensordot(share[1:], np.array(kernels), 1)
    return model._replace(seismicity=np.log(density), seismicity_km=np.array([low, size / shape]))


def _peak(shape: npt.NDArray[np.integer], width: Array) -> float:
    """Greatest value of a kernel whose sum is 1."""
    one = np.zeros(shape)
    middle = tuple(shape // 2)
    one[middle] = 1.0
    return float(gaussian_filter(one, width)[middle])


def _shares(density: Array) -> Array:
    """(component,): of a mixture, from the densities (component, event) of its components; the first is drawn to."""
    share = np.full(len(density), 1.0 / len(density))
    for _ in range(_PASSES):
        part = share[:, None] * density
        count = (part / part.sum(axis=0)).sum(axis=1)
        count[0] += _UNIFORM
        share = count / count.sum()
    return share


@njit(cache=True, nogil=True, error_model="numpy")
def usual_at(model: PickModel, x_km: float, y_km: float, depth_km: float) -> float:
    """Logarithm of the density of sources at a place over its mean."""
    table = model.seismicity
    if table.size == 1:
        return 0.0
    low, side = model.seismicity_km[0], model.seismicity_km[1]
    value = 0.0
    i, u = _between((x_km - low[0]) / side[0], table.shape[0])
    j, v = _between((y_km - low[1]) / side[1], table.shape[1])
    k, w = _between((depth_km - low[2]) / side[2], table.shape[2])
    for a in range(2):
        for b in range(2):
            for c in range(2):
                share = (u if a else 1.0 - u) * (v if b else 1.0 - v) * (w if c else 1.0 - w)
                if share > 0.0:
                    value += share * table[i + a, j + b, k + c]
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def _between(at: float, n: int) -> tuple[int, float]:
    """The cell before a place, and how far it lies towards the middle of the next."""
    inside = min(max(at - 0.5, 0.0), n - 1.0)
    first = min(int(inside), max(n - 2, 0))
    return first, inside - first
