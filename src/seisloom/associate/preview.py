"""Preliminary events of the picks that are done, to look at while the rest is under way.

Of links that are made, one round of refinement makes them, with nothing learnt: the catalogue has other events here and there, and replaces them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from seisloom.associate.clusters import Clusters, make_clusters
from seisloom.associate.link import Links, partition_links, resolve_duplicates
from seisloom.associate.locate import Located
from seisloom.associate.network import Network
from seisloom.associate.refine import RefineSettings, refine
from seisloom.picks import PickArrays
from seisloom.traveltime import TravelTimes

Preview = Callable[[Clusters, Located], None]
"""Told the preliminary events that have come, each but once, in batches."""

EVERY_S = 3.0
"""Time from one look to the next, at least."""
SHARE = 0.1
"""Of the time that has gone by, what looks may take: none begins beyond it."""


class Wanted(NamedTuple):
    """What preliminary events are made from."""

    picks: PickArrays
    network: Network
    times: TravelTimes
    needed: RefineSettings
    n_min_nucl: int
    t_win_s: float
    n_threads: int
    show: Preview


class Looks:
    """Says when preliminary events are due: not too often, and for no more than a share of the time."""

    def __init__(self) -> None:
        self._began = self._looked = time.monotonic()
        self._spent = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time for a look."""
        now = time.monotonic()
        return now - self._looked >= EVERY_S and self._spent <= SHARE * (now - self._began)

    @contextmanager
    def look(self) -> Iterator[None]:
        """Within it the time counts as that of a look."""
        began = time.monotonic()
        yield
        self._looked = time.monotonic()
        self._spent += self._looked - began


def watched(chunks: Iterator[Links], wanted: Wanted) -> Iterator[Links]:
    """The same links; on their way past, preliminary events are made of them now and then."""
    part, looks = _Part(wanted), Looks()
    for links in chunks:
        part.add(links)
        if looks.due:
            with looks.look():
                part.look()
        yield links


class _Part:
    """Links that preliminary events may still come from: those of roots from ``start`` on, but for picks that are taken."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.links = [Links(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))]
        self.start = self.front = 0
        self.taken = np.zeros(len(wanted.picks.time_s), bool)

    def add(self, links: Links) -> None:
        if len(links.root):
            self.links.append(links)
            self.front = int(links.root[-1])

    def look(self) -> None:
        """Show the events that began so long before the front that nothing more can come to them."""
        w, links = self.wanted, _joined(self.links)
        if not len(links.root):
            return
        settled = int(np.searchsorted(w.picks.time_s, w.picks.time_s[self.front] - w.t_win_s))
        end = int(links.member.max()) + 1
        shifted = Links(links.root - self.start, links.member - self.start, links.probability)
        groups = partition_links([shifted], end - self.start, w.n_min_nucl)
        begun = make_clusters(g for g in map(groups.group, range(len(groups.sizes))) if g[0] + self.start < settled)
        if len(begun.sizes):
            self._show(begun, slice(self.start, end))
        left = (links.root >= settled) & ~self.taken[links.root] & ~self.taken[links.member]
        self.links = [Links(links.root[left], links.member[left], links.probability[left])]
        self.start = settled

    def _show(self, groups: Clusters, part: slice) -> None:
        """Events of groups of picks of a part of them, by one round of what makes those of the catalogue."""
        w = self.wanted
        picks = _part_of(w.picks, part)
        once = replace(w.needed, n_iterations=1, learn=False)
        found, located = refine(
            picks, resolve_duplicates(groups, picks), w.network, w.times, once, n_threads=w.n_threads
        )
        for members in (groups.members, found.members):
            self.taken[members + part.start] = True
        w.show(found._replace(members=found.members + part.start), located)


def _joined(chunks: list[Links]) -> Links:
    return Links(
        np.concatenate([links.root for links in chunks]),
        np.concatenate([links.member for links in chunks]),
        np.concatenate([links.probability for links in chunks]),
    )


def _part_of(picks: PickArrays, part: slice) -> PickArrays:
    return picks._replace(
        time_s=picks.time_s[part],
        station=picks.station[part],
        phase=picks.phase[part],
        probability=picks.probability[part],
        row=picks.row[part],
    )
