"""Defects of real archives, planted in one channel of a synthetic day and taken through the whole job.

What must hold for each: the pairs of the other channels are bit for bit those of an undisturbed run, what cannot be
used gives no output, what can be used is still right, and the summary names channel, day and defect.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from obspy import Inventory, UTCDateTime

from seisloom.config import CorrelationSettings
from seisloom.errors import InputError, SourceError
from seisloom.noise.archive import open_correlations
from seisloom.noise.pipeline import correlate
from seisloom.noise.plan import make_plan
from seisloom.noise.preprocess import day_series
from seisloom.noise.response import read_inventories
from seisloom.noise.rotate import rotate
from seisloom.stations import channel_ids
from seisloom.waveforms import Record, Segment, open_source
from seisloom.waveforms.base import DAY_NS, NS_PER_S
from seisloom.waveforms.local import sds_path
from seisloom.waveforms.synthetic import defects as plant
from seisloom.waveforms.synthetic import write_dataset
from seisloom.waveforms.synthetic.dataset import write_mseed
from tests.jobs import DAY, DAY_START, Records, network

RATE = 5.0
WINDOW_S, WINDOWS = 900.0, 96
NOON = DAY_START + DAY_NS // 2
Change = Callable[[Record], Record]


def job_settings(**values: object) -> CorrelationSettings:
    """Every window kept, so that it can be seen which ones a defect takes away."""
    chosen = {"fs": RATE, "freqmax": 1.0, "cc_len": WINDOW_S, "cc_step": WINDOW_S, "maxlag": 30.0, "keep": "window"}
    return CorrelationSettings(**(chosen | values))


SETTINGS, RAW = job_settings(), job_settings(whiten="none")


def at(clock: str) -> int:
    """ns of a time of the day."""
    return pd.Timestamp(f"{DAY}T{clock}").value


@cache
def pristine() -> Records:
    source = network("stations=4,rate=5,seed=3")
    held = {(name, DAY_START): source.fetch(name, DAY_START, DAY_START + DAY_NS) for name in source.ids}
    return Records(held, source.table, source.inventory(source.ids, DAY_START, DAY_START + DAY_NS))


NAMES = ("SY.S01.00.MHZ", "SY.S02.00.MHZ", "SY.S03.00.MHZ", "SY.S04.00.MHZ")
VICTIM = NAMES[1]


@dataclass
class Outcome:
    """A run's correlations and problems (day, channel, message, unused, failed)."""

    data: xr.Dataset
    problems: pd.DataFrame

    def of(self, victim: bool) -> xr.Dataset:
        involved = (self.data.channel_a == VICTIM) | (self.data.channel_b == VICTIM)
        return self.data.isel(pair=np.flatnonzero(involved if victim else ~involved))

    @property
    def windows(self) -> np.ndarray:
        """Which windows of the victim are used (the same with every partner)."""
        used = self.of(True)["count"].values.astype(bool)
        assert (used == used[0]).all()
        return used[0]


def run(source: Records, chosen: CorrelationSettings, inventory: Inventory | None = None) -> Outcome:
    with TemporaryDirectory() as folder:
        summary = correlate(source.table, chosen, source, folder, DAY, inventory=inventory)
        return Outcome(open_correlations(folder).load(), summary.problems())


@cache
def undisturbed(chosen: CorrelationSettings = SETTINGS) -> Outcome:
    return run(pristine(), chosen)


def disturbed(
    change: Change, chosen: CorrelationSettings = SETTINGS, inventory: Inventory | None = None
) -> tuple[Outcome, Outcome]:
    """A run with a defect in the victim and one without it, after checking that nobody else is touched."""
    source = Records(pristine().held, pristine().table, pristine()._inventory)
    source.held[VICTIM, DAY_START] = change(source.held[VICTIM, DAY_START])
    found, wanted = run(source, chosen, inventory), undisturbed(chosen)
    xr.testing.assert_identical(found.of(False), wanted.of(False))
    assert set(found.problems.channel) <= {VICTIM}
    assert set(found.problems.day) <= {DAY}
    empty = found.of(True)["count"].values == 0
    assert np.isnan(found.of(True).ccf.values[empty]).all()
    assert np.isfinite(found.of(True).ccf.values[~empty]).all()
    return found, wanted


