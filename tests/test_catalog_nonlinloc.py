"""NonLinLoc: observations as ObsPy and our own reader read them, locations of several versions brought back."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import obspy
import pandas as pd
import pytest
from hypothesis import given
from obspy.core.event import Event, Pick, QuantityError, WaveformStreamID
from obspy.io.nlloc.core import read_nlloc_hyp, write_nlloc_obs

from seisloom.catalog import (
    Catalog,
    arrivals,
    hyp_files,
    read_nonlinloc,
    read_nonlinloc_obs,
    station_labels,
    write_nonlinloc_obs,
)
from seisloom.errors import InputError
from tests.catalogs import STATIONS, catalogs, make, two_events

SAMPLES = Path(obspy.__file__).parent / "io" / "nlloc" / "tests" / "data"
KM = 6371.0 * np.pi / 180.0


def sample(name: str) -> Path:
    if not (SAMPLES / name).exists():
        pytest.skip("this ObsPy comes without its NonLinLoc files")
    return SAMPLES / name


def hyp(catalog: Catalog, picks: pd.DataFrame, public_id: bool = True, version: int = 2) -> str:
    """What NonLinLoc would write of a catalogue's observations: labels and instruments as it was given them."""
    labels = station_labels(STATIONS)
    prior, blocks = ("    1.0000" if version == 2 else ""), []
    for event in catalog.events.itertuples():
        t: Any = event.time
        lines = [f'NLLOC "loc/x.{event.event_id}" "LOCATED" "Location completed."']
        lines += [f"PUBLIC_ID smi:local/event/{event.event_id}"] * public_id
        lines += [
            f"GEOGRAPHIC  OT {t:%Y %m %d  %H %M} {t.second + t.microsecond / 1e6:.6f}  "
            f"Lat {event.latitude:.6f} Long {event.longitude:.6f} Depth {event.depth_km:.6f}",
            f"QUALITY  Pmax 1 MFmin 2 MFmax 3 RMS {event.rms_s} Nphs 99 Gap {event.gap_deg} Dist {event.nearest_station_km}",
            "STATISTICS  ExpectX 1 Y 2 Z 3  CovXX 4.0 XY 0.0 XZ 0 YY 1.0 YZ 0 ZZ 9.0 EllAz1 1 Dip1 2 Len1 3",
            "TRANSFORM  LAMBERT RefEllipsoid WGS-84  LatOrig 1  LongOrig 2  RotCW 10.000000",
            "PHASE ID Ins Cmp On Pha FM Date HrMn Sec Err ErrMag Coda Amp Per > TTpred Res Weight ...",
        ]
        for a in arrivals(catalog, picks).query(f"event_id == {event.event_id}").itertuples():
            s: Any = a.time.round("100us")
            lines.append(
                f"{labels[a.station]:<6} {a.station.split('.')[0]:<4} ?    ? {a.phase:<6} ? {s:%Y%m%d %H%M} "
                f"{s.second + s.microsecond / 1e6:9.4f} GAU {a.error_s:9.2e} -1 -1 -1{prior} > 1.0 "
                f"{a.residual_s:9.4f} {a.weight:9.4f} 0 0 0 {a.distance_km:9.4f} {a.azimuth_deg:6.2f} 40.0 200.0 0 0.0"
            )
        blocks.append("\n".join([*lines, "END_PHASE", "END_NLLOC", "", ""]))
    return "\n".join(blocks)


# --- observations -------------------------------------------------------------------------------------------


def test_observations_as_the_format_defines_them(tmp_path: Path) -> None:
    catalog, picks = two_events()
    write_nonlinloc_obs(catalog, picks, tmp_path / "a.obs", STATIONS)
    first, second = (tmp_path / "a.obs").read_text().split("\n\n")
    lines = first.splitlines()
    assert lines[0] == "PUBLIC_ID smi:local/event/100"
    assert lines[1] == "T1256  IV   ?    ? P      ? 20161231 2359 58.9900 GAU  1.30e-01 -1.00e+00 -1.00e+00 -1.00e+00"
    # Errors are 0.1 s * 4^(0.5 - 0.31) and 0.1 s * 4^(0.5 - 0.45). The second time is rounded to the next minute, day
    # and year, at a station whose code two networks have.
    assert lines[2] == "YR_ED01 YR   ?    ? P      ? 20170101 0000  0.0000 GAU  1.07e-01 -1.00e+00 -1.00e+00 -1.00e+00"
    assert [line.split()[0] for line in lines[3:]] == ["IV_ED01", "T1256", "IV_ED01"]
    assert second.splitlines()[1].startswith("AM5    XO   ?    ? P      ? 20170101 0059 48.0000 GAU ")


