"""How good a catalogue's recommendations are: held against judgements, query by query.

How much of the true answer its index finds is measured in ``recall``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from recommender import metrics, presets
from recommender.arguments import check_page
from recommender.catalogue import vector_field
from recommender.engine import Recommender
from recommender.errors import InvalidParameter, UnknownItem
from recommender.judgements import Judgements
from recommender.latest import FRESH_SECONDS
from recommender.measured import MEASURES, Comparison, RelevanceReport, compare
from recommender.metrics import Floats
from recommender.recall import RecallReport, recall
from recommender.store import hashes, index, sampling
from recommender.wishes import shares_of, with_preset

__all__ = ["Comparison", "RecallReport", "RelevanceReport", "compare", "recall", "relevance"]

OWN = frozenset({"id", "limit", "offset", "fields"})
"""Arguments of a question that the measuring sets itself."""

UNKNOWN_QUERY = "the query is not in the catalogue"
NOTHING_KNOWN = "none of its judged items is in the catalogue"
NOTHING_GOOD = "none of its items in the catalogue has a gain above 0"
"""Why a query is skipped."""

Progress = Callable[[int, int], None]
"""Is told how many of how many questions are answered."""


def relevance(
    engine: Recommender,
    judgements: Judgements,
    *,
    k: int = 10,
    arguments: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> RelevanceReport:
    """Asks for the ``k`` items most like each query, and holds them against the judgements.

    ``arguments`` go to :meth:`Recommender.similar` as they are, but for the limit, the page and the
    fields. The ideal is each query's own best ``k`` of all that is in the catalogue, whatever
    ``where`` leaves out. Waits while the index is filling, as after a start of Redis. Raises
    InvalidParameter where no query can be judged, IndexNotReady where there is no index.
    """
    check_page(k, 0, 0)
    given = dict(arguments or {})
    if wrong := sorted(OWN & given.keys()):
        raise InvalidParameter("arguments", f"the measuring sets {', '.join(wrong)} itself")
    _wait(engine)
    sheet = _Sheet(engine, judgements)
    run = _Run(engine, k, given)
    for number, (query, gains) in enumerate(judgements.gains.items(), 1):
        kept = sheet.usable(query, gains)
        if kept is not None and not run.ask(query, kept):
            sheet.skip(UNKNOWN_QUERY, query)  # deleted meanwhile, or it has no such vector
        progress(number, len(judgements))
    if not run.queries:
        raise InvalidParameter("judgements", sheet.nothing_left(), remedy="Do the ids match?")
    items = engine.count()
    values = {name: np.array(column, dtype=np.float64) for name, column in run.values.items()}
    values["novelty"] = np.array(metrics.novelty(run.lists), dtype=np.float64)
    return RelevanceReport(
        catalogue=engine.name,
        k=k,
        arguments=given,
        queries=tuple(run.queries),
        values=values,
        skipped={reason: tuple(queries) for reason, queries in sheet.skipped.items()},
        unknown_items=tuple(sheet.unknown),
        pairs=run.pairs,
        covered=len({id for ranked in run.lists for id in ranked}),
        items=items,
        chance=run.chance(items),
        short=sum(len(ranked) < k for ranked in run.lists),
        p50_ms=round(median(run.took), 3),
        seed=seed,
    )


def _wait(engine: Recommender) -> None:
    """Returns when all items can be found."""
    if not engine.state().is_ready:
        index.wait(engine.client, engine.name, lambda _: None)
        time.sleep(FRESH_SECONDS)  # what the engine knows of the catalogue may be as old


class _Sheet:
    """Which judgements can be used, and which not and why."""

    def __init__(self, engine: Recommender, judgements: Judgements) -> None:
        named = dict.fromkeys(id for gains in judgements.gains.values() for id in gains)
        named |= dict.fromkeys(judgements.gains)
        prefix = hashes.prefix_of(engine.name, engine.entry.generation)
        self._known = sampling.existing(engine.client, prefix, named.keys())
        judged = {id for gains in judgements.gains.values() for id in gains}
        self.unknown = [id for id in named if id in judged and id not in self._known]
        self.skipped: dict[str, list[str]] = {}

    def usable(self, query: str, gains: Mapping[str, float]) -> dict[str, float] | None:
        """What can be recommended for ``query`` with its gain; None where it must be skipped."""
        kept = {id: gain for id, gain in gains.items() if id in self._known and id != query}
        if query not in self._known:
            self.skip(UNKNOWN_QUERY, query)
        elif not kept:
            self.skip(NOTHING_KNOWN, query)
        elif not any(gain > 0 for gain in kept.values()):
            self.skip(NOTHING_GOOD, query)
        else:
            return kept
        return None

    def skip(self, reason: str, query: str) -> None:
        """Notes why ``query`` does not count."""
        self.skipped.setdefault(reason, []).append(query)

    def nothing_left(self) -> str:
        """Why there is nothing to measure, in words."""
        reasons = [f"of {len(queries)} {reason}" for reason, queries in self.skipped.items()]
        return f"no query can be judged: {'; '.join(reasons) or 'there is none'}"


@dataclass
class _Run:
    """The answers so far and what they are worth."""

    engine: Recommender
    k: int
    arguments: Mapping[str, Any]
    queries: list[str] = field(default_factory=list)
    lists: list[list[str]] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=lambda: {n: [] for n in MEASURES[:-1]})
    pairs: int = 0
    expected: list[tuple[float, float]] = field(default_factory=list)

    def ask(self, query: str, gains: Mapping[str, float]) -> bool:
        """Asks for one query; False where the catalogue does not have it."""
        try:
            results = self.engine.similar(query, limit=self.k, fields=(), **self.arguments)
        except UnknownItem:
            return False
        ranked = [hit.id for hit in results]
        self.queries.append(query)
        self.lists.append(ranked)
        self.took.append(results.took_ms)
        self.pairs += len(gains)
        self.values["ndcg"].append(metrics.ndcg(ranked, gains, self.k))
        self.values["mrr"].append(metrics.reciprocal_rank(ranked, gains, self.k))
        self.values["recall"].append(metrics.recall(ranked, gains, self.k))
        self.values["diversity"].append(metrics.diversity(self._vectors(ranked)))
        self.expected.append((math.fsum(gains.values()), metrics.ideal(gains.values(), self.k)))
        return True

    def chance(self, items: int) -> float:
        """The mean NDCG of all orders of the other items: each place has their mean gain."""
        others = max(items - 1, 1)
        places = float(metrics.discounts(min(self.k, others)).sum())
        shares = [min(total / others * places / best, 1.0) for total, best in self.expected]
        return sum(shares) / len(shares)

    def _vectors(self, ids: Sequence[str]) -> Floats:
        entry, preset = self.engine.entry, self.arguments.get("preset")
        kept = {} if preset is None else presets.find(entry.catalogue, preset)
        asked = with_preset(self.arguments, kept)
        name = next(iter(shares_of(asked.get("using"), entry.catalogue)))
        prefix = hashes.prefix_of(self.engine.name, entry.generation)
        kept_as = entry.catalogue.vectors[name].type
        return sampling.unit_vectors(self.engine.client, prefix, ids, vector_field(name), kept_as)
