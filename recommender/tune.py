"""Fits boosts and the pool of a catalogue to judgements, and says honestly what that brought.

The gain that is reported is that of queries which the fit had not seen: the queries are parted into
folds, and each fold is judged with what was fitted on the others. The weights that are given back
are then fitted on all queries, so what those queries measure with them is no proof of anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender import boosts as boosting
from recommender import columns as reading
from recommender import fitting, lexical, metrics
from recommender.boosts import Boost
from recommender.columns import Columns
from recommender.engine import Recommender
from recommender.errors import InvalidParameter
from recommender.evaluate import relevance
from recommender.fitting import Fit
from recommender.judgements import Judgements, draw
from recommender.measured import Comparison, RelevanceReport
from recommender.problem import Matrix, Problem, gains_of
from recommender.proposals import proposals
from recommender.store import hashes, sampling
from recommender.wordings import WORDS, words_signal

MAX_ITEMS = 20_000
"""Items that are looked at: all, or those that are judged and others drawn by hash."""

MAX_CELLS = 2_000_000
"""Queries times items at most; of more queries some are drawn by hash."""

POOLS = (120, 240, 480, 960)
POOL_QUERIES = 200
"""Queries that the pool is chosen with: ranking everything for each of thousands takes long."""

NEARLY = 0.005
"""A pool is large enough when its NDCG is so near to that of ranking everything."""

WORDS_COST = 0.005
"""What words have to bring beyond other boosts: with them a question takes half as long again."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Tuned:
    """What a fit found.

    ``wishes`` are arguments of ``similar``, fit for a preset. ``comparison`` is the similarity
    alone against the boosts, on queries that the fit had not seen, ``steps`` its mean NDCG with 0,
    1, 2, ... boosts; ``contributions`` say for each boost what that mean loses without it.
    ``before`` and ``after`` were measured through the index on the very queries of the fit, and
    ``pools`` the NDCG with each pool on at most 200 of them, first that of ranking everything,
    called None (of a large catalogue: that of the largest pool). ``queries`` and ``items``
    were looked at, ``tried`` are the boosts that were to choose from.
    """

    wishes: Mapping[str, Any]
    comparison: Comparison
    steps: tuple[float, ...]
    contributions: Mapping[str, float]
    before: RelevanceReport
    after: RelevanceReport
    pools: Mapping[int | None, float]
    queries: int
    items: int
    tried: tuple[str, ...]

    @property
    def is_clear(self) -> bool:
        """Whether unseen queries became better, beyond what chance explains."""
        return bool(self.contributions) and self.comparison.differences["ndcg"].low > 0

    def to_dict(self) -> dict[str, Any]:
        """The same for ``--json``."""
        return {
            "wishes": dict(self.wishes),
            "is_clear": self.is_clear,
            "unseen": self.comparison.to_dict(),
            "unseen_by_boosts": list(self.steps),
            "contributions": dict(self.contributions),
            "fitted": {"before": self.before.to_dict(), "after": self.after.to_dict()},
            "pools": {str(pool or "exact"): ndcg for pool, ndcg in self.pools.items()},
            "queries": self.queries,
            "items": self.items,
            "tried": list(self.tried),
        }