def test_observations_are_those_of_obspys_writer(tmp_path: Path) -> None:
    catalog, picks = two_events()
    write_nonlinloc_obs(catalog, picks, tmp_path / "a.obs", STATIONS)
    mine = [line.split() for line in (tmp_path / "a.obs").read_text().split("\n\n")[0].splitlines()]
    labels, event = station_labels(STATIONS), Event(resource_id="smi:local/event/100")
    for row in arrivals(catalog, picks).query("event_id == 100").itertuples():
        event.picks.append(
            Pick(
                time=obspy.UTCDateTime(ns=int(pd.Timestamp(row.time).value)),
                phase_hint=row.phase,
                waveform_id=WaveformStreamID(station_code=labels[str(row.station)]),
                time_errors=QuantityError(uncertainty=row.error_s),
            )
        )
    buffer = io.BytesIO()
    write_nlloc_obs(obspy.core.event.Catalog([event]), buffer)
    theirs = [line.split() for line in buffer.getvalue().decode().splitlines()]
    assert mine[0] == theirs[0]
    without_network = sorted([*line[:1], "?", *line[2:]] for line in mine[1:])
    for ours, obspys in zip(without_network, sorted(theirs[1:]), strict=True):
        if obspys[8] == "60.0000":
            assert (obspys[6:8], ours[6:9]) == (["20161231", "2359"], ["20170101", "0000", "0.0000"])
            ours[6:9] = obspys[6:9]
        assert ours == obspys


@given(catalogs())
def test_our_reader_gives_back_the_observations(
    tmp_path_factory: pytest.TempPathFactory, made: tuple[Catalog, pd.DataFrame]
) -> None:
    catalog, picks = made
    path = tmp_path_factory.getbasetemp() / "a.obs"
    write_nonlinloc_obs(catalog, picks, path, STATIONS)
    for stations in (STATIONS, ()):  # with the labels known, or by their networks
        found, expected = read_nonlinloc_obs(path, stations), arrivals(catalog, picks)
        for name in ("event_id", "station", "phase"):
            assert found[name].tolist() == expected[name].tolist()
        assert ((found["time"] - expected["time"]).abs() <= pd.Timedelta(50_001, "ns")).all()
        np.testing.assert_allclose(found["error_s"], expected["error_s"], rtol=0.006)


def test_picks_of_weight_zero_are_not_written(tmp_path: Path) -> None:
    catalog, picks = two_events()
    unused = catalog.assignments.assign(weight=np.where(catalog.assignments["pick_index"] == 1006, 0.0, np.nan))
    write_nonlinloc_obs(Catalog(catalog.events, unused), picks, tmp_path / "a.obs")
    assert len(read_nonlinloc_obs(tmp_path / "a.obs")) == 6


def test_observation_files_of_others(tmp_path: Path) -> None:
    path = tmp_path / "linked.nlloc"
    path.write_text(
        "# comment\nBAK    CI   ?    ? P      ? 20190704 1733 60.2500 GAU  1.00e-01 -1.00e+00 -1.00e+00 -1.00e+00\n"
        "BAK    CI   ?    ? S      ? 20190704  933   1.0 GAU  1.00e-01 -1 -1 -1\n\n\n"
        "HOM    ?    ?    ? P      ? 20190704 1750  2.0 GAU  5.00e-02 -1 -1 -1  1.0\n"
    )
    table = read_nonlinloc_obs(path)
    assert table["event_id"].tolist() == [1, 1, 2]
    assert table["station"].tolist() == ["CI.BAK", "CI.BAK", ".HOM"]
    assert table["time"].tolist() == [
        pd.Timestamp(t, tz="UTC") for t in ("2019-07-04T17:34:00.25", "2019-07-04T09:33:01", "2019-07-04T17:50:02")
    ]
    assert read_nonlinloc_obs(path, ["XY.HOM"])["station"].tolist()[2] == "XY.HOM"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("BAK CI ? ? P ? 20190704 1733 5.0", "line 2: 9 fields, at least 11"),
        ("BAK CI ? ? P ? 20191304 1733 5.0 GAU 0.1 -1 -1 -1", "line 2: '20191304 1733 5.0 GAU 0.1 -1 -1': Month"),
        ("BAK CI ? ? P ? 20190704 1733 five GAU 0.1 -1 -1 -1", "line 2: .* could not convert"),
    ],
)
def test_faults_of_observations_name_the_line(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "a.obs").write_text(f"\n{line}\n")
    with pytest.raises(InputError, match=rf"a\.obs, {message}"):
        read_nonlinloc_obs(tmp_path / "a.obs")


