"""Requests go to public addresses only, whatever a name means or where a server sends them."""

from __future__ import annotations

import asyncio
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obspy import UTCDateTime

from seisloom.errors import InputError, SourceError
from seisloom.jobs import egress
from seisloom.waveforms import ChannelQuery
from seisloom.waveforms.base import AddressError
from seisloom.waveforms.fdsn import FdsnSource
from seisloom.waveforms.synthetic import SyntheticSource
from tests.fdsn_server import Fault, FdsnServer

PUBLIC = ["8.8.8.8", "131.215.66.1", "2001:4860:4860::8888", "2a02:908::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
PRIVATE = [
    *("127.0.0.1", "127.255.0.3", "10.0.0.1", "172.16.3.4", "192.168.1.1", "100.64.0.1", "0.0.0.0", "0.1.2.3"),
    *("169.254.169.254", "168.63.129.16", "100.100.100.200", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("192.0.2.1", "198.18.0.1", "203.0.113.9"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::"),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "100::1"),
]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook is at work, and no proxy is set."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(egress, "_policy", None)
    egress.install()


class Visited:
    """A web server that notes what it is asked for; paths that begin with ``/to/`` are redirected to what follows."""

    def __init__(self, address: str = "127.0.0.1", family: socket.AddressFamily = socket.AF_INET) -> None:
        asked = self.asked = list[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                there = self.path.partition("/to/")[2]
                self.send_response(302 if there else 200)
                if there:
                    self.send_header("Location", there)
                self.send_header("Content-Length", "6")
                self.end_headers()
                self.wfile.write(b"secret")

            def log_message(self, *_: object) -> None:
                pass

        server = type("Server", (ThreadingHTTPServer,), {"address_family": family})
        self.http = server((address, 0), Handler)
        self.port = self.http.server_address[1]


@contextmanager
def visited(address: str = "127.0.0.1", family: socket.AddressFamily = socket.AF_INET) -> Iterator[Visited]:
    server = Visited(address, family)
    threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()


def read(url: str) -> bytes:
    with urllib.request.build_opener().open(
        url, timeout=60
    ) as answer:  # urlopen remembers the proxies of its first use
        return bytes(answer.read())


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert egress.is_public(address)
    egress.check_url(f"https://[{address}]/" if ":" in address else f"https://{address}/")


@pytest.mark.parametrize("address", PRIVATE)
def test_not_public(address: str) -> None:
    assert not egress.is_public(address)


@pytest.mark.parametrize("address", ["localhost", "", "8.8.8.8.", "0x8080808", "1", "::ffff:8.8.8", "example.org"])
def test_names_are_not_public_addresses(address: str) -> None:
    assert not egress.is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_in_another_stays_what_it_is(inner: IPv4Address) -> None:
    public = egress.is_public(str(inner))
    assert egress.is_public(str(IPv6Address(0xFFFF << 32 | int(inner)))) == public  # mapped
    assert egress.is_public(str(IPv6Address(0x64FF9B << 96 | int(inner)))) == public  # NAT64
    assert egress.is_public(str(IPv6Address(0x2002 << 112 | int(inner) << 80))) == public  # 6to4


@given(st.ip_addresses(v=6).filter(lambda ip: not 0x2 <= int(ip) >> 124 <= 0x3 and int(ip) >> 32 != 0x64FF9B << 64))
def test_only_global_unicast_is_public(address: IPv6Address) -> None:
    if address.ipv4_mapped is None:
        assert not egress.is_public(str(address))


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "[::1]", "[::ffff:127.0.0.1]"],
)
def test_every_spelling_of_this_machine_is_refused(host: str) -> None:
    with pytest.raises(InputError, match="not a public address, and no other is allowed here"):
        egress.check_url(f"http://{host}:8080/x")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://8.8.8.8/", "not an http or https address"),
        ("file:///etc/passwd", "not an http or https address"),
        ("//8.8.8.8", "not an http or https address"),
        ("http://", "not an http or https address"),
        ("http://8.8.8.8:99999", "not an address"),
        ("http://[::1", "not an address"),
        ("http://ada:secret@8.8.8.8/", "user and password cannot stand in an address"),
        ("http://8.8.8.8:25", "port 25 belongs to another service"),
    ],
)
def test_addresses_that_cannot_be(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        egress.check_url(url)
    assert "secret" not in str(refused.value)


def test_what_has_no_address_is_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise socket.gaierror("unknown")

    monkeypatch.setattr(socket, "getaddrinfo", none)
    egress.check_url("https://no.such.example/")


def test_a_name_with_one_private_address_of_several_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver("8.8.8.8", "10.0.0.7", several=True))
    with pytest.raises(InputError, match=r"^data\.example, port 443") as refused:
        egress.check_url("https://data.example/")
    assert "10.0.0.7" not in str(refused.value)  # nobody needs to know the addresses inside


def resolver(*addresses: str, several: bool = False) -> object:
    """A name server whose answers change from one question to the next, or that gives all at once."""
    waiting = list(addresses)

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        given = waiting if several else [waiting.pop(0) if len(waiting) > 1 else waiting[0]]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in given]

    return getaddrinfo


