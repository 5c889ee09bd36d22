"""Catalogues that are put into an object store: the files of a folder, to the last byte; and what happens on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from seisloom.errors import WorkspaceError
from seisloom.out_folder import out_folder, work_folder
from seisloom.storage import Storage
from tests.association_job import Prepared, associate, prepared  # noqa: F401 - a fixture
from tests.jobs import objects
from tests.object_stores import NewWorkspace

pytestmark = pytest.mark.parametrize("object_store", ["moto"], indirect=True)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_catalogue_in_a_store_is_that_of_a_folder(
    prepared: Prepared,  # noqa: F811
    object_store: NewWorkspace,
    tmp_path: Path,
    cache: Path,
) -> None:
    url = object_store()
    for stale in ("event-7.png", "seismicity.png", "hypoinverse.arc", "event-of-mine.png", "mine/timeline.png"):
        Storage(url, create=True).put(stale, b"old")
    here = associate(prepared, tmp_path / "out", "--method", "likelihood", "--figures")
    there = associate(prepared, url, "--method", "likelihood", "--figures")  # type: ignore[arg-type]
    assert there.code == here.code == 0, there.err
    folder, store = objects(tmp_path / "out", ""), objects(url, "")
    assert store.pop("event-of-mine.png") == store.pop("mine/timeline.png") == b"old"
    assert store == folder
    assert f"written to {url}" in there.out
    assert f"figure {url}/seismicity.png" in there.out
    assert not list((cache / "seisloom").iterdir())


def test_what_was_interrupted_is_kept_and_nothing_put(object_store: NewWorkspace) -> None:
    url = object_store()

    def run(end: BaseException | None) -> None:
        with out_folder(url, lambda name: name == "b") as folder:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".running").write_text("")
            (folder / "a").write_text((folder / "a").read_text() + "2" if (folder / "a").exists() else "1")
            if end:
                raise end

    with pytest.raises(KeyboardInterrupt):
        run(KeyboardInterrupt())
    assert objects(url, "") == {}
    run(None)
    assert objects(url, "") == {"a": b"12"}
    assert not work_folder(url).exists()


def test_a_store_that_cannot_be_had_is_told_before_the_work(object_store: NewWorkspace) -> None:
    object_store()
    with pytest.raises(WorkspaceError, match="no such bucket"), out_folder("s3://no-such-bucket/x", lambda _: False):
        raise AssertionError
    assert work_folder("s3://a/b") == work_folder("s3://a/b/") != work_folder("s3://a/c")
    assert work_folder("here") == Path("here")
