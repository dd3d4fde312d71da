"""What finds the neighbours of items: comparing all of them, or asking the index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recommender import vectors
from recommender.nearest import DIGITS, Matrix
from recommender.store import hashes, index, neighbours, query
from recommender.store.catalogues import Entry
from recommender.store.connection import Client
from recommender.store.neighbours import Built, Near

EXACT_ITEMS = 200_000
"""Above it comparing all would take more than eight minutes on two cores: it grows with the square,
and took 23 seconds for 44,446 items of 256 numbers."""

EXACT_NUMBERS = 2**28
"""Numbers of all vectors that may be held at once: a gigabyte as float32."""

WIDE = 5
"""How many times more neighbours of a changed item are looked at for lists that it may enter, where
not every item can be compared."""

Listed = Iterator[tuple[bytes, Near]]


class Nearest(Protocol):
    """What finds the neighbours: of the items ``ids``, sorted, that have the vector."""

    ids: list[bytes]
    exact: bool

    def lists(self, of: Iterable[bytes] | None = None) -> Listed:
        """The lists of these ids, or of all, in any order."""
        ...

    def reached(self, changed: Sequence[bytes], last: Sequence[float]) -> set[bytes]:
        """The ids whose lists one of ``changed`` may enter, if they end with scores ``last``."""
        ...


class _Compared:
    """Every item compared with every other."""

    def __init__(self, built: Built, metric: str, ids: list[bytes], stored: NDArray[Any]) -> None:
        self.ids, self.exact, self._built = ids, True, built
        self._places = {id: place for place, id in enumerate(ids)}
        self._matrix = Matrix(stored, metric)

    def lists(self, of: Iterable[bytes] | None = None) -> Listed:
        places = range(len(self.ids)) if of is None else map(self._places.__getitem__, of)
        rows = np.fromiter(places, np.intp)
        vector, ids = self._built.vector, self.ids
        for block in self._matrix.neighbours(rows, self._built.size):
            parts = (part.tolist() for part in block)
            for row, found, scores in zip(*parts, strict=True):
                yield ids[row], Near(vector, True, [ids[place] for place in found], scores)

    def reached(self, changed: Sequence[bytes], last: Sequence[float]) -> set[bytes]:
        rows = np.fromiter((self._places[id] for id in changed), np.intp)
        reached = self._matrix.reached(rows, np.array(last, np.float32))
        return {self.ids[place] for place in reached.tolist()}


class _Asked:
    """Each item's neighbours asked of the index: for a catalogue too large to compare."""

    def __init__(self, client: Client, entry: Entry, built: Built, ids: list[bytes]) -> None:
        spec = entry.catalogue.vectors[built.vector]
        self.exact, self._client, self._entry, self._built = (
            spec.index == "flat",
            client,
            entry,
            built,
        )
        self._metric = spec.metric
        self.ids = ids  # also those without the vector: to look would be to read all vectors

    def lists(self, of: Iterable[bytes] | None = None) -> Listed:
        for id, blob in self._vectors(self.ids if of is None else sorted(of)):
            ids, scores = self._ask(id, blob, self._built.size)
            yield id, Near(self._built.vector, self.exact, ids, scores)

    def reached(self, changed: Sequence[bytes], last: Sequence[float]) -> set[bytes]:
        found: set[bytes] = set()
        limits = dict(zip(self.ids, last, strict=True))
        for id, blob in self._vectors(changed):
            ids, scores = self._ask(id, blob, WIDE * self._built.size)
            found |= {
                each for each, score in zip(ids, scores, strict=True)
                if score >= limits.get(each, 0.0) - 10.0**-DIGITS
            }  # fmt: skip
        return found

    def _vectors(self, ids: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
        return neighbours.vectors_of(self._client, items_of(self._entry), ids, self._built.vector)

    def _ask(self, id: bytes, blob: bytes, size: int) -> tuple[list[bytes], list[float]]:
        policy: query.Policy | None = None if self.exact else "graph"
        pool, prefix = 2 * (size + 1), items_of(self._entry).encode()
        rows = query.knn(
            self._client,
            query.Knn(
                index.index_name(self._entry.catalogue.name, self._entry.generation),
                self._built.vector, blob, pool, pool, "*", (), policy,
            ),
        )  # fmt: skip
        found = [
            (-round(vectors.score_of(row.distance, self._metric), DIGITS), row.key[len(prefix) :])
            for row in rows
        ]
        kept = sorted(pair for pair in found if pair[1] != id and pair[0] == pair[0])[:size]
        return [other for _, other in kept], [-score for score, _ in kept]


def is_large(entry: Entry, built: Built, items: int) -> bool:
    """Whether there are too many items to compare each with every other."""
    return items > EXACT_ITEMS or items * entry.stamps[built.vector].dims > EXACT_NUMBERS


def nearest_of(client: Client, entry: Entry, built: Built, ids: list[bytes]) -> Nearest:
    """What finds the neighbours of the items ``ids``, sorted, by the vector of ``built``."""
    dims = entry.stamps[built.vector].dims
    spec = entry.catalogue.vectors[built.vector]
    if is_large(entry, built, len(ids)):
        return _Asked(client, entry, built, ids)
    dtype = vectors.DTYPES[spec.type]
    size = dims * dtype.itemsize
    having: list[bytes] = []
    blobs = bytearray()
    for id, blob in neighbours.vectors_of(client, items_of(entry), ids, built.vector):
        if len(blob) == size:  # else somebody else wrote it, and it is in no index
            having.append(id)
            blobs += blob
    stored = np.frombuffer(blobs, dtype).reshape(-1, dims)
    if bad := vectors.faults(vectors.as_computed(stored)):
        good = [place for place in range(len(having)) if place not in bad]
        having, stored = [having[place] for place in good], stored[good]
    return _Compared(built, spec.metric, having, stored)


def items_of(entry: Entry) -> str:
    """What the keys of its items start with."""
    return hashes.prefix_of(entry.catalogue.name, entry.generation)


def lists_of(entry: Entry) -> str:
    """What the keys of its lists start with."""
    return neighbours.prefix_of(entry.catalogue.name, entry.generation)
