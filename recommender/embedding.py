"""Rows of a batch -> their vectors, with several calls to a remote embedder under way at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import vectors
from recommender.batch import Row
from recommender.catalogue import Catalogue, vector_field
from recommender.embedders.base import Embedder, Vectors, embed_all
from recommender.items import Reject
from recommender.spent import EMBEDDING, spending
from recommender.workers import Workers

Made = tuple[Row, dict[str, bytes]]
"""A row and its vectors: names of hash fields, and their bytes."""

Call = Callable[[], tuple[Vectors, dict[int, str]]]
"""Gives some rows' vectors and the positions of those that got none, with why."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Rows of one batch and the calls that make each of their vectors.

    ``ready`` are rows whose vectors stay as they are.
    """

    ready: list[Made]
    rows: list[Row]
    calls: Mapping[str, Sequence[Call]]

    def __len__(self) -> int:
        return len(self.ready) + len(self.rows)


class Embedding:
    """Makes the vectors of one catalogue.

    ``concurrency`` is how many calls to a remote embedder may be under way at once; others are
    made where their result is asked for. ``on_embedded`` is told how many texts got through.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        embedders: Mapping[str, Embedder],
        concurrency: int = 1,
        on_embedded: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._catalogue = catalogue
        self._embedders = embedders
        self._on_embedded = on_embedded
        remote = [embedder for embedder in embedders.values() if embedder.is_remote]
        self._pool = Workers(concurrency) if remote else None
        self.window = 2 * concurrency * max((each.batch_size for each in remote), default=0)
        """Rows that keep a remote embedder busy while others are read and written; 0: none."""

    def start(self, rows: Sequence[Row]) -> Pending:
        """Begins with the rows of a batch."""
        changed = [row for row in rows if row.needs_vectors]
        ready: list[Made] = [(row, {}) for row in rows if not row.needs_vectors]
        calls = {name: self._calls(name, changed) for name in self._catalogue.vectors}
        return Pending(ready, changed, calls if changed else {})

    def finish(self, pending: Pending) -> tuple[list[Made], list[Reject]]:
        """The rows that got all their vectors; the others are rejected."""
        done: list[Made] = [(row, {}) for row in pending.rows]
        refused: dict[int, Reject] = {}
        for name, calls in pending.calls.items():
            stored, faults = self._stored(name, calls)
            for position, why in faults.items():
                row = pending.rows[position]
                reason = f"the {name} vector {why}"
                refused.setdefault(position, Reject(row.place, reason, row.prepared.id))
            field, blob, size = vector_field(name), stored.tobytes(), stored[:1].nbytes
            for position, (_, made) in enumerate(done):
                made[field] = blob[position * size : (position + 1) * size]
        kept = [made for position, made in enumerate(done) if position not in refused]
        return pending.ready + kept, list(refused.values())

    def close(self) -> None:
        """Begins nothing more and waits for the calls under way: what they bring is paid for."""
        if self._pool is not None:
            self._pool.close()

    def _calls(self, name: str, rows: Sequence[Row]) -> list[Call]:
        if name not in self._embedders:
            return [partial(_given, name, rows)]
        embedder = self._embedders[name]
        texts = [row.prepared.texts[name] for row in rows]
        if self._pool is None or not embedder.is_remote:
            return [partial(embed_all, embedder, texts, self._on_embedded)]
        size = embedder.batch_size
        return [
            self._begun(self._pool, embedder, texts[start : start + size])
            for start in range(0, len(texts), size)
        ]

    def _begun(self, pool: Workers, embedder: Embedder, texts: Sequence[str]) -> Call:
        future = pool.submit(partial(embed_all, embedder, texts, lambda count: None))

        def wait() -> tuple[Vectors, dict[int, str]]:
            found = future.result()
            self._on_embedded(len(texts))
            return found

        return wait

    def _stored(self, name: str, calls: Sequence[Call]) -> tuple[NDArray[Any], dict[int, str]]:
        """Vectors ``(n, dims)`` as Redis keeps them; the positions of those that it must not."""
        spec = self._catalogue.vectors[name]
        parts: list[NDArray[Any]] = []
        refused: dict[int, str] = {}
        count = 0
        for call in calls:
            with spending(EMBEDDING):
                part, faults = call()
            refused |= {count + position: why for position, why in faults.items()}
            parts.append(part)
            count += len(part)
        matrix: NDArray[np.floating[Any]] = parts[0] if len(parts) == 1 else np.concatenate(parts)
        refused = vectors.faults(matrix) | refused
        if spec.metric == "cosine":
            matrix = vectors.normalise(matrix)
        stored = vectors.as_stored(matrix, spec.type)
        return stored, vectors.faults(vectors.as_computed(stored)) | refused


def _given(name: str, rows: Sequence[Row]) -> tuple[NDArray[Any], dict[int, str]]:
    """The rows' own vectors; ``np.stack`` takes five times as long."""
    joined = np.concatenate([row.prepared.given[name] for row in rows])
    return joined.reshape(len(rows), -1), {}
