"""Who may use a store, as AWS's own tools would say; what failures mean; how long a store is waited for."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from seisloom.errors import InputError, WorkspaceError
from seisloom.storage import Storage
from seisloom.stores import Limits
from tests.faulty_store import faulty
from tests.object_stores import BUCKET, KEY, SECRET, free_ports, use_server

KEYS = f"aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes the two files of profiles into a home of its own; there is no variable, and no machine with a role."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / ".aws").mkdir()

    def write(credentials: str = "", config: str = "") -> None:
        (tmp_path / ".aws" / "credentials").write_text(credentials)
        (tmp_path / ".aws" / "config").write_text(config)

    return write


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEISLOOM_STORE_PATIENCE", "0")


def works(url: str = f"s3://{BUCKET}/profiles") -> bool:
    storage = Storage(url)
    storage.put("a", b"1")
    return storage.get("a") == b"1"


# --- credentials, region and endpoint; Ceph checks signatures ---


@pytest.mark.parametrize(
    ("profile", "credentials", "config"),
    [
        (None, f"[default]\n{KEYS}", "[default]\nregion = eu-south-1\nendpoint_url = {url}\n"),
        ("mine", f"[mine]\n{KEYS}", "[profile mine]\nendpoint_url={url}\n[profile other]\nendpoint_url=http://other\n"),
        ("mine", "", f"[profile mine]\n{KEYS}endpoint_url = {{url}}\n"),
        (
            "mine",
            f"[default]\naws_access_key_id = other\naws_secret_access_key = other\n[mine]\n{KEYS}",
            "[profile mine]\nservices = here\nendpoint_url = http://127.0.0.1:9\n[services here]\ns3 =\n  endpoint_url = {url}\n",
        ),
    ],
)
def test_profiles(
    aws: Callable[..., None],
    radosgw_server: str,
    monkeypatch: pytest.MonkeyPatch,
    profile: str | None,
    credentials: str,
    config: str,
) -> None:
    aws(credentials, config.format(url=radosgw_server))
    if profile:
        monkeypatch.setenv("AWS_PROFILE", profile)
    assert works()


def test_variables_go_before_profiles(
    aws: Callable[..., None], radosgw_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "aws_access_key_id = other\naws_secret_access_key = other\n"
    aws(f"[default]\n{other}", "[default]\nendpoint_url = http://127.0.0.1:9\nregion = nowhere-1\n")
    use_server(radosgw_server, monkeypatch)
    assert works()


def test_files_elsewhere(aws: Callable[..., None], radosgw_server: str, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "keys").write_text(f"[default]\n{KEYS}")
    (tmp_path / "settings").write_text(f"[default]\nendpoint_url = {radosgw_server}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "settings"))
    assert works()


def test_a_program_gives_credentials(aws: Callable[..., None], radosgw_server: str, tmp_path: Path) -> None:
    answer = {"Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRET, "Expiration": "2099-01-01T00:00:00Z"}
    (tmp_path / "give.py").write_text(f"print('''{json.dumps(answer)}''')")
    process = f"credential_process = {sys.executable} {tmp_path / 'give.py'}"
    aws("", f"[default]\n{process}\nendpoint_url = {radosgw_server}\n")
    assert works()
    (tmp_path / "give.py").write_text("raise SystemExit('sign in first')")
    with pytest.raises(WorkspaceError, match=r"a: cannot be written: .*gives no credentials: sign in first"):
        works()


def test_a_profile_that_takes_a_role_is_left_to_boto3(
    aws: Callable[..., None], moto_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = "role_arn = arn:aws:iam::123456789012:role/reader\nsource_profile = base\n"
    aws(f"[base]\n{KEYS}", f"[profile mine]\n{role}region = us-east-1\nendpoint_url = {moto_server}\n")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto_server)
    assert works()
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "obstore.auth.boto3", raising=False)
    with pytest.raises(WorkspaceError, match=r"takes a role, for which boto3 is needed: pip install boto3, or put"):
        works()


def test_a_profile_that_is_not_there_is_named(aws: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    aws(f"[default]\n{KEYS}[work]\n{KEYS}", "[profile cloud]\nregion = us-west-2\n")
    monkeypatch.setenv("AWS_PROFILE", "wrok")
    with pytest.raises(WorkspaceError, match=r"AWS_PROFILE is 'wrok', and .*there are: cloud, default, work"):
        works()


def test_a_damaged_file_is_named(aws: Callable[..., None]) -> None:
    aws("aws_access_key_id = without a section\n")
    with pytest.raises(WorkspaceError, match=r"\.aws/credentials: cannot be read: .*section header"):
        works()


def test_no_credentials_at_all(aws: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    what = r"s3://b/w: cannot be used as a workspace: no credentials: set AWS_ACCESS_KEY_ID and .* or AWS_PROFILE"
    with pytest.raises(WorkspaceError, match=what):
        Storage("s3://b/w")
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(WorkspaceError, match=what):
        Storage("s3://b/w")


def test_half_of_the_credentials(aws: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    with pytest.raises(WorkspaceError, match="SecretAccessKey"):
        Storage("s3://b/w")


def test_a_url_without_a_bucket(aws: Callable[..., None]) -> None:
    with pytest.raises(WorkspaceError, match=r"write s3://bucket/prefix"):
        Storage("s3:///w")


# --- what is wrong is said ---


def all_acts(storage: Storage) -> list[Callable[[], object]]:
    return [
        lambda: storage.put("k", b"1"),
        lambda: storage.get("k"),
        lambda: storage.keys("done"),
        lambda: storage.delete(["k"]),
    ]


def test_wrong_keys(radosgw_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, words in (
        ("AWS_SECRET_ACCESS_KEY", "the secret access key is wrong: check AWS_SECRET_ACCESS_KEY or the profile"),
        ("AWS_ACCESS_KEY_ID", "the store does not know this access key: check AWS_ACCESS_KEY_ID"),
    ):
        use_server(radosgw_server, monkeypatch)
        monkeypatch.setenv(name, "wrong")
        for act in all_acts(Storage(f"s3://{BUCKET}/w")):
            with pytest.raises(WorkspaceError, match=words):
                act()


def test_no_such_bucket(radosgw_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_server(radosgw_server, monkeypatch)
    for act in all_acts(Storage("s3://elsewhere/w")):
        with pytest.raises(WorkspaceError, match=r"there is no such bucket: check its name.* \(NoSuchBucket\)"):
            act()


def test_endpoint_out_of_reach(moto_server: str, monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    for url, words in (
        (f"http://127.0.0.1:{free_ports(1)[0]}", "the store cannot be reached: check the endpoint"),
        ("http://no-such-host.invalid", "the name of the endpoint is unknown: check the endpoint"),
    ):
        use_server(url, monkeypatch)
        with pytest.raises(WorkspaceError, match=rf"s3://{BUCKET}/w/k: cannot be written: {words}"):
            Storage(f"s3://{BUCKET}/w").put("k", b"1")


# What AWS answers (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html); other servers know no regions.
ANSWERS = {
    "AuthorizationHeaderMalformed": (
        400, "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; the region "
        "'us-east-1' is wrong; expecting 'eu-west-1'</Message><Region>eu-west-1</Region></Error>",
        r"the bucket is in another region: set AWS_REGION .*it is in eu-west-1",
    ),
    "PermanentRedirect": (301, "<Error><Code>PermanentRedirect</Code></Error>", "the bucket is in another region: set AWS_"),
    "RequestTimeTooSkewed": (403, "<Error><Code>RequestTimeTooSkewed</Code></Error>", "the clock of this machine is wrong by"),
    "ExpiredToken": (400, "<Error><Code>ExpiredToken</Code></Error>", "the credentials have expired: get new ones"),
    "AccessDenied": (403, "<Error><Code>AccessDenied</Code></Error>", "access denied: the credentials do not allow this"),
    "QuotaExceeded": (403, "<Error><Code>QuotaExceeded</Code></Error>", "the quota of the store is used up: free some space"),
    "SlowDown": (503, "<Error><Code>SlowDown</Code></Error>", "the store limits requests, even after waiting"),
}  # fmt: skip


@pytest.mark.parametrize("code", ANSWERS)
def test_what_aws_says_is_said_in_words(code: str, monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    status, body, words = ANSWERS[code]
    with answering(status, body) as url:
        use_server(url, monkeypatch)
        for act in all_acts(Storage(f"s3://{BUCKET}/w")):
            with pytest.raises(WorkspaceError, match=words) as caught:
                act()
            assert "\n" not in str(caught.value)


@contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """A server that gives the same answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_PUT = do_POST = do_DELETE = _answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


