"""Closed forms of diffuse correlations against plain averages over plane waves and over random numbers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.errors import InputError
from seisloom.noise.theory import diffuse_ccf, diffuse_coherency, phase_coherency

RAYLEIGH, LOVE = 3.0, 3.6
H, L = 0.7, 0.9


def plane_wave_average(components: str, distance: float, frequency: float) -> complex:
    """Mean of conj(A) B over waves that travel towards θ from R, normalised; A at the origin, B at distance along R.

    Rayleigh: up = exp(iωt), forward a quarter period ahead (retrograde). Love: along θ + 90°.
    """
    theta = np.arange(4000) * 2 * np.pi / 4000
    rayleigh = {"Z": np.ones(4000), "R": 1j * H * np.cos(theta), "T": 1j * H * np.sin(theta)}
    love = {"Z": np.zeros(4000), "R": L * np.cos(theta + np.pi / 2), "T": L * np.sin(theta + np.pi / 2)}
    a, b = components
    delay = distance * np.cos(theta)
    cross = sum(
        np.mean(wave[a].conj() * wave[b] * np.exp(-2j * np.pi * frequency * delay / c))
        for wave, c in ((rayleigh, RAYLEIGH), (love, LOVE))
    )
    power = {k: np.mean(np.abs(rayleigh[k]) ** 2 + np.abs(love[k]) ** 2) for k in "ZRT"}
    return complex(cross / np.sqrt(power[a] * power[b]))


@given(st.sampled_from(["".join(p) for p in product("ZRT", repeat=2)]), st.floats(0.0, 80.0), st.floats(0.01, 2.0))
def test_nine_components_are_averages_over_plane_waves(components, distance, frequency):
    expected = plane_wave_average(components, distance, frequency)
    measured = diffuse_coherency(
        components, distance, frequency, RAYLEIGH, love_velocity_km_s=LOVE, ellipticity=H, love=L
    )
    assert abs(measured - expected) < 1e-9


def test_coherency_broadcasts_and_noise_lowers_it():
    frequency = np.linspace(0.1, 1.0, 5)
    clean = diffuse_coherency("ZZ", np.array([[5.0], [20.0]]), frequency, 3.0)
    noisy = diffuse_coherency("ZZ", np.array([[5.0], [20.0]]), frequency, np.full(5, 3.0), noise=0.5)
    assert clean.shape == (2, 5)
    np.testing.assert_allclose(noisy, clean / 1.25)


@pytest.mark.parametrize("coherency", [0.0, 0.3, -0.8, 0.5 + 0.6j])
def test_phase_coherency_is_the_mean_of_random_phases(coherency):
    rng = np.random.default_rng(5)
    z = rng.normal(size=(2, 1_000_000)) + 1j * rng.normal(size=(2, 1_000_000))
    a = z[0]
    b = coherency * z[0] + np.sqrt(1 - abs(coherency) ** 2) * z[1]
    mean = np.mean(np.exp(1j * (np.angle(b) - np.angle(a))))
    assert abs(phase_coherency(coherency) - mean) < 4e-3  # 4 standard errors


def test_phase_coherency_limits():
    assert phase_coherency(1.0) == pytest.approx(1.0, abs=1e-12)
    assert phase_coherency(1e-6) / 1e-6 == pytest.approx(np.pi / 4, rel=1e-9)


def test_ccf_is_the_azimuth_average_of_delayed_pulses():
    frequency = np.arange(1, 2000) / 2000
    weight = np.exp(-(((frequency - 0.4) / 0.1) ** 2))
    lag = np.arange(-200, 201) / 5
    distance = np.array([7.0, 25.0])
    ccf = diffuse_ccf(lag, frequency, weight, diffuse_coherency("ZZ", distance[:, None], frequency, 3.0))

    theta = np.arange(1000) * 2 * np.pi / 1000
    for r, trace in zip(distance, ccf, strict=True):
        times = lag[:, None] - r / 3.0 * np.cos(theta)
        # Inverse transform of the Gaussian weight.
        pulses = np.exp(-((np.pi * 0.1 * times) ** 2)) * np.cos(2 * np.pi * 0.4 * times)
        np.testing.assert_allclose(trace, pulses.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(ccf, ccf[:, ::-1], atol=1e-14)


def test_delay_of_b_peaks_at_positive_lag():
    frequency = np.arange(1, 1000) / 1000
    lag = np.arange(-100, 101) / 10
    ccf = diffuse_ccf(lag, frequency, np.ones(999), np.exp(-2j * np.pi * frequency * 3.0))
    assert lag[np.argmax(ccf)] == 3.0
    assert ccf.max() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("components", "options", "message"),
    [
        ("ZX", {}, "two of Z, R and T"),
        ("RR", {}, "give ellipticity"),
        ("TT", {"love": 1.0}, "love_velocity_km_s"),
    ],
)
def test_what_cannot_be_computed_is_refused(components, options, message):
    with pytest.raises(InputError, match=message):
        diffuse_coherency(components, 10.0, 0.5, 3.0, **options)


def test_empty_band_is_refused():
    with pytest.raises(InputError, match="zero at every frequency"):
        diffuse_ccf([0.0], [0.1, 0.2], [0.0, 0.0], [1.0, 1.0])