def test_stations_that_are_not_in_the_list(tmp_path: Path) -> None:
    catalog, picks = two_events()
    with pytest.raises(InputError, match=r"not in the list: XO\.AM5"):
        write_nonlinloc_obs(catalog, picks, tmp_path / "a.obs", STATIONS[:-1])
    assert list(tmp_path.iterdir()) == []


def test_labels_tell_stations_of_one_code_apart() -> None:
    assert station_labels(STATIONS) == {
        "IV.ED01": "IV_ED01", "YR.ED01": "YR_ED01", "IV.NRCA": "NRCA", "IV.T1256": "T1256", "XO.AM5": "AM5",
    }  # fmt: skip


# --- locations ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2])
def test_locations_come_back_to_their_events_and_picks(tmp_path: Path, version: int) -> None:
    catalog, picks = two_events()
    (tmp_path / "a.hyp").write_text(hyp(catalog, picks, version=version))
    found, table = read_nonlinloc(tmp_path / "a.hyp", picks, STATIONS)
    pd.testing.assert_frame_equal(table, picks)
    was = catalog.events
    for name in ("event_id", "n_picks", "n_p", "n_s", "n_stations", "rms_s", "gap_deg", "nearest_station_km"):
        assert found.events[name].tolist() == was[name].tolist(), name
    assert ((found.events["time"] - was["time"]).abs() < pd.Timedelta(1, "us")).all()
    np.testing.assert_allclose(found.events[["latitude", "longitude"]], was[["latitude", "longitude"]], atol=1e-6)
    np.testing.assert_allclose(found.events["depth_km"], was["depth_km"])
    # 68.27 % of a plane normal distribution lie within 1.5151 standard errors (2 km east, 1 km north).
    np.testing.assert_allclose(found.events["horizontal_uncertainty_km"], 3.0302, rtol=1e-4)
    np.testing.assert_allclose(found.events["ellipse_minor_km"], 1.5151, rtol=1e-4)
    np.testing.assert_allclose(found.events["ellipse_azimuth_deg"], 100.0)  # of the grid, which is turned by 10 degrees
    np.testing.assert_allclose(found.events["depth_uncertainty_km"], 3.0)
    mine, theirs = (c.assignments.set_index("pick_index").sort_index() for c in (catalog, found))
    mine["phase"] = picks.set_index("pick_index")["phase"].loc[mine.index]  # the file says for which each was taken
    pd.testing.assert_frame_equal(theirs, mine, atol=1e-2)


@given(catalogs())
def test_every_pick_is_found_again(
    tmp_path_factory: pytest.TempPathFactory, made: tuple[Catalog, pd.DataFrame]
) -> None:
    catalog, picks = made
    path = tmp_path_factory.getbasetemp() / "a.hyp"
    path.write_text(hyp(catalog, picks))
    found, table = read_nonlinloc(path, picks, STATIONS)
    assert len(table) == len(picks)
    ours, theirs = (
        set(zip(c.assignments["pick_index"], c.assignments["event_id"], strict=True)) for c in (catalog, found)
    )
    # Picks at a station, of two events or of none, may lie so close that they cannot be told apart.
    apart = picks.sort_values(["station", "time"]).groupby("station")["time"].diff().min()
    if pd.isna(apart) or apart > pd.Timedelta(25, "ms"):
        assert theirs == ours


def test_picks_of_one_moment_are_taken_once_each(tmp_path: Path) -> None:
    catalog, picks = make([1.0, 1.0, 1.0], [(0, 0, "P", 2.0), (1, 0, "P", 2.0), (2, 0, "P", 2.004)])
    (tmp_path / "a.hyp").write_text(hyp(catalog, picks))
    found, table = read_nonlinloc(tmp_path / "a.hyp", picks)
    assert sorted(found.assignments["pick_index"]) == [1000, 1003, 1006]
    assert found.assignments.set_index("event_id")["pick_index"][114] == 1006
    assert len(table) == len(picks)


