"""Many items of a catalogue at once, for measuring: which are there, some at random, vectors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from heapq import nsmallest
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from recommender import vectors
from recommender.store import hashes
from recommender.store.connection import Client, translated

BATCH = 1000


def existing(client: Client, prefix: str, ids: Collection[str]) -> set[str]:
    """Those of ``ids`` that are in the catalogue."""
    asked = list(ids)
    found: set[str] = set()
    for start in range(0, len(asked), BATCH):
        part = asked[start : start + BATCH]
        there = hashes.digests(client, prefix, part)
        found.update(id for id, (digest, _) in zip(part, there, strict=True) if digest is not None)
    return found


def sample(
    client: Client,
    prefix: str,
    count: int,
    draw: Callable[[str], float],
    *,
    among: int | None = None,
) -> list[str]:
    """The ``count`` ids for which ``draw`` gives the lowest numbers: the same ones every time.

    With ``among`` no more keys are looked at, in the order in which Redis happens to have them.
    """
    cut = len(prefix.encode())
    keys = islice(chain.from_iterable(hashes.scan(client, prefix)), among)
    ids = (key[cut:].decode() for key in keys)
    # A scan may show a key twice, while it is being resized.
    lowest = nsmallest(2 * count, ((draw(id), id) for id in ids))
    return [id for _, id in dict.fromkeys(lowest)][:count]


def rows(
    client: Client, prefix: str, ids: Sequence[str], names: Sequence[str]
) -> Iterator[list[bytes | None]]:
    """For each of ``ids`` the stored values of ``names``, all None where there is no such item."""
    for start in range(0, len(ids), BATCH):
        yield from hashes.read_many(client, prefix, ids[start : start + BATCH], names)


def unit_vectors(
    client: Client, prefix: str, ids: Sequence[str], blob_field: str, dtype: str
) -> NDArray[np.float64]:
    """The vectors of those of ``ids`` that have one, scaled to length 1, ``(at most n, dims)``."""
    pipe = client.pipeline(transaction=False)
    for id in ids:
        pipe.execute_command("HGET", prefix + id, blob_field)
    with translated():
        blobs = [blob for blob in pipe.execute() if blob is not None] if ids else []
    if not blobs:
        return np.empty((0, 0))
    stored = np.stack([vectors.from_bytes(blob, dtype) for blob in blobs])
    return np.asarray(vectors.normalise(stored), dtype=np.float64)
