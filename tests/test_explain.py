"""What `seisloom explain` says of picks and times whose truth is known."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from seisloom.associate.by_likelihood import FATES, fates
from seisloom.associate.explain import explain_pick, explain_time
from seisloom.associate.explain_words import utc
from seisloom.associate.gather import LEAST_ODDS
from seisloom.associate.hypothesis import N_COLUMNS, RADIUS, RADIUS_S
from seisloom.associate.job import JobSettings, Result, associate_picks, make_study
from seisloom.associate.lacking import describe, stretch, weigh
from seisloom.associate.network import Region
from seisloom.associate.outputs import EVIDENCE, write_result
from seisloom.associate.plane import distances_km
from seisloom.associate.state import State, read_state, state_of, write_state
from seisloom.associate.study import Study
from seisloom.errors import InputError
from seisloom.traveltime import PHASES, VelocityModel, travel_times
from tests.association import VP, VS, ring_sites
from tests.association_job import seisloom

Array = npt.NDArray[np.float64]

START_NS = 1_577_836_800_000_000_000
REGION = Region(42.7, 43.3, 12.6, 13.4, 0.0, 20.0)
EARTH = VelocityModel(np.array([0.0]), np.array([VP]), np.array([VS]))
SIGMA_S = (0.08, 0.15)


@dataclass
class Stream:
    """Picks that are added one after another; the number of a pick is its ``pick_index``."""

    study: Study
    rng: np.random.Generator
    rows: list[tuple[int, int, float, float]] = field(default_factory=list)

    def add(self, station: int, phase: int, time_s: float, probability: float = 0.8) -> int:
        self.rows.append((station, phase, time_s, probability))
        return len(self.rows) - 1

    def arrivals(self, place: tuple[float, float, float], time_s: float) -> tuple[Array, Array]:
        """Hypocentral distance (station,) and arrival times (station, phase) of a source."""
        network = self.study.network
        far = distances_km(np.array([place[0]]), np.array([place[1]]), network.x_km, network.y_km)[0]
        travel = travel_times(
            self.study.times, [[0, 1]], np.arange(network.n_stations)[:, None], far[:, None], place[2]
        )
        return np.hypot(far, place[2] + network.elevation_km), time_s + travel

    def event(
        self, place: tuple[float, float, float], time_s: float, radius_km: float = 200.0, p: float = 0.95
    ) -> dict[tuple[int, int], int]:
        """An event's picks by station and phase."""
        far, arrival = self.arrivals(place, time_s)
        made = {}
        for station, phase in np.ndindex(arrival.shape):
            if far[station] < radius_km and self.rng.random() < p:
                late = SIGMA_S[phase] * self.rng.standard_normal()
                made[station, phase] = self.add(station, phase, arrival[station, phase] + late)
        return made

    def table(self) -> pd.DataFrame:
        station, phase, time, probability = (np.array(column) for column in zip(*self.rows, strict=True))
        return pd.DataFrame(
            {
                "pick_index": np.arange(len(time)),
                "station": np.array(self.study.network.ids, object)[station],
                "phase": np.array(PHASES, object)[phase],
                "time": pd.to_datetime(START_NS + np.round(time * 1e9).astype(np.int64), utc=True),
                "probability": probability,
                "duration_s": np.nan,
            }
        )


@dataclass
class Truth:
    """A stream with an odd thing of each kind, associated."""

    stream: Stream
    result: Result
    state: State
    named: dict[str, int]
    """Picks by what is odd about them."""
    picks: dict[str, dict[tuple[int, int], int]]
    """Of events, by what is odd about those."""


def at(time_s: float) -> int:
    return START_NS + round(time_s * 1e9)


