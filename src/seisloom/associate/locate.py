"""Hypocentres and origin times of groups of picks, robust against wrong picks, with uncertainties."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.associate import uncertainty
from seisloom.associate.clusters import Clusters
from seisloom.associate.locate_kernels import Errors, locate_range
from seisloom.associate.locate_search import Search, node_times
from seisloom.associate.network import Network
from seisloom.associate.plane import paths
from seisloom.errors import InputError
from seisloom.picks import PickArrays
from seisloom.traveltime import TravelTimes

Array = npt.NDArray[np.float64]

_NODE_SPACING_KM, _MAX_NODES = 6.0, 3000


@dataclass(frozen=True)
class Located:
    """Hypocentres of clusters, and what each pick says of its own.

    Arrays over events, in the order of the clusters; members are in the order of ``Clusters.members``. An event
    without picks is NaN.
    """

    x_km: Array
    y_km: Array
    depth_km: Array
    time_s: Array
    """(event,): origin time, s since the reference of the picks."""
    rms_s: Array
    """(event,): root of the weighted mean squared residual."""
    covariance: Array
    """(event, 4, 4): of x, y, depth (km) and origin time (s)."""
    freedom: Array
    """(event,): degrees of freedom of the covariance."""
    gap_deg: Array
    """(event,): azimuthal gap between stations whose picks count."""
    nearest_station_km: Array
    """(event,): distance from the epicentre to the nearest station whose pick counts."""
    n_p: npt.NDArray[np.int64]
    n_s: npt.NDArray[np.int64]
    n_stations: npt.NDArray[np.int64]
    flags: npt.NDArray[np.int64]
    """(event,): bits, see ``uncertainty.FLAGS``."""
    residual_s: Array
    """(member,): observed minus predicted time."""
    weight: Array
    """(member,): 1 for a pick that fits, 0 for one that is left out."""
    distance_km: Array
    """(member,): horizontal."""
    azimuth_deg: Array
    """(member,): at the epicentre towards the station, clockwise from north in [0, 360)."""
    support: Array | None = None
    """(event,), from ``refine``: picks over those expected of the stations within the radius of detection."""
    evidence: Array | None = None
    """(event,), from ``refine``: logarithm of the likelihood ratio against chance."""

    @property
    def hypocentres(self) -> Array:
        """(event, 4): x, y, depth (km), origin time (s): a start for ``locate``."""
        return np.column_stack([self.x_km, self.y_km, self.depth_km, self.time_s])


def locate(
    picks: PickArrays,
    clusters: Clusters,
    network: Network,
    times: TravelTimes,
    *,
    sigma_s: tuple[float, float] | Array = (0.1, 0.2),
    model_error: float = 0.0,
    margin_km: float = 20.0,
    start: Array | None = None,
    n_threads: int = 1,
) -> Located:
    """Locate every cluster.

    Each search begins on a grid over the region and halves its best cells to under two kilometres, scoring by truncated
    least squares, so that wrong picks do not trap it; Levenberg-Marquardt with biweights finishes, its scale taken
    from the residuals. Depth stays within the region's; the epicentre may leave it by ``margin_km``.

    ``sigma_s`` are standard errors of P and S picks, or one for every pick (pick,); ``model_error`` adds that fraction
    of the travel time. ``start`` (event, 4), as ``Located.hypocentres``, replaces the search where it is not NaN.
    """
    errors = Errors(_sigmas(picks, sigma_s), float(model_error))
    n = len(clusters.offsets) - 1
    state = np.full((n, 4), np.nan) if start is None else np.array(start, float).reshape(n, 4)
    search = _search(network, times, margin_km, grid=bool(np.isnan(state[:, 0]).any()))
    state[:, :3] = np.clip(state[:, :3], search.low, search.high)
    matrix, converged = np.zeros((n, 4, 4)), np.zeros(n, bool)
    detail = np.empty((len(clusters.members), 3))

    def part(first: int, last: int) -> None:
        locate_range(
            times, network.x_km, network.y_km, search, picks.time_s, picks.station, picks.phase, errors,
            clusters.offsets, clusters.members, first, last, state, matrix, converged, detail,
        )  # fmt: skip

    bounds = np.unique(np.linspace(0, n, 8 * n_threads + 1).astype(int))
    if n_threads == 1:
        part(0, n)
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(part, bounds[:-1], bounds[1:]))
    return _describe(picks, clusters, network, search, state, matrix, converged, detail)


def _sigmas(picks: PickArrays, sigma_s: tuple[float, float] | Array) -> Array:
    """Standard error of every pick."""
    given = np.asarray(sigma_s, float)
    if isinstance(sigma_s, tuple):
        given = given[picks.phase]
    if given.shape != picks.time_s.shape:
        raise InputError(
            f"sigma_s has shape {given.shape}; give (P, S) or one value for each of {len(picks.time_s)} picks"
        )
    if not (np.isfinite(given).all() and (given > 0).all()):
        raise InputError("sigma_s: pick errors must be positive numbers of seconds")
    return given


def _search(network: Network, times: TravelTimes, margin_km: float, grid: bool) -> Search:
    """Nodes over the region and its margin, at most 3000; none where no search is needed."""
    x_min, x_max, y_min, y_max = network.box_km
    region = network.region
    low = np.array([x_min - margin_km, y_min - margin_km, region.z_min])
    high = np.array([x_max + margin_km, y_max + margin_km, region.z_max])
    width = high - low
    n_z = int(np.clip(round(width[2] / 8.0), 1, 6))
    spacing = max(_NODE_SPACING_KM, float(np.sqrt(width[0] * width[1] * n_z / _MAX_NODES)))
    shape = np.maximum(np.ceil(width / [spacing, spacing, width[2] / n_z] - 1e-9).astype(int), 1)
    step = width / shape
    index = np.indices(shape[::-1]).reshape(3, -1)[::-1].T  # x fastest, back and forth: neighbours follow one another
    index[:, 0] = np.where(index[:, 1] % 2, shape[0] - 1 - index[:, 0], index[:, 0])
    nodes = low + (index + 0.5) * step if grid else np.empty((0, 3))
    node_time = np.empty((len(nodes), 2 * network.n_stations), np.float32)
    node_times(times, network.x_km, network.y_km, nodes, node_time)
    return Search(nodes, node_time, step, low, high, int(np.ceil(np.log2(spacing / 1.6))))


def _describe(
    picks: PickArrays,
    clusters: Clusters,
    network: Network,
    search: Search,
    state: Array,
    matrix: Array,
    converged: npt.NDArray[np.bool_],
    detail: Array,
) -> Located:
    """What follows from the hypocentres and residuals, for all events at once."""
    n = len(state)
    event = np.repeat(np.arange(n), clusters.sizes)
    residual, sigma, weight = detail.T
    station, phase = picks.station[clusters.members], picks.phase[clusters.members]
    x, y, z, t0 = state.T
    distance, azimuth = paths(x[event], y[event], network.x_km[station], network.y_km[station])
    azimuth = (azimuth + network.north_deg(x, y)[event]) % 360.0

    def total(values: Array) -> Array:
        return np.bincount(event, values, n).astype(float)

    used = weight > 0
    gap = uncertainty.azimuthal_gap(azimuth[used], event[used], n)
    nearest = np.full(n, np.inf)
    np.minimum.at(nearest, event[used], distance[used])
    weight_sum = total(weight)
    covariance, freedom = uncertainty.covariance(
        matrix, weight_sum, total(weight * (residual / sigma) ** 2), search.high - search.low
    )
    n_p = np.bincount(event[phase == 0], minlength=n)
    flags = _flags(network, state, gap, np.bincount(event[used], minlength=n), converged)
    pairs = np.unique(event * network.n_stations + station)
    with np.errstate(invalid="ignore", divide="ignore"):
        rms = np.sqrt(total(weight * residual**2) / weight_sum)
    return Located(
        x, y, z, t0, rms, covariance, freedom, gap, nearest, n_p, clusters.sizes - n_p,
        np.bincount(pairs // network.n_stations, minlength=n), flags, residual, weight, distance, azimuth,
    )  # fmt: skip


def _flags(
    network: Network, state: Array, gap: Array, n_used: npt.NDArray[np.int64], converged: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """The bits of ``uncertainty.FLAGS``."""
    x_min, x_max, y_min, y_max = network.box_km
    x, y, z, _ = state.T
    edge = 0.01
    outside = (x < x_min) | (x > x_max) | (y < y_min) | (y > y_max)
    flags = np.where(
        (z <= network.region.z_min + edge) | (z >= network.region.z_max - edge), uncertainty.DEPTH_AT_LIMIT, 0
    )
    flags |= np.where(gap > 180.0, uncertainty.OUTSIDE_NETWORK, 0)
    flags |= np.where(outside, uncertainty.OUTSIDE_REGION, 0)
    flags |= np.where(n_used < 4, uncertainty.TOO_FEW_PICKS, 0)
    flags |= np.where(converged, 0, uncertainty.NOT_CONVERGED)
    return flags


def to_catalog(
    located: Located,
    clusters: Clusters,
    picks: PickArrays,
    network: Network,
    pick_index: npt.NDArray[np.int64],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The catalogue's tables: events (event_id from 1 in order of time), and the picks assigned to them.

    ``pick_index`` (row,) is that column of the pick table, to which ``picks.row`` refers. Events without picks are
    left out.
    """
    order = np.argsort(located.time_s, kind="stable")
    order = order[np.isfinite(located.time_s[order])]
    event_id = np.zeros(len(located.time_s), np.int64)
    event_id[order] = np.arange(1, len(order) + 1)
    events = _event_table(located, clusters, picks, network)
    events.insert(0, "event_id", event_id)
    member_event = np.repeat(event_id, clusters.sizes)
    assignments = pd.DataFrame(
        {
            "pick_index": np.asarray(pick_index, np.int64)[picks.row[clusters.members]],
            "event_id": member_event,
            "residual_s": located.residual_s,
            "distance_km": located.distance_km,
            "azimuth_deg": located.azimuth_deg,
            "weight": located.weight,
        }
    )
    assignments = assignments.iloc[np.lexsort((picks.time_s[clusters.members], member_event))]
    return events.iloc[order].reset_index(drop=True), assignments.reset_index(drop=True)


