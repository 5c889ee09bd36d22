"""Stores for tests of workspaces: a folder, an S3 server in the process (moto), and a real one (Ceph's radosgw)."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

BUCKET = "seisloom-tests"
KEY, SECRET = "tests", "tests-secret"
CEPH = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin", "setpriv")
CEPH_CONF = """\
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon_port}]
public_addr = 127.0.0.1
keyring = {folder}/keyring
run_dir = {folder}
admin_socket = {folder}/$name.$pid.asok
log_file = {folder}/$name.log
mon_data = {folder}/mon
mon_data_avail_crit = 0
# Commits of the monitor wait for more to come; pools are made within seconds without that.
paxos_propose_interval = 0.01
paxos_min_wait = 0.01
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
osd_class_load_list = *
osd_class_default_list = *
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw_data = {folder}
"""

KEYRING = """\
[mon.]
    key = {key}
    caps mon = "allow *"
[client.admin]
    key = {key}
    caps mon = "allow *"
    caps osd = "allow *"
[osd.0]
    key = {key}
    caps mon = "allow profile osd"
    caps osd = "allow *"
"""

NewWorkspace = Callable[[], str]
"""Gives the URL of a workspace that holds nothing yet."""


@pytest.fixture(params=["folder", "moto", "radosgw"])
def object_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NewWorkspace:
    """New workspaces on each kind of store; processes that the test starts reach them too.

    ``@pytest.mark.parametrize("object_store", ["radosgw"], indirect=True)`` chooses one kind.
    """
    if request.param == "folder":
        return lambda: str(tmp_path / f"workspace {secrets.token_hex(4)}")
    use_server(request.getfixturevalue(f"{request.param}_server"), monkeypatch)
    return lambda: f"s3://{BUCKET}/{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """URL of an S3 server that lives in this process, with the bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    s3_client(url).create_bucket(Bucket=BUCKET)
    yield url
    server.stop()


@pytest.fixture(scope="session")
def radosgw_server() -> Iterator[str]:
    """URL of the S3 service of a Ceph cluster on the loopback interface, with the bucket."""
    if missing := [program for program in CEPH if not shutil.which(program)]:
        reason = f"Ceph is not installed ({', '.join(missing)}): apt-get install ceph-mon ceph-osd radosgw"
        if os.environ.get("SEISLOOM_REQUIRE_CEPH"):
            pytest.fail(f"a real S3 server is required here: {reason}")
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="ceph-") as folder, running_ceph(Path(folder)) as url:
        s3_client(url).create_bucket(Bucket=BUCKET)
        yield url


def use_server(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment through which users name their own S3 service."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
    for name, value in (keys | {"AWS_ENDPOINT_URL": url}).items():
        monkeypatch.setenv(name, value)


def s3_client(url: str) -> Any:
    """Another program's view of the store (boto3)."""
    import boto3

    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=url, **keys)


@contextmanager
def running_ceph(folder: Path) -> Iterator[str]:
    """A monitor, one OSD in memory and a gateway, as children of this process that die with it; yields the S3 URL."""
    (mon_port, port), fsid, osd_id = free_ports(2), str(uuid.uuid4()), str(uuid.uuid4())
    (folder / "ceph.conf").write_text(CEPH_CONF.format(folder=folder, fsid=fsid, mon_port=mon_port, port=port))
    for name in ("mon", "osd"):
        (folder / name).mkdir()
    (folder / "keyring").write_text(KEYRING.format(key=_call(folder, "ceph-authtool", "--gen-print-key").strip()))
    address = f"[v2:127.0.0.1:{mon_port}]"
    _call(folder, "monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, f"{folder}/monmap")
    _call(folder, "ceph-mon", "--mkfs", "--id", "a", "--monmap", f"{folder}/monmap", "--keyring", f"{folder}/keyring")
    daemons = [_start(folder, "ceph-mon", "--id", "a")]
    try:
        _call(folder, "ceph", "--connect-timeout", "30", "osd", "new", osd_id)
        _call(folder, "ceph-osd", "--mkfs", "--id", "0", "--osd-uuid", osd_id)
        daemons.append(_start(folder, "ceph-osd", "--id", "0"))
        user = ("--uid", "tests", "--display-name", "tests", "--access-key", KEY, "--secret-key", SECRET)
        _call(folder, "radosgw-admin", "user", "create", *user)
        daemons.append(_start(folder, "radosgw", "--name", "client.admin"))
        url = f"http://127.0.0.1:{port}"
        _await(url, daemons, folder)
        yield url
    finally:
        for daemon in reversed(daemons):
            daemon.kill()
            daemon.wait()


def free_ports(n: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(n)]
        return [int(s.getsockname()[1]) for s in sockets]


def _call(folder: Path, program: str, *arguments: str) -> str:
    """What a program prints; it fails the test where it fails, or hangs because a daemon does."""
    command, log = [program, "--conf", f"{folder}/ceph.conf", *arguments], folder / "calls.log"
    with log.open("ab") as file:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{program} ended with status {done.returncode}: {_end(log)}")
    return done.stdout.decode()


def _start(folder: Path, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A daemon out of reach of Ctrl-C, which the kernel kills when this process is no more."""
    command = ["setpriv", "--pdeathsig", "KILL", program, "-f", "--conf", f"{folder}/ceph.conf", *arguments]
    with (folder / f"{program}.out").open("wb") as file:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )


def _await(url: str, daemons: list[subprocess.Popen[bytes]], folder: Path) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, ConnectionError) as error:
            ended = [daemon.args for daemon in daemons if daemon.poll() is not None]
            if ended or time.monotonic() > until:
                logs = "\n".join(_end(file) for file in sorted(folder.glob("*.out")))
                raise RuntimeError(f"Ceph does not answer at {url}; ended: {ended}\n{logs}") from error
            time.sleep(0.05)


def _end(file: Path) -> str:
    return file.read_text(errors="replace")[-2000:]
