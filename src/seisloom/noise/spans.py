"""Means of several days in place of the days (``keep`` stack), where there is no room for every day of every pair.

Days are computed one by one, in any order, into ``days.zarr``. A span is ``stack_days`` of them, counted from the first day of
the workspace. When all of its days are done their mean becomes a row of ``correlations.zarr``, ``stacked/FIRST.json`` says so,
and the days are removed. It is always the same days that are added, in the same order: who did them, and when, changes no bit.
A span that is not complete, as the last one often is, is read as the mean of the days that there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.noise.by_pair import Segment, run, segments
from seisloom.noise.formats import CORRELATIONS, DAYS
from seisloom.noise.stack import stack
from seisloom.storage import Storage

FOLDER = "stacked"
BLOCK_BYTES = 256 * 1024 * 1024
"""Of correlations by day that are held at once."""


@dataclass(frozen=True)
class Span:
    """Number ``start`` of the spans of a workspace: ``n_days`` days from ``first_day`` (YYYY-MM-DD) on."""

    start: int
    first_day: str
    n_days: int

    @property
    def stop(self) -> int:
        return self.start + 1

    @property
    def days(self) -> list[str]:
        return [f"{day:%Y-%m-%d}" for day in pd.date_range(self.first_day, periods=self.n_days)]

    @property
    def places(self) -> range:
        """Numbers of its days in ``days.zarr``."""
        return range(self.start * self.n_days, self.stop * self.n_days)

    @property
    def mark(self) -> str:
        return f"{FOLDER}/{self.first_day}.json"

    def is_stacked(self, storage: Storage) -> bool:
        """Whether its mean is stored; its days may be gone then."""
        return storage.get(self.mark) is not None

    def read(self, storage: Storage, name: str, pairs: npt.NDArray[np.int64], times: npt.NDArray[np.int64]) -> Any:
        """``ccf`` or ``count`` of pairs, (pair, 1, ...), from the days that there are."""
        import zarr

        store = storage.zarr(read_only=True)
        days: Any = zarr.open_group(store, path=DAYS, mode="r", zarr_format=3)
        made = list(zip(*means(days, self, pairs), strict=True))
        if made and not self.is_stacked(storage):
            return np.concatenate(made[name == "count"])[:, None]
        # It has been made meanwhile, and its days may have gone while they were read.
        array: Any = zarr.open_array(store, path=f"{CORRELATIONS}/{name}", mode="r", zarr_format=3)
        return array.oindex[run(pairs), self.start : self.stop]


Part = Segment | Span


def span_of(day: pd.Timestamp, first: pd.Timestamp, n_days: int) -> Span:
    """The span of a day, in a workspace that begins on ``first``."""
    number = (day - first).days // n_days
    return Span(number, f"{first + pd.Timedelta(days=number * n_days):%Y-%m-%d}", n_days)


def days_a_row(attributes: Mapping[str, Any]) -> int | None:
    """Days of which a row is the mean, from the attributes of an archive; None where rows are days or parts of one."""
    settings = json.loads(attributes.get("settings", "{}"))
    return settings["stack_days"] if settings.get("keep") == "stack" else None


def parts(storage: Storage) -> list[Part]:
    """What of a workspace's rows lies elsewhere than in ``correlations.zarr``."""
    return [*segments(storage), *unfinished(storage)]


def unfinished(storage: Storage) -> list[Span]:
    """The spans of a workspace that are to be read from their days; none where days are what is kept."""
    card = storage.get_json("job.json") or {}
    settings = card.get("settings", {})
    if settings.get("keep") != "stack":
        return []
    first, n_days = pd.Timestamp(card["first_day"]), settings["stack_days"]
    stacked = set(storage.keys(FOLDER))
    days = {key.rpartition("/")[2] for key in storage.keys(f"{DAYS}/count/c")}
    spans = {span_of(first + pd.Timedelta(days=int(day)), first, n_days) for day in days}
    return sorted((span for span in spans if span.mark not in stacked), key=lambda span: span.start)


def means(
    group: Any, span: Span, pairs: npt.NDArray[np.int64]
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]]:
    """Means (pair, lag) and window counts (pair,) of the days of a span, block of pairs after block."""
    _, n_times, n_lag = group["ccf"].shape
    here = slice(span.places.start, min(span.places.stop, n_times))
    step = max(1, BLOCK_BYTES // (4 * span.n_days * n_lag))
    for first in range(0, len(pairs), step):
        chosen = run(pairs[first : first + step])
        counts, rows = (group[name].oindex[chosen, here] for name in ("count", "ccf"))
        yield stack(rows, "linear", weights=counts), counts.sum(axis=1, dtype=np.int32)
