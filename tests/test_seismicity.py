"""Where events are usual: the mixture and its shares against plain sums, what scattered and clustered events come to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from seisloom.associate.hypothesis import EVIDENCE, N_COLUMNS, Box
from seisloom.associate.learn import Known
from seisloom.associate.pick_model import NO_SEISMICITY, PickModel, seismicity_at
from seisloom.associate.seismicity import CLEAR, WIDTHS, learn_seismicity
from tests.hypotheses import BOX, known

Array = npt.NDArray[np.float64]

_, _, MODEL = known()
SPACING_KM = 10.0
FLAT = Box(np.array([-30.0, -20.0, 5.0]), np.array([30.0, 20.0, 5.5]), BOX.step)
"""So thin that the table has one cell of depth."""


def events_at(places: npt.ArrayLike, evidence: float = CLEAR) -> Array:
    events = np.zeros((len(np.asarray(places)), N_COLUMNS))
    events[:, :3], events[:, EVIDENCE] = places, evidence
    return events


def scattered(box: Box, n: int, rng: np.random.Generator) -> Array:
    return rng.uniform(box.low, box.high, (n, 3))


def learned(places: npt.ArrayLike, box: Box = BOX, spacing_km: float = SPACING_KM) -> PickModel:
    return learn_seismicity(MODEL, Known(), events_at(places), box, spacing_km)[0]


def reference(places: Array, box: Box, model: PickModel, spacing_km: float = SPACING_KM) -> tuple[Array, Array]:
    """Shares by expectation maximisation, each event really left out of the kernels about it, and the density (cell, ...)."""
    shape, side = model.seismicity.shape, model.seismicity_km[1]
    at = np.minimum(((places - box.low) / side).astype(int), np.array(shape) - 1)
    n, n_cells = len(places), np.prod(shape)
    kernels = [np.ones((n, *shape)) / n_cells]  # (event, x, y, depth): the sum over all cells is 1
    for width in WIDTHS:
        # Kernels are cut off at four standard deviations and folded back at the edges, as SciPy does.
        axes = [gaussian_filter(np.eye(m), (width * spacing_km / one, 0.0)) for m, one in zip(shape, side, strict=True)]
        kernels.append(
            np.array([np.einsum("i,j,k", *(axis[:, c] for axis, c in zip(axes, cell, strict=True))) for cell in at])
        )
    likelihood = np.array([[np.delete(kernel[:, *cell], e).mean() for e, cell in enumerate(at)] for kernel in kernels])
    share = np.full(len(kernels), 0.25)
    for _ in range(30):
        own = share[:, None] * likelihood
        own = (own / own.sum(axis=0)).sum(axis=1)
        own[0] += 5  # the constant as if it had five events more
        share = own / own.sum()
    density = sum(one * kernel.mean(axis=0) for one, kernel in zip(share, kernels, strict=True))
    return share, np.asarray(density) * n_cells


@given(st.integers(0, 2**32 - 1), st.integers(8, 40), st.sampled_from([BOX, FLAT]))
@settings(max_examples=25)
def test_the_density_is_that_of_plain_sums(seed: int, n: int, box: Box) -> None:
    rng = np.random.default_rng(seed)
    places = scattered(box, n, rng)
    places[: n // 3] = np.clip(places[0] + rng.normal(0.0, 2.0, (n // 3, 3)), box.low, box.high)  # some on the edges
    model = learned(places, box)
    _, density = reference(places, box, model)
    assert np.exp(model.seismicity) == pytest.approx(density, rel=1e-9)
    assert np.exp(model.seismicity).mean() == pytest.approx(1.0)


def test_one_cluster_has_the_density_of_a_normal_distribution() -> None:
    # All events at one place, far from the edges: they share one kernel, and the constant has what it is counted besides.
    n, middle = 200, np.array([3.0, -8.0, 11.0])
    box = Box(np.full(3, -60.0), np.full(3, 60.0), BOX.step)
    model = learned(np.tile(middle, (n, 1)), box)
    shares, _ = reference(np.tile(middle, (n, 1)), box, model)
    side = model.seismicity_km[1]
    centre = box.low + (np.floor((middle - box.low) / side) + 0.5) * side
    for away in (np.zeros(3), side * (1, 0, 0), side * (0, -2, 1)):
        normal = [
            np.exp(-0.5 * np.sum((away / (w * SPACING_KM)) ** 2)) / (np.sqrt(2 * np.pi) * w * SPACING_KM) ** 3
            for w in WIDTHS
        ]
        expected = shares[0] + np.prod(box.high - box.low) * np.sum(shares[1:] * normal)
        # The kernels are cut off at four standard deviations, and the narrowest is but a cell wide.
        assert np.exp(seismicity_at(model, *(centre + away))) == pytest.approx(expected, rel=0.02)
    assert shares[0] == pytest.approx(5 / (n + 5), rel=0.02)
    assert np.exp(seismicity_at(model, -59.0, 59.0, -59.0)) == pytest.approx(shares[0], rel=1e-9)


@pytest.mark.parametrize("n", [20, 1000])
def test_events_everywhere_leave_it_nearly_flat(n: int, rng: np.random.Generator) -> None:
    table = learned(scattered(BOX, n, rng)).seismicity
    assert np.quantile(np.abs(table), 0.95) < 0.5
    assert np.exp(table).mean() == pytest.approx(1.0)


def test_clusters_are_usual_and_other_places_are_not(rng: np.random.Generator) -> None:
    clusters = np.array([[-30.0, 20.0, 8.0], [40.0, -10.0, 12.0]])
    places = clusters[np.arange(300) % 2] + rng.normal(0.0, 1.5, (300, 3))
    model = learned(np.concatenate([places, scattered(BOX, 20, rng)]))
    assert all(seismicity_at(model, *cluster) > 3.0 for cluster in clusters)
    assert seismicity_at(model, 0.0, -50.0, 10.0) < -1.0
    assert np.exp(model.seismicity).mean() == pytest.approx(1.0)


def test_an_event_alone_does_not_bear_itself_out() -> None:
    # Farther apart than any kernel reaches, most of them at edges, where kernels are folded back onto their own events.
    places = [[x, y, 0.1] for x in (-59.9, 0.0, 59.9) for y in (-59.9, 0.0, 59.9)]
    assert learned(places, spacing_km=5.0).seismicity == pytest.approx(0.0, abs=1e-9)


def test_few_events_say_nothing(rng: np.random.Generator) -> None:
    before = learned(scattered(BOX, 100, rng))
    few = events_at(scattered(BOX, 7, rng))
    weak = events_at(scattered(BOX, 100, rng), CLEAR - 0.1)
    model, told = learn_seismicity(before, Known(clear_events=100), np.concatenate([few, weak]), BOX, SPACING_KM)
    assert model.seismicity is NO_SEISMICITY
    assert told.clear_events == 0
    assert seismicity_at(model, 3.0, 4.0, 5.0) == 0.0
    assert learn_seismicity(before, Known(), np.zeros((0, N_COLUMNS)), BOX, SPACING_KM)[0].seismicity is NO_SEISMICITY


def test_weak_events_mean_nothing_and_clear_ones_are_counted(rng: np.random.Generator) -> None:
    clear = events_at(scattered(BOX, 50, rng))
    weak = events_at(np.tile([10.0, 10.0, 10.0], (50, 1)), CLEAR - 0.1)
    model, told = learn_seismicity(MODEL, Known(), np.concatenate([clear, weak]), BOX, SPACING_KM)
    assert np.array_equal(model.seismicity, learned(clear[:, :3]).seismicity)
    assert told.clear_events == 50


def test_the_order_of_events_means_nothing(rng: np.random.Generator) -> None:
    places = np.concatenate([scattered(BOX, 60, rng), np.array([5.0, 6.0, 7.0]) + rng.normal(0.0, 1.0, (60, 3))])
    assert np.array_equal(learned(places).seismicity, learned(rng.permutation(places)).seismicity)


def test_between_the_middles_of_cells_it_is_trilinear_and_beyond_them_as_at_the_edge(rng: np.random.Generator) -> None:
    model = learned(scattered(BOX, 100, rng))
    table, (low, side) = model.seismicity, model.seismicity_km
    for cell in rng.integers(0, np.array(table.shape), (50, 3)):
        assert seismicity_at(model, *(low + (cell + 0.5) * side)) == pytest.approx(table[tuple(cell)], abs=1e-9)
    for cell in rng.integers(0, np.array(table.shape) - 1, (50, 3)):
        part = rng.random(3)
        value = table[cell[0] : cell[0] + 2, cell[1] : cell[1] + 2, cell[2] : cell[2] + 2]
        for one in part:  # axis by axis
            value = (1 - one) * value[0] + one * value[1]
        assert seismicity_at(model, *(low + (cell + 0.5 + part) * side)) == pytest.approx(float(value))
    for place in rng.uniform(-500, 500, (100, 3)):
        assert table.min() - 1e-9 <= seismicity_at(model, *place) <= table.max() + 1e-9
    assert seismicity_at(model, -1e4, -1e4, -1e4) == pytest.approx(table[0, 0, 0])
    assert seismicity_at(model, 1e4, 1e4, 1e4) == pytest.approx(table[-1, -1, -1])


def test_a_wide_region_with_narrow_nodes_has_no_more_cells_than_can_be_held(rng: np.random.Generator) -> None:
    box = Box(np.array([-300.0, -200.0, 0.0]), np.array([300.0, 200.0, 30.0]), BOX.step)
    table = learned(scattered(box, 30, rng), box, 1.0).seismicity
    assert 50_000 < table.size < 300_000
