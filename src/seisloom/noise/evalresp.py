"""The complex response of an instrument from its stages, as the reference program evalresp defines it.

ObsPy's evaluation gives the same numbers but loads all of its signal processing first and takes some 100 ms a channel
with FIR stages; here a channel takes about a millisecond. Stage kinds that are not listed below are left to ObsPy.
Conventions (SEED manual, appendix C; evalresp): a filter stage is scaled to gain 1 at its gain frequency, unless that is the
frequency of the overall sensitivity, and multiplied by the stage gain; FIR coefficients that are listed in full and do not
add up to 1 are scaled to; symmetric FIR filters have zero phase; asymmetric ones are corrected by the delay that the
digitiser applied.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from seisloom.errors import InputError

Complex = npt.NDArray[np.complexfloating]
Real = npt.NDArray[np.floating]

# Powers of (2 pi i f) that turn a response to displacement, velocity or acceleration into one another.
INTEGRATIONS = {"DISP": 0, "VEL": 1, "ACC": 2}
INPUT_UNITS = {
    "M": 0, "METER": 0, "METERS": 0,
    "M/S": 1, "METERS/SECOND": 1, "M/SEC": 1,
    "M/S**2": 2, "M/(S**2)": 2, "M/S/S": 2, "M/S^2": 2, "M/SEC**2": 2, "M/(SEC**2)": 2,
}  # fmt: skip
UNIT_SCALES = {"NM": 1e9, "UM": 1e6, "MM": 1e3, "CM": 1e2}
# How far from 1 evalresp lets the sum of FIR coefficients be.
FIR_SUM_TOLERANCE = 0.02
# The C library behind ObsPy's evaluation has global state and runs without the interpreter lock.
_OBSPY = threading.Lock()


def evaluate_response(response: Any, frequencies: Real, output: str) -> Complex:
    """Counts per m, m/s or m/s² (output DISP, VEL, ACC) of an ObsPy Response at positive frequencies in Hz.

    Sensors of other quantities (pressure, rotation) are left to ObsPy. Raises InputError where there are no stages.
    """
    stages = getattr(response, "response_stages", None)
    if not stages:
        raise InputError("its metadata hold no instrument response")
    units = _input_motion(stages[0].input_units)
    if units is None or not all(type(stage).__name__ in _KINDS for stage in stages):
        return _by_obspy(response, frequencies, output)
    motion, scale = units
    total = scale * (2j * np.pi * frequencies) ** (motion - INTEGRATIONS[output])
    reference = _sensitivity_frequency(response)
    try:
        for stage in stages:
            total = total * _stage(stage, frequencies, reference)
    except TypeError:  # a stage lacks a number, which ObsPy may know how to guess
        return _by_obspy(response, frequencies, output)
    return total


def _sensitivity_frequency(response: Any) -> float:
    sensitivity = response.instrument_sensitivity
    if sensitivity is not None and sensitivity.value:
        return float(sensitivity.frequency or 0.0)
    given = [float(s.stage_gain_frequency or 0.0) for s in response.response_stages]
    return next((f for f in reversed(given) if f), 0.0)


def _stage(stage: Any, f: Real, sensitivity_frequency: float) -> Complex | float:
    gain = 1.0 if stage.stage_gain is None else float(stage.stage_gain)
    shape = _KINDS[type(stage).__name__]
    values = shape(stage, f)
    if values is None:
        return gain
    at = float(stage.stage_gain_frequency or 0.0)
    # A normalisation that was given for the frequency of the overall sensitivity is taken as it stands.
    stated = getattr(stage, "normalization_frequency", sensitivity_frequency)
    if at == sensitivity_frequency == stated:
        return gain * values
    there = shape(stage, np.array([at]))
    norm = abs(there[0]) if there is not None else 0.0
    return gain / norm * values if norm > 0 else gain * values


def _gain_only(stage: Any, f: Real) -> Complex | None:
    return None


def _poles_zeros(stage: Any, f: Real) -> Complex | None:
    kind = stage.pz_transfer_function_type
    if kind == "DIGITAL (Z-TRANSFORM)":
        if not stage.zeros and not stage.poles:
            return None
        s = np.exp(2j * np.pi * f / float(stage.decimation_input_sample_rate))
    else:
        s = 2j * np.pi * f if kind == "LAPLACE (RADIANS/SECOND)" else 1j * f
    values: Complex = np.full(len(f), complex(stage.normalization_factor))
    for zero in stage.zeros:
        values = values * (s - complex(zero))
    for pole in stage.poles:
        values = values / (s - complex(pole))
    return values


def _coefficients(stage: Any, f: Real) -> Complex | None:
    b = [float(c) for c in stage.numerator]
    a = [float(c) for c in stage.denominator]
    if stage.cf_transfer_function_type != "DIGITAL":
        s = 2j * np.pi * f if "RADIANS" in stage.cf_transfer_function_type else 1j * f
        values: Complex = np.polyval(b, s) / np.polyval(a or [1.0], s)
        return values
    if not a:
        return _fir(b, "NONE", stage, f) if b else None
    inverse_z: Complex = np.exp(-2j * np.pi * f / float(stage.decimation_input_sample_rate))
    quotient: Complex = np.divide(np.polyval(b[::-1], inverse_z), np.polyval(a[::-1], inverse_z), dtype=complex)
    return quotient


def _fir_stage(stage: Any, f: Real) -> Complex | None:
    b = [float(c) for c in stage.coefficients]
    return _fir(b, stage.symmetry or "NONE", stage, f) if b else None


def _fir(b: list[float], symmetry: str, stage: Any, f: Real) -> Complex | None:
    if symmetry == "ODD":  # the first half with the middle coefficient
        b = b + b[-2::-1]
    elif symmetry == "EVEN":  # the first half
        b = b + b[::-1]
    elif (total := sum(b)) != 0.0 and abs(total - 1.0) > FIR_SUM_TOLERANCE:
        b = [c / total for c in b]
    if b == [1.0]:
        return None
    rate = float(stage.decimation_input_sample_rate)
    if b == b[::-1]:  # symmetric: linear phase, which every digitiser corrects
        return _zero_phase(np.array(b), 2 * np.pi * f / rate) + 0j
    values = np.polyval(b[::-1], np.exp(-2j * np.pi * f / rate))
    return values * np.exp(2j * np.pi * f * float(stage.decimation_correction or 0.0))


def _zero_phase(b: Real, angle: Real) -> Real:
    """Sum of b[k] cos((k - (n - 1) / 2) angle) of a symmetric filter: Chebyshev polynomials, a quarter of the work."""
    later = 2 * b[len(b) // 2 :]
    if len(b) % 2:
        later[0] /= 2
        return np.polynomial.chebyshev.chebval(np.cos(angle), later)
    odd = np.zeros(2 * len(later))
    odd[1::2] = later
    return np.polynomial.chebyshev.chebval(np.cos(angle / 2), odd)


def _input_motion(units: str | None) -> tuple[int, float] | None:
    """(order of the time derivative of displacement, factor to SI) of a sensor's input units; None for others."""
    name = (units or "").upper().replace(" ", "")
    for prefix, scale in UNIT_SCALES.items():
        if name.startswith(prefix) and name[1:] in INPUT_UNITS:
            return INPUT_UNITS[name[1:]], scale
    return (INPUT_UNITS[name], 1.0) if name in INPUT_UNITS else None


def _by_obspy(response: Any, frequencies: Real, output: str) -> Complex:
    try:
        with _OBSPY:
            return response.get_evalresp_response_for_frequencies(frequencies, output=output)
    except Exception as error:  # ObsPy raises many kinds for broken stages
        raise InputError(f"its instrument response cannot be evaluated: {error}") from error


_KINDS = {
    "ResponseStage": _gain_only,
    "PolesZerosResponseStage": _poles_zeros,
    "CoefficientsTypeResponseStage": _coefficients,
    "FIRResponseStage": _fir_stage,
}
