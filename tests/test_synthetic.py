"""The synthetic network: its field against closed forms, its counts against its responses, its files, its defects."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pandas as pd
import pytest
from obspy import Trace, UTCDateTime, read, read_inventory
from scipy import fft
from scipy.signal import csd, get_window

from seisloom.errors import InputError, NoDataError, SettingsError
from seisloom.geo import distance_azimuth
from seisloom.noise.theory import diffuse_ccf, diffuse_coherency, phase_coherency
from seisloom.stations import read_stations
from seisloom.waveforms import open_source
from seisloom.waveforms.base import DAY_NS, NS_PER_S, ChannelQuery, Source
from seisloom.waveforms.local import sds_path
from seisloom.waveforms.synthetic import NetworkSettings, SyntheticSource, write_dataset
from seisloom.waveforms.synthetic import defects as plant
from seisloom.waveforms.synthetic.dataset import write_mseed
from seisloom.waveforms.synthetic.field import velocity_psd
from seisloom.waveforms.synthetic.instrument import broadband
from seisloom.waveforms.synthetic.settings import describe_keys

DAY = pd.Timestamp("2024-05-01").value
COMPONENTS = ["".join(p) for p in product("ZRT", repeat=2)]


@pytest.fixture(scope="module")
def small() -> SyntheticSource:
    return SyntheticSource("stations=2,rate=1,components=ZNE,seed=4")


@pytest.fixture
def record(small):
    return small.fetch("SY.S01.00.LHZ", DAY, DAY + DAY_NS)


def geometry(source):
    """Distance in km, azimuth and back-azimuth for all pairs of stations, [station, station]."""
    table = source.table.drop_duplicates("station")
    lat, lon = table["latitude"].to_numpy(), table["longitude"].to_numpy()
    return distance_azimuth(lat[:, None], lon[:, None], lat[None], lon[None])


def rotation(azimuth_deg: float) -> np.ndarray:
    """(Z, N, E) to (Z, R, T) with R towards an azimuth."""
    c, s = np.cos(np.radians(azimuth_deg)), np.sin(np.radians(azimuth_deg))
    return np.array([[1, 0, 0], [0, c, s], [0, -s, c]])


def rotated(cross: np.ndarray, azimuth: float, back_azimuth: float) -> dict[str, np.ndarray]:
    """Nine components from cross-spectra [frequency, (E, N, Z) of A, (E, N, Z) of B]."""
    turned = rotation(azimuth) @ cross[:, ::-1, ::-1] @ rotation(back_azimuth + 180).T
    return {c: turned[:, "ZRT".index(c[0]), "ZRT".index(c[1])] for c in COMPONENTS}


def theory(components, distance, frequency, settings: NetworkSettings):
    return diffuse_coherency(
        components,
        distance,
        frequency,
        settings.rayleigh_velocity(frequency),
        love_velocity_km_s=settings.love_wave_velocity(frequency),
        ellipticity=settings.ellipticity,
        love=settings.love,
        noise=settings.noise,
    )


# --- the field ---


def test_prescribed_matrices_are_the_nine_bessel_combinations():
    source = SyntheticSource("stations=5,components=ZNE,dispersion=0.15,aperture=90,noise=0,seed=2")
    frequency = np.geomspace(0.02, 2, 40)
    cross = source.field.cross_spectrum(frequency)
    distance, azimuth, back_azimuth = geometry(source)
    power = {"Z": 1.0, "R": (0.7**2 + 0.8**2) / 2, "T": (0.7**2 + 0.8**2) / 2}
    for a in range(5):
        for b in range(a + 1, 5):
            block = cross[:, 3 * a : 3 * a + 3, 3 * b : 3 * b + 3]
            for name, measured in rotated(block, azimuth[a, b], back_azimuth[a, b]).items():
                expected = theory(name, distance[a, b], frequency, source.settings)
                expected = expected * np.sqrt(power[name[0]] * power[name[1]])
                # The plane differs from the ellipsoid by less than a metre here.
                np.testing.assert_allclose(measured, expected, atol=1e-3)


@pytest.mark.parametrize("rest", ["noise=0", "components=Z12,anisotropy=0.8,dispersion=0.1", "aperture=300"])
def test_interpolated_factor_gives_the_prescribed_matrix(rest):
    source = SyntheticSource(f"stations=6,rate=2,{rest}")
    field, n = source.field, len(source.ids)
    step, bin_hz = field._bins_between_nodes(2.0), 1 / 14_400
    for first in (0, 3000 // step, 7200 * 2 // step - 6):
        interval = np.arange(first, first + 6)
        # One unit vector a block reads the factor out.
        unit = np.zeros((6 * step, n, n, 2), np.float32)
        unit[:, np.arange(n), np.arange(n), 0] = np.sqrt(2)
        factor = field._correlate(interval, step, bin_hz, unit).transpose(2, 1, 0).astype(complex)
        frequency = (1 + np.arange(first * step, (first + 6) * step)) * bin_hz
        product_ = factor @ factor.conj().swapaxes(1, 2)
        # Below 1 mHz, where the matrix is nearly singular, it is less exact (and no record shows it).
        tolerance = 1e-6 if first else 2e-4
        expected = field.cross_spectrum(frequency).swapaxes(1, 2)
        np.testing.assert_allclose(product_, expected, atol=tolerance)


def test_records_have_the_coherencies_of_the_closed_forms():
    """z scores of 9 components x 3 pairs x 30 bands of 0.03 Hz in 3 hours: 324 complex degrees of freedom each.

    A coherency estimated from ν independent complex products has variance (1 - γ²)² / 2ν in its real part and
    (1 - γ²) / 2ν in its imaginary part, for real γ.
    """
    source = SyntheticSource("stations=3,rate=4,components=ZNE,aperture=30,seed=11,noise=0.1")
    bands, bins = 30, 324
    count = 3 * 3600 * 4
    motion = source.field.samples((DAY // NS_PER_S) * 4, count, 4.0).astype(float)
    taper = np.ones(count)  # a short taper keeps the microseism out of weaker bands
    edge = count // 40
    taper[:edge] = np.sin(np.pi / 2 * np.arange(edge) / edge) ** 2
    taper[-edge:] = taper[:edge][::-1]
    spectra = fft.rfft(motion * taper)
    frequency = fft.rfftfreq(count, 1 / 4.0)
    first = np.searchsorted(frequency, 0.1)
    band = slice(first, first + bands * bins)
    f = frequency[band].reshape(bands, bins)
    whitened = spectra[:, band] / np.sqrt(velocity_psd(frequency[band]))
    distance, azimuth, back_azimuth = geometry(source)
    effective = bins * np.mean(taper**2) ** 2 / np.mean(taper**4)
    scores = []
    for a, b in ((0, 1), (0, 2), (1, 2)):
        ends = []
        for station, towards in ((a, azimuth[a, b]), (b, back_azimuth[a, b] + 180)):
            ends.append(rotation(towards) @ whitened[3 * station : 3 * station + 3][::-1])
        for i, j in product(range(3), repeat=2):
            x, y = (end[k].reshape(bands, bins) for end, k in zip(ends, (i, j), strict=True))
            measured = np.sum(x.conj() * y, 1) / np.sqrt(np.sum(abs(x) ** 2, 1) * np.sum(abs(y) ** 2, 1))
            expected = theory("ZRT"[i] + "ZRT"[j], distance[a, b], f, source.settings).mean(axis=1)
            scores.append((measured.real - expected) / (1 - expected**2) * np.sqrt(2 * effective))
            scores.append(measured.imag / np.sqrt(1 - expected**2) * np.sqrt(2 * effective))
    scores = np.array(scores)
    assert scores.shape == (54, bands)
    assert np.abs(scores).max() < 5.0
    assert np.abs(scores.mean(axis=1)).max() < 4.0 / np.sqrt(bands)
    assert np.mean(scores**2) == pytest.approx(1.0, abs=0.15)


def test_spectral_level_is_the_one_that_is_stated(small):
    motion = small.field.samples((DAY // NS_PER_S), 86_400, 1.0)[2].astype(float)
    spectrum = np.abs(fft.rfft(motion * (taper := get_window("hann", 86_400)))) ** 2
    psd = 2 * spectrum / np.sum(taper**2)
    frequency = fft.rfftfreq(86_400)
    for low, high in ((0.05, 0.07), (0.1, 0.15), (0.2, 0.3), (0.35, 0.45)):
        inside = (frequency > low) & (frequency < high)
        expected = velocity_psd(frequency[inside]) * (1 + small.settings.noise**2)
        ratio = np.mean(psd[inside] / expected)
        assert ratio == pytest.approx(1.0, abs=5 * np.sqrt(2 / inside.sum()))  # Hann halves the freedom


def test_any_stretch_of_time_is_the_same_however_it_is_asked_for(small):
    start = DAY // NS_PER_S
    whole = small.field.samples(start - 9000, 30_000, 1.0)
    part = small.field.samples(start + 1234, 5000, 1.0)
    np.testing.assert_array_equal(part, whole[:, 10_234:15_234])
    again = SyntheticSource("stations=2,rate=1,components=ZNE,seed=4").field.samples(start - 9000, 30_000, 1.0)
    np.testing.assert_array_equal(again, whole)
    other = SyntheticSource("stations=2,rate=1,components=ZNE,seed=5").field.samples(start - 9000, 30_000, 1.0)
    assert abs(np.corrcoef(other[2], whole[2])[0, 1]) < 0.1


def test_days_come_in_any_order_and_join_at_midnight():
    spec = "stations=2,rate=1,seed=4"
    forward, backward = SyntheticSource(spec), SyntheticSource(spec)
    name = forward.ids[0]
    days = [forward.fetch(name, DAY + k * DAY_NS, DAY + (k + 1) * DAY_NS).segments[0].data for k in range(4)]
    for k in (3, 0, 2, 1):
        again = backward.fetch(name, DAY + k * DAY_NS, DAY + (k + 1) * DAY_NS).segments[0].data
        np.testing.assert_array_equal(again, days[k])
    (across,) = backward.fetch(name, DAY + DAY_NS - 50 * NS_PER_S, DAY + DAY_NS + 50 * NS_PER_S).segments
    np.testing.assert_array_equal(across.data, np.concatenate([days[0][-50:], days[1][:50]]))
    # No step and no change of level at midnight, which the blocks know nothing of.
    steps = np.diff(np.concatenate(days))
    at_midnight = steps[[86_399, 2 * 86_400 - 1, 3 * 86_400 - 1]]
    assert np.abs(at_midnight).max() < 4 * steps.std()
    assert np.std(across.data) == pytest.approx(np.std(days[0]), rel=0.4)


def test_stations_stay_when_the_network_grows():
    few, many = SyntheticSource("stations=3"), SyntheticSource("stations=7")
    pd.testing.assert_frame_equal(few.table, many.table.iloc[:3])
    distance = geometry(SyntheticSource("stations=40,aperture=70"))[0]
    assert distance.max() < 70.2
    assert distance[np.triu_indices(40, 1)].min() > 2


def delay_of_peak(source, day=DAY) -> float:
    """Lag (s) of the peak of the correlation of the first two verticals, and early over late energy."""
    a, b = (source.fetch(c, day, day + DAY_NS).segments[0].data.astype(float) for c in source.ids[:2])
    rate = source.settings.rate
    f, cross = csd(a, b, rate, nperseg=round(1800 * rate))  # scipy: E[conj(A) B]
    instrument = [i.evaluate(f) for i in source.instruments[:2]]
    inside = (f > 0.1) & (f < 0.4)
    unit = np.exp(1j * np.angle(cross[inside] / instrument[0][inside].conj() / instrument[1][inside]))
    lag = np.arange(-40, 40.01, 0.05)
    ccf = diffuse_ccf(lag, f[inside], np.abs(cross[inside]), unit)
    return lag[np.argmax(ccf)], np.sum(ccf[lag < 0] ** 2) / np.sum(ccf[lag > 0] ** 2)


def test_energy_from_one_side_makes_one_side_of_the_correlation():
    plain = SyntheticSource("stations=2,rate=1,aperture=60,seed=4")
    azimuth = geometry(plain)[1][0, 1]
    distance = geometry(plain)[0][0, 1]
    # Energy that comes from behind A travels on to B and is late there: positive lag.
    source = SyntheticSource(f"stations=2,rate=1,aperture=60,seed=4,anisotropy=1,azimuth={azimuth + 180}")
    lag, negative_over_positive = delay_of_peak(source)
    assert lag == pytest.approx(distance / 3.0, abs=1.5)
    assert negative_over_positive < 0.4
    source = SyntheticSource(f"stations=2,rate=1,aperture=60,seed=4,anisotropy=1,azimuth={azimuth}")
    lag, negative_over_positive = delay_of_peak(source)
    assert lag == pytest.approx(-distance / 3.0, abs=1.5)
    assert negative_over_positive > 2.5


def test_clock_errors_delay_the_records():
    source = SyntheticSource("stations=2,rate=1,aperture=0.01,seed=4,clock=1.5")
    assert np.abs(source.clock_s).min() > 0.1
    lag, _ = delay_of_peak(source)
    assert lag == pytest.approx(source.clock_s[1] - source.clock_s[0], abs=0.051)


# --- instruments and counts ---


@pytest.mark.parametrize("period", ["120", "20"])
@pytest.mark.parametrize("rate", [1.0, 20.0, 100.0])
def test_response_is_the_one_that_obspy_evaluates(
    period,
    rate,
):
    instrument = broadband(period, rate)
    frequency = np.geomspace(1e-3, 0.45 * rate, 200)
    expected = instrument.response().get_evalresp_response_for_frequencies(frequency, output="VEL")
    np.testing.assert_allclose(instrument.evaluate(frequency), expected, rtol=1e-9)
    stages = instrument.response().response_stages
    sensitivity = instrument.response().instrument_sensitivity
    assert sensitivity.value == pytest.approx(np.prod([s.stage_gain for s in stages]), rel=0.01)
    assert np.prod([s.decimation_factor for s in stages if s.decimation_factor]) == 100


def test_decimation_filters_are_flat_and_keep_aliases_out():
    instrument = broadband("120", 20.0)
    for stage in instrument.stages:
        inside = stage.evaluate(np.linspace(0, 0.38 * 20, 500))
        folding = stage.evaluate(np.linspace(stage.input_hz / stage.factor - 10, stage.input_hz / 2, 2000))
        assert np.abs(inside - 1).max() < 1e-5
        assert np.abs(folding).max() < 3e-6


def test_counts_turn_back_into_ground_velocity(tmp_path):
    source = SyntheticSource("stations=2,rate=4,seed=6")
    path = tmp_path / "stations.xml"
    source.inventory(source.ids, DAY, DAY + DAY_NS).write(str(path), format="STATIONXML")
    inventory = read_inventory(str(path))
    span = 6 * 3600
    truth = source.field.samples(DAY // NS_PER_S * 4, span * 4, 4.0).astype(float)
    for name, expected in zip(source.ids, truth, strict=True):
        (segment,) = source.fetch(name, DAY, DAY + span * NS_PER_S).segments
        codes = dict(zip(("network", "station", "location", "channel"), name.split("."), strict=True))
        start = UTCDateTime(ns=segment.start_ns)
        trace = Trace(segment.data.astype(float), codes | {"sampling_rate": 4.0, "starttime": start})
        band = (0.005, 0.01, 1.2, 1.5)
        trace.remove_response(inventory, output="VEL", pre_filt=band, water_level=None, taper_fraction=0.02)
        reference = Trace(expected, trace.stats)
        reference.data = reference.data - reference.data.mean()
        reference.taper(0.02)
        spectrum = fft.rfft(reference.data, 2 * len(expected))
        f = fft.rfftfreq(2 * len(expected), 1 / 4.0)
        gate = np.interp(f, band, [0, 1, 1, 0])
        gate = np.where((f < band[1]) | (f > band[2]), 0.5 - 0.5 * np.cos(np.pi * gate), gate)
        reference.data = fft.irfft(spectrum * gate)[: len(expected)]
        middle = slice(7200, -7200)
        error = trace.data[middle] - reference.data[middle]
        # Counts are whole numbers of about 2 nm/s: that is most of what is left.
        assert np.std(error) < 0.01 * np.std(reference.data[middle])
        assert segment.data.dtype == np.int32


# --- the source ---


def test_it_is_a_source_and_opens_by_name(small):
    source = open_source("synthetic:stations=2,rate=1")
    assert isinstance(source, Source)
    assert source.spec == "synthetic:stations=2,rate=1"
    assert source.ids == ["SY.S01.00.LHZ", "SY.S02.00.LHZ"]
    assert small.ids[:3] == ["SY.S01.00.LHE", "SY.S01.00.LHN", "SY.S01.00.LHZ"]
    assert SyntheticSource("components=Z12").ids[0] == "SY.S01.00.BH1"
    assert len(SyntheticSource("").ids) == 12


def test_threads_get_the_same_numbers_and_days_are_made_once(monkeypatch):
    source = SyntheticSource("stations=4,rate=1,seed=3")
    made = []
    samples = source.field.samples
    monkeypatch.setattr(source.field, "samples", lambda *a: made.append(a[0]) or samples(*a))
    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(lambda name: source.fetch(name, DAY, DAY + DAY_NS), source.ids * 3))
    assert len(made) == 1
    for name, first, second in zip(source.ids, records[:4], records[4:8], strict=True):
        np.testing.assert_array_equal(first.segments[0].data, second.segments[0].data)
        assert len(first.segments[0].data) == 86_400, name
    for day in range(5):
        source.fetch(source.ids[0], DAY + day * DAY_NS, DAY + (day + 1) * DAY_NS)
    assert len(source._kept) == 3
    assert len(made) == 5


def test_fetch_gives_the_samples_in_the_span(small):
    (segment,) = small.fetch("SY.S02.00.LHN", DAY + 500_000_000, DAY + 10 * NS_PER_S + 1_000_000).segments
    assert segment.start_ns == DAY + NS_PER_S
    assert len(segment.data) == 10
    with pytest.raises(NoDataError, match=r"no channel SY\.S09\.00\.LHZ; there are 6"):
        small.fetch("SY.S09.00.LHZ", DAY, DAY + DAY_NS)
    before = pd.Timestamp("1999-12-31").value
    with pytest.raises(NoDataError, match="begin at 2000-01-01"):
        small.fetch("SY.S01.00.LHZ", before, before + DAY_NS)
    (segment,) = small.fetch("SY.S01.00.LHZ", before, before + DAY_NS + 5 * NS_PER_S).segments
    assert segment.start_ns == before + DAY_NS
    assert len(segment.data) == 5


def test_channels_match_queries(small):
    assert list(small.channels(ChannelQuery(channel="LH?,BHZ"))["channel"]) == ["LHE", "LHN", "LHZ"] * 2
    assert len(small.channels(ChannelQuery(station="S02", channel="*Z"))) == 1
    latitude, longitude = small.table.loc[0, ["latitude", "longitude"]]
    box = (longitude - 0.01, latitude - 0.01, longitude + 0.01, latitude + 0.01)
    assert set(small.channels(ChannelQuery(bbox=box))["station"]) == {"S01"}
    around = (longitude + 0.01, latitude - 0.01, longitude - 0.01, latitude + 0.01)  # the other way round the Earth
    with pytest.raises(NoDataError, match="no channel matches"):
        small.channels(ChannelQuery(bbox=around))
    with pytest.raises(NoDataError, match="no channel matches"):
        small.channels(ChannelQuery(end_ns=0))


def test_inventory_holds_what_is_asked_for():
    source = SyntheticSource("stations=3,components=Z12,rate=20")
    inventory = source.inventory(["SY.S03.00.BH1", "SY.S01.00.BHZ"], DAY, DAY + DAY_NS)
    assert sorted(inventory.get_contents()["channels"]) == ["SY.S01.00.BHZ", "SY.S03.00.BH1"]
    row = source.table.set_index(["station", "channel"]).loc[("S03", "BH1")]
    channel = inventory.select(station="S03")[0][0][0]
    assert (channel.azimuth, channel.dip) == (row["azimuth_deg"], 0.0)
    assert (channel.latitude, channel.longitude) == (row["latitude"], row["longitude"])
    assert channel.sample_rate == 20.0
    with pytest.raises(InputError, match=r"no channel SY\.S04"):
        source.inventory(["SY.S04.00.BHZ"], DAY, DAY + DAY_NS)


def test_faults_of_a_spec_are_listed_together():
    with pytest.raises(SettingsError) as caught:
        SyntheticSource("station=5,velocity=-1,components=XYZ,noise,rate=20.00001")
    text = str(caught.value)
    assert "unknown key 'station': did you mean 'stations'?" in text
    assert "velocity is '-1'" in text
    assert "components is 'XYZ'" in text
    assert "'noise' has no value: write noise=0.02" in text
    with pytest.raises(SettingsError, match="not a whole number of samples: use 20"):
        SyntheticSource("rate=20.00001")
    with pytest.raises(SettingsError, match="horizontals would not move"):
        SyntheticSource("components=ZNE,ellipticity=0,love=0")
    assert describe_keys().splitlines()[0] == "stations=12: number of stations"


def test_dataset_is_an_archive_with_metadata(tmp_path):
    source = SyntheticSource("stations=2,rate=1,components=Z12,seed=8")
    dataset = write_dataset(source, tmp_path, "2024-02-29", 2)
    files = sorted(p.relative_to(dataset.archive).as_posix() for p in dataset.archive.rglob("*.D.*"))
    assert len(files) == 12
    assert files[0] == "2024/SY/S01/LH1.D/SY.S01.00.LH1.D.2024.060"
    start = pd.Timestamp("2024-03-01").value
    (trace,) = read(str(sds_path(dataset.archive, "SY.S02.00.LHZ", start)))
    (segment,) = source.fetch("SY.S02.00.LHZ", start, start + DAY_NS).segments
    np.testing.assert_array_equal(trace.data, segment.data)
    assert trace.stats.starttime.ns == start
    assert trace.stats.mseed.encoding == "STEIM2"
    pd.testing.assert_frame_equal(read_stations(dataset.stations), source.table)
    xml = read_stations(dataset.stationxml)
    same = ["station", "channel", "latitude", "longitude", "azimuth_deg", "dip_deg", "sample_rate_hz", "sensor"]
    pd.testing.assert_frame_equal(xml[same], source.table[same])


# --- the whole: one day of 12 stations against the closed form ---


def test_one_day_correlates_with_the_closed_form():
    """Phase-whitened 1800 s windows every 450 s, 0.1-1 Hz, lags to 200 s, in float64."""
    source = SyntheticSource("rate=4")
    rate, length, maxlag = 4, 1800 * 4, 200
    n = fft.next_fast_len(length + maxlag * rate, real=True)
    frequency = fft.rfftfreq(n, 1 / rate)
    band = (frequency >= 0.1) & (frequency <= 1.0)
    f = frequency[band]
    spectra = []
    for name, instrument in zip(source.ids, source.instruments, strict=True):
        counts = source.fetch(name, DAY, DAY + DAY_NS).segments[0].data.astype(float)
        windows = np.lib.stride_tricks.sliding_window_view(counts, length)[:: 450 * rate]
        windows = (windows - windows.mean(axis=1, keepdims=True)) * get_window(("tukey", 0.1), length)
        spectrum = fft.rfft(windows, n)[:, band] / instrument.evaluate(f)
        spectra.append(spectrum / np.abs(spectrum))
    spectra = np.array(spectra)
    assert spectra.shape[:2] == (12, 189)
    a, b = np.triu_indices(12, 1)
    measured = np.array([np.mean(spectra[i].conj() * spectra[j], 0) for i, j in zip(a, b, strict=True)])

    coherency = theory("ZZ", geometry(source)[0][a, b][:, None], f, source.settings)
    lag = np.arange(-maxlag * 10, maxlag * 10 + 1) / 10
    weight = np.ones(len(f))
    expected = diffuse_ccf(lag, f, weight, phase_coherency(coherency))
    ccf = diffuse_ccf(lag, f, weight, measured)
    r = np.sum(ccf * expected, 1) / np.sqrt(np.sum(ccf**2, 1) * np.sum(expected**2, 1))
    shift = np.arange(-400, 401) * 0.25e-3
    match = diffuse_ccf(shift, f, weight, measured * phase_coherency(coherency))
    offset = shift[np.argmax(match, axis=1)]
    scale = np.sum(ccf * expected, 1) / np.sum(expected**2, 1)
    assert np.median(r) >= 0.84
    assert abs(np.median(offset)) < 1e-3
    assert np.median(scale) == pytest.approx(1.0, abs=0.03)


# --- defects ---


def times(record) -> np.ndarray:
    """Sample times in s from the start of the day, all segments one after the other."""
    return np.concatenate([
        (s.start_ns - DAY) / NS_PER_S + np.arange(len(s.data)) / s.rate_hz for s in record.segments
    ])  # fmt: skip


def at(seconds: float) -> int:
    return DAY + round(seconds * NS_PER_S)


def test_gap_missing_sample_and_late_start(record):
    holed = plant.gap(record, at(1000), at(1300.5))
    np.testing.assert_array_equal(times(holed), np.r_[0:1000, 1301:86_400])
    original = record.segments[0].data
    np.testing.assert_array_equal(holed.segments[1].data, original[1301:])
    missing = plant.missing_sample(record, at(99.5))
    np.testing.assert_array_equal(times(missing), np.r_[0:100, 101:86_400])
    late = plant.late_start(record, at(43_200))
    np.testing.assert_array_equal(times(late), np.arange(43_200, 86_400))
    assert len(record.segments[0].data) == 86_400


def test_overlaps_agree_or_conflict(record):
    for make, agrees in (
        (lambda: plant.overlap(record, at(100), at(200)), True),
        (lambda: plant.conflicting_overlap(record, at(100), at(200), np.random.default_rng(1)), False),
    ):
        twice = make()
        np.testing.assert_array_equal(times(twice), np.r_[0:86_400, 100:200])
        same = np.array_equal(twice.segments[1].data, record.segments[0].data[100:200])
        assert same == agrees
        assert twice.segments[1].data.dtype == np.int32


def test_samples_that_are_wrong(record):
    original = record.segments[0].data.copy()
    spike = np.concatenate([s.data for s in plant.glitch(record, at(500), 1e6).segments])
    np.testing.assert_array_equal(np.flatnonzero(spike != original), [500])
    assert spike[500] == original[500] + 1_000_000
    assert not np.any(plant.dead(record).segments[0].data)
    np.testing.assert_array_equal(plant.reversed_polarity(record).segments[0].data, -original)
    louder = plant.change_gain(record, at(43_200), 3.0).segments[1].data
    np.testing.assert_array_equal(louder, 3 * original[43_200:])
    np.testing.assert_array_equal(record.segments[0].data, original)


def test_times_that_are_wrong(record):
    jumped = plant.clock_jump(record, at(40_000))
    np.testing.assert_allclose(times(jumped), np.r_[np.arange(40_000), np.arange(40_000, 86_400) + 0.8])
    np.testing.assert_array_equal(np.concatenate([s.data for s in jumped.segments]), record.segments[0].data)


def test_the_same_motion_at_other_times():
    # A slow wave is known between its samples.
    from seisloom.waveforms.base import Record, Segment

    def wave(t):
        return 1000 * np.sin(2 * np.pi * 0.05 * t)

    record = Record([Segment(DAY, 1.0, wave(np.arange(2000)))])
    (moved,) = plant.subsample_start(record, 0.3).segments
    assert moved.start_ns == at(0.3)
    np.testing.assert_allclose(moved.data, wave(np.arange(2000) + 0.3), atol=1e-6)
    (faster,) = plant.other_rate(record, 2.5).segments
    assert (faster.rate_hz, len(faster.data)) == (2.5, 5000)
    np.testing.assert_allclose(faster.data[200:-200], wave(np.arange(5000) / 2.5)[200:-200], atol=2.0)


def test_files_that_are_damaged(record, tmp_path):
    path = tmp_path / "day.mseed"
    write_mseed(record, "SY.S01.00.LHZ", path)
    size = path.stat().st_size
    plant.truncate_file(path, keep=0.5)
    assert 0.49 < path.stat().st_size / size < 0.52
    assert path.stat().st_size % 512 == 200
    plant.empty_file(path)
    assert path.stat().st_size == 0


def test_metadata_that_change_or_lack(small):
    inventory = small.inventory(small.ids, DAY, DAY + DAY_NS)
    name = "SY.S02.00.LHN"
    changed = plant.change_epoch(inventory, name, at(43_200), 3.0)
    frequency = np.array([0.1, 0.2])
    before, after = (
        changed.get_response(name, UTCDateTime(ns=at(t))).get_evalresp_response_for_frequencies(frequency)
        for t in (43_199, 43_201)
    )
    np.testing.assert_allclose(after / before, 3.0)
    old, new = changed.select(station="S02", channel="LHN")[0][0]
    assert old.end_date == new.start_date == UTCDateTime(ns=at(43_200))
    assert len(inventory.select(station="S02", channel="LHN")[0][0]) == 1
    lacking = plant.without_channel(inventory, name)
    assert set(inventory.get_contents()["channels"]) - set(lacking.get_contents()["channels"]) == {"SY.S02.00.LHN"}
    with pytest.raises(InputError, match="no channel XX"):
        plant.without_channel(inventory, "XX.A..BHZ")
