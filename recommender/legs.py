"""Where candidates come from: a few bounded queries that bring keys, all in one round trip.

Ranking only the nearest anew loses half of what boosts can give: what they favour may not be among
them. A leg is one query. Besides the nearest there are

* deep: of many more nearest, the best by similarity and boosted numbers, which the engine sums up;
* peak: of what is high in the number that counts most, or close to the seed and rather high in it,
  the best by the boosted numbers (and by similarity, where they do not decide alone);
* part: the nearest of those with the seed's labels, a condition, a window of a number.

Each leg looks at a bounded number of items, for the engine is told how to go about each filter by
how many pass it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from recommender import formula
from recommender.boosts import Boost
from recommender.catalogue import Catalogue
from recommender.parts import Part, Within, parts_of, peak
from recommender.store import candidates as store
from recommender.store.candidates import Known
from recommender.store.connection import Client
from recommender.store.packed import Command
from recommender.store.query import Policy, Span
from recommender.where import EVERYTHING

MAX_LEGS = 8
"""Queries at most, beside those for the nearest and those that the caller adds."""

MAX_DEEP = 2000
"""Nearest items at most among which the engine finds the best."""

DEPTH: dict[Policy | None, int] = {"graph": 5, "each": 4, "batches": 3, None: 5}
"""Among how many times as many nearest the best are found; batches are the dearest."""

DECISIVE = 2.0
"""Weights of high, low and fresh that come to so much leave similarity little to say."""

WORTH = 0.3
"""The share of all weights from which on a boost has a part of its own."""


@dataclass(frozen=True, slots=True)
class Target:
    """A vector to be near to: the name of the vector, its bytes as stored, and how it counts."""

    vector: str
    blob: bytes
    weight: float = 1.0


class Drawn(NamedTuple):
    """The candidates' keys, each once, and the raw replies to the caller's own queries."""

    keys: list[bytes]
    extra: list[Any]


def candidates(
    client: Client,
    catalogue: Catalogue,
    targets: Sequence[Target],
    base: str,
    boosts: Sequence[Boost],
    seed: Mapping[str, Any],
    spans: Mapping[str, Span],
    known: Known,
    *,
    items: int,
    pool: int,
    now: float,
    needed: int = 0,
    extra: Sequence[Command] = (),
) -> Drawn:
    """Up to ``pool`` keys of items that pass the filter ``base``, all where no more pass it.

    Of those that have the vector of the first target at least ``needed`` (``pool`` at most), if
    there are so many. ``items`` is how many the catalogue has, ``seed`` the fields that boosts
    refer to, ``spans`` are those of the numbers in high and low, ``now`` is in epoch seconds.
    ``extra`` are queries to send along. The same arguments, catalogue and counts give the same keys
    in the same order. Raises IndexNotReady.
    """
    matching = items if base == EVERYTHING else known.counts(client, catalogue.name, [base])[0]
    if matching <= pool:
        everything = store.some(catalogue.name, base, pool)
        whole, *replies = store.answers(client, catalogue.name, [everything, *extra])
        if whole[0] <= pool:
            return Drawn(store.keys_of(whole), replies)
        matching, items = whole[0], max(items, whole[0])  # many came since they were counted
    within = Within(client, catalogue, known, base, matching, items)
    terms = formula.terms(boosts, seed, spans, now)
    commands = _commands(within, targets, boosts, seed, terms, pool, needed)
    replies = store.answers(client, catalogue.name, [*commands, *extra])
    found = (key for reply in replies[: len(commands)] for key in store.keys_of(reply))
    return Drawn(list(dict.fromkeys(found))[:pool], replies[len(commands) :])


def _commands(
    within: Within,
    targets: Sequence[Target],
    boosts: Sequence[Boost],
    seed: Mapping[str, Any],
    terms: Sequence[formula.Term],
    pool: int,
    needed: int,
) -> list[Command]:
    """The nearest to each target, then the other legs, those for more weight first."""
    main = max(targets, key=lambda target: target.weight, default=None)
    heights = [term for term in terms if term.boost.kind != "near"]
    is_decided = sum(abs(term.boost.weight) for term in heights) >= DECISIVE
    legs: list[Command] = []
    if heights:
        zone = peak(within, terms)
        if zone is not None:
            legs.append(_best(within, zone, terms, pool // 3, None if is_decided else main))
    if terms and main is not None and not is_decided:
        everything = Part(within.base, within.matching, is_all=True)
        legs.append(_best(within, everything, terms, pool // 3, main))
    total = sum(abs(boost.weight) for boost in boosts)
    for boost in sorted(boosts, key=lambda boost: (-abs(boost.weight), boost.text)):
        if main is not None and boost.weight and abs(boost.weight) >= WORTH * total:
            for part in parts_of(within, boost, seed):
                if boost.kind == "near":
                    legs.append(_best(within, part, terms, pool // 6, main))
                else:
                    rows = pool // 8 if terms else pool // 4
                    legs.append(_nearest(within, part, main, rows))
    rows = (pool // 4 if legs else pool) // max(len(targets), 1)
    everything = Part(within.base, within.matching, is_all=True)
    # Legs may all bring the same items, so the first alone has to bring what the page needs.
    wanted = [max(rows, min(needed, pool)), *[rows] * len(targets)]
    nearest = [_nearest(within, everything, *each) for each in zip(targets, wanted, strict=False)]
    return [*nearest, *legs[:MAX_LEGS]]


def _nearest(within: Within, part: Part, target: Target, rows: int) -> Command:
    name, rows = within.catalogue.name, max(rows, 1)
    if part.count <= rows and not part.is_all:
        return store.some(name, part.filter, rows)
    policy = within.policy(target.vector, part)
    return store.nearest(name, target.vector, target.blob, rows, part.filter, policy)


def _best(
    within: Within, part: Part, terms: Sequence[formula.Term], rows: int, target: Target | None
) -> Command:
    """The best of ``part`` by the terms and, where there is a target, by similarity to it."""
    client, name = within.client, within.catalogue.name
    usual, rows = within.usual(terms), max(rows, 1)
    fields = list(dict.fromkeys(term.boost.field for term in usual))
    if target is None:
        return store.best(client, name, part.filter, formula.total(usual), fields, rows)
    metric = within.catalogue.vectors[target.vector].metric
    text = formula.total(usual, metric, target.weight)
    policy = within.policy(target.vector, part)
    count = min(part.count, DEPTH[policy] * rows, MAX_DEEP)
    among = (target.vector, target.blob, count, policy)
    return store.best(client, name, part.filter, text, fields, rows, among)
