"""The exact neighbours of many vectors at once: blocks of products, then the best of each row.

A block of seeds is multiplied with everything in float32, which is fast and nearly right. What may
be among the best is then compared in float64, so that the answer depends on nothing but the two
vectors: not on the block, not on the processor.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK_NUMBERS = 2**24
"""Products of one block: 64 MB."""

PAIR_NUMBERS = 2**21
"""Numbers on each side that are compared in float64 at once: 16 MB."""

GROUP = 64
"""Products of which only the largest is looked at first."""

ERROR = 4e-7
"""What float32 may be wrong by, for vectors of length 1, times the square root of their size."""

DIGITS = 6
"""Digits of a score, as ``similar`` gives them."""

Rows = NDArray[np.intp]
Floats = NDArray[np.float64]


class Block(NamedTuple):
    """Neighbours of some rows: ``rows (m,)``, their neighbours and scores ``(m, k)``, best first.

    Equal scores are in the order of their rows.
    """

    rows: Rows
    neighbours: Rows
    scores: NDArray[np.float32]


class Matrix:
    """Vectors ``(n, dims)`` as Redis keeps them, in the order in which ties are to be."""

    def __init__(self, stored: NDArray[Any], metric: str) -> None:
        """``metric`` is cosine, ip or l2; no row may be zero or hold what is not finite."""
        self._stored = stored
        self._metric = metric
        self._lengths = _lengths(stored)
        fast: NDArray[np.float32] = stored.astype(np.float32, copy=False)
        if metric == "cosine" and np.abs(self._lengths - 1).max(initial=0.0) > 1e-6:
            fast = (fast / self._lengths[:, np.newaxis]).astype(np.float32)
        if metric == "l2":  # one more number makes the product rise as the distance falls
            halves = (self._lengths**2 / -2).astype(np.float32)
            fast = np.hstack([fast, halves[:, np.newaxis]])
        self._fast = np.ascontiguousarray(fast)

    def __len__(self) -> int:
        return len(self._stored)

    def neighbours(self, rows: Rows, size: int) -> Iterator[Block]:
        """The ``size`` nearest (or all others, if fewer) of each of ``rows``, never itself."""
        seeds, twins = self._distinct(rows)
        order = np.argsort(twins, kind="stable")
        step = self._step
        starts = np.arange(0, len(seeds), step)
        ends = np.searchsorted(twins[order], starts + step)
        begin = 0
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            found, keys = self._nearest(seeds[start : start + step], min(size + 1, len(self)))
            mine = order[begin:end]
            of = twins[mine] - start
            yield self._block(rows[mine], found[of], keys[of])
            begin = end

    def reached(self, rows: Rows, scores: NDArray[np.float32]) -> Rows:
        """Those of all rows to which one of ``rows`` may be at least as near as ``scores (n,)``.

        A few that are not so near may be among them.
        """
        kept = scores.astype(np.float64)
        kept -= 1.5 * 10.0**-DIGITS + 1e-6 * np.abs(kept)  # they were rounded
        found = np.zeros(len(self), dtype=bool)
        for start in range(0, len(rows), self._step):
            block = rows[start : start + self._step]
            least: Any = kept
            if self._metric == "l2":
                with np.errstate(divide="ignore"):
                    farthest = np.where(kept > 0, 1 / np.maximum(kept, 0.0) - 1, np.inf)
                least = (self._lengths[block, np.newaxis] ** 2 - farthest**2) / 2
            margins = self._margins(block)[:, np.newaxis]
            found |= (self._products(block) >= least - margins).any(axis=0)
        return np.flatnonzero(found)

    @property
    def _step(self) -> int:
        """How many rows go into one block."""
        return max(1, BLOCK_NUMBERS // max(len(self), 1))

    def _distinct(self, rows: Rows) -> tuple[Rows, Rows]:
        """Rows with distinct vectors, and for each of ``rows`` which of these it equals.

        Without it a thousand copies of one vector would each be compared with the other 999.
        """
        chosen = np.ascontiguousarray(self._stored[rows])
        whole = chosen.view(np.dtype((np.void, chosen.itemsize * chosen.shape[1]))).ravel()
        _, first, twins = np.unique(whole, return_index=True, return_inverse=True)
        return rows[first], twins.reshape(-1)

    def _products(self, rows: Rows) -> NDArray[np.float32]:
        seeds = self._fast[rows]
        if self._metric == "l2":
            seeds[:, -1] = 1
        products: NDArray[np.float32] = seeds @ self._fast.T
        return products

    def _margins(self, rows: Rows) -> Floats:
        """What the products of ``rows`` with anything may be wrong by, ``(m,)``."""
        error = ERROR * np.sqrt(self._stored.shape[1])
        if self._metric == "cosine":
            return np.full(len(rows), error, dtype=np.float64)
        longest, lengths = self._lengths.max(initial=0.0), self._lengths[rows]
        margins: Floats = error * longest * (lengths + longest * (self._metric == "l2"))
        return margins

    def _nearest(self, seeds: Rows, k: int) -> tuple[Rows, NDArray[np.float32]]:
        """The ``k`` nearest of each seed, itself included, and how near they are: ``(m, k)``."""
        products = self._products(seeds)
        least = _kth_of_groups(products, k) - self._margins(seeds)
        places = np.flatnonzero(products >= least.astype(np.float32)[:, np.newaxis])
        rows, columns = np.divmod(places, len(self))
        keys = self._keys(seeds[rows], columns)
        order = np.lexsort((columns, -keys, rows))
        first = np.searchsorted(rows, np.arange(len(seeds)))
        chosen = order[first[:, np.newaxis] + np.arange(k)]
        return columns[chosen], keys[chosen]

    def _keys(self, left: Rows, right: Rows) -> NDArray[np.float32]:
        """How near each pair of rows is: the product, or for l2 the squared distance below 0.

        As float32: what differs by less is a tie, as it is to Redis.
        """
        keys = np.empty(len(left), dtype=np.float32)
        step = max(1, PAIR_NUMBERS // self._stored.shape[1])
        for start in range(0, len(left), step):
            end = start + step
            one = self._stored[left[start:end]].astype(np.float64)
            other = self._stored[right[start:end]].astype(np.float64)
            if self._metric == "l2":
                apart = one - other
                keys[start:end] = -np.einsum("ij,ij->i", apart, apart)
                continue
            products = np.einsum("ij,ij->i", one, other)
            if self._metric == "cosine":
                products /= self._lengths[left[start:end]] * self._lengths[right[start:end]]
            keys[start:end] = products
        return keys

    def _block(self, rows: Rows, found: Rows, keys: NDArray[np.float32]) -> Block:
        """Without the row itself; where it is not among those found, without the last."""
        is_own = found == rows[:, np.newaxis]
        is_own[~is_own.any(axis=1), -1] = True
        shape = (len(rows), found.shape[1] - 1)
        others, scores = found[~is_own].reshape(shape), self._scores(keys[~is_own].reshape(shape))
        order = np.lexsort((others, -scores), axis=-1)
        ordered = np.take_along_axis(scores, order, axis=1).astype(np.float32)
        return Block(rows, np.take_along_axis(others, order, axis=1), ordered)

    def _scores(self, keys: NDArray[np.float32]) -> Floats:
        """As ``vectors.score_of`` gives them, with as many digits as ``similar`` does."""
        scores = keys.astype(np.float64)
        if self._metric == "l2":
            scores = 1 / (1 + np.sqrt(np.maximum(-scores, 0.0)))
        elif self._metric == "cosine":
            scores = np.clip(scores, -1.0, 1.0)
        return np.round(scores, DIGITS)


def _lengths(stored: NDArray[Any]) -> Floats:
    lengths = np.empty(len(stored))
    step = max(1, PAIR_NUMBERS // stored.shape[1])
    for start in range(0, len(stored), step):
        lengths[start : start + step] = np.linalg.norm(
            stored[start : start + step].astype(np.float64), axis=1
        )
    return lengths


def _kth_of_groups(products: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """A number for each row of ``(m, n)`` that at least ``k`` of its numbers reach.

    The ``k``-th largest of the groups' maxima: to partition these is a tenth of the time that it
    takes to partition the whole row, and it is rarely far below the row's own ``k``-th largest.
    """
    groups = products.shape[1] // GROUP
    if groups < 4 * k:
        return np.partition(products, -k, axis=1)[:, -k]
    whole = products[:, : groups * GROUP].reshape(len(products), GROUP, groups)
    return np.partition(whole.max(axis=1), -k, axis=1)[:, -k]
