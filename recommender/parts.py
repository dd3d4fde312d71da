"""Parts of a catalogue that a boost favours, as filters of which it is known how many pass them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from recommender.boosts import Boost
from recommender.catalogue import Catalogue
from recommender.formula import Term
from recommender.store.candidates import TAIL, Known
from recommender.store.connection import Client
from recommender.store.query import Policy, policy_for
from recommender.where import EVERYTHING, any_of, both, parse

PEAK, SLOPE = 300, 1200
"""By rank in the number that counts most: what is at its peak; what is up there and close, too."""

MAX_PEAK = 1500
"""Items at most for each of which a formula is worked out."""

MAX_LABELS = 12
"""Labels of the seed that are looked at."""

MAX_PAIRED = 6
"""Labels of the seed of which any two are looked for."""

FAR = 0.5
"""The weight from which on near has a part of its own: what is near may be no near neighbour."""

USUAL = 0.5
"""A number that fewer of the items have is no term of a formula, which needs all its numbers."""


@dataclass(frozen=True, slots=True)
class Part:
    """A filter, base included, and how many items pass it, or how many of them are looked at.

    ``is_all``: the filter is the base and nothing else; ``is_own``: it is for what the seed has, so
    that of what is near to the seed more passes.
    """

    filter: str
    count: int
    is_all: bool = False
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Within:
    """Where parts are of: a catalogue of ``items``, ``matching`` of which pass the filter base."""

    client: Client
    catalogue: Catalogue
    known: Known
    base: str
    matching: int
    items: int

    def both(self, text: str) -> str:
        """The filter for what passes ``text`` and the base."""
        return both(self.base, text)

    def counts(self, filters: Sequence[str]) -> list[int]:
        """How many items pass each."""
        return self.known.counts(self.client, self.catalogue.name, filters)

    def policy(self, vector: str, part: Part) -> Policy | None:
        """How the index of the vector is best searched for the part."""
        if self.catalogue.vectors[vector].index != "hnsw":
            return None
        if part.filter == EVERYTHING:
            return "graph"
        return policy_for(part.count * (2 if part.is_own else 1), max(self.items, 1))

    def usual(self, terms: Sequence[Term]) -> list[Term]:
        """The terms over numbers that most items have, the first in any case."""
        counts = self.counts([span(term.boost.field, "-inf", "+inf") for term in terms])
        return [
            term
            for at, (term, count) in enumerate(zip(terms, counts, strict=True))
            if not at or count >= USUAL * self.items
        ]

    def bound(self, field: str, rank: int, *, top: bool) -> float | None:
        """The number that about ``rank`` items of the base reach; None where all do."""
        tail = self.known.tail(self.client, self.catalogue.name, field, top=top)
        place = rank * self.items // max(self.matching, 1)
        if place <= len(tail):
            return tail[place - 1]
        return tail[-1] if len(tail) >= TAIL else None


def peak(within: Within, terms: Sequence[Term]) -> Part | None:
    """What is high in the number that counts most, or close to the seed and rather high in it.

    None where no such part is small enough, as where many share the highest number.
    """
    if within.matching <= SLOPE:
        return Part(within.base, within.matching)
    leader = next(term.boost for term in terms if term.boost.kind != "near")
    top = (leader.kind != "low") == (leader.weight > 0)
    highest = within.bound(leader.field, PEAK, top=top)
    higher = within.bound(leader.field, SLOPE, top=top)
    texts = [_beyond(leader.field, highest, top=top)]
    near = next((term for term in terms if term.boost.kind == "near"), None)
    if near is not None and near.boost.weight > 0:
        texts.append(
            f"({window(near.boost, near.reference)} {_beyond(leader.field, higher, top=top)})"
        )
    counts = within.counts([within.both(text) for text in texts])
    kept, room = [], MAX_PEAK
    for text, count in zip(texts, counts, strict=True):
        if count <= room:
            kept.append(text)
            room -= count
    if not kept:
        return None
    either = kept[0] if len(kept) == 1 else f"({' | '.join(kept)})"
    return Part(within.both(either), MAX_PEAK - room)


def parts_of(within: Within, boost: Boost, seed: Mapping[str, Any]) -> list[Part]:
    """The parts that the boost favours, which are none where that is no part of the catalogue."""
    texts = [text for text in _favoured(within, boost, seed) if text]
    if boost.weight < 0:
        texts = [f"(-{text})" for text in texts]
    texts = [within.both(text) for text in texts]
    counted = zip(texts, within.counts(texts), strict=True)
    is_own = boost.weight > 0 and boost.kind != "match" and boost.to is None
    return [Part(text, count, is_own=is_own) for text, count in counted if count]


def _favoured(within: Within, boost: Boost, seed: Mapping[str, Any]) -> list[str | None]:
    if boost.kind == "match":
        return [parse(boost.condition, within.catalogue)]
    if boost.kind == "overlap":
        labels = seed.get(boost.field)
        return _labels(within, boost, labels[:MAX_LABELS]) if labels else []
    if boost.kind == "near" and boost.weight >= FAR:
        reference = seed.get(boost.field) if boost.to is None else boost.to
        if reference is None or (boost.log and not reference > 0):
            return []
        return [window(boost, reference)]
    return []


def _labels(within: Within, boost: Boost, labels: Sequence[str]) -> list[str | None]:
    """Two of the labels at least, and any of the rarest, which tell most; all to be avoided."""
    if boost.weight < 0:
        return [any_of(boost.field, list(labels))]
    texts = [any_of(boost.field, [label]) for label in labels]
    counted = sorted(zip(within.counts(texts), texts, strict=True))
    room = min(max(within.items // 6, 200), MAX_PEAK)
    chosen: list[str] = []
    for count, text in counted:
        if chosen and count > room:
            break
        chosen.append(text)
        room -= count
    pairs = [f"({one} {other})" for one, other in combinations(texts[:MAX_PAIRED], 2)]
    return [text for some in (pairs, chosen) if (text := f"({' | '.join(some)})") != "()"]


def window(boost: Boost, reference: float) -> str:
    """The filter for about one scale around ``reference``.

    Its ends are multiples of half a scale, so that seeds share windows and their counts.
    """
    if boost.log:
        return span(boost.field, *boost.within(reference, 1.0))
    step = boost.scale / 2
    reach = boost.scale if boost.curve != "linear" else step
    low, high = reference - reach, reference + reach
    if step and math.isfinite(high / step) and math.isfinite(low / step):
        low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return span(boost.field, low, high)


def span(field: str, low: float | str, high: float | str) -> str:
    """The filter for the numbers from ``low`` to ``high``."""
    return f"@{field}:[{low} {high}]"


def _beyond(field: str, bound: float | None, *, top: bool) -> str:
    edge = ("-inf" if top else "+inf") if bound is None else bound
    return span(field, edge, "+inf") if top else span(field, "-inf", edge)
