"""Conditions that let a wanted part of a catalogue pass, found from its own tags and numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from recommender.engine import Recommender
from recommender.items import Facet

FACTOR = 2.0
"""A condition will do if it lets through at least a half and at most twice of what is wanted."""

STEPS, CLOSE = 40, 0.05
"""A number's bound is halved so often, or until it is this close to what is wanted."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A ``where`` ("" for none at all) that ``matching`` items pass; ``wanted`` is a share, 0..1.

    ``chosen`` says in words why this one.
    """

    where: str
    wanted: float
    matching: int
    chosen: str


def conditions(engine: Recommender, wanted: Sequence[float], items: int) -> Iterator[Condition]:
    """For each wanted share of ``items`` the nearest label of a tag and the nearest number's bound.

    Where no tag or no number comes within FACTOR there is none of that kind; every count is the
    engine's own. A label's items are alike, and near each other in the index; a number's are
    strewn: an index may do well on the one and badly on the other.
    """
    facets = engine.facets()
    for share in wanted:
        if share >= 1:
            yield Condition("", 1.0, items, "no condition")
            continue
        target = share * items
        labels = (c for facet in facets if facet.type == "tag" for c in _labels(facet, target))
        bounds = (_bound(engine, facet, target) for facet in facets if facet.count)
        for kind, found in (("label", labels), ("bound", bounds)):
            best = min(found, key=lambda pair: _off(pair[1], target), default=("", 0))
            matching = engine.count(best[0]) if best[0] else 0
            if _off(matching, target) <= math.log(FACTOR):
                yield Condition(best[0], share, matching, f"the {kind} nearest to {target:,.4g}")


def _off(count: float, target: float) -> float:
    """How far ``count`` is from ``target``: the logarithm of their ratio, 0 or more."""
    return abs(math.log(count / target)) if count > 0 else math.inf


def _labels(facet: Facet, target: float) -> Iterator[tuple[str, int]]:
    if facet.values:
        label, count = min(facet.values.items(), key=lambda pair: _off(pair[1], target))
        yield f"{facet.field}={label.replace('|', chr(92) + '|')}", count


def _bound(engine: Recommender, facet: Facet, target: float) -> tuple[str, int]:
    """The condition ``field>=x`` that about ``target`` items pass, and how many do."""
    if facet.type != "number" or facet.min is None or facet.max is None:
        return "", 0
    low, high = facet.min, facet.max
    is_whole = isinstance(low, int) and isinstance(high, int)
    best = (f"{facet.field}>={high}", engine.count(f"{facet.field}>={high}"))
    for _ in range(STEPS):
        # Short to read, and as good: 2016, not 2015.7578125.
        middle = round((low + high) / 2) if is_whole else float(f"{(low + high) / 2:.6g}")
        if not low < middle < high or _off(best[1], target) <= CLOSE:
            break
        where = f"{facet.field}>={middle}"
        count = engine.count(where)
        best = min(best, (where, count), key=lambda pair: _off(pair[1], target))
        low, high = (middle, high) if count > target else (low, middle)
    return best
