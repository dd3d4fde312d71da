"""The candidates of a question: found by the legs, read at once, scored exactly."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import legs, scoring, vectors
from recommender.catalogue import vector_field
from recommender.question import Probe, Question
from recommender.scoring import Floats, Places
from recommender.store import hashes, query
from recommender.store.connection import Client
from recommender.store.query import Span
from recommender.view import View
from recommender.where import parse
from recommender.wishes import Ranking

BLOCK = 5000
"""Candidates that are read at once: their vectors are not kept."""

SPAN_SECONDS = 60.0
"""How old the knowledge of a number's span may be."""


@dataclass(slots=True)
class Candidates:
    """What is known of ``n`` items.

    ``similarity`` is ``(n, probes)``, ``signals`` ``(n, boosts)``, ``liked`` ``(n,)`` the nearest
    of several likes; ``groups`` are the values of the field to group by.
    """

    ids: list[str]
    similarity: Floats
    signals: Floats
    liked: Places
    groups: list[Any]

    def take(self, places: Places) -> Candidates:
        """Those at ``places``, in that order."""
        return Candidates(
            [self.ids[at] for at in places],
            self.similarity[places],
            self.signals[places],
            self.liked[places],
            [self.groups[at] for at in places],
        )


def joined(blocks: Sequence[Candidates]) -> Candidates:
    """All of the blocks, one after the other."""
    return Candidates(
        list(chain.from_iterable(block.ids for block in blocks)),
        np.concatenate([block.similarity for block in blocks]),
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

    def find(self, base: str, needed: int) -> Candidates:
        """Items that pass the filter ``base``: at least ``needed`` of them, if there are so many.

        One that lacks a vector which is asked about is no candidate.
        """
        spans = self._spans()
        keys = self._keys(base, needed, spans)
        prefix = self._view.prefix.encode()
        gone = {prefix + id.encode() for id in self._exclude}
        keys = [key for key in keys if key not in gone]
        starts = range(0, max(len(keys), 1), BLOCK)
        return joined([self._scored(keys[start : start + BLOCK], spans) for start in starts])

    def _scored(self, keys: Sequence[bytes], spans: Mapping[str, Span]) -> Candidates:
        probes, names = self._question.probes, self._ranking.columns
        width = len(probes)
        read = [*(vector_field(probe.vector) for probe in probes), *names]
        pairs = zip(keys, hashes.values(self._client, keys, read), strict=True)
        kept = [(key, row) for key, row in pairs if None not in row[:width]]
        units = [
            self._units(probe.vector, [row[at] for _, row in kept])
            for at, probe in enumerate(probes)
        ]
        columns = {
            name: self._view.column(name, [row[at] for _, row in kept])
            for at, name in enumerate(names, width)
        }
        return Candidates(
            ids=[self._view.id_of(key) for key, _ in kept],
            similarity=np.stack(
                [self._similarity(*pair) for pair in zip(probes, units, strict=True)], axis=1
            ),
            signals=scoring.signals(
                self._ranking.boosts,
                columns,
                self._question.fields,
                {name: (span.least, span.greatest) for name, span in spans.items()},
                self._matching([key for key, _ in kept]),
                len(kept),
                self._now,
            ),
            liked=self._liked(units[0]),
            groups=columns.get(self._ranking.group_by or "", [None] * len(kept)),
        )

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

    def _liked(self, rows: NDArray[np.float64]) -> Places:
        """Which of the likes each row is nearest to."""
        likes = self._question.probes[0].likes
        if likes is None or not len(likes) or not self._ranking.explain:
            return np.zeros(len(rows), dtype=np.intp)
        return np.asarray(np.argmax(rows @ likes.T, axis=1))

    def _matching(self, keys: Sequence[bytes]) -> dict[str, Floats]:
        """For each condition that is boosted 1 for those that meet it."""
        conditions = {boost.condition for boost in self._ranking.boosts if boost.kind == "match"}
        found = {}
        for condition in conditions:
            text = parse(condition, self._catalogue)
            met = query.meeting(self._client, self._catalogue.name, text, keys) if text else set()
            found[condition] = np.array([key in met for key in keys], dtype=np.float64)
        return found

    def _spans(self) -> dict[str, Span]:
        known, now = self._view.spans, time.monotonic()
        spans: dict[str, Span] = {}
        fields = {boost.field for boost in self._ranking.boosts if boost.kind in ("high", "low")}
        for name in fields:
            if name not in known or known[name][0] < now - SPAN_SECONDS:
                known[name] = now, query.span(self._client, self._catalogue.name, name)
            # Where nobody has a value the signal is 0 for all.
            spans[name] = known[name][1] or Span(*[0.0] * len(Span._fields))
        return spans

    def _keys(self, base: str, needed: int, spans: Mapping[str, Span]) -> list[bytes]:
        """What the legs find, each once."""
        name, items = self._catalogue.name, max(self._view.items, 1)
        pool = max(self._ranking.pool, 2 * needed)
        queries: list[query.Knn | query.Sorted] = []
        for probe in self._question.probes:
            if self._ranking.exact:
                queries.append(self._knn(probe, probe.centre, base, items))
                continue
            texts = legs.filters(
                base, self._ranking.boosts, self._question.fields, spans, self._catalogue, self._now
            )
            share = max(pool // 2 // max(len(texts) - 1, 1), 30)
            sizes = [pool if len(texts) == 1 else pool // 2, *[share] * (len(texts) - 1)]
            for text, size in zip(texts, sizes, strict=True):
                queries.append(self._knn(probe, probe.centre, text, size))
            around = () if probe.rate is None or probe.likes is None else probe.likes
            for like in around:
                queries.append(self._knn(probe, like, base, max(pool // 2 // len(around), 30)))
            for text, by, up in legs.extremes(base, self._ranking.boosts, spans):
                queries.append(query.Sorted(name, text, by, up, share, ["_digest"]))
        found = query.many(self._client, queries)
        return list(dict.fromkeys(row.key for rows in found for row in rows))

    def _knn(self, probe: Probe, centre: Any, filter: str, size: int) -> query.Knn:
        spec = self._catalogue.vectors[probe.vector]
        policy: query.Policy | None = None
        if spec.index == "hnsw":
            few = self._view.items <= 100_000
            policy = (
                "each"
                if few and (filter != "*" or size >= self._view.items)
                else ("graph" if filter == "*" else "batches")
            )
        blob = vectors.to_bytes(centre, spec.type)
        return query.Knn(self._catalogue.name, probe.vector, blob, size, size, filter, (), policy)
