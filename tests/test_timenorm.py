"""Normalisation in time: definitions written out sample by sample, and what they are for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seisloom.config import CorrelationSettings
from seisloom.noise.plan import make_plan
from seisloom.noise.preprocess import day_series
from seisloom.noise.timenorm import normalise, running_absolute_mean
from seisloom.waveforms.base import Record, Segment

DAY = pd.Timestamp("2022-01-02").value


def choose(time_norm: str, **changes) -> CorrelationSettings:
    return CorrelationSettings(**{"response": "none", "time_norm": time_norm} | changes)


def test_none_leaves_the_samples_alone(rng):
    x = rng.standard_normal(100)
    assert normalise(x, choose("none")) is x


def test_one_bit_is_the_sign(rng):
    x = np.concatenate([rng.standard_normal(100) * 1e-9, [0.0]])
    got = normalise(x, choose("one-bit"))
    assert got.tolist() == [1.0 if v > 0 else -1.0 if v < 0 else 0.0 for v in x]


def test_clip_cuts_at_so_many_standard_deviations(rng):
    x = rng.standard_normal(10_000)
    x[5000] = 1000.0
    limit = 2.0 * np.sqrt(np.mean((x - np.mean(x)) ** 2))
    got = normalise(x, choose("clip", clip_std=2.0))
    np.testing.assert_allclose(got, [min(max(v, -limit), limit) for v in x])
    assert got[5000] == pytest.approx(limit)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 80), st.integers(0, 15))
def test_running_absolute_mean_is_its_definition(seed, n, half):
    """y(k) = x(k) / mean |x| over k - half .. k + half (Bensen et al. 2007, eq. 1-2), fewer at the ends."""
    x = np.random.default_rng(seed).standard_normal(n)
    expected = [x[k] / np.mean(np.abs(x[max(0, k - half) : k + half + 1])) for k in range(n)]
    np.testing.assert_allclose(running_absolute_mean(x, 2 * half + 1), expected, rtol=1e-10)


def test_running_absolute_mean_of_zeros_is_zero():
    x = np.zeros(50)
    x[40] = 3.0
    got = running_absolute_mean(x, 5)
    assert np.flatnonzero(got).tolist() == [40]
    assert got[40] == pytest.approx(5.0)


@pytest.mark.parametrize(("ram_window", "samples"), [(None, 51), (2.0, 21), (2.04, 21), (0.01, 1)])
def test_running_mean_window_is_odd_and_by_default_half_the_longest_period(rng, ram_window, samples):
    x = rng.standard_normal(500)
    got = normalise(x, choose("ram", ram_window=ram_window, fs=10.0, freqmin=0.1))
    np.testing.assert_allclose(got, running_absolute_mean(x, samples))


def test_running_absolute_mean_takes_an_earthquake_down(rng):
    """Noise under a packet a thousand times as strong: afterwards no half minute stands out by more than a third."""
    t = np.arange(20_000) / 10.0
    x = rng.standard_normal(20_000)
    x *= 1 + 1000 * np.exp(-(((t - 1000) / 60) ** 2))
    got = normalise(x, choose("ram", ram_window=10.0))
    rms = np.sqrt(np.mean(got[300:-200].reshape(-1, 300) ** 2, axis=1))
    assert np.max(np.abs(rms / np.median(rms) - 1)) < 0.34


@pytest.mark.parametrize("time_norm", ["one-bit", "clip", "ram"])
def test_a_day_is_normalised_at_the_full_rate_and_only_where_there_is_data(rng, time_norm):
    """Not linear, so it is done at fs, after the filter; gaps stay empty."""
    s = choose(time_norm, fs=5.0, freqmin=0.1, freqmax=0.5)
    plan = make_plan(s)
    assert (plan.rate, plan.factor) == (5.0, 1)
    parts = [Segment(DAY + start * 10**9, 20.0, rng.standard_normal(20 * 4000)) for start in (1000, 50_000)]
    series, problems = day_series(Record(parts), DAY, s, plan)
    plain, _ = day_series(
        Record(parts), DAY, choose("none", fs=5.0, freqmin=0.1, freqmax=0.5, measure="pcc", whiten="none"), plan
    )
    assert series.ranges == plain.ranges == [(5000, 25_000), (250_000, 270_000)]
    assert len(problems) == 1
    for first, stop in series.ranges:
        inside = slice(first, stop)
        np.testing.assert_array_equal(series.samples[inside], normalise(plain.samples[inside], s))
        series.samples[inside] = 0
    assert not series.samples.any()