@pytest.fixture(scope="module")
def truth() -> Truth:
    rng = np.random.default_rng(7)
    sites = ring_sites(16)
    study = make_study(sites, EARTH, REGION, "flat")
    stream = Stream(study, rng)
    named, picks = {}, {}
    for k in range(30):
        place = (*rng.uniform(-20, 20, 2), rng.uniform(3, 15))
        picks[f"regular {k}"] = stream.event(place, 60.0 * k, 25.0 if k % 3 == 0 else 200.0)
    for time in rng.uniform(0.0, 3000.0, 300):
        stream.add(int(rng.integers(16)), int(rng.integers(2)), time, 0.4)
    _odd(stream, named, picks)
    result = associate_picks(stream.table(), sites, EARTH, JobSettings(region=REGION, earth="flat"))
    return Truth(stream, result, state_of(result), named, picks)


def _odd(stream: Stream, named: dict[str, int], picks: dict[str, dict[tuple[int, int], int]]) -> None:
    """One of each kind, a minute apart."""
    rng = stream.rng
    whole = picks["whole"] = stream.event((4.0, -6.0, 8.0), 2000.0, p=1.0)
    named["again"] = stream.add(3, 1, stream.rows[whole[3, 1]][2] + 0.4)
    named["chance"] = stream.add(6, 1, stream.rows[whole[6, 0]][2] + 0.5, 0.4)
    wrong = picks["wrong label"] = stream.event((-5.0, 3.0, 8.0), 2060.0, p=1.0)
    station, _, time, probability = stream.rows[wrong[5, 0]]
    stream.rows[wrong[5, 0]] = (station, 1, time, probability)
    few = stream.event((2.0, 9.0, 6.0), 2120.0, p=1.0)
    nearest = np.argsort(stream.arrivals((2.0, 9.0, 6.0), 0.0)[0])[:3]
    picks["few"] = {key: number for key, number in few.items() if key[0] in nearest}
    for key in few.keys() - picks["few"].keys():
        stream.rows[few[key]] = (*stream.rows[few[key]][:2], rng.uniform(0.0, 3000.0), 0.4)
    heard = np.argsort(stream.arrivals((0.0, 0.0, 8.0), 0.0)[0])[[1, 3, 6]]
    _, arrival = stream.arrivals((0.0, 0.0, 8.0), 2180.0)
    picks["holes"] = {(int(s), c): stream.add(int(s), c, arrival[s, c]) for s in heard for c in (0, 1)}
    x_km = stream.study.network.x_km
    picks["front"] = {
        (s, 0): stream.add(s, 0, 2560.0 + 0.09 * x_km[s] + 0.1 * rng.standard_normal()) for s in range(16)
    }
    picks["outside"] = stream.event((80.0, 10.0, 8.0), 2240.0, p=1.0)
    small = (6.0, 2.0, 6.0)
    picks["small"] = stream.event(small, 2300.0, 20.0, p=1.0)
    distance, arrival = stream.arrivals(small, 2300.0)
    named["too far"] = stream.add(int(np.argmax(distance)), 0, arrival[np.argmax(distance), 0])
    named["alone"] = stream.add(2, 0, 2420.0)
    for k in range(40):
        named["burst"] = stream.add(k % 16, 0, 2480.0 + 4.0 * rng.random(), 0.4)


def event_of(truth: Truth, name: str) -> int:
    """event_id that most picks of a planted event have."""
    rows = truth.result.catalog.assignments.set_index("pick_index")["event_id"]
    return int(rows.reindex(list(truth.picks[name].values())).dropna().mode().iloc[0])


def slot_of(state: State, pick_index: int) -> int:
    return int(np.flatnonzero(state.pick_index == pick_index)[0])


def planted(state: State, place: tuple[float, float, float], time_s: float) -> Array:
    """A hypothesis at a place, with the radii that suit it best."""
    event = np.full(N_COLUMNS, 10.0)
    event[:4] = *place, time_s - (state.reference_ns - START_NS) / 1e9
    weigh(state, stretch(state, -1e9, 1e9).alone, state.judged.box, event, 0)
    return event


