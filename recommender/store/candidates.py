"""Candidates of a ranking: queries that bring keys alone, and the values of many keys at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import redis
from hiredis import pack_command
from redis.cluster import RedisCluster

from recommender.catalogue import vector_field
from recommender.errors import StoreError
from recommender.store.connection import Client, translated
from recommender.store.packed import Command, asked, read_packed
from recommender.store.query import DISTANCE, TIMEOUT_MS, Policy, explained
from recommender.where import EVERYTHING

TOTAL = "__total"
KEY = b"__key"
KEY_FIELD = ("@__key",)

TAIL = 2400
"""How many of a number's greatest and of its least values are known."""

KNOWN_SECONDS = 60.0
"""How old a count or a tail may be."""

MAX_SEARCHED = 1_000_000
"""Rows that a search gives at most, by the engine's own setting; an aggregation has no such end."""

MAX_KNOWN = 10_000
"""How many counts are remembered."""

MAX_FILTER = 4096
"""Characters of a filter that is remembered: anybody may ask with many long ones."""


def nearest(
    index: str, vector: str, blob: bytes, rows: int, filter: str, policy: Policy | None
) -> Command:
    """The keys of the ``rows`` nearest items that pass the filter, nearest first."""
    return (
        "FT.SEARCH", index, _near(vector, rows, filter, policy), "NOCONTENT",
        "PARAMS", 2, "v", blob, "SORTBY", DISTANCE, "LIMIT", 0, rows,
        "DIALECT", 2, "TIMEOUT", TIMEOUT_MS,
    )  # fmt: skip


def some(index: str, filter: str, rows: int) -> Command:
    """The keys of the first ``rows`` items that pass the filter, in the index's own order."""
    if rows > MAX_SEARCHED:  # four times as slow
        return (
            "FT.AGGREGATE", index, filter, "LOAD", 1, *KEY_FIELD, "LIMIT", 0, rows,
            "DIALECT", 2, "TIMEOUT", TIMEOUT_MS,
        )  # fmt: skip
    return (
        "FT.SEARCH", index, filter, "NOCONTENT", "LIMIT", 0, rows,
        "DIALECT", 2, "TIMEOUT", TIMEOUT_MS,
    )  # fmt: skip


def best(
    client: Client,
    index: str,
    filter: str,
    formula: str,
    fields: Sequence[str],
    rows: int,
    among: tuple[str, bytes, int, Policy | None] | None = None,
) -> Command:
    """The keys of the ``rows`` best items by ``formula``, best first.

    The formula is the engine's own expression over ``fields``; items without one of these are left
    out, for the engine gives up a whole query over them. With ``among`` (vector, blob, count,
    policy) only so many nearest are looked at, and DISTANCE may stand in the formula. What passes
    the filter, or is counted by ``among``, costs about half a microsecond each.
    """
    params: tuple[Any, ...] = ()
    if among is not None:
        vector, blob, count, policy = among
        filter = _near(vector, count, filter, policy)
        params = ("PARAMS", 2, "v", blob)
    has_all = " && ".join(f"exists(@{name})" for name in fields)
    # The keys are loaded last, of the best alone and not of all; but what a cluster does after
    # sorting, it does where no item is.
    first, last = (KEY_FIELD, ()) if isinstance(client, RedisCluster) else ((), KEY_FIELD)
    load = [*(f"@{name}" for name in fields), *first]
    return (
        "FT.AGGREGATE", index, filter, *params, "LOAD", len(load), *load, "FILTER", has_all,
        "APPLY", formula, "AS", TOTAL, "SORTBY", 2, f"@{TOTAL}", "DESC", "MAX", rows,
        *(("LOAD", 1, *last) if last else ()),
        "LIMIT", 0, rows, "DIALECT", 2, "TIMEOUT", TIMEOUT_MS,
    )  # fmt: skip


