"""Workspaces of older and newer versions: an older one is read and continued, a newer one is refused with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seisloom import __version__
from seisloom.errors import WorkspaceError
from seisloom.noise.archive import open_archive, open_correlations, open_stacks
from seisloom.noise.formats import NEWEST
from seisloom.noise.pipeline import correlate
from seisloom.noise.stacking import stack_correlations
from seisloom.storage import Storage
from tests.jobs import DAY, noise_source, objects, small_settings

END = "2024-03-02"
UPDATE = (
    rf"this is seisloom {__version__}, which reads formats up to {NEWEST}: update it \(pip install --upgrade seisloom\)"
)


def run(workspace: Path, end: str = END, **changes: Any) -> None:
    source = noise_source(2, 2)
    correlate(source.table, small_settings(**changes), source, workspace, DAY, end)


def edit(path: Path, change: Any) -> None:
    held = json.loads(path.read_text())
    change(held)
    path.write_text(json.dumps(held))


def test_an_archive_says_what_wrote_it(tmp_path: Path) -> None:
    run(tmp_path)
    stack_correlations(tmp_path)
    for data in (open_correlations(tmp_path), open_stacks(tmp_path)):
        assert data.attrs["seisloom_version"] == __version__
        assert data.attrs["format"] == 1
    card = json.loads((tmp_path / "job.json").read_text())
    assert (card["seisloom"], card["format"]) == (__version__, 1)


def test_what_was_written_before_there_were_formats_is_continued(tmp_path: Path) -> None:
    """By a version that knew neither formats nor the latest settings."""
    run(tmp_path / "old", DAY)
    edit(tmp_path / "old" / "correlations.zarr" / "zarr.json", lambda held: held["attributes"].pop("format"))

    def age(card: dict[str, Any]) -> None:
        del card["format"], card["settings"]["reject_peak"]
        card["digest"] = "of other settings"

    edit(tmp_path / "old" / "job.json", age)
    edit(tmp_path / "old" / "done" / f"{DAY}.json", lambda held: held.update(later="unknown"))
    run(tmp_path / "old")
    run(tmp_path / "new")
    assert open_correlations(tmp_path / "old").load().equals(open_correlations(tmp_path / "new").load())
    stack_correlations(tmp_path / "old")
    with pytest.raises(WorkspaceError, match=r"another job(.|\n)*reject_peak is 20.0 there and 5.0 now"):
        run(tmp_path / "old", reject_peak=5.0)


@pytest.mark.parametrize("number", [NEWEST + 1, "two", 0])
def test_a_newer_archive_is_refused(tmp_path: Path, number: object) -> None:
    run(tmp_path)
    name = stack_correlations(tmp_path)
    newer = {"format": number, "seisloom_version": "9.1"}
    for path in ("correlations.zarr", f"stacks/{name}.zarr"):
        edit(tmp_path / path / "zarr.json", lambda held: held["attributes"].update(newer))
    before = objects(tmp_path, "")
    for act in (
        lambda: open_correlations(tmp_path),
        lambda: open_stacks(tmp_path),
        lambda: stack_correlations(tmp_path, "pws"),
        lambda: open_archive(Storage(tmp_path), "correlations.zarr"),
    ):
        with pytest.raises(WorkspaceError, match=rf"\.zarr: has format {number!r}, written by seisloom 9.1; {UPDATE}"):
            act()
    assert objects(tmp_path, "") == before


def test_a_newer_job_is_not_continued(tmp_path: Path) -> None:
    run(tmp_path, DAY)
    before = objects(tmp_path)
    edit(tmp_path / "job.json", lambda card: card.update(format=NEWEST + 1, seisloom="9.1"))
    with pytest.raises(WorkspaceError, match=rf"job.json: has format {NEWEST + 1}, written by seisloom 9.1; {UPDATE}"):
        run(tmp_path)
    edit(tmp_path / "job.json", lambda card: card.update(format=1) or card["settings"].update(warp=3))
    with pytest.raises(WorkspaceError, match=r"made by seisloom 9.1 with settings that .* does not know(.|\n)*warp"):
        run(tmp_path)
    assert objects(tmp_path) == before
