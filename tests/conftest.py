"""Fixtures that many tests share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

pytest_plugins = ["tests.browser", "tests.object_stores"]

# A shell that starts the tests in the background has them ignore Ctrl-C, which the commands that they start would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Machines that run tests are busy: how long an example takes says nothing.
settings.register_profile("seisloom", deadline=None)
settings.load_profile("seisloom")

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator, the same for every test."""
    return np.random.default_rng(20190203)


@pytest.fixture
def real_data() -> Path:
    """The folder of real records beside the project; the test is skipped where there is none."""
    if not DATA.is_dir():
        if os.environ.get("SEISLOOM_REQUIRE_DATA"):
            pytest.fail(f"the real records are required here, and {DATA} is not there")
        pytest.skip(f"real records are not at {DATA}")
    return DATA
