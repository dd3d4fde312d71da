"""The natural cut: how many hits stand out before the first big drop of a ranked list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BIG = 4.5
"""A drop behind place ``i`` is big from ``BIG + ln i`` times what chance lets one expect there."""

STEEP = 0.2
"""And from this share of the way from the first down to the middle of the list."""

ABOVE_MEAN = 1.5
"""And at so many times the mean drop of the list: one that falls evenly has no big drop."""


def natural_cut(totals: Sequence[float] | NDArray[np.floating[Any]]) -> int:
    """How many of the hits with these ``totals`` to keep: those before the first big drop.

    ``totals`` ``(n,)`` are of the whole pool, falling. Gives 1 to n, n where there is no big drop
    (and 0 for none); the same when all totals are moved or multiplied (by more than 0).

    The top of a list that nothing stands out of falls as an exponential tail does, in which the
    drop behind place ``i`` is ``d / i`` on average (Renyi, 1953). The way from the first down to
    the middle one tells this list's ``d``, whatever its length: the sum of the drops on it, without
    the one that is looked at, by the sum of their ``1 / i``. Chance exceeds ``c`` times the mean
    with a probability of ``exp(-c)``, so ``c`` grows with the place: all places together then cut
    few lists by chance (8 of 1,000 made of normal random numbers).

    Of 400 lists of films (wordllama, a pool of 240) 5 % are cut before the 20th hit, mostly where a
    series ends: six of X-Men, four of Resident Evil, both of The Matrix; of 200 lists of products
    (fashion.csv) 10 %.
    """
    falling = np.asarray(totals, dtype=np.float64)
    count = len(falling)
    if count < 3:
        return count
    drops = falling[:-1] - falling[1:]
    mean = (falling[0] - falling[-1]) / (count - 1)
    place = np.arange(1, count)
    is_big = drops >= (BIG + np.log(place)) / place * _expected(falling, drops)
    is_big &= (drops >= STEEP * (falling[0] - falling[count // 2])) & (drops >= ABOVE_MEAN * mean)
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
