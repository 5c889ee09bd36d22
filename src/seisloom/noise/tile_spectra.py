"""Where a tile has the spectra of its channels from: computed by itself, or stored for all tiles of the day."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.noise.channel_day import Preparation, Prepared
from seisloom.noise.progress import Counters
from seisloom.noise.report import Problem
from seisloom.noise.spectra import ChannelSpectra
from seisloom.noise.spectra_store import SpectraStore


class Changed(Exception):
    """A channel gave something else than before: what was computed with it does not hold."""


class TileSpectra:
    """The spectra of one day, channel by channel, and what was heard of each; from several threads at once.

    A channel that failed is not asked again. One that gives something else than before, because its source fails now and did
    not a moment ago, raises Changed and has failed from then on.
    """

    def __init__(
        self, preparation: Preparation, day: pd.Timestamp, store: SpectraStore | None, counters: Counters, first: bool
    ) -> None:
        self._preparation, self._day, self._store, self._counters = preparation, day, store, counters
        self._first = first  # of the day: only there the first channels tell of an outage
        self._heard: dict[int, Prepared] = {}
        self._lock = threading.Lock()
        self.valid = np.zeros((len(preparation.ids), preparation.plan.n_windows), bool)
        """Which windows can be used, (channel, window)."""

    def problems(self) -> list[Problem]:
        """Those of all channels that were asked for, in the order of these."""
        return [problem for c in sorted(self._heard) for problem in self._heard[c].problems]

    def share(self, channels: npt.NDArray[np.int64], readers: ThreadPoolExecutor, seed: int) -> None:
        """Have the spectra of all ``channels`` stored.

        Other tiles may be at the same. Each goes in an order of its own, so that two are hardly ever at one channel.
        """
        if self._store is not None:
            order = np.random.default_rng(seed).permutation(channels).tolist()
            finish([readers.submit(self._stored, c) for c in order])

    def listen(self, channels: Iterable[int], readers: ThreadPoolExecutor) -> None:
        """Hear of channels whose spectra nobody needs."""
        finish([readers.submit(self.get, c) for c in channels if c not in self._heard])

    def get(self, c: int) -> ChannelSpectra | None:
        """The spectra of channel number ``c``, None where there is nothing to be used."""
        if (before := self._heard.get(c)) and before.failed:
            return None
        prepared = self._from_store(c) or self._computed(c)
        self._hear(c, prepared)
        return prepared.spectra

    def forget(self) -> None:
        """Hear all but the failed channels anew."""
        self._heard = {c: prepared for c, prepared in self._heard.items() if prepared.failed}
        self.valid[:] = False

    def _stored(self, c: int) -> None:
        if self._store is not None and self._store.has(self._preparation.ids[c]):
            self._counters.channel()
        else:
            self._hear(c, self._computed(c))

    def _from_store(self, c: int) -> Prepared | None:
        return None if self._store is None else self._store.get(self._preparation.ids[c])

    def _computed(self, c: int) -> Prepared:
        prepared = self._preparation.prepare(c, self._day.value)
        if self._store is not None and not prepared.failed:
            self._store.put(self._preparation.ids[c], prepared)
        return prepared

    def _hear(self, c: int, prepared: Prepared) -> None:
        """Note what became of a channel; Changed where it was something else before."""
        windows = np.zeros(self.valid.shape[1], bool) if prepared.spectra is None else prepared.spectra.valid
        with self._lock:
            if c in self._heard:
                if np.array_equal(windows, self.valid[c]):
                    return
                if not prepared.failed:
                    words = "the source gave other data when it was asked again"
                    prepared = Prepared(None, [Problem(self._preparation.ids[c], words, unused=True, failed=True)])
                self._heard[c] = prepared
                raise Changed(self._preparation.ids[c])
            self.valid[c] = windows
            self._heard[c] = Prepared(None, prepared.problems)
            self._counters.channel()
            if self._first:
                self._preparation.check_outage(f"{self._day:%Y-%m-%d}", list(self._heard.values()))


def finish(futures: list[Future[Any]]) -> None:
    """Wait for all of them; where one fails, only for those that have begun, and raise its error."""
    done, rest = wait(futures, return_when=FIRST_EXCEPTION)
    for future in rest:
        future.cancel()
    wait(rest)
    for future in done:
        future.result()
