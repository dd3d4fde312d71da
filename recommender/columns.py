"""A catalogue's items in memory, and what every boost says of all of them beside a seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import boosts as boosting
from recommender import vectors
from recommender.boosts import Boost
from recommender.catalogue import vector_field
from recommender.fields import KINDS
from recommender.metrics import Floats
from recommender.store import hashes, query, sampling
from recommender.store.catalogues import Entry
from recommender.store.connection import Client

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Columns:
    """``n`` items in the order of their ids.

    ``values`` hold for each number and tag one value an item, None where it has none; ``matrix``
    is ``(n, dims)``, for cosine of length 1, NaN for items without this vector; ``spans`` are the
    least and the greatest of a number in the whole catalogue.
    """

    ids: list[str]
    values: Mapping[str, list[Any]]
    matrix: Floats
    metric: str
    spans: Mapping[str, tuple[float, float]]

    def similarities(self, seeds: Sequence[int]) -> Matrix:
        """``(seeds, n)``; -inf for the seed itself and for what has no vector."""
        found = np.empty((len(seeds), len(self.ids)), dtype=np.float32)
        for row, seed in enumerate(seeds):
            if self.metric == "l2":
                distances = np.linalg.norm(self.matrix - self.matrix[seed], axis=1)
                found[row] = 1.0 / (1.0 + distances)
            else:
                found[row] = self.matrix @ self.matrix[seed]
            found[row, seed] = -math.inf
        return np.nan_to_num(found, copy=False, nan=-math.inf, neginf=-math.inf)

    def signal(self, boost: Boost, seeds: Sequence[int]) -> Matrix:
        """What the boost says of each item beside each seed, ``(seeds, n)``, 0..1.

        ``(n,)`` where it is the same beside every seed.
        """
        if boost.kind == "overlap":
            return self._overlaps(boost, seeds)
        values = np.array(self.values[boost.field], dtype=np.float64)
        span = self.spans[boost.field]
        references = [math.nan] if boost.kind in ("high", "low") else values[list(seeds)]
        rows = [boosting.of_number(boost, values, to, span, 0.0) for to in references]
        found = np.clip(np.nan_to_num(np.array(rows), nan=0.0), 0.0, 1.0).astype(np.float32)
        return found if boost.kind == "near" else found[0]

    def _overlaps(self, boost: Boost, seeds: Sequence[int]) -> Matrix:
        """:func:`boosts.overlaps` of all items at once, by the items that each label has."""
        sets = [{label.lower() for label in labels or ()} for labels in self.values[boost.field]]
        having: dict[str, list[int]] = {}
        for row, labels in enumerate(sets):
            for label in labels:
                having.setdefault(label, []).append(row)
        sizes = np.array([len(labels) for labels in sets], dtype=np.float64)
        found = np.zeros((len(seeds), len(sets)), dtype=np.float32)
        for row, seed in enumerate(seeds):
            shared, common = np.zeros(len(sets)), np.zeros(len(sets))
            total = 0.0
            for label in sorted(sets[seed]):
                rows = having[label]
                weight = boosting.rarity(len(rows), len(sets)) if boost.idf else 1.0
                shared[rows] += weight
                common[rows] += 1
                total += weight
            if total:
                mean = total / len(sets[seed])
                found[row] = shared / (total + (sizes - common) * mean)
        return found


def read(client: Client, entry: Entry, vector: str, ids: Sequence[str]) -> Columns:
    """Reads these items' numbers, tags and one vector, in batches, without what is gone."""
    catalogue, prefix = entry.catalogue, hashes.prefix_of(entry.catalogue.name, entry.generation)
    names = [name for name, spec in catalogue.fields.items() if spec.type in ("number", "tag")]
    unpack = {name: KINDS[catalogue.fields[name].type].unpack for name in names}
    spec, dims = catalogue.vectors[vector], entry.stamps[vector].dims
    values: dict[str, list[Any]] = {name: [] for name in names}
    kept, rows = [], []
    stored = sampling.rows(
        client, prefix, sorted(ids), [hashes.DIGEST, vector_field(vector), *names]
    )
    for id, (digest, blob, *blobs) in zip(sorted(ids), stored, strict=True):
        if digest is None:
            continue
        kept.append(id)
        rows.append(
            np.full(dims, math.nan) if blob is None else vectors.from_bytes(blob, spec.type)
        )
        for name, value in zip(names, blobs, strict=True):
            values[name].append(None if value is None else unpack[name](value))
    matrix = np.array(rows).reshape(len(rows), dims)
    if spec.metric == "cosine":
        matrix = np.asarray(vectors.normalise(matrix), dtype=np.float64)
    spans = {}
    for name in names:
        if catalogue.fields[name].type == "number":
            span = query.span(client, catalogue.name, name)
            spans[name] = (0.0, 0.0) if span is None else (span.least, span.greatest)
    return Columns(kept, values, matrix, spec.metric, spans)
