"""Diffuse surface waves on a network: stationary Gaussian noise with prescribed spectral matrices.

The field is a sum of uncorrelated plane waves from all azimuths. A wave that travels towards azimuth θ moves
channel a with amplitude g_a(θ), a trigonometric polynomial: for Rayleigh waves 1 on the vertical and
i·H·cos(θ - α) on a horizontal of azimuth α (retrograde: the radial motion is a quarter of a period ahead of
the vertical), for Love waves -L·sin(θ - α). With energy p(θ) = 1 + A cos(θ - θ0) the expected cross-spectrum
of channels a and b, r apart with b at azimuth φ from a, is

    S_ab = E[conj(U_a) U_b] = mean over θ of p conj(g_a) g_b exp(-i k r cos(θ - φ))
                            = Σ_m c_m (-i)^m J_m(k r) exp(i m φ),

c_m being the Fourier coefficients of p conj(g_a) g_b: J0 for two verticals (Aki 1957), J1 and combinations of
J0 and J2 for the others (Haney et al. 2012, Bull. Seismol. Soc. Am. 102, 1124-1141). Independent complex
Gaussian numbers times the Cholesky factor of this matrix are spectra with these expectations, at a cost that
does not depend on how many plane waves the aperture would need. The factor is computed at nodes and
interpolated between them: the matrix is met to 1e-6 (1e-4 below 1 mHz).

In time the field is made of blocks of two hops, tapered by a half-sine and half overlapping. As sin² + cos² = 1
the sum is stationary throughout, nothing happens at midnight, and any stretch of time can be made on its own. A
correlation at lag τ is the closed form times cos(πτ / 2 hops): 1 - 1e-5 at 20 s. Instruments act on whole
blocks, before the taper: within 4e-4 of what they would do to the sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, special

from seisloom.waveforms.synthetic.settings import BLOCK_S, Array, NetworkSettings

# Incoherent power that is always there: at long wavelengths the matrix of J0 is singular in double precision.
FLOOR = 1e-10
# Entropy that keeps the field's random streams apart from those of the network's layout.
STREAM = 7
NODE_PHASE = 0.08
MATRIX_BYTES = 2**26
SPECTRA_BYTES = 2**31

Transfer = Callable[[Array], npt.NDArray[np.complexfloating]]


@dataclass(frozen=True)
class Geometry:
    """Channels in the plane: position in km, azimuth (radians clockwise from north), whether vertical.

    All arrays have one entry a channel.
    """

    east_km: Array
    north_km: Array
    azimuth: Array
    vertical: npt.NDArray[np.bool_]


def velocity_psd(frequency: Array) -> Array:
    """One-sided power spectral density of vertical ground velocity, (m/s)²/Hz, at positive frequencies in Hz.

    Made up to lie between the low- and high-noise models of Peterson (1993): primary and secondary
    microseism over a floor that is flat in acceleration above 0.02 Hz.
    """

    def bump(level_db: float, centre_hz: float, decades: float) -> Array:
        return 10 ** (level_db / 10) * np.exp(-0.5 * (np.log10(frequency / centre_hz) / decades) ** 2)

    acceleration = bump(-128, 0.07, 0.06) + bump(-113, 0.18, 0.11) + bump(-128, 0.5, 0.3) + 10**-14.2
    return acceleration / (4 * np.pi**2 * (frequency**2 + 0.02**2))


class DiffuseField:
    """The noise of a network. ``samples`` is a pure function of its arguments and of the seed."""

    def __init__(self, geometry: Geometry, settings: NetworkSettings) -> None:
        self.geometry = geometry
        self.settings = settings
        self.n = len(geometry.azimuth)
        offsets = (geometry.east_km[None] - geometry.east_km[:, None]) + 1j * (
            geometry.north_km[None] - geometry.north_km[:, None]
        )
        places, self._place = np.unique(geometry.east_km + 1j * geometry.north_km, return_inverse=True)
        self._distance = np.abs(places[None] - places[:, None])
        bearing = np.pi / 2 - np.angle(offsets)
        self._rayleigh = self._weights(self._rayleigh_polarisation(), bearing)
        self._love = self._weights(self._love_polarisation(), bearing)

    def _rayleigh_polarisation(self) -> npt.NDArray[np.complex128]:
        """Fourier coefficients -1, 0, 1 of g(θ) of each channel: [channel, 3]."""
        up, azimuth = self.geometry.vertical, self.geometry.azimuth
        side = np.where(up, 0, 0.5j * self.settings.ellipticity * np.exp(1j * azimuth))
        return np.stack([side, up.astype(complex), -np.conj(side)], axis=1)

    def _love_polarisation(self) -> npt.NDArray[np.complex128]:
        up, azimuth = self.geometry.vertical, self.geometry.azimuth
        side = np.where(up, 0, -0.5j * self.settings.love * np.exp(1j * azimuth))
        return np.stack([side, np.zeros(self.n, complex), np.conj(side)], axis=1)

    def _weights(self, polarisation: npt.NDArray, bearing: Array) -> npt.NDArray:
        """What multiplies J_m(k r) in the cross-spectrum: [m, channel, channel], m from 0 to 3."""
        towards = np.radians(self.settings.azimuth + 180)
        side = 0.5 * self.settings.anisotropy * np.exp(1j * towards)
        energy = np.array([side, 1, np.conj(side)])
        product = np.zeros((7, self.n, self.n), complex)  # coefficients -3 to 3 of p conj(g_a) g_b
        for i, p in enumerate(energy):
            for j in range(3):
                for k in range(3):
                    product[i + j + k] += p * np.conj(polarisation[:, 2 - j, None]) * polarisation[None, :, k]
        weights = [product[3]]
        for m in (1, 2, 3):
            turn = np.exp(1j * m * bearing)
            weights.append((-1j) ** m * (product[3 + m] * turn + product[3 - m] * np.conj(turn)))
        highest = max((m for m, weight in enumerate(weights) if weight.any()), default=0)
        stacked = np.array(weights[: highest + 1])
        # Energy from all sides alike makes the field the same under time reversal: the matrix is real.
        return stacked if self.settings.anisotropy else stacked.real

    def cross_spectrum(self, frequency: Array) -> npt.NDArray:
        """S_ab over the power of the vertical ground motion: [frequency, channel, channel], Hermitian.

        Incoherent noise (``noise`` squared times a channel's power) is on the diagonal.
        """
        settings = self.settings
        total = np.zeros((len(frequency), self.n, self.n), self._rayleigh.dtype)
        for weights, velocity in (
            (self._rayleigh, settings.rayleigh_velocity(frequency)),
            (self._love, settings.love_wave_velocity(frequency)),
        ):
            if not weights.any():
                continue
            kr = (2 * np.pi * frequency / velocity)[:, None, None] * self._distance
            for weight, bessel in zip(weights, _bessel(kr, len(weights) - 1), strict=True):
                if weight.any():
                    total += weight * bessel[:, self._place[:, None], self._place]
        diagonal = np.einsum("fii->fi", total)
        diagonal += (settings.noise**2 + FLOOR) * diagonal
        return total

    def samples(self, first: int, count: int, rate: float, transfer: Transfer | None = None) -> npt.NDArray[np.float32]:
        """Ground velocity in m/s, or what ``transfer`` makes of it: [channel, count].

        Sample 0 is at 1970-01-01 UTC; ``first`` may not be negative. ``transfer`` takes frequencies in Hz and
        returns the complex response of each channel, [channel, frequency].
        """
        hop = round(BLOCK_S * rate)
        taper = np.sin(np.pi / 2 * np.arange(2 * hop) / hop).astype(np.float32)
        blocks = range(first // hop, (first + count - 1) // hop + 2)
        at_once = max(1, SPECTRA_BYTES // (8 * self.n * hop))
        out = np.zeros((self.n, count), np.float32)
        for start in range(0, len(blocks), at_once):
            group = blocks[start : start + at_once]
            for block, spectrum in zip(group, self._spectra(group, rate, transfer), strict=True):
                begin = (block - 1) * hop - first
                low, high = max(begin, 0), min(begin + 2 * hop, count)
                inside = slice(low - begin, high - begin)
                for row, line in zip(out, spectrum, strict=True):
                    row[low:high] += fft.irfft(line, 2 * hop)[inside] * taper[inside]
        return out

    def _spectra(self, blocks: range, rate: float, transfer: Transfer | None) -> npt.NDArray[np.complex64]:
        """Fourier transforms of blocks: [block, channel, frequency]."""
        hop = round(BLOCK_S * rate)
        step = self._bins_between_nodes(rate)
        intervals = -(-hop // step)
        generators = [np.random.default_rng([self.settings.seed, STREAM, block]) for block in blocks]
        spectra = np.zeros((len(blocks), self.n, 1 + intervals * step), np.complex64)
        at_once = int(np.clip(MATRIX_BYTES // (64 * self.n**2), 4, 2048))
        for start in range(0, intervals, at_once):
            interval = np.arange(start, min(start + at_once, intervals))
            bins = 1 + np.arange(start * step, (interval[-1] + 1) * step)
            normals = [g.standard_normal((len(bins), self.n, 2), np.float32) for g in generators]
            f = bins * rate / (2 * hop)
            amplitude = np.sqrt(velocity_psd(f) * hop * rate)[None]
            if transfer is not None:
                amplitude = amplitude * transfer(f)
            field = self._correlate(interval, step, rate / (2 * hop), np.stack(normals, axis=2))
            spectra[:, :, bins[0] : bins[-1] + 1] = field * amplitude.astype(np.complex64)
        spectra[:, :, hop:] = 0
        return spectra[:, :, : hop + 1]

    def _bins_between_nodes(self, rate: float) -> int:
        """Frequency bins over which cubic interpolation of the Cholesky factor is good to 1e-6.

        The factor varies as exp(2πi f D) with the delay D across the network; four nodes a phase x apart err
        by 3/128 x⁴.
        """
        settings, nyquist = self.settings, rate / 2
        slowest = min(settings.rayleigh_velocity(nyquist), settings.love_wave_velocity(nyquist))
        delay = (1 + settings.dispersion) * self._distance.max() / slowest
        spacing = NODE_PHASE / (2 * np.pi * max(delay, 1.0))
        return max(1, int(spacing * 2 * BLOCK_S))

    def _correlate(
        self, interval: npt.NDArray[np.intp], step: int, bin_hz: float, normals: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.complex64]:
        """Spectra [block, channel, frequency] from standard normal numbers [frequency, channel, block, 2].

        The frequencies are the ``step`` bins from node j on, for each j in ``interval``; node 0 is bin 1.
        """
        first = max(interval[0] - 1, 0)
        nodes = np.arange(first, interval[-1] + 4)
        # The covariance of U is the transpose of S: E[U_b conj(U_a)] = S_ab.
        matrix = self.cross_spectrum((1 + nodes * step) * bin_hz).swapaxes(1, 2)
        factor = np.linalg.cholesky(matrix)
        factor = factor.astype(np.complex64 if np.iscomplexobj(factor) else np.float32)
        stencil = np.maximum(interval - 1, 0)
        weights = _lagrange((interval - stencil)[:, None] + np.arange(step) / step)  # [interval, bin, node]
        count, n, blocks, _ = normals.shape
        normals = normals.reshape(len(interval), step, n, blocks, 2)
        right = np.empty((len(interval), 4, n, step, blocks, 2), np.float32)
        for node in range(4):
            np.multiply(normals.transpose(0, 2, 1, 3, 4), weights[:, None, :, node, None, None], out=right[:, node])
        left = factor[(stencil - first)[:, None] + np.arange(4)].transpose(0, 2, 1, 3).reshape(-1, n, 4 * n)
        operand = right.view(np.complex64) if np.iscomplexobj(factor) else right
        product = (left @ operand.reshape(len(interval), 4 * n, -1)).view(np.complex64)
        product = product.reshape(len(interval), n, step, blocks).transpose(3, 1, 0, 2)
        return product.reshape(blocks, n, count) / np.float32(np.sqrt(2))


def _lagrange(t: Array) -> npt.NDArray[np.float32]:
    """Weights of nodes 0, 1, 2, 3 in the cubic through them at ``t``: [..., 4]."""
    a, b, c, d = t, t - 1, t - 2, t - 3
    return np.stack([-b * c * d / 6, a * c * d / 2, -a * b * d / 2, a * b * c / 6], axis=-1).astype(np.float32)


def _bessel(x: Array, highest: int) -> list[Array]:
    """J0 to J_highest (at most 3), to 1e-12: near 0 the recurrence for J3 loses digits, its series none."""
    orders = [special.j0(x)]
    if highest > 0:
        orders.append(special.j1(x))
        twice = np.divide(2, x, out=np.zeros_like(x), where=x > 0)
    if highest > 1:
        orders.append(np.where(x > 0, twice * orders[1] - orders[0], 0))
    if highest > 2:
        orders.append(np.where(x > 0.01, 2 * twice * orders[2] - orders[1], x**3 / 48))
    return orders
