"""Pick files: every format gives one table, what is left out is counted, and what is written reads the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obspy import UTCDateTime
from obspy.core.event import Arrival, Catalog, Comment, Event, Origin, Pick, WaveformStreamID

from seisloom.errors import InputError
from seisloom.picks import AMPLITUDES, COLUMNS, FORMATS, PickReport, pick_arrays, read_picks, write_picks
from seisloom.picks.formats import TABLES, Format

# 2016-10-14T00:00:00 UTC in seconds since 1970: 17088 days.
DAY = 17088 * 86400
# The two picks that every file below holds: P at 1.25 s with 0.9, S at 3.5 s with 0.75.
FILES = {
    "gpd": "IV CAMP P 2016-10-14T00:00:01.250000Z 0.9 1.5\nIV CAMP S 2016-10-14T00:00:03.500Z 0.75 0.25\n",
    "phasenet": "station_id,begin_time,phase_index,phase_time,phase_score,phase_type,file_name,phase_amp\n"
    "IV.CAMP,2016-10-14T00:00:00.000,125,2016-10-14T00:00:01.250,0.9,P,a/b.mseed,1e-6\n"
    "IV.CAMP,2016-10-14T00:00:00.000,350,2016-10-14T00:00:03.500,0.75,S,a/b.mseed,2e-6\n",
    "phasenet, older": "phase_time,phase_prob,phase_type,station_id\n"
    "2016-10-14T00:00:01.250+00:00,0.9,P,IV.CAMP\n2016-10-14T00:00:03.500+00:00,0.75,S,IV.CAMP\n",
    "seisbench": "trace_id,start_time,end_time,peak_time,peak_value,phase\n"
    "IV.CAMP,2016-10-14T00:00:01.0Z,2016-10-14T00:00:01.5Z,2016-10-14T00:00:01.250000Z,0.9,P\n"
    "IV.CAMP,2016-10-14T00:00:03.0Z,2016-10-14T00:00:04.5Z,2016-10-14T00:00:03.500000Z,0.75,S\n",
    "seisbench, onsets": "trace_id\tphase\tstart_time\tprobability\n"
    "IV.CAMP\tP\t2016-10-14 00:00:01.25\t0.9\nIV.CAMP\tS\t2016-10-14 00:00:03.5\t0.75\n",
    "gamma": "id,timestamp,type,prob,amp\nIV.CAMP,2016-10-14T00:00:01.250,p,0.9,1e-6\n"
    "IV.CAMP,2016-10-14T00:00:03.500,s,0.75,2e-6\n",
    "csv, PyOcto": f"station,phase,time,probability\nIV.CAMP,P,{DAY + 1.25},0.9\nIV.CAMP,S,{DAY + 3.5},0.75\n",
    "csv, network apart": f"net;sta;time;phase;prob\nIV;CAMP;{DAY + 1.25};Pg;0.9\nIV;CAMP;{DAY + 3.5};Sn;0.75\n",
    "csv, quoted": '"station" , "phase","time","prob"\n"IV.CAMP","P", "2016-10-14T02:00:01.25+02:00" ,"0.9"\n'
    'IV.CAMP,S,20161014T000003.5,0.75\n',
    "csv, white space": f"station phase time prob\nIV.CAMP P {DAY + 1.25}  0.9\nIV.CAMP S {DAY + 3.5}  0.75\n",
}  # fmt: skip


@pytest.fixture
def read(tmp_path: Path):
    """Reads a text as a pick file."""

    def read_text(text: str, **options) -> pd.DataFrame:
        path = tmp_path / "picks.txt"
        path.write_bytes(text.encode())
        return read_picks(path, **options)

    return read_text


def seconds(table: pd.DataFrame) -> list[float]:
    """Times in seconds of 2016-10-14."""
    return ((table["time"] - pd.Timestamp("2016-10-14", tz="UTC")) / pd.Timedelta("1s")).tolist()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_format_gives_one_table(read, name: str, newline: str) -> None:
    table = read(FILES[name].replace("\n", newline))
    assert [name for name in table if name not in AMPLITUDES] == COLUMNS
    assert table["pick_index"].tolist() == [0, 1]
    assert table["station"].tolist() == ["IV.CAMP", "IV.CAMP"]
    assert table["phase"].tolist() == ["P", "S"]
    assert seconds(table) == [1.25, 3.5]
    assert table["probability"].tolist() == [0.9, 0.75]
    durations = [1.5, 0.25] if name == "gpd" else [np.nan, np.nan]
    np.testing.assert_array_equal(table["duration_s"], durations)
    assert str(table["time"].dtype) == "datetime64[ns, UTC]"
    assert table["pick_index"].dtype == np.int64
    assert table.attrs["report"].format == name.split(",")[0]


@pytest.mark.parametrize("name", FILES)
def test_a_format_that_is_named_is_taken(read, name: str) -> None:
    named = name.split(",")[0]
    pd.testing.assert_frame_equal(read(FILES[name], format=named), read(FILES[name]))
    other = "gamma" if named != "gamma" else "csv"
    with pytest.raises(InputError, match=rf"not the columns of a {other} file"):
        read(FILES[name], format=other)


def test_what_a_file_does_not_say(read) -> None:
    table = read("station,phase,time\nCAMP,P,1\n")
    assert table[["probability", "duration_s"]].iloc[0].tolist() == [1.0, pytest.approx(np.nan, nan_ok=True)]
    short = read("IV CAMP P 2016-10-14T00:00:01\n-- BARE S 2016-10-14T00:00:02\n")
    assert short["station"].tolist() == ["IV.CAMP", "BARE"]
    assert short["probability"].tolist() == [1.0, 1.0]


def test_pick_numbers_of_the_file_are_kept(read) -> None:
    table = read("pick_index,station,phase,time\n70,A,P,1\n-3,A,S,2\n9007199254740991,B,P,3\n")
    assert table["pick_index"].tolist() == [70, -3, 9007199254740991]
    rows = read("station,phase,time\nA,X,0\nA,P,1\nA,X,2\nA,S,3\n")
    assert rows["pick_index"].tolist() == [1, 3]  # counted with those that are left out


def test_blank_lines_comments_and_byte_order_mark(read) -> None:
    text = FILES["phasenet"]
    header, first, second = text.splitlines()
    table = read(f"\ufeff# made by hand\n\n{header}\n  \n# off,P\n{first}\n\n{second}")
    pd.testing.assert_frame_equal(table, read(text))
    assert read("\n# x\n" + FILES["gpd"]).attrs["report"].format == "gpd"


# --- times --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("2016-10-14T00:00:01.5Z", 1.5),
        ("2016-10-14T00:00:01.123456789Z", 1.123456789),
        ("2016-10-14 00:00:01", 1.0),
        ("2016-10-14T01:00:01+01:00", 1.0),
        ("2016-10-13T23:30:01-0030", 1.0),
        ("2016-10-14T00:00Z", 0.0),
        ("2016-10-14", 0.0),
        (str(DAY), 0.0),
        (f"{DAY}.01", 0.01),
        (f"{DAY}.010001", 0.010001),
        (f"{float(DAY):.6e}", round(DAY, -3) - DAY),
    ],
)
def test_times(read, text: str, second: float) -> None:
    table = read(f"station,phase,time\nA,P,{text}\n")
    assert seconds(table) == [pytest.approx(second, abs=1e-9)]


def test_times_without_a_zone_are_counted(read) -> None:
    stamps = ["2016-10-14T00:00:01", "2016-10-14T00:00:02Z", "2016-10-14T00:00:03-05:00", str(DAY), "2016-10-15"]
    table = read("station,phase,time\n" + "".join(f"A,P,{stamp}\n" for stamp in stamps))
    assert seconds(table) == [1.0, 2.0, 18003.0, 0.0, 86400.0]
    assert table.attrs["report"].without_zone == 2


def test_dates_and_epochs_in_one_column(read) -> None:
    table = read(f"station,phase,time\nA,P,{DAY + 1}\nA,P,2016-10-14T00:00:02\nA,P,{DAY + 3}\n")
    assert seconds(table) == [1.0, 2.0, 3.0]
    assert table.attrs["report"].without_zone == 1


@given(st.integers(-5_000_000_000_000_000, 7_000_000_000_000_000))
def test_epoch_seconds_are_exact_to_the_microsecond(tmp_path_factory, microseconds: int) -> None:
    path = tmp_path_factory.mktemp("picks") / "picks.csv"
    path.write_text(f"station,phase,time\nA,P,{microseconds / 1e6!r}\n")
    assert read_picks(path)["time"].iloc[0].value == microseconds * 1000


# --- what is left out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "phase"),
    [
        *((label, "P") for label in ("P", "p", "Pn", "Pg", "Pb", "PN", "P*")),
        *((label, "S") for label in ("S", "s", "Sn", "Sg", "Sb")),
        *((label, None) for label in ("", "PKP", "PcP", "pP", "PS", "PP", "Lg", "Pdiff", "x", "AMP", "nan", "P3")),
    ],
)
def test_phases(read, label: str, phase: str | None) -> None:
    table = read(f"station,phase,time\nA,{label},1\nB,S,2\n")
    assert table["phase"].tolist() == ([phase] if phase else []) + ["S"]
    assert table.attrs["report"].other_phases == ({} if phase else {label: 1})


def test_thresholds_are_least_values(read) -> None:
    text = (
        "A B P 2016-10-14T00:00:01Z 0.5 0.1\nA B P 2016-10-14T00:00:02Z 0.4999 9\nA B P 2016-10-14T00:00:03Z 0.9 nan\n"
    )
    table = read(text, min_probability=0.5, min_duration_s=0.1)
    assert seconds(table) == [1.0, 3.0]  # a pick whose duration nobody knows is not below one
    report = read(text, min_probability=0.5, min_duration_s=0.2).attrs["report"]
    assert (report.kept, report.below_probability, report.below_duration) == (1, 1, 1)


def test_of_duplicates_the_most_probable_stays(read) -> None:
    rows = ["A,P,1,0.5", "A,P,1,0.7", "A,P,1.0,0.7", "A,S,1,0.1", "B,P,1,0.2", "A,P,1.01,0.3"]
    table = read("station,phase,time,prob\n" + "\n".join(rows))
    assert table["pick_index"].tolist() == [1, 3, 4, 5]
    assert table.attrs["report"].duplicates == 2


def test_the_report_adds_up_and_can_be_read(read) -> None:
    rows = ["A,P,1,0.9", "A,P,1,0.8", "A,Lg,1,0.9", "A,Lg,2,0.9", "A,PcP,1,0.9", "A,S,2016-10-14T00:00:00,0.1"]
    report = read("station,phase,time,prob\n" + "\n".join(rows), min_probability=0.3).attrs["report"]
    assert report == PickReport(
        report.origin, "csv", read=6, kept=1, other_phases={"Lg": 2, "PcP": 1}, below_probability=1, duplicates=1,
        without_zone=1,
    )  # fmt: skip
    assert report.origin.endswith("picks.txt")
    assert str(report).partition("picks.txt ")[2] == (
        "(csv): 1 of 6 picks; left out: 3 of other phases (Lg 2, PcP 1); 1 below the least probability; 1 said twice; "
        "times without a zone, taken as UTC: 1"
    )


# --- QuakeML ------------------------------------------------------------------------------------------------


def pick(code: str | None, second: float, hint: str | None = None, **more) -> Pick:
    stream = WaveformStreamID(network_code="IV" if code else None, station_code=code or "BARE", channel_code="HHZ")
    return Pick(time=UTCDateTime(DAY + second), waveform_id=stream, phase_hint=hint, **more)


def test_quakeml(tmp_path: Path) -> None:
    used, orphan = pick("CAMP", 1.25), pick("CAMP", 3.5, "Sg", comments=[Comment(text="probability: 0.75")])
    rejected = pick("CAMP", 9.0, "P", evaluation_status="rejected")
    bare = pick(None, 4.0, "P", comments=[Comment(text='{"phasenet": {"probability": 6.5e-1}}')])
    reflected = pick("CAMP", 5.0, "PmP")
    origin = Origin(
        time=UTCDateTime(DAY), latitude=42, longitude=13, arrivals=[Arrival(pick_id=used.resource_id, phase="Pn")]
    )
    events = [Event(picks=[used, rejected, orphan], origins=[origin]), Event(picks=[bare, reflected])]
    path = tmp_path / "picks.xml"
    Catalog(events).write(str(path), format="QUAKEML")
    table = read_picks(path)
    assert table["pick_index"].tolist() == [0, 2, 3]
    assert table["station"].tolist() == ["IV.CAMP", "IV.CAMP", "BARE"]
    assert table["phase"].tolist() == ["P", "S", "P"]
    assert seconds(table) == [1.25, 3.5, 4.0]
    assert table["probability"].tolist() == [1.0, 0.75, 0.65]
    report = table.attrs["report"]
    assert (report.format, report.read, report.kept, report.rejected) == ("quakeml", 5, 3, 1)
    assert report.other_phases == {"PmP": 1}


# --- real picks ---------------------------------------------------------------------------------------------


def test_real_picks(real_data: Path) -> None:
    table = read_picks(real_data / "italy_20161014" / "picks.csv")
    assert len(table) == 115440
    assert table["station"].nunique() == 56
    first = table.iloc[0]
    assert (first["station"], first["phase"], first["probability"]) == ("YR.ED04", "P", 0.389)
    assert first["time"] == pd.Timestamp("2016-10-14T00:00:00.01", tz="UTC")
    assert table["time"].max() < pd.Timestamp("2016-10-15", tz="UTC")


# --- written and read ---------------------------------------------------------------------------------------

code = st.text("ABCXYZ019", min_size=1, max_size=5)
pick_row = st.tuples(
    st.builds("{}.{}".format, code, code) | code | st.builds("{}.{}..HH".format, code, code),
    st.sampled_from("PS"),
    st.integers(-1_000_000_000_000_000_000, 4_000_000_000_000_000_000),
    st.floats(0, 1),
    st.just(float("nan")) | st.floats(0, 1e3),
)


@given(
    st.lists(pick_row, min_size=1, max_size=8, unique_by=lambda row: row[:3]),
    st.sampled_from(["csv", "gpd"]),
    st.booleans(),
)
def test_any_table_survives_being_written_and_read(tmp_path_factory, rows: list[tuple], form: str, fine: bool) -> None:
    columns = dict(zip(COLUMNS[1:], map(list, zip(*rows, strict=True)), strict=True))
    columns["time"] = pd.to_datetime([ns if fine else ns // 1000 * 1000 for ns in columns["time"]], unit="ns", utc=True)
    table = pd.DataFrame({"pick_index": np.arange(len(rows)), **columns})
    table = table.drop_duplicates(["station", "phase", "time"]).reset_index(drop=True)
    table["pick_index"] = np.arange(len(table)) + (7 if form == "csv" else 0)
    path = tmp_path_factory.mktemp("picks") / "picks"
    write_picks(table, path, form)
    back = read_picks(path)
    assert back.attrs["report"].format == form
    assert back.attrs["report"].without_zone == 0
    pd.testing.assert_frame_equal(back, table, check_exact=True)


def test_gpd_is_as_phaselink_reads_it(tmp_path: Path, read) -> None:
    path = tmp_path / "picks.gpd"
    write_picks(read(FILES["gpd"]), path, "gpd")
    # Its reader splits a line into net, sta, phase, time, probability and duration.
    lines = [line.split() for line in path.read_text().splitlines()]
    assert lines[0][:4] == ["IV", "CAMP", "P", "2016-10-14T00:00:01.250000Z"]
    assert [[float(word) for word in line[4:]] for line in lines] == [[0.9, 1.5], [0.75, 0.25]]
    assert UTCDateTime(lines[1][3]) == UTCDateTime(DAY + 3.5)


def test_formats_that_are_not_written(tmp_path: Path, read) -> None:
    with pytest.raises(InputError, match="pick format 'gamma' is not known; choose one of csv, gpd"):
        write_picks(read(FILES["gpd"]), tmp_path / "out", "gamma")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"below: cannot be written"):
        write_picks(read(FILES["gpd"]), Path(__file__) / "below")


def test_every_format_is_tested() -> None:
    assert {name.split(",")[0] for name in FILES} | {"quakeml"} == set(FORMATS)


# --- arrays -------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.sampled_from("AB"), st.sampled_from("PS"), st.integers(0, 9), st.sampled_from([0.25, 0.5])),
        max_size=12,
    ),
    st.randoms(),
)
def test_the_order_of_a_table_means_nothing_to_its_arrays(rows: list[tuple], random) -> None:
    def arrays(ordered: list[tuple]):
        table = pd.DataFrame(ordered, columns=["station", "phase", "time", "probability"])
        table["time"] = pd.to_datetime(np.asarray(table["time"], float) * 0.1 + DAY, unit="s", utc=True)
        return table, pick_arrays(table, ["A", "B"])

    shuffled = list(rows)
    random.shuffle(shuffled)
    (_, one), (table, other) = arrays(rows), arrays(shuffled)
    for name in ("time_s", "station", "phase", "probability"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.reference_ns == other.reference_ns
    assert (np.diff(other.time_s) >= 0).all()
    # Every row is there once, and what stands at it is what the arrays say.
    assert sorted(other.row) == list(range(len(rows)))
    behind = table.iloc[other.row]
    assert behind["station"].tolist() == ["AB"[s] for s in other.station]
    assert behind["phase"].tolist() == ["PS"[p] for p in other.phase]
    stamps = behind["time"].to_numpy("datetime64[ns]").astype(np.int64)
    np.testing.assert_allclose(other.time_s, (stamps - other.reference_ns) / 1e9, atol=1e-9)


# --- the reference page -------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[1] / "docs" / "reference" / "picks.md").read_text(encoding="utf-8")
SECTIONS = {
    "PhaseNet, QuakeFlow": "phasenet",
    "SeisBench": "seisbench",
    "GaMMA": "gamma",
    "Plain CSV, PyOcto": "csv",
    "GPD": "gpd",
}


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_examples_of_the_reference_are_what_it_says(read, heading: str) -> None:
    example = PAGE.split(f"\n### {heading}\n")[1].split("```\n")[1]
    table = read(example)
    assert table.attrs["report"].format == SECTIONS[heading]
    assert len(table) == len(example.splitlines()) - (heading != "GPD")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_accepted_column_is_in_the_reference(table: Format) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| [") and f"`{table.name}`" in line)
    assert [name for names in table.columns.values() for name in names if f"`{name}`" not in row] == []