def test_a_pick_that_is_used_says_by_which_event_and_how_surely(truth: Truth) -> None:
    number = truth.picks["whole"][4, 0]
    found = explain_pick(truth.state, number)
    event = event_of(truth, "whole")
    assert (found.fate, found.event_id, found.hypothesis) == ("used", event, None)
    assert (found.station, found.phase, found.time_ns) == ("XX.S04", "P", at(truth.stream.rows[number][2]))
    best = found.claims[0]
    assert (best.event_id, best.phase, best.has_it) == (event, "P", True)
    assert best.posterior == pytest.approx(truth.state.judged.assignment.posterior[slot_of(truth.state, number)])
    assert best.posterior == pytest.approx(best.odds / (1.0 + best.odds))  # no other event
    assert best.residual_s == pytest.approx(best.standard_errors * SIGMA_S[0], rel=0.5)
    distance, _ = truth.stream.arrivals((4.0, -6.0, 8.0), 2000.0)
    assert best.distance_km == pytest.approx(distance[4], abs=1.0)


def test_a_second_pick_of_a_station_names_the_better_one(truth: Truth) -> None:
    found = explain_pick(truth.state, truth.named["again"])
    assert found.fate == FATES[2]
    first = truth.picks["whole"][3, 1]
    assert found.claims[0].why == f"pick {first} of this station and phase fits the event better"
    assert f"pick {first} of this station" in str(found)


def test_a_wrong_label_is_said(truth: Truth) -> None:
    found = explain_pick(truth.state, truth.picks["wrong label"][5, 0])
    assert (found.phase, found.event_id) == ("S", event_of(truth, "wrong label"))
    assert found.claims[0].phase == "P"
    assert "as P: the label is taken for wrong" in str(found)
    assert {claim.why for claim in found.claims[1:] if claim.event_id == found.event_id} == {
        "the event has it as its P"
    }


def test_a_station_beyond_the_radius_of_detection(truth: Truth) -> None:
    found = explain_pick(truth.state, truth.named["too far"])
    claim = found.claims[0]
    assert (found.fate, found.event_id) == (FATES[0], None)
    assert (claim.event_id, claim.odds) == (event_of(truth, "small"), 0.0)
    assert abs(claim.standard_errors) < 4.0
    assert 20.0 < claim.reach_km < claim.distance_km
    assert claim.why == f"the station is too far: P of the event is not picked beyond {claim.reach_km:.0f} km"


def test_a_pick_that_chance_explains_better(truth: Truth) -> None:
    found = explain_pick(truth.state, truth.named["chance"])
    assert (found.fate, found.claims[0].why) == (FATES[1], "likelier by chance")
    assert 0.0 < found.claims[0].odds <= LEAST_ODDS


def test_a_pick_far_from_all_events(truth: Truth) -> None:
    found = explain_pick(truth.state, truth.named["alone"])
    assert (found.fate, found.claims, found.hypothesis) == (FATES[0], [], None)
    assert found.nearest is not None
    assert found.nearest.why == "too late"
    # The last event before is the small one at 2300 s.
    assert found.nearest.event_id == event_of(truth, "small")
    assert found.nearest.residual_s == pytest.approx(2420.0 - 2300.0, abs=10.0)
    assert "s too late" in str(found)


def test_a_burst_is_called_one(truth: Truth) -> None:
    found = explain_pick(truth.state, truth.named["burst"])
    # 40 picks in 4 s, and 15 s of the 3000 s that the picks last hold 1/200 of the others.
    assert found.noise.network > 10
    assert found.noise.per_hour > 5 * found.noise.usual_per_hour
    assert "(a burst)" in str(found)
    quiet = explain_pick(truth.state, truth.named["alone"])
    assert quiet.noise.network < 3
    assert "burst" not in str(quiet)


def test_fates_are_those_of_the_report(truth: Truth) -> None:
    expected = fates(truth.state.judged, truth.stream.study)
    for kind, fate in enumerate(FATES):
        for slot in np.flatnonzero(expected == kind)[::20]:
            assert explain_pick(truth.state, int(truth.state.pick_index[slot])).fate == fate


