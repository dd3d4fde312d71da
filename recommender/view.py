"""A catalogue as the engine sees it: what follows from its entry, and how rows become hits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from recommender import vectors
from recommender.arguments import MAX_NAMES, check_names
from recommender.calibration import Calibration, check_min_relevance
from recommender.catalogue import vector_field
from recommender.errors import IndexNotReady
from recommender.fields import KINDS
from recommender.items import Facet, Hit
from recommender.store import hashes, query
from recommender.store.candidates import MAX_FILTER, Known
from recommender.store.catalogues import Entry
from recommender.store.texts import Frequencies
from recommender.where import EVERYTHING, parse
from recommender.wishes import Page, Where

MAX_FILTERS = 1000
"""How many conditions are remembered."""


class Filter(NamedTuple):
    """A filter in the engine's own text, and how many items passed it when they were counted."""

    text: str
    matching: int


class View:
    """A catalogue's entry with all that follows from it, worked out once.

    ``seen`` is when Redis was last asked for it, in the seconds of a monotonic clock, and ``until``
    when it had answered; ``is_whole`` is whether its index was filled then, ``items`` how many that
    held. ``version`` is the token of the last write that it knows of, None while one is under way,
    and ``processes`` how many Redis processes had been met when that was asked. ``known``,
    ``frequencies``, ``spans`` and ``facets`` remember what was counted in it.
    """

    def __init__(self, entry: Entry, version: bytes | None = None) -> None:
        self.entry = entry
        self.version = version
        self.processes = 0
        self.seen = self.until = -math.inf
        self.is_whole = False
        self.items = 0
        self.prefix = hashes.prefix_of(entry.catalogue.name, entry.generation)
        self._cut = len(self.prefix.encode())
        self._names = list(entry.catalogue.fields)
        self._unpack = {
            name.encode(): (name, KINDS[spec.type].unpack)
            for name, spec in entry.catalogue.fields.items()
        }
        self.given = {
            vector_field(name): (name, spec.type)
            for name, spec in entry.catalogue.vectors.items()
            if spec.column is not None
        }
        self._parsed: dict[tuple[Any, ...], str | None] = {}
        self.known = Known()
        self.frequencies = Frequencies()
        self.spans: dict[str, tuple[float, query.Span | None]] = {}
        self.facets: dict[tuple[str, str], Facet] = {}

    def wanted(self, fields: Sequence[str] | None) -> list[str]:
        """The names of the fields to return."""
        if fields is None:
            return self._names
        named = check_names("fields", fields, MAX_NAMES)
        return self.entry.catalogue.check_fields(list(named), "fields")

    def parse(self, where: Where) -> str | None:
        """``where`` for the engine; plain conditions that were asked before are remembered."""
        key = (where,) if isinstance(where, str) else where
        if not isinstance(key, (list, tuple)) or not all(isinstance(part, str) for part in key):
            return parse(where, self.entry.catalogue)
        key = tuple(key)
        if key in (known := self._parsed):
            return known[key]
        text = parse(where, self.entry.catalogue)
        if sum(map(len, key)) > MAX_FILTER:
            return text
        if len(known) >= MAX_FILTERS:
            self._parsed = known = {}  # other threads may be reading the old one
        known[key] = text
        return text

    def id_of(self, key: bytes) -> str:
        """The id of the item that is kept under ``key``."""
        return key[self._cut :].decode()

    def hits(self, rows: Sequence[query.Found], vector: str, page: Page) -> list[Hit]:
        """The rows of the page as hits, by falling score, ties by id."""
        kept = []
        metric = self.entry.catalogue.vectors[vector].metric
        calibration = self.entry.calibration.get(vector)
        cut, score_of = self._cut, vectors.score_of
        least = least_score(page, calibration)
        exclude = page.exclude
        for key, distance, pairs in rows:
            id = key[cut:].decode()
            score = round(score_of(distance, metric), 6)
            # NaN, of a vector that someone else wrote, is not as high as anything.
            if score >= least and id not in exclude:
                kept.append((-score, id, pairs))
        # The page is cut in the engine's own order, which is the same for every page of a pool;
        # only then are ties put in order, so that no page repeats what another one had.
        shown = sorted(kept[page.offset : page.offset + page.limit], key=itemgetter(0, 1))
        if calibration is None:
            return [Hit(id, -negative, self.unpacked(pairs)) for negative, id, pairs in shown]
        of = calibration.of
        return [
            Hit(id, -negative, self.unpacked(pairs), "vector", None, of(-negative))
            for negative, id, pairs in shown
        ]

    def unpacked(self, pairs: Sequence[bytes]) -> dict[str, Any]:
        """Names and stored values in turn, as the item's fields in Python's own values.

        Raises IndexNotReady where this view is of a catalogue that is gone.
        """
        known = self._unpack
        fields = {}
        try:
            in_turn = iter(pairs)
            for key, value in zip(in_turn, in_turn, strict=True):
                kind = known.get(key)
                if kind is not None:
                    fields[kind[0]] = kind[1](value)
        except ValueError as error:
            raise self.gone() from error
        return fields

    def gone(self) -> IndexNotReady:
        """The error of a value that is none of its field's: this view is of what was there once."""
        return IndexNotReady(
            f"the catalogue {self.entry.catalogue.name!r} has just been loaded anew",
            remedy="Ask again in a second",
        )

    def fields(self, names: Sequence[str], values: Sequence[bytes | None]) -> dict[str, Any]:
        """The stored values of fields (None: it has none) as Python's own."""
        pairs: list[bytes] = []
        for name, value in zip(names, values, strict=True):
            if value is not None:
                pairs += (name.encode(), value)
        return self.unpacked(pairs)

    def column(self, name: str, values: Sequence[bytes | None]) -> list[Any]:
        """One field's stored values of many items as Python's own, None where there is none.

        Raises IndexNotReady where this view is of a catalogue that is gone.
        """
        _, unpack = self._unpack[name.encode()]
        try:
            return [None if value is None else unpack(value) for value in values]
        except ValueError as error:
            raise self.gone() from error

    def given_vectors(self, pairs: Sequence[bytes]) -> dict[str, list[float]]:
        """The given vectors among names and stored values in turn, by their names."""
        return {
            known[0]: vectors.from_bytes(blob, known[1]).tolist()
            for key, blob in zip(pairs[::2], pairs[1::2], strict=True)
            if (known := self.given.get(key.decode()))
        }


def least_score(page: Page, calibration: Calibration | None) -> float:
    """What a hit has to score at least. Raises InvalidParameter ("min_relevance")."""
    check_min_relevance(page.min_relevance, calibration)
    least = -math.inf if page.min_score is None else page.min_score
    if not page.min_relevance or calibration is None:  # what is below chance is 0, too
        return least
    return max(least, round(calibration.score_of(page.min_relevance), 6))


def policy_of(filter: Filter, items: int, exact: bool) -> query.Policy:
    """How to search an HNSW index of ``items`` under ``filter``."""
    if exact:
        return "each"
    return "graph" if filter.text == EVERYTHING else query.policy_for(filter.matching, items)


def pool_of(rows: int, policy: query.Policy | None) -> int:
    """How many neighbours are looked for when ``rows`` are wanted: 32, 128, 512, ...

    In steps, because a filtered search breaks ties differently for each number: the pages that a
    person looks at come from one pool. Batches find 0.99 of the true neighbours with twice the
    pool, 0.98 without.
    """
    pool = 64 if policy == "batches" else 32
    while pool < rows:
        pool *= 4
    return pool
