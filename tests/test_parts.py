"""Stretches of picks: what is whose, and what neighbours lend."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.associate import parts
from seisloom.associate.hypothesis import N_COLUMNS, TIME
from seisloom.associate.learn import Known
from seisloom.associate.noise_rates import WINDOW_S, noise_rates
from seisloom.associate.observations import N_BINS
from seisloom.associate.pick_model import by_channel
from seisloom.picks import PickArrays

LONGEST_S = 12.0
HALO_S = 2 * LONGEST_S + WINDOW_S
N_STATIONS = 6


def stream(rng: np.random.Generator, n: int, span_s: float) -> PickArrays:
    """Random picks of six stations, the last of which is silent."""
    time = np.sort(rng.uniform(0.0, span_s, n))
    station, phase = rng.integers(0, N_STATIONS - 1, n).astype(np.int32), rng.integers(0, 2, n).astype(np.int8)
    return PickArrays(time, station, phase, rng.random(n).astype(np.float32), np.arange(n), 0)


def cut(picks: PickArrays, known: Known | None = None) -> parts.Parts:
    return parts.make_parts(parts.HeldPicks(picks), N_STATIONS, LONGEST_S, known or Known())


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_PART_PICKS", 100)


@given(st.integers(0, 2**32 - 1), st.integers(1, 2000), st.floats(1.0, 30_000.0))
def test_every_pick_belongs_to_one_part(seed: int, n: int, span_s: float) -> None:
    picks = stream(np.random.default_rng(seed), n, span_s)
    made = cut(picks)
    assert (made[0].first_s, made[-1].last_s) == (-math.inf, math.inf)
    assert [part.last_s for part in made][:-1] == [part.first_s for part in made][1:]
    own = [np.flatnonzero((picks.time_s >= part.first_s) & (picks.time_s < part.last_s)) for part in made]
    assert np.concatenate(own).tolist() == list(range(n))
    for part, mine in zip(made, own, strict=True):
        assert set(mine) <= set(part.pick)
        assert set(mine) == set(part.pick[part.own])
        assert len(made) == 1 or len(mine) >= 50
        assert (
            len(made) == 1 or np.isinf([part.first_s, part.last_s]).any() or np.ptp([part.first_s, part.last_s]) >= 240
        )


def test_a_long_stream_is_cut_and_a_short_one_is_not(rng: np.random.Generator) -> None:
    assert len(cut(stream(rng, 1000, 30_000.0))) == 10
    assert len(cut(stream(rng, 1000, 400.0))) == 1  # arrivals of one event take a good part of it
    assert len(cut(stream(rng, 149, 30_000.0))) == 1


def test_neighbours_lend_what_events_at_the_border_need(rng: np.random.Generator) -> None:
    picks = stream(rng, 1000, 30_000.0)
    for part in cut(picks):
        lent = (picks.time_s >= part.first_s - HALO_S) & (picks.time_s < part.last_s + HALO_S)
        mine = part.data.picks
        assert sorted(part.pick) == np.flatnonzero(lent).tolist()
        assert np.array_equal(mine.time_s, picks.time_s[part.pick])
        assert np.array_equal(mine.channel, 2 * picks.station[part.pick] + picks.phase[part.pick])
        assert np.array_equal(part.probability, picks.probability[part.pick].astype(float))
        for c in range(2 * N_STATIONS):
            here = slice(mine.offsets[c], mine.offsets[c + 1])
            assert (mine.channel[here] == c).all()
            assert (np.diff(mine.time_s[here]) >= 0).all()
        assert mine.offsets[-1] == len(mine.time_s)
        assert not part.data.explained.any()


def test_rates_near_a_border_are_those_of_the_whole(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    # Their prior is the mean of a part, so that they are the same only nearly.
    monkeypatch.setattr(parts, "_PART_PICKS", 1000)
    picks = stream(rng, 4000, 4000.0)
    channels = by_channel(picks, N_STATIONS)
    whole = np.empty(4000)
    whole[channels.pick] = noise_rates(channels, np.ones(4000), float(np.ptp(picks.time_s)))
    made = cut(picks)
    assert len(made) == 4
    for part in made:
        mine = part.data.picks
        own = (mine.time_s >= part.first_s) & (mine.time_s < part.last_s)
        ratio = part.data.noise[own] / whole[part.pick[own]]
        assert ratio == pytest.approx(1.0, abs=0.2)


def test_a_pick_that_its_picker_believes_in_has_less_noise_against_it(rng: np.random.Generator) -> None:
    picks = stream(rng, 140, 2000.0)
    [plain] = cut(picks)
    worth = np.ones_like(Known().worth)
    worth[1, N_BINS // 2 :] = 4.0
    [weighed] = cut(picks, Known(worth=worth))
    ratio = plain.data.noise / weighed.data.noise
    better = (plain.data.picks.channel % 2 == 1) & (plain.probability >= 0.5)
    assert 20 < np.count_nonzero(better) < 60
    assert ratio == pytest.approx(np.where(better, 4.0, 1.0))


def test_events_near_a_border_are_taken_from_both_sides(rng: np.random.Generator) -> None:
    _, part, _, *_ = cut(stream(rng, 1000, 30_000.0))
    part.events = np.zeros((6, N_COLUMNS))
    part.events[:, TIME] = [
        part.first_s - 3.1, part.first_s - 2.9, part.first_s, part.last_s, part.last_s + 2.9, part.last_s + 3.1,
    ]  # fmt: skip
    assert part.events[part.owns(part.events), TIME].tolist() == part.events[1:5, TIME].tolist()


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_a_sample_is_spread_over_the_parts_and_is_no_longer_than_allowed(
    n: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cut(stream(rng, 100 * n, 3000.0 * n))
    assert len(made) == n
    monkeypatch.setattr(parts, "_SAMPLE_PICKS", 1000)
    chosen = made.sample()
    number = [next(k for k, part in enumerate(made) if part is one) for one in chosen]
    if n < 9:
        assert number == list(range(n))
    else:
        assert len(set(np.diff(number))) == 1
        assert 600 < sum(len(part.data.picks.time_s) for part in chosen) <= 1000
        assert number[0] <= np.diff(number)[0]
        assert number[-1] >= n - 1 - np.diff(number)[0]


def test_a_single_part_that_is_too_long_is_learned_from_all_the_same(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cut(stream(rng, 140, 3000.0))
    monkeypatch.setattr(parts, "_SAMPLE_PICKS", 10)
    assert made.sample() == [made[0]]


def test_a_part_knows_what_has_changed_since_a_grid_was_scanned(rng: np.random.Generator) -> None:
    [part] = cut(stream(rng, 140, 2000.0))
    assert part.changed(0) is None
    part.data.explained[[3, 70]] = 0.2 * part.data.noise[[3, 70]]
    part.data.explained[90] = 0.05 * part.data.noise[90]
    for grid, wanted in ((0, [3, 70]), (0, []), (1, None)):
        changed = part.changed(grid)
        assert (changed is None) == (wanted is None)
        assert changed is None or np.flatnonzero(changed).tolist() == wanted
