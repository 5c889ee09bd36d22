"""Which sources may be named, and that nobody is asked twice for the same."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seisloom.errors import InputError, NoDataError
from seisloom.jobs.sources import DEMO, Sources
from seisloom.waveforms import ChannelQuery, open_source
from seisloom.waveforms.fdsn import FdsnSource
from seisloom.waveforms.recent import Recent
from seisloom.waveforms.synthetic import SyntheticSource
from tests.fdsn_server import FdsnServer

NETWORK = SyntheticSource("stations=2,rate=1")
INVENTORY = NETWORK.inventory(NETWORK.ids, 0, 1)


@pytest.fixture
def archives(tmp_path: Path) -> Sources:
    return Sources({"our archive": f"sds:{tmp_path}", "centre": "fdsn:http://10.1.2.3:8080?parallel=2"})


def test_names(archives: Sources, tmp_path: Path) -> None:
    assert archives.spec("our archive") == f"sds:{tmp_path}"
    assert archives.spec("demo") == DEMO
    assert archives.spec("fdsn:SCEDC") == "fdsn:SCEDC"
    assert archives.spec("fdsn:https://8.8.8.8?timeout=30") == "fdsn:https://8.8.8.8?timeout=30"
    assert archives.spec("centre") == "fdsn:http://10.1.2.3:8080?parallel=2"  # the operator may name any


@pytest.mark.parametrize(
    "name",
    ["sds:/etc", "files:/", "s3://bucket/", "synthetic:stations=5000", "SCEDC", "/etc", "our", "DEMO", "x" * 5000],
)
def test_what_only_the_operator_may_name(archives: Sources, name: str) -> None:
    with pytest.raises(
        InputError, match="is not allowed here: use one of fdsn:NAME-or-URL, demo, centre, our archive"
    ) as e:
        archives.spec(name)
    assert len(str(e.value)) < 300


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fdsn:NOWHERE", "no data centre is called 'NOWHERE'"),
        ("fdsn:", "no data centre is called ''"),
        ("fdsn:http://127.0.0.1:8080", "not a public address"),
        ("fdsn:http://169.254.169.254/latest", "not a public address"),
        ("fdsn:http://ada:pw@8.8.8.8", "user and password cannot stand"),
        ("fdsn:http://8.8.8.8:22", "port 22 belongs to another service"),
        ("fdsn:file:///etc/passwd", "is not an http or https address"),
        ("fdsn:http://8.8.8.8/\r\nX: y", "is not an http or https address"),
        ("fdsn:http://8.8.8.8:x", "is not an http or https address"),
        ("fdsn:SCEDC?timeout=1e9", "must be above 0 \\(and not endless\\)"),
        ("fdsn:SCEDC?timeout=100000", "timeout is at most 600 here"),
        ("fdsn:SCEDC?parallel=64", "parallel is at most 8 here"),
        ("fdsn:SCEDC?tries=100", "tries is at most 10 here"),
        ("fdsn:SCEDC?verify=no", "option verify=no"),
    ],
)
def test_data_centres_that_are_refused(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Sources().spec(name)


def test_private_addresses_where_they_are_allowed() -> None:
    assert Sources(allow_private=True).spec("fdsn:http://127.0.0.1:8080") == "fdsn:http://127.0.0.1:8080"
    with pytest.raises(InputError, match="is not an http or https"):
        Sources(allow_private=True).spec("fdsn:gopher://127.0.0.1")


@pytest.mark.parametrize(
    ("default", "spec"),
    [
        ("demo", DEMO),
        ("ours", "synthetic:stations=3"),
        ("fdsn:SCEDC", "fdsn:SCEDC"),
        ("fdsn:http://10.1.2.3", "fdsn:http://10.1.2.3"),
        ("synthetic:seed=4", "synthetic:seed=4"),
    ],
)
@pytest.mark.parametrize("name", [None, ""])
def test_the_default_is_the_operators(default: str, spec: str, name: str | None) -> None:
    assert Sources({"ours": "synthetic:stations=3"}, default).spec(name) == spec


def test_without_a_default_a_name_is_needed() -> None:
    with pytest.raises(InputError, match="no source is named, and there is no default"):
        Sources().spec(None)


def test_credentials_go_to_the_operators_sources_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FDSN_USER", "ada")
    monkeypatch.setenv("FDSN_PASSWORD", "secret")
    sources = Sources({"ours": "fdsn:SCEDC"}, default="fdsn:NCEDC")
    logins = {}
    for name in ("ours", None, "fdsn:SCEDC", "fdsn:NCEDC", "fdsn:https://8.8.8.8"):
        for source in (sources.open(name), sources.recent(name)):
            assert isinstance(source, FdsnSource)
            logins[name, source is sources.recent(name)] = source._client._login
    assert {name for (name, _), login in logins.items() if login} == {"ours", None}
    assert len(logins) == 10


def test_offers() -> None:
    sources = Sources({"our archive": "sds:/srv/secret", "a": "synthetic:seed=2"}, default="fdsn:INGV")
    offers = list(sources.offers())
    names = [offer.name for offer in offers]
    assert names[:3] == ["a", "our archive", "demo"]
    assert len(set(names)) == len(names) > 25
    assert [offer.name for offer in offers if offer.default] == ["fdsn:INGV"]
    assert "secret" not in str(offers)
    assert all(offer.title and offer.kind for offer in offers)
    for name in names[2:]:
        open_source(sources.spec(name))  # each can be asked
    addresses = [offer.address for offer in offers if offer.kind == "fdsn"]
    assert len(set(addresses)) == len(addresses)
    assert {"https://service.scedc.caltech.edu", "https://webservices.ingv.it"} <= set(addresses)


def test_a_default_without_a_name_is_offered() -> None:
    first = next(Sources(default="sds:/srv/secret").offers())
    assert (first.name, first.kind, first.default) == ("", "sds", True)
    assert "secret" not in str(first)


def test_addresses_of_the_operator() -> None:
    own = {"a": "fdsn:http://10.1.2.3:8080?parallel=2", "b": "fdsn:SCEDC", "c": "sds:/srv"}
    assert Sources(own, "fdsn:https://centre.example").addresses() == [
        "http://10.1.2.3:8080",
        "https://centre.example",
    ]
    assert Sources(own, "demo").addresses() == ["http://10.1.2.3:8080"]


def test_one_query_of_many_askers_reaches_the_data_centre_once() -> None:
    with FdsnServer(INVENTORY) as server:
        sources = Sources(allow_private=True)
        with ThreadPoolExecutor(8) as pool:
            tables = list(pool.map(lambda _: sources.channels(f"fdsn:{server.url}", ChannelQuery("S*")), range(8)))
        assert all(table is tables[0] for table in tables)
        assert len(tables[0]) == 2
        assert server.count("station/1/query") == 1
        sources.channels(f"fdsn:{server.url}", ChannelQuery("SY"))
        assert server.count("station/1/query") == 2
        assert server.count("application.wadl") == 2  # the client is the same


def test_failures_are_not_remembered() -> None:
    with FdsnServer(INVENTORY) as server:
        sources = Sources(allow_private=True)
        for _ in range(2):
            with pytest.raises(NoDataError):
                sources.channels(f"fdsn:{server.url}", ChannelQuery("XX"))
        assert server.count("station/1/query") == 2


def test_a_person_who_waits_is_not_kept_waiting_for_long() -> None:
    def options(name: str) -> tuple[float, int]:
        source = Sources().recent(name)
        assert isinstance(source, FdsnSource)
        return source._client.timeout_s, source._client.tries

    assert options("fdsn:SCEDC") == (60, 2)
    assert options("fdsn:SCEDC?timeout=300") == (300, 2)
    assert Sources().open("fdsn:SCEDC").spec == "fdsn:SCEDC"  # a job has time


class TestRecent:
    def test_for_some_time(self) -> None:
        now = [0.0]
        recent: Recent[int] = Recent(2, 10.0, lambda: now[0])
        made: list[int] = []

        def make() -> int:
            made.append(len(made))
            return made[-1]

        assert [recent.get("a", make) for now[0] in (0.0, 5.0, 10.0, 10.1, 20.0)] == [0, 0, 0, 1, 1]

    def test_so_many(self) -> None:
        recent: Recent[str] = Recent(2)
        for key in "abac":  # b goes: a was asked for after it
            recent.get(key, lambda key=key: key)
        assert recent.get("a", lambda: "anew") == "a"
        assert recent.get("b", lambda: "anew") == "anew"

    def test_what_takes_long_holds_up_nothing_else(self) -> None:
        recent: Recent[int] = Recent(4)
        begun, go_on = threading.Event(), threading.Event()

        def slow() -> int:
            begun.set()
            assert go_on.wait(60)
            return 1

        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(recent.get, "slow", slow)
            assert begun.wait(60)
            assert recent.get("other", lambda: 2) == 2
            go_on.set()
            assert waiting.result(60) == 1
