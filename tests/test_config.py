"""Settings: the parameter files that users have, every contradiction with advice that works, and the digest."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.config import CorrelationSettings, read_settings, write_params_csv
from seisloom.errors import InputError, SettingsError
from seisloom.noise.plan import make_plan

XCOR = "fs,freqmin,freqmax,cc_step,cc_len,maxlag\n10,0.05,2,900,3600,300\n"
XCOR_VALUES = {"fs": 10.0, "freqmin": 0.05, "freqmax": 2.0, "cc_step": 900.0, "cc_len": 3600.0, "maxlag": 300.0}
# "name relation value" as the messages write what would work.
ADVICE = re.compile(r"(\w+) (?:<=|>=|=) (\S+)")


def write(folder: Path, text: str | bytes, name: str = "params.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def faults_of(**values: Any) -> list[str]:
    """The faults that settings are refused for; none where they are accepted."""
    try:
        CorrelationSettings(**values)
    except SettingsError as error:
        return error.faults
    return []


def advice_of(fault: str) -> list[tuple[str, str]]:
    """(setting, value) of everything that a fault proposes."""
    return ADVICE.findall(fault.rpartition(": use ")[2])


# --- files --------------------------------------------------------------------------------------------------


def test_the_apps_file_as_it_writes_it(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path, XCOR))
    assert settings.model_dump(include=set(XCOR_VALUES)) == XCOR_VALUES
    assert settings == CorrelationSettings(**XCOR_VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "Fs, Freq Min ,FREQMAX,CC Step,cclen,max_lag\n10,0.05,2,900,3600,300\n",
        "maxlag,cc_len,cc_step,freqmax,freqmin,fs\n300,3600,900,2,0.05,10\n",  # any order
        "\ufeff" + XCOR,
        XCOR.replace("\n", "\r\n"),
        "\n" + XCOR.replace("\n", "\n\n") + "\n,,,,,\n",  # blank lines
        XCOR.replace("10,0.05,2", " 10.0 , 5e-2 ,+2"),
        XCOR.rstrip("\n"),
        XCOR.replace("maxlag\n", 'maxlag,taper,"measure"\n').replace("300\n", '300,,"cc"\n'),  # empty = default
    ],
)
def test_forgiven_spellings(tmp_path: Path, text: str) -> None:
    assert read_settings(write(tmp_path, text)) == CorrelationSettings(**XCOR_VALUES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found 0 rows"),
        ("\n , \n", "found 0 rows"),
        ("fs,freqmin\n", "found 1 rows"),
        (XCOR + "20,0.05,2,900,3600,300\n", "found 3 rows"),
        ("fs,freqmin\n10,0.1,5\n", "header has 2 columns and the row 3"),
        ("fs,freqmin,maxlag\n10,0.1\n", "header has 3 columns and the row 2"),
        ("fs,freqmin,FS\n10,0.1,20\n", "fs more than once"),
        (b"fs\n\xff\n", "cannot read the parameters"),
    ],
)
def test_unreadable_files_are_named(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_settings(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv: cannot read"):
        read_settings(tmp_path / "nowhere.csv")


def test_not_a_number_names_setting_and_value(tmp_path: Path) -> None:
    path = write(tmp_path, XCOR.replace("3600", "one hour"))
    with pytest.raises(SettingsError, match="cc_len is 'one hour': input should be a valid number") as caught:
        read_settings(path)
    assert str(path) in str(caught.value)
    assert len(caught.value.faults) == 1


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_not_finite_is_refused(value: str) -> None:
    for name in ("fs", "freqmin", "freqmax", "cc_step", "cc_len", "maxlag", "min_distance_km", "reject_peak"):
        assert faults_of(**{name: value}), name


@pytest.mark.parametrize("name", ["params.toml", "PARAMS.TOML"])
def test_toml(tmp_path: Path, name: str) -> None:
    text = 'fs = 10\nfreqmin = 0.05\ncomponents = "all"\nautocorrelations = true\n'
    settings = read_settings(write(tmp_path, text, name))
    expected = CorrelationSettings(fs=10, freqmin=0.05, components="all", autocorrelations=True)
    assert settings == expected


def test_broken_toml_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"params\.toml: not valid TOML: .*line 2"):
        read_settings(write(tmp_path, "fs = 10\nfreqmin = \n", "params.toml"))


def test_overrides_win_over_the_file_unless_none(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path, XCOR), maxlag="120", freqmax=None, whiten="none")
    assert (settings.maxlag, settings.freqmax, settings.whiten) == (120.0, 2.0, "none")


def test_overrides_are_checked_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Nyquist"):
        read_settings(write(tmp_path, XCOR), fs=2)


# --- names and choices --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("freq_max", "freqmax"), ("cc_length", "cc_len"), ("autocorrelation", "autocorrelations")],
)
def test_unknown_setting_proposes_the_nearest(wrong: str, near: str) -> None:
    assert faults_of(**{wrong: 1}) == [f"unknown setting {wrong!r}: did you mean {near!r}?"]


def test_unknown_setting_like_no_other(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"unknown setting 'Zebra'$"):
        read_settings(write(tmp_path, "fs,Zebra\n10,1\n"))


def test_unknown_choice_lists_the_choices() -> None:
    (fault,) = faults_of(response="velocity")
    for choice in ("velocity", "DISP", "VEL", "ACC", "none"):
        assert choice in fault


def test_all_faults_of_range_at_once() -> None:
    faults = faults_of(fs=-1, maxlag=0, taper=0.7, measure="x", zebra=1)
    assert [fault.split()[0] for fault in faults[:4]] == ["fs", "maxlag", "measure", "taper"]
    assert len(faults) == 5


def test_contradictions_among_the_values_in_range_are_listed_too() -> None:
    faults = faults_of(maxlag=-1, freqmax=6, measure="pcc", zebra=1)
    assert [fault.split()[0] for fault in faults] == ["maxlag", "unknown", "freqmax", "measure"]
    # Whether 6 Hz is above Nyquist depends on the rate that is itself at fault.
    assert [fault.split()[0] for fault in faults_of(fs=-1, freqmax=6)] == ["fs"]


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        CorrelationSettings().fs = 20.0


# --- contradictions -----------------------------------------------------------------------------------------

CONTRADICTIONS = {
    "above Nyquist": ({"freqmax": 6}, "freqmax", {("freqmax", 5.0), ("fs", 12.0)}),
    "minimum above maximum": (
        {"freqmin": 2, "freqmax": 1},
        "freqmin",
        {("freqmin", 1 - 1 / 1800), ("freqmax", 2 + 1 / 1800)},
    ),
    "no band": ({"freqmin": 1, "freqmax": 1}, "freqmin", {("freqmin", 1 - 1 / 1800), ("freqmax", 1 + 1 / 1800)}),
    "band below resolution": (
        {"freqmin": 0.5, "freqmax": 0.5004, "cc_len": 1000},
        "closer than the 0.001 Hz",
        {("freqmin", 0.4994), ("freqmax", 0.501)},
    ),
    "window above a day": ({"cc_len": 90_000}, "cc_len", {("cc_len", 86_400.0)}),
    "step above length": ({"cc_step": 2000}, "cc_step", {("cc_step", 1800.0)}),
    "lag of the whole window": ({"maxlag": 1800}, "maxlag", {("maxlag", 1799.9)}),
    "lag above the window": ({"maxlag": 9000}, "maxlag", {("maxlag", 1799.9)}),
    "too few periods": ({"freqmin": 0.001}, "2 periods", {("cc_len", 2000.0), ("freqmin", 2 / 1800)}),
    "length off the grid": ({"cc_len": 1800.03}, "cc_len", {("cc_len", 1800.0)}),
    "step off the grid": ({"cc_step": 450.06}, "cc_step", {("cc_step", 450.1)}),
    "step below a sample": ({"cc_step": 0.01}, "cc_step", {("cc_step", 0.1)}),
    "lag off the grid": ({"maxlag": 1799.96}, "maxlag", {("maxlag", 1799.9)}),  # 1800 would be as long as the window
    "sub-stack below window": ({"keep": "substack", "substack_len": 900}, "substack_len", {("substack_len", 1800.0)}),
    "sub-stack above a day": ({"keep": "substack", "substack_len": 1e5}, "substack_len", {("substack_len", 86_400.0)}),
    "distances": (
        {"min_distance_km": 90, "max_distance_km": 50},
        "max_distance_km",
        {("max_distance_km", 90.0), ("min_distance_km", 50.0)},
    ),
    "phase correlation of whitened": ({"measure": "pcc"}, "whiten", {("whiten", "none")}),
}


def typed(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value


@pytest.mark.parametrize(("values", "word", "expected"), CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_contradiction_is_refused_and_its_advice_works(
    values: dict[str, Any], word: str, expected: set[tuple[str, float | str]]
) -> None:
    (fault,) = faults_of(**values)
    assert word in fault
    advice = {name: typed(value) for name, value in advice_of(fault)}
    assert advice == {name: v if isinstance(v, str) else pytest.approx(v, rel=1e-11) for name, v in expected}
    for name, value in advice.items():
        assert faults_of(**values | {name: value}) == []


def test_all_contradictions_are_listed_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "fs,freqmin,freqmax,cc_step,cc_len,maxlag,measure\n1,3,2,200.5,100,100,pcc\n")
    with pytest.raises(SettingsError) as caught:
        read_settings(path)
    words = ["Nyquist", "not below", "leave data out", "not shorter", "cc_step 200.5 s is not a whole", "pcc"]
    assert len(caught.value.faults) == len(words)
    for word, fault in zip(words, caught.value.faults, strict=True):
        assert word in fault
    assert str(caught.value).splitlines()[0] == f"{path}: 6 faults"


@st.composite
def settings(draw: st.DrawFn) -> CorrelationSettings:
    fs = draw(st.sampled_from([1.0, 3.0, 10.0, 31.25, 100.0]))
    length = draw(st.integers(1000, 80_000))
    freqmin = draw(st.floats(2.1 * fs / length, 0.2 * fs))
    freqmax = draw(st.floats(freqmin + 1.1 * fs / length, 0.5 * fs))
    choices = {
        name: draw(st.sampled_from(values))
        for name, values in {
            "response": ["DISP", "VEL", "ACC", "none"],
            "time_norm": ["none", "one-bit", "clip", "ram"],
            "whiten": ["none", "phase", "running-mean"],
            "measure": ["cc", "coherency", "deconvolution"],
            "components": ["same", "ZZ", "all"],
            "autocorrelations": [True, False],
            "keep": ["day", "window"],
        }.items()
    }
    return CorrelationSettings(
        fs=fs,
        freqmin=freqmin,
        freqmax=freqmax,
        cc_len=length / fs,
        cc_step=draw(st.integers(1, length)) / fs,
        maxlag=draw(st.integers(1, length - 1)) / fs,
        ram_window=draw(st.none() | st.floats(0.1, 1000)),
        taper=draw(st.floats(0, 0.5)),
        min_distance_km=draw(st.floats(0, 10)),
        max_distance_km=draw(st.none() | st.floats(10, 20_000)),
        **choices,
    )


@st.composite
def six(draw: st.DrawFn) -> dict[str, float]:
    """The six parameters as people mistype them: over many decades and off the grid."""
    decades = {"fs": (-1, 2), "freqmin": (-3, 1), "freqmax": (-2, 2), "cc_step": (-1, 5), "cc_len": (0, 5.5)}
    decades["maxlag"] = (-1, 4)
    digits = draw(st.sampled_from([1, 2, 3, 12]))
    return {name: float(f"{10 ** draw(st.floats(low, high)):.{digits}g}") for name, (low, high) in decades.items()}


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, float]:
    """The six parameters of settings that work, but for one that is anything within four decades."""
    values = draw(settings()).model_dump(include=set(XCOR_VALUES))
    name = draw(st.sampled_from(sorted(values)))
    values[name] *= 10 ** draw(st.floats(-2, 2))
    return values


@given(spoilt())
def test_advice_for_a_lone_fault_works_at_once(values: dict[str, float]) -> None:
    faults = faults_of(**values)
    if len(faults) == 1:
        advice = advice_of(faults[0])
        assert advice
        for name, value in advice:
            assert faults_of(**values | {name: float(value)}) == []


@given(six())
def test_following_the_advice_ends_in_settings_that_work(values: dict[str, float]) -> None:
    for _ in range(12):
        faults = faults_of(**values)
        if not faults:
            break
        name, value = next(advice for fault in faults for advice in advice_of(fault))
        values = values | {name: float(value)}
    assert faults_of(**values) == []


@given(settings())
def test_accepted_settings_have_a_plan_with_a_band(accepted: CorrelationSettings) -> None:
    plan = make_plan(accepted)
    top = min(accepted.freqmax, accepted.fs / 2 * (1 - 1e-9))  # the bin at Nyquist itself has no sense in a band
    inside = (plan.frequencies >= accepted.freqmin) & (plan.frequencies <= top)
    assert inside.any()
    np.testing.assert_allclose(plan.weight[inside], 1.0)


# --- what follows from the settings -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "step", "expected"),
    [
        (1800, 450, 189),  # (86400 - 1800) / 450 + 1
        (86_400, 450, 1),
        (3600, 3600, 24),
        (1800, 1700, 50),  # the 51st would end 100 s after midnight
        (0.3, 0.1, 863_998),
    ],
)
def test_number_of_windows(length: float, step: float, expected: int) -> None:
    settings = CorrelationSettings(
        cc_len=length, cc_step=step, maxlag=0.2, freqmin=10 if length < 1 else 0.1, freqmax=19, fs=50
    )
    assert settings.n_windows == expected


@given(st.integers(1, 5000), st.sampled_from([1.0, 4.0, 10.0, 20.0, 100.0]))
def test_lag_axis_is_odd_and_reaches_maxlag(samples: int, fs: float) -> None:
    settings = CorrelationSettings(fs=fs, freqmin=0.001, freqmax=0.4, cc_len=10_000, maxlag=samples / fs)
    assert settings.n_lag == 2 * samples + 1


# --- digest -------------------------------------------------------------------------------------------------

OTHER = {
    "fs": 20.0,
    "freqmin": 0.2,
    "freqmax": 2.0,
    "cc_step": 900.0,
    "cc_len": 900.0,
    "maxlag": 100.0,
    "response": "none",
    "time_norm": "one-bit",
    "clip_std": 4.0,
    "ram_window": 5.0,
    "whiten": "none",
    "whiten_width": 0.1,
    "measure": "coherency",
    "components": "all",
    "autocorrelations": True,
    "min_distance_km": 1.0,
    "max_distance_km": 100.0,
    "keep": "window",
    "substack_len": 7200.0,
    "stack_days": 30,
    "taper": 0.1,
    "fill_gap": 1.0,
    "reject_peak": 0.0,
}


def test_digest_differs_when_any_setting_changes() -> None:
    assert set(OTHER) == set(CorrelationSettings.model_fields)  # a new setting belongs into this test
    digests = [CorrelationSettings().digest()]
    digests += [CorrelationSettings(**{name: value}).digest() for name, value in OTHER.items()]
    assert len(set(digests)) == len(OTHER) + 1


def test_digest_is_that_of_the_values_not_of_their_spelling(tmp_path: Path) -> None:
    from_file = read_settings(write(tmp_path, XCOR))
    assert from_file.digest() == CorrelationSettings(**XCOR_VALUES).digest()
    assert CorrelationSettings(fs=10, autocorrelations="true").digest() == (
        CorrelationSettings(autocorrelations=True, fs="10.0").digest()
    )


def test_digest_is_the_same_in_another_process() -> None:
    code = "from seisloom.config import CorrelationSettings as C; print(C(maxlag=50).digest())"
    made = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert made == {CorrelationSettings(maxlag=50).digest()}


# --- round trip ---------------------------------------------------------------------------------------------


@given(made=settings())
def test_params_csv_round_trip(tmp_path_factory: pytest.TempPathFactory, made: CorrelationSettings) -> None:
    text = write_params_csv(made)
    assert text.startswith("fs,freqmin,freqmax,cc_step,cc_len,maxlag")
    path = tmp_path_factory.getbasetemp() / "round.csv"
    path.write_text(text)
    assert read_settings(path) == made
    assert read_settings(path).digest() == made.digest()


def test_params_csv_of_defaults_is_the_apps_six_columns() -> None:
    header, row, end = write_params_csv(CorrelationSettings()).split("\n")
    assert (header, end) == ("fs,freqmin,freqmax,cc_step,cc_len,maxlag", "")
    assert [float(v) for v in row.split(",")] == [10.0, 0.1, 1.0, 450.0, 1800.0, 200.0]


def test_settings_are_json() -> None:
    made = CorrelationSettings(ram_window=math.pi, components="all")
    assert CorrelationSettings(**json.loads(json.dumps(made.model_dump()))) == made
