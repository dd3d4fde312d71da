"""Facets: of each tag the labels with their counts, of each number the range."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence

from recommender.arguments import MAX_NAMES, check_names
from recommender.catalogue import Catalogue
from recommender.errors import UnknownField
from recommender.items import Facet, Hit
from recommender.store import query
from recommender.store.connection import Client
from recommender.view import View

SLOW_SECONDS = 0.02
"""What took longer to count is remembered: in a large catalogue a facet costs a microsecond for
each item that passes."""

MAX_KNOWN = 1000
"""How many facets are remembered."""


def wanted(catalogue: Catalogue, fields: Sequence[str] | None) -> list[str]:
    """The fields to count, None for all that can be. Raises UnknownField."""
    able = [name for name, spec in catalogue.fields.items() if spec.type in ("tag", "number")]
    if fields is None:
        return able
    for name in check_names("fields", fields, MAX_NAMES):
        if name not in able:
            raise UnknownField("fields", name, able)
    return list(fields)


def counted(client: Client, view: View, name: str, condition: str | None) -> Facet:
    """One field's facet of all items that pass ``condition``, the engine's own text.

    What took long to count is remembered with the view: until somebody writes.
    """
    kind = view.entry.catalogue.fields[name].type
    if condition is None:
        return Facet(name, kind)
    began, key = time.monotonic(), (name, condition)
    known = view.facets.get(key)
    if known is not None:
        return known
    facet = _asked(client, view.entry.catalogue.name, name, kind, condition)
    is_still = view.is_whole and view.version is not None
    if is_still and time.monotonic() - began > SLOW_SECONDS:
        if len(view.facets) >= MAX_KNOWN:
            view.facets.clear()
        view.facets[key] = facet
    return facet


def among(hits: Iterable[Hit], name: str, catalogue: Catalogue) -> Facet:
    """The same of some hits alone; labels that differ in the case of ASCII letters are one."""
    kind = catalogue.fields[name].type
    values = [hit.fields[name] for hit in hits if name in hit.fields]
    if kind == "tag":
        counts = _labels(values)
        return Facet(name, kind, values=counts, count=len(counts))
    if not values:
        return Facet(name, kind)
    return Facet(name, kind, count=len(values), min=min(values), max=max(values))


def _asked(client: Client, index: str, name: str, kind: str, condition: str) -> Facet:
    if kind == "tag":
        counts = query.tag_counts(client, index, condition, name)
        return Facet(name, kind, values=counts, count=len(counts))
    count, low, high = query.number_range(client, index, condition, name)
    return Facet(name, kind, count=count, min=low, max=high) if count else Facet(name, kind)


def _labels(values: Iterable[Sequence[str]]) -> dict[str, int]:
    """How many hits have each label, the most frequent first, in its more frequent spelling."""
    spelt = Counter(label for labels in values for label in labels)
    spelling: dict[bytes, str] = {}
    counts: Counter[str] = Counter()
    for label, count in sorted(spelt.items(), key=lambda pair: (-pair[1], pair[0])):
        counts[spelling.setdefault(label.encode().lower(), label)] += count
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