def tune(
    engine: Recommender,
    judgements: Judgements,
    *,
    k: int = 10,
    using: str | None = None,
    without: Collection[str] = (),
    folds: int = 5,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> Tuned:
    """Finds boosts and a pool with which the ``k`` items most like each query are judged best.

    ``using`` names the vector (None: the first), ``without`` fields that no boost may look at.
    The same catalogue, judgements and ``seed`` give the same answer; nothing is written. Raises
    InvalidParameter where no query can be judged, where there are fewer queries than ``folds``, or
    where the catalogue has nothing to boost by; UnknownField ("without").
    """
    given: dict[str, Any] = {} if using is None else {"using": using}
    total = (folds + 1) * fitting.MAX_STEPS + len(POOLS) + 3
    before = relevance(engine, judgements, k=k, arguments=given, seed=seed)
    progress(1, total)
    usable = Judgements({query: judgements.gains[query] for query in before.queries})
    problem, items, tried = _problem(engine, usable, k, using, without, folds, seed)
    fit = fitting.fit(problem, lambda done, of: progress(1 + done, total))
    texts = {f"{weight:g}*{name}": fit.losses[name] for name, weight in fit.weights.items()}
    wishes, pools = _pooled(
        engine, _drawn(usable, POOL_QUERIES, seed), k, given | {"boosts": list(texts)},
        lambda done: progress(total - len(POOLS) - 2 + done, total),
    )  # fmt: skip
    after = relevance(engine, usable, k=k, arguments=wishes, seed=seed)
    progress(total, total)
    return Tuned(
        wishes=wishes,
        comparison=_comparison(fit, seed),
        steps=fit.steps,
        contributions=texts,
        before=before,
        after=after,
        pools=pools,
        queries=len(problem.similarity),
        items=items,
        tried=tuple(tried),
    )


def _problem(
    engine: Recommender,
    judgements: Judgements,
    k: int,
    using: str | None,
    without: Collection[str],
    folds: int,
    seed: int,
) -> tuple[Problem, int, list[str]]:
    """The fit as numbers, how many items are in it, and the boosts that are tried."""
    catalogue = engine.entry.catalogue
    chosen = _drawn(
        judgements, max(folds, MAX_CELLS // max(min(engine.count(), MAX_ITEMS), 1)), seed
    )
    fold_of = {
        query: number
        for number, (_, part) in enumerate(chosen.folds(folds, seed=seed))
        for query in part.gains
    }
    columns = _columns(engine, chosen, catalogue.vector(using), seed)
    boosts = {
        text: boosting.parse([text], catalogue)[0]
        for text in proposals(catalogue, columns.values, without)
    }
    places = {id: place for place, id in enumerate(columns.ids)}
    queries = [query for query in chosen.gains if query in places]
    seeds = [places[query] for query in queries]
    gains = gains_of([chosen.gains[query] for query in queries], places)
    gains[np.arange(len(seeds)), seeds] = 0.0
    problem = Problem(
        similarity=columns.similarities(seeds),
        gains=gains,
        ideal=np.array([metrics.ideal(row, k) for row in gains.tolist()]),
        signals=_signals(engine, columns, boosts, seeds, without),
        fold=np.array([fold_of[query] for query in queries]),
        k=k,
        costs={WORDS: WORDS_COST},
        signs={text: (1, -1) for text, boost in boosts.items() if boost.kind == "overlap"},
    )
    return problem, len(places), list(problem.signals)


def _signals(
    engine: Recommender,
    columns: Columns,
    boosts: Mapping[str, Boost],
    seeds: Sequence[int],
    without: Collection[str],
) -> dict[str, Matrix]:
    """What each boost, and words where there are texts, says of the items beside the seeds."""
    signals = {text: columns.signal(boost, seeds) for text, boost in boosts.items()}
    written = set(lexical.text_fields(engine.entry.catalogue))
    if written and written.isdisjoint(without):  # words are looked for in all of them
        signals[WORDS] = words_signal(engine, columns.ids, seeds)
    if not signals:
        raise InvalidParameter(
            "without",
            f"{engine.name!r} has no number, no tag and no text to boost by",
            remedy="Load the catalogue with such fields, or leave fewer of them out",
        )
    return signals


def _drawn(judgements: Judgements, count: int, seed: int) -> Judgements:
    """At most ``count`` of the queries, those that a hash puts first, in the order of their ids."""
    order = sorted(judgements.gains, key=lambda query: (draw(query, seed, "tune"), query))
    return Judgements({query: judgements.gains[query] for query in sorted(order[:count])})


def _columns(engine: Recommender, judgements: Judgements, vector: str, seed: int) -> Columns:
    """All items, or of many those that are judged and others."""
    prefix = hashes.prefix_of(engine.name, engine.entry.generation)
    judged = {*judgements.gains, *(id for gains in judgements.gains.values() for id in gains)}
    others = sampling.sample(
        engine.client, prefix, MAX_ITEMS, lambda id: -1 if id in judged else draw(id, seed, "item")
    )
    return reading.read(engine.client, engine.entry, vector, [*{*judged, *others}])


def _pooled(
    engine: Recommender,
    judgements: Judgements,
    k: int,
    wishes: Mapping[str, Any],
    told: Callable[[int], None],
) -> tuple[dict[str, Any], dict[int | None, float]]:
    """The wishes with the smallest pool that will do, and the NDCG of every pool."""

    def measured(number: int, **more: Any) -> float:
        report = relevance(engine, judgements, k=k, arguments={**wishes, **more})
        told(number)
        return report.ndcg.value

    everything = {"exact": True} if engine.count() <= MAX_ITEMS else {"pool": POOLS[-1]}
    whole = measured(1, **everything)
    pools: dict[int | None, float] = {None: whole}
    for number, pool in enumerate(POOLS, 2):
        pools[pool] = measured(number, pool=pool)
        if pools[pool] >= whole - NEARLY:
            break
    return {**wishes, "pool": pool}, pools


def _comparison(fit: Fit, seed: int) -> Comparison:
    """The similarity alone and the boosts, on queries that their fit had not seen."""
    steps = fit.after - fit.before
    return Comparison(
        queries=len(steps),
        before={"ndcg": metrics.mean(fit.before)},
        after={"ndcg": metrics.mean(fit.after)},
        differences={"ndcg": metrics.estimate(steps, seed=seed)},
        better=int((steps > 1e-9).sum()),
        worse=int((steps < -1e-9).sum()),
    )
