"""Settings of correlations as forms need them, and their file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from seisloom.config import BASIC, CorrelationSettings, parse_settings, write_params_csv
from seisloom.errors import SettingsError
from seisloom.web.api.settings import fields_of, parse_values
from seisloom.web.services import Services
from tests.web_support import api_client


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    return api_client(Services(str(tmp_path_factory.mktemp("workspace"))))


def faults(api: TestClient, **values: Any) -> list[tuple[list[str], str]]:
    answer = api.post("/settings/check", json=values)
    assert answer.status_code == 200, answer.text
    return [(fault["fields"], fault["message"]) for fault in answer.json()["faults"]]


def test_every_setting_is_described(api: TestClient) -> None:
    told = api.get("/settings").json()
    assert [setting["name"] for setting in told] == list(CorrelationSettings.model_fields)
    assert [setting["name"] for setting in told if setting["basic"]] == list(BASIC)
    for setting in told:
        assert setting["label"][0].isupper()
        assert setting["help"]
        assert setting["default"] == getattr(CorrelationSettings(), setting["name"])
        assert (setting["kind"] == "choice") == bool(setting["choices"])
        assert (setting["default"] is None) <= setting["optional"]
    assert len({setting["label"] for setting in told}) == len(told)


def test_kinds_units_and_limits(api: TestClient) -> None:
    told = {setting["name"]: setting for setting in api.get("/settings").json()}
    assert {told[name]["unit"] for name in ("fs", "freqmin", "freqmax", "whiten_width")} == {"Hz"}
    assert {told[name]["unit"] for name in ("cc_step", "cc_len", "maxlag", "ram_window", "fill_gap")} == {"s"}
    assert (told["fs"]["above"], told["fs"]["minimum"], told["fs"]["maximum"]) == (0, None, None)
    assert (told["taper"]["minimum"], told["taper"]["maximum"]) == (0, 0.5)
    assert (told["max_distance_km"]["optional"], told["max_distance_km"]["above"]) == (True, 0)
    assert told["autocorrelations"]["kind"] == "bool"
    assert told["whiten"]["choices"] == ["none", "phase", "running-mean"]


def test_limits_are_those_that_hold(api: TestClient) -> None:
    """What the description refuses is refused by the settings too, and what it allows is not a fault of that value."""
    for setting in api.get("/settings").json():
        for limit, outside in (("above", 0.0), ("minimum", -1e-3), ("maximum", 1e-3)):
            if setting[limit] is not None:
                names = [fields for fields, _ in faults(api, **{setting["name"]: setting[limit] + outside})]
                assert [setting["name"]] in names, setting["name"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        ({"fs": "20", "freqmax": "8"}, []),
        ({"fs": 4, "freqmax": 3}, [["freqmax", "fs"]]),
        ({"fs": "fast"}, [["fs"]]),
        ({"fs": ""}, [["fs"]]),
        ({"fs": None}, [["fs"]]),
        ({"ram_window": "", "max_distance_km": ""}, []),
        ({"freqmin": "maxlag"}, [["freqmin"]]),
        ({"whiten": "white"}, [["whiten"]]),
        ({"frqmin": 1}, [["frqmin"]]),
        ({"maxlag": 2000}, [["maxlag", "cc_len"]]),
        ({"measure": "pcc", "maxlag": -1}, [["maxlag"], ["measure", "whiten"]]),
        ({"cc_len": 1800.05}, [["cc_len"]]),
        ({"min_distance_km": 5, "max_distance_km": 1}, [["max_distance_km", "min_distance_km"]]),
    ],
)
def test_faults_by_field(api: TestClient, values: dict[str, Any], expected: list[list[str]]) -> None:
    assert [fields for fields, _ in faults(api, **values)] == expected


def test_faults_are_words(api: TestClient) -> None:
    ((_, message),) = faults(api, fs=4, freqmax=3)
    assert message == "freqmax 3 Hz is above the Nyquist frequency 2 Hz of fs 4 Hz: use freqmax <= 2 or fs >= 6"


names = st.sampled_from([*CorrelationSettings.model_fields, "unknown", "fs "])
values = st.one_of(
    st.floats(),
    st.integers(),
    st.booleans(),
    st.none(),
    st.text(max_size=8),
    st.sampled_from(["none", "pcc", "0.5", "all"]),
)


@given(st.dictionaries(names, values, max_size=6))
def test_every_fault_belongs_to_a_field(given_values: dict[str, Any]) -> None:
    try:
        parse_values(given_values)
    except SettingsError as error:
        for fault in error.faults:
            fields = fields_of(fault, given_values)
            assert fields, fault
            assert set(fields) <= set(CorrelationSettings.model_fields) | set(given_values)


def test_params_csv(api: TestClient) -> None:
    values = {"fs": "5", "whiten": "none", "autocorrelations": True}
    posted = api.post("/settings/params.csv", json=values)
    assert posted.headers["content-type"].startswith("text/csv")
    assert posted.headers["content-disposition"] == 'attachment; filename="xcor_params.csv"'
    assert posted.text == write_params_csv(CorrelationSettings(fs=5, whiten="none", autocorrelations=True))
    assert api.get("/settings/params.csv", params=values).text == posted.text
    assert api.get("/settings/params.csv").text == write_params_csv(CorrelationSettings())


@pytest.mark.parametrize("method", ["get", "post"])
def test_params_csv_of_settings_that_cannot_be(api: TestClient, method: str) -> None:
    given_values = {"fs": 4, "freqmax": 3, "foo": 1}
    answer = (
        api.get("/settings/params.csv", params=given_values)
        if method == "get"
        else api.post("/settings/params.csv", json=given_values)
    )
    assert answer.status_code == 422
    assert [fault.split(":")[0] for fault in answer.json()["faults"]] == [
        "unknown setting 'foo'",
        "freqmax 3 Hz is above the Nyquist frequency 2 Hz of fs 4 Hz",
    ]


def test_a_file_comes_back_as_it_was(api: TestClient) -> None:
    settings = CorrelationSettings(fs=4, freqmax=1.5, keep="window", max_distance_km=30)
    for name, text in (
        ("params.csv", write_params_csv(settings)),
        ("p.toml", 'fs=4\nfreqmax=1.5\nkeep="window"\nmax_distance_km=30'),
    ):
        answer = api.post("/settings/read", files={"file": (name, text.encode())})
        assert answer.status_code == 200, answer.text
        assert CorrelationSettings(**answer.json()["values"]) == settings
        assert parse_settings(text, name) == settings


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("p.csv", b"fs,freqmax\n4,3\n", "freqmax 3 Hz is above the Nyquist frequency"),
        ("p.csv", b"\xff\xfe", "p.csv: not UTF-8 text"),
        ("p.csv", b"", "p.csv: a header and one row of values are expected"),
        ("p.toml", b"fs = ", "p.toml: not valid TOML"),
        ("p.csv", b"x" * 100_001, "p.csv: larger than 100 kB"),
    ],
)
def test_files_that_cannot_be_read(api: TestClient, name: str, data: bytes, words: str) -> None:
    answer = api.post("/settings/read", files={"file": (name, data)})
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


def test_what_is_written_can_be_read(api: TestClient, tmp_path: Path) -> None:
    text = api.post("/settings/params.csv", json={"fs": 5, "taper": 0.1}).text
    answer = api.post("/settings/read", files={"file": ("xcor_params.csv", text.encode())})
    assert answer.json()["values"] == CorrelationSettings(fs=5, taper=0.1).model_dump()


@pytest.mark.parametrize("value", [1.6e308, 5e-324, 1e10])
@pytest.mark.parametrize("name", BASIC)
def test_numbers_that_nothing_can_be_done_with(api: TestClient, name: str, value: float) -> None:
    assert any(name in fields for fields, _ in faults(api, **{name: value}))
    assert api.get("/settings/params.csv", params={name: value}).status_code == 422


@pytest.mark.parametrize(
    ("given_values", "words"),
    [
        (
            {"fs": 1e6, "freqmax": 1000},
            "has 2,000,000,000 samples at fs 1e+06 Hz, more than 20,000,000: use fs <= 10000",
        ),
        (
            {"fs": 200, "cc_len": 80, "maxlag": 40, "cc_step": 0.005},
            "makes more than 10,000,000 windows a day: use cc_step >= 0.01",
        ),
    ],
)
def test_sizes_that_no_machine_has_the_memory_for(api: TestClient, given_values: dict[str, float], words: str) -> None:
    ((_, message),) = faults(api, **given_values)
    assert words in message
