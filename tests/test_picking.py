"""Records to picks: nothing is lost or doubled at midnight, nothing comes from gaps, and what is done is not done again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.errors import InputError, NoDataError, SourceError, WorkspaceError
from seisloom.picking import Picker, open_picker
from seisloom.picking.classical import ClassicalPicker
from seisloom.picking.job import pick_records
from seisloom.picking.ledger import PickLedger, PickSummary
from seisloom.picking.picker import Array, Onset, triggers
from seisloom.picking.records import instruments
from seisloom.picking.stretches import on_grid, stretches
from seisloom.picks import read_picks
from seisloom.waveforms import ChannelQuery, Segment
from seisloom.waveforms.base import DAY_NS, NS_PER_S
from seisloom.waveforms.pieces import trim
from seisloom.waveforms.synthetic import SyntheticSource
from tests.picking import DAY_START, HOUR_NS, RATE, Continuous, Spikes, midnight, segment, table_of, with_spikes

IDS = ["XX.A.00.HHE", "XX.A.00.HHN", "XX.A.00.HHZ"]
START, END = midnight(1) - HOUR_NS, midnight(1) + HOUR_NS


def run(
    source: Continuous,
    folder: Path,
    start_ns: int = START,
    end_ns: int = END,
    picker: Picker | None = None,
    **options: int,
) -> PickSummary:
    table = table_of(source.held)
    return pick_records(table, picker or Spikes(), source, folder, start_ns, end_ns, workers=1, **options)


def three(
    rng: np.random.Generator, seconds: float = 3 * 3600, start_ns: int = START - HOUR_NS // 2
) -> dict[str, list[Segment]]:
    return {name: [segment(start_ns, seconds, rng)] for name in IDS}


def times(summary: PickSummary, phase: str = "P") -> list[int]:
    table = summary.table()
    return table.loc[table["phase"] == phase, "time"].astype("datetime64[ns, UTC]").astype(np.int64).tolist()


# --- the grid -----------------------------------------------------------------------------------------------


@given(
    rate=st.sampled_from([20.0, 40.0, 50.0, 62.5, 100.0, 125.0, 200.0, 100 / 3, 99.9987]),
    offset_ns=st.integers(0, 10**9),
    cut=st.integers(0, 700),
)
def test_a_cut_piece_has_the_samples_of_the_whole(rate: float, offset_ns: int, cut: int) -> None:
    data = np.random.default_rng(7).normal(size=4000)
    whole = on_grid(Segment(DAY_START + offset_ns, rate, data), 50.0)
    cut_ns = DAY_START + offset_ns + round(cut * NS_PER_S / rate)
    part = on_grid(Segment(cut_ns, rate, data[cut:]), 50.0)
    skipped = part.first - whole.first
    # Filters reach over 16 samples of the lower rate, and the ends are ends for one of the two only.
    inside = slice(60, len(part.data) - 60)
    np.testing.assert_allclose(part.data[inside], whole.data[skipped:][: len(part.data)][inside], atol=1e-9)
    assert abs(part.start_ns - (whole.start_ns + skipped * NS_PER_S / whole.rate_hz)) < 1e-3 * NS_PER_S / rate


@pytest.mark.parametrize("rate", [40.0, 100.0, 125.0, 200.0])
def test_resampling_keeps_waves_offsets_and_times(rate: float) -> None:
    start_ns = DAY_START + 7_000_000

    def wave(t: Array) -> Array:
        return 1e6 + np.sin(2 * np.pi * 3.0 * t)

    piece = on_grid(Segment(start_ns, rate, wave(np.arange(round(60 * rate)) / rate)), 50.0)
    t = (piece.start_ns - start_ns) / NS_PER_S + np.arange(len(piece.data)) / piece.rate_hz
    np.testing.assert_allclose(piece.data[60:-60], wave(t)[60:-60], atol=2e-3)


def test_rates_that_are_too_low_are_refused() -> None:
    with pytest.raises(InputError, match="sampling rate too low: 1 Hz, picking needs 10 Hz"):
        on_grid(Segment(DAY_START, 1.0, np.zeros(10)), 100.0)


def test_a_stretch_is_what_the_same_components_have() -> None:
    piece = {name: on_grid(Segment(DAY_START + a * NS_PER_S, 50.0, np.arange(50 * a, 50 * b)), 50.0)
             for name, a, b in (("Z", 0, 100), ("N", 0, 40), ("E", 60, 100))}  # fmt: skip
    first = piece["Z"].first
    made = stretches({name: [held] for name, held in piece.items()}, "ZNE", context=500)
    cores = [tuple((edge - first) // 50 for edge in stretch.core) for stretch in made]
    assert cores == [(0, 40), (40, 60), (60, 100)]
    assert [[row is not None for row in stretch.rows] for stretch in made] == [
        [True, True, False], [True, False, False], [True, False, True],
    ]  # fmt: skip
    # Context goes as far as the components do, and is that of the records.
    middle = made[1]
    assert ((middle.first - first) // 50, (middle.stop - first) // 50) == (30, 70)
    np.testing.assert_array_equal(middle.block(middle.first, middle.stop)[0], np.arange(1500, 3500))
    assert not middle.block(middle.first, middle.stop)[1:].any()
    assert middle.time_ns(first + 2000) == DAY_START + 40 * NS_PER_S


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_triggers_are_stretches_above_off_that_reach_on(values: list[float]) -> None:
    curve = np.array(values)
    found = triggers(curve, 0.6, 0.3)
    reached = np.zeros(len(curve), bool)
    for begin, peak, stop in found:
        assert curve[begin] >= 0.6
        assert curve[peak] == curve[begin:stop].max()
        assert (curve[begin:stop] >= 0.3).all()
        assert stop == len(curve) or curve[stop] < 0.3
        reached[begin:stop] = True
    assert (reached | (curve < 0.6)).all()


def test_the_preferred_instrument_of_a_station_comes_first() -> None:
    ids = ["XX.A.10.HNZ", "XX.A.00.BHZ", "XX.A.00.BH1", "XX.A.00.BH2", "XX.A..HHZ", "XX.B..EHZ", "XX.C..LOG"]
    assert instruments(table_of(ids), "ZNE") == {
        "XX.A": [
            {"Z": "XX.A..HHZ"},
            {"N": "XX.A.00.BH1", "E": "XX.A.00.BH2", "Z": "XX.A.00.BHZ"},
            {"Z": "XX.A.10.HNZ"},
        ],
        "XX.B": [{"Z": "XX.B..EHZ"}],
    }


# --- midnight -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [ClassicalPicker])
def test_picks_of_days_are_those_of_one_long_record(make: type[ClassicalPicker], tmp_path: Path) -> None:
    source = SyntheticSource("stations=1,rate=20,components=ZNE,quakes=600,seed=4")
    picker = make()
    summary = pick_records(source.table, picker, source, tmp_path, START, END, workers=1)
    margin_ns = 300 * NS_PER_S
    rows = {name[-1]: source.fetch(name, START - margin_ns, END + margin_ns).segments[0] for name in source.ids}
    whole = {letter: on_grid(part, picker.rate_hz) for letter, part in rows.items()}
    onsets = picker.pick(np.stack([whole[letter].data for letter in "ZNE"]), whole["Z"].first)
    expected = sorted(
        (whole["Z"].start_ns + round(o.sample * NS_PER_S / picker.rate_hz), o.phase, round(o.probability, 4))
        for o in onsets
    )
    expected = [pick for pick in expected if START <= pick[0] < END]
    table = summary.table()
    got = list(zip(table["time"].astype(np.int64), table["phase"], table["probability"], strict=True))
    assert len(expected) > 40
    assert [pick[1] for pick in got] == [pick[1] for pick in expected]
    np.testing.assert_allclose([pick[0] for pick in got], [pick[0] for pick in expected], atol=1000)
    np.testing.assert_allclose([pick[2] for pick in got], [pick[2] for pick in expected], atol=2e-3)


@pytest.mark.parametrize("ends", [[END], [midnight(1), END], [midnight(1) - HOUR_NS // 2, midnight(1) + 1, END]])
def test_a_pick_at_midnight_is_there_once(ends: list[int], rng: np.random.Generator, tmp_path: Path) -> None:
    step = round(NS_PER_S / RATE)
    planted = [midnight(1) - step, midnight(1), midnight(1) + 40 * step]
    held = three(rng)
    held[IDS[2]] = [with_spikes(held[IDS[2]][0], planted)]
    source = Continuous(held)
    for end_ns in ends:
        summary = run(source, tmp_path, end_ns=end_ns)
    assert times(summary) == planted
    assert read_picks(tmp_path / "picks.csv")["time"].astype(np.int64).tolist() == planted


def test_whole_days_are_asked_for_once(rng: np.random.Generator, tmp_path: Path) -> None:
    data = {IDS[2]: [Segment(midnight(-1), 10.0, np.zeros(5 * 864_000, np.int32))]}
    source = Continuous(data)
    run(source, tmp_path, midnight(0), midnight(3))
    whole = [asked[1] for asked in source.asked if asked[2] - asked[1] == DAY_NS]
    assert whole == [midnight(0), midnight(1), midnight(2)]
    others = sum(asked[2] - asked[1] for asked in source.asked) - 3 * DAY_NS
    assert 0 < others < 600 * NS_PER_S


# --- gaps and what is missing -------------------------------------------------------------------------------


def test_no_block_reaches_across_a_gap(rng: np.random.Generator, tmp_path: Path) -> None:
    gap = START + 600 * NS_PER_S, START + 630 * NS_PER_S
    whole = three(rng)
    held = {name: [trim(parts[0], 0, gap[0]), trim(parts[0], gap[1], 2**62)] for name, parts in whole.items()}
    picker = Spikes()
    run(Continuous(held), tmp_path, picker=picker)
    assert len(picker.given) >= 3
    for first, block in picker.given:
        begin, end = (round(sample / RATE * NS_PER_S) for sample in (first, first + block.shape[1]))
        assert end <= gap[0] or begin >= gap[1]
        record = trim(whole["XX.A.00.HHZ"][0], begin - 1000, end - 1000)
        np.testing.assert_array_equal(block[0], record.data)
    problems = pd.read_csv(tmp_path / "problems.csv")
    assert problems["message"].str.fullmatch("gap or clock jump: 30 s of time without samples").sum() == 3


def test_a_gap_of_one_component_is_picked_with_the_others(rng: np.random.Generator, tmp_path: Path) -> None:
    held = three(rng)
    inside = START + 620 * NS_PER_S
    held["XX.A.00.HHZ"] = [with_spikes(held["XX.A.00.HHZ"][0], [inside])]
    north = held["XX.A.00.HHN"][0]
    held["XX.A.00.HHN"] = [trim(north, 0, inside - 10 * NS_PER_S), trim(north, inside + 10 * NS_PER_S, 2**62)]
    picker = Spikes()
    assert times(run(Continuous(held), tmp_path, picker=picker)) == [inside]
    empty = [block for _, block in picker.given if not block[1].any()]
    # Twenty seconds, ten more in which the next pick would end a measurement, and the margin of the picker.
    assert [block.shape[1] for block in empty] == [40 * RATE]


@pytest.mark.parametrize("letter", ["N", "Z"])
def test_a_missing_component_is_said_and_the_others_are_picked(
    letter: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    at = START + 77 * NS_PER_S
    held = {name: [with_spikes(part, [at])] for name, (part,) in three(rng).items() if not name.endswith(letter)}
    summary = run(Continuous(held), tmp_path)
    assert len(times(summary, "P" if letter == "N" else "S")) == 1
    messages = summary.problems()["message"].unique().tolist()
    assert messages == [f"components {letter}: the instrument has none, picked without"]


def test_a_dead_channel_is_left_out_and_named(rng: np.random.Generator, tmp_path: Path) -> None:
    held = three(rng)
    part = held["XX.A.00.HHE"][0]
    held["XX.A.00.HHE"] = [Segment(part.start_ns, part.rate_hz, np.full(len(part.data), 7, np.int32))]
    picker = Spikes()
    summary = run(Continuous(held), tmp_path, picker=picker)
    assert not any(block[2].any() for _, block in picker.given)
    assert all(block[0].any() for _, block in picker.given)
    problems = summary.problems().query("unused")
    assert problems["channel"].unique().tolist() == ["XX.A.00.HHE"]
    assert problems["message"].str.startswith("dead: the same value for").all()


def test_what_has_no_data_gives_way_to_the_next_instrument(rng: np.random.Generator, tmp_path: Path) -> None:
    at = START + 99 * NS_PER_S
    held: dict[str, list[Segment]] = {"XX.A.00.HHZ": [], "XX.A.00.BHZ": [with_spikes(segment(START, 7200, rng), [at])]}
    assert times(run(Continuous(held), tmp_path)) == [at]


def test_one_station_that_fails_does_not_stop_the_others_and_is_tried_again(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    at = START + 99 * NS_PER_S
    held: dict[str, list[Segment] | Exception] = {
        "XX.A..HHZ": SourceError("the server is down"), "XX.B..HHZ": [with_spikes(segment(START, 7200, rng), [at])],
    }  # fmt: skip
    source = Continuous(held)
    summary = run(source, tmp_path)
    assert times(summary) == [at]
    assert summary.problems().query("failed")["message"].unique().tolist() == ["the server is down"]
    assert "XX.A..HHZ" in str(summary)
    source.held["XX.A..HHZ"] = source.held["XX.B..HHZ"]
    source.asked.clear()
    assert times(run(source, tmp_path)) == [at, at]
    assert {name for name, *_ in source.asked} == {"XX.A..HHZ"}


def test_a_source_that_fails_throughout_ends_the_run(tmp_path: Path) -> None:
    source = Continuous({f"XX.S{i:02d}..HHZ": SourceError("the server is down") for i in range(30)})
    with pytest.raises(SourceError, match="failed for the first 10 days of stations: the server is down"):
        run(source, tmp_path)
    assert len({name for name, *_ in source.asked}) < 30


def test_data_that_nobody_has_is_no_failure(tmp_path: Path) -> None:
    summary = run(Continuous({"XX.A..HHZ": NoDataError("nothing")}), tmp_path)
    assert summary.totals() | {"seconds": 0} == {
        "stations": 1, "days": 2, "station_days": 0, "p": 0, "s": 0, "with_ground_motion": 0, "seconds": 0,
    }  # fmt: skip
    assert (tmp_path / "picks.csv").read_text().startswith("pick_index,station,phase,time,probability")


# --- resuming -----------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands in for a kill or Ctrl-C; nothing in the program catches it."""


