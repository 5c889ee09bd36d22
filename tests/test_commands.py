"""The command line from end to end, the same by the Python interface, and the demonstration."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import xarray as xr

import seisloom
import seisloom.demo.association
import seisloom.demo.noise
from seisloom import demo
from seisloom.catalog import read_catalog
from seisloom.config import CorrelationSettings
from seisloom.demo.board import begin
from seisloom.errors import InputError
from seisloom.jobs import AssociationRequest, Board
from seisloom.stations import read_stations, write_stations
from seisloom.storage import Storage
from tests.jobs import command, network

SOURCE = "synthetic:stations=5,rate=4,seed=3"
PARAMS = "fs,freqmin,freqmax,cc_step,cc_len,maxlag\n4,0.1,1,900,1800,40\n"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, subprocess.CompletedProcess[str]]]:
    """An empty folder in which every command has been given, and what each of them said."""
    folder = tmp_path_factory.mktemp("chain")
    (folder / "params.csv").write_text(PARAMS)
    span = ("--start", "2024-03-01", "--end", "2024-03-02")
    said = {
        "stations": command("stations", "--source", SOURCE, "-o", "stations.csv", cwd=folder),
        "correlate": command(
            "correlate", "stations.csv", "params.csv", "--source", SOURCE, "--out", "out", *span, cwd=folder
        ),
        "stack": command("stack", "out", "--method", "pws", "--set", "power=1", cwd=folder),
        "map": command("plot", "stations", "stations.csv", "-o", "stations.png", cwd=folder),
        "section": command("plot", "record-section", "out", "-o", "section.pdf", cwd=folder),
        "shot": command("plot", "virtual-shot", "out", "--station", "SY.S02", "-o", "shot.svg", cwd=folder),
        "correlogram": command("plot", "correlogram", "out", "--pair", "SY.S04_SY.S01", "-o", "rows.png", cwd=folder),
        "export": command("export", "out", "--format", "netcdf", "--what", "stack", "-o", "stack.nc", cwd=folder),
    }
    return folder, said


def test_every_command_succeeds_and_says_what_it_made(
    chain: tuple[Path, dict[str, subprocess.CompletedProcess[str]]],
) -> None:
    folder, said = chain
    assert {name: made.returncode for name, made in said.items()} == dict.fromkeys(said, 0), said
    # Standard error is no terminal here: no progress bar, no warnings.
    assert {name: made.stderr for name, made in said.items()} == dict.fromkeys(said, "")
    assert said["stations"].stdout == "5 channels written to stations.csv\n"
    summary = "10 pairs on 2 days, 1,900 pair windows from 10 channel-days, in out\n"
    assert said["correlate"].stdout == summary
    assert said["stack"].stdout == "stack pws_all written to out\n"
    for name, file in (("map", "stations.png"), ("section", "section.pdf"), ("shot", "shot.svg")):
        assert file in said[name].stdout
        assert "written to" in said[name].stdout
    assert len(read_stations(folder / "stations.csv")) == 5


def test_figures_are_pictures(chain: tuple[Path, dict[str, subprocess.CompletedProcess[str]]]) -> None:
    folder = chain[0]
    for name in ("stations.png", "rows.png"):
        picture = matplotlib.image.imread(folder / name)
        assert min(picture.shape[:2]) > 400
        assert picture[..., :3].std() > 0.05
    assert (folder / "section.pdf").read_bytes().startswith(b"%PDF")
    assert "<svg" in (folder / "shot.svg").read_text()[:2000]


def test_the_export_is_the_stack(chain: tuple[Path, dict[str, subprocess.CompletedProcess[str]]]) -> None:
    folder = chain[0]
    stack = seisloom.open_stacks(folder / "out").load()
    with xr.open_dataset(folder / "stack.nc", engine="h5netcdf") as exported:
        assert np.array_equal(exported.ccf.values, stack.ccf.values)
    assert '"power": 1.0' in stack.attrs["method_options"]


def test_ten_lines_of_python_give_the_same(
    chain: tuple[Path, dict[str, subprocess.CompletedProcess[str]]], tmp_path: Path
) -> None:
    folder = chain[0]
    source = seisloom.open_source(SOURCE)
    stations = seisloom.read_stations(folder / "stations.csv")
    settings = seisloom.CorrelationSettings(fs=4, freqmin=0.1, freqmax=1, cc_step=900, cc_len=1800, maxlag=40)
    summary = seisloom.correlate(stations, settings, source, tmp_path, "2024-03-01", "2024-03-02")
    name = seisloom.stack_correlations(tmp_path, "pws", power=1)
    days, stack = seisloom.open_correlations(tmp_path), seisloom.open_stacks(tmp_path, name)
    assert "10 pairs on 2 days" in str(summary)
    xr.testing.assert_identical(days.load(), seisloom.open_correlations(folder / "out").load())
    xr.testing.assert_identical(stack.load(), seisloom.open_stacks(folder / "out").load())
    assert seisloom.read_settings(folder / "params.csv") == settings


def test_a_terminal_sees_the_bar(tmp_path: Path) -> None:
    (tmp_path / "params.csv").write_text(PARAMS)
    write_stations(network(SOURCE.removeprefix("synthetic:")).table, tmp_path / "stations.csv")
    reader, terminal = os.openpty()
    call = [sys.executable, "-m", "seisloom", "correlate", "stations.csv", "params.csv", "--source", SOURCE]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "160", "OPENBLAS_NUM_THREADS": "1"}
    call += ["--out", "out", "--start", "2024-03-01"]
    with subprocess.Popen(call, cwd=tmp_path, env=environment, stderr=terminal, stdout=subprocess.DEVNULL):
        os.close(terminal)
        text = b""
        with suppress(OSError):  # the end of a terminal is an error
            while part := os.read(reader, 4096):
                text += part
    os.close(reader)
    assert b"2024-03-01 (1/1)" in text
    assert re.search(rb"5/5 channels, 10/10 pairs, \d+/s left", text)


# --- the demonstration ---


@pytest.fixture
def small_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo.noise, "NETWORK", "stations=5,seed=1,rate=5")
    monkeypatch.setattr(demo.noise, "SETTINGS", CorrelationSettings(fs=5.0, keep="substack", maxlag=60.0))
    monkeypatch.setattr(demo.association, "SCENARIO", replace(demo.association.SCENARIO, duration_s=1200.0))


@pytest.mark.usefixtures("small_demo")
def test_the_demonstration_runs_twice(tmp_path: Path) -> None:
    said: list[str] = []
    folder = tmp_path / "new" / "demo"
    demo.run_demo(folder, said.append)
    figures = sorted(path.name for path in folder.glob("figures/*"))
    assert figures == ["correlogram.png", "record-section.png", "stations.png", "virtual-shot.png"]
    text = "\n".join(said)
    assert all(name in text for name in figures)
    fit = re.search(r"the 10 stacks correlate with it at (0\.\d+) \(median\)", text)
    assert fit is not None
    assert float(fit[1]) > 0.9
    for line in ("seisloom correlate", "seisloom stack", "3 km/s line", f"seisloom serve {folder / 'workspace'}"):
        assert line in text
    archive = "workspace/processed/demo-noise-1/correlations.zarr/ccf/**/*"
    stamps = {path: path.stat().st_mtime_ns for path in folder.glob(archive)}
    assert stamps
    board = Board(Storage(folder / "workspace"))
    jobs = {job.kind: job for job in board.jobs()}
    assert {kind: job.state for kind, job in jobs.items()} == {"correlation": "done", "association": "done"}
    assert jobs["correlation"].result["pairs"] == 10
    assert len(read_catalog(f"{board.storage.url}/{jobs['association'].result['folder']}").events) > 0
    again: list[str] = []
    demo.run_demo(folder, again.append)
    noise = said.index("Association")
    assert again[:noise] == said[:noise]
    same = [line.replace("run-000002", "RUN") for line in said[noise:]]
    assert [re.sub(r"run-\d{6}", "RUN", line) for line in again[noise:]] == same
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert sorted(job.id for job in board.jobs()) == sorted(job.id for job in jobs.values())


def test_jobs_of_the_demonstration_stay_its_own(tmp_path: Path) -> None:
    board = Board(Storage(tmp_path, create=True))
    request = AssociationRequest(("picks.csv", b""), ("stations.csv", b""), ("velocity.txt", b""))
    assert begin(board, "demo", request).job.id == "demo-1"
    begin(board, "demo", request).fail("interrupted and taken up again")
    assert begin(board, "demo", request).finish({})
    board.delete("demo-1")
    assert begin(board, "demo", request).release()
    assert board.claim("somebody")
    with pytest.raises(InputError, match=r"job demo-2 of .* is in the hands of a worker: end it first"):
        begin(board, "demo", request)


@pytest.mark.parametrize("name", ["params.csv", "stations.csv", "notes.txt"])
def test_the_demonstration_keeps_out_of_foreign_folders(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=r"holds other files: give the demo a folder of its own \(--out\)"):
        demo.run_demo(tmp_path, print)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"
    with pytest.raises(InputError, match="is a file"):
        demo.check_folder(tmp_path / name)
    demo.check_folder(tmp_path / "new")
