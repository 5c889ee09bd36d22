"""Broadband instruments with full responses: seismometer, digitizer, FIR decimation stages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from obspy.core.inventory import Response

Array = npt.NDArray[np.float64]

COUNTS_PER_VOLT = 400_000.0
# Decimation factors behind the converter, which therefore runs at 100 times the final rate.
FACTORS = (5, 5, 4)
# Pass band of the FIR stages and their attenuation where the decimation would alias.
PASS_BAND, STOP_DB = 0.38, 120.0


@dataclass(frozen=True)
class FirStage:
    """Symmetric low-pass filter of odd length at ``input_hz``, then decimation by ``factor``."""

    input_hz: float
    factor: int
    coefficients: Array

    @property
    def delay_s(self) -> float:
        """Delay of the filter, which the digitizer takes out of its time stamps."""
        return (len(self.coefficients) - 1) / 2 / self.input_hz

    def evaluate(self, frequency: Array) -> Array:
        """Zero-phase response: Σ c_k cos(ω k) is a Chebyshev series in cos ω."""
        middle = len(self.coefficients) // 2
        series = self.coefficients[middle:] * np.where(np.arange(middle + 1) == 0, 1.0, 2.0)
        cosine = np.cos(2 * np.pi * frequency / self.input_hz)
        return np.asarray(np.polynomial.chebyshev.chebval(cosine, series), float)


@dataclass(frozen=True)
class Instrument:
    """A seismometer (flat to velocity above 1 / ``period_s``) and its digitizer, sampling at ``rate_hz``.

    ``sensitivity`` is in V/(m/s), ``top_hz`` the upper corner of the seismometer.
    """

    name: str
    period_s: float
    sensitivity: float
    top_hz: float
    rate_hz: float

    @property
    def reference_hz(self) -> float:
        """Frequency at which the sensitivity is stated: 1 Hz, lower where the sampling needs it."""
        return min(1.0, self.rate_hz / 8)

    @property
    def zeros(self) -> list[complex]:
        return [0j, 0j]

    @cached_property
    def poles(self) -> list[complex]:
        """A pair damped at 0.707 at the long-period corner and one at 0.6 at the upper corner, rad/s."""
        return [
            2 * np.pi * corner * complex(-damping, sign * np.sqrt(1 - damping**2))
            for corner, damping in ((1 / self.period_s, np.sqrt(0.5)), (self.top_hz, 0.6))
            for sign in (1, -1)
        ]

    @cached_property
    def stages(self) -> list[FirStage]:
        """Low-pass filters that keep what would alias into the final band 120 dB down (Kaiser windows)."""
        from scipy.signal import firwin, kaiserord

        stages = []
        input_hz = self.rate_hz * float(np.prod(FACTORS))
        for factor in FACTORS:
            output_hz = input_hz / factor
            edge = PASS_BAND * self.rate_hz
            # What folds onto frequencies above the final Nyquist is removed by the stages that follow.
            stop = output_hz - self.rate_hz / 2
            length, beta = kaiserord(STOP_DB, 2 * (stop - edge) / input_hz)
            taps = firwin(length | 1, (edge + stop) / 2, window=("kaiser", beta), fs=input_hz)
            stages.append(FirStage(input_hz, factor, taps))
            input_hz = output_hz
        return stages

    def evaluate(self, frequency: npt.ArrayLike) -> npt.NDArray[np.complex128]:
        """Counts per m/s at frequencies in Hz (Fourier transform with exp(-iωt))."""
        frequency = np.asarray(frequency, float)
        curve = self.sensitivity * COUNTS_PER_VOLT * self._seismometer(frequency)
        for stage in self.stages:
            curve = curve * stage.evaluate(frequency)
        return curve

    def _seismometer(self, frequency: Array) -> npt.NDArray[np.complex128]:
        def product(f: Array) -> npt.NDArray[np.complex128]:
            s = 2j * np.pi * f
            above = np.prod([s - zero for zero in self.zeros], axis=0)
            return above / np.prod([s - pole for pole in self.poles], axis=0)

        return product(frequency) / np.abs(product(np.array(self.reference_hz)))

    def response(self) -> Response:
        """The same as an ObsPy Response with every stage, to be written as StationXML."""
        from obspy.core.inventory import (
            CoefficientsTypeResponseStage,
            FIRResponseStage,
            InstrumentSensitivity,
            PolesZerosResponseStage,
            Response,
        )

        f = self.reference_hz
        seismometer = PolesZerosResponseStage(
            1, self.sensitivity, f, "M/S", "V", "LAPLACE (RADIANS/SECOND)", f, self.zeros, self.poles, None
        )
        converter = CoefficientsTypeResponseStage(
            2, COUNTS_PER_VOLT, f, "V", "COUNTS", "DIGITAL", numerator=[1.0], denominator=[],
            **_decimation(self.stages[0].input_hz, 1, 0.0),
        )  # fmt: skip
        filters = [
            FIRResponseStage(
                number, 1.0, f, "COUNTS", "COUNTS", symmetry="NONE", coefficients=list(stage.coefficients),
                **_decimation(stage.input_hz, stage.factor, stage.delay_s),
            )
            for number, stage in enumerate(self.stages, start=3)
        ]  # fmt: skip
        overall = float(np.abs(self.evaluate(f)))
        return Response(
            instrument_sensitivity=InstrumentSensitivity(overall, f, "M/S", "COUNTS"),
            response_stages=[seismometer, converter, *filters],
        )


def _decimation(input_hz: float, factor: int, delay_s: float) -> dict[str, Any]:
    return {
        "decimation_input_sample_rate": input_hz,
        "decimation_factor": factor,
        "decimation_offset": 0,
        "decimation_delay": delay_s,
        "decimation_correction": delay_s,
    }


def broadband(period: str, rate_hz: float) -> Instrument:
    """The 120 s or the 20 s instrument (``period`` "120" or "20") at a sampling rate."""
    if period == "120":
        return Instrument("Broadband 120 s - 100 Hz", 120.0, 1250.0, 100.0, rate_hz)
    return Instrument("Broadband 20 s - 60 Hz", 20.0, 820.0, 60.0, rate_hz)


def band_code(rate_hz: float) -> str:
    """First letter of a SEED channel code for a broadband sensor (corner period above 10 s)."""
    limits = ((250, "C"), (80, "H"), (10, "B"), (1.001, "M"), (0.5, "L"))
    return next((code for least, code in limits if rate_hz >= least), "V")
