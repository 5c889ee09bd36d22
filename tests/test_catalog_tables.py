"""The catalogue's tables: what is completed, what is refused; instants cut into fields; files written whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.catalog import (
    ASSIGNMENT_COLUMNS,
    EVENT_COLUMNS,
    UNKNOWN,
    Catalog,
    arrivals,
    pick_error,
    read_catalog,
    write_csv,
)
from seisloom.catalog.clock import clock, instant, iso, nanoseconds
from seisloom.errors import InputError
from seisloom.target import write_whole
from tests.catalogs import catalogs, make, two_events, utc

# 1970 to 2100, in nanoseconds.
INSTANTS = st.integers(0, 4_102_444_800_000_000_000)


def events(**columns: Any) -> pd.DataFrame:
    base = {"event_id": [1, 2], "time": utc([0, 1]), "latitude": 42.0, "longitude": 13.0, "depth_km": 5.0}
    return pd.DataFrame(base | columns)


def assignments(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"pick_index": [7, 8], "event_id": [1, 1]} | columns)


# --- tables -------------------------------------------------------------------------------------------------


def test_columns_that_may_be_missing_are_filled_in() -> None:
    catalog = Catalog(events(), assignments())
    assert list(catalog.events) == list(EVENT_COLUMNS)
    assert list(catalog.assignments) == list(ASSIGNMENT_COLUMNS)
    row = catalog.events.iloc[0]
    assert (row["n_picks"], row["quality"], row["flags"]) == (UNKNOWN, "", "")
    assert np.isnan(row["rms_s"])
    assert str(catalog.events["time"].dtype) == "datetime64[ns, UTC]"


def test_times_of_other_zones_are_turned_to_utc() -> None:
    rome = pd.to_datetime(["2016-10-14T02:00:00+02:00"] * 2)
    assert Catalog(events(time=rome), assignments()).events["time"][0] == pd.Timestamp("2016-10-14", tz="UTC")


def test_an_empty_catalogue_is_one() -> None:
    empty = Catalog(events()[:0], assignments()[:0])
    assert len(empty.events) == len(empty.assignments) == 0
    assert len(arrivals(empty, two_events()[1])) == 0


@pytest.mark.parametrize(
    ("table", "other", "message"),
    [
        (events().drop(columns="depth_km"), assignments(), "events: no column depth_km; there are: event_id, time"),
        (events(event_id=[3, 3]), assignments(event_id=3), "event_id is there more than once: 3"),
        (events(latitude=[42.0, 91.0]), assignments(), "event 2: latitude is 91"),
        (events(depth_km=[np.nan, 1]), assignments(), "event 1: depth_km is nan"),
        (events(time=[utc(0), pd.NaT]), assignments(), "events: column time: row 1 has no time"),
        (events(n_p=[1.5, 2]), assignments(), "events: column n_p: whole numbers"),
        (events(rms_s=["a", "b"]), assignments(), "events: column rms_s: could not convert"),
        (events(), assignments(event_id=[1, 9]), "assigned to events that are not there: 9"),
        (events(), assignments(pick_index=[7, 7]), "pick_index of the assignments is there more than once: 7"),
        (events(), assignments().drop(columns="pick_index"), "picks: no column pick_index"),
    ],
)
def test_what_cannot_be_is_refused(table: pd.DataFrame, other: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Catalog(table, other)


def test_arrivals_are_the_assigned_picks_in_order() -> None:
    catalog, picks = two_events()
    found = arrivals(catalog, picks)
    assert found["event_id"].tolist() == [100] * 5 + [107] * 2
    assert found["pick_index"].tolist() == [1000, 1006, 1009, 1003, 1012, 1018, 1015]  # by time in each event
    assert found["station"].tolist()[1:3] == ["YR.ED01", "IV.ED01"]
    assert found["residual_s"][1] == pytest.approx(-0.05 + 0.013 * 2)


@given(catalogs(), st.randoms(use_true_random=False))
def test_the_order_of_the_tables_means_nothing(made: tuple[Catalog, pd.DataFrame], random: Any) -> None:
    catalog, picks = made
    rows, others = list(range(len(catalog.assignments))), list(range(len(picks)))
    random.shuffle(rows)
    random.shuffle(others)
    shuffled = Catalog(catalog.events, catalog.assignments.iloc[rows])
    pd.testing.assert_frame_equal(arrivals(shuffled, picks.iloc[others]), arrivals(catalog, picks))


def test_assigned_picks_that_are_not_there_are_named() -> None:
    catalog, picks = two_events()
    with pytest.raises(InputError, match="2 assigned picks are not in the pick table: 1003, 1009"):
        arrivals(catalog, picks[~picks["pick_index"].isin([1003, 1009])])


def test_pick_errors() -> None:
    phase, probability = pd.Series(["P", "P", "P", "S", "S", "P"]), pd.Series([1.0, 0.5, 0.0, 0.5, 1.0, np.nan])
    np.testing.assert_allclose(pick_error(phase, probability), [0.05, 0.1, 0.2, 0.2, 0.1, 0.1])
    np.testing.assert_allclose(pick_error(phase, probability, (0.3, 0.4))[[1, 3]], [0.3, 0.4])


def test_a_column_of_pick_errors_goes_first() -> None:
    catalog, picks = two_events()
    given_errors = picks.assign(error_s=np.where(picks["pick_index"] == 1003, np.nan, 0.777))
    error = arrivals(catalog, given_errors).set_index("pick_index")["error_s"]
    assert (error.drop(1003) == 0.777).all()
    assert error[1003] == arrivals(catalog, picks).set_index("pick_index")["error_s"][1003]


# --- instants -----------------------------------------------------------------------------------------------


@given(st.lists(INSTANTS, min_size=1, max_size=5), st.integers(0, 6))
def test_fields_of_instants_are_in_range_and_the_instant_comes_back(ns: list[int], decimals: int) -> None:
    fields = clock(np.array(ns, np.int64), decimals)
    assert (fields.ticks >= 0).all()
    assert (fields.ticks < 60 * 10**decimals).all()
    for given_ns, date, minute, ticks in zip(ns, fields.date, fields.minute, fields.ticks, strict=True):
        assert abs(instant(date, minute, ticks / 10**decimals) - given_ns) <= 10 ** (9 - decimals) // 2


def test_seconds_never_read_sixty() -> None:
    ns = nanoseconds(pd.Series(pd.to_datetime(["2016-12-31T23:59:59.99996Z", "2016-02-28T23:59:59.99994Z"])))
    fields = clock(ns, 4)
    assert (fields.date[0], fields.minute[0], fields.ticks[0]) == ("20170101", "0000", 0)
    assert (fields.date[1], fields.minute[1], fields.ticks[1]) == ("20160228", "2359", 599_999)


@given(st.lists(INSTANTS, min_size=1, max_size=5))
def test_iso_is_utc_to_the_microsecond(ns: list[int]) -> None:
    times = pd.Series(pd.to_datetime(np.array(ns), unit="ns", utc=True))
    for text, time in zip(iso(times), times, strict=True):
        assert len(text) == len("2016-10-14T07:59:59.999999Z")
        assert abs((pd.Timestamp(text) - time).value) <= 500


@pytest.mark.parametrize(("seconds", "expected"), [(-0.25, "2016-12-31T23:58:59.75"), (75.5, "2017-01-01T00:00:15.5")])
def test_seconds_outside_the_minute(seconds: float, expected: str) -> None:
    assert pd.Timestamp(instant("20161231", "2359", seconds), unit="ns") == pd.Timestamp(expected)


# --- events.csv and assignments.csv -------------------------------------------------------------------------


@given(catalogs())
def test_csv_comes_back(tmp_path_factory: pytest.TempPathFactory, made: tuple[Catalog, pd.DataFrame]) -> None:
    folder = tmp_path_factory.getbasetemp() / "csv"
    catalog, _ = made
    write_csv(catalog, folder)
    back = read_catalog(folder)
    for was, found in ((catalog.events, back.events), (catalog.assignments, back.assignments)):
        for name in was:
            if name == "time":
                assert ((found[name] - was[name]).abs() <= pd.Timedelta(500, "ns")).all()
            elif was[name].dtype == float:
                np.testing.assert_allclose(found[name], was[name], rtol=0, atol=0.06 if name.endswith("deg") else 6e-4)
            else:
                assert found[name].tolist() == was[name].tolist()


def test_csv_as_it_is_written(tmp_path: Path) -> None:
    catalog, _ = two_events()
    write_csv(catalog, tmp_path / "new" / "folder")
    head, first, second = (tmp_path / "new" / "folder" / "events.csv").read_text().splitlines()
    assert head == ",".join(EVENT_COLUMNS)
    assert first == (
        "100,2016-12-31T23:59:55.432100Z,42.5,13.25,8.25,5,3,2,3,0.11,91.5,4.75,0.031,1.2,0.6,33.3,2.2,B,"
        "depth at limit; gap > 90 & more" + "," * (len(EVENT_COLUMNS) - 19)
    )
    assert second.split(",")[1] == "2017-01-01T00:59:40.999996Z"
    lines = (tmp_path / "new" / "folder" / "assignments.csv").read_text().splitlines()
    assert lines[:2] == [
        ",".join(ASSIGNMENT_COLUMNS),
        "1000,100,-0.05,12.3,31.4,1.0" + "," * (len(ASSIGNMENT_COLUMNS) - 6),
    ]


def test_what_is_unknown_is_an_empty_cell(tmp_path: Path) -> None:
    write_csv(Catalog(events(), assignments()), tmp_path)
    assert (tmp_path / "events.csv").read_text().splitlines()[
        1
    ] == "1,2016-12-31T23:59:00.000000Z,42.0,13.0,5.0" + "," * (len(EVENT_COLUMNS) - 5)
    back = read_catalog(tmp_path)
    assert back.events["n_picks"].tolist() == [UNKNOWN, UNKNOWN]
    assert np.isnan(back.assignments["residual_s"]).all()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x,2016-10-14T00:00:00Z,42,13,5", r"events.csv, line 5: event_id is 'x'; a whole number"),
        ("3,2016-10-14T00:00:00,42,13,5", r"line 5: time is '2016-10-14T00:00:00'; .* with its zone"),
        ("3,14 Oct,42,13,5", r"line 5: time is '14 Oct'"),
        ("3,2016-10-14T00:00:00Z,42N,13,5", r"line 5: latitude is '42N'; a number"),
        ("3,2016-10-14T00:00:00Z,42,13", r"line 5: 4 cells, and the header has 5"),
        ("2,2016-10-14T00:00:00Z,42,13,5", r"event_id is there more than once: 2"),
        ("3,2016-10-14T00:00:00Z,,13,5", r"event 3: latitude is nan"),
    ],
)
def test_faults_of_csv_name_the_line(tmp_path: Path, row: str, message: str) -> None:
    good = "2,2016-10-14T00:00:00+02:00,42,13,5"
    (tmp_path / "events.csv").write_text(
        f"\ufeffevent_id,time,latitude,longitude,depth_km\r\n\r\n{good}\r\n,,,,\r\n{row}\r\n"
    )
    with pytest.raises(InputError, match=message):
        read_catalog(tmp_path)


def test_no_folder() -> None:
    with pytest.raises(InputError, match=r"events\.csv: cannot be read"):
        read_catalog("nowhere")


# --- whole files --------------------------------------------------------------------------------------------


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, "first\n")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(InputError, match=r"a\.txt: cannot be written: .*No space left"):
            write_whole(path, "second\n")
    assert path.read_text() == "first\n"
    assert list(tmp_path.iterdir()) == [path]
    write_whole(path, "second\n")
    assert path.read_text() == "second\n"
    (tmp_path / "plain").write_text("")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode  # readable by whom a new file would be


def test_a_folder_in_the_way_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path, "text")


def test_make_gives_what_it_says() -> None:
    catalog, picks = make([1.0], [(0, 0, "P", 2.0)])
    assert len(picks) == len(catalog.assignments) + 1