def test_two_runs_of_one_event_are_told(tmp_path: Path) -> None:
    catalog, picks = two_events()
    for name in ("a.hyp", "b.hyp"):
        (tmp_path / name).write_text(hyp(catalog, picks))
    with pytest.raises(InputError, match=r"the P pick at IV\.T1256 of 2016-12-31 23:59:58\.99.* one location run"):
        read_nonlinloc(hyp_files(tmp_path), picks, STATIONS)


def test_without_picks_they_are_made_from_the_file(tmp_path: Path) -> None:
    catalog, picks = two_events()
    (tmp_path / "a.hyp").write_text(hyp(catalog, picks, public_id=False))
    found, table = read_nonlinloc(tmp_path / "a.hyp")
    assert found.events["event_id"].tolist() == [1, 2]
    back, was = arrivals(found, table), arrivals(catalog, picks)
    assert back["station"].tolist() == was["station"].tolist()
    assert ((back["time"] - was["time"]).abs() <= pd.Timedelta(50_001, "ns")).all()
    np.testing.assert_allclose(back["error_s"], was["error_s"], rtol=0.006)
    assert sorted(table["pick_index"]) == list(range(7))


def test_picks_that_are_new_are_appended(tmp_path: Path) -> None:
    catalog, picks = two_events()
    (tmp_path / "a.hyp").write_text(hyp(catalog, picks))
    found, table = read_nonlinloc(tmp_path / "a.hyp", picks[picks["pick_index"] != 1009], STATIONS)
    assert len(table) == len(picks)
    assert table["pick_index"].tolist()[-1] == 1019  # the next free one
    assert set(found.assignments["pick_index"]) == {1000, 1003, 1006, 1012, 1015, 1018, 1019}
    assert table["station"].tolist()[-1] == "IV.ED01"


@pytest.mark.parametrize("name", ["nlloc.hyp", "nlloc_v7.hyp", "nlloc_rejected.hyp", "vanua.sum.grid0.loc.hyp"])
def test_files_of_nonlinloc_as_obspy_reads_them(name: str) -> None:
    path = sample(name)
    if "TRANSFORM  NONE" in path.read_text(encoding="utf-8"):
        with pytest.raises(InputError, match=r"are not degrees and km; locate with a TRANSFORM"):
            read_nonlinloc(path)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = sorted(read_nlloc_hyp(str(path)), key=lambda event: event.origins[0].time)
    found, table = read_nonlinloc(path)
    assert len(found.events) == len(theirs) > 0
    for event, row in zip(theirs, found.events.itertuples(), strict=True):
        origin = event.origins[0]
        assert abs(origin.time.ns - row.time.value) <= 1000
        assert (origin.latitude, origin.longitude, origin.depth / 1e3) == (row.latitude, row.longitude, row.depth_km)
        assert origin.quality.standard_error == pytest.approx(row.rms_s)
        assert origin.quality.azimuthal_gap == pytest.approx(row.gap_deg)
        assert origin.quality.minimum_distance * KM == pytest.approx(row.nearest_station_km)
        ellipse = origin.origin_uncertainty
        assert ellipse.max_horizontal_uncertainty / 1e3 == pytest.approx(row.horizontal_uncertainty_km, rel=2e-3)
        assert ellipse.min_horizontal_uncertainty / 1e3 == pytest.approx(row.ellipse_minor_km, rel=2e-3)
        assert ellipse.azimuth_max_horizontal_uncertainty == pytest.approx(row.ellipse_azimuth_deg, abs=0.01)
        assert origin.depth_errors.uncertainty / 1e3 == pytest.approx(row.depth_uncertainty_km)
        assert (origin.evaluation_status == "rejected") == row.flags.startswith("rejected: ")
        mine = found.assignments[found.assignments["event_id"] == row.event_id]
        assert len(mine) == len(origin.arrivals)
        for arrival, ours in zip(origin.arrivals, mine.itertuples(), strict=True):
            pick = arrival.pick_id.get_referred_object()
            our_pick = table.set_index("pick_index").loc[ours.pick_index]
            assert our_pick["station"] == f".{pick.waveform_id.station_code}"
            assert abs(pick.time.ns - our_pick["time"].value) <= 1000
            assert arrival.distance * KM == pytest.approx(ours.distance_km, abs=1e-9)
            assert (arrival.time_residual, arrival.azimuth) == (ours.residual_s, ours.azimuth_deg)
            assert arrival.time_weight == ours.weight


