"""Fixtures that many tests share."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
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

# Files that take longest, in the order in which several workers had best begin them (--dist loadfile with
# --no-loadscope-reorder). The first compiles what others then find compiled.
LONGEST = (
    "test_docs_commands", "test_jobs_worker", "test_api_correlations", "test_stacking", "test_page_stacking",
    "test_app_whole_way", "test_page_catalogue", "test_resume", "test_page_xcor", "test_tile_runs", "test_web_serve",
    "test_commands", "test_web_fuzz", "test_follow", "test_pick_commands", "test_store_faults", "test_jobs_shares",
    "test_jobs_killed", "test_compaction", "test_page_map", "test_web_frame", "test_association_resume", "test_train",
    "test_shared_out", "test_streamed", "test_jobs_association", "test_tiles", "test_job_plan", "test_object_stores",
    "test_plot", "test_dask_faults", "test_defects", "test_engine_faults", "test_windows", "test_web_security",
    "test_correlate", "test_jobs_board", "test_components", "test_jobs_likelihood", "test_likelihood",
    "test_phaselink_steps", "test_spans", "test_engines", "test_api_catalogues", "test_real_data", "test_power",
    "test_association_plan", "test_traveltime_network", "test_web_sessions", "test_stack_plan", "test_export",
    "test_jobs_command", "test_api_jobs", "test_association_job", "test_estimate",
)  # fmt: skip

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure() -> None:
    """Imported modules and thousands of tests are no garbage; looking for some among them takes as long as all the rest."""
    gc.disable()


def pytest_collection_finish() -> None:
    """From here on there is garbage, but never among what was collected."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the longest files first; the others stay in the order of their names."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.fixture(scope="session", autouse=True)
def patient_disk() -> Iterator[None]:
    """Nothing waits for the disk; what becomes of files when power is lost is the matter of tests/test_power.py."""
    from seisloom.stores import disk

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "_fsync", lambda path: None)
        yield


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
