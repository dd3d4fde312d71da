"""From a Redis address to a client that is known to have the query engine.

``redis://`` ``rediss://`` ``unix://``   one server, as redis-py reads them
``redis+sentinel://[user:password@]host:26379,host2/service[/db]``   the service's master
``redis+cluster://[user:password@]host:7000,host2:7001``             a cluster
(``rediss+...`` for TLS). Without an address the local server is used, started when needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from recommender.errors import StoreError, StoreFull
from recommender.settings import Settings
from recommender.spent import LISTENING, REDIS
from recommender.store import embedded

Client = Any
"""``redis.Redis`` or ``RedisCluster``: the calls used here are the same on both."""

CONNECTING = re.compile(r"Error -?\d+ connecting to \S+\. |Redis Cluster cannot be connected.*: ")
OUT_OF_MEMORY = "OOM command not allowed"
"""What Redis says of a whole transaction, too, and redis-py then takes for another error."""
RUN = re.compile(rb"^run_id:(\w+)", re.MULTILINE)
AUTHENTICATION = re.compile("Authentication required|invalid username-password")

OPTIONS: dict[str, Any] = {
    "protocol": 2,  # RESP3 costs 40 % more client time for the same answer
    "decode_responses": False,
    "socket_connect_timeout": 5,
    "health_check_interval": 30,
    # Not after a timeout: a Redis that hangs would be waited for twice.
    "retry": Retry(ExponentialBackoff(cap=1.0, base=0.1), 1, (redis.ConnectionError,)),
}
PROBE = OPTIONS | {"socket_timeout": 5, "retry": Retry(NoBackoff(), 0)}
"""The same for a first look: what says nothing for 5 s is no Redis."""


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


def connect(
    settings: Settings | None = None, *, patience: float = 20.0, hurried: bool = False
) -> Server:
    """The Redis of ``settings`` (the environment's by default), checked.

    ``patience`` is how many seconds it may take for one answer; where ``hurried``, a local server
    that still reads its data is not waited for any longer. Raises StoreError where it is
    away, lacks the query engine, or would throw items out.
    """
    settings = settings or Settings.from_env()
    url = settings.redis_url or ""
    if settings.redis_url is None:
        # redis-py tries twice.
        socket = str(embedded.start(settings.home, patience / 2 if hurried else None))
        address = f"unix://{socket}"
        make: Callable[..., Client] = partial(redis.Redis, unix_socket_path=socket)
    else:
        address = _without_password(url)
        make = partial(_client, url)

    try:
        with translated(address):
            probe: Client = make(**PROBE)
            info = _info(probe)
            search = _search_version(probe)
            _check_searches(probe, address, search)
            _check_keeps(info, address)
            probe.close()
            client = make(**OPTIONS, socket_timeout=patience)
            if not isinstance(client, RedisCluster):
                client.connection_pool.connection_kwargs["redis_connect_func"] = _Process()
            version = str(info["redis_version"])
            return Server(client, address, version, search, settings.redis_url is None)
    except (TypeError, ValueError, AttributeError) as error:  # redis-py reads its URL as it goes
        # What redis-py says may quote a part of the password.
        why = "quote signs in its password, as %40 for @" if "@" in url else str(error)
        raise StoreError(f"{address!r} is no Redis address: {why}") from None


class _Process:
    """Sets up each connection as it is made, and counts the Redis processes that were met."""

    def __init__(self) -> None:
        self.count = 0
        self._run = b""

    def __call__(self, connection: Any) -> None:
        connection.on_connect()
        connection.send_command("INFO", "server")
        found = RUN.search(connection.read_response())
        if found and found[1] != self._run:
            self._run = found[1]
            self.count += 1


def processes(client: Client) -> int:
    """How many Redis processes this client has met so far; of a cluster 0.

    Where it is another number after a question than before, Redis was restarted between, and what
    was known of its indexes does not hold any more: they may be filling again.
    """
    if isinstance(client, RedisCluster):
        return 0
    met = client.connection_pool.connection_kwargs.get("redis_connect_func")
    return met.count if isinstance(met, _Process) else 0


def _check_keeps(info: dict[str, Any], address: str) -> None:
    policy = str(info.get("maxmemory_policy", ""))
    if info.get("maxmemory") and policy.startswith("allkeys"):
        raise StoreError(
            f"the Redis at {address} throws items out when it is full (maxmemory-policy {policy})",
            remedy="Set it to noeviction: CONFIG SET maxmemory-policy noeviction",
        )


def _check_searches(client: Client, address: str, search: int) -> None:
    """Raises StoreError where the query engine is missing or would not work."""
    if not search:
        raise StoreError(
            f"the Redis at {address} has no query engine (FT.SEARCH)",
            remedy="Use Redis 8, Redis Stack, or the local server: unset REDIS_URL and"
            " pip install 'recommender[embedded]'",
        )
    if isinstance(client, RedisCluster):
        try:
            keyed = client.execute_command(
                "COMMAND GETKEYS", "FT.SEARCH", "x", "*", target_nodes=client.get_random_node()
            )
        except redis.ResponseError:
            keyed = None
        if keyed:
            raise StoreError(
                f"the query engine at {address} searches no cluster: it has no coordinator",
                remedy="Use Redis 8 or a single server",
            )
        return
    db = client.connection_pool.connection_kwargs.get("db") or 0
    if db:
        raise StoreError(
            f"the address {address} names the database {db}; the query engine works in 0 only",
            remedy="Leave the number out",
        )


class translated:  # noqa: N801 (used like a function; a generator would cost the hot path 2 us)
    """Turns what redis-py raises inside ``with translated():`` into StoreError with a remedy.

    The time inside is Redis's, to whoever wants to know (see ``spent``).
    """

    def __init__(self, address: str = "") -> None:
        self._at = f" at {address}" if address else ""

    def __enter__(self) -> None:
        self._spent = spent = LISTENING.get()
        if spent is not None:
            self._before = spent.enter(REDIS)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._spent is not None:
            self._spent.enter(self._before)
        if isinstance(error, (redis.RedisError, RedisClusterException, OSError)):
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> StoreError:
        if isinstance(error, redis.AuthenticationError) or AUTHENTICATION.search(str(error)):
            return StoreError(
                f"Redis{self._at} wants other credentials: {error}",
                remedy="Put them into REDIS_URL: redis://USER:PASSWORD@HOST:PORT",
            )
        if isinstance(error, redis.OutOfMemoryError) or OUT_OF_MEMORY in str(error):
            return StoreFull(
                f"Redis{self._at} is out of memory: {_brief(error)}",
                remedy="Raise its maxmemory and run the same command again: it goes on from there",
            )
        if isinstance(
            error, (redis.ConnectionError, redis.TimeoutError, RedisClusterException, OSError)
        ):
            return StoreError(
                f"Redis{self._at} does not answer: {CONNECTING.sub('', _brief(error)).rstrip('.')}",
                remedy="Check REDIS_URL and that the server runs; without it, the local server"
                " is started again by the next command",
            )
        return StoreError(f"Redis{self._at} refused: {_brief(error)}")


def _brief(error: Exception) -> str:
    """What went wrong, without the command: redis-py quotes it whole, vectors and all."""
    text = str(error).rpartition(" of pipeline caused error: ")[2]
    return text if len(text) <= 300 else f"{text[:297]}..."


def _client(url: str, **options: Any) -> Client:
    scheme = url.partition("://")[0]
    if scheme in ("redis", "rediss", "unix"):
        base, mark, query = (
            url.rpartition("?") if "@" not in url.rpartition("?")[2] else (url, "", "")
        )
        # What the code relies on is not for the address to choose.
        kept = [pair for pair in parse_qsl(query) if pair[0] not in options]
        return redis.Redis.from_url(f"{base or url}?{urlencode(kept)}" if mark else url, **options)
    if scheme in ("redis+sentinel", "rediss+sentinel"):
        return _sentinel(url, options)
    if scheme in ("redis+cluster", "rediss+cluster"):
        hosts, more, _ = _parts(url, 6379)
        nodes = [ClusterNode(host, port) for host, port in hosts]
        more.pop("db", None)
        return RedisCluster(startup_nodes=nodes, **(more | options))
    raise StoreError(
        f"{_without_password(url)!r} is no Redis address",
        remedy="Start it with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://",
    )


def _sentinel(url: str, options: dict[str, Any]) -> Client:
    hosts, more, path = _parts(url, 26379)
    service, _, db = path.partition("/")
    if not service:
        raise StoreError(
            f"{_without_password(url)!r} names no service",
            remedy="Write redis+sentinel://HOST:26379/SERVICE",
        )
    own = {
        key.removeprefix("sentinel_"): more.pop(key)
        for key in ("sentinel_username", "sentinel_password")
        if key in more
    }
    if "ssl" in more:
        own |= {key: value for key, value in more.items() if key.startswith("ssl")}
    sentinel = Sentinel(hosts, sentinel_kwargs=own | options, **(more | options))
    try:
        sentinel.discover_master(service)
    except MasterNotFoundError as error:
        raise redis.ConnectionError(f"no sentinel knows a master called {service!r}") from error
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


def _info(client: Client) -> dict[str, Any]:
    if isinstance(client, RedisCluster):
        return dict(client.info(target_nodes=client.get_random_node()))
    return dict(client.info())


def _search_version(client: Client) -> int:
    """The query engine's version as a number, 0 without one, 1 where it will not say."""
    anywhere = (
        {"target_nodes": client.get_random_node()} if isinstance(client, RedisCluster) else {}
    )
    try:
        modules = client.execute_command("MODULE LIST", **anywhere)
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
        client.execute_command("FT._LIST", **anywhere)
    except redis.ResponseError:
        return 0
    return 1


def _without_password(url: str) -> str:
    """The address as it may be shown: without what stands before the last @, or in a password=."""
    login, _, rest = re.sub("(?<=password=)[^&]*", "", url).rpartition("@")
    scheme, mark, _ = login.partition("://")
    return f"{scheme}{mark}{rest}" if mark else rest
