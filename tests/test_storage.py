"""The workspace store: whole objects, and create-if-absent with exactly one winner, on a disk and on S3."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import boto3
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from seisloom.errors import WorkspaceError
from seisloom.storage import Storage
from tests.object_stores import BUCKET, use_server


@pytest.fixture
def s3(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket that holds nothing, and the environment through which users name their own S3 service."""
    use_server(moto_server, monkeypatch)
    bucket = boto3.resource("s3", endpoint_url=moto_server).create_bucket(Bucket="empty")
    yield "s3://empty"
    bucket.objects.delete()
    bucket.delete()


@pytest.fixture(params=["folder", "file-url", "s3", "s3-prefix", "radosgw"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A workspace that holds nothing yet."""
    if request.param == "folder":
        return str(tmp_path / "work space")
    if request.param == "file-url":
        return f"file://{tmp_path}/work%20space"
    if request.param == "radosgw":
        use_server(request.getfixturevalue("radosgw_server"), monkeypatch)
        return f"s3://{BUCKET}/{secrets.token_hex(4)}/first one"
    bucket = request.getfixturevalue("s3")
    return bucket if request.param == "s3" else f"{bucket}/jobs/first one"


@pytest.fixture
def storage(url: str) -> Storage:
    return Storage(url, create=True)


# --- on every store -----------------------------------------------------------------------------------------


def test_what_is_put_is_got(storage: Storage, rng: np.random.Generator) -> None:
    data = rng.bytes(300_000)
    storage.put("done/2019-02-03.json", data)
    assert storage.get("done/2019-02-03.json") == data
    storage.put("done/2019-02-03.json", b"")
    assert storage.get("done/2019-02-03.json") == b""


def test_what_is_not_there_is_none(storage: Storage) -> None:
    storage.put("a/b.json", b"{}")
    for key in ("b.json", "a", "a/b", "a/b.json.old"):
        assert storage.get(key) is None
        assert storage.get_json(key) is None


def test_put_new_leaves_what_is_there(storage: Storage) -> None:
    assert storage.put_new("job.json", b"first") is True
    assert storage.put_new("job.json", b"second") is False
    assert storage.get("job.json") == b"first"
    storage.delete(["job.json"])
    assert storage.put_new("job.json", b"third") is True
    assert storage.get("job.json") == b"third"


@pytest.mark.parametrize("race", range(3))
def test_put_new_has_exactly_one_winner(url: str, race: int) -> None:
    n, together = 16, Barrier(16)
    # A store of its own for each, as in as many processes.
    stores = [Storage(url, create=True) for _ in range(n)]

    def claim(i: int) -> bool:
        together.wait()
        return stores[i].put_new(f"done/{race}.json", f"{i}".encode() * 5000)

    with ThreadPoolExecutor(n) as pool:
        won = list(pool.map(claim, range(n)))
    held = stores[0].get(f"done/{race}.json")
    assert held in [f"{i}".encode() * 5000 for i in range(n)]
    # A store that is too busy to answer in time is asked again, and then holds the winner's own.
    assert won.count(True) == 1 or (url.startswith("s3://") and won.count(True) == 0)
    if any(won):
        assert held == f"{won.index(True)}".encode() * 5000


def test_keys_are_sorted_and_of_the_prefix_only(storage: Storage) -> None:
    for key in ("done/b.json", "done/a.json", "done/2019/c.json", "done.json", "donee/d.json", "other/e"):
        storage.put(key, b"x")
    assert storage.keys("done") == ["done/2019/c.json", "done/a.json", "done/b.json"]
    assert storage.keys("nothing") == []
    assert len(storage.keys("")) == 6


def test_delete_passes_over_what_is_not_there(storage: Storage) -> None:
    storage.put("a", b"1")
    storage.put("b", b"2")
    storage.delete(["a", "never", "a"])
    assert storage.keys("") == ["b"]


def test_json(storage: Storage) -> None:
    storage.put("job.json", b'{"pairs": [1, 2], "name": "\xc3\xa9"}')
    assert storage.get_json("job.json") == {"pairs": [1, 2], "name": "é"}
    for damaged in (b'{"pairs": [1,', b"", b"\xff\xfe"):
        storage.put("job.json", damaged)
        with pytest.raises(WorkspaceError, match=r"job\.json: damaged, not valid JSON"):
            storage.get_json("job.json")


@pytest.mark.parametrize("key", ["day 1.json", "CI.HEC..BHZ_CI.CCA..BHZ", "größe.json", "100%.json", "a#b?c"])
def test_keys_with_unusual_characters(storage: Storage, key: str) -> None:
    storage.put(f"x/{key}", b"1")
    assert storage.get(f"x/{key}") == b"1"
    assert storage.keys("x") == [f"x/{key}"]


def test_keys_cannot_leave_the_workspace(storage: Storage) -> None:
    for act in (lambda: storage.put("../out", b""), lambda: storage.put_new("a/../../out", b"")):
        with pytest.raises(WorkspaceError, match="out: cannot be written"):
            act()


def test_two_storages_of_one_url_share_the_objects(url: str) -> None:
    first, second = Storage(url, create=True), Storage(url, create=True)
    first.put("a", b"1")
    assert Storage(url).get("a") == second.get("a") == b"1"


def test_zarr_arrays(url: str, rng: np.random.Generator) -> None:
    data = rng.standard_normal((20, 30)).astype(np.float32)
    store = Storage(url, create=True).zarr()
    zarr.create_array(store, name="group/ccf", data=data, chunks=(7, 30))
    np.testing.assert_array_equal(zarr.open_array(Storage(url).zarr(read_only=True), path="group/ccf")[:], data)
    with pytest.raises(ValueError, match="read-only"):
        zarr.create_array(Storage(url).zarr(read_only=True), name="other", data=data)


@given(
    st.dictionaries(
        st.text("abc123._-", min_size=1, max_size=5).filter(lambda k: set(k) != {"."}), st.binary(max_size=50)
    )
)
def test_a_store_is_a_dictionary(objects: dict[str, bytes]) -> None:
    storage = Storage("memory:///")
    for key, data in objects.items():
        storage.put(f"in/{key}", data)
    assert storage.keys("in") == sorted(f"in/{key}" for key in objects)
    assert {key: storage.get(f"in/{key}") for key in objects} == objects


# --- folders ------------------------------------------------------------------------------------------------


def test_objects_are_plain_files(tmp_path: Path) -> None:
    Storage(tmp_path / "w", create=True).put("done/a.json", b"{}")
    assert (tmp_path / "w" / "done" / "a.json").read_bytes() == b"{}"
    assert [p.name for p in (tmp_path / "w" / "done").iterdir()] == ["a.json"]  # no temporary files stay


def test_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    Storage("~/w", create=True).put("a", b"1")
    assert (tmp_path / "w" / "a").exists()


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_workspace_that_is_not_there_is_not_made_by_looking(tmp_path: Path, scheme: str) -> None:
    with pytest.raises(WorkspaceError, match="nowhere: no such workspace"):
        Storage(f"{scheme}{tmp_path}/nowhere")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["file", "file/w", "file/w/x"])
@pytest.mark.parametrize("create", [True, False])
def test_a_file_is_no_workspace(tmp_path: Path, below: str, create: bool) -> None:
    (tmp_path / "file").write_text("x")
    path = tmp_path / below
    with pytest.raises(WorkspaceError, match=f"{path}: (cannot be used as a workspace|no such workspace)"):
        Storage(path, create=create)


def test_what_stands_in_the_way_is_named(tmp_path: Path) -> None:
    storage = Storage(tmp_path, create=True)
    (tmp_path / "done").write_text("a file where a folder is needed")
    (tmp_path / "job.json").mkdir()
    for key, act in {
        "done/a.json": lambda: storage.put("done/a.json", b""),
        "done/b.json": lambda: storage.put_new("done/b.json", b""),
        "job.json": lambda: storage.put("job.json", b""),
    }.items():
        with pytest.raises(WorkspaceError, match=f"{tmp_path}/{key}: cannot be written"):
            act()
    with pytest.raises(WorkspaceError, match=r"done/a\.json: cannot be read: .*Not a directory"):
        storage.get("done/a.json")
    with pytest.raises(WorkspaceError, match=r"job\.json: cannot be deleted: .*Is a directory") as caught:
        storage.delete(["job.json"])
    assert "\n" not in str(caught.value)  # the store's own dump of its internals is left out


def test_unknown_scheme() -> None:
    with pytest.raises(WorkspaceError, match=r"ftp://host/w: cannot be used as a workspace: .*recognise"):
        Storage("ftp://host/w")


# --- S3 -----------------------------------------------------------------------------------------------------


def test_prefix_is_part_of_the_key(s3: str, moto_server: str) -> None:
    Storage(f"{s3}/jobs/first").put("done/a.json", b"1")
    Storage(f"{s3}/jobs/second").put("done/b.json", b"2")
    bucket = boto3.resource("s3", endpoint_url=moto_server).Bucket("empty")
    assert [o.key for o in bucket.objects.all()] == ["jobs/first/done/a.json", "jobs/second/done/b.json"]
    assert Storage(f"{s3}/jobs/second").keys("done") == ["done/b.json"]


def test_listings_of_several_pages(s3: str, moto_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")  # as a thousand in real services
    names = [f"done/{i:02d}" for i in range(25)]
    storage = Storage(s3)
    for name in names:
        storage.put(name, b"")
    assert boto3.client("s3", endpoint_url=moto_server).list_objects_v2(Bucket="empty")["IsTruncated"]
    assert storage.keys("done") == names


def test_bucket_that_is_not_there_is_named(s3: str) -> None:
    storage = Storage("s3://no-such-bucket/w")
    with pytest.raises(WorkspaceError, match=r"s3://no-such-bucket/w/a: cannot be written(.|\n)*NoSuchBucket"):
        storage.put("a", b"1")
    with pytest.raises(WorkspaceError, match=r"s3://no-such-bucket/w/done: cannot be listed(.|\n)*NoSuchBucket"):
        storage.keys("done")
