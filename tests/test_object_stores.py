"""What workspaces are built on, on a folder, on moto and on a real S3 server: one winner, whatever the clients are."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from seisloom.cli import app
from seisloom.errors import WorkspaceError
from seisloom.storage import Storage
from tests.job_workers import PATIENCE_S, until
from tests.jobs import objects
from tests.object_stores import BUCKET, NewWorkspace, s3_client
from tests.web_support import serving

REAL = pytest.mark.parametrize("object_store", ["radosgw"], indirect=True)

# A process that waits for a common instant before each claim, and prints those that it won.
CLAIMS = """
import sys, time
from seisloom.storage import Storage
url, claims, me = sys.argv[1], int(sys.argv[2]), sys.argv[3]
storage = Storage(url, create=True)
print("ready", flush=True)
start = float(sys.stdin.readline())
for n in range(claims):
    time.sleep(max(0.0, start + 0.02 * n - time.time()))
    if storage.put_new(f"claims/{n:03d}", me.encode() * 2000):
        print(n, flush=True)
"""


def test_processes_share_the_claims(object_store: NewWorkspace) -> None:
    url, claims = object_store(), 50
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMS, url, str(claims), str(me)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for me in range(4)
    ]
    for worker in workers:
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"
    start = f"{time.time() + 0.2}\n"
    won = [[int(n) for n in worker.communicate(start, timeout=PATIENCE_S)[0].split()] for worker in workers]
    assert sorted(n for mine in won for n in mine) == list(range(claims))
    storage = Storage(url)
    for me, mine in enumerate(won):
        assert all(storage.get(f"claims/{n:03d}") == f"{me}".encode() * 2000 for n in mine)


def test_many_objects_are_removed_at_once(object_store: NewWorkspace) -> None:
    storage = Storage(object_store(), create=True)
    keys = [f"processed/a/{n:04d} ü+&<.json" for n in range(1100)]  # more than S3 takes in one request
    for key in keys:
        storage.put(key, b"")
    storage.put("processed/b", b"")
    storage.delete(["processed/a/never", *keys])
    assert storage.keys("processed") == ["processed/b"]
    storage.delete([])


@REAL
def test_what_may_not_be_removed_is_said(object_store: NewWorkspace, radosgw_server: str) -> None:
    url, client = object_store(), s3_client(radosgw_server)
    storage = Storage(url)
    storage.put("a", b"")
    place = f"arn:aws:s3:::{url.removeprefix('s3://')}/*"
    rule = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": place}
    client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [rule]}))
    try:
        with pytest.raises(WorkspaceError, match=rf"{url}/2 objects: cannot be deleted: .*AccessDenied"):
            storage.delete(["a", "b"])
    finally:
        client.delete_bucket_policy(Bucket=BUCKET)
    assert storage.keys("") == ["a"]


@REAL
def test_listings_of_several_pages(object_store: NewWorkspace) -> None:
    storage = Storage(object_store())
    keys = [f"done/{n:04d}" for n in range(1100)]
    for key in keys:
        storage.put(key, b"")
    assert storage.keys("done") == keys


@REAL
def test_large_objects(object_store: NewWorkspace, rng: np.random.Generator) -> None:
    """Beyond the size from which clients send an object in parts."""
    storage, data = Storage(object_store()), rng.bytes(12_000_000)
    storage.put("large", data)
    assert storage.get("large") == data
    assert not storage.put_new("large", b"x" * 12_000_000)
    assert storage.get("large") == data
    assert storage.put_new("new", data)
    assert storage.get("new") == data


@REAL
def test_wrong_credentials_are_said(object_store: NewWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    url = object_store()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(WorkspaceError, match="a: cannot be written: the secret access key is wrong"):
        Storage(url).put("a", b"")


@REAL
def test_the_whole_job_is_that_in_a_folder(object_store: NewWorkspace, tmp_path: Path) -> None:
    """Every object and everything that is made of them has the same bytes, but for what tells the time of day."""
    url, folder = object_store(), str(tmp_path / "workspace")
    (tmp_path / "params.csv").write_text("fs,freqmin,freqmax,cc_step,cc_len,maxlag\n0.5,0.02,0.2,600,600,60\n")
    source, runner = "synthetic:stations=3,rate=1,components=ZNE", CliRunner()
    listed = runner.invoke(app, ["stations", "--source", source, "-o", str(tmp_path / "stations.csv")])
    assert listed.exit_code == 0, listed.output
    made = []
    for workspace in (folder, url):
        out = tmp_path / f"out {len(made)}"
        files = (f"{tmp_path}/stations.csv", f"{tmp_path}/params.csv")
        for command in (
            ["correlate", *files, "--source", source, "--out", workspace, "--set", "components=all",
             "--start", "2024-03-01", "--end", "2024-03-02"],
            ["stack", workspace, "--rotate", "--method", "pws"],
            ["stack", workspace, "--period", "day"],
            ["export", workspace, "--format", "npz", "--stack", "linear_day", "-o", f"{out}/stack.npz"],
            ["export", workspace, "--format", "sac", "-o", f"{out}/sac"],
            ["plot", "record-section", workspace, "-o", f"{out}/section.png", "--component", "ZZ"],
        ):  # fmt: skip
            done = runner.invoke(app, command)
            assert done.exit_code == 0, (command, done.output, done.exception)
        written = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
        made.append(({key: timeless(data) for key, data in objects(workspace, "").items()}, written))
    assert len(made[0][0]) > 40
    assert len(made[0][1]) > 20
    for held, there in zip(*made, strict=True):
        assert list(held) == list(there)
        assert [name for name in held if held[name] != there[name]] == []


def timeless(data: bytes) -> bytes:
    """An object without how long its making took and when it was."""
    return re.sub(rb'"(seconds|made)": ("[^"]*"|[0-9.e-]+)', b"", data)


@REAL
def test_the_app_on_a_bucket(object_store: NewWorkspace) -> None:
    """A job through server and worker, its picture, its files, and its end."""
    with (
        serving(object_store(), "--archive", "small=synthetic:stations=3,rate=1", "--threads", "1") as server,
        server.client("/api") as api,
    ):
        channels = api.get("/channels", params={"source": "small"}).json()["channels"]
        settings = {"fs": 1, "freqmin": 0.05, "freqmax": 0.4, "cc_len": 600, "cc_step": 600, "maxlag": 60}
        wanted = {"source": "small", "channels": channels, "start": "2024-03-01", "settings": settings}
        made = api.post("/jobs/correlation", json=wanted)
        assert made.status_code == 201, made.text
        where = f"/jobs/{made.json()['id']}"
        until(lambda: api.get(where).json()["state"] not in ("waiting", "running"), "the job")
        assert api.get(where).json()["state"] == "done"
        picture = api.get(f"{where}/figures/record-section.png", params={"method": "pws"})
        assert picture.content.startswith(b"\x89PNG")
        with zipfile.ZipFile(io.BytesIO(api.get(f"{where}/archive").content)) as archive:
            assert any(name.endswith("done/2024-03-01.json") for name in archive.namelist())
        assert api.delete(where).status_code == 204
        assert api.get(where).status_code == 404


STARTS = """
import tempfile, time
from pathlib import Path
from tests.object_stores import running_ceph
with tempfile.TemporaryDirectory(prefix="ceph-", dir=sys.argv[1]) as folder, running_ceph(Path(folder)) as url:
    print(url, flush=True)
    time.sleep(60)
"""


@pytest.mark.usefixtures("radosgw_server")
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_daemons_end_with_the_tests(signal_number: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys" + STARTS, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    assert process.stdout.readline().startswith("http://")
    daemons = _daemons(tmp_path)
    assert len(daemons) == 3
    process.send_signal(signal_number)
    process.wait(PATIENCE_S)
    until(lambda: not _daemons(tmp_path), "the end of the daemons")


def _daemons(folder: Path) -> list[int]:
    """Processes whose command line names the folder."""
    found = []
    for entry in os.scandir("/proc"):
        with suppress(OSError):
            if entry.name.isdigit() and f"{folder}/".encode() in Path(entry.path, "cmdline").read_bytes():
                found.append(int(entry.name))
    return found
