"""What events teach: the parameters of simulated picks are found again, and nothing runs away."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pytest

from seisloom.associate.delays import learn_delays, learn_jumps
from seisloom.associate.gather import pairs
from seisloom.associate.hypothesis import EVIDENCE, N_COLUMNS, RADIUS, Evidence
from seisloom.associate.learn import Known, Observations, join, learn, observe, odd_stations, worth_of_probability
from seisloom.associate.network import Network
from seisloom.associate.noise_rates import noise_rates
from seisloom.associate.observations import N_BINS, of_events
from seisloom.associate.pick_model import NO_SEISMICITY, PickModel, by_channel, detection_table, residual_density
from seisloom.associate.residuals import learn_errors, shares
from seisloom.associate.scenario import Scenario
from seisloom.associate.search import explain_all
from seisloom.associate.simulate import simulate
from seisloom.associate.synthetic import synthetic_network, synthetic_times
from seisloom.traveltime import TravelTimes

Array = np.ndarray
RADIUS_KM = np.geomspace(10.0, 250.0, 24)


class World(NamedTuple):
    """A simulated stream, the events that made it, and a model to start from."""

    network: Network
    times: TravelTimes
    data: Evidence
    events: Array
    probability: Array
    model: PickModel
    delay_s: Array
    """(station, 2): the truth, less the median of P."""


@lru_cache
def ground(kind: str, n: int | None = None) -> tuple[Network, TravelTimes]:
    network = synthetic_network(kind, np.random.default_rng(1), n)
    return network, synthetic_times(network)


def world(
    kind: str = "local",
    n: int | None = None,
    *,
    seed: int = 1,
    sigma_s: tuple[float, float] = (0.15, 0.27),
    late_s: dict[int, float] | None = None,
    noise_only: tuple[int, ...] = (),
    **scenario: Any,
) -> World:
    """A stream with delays of stations known. ``late_s`` are clock errors by station; picks of stations in
    ``noise_only`` come at random."""
    network, times = ground(kind, n)
    given = Scenario(
        **{"swap_share": 0.0, "outlier_share": 0.0, **scenario, "station_term_p_s": 0.0, "station_term_s_s": 0.0}
    )
    picks, event, events = simulate(given, network, times, np.random.default_rng(seed))
    rng = np.random.default_rng(seed + 1)
    delay = rng.normal(size=(network.n_stations, 2)) * [0.1, 0.17]
    for station, late in (late_s or {}).items():
        delay[station] += late
    time = picks.time_s + np.where(event >= 0, delay[picks.station, picks.phase], 0.0)
    random = np.isin(picks.station, noise_only)
    time[random] = rng.uniform(0.0, given.duration_s, np.count_nonzero(random))
    picks = picks._replace(time_s=time)
    channels = by_channel(picks, network.n_stations)
    chance = np.where((event < 0) | random, 1.0, 0.05)[channels.pick]
    noise = noise_rates(channels, chance, float(np.ptp(time)))
    good = events[events["n_picks"] >= 8]
    table = np.zeros((len(good), N_COLUMNS))
    table[:, :4] = good[["x_km", "y_km", "depth_km", "time_s"]]
    table[:, RADIUS:] = np.abs(np.log(good["radius_km"].to_numpy()[:, None] / RADIUS_KM)).argmin(axis=1)[:, None]
    table[:, EVIDENCE] = 50.0
    return World(
        network, times, Evidence(channels, noise, np.zeros(len(time))), table,
        picks.probability[channels.pick].astype(float), first(network, channels.offsets, sigma_s), delay - np.median(delay[:, 0]),
    )  # fmt: skip


def first(network: Network, offsets: Array, sigma_s: tuple[float, float]) -> PickModel:
    seen, known = np.diff(offsets) > 0, Known()
    return PickModel(
        network.x_km, network.y_km, -network.elevation_km, np.ones(network.n_stations), np.ones(network.n_stations),
        np.where(seen, np.tile([0.8, 0.7], network.n_stations), 0.0), np.zeros(len(seen)), np.array(sigma_s), 0.01, 0.02,
        residual_density(known.outlier_share), detection_table(known.falloff), RADIUS_KM,
        np.full(len(RADIUS_KM), -np.log(len(RADIUS_KM))), NO_SEISMICITY, np.ones((2, 3)),
    )  # fmt: skip


def look(at: World, model: PickModel, events: Array | None = None) -> Observations:
    events = at.events if events is None else events
    explain_all(at.times, at.data, model, events)
    return observe(at.times, at.data, model, events, at.probability)


def taught(at: World, rounds: int = 3) -> tuple[PickModel, Known]:
    model, known = at.model, Known()
    for _ in range(rounds):
        model, known = learn(model, look(at, model), known)
    return model, known


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.parametrize("start", [0.6, 1.0, 1.6])
def test_true_values_are_found_from_wrong_ones(start: float) -> None:
    at = world(sigma_s=(0.1 * start, 0.2 * start), swap_share=0.05, model_error=0.005, events_per_hour=150)
    model, known = taught(at)
    assert model.sigma_s == pytest.approx([0.1, 0.2], rel=0.1)
    assert model.model_error == pytest.approx(0.005, abs=0.002)
    assert model.wrong_label == pytest.approx(0.05, abs=0.01)
    assert known.falloff == 0.12
    assert [model.detection[k::2].mean() for k in (0, 1)] == pytest.approx([0.9, 0.72], abs=0.03)
    assert rms(model.detection.reshape(-1, 2) - [0.9, 0.72]) < 0.06
    late = model.delay_s.reshape(-1, 2) - at.delay_s
    assert rms(late[:, 0]) < 0.03
    assert rms(late[:, 1]) < 0.05


def test_delays_are_exact_where_travel_times_are() -> None:
    at = world(model_error=0.0, events_per_hour=300, noise_ratio=0.3)
    late = taught(at)[0].delay_s.reshape(-1, 2) - at.delay_s
    assert rms(late) < 0.03
    assert np.abs(late).max() < 0.09


@pytest.mark.parametrize(("kind", "radius_min_km"), [("small", 30.0), ("sparse", 100.0), ("dense", 12.0)])
def test_networks_of_other_sizes(kind: str, radius_min_km: float) -> None:
    at = world(kind, radius_min_km=radius_min_km, events_per_hour=150)
    model, _ = taught(at)
    assert model.sigma_s == pytest.approx([0.1, 0.2], rel=0.15)
    assert 0.005 <= model.model_error < 0.013
    assert [np.average(model.detection[k::2]) for k in (0, 1)] == pytest.approx([0.9, 0.72], abs=0.05)


def test_five_stations_leave_standard_errors_standing() -> None:
    model, _ = taught(world("sparse", 5, radius_min_km=100.0), 6)
    assert 0.07 < model.sigma_s[0] < 0.14
    assert 0.14 < model.sigma_s[1] < 0.28


def test_wrong_clocks_are_found_and_said() -> None:
    at = world(late_s={3: 1.0, 7: -2.5})
    at.model.detection[[6, 7]] = 0.02
    model, _ = taught(at)
    late = model.delay_s.reshape(-1, 2)
    assert late[[3, 7]] == pytest.approx(at.delay_s[[3, 7]], abs=0.08)
    others = np.setdiff1d(np.arange(30), [3, 7])
    assert rms((late - at.delay_s)[others]) < 0.06
    said = odd_stations(model, at.network.ids)
    assert len(said) == 2
    assert said[0] == f"station SY.S003: picks come {late[3].mean():.2f} s late in P and S alike: check its clock"
    assert "station SY.S007: picks come 2." in said[1]
    assert "early" in said[1]


def test_four_events_show_a_wrong_clock() -> None:
    """Also where its picks were taken for noise so far."""
    found = []
    for seed in range(12):
        at = world(seed=seed, late_s={3: 1.5}, events_per_hour=4, noise_ratio=4.0)
        at.model.detection[[6, 7]] = 0.02
        delay = learn_jumps(at.model, look(at, at.model))[0].delay_s
        found.append(abs(delay[6] - 1.5) < 0.5)
        assert np.abs(np.delete(delay, [6, 7])).max() < 0.6
    assert np.mean(found) > 0.7


@pytest.mark.parametrize("seed", range(4))
def test_picks_by_chance_make_no_clock_wrong(seed: int) -> None:
    at = world("small", seed=seed, noise_only=(2, 5), events_per_hour=60, noise_ratio=3.0)
    at.model.detection[[4, 5, 10, 11]] = 0.02  # as it is learned
    model, _ = taught(at)
    assert np.abs(model.delay_s).max() < 0.7
    assert (model.detection.reshape(-1, 2) * model.sensitivity[:, None])[[2, 5]].max() < 0.2
    assert {sentence.split(":")[0] for sentence in odd_stations(model, at.network.ids)} == {
        "station SY.S002",
        "station SY.S005",
    }


@pytest.mark.parametrize("missing", [0, 1])
def test_sets_of_one_phase(missing: int) -> None:
    """The other phase has picks by chance only."""
    at = world(s_detection=0.0 if missing else 1.0)
    if missing == 0:
        channel = at.data.picks.channel
        at.data.picks.time_s[channel % 2 == 0] += 17.0  # nowhere near an arrival, still in order
    model, _ = taught(at)
    assert model.sigma_s[1 - missing] == pytest.approx([0.1, 0.2][1 - missing], rel=0.15)
    assert model.detection[missing::2].max() < 0.2
    assert model.detection[1 - missing :: 2].mean() == pytest.approx(0.9, abs=0.05)
    assert np.abs(model.delay_s[1 - missing :: 2]).max() < 0.7


def test_too_few_strong_events_teach_nothing() -> None:
    at = world(events_per_hour=20)
    weak = at.events.copy()
    weak[2:, EVIDENCE] = 12.0
    known = Known()
    model, after = learn(at.model, look(at, at.model, weak), known)
    assert model is at.model
    assert after is known


def test_three_events_teach_with_caution() -> None:
    at = world()
    model = at.model
    for _ in range(5):
        model, _ = learn(model, look(at, model, at.events[:3]), Known())
    assert np.all((model.sigma_s > 0.05) & (model.sigma_s < 0.5))
    assert np.all((model.detection > 0.2) & (model.detection < 0.98))
    assert rms(model.delay_s.reshape(-1, 2) - at.delay_s) < 0.2


def test_order_of_events_means_nothing() -> None:
    at = world(events_per_hour=60)
    order = np.random.default_rng(3).permutation(len(at.events))
    (one, known), (other, known_too) = (
        learn(at.model, look(at, at.model, events), Known()) for events in (at.events, at.events[order])
    )
    for name in PickModel._fields:
        assert np.allclose(getattr(one, name), getattr(other, name), rtol=1e-5, atol=1e-6), name
    assert known.falloff == known_too.falloff
    assert np.allclose(known.worth, known_too.worth)


def test_parts_joined_are_the_whole() -> None:
    one, two = world(seed=1, events_per_hour=30), world(seed=2, events_per_hour=30)
    channel = np.concatenate([one.data.picks.channel, two.data.picks.channel])
    time = np.concatenate([one.data.picks.time_s, two.data.picks.time_s + 1e5])
    order = np.lexsort((time, channel))
    offsets = np.searchsorted(channel[order], np.arange(61)).astype(np.int64)
    picks = one.data.picks._replace(offsets=offsets, time_s=time[order], channel=channel[order], pick=order)
    noise = np.concatenate([one.data.noise, two.data.noise])[order]
    later = two.events.copy()
    later[:, 3] += 1e5
    whole = one._replace(
        data=Evidence(picks, noise, np.zeros(len(order))), events=np.concatenate([one.events, later]),
        probability=np.concatenate([one.probability, two.probability])[order],
    )  # fmt: skip
    joined, seen = join([look(part, one.model) for part in (one, two)]), look(whole, one.model)
    for name in Observations._fields:
        assert np.allclose(getattr(joined, name), getattr(seen, name), rtol=1e-6, atol=1e-9), name
    with pytest.raises(ValueError, match="no observations"):
        join([])


def test_events_left_out_leave_their_rows() -> None:
    at = world(events_per_hour=30)
    kept = np.arange(len(at.events)) % 3 == 0
    whole = look(at, at.model)
    some, few = of_events(whole, kept), observe(at.times, at.data, at.model, at.events[kept], at.probability)
    for name in set(Observations._fields) - {"background"}:
        assert np.array_equal(getattr(some, name), getattr(few, name)), name


def test_worth_of_probabilities() -> None:
    """Event picks have the density 3 q² of their probability, others 3 (1 - q)²: the ratio is (q / (1 - q))²."""
    rng = np.random.default_rng(5)
    at = world(events_per_hour=200)
    model, _ = taught(at, 1)
    explain_all(at.times, at.data, model, at.events)
    own = rng.random(len(at.probability)) < at.data.explained / (at.data.explained + at.data.noise)
    q = rng.random(len(own)) ** (1 / 3)
    probability = np.where(own, q, 1.0 - q)
    seen = observe(at.times, at.data, model, at.events, probability)
    _, known = learn(model, seen, Known())
    for phase in (0, 1):
        found = worth_of_probability(known, np.full(3, phase), np.array([0.4, 0.5, 0.6]))
        assert np.abs(np.log(found) - 2 * np.log([2 / 3, 1.0, 3 / 2])).max() < 0.6  # groups of bins are that wide
        assert np.all(worth_of_probability(known, np.full(2, phase), np.array([0.01, 0.99])) == [0.2, 5.0])
    assert worth_of_probability(Known(), np.array([0, 1]), np.array([np.nan, 0.3])).tolist() == [1.0, 1.0]


def test_one_probability_for_all_says_nothing() -> None:
    at = world(events_per_hour=60)
    seen = look(at._replace(probability=np.ones_like(at.probability)), at.model)
    assert learn(at.model, seen, Known())[1].worth[:, N_BINS - 1] == pytest.approx([1.0, 1.0], abs=0.05)


def linear(n: int | None = 5, events_per_hour: float = 200.0) -> tuple[World, Observations]:
    """Arrivals with a pick each, no more."""
    at = world("sparse", n, radius_min_km=200.0, radius_max_km=240.0, noise_ratio=0.0, detection=1.0, s_detection=1.0,
               duplicate_share=0.0, events_per_hour=events_per_hour)  # fmt: skip
    seen = look(at, at.model)
    cells = np.arange(len(seen.event))
    ones = np.ones(len(cells))
    return at, seen._replace(cell=cells, right=ones > 0, residual_s=0.0 * ones, background=1e-6 * ones)


@pytest.mark.parametrize(
    ("n", "sigma_s", "relative"), [(5, (0.1, 0.2), 0.01), (8, (0.05, 0.08), 0.005), (8, (0.2, 0.3), 0.007)]
)
def test_components_of_variance_are_unbiased(n: int, sigma_s: tuple[float, float], relative: float) -> None:
    """Errors drawn from known variances, the same for P and S of a path, left as residuals by a location of each event."""
    at, seen = linear(n)
    rng = np.random.default_rng(8)
    truth = at.model._replace(sigma_s=np.array(sigma_s), model_error=relative)
    share = shares(truth, seen, 0.01)
    phase, station = seen.channel % 2, seen.channel // 2
    found = []
    for _ in range(20):
        path = rng.normal(size=(len(at.events), at.network.n_stations))[seen.event, station]
        error = truth.sigma_s[phase] * rng.normal(size=len(phase)) + relative * seen.travel_s * path
        left = np.empty_like(error)
        for event in range(len(at.events)):
            mine = seen.event == event
            design = np.column_stack([seen.slope[mine], np.ones(np.count_nonzero(mine))]) / share.sigma_s[mine, None]
            scaled = error[mine] / share.sigma_s[mine]
            left[mine] = (scaled - design @ np.linalg.lstsq(design, scaled)[0]) * share.sigma_s[mine]
        model = learn_errors(truth, seen, share._replace(residual_s=left))
        found.append([*model.sigma_s, model.model_error])
    assert np.mean(found, axis=0) == pytest.approx([*sigma_s, relative], rel=0.06)


def test_delays_are_those_of_joint_least_squares() -> None:
    """The dense system of all delays and all locations, solved at once."""
    at, seen = linear(6, 20.0)
    rng = np.random.default_rng(9)
    seen = seen._replace(residual_s=rng.normal(0.0, 0.1, len(seen.event)))
    share = shares(at.model, seen, 0.01)
    before = rng.normal(0.0, 0.2, 12)
    model, _, after = learn_delays(at.model._replace(delay_s=before), seen, share)
    n, n_events, n_cells = 12, len(at.events), len(seen.event)
    design = np.zeros((n_cells, n + 4 * n_events))
    design[np.arange(n_cells), seen.channel] = 1.0
    for k in range(n_cells):
        design[k, n + 4 * seen.event[k] :][:4] = [*seen.slope[k], 1.0]
    root = np.sqrt(share.weight) / share.sigma_s
    drawn = np.sqrt(4.0 / (3.0 * 0.15**2 + before**2))  # Student's t as a normal of its own width
    prior = np.diag(np.concatenate([drawn, np.full(4 * n_events, 0.01)]))
    rows = np.vstack([root[:, None] * design, prior])
    wanted = np.concatenate([root * seen.residual_s, -drawn * before, np.zeros(4 * n_events)])
    best = np.linalg.lstsq(rows, wanted)[0]
    late = before + best[:n]
    assert model.delay_s == pytest.approx(late - np.median(late[::2]), abs=1e-3)
    assert after.residual_s == pytest.approx(seen.residual_s - design @ best, abs=2e-3)


@pytest.mark.parametrize("seed", [1, 2])
def test_sensitivity_of_stations_is_found(seed: int) -> None:
    """Picks of deaf stations are kept from near events only: as if those were smaller."""
    at = world("local", seed=seed, noise_ratio=0.3, events_per_hour=300, falloff=0.1)
    deaf = np.array([3, 8, 13])
    true = np.ones(at.network.n_stations)
    true[deaf] = 0.5
    model = at.model
    found, cells = pairs(at.times, at.data, model, at.events)
    radius = RADIUS_KM[at.events[cells.event, RADIUS].astype(int)]
    station, rng = cells.channel // 2, np.random.default_rng(seed)
    # Of the picks that all stations alike would have, those stations keep their share.
    share = 1.0 / (1.0 + np.exp((cells.distance_km / (true[station] * radius) - 1.0) / 0.1))
    usual = 1.0 / (1.0 + np.exp((cells.distance_km / radius - 1.0) / 0.1))
    lost = np.isin(station, deaf) & (rng.random(len(station)) > share / usual)
    gone = np.zeros(len(at.data.picks.time_s), bool)
    gone[found.slot[lost[found.cell] & (np.abs(found.residual_s) < 1.0)]] = True
    channel = at.data.picks.channel[~gone]
    picks = at.data.picks._replace(
        offsets=np.searchsorted(channel, np.arange(len(model.detection) + 1)).astype(np.int64),
        time_s=at.data.picks.time_s[~gone], channel=channel, pick=at.data.picks.pick[~gone],
    )  # fmt: skip
    data = Evidence(picks, at.data.noise[~gone], np.zeros(len(channel)))
    found_model, _ = taught(at._replace(data=data, probability=at.probability[~gone]), rounds=4)
    relative = found_model.sensitivity / np.median(found_model.sensitivity)
    assert relative[deaf] == pytest.approx([0.5, 0.5, 0.5], rel=0.3)
    assert np.abs(np.log(np.delete(relative, deaf))).mean() < 0.15


def test_sentences_about_odd_stations() -> None:
    at = world("small")
    delay, detection = np.zeros((12, 2)), np.tile([0.9, 0.7], (12, 1))
    sensitivity = np.ones(12)
    sensitivity[7] = 0.25
    delay[0], delay[1], delay[2] = [1.02, 1.02], [0.6, 1.1], [-0.9, 0.0]
    detection[3], detection[4], detection[5], detection[6] = [0.0, 0.0], [0.9, 0.0], [0.0, 0.7], [0.1, 0.05]
    model = at.model._replace(delay_s=delay.ravel(), detection=detection.ravel(), sensitivity=sensitivity)
    assert odd_stations(model, [f"XX.{k}" for k in range(12)]) == [
        "station XX.0: picks come 1.02 s late in P and S alike: check its clock",
        "station XX.3: no picks at all",
        "station XX.4: no S picks, only P",
        "station XX.5: no P picks, only S",
        "station XX.6: picks only 10 % of P and 5 % of S of the events near it; 90 % are usual",
        "station XX.7: picks events only to 25 % of the usual distance",
    ]
    detection[:, 1] = 0.0
    said = odd_stations(model._replace(detection=detection.ravel()), [f"XX.{k}" for k in range(12)])
    assert not any("only P" in sentence for sentence in said)  # nobody picks S
