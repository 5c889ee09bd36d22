"""A job shared out, to workers of an engine or to slices: the same archive, byte for byte; every day once."""

from __future__ import annotations

import json
import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisloom.compute import Slice, parse_slice
from seisloom.errors import InputError, WorkspaceError
from seisloom.noise.ledger import Ledger
from seisloom.noise.pipeline import Progress, correlate
from seisloom.noise.report import Summary
from seisloom.waveforms import Record, open_source
from seisloom.waveforms.synthetic import SyntheticSource
from tests.job_workers import FIRST, SPEC, tiny_channels, tiny_settings
from tests.jobs import command, objects

DAYS = [f"2024-03-{day:02d}" for day in range(1, 6)]
BAD = DAYS[2]


def run(workspace: Path, source: Any = None, end: str = DAYS[-1], **options: Any) -> Summary:
    source = source or open_source(SPEC)
    return correlate(
        tiny_channels(), tiny_settings(), source, workspace, FIRST, end, workers=options.pop("workers", 2),
        memory_gb=0.5, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every object of an undisturbed run in this process."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder)
    return contents(folder)


def contents(workspace: Path) -> dict[str, Any]:
    """Objects of the archive, and what the marks and the summary say but for the time that it took."""
    marks = {key: untimed(json.loads(data)) for key, data in objects(workspace, "done").items()}
    summary = untimed(json.loads((workspace / "summary.json").read_bytes()))
    return objects(workspace) | marks | {"summary.json": summary}


def untimed(said: Any) -> Any:
    if isinstance(said, dict):
        return {key: untimed(value) for key, value in said.items() if key != "seconds"}
    return [untimed(value) for value in said] if isinstance(said, list) else said


@pytest.mark.parametrize("compute", ["processes", "dask"])
def test_workers_make_the_same_bytes(tmp_path: Path, whole: dict[str, Any], compute: str) -> None:
    if compute == "dask":
        pytest.importorskip("distributed")
    told: list[Progress] = []
    run(tmp_path, end=DAYS[1])
    summary = run(tmp_path, compute=compute, progress=told.append)
    assert contents(tmp_path) == whole
    assert [day.day for day in summary.days] == DAYS
    assert sorted(p.day for p in told) == DAYS[2:]
    assert [p.days_done for p in told] == [2, 3, 4]


class Deadly(SyntheticSource):
    """A source that kills the process that asks for one day, as long as a file is not there."""

    def __init__(self, rest: str, file: str) -> None:
        super().__init__(rest)
        self.file = file

    def fetch(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        if self.is_bad(start_ns) and not Path(self.file).exists():
            self.fail()
        return super().fetch(channel_id, start_ns, end_ns)

    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @staticmethod
    def is_bad(start_ns: int) -> bool:
        return start_ns // 86_400_000_000_000 == (19783 + DAYS.index(BAD))


class Defective(Deadly):
    """A source with a defect on one channel and day."""

    def fetch(self, channel_id: str, start_ns: int, end_ns: int) -> Record:
        good = self.is_bad(start_ns) and channel_id != tiny_id(1)
        return (
            SyntheticSource.fetch(self, channel_id, start_ns, end_ns)
            if good
            else super().fetch(channel_id, start_ns, end_ns)
        )

    def fail(self) -> None:
        raise ZeroDivisionError("of no account")


def tiny_id(row: int) -> str:
    table = tiny_channels()
    return ".".join(table.loc[row, ["network", "station", "location", "channel"]])


def test_a_day_that_kills_every_worker_is_said_so_and_done_by_a_later_run(
    tmp_path: Path, whole: dict[str, Any]
) -> None:
    mended = tmp_path / "mended"
    source = Deadly(SPEC.partition(":")[2], str(mended))
    told = str(run(tmp_path / "job", source, compute="processes", workers=1)).splitlines()[-1].split(maxsplit=2)
    assert told[:2] == ["*", BAD]
    assert told[2].startswith("NOT USED, not done: given up after 3 tries: its worker process was ended by SIGKILL")
    assert sorted(path.stem for path in (tmp_path / "job" / "done").iterdir()) == [day for day in DAYS if day != BAD]
    mended.touch()
    run(tmp_path / "job", source)
    assert contents(tmp_path / "job") == whole


def test_a_channel_on_which_the_program_fails_leaves_its_day_incomplete(tmp_path: Path, whole: dict[str, Any]) -> None:
    mended = tmp_path / "mended"
    source = Defective(SPEC.partition(":")[2], str(mended))
    summary = run(tmp_path / "job", source)
    problem = summary.problems().iloc[0].to_dict()
    assert problem["channel"] == tiny_id(1)
    assert problem["message"].startswith("a defect of the program: ZeroDivisionError: of no account (")
    assert problem["failed"]
    assert [day.pairs for day in summary.days] == [3 if day == BAD else 6 for day in DAYS]
    mended.touch()
    run(tmp_path / "job", source)
    assert contents(tmp_path / "job") == whole


def test_a_worker_that_does_not_see_the_workspace_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter([True])  # by the command; then the worker looks
    monkeypatch.setattr(Ledger, "claimed", lambda self: next(seen, False))
    with pytest.raises(WorkspaceError, match="does not find the job there: use a folder that all workers share"):
        run(tmp_path)


# --- slices ---


@given(st.integers(0, 60), st.integers(1, 70))
def test_slices_share_no_item_and_leave_none_out(n_items: int, n_slices: int) -> None:
    parts = [range(n_items)[Slice(number, n_slices).places] for number in range(1, n_slices + 1)]
    assert sorted(item for part in parts for item in part) == list(range(n_items))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/3/5", ""])
def test_slices_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="write i/n with i from 1 to n"):
        parse_slice(text)


@pytest.fixture(params=range(3))
def order(request: pytest.FixtureRequest) -> list[Slice]:
    """Slices of two partitions that cover the job between them, some twice, in any order."""
    draw = random.Random(request.param)
    n = draw.randint(2, 4)
    slices = [Slice(i, n) for i in range(1, n + 1)] + [Slice(draw.randint(1, 7), 7) for _ in range(2)]
    draw.shuffle(slices)
    return slices


def test_any_slices_that_cover_the_job_complete_it(tmp_path: Path, whole: dict[str, Any], order: list[Slice]) -> None:
    done: set[str] = set()
    for part in order:
        mine = {*DAYS[part.places]}
        assert [day.day for day in run(tmp_path, part=part).days] == sorted(mine)
        done |= mine
        assert {path.stem for path in tmp_path.glob("done/*")} == done
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/**/*")}
    run(tmp_path, part=order[0])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/**/*")} == before
    assert contents(tmp_path) == whole


def test_slices_and_a_whole_run_at_once_disturb_each_other_in_nothing(tmp_path: Path, whole: dict[str, Any]) -> None:
    with ThreadPoolExecutor(3) as pool:
        parts = [Slice(1, 2), Slice(2, 2), None]
        told = list(pool.map(lambda part: run(tmp_path, open_source(SPEC), part=part, workers=1), parts))
    assert [len(summary.days) for summary in told] == [3, 2, 5]
    assert contents(tmp_path) == whole


def test_the_command_takes_slices_and_workers(tmp_path: Path) -> None:
    (tmp_path / "params.csv").write_text(
        "fs,freqmin,freqmax,cc_step,cc_len,maxlag,response\n1,0.05,0.2,3600,3600,60,none\n"
    )
    tiny_channels().to_csv(tmp_path / "stations.csv", index=False)
    given = (
        "correlate",
        "stations.csv",
        "params.csv",
        "--source",
        SPEC,
        "--start",
        FIRST,
        "--end",
        DAYS[1],
        "-o",
        "out",
    )
    told = command(*given, "--slice", "2/2", "--compute", "processes", "--workers", "1", cwd=tmp_path)
    assert "6 pairs on 1 day" in told.stdout
    assert [path.stem for path in tmp_path.glob("out/done/*")] == [DAYS[1]]
    empty = command(*given, "--slice", "3/3", cwd=tmp_path)
    assert (empty.returncode, empty.stdout) == (0, "0 pairs on 0 days, 0 pair windows from 0 channel-days, in out\n")
