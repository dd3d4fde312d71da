"""FT.SEARCH and FT.AGGREGATE, sent by hand: the hot path of the product.

redisvl's query objects cost 40 % of a call, so they serve for schema and filters only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import redis

from recommender.catalogue import vector_field
from recommender.errors import IndexNotReady, StoreError
from recommender.fields import KINDS, TAG_SEPARATOR
from recommender.store.connection import Client, translated
from recommender.store.hashes import WRITTEN_AT
from recommender.store.packed import answered, asked
from recommender.where import EVERYTHING, both

TIMEOUT_MS = 10_000
"""The engine's own default of 500 ms cuts a query short in silence."""

DISTANCE = "__distance"
DISTANCE_BYTES = DISTANCE.encode()
FACET_VALUES = 1000


class Found(NamedTuple):
    """One row of an answer: key, distance, and names and values of its fields in turn."""

    key: bytes
    distance: float
    fields: list[bytes]


Policy = Literal["graph", "batches", "each"]
"""How an HNSW index is searched: its graph alone; the graph in batches, each batch then filtered;
or each item that passes the filter compared, which is exact."""

EACH_FACTOR = 1800


def policy_for(matching: int, items: int) -> Policy:
    """The faster way to search ``items`` under a filter that ``matching`` of them pass.

    Comparing each costs in proportion to ``matching``, batches in proportion to
    ``items / matching``; they break even near ``matching ** 2 = 1800 * items`` (measured with
    44,446 items of 256 numbers). The engine's own choice was 2 to 3 times slower for broad filters.
    """
    return "each" if matching**2 <= EACH_FACTOR * items else "batches"


@dataclass(frozen=True, slots=True)
class Knn:
    """One nearest-neighbour query: the first ``rows`` of the ``pool`` nearest items.

    ``filter`` is the engine's own text (see ``where.parse``). ``policy`` is for HNSW and None for a
    flat index, which is always exact; with it four candidates are kept for each of the pool.
    """

    index: str
    vector: str
    blob: bytes
    pool: int
    rows: int
    filter: str
    fields: Sequence[str]
    policy: Policy | None


def knn(client: Client, query: Knn) -> list[Found]:
    """The nearest items, nearest first. Raises IndexNotReady without an index."""
    return knn_each(client, [query])[0]


def knn_each(client: Client, queries: Sequence[Knn]) -> list[list[Found]]:
    """The same for each of some queries of one index, in one round trip."""
    try:
        commands = [_command(query) for query in queries]
        alone = len(commands) == 1
        replies = [answered(client, commands[0])] if alone else asked(client, commands)
    except StoreError as error:
        if isinstance(error.__cause__, redis.ResponseError):
            raise explained(error.__cause__, queries[0].index) from error
        raise
    return [_found(reply) for reply in replies]


def _command(query: Knn) -> tuple[Any, ...]:
    where = query.filter
    if query.policy == "each" and where == EVERYTHING:
        # The policy goes only with a filter, so here is one that every item passes.
        where = f"(@{WRITTEN_AT}:[-inf +inf])"
    how = {
        None: "",
        "graph": f" EF_RUNTIME {4 * query.pool}",
        "batches": f" HYBRID_POLICY BATCHES EF_RUNTIME {4 * query.pool}",
        "each": " HYBRID_POLICY ADHOC_BF",
    }[query.policy]
    text = f"{where}=>[KNN {query.pool} @{vector_field(query.vector)} $v{how} AS {DISTANCE}]"
    return (
        "FT.SEARCH", query.index, text, "PARAMS", 2, "v", query.blob,
        "SORTBY", DISTANCE, "LIMIT", 0, query.rows,
        "RETURN", len(query.fields) + 1, DISTANCE, *query.fields,
        "DIALECT", 2, "TIMEOUT", TIMEOUT_MS,
    )  # fmt: skip


def _found(reply: Any) -> list[Found]:
    return [
        Found(key, float(pairs[pairs.index(DISTANCE_BYTES) + 1]), pairs)
        for key, pairs in zip(reply[1::2], reply[2::2], strict=True)
        if pairs  # else the item was deleted while the query ran
    ]


def meeting(client: Client, index: str, filter: str, keys: Sequence[bytes]) -> set[bytes]:
    """Those of ``keys`` whose items pass the filter."""
    if not keys:
        return set()
    with translated():
        try:
            reply = client.execute_command(
                "FT.SEARCH", index, filter, "NOCONTENT", "INKEYS", len(keys), *keys,
                "LIMIT", 0, len(keys), "DIALECT", 2, "TIMEOUT", TIMEOUT_MS,
            )  # fmt: skip
        except redis.ResponseError as error:
            raise explained(error, index) from error
    return set(reply[1:])