def assert_reported(found: Outcome, words: str, unused: bool = False) -> None:
    lines = [f"{'NOT USED, ' if row.unused else ''}{row.message}" for row in found.problems.itertuples()]
    assert any(re.search(words, line) for line in lines), lines
    assert found.problems.unused.any() == unused


def likeness(found: Outcome, wanted: Outcome, windows: np.ndarray | slice = slice(None)) -> float:
    """Least correlation coefficient of the victim's mean over the windows that are used in both."""
    used = np.zeros(WINDOWS, bool)
    used[windows] = True
    used &= found.windows
    means = [o.of(True).ccf.values[:, used].mean(axis=1) for o in (found, wanted)]
    return min(np.corrcoef(a, b)[0, 1] for a, b in zip(*means, strict=True))


def touching(first: str, last: str) -> list[int]:
    """Windows that hold any of the time from one clock time to another."""
    numbers = [(at(clock) - DAY_START) / NS_PER_S / WINDOW_S for clock in (first, last)]
    return list(range(int(numbers[0]), int(np.ceil(numbers[1]))))


# --- what takes windows away ---


@pytest.mark.parametrize(
    ("change", "lost", "words"),
    [
        (lambda r: plant.gap(r, at("06:01:40"), at("06:40")), touching("06:01:40", "06:40"), r"gap.*: 2300 s"),
        (lambda r: plant.gap(r, at("06:01:40"), at("06:01:41")), touching("06:01", "06:02"), r"gap.*: 1 s"),
        (
            lambda r: plant.conflicting_overlap(r, at("09:14:50"), at("09:15:20"), np.random.default_rng(1)),
            touching("09:14:50", "09:15:20"),
            "overlap: 30 s of records differ",
        ),
        (lambda r: plant.glitch(r, at("10:07:30"), 1e8), touching("10:07", "10:08"), "transients: 1 of 96 windows"),
        (lambda r: plant.clock_jump(r, at("12:07:30"), 0.8), touching("12:07", "12:08"), r"clock jump: 0\.8 s"),
        # The last stamp is then early too, so that the last window is not complete.
        (lambda r: plant.clock_jump(r, at("12:07:30"), -0.8), [48, 95], r"jump|overlap: 0\.8 s"),
        (lambda r: plant.clock_jump(r, at("12:07:30"), 0.07), touching("12:07", "12:08"), r"clock jump: 0\.07 s"),
        (lambda r: plant.late_start(r, at("12:01:40")), touching("00:00", "12:01:40"), "data begin at 12:01:40"),
        (
            lambda r: Record(plant.cut(r, DAY_START, at("12:01:40"))),
            touching("12:01:40", "23:59:59"),
            "data end at 12:01:40",
        ),
    ],
    ids=["gap", "short-gap", "overlap", "glitch", "jump", "jump-back", "sub-sample-jump", "mid-day", "half-day"],
)
def test_windows_with_the_defect_are_left_out_and_the_rest_is_right(
    change: Change, lost: list[int], words: str
) -> None:
    found, wanted = disturbed(change)
    assert np.flatnonzero(~found.windows).tolist() == lost
    assert_reported(found, words)
    assert lost[0] == 0 or likeness(found, wanted, slice(0, lost[0])) > 0.995
    if "jump" not in words:
        assert likeness(found, wanted) > 0.995


@pytest.mark.parametrize("jump_s", [0.8, -0.8, 0.07])
def test_after_a_clock_jump_records_are_where_their_stamps_say(jump_s: float) -> None:
    """One record cannot tell wrong stamps from a gap: what follows is used as it is stamped, and the jump is reported."""
    found, wanted = disturbed(lambda r: plant.clock_jump(r, at("12:07:30"), jump_s))
    late, true = (o.of(True).ccf.values[:, 49:-1].mean(axis=1) for o in (found, wanted))
    signs = np.where(found.of(True).channel_b == VICTIM, 1, -1)
    frequency = np.fft.rfftfreq(301, 1 / RATE)
    for a, b, sign in zip(late, true, signs, strict=True):
        moved = np.fft.irfft(np.fft.rfft(b) * np.exp(-2j * np.pi * frequency * sign * jump_s), 301)
        assert np.corrcoef(a[10:-10], moved[10:-10])[0, 1] > 0.995


# --- what changes nothing that matters ---


def test_identical_overlap_changes_nothing() -> None:
    found, wanted = disturbed(lambda r: plant.overlap(r, at("09:14:50"), at("09:15:20")))
    xr.testing.assert_identical(found.data, wanted.data)