def test_geographic_lines_alone_are_events(tmp_path: Path) -> None:
    path = tmp_path / "cahuilla_sum.nll"
    path.write_text(
        "GEOGRAPHIC  OT 2016 12 31  23 59 60.500000  Lat 33.5 Long -116.7 Depth 5.25\n"
        "GEOGRAPHIC  OT 2016 12 31  00 00 -0.250000  Lat 33.6 Long -116.8 Depth -1\n"
    )
    found, picks = read_nonlinloc(path)
    assert found.events["event_id"].tolist() == [1, 2]  # in time
    assert found.events["time"].tolist() == [
        pd.Timestamp(t, tz="UTC") for t in ("2016-12-30T23:59:59.75", "2017-01-01T00:00:00.5")
    ]
    assert found.events["depth_km"].tolist() == [-1, 5.25]
    assert found.events["horizontal_uncertainty_km"].isna().all()
    assert len(found.assignments) == len(picks) == 0


def test_global_mode_has_distances_in_degrees(tmp_path: Path) -> None:
    catalog, picks = make([1.0], [(0, 0, "P", 2.0)])
    text = hyp(catalog, picks).replace("LAMBERT RefEllipsoid WGS-84", "GLOBAL")
    (tmp_path / "a.hyp").write_text(text)
    found, _ = read_nonlinloc(tmp_path / "a.hyp", picks)
    assert found.events["nearest_station_km"][0] == pytest.approx(4.75 * KM)
    assert found.assignments["distance_km"][0] == pytest.approx(12.3 * KM)


def test_events_that_were_not_located_are_left_out(tmp_path: Path) -> None:
    catalog, picks = two_events()
    one, two = hyp(catalog, picks).split("END_NLLOC\n", 1)
    aborted = 'NLLOC "x" "ABORTED" "too few observations"\nEND_NLLOC\n'
    (tmp_path / "a.hyp").write_text(aborted + one.replace("LOCATED", "REJECTED") + "END_NLLOC\n" + two)
    found, _ = read_nonlinloc(tmp_path / "a.hyp", picks, STATIONS)
    assert found.events["flags"].tolist() == ["rejected: Location completed.", ""]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("END_NLLOC", ""), "line 1: the event that begins here has no END_NLLOC: the file is cut off"),
        (("GEOGRAPHIC", "GEO"), "line 1: no line GEOGRAPHIC"),
        (("Lat 42", "Lat x42"), r"line 3: Lat is 'x42\.500000'; a number is expected"),
        (("OT 2016 12", "OT 2016 13"), r"line 3: origin time '2016 13 31 23 59 55\.432100': Month"),
        (("RMS 0", "RMS zero"), r"line 4: RMS is 'zero\.11'"),
        ((" > 1.0 ", " 1.0 "), "line 8: no phase line of NonLinLoc: T1256"),
        (("20161231 2359   58", "2016123x 2359   58"), "line 8: time '2016123x"),
        (("NLLOC", "LOC"), "no event of NonLinLoc in it"),
    ],
)
def test_faults_of_locations_name_the_line(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    catalog, picks = make([55.4321], [(0, 0, "P", 58.99)])
    text = hyp(catalog, picks).replace(*change)
    (tmp_path / "a.hyp").write_text(text.replace("GEOGRAPHIC", "X") if change[1] == "LOC" else text)
    with pytest.raises(InputError, match=rf"a\.hyp(, |: ){message}"):
        read_nonlinloc(tmp_path / "a.hyp", picks, STATIONS)


def test_hyp_files_of_a_folder(tmp_path: Path) -> None:
    names = ["a.20161231.235955.grid0.loc.hyp", "a.20170101.005940.grid0.loc.hyp", "b.20170101.005940.grid0.loc.hyp"]
    for name in [*names, "a.sum.grid0.loc.hyp", "last.hyp", "a.20161231.235955.grid0.loc.scat"]:
        (tmp_path / name).write_text("")
    assert [path.name for path in hyp_files(tmp_path)] == names
    assert [path.name for path in hyp_files(tmp_path / "a")] == names[:2]
    assert hyp_files(tmp_path / "a.sum.grid0.loc.hyp") == [tmp_path / "a.sum.grid0.loc.hyp"]
    with pytest.raises(InputError, match=r"no \.hyp files there"):
        hyp_files(tmp_path / "c")
