"""The way to the network: every address is checked, then connected to, all before a deadline.

A name is resolved once and the connection goes to the very addresses that were checked, so a name
that changes its mind (DNS rebinding) gains nothing; nor do redirects, as each connection of the
HTTP client is made here. The host's name still is what TLS verifies.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from time import monotonic
from typing import Any

import httpcore2

Resolve = Callable[[str, int], Sequence[str]]
"""(host, port) -> its addresses. Raises OSError or UnicodeError for a host that has none."""

Rule = Callable[[str], bool]
"""Whether an address may be connected to."""

UNICAST = ip_network("2000::/3")
NAT64 = ip_network("64:ff9b::/96")
SPECIAL = [
    ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20", "fec0::/10")
]
"""Networks that are no part of the internet although some versions of ipaddress say so."""


class NoSuchHost(httpcore2.ConnectError):
    """The name has no address."""


class PrivateAddress(httpcore2.ConnectError):
    """The name leads to this machine or its network."""


class Untrusted(httpcore2.ConnectError):
    """TLS cannot be spoken with the host, or its certificate is not good; the text says why."""


def is_public(address: str) -> bool:
    """Whether ``address`` (IPv4 or IPv6, as resolved) is one of the public internet.

    An IPv6 address that stands for an IPv4 one (mapped, 6to4, NAT64) is judged by that.
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = _inner(ip)
        if inner is not None:
            return is_public(str(inner))
        if ip not in UNICAST:
            return False
    if ip.is_multicast or ip.is_reserved or any(ip in network for network in SPECIAL):
        return False
    return ip.is_global


def is_lasting(address: str) -> bool:
    """Any address but a link-local one: there, clouds tell every asker the machine's secrets."""
    ip = ip_address(address.partition("%")[0])
    inner = _inner(ip) if isinstance(ip, IPv6Address) else None
    return not (inner or ip).is_link_local


def addresses_of(host: str, port: int) -> list[str]:
    """Every address of ``host``, by the system's resolver, which knows 127.1 and 2130706433 too."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Guard(httpcore2.SyncBackend):
    """The network as an HTTP client may use it, until ``deadline`` (of time.monotonic)."""

    def __init__(self, rule: Rule = is_public, resolve: Resolve = addresses_of) -> None:
        self.deadline = monotonic()
        self._rule = rule
        self._resolve = resolve

    def left(self, timeout: float | None) -> float:
        """Seconds that the next step may take. Raises httpcore2.ReadTimeout when none are left."""
        left = self.deadline - monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the time is up")
        return left if timeout is None else min(left, timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first address of ``host`` that answers, if all may be connected to."""
        failure: Exception = NoSuchHost(f"there is no host {host!r}")
        for address in self._checked(host, port):
            try:
                stream = super().connect_tcp(
                    address, port, self.left(timeout), local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _Timed(stream, self)
        raise failure

    def _checked(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise NoSuchHost(f"there is no host {host!r}") from error
        for address in addresses:
            if not self._rule(address):
                raise PrivateAddress(address)
        return addresses


class _Timed(httpcore2.NetworkStream):
    """A connection whose every step ends by the guard's deadline."""

    def __init__(self, stream: httpcore2.NetworkStream, guard: Guard) -> None:
        self._stream = stream
        self._guard = guard

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._guard.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._guard.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        left = self._guard.left(timeout)
        try:
            stream = self._stream.start_tls(ssl_context, server_hostname, left)
        except httpcore2.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLError):
                raise Untrusted(_reason(error.__cause__)) from error
            raise
        return _Timed(stream, self._guard)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _inner(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that ``ip`` stands for."""
    if ip in NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message.rstrip('.')}"
    return f"it does not speak TLS ({error.reason or error})"
