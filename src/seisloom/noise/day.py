"""One day of a job: records of all channels to spectra, spectra to correlations of all pairs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seisloom.config import CorrelationSettings
from seisloom.noise.channel_day import Preparation, Prepared
from seisloom.noise.correlate import (
    Inverse,
    Scratch,
    SpectraStack,
    correlate_pairs,
    correlate_windows,
    group_rows,
    pair_counts,
)
from seisloom.noise.plan import WindowPlan
from seisloom.noise.progress import Counters
from seisloom.noise.report import DayReport
from seisloom.noise.response import Responses
from seisloom.noise.spectra import ChannelSpectra, correlation_scale
from seisloom.waveforms.base import Source


def check_device(device: str) -> None:
    """Refuse a device that is not there, before any work."""
    if device != "cpu":
        from seisloom.noise.engine_torch import open_device

        open_device(device)


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
        check_device(self.device)
        self.preparation = Preparation(self.ids, self.settings, self.source, self.responses, self.plan)
        rows = self.plan.n_windows * (2 if self.settings.measure == "pcc" else 1)
        shape = (len(self.plan.weight), len(self.ids), self.plan.n_windows, rows)
        self.stack = SpectraStack.empty(*shape, self.settings.measure == "deconvolution")
        self.scratch = Scratch()

    def read(self, day: pd.Timestamp, readers: ThreadPoolExecutor, report: DayReport, counters: Counters) -> None:
        """Fill the spectra of all channels; what cannot be used leaves zeros."""
        self.stack.valid[:] = False

        def one(c: int) -> Prepared:
            prepared = self.preparation.prepare(c, day.value)
            self._keep(c, prepared.spectra)
            counters.channel()
            return Prepared(None, prepared.problems)

        heard: list[Prepared] = []
        for prepared in readers.map(one, range(len(self.ids))):
            heard.append(prepared)
            report.problems += prepared.problems
            self.preparation.check_outage(report.day, heard)
        report.channels = int(self.stack.valid.any(axis=1).sum())

    def _keep(self, c: int, spectra: ChannelSpectra | None) -> None:
        """Put the spectra of a channel to those of the day, zeros for none."""
        if spectra is None:
            self.stack.right[:, c] = self.stack.left[:, c] = 0
            return
        self.stack.right[:, c] = spectra.right.T
        if self.stack.left is not self.stack.right:
            self.stack.left[:, c] = spectra.left.T
        self.stack.valid[c] = spectra.valid

    def counts(self) -> npt.NDArray[np.int32]:
        """Windows of every pair in every group, (pair, group)."""
        return pair_counts(self.stack.valid, self.pairs, self.groups)

    def blocks(self, pool: ThreadPoolExecutor) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """Sums of the correlations of consecutive pairs: (index of the first, block (pairs, groups, lag))."""
        scale = correlation_scale(self.settings, self.plan)
        inverse = Inverse.from_plan(self.plan, scale)
        if self.device != "cpu":
            from seisloom.noise.engine_torch import correlate_pairs_torch

            groups = group_rows(self.groups, self.plan.n_windows, self.stack.right.shape[2])
            return correlate_pairs_torch(self.stack, self.pairs, inverse, groups, self.device, self.memory_bytes)
        if self.settings.keep == "window":
            return correlate_windows(self.stack, self.pairs, inverse, pool, self.memory_bytes)
        groups = group_rows(self.groups, self.plan.n_windows, self.stack.right.shape[2])
        return correlate_pairs(self.stack, self.pairs, inverse, groups, pool, self.memory_bytes, self.scratch)
