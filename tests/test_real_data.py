"""Whole jobs on real records, held to a plain implementation with ObsPy and SciPy and to what must be in the noise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import obspy
import pandas as pd
import pytest
import xarray as xr
from obspy.geodetics import gps2dist_azimuth

import seisloom
from seisloom.config import CorrelationSettings
from seisloom.noise.pipeline import correlate
from seisloom.noise.plan import make_plan
from seisloom.noise.report import Summary
from seisloom.noise.response import read_inventories
from seisloom.stations import from_inventory
from seisloom.waveforms.base import DAY_NS, ChannelQuery, Record, Source
from tests import reference

CI_DAY = "2022-01-02"
CI = CorrelationSettings(autocorrelations=True, reject_peak=0.0)
KANSAS = CorrelationSettings(
    fs=1.0, freqmin=0.05, freqmax=0.4, cc_len=3600.0, cc_step=1800.0, maxlag=200.0,
    response="none", components="all", reject_peak=0.0,
)  # fmt: skip
KANSAS_DAYS = [f"{day:%Y-%m-%d}" for day in pd.date_range("2022-05-17", "2022-05-23")]


@cache
def run_ci(folder: Path, workspace: Path) -> tuple[xr.Dataset, Summary]:
    inventory = read_inventories(folder)
    channels = from_inventory(inventory.select(channel="BHN", time=obspy.UTCDateTime(CI_DAY)))
    source = seisloom.open_source(f"files:{folder}")
    summary = correlate(channels, CI, source, workspace, CI_DAY, inventory=inventory)
    return seisloom.open_correlations(workspace), summary


@cache
def run_kansas(folder: Path, workspace: Path, shuffled: str = "") -> tuple[xr.Dataset, Summary]:
    source: Source = seisloom.open_source(f"files:{folder}")
    channels = source.channels(ChannelQuery())
    if shuffled:
        source = DaysShuffled(source, shuffled)
    summary = correlate(channels, KANSAS, source, workspace, KANSAS_DAYS[0], KANSAS_DAYS[-1])
    return seisloom.open_correlations(workspace), summary


class DaysShuffled:
    """A source that gives one station's records of another day than was asked for, at the hour that was asked for."""

    parallel = 1

    def __init__(self, source: Source, station: str) -> None:
        self.source, self.station, self.spec = source, station, f"shuffled {station}"

    def fetch(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        number = KANSAS_DAYS.index(f"{pd.Timestamp(start_ns):%Y-%m-%d}")
        later = (number + 3) % 7 - number if f".{self.station}." in channel_id else 0
        record = self.source.fetch(channel_id, start_ns + later * DAY_NS, end_ns + later * DAY_NS)
        return Record([replace(s, start_ns=s.start_ns - later * DAY_NS) for s in record.segments], record.problems)

    def channels(self, query: ChannelQuery) -> pd.DataFrame:
        return self.source.channels(query)

    def inventory(self, channel_ids: Sequence[str], start_ns: int, end_ns: int) -> None:
        return None


@pytest.fixture
def ci(real_data, tmp_path_factory) -> tuple[xr.Dataset, Summary]:
    """CI.CCA and CI.HEC, a day from MiniSEED and StationXML with the settings of the XCor app."""
    return run_ci(real_data / "noisepy_ci", tmp_path_factory.getbasetemp() / "ci")


@pytest.fixture
def kansas(real_data, tmp_path_factory) -> tuple[xr.Dataset, Summary]:
    """Four stations, three components, seven days from SAC files: nine components of six pairs."""
    return run_kansas(real_data / "fastxc_kansas", tmp_path_factory.getbasetemp() / "kansas")


def stack(archive: xr.Dataset) -> xr.DataArray:
    """Mean over all windows of all days."""
    weight = archive["count"]
    return (archive["ccf"].fillna(0) * weight).sum("day") / weight.sum("day")


def test_a_day_of_ci_is_archived_with_all_that_belongs_to_it(ci, real_data):
    archive, summary = ci
    assert archive["ccf"].dims == ("pair", "day", "lag")
    assert archive["ccf"].dtype == np.float32
    assert archive["pair"].values.tolist() == [
        "CI.CCA..BHN_CI.CCA..BHN",
        "CI.CCA..BHN_CI.HEC..BHN",
        "CI.HEC..BHN_CI.HEC..BHN",
    ]
    assert archive["count"].values.tolist() == [[189]] * 3
    assert np.isfinite(archive["ccf"].values).all()
    np.testing.assert_allclose(archive["lag"].values, np.arange(-2000, 2001) / 10, atol=1e-12)
    assert archive["lag"].attrs["units"] == "s"
    assert archive["day"].values.tolist() == [pd.Timestamp(CI_DAY).value]
    assert "energy that travels from A to B is at positive lag" in archive.attrs["sign_convention"]
    assert json.loads(archive.attrs["settings"]) == CI.model_dump()
    assert archive.attrs["seisloom_version"] == seisloom.__version__
    assert archive["ccf"].attrs["units"] == "1"
    assert summary.totals()["windows"] == 3 * 189

    one = archive.isel(pair=1)
    inventory = read_inventories(real_data / "noisepy_ci")
    for end, code in (("a", "CCA"), ("b", "HEC")):
        channel = inventory.select(station=code, channel="BHN", time=obspy.UTCDateTime(CI_DAY))[0][0][0]
        assert one[f"channel_{end}"] == f"CI.{code}..BHN"
        assert one[f"latitude_{end}"] == channel.latitude
        assert one[f"longitude_{end}"] == channel.longitude
        assert one[f"elevation_{end}_m"] == channel.elevation
        assert one[f"sensor_azimuth_{end}_deg"] == channel.azimuth
        assert one[f"sensor_dip_{end}_deg"] == channel.dip
    metres, azimuth, back = gps2dist_azimuth(
        *(float(one[f"{c}_{end}"]) for end in "ab" for c in ("latitude", "longitude"))
    )
    assert float(one["distance_km"]) == pytest.approx(metres / 1000, rel=1e-6)
    assert float(one["azimuth_deg"]) == pytest.approx(azimuth, abs=1e-4)
    assert float(one["back_azimuth_deg"]) == pytest.approx(back, abs=1e-4)
    assert metres > 100_000
    for own in (0, 2):
        ccf = archive["ccf"].isel(pair=own, day=0)
        assert int(ccf.argmax("lag")) == 2000
        assert float(ccf[2000]) == pytest.approx(1.0, rel=1e-5)


def test_a_day_of_ci_is_that_of_obspy_and_scipy(ci, real_data):
    """Records to correlation by ObsPy's and SciPy's own means, each window on its own.

    Asked for: r > 0.999; measured: 0.999999.
    """
    archive, _ = ci
    nfft = make_plan(CI).nfft_out  # phase whitening depends on the spacing of frequencies: the same for both
    folder, spectra = real_data / "noisepy_ci", []
    for station in ("CCA", "HEC"):
        motion = reference.day_by_obspy(
            folder / f"CI{station}__BHN___2022002.ms",
            CI_DAY,
            CI,
            obspy.read_inventory(str(folder / f"CI_{station}.xml")),
        )
        spectra.append(reference.window_spectra(motion, CI.fs, nfft, CI))
    expected, count = reference.mean_correlation(*spectra, CI.fs, nfft, CI)
    r, difference = likeness(archive["ccf"].sel(pair="CI.CCA..BHN_CI.HEC..BHN").values[0], expected)
    print(f"CI.CCA_CI.HEC: r = {r:.6f}, relative L2 difference {difference:.1e}, {count} windows")
    assert count == 189
    assert r > 0.9999
    assert difference < 0.01


def likeness(got: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """Correlation coefficient, and L2 norm of the difference over that of what is expected (sizes count too)."""
    return float(np.corrcoef(got, expected)[0, 1]), float(np.linalg.norm(got - expected) / np.linalg.norm(expected))


def test_a_week_of_kansas_is_that_of_obspy_and_scipy(kansas, real_data):
    """All 54 stacks by way of a Butterworth filter and SciPy, each pair and window on its own.

    Asked for: r > 0.999; measured: 0.99999998.
    """
    archive, _ = kansas
    nfft = make_plan(KANSAS).nfft_out
    spectra = {}
    for channel in sorted(set(archive["channel_a"].values) | set(archive["channel_b"].values)):
        station, component = channel.split(".")[1], channel[-1]
        files = sorted((real_data / "fastxc_kansas" / station).glob(f"*/*.{component}.sac"))
        days = [reference.day_by_obspy(file, day, KANSAS) for file, day in zip(files, KANSAS_DAYS, strict=True)]
        spectra[channel] = np.concatenate([reference.window_spectra(x, 1.0, nfft, KANSAS) for x in days])
    ours, found = stack(archive), []
    for pair, a, b in zip(*(archive[name].values for name in ("pair", "channel_a", "channel_b")), strict=True):
        expected, count = reference.mean_correlation(spectra[a], spectra[b], 1.0, nfft, KANSAS)
        found.append(likeness(ours.sel(pair=pair).values, expected))
        assert abs(int(archive["count"].sel(pair=pair).sum()) - count) <= 1, pair
    (worst, _), (_, difference) = np.min(found, axis=0), np.max(found, axis=0)
    print(f"{len(found)} pairs: r from {worst:.7f}, relative L2 difference up to {difference:.1e}")
    assert len(found) == 54
    assert worst > 0.9999
    assert difference < 0.01


def signal_to_noise(archive: xr.Dataset) -> xr.DataArray:
    """Largest value within 40 s (distances are 5 to 17 km) over the standard deviation beyond 100 s."""
    ccf = stack(archive)
    near, far = ccf.where(abs(ccf["lag"]) <= 40, drop=True), ccf.where(abs(ccf["lag"]) > 100, drop=True)
    return abs(near).max("lag") / far.std("lag")


def test_a_week_of_kansas_holds_signal(kansas, real_data, tmp_path_factory):
    """With the days of one station in another order its pairs lose what they have: noise that both record at a time.

    The nine pairs of like components that have B4Q8: 17 to 112, median 63, against 2.3 to 2.9 when it is shuffled.
    """
    archive, _ = kansas
    folder = tmp_path_factory.getbasetemp() / "kansas_shuffled"
    shuffled, _ = run_kansas(real_data / "fastxc_kansas", folder, "B4Q8")
    with_it = np.array([".B4Q8." in pair for pair in archive["pair"].values])
    alike = np.array([pair.split("_")[0][-1] == pair[-1] for pair in archive["pair"].values])
    real, none = signal_to_noise(archive).values, signal_to_noise(shuffled).values
    for name, those in (("like components", with_it & alike), ("all nine components", with_it)):
        print(f"{name}: {np.median(real[those]):.1f} ({real[those].min():.1f} to {real[those].max():.1f}), ", end="")
        print(f"shuffled {np.median(none[those]):.1f} ({none[those].min():.1f} to {none[those].max():.1f})")
    assert np.median(none[with_it]) < 5
    assert np.median(real[with_it & alike]) > 10 * np.median(none[with_it & alike])
    assert real[with_it & alike].min() > 4 * none[with_it & alike].max()
    np.testing.assert_array_equal(real[~with_it], none[~with_it])  # the others are as they were


def test_stations_that_are_dead_for_hours_are_reported(kansas):
    """B4Q8 repeats one value until 04:48 on its first day: those windows are left out, and the report says so."""
    archive, summary = kansas
    problems = summary.problems()
    dead = problems[problems["message"].str.startswith("dead: ")]
    assert {(row.day, row.channel) for row in dead.itertuples()} >= {
        (KANSAS_DAYS[0], f"KS.B4Q8.00.LH{c}") for c in "ENZ"
    }
    first = archive["count"].isel(day=0)
    assert set(first.sel(pair=["KS.A7K2.00.LHZ_KS.B4Q8.00.LHZ"]).values.tolist()) == {47 - 10}
    assert archive["count"].sel(pair="KS.A7K2.00.LHZ_KS.B4Q8.00.LHZ").values[1:].tolist() == [47] * 6
    assert summary.totals()["days"] == 7
