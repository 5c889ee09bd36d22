"""``seisloom associate`` from files to files, on picks whose events are known."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import obspy
import pandas as pd
import pytest
from obspy.core.event import Catalog, Event, Pick, QuantityError, WaveformStreamID

from seisloom import geo
from seisloom.associate.pipeline import FATES
from seisloom.associate.predict import link_probabilities
from seisloom.associate.score import match_events, score
from seisloom.associate.simulate import REFERENCE_NS
from seisloom.catalog import read_nonlinloc_obs
from seisloom.picks import read_picks, write_picks
from seisloom.traveltime import PHASES, travel_times
from tests.association_job import (  # noqa: F401 - a fixture
    MIN_PICKS,
    REGION_OPTION,
    Prepared,
    associate,
    catalogue,
    interrupted,
    prepared,
)

SECOND_NS = 1_000_000_000


@pytest.fixture(scope="module")
def found(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """The catalogue of the picks as they are."""
    out = tmp_path_factory.mktemp("found") / "new" / "catalogue"
    outcome = associate(prepared, out)
    assert outcome.code == 0, outcome.err
    return out


def same_catalogue(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in ("events.csv", "assignments.csv"))


def test_simulated_events_are_found_at_their_places(prepared: Prepared, found: Path) -> None:  # noqa: F811
    truth = prepared.simulation
    events, assignments = catalogue(found)
    event = np.full(len(truth.event), -1)
    event[assignments["pick_index"]] = assignments["event_id"]
    reached = score(event, truth.event, MIN_PICKS)
    assert reached.event_f1 > 0.85
    assert reached.pick_precision > 0.95
    ids, true_ids, _ = match_events(event, truth.event)
    mine, true = events.set_index("event_id").loc[ids], truth.events.set_index("event_id").loc[true_ids]
    apart, _, _ = geo.distance_azimuth(mine["latitude"], mine["longitude"], true["latitude"], true["longitude"])
    late = pd.to_datetime(mine["time"]).to_numpy("datetime64[ns]").astype(np.int64) - REFERENCE_NS
    # Picks err by 0.1 to 0.2 s, stations by as much, the model by 1 %: some 1 km and 0.2 s.
    assert np.median(apart) < 1.5
    assert np.median(np.abs(late / SECOND_NS - true["time_s"].to_numpy())) < 0.25


def test_an_event_of_exact_picks_is_where_it_was_planted(prepared: Prepared, tmp_path: Path) -> None:  # noqa: F811
    network, place = prepared.study.network, np.array([4.0, -6.0, 9.0])
    station = np.repeat(np.arange(network.n_stations), 2)
    phase = np.tile([0, 1], network.n_stations)
    distance = np.hypot(place[0] - network.x_km[station], place[1] - network.y_km[station])
    travel = travel_times(prepared.study.times, phase, station, distance, np.full(len(station), place[2]))
    time = pd.Timestamp("2031-12-31T23:59:58Z") + pd.to_timedelta(travel, unit="s")  # picks lie in two years
    names = np.array(network.ids)[station]
    table = {"station": names, "phase": np.array(PHASES)[phase], "time": time, "pick_index": 7 + np.arange(len(time))}
    write_picks(pd.DataFrame(table | {"probability": 0.9, "duration_s": np.nan}), tmp_path / "picks.csv")

    outcome = associate(prepared, tmp_path / "out", picks=tmp_path / "picks.csv")

    events, assignments = catalogue(tmp_path / "out")
    assert len(events) == 1, outcome
    assert sorted(assignments["pick_index"]) == sorted(table["pick_index"])
    lat, lon = network.geographic(place[0], place[1])
    apart, _, _ = geo.distance_azimuth(lat, lon, events["latitude"][0], events["longitude"][0])
    assert apart < 0.1
    assert events["depth_km"][0] == pytest.approx(9.0, abs=0.3)
    assert abs(pd.Timestamp(events["time"][0]) - pd.Timestamp("2031-12-31T23:59:58Z")) < pd.Timedelta("30ms")
    assert assignments["residual_s"].abs().max() < 0.02


def test_order_of_picks_and_stations_means_nothing(
    prepared: Prepared,  # noqa: F811
    found: Path,
    tmp_path: Path,
    rng: np.random.Generator,
) -> None:
    picks, stations = prepared.table(), pd.read_csv(prepared.stations, dtype=str, keep_default_na=False)
    for table, name in ((picks, "picks.csv"), (stations, "stations.csv")):
        table.sample(frac=1.0, random_state=int(rng.integers(1000))).to_csv(tmp_path / name, index=False)
    assert (tmp_path / "picks.csv").read_text() != prepared.picks.read_text()

    associate(prepared, tmp_path, picks=tmp_path / "picks.csv", stations=tmp_path / "stations.csv")

    assert same_catalogue(tmp_path, found)


def test_without_pick_numbers_rows_are_numbered(prepared: Prepared, found: Path, tmp_path: Path) -> None:  # noqa: F811
    turned = prepared.table().drop(columns="pick_index").iloc[::-1]
    turned.to_csv(tmp_path / "picks.csv", index=False)
    associate(prepared, tmp_path, picks=tmp_path / "picks.csv")
    (events, assignments), (wanted, wanted_assignments) = catalogue(tmp_path), catalogue(found)
    pd.testing.assert_frame_equal(events, wanted)
    assert assignments["pick_index"].tolist() == (len(turned) - 1 - wanted_assignments["pick_index"]).tolist()


@pytest.mark.parametrize("days", [1, -20_000])
def test_days_later_means_origins_days_later(
    prepared: Prepared,  # noqa: F811
    found: Path,
    tmp_path: Path,
    days: int,
) -> None:
    table = prepared.table()
    later = pd.to_datetime(table["time"]).dt.tz_localize(None) + pd.Timedelta(days=days)
    table["time"] = np.datetime_as_string(later.to_numpy("datetime64[ns]"), timezone="UTC")
    table.to_csv(tmp_path / "picks.csv", index=False)

    associate(prepared, tmp_path, picks=tmp_path / "picks.csv")

    (events, assignments), (wanted, wanted_assignments) = catalogue(tmp_path), catalogue(found)
    shift = pd.to_datetime(events["time"]) - pd.to_datetime(wanted["time"])
    assert (shift == pd.Timedelta(days=days)).all()
    pd.testing.assert_frame_equal(events.drop(columns="time"), wanted.drop(columns="time"))
    pd.testing.assert_frame_equal(assignments, wanted_assignments)


def test_parts_and_threads_change_nothing(
    prepared: Prepared,  # noqa: F811
    found: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(link_probabilities.__kwdefaults__, "chunk_members", 300)
    outcome = associate(prepared, tmp_path, "--threads", 2)
    assert outcome.code == 0
    assert same_catalogue(tmp_path, found)


def test_codes_without_network_are_enough(prepared: Prepared, found: Path, tmp_path: Path) -> None:  # noqa: F811
    table = prepared.table()
    table["station"] = table["station"].str.removeprefix("SY.")
    table.to_csv(tmp_path / "picks.csv", index=False)
    associate(prepared, tmp_path, picks=tmp_path / "picks.csv")
    assert same_catalogue(tmp_path, found)


def test_stations_without_picks_change_nothing(prepared: Prepared, found: Path, tmp_path: Path) -> None:  # noqa: F811
    stations = prepared.stations.read_text().splitlines()
    # First, middle and last by name, inside of the others.
    silent = [f"{name},43.01,13.02,500,0" for name in ("AA.FIRST", "SY.S005A", "ZZ.LAST")]
    assert stations[0] == "station,latitude,longitude,elevation_m,depth_m"
    (tmp_path / "stations.csv").write_text("\n".join([*stations, *silent]) + "\n")
    outcome = associate(prepared, tmp_path, stations=tmp_path / "stations.csv")
    assert "trained without 3 of the 17 stations (AA.FIRST, SY.S005A, ZZ.LAST)" in outcome.out
    assert same_catalogue(tmp_path, found)


def test_gpd_files_give_the_same_events(prepared: Prepared, found: Path, tmp_path: Path) -> None:  # noqa: F811
    write_picks(read_picks(prepared.picks), tmp_path / "picks.gpd", "gpd")
    associate(prepared, tmp_path, picks=tmp_path / "picks.gpd")
    assert same_catalogue(tmp_path, found)


def test_quakeml_gives_the_same_events(prepared: Prepared, tmp_path: Path) -> None:  # noqa: F811
    # QuakeML has no probabilities, and its times are to the microsecond.
    table = prepared.table().drop(columns=["probability", "pick_index"])
    table["time"] = pd.to_datetime(table["time"]).dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    table.to_csv(tmp_path / "picks.csv", index=False)
    event = Event()
    for row in table.itertuples():
        network, station = row.station.split(".")
        channel = WaveformStreamID(network, station, "00", "HHZ")
        time = obspy.UTCDateTime(row.time)
        event.picks.append(Pick(time=time, waveform_id=channel, phase_hint=row.phase, time_errors=QuantityError(0.1)))
    Catalog([event]).write(str(tmp_path / "picks.xml"), format="QUAKEML")

    associate(prepared, tmp_path / "csv", picks=tmp_path / "picks.csv")
    associate(prepared, tmp_path / "xml", picks=tmp_path / "picks.xml")

    assert len(catalogue(tmp_path / "csv")[0]) > 10
    assert same_catalogue(tmp_path / "csv", tmp_path / "xml")


def test_obspy_reads_all_events_and_picks(prepared: Prepared, found: Path) -> None:  # noqa: F811
    events, assignments = catalogue(found)
    stations = prepared.table().set_index("pick_index")["station"]
    numbers = Counter(stations[assignments["pick_index"].astype(str)])
    quakeml = obspy.read_events(str(found / "catalog.xml"))
    assert len(quakeml) == len(events)
    assert [len(event.picks) for event in quakeml] == events["n_picks"].tolist()
    assert [len(event.origins[0].arrivals) for event in quakeml] == events["n_picks"].tolist()
    codes = Counter(
        f"{p.waveform_id.network_code}.{p.waveform_id.station_code}" for event in quakeml for p in event.picks
    )
    assert codes == numbers
    for event, time in zip(quakeml, events["time"], strict=True):
        assert abs(event.origins[0].time - obspy.UTCDateTime(time)) < 1e-6


def test_observations_come_back(prepared: Prepared, found: Path) -> None:  # noqa: F811
    events, assignments = catalogue(found)
    again = read_nonlinloc_obs(found / "observations.obs", prepared.study.network.ids)
    counted = assignments[assignments["weight"] != 0]
    assert again["event_id"].value_counts().to_dict() == counted["event_id"].value_counts().to_dict()
    assert set(again["event_id"]) == set(events["event_id"])
    sites = prepared.table().set_index("pick_index")["station"]
    assert Counter(again["station"]) == Counter(sites[counted["pick_index"].astype(str)])


def test_every_pick_is_used_or_left_for_a_reason(prepared: Prepared, tmp_path: Path) -> None:  # noqa: F811
    table = prepared.table()
    table.loc[:39, "station"] = "ZZ.GONE"
    table.loc[40:49, "station"] = "ZZ.FAR"
    table.loc[50:54, "phase"] = "Lg"
    table = pd.concat([table, table.iloc[60:67].assign(pick_index=[str(9000 + k) for k in range(7)])])
    table.to_csv(tmp_path / "picks.csv", index=False)

    outcome = associate(prepared, tmp_path, "--min-probability", 0.5, picks=tmp_path / "picks.csv")

    report = json.loads((tmp_path / "report.json").read_text())
    weak = int(((table["probability"].astype(float) < 0.5) & (table["phase"] != "Lg")).sum())
    reading = report["picks"]
    assert reading["below_probability"] == weak > 20
    left = reading["below_probability"] + reading["duplicates"] + sum(reading["other_phases"].values())
    assert reading["read"] == len(table) == reading["kept"] + left
    assert reading["other_phases"] == {"Lg": 5}
    assert [name for name, _, _ in report["unknown"]] == ["ZZ.GONE", "ZZ.FAR"]
    assert sum(report["fates"].values()) + sum(count for _, count, _ in report["unknown"]) == reading["kept"]
    assert set(report["fates"]) == set(FATES)
    events, assignments = catalogue(tmp_path)
    assert report["fates"]["used"] == len(assignments) == events["n_picks"].sum()
    assert report["events"] == len(events) == sum(report["qualities"].values())
    assert outcome.out.count("ZZ.GONE") == 1
    assert f"ZZ.FAR: {report['unknown'][1][1]} picks" in outcome.out
    assert (tmp_path / "report.txt").read_text() in outcome.out + "\n"


def test_order_duplicates_and_zones_are_mended(prepared: Prepared, found: Path, tmp_path: Path) -> None:  # noqa: F811
    table = prepared.table()
    twice = pd.concat([table.iloc[::-1], table.iloc[:50].assign(pick_index="", probability="0.1")])
    twice["pick_index"] = [index or str(10_000 + k) for k, index in enumerate(twice["pick_index"])]
    twice["time"] = twice["time"].str.removesuffix("Z")
    twice.to_csv(tmp_path / "picks.csv", index=False)
    outcome = associate(prepared, tmp_path, picks=tmp_path / "picks.csv")
    assert same_catalogue(tmp_path, found)
    assert "50 said twice" in outcome.out
    assert f"times without a zone, taken as UTC: {len(twice)}" in outcome.out


def test_a_quiet_file_makes_an_empty_catalogue(prepared: Prepared, tmp_path: Path) -> None:  # noqa: F811
    noise = prepared.table()[prepared.simulation.event < 0].iloc[::10]
    noise.to_csv(tmp_path / "picks.csv", index=False)
    out = tmp_path / "out"
    (out / "kept").mkdir(parents=True)
    for name in (
        "event-3.png",
        "seismicity.png",
        "event-of-mine.png",
    ):  # two of an earlier run, and one that is not ours
        (out / name).write_bytes(b"")

    outcome = associate(prepared, out, "--figures", picks=tmp_path / "picks.csv")

    assert outcome.code == 0, outcome.err
    assert "no events" in outcome.out
    assert "figure" not in outcome.out
    events, assignments = catalogue(out)
    assert len(events) == len(assignments) == 0
    assert "latitude" in events
    assert len(obspy.read_events(str(out / "catalog.xml"))) == 0
    assert json.loads((out / "report.json").read_text())["rms_s"] is None
    assert {path.name for path in out.glob("*.png")} == {"event-of-mine.png"}
    assert not (out / "unfinished").exists()


def test_figures_are_drawn(prepared: Prepared, tmp_path: Path) -> None:  # noqa: F811
    outcome = associate(prepared, tmp_path, "--figures")
    drawn = [line.removeprefix("figure ") for line in outcome.out.splitlines() if line.startswith("figure ")]
    events, _ = catalogue(tmp_path)
    largest = events.sort_values(["n_picks", "event_id"], ascending=[False, True])["event_id"].head(3)
    wanted = ["seismicity.png", "timeline.png", *(f"event-{number}.png" for number in largest)]
    assert [Path(path).name for path in drawn] == wanted
    assert all(Path(path).read_bytes().startswith(b"\x89PNG") for path in drawn)


def test_only_what_it_needs_is_imported(prepared: Prepared, tmp_path: Path) -> None:  # noqa: F811
    # Half of the time that a small file takes goes into starting.
    script = "import atexit, sys; atexit.register(lambda: print(*sorted(sys.modules)))"
    files = (prepared.picks, prepared.stations, prepared.velocity)
    options = ("-o", tmp_path / "out", "--threads", 1, "--no-figures", *REGION_OPTION)
    run = interrupted(script, "associate", *files, *options, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    loaded = {name.partition(".")[0] for name in run.stdout.splitlines()[-1].split()}
    assert "numba" in loaded
    assert loaded & {"dask", "matplotlib", "obspy", "obstore", "torch", "xarray", "zarr"} == set()


def test_fewest_picks_of_an_event(prepared: Prepared, found: Path, tmp_path: Path) -> None:  # noqa: F811
    associate(prepared, tmp_path, "--min-picks", 14, "--min-s", 6)
    events, all_events = catalogue(tmp_path)[0], catalogue(found)[0]
    assert 0 < len(events) < len(all_events)
    assert events["n_picks"].min() >= 14
    assert events["n_s"].min() >= 6