class Span(NamedTuple):
    """How a number is spread.

    Above ``high`` lie 10 % of the items, above ``top`` 1 %: about, as the engine estimates them.
    """

    least: float
    high: float
    top: float
    greatest: float


def span(client: Client, index: str, field: str) -> Span | None:
    """The span of a number field, about; None where no item has a value."""
    rows = _aggregate(
        client, index, f"@{field}:[-inf +inf]",
        "LOAD", 1, f"@{field}", "GROUPBY", 0,
        "REDUCE", "MIN", 1, f"@{field}", "AS", "least",
        "REDUCE", "QUANTILE", 2, f"@{field}", "0.9", "AS", "high",
        "REDUCE", "QUANTILE", 2, f"@{field}", "0.99", "AS", "top",
        "REDUCE", "MAX", 1, f"@{field}", "AS", "greatest",
    )  # fmt: skip
    if not rows:
        return None
    named = dict(zip(rows[0][::2], rows[0][1::2], strict=True))
    return Span(*(float(named[name.encode()]) for name in Span._fields))


def count(client: Client, index: str, filter: str) -> int:
    """How many items pass the filter."""
    with translated():
        try:
            return int(
                client.execute_command(
                    "FT.SEARCH", index, filter, "LIMIT", 0, 0, "DIALECT", 2, "TIMEOUT", TIMEOUT_MS
                )[0]
            )
        except redis.ResponseError as error:
            raise explained(error, index) from error


def tag_counts(client: Client, index: str, filter: str, field: str) -> dict[str, int]:
    """How often each label of a tag field occurs under the filter, most frequent first.

    Labels that differ only in case (of ASCII letters) are one to the engine, so they are counted as
    one, in the more frequent spelling.
    """
    rows = _aggregate(
        client, index, filter,
        "LOAD", 1, f"@{field}", "FILTER", f"exists(@{field})",
        "APPLY", f'split(@{field}, "{TAG_SEPARATOR}")', "AS", "label",
        "GROUPBY", 1, "@label", "REDUCE", "COUNT", 0, "AS", "n",
        "SORTBY", 4, "@n", "DESC", "@label", "ASC", "LIMIT", 0, FACET_VALUES,
    )  # fmt: skip
    spelling: dict[bytes, str] = {}
    counts: Counter[str] = Counter()
    for row in rows:
        named = dict(zip(row[::2], row[1::2], strict=True))
        label = named[b"label"]
        counts[spelling.setdefault(label.lower(), label.decode())] += int(named[b"n"])
    return dict(counts.most_common())


def number_range(client: Client, index: str, filter: str, field: str) -> tuple[int, float, float]:
    """(how many items have a value, lowest, highest) of a number field under the filter."""
    rows = _aggregate(
        client, index, both(filter, f"@{field}:[-inf +inf]"),
        "LOAD", 1, f"@{field}", "GROUPBY", 0, "REDUCE", "COUNT", 0, "AS", "n",
        "REDUCE", "MIN", 1, f"@{field}", "AS", "low", "REDUCE", "MAX", 1, f"@{field}", "AS", "high",
    )  # fmt: skip
    if not rows:
        return 0, 0, 0
    named = dict(zip(rows[0][::2], rows[0][1::2], strict=True))
    unpack = KINDS["number"].unpack
    return int(named[b"n"]), unpack(named[b"low"]), unpack(named[b"high"])


def _aggregate(client: Client, index: str, filter: str, *steps: str | int) -> list[list[bytes]]:
    with translated():
        try:
            reply: list[list[bytes]] = client.execute_command(
                "FT.AGGREGATE", index, filter, *steps, "DIALECT", 2, "TIMEOUT", TIMEOUT_MS
            )
        except redis.ResponseError as error:
            raise explained(error, index) from error
    return reply[1:]


def explained(error: redis.ResponseError, index: str) -> Exception:
    """What the engine's refusal of a query of ``index`` means: IndexNotReady or StoreError."""
    text = str(error)
    if "no such index" in text.lower() or "unknown index" in text.lower():
        return IndexNotReady(
            f"the catalogue {index!r} has no index yet",
            remedy="Its first load is still running, or was cut off: load it (again)",
        )
    if "timeout" in text.lower():
        return StoreError(
            f"the query took longer than {TIMEOUT_MS / 1000:.0f} s",
            remedy="Ask for fewer items or narrow it with 'where'",
        )
    return StoreError(f"Redis refused the query: {text}")
