"""How often one client may ask: by its key where it has one, else by its address."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv6Address, ip_address

from flask import Blueprint, Response, g, request

from api.access import given_key
from api.state import opened, state
from recommender import Settings
from recommender.errors import RateLimited, StoreFull
from recommender.store import rates

EXEMPT = frozenset(("assets", "health", "metrics", "reference", "widget"))
"""Parts that are never refused: for those who watch the server, and files that cost nothing."""

NETWORK_BITS = 64
"""Of an IPv6 address: one customer has at least all addresses that begin with the same."""


def limit(blueprint: Blueprint, settings: Settings) -> None:
    """Counts the requests of each client, where the settings have a rate."""
    if settings.rate_limits:
        blueprint.before_request(_check)
        blueprint.after_request(_tell)


def _check() -> None:
    """Raises RateLimited, and StoreError where Redis is away: then nothing else need wait for it.

    A Redis that is full cannot count, but answer.
    """
    if request.method == "OPTIONS" or str(request.blueprint).rpartition(".")[2] in EXEMPT:
        return
    with suppress(StoreFull):
        g.recommender_rate = found = rates.count(
            opened().server.client, _client(), state().settings.rate_limits
        )
        if found.wait:
            raise RateLimited(
                f"more than {found.limit:,} requests came from here in a short time",
                seconds=found.wait,
                remedy=f"Ask again in {found.wait:,} seconds",
            )


def _tell(response: Response) -> Response:
    found: rates.Counted | None = g.pop("recommender_rate", None)
    if found is not None:
        response.headers["RateLimit-Limit"] = str(found.limit)
        response.headers["RateLimit-Remaining"] = str(found.left)
        response.headers["RateLimit-Reset"] = str(found.reset)
    return response


def _client() -> str:
    """Who asks. A key that nobody gave out does not count as one: everybody can make up many."""
    key = given_key()
    if key is not None and state().keys.is_known(key):
        return f"key {key.decode(errors='surrogateescape')}"
    return f"address {_network(request.remote_addr or '')}"


def _network(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:  # a unix socket has none
        return address
    if not isinstance(found, IPv6Address):
        return address
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(int(found) >> (128 - NETWORK_BITS))
