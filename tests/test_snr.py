"""Signal-to-noise ratios of correlations whose peak and noise are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.errors import InputError
from seisloom.noise.snr import snr

LAG = (np.arange(2001) - 1000) / 10.0  # ±100 s at 10 Hz
DISTANCE_KM = 60.0  # 12 to 40 s at 1.5 to 5 km/s; noise from 50 s on


def correlation(causal: float = 0.0, acausal: float = 0.0, arrival_s: float = 20.0, noise: float = 0.25) -> np.ndarray:
    """Single samples at ± the arrival, and beyond 45 s samples of ± noise by turns, whose rms is ``noise``."""
    ccf = np.where(np.abs(LAG) > 45, noise * (-1.0) ** np.arange(LAG.size), 0.0)
    ccf[np.argmin(np.abs(LAG - arrival_s))] = causal
    ccf[np.argmin(np.abs(LAG + arrival_s))] = acausal
    return ccf


def test_amplitude_over_rms_on_each_side() -> None:
    ccf = correlation(causal=5.0, acausal=-2.0)
    found = {
        s: snr(ccf, LAG, DISTANCE_KM, side=s, peak="amplitude") for s in ("both", "causal", "acausal", "symmetric")
    }
    # Folded: (5 - 2) / 2 at the arrival; the noise by turns is even about zero lag (1000 is even), so it keeps its rms.
    expected = {"both": 20.0, "causal": 20.0, "acausal": 8.0, "symmetric": 6.0}
    assert found == pytest.approx(expected, rel=1e-12)


def test_opposite_sides_cancel_only_when_folded() -> None:
    ccf = correlation(causal=3.0, acausal=-3.0)
    assert snr(ccf, LAG, DISTANCE_KM, side="symmetric", peak="amplitude") == 0
    assert snr(ccf, LAG, DISTANCE_KM, peak="amplitude") == pytest.approx(12.0)


def test_envelope_does_not_depend_on_the_phase() -> None:
    """A cosine and a sine under one Gaussian have one envelope, whose top is 1."""
    gauss = np.exp(-(((np.abs(LAG) - 25) / 4) ** 2))
    noise = correlation(noise=1e-6)
    for phase in (0.0, 0.7, np.pi / 2):
        ccf = gauss * np.cos(2 * np.pi * 0.5 * (np.abs(LAG) - 25) + phase) + noise
        assert snr(ccf, LAG, DISTANCE_KM) == pytest.approx(1e6, rel=1e-5)


@pytest.mark.parametrize(
    ("arrival_s", "inside"), [(11.8, False), (12.0, True), (40.0, True), (40.2, False), (44.0, False)]
)
def test_the_window_is_distance_over_velocity(arrival_s: float, inside: bool) -> None:
    ccf = correlation(causal=5.0, arrival_s=arrival_s)
    assert (snr(ccf, LAG, DISTANCE_KM, peak="amplitude") > 1) == inside
    assert snr(ccf, LAG, DISTANCE_KM, peak="amplitude", margin_s=5.0) == pytest.approx(20.0)
    wide = snr(ccf, LAG, DISTANCE_KM, peak="amplitude", velocity_kms=(1.3, 6.0))
    assert wide == pytest.approx(20.0)


def test_without_distance_everything_before_the_last_fifth_is_signal() -> None:
    early, late = correlation(causal=5.0, arrival_s=3.0), correlation(causal=5.0, arrival_s=79.0)
    for ccf in (early, late):
        assert snr(ccf, LAG, peak="amplitude") == pytest.approx(20.0)
        assert snr(ccf, LAG, np.nan, peak="amplitude") == pytest.approx(20.0)
    beyond = correlation(causal=5.0, arrival_s=90.0)
    assert snr(beyond, LAG, peak="amplitude") < 1.5


def test_far_pairs_keep_a_noise_window() -> None:
    """At 240 km the slowest wave would arrive at 160 s: the signal window ends at 80 s, where the noise begins."""
    ccf = correlation(causal=5.0, arrival_s=60.0)
    assert snr(ccf, LAG, 240.0, peak="amplitude") == pytest.approx(20.0)
    assert np.isnan(snr(ccf, LAG, 420.0))  # the fastest wave arrives at 84 s


def test_batch_of_pairs_and_periods() -> None:
    ccf = np.stack([[correlation(5.0), correlation(2.5)], [correlation(0, 5.0), np.full(LAG.size, np.nan)]])
    ccf = ccf.astype(np.float32)
    ccf = np.concatenate([ccf, np.zeros_like(ccf[:1])])
    found = snr(ccf, LAG, np.array([[60.0], [60.0], [60.0]]), peak="amplitude")
    np.testing.assert_allclose(found, [[20, 10], [20, np.nan], [np.nan, np.nan]], rtol=1e-6)
    assert snr(ccf[0, 0], LAG, 60.0).shape == ()


@given(st.floats(-22, 20), st.integers(0, 2**32 - 1))
def test_unit_and_sign_do_not_matter(exponent: float, seed: int) -> None:
    ccf = correlation(3.0) + 0.1 * np.random.default_rng(seed).standard_normal(LAG.size)
    scaled = (-(10.0**exponent) * ccf).astype(np.float32)
    assert snr(scaled, LAG, DISTANCE_KM) == pytest.approx(snr(ccf, LAG, DISTANCE_KM), rel=1e-4)


def test_no_noise_is_infinite() -> None:
    assert snr(correlation(1.0, noise=0.0), LAG, DISTANCE_KM, peak="amplitude") == np.inf


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"side": "left"}, "both, causal"),
        ({"peak": "rms"}, "envelope or amplitude"),
        ({"velocity_kms": (5.0, 1.5)}, "slowest, fastest"),
        ({"velocity_kms": (0.0, 1.5)}, "slowest, fastest"),
        ({"lag": LAG[:-1]}, "last axis must be lag"),
        ({"lag": LAG + 100}, "symmetric about zero"),
        ({"distance_km": [1.0, 2.0, 3.0]}, "distance_km has shape"),
    ],
)
def test_wrong_arguments(arguments: dict, words: str) -> None:
    ccf = np.stack([correlation(1.0), correlation(1.0)])
    with pytest.raises(InputError, match=words):
        snr(**({"ccf": ccf, "lag": LAG} | arguments))
