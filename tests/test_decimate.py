"""Decimation against the filter written out, and against what it must leave and remove."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.noise.decimate import STOPBAND_DB, decimate, decimation_factor


def written_out(x: np.ndarray, factor: int, top: float) -> np.ndarray:
    """The same low-pass as one long sum for every output, the ends of ``x`` continued."""
    n = int(np.ceil((STOPBAND_DB - 8) / (2.285 * 2 * np.pi * (1 / factor - 2 * top)))) // 2 * 2 + 1
    t = np.arange(n) - n // 2
    taps = np.sinc(t / factor) * np.kaiser(n, 0.1102 * (STOPBAND_DB - 8.7))
    padded = np.concatenate([np.full(n // 2, x[0]), x, np.full(n // 2, x[-1])]).astype(float)
    return np.convolve(padded, taps / taps.sum(), mode="valid")[::factor]


@given(
    st.integers(1, 30_000),
    st.sampled_from([(2, 0.1), (3, 0.05), (4, 0.0625), (5, 0.05), (8, 0.03), (20, 0.0125)]),
    st.sampled_from([np.int32, np.float32, np.float64]),
    st.integers(0, 2**31),
)
def test_equals_the_filter_written_out(n: int, filtered: tuple[int, float], dtype: type, seed: int) -> None:
    x = (np.random.default_rng(seed).normal(size=n) * 1000 + 300).astype(dtype)
    got, wanted = decimate(x, *filtered), written_out(x, *filtered)
    assert got.shape == wanted.shape == (-(-n // filtered[0]),)
    assert np.abs(got - wanted).max() <= 1e-12 * np.abs(x).max()


def test_the_band_passes_and_its_aliases_do_not() -> None:
    t, factor, top = np.arange(200_000), 4, 0.0625
    inside = slice(100, -100)
    for f in (0.0, 0.01, 0.05, top):
        wanted = np.cos(2 * np.pi * f * t + 0.3)
        assert np.abs(decimate(wanted, factor, top)[inside] - wanted[::factor][inside]).max() < 1e-10
    for f in (1 / factor - top, 1 / factor, 1 / factor + top, 0.5):
        assert np.abs(decimate(np.cos(2 * np.pi * f * t + 0.3), factor, top)[inside]).max() < 1e-10


@pytest.mark.parametrize(
    ("rate", "top", "factor"),
    [(20, 1.25, 4), (40, 1.25, 8), (100, 1.25, 20), (5, 1.25, 1), (1, 0.5, 1), (70, 1.25, 12)],
)
def test_factor_leaves_four_samples_a_period(rate: float, top: float, factor: int) -> None:
    assert decimation_factor(rate, top) == factor
