"""From a Redis address to a client that is known to have the query engine.

``redis://`` ``rediss://`` ``unix://``   one server, as redis-py reads them
``redis+sentinel://[user:password@]host:26379,host2/service[/db]``   the service's master
``redis+cluster://[user:password@]host:7000,host2:7001``             a cluster
(``rediss+...`` for TLS). Without an address the local server is used, started when needed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.sentinel import Sentinel

from recommender.errors import StoreError
from recommender.settings import Settings
from recommender.store import embedded

Client = Any
"""``redis.Redis`` or ``RedisCluster``: the calls used here are the same on both."""

OPTIONS: dict[str, Any] = {
    "protocol": 2,  # RESP3 costs 40 % more client time for the same answer
    "socket_timeout": 60,
    "socket_connect_timeout": 5,
    "health_check_interval": 30,
}


@dataclass(frozen=True, slots=True)
class Server:
    """A connected Redis: its client, a printable address, and what it can do.

    ``version`` is Redis's own, ``search`` the query engine's as a number (2.10.5 is 21005).
    """

    client: Client
    address: str
    version: str
    search: int
    local: bool


def connect(settings: Settings) -> Server:
    """The Redis of ``settings``, checked. Raises StoreError where it is away or lacks FT.*."""
    if settings.redis_url is None:
        url = f"unix://{embedded.start(settings.home)}"
    else:
        url = settings.redis_url
    address = _without_password(url)
    with translated(address):
        try:
            client = _client(url)
        except (TypeError, ValueError) as error:
            raise StoreError(f"{address!r} is no Redis address: {error}") from error
        version = str(client.info("server")["redis_version"])
        search = _search_version(client)
    if not search:
        raise StoreError(
            f"the Redis at {address} has no query engine (FT.SEARCH)",
            remedy="Use Redis 8, Redis Stack, or the local server: unset REDIS_URL and"
            " pip install 'recommender[embedded]'",
        )
    return Server(client, address, version, search, settings.redis_url is None)


class translated:  # noqa: N801 (used like a function; a generator would cost the hot path 2 us)
    """Turns what redis-py raises inside ``with translated():`` into StoreError with a remedy."""

    def __init__(self, address: str = "") -> None:
        self._at = f" at {address}" if address else ""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (redis.RedisError, OSError)):
            raise self._explained(error) from error

    def _explained(self, error: redis.RedisError | OSError) -> StoreError:
        if isinstance(error, redis.AuthenticationError):
            return StoreError(
                f"Redis{self._at} wants other credentials: {error}",
                remedy="Put them into REDIS_URL: redis://USER:PASSWORD@HOST:PORT",
            )
        if isinstance(error, redis.OutOfMemoryError):
            return StoreError(
                f"Redis{self._at} is out of memory: {error}",
                remedy="Raise its maxmemory and run the same command again: it goes on from there",
            )
        if isinstance(error, (redis.ConnectionError, redis.TimeoutError, OSError)):
            return StoreError(
                f"Redis{self._at} does not answer: {error}",
                remedy="Check REDIS_URL and that the server runs; 'recommender doctor' says more",
            )
        return StoreError(f"Redis{self._at} refused: {error}")


def _client(url: str) -> Client:
    scheme = url.partition("://")[0]
    if scheme in ("redis", "rediss", "unix"):
        return redis.Redis.from_url(url, **OPTIONS)
    if scheme in ("redis+sentinel", "rediss+sentinel"):
        return _sentinel(url)
    if scheme in ("redis+cluster", "rediss+cluster"):
        hosts, options, _ = _parts(url, 6379)
        nodes = [ClusterNode(host, port) for host, port in hosts]
        options.pop("db", None)
        return RedisCluster(startup_nodes=nodes, **OPTIONS, **options)
    raise StoreError(
        f"{_without_password(url)!r} is no Redis address",
        remedy="Start it with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://",
    )


def _sentinel(url: str) -> Client:
    hosts, options, path = _parts(url, 26379)
    service, _, db = path.partition("/")
    if not service:
        raise StoreError(
            f"{_without_password(url)!r} names no service",
            remedy="Write redis+sentinel://HOST:26379/SERVICE",
        )
    secrets = {
        key.removeprefix("sentinel_"): options.pop(key)
        for key in ("sentinel_username", "sentinel_password")
        if key in options
    }
    timeouts = {
        key: OPTIONS[key] for key in ("protocol", "socket_timeout", "socket_connect_timeout")
    }
    sentinel = Sentinel(hosts, sentinel_kwargs=timeouts | secrets, **OPTIONS, **options)
    try:
        sentinel.discover_master(service)
    except redis.sentinel.MasterNotFoundError as error:
        raise redis.ConnectionError(str(error)) from error
    return sentinel.master_for(service, db=int(db or 0))


def _parts(url: str, default_port: int) -> tuple[list[tuple[str, int]], dict[str, Any], str]:
    """Hosts, connection options and path of an address that may name several hosts."""
    split = urlsplit(url)
    login, _, addresses = split.netloc.rpartition("@")
    hosts = []
    for address in addresses.split(","):
        host, _, port = (
            address.rpartition(":") if re.search(r":\d+$", address) else (address, "", "")
        )
        hosts.append((host.strip("[]") or "localhost", int(port or default_port)))
    options: dict[str, Any] = dict(parse_qsl(split.query))
    username, _, password = login.partition(":")
    if username:
        options["username"] = unquote(username)
    if password:
        options["password"] = unquote(password)
    if split.scheme.startswith("rediss"):
        options["ssl"] = True
    return hosts, options, split.path.strip("/")


def _search_version(client: Client) -> int:
    """The query engine's version as a number, 0 without one, 1 where it will not say."""
    try:
        modules = client.execute_command("MODULE", "LIST")
        for module in modules:
            named = (
                dict(zip(module[::2], module[1::2], strict=True))
                if isinstance(module, list)
                else module
            )
            if named.get(b"name") in (b"search", b"searchlight"):
                return int(named[b"ver"])
    except (redis.ResponseError, TypeError, ValueError):
        pass  # hosted servers may forbid MODULE; asking for the indexes tells as well
    try:
        client.execute_command("FT._LIST")
    except redis.ResponseError:
        return 0
    return 1


def _without_password(url: str) -> str:
    return re.sub(r"(?<=://)[^/@]*@|(?<=password=)[^&]*", "", url)
