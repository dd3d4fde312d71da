"""Fetching over http(s): bounded in time, size and redirects, and only from public addresses.

No proxy is used, whatever the environment says: it would connect to addresses that nobody checked.
"""

from __future__ import annotations

import base64
import ssl
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import version
from time import monotonic
from types import TracebackType
from urllib.parse import unquote_to_bytes

import httpcore2
import httpx2

from loaders import guard
from loaders.base import READ, Options
from loaders.urls import follow, parse, shown
from recommender.errors import SourceError

MAX_BYTES = 50 * 1024 * 1024
"""Largest document, unpacked: what the sitemap protocol says, and far more than any feed."""
KEEP_OPEN = 1.0  # seconds: less than any server does, so that none closes as we ask again
REMEDIES = {
    401: "It wants a login: put it into the address, as in https://USER:PASSWORD@HOST/",
    403: "It refuses programs: save it with a browser and load the file",
    404: "Check the address",
    410: "It is gone for good: check the address",
    429: "It wants to be asked less often: try again later",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one fetch may take: ``silence`` and ``total`` in seconds, ``size`` in unpacked bytes.

    ``silence`` is the longest wait for a connection, and for any next byte; ``total`` is for
    everything, redirects included, but not for the system's resolver.
    """

    silence: float = 10.0
    total: float = 60.0
    size: int = MAX_BYTES
    redirects: int = 5


@dataclass(frozen=True, slots=True)
class Fetched:
    """A response: ``url`` is where it came from in the end, without a password.

    ``content_type`` is like ``text/html``, "" where the server tells none.
    """

    url: str
    body: bytes
    content_type: str
    charset: str | None


class Unreachable(SourceError):
    """The server did not answer, or is too busy: its next page will hardly come either."""


def fetch(url: str, options: Options) -> Fetched:
    """The response to a GET of ``url`` (http or https). Raises SourceError."""
    with Web(options) as web:
        return web.fetch(url)


class Web:
    """Fetches one URL after the other, on connections that are kept open for a moment.

    ``resolve`` finds a host's addresses, which all have to pass ``rule`` (by default: public ones,
    or any where the options allow it); ``tls`` says whose certificates are good, by default the
    system (SSL_CERT_FILE and SSL_CERT_DIR name others).
    """

    def __init__(
        self,
        options: Options,
        *,
        limits: Limits | None = None,
        resolve: guard.Resolve = guard.addresses_of,
        rule: guard.Rule | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._limits = limits or Limits()
        by_default = guard.is_lasting if options.allow_private else guard.is_public
        self._guard = guard.Guard(rule or by_default, resolve)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls or _system_tls(),
            keepalive_expiry=KEEP_OPEN,
            network_backend=self._guard,
        )
        self._agent = f"recommender/{version('recommender')}"

    def __enter__(self) -> Web:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.close()

    def fetch(self, url: str, types: Collection[str] = ()) -> Fetched:
        """The response to a GET of ``url``, of one of ``types`` (any, by default).

        Raises SourceError for every other outcome, Unreachable where the server is the reason.
        """
        address = parse(url)
        self._guard.deadline = monotonic() + self._limits.total
        for _ in range(self._limits.redirects + 1):
            with self._explained(address), self._asked(address) as response:
                headers = httpx2.Headers(response.headers)
                if not (300 <= response.status < 400 and "location" in headers):
                    return self._received(address, response, headers, types)
            address = follow(address, headers["location"])
        raise SourceError(
            f"{shown(url)} redirects more than {self._limits.redirects} times",
            remedy="Open it in a browser and name the address that it ends at",
        )

    @contextmanager
    def _asked(self, address: httpx2.URL) -> Iterator[httpcore2.Response]:
        headers: dict[bytes | str, bytes | str] = {
            "Host": address.netloc,
            "User-Agent": self._agent,
            "Accept": "*/*",
            "Accept-Encoding": "gzip",
        }
        if address.userinfo:
            login = base64.b64encode(unquote_to_bytes(address.userinfo))
            headers["Authorization"] = b"Basic " + login
        target = httpcore2.URL(
            scheme=address.raw_scheme,
            host=address.raw_host,
            port=address.port,
            target=address.raw_path,
        )
        silence = self._limits.silence
        timeout = {"connect": silence, "read": silence, "write": silence, "pool": silence}
        with self._pool.stream(
            "GET", target, headers=headers, extensions={"timeout": timeout}
        ) as response:
            yield response

    def _received(
        self,
        address: httpx2.URL,
        response: httpcore2.Response,
        headers: httpx2.Headers,
        types: Collection[str],
    ) -> Fetched:
        url = shown(address)
        if not 200 <= response.status < 300:
            is_busy = response.status == 429 or response.status >= 500
            remedy = REMEDIES.get(response.status, "The server has a problem: try again later")
            problem = Unreachable if is_busy else SourceError
            raise problem(f"{url} answers {response.status}", remedy=remedy)
        content = Message()
        content["content-type"] = headers.get("content-type", "")
        content_type = content.get_content_type() if content["content-type"] else ""
        if types and content_type and content_type not in types:
            raise SourceError(f"{url} is {content_type}, not {' or '.join(sorted(types))}")
        body = bytearray()
        for chunk in _unpacked(url, response.iter_stream(), headers.get("content-encoding", "")):
            body += chunk
            if len(body) > self._limits.size:
                raise SourceError(
                    f"{url} has more than {self._limits.size:,} bytes",
                    remedy="Fetch it yourself, split it and load the files",
                )
        return Fetched(url, bytes(body), content_type, content.get_content_charset())

    @contextmanager
    def _explained(self, address: httpx2.URL) -> Iterator[None]:
        """Whatever the HTTP client raises, as one of our errors."""
        url = shown(address)
        try:
            yield
        except guard.PrivateAddress as error:
            raise SourceError(
                f"{url} leads to {error}, an address of this machine or its network",
                remedy="If you trust it, load it with --allow-private"
                if guard.is_lasting(str(error))
                else "It is refused always: link-local addresses are where clouds keep secrets",
            ) from error
        except guard.NoSuchHost as error:
            raise Unreachable(f"{url}: {error}", remedy="Check the address") from error
        except httpcore2.TimeoutException as error:
            raise Unreachable(f"{url} {self._slowness()}", remedy="Try again later") from error
        except guard.Untrusted as error:
            raise Unreachable(
                f"{url} is not safe: {error}",
                remedy="If you trust it, name the certificate of its authority in SSL_CERT_FILE",
            ) from error
        except httpcore2.ConnectError as error:
            raise Unreachable(
                f"{url} does not answer: {error}", remedy="Try again later"
            ) from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise Unreachable(f"{url} breaks off: {error}", remedy="Try again later") from error

    def _slowness(self) -> str:
        if monotonic() >= self._guard.deadline:
            return f"takes more than {self._limits.total:g} s"
        return f"sends nothing for {self._limits.silence:g} s"


def _system_tls() -> ssl.SSLContext:
    try:
        return httpcore2.default_ssl_context()
    except OSError as error:
        raise SourceError(
            f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR name cannot be read: {error}",
            remedy="Unset it, or name a PEM file",
        ) from error


def _unpacked(url: str, chunks: Iterator[bytes], coding: str) -> Iterator[bytes]:
    """``chunks`` without their gzip, never more than READ bytes of it at once."""
    if coding.strip().lower() in ("", "identity"):
        yield from chunks
        return
    if coding.strip().lower() not in ("gzip", "x-gzip"):
        raise SourceError(f"{url} is packed as {coding!r}, which was not asked for")
    unpack = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            rest = chunk
            while rest and not unpack.eof:
                yield unpack.decompress(rest, READ)
                rest = unpack.unconsumed_tail
        yield unpack.flush()
    except zlib.error as error:
        raise SourceError(f"{url} sends damaged gzip data: {error}") from error
    if not unpack.eof:
        raise SourceError(f"{url} sends gzip data that is cut off", remedy="Try again later")
