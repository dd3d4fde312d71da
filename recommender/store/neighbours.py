"""Stored neighbours in Redis: one packed string an item, what was built, and what changed since.

``movies:3:near:<id>``   the list of one item (never a hash: those are the index's)
``movies:3:near``        what was built, as JSON; there from the first list to the last
``movies:3:changed``     ids whose vectors changed, or that are gone, since the lists were made
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from struct import Struct, error, pack, unpack_from
from typing import NamedTuple

from recommender.catalogue import vector_field
from recommender.errors import StoreError
from recommender.store import hashes, versions
from recommender.store.connection import Client, translated
from recommender.store.packed import Command, asked

VERSION = 1
HEAD = Struct("<BBBB")
"""Version, 1 where every item was compared, how many neighbours, bytes of the vector's name."""

BATCH = 1000


class Near(NamedTuple):
    """One item's neighbours, best first, by one vector; ``exact``: every item was compared."""

    vector: str
    exact: bool
    ids: Sequence[bytes]
    scores: Sequence[float]


@dataclass(frozen=True, slots=True)
class Built:
    """What was built: by which vector, how many neighbours; ``done`` is False until the end."""

    vector: str
    size: int
    done: bool


def prefix_of(catalogue: str, generation: int) -> str:
    """What the keys of all lists of one generation start with."""
    return f"{catalogue}:{generation}:near:"


def _built_key(catalogue: str, generation: int) -> str:
    return f"{catalogue}:{generation}:near"


def _changed_key(catalogue: str, generation: int) -> str:
    return f"{catalogue}:{generation}:changed"


def packed(near: Near) -> bytes:
    """A list as it is kept."""
    name = near.vector.encode()
    count = len(near.ids)
    head = HEAD.pack(VERSION, near.exact, count, len(name))
    lengths = pack(f"<{count}H", *map(len, near.ids))
    return b"".join((head, name, pack(f"<{count}f", *near.scores), lengths, *near.ids))


def unpacked(blob: bytes) -> Near:
    """The list that ``packed`` made. Raises StoreError where it is none of this version."""
    try:
        version, exact, count, size = HEAD.unpack_from(blob)
        if version != VERSION:
            raise ValueError(f"version {version}")
        at = HEAD.size + size
        scores = unpack_from(f"<{count}f", blob, at)
        lengths = unpack_from(f"<{count}H", blob, at + 4 * count)
        begin = at + 6 * count
        ids = []
        for length in lengths:
            ids.append(blob[begin : begin + length])
            begin += length
        if begin != len(blob):
            raise ValueError(f"{len(blob)} bytes instead of {begin}")
    except (ValueError, error) as problem:
        raise StoreError(
            f"what is kept of an item's neighbours cannot be read ({problem})",
            remedy="Build them again: recommender related build NAME",
        ) from problem
    return Near(blob[HEAD.size : at].decode(), bool(exact), ids, scores)


def get_built(client: Client, catalogue: str, generation: int) -> Built | None:
    """What was built, None where nothing was."""
    with translated():
        stored = client.get(_built_key(catalogue, generation))
    try:
        return None if stored is None else Built(**json.loads(stored))
    except (TypeError, ValueError) as problem:
        raise StoreError(
            f"{_built_key(catalogue, generation)} is not of this version",
            remedy=f"Build the neighbours again: recommender related build {catalogue}",
        ) from problem


def keep_built(client: Client, catalogue: str, generation: int, built: Built) -> None:
    """Writes down what was (or is being) built."""
    with versions.changing(client, catalogue), translated():
        client.set(_built_key(catalogue, generation), json.dumps(asdict(built)))


def is_built(client: Client, catalogue: str, generation: int) -> bool:
    """Whether there are lists, complete or not."""
    with translated():
        return bool(client.exists(_built_key(catalogue, generation)))


def note_changed(client: Client, catalogue: str, generation: int, ids: Iterable[str]) -> None:
    """Remembers that the lists do not know these items as they will be.

    To be called before they are written: a process may be killed in between.
    """
    rest = iter(ids)
    while batch := list(islice(rest, BATCH)):
        with translated():
            client.sadd(_changed_key(catalogue, generation), *batch)


def changed(client: Client, catalogue: str, generation: int) -> set[bytes]:
    """The ids noted so far."""
    with translated():
        return set(client.smembers(_changed_key(catalogue, generation)))


def count_changed(client: Client, catalogue: str, generation: int) -> int:
    """How many they are."""
    with translated():
        return int(client.scard(_changed_key(catalogue, generation)))


def forget_changed(client: Client, catalogue: str, generation: int) -> None:
    """The lists know everything again."""
    with translated():
        client.delete(_changed_key(catalogue, generation))


def write(client: Client, prefix: str, lists: Iterable[tuple[bytes, Near]]) -> int:
    """Writes the lists of these ids, each whole or not at all, and says how many there were."""
    begin = prefix.encode()
    commands = [("SET", begin + id, packed(near)) for id, near in lists]
    if commands:
        versions.send(client, versions.name_of(prefix), commands).finish()
    return len(commands)


def read(client: Client, prefix: str, id: str) -> Near | None:
    """The list of one item, None where there is none."""
    [blob] = asked(client, [("GET", prefix + id)])
    return None if blob is None else unpacked(blob)


def read_many(client: Client, prefix: str, ids: Sequence[bytes]) -> Iterator[Near | None]:
    """The lists of many items in their order; None also for one of another version."""
    begin = prefix.encode()
    for start in range(0, len(ids), BATCH):
        commands = [("GET", begin + id) for id in ids[start : start + BATCH]]
        for blob in asked(client, commands):
            try:
                yield None if blob is None else unpacked(blob)
            except StoreError:
                yield None


def delete(client: Client, prefix: str, ids: Iterable[bytes]) -> None:
    """Removes the lists of these ids."""
    begin = prefix.encode()
    hashes.delete(client, [begin + id for id in ids])


def drop(client: Client, catalogue: str, generation: int) -> None:
    """Removes every list, and then what says that there are some."""
    if is_built(client, catalogue, generation):
        hashes.delete_all(client, prefix_of(catalogue, generation))
        with translated():
            client.delete(_changed_key(catalogue, generation))
            client.delete(_built_key(catalogue, generation))


def ids_of(client: Client, prefix: str) -> list[bytes]:
    """The ids of all items whose hashes begin with ``prefix``, sorted."""
    cut = len(prefix.encode())
    return sorted({key[cut:] for keys in hashes.scan(client, prefix) for key in keys})


def vectors_of(
    client: Client, prefix: str, ids: Sequence[bytes], vector: str
) -> Iterator[tuple[bytes, bytes]]:
    """The ids that have the vector, in their order, with its bytes."""
    begin, field = prefix.encode(), vector_field(vector)
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        blobs = asked(client, [("HGET", begin + id, field) for id in batch])
        yield from ((id, blob) for id, blob in zip(batch, blobs, strict=True) if blob is not None)


def read_items(
    client: Client, prefix: str, ids: Sequence[bytes], names: Sequence[str], seed: str | None = None
) -> tuple[bool, list[list[bytes | None] | None]]:
    """Whether the item ``seed`` is there, and the values of ``names`` of each of ``ids``.

    One round trip; None for an item that is not there.
    """
    begin = prefix.encode()
    commands: list[Command] = [("HMGET", begin + id, hashes.DIGEST, *names) for id in ids]
    if seed is not None:
        commands.append(("EXISTS", prefix + seed))
    replies = asked(client, commands)
    is_there = seed is None or bool(replies.pop())
    return is_there, [None if values[0] is None else values[1:] for values in replies]
