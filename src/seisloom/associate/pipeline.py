"""From picks to a located catalogue: windows, links, clusters, events, and what became of every pick."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seisloom.associate.backproject import BackprojectSettings, backproject
from seisloom.associate.clusters import Clusters, join
from seisloom.associate.dataset import WindowSettings
from seisloom.associate.link import LINK_MIN, Links, grow_clusters, partition_links, resolve_duplicates
from seisloom.associate.link_store import LinkStore
from seisloom.associate.locate import Located
from seisloom.associate.models import StackedGRU
from seisloom.associate.network import Network
from seisloom.associate.predict import link_probabilities
from seisloom.associate.preview import Preview, Wanted, watched
from seisloom.associate.refine import RefineSettings, refine
from seisloom.associate.windows import Limits
from seisloom.picks import PickArrays
from seisloom.traveltime import TravelTimes, of_stations

Progress = Callable[[str, int, int], None]
"""Told the stage, what of it is done, and all of it."""


@dataclass(frozen=True)
class AssociationSettings:
    """How links become events."""

    windows: WindowSettings = field(default_factory=WindowSettings)
    """As the network was trained with."""
    link_probability: float = LINK_MIN
    """Least probability of a link."""
    n_min_nucl: int = 6
    """Picks of a root and its links that make a cluster, or enlarge one."""
    n_min_merge: int | None = None
    """Picks that they share with the cluster that they enlarge, by the published rule. None: clusters are a partition
    of the picks by all links, weak ones too, which holds events apart that overlap in time."""
    backproject: BackprojectSettings | None = None
    """Clusters cleaned at the nodes of a grid are tried, too (None: leave it out)."""
    refine: RefineSettings = field(default_factory=RefineSettings)


class Association(NamedTuple):
    """Events, and the group that every pick was in before travel times decided."""

    clusters: Clusters
    """The picks of each event; a pick is in one at most."""
    located: Located
    linked: Clusters
    """The groups that links alone made."""


def associate_arrays(
    picks: PickArrays,
    network: Network,
    times: TravelTimes,
    model: StackedGRU,
    limits: Limits | None,
    settings: AssociationSettings,
    *,
    device: str = "cpu",
    n_threads: int = 1,
    keep_links: Path | None = None,
    progress: Progress | None = None,
    preview: Preview | None = None,
) -> Association:
    """Events of picks. Memory grows with the picks, not with their windows, which are streamed.

    With ``keep_links``, a folder, the links of finished parts are kept there until there are events, and a run that was
    stopped goes on from them. ``preview`` is told preliminary events while links are made; it changes nothing.
    """
    store = LinkStore(keep_links, _fingerprint(picks, network, model, limits, settings)) if keep_links else None
    links = _links(picks, network, model, limits, settings, device, store, progress)
    picks, network, times = _heard(picks, network, times)
    if preview:
        about = (settings.refine, settings.n_min_nucl, settings.windows.t_win_s, n_threads, preview)
        links = watched(links, Wanted(picks, network, times, *about))
    if settings.n_min_merge is None:
        linked = partition_links(links, len(picks.time_s), settings.n_min_nucl)
    else:
        linked = grow_clusters(links, len(picks.time_s), settings.n_min_nucl, settings.n_min_merge)
    clusters = resolve_duplicates(linked, picks)
    if settings.backproject is not None:
        clean = backproject(picks, clusters, network, times, settings.backproject, n_threads=n_threads)
        # Of a cluster that holds two events it leaves one; the refinement finds both, and drops what is there twice.
        clusters = join(clusters, clean)
    if progress:
        progress("events", 0, 1)
    clusters, located = refine(picks, clusters, network, times, settings.refine, n_threads=n_threads)
    if store:
        store.clear()
    if progress:
        progress("events", 1, 1)
    return Association(clusters, located, linked)


def fates(picks: PickArrays, found: Association) -> npt.NDArray[np.int8]:
    """What became of every pick, an index of FATES, (pick,)."""
    n = len(picks.time_s)
    fate = np.zeros(n, np.int8)
    used = np.zeros(n, bool)
    used[found.clusters.members] = True
    group = np.repeat(np.arange(len(found.linked.sizes)), found.linked.sizes)
    survived = np.zeros(len(found.linked.sizes), bool)
    np.logical_or.at(survived, group, used[found.linked.members])
    fate[found.linked.members[~survived[group]]] = 1
    fate[found.linked.members[survived[group]]] = 2
    fate[used] = 3
    return fate


FATES = (
    "left: linked with too few other picks",
    "left: its group made no event that stands",
    "left: did not fit the event of its group, or a better pick of its station and phase did",
    "used",
)


def _links(
    picks: PickArrays,
    network: Network,
    model: StackedGRU,
    limits: Limits | None,
    settings: AssociationSettings,
    device: str,
    store: LinkStore | None,
    progress: Progress | None,
) -> Iterator[Links]:
    """The links of all roots: those that an earlier run kept, then new ones, which are kept in turn."""
    first = 0
    if store:
        for links, first in store.kept():  # noqa: B007 - where the last one ended
            yield links
    made = Links(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))

    def finished(stop: int, total: int) -> None:
        if store:
            store.keep(made, stop)
        if progress:
            progress("links", stop, total)

    for made in link_probabilities(
        model, picks, network, limits, settings.windows,
        threshold=settings.link_probability, min_size=settings.n_min_nucl, device=device, first=first, progress=finished,
    ):  # fmt: skip
        yield made


def _heard(picks: PickArrays, network: Network, times: TravelTimes) -> tuple[PickArrays, Network, TravelTimes]:
    """The same of the stations that have picks: long lists hold many that have none, which take time and memory."""
    stations, number = np.unique(picks.station, return_inverse=True)
    part = replace(
        network,
        ids=tuple(network.ids[s] for s in stations),
        x_km=network.x_km[stations],
        y_km=network.y_km[stations],
        elevation_km=network.elevation_km[stations],
    )
    return picks._replace(station=number.astype(np.int32)), part, of_stations(times, stations)


def _fingerprint(
    picks: PickArrays, network: Network, model: StackedGRU, limits: Limits | None, settings: AssociationSettings
) -> str:
    """Hash of all that the links depend on."""
    digest = hashlib.sha256()
    for array in (picks.time_s, picks.station, picks.phase, picks.probability, network.x_km, network.y_km):
        digest.update(np.ascontiguousarray(array).data)
    if limits is not None:
        digest.update(limits.tobytes())
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    words = (settings.windows, settings.link_probability, settings.n_min_nucl, picks.reference_ns)
    return hashlib.sha256(digest.digest() + repr(words).encode()).hexdigest()[:16]
