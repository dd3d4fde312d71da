"""Embeddings that were paid for, kept in Redis for every catalogue: one hash an embedder and dims.

``recommender:embeddings:<name>:<dims>`` holds the 16-byte digest of a text -> its vector, float32
little-endian. No catalogue's key is like it: their names have no colon, so what belongs to one
called ``embeddings`` is ``recommender:embeddings`` and ``recommender:embeddings:lock``.

Why not redisvl's ``EmbeddingsCache``: it keeps each text with its vector as JSON under a key of its
own, so that an embedding of 1,536 numbers and a text of 320 bytes take 41,900 bytes, here 7,200;
256 of them are written in 250 ms and read in 91 ms, here 3.6 and 1.6; reading them is one round
trip like here, but 257 once it has a time to live; and its keys do not tell 512 numbers of a model
from 1,536 (redisvl 0.28, local Redis, two cores).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

import redis

from recommender.store import hashes
from recommender.store.connection import Client, translated

PREFIX = "recommender:embeddings:"
MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Size:
    """What is kept of one embedder: how many texts' vectors, and the memory they take in Redis."""

    name: str
    dims: int
    texts: int
    megabytes: float


class Kept:
    """What is kept of one embedder: the cache that ``Cached`` asks. For many threads at once."""

    def __init__(self, client: Client, name: str, dims: int) -> None:
        self._client, self._key = client, key_of(name, dims)

    def get(self, digests: Sequence[bytes]) -> list[bytes | None]:
        """The vectors of the texts with these digests, None where none is kept; one round trip."""
        if not digests:
            return []
        with translated():
            found: list[bytes | None] = self._client.execute_command("HMGET", self._key, *digests)
        return found

    def put(self, vectors: Mapping[bytes, bytes]) -> None:
        """Keeps vectors by their texts' digests, or does nothing where Redis has no memory left.

        They are paid for and the caller has them: what they are for may still succeed.
        """
        if not vectors:
            return
        with translated(), suppress(redis.OutOfMemoryError):
            self._client.execute_command("HSET", self._key, *chain.from_iterable(vectors.items()))


def key_of(name: str, dims: int) -> str:
    """The hash of the embedder ``name`` with vectors of ``dims`` numbers."""
    return f"{PREFIX}{name}:{dims}"


def sizes(client: Client) -> list[Size]:
    """What is kept of each embedder, by name and dims."""
    found = []
    for name, dims in _embedders(client):
        with translated():
            texts = int(client.hlen(key_of(name, dims)))
            memory = int(client.memory_usage(key_of(name, dims)) or 0)
        found.append(Size(name, dims, texts, round(memory / MEGABYTE, 2)))
    return found


def clear(client: Client, name: str | None = None) -> int:
    """Forgets what is kept, of one embedder or of all, and says how many vectors it was."""
    removed = 0
    for found, dims in _embedders(client):
        if name is None or name == found:
            with translated():
                removed += int(client.hlen(key_of(found, dims)))
                client.unlink(key_of(found, dims))  # the memory is given back in the background
    return removed


def _embedders(client: Client) -> list[tuple[str, int]]:
    """Name and dims of every embedder of which something is kept, sorted."""
    keys = {key.decode() for batch in hashes.scan(client, PREFIX) for key in batch}
    return sorted(_named(keys))


def _named(keys: set[str]) -> Iterator[tuple[str, int]]:
    for key in keys:
        name, colon, dims = key.removeprefix(PREFIX).rpartition(":")
        if colon and dims.isdecimal():  # else it is a catalogue's lock
            yield name, int(dims)
