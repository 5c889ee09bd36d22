"""Association by likelihood, from picks of known events to a catalogue."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from seisloom.associate import parts as parts_module
from seisloom.associate.first_guess import twin_weights
from seisloom.associate.job import JobSettings, Result, associate_picks, make_study
from seisloom.associate.likelihood import LikelihoodSettings, associate_likelihood, learn_lessons
from seisloom.associate.network import Region
from seisloom.associate.outputs import write_result
from seisloom.associate.plane import distances_km
from seisloom.associate.scenario import Scenario
from seisloom.associate.score import Score, match_events, score
from seisloom.associate.simulate import Simulation, pick_table, simulate
from seisloom.associate.study import Study
from seisloom.associate.synthetic import CRUST, synthetic_sites
from seisloom.associate.trust import shaken
from seisloom.catalog import Catalog
from seisloom.errors import InputError, SettingsError
from seisloom.picks import PickArrays
from seisloom.traveltime import VelocityModel, travel_times

REGION = Region(42.7, 43.3, 12.6, 13.4, 0.0, 20.0)
MIN_PICKS = 8
HOUR = Scenario(duration_s=3600.0, events_per_hour=50)


class Stream(NamedTuple):
    """Picks of known events."""

    study: Study
    truth: Simulation
    table: pd.DataFrame

    def associated(self, table: pd.DataFrame | None = None, **settings: object) -> Result:
        return associate(self.study.sites, self.table if table is None else table, **settings)

    def score(self, result: Result) -> Score:
        return score(event_of_pick(result.catalog, len(self.table)), self.truth.event, MIN_PICKS)


def associate(sites: pd.DataFrame, table: pd.DataFrame, **settings: object) -> Result:
    return associate_picks(table, sites, CRUST, JobSettings(**{"region": REGION, **settings}))  # type: ignore[arg-type]


def stream(scenario: Scenario, n_stations: int = 14, seed: int = 4) -> Stream:
    rng = np.random.default_rng(seed)
    study = make_study(synthetic_sites("local", n_stations, rng), CRUST, REGION)
    truth = simulate(scenario, study.network, study.times, rng)
    return Stream(study, truth, pick_table(truth.picks, study.network))


def event_of_pick(catalog: Catalog, n: int) -> np.ndarray:
    event = np.full(n, -1)
    event[catalog.assignments["pick_index"]] = catalog.assignments["event_id"]
    return event


def same(one: Result, other: Result) -> None:
    pd.testing.assert_frame_equal(one.catalog.events, other.catalog.events)
    pd.testing.assert_frame_equal(one.catalog.assignments, other.catalog.assignments)


@pytest.fixture(scope="module")
def hour() -> Stream:
    return stream(HOUR)


@pytest.fixture(scope="module")
def found(hour: Stream) -> Result:
    return hour.associated()


def test_events_and_picks_of_a_stream_are_found(hour: Stream, found: Result) -> None:
    reached = hour.score(found)
    assert reached.true_events > 40
    assert reached.event_f1 > 0.95
    assert reached.pick_f1 > 0.93
    assert found.report.events == len(found.catalog.events)


@pytest.mark.parametrize(
    ("scenario", "event_f1", "pick_f1"),
    [
        (Scenario(duration_s=1200, events_per_hour=90, noise_ratio=3.0), 0.9, 0.88),
        (Scenario(duration_s=1200, events_per_hour=90, burst_share=0.6), 0.9, 0.88),
        (Scenario(duration_s=600, events_per_hour=400, noise_ratio=0.3), 0.9, 0.85),
    ],
    ids=["much noise", "bursts", "many events"],
)
def test_hard_streams(scenario: Scenario, event_f1: float, pick_f1: float) -> None:
    hard = stream(scenario)
    reached = hard.score(hard.associated())
    assert reached.event_f1 > event_f1
    assert reached.pick_f1 > pick_f1


def test_order_of_picks_and_stations_means_nothing(hour: Stream, found: Result, rng: np.random.Generator) -> None:
    table, sites = (
        t.sample(frac=1.0, random_state=int(rng.integers(1000))).reset_index(drop=True)
        for t in (hour.table, hour.study.sites)
    )
    assert not table.equals(hour.table)
    same(associate(sites, table), found)


def test_number_of_threads_means_nothing(hour: Stream, found: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    same(hour.associated(n_threads=2), found)
    monkeypatch.setattr(parts_module, "_PART_PICKS", 200)
    same(hour.associated(n_threads=3), hour.associated())


def test_parts_give_the_events_of_the_whole(hour: Stream, found: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "_PART_PICKS", 100)
    made = []
    make_part = parts_module.make_part
    monkeypatch.setattr(
        parts_module, "make_part", lambda *given, **more: made.append(given) or make_part(*given, **more)
    )
    cut = hour.associated()
    assert len(made) >= 4
    n = len(hour.table)
    mine, true, _ = match_events(event_of_pick(cut.catalog, n), event_of_pick(found.catalog, n))
    assert len(mine) >= 0.97 * max(len(cut.catalog.events), len(found.catalog.events))
    # What is learned differs a little, and with it a doubtful pick here and there.
    origins = [r.catalog.events.set_index("event_id")["time"] for r in (cut, found)]
    apart = np.abs((origins[0].loc[mine].to_numpy() - origins[1].loc[true].to_numpy()) / np.timedelta64(1, "s"))
    assert np.mean(apart < 0.05) > 0.9
    assert apart.max() < 0.5


def test_what_was_learned_can_be_handed_on(hour: Stream) -> None:
    picks, settings = hour.truth.picks, LikelihoodSettings()
    whole = associate_likelihood(picks, hour.study.network, hour.study.times, settings)
    lessons = learn_lessons(picks, hour.study.network, hour.study.times, settings)
    handed = associate_likelihood(picks, hour.study.network, hour.study.times, settings, lessons=lessons)
    assert handed.model == lessons.model
    assert np.array_equal(handed.model.delay_s, whole.model.delay_s)
    assert handed.needed == whole.needed
    assert len(handed.events) == pytest.approx(len(whole.events), abs=1)


def test_events_have_the_picks_that_are_asked_for(hour: Stream, found: Result) -> None:
    events = hour.associated(min_picks=14, min_p=8, min_s=6).catalog.events
    assert 0 < len(events) < len(found.catalog.events)
    assert events["n_picks"].min() >= 14
    assert events["n_p"].min() >= 8
    assert events["n_s"].min() >= 6


def test_least_evidence_and_false_events_are_kept(hour: Stream, found: Result) -> None:
    # What many explain together may fall a little below what each needed when the others were judged.
    assert hour.associated(min_evidence=50.0).catalog.events["evidence"].min() > 45.0
    many, few = (hour.associated(false_events_per_day=n).report.learned for n in (100.0, 0.01))
    assert many["needed_evidence"] < few["needed_evidence"]
    assert few["needed_evidence"] >= np.log(86_400.0 / 0.01) - 0.01  # as if chance had one trial a second
    assert few["false_events_per_day_above_needed"] <= 0.01
    assert found.report.learned["needed_evidence"] == pytest.approx(found.judged.needed.evidence, abs=0.01)


def test_shaken_picks_hold_no_events(hour: Stream, found: Result, rng: np.random.Generator) -> None:
    data = found.judged.data
    n = len(data.picks.time_s)
    all_of_them = data._replace(explained=np.zeros(n))
    moved = shaken(all_of_them, np.ones(n), 3600.0, 0.25, rng).picks
    order = np.argsort(moved.time_s, kind="stable")
    station, phase = (moved.channel[order] // 2).astype(np.int32), (moved.channel[order] % 2).astype(np.int8)
    picks = PickArrays(moved.time_s[order], station, phase, np.full(n, 0.5, np.float32), np.arange(n), 0)
    false = associate_likelihood(picks, hour.study.network, hour.study.times)
    assert len(false.events) <= 1
    assert len(found.catalog.events) > 40


def test_false_probabilities_are_of_events_that_are_there(found: Result) -> None:
    events = found.catalog.events.sort_values("evidence")
    assert events["false_probability"].between(0, 1).all()
    assert events["false_probability"].is_monotonic_decreasing
    assert events["false_probability"].iloc[-1] < 1e-6
    assert (events["evidence"] > 0).all()
    of_picks = found.catalog.assignments["probability"]
    assert of_picks.between(0.0, 1.0, inclusive="right").all()
    assert of_picks.median() > 0.9


def test_every_pick_has_a_fate(hour: Stream, found: Result) -> None:
    fates = found.report.fates
    assert sum(fates.values()) == len(hour.table)
    assert fates["used"] == len(found.catalog.assignments) == found.catalog.events["n_picks"].sum()
    assert len(found.unassociated) == len(hour.table) - fates["used"]


def test_an_expected_pick_that_is_not_there_is_missing(hour: Stream, found: Result) -> None:
    assigned = found.catalog.assignments.merge(hour.table[["pick_index", "station"]], on="pick_index")
    for row in found.catalog.events.itertuples():
        own = assigned[assigned["event_id"] == row.event_id]
        has = set(own["station"] + " " + own["phase"])
        assert not has & set(row.missing.split("; "))
        assert len(has) == row.n_picks
    best = found.catalog.events.nlargest(1, "evidence").iloc[0]
    own = assigned[(assigned["event_id"] == best["event_id"]) & (assigned["phase"] == "P")]
    nearest = own.nsmallest(1, "distance_km").iloc[0]
    without = hour.associated(hour.table[hour.table["pick_index"] != nearest["pick_index"]]).catalog.events
    same_event = without.iloc[(without["time"] - best["time"]).abs().argmin()]
    assert f"{nearest['station']} P" in same_event["missing"].split("; ")
    assert same_event["evidence"] < best["evidence"]


def test_wrong_labels_are_recognised() -> None:
    clean = stream(Scenario(duration_s=2400, events_per_hour=60, swap_share=0.0))
    rng = np.random.default_rng(8)
    wrong = (rng.random(len(clean.table)) < 0.1) & (clean.truth.event >= 0)
    table = clean.table.copy()
    table.loc[wrong, "phase"] = table.loc[wrong, "phase"].map({"P": "S", "S": "P"})
    result = clean.associated(table)
    assert clean.score(result).event_f1 > 0.93
    taken = result.catalog.assignments.set_index("pick_index")["phase"].sort_index()
    renamed = taken != table["phase"].loc[taken.index]
    right = taken == clean.table["phase"].loc[taken.index]
    is_wrong = wrong[taken.index]
    assert np.count_nonzero(is_wrong) > 0.7 * np.count_nonzero(wrong)
    assert right[is_wrong].mean() > 0.95
    assert renamed[~is_wrong].mean() < 0.01
    assert result.report.learned["wrong_label_share"] == pytest.approx(0.1, abs=0.035)


def test_delays_and_errors_are_those_of_the_simulation(hour: Stream, found: Result) -> None:
    sigma = found.report.learned["sigma_s"]
    assert sigma["P"] == pytest.approx(HOUR.error_p_s, rel=0.35)
    assert sigma["S"] == pytest.approx(HOUR.error_s_s, rel=0.35)


def test_a_clock_that_is_off_is_named(hour: Stream, found: Result) -> None:
    assert found.report.warnings == []
    station = hour.study.network.ids[5]
    table = hour.table.copy()
    table.loc[table["station"] == station, "time"] += pd.Timedelta("1s")
    result = hour.associated(table)
    assert hour.score(result).event_f1 > 0.93
    [warning] = [text for text in result.report.warnings if "clock" in text]
    assert warning.startswith(f"station {station}: picks come ")
    late = re.search(r"come ([\d.]+) s late in P and S alike: check its clock", warning)
    assert float(late[1]) == pytest.approx(1.0, abs=0.25)


def test_picks_of_twin_stations_are_no_more_evidence(hour: Stream, found: Result) -> None:
    sites = hour.study.sites
    twins = sites.iloc[::3].assign(station=lambda table: table["station"] + "B")
    copies = hour.table[hour.table["station"].isin(sites["station"].iloc[::3])]
    copies = copies.assign(station=copies["station"] + "B", pick_index=copies["pick_index"] + 100_000)
    with_twins = associate(pd.concat([sites, twins]), pd.concat([hour.table, copies])).catalog.events
    both = pd.merge_asof(with_twins, found.catalog.events, on="time", tolerance=pd.Timedelta("1s"), direction="nearest")
    ratio = (both["evidence_x"] / both["evidence_y"]).dropna()
    assert len(ratio) == len(found.catalog.events)
    assert ratio.between(0.85, 1.15).mean() > 0.95
    assert ratio.between(0.75, 1.25).all()
    assert ratio.median() == pytest.approx(1.0, abs=0.05)


def test_stations_at_one_place_share_a_vote() -> None:
    x, y, depth = np.array([0.0, 0.0, 0.05, 3.0, 0.0]), np.zeros(5), np.array([0.0, 0.0, 0.0, 0.0, 0.8])
    assert twin_weights(distances_km(x, y, x, y), depth) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1, 1])


def test_magnitudes_where_picks_have_amplitudes(hour: Stream, found: Result) -> None:
    assert found.catalog.events["magnitude"].isna().all()
    assert found.report.magnitudes is None
    seen = hour.truth.event >= 0
    magnitude = hour.truth.events["magnitude"].to_numpy()[hour.truth.event]
    place = hour.truth.events.iloc[hour.truth.event]
    network = hour.study.network
    station = hour.truth.picks.station
    x, y = place["x_km"].to_numpy(), place["y_km"].to_numpy()
    far = np.hypot(np.hypot(x - network.x_km[station], y - network.y_km[station]), place["depth_km"].to_numpy())
    # Hutton and Boore (1987), amplitudes in m on a seismograph of magnification 1.
    log_mm = magnitude - 1.11 * np.log10(far / 100) - 0.00189 * (far - 100) - 3.0
    table = hour.table.assign(amplitude_m=np.where(seen, 10**log_mm / 2080 / 1000, np.nan))
    result = hour.associated(table)
    ids, true_ids, _ = match_events(event_of_pick(result.catalog, len(table)), hour.truth.event)
    of_events = result.catalog.events.set_index("event_id")["magnitude"].loc[ids].to_numpy()
    assert np.median(np.abs(of_events - hour.truth.events["magnitude"].to_numpy()[true_ids])) < 0.15
    assert result.report.magnitudes is not None
    assert hour.associated(table, magnitude="none").catalog.events["magnitude"].isna().all()


def test_report_for_people_and_for_programs(found: Result, tmp_path: Path) -> None:
    write_result(found, tmp_path)
    text, report = (tmp_path / "report.txt").read_text(), json.loads((tmp_path / "report.json").read_text())
    needed = report["learned"]["needed_evidence"]
    assert f"an event needs an evidence of {needed:.1f} (log likelihood ratio)" in text
    assert f"{report['events']} events (quality A" in text
    assert set(report["learned"]["stations"]) == set(found.study.network.ids)
    assert report["learned"]["silent_stations"] == []
    assert report["magnitudes"] is None
    assert report["fates"] == found.report.fates
    for name in ("events.csv", "assignments.csv"):
        assert "nan" not in (tmp_path / name).read_text().lower()


def test_without_learning_first_values_stay(hour: Stream) -> None:
    result = hour.associated(learn=False)
    assert result.report.learned["sigma_s"] == {"P": 0.15, "S": 0.27}
    assert not np.any(result.judged.model.delay_s)
    assert hour.score(result).event_f1 > 0.85


def test_progress_is_told(hour: Stream) -> None:
    told: list[tuple[str, int, int]] = []
    associate_picks(
        hour.table, hour.study.sites, CRUST, JobSettings(region=REGION), progress=lambda *one: told.append(one)
    )
    assert told
    assert all(0 <= done <= total for _, done, total in told)


def written(result: Result, folder: Path) -> pd.DataFrame:
    """events.csv, after a look for numbers that are none."""
    write_result(result, folder)
    for name in ("events.csv", "assignments.csv", "report.json"):
        assert not re.search(r"\b(nan|inf)\b", (folder / name).read_text(), re.IGNORECASE), name
    return pd.read_csv(folder / "events.csv")


def test_noise_holds_no_events(hour: Stream, tmp_path: Path) -> None:
    noise = hour.table[hour.truth.event < 0]
    assert len(written(hour.associated(noise), tmp_path)) <= 1


@pytest.mark.parametrize("n", [1, 3, 10])
def test_a_handful_of_picks(hour: Stream, n: int, tmp_path: Path) -> None:
    assert len(written(hour.associated(hour.table.iloc[:: len(hour.table) // n][:n], min_picks=1), tmp_path)) == 0


def test_no_picks(hour: Stream) -> None:
    with pytest.raises(InputError):
        hour.associated(hour.table.iloc[:0])


def test_one_station_has_not_enough_channels(hour: Stream) -> None:
    mine = hour.table[hour.table["station"] == hour.study.network.ids[0]]
    with pytest.raises(InputError, match="no event can have more than 2"):
        hour.associated(mine)


def test_one_station_by_itself(hour: Stream, tmp_path: Path) -> None:
    mine = hour.study.network.ids[0]
    sites, table = hour.study.sites, hour.table
    result = associate(sites[sites["station"] == mine], table[table["station"] == mine].iloc[:20], min_picks=2)
    assert len(written(result, tmp_path)) == 0


def test_nodes_are_not_many_where_stations_stand_close_together(hour: Stream) -> None:
    sites = hour.study.sites.iloc[:5].assign(latitude=43.0 + 0.001 * np.arange(5), longitude=13.0)
    table = hour.table[hour.table["station"].isin(sites["station"])].iloc[:100]
    width = 1.4 * 66.0
    assert associate(sites, table, min_picks=4).report.learned["grid_spacing_km"] > width / 50


@pytest.mark.parametrize("phase", ["P", "S"])
def test_one_phase_is_enough(hour: Stream, phase: str, tmp_path: Path) -> None:
    mine = hour.table["phase"] == phase
    result = hour.associated(hour.table[mine], min_picks=6)
    events = written(result, tmp_path)
    assert (events["n_s" if phase == "P" else "n_p"] == 0).all()
    reached = score(event_of_pick(result.catalog, len(mine))[mine], hour.truth.event[mine], 6)
    assert reached.event_precision > 0.9
    assert reached.event_recall > 0.75


def test_five_stations(tmp_path: Path) -> None:
    few = stream(Scenario(duration_s=1800, events_per_hour=40, noise_ratio=0.3, radius_min_km=60.0), 5)
    result = few.associated(min_picks=6)
    assert len(written(result, tmp_path)) > 10
    reached = score(event_of_pick(result.catalog, len(few.table)), few.truth.event, 6)
    assert reached.event_f1 > 0.85


def test_a_region_deeper_than_the_velocity_model(tmp_path: Path) -> None:
    shallow = VelocityModel(np.array([0.0, 10.0]), np.array([5.0, 6.0]), np.array([2.9, 3.4]), "two layers")
    region = Region(42.7, 43.3, 12.6, 13.4, 0.0, 80.0)
    sites = synthetic_sites("local", 10, np.random.default_rng(2))
    study = make_study(sites, shallow, region)
    network = study.network
    station, phase = np.repeat(np.arange(10), 2), np.tile([0, 1], 10)
    far = distances_km(np.array([4.0]), np.array([-6.0]), network.x_km, network.y_km)[0][station]
    travel = travel_times(study.times, phase, station, far, np.full(20, 60.0))
    start = pd.Timestamp("2024-02-29T23:59:55Z")
    table = pd.DataFrame(
        {
            "station": np.array(network.ids)[station], "phase": np.array(["P", "S"])[phase],
            "time": start + pd.to_timedelta(travel, unit="s"), "probability": 0.9, "pick_index": np.arange(20),
            "duration_s": np.nan,
        }
    )  # fmt: skip
    events = written(associate_picks(table, sites, shallow, JobSettings(region=region)), tmp_path)
    assert len(events) == 1
    assert events["n_picks"][0] == 20
    assert events["depth_km"][0] == pytest.approx(60.0, abs=2.0)
    assert abs(pd.Timestamp(events["time"][0]) - start) < pd.Timedelta("0.3s")


def test_settings_that_cannot_be() -> None:
    for name, value, said in (
        ("min_evidence", math.nan, "min_evidence is nan; it must be a number"),
        ("spacing_km", math.inf, "spacing_km is inf; it must be a number"),
        ("min_p", -3, "min_p is -3; it must not be negative"),
        ("seed", -1, "seed is -1; it must not be negative"),
    ):
        with pytest.raises(SettingsError, match=said):
            LikelihoodSettings(**{name: value})
    with pytest.raises(SettingsError, match="min_picks is 0; it must be positive"):
        LikelihoodSettings(min_picks=0)
    with pytest.raises(SettingsError, match="false_events_per_day is -1; it must be positive"):
        LikelihoodSettings(false_events_per_day=-1.0)


def test_an_unknown_method(hour: Stream) -> None:
    with pytest.raises(InputError, match="method 'guess' is unknown: use likelihood or phaselink"):
        hour.associated(method="guess")
