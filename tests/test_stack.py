"""Stacks against closed forms and plain float64 references; what is missing, small, equal or wrong."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import hilbert

from seisloom.errors import InputError
from seisloom.noise.stack import METHODS, envelope, resolve_options, stack

N_LAG = 301
LAG = (np.arange(N_LAG) - N_LAG // 2) / 5.0
NFFT = 320  # the next length after 301 without prime factors above 5
seeds = st.integers(0, 2**32 - 1)
methods = st.sampled_from(sorted(METHODS))


def noisy_rows(rng: np.random.Generator, n: int = 12, noise: float = 0.5) -> np.ndarray:
    """An arrival at +15 s in noise; two rows hold ten times the noise and no arrival."""
    arrival = np.exp(-(((LAG - 15) / 3) ** 2)) * np.cos(2 * np.pi * 0.4 * (LAG - 15))
    rows = arrival + noise * rng.standard_normal((n, N_LAG))
    rows[: n // 6] = 10 * noise * rng.standard_normal((n // 6, N_LAG))
    return rows


def mean_phasor(rows: np.ndarray) -> np.ndarray:
    analytic = hilbert(rows, N=NFFT, axis=1)[:, :N_LAG]
    return np.abs(np.exp(1j * np.angle(analytic)).mean(axis=0))


def reference_pws(rows: np.ndarray) -> np.ndarray:
    return mean_phasor(rows) ** 2 * rows.mean(axis=0)


def reference_robust(rows: np.ndarray) -> np.ndarray:
    beam = np.median(rows, axis=0)
    for _ in range(10):
        unit = beam / np.linalg.norm(beam)
        residual = [d - (d @ unit) * unit for d in rows]
        w = np.array(
            [abs(d @ unit) / np.linalg.norm(d) / np.linalg.norm(r) for d, r in zip(rows, residual, strict=True)]
        )
        before, beam = beam, (w / w.sum()) @ rows
        if np.abs(beam - before).sum() / np.linalg.norm(beam) / len(rows) <= 1e-5:
            break
    return beam


def reference_robust_pws(rows: np.ndarray) -> np.ndarray:
    return mean_phasor(rows) ** 2 * reference_robust(rows)


def reference_nroot(rows: np.ndarray) -> np.ndarray:
    mean = (np.sign(rows) * np.sqrt(np.abs(rows))).mean(axis=0)
    return np.sign(mean) * mean**2


def reference_selective(rows: np.ndarray) -> np.ndarray:
    kept = np.ones(len(rows), bool)
    for _ in range(10):
        beam = rows[kept].mean(axis=0)
        kept = np.array([np.corrcoef(beam, d)[0, 1] >= 0 for d in rows])
    return rows[kept].mean(axis=0)


def reference_acf(rows: np.ndarray) -> np.ndarray:
    n = len(rows)
    spectra = np.fft.fft(rows, NFFT, axis=1)
    cross = np.einsum("if,jf->f", spectra, spectra.conj()) - np.einsum("if,if->f", spectra, spectra.conj())
    agreement = (cross / (n - 1) / np.einsum("if,if->f", spectra, spectra.conj())).real
    return np.fft.ifft(np.maximum(agreement, 0) * spectra.mean(axis=0)).real[:N_LAG]


def s_transforms(rows: np.ndarray) -> np.ndarray:
    """S(row, k, t) of the analytic signals of the rows as sums over windowed frequencies, written out."""
    spectrum = np.fft.fft(rows, NFFT, axis=1)
    spectrum[:, NFFT // 2 + 1 :] = 0
    voices = []
    waves = np.exp(2j * np.pi * np.outer(np.arange(NFFT), np.arange(NFFT)) / NFFT)
    for k in range(NFFT // 2 + 1):
        m = np.arange(-k, NFFT // 2 - k + 1)
        window = np.exp(-2 * np.pi**2 * m**2 / k**2) if k else (m == 0).astype(float)
        voices.append((spectrum[:, k + m] * window) @ waves[m])
    return np.stack(voices, axis=1)


def reference_tf_pws(rows: np.ndarray) -> np.ndarray:
    transforms = s_transforms(rows)
    weight = np.abs((transforms / np.abs(transforms)).mean(axis=0)) ** 2
    return np.fft.irfft((weight * transforms.mean(axis=0)).mean(axis=1), NFFT)[:N_LAG]


REFERENCES = {
    "linear": lambda rows: rows.mean(axis=0),
    "pws": reference_pws,
    "robust": reference_robust,
    "robust-pws": reference_robust_pws,
    "nroot": reference_nroot,
    "selective": reference_selective,
    "acf": reference_acf,
    "tf-pws": reference_tf_pws,
}


@pytest.mark.parametrize("method", METHODS)
def test_matches_the_float64_reference(method: str) -> None:
    rows = noisy_rows(np.random.default_rng(3))
    expected = REFERENCES[method](rows)
    scale = np.linalg.norm(expected)
    # The Gaussian windows of tf-pws are cut where they are below 1e-8.
    assert np.linalg.norm(stack(rows, method) - expected) < (1e-7 if method == "tf-pws" else 1e-12) * scale
    single = rows.astype(np.float32)
    expected = REFERENCES[method](single.astype(np.float64))
    assert np.linalg.norm(stack(single, method) - expected) < 1e-6 * scale


@pytest.mark.parametrize("method", METHODS)
def test_long_float32_stacks_do_not_lose_precision(method: str) -> None:
    """Sums over many rows are where float32 loses digits: 1500 rows against the same in float64."""
    rows = noisy_rows(np.random.default_rng(4), n=1500 if method != "tf-pws" else 60).astype(np.float32)
    double = stack(rows.astype(np.float64), method)
    assert np.linalg.norm(stack(rows, method) - double) < 1e-6 * np.linalg.norm(double)


@given(seeds, methods, st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_rows_with_nan_are_as_if_absent(seed: int, method: str, missing: int) -> None:
    rng = np.random.default_rng(seed)
    rows = noisy_rows(rng, n=6).astype(np.float32)
    gappy = np.insert(rows, rng.integers(0, 7, missing), np.float32(1.0), axis=0)
    added = ~(gappy[:, None] == rows[None]).all(axis=-1).any(axis=-1)
    gappy[added, rng.integers(0, N_LAG)] = rng.choice([np.nan, np.inf])
    np.testing.assert_allclose(stack(gappy, method), stack(rows, method), rtol=0, atol=2e-6)


@given(seeds, methods)
@settings(max_examples=40, deadline=None)
def test_order_scale_and_sign(seed: int, method: str) -> None:
    """A stack does not depend on the order of rows, and follows their unit, however small, and their sign."""
    rng = np.random.default_rng(seed)
    rows = noisy_rows(rng, n=6).astype(np.float32)
    plain = stack(rows, method)
    factor = np.float32(-(10.0 ** rng.uniform(-24, 12)))
    turned = stack(rng.permutation(rows) * factor, method)
    np.testing.assert_allclose(turned / factor, plain, rtol=0, atol=3e-6 * np.abs(plain).max())


@pytest.mark.parametrize("method", METHODS)
def test_batch_threads_and_memory_layout_do_not_matter(method: str) -> None:
    rng = np.random.default_rng(5)
    data = np.stack([noisy_rows(rng, n=7) for _ in range(6)]).astype(np.float32).reshape(2, 3, 7, N_LAG)
    data[0, 1, 3, 10] = np.nan
    data[1, 2] = np.nan
    before = data.copy()
    together = stack(data, method)
    assert together.shape == (2, 3, N_LAG)
    assert together.dtype == np.float32
    assert np.isnan(together[1, 2]).all()
    for i, j in np.ndindex(2, 3):
        np.testing.assert_allclose(together[i, j], stack(data[i, j], method), rtol=0, atol=1e-6)
    strided = np.asfortranarray(data)
    np.testing.assert_allclose(stack(strided, method, threads=3), together, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(data, before)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 7, 30])
def test_a_pair_has_the_same_bits_whatever_pairs_are_beside_it(rng: np.random.Generator, method: str, n: int) -> None:
    rows = rng.standard_normal((23, n, N_LAG)).astype(np.float32)
    weights = rng.integers(1, 97, rows.shape[:2])
    weights[2] = 0
    options = {"freqmin": 0.2, "freqmax": 0.4} if method == "tf-pws" else {}
    whole = stack(rows, method, weights=weights, lag=LAG, **options)
    for part in (slice(0, 1), slice(1, 4), slice(3, 23), slice(0, 22)):
        alone = stack(rows[part].copy(), method, weights=weights[part], lag=LAG, **options)
        assert np.array_equal(alone, whole[part], equal_nan=True)
        assert np.array_equal(envelope(alone), envelope(whole)[part], equal_nan=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_equal_rows_are_their_own_stack(method: str, n: int) -> None:
    """Phases agree, weights are equal, every frequency is coherent: nothing is taken away."""
    row = noisy_rows(np.random.default_rng(6))[3]
    row -= np.fft.rfft(row, NFFT)[0].real / N_LAG  # a mean is no oscillation; leave it to the other tests
    for dtype, tolerance in ((np.float64, 1e-7), (np.float32, 3e-6)):
        rows = np.tile(row, (n, 1)).astype(dtype)
        np.testing.assert_allclose(stack(rows, method), row, rtol=0, atol=tolerance * np.abs(row).max())


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_zeros_and_no_rows(method: str) -> None:
    rows = noisy_rows(np.random.default_rng(7)).astype(np.float32)
    of_zeros = stack(np.zeros((4, N_LAG), np.float32), method)
    assert np.isnan(of_zeros).all() if method == "selective" else (of_zeros == 0).all()
    assert np.isnan(stack(np.empty((2, 0, N_LAG), np.float32), method)).all()
    with_dead = stack(np.vstack([rows, np.zeros((2, N_LAG), np.float32)]), method)
    assert np.isfinite(with_dead).all()
    if method in ("robust", "selective"):  # a dead row has no likeness to anything
        np.testing.assert_allclose(with_dead, stack(rows, method), rtol=0, atol=0.1)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_weights(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = noisy_rows(rng, n=6)
    counts = rng.integers(0, 5, 6)
    counts[0] = 1
    weighted = np.average(rows, axis=0, weights=counts)
    np.testing.assert_allclose(stack(rows, weights=counts), weighted, rtol=0, atol=1e-12)
    kept = rows[counts > 0]
    phase_weight = stack(kept, "pws") / stack(kept)
    np.testing.assert_allclose(stack(rows, "pws", weights=counts), phase_weight * weighted, rtol=0, atol=1e-9)
    for method in ("robust", "acf", "selective", "nroot"):
        np.testing.assert_allclose(stack(rows, method, weights=counts), stack(kept, method), rtol=0, atol=1e-12)


@pytest.mark.parametrize("degrees", [0.0, 60.0, 120.0, 180.0])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_phase_weight_of_two_cosines(degrees: float, power: float) -> None:
    """|(1 + exp(i δ)) / 2| = |cos(δ / 2)|; 20 cycles in 405 = 3⁴·5 samples, so that the FFT length is exact."""
    angle = 2 * np.pi * 20 * np.arange(405) / 405
    rows = np.array([np.cos(angle), np.cos(angle + np.radians(degrees))])
    expected = np.abs(np.cos(np.radians(degrees) / 2)) ** power * rows.mean(axis=0)
    np.testing.assert_allclose(stack(rows, "pws", power=power), expected, atol=1e-12)
    np.testing.assert_allclose(stack(rows, "tf-pws", power=power), expected, atol=1e-6)


def test_smoothing_averages_the_coherence() -> None:
    rows = noisy_rows(np.random.default_rng(8))
    coherence = mean_phasor(rows)
    smooth = np.convolve(np.pad(coherence, 5, mode="edge"), np.full(11, 1 / 11), mode="valid")
    found = stack(rows, "pws", lag=LAG, smooth_s=2.2)  # 11 samples at 5 Hz
    np.testing.assert_allclose(found, smooth**2 * rows.mean(axis=0), atol=1e-12)


def test_robust_holds_down_outliers_and_keeps_the_arrival() -> None:
    rng = np.random.default_rng(9)
    clean = noisy_rows(rng, n=12, noise=0.0)[-1]
    rows = noisy_rows(rng, n=60)
    misfit = {m: np.linalg.norm(stack(rows, m) - clean) for m in ("linear", "robust")}
    assert misfit["robust"] < 0.5 * misfit["linear"]


def test_robust_as_the_peers_compute_it_depends_on_the_unit() -> None:
    """Without the unit beam r = d − (d·b) b is no projection: the published scale-free weights are the default."""
    rows = noisy_rows(np.random.default_rng(10))
    large, small = (stack(rows * s, "robust", unit_beam=False) / s for s in (1.0, 1e-3))
    assert np.linalg.norm(large - small) > 1e-3 * np.linalg.norm(large)
    beam, w = np.median(rows, axis=0), []
    for d in rows:
        residual = d - (d @ beam) * beam
        w.append(abs(d @ beam) / np.linalg.norm(d) / np.linalg.norm(residual))
    once = stack(rows, "robust", unit_beam=False, max_iterations=1)
    np.testing.assert_allclose(once, np.array(w) / sum(w) @ rows, atol=1e-12)


def test_robust_weights_from_a_lag_window_only() -> None:
    """Rows that agree inside the window and differ outside get equal weights when only the window is compared."""
    rng = np.random.default_rng(11)
    rows = np.tile(noisy_rows(rng)[5], (8, 1))
    outside = np.abs(LAG) > 20
    rows[3, outside] += 30 * rng.standard_normal(outside.sum())
    windowed = stack(rows, "robust", lag=LAG, lag_min=5, lag_max=20)
    np.testing.assert_allclose(windowed, rows.mean(axis=0), atol=1e-9)
    assert np.abs(stack(rows, "robust") - rows.mean(axis=0))[outside].max() > 1


def test_selective_threshold_and_nothing_kept() -> None:
    rng = np.random.default_rng(12)
    good = noisy_rows(rng, n=1, noise=0.0)[0] + 0.01 * rng.standard_normal((5, N_LAG))
    rows = np.vstack([good, -good[:2]])
    np.testing.assert_allclose(stack(rows, "selective", threshold=0.9), good.mean(axis=0), atol=1e-12)
    assert np.isnan(stack(rng.standard_normal((6, N_LAG)), "selective", threshold=0.99)).all()


def test_tf_pws_band_and_power_zero() -> None:
    rows = noisy_rows(np.random.default_rng(13))
    np.testing.assert_allclose(stack(rows, "tf-pws", power=0), rows.mean(axis=0), atol=1e-12)
    band = stack(rows, "tf-pws", lag=LAG, power=0, freqmin=0.2, freqmax=0.6)
    frequency = np.fft.rfftfreq(NFFT, 0.2)
    spectrum = np.fft.rfft(rows.mean(axis=0), NFFT) * ((frequency >= 0.2) & (frequency <= 0.6))
    np.testing.assert_allclose(band, np.fft.irfft(spectrum, NFFT)[:N_LAG], atol=1e-12)


def test_envelope_of_a_modulated_cosine() -> None:
    t = np.arange(405)
    slow = 1 + 0.5 * np.cos(2 * np.pi * 2 * t / 405)
    np.testing.assert_allclose(envelope(slow * np.cos(2 * np.pi * 30 * t / 405)), slow, atol=1e-12)


@pytest.mark.parametrize("method", ["linear", "pws", "robust", "acf", "nroot", "selective", "robust-pws"])
def test_memory_stays_bounded(method: str) -> None:
    data = np.random.default_rng(14).standard_normal((200, 20, 2001), np.float32)  # 32 MB in, 1.6 MB out
    stack(data[:2], method)
    tracemalloc.start()
    stack(data, method)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 22e6


def test_options_are_resolved_from_text() -> None:
    expected = {"tolerance": 1e-3, "max_iterations": 10, "unit_beam": False, "lag_min": None, "lag_max": 30.0}
    given_text = {"tolerance": "1e-3", "unit_beam": "false", "lag_max": "30", "lag_min": "none"}
    assert resolve_options("robust", given_text) == expected
    assert resolve_options("pws") == {"power": 2.0, "smooth_s": 0.0}


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("phase", {}, ["'phase'", "pws: phase-weighted", "robust-pws"]),
        ("robuts", {}, ["did you mean 'robust'"]),
        ("pws", {"powr": 2}, ["no option 'powr'", "did you mean 'power'", "smooth_s (default 0.0 s)"]),
        ("linear", {"power": 2}, ["it has: none"]),
        ("pws", {"power": "two"}, ["power is 'two'", "a number"]),
        ("pws", {"power": -1}, ["power is -1", "at least 0"]),
        ("selective", {"threshold": 2}, ["between -1 and 1"]),
        ("robust", {"max_iterations": 0}, ["at least 1"]),
        ("robust", {"max_iterations": 2.5}, ["a whole number"]),
        ("robust", {"unit_beam": "maybe"}, ["true or false"]),
        ("pws", {"smooth_s": 2.0}, ["smooth_s needs the lag axis"]),
        ("tf-pws", {"freqmax": 1.0}, ["freqmax needs the lag axis"]),
        ("pws", {"power": float("nan")}, ["power is nan"]),
    ],
)
def test_wrong_options_are_named(method: str, options: dict, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        stack(np.ones((3, 5)), method, **options)
    for word in words:
        assert word in str(caught.value)


def test_wrong_arrays_are_named() -> None:
    with pytest.raises(InputError, match=r"shape \(5,\)"):
        stack(np.ones(5))
    with pytest.raises(InputError, match="not negative"):
        stack(np.ones((3, 5)), weights=[1, -1, 1])
    with pytest.raises(InputError, match=r"shape \(2,\)"):
        stack(np.ones((3, 5)), weights=[1, 1])
    with pytest.raises(InputError, match="5 samples"):
        stack(np.ones((3, 5)), lag=[0, 1])