def test_too_few_picks(truth: Truth) -> None:
    found = explain_time(truth.state, at(2121.0))
    assert found.events == []
    best = found.hypotheses[0]
    assert abs(best.time_ns - at(2120.0)) < 0.5e9
    assert set(best.picks) == set(truth.picks["few"].values())
    assert (best.given, best.least) == ((6, 3, 3), (8, 0, 0))
    assert best.has_evidence
    assert best.reason == "6 picks of the 8 that are asked for (--min-picks)"
    of_pick = explain_pick(truth.state, next(iter(truth.picks["few"].values())))
    assert of_pick.hypothesis is not None
    assert of_pick.hypothesis.picks == best.picks


def test_too_few_picks_of_one_phase(truth: Truth) -> None:
    wanted = replace(truth.state, judged=replace(truth.state.judged, least=(4, 2, 5)))
    assert explain_time(wanted, at(2120.0)).hypotheses[0].reason == "3 S picks of the 5 that are asked for (--min-s)"


def test_silent_stations_take_evidence_away(truth: Truth) -> None:
    judged = replace(truth.state.judged, needed=truth.state.judged.needed._replace(evidence=200.0))
    state = replace(truth.state, judged=judged)
    event = planted(state, (0.0, 0.0, 8.0), 2180.0)
    one = describe(state, stretch(state, -1e9, 1e9), event)
    nearest = np.argsort(truth.stream.arrivals((0.0, 0.0, 8.0), 0.0)[0])
    silent = [f"{state.network.ids[s]} {phase}" for s in nearest[[0, 2, 4, 5]] for phase in PHASES]
    assert set(one.picks) == set(truth.picks["holes"].values())
    assert set(silent) <= set(one.missing)
    assert not {f"{state.network.ids[s]} {PHASES[c]}" for s, c in truth.picks["holes"]} & set(one.missing)
    prior = judged.model.radius_prior[event[[RADIUS, RADIUS_S]].astype(int)].sum()
    assert one.for_it + one.against_it + one.for_place + prior == pytest.approx(one.evidence_alone, abs=0.3)
    assert one.against_it < -8 * np.log(2.0)  # each was expected with more than one half
    assert one.reason.startswith(
        f"evidence {one.evidence:.1f} of the 200.0 that are needed: 6 picks say {one.for_it:.1f}"
    )
    assert f"{len(one.missing)} expected arrivals without a pick ({', '.join(one.missing[:8])}" in one.reason
    assert f"; events are usual there, which adds {one.for_place:.1f}" in one.reason


def test_what_lives_on_the_picks_of_an_event(truth: Truth) -> None:
    state = truth.state
    one = describe(state, stretch(state, -1e9, 1e9), planted(state, (3.0, -5.0, 8.0), 2000.1))
    number = event_of(truth, "whole")
    assert one.evidence_alone > one.needed > one.evidence
    assert list(one.shared) == [number]
    assert f"it lives on picks of event {number} ({one.shared[number]} of its {len(one.picks)})" in one.reason


def test_outside_the_region(truth: Truth) -> None:
    best = explain_time(truth.state, at(2240.0)).hypotheses[0]
    box = truth.state.judged.box
    assert best.beyond_km == pytest.approx(80.0 - box.high[0], abs=3.0)
    assert len(set(best.picks) & set(truth.picks["outside"].values())) >= 28
    assert best.reason.startswith(f"it lies {best.beyond_km:.0f} km outside where events are looked for")
    latitude, longitude = truth.state.network.geographic(np.array([80.0]), np.array([10.0]))
    asked = explain_time(truth.state, at(2240.0), (float(latitude[0]), float(longitude[0])))
    assert asked.beyond_km == pytest.approx(80.0 - box.high[0], abs=0.1)
    assert set(asked.hypotheses[0].picks) == set(best.picks)


