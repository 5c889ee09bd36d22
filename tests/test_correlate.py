"""The correlation engine against every pair and window on its own in float64, and against what delays must give."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise
from unittest.mock import patch

import ducc0
import numpy as np
import pandas as pd
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import make_interp_spline

from seisloom.config import CorrelationSettings
from seisloom.noise import product as products
from seisloom.noise.correlate import (
    Inverse,
    SpectraStack,
    band_height,
    correlate_pairs,
    correlate_windows,
    window_counts,
)
from seisloom.noise.plan import WindowPlan, make_plan
from seisloom.noise.preprocess import DaySeries, day_series
from seisloom.noise.product import cells, product, squares
from seisloom.noise.response import Responses, read_inventories
from seisloom.noise.spectra import channel_spectra, correlation_scale
from seisloom.waveforms import open_source
from seisloom.waveforms.base import DAY_NS
from tests import reference

POOL = ThreadPoolExecutor(2)


def random_stack(
    rng: np.random.Generator, n_frequencies: int, n_channels: int, n_windows: int, folds=1, two_sided=False
) -> SpectraStack:
    """Random spectra in which a fifth of the windows are missing."""
    stack = SpectraStack.empty(n_frequencies, n_channels, n_windows, folds * n_windows, two_sided)
    stack.valid[:] = rng.random(stack.valid.shape) < 0.8
    mask = np.tile(stack.valid, folds)
    for part in {id(stack.left): stack.left, id(stack.right): stack.right}.values():
        part[:] = (rng.standard_normal(part.shape) + 1j * rng.standard_normal(part.shape)) * mask
    return stack


def naive(stack: SpectraStack, pairs: np.ndarray, inverse: Inverse, groups: list) -> tuple[np.ndarray, float]:
    """Correlations (pair, group, lag) summed over rows one by one in float64, and their rms at any lag."""
    half, out, power = inverse.n_half_lag, [], []
    for a, b in pairs:
        for rows in groups:
            total = np.zeros(inverse.nfft)
            for row in np.arange(stack.right.shape[2])[rows]:
                cross = np.zeros(inverse.nfft // 2 + 1, complex)
                product = stack.left[:, a, row].astype(complex).conj() * stack.right[:, b, row]
                cross[inverse.first_bin : inverse.first_bin + len(product)] = product
                total += scipy.fft.irfft(cross, inverse.nfft) * inverse.nfft * inverse.scale
            out.append(np.concatenate([total[-half:], total[: half + 1]]))
            power.append(np.mean(total**2))
    return np.reshape(out, (len(pairs), len(groups), -1)), float(np.sqrt(np.mean(power)))


def gather(blocks) -> np.ndarray:
    """All blocks in one array; each must begin where the one before ended."""
    parts, done = [], 0
    for first, block in blocks:
        assert first == done
        parts.append(block.copy())
        done += len(block)
    return np.concatenate(parts)


@st.composite
def jobs(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    n_channels = draw(st.one_of(st.integers(1, 20), st.sampled_from([25, 49, 60])))
    n_windows = draw(st.integers(1, 6))
    n_frequencies = draw(st.sampled_from([1, 5, 31, 32, 33, 70]))
    first_bin = draw(st.integers(1, 10))
    nfft = 2 * (first_bin + n_frequencies + draw(st.integers(0, 20)))
    n_half = draw(st.integers(1, nfft // 2 - 1))
    folds = draw(st.sampled_from([1, 2]))
    stack = random_stack(rng, n_frequencies, n_channels, n_windows, folds, draw(st.booleans()))
    every = np.stack(np.triu_indices(n_channels), axis=1)
    keep = rng.random(len(every)) < draw(st.sampled_from([0.1, 0.5, 1.0]))
    pairs = every[keep] if keep.any() else every[:1]
    inner = draw(st.sets(st.integers(1, n_windows - 1))) if n_windows > 1 else set()
    spans = [np.arange(a, b) for a, b in pairwise([0, *sorted(inner), n_windows])]
    if folds == 1 and draw(st.booleans()):
        groups = [slice(int(span[0]), int(span[-1]) + 1) for span in spans]
    else:
        groups = [np.concatenate([span + fold * n_windows for fold in range(folds)]) for span in spans]
    return stack, pairs, Inverse(first_bin, nfft, n_half, draw(st.sampled_from([1.0, 1e-3]))), groups


@settings(max_examples=60, deadline=None)
@given(job=jobs(), memory=st.sampled_from([1.0, 2e5, 4e9]))
def test_engine_is_the_sum_over_windows_of_every_pair_on_its_own(job, memory):
    """Any numbers of channels, windows, groups, frequencies and pairs, and budgets that force one channel a band."""
    stack, pairs, inverse, groups = job
    expected, size = naive(stack, pairs, inverse, groups)
    got = gather(correlate_pairs(stack, pairs, inverse, groups, POOL, memory))
    assert got.dtype == np.float32
    assert got.shape == expected.shape
    assert np.sqrt(np.mean((got - expected) ** 2)) <= 1e-6 * size


@settings(max_examples=30, deadline=None)
@given(job=jobs(), memory=st.sampled_from([1.0, 4e9]))
def test_single_windows_are_those_of_every_pair_on_its_own(job, memory):
    stack, pairs, inverse, _ = job
    n_windows = stack.valid.shape[1]
    rows = [np.arange(w, stack.right.shape[2], n_windows) for w in range(n_windows)]
    expected, size = naive(stack, pairs, inverse, rows)
    got = gather(correlate_windows(stack, pairs, inverse, POOL, memory))
    assert got.shape == expected.shape
    assert np.sqrt(np.mean((got - expected) ** 2)) <= 1e-6 * size


@settings(max_examples=20, deadline=None)
@given(job=jobs())
def test_windows_add_up_to_the_day(job):
    stack, pairs, inverse, _ = job
    windows = gather(correlate_windows(stack, pairs, inverse, POOL))
    day = gather(correlate_pairs(stack, pairs, inverse, [slice(0, stack.right.shape[2])], POOL))
    assert np.linalg.norm(windows.sum(axis=1) - day[:, 0]) <= 1e-5 * np.linalg.norm(windows)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 200), st.data())
def test_the_grid_covers_the_upper_triangle_once(n, data):
    """Every product of channels that are held, whichever they are, is in one block of one square of the grid."""
    held = st.sets(st.integers(0, n - 1), min_size=1).map(lambda chosen: np.array(sorted(chosen)))
    a, b = data.draw(held), data.draw(held)
    covered, may_cut = np.zeros((n, n), int), data.draw(st.booleans())
    for i in cells(a, n, may_cut):
        assert i.inside.max() < i.size
        assert (np.diff(i.inside) == np.diff(a[i.held])).all()
        for j in cells(b, n, may_cut):
            square = np.zeros((i.size, j.size), int)
            for rows, columns in (
                squares(i.size, i.number == j.number and not (i.cut or j.cut)) if j.number >= i.number else ()
            ):
                square[rows, columns] += 1
            covered[np.ix_(a[i.held], b[j.held])] += square[np.ix_(i.inside, j.inside)]
    wanted = np.zeros((n, n), int)
    wanted[np.ix_(a, b)] = 1
    assert (np.triu(covered) == np.triu(wanted)).all()
    assert covered.max() <= 1


@pytest.mark.parametrize("agree", [True, False])
@settings(max_examples=40, deadline=None)
@given(job=jobs(), data=st.data())
def test_any_channels_of_a_product_have_the_bits_of_all(agree, job, data):
    """Also where parts of products are not seen to agree, and whole squares are made."""
    stack, _, _, groups = job
    n = stack.n_channels
    every = np.arange(n)
    whole = np.zeros((len(stack.right), n, n), np.complex64)
    product(stack.left, every, stack.right, every, n, groups[0], POOL, whole)
    held = st.sets(st.integers(0, n - 1), min_size=1).map(lambda chosen: np.array(sorted(chosen)))
    a, b = data.draw(held), data.draw(held)
    some = np.zeros((len(stack.right), len(a), len(b)), np.complex64)
    with patch.object(products, "parts_agree", (lambda *_: False) if not agree else products.parts_agree):
        product(stack.left[:, a], a, stack.right[:, b], b, n, groups[0], POOL, some)
    upper = a[:, None] <= b
    assert (some[:, upper] == whole[:, a[:, None], b][:, upper]).all()


@settings(max_examples=20, deadline=None)
@given(job=jobs(), memory=st.sampled_from([1.0, 2e5]))
def test_bands_have_the_bits_of_the_whole(job, memory):
    stack, pairs, inverse, groups = job
    whole, bands = (gather(correlate_pairs(stack, pairs, inverse, groups, POOL, m)) for m in (4e9, memory))
    assert (whole == bands).all()


def test_bands_hold_the_memory_that_they_may_take():
    """Cross-spectra and correlations beside the spectra; at least one channel, at most some 384 MB of cross-spectra."""
    stack = SpectraStack.empty(1000, 400, 50, 50, False)
    spectra, row = 8 * 1000 * 400 * 50, 400 * (8 * 1000 + 4 * 4001)
    for height in (1, 17, 48, 96):
        assert band_height(stack, 4001, spectra + (height + 0.5) * row) == height
    assert band_height(stack, 4001, 0) == 1
    assert band_height(stack, 4001, 1e13) == 96  # 120 x 400 pairs of 1000 frequencies are 384 MB
    assert band_height(stack, 4001, spectra + 95 * row) == 48  # whole cells of the grid
    assert band_height(SpectraStack.empty(4000, 400, 5, 5, False), 4001, 1e13) == 96
    assert band_height(SpectraStack.empty(10, 400, 5, 5, False), 4001, 1e13) == 192
    assert band_height(SpectraStack.empty(10, 3, 5, 5, True), 11, 1e9) == 3


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 12), st.integers(1, 30))
def test_window_counts_are_windows_that_both_have(seed, n_channels, n_windows):
    valid = np.random.default_rng(seed).random((n_channels, n_windows)) < 0.6
    pairs = np.stack(np.triu_indices(n_channels), axis=1)
    expected = [sum(bool(x and y) for x, y in zip(valid[a], valid[b], strict=True)) for a, b in pairs]
    got = window_counts(valid, pairs)
    assert got.tolist() == expected
    assert got.dtype == np.int32


# Series with known delays, through spectra and engine.


def job(**changes) -> CorrelationSettings:
    return CorrelationSettings(**{"response": "none", "cc_len": 3600.0, "cc_step": 3600.0, "maxlag": 60.0} | changes)


def band_noise(plan: WindowPlan, rng: np.random.Generator, delays=(0.0,), low=0.05, high=1.15) -> list[np.ndarray]:
    """A day of noise between low and high Hz, once for each delay in s (exact: by phase, around the day)."""
    f = np.arange(plan.n_day // 2 + 1) * plan.rate / plan.n_day
    spectrum = (rng.standard_normal(len(f)) + 1j * rng.standard_normal(len(f))) * ((f > low) & (f < high))
    return [scipy.fft.irfft(spectrum * np.exp(-2j * np.pi * f * delay), plan.n_day) for delay in delays]


def correlated(series: list[np.ndarray], s: CorrelationSettings, plan: WindowPlan, missing=()) -> np.ndarray:
    """Mean correlations of all pairs, (channel, channel, lag), NaN below the diagonal."""
    stack, _ = stacked([DaySeries(x, [(0, plan.n_day)]) for x in series], s, plan)
    n = len(series)
    pairs = np.stack(np.triu_indices(n), axis=1)
    inverse = Inverse.from_plan(plan, correlation_scale(s, plan))
    sums = gather(correlate_pairs(stack, pairs, inverse, [slice(0, stack.right.shape[2])], POOL))[:, 0]
    out = np.full((n, n, s.n_lag), np.nan)
    out[tuple(pairs.T)] = sums / window_counts(stack.valid, pairs)[:, None]
    return out


def stacked(series: list[DaySeries], s: CorrelationSettings, plan: WindowPlan) -> tuple[SpectraStack, list[list[str]]]:
    rows = plan.n_windows * (2 if s.measure == "pcc" else 1)
    stack = SpectraStack.empty(len(plan.weight), len(series), plan.n_windows, rows, s.measure == "deconvolution")
    said = []
    for c, one in enumerate(series):
        spectra, problems = channel_spectra(one, s, plan)
        stack.right[:, c], stack.left[:, c], stack.valid[c] = spectra.right.T, spectra.left.T, spectra.valid
        said.append(problems)
    return stack, said


def lags(s: CorrelationSettings) -> np.ndarray:
    return (np.arange(s.n_lag) - s.n_lag // 2) / s.fs


def peak(ccf: np.ndarray, s: CorrelationSettings) -> float:
    """Lag in s of the largest value of the smooth curve through the samples."""
    k = int(np.argmax(ccf))
    near = slice(k - 12, k + 13)
    fine = np.linspace(lags(s)[k - 1], lags(s)[k + 1], 20_001)
    return float(fine[np.argmax(make_interp_spline(lags(s)[near], ccf[near], k=7)(fine))])


MEASURES = [
    {"whiten": "phase"},
    {"whiten": "none"},
    {"whiten": "running-mean"},
    {"measure": "coherency"},
    {"measure": "deconvolution", "whiten": "none"},
    {"measure": "pcc", "whiten": "none"},
    {"whiten": "phase", "time_norm": "one-bit"},
]


@pytest.mark.parametrize("changes", MEASURES)
@pytest.mark.parametrize("delay", [3.0, -7.5, 0.0, 12.3456, -0.0371])
def test_a_delayed_copy_peaks_at_its_delay(rng, changes, delay):
    """B later than A by 3 s gives the peak at +3 s, to a thousandth of a sample.

    Phase signals are not band-limited, so that between samples phase correlation is only good to a fiftieth.
    """
    s = job(**changes)
    plan = make_plan(s)
    ccf = correlated(band_noise(plan, rng, (0.0, delay)), s, plan)[0, 1]
    assert abs(peak(ccf, s) - delay) * s.fs < (0.02 if s.measure == "pcc" else 1e-3)
    if delay == 3.0:
        assert np.argmax(ccf) == 600 + 30
        assert lags(s)[600] == 0.0


@pytest.mark.parametrize("changes", MEASURES)
def test_reversed_pair_is_reversed_lag(rng, changes):
    s = job(**changes)
    plan = make_plan(s)
    a, b, c = band_noise(plan, rng, (0.0, 4.0)) + band_noise(plan, rng)
    forward, backward = correlated([a, b + c, c], s, plan), correlated([c, b + c, a], s, plan)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        there, back = forward[i, j], backward[2 - j, 2 - i][::-1]
        if s.measure == "deconvolution":  # the source is divided out: not the same thing
            assert np.linalg.norm(there - back) > 0.1 * np.linalg.norm(there)
        else:
            assert np.linalg.norm(there - back) < 2e-6 * np.linalg.norm(there)


@pytest.mark.parametrize("changes", MEASURES)
def test_autocorrelation_is_even_and_largest_at_zero(rng, changes):
    s = job(**changes)
    plan = make_plan(s)
    ccf = correlated(band_noise(plan, rng), s, plan)[0, 0]
    assert len(ccf) == s.n_lag == 1201
    assert np.argmax(ccf) == 600
    np.testing.assert_allclose(ccf, ccf[::-1], atol=1e-6 * ccf[600])
    if s.measure == "pcc" or (s.measure == "cc" and s.whiten == "phase"):
        assert ccf[600] == pytest.approx(1.0, rel=1e-5)


def test_deconvolution_gives_the_response_of_b_to_a(rng):
    """B is half of A 3 s later minus a third 10 s later: the pass band's pulse, of those sizes, at those lags."""
    s = job(measure="deconvolution", whiten="none")
    plan = make_plan(s)
    a, early, late = band_noise(plan, rng, (0.0, 3.0, 10.0))
    ccf = correlated([a, early / 2 - late / 3], s, plan)[0, 1]
    phase = 2 * np.pi * plan.frequencies
    pulses = [[np.sum(plan.weight**2 * np.cos(phase * (lag - delay))) for lag in lags(s)] for delay in (3.0, 10.0)]
    expected = (np.array(pulses[0]) / 2 - np.array(pulses[1]) / 3) / np.sum(plan.weight**2)
    assert np.linalg.norm(ccf - expected) < 0.03 * np.linalg.norm(expected)


