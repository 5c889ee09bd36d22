"""What association holds in memory: picks and links, not the windows of all picks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Noise so dense that every window is full: 9,000 windows of 1,500 picks of 28 bytes would take 380 MB.
SCRIPT = """
import resource
import numpy as np
from seisloom.associate.dataset import WindowSettings
from seisloom.associate.models import ModelConfig, StackedGRU
from seisloom.associate.pipeline import AssociationSettings, associate_arrays
from seisloom.picks import PickArrays
from tests.association import ring_network, uniform_times

network = ring_network()
times = uniform_times(network)
model = StackedGRU(ModelConfig("published", 4, 4, 1))
# So many picks are in no window, so that the network looks at none of them.
settings = AssociationSettings(WindowSettings("published", t_win_s=300.0, n_max_picks=1500), n_min_nucl=10_000)

def peak(n):
    rng = np.random.default_rng(1)
    time = np.sort(rng.uniform(0.0, n / 10.0, n))
    station = rng.integers(0, network.n_stations, n).astype(np.int32)
    picks = PickArrays(time, station, np.zeros(n, np.int8), np.ones(n, np.float32), np.arange(n), 0)
    looked_at = []
    found = associate_arrays(
        picks, network, times, model, None, settings, progress=lambda stage, done, total: looked_at.append((stage, done))
    )
    assert len(found.clusters.sizes) == 0
    assert ("links", n) in looked_at
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

first = peak(2_000)  # two chunks, and all that is compiled
print(peak(9_000) - first)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is in other units elsewhere")
def test_windows_are_streamed() -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=Path(__file__).parents[1], env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 100.0