def test_a_wave_from_far_away(truth: Truth) -> None:
    """With poor picks, a plane wave passes for an event below the network."""
    model = truth.state.judged.model._replace(sigma_s=np.array([1.0, 1.0]))
    state = replace(truth.state, judged=replace(truth.state.judged, model=model))
    one = describe(state, stretch(state, -1e9, 1e9), planted(state, (-8.0, 0.0, 20.0), 2560.0 - 26.0 / VP))
    assert len(set(one.picks) & set(truth.picks["front"].values())) >= 12
    assert one.front > one.evidence > one.needed
    assert one.reason.startswith("a wave from far away, or a burst at one instant, explains its picks better (evidence")


def test_a_time_with_an_event(truth: Truth) -> None:
    found = explain_time(truth.state, at(2001.0), within_s=2.0)
    row = truth.result.catalog.events.set_index("event_id").loc[event_of(truth, "whole")]
    (event,) = found.events
    assert event.time_ns == row["time"].value
    assert (event.latitude, event.longitude, event.n_picks) == (row["latitude"], row["longitude"], row["n_picks"])
    assert found.used[event.event_id] == event.n_picks == 32
    assert all(event.event_id not in one.shared for one in found.hypotheses)


def test_an_event_elsewhere_is_not_the_one_at_a_place(truth: Truth) -> None:
    found = explain_time(truth.state, at(2120.0), (42.75, 12.65))
    assert all(abs(one.latitude - 42.75) < 0.3 for one in found.hypotheses)
    few = set(truth.picks["few"].values())
    assert all(len(few & set(one.picks)) < 6 for one in found.hypotheses)


def test_what_cannot_be_explained(truth: Truth) -> None:
    with pytest.raises(InputError, match=r"pick 99999: not one of the \d+ picks .* from 0 to \d+"):
        explain_pick(truth.state, 99999)
    for far in (-7200.0, 7200.0):
        with pytest.raises(InputError, match=r"no event there could have a pick; the picks run from 2020-01-01T00:00"):
            explain_time(truth.state, at(far))
    with pytest.raises(InputError, match="place 143 12"):
        explain_time(truth.state, at(2000.0), (143.0, 12.0))


def test_round_trip(truth: Truth, tmp_path: Path) -> None:
    write_state(truth.state, tmp_path / EVIDENCE)
    again = read_state(tmp_path / EVIDENCE)
    one, other = truth.state.judged, again.judged
    assert one.model.seismicity.size > 1
    assert one.known.clear_events == other.known.clear_events >= 8
    for a, b in ((one.model, other.model), (one.box, other.box), (truth.state.times, again.times)):
        for name, value in a._asdict().items():
            np.testing.assert_array_equal(value, getattr(b, name), err_msg=name)
            assert np.asarray(value).dtype == np.asarray(getattr(b, name)).dtype, name
    for name in ("offsets", "time_s", "channel", "pick"):
        np.testing.assert_array_equal(getattr(one.data.picks, name), getattr(other.data.picks, name))
    np.testing.assert_array_equal(one.assignment.event, other.assignment.event)
    np.testing.assert_allclose(one.data.explained, other.data.explained, rtol=1e-12)
    np.testing.assert_allclose(one.data.noise, other.data.noise, rtol=1e-6)
    assert (one.needed, one.falsehood, one.least) == (other.needed, other.falsehood, other.least)
    assert again.network.ids == truth.state.network.ids
    for number in truth.named.values():
        assert str(explain_pick(again, number)) == str(explain_pick(truth.state, number))
    assert str(explain_time(again, at(2120.0))) == str(explain_time(truth.state, at(2120.0)))


def test_a_million_picks_stay_small(truth: Truth, tmp_path: Path) -> None:
    """Without the travel times, which do not grow with the picks."""
    write_state(truth.state, tmp_path / EVIDENCE)
    with np.load(tmp_path / EVIDENCE) as file:
        n = len(truth.state.pick_index)
        assert sum(file[name].nbytes for name in file.files if file[name].shape == (n,)) <= 40 * n