def test_without_whitening_the_values_are_mean_products(rng):
    """Two records that share a tenth of their power: at the delay the mean of a(t) b(t + lag), here the shared power."""
    s = job(whiten="none")
    plan = make_plan(s)
    shared = band_noise(plan, rng, (0.0, 5.0), 0.2, 0.9)
    others = [band_noise(plan, rng, (0.0,), 0.2, 0.9)[0] for _ in range(2)]
    a, b = (x + 3 * y for x, y in zip(shared, others, strict=True))
    ccf = correlated([a, b], s, plan)[0, 1]
    assert ccf[650] == pytest.approx(np.mean(shared[0] ** 2), rel=0.1)


def test_correlation_is_linear_and_does_not_wrap_around(rng):
    """B is A 400 s later in windows of 600 s: a circular correlation shows the third that they share at -200 s too."""
    s = job(cc_len=600.0, cc_step=600.0, whiten="none", taper=0.0, maxlag=300.0)
    plan = make_plan(s)
    a, b, other = *band_noise(plan, rng, (0.0, 400.0)), *band_noise(plan, rng)
    together = correlated([a, b, other], s, plan)
    delayed, independent = together[0, 1], together[0, 2]
    level = np.std(independent)
    assert np.max(np.abs(delayed)) < 5 * level
    spectra = [scipy.fft.rfft(x.reshape(plan.n_windows, plan.n_window), axis=1) for x in (a, b)]  # no zeros behind
    circular = scipy.fft.irfft((spectra[0].conj() * spectra[1]).mean(axis=0)) / plan.n_window
    assert circular[round(-200 * plan.rate)] > 0.3 * np.mean(a**2) > 10 * level


