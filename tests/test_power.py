"""Loss of power: of what was written to a folder only that is sure to be there which was waited for (fsync)."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from seisloom.noise.archive import open_correlations
from seisloom.noise.compaction import compact
from seisloom.noise.pipeline import correlate
from seisloom.storage import Storage
from seisloom.stores import disk
from tests.jobs import DAY, noise_source, objects, small_settings
from tests.test_resume import Killed, Writes

LAST = "2024-03-03"


class Disk:
    """What a folder is sure to hold: contents of files and names in folders as they were when they were last waited for."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.contents: dict[int, bytes] = {}
        self.names: dict[Path, dict[str, int]] = {}
        self.held: list[int] = []
        patch.setattr(disk, "_fsync", self.sync)

    def sync(self, path: Path) -> None:
        if path.is_dir():
            self.names[path] = {entry.name: entry.inode() for entry in os.scandir(path)}
            return
        self.held.append(os.open(path, os.O_RDONLY))  # so that its number is not given to another file
        self.contents[os.fstat(self.held[-1]).st_ino] = path.read_bytes()

    def close(self) -> None:
        for number in self.held:
            os.close(number)

    def after_loss(self, folder: Path, other: Path, draw: random.Random) -> None:
        """What may be found in a folder: of what is not sure, anything, and files with nothing in them above all."""
        other.mkdir()
        now = {entry.name: entry.inode() for entry in os.scandir(folder)} if folder.is_dir() else {}
        sure = self.names.get(folder, {})
        for name in sorted(now.keys() | sure.keys()):
            number = draw.choice([now.get(name), sure.get(name)])
            if (folder / name).is_dir():
                if number:
                    self.after_loss(folder / name, other / name, draw)
            elif number in self.contents:
                (other / name).write_bytes(self.contents[number])
            elif number and number == now.get(name):
                (other / name).write_bytes(draw.choice([b"", (folder / name).read_bytes()]))


@pytest.fixture
def lossy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Disk]]:
    """Gives a disk of which nothing is sure yet."""
    made: list[Disk] = []

    def new() -> Disk:
        made.append(Disk(monkeypatch))
        return made[-1]

    yield new
    for one in made:
        one.close()


def run(workspace: Path, end: str = LAST, **settings: object) -> None:
    source = noise_source(2, 3)
    correlate(source.table, small_settings(**settings), source, workspace, DAY, end, workers=1)


def job(workspace: Path, **settings: object) -> None:
    """A job that is extended once."""
    run(workspace, DAY, **settings)
    run(workspace, **settings)


@pytest.mark.parametrize("settings", [{}, {"keep": "stack", "stack_days": 2}], ids=["days", "stacks"])
def test_power_is_lost_between_any_two_writes(
    tmp_path: Path, lossy: Callable[[], Disk], settings: dict[str, object]
) -> None:
    """The next run completes the job, to the same bytes."""
    with pytest.MonkeyPatch.context() as patch:
        writes = Writes(patch)
        job(tmp_path / "whole", **settings)
    wanted = kept(tmp_path / "whole")
    for at in range(2, len(writes.names) + 1, 7):
        folder, other, held = tmp_path / f"{at}", tmp_path / f"{at} after", lossy()
        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            Writes(patch, at)
            job(folder, **settings)
        held.after_loss(folder, other, random.Random(at))
        run(other, **settings)
        assert kept(other) == wanted, f"lost after {writes.names[at - 1]}"


def kept(workspace: Path) -> dict[str, bytes]:
    return objects(workspace) | objects(workspace, "days.zarr")


def test_power_is_lost_while_days_are_replaced(tmp_path: Path, lossy: Callable[[], Disk]) -> None:
    """What has replaced them is sure to be there before any of them goes."""
    held = lossy()
    run(tmp_path / "whole")
    before = open_correlations(tmp_path / "whole").load()
    start = objects(tmp_path / "whole", "")
    with pytest.MonkeyPatch.context() as patch:
        writes = Writes(patch)
        compact(str(tmp_path / "whole"), replace=True, threads=1)
    for at in range(len(writes.names) - 12, len(writes.names) + 1, 2):
        folder, other, held = tmp_path / f"{at}", tmp_path / f"{at} after", lossy()
        for key, data in start.items():
            Storage(folder, create=True).put(key, data, durable=True)
        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            Writes(patch, at)
            compact(str(folder), replace=True, threads=1)
        held.after_loss(folder, other, random.Random(at))
        compact(str(other), replace=True)
        assert open_correlations(other).load().equals(before), f"lost after {writes.names[at - 1]}"