def test_one_missing_sample_is_bridged() -> None:
    found, wanted = disturbed(lambda r: plant.missing_sample(r, at("15:00:00")))
    assert found.windows.all()
    assert likeness(found, wanted) > 0.9999
    assert_reported(found, "short gap: 1 sample bridged")


@pytest.mark.parametrize("shift_s", [0.03, 0.1, 0.1999, -0.07])
def test_start_between_samples_is_aligned(shift_s: float) -> None:
    found, wanted = disturbed(lambda r: plant.subsample_start(r, shift_s))
    assert found.windows[1:-1].all()
    assert likeness(found, wanted, slice(1, -1)) > 0.99999


@pytest.mark.parametrize("rate_hz", [8.0, 4.0, 6.25, 100.0])
def test_other_sampling_rate_gives_the_same(rate_hz: float) -> None:
    found, wanted = disturbed(lambda r: plant.other_rate(r, rate_hz))
    assert found.windows.all()
    assert likeness(found, wanted, slice(1, -1)) > 0.9999


def test_reversed_polarity_is_minus() -> None:
    found, wanted = disturbed(plant.reversed_polarity)
    assert np.array_equal(found.of(True).ccf, -wanted.of(True).ccf)


def test_gain_that_changes_with_its_epoch_is_corrected() -> None:
    changed_ns = at("12:01:40")
    inventory = plant.change_epoch(pristine()._inventory, VICTIM, changed_ns, 2.0)
    found, wanted = disturbed(lambda r: plant.change_gain(r, changed_ns, 2.0), RAW, inventory)
    assert np.flatnonzero(~found.windows).tolist() == [48]
    assert_reported(found, "response changes during the day")
    for half in (slice(1, 47), slice(50, 95)):
        assert likeness(found, wanted, half) > 0.999
        size, true = (np.linalg.norm(o.of(True).ccf.values[:, half].mean(axis=1)) for o in (found, wanted))
        assert size == pytest.approx(true, rel=2e-3)


def test_gain_that_changes_in_the_metadata_alone_is_believed() -> None:
    """The check of the test above: without the records following, the afternoon is half as large."""
    inventory = plant.change_epoch(pristine()._inventory, VICTIM, NOON, 2.0)
    found, wanted = disturbed(lambda r: r, RAW, inventory)
    halves = [np.linalg.norm(found.of(True).ccf[:, k]) / np.linalg.norm(wanted.of(True).ccf[:, k]) for k in (20, 70)]
    assert halves == pytest.approx([1.0, 0.5], rel=0.02)


# --- what leaves nothing ---


def constant_nan(record: Record) -> Record:
    return Record([replace(s, data=np.full(len(s.data), np.nan)) for s in record.segments])


def fail(error: Exception) -> Change:
    return lambda record: error  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (plant.dead, "NOT USED, dead: the same value for 86400 s"),
        (lambda r: plant.dead(r, 4711), "NOT USED, dead: the same value for 86400 s"),
        (lambda r: plant.other_rate(r, 1.6), r"NOT USED, sampling rate too low: 1.6 Hz allows freqmax <= 0.8 Hz"),
        (constant_nan, "NOT USED, not finite: 432,000 samples"),
        (lambda r: Record(), "NOT USED, no window"),
        (lambda r: Record([replace(r.segments[0], data=r.segments[0].data[:0])]), "NOT USED, no window"),
        (lambda r: Record(plant.cut(r, NOON, NOON + 800 * NS_PER_S)), "NOT USED, no window"),
        (lambda r: Record([], ["FILE: the file is empty"]), "NOT USED, FILE: the file is empty; no window"),
        (fail(InputError("FILE: not MiniSEED")), "NOT USED, FILE: not MiniSEED"),
        (fail(SourceError("server away")), "NOT USED, server away"),
    ],
    ids=["dead", "stuck", "low-rate", "nan", "nothing", "no-samples", "short", "empty", "rubbish", "failed"],
)
def test_what_cannot_be_used_gives_no_output(change: Change, words: str) -> None:
    found, _ = disturbed(change)
    assert not found.windows.any()
    assert_reported(found, words, unused=True)


def test_channel_without_epoch_gives_no_output() -> None:
    found, _ = disturbed(lambda r: r, inventory=plant.without_channel(pristine()._inventory, VICTIM))
    assert not found.windows.any()
    assert_reported(found, "NOT USED, no response: the metadata have none", unused=True)


