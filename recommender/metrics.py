"""How good one ranked list is, and how sure a mean over many of them is.

Lists are ids, best first; gains say how much each is worth to the query, 0 or absent being nothing.
NDCG, reciprocal rank and recall are those of trec_eval, which takes whole numbers as gains only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.95
"""How often an interval made this way holds the true mean, where queries are not too few."""

RESAMPLES = 2000
AT_ONCE = 2_000_000
"""How often queries are drawn anew for an interval, and how many of them at a time."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over ``n`` queries with its 95 % interval, both NaN where there is nothing to tell.

    ``low`` and ``high`` are NaN for fewer than two queries.
    """

    value: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, float | int | None]:
        """The same for JSON, which has no NaN."""
        return {
            name: None if isinstance(part, float) and math.isnan(part) else part
            for name, part in asdict(self).items()
        }


def discounts(k: int) -> Floats:
    """What a gain counts at each of the ranks 1..k: 1 / log2(rank + 1)."""
    return np.asarray(1.0 / np.log2(np.arange(2, k + 2)), dtype=np.float64)


def ideal(gains: Iterable[float], k: int) -> float:
    """The best discounted gain that any list of ``k`` could have: the query's own best first."""
    best = np.array(sorted(gains, reverse=True)[:k], dtype=np.float64)
    return float(best @ discounts(len(best)))


def ndcg(ranked: Sequence[str], gains: Mapping[str, float], k: int) -> float:
    """Normalised discounted cumulative gain at ``k``, 0..1; NaN where no gain is above 0.

    The gain is the relevance itself, not 2 ** relevance - 1 (Jarvelin and Kekalainen 2002,
    "Cumulated gain-based evaluation of IR techniques").
    """
    best = ideal(gains.values(), k)
    found = np.array([gains.get(id, 0.0) for id in ranked[:k]], dtype=np.float64)
    # Rounding may put a perfect list a hair above 1.
    return min(float(found @ discounts(len(found))) / best, 1.0) if best > 0 else math.nan


def reciprocal_rank(ranked: Sequence[str], gains: Mapping[str, float], k: int) -> float:
    """1 / the rank of the first of ``k`` with a gain above 0, 0 where there is none."""
    ranks = (rank for rank, id in enumerate(ranked[:k], 1) if gains.get(id, 0.0) > 0)
    return 1.0 / next(ranks, math.inf)


def recall(ranked: Sequence[str], gains: Mapping[str, float], k: int) -> float:
    """The share of all ids with a gain above 0 that are among the first ``k``; NaN without any."""
    wanted = {id for id, gain in gains.items() if gain > 0}
    return len(wanted.intersection(ranked[:k])) / len(wanted) if wanted else math.nan


def diversity(vectors: Floats) -> float:
    """1 - the mean cosine of all pairs of rows of ``(n, dims)``, 0..2; NaN for less than two rows.

    Intra-list dissimilarity (Ziegler et al. 2005, "Improving recommendation lists through topic
    diversification"). The rows are of length 1.
    """
    n = len(vectors)
    if n < 2:
        return math.nan
    # The squared length of the sum is the sum of all products, those with itself too.
    total = float(np.square(vectors.sum(axis=0)).sum())
    return min(max(1.0 - (total - n) / (n * (n - 1)), 0.0), 2.0)


def novelty(lists: Sequence[Sequence[str]]) -> list[float]:
    """For each list the mean of -log2(share of all lists that an id is in), in bits; NaN if empty.

    0 where every list holds the same, log2(number of lists) where no two share an id: the
    self-information of Zhou et al. 2010, "Solving the apparent diversity-accuracy dilemma", with
    what is shown in the place of what is bought.
    """
    times: dict[str, int] = {}
    for ranked in lists:
        for id in ranked:
            times[id] = times.get(id, 0) + 1
    bits = {id: math.log2(len(lists) / count) for id, count in times.items()}
    return [
        sum(bits[id] for id in ranked) / len(ranked) if ranked else math.nan for ranked in lists
    ]


def mean(values: Floats) -> float:
    """The mean of ``values``, NaN ones left out; NaN where nothing is left."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def estimate(values: Sequence[float] | Floats, *, seed: int = 0) -> Estimate:
    """The mean of ``values``, NaN ones left out, with its 95 % percentile bootstrap interval.

    Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13: the queries are drawn
    anew, with repeats, and the interval holds the middle 95 % of the means. The same ``seed``
    gives the same interval.
    """
    given = np.asarray(values, dtype=np.float64)
    known = given[~np.isnan(given)]
    n = len(known)
    if n < 2:
        return Estimate(float(known[0]) if n else math.nan, math.nan, math.nan, n)
    draws = np.random.default_rng(seed)
    step = max(1, AT_ONCE // n)
    means = np.concatenate(
        [
            known[draws.integers(n, size=(min(step, RESAMPLES - start), n))].mean(axis=1)
            for start in range(0, RESAMPLES, step)
        ]
    )
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Estimate(float(known.mean()), float(low), float(high), n)
