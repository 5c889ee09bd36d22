"""Days into the means of spans (:mod:`seisloom.noise.spans`), as soon as all days of one are done."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from seisloom import __version__
from seisloom.compute import Slice
from seisloom.config import CorrelationSettings
from seisloom.errors import WorkspaceError
from seisloom.noise.archive import ArchiveWriter
from seisloom.noise.formats import DAYS
from seisloom.noise.ledger import Ledger
from seisloom.noise.spans import FOLDER, Span, means, span_of


def shared(days: pd.DatetimeIndex, part: Slice | None, settings: CorrelationSettings) -> pd.DatetimeIndex:
    """The days of a slice of a job: one in so many, or ``stack_days`` days in so many, so that spans are completed one by one."""
    if part is None or settings.keep != "stack":
        return days[part.places] if part else days
    return days[np.arange(len(days)) // settings.stack_days % part.of == part.number - 1]


@dataclass(frozen=True)
class SpanStacks:
    """What becomes of the days of a job; nothing unless ``keep`` is stack. ``first`` and ``last`` are days of the workspace."""

    books: Ledger
    first: pd.Timestamp
    last: pd.Timestamp

    def begin(self, to_do: list[str]) -> None:
        """Make the archive of means; WorkspaceError where a day is to be done anew that is in a mean, and not kept itself."""
        if self.books.settings.keep != "stack":
            return
        self.books.stacks(self.first, self.last)
        storage = self.books.storage
        stacked = set(storage.keys(FOLDER))
        for day in to_do:
            if (span := self._span(day)).mark in stacked and not self.books.is_done(day):
                raise WorkspaceError(
                    f"{storage.url}: {day} is in the mean of {span.days[0]} to {span.days[-1]}, whose days are not kept: to have "
                    f"them done again, remove {span.mark} and done/DAY.json of all of them"
                )

    def after(self, day: str) -> None:
        """Stack the span of a day that has been done, if it was the last one that lacked."""
        if self.books.settings.keep == "stack" and all(map(self.books.is_done, (span := self._span(day)).days)):
            self._stack(span)

    def finish(self) -> None:
        """Stack all spans that are complete, and remove days that were left, as a run does that is killed meanwhile."""
        if self.books.settings.keep != "stack":
            return
        done, stacked = self.books.done(), set(self.books.storage.keys(FOLDER))
        held = {int(key.split("/")[-2]) for key in self.books.storage.keys(f"{DAYS}/ccf/c")}
        held |= {int(key.split("/")[-1]) for key in self.books.storage.keys(f"{DAYS}/count/c")}
        for span in sorted({self._span(day) for day in done}, key=lambda span: span.start):
            if done.issuperset(span.days) and (span.mark not in stacked or held.intersection(span.places)):
                self._stack(span)

    def _span(self, day: str) -> Span:
        return span_of(pd.Timestamp(day), self.first, self.books.settings.stack_days)

    def _stack(self, span: Span) -> None:
        """Write the mean of a span and remove its days. Of two runs that do so at once both write the same bytes."""
        storage, days = self.books.storage, self.books.archive(self.first, self.last)
        if not span.is_stacked(storage):
            group = self.books.stacks(self.first, self.last)
            writer, counts = ArchiveWriter(group, slice(span.start, span.stop)), []
            for mean, count in means(days, span, np.arange(days["ccf"].shape[0])):
                if span.is_stacked(storage):  # by the other run, which may have removed what was just read
                    break
                writer.append(mean[:, None])
                counts.append(count)
            else:
                writer.close()
                group["count"][:, span.start] = np.concatenate(counts)
                storage.put_new(span.mark, json.dumps({"days": span.days, "seisloom": __version__}).encode())
        self._remove(span, days)

    def _remove(self, span: Span, days: Any) -> None:
        shards = range(-(-days["ccf"].shape[0] // days["ccf"].shards[0]))
        self.books.storage.delete([f"{DAYS}/count/c/0/{day}" for day in span.places])
        self.books.storage.delete([f"{DAYS}/ccf/c/{shard}/{day}/0" for day in span.places for shard in shards])
