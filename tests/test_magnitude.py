"""Magnitudes: relations at points of their papers, and known magnitudes found again from amplitudes made of them."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seisloom.associate.magnitude import LEAST_EVENTS, local_magnitudes, with_magnitudes
from seisloom.associate.magnitude_relations import RELATIONS, choose_relation
from seisloom.catalog import UNKNOWN, Catalog
from seisloom.errors import InputError

START = pd.Timestamp("2020-01-01", tz="UTC")
# Wood-Anderson seismographs magnify 2080 times: 1 mm on the trace.
TRACE_MM = 1e-3 / 2080


# --- relations ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hutton-boore", "bakun-joyner", "di-bona", "iaspei", "luckett"])
def test_one_millimetre_at_100_km_is_magnitude_3(name: str) -> None:
    """The definition by Richter (1935), which all scales keep; the standard rounds its constant to 0.001."""
    assert RELATIONS[name].magnitude(TRACE_MM, 100.0) == pytest.approx(3.0, abs=0.0011)


@pytest.mark.parametrize(
    ("name", "amplitude", "distance", "expected"),
    [
        # 1 nm at 1 km, by the equation of the standard.
        ("iaspei", 1e-9, 1.0, 0.00189 - 2.09),
        # Hutton and Boore (1987): 10 mm at 17 km is magnitude 3 as well, to a hundredth.
        ("hutton-boore", 10 * TRACE_MM, 17.0, 2.9889),
        # Bakun and Joyner (1984): 2.301 at 10 km would be 1 - 1 - 0.2709 + 3.
        ("bakun-joyner", TRACE_MM, 10.0, 1.7291),
        # Ten times the distance: 1.667 units and the linear term.
        ("di-bona", TRACE_MM, 10.0, 3.0 - 1.667 - 90 * 0.001736),
        # Luckett et al. (2019): at the source 1.16 less than the standard.
        ("luckett", 1e-6, 20.0, 3 + 1.11 * math.log10(20) + 0.0378 - 1.16 * math.exp(-4) - 2.09),
        # As GaMMA: 10^1.08 cm/s at 1 km is magnitude 3.5; ten times as far, 1.68 less in log velocity.
        ("picozzi", 10**1.08 / 100, 1.0, 3.5),
        ("picozzi", 10 ** (1.08 - 1.68) / 100, 10.0, 3.5),
        # Watanabe (1971): 0.85 M - 2.50 = log V + 1.73 log R.
        ("watanabe", 10**-1.65 / 100, 1.0, 1.0),
    ],
)
def test_relations_at_points_of_their_papers(name: str, amplitude: float, distance: float, expected: float) -> None:
    assert RELATIONS[name].magnitude(amplitude, distance) == pytest.approx(expected, abs=0.01)


@given(st.sampled_from(sorted(RELATIONS)), st.floats(-2, 7), st.floats(0.5, 150), st.floats(-3, 3))
def test_relations_invert_and_grow_with_the_logarithm(name: str, magnitude: float, distance: float, by: float) -> None:
    relation = RELATIONS[name]
    amplitude = relation.expected(magnitude, distance)
    assert relation.magnitude(amplitude, distance) == pytest.approx(magnitude, abs=1e-9)
    assert relation.magnitude(amplitude * 10**by, distance) == pytest.approx(magnitude + by / relation.slope, abs=1e-9)
    assert relation.magnitude(amplitude, distance + 1.0) > magnitude or name == "luckett"


def test_which_relation_is_taken() -> None:
    displacement, velocity = pd.DataFrame({"amplitude_m": [np.nan, 1e-6]}), pd.DataFrame({"velocity_m_s": [1e-5]})
    assert choose_relation(displacement).name == "iaspei"
    assert choose_relation(velocity).name == "picozzi"
    assert choose_relation(displacement.assign(velocity_m_s=1e-5)).name == "iaspei"
    assert choose_relation(velocity, "watanabe").name == "watanabe"
    assert choose_relation(velocity, "none") is None
    assert choose_relation(pd.DataFrame({"amplitude_m": [np.nan, 0.0]})) is None
    assert choose_relation(pd.DataFrame({"station": ["A"]})) is None
    with pytest.raises(InputError, match=r"'richter' is not known; choose one of auto, iaspei, .*none"):
        choose_relation(velocity, "richter")
    with pytest.raises(InputError, match="made of amplitude_m, which no pick has: choose picozzi or watanabe"):
        choose_relation(velocity, "di-bona")
    with pytest.raises(InputError, match="which no pick has: give picks with amplitudes"):
        choose_relation(pd.DataFrame({"station": ["A"]}), "iaspei")


# --- estimation ---------------------------------------------------------------------------------------------


def readings(rng: np.random.Generator, n_event: int, n_station: int, share: float = 0.5, scatter: float = 0.2):
    """(magnitudes, corrections, event, station, station magnitudes)."""
    magnitude = rng.uniform(0.0, 4.0, n_event)
    correction = rng.normal(0.0, 0.3, n_station)
    correction -= correction.mean()
    event, station = np.nonzero(rng.random((n_event, n_station)) < share)
    _, event = np.unique(event, return_inverse=True)
    value = magnitude[event] - correction[station] + rng.normal(0.0, scatter, len(event))
    return magnitude, correction, event, station, value


def test_known_magnitudes_and_corrections_are_found(rng: np.random.Generator) -> None:
    magnitude, correction, event, station, value = readings(rng, 400, 25)
    fit = local_magnitudes(value, event, station)
    n = np.bincount(event)
    error = fit.magnitude - magnitude
    assert abs(error.mean()) < 0.02
    assert np.sqrt(np.mean(error**2 * n)) == pytest.approx(
        0.2, rel=0.15
    )  # 0.2 / sqrt(n): nothing is lost to corrections
    assert np.abs(fit.correction - correction).max() < 0.06
    assert abs(fit.correction.mean()) < 1e-9
    assert fit.scatter == pytest.approx(0.2, rel=0.05)
    assert 0.9 < (error / fit.uncertainty).std() < 1.1
    assert (np.abs(error) < fit.uncertainty).mean() == pytest.approx(0.68, abs=0.06)
    np.testing.assert_array_equal(fit.n, n)


def test_outliers_do_little(rng: np.random.Generator) -> None:
    magnitude, correction, event, station, value = readings(rng, 300, 20)
    wrong = rng.random(len(value)) < 0.1
    value = np.where(wrong, value + rng.choice([-3.0, 3.0], len(value)), value)
    fit = local_magnitudes(value, event, station)
    plain = pd.Series(value).groupby(event).mean().to_numpy()
    assert np.std(fit.magnitude - magnitude) < 0.12 < 0.25 < np.std(plain - magnitude)
    assert np.abs(fit.correction - correction).max() < 0.1
    assert fit.scatter < 0.26
    assert fit.weight[wrong].mean() < 0.2 < 0.9 < fit.weight[~wrong].mean()


def test_corrections_matter(rng: np.random.Generator) -> None:
    """A catalogue in which each event is recorded by other stations: without corrections, magnitudes scatter by them."""
    magnitude, _, event, station, value = readings(rng, 400, 40, share=0.15, scatter=0.1)
    fit = local_magnitudes(value, event, station)
    plain = pd.Series(value).groupby(event).median().to_numpy()
    present = np.unique(event)
    assert np.std(fit.magnitude - magnitude[present]) < 0.5 * np.std(plain - magnitude[present])


def test_few_readings_teach_little(rng: np.random.Generator) -> None:
    """No correction from fewer events than needed; a station of few is drawn towards zero more than one of many."""
    n_event = 60
    event = np.repeat(np.arange(n_event), 6)
    station = np.tile(np.arange(6), n_event)
    keep = (station < 4) | ((station == 4) & (event < LEAST_EVENTS)) | ((station == 5) & (event < LEAST_EVENTS - 1))
    event, station = event[keep], station[keep]
    rare = station >= 4
    value = rng.uniform(0, 3, n_event)[event] + rng.normal(0, 0.3, len(event)) - 0.5 * rare
    fit = local_magnitudes(value, event, station)
    assert fit.correction[5] == 0.0
    assert math.isnan(fit.correction_error[5])
    assert 0.0 < fit.correction[4] < 0.6
    assert fit.correction_error[4] > 1.5 * fit.correction_error[0]


def test_an_event_of_one_station(rng: np.random.Generator) -> None:
    """It has the correction of its station and the scatter of all; alone in the catalogue it has no uncertainty."""
    _, correction, event, station, value = readings(rng, 100, 8, share=1.0)
    fit = local_magnitudes(np.append(value, 2.0), np.append(event, 100), np.append(station, 3))
    assert fit.magnitude[100] == pytest.approx(2.0 + fit.correction[3])
    assert fit.uncertainty[100] == pytest.approx(fit.scatter)
    assert fit.correction[3] == pytest.approx(correction[3], abs=0.1)
    alone = local_magnitudes(np.array([1.5]), np.array([0]), np.array([0]))
    assert (alone.magnitude[0], alone.n[0]) == (1.5, 1)
    assert math.isnan(alone.uncertainty[0])
    assert math.isnan(alone.scatter)


def test_exact_readings_are_met_exactly() -> None:
    """No scatter at all: closed form, one outlier of 100 without any say."""
    event, station = np.repeat(np.arange(20), 5), np.tile(np.arange(5), 20)
    correction = np.array([-0.4, -0.2, 0.0, 0.2, 0.4])
    value = 0.1 * event - correction[station]
    value[7] += 5.0
    fit = local_magnitudes(value, event, station)
    np.testing.assert_allclose(fit.magnitude, 0.1 * np.arange(20), atol=1e-4)
    np.testing.assert_allclose(fit.correction, correction, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-3, 3), st.randoms(use_true_random=False))
def test_neither_order_nor_level_matters(seed: int, by: float, random) -> None:
    rng = np.random.default_rng(seed)
    _, _, event, station, value = readings(rng, int(rng.integers(1, 30)), int(rng.integers(2, 8)), share=0.8)
    if not len(value):
        return
    fit = local_magnitudes(value, event, station)
    order = np.array(random.sample(range(len(value)), len(value)))
    other = local_magnitudes(value[order] + by, event[order], station[order])
    np.testing.assert_allclose(other.magnitude, fit.magnitude + by, atol=1e-3)
    np.testing.assert_allclose(other.correction, fit.correction, atol=1e-3)
    np.testing.assert_allclose(other.uncertainty, fit.uncertainty, atol=1e-3)
    assert (np.isfinite(fit.magnitude)).all()


# --- catalogues ---------------------------------------------------------------------------------------------


def catalogue(
    rng: np.random.Generator, relation: str = "iaspei", n_event: int = 40, *, p_offset: float = 0.0
) -> tuple[Catalog, pd.DataFrame, pd.DataFrame, np.ndarray]:
    """(catalogue, picks, sites, magnitudes): P and S at ten stations, exact amplitudes, those of P smaller."""
    names = [f"XX.S{k}" for k in range(10)]
    sites = pd.DataFrame(
        {"station": names, "latitude": 42.0, "longitude": 13.0, "elevation_m": 1500.0, "depth_m": 500.0}
    )
    magnitude = rng.uniform(0.0, 3.0, n_event)
    depth = rng.uniform(2.0, 15.0, n_event)
    events = pd.DataFrame(
        {
            "event_id": 1 + np.arange(n_event),
            "time": START + pd.to_timedelta(np.arange(n_event), unit="min"),
            "latitude": 42.0,
            "longitude": 13.0,
            "depth_km": depth,
        }
    )
    event, station, phase = (grid.ravel() for grid in np.mgrid[:n_event, :10, :2])
    index = 7 + np.arange(len(event))
    distance = rng.uniform(1.0, 120.0, (n_event, 10))[event, station]
    assignments = pd.DataFrame(
        {"pick_index": index, "event_id": 1 + event, "distance_km": distance, "residual_s": 0.0, "weight": 1.0}
    )
    scale = RELATIONS[relation]
    amplitude = scale.expected(magnitude[event], np.hypot(distance, depth[event] + 1.0))  # stands 1 km above the sea
    picks = pd.DataFrame(
        {
            "pick_index": index,
            "station": np.array(names, object)[station],
            "phase": np.array(["P", "S"], object)[phase],
            "time": START,
            "probability": 1.0,
            "duration_s": np.nan,
            scale.amplitude: np.where(phase == 0, amplitude * 10**p_offset, amplitude),
        }
    )
    return Catalog(events, assignments), picks.sample(frac=1.0, random_state=1), sites, magnitude


@pytest.mark.parametrize("relation", sorted(RELATIONS))
def test_every_relation_from_amplitudes_to_catalogue(rng: np.random.Generator, relation: str) -> None:
    catalog, picks, sites, magnitude = catalogue(rng, relation)
    found, report = with_magnitudes(catalog, picks, sites, relation)
    np.testing.assert_allclose(found.events["magnitude"], magnitude, atol=1e-6)
    assert set(found.events["magnitude_type"]) == {RELATIONS[relation].type}
    assert set(found.events["n_magnitude"]) == {10}
    np.testing.assert_allclose(found.events["magnitude_uncertainty"], 0.0, atol=1e-6)
    assert report is not None
    assert (report.relation, report.events, report.readings, report.too_far) == (relation, 40, 400, 0)
    own = found.assignments[["pick_index", "event_id", "station_magnitude"]]
    of_pick = own.merge(picks[["pick_index", "phase"]], on="pick_index")
    s = of_pick[of_pick["phase"] == "S"]
    np.testing.assert_allclose(s["station_magnitude"], magnitude[s["event_id"] - 1], atol=1e-6)
    assert of_pick.loc[of_pick["phase"] == "P", "station_magnitude"].isna().all()


def test_elevation_counts(rng: np.random.Generator) -> None:
    catalog, picks, _, magnitude = catalogue(rng)
    found, _ = with_magnitudes(catalog, picks, None)
    low = magnitude - found.events["magnitude"].to_numpy()
    assert (low > 0.0).all()
    assert low.max() < 0.15


def test_p_stands_in_for_s_less_what_it_usually_lacks(rng: np.random.Generator) -> None:
    catalog, picks, sites, magnitude = catalogue(rng, p_offset=-0.6)
    # The first events have amplitudes of P alone, the others of both.
    first = catalog.assignments.loc[catalog.assignments["event_id"] <= 10, "pick_index"]
    alone = picks["pick_index"].isin(first) & (picks["phase"] == "S")
    found, report = with_magnitudes(catalog, picks.assign(amplitude_m=picks["amplitude_m"].mask(alone)), sites)
    np.testing.assert_allclose(found.events["magnitude"], magnitude, atol=1e-6)
    assert report is not None
    assert report.p_offset == pytest.approx(-0.6)
    only_p = picks.assign(amplitude_m=picks["amplitude_m"].mask(picks["phase"] == "S"))
    found, report = with_magnitudes(catalog, only_p, sites)
    np.testing.assert_allclose(found.events["magnitude"], magnitude - 0.6, atol=1e-6)
    assert report is not None
    assert report.p_offset == 0.0


def test_what_does_not_count(rng: np.random.Generator) -> None:
    """Picks that the location left out, and amplitudes from beyond the relation."""
    catalog, picks, sites, magnitude = catalogue(rng, "di-bona")
    assignments = catalog.assignments.copy()
    mine = assignments["event_id"] == 3
    assignments.loc[mine, "weight"] = 0.0
    assignments.loc[(assignments["event_id"] == 4) & (assignments.index % 4 < 2), "distance_km"] = 700.0
    found, report = with_magnitudes(replace(catalog, assignments=assignments), picks, sites, "di-bona")
    row = found.events.iloc[2]
    assert math.isnan(row["magnitude"])
    assert math.isnan(row["magnitude_uncertainty"])
    assert (row["magnitude_type"], row["n_magnitude"]) == ("", UNKNOWN)
    assert found.events.loc[3, "n_magnitude"] == 5
    others = found.events["event_id"] != 3
    np.testing.assert_allclose(found.events.loc[others, "magnitude"], magnitude[others], atol=1e-6)
    assert report is not None
    assert report.too_far == 10


def test_without_amplitudes_nothing_changes(rng: np.random.Generator) -> None:
    catalog, picks, sites, _ = catalogue(rng)
    bare = picks.drop(columns="amplitude_m")
    for table in (bare, bare.assign(amplitude_m=np.nan), bare.assign(velocity_m_s=0.0)):
        found, report = with_magnitudes(catalog, table, sites)
        assert (found is catalog, report) == (True, None)
    assert with_magnitudes(catalog, picks, sites, "none") == (catalog, None)
    assert catalog.events["magnitude"].isna().all()
    # Amplitudes at picks that belong to no event.
    found, report = with_magnitudes(replace(catalog, assignments=catalog.assignments[:0]), picks, sites)
    assert report is None
    assert found.events["magnitude"].isna().all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 99), st.floats(-2, 2), st.sampled_from(["iaspei", "picozzi"]))
def test_a_factor_of_all_amplitudes_adds_its_logarithm(seed: int, by: float, relation: str) -> None:
    rng = np.random.default_rng(seed)
    catalog, picks, sites, _ = catalogue(rng, relation, 12)
    name = RELATIONS[relation].amplitude
    picks[name] *= 10 ** rng.normal(0.0, 0.3, len(picks))
    one, first = with_magnitudes(catalog, picks, sites)
    two, second = with_magnitudes(catalog, picks.assign(**{name: picks[name] * 10**by}), sites)
    shift = by / RELATIONS[relation].slope
    np.testing.assert_allclose(two.events["magnitude"], one.events["magnitude"] + shift, atol=2e-3)
    np.testing.assert_allclose(two.events["magnitude_uncertainty"], one.events["magnitude_uncertainty"], atol=2e-3)
    assert first is not None
    assert second is not None
    assert set(first.stations) == set(second.stations)


def test_the_report_for_people_and_programs(rng: np.random.Generator) -> None:
    catalog, picks, sites, _ = catalogue(rng)
    picks["amplitude_m"] *= 10 ** np.where(picks["station"] == "XX.S3", 0.5, 0.0) * 10 ** rng.normal(0, 0.2, len(picks))
    _, report = with_magnitudes(catalog, picks, sites)
    assert report is not None
    text = str(report)
    assert text.startswith("magnitudes (ML, iaspei): 40 events from 400 readings, scatter 0.")
    assert "corrections of 10 stations, -0." in text
    told = json.loads(json.dumps(report.to_json()))
    value, error, events = told["stations"]["XX.S3"]
    assert value == pytest.approx(-0.45, abs=0.15)  # louder than the others by 0.5, and the mean of all is none
    assert (0.01 < error < 0.08, events) == (True, 40)
    alone = replace(report, scatter=math.nan, stations={})
    assert alone.to_json()["scatter"] is None
    assert "scatter" not in str(alone)