def test_channel_whose_epoch_ends_at_noon_gives_a_morning() -> None:
    inventory = pristine()._inventory.copy()
    plant._find(inventory, VICTIM)[1].end_date = UTCDateTime(ns=NOON)
    found, wanted = disturbed(lambda r: r, inventory=inventory)
    assert np.flatnonzero(found.windows).tolist() == list(range(48))
    assert likeness(found, wanted, slice(0, 47)) > 0.999
    assert_reported(found, "no response: metadata cover 43200 s of the day")


def test_response_that_is_zero_gives_no_output() -> None:
    inventory = pristine()._inventory.copy()
    channel = plant._find(inventory, VICTIM)[1]
    channel.response = deepcopy(channel.response)  # a copied inventory shares it among the channels
    channel.response.response_stages[0].stage_gain = 0.0
    found, _ = disturbed(lambda r: r, inventory=inventory)
    assert not found.windows.any()
    assert_reported(found, "NOT USED.*response", unused=True)


def test_dead_for_hours_leaves_the_others() -> None:
    def unplugged(record: Record) -> Record:
        data = record.segments[0].data.copy()
        data[int(3 * 3600 * RATE) : int(7 * 3600 * RATE)] = 12
        return Record([replace(record.segments[0], data=data)])

    found, wanted = disturbed(unplugged)
    used = np.flatnonzero(found.windows)
    assert used.tolist() == [*range(12), *range(28, 96)]
    assert likeness(found, wanted) > 0.99
    assert_reported(found, "dead: the same value for 14400 s")


def test_mixed_rates_leave_the_longer_part() -> None:
    def mixed(record: Record) -> Record:
        morning = plant.other_rate(Record(plant.cut(record, DAY_START, at("09:00"))), 10.0)
        return Record(morning.segments + plant.cut(record, at("09:00"), DAY_START + DAY_NS))

    found, wanted = disturbed(mixed)
    assert np.flatnonzero(found.windows).tolist() == list(range(36, 96))
    assert likeness(found, wanted, slice(37, 96)) > 0.999
    assert_reported(found, "mixed sampling rates: 32400 s at 10 Hz left out, most of the day is at 5 Hz")


# --- files ---


@pytest.mark.parametrize("kind", ["sds", "files"])
@pytest.mark.parametrize("damage", ["empty", "truncated", "bytes", "gone", "text"])
def test_damaged_files(tmp_path: Path, kind: str, damage: str) -> None:
    source = network("stations=4,rate=5,seed=3")
    dataset = write_dataset(source, tmp_path, DAY, 1)
    path = sds_path(dataset.archive, VICTIM, DAY_START)
    size = path.stat().st_size
    if damage == "empty":
        plant.empty_file(path)
    elif damage == "truncated":
        plant.truncate_file(path)
    elif damage == "bytes":
        data = bytearray(path.read_bytes())
        middle = size // 1024 * 512
        data[middle : middle + 512] = b"\xff" * 512
        path.write_bytes(data)
    elif damage == "gone":
        path.unlink()
    else:
        path.write_text("This is not a seismogram.\n" * 100)

    files = open_source(f"{kind}:{dataset.archive}")
    inventory = pristine()._inventory
    summary = correlate(source.table, SETTINGS, files, tmp_path / "out", DAY, inventory=inventory)
    found = Outcome(open_correlations(tmp_path / "out").load(), summary.problems())
    wanted = undisturbed()
    # Whole counts to MiniSEED and back: the same bits.
    xr.testing.assert_identical(found.of(False), wanted.of(False))
    assert set(found.problems.channel) == {VICTIM}
    if damage == "truncated":
        assert 50 <= found.windows.sum() <= 60
        assert not found.windows[60:].any()
        assert likeness(found, wanted, slice(0, 50)) > 0.999
        assert_reported(found, "cut short|damaged")
    elif damage == "bytes":
        assert 90 <= found.windows.sum() < 96
        assert likeness(found, wanted) > 0.99
        assert_reported(found, "512 of .* bytes are damaged")
    else:
        assert not found.windows.any()
        words = {
            "empty": "the file is empty",
            "gone": "no data",
            "text": "not MiniSEED" if kind == "sds" else "no data",
        }
        assert_reported(found, "NOT USED, .*" + words[damage], unused=True)


