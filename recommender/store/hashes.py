"""Items as Redis hashes: one hash an item, one hash field a catalogue field, bytes in and out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from recommender.catalogue import vector_field
from recommender.seen import SeenIds
from recommender.store import versions
from recommender.store.connection import Client, translated
from recommender.store.packed import EXEC, MULTI, Command, Sent, answered, asked

DIGEST, EMBEDDED, WRITTEN_AT = "_digest", "_embedded", "_at"
"""Digest of the record, digest of what was embedded, and the time of writing in epoch seconds."""

DELETED_AT_ONCE = 1000

Row = tuple[str, Mapping[str, str | bytes], Sequence[str]]
"""An item to write: its id, fields to set, fields to remove."""


def prefix_of(catalogue: str, generation: int) -> str:
    """What the keys of all items of one generation start with."""
    return f"{catalogue}:{generation}:item:"


def digests(
    client: Client, prefix: str, ids: Sequence[str]
) -> list[tuple[bytes | None, bytes | None]]:
    """For each id the stored (DIGEST, EMBEDDED), None where there is no such item."""
    pipe = client.pipeline(transaction=False)
    for id in ids:
        pipe.execute_command("HMGET", prefix + id, DIGEST, EMBEDDED)
    with translated():
        return [(digest, embedded) for digest, embedded in pipe.execute()]


def begin_write(
    client: Client,
    prefix: str,
    rows: Iterable[Row],
    *,
    at_once: bool = False,
) -> Sent:
    """Begins to write many items in one round trip, each of them whole or not at all.

    ``at_once`` makes it one transaction, which Redis puts on disk once and not many times.
    """
    commands: list[Command] = []
    for id, fields, gone in rows:
        key = prefix + id
        commands.append(("HSET", key, *chain.from_iterable(fields.items())))
        if gone:
            commands.append(("HDEL", key, *gone))
            # Torn apart by a full Redis or a kill, half of it would pass for the whole for ever.
            if not at_once:
                commands[-2:] = (MULTI, *commands[-2:], EXEC)
    if not commands:
        return Sent(client, commands)
    return versions.send(client, versions.name_of(prefix), commands, at_once=at_once)


def read(client: Client, prefix: str, id: str, names: Sequence[str]) -> list[bytes | None] | None:
    """The values of ``names`` of one item, None where there is no such item."""
    with translated():
        digest, *values = client.hmget(prefix + id, [DIGEST, *names])
    return None if digest is None else values


def read_many(
    client: Client, prefix: str, ids: Sequence[str], names: Sequence[str]
) -> list[list[bytes | None]]:
    """The values of ``names`` of each item in one round trip, all None where there is none."""
    return asked(client, [("HMGET", prefix + id, *names) for id in ids])


def read_vector(client: Client, prefix: str, id: str, vector: str) -> bytes | None:
    """One stored vector as bytes, None where there is no such item."""
    blob: bytes | None = answered(client, ("HGET", prefix + id, vector_field(vector)))
    return blob


def read_vectors(
    client: Client, prefix: str, ids: Sequence[str], vector: str
) -> list[bytes | None]:
    """The same for each of some ids, in one round trip."""
    return asked(client, [("HGET", prefix + id, vector_field(vector)) for id in ids])


def scan(client: Client, prefix: str, batch: int = 1000) -> Iterator[list[bytes]]:
    """The keys that start with ``prefix``, in no order, in batches; some may come twice."""
    found = client.scan_iter(match=f"{prefix}*", count=batch)
    while True:
        with translated():
            keys = list(islice(found, batch))
        if not keys:
            return
        yield keys


def count(client: Client, prefix: str) -> int:
    """How many keys start with ``prefix``; a scan may show one twice, which is counted once."""
    seen, total = SeenIds(), 0
    for batch in scan(client, prefix):
        keys = list({key.decode() for key in batch})
        total += seen.known(keys).count(False)
        seen.add(keys)
    return total


def delete(client: Client, keys: Sequence[bytes]) -> int:
    """Removes the items of these keys, of one catalogue, and says how many were there."""
    if not keys:
        return 0
    with versions.changing(client, versions.name_of(keys[0])):
        return _removed(client, keys)


def _removed(client: Client, keys: Sequence[bytes]) -> int:
    removed = 0
    for start in range(0, len(keys), DELETED_AT_ONCE):
        pipe = client.pipeline(transaction=False)
        for key in keys[start : start + DELETED_AT_ONCE]:
            pipe.execute_command("UNLINK", key)
        with translated():
            removed += sum(pipe.execute())
    return removed


def delete_all(client: Client, prefix: str) -> int:
    """Removes every key that starts with ``prefix`` and says how many there were."""
    return sum(delete(client, keys) for keys in scan(client, prefix))
