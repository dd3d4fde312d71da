"""The environment, read once: nothing else in the product looks at it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import platformdirs

from recommender.errors import RecommenderError, brief

CONCURRENCY, MAX_CONCURRENCY = 8, 64

METRICS_DIR = "PROMETHEUS_MULTIPROC_DIR"
"""The variable of Prometheus's own client for Python."""

MAX_CACHE_SECONDS = 86_400
MAX_PROXIES = 10
MAX_RATE = 1_000_000

ORIGIN = re.compile(
    r"https?://(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)*)"
    r"(:[1-9][0-9]{0,4})?"
)
RATE = re.compile(r"([0-9]{1,7}) ?(?:/|per) ?([0-9]{1,5})? ?(second|minute|hour|day)s?", re.ASCII)
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}

MIN_KEY_CHARS = 16
"""Shortest key: a shorter one could be found by trying."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says; its ``repr`` keeps the secrets to itself.

    ``redis_url``: where Redis is; None means the local server under ``home``.
    ``home``: directory for the local server's data, socket and log, and for rejects files.
    ``concurrency``: how many calls to a remote embedder may be under way at once, 1 to 64.
    ``read_keys``, ``write_keys``: who may use the HTTP API; a write key also reads. Without the
    first anyone may read, without the second nobody may write.
    ``metrics_dir``: where the processes of one server put their figures for Prometheus together.
    ``cors_origins``: the web pages whose scripts may ask the API, ``("*",)`` for all.
    ``cache_seconds``: how long shared caches may give an answer without asking again, 0 to 86,400.
    ``rate_limits``: how many requests one client may make in so many seconds; all of them hold.
    ``proxies``: how many proxies stand before the server and tell whose request it is, 0 to 10.
    ``events``: whether whoever may read may also send events, as a public page's visitors; else
    only write keys may.
    """

    home: Path
    redis_url: str | None = field(default=None, repr=False)
    openai_api_key: str | None = field(default=None, repr=False)
    openai_base_url: str | None = None
    azure_endpoint: str | None = None
    azure_api_key: str | None = field(default=None, repr=False)
    azure_api_version: str | None = None
    concurrency: int = CONCURRENCY
    read_keys: tuple[str, ...] = field(default=(), repr=False)
    write_keys: tuple[str, ...] = field(default=(), repr=False)
    metrics_dir: Path | None = None
    cors_origins: tuple[str, ...] = ()
    cache_seconds: int = 0
    rate_limits: tuple[tuple[int, int], ...] = ()
    proxies: int = 0
    events: bool = False

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Settings from ``env`` (the process's own by default); empty values count as unset.

        Raises RecommenderError for a home that is no path, a number out of its range, a key that
        is too short, what is no origin or no rate, and events neither open nor closed.
        """
        values = os.environ if env is None else env

        def get(name: str) -> str | None:
            return values.get(name, "").strip() or None

        return cls(
            home=_home(get("RECOMMENDER_HOME")),
            redis_url=get("REDIS_URL"),
            openai_api_key=get("OPENAI_API_KEY"),
            openai_base_url=get("OPENAI_BASE_URL"),
            azure_endpoint=get("AZURE_OPENAI_ENDPOINT"),
            azure_api_key=get("AZURE_OPENAI_API_KEY"),
            azure_api_version=get("OPENAI_API_VERSION"),
            concurrency=_whole(
                "RECOMMENDER_CONCURRENCY",
                get("RECOMMENDER_CONCURRENCY"),
                range(1, MAX_CONCURRENCY + 1),
                CONCURRENCY,
                "how many calls to a remote embedder may be under way at once",
            ),
            read_keys=_keys("RECOMMENDER_READ_KEYS", get("RECOMMENDER_READ_KEYS")),
            write_keys=_keys("RECOMMENDER_WRITE_KEYS", get("RECOMMENDER_WRITE_KEYS")),
            metrics_dir=_folder(get(METRICS_DIR)),
            cors_origins=_origins(get("RECOMMENDER_CORS_ORIGINS")),
            cache_seconds=_whole(
                "RECOMMENDER_CACHE_SECONDS",
                get("RECOMMENDER_CACHE_SECONDS"),
                range(MAX_CACHE_SECONDS + 1),
                0,
                "how long shared caches may give an answer without asking again",
            ),
            rate_limits=_rates(get("RECOMMENDER_RATE_LIMIT")),
            proxies=_whole(
                "RECOMMENDER_PROXIES",
                get("RECOMMENDER_PROXIES"),
                range(MAX_PROXIES + 1),
                0,
                "how many proxies of yours stand before the server",
            ),
            events=_events(get("RECOMMENDER_EVENTS")),
        )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Settings:
        """Settings from an application's ``config``, under the names that the environment has.

        What ``config`` lacks, or has as None, is the environment's; an empty text unsets it. Keys
        may be a list, a home a path, a number a number. Raises what :meth:`from_env` raises.
        """
        given = {
            name: ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            for name, value in config.items()
            if isinstance(value, (str, int, Path, list, tuple))
        }
        return cls.from_env({**os.environ, **given})

    def with_metrics_in(self, folder: Path) -> Settings:
        """The same with another ``metrics_dir``, for this process and those that it starts."""
        os.environ[METRICS_DIR] = str(folder)  # prometheus_client looks there by itself
        return replace(self, metrics_dir=folder)


def _home(given: str | None) -> Path:
    if given is None:
        return platformdirs.user_data_path("recommender", appauthor=False)
    try:
        return Path(given).expanduser().resolve()
    except (OSError, RuntimeError) as error:
        raise RecommenderError(
            f"RECOMMENDER_HOME is {given!r}: {error}", remedy="Set it to a directory of yours"
        ) from error


def _folder(given: str | None) -> Path | None:
    if given is None or Path(given).is_absolute():
        return None if given is None else Path(given)
    raise RecommenderError(
        f"{METRICS_DIR} is {given!r}", remedy="Set it to a directory's absolute path, or unset it"
    )


def _whole(variable: str, given: str | None, allowed: range, default: int, what: str) -> int:
    if given is None:
        return default
    # Digits that int() knows but nobody means, and thousands of them, are refused alike.
    if given.isascii() and given.isdigit() and len(given) <= 6 and int(given) in allowed:
        return int(given)
    raise RecommenderError(
        f"{variable} is {brief(given)}: it is {what}, a whole number from {allowed[0]} to"
        f" {allowed[-1]:,}",
        remedy=f"Set it to one, or unset it for {default}",
    )


def _origins(given: str | None) -> tuple[str, ...]:
    """The origins of a comma-separated list, as browsers send them."""
    origins = tuple(dict.fromkeys(part.strip() for part in (given or "").split(",")))
    for origin in filter(None, origins):
        if origin != "*" and not ORIGIN.fullmatch(origin):
            raise RecommenderError(
                f"RECOMMENDER_CORS_ORIGINS names {brief(origin)}, which is no origin",
                remedy="Write scheme and host as a browser sends them, https://shop.example or"
                " http://localhost:3000, in small letters and without a path or a slash at the end;"
                " * is every page",
            )
    kept = tuple(filter(None, origins))
    return ("*",) if "*" in kept else kept


def _rates(given: str | None) -> tuple[tuple[int, int], ...]:
    """Requests and seconds of each rate in a list like ``600/minute;10/second``."""
    rates = []
    for part in filter(None, (part.strip() for part in (given or "").split(";"))):
        found = RATE.fullmatch(part.lower())
        count, times = (int(found[1]), int(found[2] or 1)) if found else (0, 0)
        seconds = times * UNITS[found[3]] if found else 0
        if not (1 <= count <= MAX_RATE and 1 <= seconds <= UNITS["day"]):
            raise RecommenderError(
                f"RECOMMENDER_RATE_LIMIT names {brief(part)}, which is no rate",
                remedy="Write how many requests in which time, like 600/minute or 100/10 seconds:"
                f" 1 to {MAX_RATE:,} in up to a day; several are parted by ;",
            )
        rates.append((count, seconds))
    return tuple(rates)


def _events(given: str | None) -> bool:
    if given is None or given.lower() in ("open", "closed"):
        return given is not None and given.lower() == "open"
    raise RecommenderError(
        f"RECOMMENDER_EVENTS is {brief(given)}",
        remedy="Set it to open, and whoever may read may send events; or unset it",
    )


def _keys(variable: str, given: str | None) -> tuple[str, ...]:
    """The keys of a comma-separated list. No error shows one: it might be almost right."""
    keys = [key for part in (given or "").split(",") if (key := part.strip())]
    for number, key in enumerate(keys, 1):
        fault = ""
        if not (key.isascii() and key.isprintable() and " " not in key):
            fault = "holds something else than ASCII letters, digits and signs"
        elif len(key) < MIN_KEY_CHARS:
            fault = f"has {len(key)} characters, the shortest has {MIN_KEY_CHARS}"
        if fault:
            raise RecommenderError(
                f"{variable}: its key number {number} {fault}",
                remedy="Make one: python -c 'import secrets; print(secrets.token_urlsafe())'",
            )
    return tuple(keys)
