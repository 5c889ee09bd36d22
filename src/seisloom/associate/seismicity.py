"""Where earthquakes are usual: the density of sources, learned from the events that are beyond doubt.

Earthquakes cluster: on faults and slabs, in swarms and quarries. A hypothesis among many events is likelier than one where
there are none, by as much as the density of sources is higher there. That density is a mixture of a constant and of normal
kernels of several widths about every event (Silverman 1986, Density estimation for statistics and data analysis, section
2.4). The shares of the mixture are those that make each event likeliest given all others (expectation maximisation with one
left out: Duin 1976, IEEE Trans. Comput. C-25, 1175-1179).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from seisloom.associate.hypothesis import EVIDENCE, TIME, Box
from seisloom.associate.learn import Known
from seisloom.associate.pick_model import NO_SEISMICITY, PickModel

Array = npt.NDArray[np.float64]

WIDTHS = (0.35, 0.7, 1.4)
"""Standard deviations of the kernels, over the distance of the nodes of the search."""
CLEAR = 40.0
"""Evidence of events that teach: weaker ones would bear themselves out."""
_FEWEST = 8  # such events
_MOST_CELLS = 250_000
_UNIFORM = 5.0  # events of the constant that are counted besides, so that no place is out of the question
_PASSES = 30
_CUT_OFF = 4.0  # standard deviations to which kernels reach: beyond, the table is the same all over, and packs well


def learn_seismicity(
    model: PickModel, known: Known, events: Array, box: Box, spacing_km: float
) -> tuple[PickModel, Known]:
    """The model with the density of sources that the clear ones of ``events`` (event, 7) show, and the number of these.

    The table covers ``box``, at the nodes of which, ``spacing_km`` apart, sources are looked for; its mean density is 1.
    Nothing is said of places by less than 8 events.
    """
    places = events[events[:, EVIDENCE] >= CLEAR, :TIME]
    n = len(places)
    if n < _FEWEST:
        return model._replace(seismicity=NO_SEISMICITY), replace(known, clear_events=0)
    size = box.high - box.low
    least = max(WIDTHS[0] * spacing_km, float(np.cbrt(np.prod(np.maximum(size, spacing_km)) / _MOST_CELLS)))
    shape = np.ceil(size / least).astype(int)
    side = size / shape
    count = np.zeros(shape)
    np.add.at(count, tuple(np.clip(((places - box.low) / side).astype(int), 0, shape - 1).T), 1.0)
    cell = np.nonzero(count)  # in one order, whatever the order of the events
    to_mean = count.size / n
    kernels, others = [], []
    for width in WIDTHS:
        spreads = [_spread(*axis) for axis in zip(shape, width * spacing_km / side, strict=True)]
        kernel = np.einsum("ai,bj,ck,ijk->abc", *spreads, count, optimize=True) * to_mean
        of_itself = np.prod([one.diagonal()[at] for one, at in zip(spreads, cell, strict=True)], axis=0) * to_mean
        kernels.append(kernel)
        others.append(np.maximum(kernel[cell] - of_itself, 0.0) * n / (n - 1))
    share = _shares(np.array([np.ones(len(cell[0])), *others]), count[cell])
    density = share[0] + sum(part * kernel for part, kernel in zip(share[1:], kernels, strict=True))
    table = model._replace(seismicity=np.log(density), seismicity_km=np.array([box.low, side]))
    return table, replace(known, clear_events=n)


def _spread(n: int, sigma: float) -> Array:
    """(cell, cell) of an axis: what normal kernels about each cell (second) leave in each (first), folded back at the edges."""
    far = int(_CUT_OFF * sigma + 0.5)
    step = np.arange(-far, far + 1)
    weight = np.exp(-0.5 * (step / sigma) ** 2)
    at = (np.arange(n)[:, None] + step) % (2 * n)
    spread = np.zeros((n, n))
    np.add.at(spread, (np.minimum(at, 2 * n - 1 - at), np.arange(n)[:, None]), weight / weight.sum())
    return spread


def _shares(density: Array, count: Array) -> Array:
    """(component,): of a mixture, from the densities (component, cell) of its components and the events (cell,) there."""
    share = np.full(len(density), 1.0 / len(density))
    for _ in range(_PASSES):
        part = share[:, None] * density
        own = (part / part.sum(axis=0) * count).sum(axis=1)
        own[0] += _UNIFORM
        share = own / own.sum()
    return share
