"""No request to addresses that are not public, unless the operator allows it.

Where people choose the data centre, they choose which machine this one talks to. :func:`check_url` refuses an address
in words before anything is asked. That is not enough: a server may redirect, and a name may have another address a
second later. So :func:`install` has Python itself ask, at every request that urllib makes (redirects, and what goes
through a proxy) and at every socket that connects, at the moment it does (``sys.addaudithook``). It holds for the whole
process and cannot be taken back: command-line entry points call it, a library never does.

What is not seen: Rust and C libraries with sockets of their own. obstore, which reaches the workspace and archives in
object stores, is one; these are named by the operator. Name servers are asked by the C library, which is not seen
either. Through a proxy (http_proxy, https_proxy) requests work, since the operator has set it: the host of every request
is still looked up and checked here, and where only the proxy can look it up, the proxy has to decide.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from seisloom.errors import InputError
from seisloom.waveforms.base import AddressError

_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
# Public by their number, and yet the metadata service of a cloud (Azure).
_METADATA = {ip_address("168.63.129.16")}
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Lower ones belong to other services: mail, terminals, files.
_FIRST_FREE_PORT = 1024


def is_public(address: str) -> bool:
    """Whether a numeric address (IPv4, IPv6) can only be that of a machine in the open Internet."""
    try:
        ip = ip_address(str(address))
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if inner is None:
            return ip in _UNICAST and ip.is_global
        ip = inner
    return ip.is_global and not ip.is_multicast and ip not in _METADATA


def check_url(url: str) -> None:
    """InputError where a URL is no plain http(s) one, names a user, a port of other services, or a host that is not public.

    A host that has no address here is let pass: whether it can be reached shows when it is.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise InputError(f"{url}: not an address: {error}") from error
    if not port or not parts.hostname:
        raise InputError(f"{url}: not an http or https address")
    if parts.username is not None or parts.password is not None:
        raise InputError(f"{parts.scheme}://{parts.hostname}: user and password cannot stand in an address")
    if port not in _DEFAULT_PORTS.values() and port < _FIRST_FREE_PORT:
        raise InputError(f"{url}: port {port} belongs to another service than a data centre")
    try:
        _check_host(parts.hostname, port, Policy())
    except AddressError as error:
        raise InputError(str(error)) from None


@dataclass(frozen=True)
class Policy:
    """``own`` are (host, port) that the operator has named, wherever they are."""

    allow_private: bool = False
    own: frozenset[tuple[str, int]] = frozenset()

    def allows(self, address: str, port: int) -> bool:
        """Whether a connection to a numeric address may be made."""
        if self.allow_private or is_public(address):
            return True
        return any(port == own_port and address in _addresses(host, port) for host, own_port in self.own)


_policy: Policy | None = None


def install(allow_private: bool = False, own: Iterable[str] = ()) -> None:
    """From now on, this process connects to public addresses only, and to the proxy if one is set.

    ``own`` are URLs of the operator's, which are reached wherever they are.
    """
    global _policy
    urls = [*own, *(url for scheme, url in getproxies().items() if scheme in _DEFAULT_PORTS)]
    _policy = Policy(allow_private, frozenset(map(_endpoint, urls)))
    _listen()


@cache
def _listen() -> None:
    sys.addaudithook(_audit)


def _endpoint(url: str) -> tuple[str, int]:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    return parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Called by Python at everything that can be audited: it must be quick."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        _check_socket(*arguments[:2])
    elif event == "urllib.Request":
        _check_request(arguments[0])


def _check_socket(sock: socket.socket, address: Any) -> None:
    if _policy is None or address is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host, port = address[:2]
    if not _policy.allows(host, port):  # a name in place of a number is not public either
        raise AddressError(_refusal(host, port))


def _check_request(url: str) -> None:
    if _policy is None or _policy.allow_private:
        return
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS:
        raise AddressError(f"{parts.scheme or url[:40]!r} requests are not allowed here, only http and https")
    _check_host(parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme], _policy)


def _check_host(host: str, port: int, policy: Policy) -> None:
    for address in _addresses(host, port):
        if not policy.allows(address, port):
            raise AddressError(_refusal(host, port))  # without the address: it would tell of the operator's network


def _addresses(host: str, port: int) -> list[str]:
    """What a host's name means now, empty where nothing."""
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


def _refusal(host: str, port: int) -> str:
    return f"{host}, port {port}: not a public address, and no other is allowed here"
