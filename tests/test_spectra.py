"""Windows and their spectra: which windows count, what whitening does, and phase correlation by its definition."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st

from seisloom.config import CorrelationSettings
from seisloom.noise.plan import WindowPlan, make_plan
from seisloom.noise.preprocess import DaySeries
from seisloom.noise.spectra import channel_spectra, correlation_scale, covered_windows, phase_spectra, taper_window
from tests import reference


def choose(**changes) -> CorrelationSettings:
    """A small job: 47 windows of an hour, 1 Hz."""
    small = {"fs": 1.0, "freqmin": 0.05, "freqmax": 0.4, "cc_len": 3600.0, "cc_step": 1800.0, "maxlag": 100.0}
    return CorrelationSettings(**small | {"response": "none"} | changes)


def noise(plan: WindowPlan, rng: np.random.Generator, *ranges: tuple[int, int]) -> DaySeries:
    """White noise of the size of ground motion in the ranges, zeros elsewhere."""
    samples = np.zeros(plan.n_day)
    for first, stop in ranges or ((0, plan.n_day),):
        samples[first:stop] = 1e-7 * rng.standard_normal(stop - first)
    return DaySeries(samples, list(ranges or ((0, plan.n_day),)))


@pytest.mark.parametrize(
    ("cc_len", "cc_step", "n"),
    [(1800.0, 450.0, 189), (3600.0, 3600.0, 24), (86_400.0, 86_400.0, 1), (50_000.0, 20_000.0, 2), (7000.0, 100.0, 795)],
)  # fmt: skip
def test_every_window_that_ends_within_the_day_is_there(cc_len, cc_step, n):
    s = choose(fs=10.0, cc_len=cc_len, cc_step=cc_step)
    plan = make_plan(s)
    assert plan.n_windows == n == len(reference.window_starts(s))
    np.testing.assert_allclose(plan.starts / plan.rate, reference.window_starts(s))
    assert plan.starts[-1] + plan.n_window <= plan.n_day < plan.starts[-1] + plan.n_step + plan.n_window


@pytest.mark.parametrize("changes", [{}, {"fs": 10.0}, {"fs": 20.0, "freqmax": 9.5}, {"fs": 10.0, "time_norm": "ram"}])
def test_the_plan_keeps_the_band_and_pads_for_the_lag(changes):
    s = choose(**changes)
    plan = make_plan(s)
    assert plan.rate * plan.factor == s.fs
    assert plan.nfft >= (s.cc_len + s.maxlag) * plan.rate
    assert plan.nfft % 2 == 0
    f = np.arange(plan.nfft // 2 + 1) * plan.rate / plan.nfft
    expected = reference.pass_band(f, s)
    kept = slice(plan.first_bin, plan.first_bin + len(plan.weight))
    np.testing.assert_allclose(plan.weight, expected[kept], atol=1e-12)
    np.testing.assert_allclose(plan.frequencies, f[kept])
    assert plan.weight.min() > 0
    assert np.delete(expected, range(kept.start, kept.stop)).max(initial=0) < 1e-12
    # Records are filtered a little wider than the band; the lower rate must hold that too.
    assert plan.factor == 1 or 1.25 * s.freqmax <= plan.rate / 2


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 86_400), st.integers(0, 40_000)), max_size=5))
def test_a_window_counts_where_one_range_holds_all_of_it(spans):
    plan = make_plan(choose())
    ranges = [(first, min(first + length, 86_400)) for first, length in spans]
    expected = [any(a <= 1800 * w and 1800 * w + 3600 <= b for a, b in ranges) for w in range(47)]
    assert covered_windows(ranges, plan).tolist() == expected


@pytest.mark.parametrize("taper", [0.0, 0.05, 0.3, 0.5])
def test_taper_is_a_cosine_at_both_ends(taper):
    s = choose(taper=taper)
    plan = make_plan(s)
    np.testing.assert_allclose(taper_window(plan, s), reference.cosine_ends(3600, int(taper * 3600)), atol=1e-15)


def naive_rows(series: DaySeries, s: CorrelationSettings, plan: WindowPlan) -> np.ndarray:
    """Whitened spectra (window, frequency of the pass band), window by window."""
    f = np.arange(plan.nfft // 2 + 1) * plan.rate / plan.nfft
    taper = reference.cosine_ends(plan.n_window, int(s.taper * plan.n_window))
    rows = []
    for start in np.round(np.array(reference.window_starts(s)) * plan.rate).astype(int):
        spectrum = scipy.fft.rfft(series.samples[start : start + plan.n_window] * taper, plan.nfft)
        rows.append(reference.whitened(spectrum, f, s)[plan.first_bin : plan.first_bin + len(plan.weight)])
    return np.array(rows)


@pytest.mark.parametrize(
    "changes",
    [
        {"whiten": "phase"},
        {"whiten": "none"},
        {"whiten": "running-mean"},
        {"whiten": "running-mean", "whiten_width": 1e-6},  # at least a bin on either side
        {"measure": "coherency", "whiten": "none"},
        {"fs": 10.0, "whiten": "running-mean"},  # worked at a lower rate
    ],
)  # fmt: skip
def test_spectra_are_those_of_the_plain_way(rng, changes):
    s = choose(**changes)
    plan = make_plan(s)
    series = noise(plan, rng)
    got, problems = channel_spectra(series, s, plan)
    expected = naive_rows(series, s, plan)
    assert problems == []
    assert got.valid.all()
    assert got.left is got.right
    assert got.right.dtype == np.complex64
    assert np.linalg.norm(got.right - expected) < 1e-7 * np.linalg.norm(expected)


def test_phase_whitening_leaves_amplitudes_that_are_the_weight(rng):
    s = choose(whiten="phase")
    plan = make_plan(s)
    got, _ = channel_spectra(noise(plan, rng), s, plan)
    np.testing.assert_allclose(np.abs(got.right), np.tile(plan.weight, (47, 1)), rtol=3e-7)


def test_rows_of_windows_with_gaps_are_zero(rng):
    s = choose()
    plan = make_plan(s)
    series = noise(plan, rng, (0, 20_000), (25_000, 86_400))
    got, problems = channel_spectra(series, s, plan)
    expected = [1800 * w + 3600 <= 20_000 or 1800 * w >= 25_000 for w in range(47)]
    assert problems == []
    assert got.valid.tolist() == expected
    assert (np.abs(got.right).max(axis=1) > 0).tolist() == expected
    whole, _ = channel_spectra(DaySeries(series.samples, [(0, 86_400)]), s, plan)
    np.testing.assert_array_equal(got.right[got.valid], whole.right[got.valid])


def test_no_data_no_spectra(rng):
    s = choose()
    plan = make_plan(s)
    for ranges in ([], [(0, 3599)], [(100, 5399)]):
        assert channel_spectra(DaySeries(np.zeros(86_400), ranges), s, plan) == (
            None,
            ["no window: no stretch of data is as long as cc_len"],
        )


@pytest.mark.filterwarnings("error")
def test_spectra_that_are_not_finite_are_refused(rng):
    """Float32 ends at 3e38: power that is beyond it must not reach the other channels."""
    s = choose(whiten="none", reject_peak=0.0)
    plan = make_plan(s)
    series = noise(plan, rng)
    series.samples[40_000:50_000] *= 1e46
    got, problems = channel_spectra(series, s, plan)
    assert got is None
    assert problems[-1] == "not finite: the spectra of the day"


def test_windows_with_a_glitch_are_left_out_and_counted(rng):
    """One spike of 100 standard deviations spoils the two windows that hold it."""
    s = choose()
    plan = make_plan(s)
    series = noise(plan, rng)
    series.samples[10_000] = 1e-5
    got, problems = channel_spectra(series, s, plan)
    assert np.flatnonzero(~got.valid).tolist() == [4, 5]
    assert problems == ["transients: 2 of 47 windows left out (peak above 20 x rms)"]
    for lenient in (choose(reject_peak=0.0), choose(reject_peak=120.0), choose(time_norm="clip")):
        kept, problems = channel_spectra(series, lenient, make_plan(lenient))
        assert kept.valid.all()
        assert problems == []


@pytest.mark.parametrize(("last", "silent"), [(20_000, 4), (70_000, 31)])
def test_windows_of_nothing_are_left_out(rng, last, silent):
    """Also where they are most of the day; they say nothing of how loud the others may be."""
    s = choose()
    plan = make_plan(s)
    series = noise(plan, rng)
    series.samples[10_000:last] = 0.0
    got, problems = channel_spectra(series, s, plan)
    assert np.flatnonzero(~got.valid).tolist() == list(range(6, 6 + silent))
    assert problems == [f"silent: {silent} of 47 windows left out (all samples are zero)"]


def test_a_day_of_nothing(rng):
    s = choose()
    silent, problems = channel_spectra(DaySeries(np.zeros(86_400), [(0, 86_400)]), s, make_plan(s))
    assert silent is None
    assert problems == ["silent: 47 of 47 windows left out (all samples are zero)"]


def test_deconvolution_divides_by_the_smoothed_power_of_the_source(rng):
    s = choose(measure="deconvolution", whiten="none")
    plan = make_plan(s)
    series = noise(plan, rng)
    got, _ = channel_spectra(series, s, plan)
    plain = naive_rows(series, choose(whiten="none"), plan)  # weighted once
    half = round(s.whiten_width * plan.nfft / plan.rate / 2)
    power = np.array([reference.running_mean(np.abs(row / plan.weight) ** 2, half) for row in plain])
    assert np.linalg.norm(got.right - plain) < 1e-7 * np.linalg.norm(plain)
    assert np.linalg.norm(got.left - plain / power) < 1e-7 * np.linalg.norm(plain / power)


def lags_of(a: np.ndarray, b: np.ndarray, plan: WindowPlan, half: int) -> np.ndarray:
    """Unscaled inverse transform of the sum over rows of conj(a) b, at lags -half..half."""
    cross = np.zeros(plan.nfft // 2 + 1, complex)
    cross[plan.first_bin : plan.first_bin + a.shape[1]] = (a.conj() * b).sum(axis=0)
    full = scipy.fft.irfft(cross, plan.nfft) * plan.nfft
    return np.concatenate([full[-half:], full[: half + 1]])


@pytest.mark.parametrize("n", [60, 61])
def test_phase_correlation_is_its_definition(rng, n):
    """Two rows a window add up to the sum of phasors over time, for windows of even and odd length, at every lag."""
    s = choose(measure="pcc", whiten="none", cc_len=float(n), cc_step=float(n), maxlag=40.0)
    plan = make_plan(s)
    a, b = rng.standard_normal((2, n))
    padded = np.zeros((2, plan.nfft))
    padded[:, :n] = a, b
    rows = phase_spectra(padded, plan)  # the first rows of both windows, then their second rows
    assert rows.shape == (4, plan.nfft // 2 + 1)
    got = lags_of(rows[[0, 2]], rows[[1, 3]], plan, 40) * correlation_scale(s, plan)
    np.testing.assert_allclose(got, reference.phase_correlation(a, b, 40), atol=1e-12)


def test_phase_correlation_of_a_day(rng):
    s = choose(measure="pcc", whiten="none", cc_len=120.0, cc_step=120.0, maxlag=30.0)
    plan = make_plan(s)
    series = [noise(plan, rng, (0, 40_000)) for _ in range(2)]
    spectra = [channel_spectra(x, s, plan)[0] for x in series]
    assert [x.right.shape[0] for x in spectra] == [2 * plan.n_windows] * 2
    taper = reference.cosine_ends(120, 6)
    for w in (0, 7):
        rows = [w, w + plan.n_windows]
        got = lags_of(spectra[0].left[rows], spectra[1].right[rows], plan, 30) * correlation_scale(s, plan)
        a, b = (x.samples[120 * w : 120 * (w + 1)] * taper for x in series)
        np.testing.assert_allclose(got, reference.phase_correlation(a, b, 30), atol=3e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"whiten": "running-mean"},
        {"measure": "deconvolution", "whiten": "none"},
        {"measure": "pcc", "whiten": "none"},
    ],
)
def test_a_channel_with_itself_is_one_at_zero_lag(rng, changes):
    """Exactly so for phases; on average over windows where amplitudes are only smoothed."""
    s = choose(cc_len=1800.0, cc_step=900.0, **changes)
    plan = make_plan(s)
    got, _ = channel_spectra(noise(plan, rng), s, plan)
    at_zero = lags_of(got.left, got.right, plan, 1)[1] * correlation_scale(s, plan) / plan.n_windows
    exact = s.whiten == "phase" or s.measure == "pcc"
    # |X|² / (mean |X|)² of a Gaussian spectrum is 4/π on average, |X|² / mean |X|² is 1.
    expected = 4 / np.pi if s.whiten == "running-mean" else 1.0
    assert at_zero == pytest.approx(expected, rel=1e-6 if exact else 0.05)


def test_without_whitening_zero_lag_is_the_mean_square(rng):
    """White noise of unit variance at 1 Hz has a share 2 ∫ w² df of its power in the pass band."""
    s = choose(whiten="none")
    plan = make_plan(s)
    series = noise(plan, rng)
    got, _ = channel_spectra(series, s, plan)
    at_zero = lags_of(got.left, got.right, plan, 1)[1] * correlation_scale(s, plan) / plan.n_windows
    share = 2 * np.sum(plan.weight**2) * plan.rate / plan.nfft
    assert at_zero == pytest.approx(1e-14 * share, rel=0.03)
