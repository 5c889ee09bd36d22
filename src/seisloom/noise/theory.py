"""Correlations of a diffuse field of surface waves in closed form, to compare measured ones with.

With energy from all azimuths alike the coherency of two vertical sensors at distance r is J0(kr) (Aki 1957,
Bull. Earthq. Res. Inst. 35, 415-456); with Rayleigh waves of ellipticity H and Love waves the nine components
of a pair are combinations of J0, J1 and J2 (Haney, Mikesell, van Wijk & Nakahara 2012, Bull. Seismol. Soc.
Am. 102, 1124-1141). Signs follow docs/conventions.md: E[conj(A) B] exp(iωτ), so that energy from A to B is at
positive lag, R from A towards B at both ends, T 90° clockwise of R, Z up.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]


def diffuse_coherency(
    components: str,
    distance_km: npt.ArrayLike,
    frequency_hz: npt.ArrayLike,
    velocity_km_s: npt.ArrayLike,
    *,
    love_velocity_km_s: npt.ArrayLike | None = None,
    ellipticity: float = 0.0,
    love: float = 0.0,
    noise: float = 0.0,
) -> Array:
    """Coherency E[conj(A) B] / sqrt(E|A|² E|B|²) of component A at one station and B at another.

    ``components`` is two of Z, R, T (``"ZR"``: Z at A, R at B). Distances, frequencies and phase velocities
    of Rayleigh and Love waves broadcast against one another. ``ellipticity`` is the horizontal over the
    vertical amplitude of Rayleigh waves (positive: retrograde), ``love`` the amplitude of Love waves over
    that of vertical Rayleigh waves, ``noise`` the incoherent over the coherent amplitude of each channel. The
    result is real: sources are on all sides.

    With R_n = J_n(k_R r), L_n = J_n(k_L r): ZZ = R0; ZR = -RZ = H R1; RR = H² (R0 - R2) / 2 + L² (L0 + L2) /
    2; TT = H² (R0 + R2) / 2 + L² (L0 - L2) / 2; the others are 0. Horizontal power is (H² + L²) / 2.
    """
    from scipy.special import jv

    if len(components) != 2 or not set(components) <= set("ZRT"):
        raise InputError(f"components {components!r}: two of Z, R and T are expected, e.g. ZZ or RT")
    if (ellipticity, love) == (0.0, 0.0) and components != "ZZ":
        raise InputError(f"components {components}: give ellipticity, or love and love_velocity_km_s")
    if love and love_velocity_km_s is None:
        raise InputError("love waves need love_velocity_km_s")
    phase = 2 * np.pi * np.asarray(frequency_hz, float) * np.asarray(distance_km, float)
    rayleigh = phase / velocity_km_s
    slow = rayleigh if love_velocity_km_s is None else phase / love_velocity_km_s
    h2, l2 = ellipticity**2, love**2
    if components == "ZZ":
        cross = jv(0, rayleigh)
    elif components in ("ZR", "RZ"):
        cross = (1 if components == "ZR" else -1) * ellipticity * jv(1, rayleigh)
    elif components in ("RR", "TT"):
        sign = 1 if components == "RR" else -1
        cross = h2 * (jv(0, rayleigh) - sign * jv(2, rayleigh)) / 2 + l2 * (jv(0, slow) + sign * jv(2, slow)) / 2
    else:
        cross = np.zeros_like(rayleigh)
    power = {"Z": 1.0, "R": (h2 + l2) / 2, "T": (h2 + l2) / 2}
    return cross / np.sqrt(power[components[0]] * power[components[1]]) / (1 + noise**2)


def phase_coherency(coherency: npt.ArrayLike) -> npt.NDArray:
    """Mean of exp(i (phase of B - phase of A)) of complex Gaussian spectra of coherency γ (real or complex).

    This is what whitening to unit amplitude makes of γ: (π/4) γ ₂F₁(1/2, 1/2; 2; |γ|²), which is π/4 γ for
    small γ and 1 for γ = 1 (from the phase distribution of Goodman 1963, Ann. Math. Stat. 34, 152-177).
    """
    from scipy.special import hyp2f1

    coherency = np.asarray(coherency)
    return np.pi / 4 * coherency * hyp2f1(0.5, 0.5, 2.0, np.minimum(np.abs(coherency) ** 2, 1.0))


def diffuse_ccf(
    lag_s: npt.ArrayLike, frequency_hz: npt.ArrayLike, weight: npt.ArrayLike, coherency: npt.ArrayLike
) -> Array:
    """Correlation function with a given coherency: Σ w(f) Re[γ(f) exp(2πi f τ)] / Σ w(f), shape [..., lag].

    ``frequency_hz`` [frequency] is the grid of positive frequencies of the transform, ``weight`` [frequency]
    the spectral power that processing leaves (1 in the pass band, 0 outside, tapered between, after
    whitening), ``coherency`` [..., frequency]. The unit is the peak of an autocorrelation. The sum repeats
    itself after 1 / (frequency step).
    """
    frequency, weights = np.asarray(frequency_hz, float), np.asarray(weight, float)
    inside = weights != 0
    if not inside.any():
        raise InputError("the weight is zero at every frequency")
    weighted = np.asarray(coherency)[..., inside] * weights[inside] / weights.sum()
    angle = 2 * np.pi * np.outer(frequency[inside], np.asarray(lag_s, float))
    ccf: Array = weighted.real @ np.cos(angle)
    if np.iscomplexobj(weighted):
        ccf -= weighted.imag @ np.sin(angle)
    return ccf