class Dying(Spikes):
    """Dies at its call number ``at``."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def pick(self, data: Array, first: int) -> list[Onset]:
        if len(self.given) == self.at:
            raise Killed
        return super().pick(data, first)


def network(rng: np.random.Generator) -> Continuous:
    spikes = [START + k * 400 * NS_PER_S for k in range(18)]
    return Continuous({f"XX.S{i}..HHZ": [with_spikes(segment(START, 7200, rng), spikes)] for i in range(3)})


@pytest.mark.parametrize("at", range(6))
def test_a_killed_run_goes_on_where_it_stopped(at: int, rng: np.random.Generator, tmp_path: Path) -> None:
    source = network(rng)
    undisturbed = Spikes()
    run(source, tmp_path / "whole", picker=undisturbed)
    with pytest.raises(Killed):
        run(source, tmp_path / "killed", picker=Dying(at))
    done = len(list((tmp_path / "killed" / "picking").glob("XX.S*/*.json")))
    again = Spikes()
    run(source, tmp_path / "killed", picker=again)
    assert len(undisturbed.given) == 6
    assert len(again.given) == 6 - done
    assert done == at
    for name in ("picks.csv", "problems.csv", "stations.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_longer_span_does_only_what_is_new(rng: np.random.Generator, tmp_path: Path) -> None:
    source, first, more, nothing = network(rng), Spikes(), Spikes(), Spikes()
    run(source, tmp_path, end_ns=midnight(1), picker=first)
    both = run(source, tmp_path, picker=more)
    assert (len(first.given), len(more.given)) == (3, 3)
    shown: list[tuple[int, int]] = []
    again = pick_records(
        table_of(source.held), nothing, source, tmp_path, START, END, workers=1, progress=lambda *at: shown.append(at)
    )
    assert nothing.given == []
    assert shown[-1] == (6, 6)
    assert times(again) == times(both)


def test_a_folder_holds_the_picks_of_one_picker_and_source(rng: np.random.Generator, tmp_path: Path) -> None:
    source = network(rng)
    run(source, tmp_path)
    with pytest.raises(WorkspaceError, match="picks of another picker, 'spikes', and 'stalta"):
        run(source, tmp_path, picker=ClassicalPicker())
    source.spec = "elsewhere:"
    with pytest.raises(WorkspaceError, match="picks of another source, 'continuous:'"):
        run(source, tmp_path)


def test_a_damaged_file_is_named(rng: np.random.Generator, tmp_path: Path) -> None:
    run(network(rng), tmp_path)
    (tmp_path / "picking" / "XX.S0" / "2024-03-01.json").write_text('{"station": "XX')
    with pytest.raises(WorkspaceError, match=r"XX.S0/2024-03-01.json: damaged"):
        PickLedger(tmp_path).summary()


def test_summary_and_picks_say_the_same(rng: np.random.Generator, tmp_path: Path) -> None:
    run(network(rng), tmp_path)
    table = read_picks(tmp_path / "picks.csv")
    assert len(table) == json.loads((tmp_path / "summary.json").read_text())["p"] == 54
    assert table["pick_index"].tolist() == list(range(54))
    assert table["time"].is_monotonic_increasing


class Unplaced(Continuous):
    """Its records hold no coordinates."""

    def channels(self, query: ChannelQuery) -> pd.DataFrame:
        return super().channels(query).assign(latitude=np.nan)


# --- arguments ----------------------------------------------------------------------------------------------


def test_arguments_that_cannot_be_used_are_refused(rng: np.random.Generator, tmp_path: Path) -> None:
    source = network(rng)
    with pytest.raises(InputError, match="not after it begins"):
        run(source, tmp_path, END, START)
    with pytest.raises(InputError, match="no channel is a component Z or N or E"):
        run(Continuous({"XX.A..LOG": []}), tmp_path)
    lost = table_of(source.held).assign(latitude=np.nan)
    with pytest.raises(InputError, match=r"no coordinates of 3 stations, XX\.S0, XX\.S1, XX\.S2: give --inventory"):
        pick_records(lost, Spikes(), Unplaced(source.held), tmp_path, START, END, places=True)
    with pytest.raises(InputError, match=r"weights x\.pt: stalta has none"):
        open_picker("stalta", "x.pt")
