"""The candidates of a question: found by the legs, read at once, scored exactly."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import fusion, legs, scoring, vectors
from recommender.boosts import lowered, rarity
from recommender.catalogue import vector_field
from recommender.question import Probe, Question
from recommender.scoring import Floats, Places
from recommender.store import candidates as store
from recommender.store import query
from recommender.store.connection import Client
from recommender.store.query import Span
from recommender.view import View
from recommender.where import any_of, parse
from recommender.wishes import Ranking
from recommender.words import Words

BLOCK = 5000
"""Candidates that are read at once: their vectors are not kept."""

SCORED = 1000
"""Of so many items whose words fit best the score is known: the others have next to none."""

EXACT_MARGIN = 1000
"""So many more items may have come since they were counted."""

SPAN_SECONDS = 60.0
"""How old the knowledge of a number's span may be."""


@dataclass(slots=True)
class Candidates:
    """What is known of ``n`` items.

    ``similarity`` is ``(n, probes)``, ``words`` ``(n,)`` how good words fit, NaN where none does,
    ``signals`` ``(n, boosts)``, ``liked`` ``(n,)`` the nearest of several likes; ``groups`` are the
    values of the field to group by.
    """

    ids: list[str]
    similarity: Floats
    words: Floats
    signals: Floats
    liked: Places
    groups: list[Any]


def joined(blocks: Sequence[Candidates]) -> Candidates:
    """All of the blocks, one after the other."""
    return Candidates(
        list(chain.from_iterable(block.ids for block in blocks)),
        np.concatenate([block.similarity for block in blocks]),
        np.concatenate([block.words for block in blocks]),
        np.concatenate([block.signals for block in blocks]),
        np.concatenate([block.liked for block in blocks]),
        list(chain.from_iterable(block.groups for block in blocks)),
    )