def _near(vector: str, rows: int, filter: str, policy: Policy | None) -> str:
    if policy == "graph" and filter != EVERYTHING:
        policy = "batches"
    how = {
        None: "",
        "graph": f" EF_RUNTIME {2 * rows if rows < 100 else rows}",
        "batches": f" HYBRID_POLICY BATCHES EF_RUNTIME {max(rows, 100)}",
        "each": " HYBRID_POLICY ADHOC_BF",
    }[policy]
    return f"{filter}=>[KNN {rows} @{vector_field(vector)} $v{how} AS {DISTANCE}]"


def answers(client: Client, index: str, commands: Sequence[Command]) -> list[Any]:
    """The raw replies to queries, in one round trip. Raises IndexNotReady without an index."""
    if not commands:
        return []
    try:
        return asked(client, commands)
    except StoreError as error:
        if isinstance(error.__cause__, redis.ResponseError):
            raise explained(error.__cause__, index) from error
        raise


def keys_of(reply: Any) -> list[bytes]:
    """The keys in the reply to :func:`nearest`, :func:`some` or :func:`best`."""
    rows: list[Any] = reply[1:]
    if rows and isinstance(rows[0], list):
        return [row[row.index(KEY) + 1] for row in rows if KEY in row]
    return rows


def keys(client: Client, index: str, commands: Sequence[Command]) -> list[list[bytes]]:
    """The keys that each query brings, in one round trip. Raises IndexNotReady."""
    return [keys_of(reply) for reply in answers(client, index, commands)]


def read(client: Client, keys: Sequence[bytes], names: Sequence[str]) -> list[list[bytes | None]]:
    """The values of ``names`` of each key in one round trip, all None where there is none."""
    if not keys or not names:
        return [[] for _ in keys]
    if isinstance(client, RedisCluster):
        return asked(client, [("HMGET", key, *names) for key in keys])
    # All commands are alike but for the key, so they are put together from three pieces each.
    command: Any = ("HMGET", "", *names)
    whole: bytes = pack_command(command)
    head, tail = whole.split(b"$0\r\n\r\n", 1)
    packed = b"".join([b"%b$%d\r\n%b\r\n%b" % (head, len(key), key, tail) for key in keys])
    with translated():
        return read_packed(client, packed, len(keys))


class Known:
    """What is known of one catalogue's index, at most KNOWN_SECONDS old: counts, numbers' ends."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[float, int]] = {}
        self._tails: dict[tuple[str, bool], tuple[float, list[float]]] = {}

    def counts(self, client: Client, index: str, filters: Sequence[str]) -> list[int]:
        """How many items pass each filter; what is not known is counted in one round trip."""
        now = time.monotonic()
        fresh = {
            text: known[1]
            for text in filters
            if (known := self._counts.get(text)) and known[0] > now - KNOWN_SECONDS
        }
        unknown = [text for text in dict.fromkeys(filters) if text not in fresh]
        if unknown:
            replies = answers(client, index, [some(index, text, 0) for text in unknown])
            found = {text: int(reply[0]) for text, reply in zip(unknown, replies, strict=True)}
            fresh |= found
            if len(self._counts) + len(found) > MAX_KNOWN:
                self._counts.clear()
            kept = {text: (now, n) for text, n in found.items() if len(text) <= MAX_FILTER}
            self._counts.update(kept)
        return [fresh[text] for text in filters]

    def tail(self, client: Client, index: str, field: str, *, top: bool) -> list[float]:
        """The greatest (``top``) or the least values of a number, the extreme first, TAIL of them.

        Fewer where fewer items have a value.
        """
        now = time.monotonic()
        kept = self._tails.get((field, top))
        if kept is None or kept[0] <= now - KNOWN_SECONDS:
            kept = self._tails[field, top] = now, _tail(client, index, field, top)
        return kept[1]


def _tail(client: Client, index: str, field: str, top: bool) -> list[float]:
    [reply] = answers(
        client, index,
        [(
            "FT.AGGREGATE", index, f"@{field}:[-inf +inf]", "LOAD", 1, f"@{field}",
            "SORTBY", 2, f"@{field}", "DESC" if top else "ASC", "MAX", TAIL,
            "LIMIT", 0, TAIL, "DIALECT", 2, "TIMEOUT", TIMEOUT_MS,
        )],
    )  # fmt: skip
    return [float(row[1]) for row in reply[1:]]
