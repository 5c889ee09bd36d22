"""Responses from stages: the same numbers as the reference program, and the closed forms of single stages."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import obspy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from obspy import read_inventory
from obspy.core.inventory.response import (
    CoefficientsTypeResponseStage,
    FIRResponseStage,
    InstrumentSensitivity,
    PolesZerosResponseStage,
    PolynomialResponseStage,
    Response,
    ResponseListElement,
    ResponseListResponseStage,
    ResponseStage,
)

from seisloom.errors import InputError
from seisloom.noise.evalresp import evaluate_response

pytestmark = pytest.mark.filterwarnings("ignore")  # ObsPy's remarks on odd units
RATE = 400.0
F = np.geomspace(0.01, 0.4 * RATE, 50)


def decimation(correction: float = 0.0, rate: float | None = RATE) -> dict:
    return {
        "decimation_input_sample_rate": rate,
        "decimation_factor": 1,
        "decimation_offset": 0,
        "decimation_delay": correction,
        "decimation_correction": correction,
    }


def sensor(units: str = "M/S", gain_hz: float = 1.0, kind: str = "LAPLACE (RADIANS/SECOND)") -> PolesZerosResponseStage:
    """A damped pendulum of 1 s (or, in hertz, of 1 / 2π s) with transduction 1500."""
    zeros, poles = [0j, 0j], [-4.4 + 4.4j, -4.4 - 4.4j]
    return PolesZerosResponseStage(
        1, 1500.0, gain_hz, units, "V", kind, gain_hz, zeros, poles, normalization_factor=1.0
    )


def fir(
    n: int, coefficients: list[float], symmetry: str, correction: float = 0.0, gain_hz: float = 0.0
) -> FIRResponseStage:
    return FIRResponseStage(
        n, 1.0, gain_hz, "COUNTS", "COUNTS", symmetry, coefficients=coefficients, **decimation(correction)
    )


def instrument(*stages: ResponseStage, sensitivity_hz: float | None = 1.0, units: str = "M/S") -> Response:
    total = None if sensitivity_hz is None else InstrumentSensitivity(1e9, sensitivity_hz, units, "COUNTS")
    return Response(instrument_sensitivity=total, response_stages=list(stages))


def by_obspy(response: Response, f: np.ndarray, output: str) -> np.ndarray:
    return response.get_evalresp_response_for_frequencies(f, output=output)


def deviation(got: np.ndarray, expected: np.ndarray) -> float:
    """Largest relative difference of complex values: bounds amplitude and phase (radians) at once."""
    return float(np.max(np.abs(got - expected) / np.maximum(np.abs(expected), 1e-300)))


def test_agrees_with_obspy_on_all_station_xml_that_obspy_ships():
    """Every channel that ObsPy can evaluate, of all makes that its own tests have collected, to 1e-4 (measured 3e-13)."""
    worst, compared = 0.0, 0
    for path in sorted(Path(obspy.__file__).parent.glob("**/*.xml")):
        if b"FDSNStationXML" not in path.read_bytes()[:3000]:
            continue
        inventory = read_inventory(str(path), format="STATIONXML")
        for channel in (c for network in inventory for station in network for c in station):
            if channel.response is None or not channel.response.response_stages:
                continue
            top = 0.4 * channel.sample_rate if 0 < (channel.sample_rate or 0) < 1e5 else 10.0
            f = np.geomspace(1e-3, top, 20)
            for output in ("DISP", "VEL", "ACC"):
                try:
                    expected = by_obspy(channel.response, f, output)
                except Exception:  # metadata that ObsPy refuses
                    continue
                got = evaluate_response(channel.response, f, output)
                error = deviation(got, expected)
                assert error < 1e-4, f"{path.name} {channel.code} {output}: {error:.1e}"
                worst, compared = max(worst, error), compared + 1
    print(f"{compared} responses, worst relative difference {worst:.1e}")
    assert compared > 300
    assert worst < 1e-9


def test_agrees_with_obspy_on_the_real_stations(real_data):
    inventory = read_inventory(str(real_data / "noisepy_ci" / "CI_*.xml"))
    channels = [c for network in inventory for station in network for c in station if c.code == "BHN"]
    f = np.geomspace(0.005, 16.0, 400)
    for channel in channels:
        for output in ("DISP", "VEL", "ACC"):
            assert (
                deviation(evaluate_response(channel.response, f, output), by_obspy(channel.response, f, output)) < 1e-9
            )
    assert len(channels) >= 2


def random_stage(n: int, kind: str, gain_hz: float, norm_hz: float, rng: np.random.Generator) -> ResponseStage:
    """A digital stage: FIR (any symmetry, normalised or not), IIR by poles and zeros or by coefficients."""
    if kind == "poles":
        zeros, poles = [0.2 + 0.7j, 0.2 - 0.7j], [0.5 + 0.3j, 0.5 - 0.3j]
        return PolesZerosResponseStage(
            n, 2.0, gain_hz, "COUNTS", "COUNTS", "DIGITAL (Z-TRANSFORM)", norm_hz, zeros, poles, 0.7, **decimation()
        )
    half = (rng.standard_normal(6) + 1.0) * rng.choice([1.0, 1e6])
    whole = {"mirrored": [*half, *half[::-1]], "nearly": [*half, *(half[::-1] * (1 + 1e-6))]}.get(kind, [*half])
    if rng.random() < 0.5 and kind not in ("EVEN", "ODD"):
        whole = list(np.array(whole) / sum(whole))
    if kind in ("EVEN", "ODD", "NONE"):
        return fir(n, whole, kind, rng.uniform(0, 0.05), gain_hz)
    denominator = [1.0, -0.5, 0.1] if kind == "quotient" else []
    return CoefficientsTypeResponseStage(
        n, 1.0, gain_hz, "COUNTS", "COUNTS", "DIGITAL",
        numerator=whole, denominator=denominator, **decimation(rng.uniform(0, 0.05)),
    )  # fmt: skip


kinds = st.sampled_from(["EVEN", "ODD", "NONE", "mirrored", "nearly", "quotient", "poles"])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    stages=st.lists(st.tuples(kinds, st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.5, 1.0])), max_size=4),
    sensor_hz=st.sampled_from([0.5, 1.0, 2.0]),
    sensor_kind=st.sampled_from(["LAPLACE (RADIANS/SECOND)", "LAPLACE (HERTZ)"]),
    sensitivity_hz=st.sampled_from([None, 0.5, 1.0]),
    output=st.sampled_from(["DISP", "VEL", "ACC"]),
)
@example(1, [("mirrored", 1.0, 1.0)], 1.0, "LAPLACE (HERTZ)", 1.0, "VEL")  # coefficients that do not add up to 1
def test_agrees_with_obspy_on_any_chain_of_stages(seed, stages, sensor_hz, sensor_kind, sensitivity_hz, output):
    """Which stages are scaled depends on their gain frequency and that of the sensitivity; all combinations agree."""
    rng = np.random.default_rng(seed)
    digitiser = CoefficientsTypeResponseStage(
        2, 4e5, 1.0, "V", "COUNTS", "DIGITAL", numerator=[], denominator=[], **decimation()
    )
    filters = [random_stage(n, *stage, rng) for n, stage in enumerate(stages, start=3)]
    response = instrument(sensor("M/S", sensor_hz, sensor_kind), digitiser, *filters, sensitivity_hz=sensitivity_hz)
    assert deviation(evaluate_response(response, F, output), by_obspy(response, F, output)) < 1e-7


HALF = [0.05, 0.15, 0.3]


@pytest.mark.parametrize(
    ("symmetry", "coefficients", "expected"),
    [
        # Zero phase: the sum of cosines about the middle, between samples (even) or on one (odd).
        ("EVEN", HALF, lambda w: 2 * sum(c * np.cos(w * (2.5 - k)) for k, c in enumerate(HALF))),
        ("ODD", [0.1, 0.2, 0.4], lambda w: 0.4 + 0.4 * np.cos(w) + 0.2 * np.cos(2 * w)),
        ("NONE", [0.25, 0.5, 0.25], lambda w: 0.5 + 0.5 * np.cos(w)),
        # Not symmetric: the transform from the first sample on, advanced by the correction of 3 samples.
        ("NONE", [0.6, 0.3, 0.1], lambda w: (0.6 + 0.3 * np.exp(-1j * w) + 0.1 * np.exp(-2j * w)) * np.exp(3j * w)),
        ("NONE", [6.0, 3.0, 1.0], lambda w: (0.6 + 0.3 * np.exp(-1j * w) + 0.1 * np.exp(-2j * w)) * np.exp(3j * w)),
    ],
)  # fmt: skip
def test_fir_stage_is_its_transform(symmetry, coefficients, expected):
    plain = instrument(sensor())
    filtered = instrument(sensor(), fir(2, coefficients, symmetry, 3 / RATE))
    ratio = evaluate_response(filtered, F, "VEL") / evaluate_response(plain, F, "VEL")
    np.testing.assert_allclose(ratio, expected(2 * np.pi * F / RATE), atol=1e-12)


def test_poles_and_zeros_in_radians_and_in_hertz_are_one_instrument():
    """s = 2πif or if: poles divided by 2π and no other change give the same curve, scaled at the gain frequency."""
    radians = sensor()
    hertz = sensor(kind="LAPLACE (HERTZ)")
    hertz.poles = [p / (2 * np.pi) for p in radians.poles]
    a, b = (evaluate_response(instrument(s, sensitivity_hz=2.0), F, "VEL") for s in (radians, hertz))
    np.testing.assert_allclose(a, b, rtol=1e-12)
    s = 2j * np.pi * F
    shape = s**2 / (s**2 + 8.8 * s + 2 * 4.4**2)
    s = 2j * np.pi
    at_1_hz = abs(s**2 / (s**2 + 8.8 * s + 2 * 4.4**2))
    np.testing.assert_allclose(a, 1500 * shape / at_1_hz, rtol=1e-12)


def test_outputs_are_derivatives_of_one_another():
    response = instrument(sensor())
    displacement, velocity, acceleration = (evaluate_response(response, F, o) for o in ("DISP", "VEL", "ACC"))
    np.testing.assert_allclose(displacement, velocity * 2j * np.pi * F, rtol=1e-12)
    np.testing.assert_allclose(acceleration * 2j * np.pi * F, velocity, rtol=1e-12)


@pytest.mark.parametrize(
    ("units", "si", "factor"),
    [
        ("nm/s", "M/S", 1e9), ("NM/SEC", "M/S", 1e9), ("mm", "M", 1e3), ("CM/S**2", "M/S**2", 1e2),
        ("um/s", "M/S", 1e6), ("M/(S**2)", "M/S**2", 1), ("meters / second", "M/S", 1), ("m/s^2", "M/S**2", 1),
    ],
)  # fmt: skip
def test_input_units_are_brought_to_si(units, si, factor):
    got = evaluate_response(instrument(sensor(units)), F, "VEL")
    np.testing.assert_allclose(got, factor * evaluate_response(instrument(sensor(si)), F, "VEL"), rtol=1e-12)


@pytest.mark.parametrize("units", ["nm/s", "mm", "CM/S**2", "M/SEC", "M/S/S", "Pa", "V", "g", "rad/s"])
def test_units_mean_what_they_mean_to_obspy(units):
    """Also those of sensors that do not measure ground motion, whose responses no output changes."""
    response = instrument(sensor(units), units=units)
    for output in ("DISP", "VEL", "ACC"):
        np.testing.assert_allclose(evaluate_response(response, F, output), by_obspy(response, F, output), rtol=1e-10)


def test_response_list_and_polynomial_are_left_to_obspy():
    elements = [ResponseListElement(f, 100.0 / (1 + f), -1.0 * f) for f in np.geomspace(0.005, 300, 40)]
    listed = instrument(ResponseListResponseStage(1, 1.0, 1.0, "M/S", "V", response_list_elements=elements))
    polynomial = instrument(PolynomialResponseStage(1, 1.0, 1.0, "M/S", "V", 0.01, 10.0, 0.0, 1.0, 0.1, [0.0, 4.0]))
    for response in (listed, polynomial):
        expected = by_obspy(response, F, "VEL")
        assert np.abs(expected).min() > 0
        np.testing.assert_array_equal(evaluate_response(response, F, "VEL"), expected)


def test_missing_sampling_rate_of_a_digital_stage_is_found_as_obspy_finds_it():
    """Some files give a digital poles-and-zeros stage without its decimation; the neighbour's rate holds."""
    kind = "DIGITAL (Z-TRANSFORM)"
    for poles in ([], [0.9 + 0j]):
        stage = PolesZerosResponseStage(3, 1.0, 1.0, "COUNTS", "COUNTS", kind, 1.0, [], poles, normalization_factor=1.0)
        response = instrument(sensor(), fir(2, HALF, "EVEN"), stage)
        response.response_stages[1].input_units = "V"
        expected = by_obspy(response, F, "VEL")
        np.testing.assert_allclose(evaluate_response(response, F, "VEL"), expected, rtol=1e-9)


def test_gain_alone_multiplies():
    gain = ResponseStage(2, 7.0, 1.0, "V", "V")
    a, b = (evaluate_response(instrument(*stages), F, "VEL") for stages in ([sensor(), gain], [sensor()]))
    np.testing.assert_allclose(a, 7 * b, rtol=1e-12)


@pytest.mark.parametrize("response", [None, Response(), Response(response_stages=[])])
def test_no_stages_is_an_input_error(response):
    with pytest.raises(InputError, match="no instrument response"):
        evaluate_response(response, F, "VEL")


def test_what_obspy_cannot_evaluate_is_an_input_error():
    polynomial = PolynomialResponseStage(1, 1.0, 1.0, "M/S", "V", 0.01, 10.0, 0.0, 1.0, 0.1, [0.0, 4.0, 2.0])
    with pytest.raises(InputError, match="cannot be evaluated"):
        evaluate_response(instrument(polynomial), F, "VEL")


def test_no_warnings_and_no_output_on_a_good_instrument(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate_response(instrument(sensor(), fir(2, [0.6, 0.3, 0.1], "NONE")), F, "VEL")
    assert capfd.readouterr() == ("", "")
