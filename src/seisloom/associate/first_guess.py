"""What is taken for true of picks and stations before any event is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seisloom.associate.hypothesis import Box
from seisloom.associate.learn import Known
from seisloom.associate.network import Network
from seisloom.associate.overview import Overview
from seisloom.associate.pick_model import NO_SEISMICITY, PickModel, detection_table, residual_density
from seisloom.associate.plane import distances_km

Array = npt.NDArray[np.float64]

SIGMA_S = (0.15, 0.27)
_MODEL_ERROR = 0.01
_DETECTION = (0.8, 0.7)
_WRONG_LABEL = 0.02
_RADIUS_STEP = 1.15
_NOWHERE = 0.1  # of the least radius: that of a phase which an event is not picked by
_TWIN_KM = 0.1
_NEIGHBOURS = 4  # the distance to so many of them tells how dense stations are
_P_KM_S = 6.2  # about the sources
_COARSEST = 0.7  # distance of nodes over that of the fourth neighbour
_CROWDING = 0.07  # picks of a channel within the error that nodes make, at most
_FINEST_S = 0.15
_MOST_NODES = 6000  # where the crowd of picks asks for more
_MOST_CELLS = 24_000_000  # nodes times channels
_MOST_ALONG = 40  # nodes along the longer side, where stations stand close together in a wide region


def first_model(seen: npt.NDArray[np.bool_], network: Network) -> tuple[PickModel, Known]:
    """The model that learning begins with; channels without picks, that is not ``seen`` (channel,), are left out.

    Radii of detection go from what takes in four stations to half as much again as the network's aperture.
    """
    known = Known()
    far = distances_km(network.x_km, network.y_km, network.x_km, network.y_km)
    live = np.flatnonzero(seen.reshape(-1, 2).any(axis=1))
    apart = far[np.ix_(live, live)]
    least = max(0.8 * _neighbour_km(apart), 1.0)
    most = max(float(np.hypot(1.5 * apart.max(), network.region.z_max)), 2.0 * least)
    radius = np.geomspace(least, most, int(np.ceil(np.log(most / least) / np.log(_RADIUS_STEP))) + 1)
    radius = np.concatenate([[_NOWHERE * least], radius])
    depth = -network.elevation_km
    model = PickModel(
        network.x_km, network.y_km, depth, twin_weights(far, depth), np.ones(network.n_stations),
        np.where(seen, np.tile(_DETECTION, network.n_stations), 0.0), np.zeros(len(seen)), np.array(SIGMA_S),
        _MODEL_ERROR, _WRONG_LABEL, residual_density(known.outlier_share), detection_table(known.falloff), radius,
        np.full(len(radius), -np.log(len(radius))), NO_SEISMICITY, np.ones((2, 3)),
    )  # fmt: skip
    return model, known


def twin_weights(far: Array, depth_km: Array) -> Array:
    """1 for a station by itself; stations within 100 m of one another share their noise, and one vote."""
    return 1.0 / np.count_nonzero(np.hypot(far, depth_km[:, None] - depth_km) < _TWIN_KM, axis=1)


def search_box(network: Network, margin: float) -> Box:
    """The region, and around it ``margin`` of its longer side."""
    x0, x1, y0, y1 = network.box_km
    wider = margin * max(x1 - x0, y1 - y0)
    low = np.array([x0 - wider, y0 - wider, network.region.z_min])
    return Box(low, np.array([x1 + wider, y1 + wider, network.region.z_max]), np.ones(4))


def spacing_km(found: Overview, network: Network, box: Box) -> float:
    """Distance of the nodes of the search.

    Small enough for the stations, and so that the error that it makes of arrival times holds few other picks; not so
    small that the errors of the picks are as large, or that time or memory is short.
    """
    live = np.unique(np.flatnonzero(found.seen) // 2)
    x, y = network.x_km[live], network.y_km[live]
    crowded = _CROWDING * float(np.clip(len(live) / 30, 0.4, 1.0)) / found.rate
    volume = float(np.prod(np.maximum(box.high - box.low, 1.0))) / 1.5
    wanted = max(crowded, _FINEST_S) * _P_KM_S / (0.29 * np.hypot(1.0, 0.9))
    width = box.high - box.low
    coarsest = _COARSEST * _neighbour_km(distances_km(x, y, x, y))
    wanted = max(wanted, min(float(np.cbrt(volume / _MOST_NODES)), coarsest))
    least = max(float(np.cbrt(2 * len(live) * volume / _MOST_CELLS)), float(width.max()) / _MOST_ALONG)
    return max(min(wanted, coarsest), least)


def _neighbour_km(far: Array) -> float:
    """Median distance to the fourth neighbour, or the last of fewer; 1 km at least."""
    rank = min(_NEIGHBOURS, len(far) - 1)
    return max(float(np.median(np.sort(far, axis=1)[:, rank])), 1.0)
