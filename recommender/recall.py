"""How much of the exact answer the index finds, plain and under filters, and how fast."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recommender import metrics
from recommender.arguments import check_page
from recommender.engine import Recommender
from recommender.errors import InvalidParameter, UnknownItem
from recommender.items import Hit, Results
from recommender.judgements import draw
from recommender.metrics import Estimate
from recommender.selectivity import Condition, conditions
from recommender.store import hashes, sampling

SELECTIVITIES = (1.0, 0.1, 0.01, 0.001)
MAX_SAMPLE = 10_000

OWN = frozenset({"id", "limit", "offset", "fields", "where", "exact"})
"""Arguments of a question that the measuring sets itself."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class FilteredRecall:
    """Recall under one condition, over all seeds.

    ``recall`` is the share of the exact answer that was found; a hit that is as close as the last
    exact one is as good. ``complete`` is the share of answers that hold as many hits as the exact
    one and say rightly whether that is all that was asked for; ``compared`` that of answers for
    which every item was compared. Times are milliseconds, in the engine's own measure.
    """

    condition: Condition
    recall: Estimate
    complete: float
    compared: float
    p50_ms: float
    p95_ms: float
    exact_p50_ms: float
    exact_p95_ms: float


@dataclass(frozen=True, slots=True)
class RecallReport:
    """Recall of the top ``k`` over a ``sample`` of seeds, condition by condition.

    ``missing`` are the selectivities for which the catalogue has no condition; ``is_ready`` is
    whether the index was filled.
    """

    catalogue: str
    k: int
    sample: int
    items: int
    is_ready: bool
    rows: tuple[FilteredRecall, ...]
    missing: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as it goes out with ``--json``."""
        rows = [asdict(row) | {"recall": row.recall.to_dict()} for row in self.rows]
        own = {name: getattr(self, name) for name in self.__slots__}
        return own | {"rows": rows, "missing": list(self.missing)}


def recall(
    engine: Recommender,
    *,
    sample: int = 200,
    k: int = 10,
    selectivities: Sequence[float] = SELECTIVITIES,
    arguments: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> RecallReport:
    """Asks ``sample`` items for their ``k`` nearest, with ``exact`` and without.

    Once without a condition and under conditions that about these shares of the catalogue pass.
    The sample and the conditions are the same for the same catalogue and ``seed``. Raises
    InvalidParameter for what is out of range.
    """
    check_page(k, 0, 0)
    _check(sample, selectivities, arguments or {})
    items = engine.count()
    prefix = hashes.prefix_of(engine.name, engine.entry.generation)
    seeds = sampling.sample(engine.client, prefix, sample, lambda id: draw(id, seed, "sample"))
    found = list(conditions(engine, selectivities, items)) if items else []
    if not found or not seeds:
        raise InvalidParameter(
            "selectivities", f"{engine.name!r} has {items:,} items and nothing to measure with"
        )
    asker = _Asker(engine, k, dict(arguments or {}))
    rows = []
    for place, condition in enumerate(found):
        said = len(seeds) * place
        pairs = list(
            _counted(asker.pairs(seeds, condition), said, len(seeds) * len(found), progress)
        )
        if pairs:
            rows.append(_row(condition, pairs, seed))
    wanted = {condition.wanted for condition in found}
    return RecallReport(
        catalogue=engine.name,
        k=k,
        sample=len(seeds),
        items=items,
        is_ready=engine.state().is_ready,
        rows=tuple(rows),
        missing=tuple(share for share in selectivities if min(share, 1.0) not in wanted),
    )


Pair = tuple[Results, Results]
"""An answer of the index and the exact one to the same question."""


@dataclass(frozen=True, slots=True)
class _Asker:
    engine: Recommender
    k: int
    arguments: Mapping[str, Any]

    def pairs(self, seeds: Sequence[str], condition: Condition) -> Iterator[Pair]:
        """Both answers for each seed; the two take turns, so that a busy machine slows both."""
        where = [condition.where] if condition.where else []
        self._ask(seeds[0], where, exact=False)  # the first counts what passes: that is not timed
        for id in seeds:
            fast, slow = self._ask(id, where, exact=False), self._ask(id, where, exact=True)
            if fast is not None and slow is not None:
                yield fast, slow

    def _ask(self, id: str, where: Sequence[str], *, exact: bool) -> Results | None:
        try:
            return self.engine.similar(
                id, limit=self.k, where=where, exact=exact, fields=(), **self.arguments
            )
        except UnknownItem:  # deleted meanwhile, or without a vector
            return None


def _row(condition: Condition, pairs: Sequence[Pair], seed: int) -> FilteredRecall:
    shares = [_share(fast, slow) for fast, slow in pairs]
    fast_ms, slow_ms = (np.array([pair[side].took_ms for pair in pairs]) for side in (0, 1))
    return FilteredRecall(
        condition=condition,
        recall=metrics.estimate(shares, seed=seed),
        complete=sum(_is_complete(fast, slow) for fast, slow in pairs) / len(pairs),
        compared=sum(fast.exact for fast, _ in pairs) / len(pairs),
        p50_ms=_percentile(fast_ms, 50),
        p95_ms=_percentile(fast_ms, 95),
        exact_p50_ms=_percentile(slow_ms, 50),
        exact_p95_ms=_percentile(slow_ms, 95),
    )


def _share(fast: Results, slow: Results) -> float:
    """The share of the exact answer that was found, NaN where that is empty."""
    if not slow.items:
        return float("nan")
    last = min(_score(hit) for hit in slow)
    return min(sum(_score(hit) >= last for hit in fast) / len(slow), 1.0)


def _score(hit: Hit) -> float:
    """A hit's score; a fallback, which has none, is as bad as can be."""
    return -math.inf if hit.score is None else hit.score


def _is_complete(fast: Results, slow: Results) -> bool:
    return len(fast) == len(slow) and fast.complete == (len(fast) == fast.requested)


def _percentile(values: metrics.Floats, q: float) -> float:
    return round(float(np.percentile(values, q)), 3)


def _counted(pairs: Iterator[Pair], before: int, total: int, progress: Progress) -> Iterator[Pair]:
    for number, pair in enumerate(pairs, before + 1):
        yield pair
        progress(number, total)


def _check(sample: int, selectivities: Sequence[float], arguments: Mapping[str, Any]) -> None:
    if not isinstance(sample, int) or not 1 <= sample <= MAX_SAMPLE:
        raise InvalidParameter(
            "sample", f"sample is {sample!r}", remedy=f"It is a whole number 1..{MAX_SAMPLE:,}"
        )
    if not selectivities or not all(0 < share <= 1 for share in selectivities):
        raise InvalidParameter(
            "selectivities",
            f"selectivities are {list(selectivities)}",
            remedy="They are shares of the catalogue, over 0 to 1",
        )
    if wrong := sorted(OWN & arguments.keys()):
        raise InvalidParameter("arguments", f"the measuring sets {', '.join(wrong)} itself")
