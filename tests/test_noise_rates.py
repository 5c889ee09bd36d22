"""Rates of picks by chance: against the definition, against known rates, in bursts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.associate.noise_rates import noise_rates
from seisloom.associate.pick_model import Channels

Array = npt.NDArray[np.float64]


def channels(time_s: npt.ArrayLike, channel: npt.ArrayLike, n: int) -> Channels:
    time, of = np.asarray(time_s, float), np.asarray(channel, np.int64)
    order = np.lexsort((time, of))
    return Channels(np.searchsorted(of[order], np.arange(n + 1)).astype(np.int64), time[order], of[order], order)


def definition(picks: Channels, chance: Array, span_s: float) -> Array:
    """How busy the network is, times the posterior mean of a gamma prior worth three picks about the channel's mean.

    The exposure of that posterior is the time in which the network usually has as many picks as it had about this one.
    """
    out = np.empty(len(chance))
    usual = max(chance.sum(), 0.5) / span_s
    near_s = np.clip(20 / usual, 0.75, 7.5)  # 40 picks in all of the window
    for k, (at, of) in enumerate(zip(picks.time_s, picks.channel, strict=True)):
        away = abs(picks.time_s - at)
        away[k] = np.inf
        busy = (1 + chance[away <= near_s].sum()) / (1 + 2 * near_s * usual)
        exposure = max(chance[away <= 15].sum() / usual, 7.5)
        own = picks.channel == of
        mean = (0.5 + chance[own].sum()) / span_s
        out[k] = busy * (3 + chance[own & (away <= 15)].sum()) / (3 / mean + exposure)
    return out


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from([30.0, 300.0]), st.sampled_from([1, 20]))
def test_rates_are_those_of_the_definition(seed: int, n: int, span: float, times_as_many: int) -> None:
    rng = np.random.default_rng(seed)
    # Whole seconds: picks at one time, and at the very edge of a window. Few picks and many, for a long window and a short one.
    n *= times_as_many
    picks = channels(rng.integers(0, int(span), n), rng.integers(0, 5, n), 6)
    chance = rng.random(n)
    assert noise_rates(picks, chance, span) == pytest.approx(definition(picks, chance, max(span, 60.0)), rel=1e-9)


def test_random_picks_have_their_rate(rng: np.random.Generator) -> None:
    rates, span = np.array([0.002, 0.02, 0.2]), 50_000.0
    times = [rng.uniform(0, span, rng.poisson(rate * span)) for rate in rates]
    of = np.repeat(np.arange(3), [len(t) for t in times])
    picks = channels(np.concatenate(times), of, 3)
    found = noise_rates(picks, np.ones(len(of)), span)
    for c, rate in enumerate(rates):
        here = found[picks.offsets[c] : picks.offsets[c + 1]]
        # The network's factor about each pick scatters too: its mean is a little above one.
        assert np.mean(here) == pytest.approx(rate, rel=0.15)
    assert np.median(found[picks.channel == 2]) == pytest.approx(0.2, rel=0.1)


def test_a_burst_is_seen_at_stations_that_have_one_pick_in_it(rng: np.random.Generator) -> None:
    quiet = rng.uniform(0, 10_000, 1000)
    burst = rng.uniform(5000, 5010, 200)
    time, of = np.concatenate([quiet, burst, [2000.0, 5005.0]]), np.concatenate([rng.integers(0, 20, 1200), [20, 20]])
    picks = channels(time, of, 21)
    lone = noise_rates(picks, np.ones(len(time)), 10_000.0)[-2:]
    assert lone[1] > 10 * lone[0]


def test_a_short_burst_of_a_busy_network_is_seen_while_it_lasts_and_no_longer(rng: np.random.Generator) -> None:
    # 20 picks a second, so that a second either side tells; 200 more within one second.
    time = np.concatenate([rng.uniform(0, 1000, 20_000), rng.uniform(500, 501, 200)])
    picks = channels(time, rng.integers(0, 40, len(time)), 40)
    rates = noise_rates(picks, np.ones(len(time)), 1000.0)
    usual = np.median(rates)
    assert np.median(rates[abs(picks.time_s - 500.5) < 0.5]) > 4 * usual
    beside = (abs(picks.time_s - 500.5) > 2) & (abs(picks.time_s - 500.5) < 10)
    # What a channel had of the burst is no news about the channel: the whole network had it.
    assert np.median(rates[beside]) == pytest.approx(usual, rel=0.1)


def test_picks_of_events_do_not_raise_the_rate(rng: np.random.Generator) -> None:
    time, of = np.concatenate([rng.uniform(0, 3600, 300), 1000 + rng.uniform(0, 5, 60)]), rng.integers(0, 30, 360)
    picks = channels(time, of, 30)
    of_event = picks.pick >= 300
    rates = noise_rates(picks, np.where(of_event, 0.0, 1.0), 3600.0)
    alone = channels(time[:300], of[:300], 30)
    assert rates[~of_event] == pytest.approx(noise_rates(alone, np.ones(300), 3600.0))
    crowded = noise_rates(picks, np.ones(360), 3600.0)
    assert np.median(crowded[of_event]) > 5 * np.median(rates[of_event])


def test_a_pick_does_not_count_for_its_own_rate() -> None:
    # One channel, far apart: about each pick there is nothing but the prior, which draws to the mean.
    alone = noise_rates(channels([0.0, 5000.0], [0, 0], 1), np.ones(2), 10_000.0)
    pair = noise_rates(channels([0.0, 1.0, 5000.0], [0, 0, 0], 1), np.ones(3), 10_000.0)
    busy, mean = 1 / (1 + 15 * 2 / 10_000), 2.5 / 10_000
    assert alone == pytest.approx(busy * 3 / (7.5 + 3 / mean))
    assert pair[0] > 1.5 * pair[2]


def test_no_picks_have_no_rates() -> None:
    assert len(noise_rates(channels([], [], 4), np.zeros(0), 0.0)) == 0
