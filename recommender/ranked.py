"""A question with a ranking: candidates from the legs, scored, spread out, and made into hits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import legs, vectors
from recommender.arguments import check_min_score, check_page
from recommender.catalogue import vector_field
from recommender.items import Hit, Item
from recommender.ranking import Candidate, Ranking, in_groups, relative, score, spread_out, why
from recommender.store import hashes, query
from recommender.store.connection import Client
from recommender.store.query import Span
from recommender.view import Page, View, Where
from recommender.where import EVERYTHING, parse

SPAN_SECONDS = 60.0
"""How old the knowledge of a number's span may be."""

EACH_UP_TO = 100_000
"""Items up to which a leg compares all that pass its filter."""

SPREAD = 5
"""Diversity chooses among so many candidates for each hit that is wanted."""

Rate = Callable[[NDArray[np.floating[Any]]], NDArray[np.floating[Any]]]
"""Unit vectors ``(n, dims)`` -> their scores ``(n,)``."""


class Ranked:
    """Answers questions with a ranking about one vector of a catalogue."""

    def __init__(self, client: Client, view: View, vector: str) -> None:
        self._client = client
        self._view = view
        self._vector = vector
        self._catalogue = view.entry.catalogue
        self._spec = self._catalogue.vectors[vector]

    def hits(
        self,
        blob: bytes,
        seed: Item,
        page: Page,
        ranking: Ranking,
        *,
        exact: bool,
        more: Sequence[bytes] = (),
        rate: Rate | None = None,
    ) -> list[Hit]:
        """The hits of the page, best first, ties by id; those excluded are never among them.

        Candidates are the nearest to ``blob`` and to ``more`` vectors; ``rate`` gives their scores
        where these are not the similarity to ``blob``.
        """
        check_page(page.limit, page.offset, len(page.exclude))
        check_min_score(page.min_score)
        names = self._view.wanted(page.fields)
        conditions = relative(ranking, seed.fields)
        base = None if conditions is None else self._view.parse(_joined(page.where, conditions))
        if base is None:
            return []
        now = time.time()
        spans = self._spans(ranking)
        rows = self._rows(blob, base, seed, page, ranking, spans, now, exact=exact, more=more)
        candidates = self._candidates(rows, page, rate)
        score(
            candidates,
            ranking,
            seed.fields,
            {name: (span.least, span.greatest) for name, span in spans.items()},
            self._matching(candidates, ranking),
            now,
        )
        candidates.sort(key=lambda candidate: (-candidate.total, candidate.id))
        candidates = in_groups(candidates, ranking)
        if ranking.diversity and candidates:
            candidates = self._spread(candidates, page, ranking)
        shown = candidates[page.offset : page.offset + page.limit]
        return self._made(shown, names, seed, ranking)

    def _rows(
        self,
        blob: bytes,
        base: str,
        seed: Item,
        page: Page,
        ranking: Ranking,
        spans: Mapping[str, Span],
        now: float,
        *,
        exact: bool,
        more: Sequence[bytes],
    ) -> list[query.Found]:
        needed = page.offset + page.limit + len(page.exclude)
        pool = max(ranking.pool, 2 * needed)
        if exact:
            return query.knn(self._client, self._knn(blob, base, max(self._view.items, 1), ranking))
        texts = legs.filters(base, ranking.boosts, seed.fields, spans, self._catalogue, now)
        firsts = legs.extremes(base, ranking.boosts, spans)
        share = max(pool // 2 // max(len(texts) - 1, 1), 30)
        sizes = [pool if len(texts) == 1 else pool // 2, *[share] * (len(texts) - 1)]
        knns = [
            self._knn(blob, text, size, ranking) for text, size in zip(texts, sizes, strict=True)
        ]
        vector = vector_field(self._vector)
        columns = [vector, *ranking.columns]
        name = self._catalogue.name
        first = [query.Sorted(name, text, by, up, share, columns) for text, by, up in firsts]
        size = max(pool // 2 // max(len(more), 1), 30)
        others = [self._knn(other, base, size, ranking, (vector,)) for other in more]
        answers = query.many(self._client, [*knns, *others, *first])
        found = {row.key: row for rows in answers[: len(knns)] for row in rows}
        for rows in answers[len(knns) :]:
            fresh = [row for row in rows if row.key not in found]
            found |= {row.key: row for row in self._measured(fresh, blob)}
        return list(found.values())

    def _measured(self, rows: Sequence[query.Found], blob: bytes) -> list[query.Found]:
        """Rows that came without a distance, with the one that the engine would give them."""
        dtype = vectors.DTYPES[self._spec.type]
        query_vector = np.frombuffer(blob, dtype).astype(np.float64)
        key = vector_field(self._vector).encode()
        blobs = [dict(zip(row.fields[::2], row.fields[1::2], strict=True)).get(key) for row in rows]
        kept = [row for row, stored in zip(rows, blobs, strict=True) if stored is not None]
        if not kept:
            return []
        joined = b"".join(stored for stored in blobs if stored is not None)
        matrix = np.frombuffer(joined, dtype).astype(np.float64).reshape(len(kept), -1)
        if self._spec.metric == "l2":
            distances = ((matrix - query_vector) ** 2).sum(axis=1)
        else:
            distances = 1.0 - matrix @ query_vector
        return [
            query.Found(row.key, float(distance), row.fields)
            for row, distance in zip(kept, distances, strict=True)
        ]

    def _knn(
        self, blob: bytes, filter: str, size: int, ranking: Ranking, more: Sequence[str] = ()
    ) -> query.Knn:
        policy: query.Policy | None = None
        if self._spec.index == "hnsw":
            few = self._view.items <= EACH_UP_TO
            policy = (
                "each"
                if few and (filter != EVERYTHING or size >= self._view.items)
                else ("graph" if filter == EVERYTHING else "batches")
            )
        columns = [*more, *ranking.columns]
        return query.Knn(
            self._catalogue.name, self._vector, blob, size, size, filter, columns, policy
        )

    def _candidates(
        self, rows: Sequence[query.Found], page: Page, rate: Rate | None
    ) -> list[Candidate]:
        candidates = []
        for row in rows:
            id = self._view.id_of(row.key)
            similarity = vectors.score_of(row.distance, self._spec.metric)
            if id not in page.exclude and similarity == similarity:
                candidates.append(Candidate(id, similarity, self._view.unpacked(row.fields)))
        if rate is not None and candidates:
            for candidate, rated in zip(
                candidates, rate(self._unit_vectors(candidates)), strict=True
            ):
                candidate.score = float(rated)
        for candidate in candidates:
            candidate.score = round(candidate.score, 6)
        least = -math.inf if page.min_score is None else page.min_score
        return [candidate for candidate in candidates if candidate.score >= least]

    def _matching(self, candidates: Sequence[Candidate], ranking: Ranking) -> dict[str, set[str]]:
        conditions = {boost.condition for boost in ranking.boosts if boost.kind == "match"}
        keys = [self._view.prefix + candidate.id for candidate in candidates]
        found: dict[str, set[str]] = {}
        for condition in conditions:
            text = parse(condition, self._catalogue)
            met = (
                set()
                if text is None
                else query.meeting(self._client, self._catalogue.name, text, keys)
            )
            found[condition] = {self._view.id_of(key) for key in met}
        return found

    def _spans(self, ranking: Ranking) -> dict[str, Span]:
        known, now = self._view.spans, time.monotonic()
        spans: dict[str, Span] = {}
        for name in {boost.field for boost in ranking.boosts if boost.kind in ("high", "low")}:
            if name not in known or known[name][0] < now - SPAN_SECONDS:
                known[name] = now, query.span(self._client, self._catalogue.name, name)
            # Where nobody has a value the signal is 0 for all.
            spans[name] = known[name][1] or Span(*[0.0] * len(Span._fields))
        return spans

    def _spread(self, candidates: list[Candidate], page: Page, ranking: Ranking) -> list[Candidate]:
        count = page.offset + page.limit
        among, rest = candidates[: SPREAD * count + 20], candidates[SPREAD * count + 20 :]
        return spread_out(among, self._unit_vectors(among), ranking.diversity, count) + rest

    def _unit_vectors(self, candidates: Sequence[Candidate]) -> NDArray[np.floating[Any]]:
        ids = [candidate.id for candidate in candidates]
        blobs = hashes.read_many(self._client, self._view.prefix, ids, [vector_field(self._vector)])
        dims = self._view.entry.stamps[self._vector].dims
        empty = np.zeros(dims, dtype=vectors.DTYPES[self._spec.type]).tobytes()
        joined = b"".join(blob or empty for [blob] in blobs)
        matrix = np.frombuffer(joined, vectors.DTYPES[self._spec.type]).astype(np.float32)
        unit: NDArray[np.floating[Any]] = np.nan_to_num(
            vectors.normalise(matrix.reshape(len(ids), dims))
        )
        return unit

    def _made(
        self, shown: Sequence[Candidate], names: Sequence[str], seed: Item, ranking: Ranking
    ) -> list[Hit]:
        """The hits with their fields; one that was deleted meanwhile is left out."""
        ids = [candidate.id for candidate in shown]
        read = [hashes.DIGEST, *(self._catalogue.fields if ranking.explain else names)]
        found = hashes.read_many(self._client, self._view.prefix, ids, read)
        hits = []
        for candidate, (digest, *blobs) in zip(shown, found, strict=True):
            if digest is None:
                continue
            pairs = [
                part
                for name, blob in zip(read[1:], blobs, strict=True)
                if blob is not None
                for part in (name.encode(), blob)
            ]
            candidate.fields = self._view.unpacked(pairs)
            fields = {name: candidate.fields[name] for name in names if name in candidate.fields}
            reason = why(candidate, ranking, seed.fields) if ranking.explain else None
            hits.append(Hit(candidate.id, candidate.score, fields, why=reason))
        return hits


def _joined(where: Where, conditions: Sequence[Mapping[str, Any]]) -> Where:
    if not conditions:
        return where
    given: Sequence[Any] = list(where) if isinstance(where, (list, tuple)) else [where]
    return [*given, *conditions]
