"""The rehearsal: picks like those at hand, and the mixtures of events that the search makes of them."""

from __future__ import annotations

import numpy as np
import pytest

from seisloom.associate.hypothesis import EVIDENCE
from seisloom.associate.noise_rates import noise_rates
from seisloom.associate.parts import Part
from seisloom.associate.pick_model import by_channel
from seisloom.associate.rehearsal import mixtures, picks_like
from seisloom.associate.search import explain_all
from tests.hypotheses import arrivals_s, evidence, hypothesis, known, paths_km, planted, share_near

_, TIMES, MODEL = known()
EVENTS = [hypothesis(10.0 * k - 20.0, 5.0 * k - 10.0, 8.0, 20.0 + 40.0 * k, radius=8) for k in range(5)]

LONGEST_S, STRETCH_S = 35.0, 70.0


def part_of(n_noise: int, rng: np.random.Generator, probability: float = 0.5) -> Part:
    data = planted(MODEL, EVENTS, rng, n_noise=n_noise, span_s=240.0)
    events = np.array(EVENTS)
    events[:, EVIDENCE] = 50.0
    explain_all(TIMES, data, MODEL, events)
    return Part(-np.inf, np.inf, data, 240.0, np.full(len(data.noise), probability), events)


def test_as_many_picks_as_the_model_expects_at_their_times(rng: np.random.Generator) -> None:
    part = part_of(400, rng)
    radius = MODEL.radius_km[8]
    expected = sum(
        float((np.repeat(share_near(paths_km(MODEL, e), radius), 2) * MODEL.detection).sum()) for e in EVENTS
    )
    counts, errors = [], []
    for _ in range(40):
        picks, event = picks_like(TIMES, part, MODEL, 0.0, LONGEST_S, rng)
        counts.append(np.count_nonzero(event >= 0))
        own = event >= 0
        channel = 2 * picks.station[own] + picks.phase[own]
        arrival = np.array([arrivals_s(MODEL, EVENTS[e])[c] for e, c in zip(event[own], channel, strict=True)])
        errors.append((picks.time_s[own] - arrival) / MODEL.sigma_s[channel % 2])
        assert len(picks.time_s) == len(event)
        assert np.all(picks.probability == np.float32(0.5))
    assert np.mean(counts) == pytest.approx(expected, rel=0.05)
    # Travel times have an error of their own in the model.
    assert np.concatenate(errors).std() == pytest.approx(1.0, abs=0.08)
    assert abs(np.concatenate(errors).mean()) < 0.05


def test_picks_of_no_event_are_turned_together_and_stay_in_their_minute(rng: np.random.Generator) -> None:
    part = part_of(400, rng)
    held = part.data.picks
    chance = rng.random(len(held.time_s)) < 0.5
    part.data.noise[:], part.data.explained[:] = 1.0, np.where(chance, 0.0, 1e12)  # beyond doubt
    picks, event = picks_like(TIMES, part, MODEL, 0.0, LONGEST_S, rng)
    turned = picks.time_s[event < 0]
    assert len(turned) == np.count_nonzero(chance)
    np.testing.assert_array_equal(2 * picks.station[event < 0] + picks.phase[event < 0], held.channel[chance])
    np.testing.assert_array_equal(turned // STRETCH_S, held.time_s[chance] // STRETCH_S)
    moved = np.mod(turned - held.time_s[chance], STRETCH_S)
    np.testing.assert_allclose(moved, moved[0], atol=1e-9)
    assert 0.3 * STRETCH_S <= moved[0] <= 0.7 * STRETCH_S


def test_labels_and_outliers_follow_the_model(rng: np.random.Generator) -> None:
    part = part_of(0, rng)
    wrong = MODEL._replace(wrong_label=0.3)
    sides = []
    for _ in range(20):
        picks, event = picks_like(TIMES, part, wrong, 1.0, LONGEST_S, rng)
        own = event >= 0
        channel = 2 * picks.station[own] + picks.phase[own]
        late = [
            picks.time_s[own][k] - arrivals_s(MODEL, EVENTS[e])[[c, c ^ 1]]
            for k, (e, c) in enumerate(zip(event[own], channel, strict=True))
        ]
        sides.append(np.abs(late))
    late = np.concatenate(sides)
    nearer_other = late[:, 1] < late[:, 0]
    assert nearer_other.mean() == pytest.approx(0.3, abs=0.06)
    assert late[~nearer_other, 0].std() > 0.25  # five times the errors


def test_only_unmatched_events_of_true_picks_are_mixtures(rng: np.random.Generator) -> None:
    true = [hypothesis(-15.0, 0.0, 8.0, 50.0, radius=8), hypothesis(15.0, 0.0, 8.0, 120.0, radius=8)]
    owners, times, channels = [], [], []
    for e, event in enumerate(true):
        arrival = arrivals_s(MODEL, event)
        times.append(arrival)
        channels.append(np.arange(len(arrival)))
        # Half of the picks of the second event are of other true events: none has enough of them.
        owners.append(np.where((np.arange(len(arrival)) % 4 < 2) & (e == 1), 2 + np.arange(len(arrival)) % 8, e))
    data = evidence(MODEL, np.concatenate(times), np.concatenate(channels))
    owner = np.concatenate(owners)[data.picks.pick]
    events = np.array(true)
    events[:, EVIDENCE] = [70.0, 60.0]
    part = Part(-np.inf, np.inf, data, 200.0, np.full(len(owner), 1.0), events)
    assert mixtures(TIMES, part, MODEL, (8, 0, 0), owner).tolist() == [60.0]
    by_chance = np.where(owner == 0, 0, -1)
    assert mixtures(TIMES, part, MODEL, (8, 0, 0), by_chance).tolist() == []  # false, but of chance


def test_the_same_seed_draws_the_same(rng: np.random.Generator) -> None:
    part = part_of(100, rng)
    one, two = (picks_like(TIMES, part, MODEL, 0.05, LONGEST_S, np.random.default_rng(3)) for _ in range(2))
    for first, second in zip(one[0][:4], two[0][:4], strict=True):
        np.testing.assert_array_equal(first, second)
    channels = by_channel(one[0], len(MODEL.x_km))
    assert np.all(noise_rates(channels, np.ones(len(channels.time_s)), 240.0) > 0.0)
