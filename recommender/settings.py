"""The environment, read once: nothing else in the product looks at it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from recommender.errors import RecommenderError, brief

CONCURRENCY, MAX_CONCURRENCY = 8, 64

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
    events: bool = False

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Settings from ``env`` (the process's own by default); empty values count as unset.

        Raises RecommenderError for a home that is no path, a concurrency out of its range, a key
        that is too short, or events neither open nor closed.
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
            concurrency=_concurrency(get("RECOMMENDER_CONCURRENCY")),
            read_keys=_keys("RECOMMENDER_READ_KEYS", get("RECOMMENDER_READ_KEYS")),
            write_keys=_keys("RECOMMENDER_WRITE_KEYS", get("RECOMMENDER_WRITE_KEYS")),
            events=_events(get("RECOMMENDER_EVENTS")),
        )


def _home(given: str | None) -> Path:
    if given is None:
        return platformdirs.user_data_path("recommender", appauthor=False)
    try:
        return Path(given).expanduser().resolve()
    except (OSError, RuntimeError) as error:
        raise RecommenderError(
            f"RECOMMENDER_HOME is {given!r}: {error}", remedy="Set it to a directory of yours"
        ) from error


def _concurrency(given: str | None) -> int:
    if given is None:
        return CONCURRENCY
    # Digits that int() knows but nobody means, and thousands of them, are refused alike.
    if given.isascii() and given.isdigit() and len(given) <= 4:
        calls = int(given)
        if 1 <= calls <= MAX_CONCURRENCY:
            return calls
    raise RecommenderError(
        f"RECOMMENDER_CONCURRENCY is {brief(given)}: it is how many calls to a remote embedder may"
        f" be under way at once, a whole number from 1 to {MAX_CONCURRENCY}",
        remedy=f"Set it to one, or unset it for {CONCURRENCY}",
    )


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