def test_files_that_cannot_be_used(truth: Truth, tmp_path: Path) -> None:
    path = tmp_path / EVIDENCE
    with pytest.raises(InputError, match=r"evidence.npz: not there.*--method likelihood"):
        read_state(tmp_path / EVIDENCE)
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"evidence.npz: cannot be read"):
        read_state(tmp_path / EVIDENCE)
    np.savez(path, about=np.array({"a": 1}, object))  # a pickle
    with pytest.raises(InputError, match=r"evidence.npz: cannot be read"):
        read_state(tmp_path / EVIDENCE)
    write_state(truth.state, path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(str(arrays["about"]))
    np.savez(path, **arrays | {"about": np.array(json.dumps(about | {"version": 99}))})
    with pytest.raises(InputError, match=r"version 99 .* reads version 4: associate again"):
        read_state(tmp_path / EVIDENCE)
    np.savez(path, **{name: value for name, value in arrays.items() if name != "model.sigma_s"})
    with pytest.raises(InputError, match=r"model.sigma_s"):
        read_state(tmp_path / EVIDENCE)


def test_without_any_event(truth: Truth, tmp_path: Path) -> None:
    settings = JobSettings(region=REGION, earth="flat", min_evidence=1e6)
    sites = truth.stream.study.sites
    write_result(associate_picks(truth.stream.table(), sites, EARTH, settings), tmp_path)
    state = read_state(tmp_path / EVIDENCE)
    number = truth.picks["whole"][4, 0]
    found = explain_pick(state, number)
    assert (found.fate, found.claims, found.nearest) == (FATES[0], [], None)
    assert found.hypothesis is not None
    assert "of the 1000000.0 that are needed" in found.hypothesis.reason
    assert "there is no event at all" in str(found)


def test_command(truth: Truth, tmp_path: Path) -> None:
    write_result(truth.result, tmp_path)
    number = truth.named["again"]
    said = seisloom("explain", tmp_path, "--pick", number)
    assert (said.code, said.out) == (0, f"{explain_pick(truth.state, number)}\n")
    said = seisloom("explain", tmp_path, "--pick", number, "--json")
    assert json.loads(said.out) == json.loads(
        json.dumps(explain_pick(read_state(tmp_path / EVIDENCE), number).to_json())
    )
    time = utc(at(2120.0))
    assert seisloom("explain", tmp_path, "--time", time).out == f"{explain_time(truth.state, at(2120.0))}\n"
    found = json.loads(seisloom("explain", tmp_path, "--time", time, "--within", 2, "--json").out)
    assert found["within_s"] == 2.0
    assert found["hypotheses"][0]["reason"].startswith("6 picks of the 8")
    place = ("--place", "42.75", "12.65")
    assert json.loads(seisloom("explain", tmp_path, "--time", time, *place, "--json").out)["place"] == [42.75, 12.65]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give either --pick N or --time T"),
        (("--pick", 1, "--time", "2020-01-01"), "give either --pick N or --time T"),
        (("--pick", 1, "--place", 43, 13), "--place goes with --time"),
        (("--pick", -1), "pick -1: not one of"),
        (("--time", "noon"), "--time 'noon' is not a date"),
        (("--time", ""), "--time is empty"),
        (("--time", "2021-01-01"), "no event there could have a pick"),
    ],
)
def test_command_refuses(truth: Truth, tmp_path: Path, options: tuple[object, ...], message: str) -> None:
    write_state(truth.state, tmp_path / EVIDENCE)
    said = seisloom("explain", tmp_path, *options)
    assert said.code == 1
    assert message in said.err


def test_another_method_leaves_no_evidence_of_an_earlier_run(truth: Truth, tmp_path: Path) -> None:
    write_result(truth.result, tmp_path)
    write_result(replace(truth.result, judged=None), tmp_path)
    said = seisloom("explain", tmp_path, "--pick", 1)
    assert (said.code, "evidence.npz: not there" in said.err) == (1, True)
