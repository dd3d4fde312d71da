"""Where candidates come from: the nearest of all, and the nearest of those that a boost favours.

Ranking only the nearest anew loses half of what boosts can give: what they favour may not be among
them. Each leg is one query for the nearest under another filter; all go in one round trip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recommender.boosts import Boost
from recommender.catalogue import Catalogue
from recommender.store.query import Span
from recommender.where import EVERYTHING, parse

MAX_LEGS = 8
MAX_LABELS = 50
"""Labels of the seed that a leg for overlap looks for."""

WIDTH = 2.0
"""How many scales around the reference a leg for near reaches."""


def filters(
    base: str,
    boosts: Sequence[Boost],
    seed: Mapping[str, Any],
    spans: Mapping[str, Span],
    catalogue: Catalogue,
    now: float,
) -> list[str]:
    """The filter of each leg, the first of them ``base`` alone; the strongest boosts come first."""
    found: list[str] = []
    for boost in sorted(filter(_counts, boosts), key=lambda each: -abs(each.weight)):
        text = _favoured(boost, seed, spans, catalogue, now)
        if text is not None:
            found.append(text)
    numbers = [text for text in found if ":[" in text]
    if len(numbers) > 1:  # what the two strongest favour together
        found.append(f"({numbers[0]} {numbers[1]})")
    legs = [base, *(text if base == EVERYTHING else f"({base} {text})" for text in found)]
    return list(dict.fromkeys(legs))[:MAX_LEGS]


def _counts(boost: Boost) -> bool:
    return boost.weight != 0


def extremes(
    base: str, boosts: Sequence[Boost], spans: Mapping[str, Span]
) -> list[tuple[str, str, bool]]:
    """(filter, field, ascending) of the legs that bring the very first by a number."""
    found = []
    for boost in boosts:
        span = spans.get(boost.field) if boost.kind in ("high", "low") else None
        if span is None or not boost.weight:
            continue
        upper = (boost.kind == "high") == (boost.weight > 0)
        text = _range(boost.field, span.top if upper else "-inf", "+inf" if upper else span.bottom)
        found.append((text if base == EVERYTHING else f"({base} {text})", boost.field, not upper))
    return found[: MAX_LEGS // 2]


def _favoured(
    boost: Boost,
    seed: Mapping[str, Any],
    spans: Mapping[str, Span],
    catalogue: Catalogue,
    now: float,
) -> str | None:
    """A filter for what the boost puts forward; None where that is no part of the catalogue."""
    is_up = boost.weight > 0
    if boost.kind == "match":
        return parse(boost.condition, catalogue) if is_up else None
    if boost.kind == "overlap":
        labels = seed.get(boost.field)
        return (
            parse(any_of(boost.field, labels[:MAX_LABELS]), catalogue) if labels and is_up else None
        )
    if boost.kind in ("high", "low"):
        span = spans.get(boost.field)
        if span is None:
            return None
        upper = (boost.kind == "high") == is_up
        return _range(boost.field, span.high if upper else "-inf", "+inf" if upper else span.low)
    if not is_up:
        return None
    if boost.kind == "fresh":
        return _range(boost.field, now - boost.scale * WIDTH, "+inf")
    reference = seed.get(boost.field) if boost.to is None else boost.to
    if reference is None:
        return None
    return _range(boost.field, reference - boost.scale * WIDTH, reference + boost.scale * WIDTH)


def _range(field: str, low: float | str, high: float | str) -> str:
    return f"@{field}:[{low} {high}]"


def any_of(field: str, value: Any) -> dict[str, Any]:
    """The condition that an item has this value, or one of these labels."""
    values = value if isinstance(value, list) else [repr(value)]
    return {"any": [f"{field}={text.replace('|', chr(92) + '|')}" for text in values]}
