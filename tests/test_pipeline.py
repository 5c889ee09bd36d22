"""The job as a function: what goes in, what comes out, what is refused."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.signal.windows import tukey

from seisloom.config import CorrelationSettings
from seisloom.errors import InputError, SourceError
from seisloom.noise.archive import open_correlations
from seisloom.noise.pipeline import Progress, correlate, day_range
from seisloom.noise.plan import band_weight, make_plan, window_groups
from seisloom.noise.report import LINES, DayReport, Problem, Summary
from seisloom.noise.theory import phase_coherency
from seisloom.stations import channel_ids
from seisloom.waveforms import Record, Segment
from seisloom.waveforms.base import DAY_NS
from tests.jobs import (
    DAY,
    DAY_START,
    RATE,
    Records,
    channel_table,
    network,
    noise,
    noise_source,
    objects,
    small_settings,
)


def test_energy_from_a_to_b_is_at_positive_lag(tmp_path: Path) -> None:
    source = noise_source(4, 1)  # the common noise reaches channel k 2k samples late
    summary = correlate(source.table, small_settings(), source, tmp_path, DAY)
    data = open_correlations(tmp_path).load()
    assert data.lag.values == pytest.approx(np.arange(-120, 121) / RATE)
    assert summary.totals() | {"seconds": 0} == {
        "days": 1, "days_without_pairs": 0, "pairs": 6, "windows": 6 * 96, "channel_days": 4, "seconds": 0,
    }  # fmt: skip
    for name, ccf in zip(data.pair.values, data.ccf.values[:, 0], strict=True):
        a, b = (int(channel.split(".")[1][1:]) for channel in name.split("_"))
        assert data.lag.values[ccf.argmax()] == 2 * (b - a) / RATE
        assert ccf.max() == pytest.approx(phase_coherency(0.5), abs=0.03)  # half of the power is common to all


def test_unwhitened_correlation_is_the_mean_of_a_times_b(tmp_path: Path) -> None:
    """Windows, taper, zero-padding, band and scale of the whole job against a float64 loop over windows."""
    settings = small_settings(whiten="none", freqmin=0.2, cc_len=600.0, cc_step=300.0)
    source = noise_source(2, 1)
    correlate(source.table, settings, source, tmp_path, DAY)
    found = open_correlations(tmp_path).ccf.values[0, 0]

    n, step, length, half = 2400, 1200, 4096, 120
    taper = tukey(n, 2 * settings.taper)
    weight = band_weight(np.fft.rfftfreq(length, 1 / RATE), settings, RATE / 2)
    total = np.zeros(2 * half + 1)
    starts = range(0, 345_600 - n + 1, step)
    a, b = (noise(c, DAY_START).astype(float) for c in (0, 1))
    for first in starts:
        x, y = (np.fft.rfft(taper * s[first : first + n], length) * weight for s in (a - a.mean(), b - b.mean()))
        ccf = np.fft.irfft(x.conj() * y, length) / np.sum(taper**2)
        total += np.concatenate([ccf[-half:], ccf[: half + 1]])
    wanted = total / len(starts)
    # The records are filtered before they are cut into windows, which the loop does not do: that reaches the ends.
    assert np.linalg.norm(found - wanted) < 0.02 * np.linalg.norm(wanted)
    assert open_correlations(tmp_path)["count"].values[0, 0] == len(starts) == settings.n_windows


@pytest.mark.parametrize(
    "changes",
    [
        {"measure": "coherency"},
        {"measure": "deconvolution"},
        {"measure": "pcc", "whiten": "none"},
        {"time_norm": "one-bit"},
        {"time_norm": "ram", "whiten": "running-mean"},
        {"measure": "pcc", "whiten": "none", "keep": "substack", "substack_len": 21_600},
        {"measure": "deconvolution", "keep": "window", "cc_len": 3600, "cc_step": 3600},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_every_measure_finds_the_delay(tmp_path: Path, changes: dict) -> None:
    source = noise_source(3, 1)
    correlate(source.table, small_settings(**changes), source, tmp_path, DAY)
    data = open_correlations(tmp_path).load()
    mean = data.ccf.values.mean(axis=1)
    for name, ccf in zip(data.pair.values, mean, strict=True):
        a, b = (int(channel.split(".")[1][1:]) for channel in name.split("_"))
        assert data.lag.values[ccf.argmax()] == 2 * (b - a) / RATE


def test_neither_threads_nor_memory_change_the_result(tmp_path: Path) -> None:
    source, settings = noise_source(12, 1), small_settings()
    results = []
    for number, (workers, memory_gb) in enumerate([(1, 4.0), (5, 4.0), (2, 0.0105)]):
        correlate(source.table, settings, source, tmp_path / str(number), DAY, workers=workers, memory_gb=memory_gb)
        results.append(objects(tmp_path / str(number)))
    assert results[0] == results[1] == results[2]


def test_too_little_memory_is_refused_with_the_numbers(tmp_path: Path) -> None:
    source = noise_source(4, 1)
    with pytest.raises(
        InputError,
        match=r"smallest part of a day takes 0\.0\d+ GB for 6 pairs of 4 .*memory limit is 0\.001 GB.*raise --memory",
    ):
        correlate(source.table, small_settings(), source, tmp_path, DAY, memory_gb=0.001)
    assert not list(tmp_path.iterdir())


def test_progress_counts_channels_and_pairs_of_every_day(tmp_path: Path) -> None:
    source, steps = noise_source(3, 2), list[Progress]()
    correlate(source.table, small_settings(), source, tmp_path, DAY, "2024-03-02", progress=steps.append)
    assert [(s.day, s.days_done) for s in steps] == [(DAY, 0)] * 4 + [("2024-03-02", 1)] * 4
    assert {(s.days, s.channels, s.pairs) for s in steps} == {(2, 3, 3)}
    assert [s.channels_done for s in steps[:4]] == [1, 2, 3, 3]
    assert [s.pairs_done for s in steps[:4]] == [0, 0, 0, 3]


# --- the days ---


def test_days_are_utc_and_the_last_is_included() -> None:
    assert list(day_range("2024-02-28", "2024-03-01").strftime("%d")) == ["28", "29", "01"]
    assert len(day_range("2024-02-28T13:00", None)) == 1
    assert day_range(pd.Timestamp("2024-02-28 01:00", tz="Asia/Tokyo"), None)[0] == pd.Timestamp("2024-02-27")


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2024-02-30", None, "start '2024-02-30'.*write days as 2019-02-03"),
        ("yesterday-ish", None, "write days as"),
        ("", None, "write days as"),
        ("2024-03-02", "2024-03-01", "the last day 2024-03-01 is before the first 2024-03-02"),
        ("2024-03-02", "2400-01-01", "write days as"),
    ],
)
def test_days_that_cannot_be_are_refused(start: str, end: str | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        day_range(start, end)


@pytest.mark.parametrize(
    ("keep", "sizes"),
    [("day", [189]), ("window", [1] * 189), ("substack", [8] * 23 + [5])],
)
def test_windows_are_grouped_by_the_time_of_their_start(keep: str, sizes: list[int]) -> None:
    settings = CorrelationSettings(keep=keep, substack_len=3600)
    groups = window_groups(settings, make_plan(settings))
    assert [g.stop - g.start for g in groups] == sizes
    assert all(a.stop == b.start for a, b in pairwise(groups))


# --- the channels ---


def test_places_come_from_the_list_then_the_metadata_then_the_source(tmp_path: Path) -> None:
    source = network("stations=2,rate=4,seed=8")
    bare = source.table[["network", "station", "location", "channel"]]
    columns = ["latitude_a", "longitude_b", "elevation_a_m", "sensor_dip_b_deg", "distance_km"]
    wanted = source.table
    for name, table, settings in (
        ("metadata", bare, small_settings(response="VEL")),
        ("source", bare, small_settings()),
        ("list", wanted, small_settings()),
    ):
        correlate(table, settings, source, tmp_path / name, DAY)
        found = open_correlations(tmp_path / name)[columns].to_dataframe().iloc[0]
        assert found["latitude_a"] == wanted["latitude"][0], name
        assert found["longitude_b"] == wanted["longitude"][1], name
        assert found["elevation_a_m"] == wanted["elevation_m"][0], name
        assert found["sensor_dip_b_deg"] == -90, name
        assert 0 < found["distance_km"] < 50, name


def test_order_and_repetition_of_channels_do_not_matter(tmp_path: Path) -> None:
    source = noise_source(3, 1)
    shuffled = pd.concat([source.table[::-1], source.table]).reset_index(drop=True)
    correlate(source.table, small_settings(), source, tmp_path / "a", DAY)
    correlate(shuffled, small_settings(), source, tmp_path / "b", DAY)
    assert objects(tmp_path / "a") == objects(tmp_path / "b")


def test_distance_limits_and_autocorrelations(tmp_path: Path) -> None:
    source = noise_source(4, 1)
    settings = small_settings(max_distance_km=20.0, autocorrelations=True)
    correlate(source.table, settings, source, tmp_path, DAY)
    data = open_correlations(tmp_path).load()
    own = data.channel_a == data.channel_b
    assert own.sum() == 4
    assert (data.distance_km.values[~own] > 10).all()
    assert (data.distance_km.values[~own] < 20).all()
    assert data.sizes["pair"] == 7
    assert data.ccf.sel(lag=0).values[own.values] == pytest.approx(1.0, abs=1e-6)


def test_responses_are_asked_for_when_there_are_none(tmp_path: Path) -> None:
    source = noise_source(2, 1)
    with pytest.raises(InputError, match=r"records: holds no instrument responses.*--inventory.*response to none"):
        correlate(source.table, small_settings(response="VEL"), source, tmp_path, DAY)


def test_units_say_what_the_amplitudes_are(tmp_path: Path) -> None:
    source = noise_source(2, 1)
    for name, changes, units in (
        ("white", {}, "1"),
        ("raw", {"whiten": "none"}, "count**2"),
        ("bits", {"whiten": "none", "time_norm": "one-bit"}, "1"),
    ):
        correlate(source.table, small_settings(**changes), source, tmp_path / name, DAY)
        assert open_correlations(tmp_path / name).ccf.attrs["units"] == units


# --- what is reported ---


def test_summary_is_printed_and_written_for_programs(tmp_path: Path) -> None:
    source = noise_source(3, 2)
    name = channel_ids(source.table)[1]
    del source.held[name, DAY_START]
    half = source.held[name, DAY_START + DAY_NS].segments[0]
    source.held[name, DAY_START + DAY_NS] = Record([Segment(half.start_ns, RATE, half.data[:172_800])], ["a note: x"])
    summary = correlate(source.table, small_settings(), source, tmp_path, DAY, "2024-03-02")

    table = pd.read_csv(tmp_path / "problems.csv")
    assert table.to_dict("records") == [
        {"day": DAY, "channel": name, "message": "no data: the source has none for this day", "unused": True, "failed": False},
        {"day": "2024-03-02", "channel": name, "message": "a note: x", "unused": False, "failed": False},
        {"day": "2024-03-02", "channel": name, "message": "part of a day: usable data end at 12:00:00", "unused": False, "failed": False},
    ]  # fmt: skip
    written = json.loads((tmp_path / "summary.json").read_text())
    assert written == summary.to_json()
    assert [d["pairs"] for d in written["days"]] == [1, 3]
    assert [d["windows"] for d in written["days"]] == [96, 96 + 2 * 48]
    assert written["totals"]["channel_days"] == 5
    text = str(summary)
    assert text.splitlines()[0].startswith("3 pairs on 2 days, 288 pair windows from 5 channel-days")
    assert f"{name}" in text
    assert "NOT USED, no data" in text


def test_a_long_summary_is_cut_and_says_so() -> None:
    many = [Problem(f"XX.S{i:03d}..MHZ", f"gap: {i} s") for i in range(LINES + 7)]
    text = str(Summary("w", [DayReport("2024-03-01", problems=many), DayReport("2024-03-02", problems=many[:1])]))
    assert len(text.splitlines()) == 2 + LINES + 1
    assert "... and 7 more lines" in text
    assert re.search(r"XX\.S000\.\.MHZ +2 days from 2024-03-01 +gap: 0 s", text)


def test_channels_that_share_a_problem_share_a_line() -> None:
    same = [Problem(f"XX.S{i:03d}..MHZ", "no data: none", unused=True) for i in range(30)]
    lines = str(Summary("w", [DayReport("2024-03-01", problems=same)])).splitlines()
    assert len(lines) == 3
    assert re.search(r"30 channels +2024-03-01 +NOT USED, no data: none \(XX\.S000\.\.MHZ, \.\.\.\)", lines[2])


def test_a_day_without_any_pair_is_reported_and_empty(tmp_path: Path) -> None:
    source = noise_source(2, 1)
    summary = correlate(source.table, small_settings(), source, tmp_path, "2024-02-29", DAY)
    assert [d.pairs for d in summary.days] == [0, 1]
    assert summary.totals()["days_without_pairs"] == 1
    data = open_correlations(tmp_path).load()
    assert np.isnan(data.ccf.values[0, 0]).all()
    assert data["count"].values.tolist() == [[0, 96]]


def test_a_source_that_fails_for_everything_stops_the_run(tmp_path: Path) -> None:
    source = noise_source(3, 1)
    source.held = {key: SourceError(f"server of {key[0]} is down") for key in source.held}
    with pytest.raises(
        SourceError, match=rf"{DAY}: records: failed for the first 3 channels: server of XX.S00..MHZ is"
    ):
        correlate(source.table, small_settings(), source, tmp_path, DAY)
    assert not list((tmp_path).glob("done/*"))


def test_one_channel_is_not_enough(tmp_path: Path) -> None:
    source = Records({}, channel_table(1))
    with pytest.raises(InputError, match=r"no pairs left of 1 channels.*two stations"):
        correlate(source.table, small_settings(), source, tmp_path, DAY)


def test_a_device_that_is_not_there_is_refused_before_any_work(tmp_path: Path) -> None:
    source = noise_source(2, 1)
    with pytest.raises(InputError, match="gpu9"):
        correlate(source.table, small_settings(), source, tmp_path, DAY, device="gpu9")
    assert not source.asked
