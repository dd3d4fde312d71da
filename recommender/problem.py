"""What there is to fit, as numbers: queries, items, signals, gains, and the NDCG of an order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import metrics
from recommender.metrics import Floats

Matrix = NDArray[np.float32]
Queries = NDArray[np.intp]

LOWEST = np.finfo(np.float32).min


@dataclass(frozen=True)
class Problem:
    """What there is to fit: ``q`` queries over ``n`` items, in the order of their ids.

    ``similarity`` is ``(q, n)``, -inf for what is no candidate, so the query itself; ``signals``
    name for each boost ``(q, n)`` or ``(n,)`` numbers 0..1, ``signs`` which signs its weight may
    have and ``costs`` what mean NDCG it has to bring beyond the others; ``gains`` is ``(q, n)``
    and ``ideal`` ``(q,)`` the best discounted gain of ``k`` places; ``fold`` ``(q,)`` the number of
    the fold in which a query is judged.
    """

    similarity: Matrix
    gains: NDArray[np.floating[Any]]
    ideal: Floats
    signals: Mapping[str, Matrix]
    fold: NDArray[np.intp]
    k: int = 10
    signs: Mapping[str, Sequence[int]] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)

    @property
    def queries(self) -> Queries:
        """All queries, by their numbers."""
        return np.arange(len(self.similarity))

    def unit(self, queries: Queries) -> float:
        """What a query's similarities differ by: their standard deviation, the queries' mean."""
        known = [row[np.isfinite(row)] for row in self.similarity[queries]]
        spreads = [float(row.std()) for row in known if len(row)]
        return float(np.mean(spreads or [0.0])) or 1.0

    def signal(self, name: str, queries: Queries) -> Matrix:
        """The signal for these queries, ``(q, n)`` or ``(n,)``."""
        signal = self.signals[name]
        return signal if signal.ndim == 1 else signal[queries]

    def total(self, weights: Mapping[str, float], queries: Queries) -> Matrix:
        """The similarity and each weight times its signal, ``(q, n)``."""
        total = self.similarity[queries]
        for name, weight in weights.items():
            total += np.float32(weight) * self.signal(name, queries)
        return total

    def ndcg(self, total: Matrix, queries: Queries) -> Floats:
        """The NDCG of each query where items are ordered by ``total``, ties by their ids."""
        count = total.shape[1]
        k = min(self.k, count)
        # Only what reaches the k-th largest is put in order: three times as fast as argpartition.
        last = np.partition(total, count - k, axis=1)[:, count - k]
        last = np.maximum(last, LOWEST)  # -inf is no candidate, however few there are
        rows, columns = np.divmod(np.flatnonzero(total >= last[:, np.newaxis]), count)
        order = np.lexsort((columns, -total[rows, columns], rows))
        rows, columns = rows[order], columns[order]
        places = np.arange(len(rows)) - np.searchsorted(rows, rows)
        among = places < k
        rows, columns, places = rows[among], columns[among], places[among]
        gained = self.gains[queries[rows], columns] * metrics.discounts(k)[places]
        return np.bincount(rows, gained, len(queries)) / self.ideal[queries]

    def judged(self, weights: Mapping[str, float], queries: Queries) -> Floats:
        """The NDCG ``(q,)`` of these queries with these weights."""
        return self.ndcg(self.total(weights, queries), queries)


def gains_of(given: Sequence[Mapping[str, float]], places: Mapping[str, int]) -> Floats:
    """What each item is worth to each query, ``(queries, items)``."""
    gains = np.zeros((len(given), len(places)))  # doubles: the least gain of a float is 1e-45
    for row, judged in enumerate(given):
        for id, gain in judged.items():
            if id in places:
                gains[row, places[id]] = gain
    return gains
