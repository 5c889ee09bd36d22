"""Sections of the picks, one after another: what they give must be what one section of all picks gives."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seisloom.associate import overview as overview_module
from seisloom.associate import parts as parts_module
from seisloom.associate.hypothesis import N_COLUMNS, TIME
from seisloom.associate.likelihood import LikelihoodSettings, Search, begin
from seisloom.associate.noise_rates import noise_rates
from seisloom.associate.overview import median, overview
from seisloom.associate.parts import HeldPicks
from seisloom.associate.pick_model import by_channel
from seisloom.associate.scenario import Scenario
from seisloom.associate.settle import Searched, section_borders, settle
from tests.test_likelihood import stream


class Found(NamedTuple):
    """A stream that was searched, part by part."""

    search: Search
    parts: list[Searched]
    events: np.ndarray


class Settled(NamedTuple):
    """Verdicts of all sections as those of one: events, and by pick its event, posterior and rate of chance."""

    events: np.ndarray
    owner: np.ndarray
    posterior: np.ndarray
    noise: np.ndarray
    fallen: int


@pytest.fixture(scope="module")
def found() -> Found:
    made = stream(Scenario(duration_s=5400.0, events_per_hour=60, burst_share=0.3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts_module, "_PART_PICKS", 120)
        source = HeldPicks(made.truth.picks)
        search = begin(source, made.study.network, made.study.times, LikelihoodSettings(), 1)
        parts = search.parts()
        search.study(parts.sample())
        of_parts = sorted(search.search(parts, range(len(parts))), key=lambda one: one.first_s)
    return Found(search, of_parts, np.concatenate([one.events for one in of_parts]))


def settled(found: Found, borders: list[float]) -> Settled:
    """All picks in sections with such borders."""
    ends = list(pairwise([-math.inf, *borders, math.inf]))
    sections = [found.search.section(*end, found.parts) for end in ends]
    begin_s = found.events[:, TIME]
    events = [found.events[(begin_s >= first) & (begin_s < last)] for first, last in ends]
    verdicts = list(settle(found.search.rules, sections, events))
    n = len(found.search.source.time_s)
    owner, posterior, noise = np.full(n, -1), np.zeros(n), np.zeros(n)
    before = 0
    for verdict in verdicts:
        section, given = verdict.section, verdict.assignment
        taken = given.event >= 0
        assert (owner[section.pick[taken]] < 0).all()  # by a section before
        owner[section.pick[taken]] = given.event[taken] + before
        posterior[section.pick[taken]] = given.posterior[taken]
        noise[section.pick[section.own]] = section.data.noise[section.own]
        before += len(verdict.events)
    fallen = sum(verdict.fallen for verdict in verdicts)
    return Settled(np.concatenate([verdict.events for verdict in verdicts]), owner, posterior, noise, fallen)


@pytest.fixture(scope="module")
def one(found: Found) -> Settled:
    return settled(found, [])


def test_the_stream_is_one_to_test_on(found: Found, one: Settled) -> None:
    assert len(found.parts) >= 8
    assert len(one.events) > 60
    assert np.count_nonzero(one.owner >= 0) > 500


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_sections_between_quiet_times_are_the_whole_bit_for_bit(
    found: Found, one: Settled, data: st.DataObject
) -> None:
    begin_s = np.sort(found.events[:, TIME])
    quiet = np.flatnonzero(np.diff(begin_s) > 100.0)
    assert len(quiet) > 5
    chosen = data.draw(st.lists(st.sampled_from(quiet.tolist()), unique=True, min_size=1))
    where = data.draw(st.floats(0.3, 0.7))
    many = settled(found, [float(begin_s[k] + where * (begin_s[k + 1] - begin_s[k])) for k in sorted(chosen)])
    for mine, theirs in zip(many, one, strict=True):
        assert np.array_equal(mine, theirs)


@settings(max_examples=10, deadline=None)
@given(borders=st.lists(st.floats(100.0, 5300.0), min_size=1, max_size=12, unique=True))
def test_borders_amid_events_change_hardly_anything(found: Found, one: Settled, borders: list[float]) -> None:
    many = settled(found, sorted(borders))  # which sees that no pick goes to two events
    assert abs(len(many.events) - len(one.events)) <= 1
    assert np.mean((many.owner >= 0) != (one.owner >= 0)) < 0.01
    alone = np.abs(one.events[:, TIME][:, None] - np.array(borders)).min(axis=1) > 100.0
    assert np.isin(one.events[alone, TIME], many.events[:, TIME]).all()


def part(first_s: float, last_s: float, begin_s: list[float]) -> Searched:
    events = np.zeros((len(begin_s), N_COLUMNS))
    events[:, TIME] = begin_s
    return Searched(first_s, last_s, events, np.zeros(0, np.int64), np.zeros(0), 0)


def test_borders_lie_where_no_event_is() -> None:
    busy = [part(100.0 * k, 100.0 * k + 100.0, [100.0 * k + at for at in (5, 10, 60, 95)]) for k in range(7)]
    busy[0], busy[-1] = busy[0]._replace(first_s=-math.inf), busy[-1]._replace(last_s=math.inf)
    assert section_borders(busy, 3) == [-math.inf, 235.0, math.inf]  # the seventh goes with the three before
    assert section_borders(busy[:5], 3) == [-math.inf, 235.0, math.inf]
    assert section_borders(busy, 10) == [-math.inf, math.inf]
    empty = [part(100.0 * k, 100.0 * k + 100.0, []) for k in range(4)]
    assert section_borders(empty, 2) == [-math.inf, 150.0, 350.0, math.inf]


@given(values=st.lists(st.floats(1e-5, 50.0), min_size=1, max_size=80), blocks=st.integers(1, 7))
def test_the_median_of_blocks_is_that_of_all(values: list[float], blocks: int) -> None:
    parts = np.array_split(np.array(values), blocks)
    assert median(lambda: iter(parts)) == np.median(values)


def test_an_overview_does_not_depend_on_how_much_is_held(
    found: Found, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = found.search.source
    assert isinstance(source, HeldPicks)
    whole = overview(source, 14)
    channels = by_channel(source.picks, 14)
    assert whole.rate == np.median(noise_rates(channels, np.ones(len(channels.time_s)), whole.span_s))
    assert whole.span_s == np.ptp(source.time_s)
    assert np.array_equal(whole.seen, np.bincount(channels.channel, minlength=28) > 0)
    for block in (1, 7, 300):
        monkeypatch.setattr(overview_module, "_BLOCK", block)
        piecewise = overview(source, 14)
        assert (piecewise.span_s, piecewise.rate) == (whole.span_s, whole.rate)
        assert np.array_equal(piecewise.total, whole.total)
