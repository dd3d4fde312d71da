"""Boosts on numbers as one expression of the engine's, so that it finds the best by itself.

The terms are those of :mod:`recommender.boosts` but for what is the same for all items. An engine
computes about ten million terms a second, so near's of one field count as one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from recommender.boosts import Boost
from recommender.store.query import DISTANCE, Span

NUMBERS = frozenset({"near", "fresh", "high", "low"})

TINY = 1e-12

MAX_TERMS = 6
"""The strongest boosts make the formula: it only chooses candidates, which are then scored."""


@dataclass(frozen=True, slots=True)
class Term:
    """A boost with the number that near measures from, and with its expression."""

    boost: Boost
    reference: float
    text: str


def terms(
    boosts: Sequence[Boost], seed: Mapping[str, Any], spans: Mapping[str, Span], now: float
) -> list[Term]:
    """The terms of a formula, the strongest first; boosts that say nothing here are left out."""
    made = []
    for boost in _merged(boosts):
        reference = seed.get(boost.field) if boost.to is None else boost.to
        if boost.kind == "near" and (reference is None or (boost.log and not reference > 0)):
            continue
        if boost.kind in ("high", "low"):
            text = _height(boost, spans.get(boost.field))
        else:
            text = _closeness(boost, now if boost.kind == "fresh" else float(reference or 0))
        if text:
            made.append(Term(boost, float(reference or 0), text))
    return made[:MAX_TERMS]


def total(terms: Sequence[Term], metric: str | None = None, weight: float = 1.0) -> str:
    """The sum of the terms and, with ``metric``, of ``weight`` times the similarity."""
    parts = [term.text for term in terms]
    if metric == "l2":
        parts.append(f"{number(weight)} / (1 + sqrt(@{DISTANCE}))")
    elif metric is not None:
        parts.append(f"{number(weight)} * (1 - @{DISTANCE})")
    return " + ".join(parts)


def number(value: float) -> str:
    """A finite number as the engine's expressions take it: no sign, no ``e+``."""
    text = repr(abs(float(value)))
    if "e+" in text:
        text = format(abs(value), ".0f")
    return f"(0 - {text})" if value < 0 else text


def _merged(boosts: Sequence[Boost]) -> list[Boost]:
    """Boosts on numbers, the strongest first; near's alike but for their scales are one."""
    alike: dict[tuple[Any, ...], list[Boost]] = {}
    for boost in boosts:
        if boost.kind in NUMBERS and boost.weight:
            alone = boost.text if boost.kind != "near" or boost.weight < 0 else ""
            key = (boost.kind, boost.field, boost.curve, boost.to, boost.log, alone)
            alike.setdefault(key, []).append(boost)
    merged = [_one(group) for group in alike.values()]
    return sorted(merged, key=lambda boost: (-abs(boost.weight), boost.text))


def _one(group: list[Boost]) -> Boost:
    if len(group) == 1:
        return group[0]
    ordered = sorted(group, key=lambda boost: boost.scale)
    sums = list(accumulate(boost.weight for boost in ordered))
    middle = next(b for b, reached in zip(ordered, sums, strict=True) if reached >= sums[-1] / 2)
    return replace(middle, weight=sums[-1])


def _closeness(boost: Boost, reference: float) -> str:
    field, scale = f"@{boost.field}", number(boost.scale)
    apart = f"{field} - {number(reference)}"
    if boost.kind == "fresh":  # what is yet to come is as young as can be
        apart = f"({number(reference)} - {field} + abs({apart})) / 2"
    elif boost.log:
        # Of 0 the logarithm is without end, which only exp takes; below 0 nothing is near anyway.
        apart = f"log(abs({field}) + {number(TINY)}) - {number(math.log(reference))}"
    ratio = f"abs({apart}) / {scale}"
    weight = number(boost.weight)
    if boost.curve == "linear":
        return f"{weight} * (1 - {ratio} + abs(1 - {ratio})) / 2"
    if boost.curve == "exp":
        return f"{weight} * exp(0 - {ratio})"
    return f"{weight} * exp((0 - {ratio}) * {ratio} / 2)"


def _height(boost: Boost, span: Span | None) -> str:
    if span is None or not span.greatest > span.least:
        return ""
    weight = boost.weight if boost.kind == "high" else -boost.weight
    low, high = span.least, span.greatest
    if low >= 0 and high > 100 * max(low, 0.01):  # as in boosts.height
        slope = weight / (math.log1p(high) - math.log1p(low))
        return f"{number(slope)} * log(@{boost.field} + 1)"
    return f"{number(weight / (high - low))} * @{boost.field}"
