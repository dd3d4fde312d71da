"""URLs of the web: checked, shown without their password, followed from one to the next."""

from __future__ import annotations

import re

import httpx2

from recommender.errors import SourceError

PORTS = {"http": 80, "https": 443}


def host_of(url: str) -> str:
    """The host of a URL, in lower case. Raises SourceError for what is no http(s) URL."""
    return parse(url).host


def shown(url: str | httpx2.URL) -> str:
    """A URL as messages, places and ids may show it: without a password and fragment."""
    if isinstance(url, str):
        return re.sub(r"//[^/?#]*@", "//", url).partition("#")[0]
    return str(url.copy_with(userinfo=b"", fragment=None)).removesuffix("#")


def parse(url: str) -> httpx2.URL:
    """``url`` in its parts. Raises SourceError for what is no http(s) URL."""
    try:
        address = httpx2.URL(url)
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise SourceError(f"{shown(url)!r} is not an address: {error}") from error
    if address.scheme not in PORTS or not address.host:
        raise SourceError(
            f"{shown(url)!r} is not an address of the web",
            remedy="It begins with https:// or http://",
        )
    if address.port is not None and not 0 < address.port < 65_536:
        raise SourceError(f"{shown(url)!r} has the port {address.port}, the limit is 65,535")
    return address


def follow(address: httpx2.URL, location: str) -> httpx2.URL:
    """Where a redirect leads; a login goes no further than the server that it is for.

    Raises SourceError where it leads to no http(s) URL.
    """
    try:
        target = parse(str(address.join(location).copy_with(userinfo=b"")))
    except (SourceError, httpx2.InvalidURL) as error:
        raise SourceError(f"{shown(address)} redirects to a bad address: {error}") from error
    if _origin(address) == _origin(target):
        target = target.copy_with(userinfo=address.userinfo)
    return target


def _origin(address: httpx2.URL) -> tuple[str, str, int]:
    return address.scheme, address.host, address.port or PORTS[address.scheme]
