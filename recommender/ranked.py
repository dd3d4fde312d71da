"""A question with a ranking: its candidates in order, and what put each in its place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import calibration, fallbacks, fusion, lexical, scoring, vectors
from recommender.calibration import check_min_relevance
from recommender.candidates import Candidates, Finder
from recommender.catalogue import vector_field
from recommender.collapse import Collapsed, collapse, threshold_of
from recommender.cut import natural_cut
from recommender.question import Question
from recommender.scoring import Floats, Places
from recommender.store import candidates as store
from recommender.store.connection import Client
from recommender.store.pools import Row
from recommender.view import View
from recommender.where import EVERYTHING, any_of
from recommender.wishes import MAX_POOL, Page, Ranking, Where

SPREAD = 1000
"""Diversity chooses among so many candidates at most, the same ones for every page."""

Told = dict[int, dict[str, Any]]
"""For places of candidates why they stand there."""


def condition(view: View, question: Question, where: Where, ranking: Ranking) -> str | None:
    """What every hit passes, in the engine's own text; None where nothing can.

    ``where``, and what the seed has in the fields of ``same`` and has not in those of ``differ``.
    """
    seed = question.fields
    if any(name not in seed for name in ranking.same):  # nothing is the same as nothing
        return None
    relative = [any_of(name, seed[name]) for name in ranking.same]
    relative += [f"(-{any_of(name, seed[name])})" for name in ranking.differ if name in seed]
    base = view.parse(where)
    if base is None or not relative:
        return base
    return f"({' '.join([*([] if base == EVERYTHING else [base]), *relative])})"


class Ranked:
    """One question with its ranking, put to one catalogue."""

    def __init__(
        self, client: Client, view: View, question: Question, page: Page, ranking: Ranking
    ) -> None:
        self._client = client
        self._view = view
        self._question = question
        self._page = page
        self._ranking = ranking
        self._finder = Finder(client, view, question, ranking, page.exclude)

    def rows(self, base: str, *, is_kept: bool = False) -> list[Row]:
        """The candidates that pass the filter ``base``, best first, ties by id; then fallbacks.

        Up to the end of the page, all of them where the pool ``is_kept`` for other pages.
        """
        page, ranking = self._page, self._ranking
        found = self._finder.find(base, page.end + len(page.exclude))
        scores, relevances = self._scores(found), self._relevances(found)
        fused = self._fused(found, scores)
        totals, told = self._totals(found, fused), Told()
        order = scoring.ordered(totals, found.ids)
        order = order[self._is_wanted(found, scores, relevances)[order]][:MAX_POOL]
        if ranking.cut is not None:
            order = order[: natural_cut(totals[order])]
        if ranking.collapse is not None and len(order):
            is_whole = is_kept or ranking.group_by is not None or ranking.diversity > 0
            order = self._collapsed(found, order, told, None if is_whole else page.end)
        if ranking.group_by is not None:
            groups = [found.groups[at] for at in order]
            order = order[scoring.in_groups(groups, ranking.group_size)]
        if ranking.diversity and len(order):
            count = SPREAD if is_kept else min(page.end, SPREAD)
            order = self._spread(found, totals, order, told, count)
        places = (order if is_kept else order[: page.end]).tolist()
        why = self._why(found, scores, fused, totals, places) if ranking.explain else {}
        rows = [
            Row(
                found.ids[at],
                float(scores[at]),
                None if relevances is None else round(float(relevances[at]), 6),
                self._source(found, at),
                {**why[at], **told.get(at, {})} if why else None,
            )
            for at in places
        ]
        return rows + self._fallbacks(rows, base)

    def _totals(self, found: Candidates, fused: Floats) -> Floats:
        """What decides: similarity, words or both, and the boosts; six digits."""
        weights = np.array([boost.weight for boost in self._ranking.boosts])
        return np.asarray(np.round(fused + found.signals @ weights, 6))

    def _scores(self, found: Candidates) -> Floats:
        """The similarity of each candidate; in mode text how good the words fit by the best."""
        if self._ranking.mode == "text":
            return np.round(fusion.shared(found.words), 6)
        shares = np.array([probe.share for probe in self._question.probes])
        return np.asarray(np.round(found.similarity @ shares, 6))

    def _relevances(self, found: Candidates) -> Floats | None:
        """The same on 0..1; None where that was not measured for each of the vectors."""
        known, probes = self._view.entry.calibration, self._question.probes
        if self._ranking.mode == "text" or any(probe.vector not in known for probe in probes):
            return None
        parts = {
            probe.vector: known[probe.vector].relevance(np.round(found.similarity[:, at], 6))
            for at, probe in enumerate(probes)
        }
        return calibration.blended(parts, {probe.vector: probe.share for probe in probes})

    def _fused(self, found: Candidates, scores: Floats) -> Floats:
        """What the boosts are added to."""
        if self._ranking.mode != "hybrid":
            return scores
        ratio = self._ranking.semantic_ratio
        if ratio == lexical.RRF:
            return fusion.rrf(fusion.ranks(scores), fusion.ranks(found.words))
        if ratio is None:
            ratio = lexical.RATIO if self._question.is_asked_in_words else lexical.ITEM_RATIO
        return fusion.blend(scores, found.words, float(ratio))

    def _why(
        self,
        found: Candidates,
        scores: Floats,
        fused: Floats,
        totals: Floats,
        places: Sequence[int],
    ) -> Told:
        """What put the candidates at ``places`` there, but for what others of them did."""
        shares, ranks = fusion.shared(found.words), fusion.ranks(found.words)
        told: Told = {}
        for at in places:
            told[at] = {**self._reasons(found, scores, at), "total": float(totals[at])}
            if not math.isnan(found.words[at]):
                told[at]["words"] = self._finder.asked_for() | {
                    "bm25": round(float(found.words[at]), 6),
                    "share": round(float(shares[at]), 6),
                    "rank": int(ranks[at]),
                }
            if self._ranking.mode != "vector":
                told[at]["base"] = round(float(fused[at]), 6)
        return told

    def _reasons(self, found: Candidates, scores: Floats, at: int) -> dict[str, Any]:
        """What is known of one candidate's place before the others are looked at."""
        question, boosts = self._question, dict[str, float]()
        for boost, signal in zip(self._ranking.boosts, found.signals[at].tolist(), strict=True):
            boosts[boost.text] = round(boosts.get(boost.text, 0.0) + boost.weight * signal, 6)
        reasons: dict[str, Any] = {"boosts": boosts}
        if self._ranking.mode == "text":  # no vector is looked at
            return reasons
        reasons = {"similarity": float(scores[at]), **reasons}
        if len(question.probes) > 1:
            reasons["similarities"] = {
                probe.vector: round(float(value), 6)
                for probe, value in zip(question.probes, found.similarity[at], strict=True)
            }
        if len(question.likes) > 1:
            reasons["nearest"] = question.likes[found.liked[at]]
        known = self._view.entry.calibration.get(question.vector)
        if known is not None and len(question.probes) == 1:
            reasons["relevance"] = known.words(float(scores[at]))
        return reasons

    def _is_wanted(
        self, found: Candidates, scores: Floats, relevances: Floats | None
    ) -> NDArray[np.bool_]:
        """Which candidates may be shown; NaN is the score of a vector that others wrote."""
        page = self._page
        wanted = np.isfinite(scores)
        if self._ranking.mode == "text":
            wanted &= ~np.isnan(found.words)
        if page.min_relevance is not None:
            if relevances is None:  # says what is missing
                check_min_relevance(page.min_relevance, None)
            else:
                wanted &= np.round(relevances, 6) >= page.min_relevance
        return wanted if page.min_score is None else wanted & (scores >= page.min_score)

    def _source(self, found: Candidates, at: int) -> str:
        """What found it."""
        if self._ranking.mode == "hybrid":
            return "vector" if math.isnan(found.words[at]) else "hybrid"
        return self._ranking.mode

    def _collapsed(
        self, found: Candidates, order: Places, told: Told, wanted: int | None
    ) -> Places:
        """The order without what is as good as the same as the seed or something before it."""
        ids = [found.ids[at] for at in order]
        left = self._distinct(ids, wanted)
        for place in left.kept:
            if self._ranking.explain and place in left.hidden:
                told[int(order[place])] = left.why(place, ids)
        return order[left.kept]

    def _distinct(self, ids: Sequence[str], wanted: int | None = None) -> Collapsed:
        question = self._question
        metric = self._view.entry.catalogue.vectors[question.vector].metric
        known = self._view.entry.calibration.get(question.vector) if metric == "cosine" else None
        return collapse(
            self._units(ids),
            threshold_of(self._ranking.collapse, known),
            None if question.twin is None else vectors.normalise(question.twin),
            wanted,
        )

    def _spread(
        self, found: Candidates, totals: Floats, order: Places, told: Told, count: int
    ) -> Places:
        """The order by diversity, of the first ``count``; what decided it is told."""
        among, rest = order[:SPREAD], order[SPREAD:]
        units = self._units([found.ids[at] for at in among])
        places, nearest = scoring.spread_out(totals[among], units, self._ranking.diversity, count)
        for at, near in zip(among.tolist(), nearest.tolist(), strict=True):
            if self._ranking.explain and not math.isnan(near) and at != among[places[0]]:
                mmr = {"total": float(totals[at]), "nearest_chosen": round(near, 6)}
                told[at] = {**told.get(at, {}), "mmr": mmr}
        return np.concatenate([among[places], rest])

    def _units(self, ids: Sequence[str]) -> NDArray[np.floating[Any]]:
        """Vectors of length 1, by the question's main one; zeros for who has none any more."""
        vector, entry = self._question.vector, self._view.entry
        spec, dims = entry.catalogue.vectors[vector], entry.stamps[vector].dims
        keys = [(self._view.prefix + id).encode() for id in ids]
        blobs = store.read(self._client, keys, [vector_field(vector)])
        empty = np.zeros(dims, dtype=vectors.DTYPES[spec.type]).tobytes()
        joined = b"".join(b if b and len(b) == len(empty) else empty for [b] in blobs)
        matrix = np.frombuffer(joined, vectors.DTYPES[spec.type]).astype(np.float32)
        unit: NDArray[np.floating[Any]] = np.nan_to_num(
            vectors.normalise(matrix.reshape(len(ids), dims))
        )
        return unit

    def _fallbacks(self, rows: Sequence[Row], base: str) -> list[Row]:
        """What fills the page where there are too few rows."""
        page, asked = self._page, self._ranking.fallbacks
        if not asked or len(rows) >= page.end:
            return []
        is_picky = self._ranking.collapse is not None or self._ranking.group_by is not None
        wanted = page.end - len(rows)
        filled = fallbacks.fill(
            self._client, self._view.entry.catalogue, self._view.prefix, asked,
            seed=self._question.fields, base=base, exclude={*page.exclude, *(r.id for r in rows)},
            count=MAX_POOL if is_picky else wanted, spans=self._finder.spans(),
        )  # fmt: skip
        if is_picky:
            filled = self._fitting([row.id for row in rows], filled)[:wanted]
        explain = self._ranking.explain
        return [
            Row(id, None, None, kind, {"fallback": kind} if explain else None)
            for id, kind in filled
        ]

    def _fitting(
        self, shown: Sequence[str], filled: Sequence[tuple[str, str]]
    ) -> list[tuple[str, str]]:
        """Of (id, source) those that are nothing shown again, and for whose group there is room."""
        ranking, ids = self._ranking, [*shown, *(id for id, _ in filled)]
        if not ids:
            return []
        places = np.arange(len(ids))
        if ranking.collapse is not None:
            few = self._page.end if ranking.group_by is None else None
            places = places[self._distinct(ids, few).kept]
        if ranking.group_by is not None:
            keys = [(self._view.prefix + ids[at]).encode() for at in places]
            read = store.read(self._client, keys, [ranking.group_by])
            values = self._view.column(ranking.group_by, [value for [value] in read])
            places = places[scoring.in_groups(values, ranking.group_size)]
        return [filled[at - len(shown)] for at in places.tolist() if at >= len(shown)]