def test_channels_of_a_pair_need_the_same_windows(rng):
    """A has the first two thirds of the day and B the last two: the third they share is what the pair is made of."""
    s = job()
    plan = make_plan(s)
    a, b = band_noise(plan, rng, (0.0, 3.0))
    third = plan.n_day // 3
    stack, said = stacked([DaySeries(a, [(0, 2 * third)]), DaySeries(b, [(third, 3 * third)])], s, plan)
    assert said == [[], []]
    pairs = np.array([(0, 1)])
    inverse = Inverse.from_plan(plan, correlation_scale(s, plan))
    assert window_counts(stack.valid, pairs).tolist() == [8]
    got = gather(correlate_pairs(stack, pairs, inverse, [slice(0, 24)], POOL))[0, 0] / 8
    a[:third] = a[2 * third :] = np.nan
    expected, count = plain_correlation(a, b, s, plan)
    assert count == 8
    assert np.linalg.norm(got - expected) < 1e-6 * np.linalg.norm(expected)


def plain_correlation(a: np.ndarray, b: np.ndarray, s: CorrelationSettings, plan: WindowPlan) -> tuple[np.ndarray, int]:
    """Mean correlation of two days of samples at the rate of the plan, and the windows in it, in float64."""
    spectra = [reference.window_spectra(x, plan.rate, plan.nfft, s) for x in (a, b)]
    return reference.mean_correlation(*spectra, plan.rate, plan.nfft, s)


