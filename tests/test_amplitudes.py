"""Amplitudes of picks: their units in every format of picks, refusals, and the way through the files of a catalogue."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obspy import UTCDateTime, read_events
from obspy.core.event import Amplitude, Pick, WaveformStreamID
from obspy.core.event import Catalog as ObspyCatalog
from obspy.core.event import Event as ObspyEvent
from obspy.io.quakeml.core import _validate

from seisloom.catalog import (
    UNKNOWN,
    Catalog,
    read_catalog,
    read_nonlinloc,
    read_nonlinloc_obs,
    reread_catalog,
    write_csv,
    write_hypoinverse,
    write_nonlinloc_obs,
    write_quakeml,
)
from seisloom.errors import InputError
from seisloom.picks import AMPLITUDES, COLUMNS, UNITS, read_picks, reread_picks, write_picks
from tests.catalogs import STATIONS, two_events
from tests.test_catalog_files import fields
from tests.test_catalog_nonlinloc import hyp

DAY = "2016-10-14T00:00:0"


@pytest.fixture
def read(tmp_path: Path):
    def read_text(text: str, **options: Any) -> pd.DataFrame:
        (tmp_path / "picks.txt").write_text(text)
        return read_picks(tmp_path / "picks.txt", **options)

    return read_text


def phasenet(*amplitudes: str) -> str:
    rows = [f"IV.CAMP,{DAY}{k % 10}.{k:06d},0.9,P,{a}" for k, a in enumerate(amplitudes)]
    return "\n".join(["station_id,phase_time,phase_score,phase_type,phase_amplitude", *rows, ""])


def plain(name: str, *amplitudes: str) -> str:
    rows = [f"IV.CAMP,P,{DAY}{k},{a}" for k, a in enumerate(amplitudes)]
    return "\n".join([f"station,phase,time,{name}", *rows, ""])


# --- reading ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column"),
    [
        (phasenet("2.5e-6", ""), "velocity_m_s"),
        (phasenet("2.5e-6", "nan").replace("phase_amplitude", "phase_amp"), "velocity_m_s"),
        (f"id,timestamp,type,prob,amp\nA.B,{DAY}1,p,0.9,2.5e-6\nA.B,{DAY}2,p,0.9,0\n", "velocity_m_s"),
        (plain("amplitude_m", "2.5e-6", "NaN"), "amplitude_m"),
        (plain("velocity_m_s", "2.5e-6", ""), "velocity_m_s"),
    ],
)
def test_the_unit_of_a_format_by_custom_or_by_name(read, text: str, column: str) -> None:
    table = read(text)
    assert list(table) == [*COLUMNS, column]
    np.testing.assert_array_equal(table[column], [2.5e-6, np.nan])
    assert table.attrs["report"].amplitudes == 1
    assert str(table.attrs["report"]).endswith("with an amplitude: 1")
    assert list(read(text, amplitude="none")) == COLUMNS


# What 3 of a unit is, in m or m/s.
MEANING = {
    "m/s": ("velocity_m_s", 3.0), "cm/s": ("velocity_m_s", 0.03), "m": ("amplitude_m", 3.0),
    "nm": ("amplitude_m", 3e-9), "m-wa": ("amplitude_m", 3 / 2080), "mm-wa": ("amplitude_m", 3e-3 / 2080),
}  # fmt: skip


@pytest.mark.parametrize("unit", sorted(UNITS))
@pytest.mark.parametrize("text", [phasenet("3"), plain("amplitude", "3"), plain("amp", "3")])
def test_a_unit_that_is_named(read, text: str, unit: str) -> None:
    table = read(text, amplitude=unit)
    column, value = MEANING[unit]
    assert list(table) == [*COLUMNS, column]
    assert table[column].tolist() == pytest.approx([value])


def test_an_amplitude_of_no_stated_unit_is_not_used(read) -> None:
    seisbench = f"trace_id,peak_time,phase,amplitude\nIV.CAMP.,{DAY}1,P,512.0\n"
    for text in (plain("amplitude", "512"), seisbench):
        table = read(text)
        assert list(table) == COLUMNS
        assert str(table.attrs["report"]).endswith("; amplitudes not used: their unit is not known")
    assert read(seisbench, amplitude="nm")["amplitude_m"].tolist() == pytest.approx([5.12e-7])


@pytest.mark.parametrize("value", ["-1e-6", "11", "1e300", "inf", "loud", "-inf"])
@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("amplitude_m", {}, "metres of ground displacement, from 0 to 10, are expected"),
        ("velocity_m_s", {}, "metres per second of ground velocity, from 0 to 10, are expected"),
        ("amplitude", {"amplitude": "m/s"}, "an amplitude in the unit that was asked for"),
    ],
)
def test_amplitudes_that_cannot_be_are_refused(
    read, name: str, options: dict[str, str], wanted: str, value: str
) -> None:
    with pytest.raises(InputError, match=rf"1 pick cannot be read\n  line 3: {name} '{value}': {wanted}"):
        read(plain(name, "1e-6", value), **options)


def test_counts_under_the_name_of_a_velocity_are_left_out_and_said(read) -> None:
    table = read(phasenet("5321.0", "17", "3.0"))
    assert list(table) == COLUMNS
    report = table.attrs["report"]
    assert report.amplitudes == 0
    assert str(report).endswith("all amplitudes left out: they are not in the unit of this format (such as '5321.0')")
    few = read(phasenet(*["1e-6"] * 299, "4000"))
    assert (few["velocity_m_s"].notna().sum(), few.attrs["report"].amplitudes) == (299, 299)
    assert "1 amplitudes left out" in str(few.attrs["report"])


def test_units_that_do_not_fit(read) -> None:
    with pytest.raises(InputError, match=r"unit of amplitudes 'counts' is not known; choose one of m/s, cm/s, .*none"):
        read(phasenet("1"), amplitude="counts")
    with pytest.raises(InputError, match=r"picks\.txt: there is no column of amplitudes to be read in nm"):
        read(f"station,phase,time\nA,P,{DAY}1\n", amplitude="nm")


def test_amplitudes_stay_with_their_picks(read) -> None:
    """Where picks are left out, and where a station is named by its network."""
    text = "station,phase,time,prob,amplitude_m\n" + "".join(
        f"A,{phase},{DAY}{k},{p},{k}e-6\n"
        for k, (phase, p) in enumerate([("P", 0.9), ("PmP", 1), ("S", 0.1), ("S", 0.8)])
    )
    table = read(text, min_probability=0.5)
    assert table["pick_index"].tolist() == [0, 3]
    np.testing.assert_array_equal(table["amplitude_m"], [np.nan, 3e-6])  # zero is unknown
    assert table.attrs["report"].amplitudes == 1


@given(
    st.lists(st.tuples(*[st.just(math.nan) | st.floats(1e-15, 10.0)] * 2), min_size=1, max_size=6),
    st.sampled_from([(), AMPLITUDES[:1], AMPLITUDES[1:], AMPLITUDES]),
)
def test_written_amplitudes_come_back(
    tmp_path_factory, values: list[tuple[float, float]], names: tuple[str, ...]
) -> None:
    n = len(values)
    table = pd.DataFrame(
        {
            "pick_index": np.arange(n), "station": [f"{k:03d}" for k in range(n)], "phase": "S",
            "time": pd.Timestamp("2016-10-14", tz="UTC"), "probability": 1.0, "duration_s": np.nan,
        }
    ).assign(**{name: [row[AMPLITUDES.index(name)] for row in values] for name in names})  # fmt: skip
    path = tmp_path_factory.mktemp("picks") / "picks.csv"
    write_picks(table, path)
    known = [name for name in names if table[name].notna().any()]
    back = read_picks(path)
    assert list(back) == [*COLUMNS, *known]
    pd.testing.assert_frame_equal(back[known], table[known], check_exact=True)
    assert back["station"].tolist() == table["station"].tolist()  # codes that look like numbers keep their zeros
    again = reread_picks(path.read_bytes())
    pd.testing.assert_frame_equal(again[known], table[known], check_exact=True)


# --- QuakeML ------------------------------------------------------------------------------------------------


def stream(code: str) -> WaveformStreamID:
    return WaveformStreamID(network_code="IV", station_code=code, channel_code="HHE")


def test_amplitudes_of_quakeml_find_their_picks(tmp_path: Path) -> None:
    """By the pick that they name, else the S of their station, else its P; the largest of several; m and m/s only."""
    event = ObspyEvent()
    made = [("CAMP", "P"), ("CAMP", "Sg"), ("NRCA", "P"), ("CAMP", "IAML"), ("FEMA", "S")]
    for second, (code, hint) in enumerate(made):
        event.picks.append(Pick(time=UTCDateTime(1000 + second), waveform_id=stream(code), phase_hint=hint))
    event.amplitudes = [
        Amplitude(generic_amplitude=1e-6, unit="m", pick_id=event.picks[0].resource_id, waveform_id=stream("CAMP")),
        Amplitude(generic_amplitude=3e-6, unit="m", pick_id=event.picks[3].resource_id, waveform_id=stream("CAMP")),
        Amplitude(generic_amplitude=2e-6, unit="m", waveform_id=stream("CAMP")),
        Amplitude(generic_amplitude=4e-5, unit="m/s", waveform_id=stream("NRCA")),
        Amplitude(generic_amplitude=9.0, unit="s", waveform_id=stream("FEMA")),
        Amplitude(generic_amplitude=5e-6, unit="m", waveform_id=stream("NOWHERE")),
    ]
    ObspyCatalog([event]).write(str(tmp_path / "a.xml"), format="QUAKEML")
    table = read_picks(tmp_path / "a.xml")
    assert table["station"].tolist() == ["IV.CAMP", "IV.CAMP", "IV.NRCA", "IV.FEMA"]
    np.testing.assert_allclose(table["amplitude_m"], [1e-6, 3e-6, np.nan, np.nan])
    np.testing.assert_allclose(table["velocity_m_s"], [np.nan, np.nan, 4e-5, np.nan])
    named = read_picks(tmp_path / "a.xml", amplitude="m-wa")
    np.testing.assert_allclose(named["amplitude_m"], np.array([1e-6, 3e-6, 4e-5, np.nan]) / 2080)


# --- the catalogue ------------------------------------------------------------------------------------------


def with_magnitude() -> tuple[Catalog, pd.DataFrame]:
    """The first event has a magnitude, from the S of two stations and a P; amplitudes have one pick besides."""
    catalog, picks = two_events()
    events = catalog.events.assign(
        magnitude=[-0.37, np.nan],
        magnitude_type=["ML", ""],
        magnitude_uncertainty=[0.12, np.nan],
        n_magnitude=[3, UNKNOWN],
    )
    # Picks 1000 to 1018 in the order of two_events(): P and S of T1256, P of YR.ED01, P and S of IV.ED01, ...
    station = dict(zip(range(1000, 1019, 3), [np.nan, -0.45, -0.2, np.nan, -0.4, np.nan, np.nan], strict=True))
    amplitude = dict(zip(range(1000, 1019, 3), [2e-8, 1.5e-7, 3e-9, np.nan, 1.25e-4, np.nan, np.nan], strict=True))
    assignments = catalog.assignments.assign(station_magnitude=catalog.assignments["pick_index"].map(station))
    return Catalog(events, assignments), picks.assign(amplitude_m=picks["pick_index"].map(amplitude))


def test_tables_without_magnitudes_are_completed() -> None:
    catalog, _ = two_events()
    assert catalog.events["magnitude"].isna().all()
    assert catalog.events["magnitude_uncertainty"].isna().all()
    assert catalog.events["magnitude_type"].tolist() == ["", ""]
    assert catalog.events["n_magnitude"].tolist() == [UNKNOWN, UNKNOWN]
    assert catalog.assignments["station_magnitude"].isna().all()


@pytest.mark.parametrize("magnitude", [999.0, -9.9, -999.0, 99.0, math.inf])
def test_numbers_that_stand_for_no_magnitude_are_refused(magnitude: float) -> None:
    catalog, _ = two_events()
    with pytest.raises(InputError, match=r"event 107: magnitude is .*leave it empty where there is none"):
        Catalog(catalog.events.assign(magnitude=[1.0, magnitude]), catalog.assignments)


def test_csv_with_magnitudes_comes_back(tmp_path: Path) -> None:
    catalog, _ = with_magnitude()
    write_csv(catalog, tmp_path)
    rows = pd.read_csv(tmp_path / "events.csv", dtype=str, keep_default_na=False)
    cells = rows[["magnitude", "magnitude_type", "magnitude_uncertainty", "n_magnitude"]].to_numpy().tolist()
    assert cells == [["-0.37", "ML", "0.12", "3"], ["", "", "", ""]]
    data = [(tmp_path / name).read_bytes() for name in ("events.csv", "assignments.csv")]
    for back in (read_catalog(tmp_path), reread_catalog(*data)):
        names = ["magnitude", "magnitude_type", "magnitude_uncertainty", "n_magnitude"]
        pd.testing.assert_frame_equal(back.events[names], catalog.events[names])
        pd.testing.assert_series_equal(back.assignments["station_magnitude"], catalog.assignments["station_magnitude"])


def test_csv_of_older_versions_is_read(tmp_path: Path) -> None:
    catalog, _ = with_magnitude()
    new = ["magnitude", "magnitude_type", "magnitude_uncertainty", "n_magnitude"]
    write_csv(catalog, tmp_path)
    for name, gone in (("events.csv", new), ("assignments.csv", ["station_magnitude"])):
        pd.read_csv(tmp_path / name).drop(columns=gone).to_csv(tmp_path / name, index=False)
    data = [(tmp_path / name).read_bytes() for name in ("events.csv", "assignments.csv")]
    bare, _ = two_events()
    for back in (read_catalog(tmp_path), reread_catalog(*data)):
        pd.testing.assert_frame_equal(back.events[new], bare.events[new])
        assert back.assignments["station_magnitude"].isna().all()


def test_quakeml_with_magnitudes(tmp_path: Path) -> None:
    catalog, picks = with_magnitude()
    path = tmp_path / "catalog.xml"
    write_quakeml(catalog, picks, path)
    assert _validate(str(path))
    first, second = read_events(str(path))
    (magnitude,) = first.magnitudes
    assert first.preferred_magnitude() is magnitude
    assert (magnitude.mag, magnitude.mag_errors.uncertainty) == (-0.37, 0.12)
    assert (magnitude.magnitude_type, magnitude.station_count) == ("ML", 3)
    assert magnitude.origin_id == first.preferred_origin().resource_id
    parts = [part.station_magnitude_id.get_referred_object() for part in magnitude.station_magnitude_contributions]
    assert parts == first.station_magnitudes
    found = {}
    for part in parts:
        amplitude = part.amplitude_id.get_referred_object()
        pick = amplitude.pick_id.get_referred_object()
        assert (amplitude.unit, amplitude.type, part.station_magnitude_type) == ("m", "IAML", "ML")
        station = f"{part.waveform_id.network_code}.{part.waveform_id.station_code}"
        found[station, pick.phase_hint] = (part.mag, amplitude.generic_amplitude)
    assert found == {
        ("IV.T1256", "S"): (-0.45, 1.5e-7), ("YR.ED01", "P"): (-0.2, 3e-9), ("IV.ED01", "S"): (-0.4, 1.25e-4),
    }  # fmt: skip
    assert len(first.amplitudes) == 4  # one was not used
    assert (second.magnitudes, second.amplitudes, second.preferred_magnitude_id) == ([], [], None)
    # Our own reader of picks gives the amplitudes back.
    back = read_picks(path)
    mine = back.set_index(["station", "phase"])["amplitude_m"].dropna().to_dict()
    assert mine == {**{key: value[1] for key, value in found.items()}, ("IV.T1256", "P"): 2e-8}


def test_velocities_in_quakeml(tmp_path: Path) -> None:
    catalog, picks = with_magnitude()
    picks = picks.rename(columns={"amplitude_m": "velocity_m_s"})
    write_quakeml(Catalog(catalog.events.assign(magnitude_type="Mpgv"), catalog.assignments), picks, tmp_path / "c.xml")
    assert _validate(str(tmp_path / "c.xml"))
    event = read_events(str(tmp_path / "c.xml"))[0]
    assert {(a.type, a.unit) for a in event.amplitudes} == {("A", "m/s")}
    assert event.magnitudes[0].magnitude_type == "Mpgv"
    assert set(read_picks(tmp_path / "c.xml")) == {*COLUMNS, "velocity_m_s"}


# By Klein (2002), as in test_catalog_files.
SUMMARY = {
    "magnitude": (37, 3, 2), "readings": (97, 4, 1), "id": (137, 10, 0), "label": (147, 1, None),
    "preferred": (148, 3, 2), "preferred_readings": (151, 4, 1),
}  # fmt: skip
STATION = {
    "site": (1, 5, None), "net": (6, 2, None), "s_residual": (51, 4, 2), "amplitude": (55, 7, None),
    "unit": (62, 2, 0), "s_weight": (64, 3, 2), "distance": (75, 4, 1), "azimuth": (92, 3, 0), "magnitude": (98, 3, 2),
    "type": (114, 2, 0),
}  # fmt: skip


def test_hypoinverse_with_magnitudes(tmp_path: Path) -> None:
    catalog, picks = with_magnitude()
    write_hypoinverse(catalog, picks, tmp_path / "a.arc")
    lines = (tmp_path / "a.arc").read_text().splitlines()
    head, *rows = (fields(line, table) for line, table in zip(lines[:4], [SUMMARY, *[STATION] * 3], strict=True))
    assert head == {
        "magnitude": -0.37, "readings": 3.0, "id": 100, "label": "L", "preferred": -0.37, "preferred_readings": 3.0
    }  # fmt: skip
    stations = {f"{row['net']}.{row['site']}": row for row in rows}
    # The amplitude of the S, zero to peak in mm on an instrument that magnifies 2080 times.
    s = stations["IV.T1256"]
    assert (float(s["amplitude"]), s["unit"], s["type"]) == (pytest.approx(1.5e-7 * 2080e3, abs=1e-5), 1, 1)
    assert (s["magnitude"], s["s_weight"], s["s_residual"], s["distance"], s["azimuth"]) == (
        -0.45,
        1.0,
        -0.04,
        12.3,
        31,
    )
    assert float(stations["YR.ED01"]["amplitude"]) == pytest.approx(3e-9 * 2080e3, abs=1e-5)
    assert float(stations["IV.ED01"]["amplitude"]) == pytest.approx(260.0, abs=1e-3)
    assert len(lines[5]) == 146  # the second event: nothing after its number
    other = [fields(line, STATION) for line in lines[6:8]]
    assert {(row["amplitude"], row["unit"], row["magnitude"]) for row in other} == {("", "", "")}
    write_hypoinverse(
        Catalog(catalog.events.assign(magnitude_type="Mpgv"), catalog.assignments), picks, tmp_path / "b.arc"
    )
    assert fields((tmp_path / "b.arc").read_text().splitlines()[0], SUMMARY)["label"] == "X"


def test_nonlinloc_observations_with_amplitudes(tmp_path: Path) -> None:
    catalog, picks = with_magnitude()
    write_nonlinloc_obs(catalog, picks, tmp_path / "a.obs", STATIONS)
    line = (tmp_path / "a.obs").read_text().splitlines()[1].split()
    assert line[-2:] == [f"{2 * 2080e3 * 2e-8:.2e}", "-1.00e+00"]  # peak to peak in mm
    back = read_nonlinloc_obs(tmp_path / "a.obs", STATIONS)
    found = back.dropna(subset="amplitude_m").set_index(["station", "phase"])["amplitude_m"]
    assert found.to_dict() == pytest.approx(
        {("IV.T1256", "P"): 2e-8, ("IV.T1256", "S"): 1.5e-7, ("YR.ED01", "P"): 3e-9, ("IV.ED01", "S"): 1.25e-4},
        rel=0.005,
    )
    write_nonlinloc_obs(catalog, picks.drop(columns="amplitude_m"), tmp_path / "b.obs", STATIONS)
    assert "amplitude_m" not in read_nonlinloc_obs(tmp_path / "b.obs", STATIONS)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Mamp  1.84 12 Mdur -9.9 0", (1.84, "ML", 12)),
        ("Mamp -9.9 0 Mdur 2.3 4", (2.3, "Md", 4)),
        ("Mamp -9.9 0 Mdur -9.9 0", (math.nan, "", UNKNOWN)),
        ("Mamp -0.4 3 Mdur 1.1 3", (-0.4, "ML", 3)),
        ("", (math.nan, "", UNKNOWN)),
    ],
)
def test_magnitudes_of_nonlinloc(tmp_path: Path, line: str, expected: tuple[float, str, int]) -> None:
    """As NLLocLib.c writes them at the end of the line QUALITY, -9.9 of no readings where it has none."""
    catalog, picks = two_events()
    text = hyp(catalog, picks).replace(" Gap ", f" {line} Gap ")
    (tmp_path / "a.hyp").write_text(text)
    found, _ = read_nonlinloc(tmp_path / "a.hyp", picks, STATIONS)
    row = found.events.iloc[0]
    assert (row["magnitude_type"], row["n_magnitude"]) == expected[1:]
    np.testing.assert_equal(row["magnitude"], expected[0])