@pytest.mark.usefixtures("installed")
class TestInstalled:
    def test_a_request_to_this_machine_is_refused(self) -> None:
        with visited() as server, pytest.raises(AddressError, match=rf"127\.0\.0\.1, port {server.port}: not a public"):
            read(f"http://127.0.0.1:{server.port}/")
        assert server.asked == []

    def test_and_over_ipv6(self) -> None:
        if not socket.has_ipv6:
            pytest.skip("no IPv6 here")
        try:
            with visited("::1", socket.AF_INET6) as server, pytest.raises(AddressError, match=r"^::1, port"):
                read(f"http://[::1]:{server.port}/")
        except OSError as error:
            pytest.skip(f"no IPv6 here: {error}")
        assert server.asked == []

    def test_a_server_that_redirects_gets_nobody_anywhere(self) -> None:
        with visited() as first, visited() as second:
            egress.install(own=[f"http://127.0.0.1:{first.port}"])
            assert read(f"http://127.0.0.1:{first.port}/x") == b"secret"
            with pytest.raises(AddressError, match=f"port {second.port}"):
                read(f"http://127.0.0.1:{first.port}/to/http://127.0.0.1:{second.port}/inside")
            with pytest.raises(AddressError, match="only http and https"):
                read(f"http://127.0.0.1:{first.port}/to/ftp://127.0.0.1/inside")
        assert second.asked == []

    def test_a_name_that_means_something_else_a_moment_later(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with visited() as server:
            # Asked before anything, by the request, and by the connection.
            monkeypatch.setattr(socket, "getaddrinfo", resolver("8.8.8.8", "8.8.8.8", "127.0.0.1"))
            url = f"http://rebinding.example:{server.port}/"
            egress.check_url(url)
            with pytest.raises(urllib.error.URLError) as refused:
                read(url)
            assert isinstance(refused.value.reason, AddressError)
        assert server.asked == []

    def test_sockets_by_hand(self) -> None:
        with visited() as server, socket.socket() as sock:
            for host in ("127.0.0.1", "localhost", ""):  # C looks a name up by itself
                with pytest.raises(AddressError):
                    sock.connect((host, server.port))
                with pytest.raises(AddressError):
                    sock.connect_ex((host, server.port))
        with socket.socket(type=socket.SOCK_DGRAM) as datagram:
            with pytest.raises(AddressError):
                datagram.sendto(b"x", ("127.0.0.1", 53))
            with pytest.raises(AddressError):
                datagram.sendmsg([b"x"], [], 0, ("127.0.0.1", 53))

    def test_what_stays_inside_the_machine_by_nature_goes_on(self, tmp_path: Path) -> None:
        async def nothing() -> int:
            return await asyncio.get_running_loop().run_in_executor(None, lambda: 1)

        assert asyncio.run(nothing()) == 1
        with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as calling:
            listening.bind(str(tmp_path / "s"))
            listening.listen()
            calling.connect(str(tmp_path / "s"))

    def test_the_operator_may_allow_it(self) -> None:
        egress.install(allow_private=True)
        with visited() as server:
            assert read(f"http://127.0.0.1:{server.port}/") == b"secret"

    def test_through_the_proxy_of_the_operator(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with visited() as proxy:
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
            monkeypatch.delenv("no_proxy", raising=False)
            egress.install()
            assert read("http://data.invalid/x") == b"secret"  # a name that only the proxy may know
            assert proxy.asked == ["http://data.invalid/x"]
            with pytest.raises(AddressError):
                read("http://169.254.169.254/latest/meta-data")
        assert len(proxy.asked) == 1

    def test_the_data_centre_client_says_it_in_words_and_at_once(self) -> None:
        def never(_: float) -> None:
            pytest.fail("what is refused is not tried again")

        with visited() as server:
            source = FdsnSource(f"http://127.0.0.1:{server.port}", sleep=never)
            with pytest.raises(SourceError, match="not a public address, and no other is allowed here") as refused:
                source.channels(ChannelQuery())
        assert refused.value.lasting
        assert server.asked == []

    def test_and_when_a_data_centre_redirects_a_query(self) -> None:
        network = SyntheticSource("stations=1,rate=1")
        with FdsnServer(network.inventory(network.ids, 0, 1)) as server, visited() as second:
            egress.install(own=[server.url])
            there = {"Location": f"http://127.0.0.1:{second.port}/inside"}
            server.faults = [Fault("station/1/query", 9, status=302, headers=there)]
            source = FdsnSource(server.url, sleep=lambda _: pytest.fail("it is not tried again"))
            with pytest.raises(SourceError, match=f"port {second.port}: not a public address") as refused:
                source.channels(ChannelQuery())
            assert refused.value.lasting
            server.faults = []
            assert len(source.channels(ChannelQuery(start_ns=UTCDateTime(2024, 1, 1).ns))) == 1
        assert second.asked == []


def test_libraries_install_nothing() -> None:
    assert egress._policy is None