class Finder:
    """Finds the candidates of one question."""

    def __init__(
        self,
        client: Client,
        view: View,
        question: Question,
        ranking: Ranking,
        exclude: Collection[str],
    ) -> None:
        """``exclude`` are ids that are no candidates."""
        self._client = client
        self._view = view
        self._catalogue = view.entry.catalogue
        self._question = question
        self._ranking = ranking
        self._exclude = exclude
        self._now = time.time()
        self._words_at = [n for n, boost in enumerate(ranking.boosts) if boost.kind == "words"]
        is_by_words = ranking.mode != "vector" or self._words_at
        self.words = Words(client, view, question) if is_by_words else None

    def find(self, base: str, needed: int) -> Candidates:
        """Items that pass the filter ``base``: at least ``needed`` of them, if there are so many.

        One that lacks a vector which is asked about is no candidate. With words, in mode text, only
        those that hold one of them.
        """
        spans = self.spans()
        keys = self._keys(base, needed, spans)
        prefix = self._view.prefix.encode()
        gone = {prefix + id.encode() for id in self._exclude}
        keys = [key for key in keys if key not in gone]
        starts = range(0, max(len(keys), 1), BLOCK)
        found = joined([self._scored(keys[start : start + BLOCK], spans) for start in starts])
        for place in self._words_at:
            found.signals[:, place] = fusion.shared(found.words)
        return found

    def _scored(self, keys: Sequence[bytes], spans: Mapping[str, Span]) -> Candidates:
        probes, names = self._question.probes, self._ranking.columns
        width = len(probes)
        read = [*(vector_field(probe.vector) for probe in probes), *names]
        pairs = zip(keys, store.read(self._client, keys, read), strict=True)
        sizes = [self._size(probe.vector) for probe in probes]
        kept = [
            (key, row)
            for key, row in pairs
            if all(len(blob or b"") == n for blob, n in zip(row[:width], sizes, strict=True))
        ]
        units = [
            self._units(probe.vector, [row[at] for _, row in kept])
            for at, probe in enumerate(probes)
        ]
        stored = {name: [row[at] for _, row in kept] for at, name in enumerate(names, width)}
        return Candidates(
            ids=[self._view.id_of(key) for key, _ in kept],
            similarity=np.array(
                [self._similarity(*pair) for pair in zip(probes, units, strict=True)]
            ).T.reshape(len(kept), width),
            words=self._fit([key for key, _ in kept]),
            signals=scoring.signals(
                self._ranking.boosts,
                {name: self._column(name, stored[name]) for name in self._ranking.boosted},
                self._question.fields,
                {name: (span.least, span.greatest) for name, span in spans.items()},
                self._matching([key for key, _ in kept]),
                self._rarities(),
                len(kept),
                self._now,
            ),
            liked=self._liked(units, len(kept)),
            groups=self._groups(stored, len(kept)),
        )

    def _size(self, vector: str) -> int:
        """The bytes of a stored vector; others did not come from here."""
        dtype = vectors.DTYPES[self._catalogue.vectors[vector].type]
        return int(self._view.entry.stamps[vector].dims * dtype.itemsize)

    def _column(self, name: str, values: Sequence[bytes | None]) -> list[Any]:
        """Stored values as boosts take them, in a tenth of the time that Python's own ones need."""
        try:
            if self._catalogue.fields[name].type == "number":
                return [None if value is None else float(value) for value in values]
            return [() if value is None else lowered(value) for value in values]
        except ValueError as error:
            raise self._view.gone() from error

    def _groups(self, stored: Mapping[str, Sequence[bytes | None]], count: int) -> list[Any]:
        name = self._ranking.group_by
        return [None] * count if name is None else self._view.column(name, stored[name])

    def _units(self, vector: str, blobs: Sequence[bytes | None]) -> NDArray[np.float64]:
        """Stored vectors as ``(n, dims)``; for cosine of length 1."""
        spec, dims = self._catalogue.vectors[vector], self._view.entry.stamps[vector].dims
        joined = b"".join(blob or b"" for blob in blobs)
        stored = np.frombuffer(joined, vectors.DTYPES[spec.type]).astype(np.float64)
        rows = stored.reshape(len(blobs), dims)
        return np.asarray(vectors.normalise(rows) if spec.metric == "cosine" else rows)

    def _similarity(self, probe: Probe, rows: NDArray[np.float64]) -> Floats:
        if probe.rate is not None:
            return np.asarray(probe.rate(rows), dtype=np.float64)
        return vectors.scores(rows, probe.centre, self._catalogue.vectors[probe.vector].metric)

    def _liked(self, units: Sequence[NDArray[np.float64]], count: int) -> Places:
        """Which of the likes each is nearest to, by the first vector."""
        likes = self._question.probes[0].likes if units else None
        if likes is None or not len(likes) or not self._ranking.explain:
            return np.zeros(count, dtype=np.intp)
        return np.asarray(np.argmax(units[0] @ likes.T, axis=1))

    def _fit(self, keys: Sequence[bytes]) -> Floats:
        """How good the words fit each, NaN where none does."""
        return np.full(len(keys), math.nan) if self.words is None else self.words.scores(keys)

    def _matching(self, keys: Sequence[bytes]) -> dict[str, Floats]:
        """For each condition that is boosted 1 for those that meet it."""
        conditions = {boost.condition for boost in self._ranking.boosts if boost.kind == "match"}
        found = {}
        for condition in conditions:
            text = parse(condition, self._catalogue)
            met = query.meeting(self._client, self._catalogue.name, text, keys) if text else set()
            found[condition] = np.array([key in met for key in keys], dtype=np.float64)
        return found

    def _rarities(self) -> dict[str, dict[str, float]]:
        """How rare the seed's labels are, in small letters, where a boost weighs them by it."""
        view, name, seed = self._view, self._catalogue.name, self._question.fields
        found = {}
        for boost in self._ranking.boosts:
            if boost.kind == "overlap" and boost.idf:
                labels = list(dict.fromkeys(map(str.lower, seed.get(boost.field, ()))))
                filters = [any_of(boost.field, [each]) for each in labels]
                counts = view.known.counts(self._client, name, filters)
                found[boost.field] = {
                    label: rarity(count, max(view.items, 1))
                    for label, count in zip(labels, counts, strict=True)
                }
        return found

    def spans(self) -> dict[str, Span]:
        """How the numbers of high, low and fallbacks are spread, at most a minute old."""
        known, now = self._view.spans, time.monotonic()
        spans: dict[str, Span] = {}
        fields = {boost.field for boost in self._ranking.boosts if boost.kind in ("high", "low")}
        fields |= {each.field for each in self._ranking.fallbacks if each.kind != "same_tag"}
        for name in fields:
            if name not in known or known[name][0] < now - SPAN_SECONDS:
                known[name] = now, query.span(self._client, self._catalogue.name, name)
            # Where nobody has a value the signal is 0 for all.
            spans[name] = known[name][1] or Span(*[0.0] * len(Span._fields))
        return spans

    def _keys(self, base: str, needed: int, spans: Mapping[str, Span]) -> list[bytes]:
        """What the legs find, each once."""
        name, ranking, words = self._catalogue.name, self._ranking, self.words
        pool, items = max(ranking.pool, 2 * needed), self._view.items
        scored = (
            min(items + EXACT_MARGIN, store.MAX_SEARCHED) if ranking.exact else max(pool, SCORED)
        )
        extra = [] if words is None else words.commands(base, scored)
        if ranking.exact or ranking.mode == "text":
            fitting = words.fitting(store.answers(self._client, name, extra)) if words else []
            if ranking.mode == "text":
                return fitting
            return store.keys(self._client, name, [store.some(name, base, items + EXACT_MARGIN)])[0]
        drawn = legs.candidates(
            self._client, self._catalogue, self._targets(), base, ranking.boosts,
            self._question.fields, spans, self._view.known, items=items, pool=pool,
            now=self._now, needed=needed, extra=extra,
        )  # fmt: skip
        if words is None:
            return drawn.keys
        # For a boost a quarter will do: on films NDCG is no worse, in four fifths of the time.
        rows = pool if ranking.mode != "vector" else max(pool // 4, needed)
        return list(dict.fromkeys([*drawn.keys, *words.fitting(drawn.extra)[:rows]]))

    def _targets(self) -> list[legs.Target]:
        """What to be near to: each probe's centre, or each like where these are rated."""
        targets = []
        for probe in self._question.probes:
            dtype = self._catalogue.vectors[probe.vector].type
            around = [probe.centre]
            if probe.rate is not None and probe.likes is not None and len(probe.likes):
                around = list(probe.likes)
            targets += [
                legs.Target(probe.vector, vectors.to_bytes(point, dtype), probe.share)
                for point in around
            ]
        return targets
