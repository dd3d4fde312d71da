"""What a measuring of recommendations found, and how two of them differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from recommender import metrics
from recommender.errors import InvalidParameter
from recommender.metrics import Estimate, Floats

MEASURES = ("ndcg", "mrr", "recall", "diversity", "novelty")
"""What is measured for each query, 0..1 but for diversity, 0..2, and novelty, in bits."""


@dataclass(frozen=True)
class RelevanceReport:
    """What was measured, query by query.

    ``values`` has an array for each of MEASURES, in the order of ``queries``, NaN where a query has
    no such value. ``skipped`` maps a reason to the queries it held for; ``unknown_items`` are the
    judged ids that the catalogue does not have, ``pairs`` how many judgements were used.
    ``covered`` of ``items`` are in some list. ``chance`` is the NDCG that a random order of all
    items would have; ``short`` counts lists of less than ``k``; ``p50_ms`` is a question's median.
    """

    catalogue: str
    k: int
    arguments: Mapping[str, Any]
    queries: tuple[str, ...]
    values: Mapping[str, Floats]
    skipped: Mapping[str, tuple[str, ...]]
    unknown_items: tuple[str, ...]
    pairs: int
    covered: int
    items: int
    chance: float
    short: int
    p50_ms: float
    seed: int = 0

    @cached_property
    def estimates(self) -> dict[str, Estimate]:
        """Each measure's mean over the queries, with its interval."""
        return {name: metrics.estimate(self.values[name], seed=self.seed) for name in MEASURES}

    @property
    def ndcg(self) -> Estimate:
        """The one number to look at first."""
        return self.estimates["ndcg"]

    @property
    def coverage(self) -> float:
        """The share of the catalogue that is in some list; more queries can only raise it."""
        return self.covered / self.items if self.items else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The report as it goes out with ``--json``, with every query's NDCG."""
        ndcgs = self.values["ndcg"].tolist()
        return {
            "catalogue": self.catalogue,
            "k": self.k,
            "arguments": dict(self.arguments),
            "queries": len(self.queries),
            "judgements": self.pairs,
            "measures": {name: value.to_dict() for name, value in self.estimates.items()},
            "coverage": self.coverage,
            "covered": self.covered,
            "items": self.items,
            "chance": self.chance,
            "short_lists": self.short,
            "skipped": {reason: list(queries) for reason, queries in self.skipped.items()},
            "unknown_items": list(self.unknown_items),
            "p50_ms": self.p50_ms,
            "ndcg_of": dict(zip(self.queries, ndcgs, strict=True)),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed from one measuring to another, over the queries that both have.

    ``differences`` are after - before with the interval of the paired differences, ``better`` and
    ``worse`` count queries by their NDCG.
    """

    queries: int
    before: Mapping[str, float]
    after: Mapping[str, float]
    differences: Mapping[str, Estimate]
    better: int
    worse: int

    def is_clear(self, measure: str = "ndcg") -> bool:
        """Whether 0, no change at all, is outside of the measure's interval."""
        difference = self.differences[measure]
        return difference.low > 0 or difference.high < 0

    def to_dict(self) -> dict[str, Any]:
        """The comparison as it goes out with ``--json``."""
        changes = {name: value.to_dict() for name, value in self.differences.items()}
        return {
            "queries": self.queries,
            "measures": {
                name: {"before": self.before[name], "after": self.after[name], "difference": change}
                for name, change in changes.items()
            },
            "better": self.better,
            "worse": self.worse,
        }


def compare(before: RelevanceReport, after: RelevanceReport, *, seed: int = 0) -> Comparison:
    """How ``after`` differs from ``before``, with a paired bootstrap: query by query.

    Queries differ among themselves far more than two settings do on one query, so the difference is
    much surer than the two intervals make it look. Raises InvalidParameter for different ``k``, or
    where no query is in both.
    """
    if before.k != after.k:
        raise InvalidParameter("k", f"lists of {before.k} and of {after.k} cannot be compared")
    places = {query: place for place, query in enumerate(before.queries)}
    common = [(places[q], place) for place, q in enumerate(after.queries) if q in places]
    if not common:
        raise InvalidParameter("judgements", "the two have no query in common")
    old, new = map(list, zip(*common, strict=True))
    olds = {name: before.values[name][old] for name in MEASURES}
    news = {name: after.values[name][new] for name in MEASURES}
    steps = {name: news[name] - olds[name] for name in MEASURES}
    return Comparison(
        queries=len(common),
        before={name: metrics.mean(values) for name, values in olds.items()},
        after={name: metrics.mean(values) for name, values in news.items()},
        differences={name: metrics.estimate(step, seed=seed) for name, step in steps.items()},
        better=Counter(steps["ndcg"] > 1e-9)[True],
        worse=Counter(steps["ndcg"] < -1e-9)[True],
    )