def _event_table(located: Located, clusters: Clusters, picks: PickArrays, network: Network) -> pd.DataFrame:
    """Events in the order of the clusters."""
    latitude, longitude = network.geographic(located.x_km, located.y_km)
    major, minor, azimuth = uncertainty.ellipse(located.covariance, located.freedom)
    azimuth = (azimuth + network.north_deg(located.x_km, located.y_km)) % 180.0
    depth_error, time_error = (np.sqrt(located.covariance[:, k, k]) for k in (2, 3))
    since = pd.to_timedelta(np.round(located.time_s * 1e9), unit="ns")
    ratio = located.nearest_station_km / np.maximum(located.depth_km, 5.0)
    letters = uncertainty.quality(
        located.rms_s, located.gap_deg, clusters.sizes, major, depth_error, ratio, located.flags
    )
    names = [
        "; ".join(name for bit, name in enumerate(uncertainty.FLAGS) if value >> bit & 1) for value in located.flags
    ]
    return pd.DataFrame(
        {
            "time": pd.Timestamp(picks.reference_ns, tz="UTC") + since,
            "latitude": latitude,
            "longitude": longitude,
            "depth_km": located.depth_km,
            "n_picks": clusters.sizes,
            "n_p": located.n_p,
            "n_s": located.n_s,
            "n_stations": located.n_stations,
            "rms_s": located.rms_s,
            "gap_deg": located.gap_deg,
            "nearest_station_km": located.nearest_station_km,
            "time_uncertainty_s": time_error,
            "horizontal_uncertainty_km": major,
            "ellipse_minor_km": minor,
            "ellipse_azimuth_deg": azimuth,
            "depth_uncertainty_km": depth_error,
            "quality": letters,
            "flags": names,
        }
    )
