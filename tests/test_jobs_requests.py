"""What is asked of a job, as files, written by the app or by other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.errors import InputError, SeisloomError, SettingsError
from seisloom.jobs import AssociationRequest, Board, CorrelationRequest, Limits, read_request, submit
from seisloom.jobs.limits import LimitError
from seisloom.jobs.requests import AssociationOptions, announced
from seisloom.storage import Storage
from tests.job_workers import tiny_channels, tiny_request, tiny_settings

# As the XCor app writes them.
STATIONS = b"Network,Station,Location,Channel,Latitude,Longitude,Elevation,StartDate,EndDate\n" + b"".join(
    b"XX,S0%d,,BHZ,42.%d,13.0,100,2024-03-01,2024-03-04\n" % (n, n) for n in range(3)
)
PARAMS = b"fs,freqmin,freqmax,cc_step,cc_len,maxlag\n1,0.05,0.2,1800,3600,100\n"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def place(storage: Storage, card: Any = None, **files: bytes) -> str:
    """Files of a job in incoming/a, by name with _ for the dot."""
    for name, data in {"stations_csv": STATIONS, "params_csv": PARAMS, **files}.items():
        storage.put(f"incoming/a/{name.replace('_', '.')}", data)
    if card is not None:
        storage.put("incoming/a/job.json", card if isinstance(card, bytes) else json.dumps(card).encode())
    return "a"


def correlation(storage: Storage, job_id: str) -> CorrelationRequest:
    request = read_request(storage, job_id)
    assert isinstance(request, CorrelationRequest)
    return request


def test_a_request_comes_back_as_it_was_submitted(storage: Storage) -> None:
    request = tiny_request(3, "tiny", "Umbria, 4 stations", keep="substack", components="ZZ")
    back = correlation(storage, submit(Board(storage), request))
    assert (back.settings, back.source, back.start, back.end, back.name) == (
        request.settings, "tiny", "2024-03-01", "2024-03-03", "Umbria, 4 stations",
    )  # fmt: skip
    pd.testing.assert_frame_equal(back.channels, request.channels, check_dtype=False)


def test_an_association_comes_back_as_it_was_submitted(storage: Storage) -> None:
    options = AssociationOptions(min_picks=6, region=(42, 43, 12, 14, 0, 30), train_minutes=0.5)
    request = AssociationRequest(
        ("my picks.csv", b"picks"), ("inventory.xml", b"<x/>"), ("v.nd", b"0 5 3"), options, name="Umbria"
    )
    back = read_request(storage, submit(Board(storage), request))
    assert isinstance(back, AssociationRequest)
    assert (back.picks, back.stations, back.velocity) == (
        ("picks.csv", b"picks"), ("stations.xml", b"<x/>"), ("velocity.nd", b"0 5 3")
    )  # fmt: skip
    assert (back.options, back.name, back.model) == (options, "Umbria", None)


def test_every_option_of_an_association_is_documented_with_its_default() -> None:
    page = (Path(__file__).parents[1] / "docs/how-to/jobs.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| `")]
    told: dict[str, str] = {}
    for names, defaults in rows:
        several = [name.strip(" `") for name in names.split(",")]
        values = [value.strip(" `") for value in defaults.split(",")]
        told |= dict(zip(several, values, strict=True))
    for name, field in AssociationOptions.model_fields.items():
        assert name in told, name
        if field.default is not None:
            assert told[name] == (
                str(field.default).lower() if field.default is True else f"{field.default}".removesuffix(".0")
            )


def test_without_a_card_the_days_are_those_of_the_stations(storage: Storage) -> None:
    request = correlation(storage, place(storage))
    assert (request.start, request.end, request.source, request.name) == ("2024-03-01", "2024-03-04", None, "")
    assert request.settings.cc_step == 1800
    assert request.check(Limits()) == {"channels": 3, "days": 4, "pairs": 3}


@pytest.mark.parametrize(
    ("card", "days"),
    [
        ({"start": "2024-05-01", "end": "2024-05-03"}, ("2024-05-01", "2024-05-03")),
        ({"start": "2024-05-01"}, ("2024-05-01", "2024-05-01")),
        ({"end": "2024-03-02"}, ("2024-03-01", "2024-03-02")),
        ({"source": "demo"}, ("2024-03-01", "2024-03-04")),
        ({"kind": "correlation", "name": None, "start": None, "end": None}, ("2024-03-01", "2024-03-04")),
    ],
)
def test_a_card_may_say_a_part_only(storage: Storage, card: dict[str, Any], days: tuple[str, str]) -> None:
    request = correlation(storage, place(storage, card))
    assert (request.start, request.end) == days
    assert request.source == card.get("source")


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (b"{", r"incoming/a/job\.json: damaged, not valid JSON"),
        (b"\xff\xfe", r"incoming/a/job\.json: damaged"),
        (b"[" * 100_000, r"incoming/a/job\.json: damaged"),
        ([1], r"an object \{\.\.\.\} is expected"),
        ({"start": 20240301}, r"start is 20240301: write it as text in quotes"),
        ({"source": ["demo"]}, r"source is \['demo'\]: write it as text"),
        ({"name": {"a": 1}}, "name is"),
        ({"kind": "inversion"}, "kind 'inversion' is unknown: use correlation or association"),
        (
            {"start": "yesterday-ish"},
            r"incoming/a/job\.json: start 'yesterday-ish', end None: write days as 2019-02-03",
        ),
        ({"start": "2024-03-04", "end": "2024-03-01"}, "the last day 2024-03-01 is before the first"),
        ({"kind": "association"}, "files names no picks, stations, velocity"),
        ({"kind": "association", "files": ["picks.csv"]}, "files and options are objects"),
        ({"kind": "association", "files": {"picks": "../secret"}}, "name a file of this folder"),
        ({"kind": "association", "files": {"picks": ".."}}, "name a file of this folder"),
        ({"kind": "association", "files": {"picks": "gone.csv"}}, r"incoming/a/gone\.csv: there is no such file"),
    ],
)
def test_cards_that_cannot_be_used_are_refused_in_words(storage: Storage, card: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_request(storage, place(storage, card))


def test_options_of_an_association_are_checked(storage: Storage) -> None:
    files = {"picks": "stations.csv", "stations": "stations.csv", "velocity": "params.csv"}
    card = {"kind": "association", "files": files, "options": {"min_picks": 2, "seeds": 1}}
    with pytest.raises(SettingsError) as caught:
        read_request(storage, place(storage, card))
    assert caught.value.origin == "incoming/a/job.json"
    assert len(caught.value.faults) == 2
    assert "did you mean 'seed'" in str(caught.value)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"params_csv": b"fs,freqmax\n1,3\n"}, r"incoming/a/params\.csv"),
        ({"params_csv": b"\xff\xfe\x00"}, r"incoming/a/params\.csv: not UTF-8 text"),
        ({"stations_csv": b"nothing,of\nthe,kind\n"}, r"incoming/a/stations\.csv"),
        ({"stations_csv": b""}, r"incoming/a/stations\.csv"),
        ({"stations_csv": STATIONS.replace(b"2024-03-04", b"")}, "no EndDate that is past"),
        ({"stations_csv": STATIONS.replace(b"2024-03-04", b"2999-01-01")}, "no EndDate that is past"),
        ({"stations_csv": STATIONS.replace(b"2024-03-01", b"")}, "no StartDate in it"),
    ],
)
def test_files_that_cannot_be_used_are_named(storage: Storage, files: dict[str, bytes], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_request(storage, place(storage, **files))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
cards = st.dictionaries(
    st.sampled_from(["kind", "name", "source", "start", "end", "files", "options", "x"]),
    json_values | st.sampled_from(["correlation", "association", "2024-03-01", {"picks": "params.csv"}]),
)


@given(st.binary(max_size=30) | cards.map(lambda card: json.dumps(card).encode()))
def test_any_card_is_read_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, card: bytes) -> None:
    kind, name, needed = announced(card)
    assert kind in ("correlation", "association")
    assert len(name) <= 200
    assert all(isinstance(file, str) for file in needed)
    storage = Storage(tmp_path_factory.mktemp("job"))
    try:
        request = read_request(storage, place(storage, card))
    except SeisloomError:
        return
    assert request.kind == kind


# --- how large a job may be ---


def request_of(channels: pd.DataFrame, **values: Any) -> CorrelationRequest:
    return CorrelationRequest(channels, tiny_settings(**values), "tiny", "2024-03-01", "2024-03-10")


def test_sizes_beyond_the_limits_are_named_with_both_numbers() -> None:
    with pytest.raises(LimitError, match=r"too large: 4 channels \(at most 3\), 10 days \(at most 9\)"):
        request_of(tiny_channels()).check(Limits(channels=3, days=9))
    with pytest.raises(LimitError, match=r"too large: 6 pairs \(at most 5\)"):
        request_of(tiny_channels()).check(Limits(pairs=5))
    assert request_of(tiny_channels()).check(Limits(channels=4, pairs=6, days=10))["pairs"] == 6


def test_epochs_of_one_channel_count_once() -> None:
    twice = pd.concat([tiny_channels(), tiny_channels()], ignore_index=True)
    assert request_of(twice).check(Limits()) == {"channels": 4, "days": 10, "pairs": 6}


def test_pairs_within_a_distance_are_counted_where_coordinates_are_known() -> None:
    near = request_of(tiny_channels(), max_distance_km=30.0).check(Limits())["pairs"]
    assert 0 < near < 6
    without = tiny_channels().assign(latitude=float("nan"))
    assert "pairs" not in request_of(without, max_distance_km=30.0).check(Limits())


def test_too_many_channels_are_refused_before_their_pairs_are_counted() -> None:
    table = tiny_channels().loc[[0] * 300_000].reset_index(drop=True)
    table["station"] = [f"S{n:06d}" for n in range(len(table))]  # 4.5e10 pairs
    with pytest.raises(LimitError, match="300,000 channels"):
        request_of(table).check(Limits())
