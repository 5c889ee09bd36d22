"""Correlations of a workspace that lie together pair by pair, for reading few pairs over many days.

``by_pair/FIRST_LAST.zarr`` is a segment: an archive of the same layout as ``correlations.zarr`` over some of its days, in
which all days of a pair are beside each other. It counts once ``by_pair/FIRST_LAST.json`` is there, which is written last.
Segments do not overlap. The days of a segment that ``replaced`` those of ``correlations.zarr`` are in it alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seisloom.errors import WorkspaceError
from seisloom.noise.formats import check_format
from seisloom.storage import Storage

FOLDER = "by_pair"


@dataclass(frozen=True)
class Segment:
    """Times ``start`` to ``stop`` of the archive, which are the days ``first_day`` to ``last_day`` (YYYY-MM-DD)."""

    first_day: str
    last_day: str
    start: int
    stop: int
    replaced: bool
    keep_bits: int | None

    @property
    def path(self) -> str:
        return f"{FOLDER}/{self.first_day}_{self.last_day}.zarr"

    @property
    def card(self) -> str:
        return f"{FOLDER}/{self.first_day}_{self.last_day}.json"

    def read(self, storage: Storage, name: str, pairs: npt.NDArray[np.int64], times: npt.NDArray[np.int64]) -> Any:
        """``ccf`` or ``count`` of pairs at times of the whole archive, all within the segment."""
        import zarr

        array: Any = zarr.open_array(storage.zarr(read_only=True), path=f"{self.path}/{name}", mode="r", zarr_format=3)
        return array.oindex[run(pairs), run(times - self.start)]


def segments(storage: Storage) -> list[Segment]:
    """The finished segments of a workspace, in the order of time; WorkspaceError for a newer format."""
    found = []
    for key in storage.keys(FOLDER):
        if key.count("/") == 1 and key.endswith(".json"):
            held = storage.get_json(key) or {}
            check_format(held, f"{storage.url}/{key}")
            try:
                found.append(Segment(**{name: held[name] for name in Segment.__dataclass_fields__}))
            except KeyError as error:
                raise WorkspaceError(
                    f"{storage.url}/{key}: damaged, it lacks {error}; remove it, and compact again"
                ) from error
    return sorted(found, key=lambda segment: segment.start)


def forget(storage: Storage, day: str) -> None:
    """Drop the segment of a day that has been computed again; WorkspaceError where nothing else holds its other days."""
    for segment in segments(storage):
        if segment.first_day <= day <= segment.last_day:
            if segment.replaced:
                raise WorkspaceError(
                    f"{storage.url}: {day} was done again, and is in {segment.path}, which has replaced the correlations by "
                    "day: use another workspace for it"
                )
            storage.delete([segment.card])


def run(numbers: npt.NDArray[np.int64]) -> Any:
    """Numbers as a slice where they follow on one another, which arrays read faster."""
    if len(numbers) and (np.diff(numbers) == 1).all():
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers
