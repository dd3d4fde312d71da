"""A token that changes with every write of a catalogue: what was answered under it holds as long.

It is the field ``written`` of ``recommender:<name>``, random and never used twice. Whoever keeps an
answer reads the token *before* the answer is made, and may go on using the answer while the token
is still there. A reader does not know what a writer has got done, and a writer may be killed at any
moment, so it matters when the token changes:

* Only *before* the write: an answer made between the two is of the old items under the new token,
  for ever.
* Only *after* it: a writer that is killed between the two leaves new items under the old token.
* Before and after: an answer made between the two is of half of the new items; after a kill it
  stays current.

So a writer takes the token away before the first item changes, and puts a new one there after the
last. Without a token nothing is kept and nothing is current. Hence, of any moment at which a token
is there: since it was put there no write has begun. An answer that was begun under it is of what is
there now; it may only be newer than its token, which is then gone for good. A kill leaves no token,
until the next write or load puts one there.

Many items are written as a pipeline, in whose order Redis works: the token goes with its first
command and comes with its last. What is one command, or one transaction, changes the token in it.
In a cluster the hash is on one node and the items are on all: there each step waits for the one
before.

Writers hold the catalogue's lock, so two of them do not put tokens over each other's writes; one
that stood still until its lock was taken from it finds that out before its next batch.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from redis.cluster import RedisCluster

from recommender.errors import StoreFull
from recommender.store.connection import Client, translated
from recommender.store.packed import EXEC, MULTI, Command, Sent, answered

WRITTEN = "written"
"""The hash field that holds the token."""


def token() -> str:
    """A new token: 16 hex digits."""
    return secrets.token_hex(8)


def key_of(name: str) -> str:
    """The hash in which the catalogue ``name`` is kept."""
    return f"recommender:{name}"


def read(client: Client, name: str) -> bytes | None:
    """The token of a catalogue, in one round trip; it is another one for another generation, too.

    None while it is written, after a write that was cut off, and where there is no such catalogue.
    """
    written: bytes | None = answered(client, ("HGET", key_of(name), WRITTEN))
    return written


@contextmanager
def changing(client: Client, name: str) -> Iterator[None]:
    """Around a write that is more than one command: the token goes first, a new one comes last.

    None comes where the write fails: what of it was done, nobody knows.
    """
    take(client, name)
    yield
    put(client, name)


def take(client: Client, name: str) -> None:
    """From now on nothing about the catalogue is current. Works in a Redis that is full, too."""
    with translated():
        client.hdel(key_of(name), WRITTEN)


def put(client: Client, name: str, *, missing: bool = False) -> None:
    """A new token, or with ``missing`` one only where there is none: everything is written.

    A Redis that is full has no room for it; then the next write tries again.
    """
    with suppress(StoreFull), translated():
        client.execute_command(*_put(name, missing=missing))


def send(client: Client, name: str, commands: Sequence[Command], *, at_once: bool = False) -> Sent:
    """Sends ``commands`` with those for the token around them, at no further round trip.

    ``at_once`` makes it one transaction. In a cluster the commands are done when they are sent, and
    there each step waits for the one before.
    """
    if isinstance(client, RedisCluster):
        with changing(client, name):
            return Sent(client, commands)
    around = [("HDEL", key_of(name), WRITTEN), *commands, _put(name)]
    return Sent(client, [MULTI, *around, EXEC] if at_once else around)


def name_of(key: str | bytes) -> str:
    """The catalogue that an item's key, or a list's, is of: its name holds no colon."""
    text = key if isinstance(key, str) else key.decode()
    return text.partition(":")[0]


def _put(name: str, *, missing: bool = False) -> Command:
    return ("HSETNX" if missing else "HSET", key_of(name), WRITTEN, token())
