"""One day of a job: records of all channels to spectra, spectra to correlations of all pairs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.config import CorrelationSettings
from seisloom.errors import InputError, NoDataError, SourceError
from seisloom.noise.correlate import (
    Inverse,
    Rows,
    Scratch,
    SpectraStack,
    correlate_pairs,
    correlate_windows,
    window_counts,
)
from seisloom.noise.plan import WindowPlan
from seisloom.noise.preprocess import day_series
from seisloom.noise.progress import Counters
from seisloom.noise.report import DayReport, Problem, part_of_day
from seisloom.noise.response import Responses
from seisloom.noise.spectra import channel_spectra, correlation_scale
from seisloom.waveforms.base import DAY_NS, Source

# So many channels failing one after another, from the first on, stop a run.
OUTAGE = 10


@dataclass
class DayWork:
    """What is the same on all days, and the spectra of the day at hand (their memory is used again every day)."""

    ids: list[str]
    settings: CorrelationSettings
    source: Source
    responses: Responses
    plan: WindowPlan
    pairs: npt.NDArray[np.int64]
    groups: list[slice]
    memory_bytes: float = 6e9
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.device != "cpu":
            from seisloom.noise.engine_torch import open_device

            open_device(self.device)  # refuse what is not there before any work
        rows = self.plan.n_windows * (2 if self.settings.measure == "pcc" else 1)
        two_sided = self.settings.measure == "deconvolution"
        shape = (len(self.plan.weight), len(self.ids), self.plan.n_windows, rows)
        needed = shape[0] * shape[1] * rows * 8 * (2 if two_sided else 1)
        if needed > 0.9 * self.memory_bytes:
            raise InputError(
                f"the spectra of {len(self.ids)} channels take {needed / 1e9:.2g} GB, the memory limit is "
                f"{self.memory_bytes / 1e9:.2g} GB: raise --memory, or use fewer channels, a narrower band or longer steps"
            )
        self.stack = SpectraStack.empty(*shape, two_sided)
        self.scratch = Scratch()

    def read(self, day: pd.Timestamp, readers: ThreadPoolExecutor, report: DayReport, counters: Counters) -> None:
        """Fill the spectra of all channels; what cannot be used leaves zeros."""
        self.stack.valid[:] = False

        def one(c: int) -> list[Problem]:
            problems = self._prepare(c, day.value)
            counters.channel()
            return problems

        for number, problems in enumerate(readers.map(one, range(len(self.ids))), start=1):
            report.problems += problems
            # Nothing but failures from the start is an outage: waiting it out for every channel and day helps nobody.
            if number == min(OUTAGE, len(self.ids)) and sum(p.failed for p in report.problems) == number:
                first = report.problems[0].message
                raise SourceError(f"{report.day}: {self.source.spec} failed for the first {number} channels: {first}")
        report.channels = int(self.stack.valid.any(axis=1).sum())

    def _prepare(self, c: int, day_ns: int) -> list[Problem]:
        """Records of one channel-day to its spectra; the problems on the way."""
        channel_id = self.ids[c]
        unused = Problem(channel_id, "", unused=True)
        notes: list[str] = []
        try:
            record = self.source.fetch(channel_id, day_ns, day_ns + DAY_NS)
            epochs = self.responses.epochs(channel_id, day_ns, day_ns + DAY_NS)
            series, notes = day_series(record, day_ns, self.settings, self.plan, epochs)
            spectra, more = channel_spectra(series, self.settings, self.plan)
            notes += more
        except NoDataError:
            spectra, unused.message = None, "no data: the source has none for this day"
        except SourceError as error:
            spectra, unused.message, unused.failed = None, str(error), not error.lasting
        except InputError as error:
            spectra, unused.message = None, str(error)
        if spectra is None:
            self.stack.right[:, c] = self.stack.left[:, c] = 0
            unused.message = unused.message or "; ".join(notes)
            return [unused]
        self.stack.right[:, c] = spectra.right.T
        if self.stack.left is not self.stack.right:
            self.stack.left[:, c] = spectra.left.T
        self.stack.valid[c] = spectra.valid
        return [Problem(channel_id, note) for note in [*notes, *part_of_day(series, self.plan)]]

    def counts(self) -> npt.NDArray[np.int32]:
        """Windows of every pair in every group, (pair, group)."""
        if self.settings.keep == "window":
            a, b = self.pairs.T
            return (self.stack.valid[a] & self.stack.valid[b]).astype(np.int32)
        counts = [window_counts(self.stack.valid[:, g], self.pairs) for g in self.groups]
        return np.stack(counts, axis=1)

    def blocks(self, pool: ThreadPoolExecutor) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """Sums of the correlations of consecutive pairs: (index of the first, block (pairs, groups, lag))."""
        scale = correlation_scale(self.settings, self.plan)
        inverse = Inverse.from_plan(self.plan, scale)
        if self.device != "cpu":
            from seisloom.noise.engine_torch import correlate_pairs_torch

            groups = self._row_groups()
            return correlate_pairs_torch(self.stack, self.pairs, inverse, groups, self.device, self.memory_bytes)
        if self.settings.keep == "window":
            return correlate_windows(self.stack, self.pairs, inverse, pool, self.memory_bytes)
        groups = self._row_groups()
        return correlate_pairs(self.stack, self.pairs, inverse, groups, pool, self.memory_bytes, self.scratch)

    def _row_groups(self) -> list[Rows]:
        """The rows of the spectra that each group of windows has."""
        n = self.plan.n_windows
        if self.stack.right.shape[2] == n:
            return list(self.groups)
        if len(self.groups) == 1:
            return [slice(0, 2 * n)]
        rows = np.arange(n)
        return [np.concatenate([rows[g], rows[g] + n]) for g in self.groups]
