"""The command line: help, arguments, and users' errors in words instead of tracebacks."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import typer

import seisloom
from seisloom import cli
from seisloom.errors import SeisloomError
from seisloom.noise.report import DayReport, Summary
from seisloom.stations import channel_ids, read_stations

STATIONS = "Network,Station,Location,Channel,Latitude,Longitude\nXX,A,,BHZ,1.0,1.0\nXX,B,,BHZ,1.0,2.0\n"
PARAMS = "fs,freqmin,freqmax,cc_step,cc_len,maxlag\n10,0.1,1,450,1800,200\n"
SYNTHETIC = "synthetic:stations=4,seed=1"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``seisloom ARGUMENTS`` in a folder with a station list, parameters and an empty archive."""
    (tmp_path / "stations.csv").write_text(STATIONS)
    (tmp_path / "params.csv").write_text(PARAMS)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["seisloom", *arguments])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def refused(run: Run) -> Callable[..., str]:
    """Run a command that has to fail with exit code 1 and words; returns the words."""

    def call(*arguments: str) -> str:
        code, _, err = run(*arguments)
        assert code == 1, err
        assert "Traceback" not in err
        message = err.strip()
        assert message.startswith("seisloom: ")
        return message.removeprefix("seisloom: ")

    return call


def correlate(
    *more: str, stations: str = "stations.csv", params: str = "params.csv", source: str = "sds:empty"
) -> list[str]:
    return ["correlate", stations, params, "--source", source, "--out", "workspace", *more]


# --- help ---------------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with the words that call it."""
    ahead = [("", typer.main.get_command(cli.app))]
    while ahead:
        words, command = ahead.pop()
        yield words, command
        ahead += [(f"{words} {name}".strip(), below) for name, below in getattr(command, "commands", {}).items()]


COMMANDS = dict(commands())


def test_the_commands_of_the_main_job_are_there() -> None:
    wanted = {"correlate", "stack", "export", "stations", "plot"}
    wanted |= {f"plot {figure}" for figure in ("correlogram", "record-section", "virtual-shot", "stations")}
    assert wanted <= set(COMMANDS)


@pytest.mark.parametrize("words", COMMANDS)
def test_help(run: Run, words: str) -> None:
    code, out, err = run(*words.split(), "--help")
    assert (code, err) == (0, "")
    assert re.sub(r"\s+", " ", f"seisloom {words}").strip() in out
    for parameter in COMMANDS[words].params:
        shown = parameter.param_type_name != "argument" and not getattr(parameter, "hidden", False)
        assert (max(parameter.opts, key=len) in out) or not shown


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_and_option_is_explained(words: str) -> None:
    command = COMMANDS[words]
    assert command.help
    for parameter in command.params:
        explained = getattr(parameter, "help", None)
        assert explained, f"{words} {parameter.name}"


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"seisloom {seisloom.__version__}\n", "")


@pytest.mark.parametrize("words", [[], ["plot"]])
def test_no_command_shows_the_commands(run: Run, words: list[str]) -> None:
    _, out, err = run(*words)
    assert "Commands:" in out + err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["corelate"], "No such command 'corelate'"),
        (["plot", "pie"], "No such command 'pie'"),
        (["stack", "workspace", "--metod", "linear"], "No such option: --metod"),
        (["correlate"], "Missing argument 'STATIONS.csv'"),
        (["correlate", "stations.csv", "params.csv", "--out", "workspace"], "Missing option '--source'"),
        (["stack"], "Missing argument"),
        (["export", "workspace", "--out", "x"], "Missing option '--format'"),
        (["stack", "a", "b"], "unexpected extra argument"),
        (correlate("--workers", "two"), "Invalid value for '--workers'"),
        (["plot", "stations", "stations.csv", "--out", "m.png", "--dpi", "1"], "Invalid value for '--dpi'"),
    ],
)
def test_usage_errors(run: Run, words: list[str], message: str) -> None:
    code, _, err = run(*words)
    assert code == 2
    assert message in err
    assert "--help" in err  # where to look


