"""``seisloom pick`` and ``seisloom catalog`` from the command line, on an archive with earthquakes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seisloom.catalog import read_catalog
from seisloom.picks import read_picks
from seisloom.waveforms.base import DAY_NS, NS_PER_S
from seisloom.waveforms.local import sds_path
from seisloom.waveforms.synthetic import SyntheticSource
from seisloom.waveforms.synthetic.dataset import write_mseed
from seisloom.waveforms.synthetic.quakes import quakes_of
from tests.job_workers import PATIENCE_S, until
from tests.jobs import command

START = pd.Timestamp("2024-03-01T03:00").value
END = START + 1800 * NS_PER_S
SPAN = ("--start", "2024-03-01T03:00", "--end", "2024-03-01T03:30")


@pytest.fixture(scope="module")
def source() -> SyntheticSource:
    return SyntheticSource("stations=6,rate=50,components=ZNE,quakes=300,aperture=40,seed=3")


@pytest.fixture(scope="module")
def archive(source: SyntheticSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with half an hour of records, their metadata and a velocity model."""
    folder = tmp_path_factory.mktemp("archive")
    for name in source.ids:
        margin_ns = 120 * NS_PER_S
        write_mseed(source.fetch(name, START - margin_ns, END + margin_ns), name, sds_path(folder / "sds", name, START))
    source.inventory(source.ids, START, END).write(str(folder / "stations.xml"), format="STATIONXML")
    (folder / "velocity.txt").write_text("0 6.0 3.464\n60 6.0 3.464\n")
    return folder


def test_records_become_a_catalogue_in_one_command(archive: Path, source: SyntheticSource) -> None:
    options = ("--model", "stalta", "--source", "sds:sds", "--inventory", "stations.xml", *SPAN, "-o", "made")
    made = command("catalog", "velocity.txt", *options, "--min-picks", "6", cwd=archive)
    assert made.returncode == 0, made.stderr
    assert "picks of 6 stations on 1 day, in made/picks.csv" in made.stdout
    assert "written to made" in made.stdout
    catalog = read_catalog(archive / "made")
    quakes = quakes_of(START // DAY_NS, source.settings)
    origin_ns = START // DAY_NS * DAY_NS + (quakes.time_s * NS_PER_S).astype(np.int64)
    wanted = origin_ns[(origin_ns > START) & (origin_ns < END - 20 * NS_PER_S)]
    found = catalog.events["time"].astype("datetime64[ns, UTC]").astype(np.int64).to_numpy()
    near = np.abs(wanted[:, None] - found).min(axis=1) < NS_PER_S
    assert len(wanted) >= 4
    assert near.mean() > 0.7
    assert len(found) <= len(wanted) + 1
    picks = read_picks(archive / "made" / "picks.csv")
    assert picks["velocity_m_s"].notna().mean() > 0.7
    assert 1e-7 < picks["velocity_m_s"].median() < 1e-4
    again = command("pick", *options, cwd=archive)
    assert again.returncode == 0
    assert again.stdout.splitlines()[0] == made.stdout.splitlines()[0]


def test_picks_are_made_without_metadata_and_a_catalogue_is_refused_at_once(archive: Path) -> None:
    options = ("--model", "stalta", "--source", "sds:sds", *SPAN, "-o", "bare")
    refused = command("catalog", "velocity.txt", *options, cwd=archive)
    assert refused.returncode == 1
    assert refused.stderr.startswith("seisloom: sds:sds: no coordinates of 6 stations, SY.S01,")
    assert not (archive / "bare" / "picks.csv").exists()
    made = command("pick", *options, "--station", "S01,S02", "--workers", "1", cwd=archive)
    assert made.returncode == 0, made.stderr
    assert "ground motion is known of 0 picks" in made.stdout
    assert set(read_picks(archive / "bare" / "picks.csv")["station"]) == {"SY.S01", "SY.S02"}
    places = command(
        "catalog", "velocity.txt", *options, "--inventory", "stations.xml", "--min-picks", "6", cwd=archive
    )
    assert places.returncode == 0, places.stderr


def test_a_velocity_model_that_cannot_be_read_is_refused_before_any_work(archive: Path) -> None:
    (archive / "odd.txt").write_text("six kilometres a second\n")
    made = command("catalog", "odd.txt", "--model", "stalta", "--source", "sds:sds", *SPAN, "-o", "odd", cwd=archive)
    assert made.returncode == 1
    assert "odd.txt" in made.stderr
    assert not (archive / "odd").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--start", "2024-03-05"), "nothing was picked"),
        (("--start", "yesterday"), "start 'yesterday' is not a date"),
        (("--start", "2024-03-01T03:00", "--end", "2024-03-01T02:00"), "not after start"),
        (("--station", "S99"), "no channel matches"),
    ],
)
def test_what_cannot_be_done_is_said(options: tuple[str, ...], words: str, archive: Path) -> None:
    made = command("pick", "--model", "stalta", "--source", "sds:sds", "-o", "none", *options, cwd=archive)
    assert made.returncode == 1
    assert words in made.stderr


def test_an_interrupted_run_says_so_and_goes_on(tmp_path: Path) -> None:
    words = ["pick", "--model", "stalta", "--source", "synthetic:stations=20,rate=20", "--workers", "1", "-o", "out"]
    words += ["--start", "2024-03-01T12:10", "--end", "2024-03-01T13:50"]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    running = subprocess.Popen(
        [sys.executable, "-m", "seisloom", *words], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    until(lambda: list(tmp_path.glob("out/picking/*/*.json")), "the first channel")
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 130, said
    assert "the same command continues where it stopped" in said
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("out/picking/*/*.json")}
    assert 0 < len(kept) < 20
    command(*words, cwd=tmp_path)
    assert len(list(tmp_path.glob("out/picking/*/*.json"))) == 20
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
