"""The product alone: pair after pair and window after window, as others do it, against all pairs at once.

Given the whitened spectra of a day (windows of 1800 s every 450 s at 10 Hz), what do the day stacks of all pairs cost?

- ``each window``: per pair and window conj(A) B and an inverse transform, then the mean (MSNoise's order);
- ``each pair``: per pair the mean of conj(A) B over the windows, then one inverse transform (NoisePy's order);
- ``seisloom``: all pairs as matrix products in the pass band, then one inverse transform a pair.

All in float32 with the same transform library (ducc0). The kernels go over whole half spectra, as the programs named
do; ``band`` is the second one given only the pass band. They are timed on the pairs of a few channels and scaled to all
pairs, for their cost is so much a pair; seisloom is timed whole. Results are compared with float64.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import threadpoolctl

from benchmarks.measure import describe_machine, print_table, usable_cores
from seisloom.config import CorrelationSettings
from seisloom.noise.correlate import Inverse, SpectraStack, correlate_pairs
from seisloom.noise.plan import WindowPlan, make_plan

# Enough that their spectra do not fit in a cache, like those of a network.
SAMPLE_CHANNELS = 24
CHECKED_PAIRS = 3

Spectra = npt.NDArray[np.complex64]
Kernel = Callable[[Spectra, Spectra], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Grid:
    """Where the pass band lies in the half spectrum of a zero-padded window, and which lags are kept."""

    first_bin: int
    n_bins: int
    nfft: int
    n_half_lag: int

    @classmethod
    def from_plan(cls, plan: WindowPlan) -> Grid:
        return cls(plan.first_bin, len(plan.weight), plan.nfft_out, plan.n_half_lag)

    def whole(self, band: Spectra) -> Spectra:
        """Half spectra (..., nfft // 2 + 1) that are zero outside the pass band (..., n_bins)."""
        out = np.zeros((*band.shape[:-1], self.nfft // 2 + 1), band.dtype)
        out[..., self.first_bin : self.first_bin + self.n_bins] = band
        return out

    def lags(self, cyclic: npt.NDArray) -> npt.NDArray:
        """The lags that are kept, ascending, of correlations (..., nfft) that begin with lag zero."""
        n = self.n_half_lag
        return np.concatenate([cyclic[..., -n:], cyclic[..., : n + 1]], axis=-1)


def each_window(a: Spectra, b: Spectra, grid: Grid) -> npt.NDArray[np.float32]:
    """Mean over windows of the inverse transforms of conj(A) B; whole half spectra (window, bin)."""
    import ducc0

    correlations = ducc0.fft.c2r(a.conj() * b, axes=(1,), lastsize=grid.nfft, forward=False)
    return grid.lags(correlations.mean(axis=0))


def each_pair(a: Spectra, b: Spectra, grid: Grid) -> npt.NDArray[np.float32]:
    """Inverse transform of the mean over windows of conj(A) B; whole half spectra (window, bin)."""
    import ducc0

    return grid.lags(ducc0.fft.c2r((a.conj() * b).mean(axis=0), lastsize=grid.nfft, forward=False))


def each_pair_band(a: Spectra, b: Spectra, grid: Grid) -> npt.NDArray[np.float32]:
    """As :func:`each_pair` for spectra of the pass band alone (window, bin)."""
    import ducc0

    mean = grid.whole((a.conj() * b).mean(axis=0))
    return grid.lags(ducc0.fft.c2r(mean, lastsize=grid.nfft, forward=False))


def all_at_once(stack: SpectraStack, plan: WindowPlan, workers: int) -> npt.NDArray[np.float32]:
    """Sums over windows by the engine under test, (pair, lag), pairs in the order of ``numpy.triu_indices``."""
    pairs = np.stack(np.triu_indices(stack.n_channels, 1), axis=1)
    with ThreadPoolExecutor(workers) as pool:
        blocks = correlate_pairs(stack, pairs, Inverse.from_plan(plan, 1.0), [slice(0, plan.n_windows)], pool)
        return np.concatenate([block[:, 0].copy() for _, block in blocks])


def reference(a: Spectra, b: Spectra, grid: Grid) -> npt.NDArray[np.float64]:
    """Sum over windows in float64, lags as kept; spectra of the pass band (window, bin)."""
    total = (a.conj().astype(np.complex128) * b).sum(axis=0)
    return grid.lags(np.fft.irfft(grid.whole(total), grid.nfft) * grid.nfft)


def time_kernel(kernel: Callable[..., npt.NDArray], spectra: Spectra, grid: Grid) -> float:
    """CPU seconds a pair, over all pairs of ``spectra`` (channel, window, bin)."""
    pairs = list(zip(*np.triu_indices(len(spectra), 1), strict=True))
    began = time.process_time()
    for i, j in pairs:
        kernel(spectra[i], spectra[j], grid)
    return (time.process_time() - began) / len(pairs)


def whitened(n_channels: int, plan: WindowPlan, rng: np.random.Generator) -> Spectra:
    """Spectra of amplitude one and random phase, (channel, window, bin of the pass band)."""
    phase = rng.uniform(0, 2 * np.pi, (n_channels, plan.n_windows, len(plan.weight))).astype(np.float32)
    return np.exp(1j * phase).astype(np.complex64)


def engine(n_channels: int, plan: WindowPlan, sample: Spectra, workers: int) -> tuple[float, float, float]:
    """CPU seconds, wall seconds and worst relative L2 error of ours for ``n_channels``, ``sample`` the first."""
    valid = np.ones((n_channels, plan.n_windows), bool)
    right = np.empty((len(plan.weight), n_channels, plan.n_windows), np.complex64)
    for c in range(n_channels):
        right[:, c] = sample[c % len(sample)].T
    cpu, wall = time.process_time(), time.perf_counter()
    made = all_at_once(SpectraStack(right, right, valid), plan, workers)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    errors = []
    for k in range(CHECKED_PAIRS):
        exact = reference(sample[0], sample[k + 1], Grid.from_plan(plan))
        errors.append(np.linalg.norm(made[k] - exact) / np.linalg.norm(exact))
    return cpu, wall, float(max(errors))


def main(argv: list[str]) -> None:
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks kernel", description=summary)
    parser.add_argument("--channels", type=int, nargs="+", default=[12, 50, 200])
    parser.add_argument("--workers", type=int, default=usable_cores(), help="threads of seisloom's engine")
    options = parser.parse_args(argv)

    plan = make_plan(CorrelationSettings())
    grid = Grid.from_plan(plan)
    sample = whitened(SAMPLE_CHANNELS, plan, np.random.default_rng(1))
    whole = grid.whole(sample)
    print(describe_machine())
    print(f"{plan.n_windows} windows, {grid.nfft}-point transforms, {grid.n_bins} frequencies in the pass band\n")
    with threadpoolctl.threadpool_limits(1):
        per_pair = {
            "each window": time_kernel(each_window, whole, grid),
            "each pair": time_kernel(each_pair, whole, grid),
            "each pair, band": time_kernel(each_pair_band, sample, grid),
        }
        rows = []
        for n in options.channels:
            n_pairs = n * (n - 1) // 2
            cpu, wall, error = engine(n, plan, sample, options.workers)
            rows += [
                [k, n, n_pairs, f"{s * n_pairs:.2f}*", "", f"{s * n_pairs / cpu:.0f}", ""] for k, s in per_pair.items()
            ]
            rows.append(["seisloom", n, n_pairs, f"{cpu:.2f}", f"{wall:.2f}", "1", f"{error:.0e}"])
    print_table(["kernel", "channels", "pairs", "CPU s", "wall s", "x seisloom", "relative error"], rows)
    print(f"* from {SAMPLE_CHANNELS * (SAMPLE_CHANNELS - 1) // 2} pairs, so much a pair")