@pytest.mark.parametrize("changes", [{}, {"whiten": "none"}, {"whiten": "running-mean", "response": "DISP"}])
def test_float32_chain_on_real_records_is_the_float64_one(real_data, changes):
    """From counts to the correlation of CI.CCA and CI.HEC: within 1e-6 of the same steps in float64 (measured 1e-7)."""
    s = CorrelationSettings(**changes)
    plan = make_plan(s)
    folder, day = real_data / "noisepy_ci", pd.Timestamp("2022-01-02").value
    source, responses = open_source(f"files:{folder}"), Responses(read_inventories(folder))
    series, plain = [], []
    for channel in ("CI.CCA..BHN", "CI.HEC..BHN"):
        record, epochs = source.fetch(channel, day, day + DAY_NS), responses.epochs(channel, day, day + DAY_NS)
        series.append(day_series(record, day, s, plan, epochs)[0])
        plain.append(float64_series(record.segments[0], day, s, plan, epochs[0]))
        # At the very ends the record is tapered before or after the filter that comes first; they are left out.
        inside = slice(plan.n_window // 10, -plan.n_window // 10)
        difference = np.linalg.norm((series[-1].samples - plain[-1])[inside]) / np.linalg.norm(plain[-1])
        assert difference < 1e-8
        series[-1].ranges[:] = [(inside.start, plan.n_day + inside.stop)]
    stack, _ = stacked(series, s, plan)
    pairs = np.array([(0, 0), (0, 1)])
    inverse = Inverse.from_plan(plan, correlation_scale(s, plan))
    got = gather(correlate_pairs(stack, pairs, inverse, [slice(0, plan.n_windows)], POOL))[:, 0]
    counts = window_counts(stack.valid, pairs)
    for (a, b), ours, count in zip(pairs, got, counts, strict=True):
        for c in {a, b}:  # what was rejected as transient is missing in both
            whole = np.concatenate([np.arange(plan.n_window) + start for start in plan.starts[stack.valid[c]]])
            plain[c][np.setdiff1d(np.arange(plan.n_day), whole)] = np.nan
        expected, n = plain_correlation(plain[a], plain[b], s, plan)
        error = np.linalg.norm(ours / count - expected) / np.linalg.norm(expected)
        print(f"{s.whiten}, pair {a} {b}, {n} windows: relative L2 error {error:.1e}")
        assert n == count == plan.n_windows - 2
        assert error < 1e-6


def float64_series(segment, day: int, s: CorrelationSettings, plan: WindowPlan, epoch) -> np.ndarray:
    """Ground motion on the grid of the plan: one transform of the whole record, by SciPy."""
    rate, n = segment.rate_hz, len(segment.data)
    ratio = Fraction(plan.rate / rate).limit_denominator(1000)
    needed = int(np.ceil((n + 4 / s.freqmin * rate) / ratio.denominator))
    n_in = ducc0.fft.good_size(needed, True) * ratio.denominator  # one length of transform for both
    n_out = n_in * ratio.numerator // ratio.denominator
    f = np.arange(n_out // 2 + 1) * rate / n_in
    spectrum = scipy.fft.rfft(reference.prepared(segment.data, rate, s), n_in)[: len(f)]
    late = (segment.start_ns - day) / 1e9
    band = reference.flanked(f, 0.5 * s.freqmin, 0.75 * s.freqmin, 1.12 * s.freqmax, 1.25 * s.freqmax)
    inside = band > 0
    spectrum[~inside] = 0
    spectrum[inside] *= band[inside] * np.exp(-2j * np.pi * f[inside] * late)
    if s.response != "none":
        spectrum[inside] /= epoch.evaluate(f[inside], s.response)
    return scipy.fft.irfft(spectrum, n_out)[: plan.n_day] * n_out / n_in
