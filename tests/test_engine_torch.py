"""The torch engine gives what the engine on the processor gives, on any device that is there."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from seisloom.errors import InputError, MissingExtraError
from seisloom.noise.correlate import Inverse, SpectraStack, correlate_pairs
from seisloom.noise.engine_torch import correlate_pairs_torch, open_device
from tests.test_correlate import gather, naive, random_stack

torch = pytest.importorskip("torch", reason="torch is not installed (extra gpu)")
DEVICES = [
    "torch:cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")),
]


def every_pair(n: int) -> np.ndarray:
    return np.stack(np.triu_indices(n), axis=1)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("memory", [1.0, 4e9])
@pytest.mark.parametrize(("folds", "two_sided"), [(1, False), (1, True), (2, False)])
def test_as_on_the_processor(rng, device, memory, folds, two_sided):
    """All pairs of 30 channels in three groups of windows, in one band or a channel at a time."""
    stack = random_stack(rng, 45, 30, 9, folds, two_sided)
    spans = [np.arange(0, 3), np.arange(3, 8), np.arange(8, 9)]
    groups = [np.concatenate([span + 9 * fold for fold in range(folds)]) for span in spans]
    inverse, pairs = Inverse(3, 128, 40, 0.01), every_pair(30)
    with ThreadPoolExecutor(2) as pool:
        expected = gather(correlate_pairs(stack, pairs, inverse, groups, pool, memory))
    got = gather(correlate_pairs_torch(stack, pairs, inverse, groups, device, memory))
    assert got.dtype == np.float32
    assert got.shape == expected.shape == (465, 3, 81)
    assert np.linalg.norm(got - expected) < 1e-6 * np.linalg.norm(expected)


@pytest.mark.parametrize("device", DEVICES)
def test_some_pairs_and_slices_of_windows(rng, device):
    """Pairs that leave out whole channels; groups as slices; more pairs in a band than go through a batch."""
    stack = random_stack(rng, 12, 60, 4)
    pairs = every_pair(60)
    pairs = pairs[(pairs[:, 0] % 7 != 0) & (rng.random(len(pairs)) < 0.95)]
    assert len(pairs) > 1024
    inverse, groups = Inverse(1, 30, 14, 1.0), [slice(0, 3), slice(3, 4)]
    got = gather(correlate_pairs_torch(stack, pairs, inverse, groups, device))
    some = rng.choice(len(pairs), 40, replace=False)
    expected, size = naive(stack, pairs[some], inverse, groups)
    assert got.shape == (len(pairs), 2, 29)
    assert np.sqrt(np.mean((got[some] - expected) ** 2)) < 1e-6 * size


@pytest.mark.parametrize("device", DEVICES)
def test_the_spectra_stay_as_they_were(rng, device):
    stack = random_stack(rng, 8, 5, 3)
    before = stack.right.copy()
    gather(correlate_pairs_torch(stack, every_pair(5), Inverse(1, 20, 9, 1.0), [slice(0, 3)], device))
    np.testing.assert_array_equal(stack.right, before)


def test_names_of_devices():
    assert open_device("torch:cpu").type == open_device("cpu").type == "cpu"
    with pytest.raises(InputError, match="device 'abacus' is unknown: use cpu, cuda or cuda:N"):
        open_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match=r"sees no GPU here; use --device cpu"):
            open_device("cuda")


def test_without_torch_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'seisloom\[gpu\]'"):
        open_device("cuda")
    stack = SpectraStack.empty(2, 2, 1, 1, False)
    with pytest.raises(MissingExtraError, match="needs torch"):
        next(correlate_pairs_torch(stack, every_pair(2), Inverse(1, 8, 2, 1.0), [slice(0, 1)], "cuda"))
