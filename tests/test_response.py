"""Responses by channel and time: the interpolated curve, epochs, metadata files, and the removal as a whole."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from obspy import Trace, UTCDateTime, read, read_inventory
from obspy.core.inventory import Channel, Inventory, Network, Station
from obspy.core.inventory.response import (
    FIRResponseStage,
    InstrumentSensitivity,
    PolesZerosResponseStage,
    Response,
    ResponseListElement,
    ResponseListResponseStage,
)

from seisloom.config import CorrelationSettings
from seisloom.errors import InputError
from seisloom.noise.evalresp import evaluate_response
from seisloom.noise.plan import make_plan
from seisloom.noise.preprocess import day_series
from seisloom.noise.response import FAR_FUTURE, FAR_PAST, Epoch, Responses, read_inventories
from seisloom.waveforms.base import DAY_NS, Record, Segment

DAY = pd.Timestamp("2022-01-02").value


def anti_alias(rate_hz: float, correction_s: float = 0.0, symmetric: bool = True) -> FIRResponseStage:
    """A low pass with its corner at 0.8 of the Nyquist frequency that is left after taking every fourth sample."""
    k = np.arange(-60, 61)
    taps = np.sinc(0.2 * k) * np.hanning(123)[1:-1]
    taps = (taps if symmetric else taps * np.exp(-0.02 * k)) / 5
    return FIRResponseStage(
        2, 1.0, 0.0, "V", "COUNTS", "NONE", coefficients=list(taps / taps.sum()),
        decimation_input_sample_rate=4 * rate_hz, decimation_factor=4, decimation_offset=0,
        decimation_delay=60 / (4 * rate_hz), decimation_correction=correction_s,
    )  # fmt: skip


def broadband(gain: float = 1500.0, digitiser: FIRResponseStage | None = None) -> Response:
    """A seismometer of 120 s, and what follows it."""
    poles = [-0.037 + 0.037j, -0.037 - 0.037j, -1130.0 + 0j]
    sensor = PolesZerosResponseStage(1, gain, 1.0, "M/S", "V", "LAPLACE (RADIANS/SECOND)", 1.0, [0j, 0j], poles, 1130.0)
    stages = [sensor] if digitiser is None else [sensor, digitiser]
    return Response(instrument_sensitivity=InstrumentSensitivity(gain, 1.0, "M/S", "COUNTS"), response_stages=stages)


def station(*epochs: tuple[str | None, str | None, float], code: str = "BHZ", **place: float) -> Inventory:
    """XX.STA with one channel, an epoch for each (start, end, gain)."""
    where = {"latitude": 38.0, "longitude": -120.0, "elevation": 1200.0, "depth": 0.0} | place
    channels = [
        Channel(
            code, "", start_date=a and UTCDateTime(a), end_date=b and UTCDateTime(b), response=broadband(g), **where
        )
        for a, b, g in epochs
    ]
    site = Station("STA", 38.0, -120.0, 1200.0, channels=channels)
    return Inventory([Network("XX", stations=[site])], source="test")


def gains(responses: Responses, start: int = DAY, end: int = DAY + DAY_NS, channel: str = "XX.STA..BHZ") -> list[tuple]:
    """(first hour of the span, last, gain) of the epochs that hold."""
    hour = 3_600_000_000_000
    return [
        (max(-9, (e.start_ns - start) // hour), min(99, (e.end_ns - start) // hour), round(abs(e.evaluate(np.array([1.0, 1.1]), "VEL")[0])))
        for e in responses.epochs(channel, start, end)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "response"),
    [
        (0.005, 20.0, broadband()),
        (0.005, 20.0, broadband(digitiser=anti_alias(50.0))),  # to 0.8 of the Nyquist frequency
        (0.005, 0.4, broadband(digitiser=anti_alias(1.0))),
        (0.005, 20.0, broadband(digitiser=anti_alias(50.0, 0.3, symmetric=False))),
        (0.005, 20.0, broadband(digitiser=anti_alias(50.0, 2.0, symmetric=False))),  # turns 20 times to 20 Hz
    ],
)  # fmt: skip
@pytest.mark.parametrize("output", ["DISP", "VEL", "ACC"])
def test_interpolated_curve_is_the_direct_evaluation(low, high, response, output):
    """Asked for 1e-4; reached: 1.1e-5, at any length of delay, on the flank of the anti-alias filter as elsewhere."""
    f = np.geomspace(low, high, 7001)
    got, expected = Epoch(0, 1, response).evaluate(f, output), evaluate_response(response, f, output)
    assert np.max(np.abs(got / expected - 1)) < 1.5e-5


def test_interpolated_curve_of_the_real_stations(real_data):
    responses = Responses(read_inventories(real_data / "noisepy_ci"))
    f = np.geomspace(0.005, 16.0, 5001)
    for channel in ("CI.CCA..BHN", "CI.HEC..BHN"):
        for epoch in responses.all_epochs(channel):
            expected = evaluate_response(epoch.response, f, "VEL")
            assert np.max(np.abs(epoch.evaluate(f, "VEL") / expected - 1)) < 1.5e-5


def test_corners_of_a_response_list_are_followed():
    """Amplitudes that a table lists with a dip of a factor of five within a tenth of an octave."""
    f = np.geomspace(0.01, 20, 60)
    dip = 1 - 0.8 * np.exp(-((np.log(f / 1.0) / 0.2) ** 2))
    elements = [ResponseListElement(a, float(b), 0.0) for a, b in zip(f, dip, strict=True)]
    stage = ResponseListResponseStage(1, 1.0, 1.0, "M/S", "V", response_list_elements=elements)
    response = Response(instrument_sensitivity=InstrumentSensitivity(1.0, 1.0, "M/S", "V"), response_stages=[stage])
    at = np.geomspace(0.02, 10, 5001)
    got, expected = Epoch(0, 1, response).evaluate(at, "VEL"), evaluate_response(response, at, "VEL")
    assert np.max(np.abs(got / expected - 1)) < 2e-5


def test_a_curve_is_evaluated_once_for_a_band(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "seisloom.noise.response.evaluate_response", lambda *a: calls.append(a) or evaluate_response(*a)
    )
    epoch, f = Epoch(0, 1, broadband()), np.geomspace(0.1, 1.0, 50)
    first = epoch.evaluate(f, "VEL")
    n = len(calls)
    np.testing.assert_array_equal(epoch.evaluate(f, "VEL"), first)
    assert len(calls) == n > 0
    np.testing.assert_allclose(epoch.evaluate(f, "DISP"), first * 2j * np.pi * f, rtol=2e-5)
    assert len(calls) > n


def test_dead_response_is_an_input_error():
    dead = broadband()
    dead.response_stages[0].zeros = [2j * np.pi, -2j * np.pi]  # an infinitely deep notch at 1 Hz
    dead.response_stages[0].stage_gain_frequency = 0.1
    with pytest.raises(InputError, match=r"zero or not finite between 0\.25 and 4 Hz"):
        Epoch(0, 1, dead).evaluate(np.array([0.25, 4.0]), "VEL")
    with pytest.raises(InputError, match="no instrument response"):
        Epoch(0, 1, None).evaluate(np.array([0.1, 1.0]), "VEL")


def test_epochs_that_change_at_noon():
    noon = "2022-01-02T12:00:00"
    responses = Responses(station(("2020-01-01", noon, 100.0), (noon, None, 200.0)))
    assert gains(responses) == [(-9, 12, 100), (12, 99, 200)]
    assert gains(responses, DAY + DAY_NS, DAY + 2 * DAY_NS) == [(-9, 99, 200)]
    assert gains(responses, DAY - DAY_NS, DAY) == [(-9, 36, 100)]
    held = responses.all_epochs("XX.STA..BHZ")
    assert (held[0].end_ns, held[1].end_ns) == (DAY + DAY_NS // 2, FAR_FUTURE)


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        # Of two that overlap the later wins from its start on.
        ([("2020-01-01", None, 100.0), ("2022-01-02T06:00:00", None, 200.0)], [(-9, 6, 100), (6, 99, 200)]),
        # An old one that was never closed leaves nothing behind, and no span that ends before it begins.
        ([("2010-01-01", None, 100.0), ("2015-01-01", None, 200.0)], [(-9, 99, 200)]),
        ([(None, None, 100.0), ("2015-01-01", None, 200.0)], [(-9, 99, 200)]),
        # The same epoch twice, as where two files hold one station.
        ([("2015-01-01", None, 200.0), ("2015-01-01", None, 200.0)], [(-9, 99, 200)]),
        # Not in the order of time.
        ([("2022-01-02T06:00:00", None, 200.0), ("2020-01-01", "2022-01-02T06:00:00", 100.0)], [(-9, 6, 100), (6, 99, 200)]),
        # A day that none covers, and one that is covered in part.
        ([("2015-01-01", "2016-01-01", 100.0), ("2023-01-01", None, 200.0)], []),
        ([("2015-01-01", "2022-01-02T03:00:00", 100.0), ("2022-01-02T20:00:00", None, 200.0)], [(-9, 3, 100), (20, 99, 200)]),
    ],
)  # fmt: skip
def test_overlapping_and_missing_epochs(epochs, expected):
    responses = Responses(station(*epochs))
    for _ in range(2):  # asking changes nothing
        assert gains(responses) == expected


def test_an_epoch_asked_for_after_another_day_is_still_whole():
    """A short epoch inside a long one hides it only while it lasts."""
    responses = Responses(station(("2010-01-01", "2030-01-01", 100.0), ("2015-01-01", "2016-01-01", 200.0)))
    within = pd.Timestamp("2015-06-01").value
    assert gains(responses, within, within + DAY_NS) == [(-9, 99, 200)]
    assert gains(responses) == [(-9, 99, 100)]


def test_channels_that_the_metadata_lack():
    responses = Responses(station(("2020-01-01", None, 100.0)))
    assert responses.epochs("XX.STA..BHN", DAY, DAY + DAY_NS) == []
    assert responses.epochs("XX.STA.00.BHZ", DAY, DAY + DAY_NS) == []
    assert Responses(None).epochs("XX.STA..BHZ", DAY, DAY + DAY_NS) == []
    assert Responses(None).all_epochs("XX.STA..BHZ") == []


def test_places_and_orientations_come_along():
    held = Responses(station((None, None, 1.0), azimuth=90.0, dip=-10.0)).all_epochs("XX.STA..BHZ")[0]
    assert (held.start_ns, held.end_ns) == (FAR_PAST, FAR_FUTURE)
    assert (held.latitude, held.longitude, held.elevation_m) == (38.0, -120.0, 1200.0)
    assert (held.azimuth_deg, held.dip_deg) == (90.0, -10.0)
    assert np.isnan(Responses(station((None, None, 1.0))).all_epochs("XX.STA..BHZ")[0].azimuth_deg)


def test_inventories_of_a_file_and_of_a_directory_tree(tmp_path):
    (tmp_path / "sub").mkdir()
    station(("2020-01-01", None, 100.0), code="BHZ").write(str(tmp_path / "a.xml"), format="STATIONXML")
    station(("2020-01-01", None, 200.0), code="BHN").write(str(tmp_path / "sub" / "b.xml"), format="STATIONXML")
    one, both = Responses(read_inventories(tmp_path / "a.xml")), Responses(read_inventories(str(tmp_path)))
    assert gains(one) == gains(both) == [(-9, 99, 100)]
    assert gains(one, channel="XX.STA..BHN") == []
    assert gains(both, channel="XX.STA..BHN") == [(-9, 99, 200)]


def test_unusable_metadata_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.xml: no StationXML file there"):
        read_inventories(tmp_path / "nowhere.xml")
    with pytest.raises(InputError, match="no StationXML file there"):
        read_inventories(tmp_path)  # an empty directory
    broken = tmp_path / "broken.xml"
    for content in ("station, latitude\nA, 1\n", "<FDSNStationXML><Network", "<other/>", ""):
        broken.write_text(content)
        with pytest.raises(InputError, match=r"broken\.xml: not readable as station metadata"):
            read_inventories(tmp_path)


def in_pass_band(
    samples: np.ndarray, rate_hz: float, late_s: float, hours: float, low: float, high: float
) -> np.ndarray:
    """Fourier transform from low to high of samples that begin late_s after zero, faded in and out over the hours."""
    length = hours * 3600.0
    t = late_s + np.arange(len(samples)) / rate_hz
    faded = samples * np.where((t > 0) & (t < length), np.sin(np.pi * t / length), 0.0) ** 4
    n = round(1.25 * length * rate_hz)
    f = np.fft.rfftfreq(n, 1 / rate_hz)
    inside = (f >= low) & (f <= high)
    return np.fft.rfft(faded[:n], n)[inside] / rate_hz * np.exp(-2j * np.pi * f[inside] * late_s)


def fading_record(path: str, hours: float) -> Trace:
    """The first hours of a real record, faded in and out over its whole length so that its ends are of no account."""
    trace = read(path)[0]
    trace.trim(endtime=trace.stats.starttime + hours * 3600, nearest_sample=True)
    trace.data = (trace.data - trace.data.mean()) * np.hanning(len(trace.data)) ** 2
    return trace


@pytest.mark.parametrize(("output", "freqmin", "freqmax"), [("VEL", 0.1, 1.0), ("DISP", 0.05, 2.0), ("ACC", 1.0, 15.5)])
def test_removal_is_that_of_obspy_in_the_pass_band(real_data, output, freqmin, freqmax):
    """Four hours of CI.CCA: amplitudes and phases within 2e-5 of ObsPy's (1e-4 asked for), which takes its time (printed)."""
    folder = real_data / "noisepy_ci"
    trace = fading_record(str(folder / "CICCA__BHN___2022002.ms"), 4.0)
    settings = CorrelationSettings(fs=40.0, freqmin=freqmin, freqmax=freqmax, response=output)
    plan = make_plan(settings)
    record = Record([Segment(trace.stats.starttime.ns, trace.stats.sampling_rate, trace.data)])
    inventory = read_inventory(str(folder / "CI_CCA.xml"))
    corners = (0.5 * freqmin, 0.75 * freqmin, min(1.12 * freqmax, 19.9), min(1.25 * freqmax, 20.0))
    options = {"output": output, "water_level": None, "zero_mean": False, "taper": False}
    for _ in range(2):  # the first time loads what is needed
        epochs = Responses(inventory).epochs(trace.id, DAY, DAY + DAY_NS)
        began = time.perf_counter()
        series, problems = day_series(record, DAY, settings, plan, epochs)
        ours_s = time.perf_counter() - began
    for reference in (trace.copy(), trace.copy()):
        began = time.perf_counter()
        reference.remove_response(inventory, pre_filt=corners, **options)
        theirs_s = time.perf_counter() - began
    print(f"{output} {freqmin}-{freqmax} Hz, 4 h at 40 Hz: {ours_s:.3f} s, ObsPy {theirs_s / ours_s:.0f} times as long")

    assert not [p for p in problems if "response" in p]
    late = (trace.stats.starttime.ns - DAY) / 1e9
    ours = in_pass_band(series.samples, plan.rate, 0.0, 4.0, freqmin, freqmax)
    theirs = in_pass_band(reference.data, 40.0, late, 4.0, freqmin, freqmax)
    level = np.sqrt(np.convolve(np.abs(theirs) ** 2, np.ones(401) / 401, "same"))
    strong = np.abs(theirs) > 0.2 * level  # nine tenths of the bins; the others are zeros of the noise
    assert strong.mean() > 0.9
    ratio = ours[strong] / theirs[strong]
    print(
        f"  largest error of amplitude {np.max(np.abs(np.abs(ratio) - 1)):.1e}, of phase {np.max(np.abs(np.angle(ratio))):.1e}"
    )
    assert np.max(np.abs(np.abs(ratio) - 1)) < 2e-5
    assert np.max(np.abs(np.angle(ratio))) < 2e-5
