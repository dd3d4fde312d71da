"""Ranked pools kept for a while, so that `next` goes on where a page ended.

A pool is ranked once. Its following pages are cut from what was kept, so nothing comes twice and
nothing is left out, whatever happens to the catalogue meanwhile; what is gone, or does not meet the
question any more, is passed over.
"""

from __future__ import annotations

import json
import re
import secrets
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

from recommender.errors import InvalidParameter, StoreFull, brief
from recommender.store import packed, query
from recommender.store.connection import Client, translated
from recommender.store.hashes import prefix_of
from recommender.where import EVERYTHING

START = "start"
"""In the place of a token: the first page, and keep what follows."""

TTL_SECONDS = 1800
"""How long a pool is kept after it was last read."""

MAX_ROWS = 10_000
PACKED_FROM = 1024
"""Bytes from which a pool is compressed: then it is a fifth."""

LOOKED_AT_ONCE = 1000
"""Most rows that are looked up in one round trip."""

NOT_ASKED = frozenset({"fields", "limit", "next", "offset"})
"""Arguments that may change from page to page: they do not change the ranking."""

TOKEN = re.compile(r"([0-9a-f]{32})\.(0|[1-9][0-9]{0,4})", re.ASCII)
REMEDY = "Ask again with next=start"


class Row(NamedTuple):
    """One ranked item: what its hit says of it, but for its fields.

    ``score`` is None for a hit that has none, ``relevance`` where there is no calibration.
    """

    id: str
    score: float | None
    relevance: float | None = None
    source: str = "vector"
    why: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """The ranked answer to one question, best first, each id once.

    ``asked`` tells questions apart (see :func:`asked_of`); ``filter`` is the engine's own text,
    which every hit has to meet when it is shown; ``seed`` are the labels that a ``why`` looks at.
    """

    catalogue: str
    generation: int
    asked: str
    filter: str
    rows: Sequence[Row]
    seed: Mapping[str, Any] = field(default_factory=dict)


class Taken(NamedTuple):
    """The rows of a page, and where the following one begins; None where the pool ends."""

    rows: list[Row]
    offset: int | None


def asked_of(verb: str, *parts: Any, **wishes: Any) -> str:
    """A digest (32 hex digits) of a question: its verb, its seeds, its arguments.

    ``fields``, ``limit``, ``next`` and ``offset`` are left out. Tuples are lists, sets have no
    order, and arrays are their numbers.
    """
    kept = {name: value for name, value in wishes.items() if name not in NOT_ASKED}
    text = json.dumps([verb, parts, kept], sort_keys=True, default=_plain)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def keep(client: Client, pool: Pool) -> str | None:
    """Keeps the pool for half an hour and gives its name: 32 hex digits that nobody can guess.

    Only the first 10,000 rows are kept. None where Redis is full: that costs the following pages,
    not this one. Raises StoreError.
    """
    name = secrets.token_hex(16)
    rows = list(pool.rows[:MAX_ROWS])
    values = [pool.catalogue, pool.generation, pool.asked, pool.filter, rows, dict(pool.seed)]
    blob = json.dumps(values, separators=(",", ":"), default=_plain).encode()
    if len(blob) >= PACKED_FROM:
        blob = zlib.compress(blob, 1)
    try:
        with translated():
            client.execute_command("SET", key_of(name), blob, "EX", TTL_SECONDS)
    except StoreFull:
        return None
    return name


def begin(client: Client, pool: Pool, shown: int) -> str | None:
    """Keeps the pool and gives the token of what follows its first ``shown`` rows.

    None, and nothing is kept, where nothing follows.
    """
    if shown >= min(len(pool.rows), MAX_ROWS):
        return None
    name = keep(client, pool)
    return None if name is None else f"{name}.{shown}"


def following(token: str, offset: int | None) -> str | None:
    """The token of the page of the same pool that begins at ``offset``; None for None."""
    return None if offset is None else f"{token.partition('.')[0]}.{offset}"


def read(client: Client, token: Any, *, catalogue: str, asked: str) -> tuple[Pool, int]:
    """The pool that ``token`` names, kept for another half an hour, and where its page begins.

    Raises InvalidParameter ("next") for a token that is malformed, forged or expired, or of
    another catalogue or question.
    """
    found = TOKEN.fullmatch(token) if isinstance(token, str) else None
    if found is None or int(found[2]) > MAX_ROWS:
        raise _wrong(f"next is {brief(token)}, which no answer gave")
    with translated():
        blob = client.execute_command("GETEX", key_of(found[1]), "EX", TTL_SECONDS)
    pool = None if blob is None else _unpacked(blob)
    if pool is None:
        minutes = TTL_SECONDS // 60
        raise _wrong(
            f"next names no answer that is still kept: it is older than {minutes} minutes, or"
            " no answer ever gave it"
        )
    if pool.catalogue != catalogue:
        raise _wrong(f"next is of the catalogue {pool.catalogue!r}, not of {catalogue!r}")
    if pool.asked != asked:
        raise _wrong(
            "next is of another question: only limit and fields may change from page to page"
        )
    return pool, int(found[2])


def take(
    client: Client, pool: Pool, offset: int, limit: int, *, generation: int | None = None
) -> Taken:
    """The first ``limit`` rows from ``offset`` on that are there and meet the pool's filter now.

    ``generation`` is the live one (None: the pool's own), in which the ids are looked up. Scores
    stay those of the ranking. Raises IndexNotReady, StoreError.
    """
    prefix = prefix_of(pool.catalogue, generation or pool.generation)
    taken: list[Row] = []
    ahead = 16  # more than are wanted: one that is gone should not cost another round trip
    while len(taken) < limit and offset < len(pool.rows):
        ahead = min(2 * ahead, LOOKED_AT_ONCE)
        rows = pool.rows[offset : offset + min(limit - len(taken) + ahead, LOOKED_AT_ONCE)]
        keys = [(prefix + row.id).encode() for row in rows]
        for row, there in zip(rows, _there(client, pool, keys), strict=True):
            if len(taken) == limit:
                break
            offset += 1
            if there:
                taken.append(row)
    return Taken(taken, offset if offset < len(pool.rows) else None)


def key_of(name: str) -> str:
    """Where the pool called ``name`` is kept."""
    return f"recommender:pages:{name}"


def _there(client: Client, pool: Pool, keys: Sequence[bytes]) -> list[bool]:
    """For each key whether its item is there and meets the pool's filter."""
    if pool.filter == EVERYTHING:  # needs no index, which may be filling again after a restart
        return [bool(n) for n in packed.asked(client, [("EXISTS", key) for key in keys])]
    met = query.meeting(client, pool.catalogue, pool.filter, keys)
    return [key in met for key in keys]


def _unpacked(blob: bytes) -> Pool | None:
    """A kept pool; None for what somebody else wrote in its place."""
    try:
        text = blob if blob.startswith(b"[") else zlib.decompress(blob)
        catalogue, generation, asked, filter, rows, seed = json.loads(text)
        return Pool(catalogue, generation, asked, filter, [Row(*row) for row in rows], seed)
    except (TypeError, ValueError, zlib.error):
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):  # an image
        return blake2b(value, digest_size=16).hexdigest()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):  # numpy's own numbers and arrays
        return value.tolist()
    return list(value)


def _wrong(message: str) -> InvalidParameter:
    return InvalidParameter("next", message, remedy=REMEDY)
