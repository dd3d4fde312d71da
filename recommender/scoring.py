"""Scores, groups and diversity: numpy in, numpy out, nothing asked of Redis."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import boosts as boosting
from recommender.boosts import Boost

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Column = Sequence[Any]
"""One value of a field for each candidate, None where it has none."""

ALONE = 100_000
"""Numbers of a matrix up to which its product with a vector takes one core. For more numpy waits
for a second one, each time: 10 ms where the machine is busy, and 0.1 if it need not."""


def signals(
    boosts: Sequence[Boost],
    columns: Mapping[str, Column],
    seed: Mapping[str, Any],
    spans: Mapping[str, tuple[float, float]],
    matching: Mapping[str, Floats],
    idf: Mapping[str, Mapping[str, float]],
    count: int,
    now: float,
) -> Floats:
    """Each boost's signal for each of ``count`` candidates: ``(count, boosts)``, 0..1.

    ``columns`` hold the fields, ``spans`` the least and the greatest number of a field in the
    catalogue, ``matching`` for the condition of a match 1 for those that meet it, ``idf`` the
    weights of the seed's labels in a field.
    """
    found = np.zeros((count, len(boosts)))
    for place, boost in enumerate(boosts):
        if boost.kind == "words":  # by the best of all: known when all are there
            continue
        if boost.kind == "match":
            found[:, place] = matching[boost.condition]
        elif boost.kind == "overlap":
            labels = [value or () for value in columns[boost.field]]
            own = seed.get(boost.field, ())
            found[:, place] = boosting.overlaps(
                labels, own, idf.get(boost.field) if boost.idf else None
            )
        else:
            values = np.array(columns[boost.field], dtype=np.float64)  # None becomes NaN
            span = spans.get(boost.field, (math.nan, math.nan))
            own = seed.get(boost.field, math.nan)
            found[:, place] = boosting.of_number(boost, values, own, span, now)
    return np.clip(np.nan_to_num(found, nan=0.0), 0.0, 1.0)


def ordered(totals: Floats, ids: Sequence[str]) -> Places:
    """The places by falling total, ties by id."""
    values = totals.tolist()
    return np.array(sorted(range(len(ids)), key=lambda at: (-values[at], ids[at])), dtype=np.intp)


def in_groups(values: Column, size: int) -> Places:
    """The places of the first ``size`` of each group, in order.

    Who has no value is kept; who has several counts in the group of each. The case of labels is
    ignored, as everywhere.
    """
    counts: Counter[Any] = Counter()
    kept = []
    labels: list[Any]
    for place, value in enumerate(values):
        if isinstance(value, list):
            labels = [*dict.fromkeys(label.lower() for label in value)]
        else:
            labels = [] if value is None else [value]
        if all(counts[label] < size for label in labels):
            counts.update(labels)
            kept.append(place)
    return np.array(kept, dtype=np.intp)


def spread_out(
    totals: Floats, vectors: NDArray[np.floating[Any]], diversity: float, count: int
) -> tuple[Places, Floats]:
    """All places, the first ``count`` by maximal marginal relevance (Carbonell, Goldstein 1998).

    ``vectors`` ``(n, dims)`` are of length 1. Each next one has the greatest
    ``(1 - diversity) * total - diversity * similarity to the nearest one chosen``, with totals put
    on 0..1; the others follow in their old order. With them, for each place how near the nearest
    chosen before it was, NaN where it was not chosen.
    """
    span = float(np.ptp(totals)) or 1.0
    worth = (1.0 - diversity) * (totals - totals.min()) / span
    nearest = np.zeros(len(totals))
    seen = np.full(len(totals), math.nan)
    left = np.ones(len(totals), dtype=bool)
    chosen: list[int] = []
    step = max(ALONE // max(vectors.shape[1], 1), 1)
    blocks = [vectors[start : start + step] for start in range(0, len(vectors), step)]
    for _ in range(min(count, len(totals))):
        best = int(np.argmax(np.where(left, worth - diversity * nearest, -np.inf)))
        chosen.append(best)
        seen[best] = nearest[best]
        left[best] = False
        nearest = np.maximum(nearest, np.concatenate([each @ vectors[best] for each in blocks]))
    return np.concatenate([np.array(chosen, dtype=np.intp), np.flatnonzero(left)]), seen