def test_records_of_one_day_in_many_pieces_and_any_order(tmp_path: Path) -> None:
    """Through files as well: small records, shuffled, some twice."""
    source = network("stations=2,rate=5,seed=3")
    dataset = write_dataset(source, tmp_path, DAY, 1)
    wanted = correlate_files(source.table, dataset.archive, dataset.stationxml, tmp_path / "a")
    path = sds_path(dataset.archive, source.ids[0], DAY_START)
    data = path.read_bytes()
    blocks = [data[i : i + 512] for i in range(0, len(data), 512)]
    order = np.random.default_rng(2).permutation(len(blocks))
    path.write_bytes(b"".join(blocks[i] for i in [*order, *order[:30]]))
    assert np.array_equal(correlate_files(source.table, dataset.archive, dataset.stationxml, tmp_path / "b"), wanted)


def correlate_files(table: pd.DataFrame, archive: Path, stationxml: Path, out: Path) -> np.ndarray:
    correlate(table, SETTINGS, open_source(f"sds:{archive}"), out, DAY, inventory=read_inventories(stationxml))
    return open_correlations(out).ccf.values


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 431_999), max_size=12, unique=True), st.randoms(use_true_random=False))
def test_cutting_a_record_anywhere_changes_nothing(cuts: list[int], random: object) -> None:
    whole = pristine().held[VICTIM, DAY_START]
    segment = whole.segments[0]
    edges = [0, *sorted(cuts), len(segment.data)]
    pieces = [Segment(segment.start_ns + a * NS_PER_S // 5, RATE, segment.data[a:b]) for a, b in pairwise(edges)]
    random.shuffle(pieces)  # type: ignore[attr-defined]
    raw = job_settings(response="none")
    plan = make_plan(raw)
    found, problems = day_series(Record(pieces), DAY_START, raw, plan)
    wanted, _ = day_series(whole, DAY_START, raw, plan)
    assert problems == []
    assert found.ranges == wanted.ranges
    assert np.array_equal(found.samples, wanted.samples)


# --- names of channels ---


def test_channels_1_and_2_stand_for_north_and_east(tmp_path: Path) -> None:
    """A station with N, E, Z and one with 1, 2, Z: the pairs of like components, and nine that can be rotated."""
    plain, odd = network("stations=2,rate=5,seed=3,components=ZNE"), network("stations=2,rate=5,seed=3,components=Z12")
    table = pd.concat([plain.table[plain.table.station == "S01"], odd.table[odd.table.station == "S02"]])
    held = {
        (name, DAY_START): (plain if ".S01." in name else odd).fetch(name, DAY_START, DAY_START + DAY_NS)
        for name in channel_ids(table)
    }
    source = Records(held, table)
    like = job_settings(response="none", keep="day")
    correlate(table, like, source, tmp_path / "same", DAY)
    names = [(a[-1], b[-1]) for a, b in (n.split("_") for n in open_correlations(tmp_path / "same").pair.values)]
    assert sorted(names) == [("E", "2"), ("N", "1"), ("Z", "Z")]
    correlate(table, like.model_copy(update={"components": "all"}), source, tmp_path / "all", DAY)
    turned = rotate(open_correlations(tmp_path / "all").load())
    assert turned.sizes["pair"] == 9
    assert np.isfinite(turned.ccf.values).all()


def test_minseed_that_spans_midnight_belongs_to_both_days(tmp_path: Path) -> None:
    """The last record of an SDS file runs into the next day, as digitisers write them."""
    source = network("stations=2,rate=5,seed=3")
    dataset = write_dataset(source, tmp_path, DAY, 2)
    wanted = two_days(source.table, dataset.archive, tmp_path / "a")
    name, second = source.ids[0], DAY_START + DAY_NS
    whole = source.fetch(name, DAY_START, DAY_START + 2 * DAY_NS)
    border = second + 37 * NS_PER_S
    first_day = Record(plant.cut(whole, DAY_START, border))
    write_mseed(first_day, name, sds_path(dataset.archive, name, DAY_START))
    write_mseed(Record(plant.cut(whole, border, DAY_START + 2 * DAY_NS)), name, sds_path(dataset.archive, name, second))
    assert np.array_equal(two_days(source.table, dataset.archive, tmp_path / "b"), wanted)


def two_days(table: pd.DataFrame, archive: Path, out: Path) -> np.ndarray:
    raw = job_settings(response="none")
    correlate(table, raw, open_source(f"sds:{archive}"), out, DAY, "2024-03-02")
    return open_correlations(out).ccf.values