# --- users' errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (correlate(stations="nowhere.csv"), "nowhere.csv: cannot read the channel list"),
        (correlate(params="nowhere.csv"), "nowhere.csv: cannot read the parameters"),
        (correlate(params="stations.csv"), "stations.csv: a header and one row of values are expected, found 3"),
        (correlate(stations="params.csv"), "params.csv: no column Network, Station, Channel; the header has: fs"),
        (correlate(source="sds:nowhere"), "source sds:nowhere: no such directory"),
        (correlate(source="files:params.csv"), "source files:params.csv: no such directory"),
        (correlate(source=f"{SYNTHETIC},sede=2"), "unknown key 'sede': did you mean 'seed'?"),
        (correlate("--set", "fs"), "--set 'fs': write name=value"),
        (correlate("--set", "freqmx=2"), "unknown setting 'freqmx': did you mean 'freqmax'?"),
        (correlate("--set", "freqmax=fast"), "freqmax is 'fast'"),
        (correlate("--set", "freqmax=6"), "use freqmax <= 5 or fs >= 12"),
        (correlate("--inventory", "nowhere.xml"), "nowhere.xml"),
        (correlate(), "--start is needed: this source does not say what days it holds"),
        (correlate("--start", "2020-13-01"), "2020-13-01"),
        (correlate("--start", "2020-01-02", "--end", "2020-01-01"), "2020-01-01"),
        (correlate("--start", "2020-01-02"), "sds:empty holds no instrument responses"),
        (correlate("--start", "2020-01-02", "--set", "response=none", "--device", "tpu"), "device 'tpu' is unknown"),
        (["stations", "--source", "sds:empty"], "sds:empty: no channel matches the query"),
        (["stations", "--source", SYNTHETIC, "--start", "soon"], "'soon' is not a date: write it as 2019-02-03"),
        (["stations", "--source", SYNTHETIC, "--network", "ZZ"], "no channel matches the query"),
        (["stations", "--source", SYNTHETIC, "--out", "no/folder.csv"], "no/folder.csv: cannot write the channel list"),
        (["stack", "nowhere"], "nowhere: no such workspace"),
        (["stack", "params.csv"], "params.csv: no such workspace"),
        (["stack", "empty"], "empty: holds no correlations.zarr; run seisloom correlate first"),
        (["stack", "empty", "--set", "power"], "--set 'power': write name=value"),
        (["export", "nowhere", "-f", "npz", "-o", "x.npz"], "nowhere: no such workspace"),
        (["export", "empty", "-f", "npz", "-o", "x.npz"], "empty: holds no correlations.zarr"),
        (["export", "empty", "-f", "npz", "-o", "x.npz", "--what", "pairs"], "--what 'pairs': use days or stack"),
        (["export", "empty", "-f", "npz", "-o", "x", "--what", "days", "--stack", "pws"], "leave one out"),
        (["plot", "stations", "nowhere.csv", "-o", "m.png"], "nowhere.csv: cannot read the channel list"),
        (["plot", "stations", "nowhere", "-o", "m.png"], "nowhere: no such workspace"),
        (["plot", "stations", "stations.csv", "-o", "m.gif"], "m.gif: figures are written as .png, .pdf, .svg"),
        (["plot", "stations", "stations.csv", "-o", "no/m.png"], "no/m.png: there is no folder no"),
        (["plot", "record-section", "nowhere", "-o", "r.png"], "nowhere: no such workspace"),
        (["plot", "record-section", "empty", "-o", "r.png", "--lag", "far"], "--lag 'far': write numbers"),
        (["plot", "record-section", "empty", "-o", "r.png", "--lag", "1,2,3"], "--lag '1,2,3'"),
        (
            ["plot", "record-section", "empty", "-o", "r.png", "--band", "1"],
            "--band '1': write the lowest and the highest",
        ),
        (["plot", "record-section", "empty", "-o", "r.png", "--velocities", "3,0"], "--velocities '3,0': use positive"),
        (["plot", "record-section", "empty", "-o", "r.png", "--stack", "pws"], "empty"),
        (["plot", "correlogram", "empty", "--pair", "XX.A_XX.B", "-o", "c.png"], "empty: holds no correlations.zarr"),
        (["plot", "virtual-shot", "empty", "--station", "XX.A", "-o", "v.png"], "empty: holds no correlations.zarr"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_users_errors_are_words(refused: Callable[..., str], words: list[str], message: str) -> None:
    assert message in refused(*words)


def test_nothing_is_left_behind_by_arguments_that_are_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    for words in (correlate(), correlate("--set", "fs=1"), ["stations", "--source", SYNTHETIC, "--bbox", "1,2"]):
        refused(*words)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_all_faults_of_the_settings_at_once(refused: Callable[..., str]) -> None:
    message = refused(*correlate("--set", "freqmax=6", "--set", "cc_step=2000", "--set", "maxlag=1800"))
    assert message.splitlines()[0] == "params.csv: 3 faults"
    assert [line.split()[1] for line in message.splitlines()[1:]] == ["freqmax", "cc_step", "maxlag"]


@pytest.mark.parametrize("source", ["scedc", "ftp:scedc", "SDS:empty", ""])
def test_unknown_kinds_of_source_list_the_kinds(refused: Callable[..., str], source: str) -> None:
    message = refused(*correlate(source=source))
    assert f"source {source!r}: unknown kind" in message
    for kind in ("fdsn:", "sds:", "files:", "s3:", "synthetic:"):
        assert f"\n  {kind}" in message


@pytest.mark.parametrize(
    "box", ["1,2,3", "1,2,3,4,5", "a,b,c,d", "", "0;1;2;3", "0,-91,10,0", "0,50,10,40", "0,0,10,91"]
)
def test_boxes_that_are_none(refused: Callable[..., str], box: str) -> None:
    message = refused("stations", "--source", SYNTHETIC, "--bbox", box)
    assert message.startswith(f"--bbox {box!r}: ")
    assert ("minlon,minlat,maxlon,maxlat" in message) != ("latitudes must rise" in message)


# --- what is passed on --------------------------------------------------------------------------------------


def test_stations_of_a_source(run: Run) -> None:
    assert run("stations", "--source", SYNTHETIC, "--out", "all.csv") == (0, "4 channels written to all.csv\n", "")
    table = read_stations("all.csv")
    assert len(table) == 4
    west = table["longitude"].sort_values()
    box = f"{west.iloc[0] - 0.01:.6f},-90,{west.iloc[1] + 0.0005:.6f},90"
    assert run("stations", "--source", SYNTHETIC, "-o", "some.csv", "--bbox", box)[0] == 0
    assert set(channel_ids(read_stations("some.csv"))) == {channel_ids(table)[i] for i in west.index[:2]}
    one = table.iloc[2]
    assert (
        run("stations", "--source", SYNTHETIC, "-o", "one.csv", "--station", one["station"], "--channel", "*Z")[0] == 0
    )
    assert channel_ids(read_stations("one.csv")) == [channel_ids(table)[2]]


def test_settings_of_the_command_line_win_over_the_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def record(channels, settings, source, workspace, start, end, *others, **named):
        seen.update(ids=channel_ids(channels), settings=settings, out=workspace, days=(start, end))
        return Summary("w", [DayReport("2020-01-02", pairs=3)])

    monkeypatch.setattr("seisloom.noise.pipeline.correlate", record)
    words = correlate("--set", "maxlag=120", "--set", " whiten = none", "--start", "2020-01-02", "--end", "2020-01-05")
    assert run(*words)[:2] == (0, "3 pairs on 1 day, 0 pair windows from 0 channel-days, in w\n")
    assert seen["ids"] == ["XX.A..BHZ", "XX.B..BHZ"]
    assert (seen["settings"].maxlag, seen["settings"].whiten, seen["settings"].cc_len) == (120.0, "none", 1800.0)
    assert (seen["out"], seen["days"]) == ("workspace", ("2020-01-02", "2020-01-05"))


# --- the entry point ----------------------------------------------------------------------------------------


def test_what_stops_a_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise SeisloomError("the disk is full: free some space")

    monkeypatch.setattr(cli, "app", stop)
    found = run("stations")
    assert found[0] == 1
    assert "seisloom: the disk is full: free some space\n" in found[2]


def test_defects_of_the_program_keep_their_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "app", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("stations")


@pytest.mark.parametrize(
    "program", [[sys.executable, "-m", "seisloom"], [str(Path(sys.executable).with_name("seisloom"))]]
)
def test_installed_program(tmp_path: Path, program: list[str]) -> None:
    made = subprocess.run([*program, "stack", "nowhere"], capture_output=True, text=True, cwd=tmp_path)
    assert (made.returncode, made.stdout, made.stderr) == (1, "", "seisloom: nowhere: no such workspace\n")


def test_the_run_script_takes_files_from_where_the_caller_is(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    if not (root / ".venv" / ".seisloom-stamp").exists():
        pytest.skip("./run setup has not made .venv")
    (tmp_path / "stations.csv").write_text("Network,Station\nXX,A\n")
    command = [root / "run", "correlate", "stations.csv", "params.csv", "--source", SYNTHETIC, "--out", "there"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode != 0
    assert "stations.csv" in done.stderr
    assert "No such file" not in done.stderr