# --- waiting ---


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Limits.from_environment() == Limits()
    monkeypatch.setenv("SEISLOOM_STORE_PATIENCE", "3")
    monkeypatch.setenv("SEISLOOM_STORE_TIMEOUT", "7.5")
    assert Limits.from_environment() == Limits(timeout_s=7.5, patience_s=3.0, first_patience_s=3.0)
    for wrong in ("long", "-1", "nan", "inf"):
        monkeypatch.setenv("SEISLOOM_STORE_TIMEOUT", wrong)
        with pytest.raises(InputError, match=f"SEISLOOM_STORE_TIMEOUT is '{wrong}': write a number of seconds"):
            Limits.from_environment()
        with pytest.raises(WorkspaceError, match="SEISLOOM_STORE_TIMEOUT"):
            Storage("s3://b/w")


def test_a_store_that_is_gone_is_waited_for(
    moto_server: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with faulty(moto_server) as gateway:
        use_server(gateway.url, monkeypatch)
        storage = Storage(f"s3://{BUCKET}/patience")
        storage.put("a", b"1")
        back = len(gateway.seen) + 2 * (1 + Limits.retries)  # more often than the client repeats by itself
        gateway.choose = lambda number, method, path: "gone" if number < back else None
        with caplog.at_level(logging.WARNING):
            assert storage.get("a") == b"1"
        assert len(gateway.seen) > back
    said = [record.getMessage() for record in caplog.records if record.name.startswith("seisloom")]
    assert len(said) == 2
    assert "the store cannot be reached" in said[0]
    assert "trying again for up to 1" in said[0]
    assert said[1].endswith("the store answers again")


def test_a_store_that_never_answered_is_given_up_earlier(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seisloom.stores.patience.Limits.first_patience_s", 0.0)
    with faulty(moto_server) as gateway:
        use_server(gateway.url, monkeypatch)
        gateway.choose = lambda number, method, path: "gone"
        with pytest.raises(WorkspaceError, match="the store cannot be reached"):
            Storage(f"s3://{BUCKET}/patience").get("a")
        assert len(gateway.seen) == 1 + Limits.retries
