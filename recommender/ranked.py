"""A question with a ranking: its candidates in order, and what put each in its place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import scoring, vectors
from recommender.candidates import Candidates, Finder
from recommender.catalogue import vector_field
from recommender.legs import any_of
from recommender.question import Question
from recommender.reasons import Row
from recommender.scoring import Floats, Places
from recommender.store import hashes
from recommender.store.connection import Client
from recommender.view import View
from recommender.wishes import MAX_POOL, Page, Ranking, Where

SPREAD = 5
"""Diversity chooses among so many candidates for each hit that is wanted."""


def condition(view: View, question: Question, where: Where, ranking: Ranking) -> str | None:
    """What every hit passes, in the engine's own text; None where nothing can.

    ``where``, and what the seed has in the fields of ``same`` and has not in those of ``differ``.
    """
    seed = question.fields
    if any(name not in seed for name in ranking.same):  # nothing is the same as nothing
        return None
    relative: list[Any] = [any_of(name, seed[name]) for name in ranking.same]
    relative += [{"not": any_of(name, seed[name])} for name in ranking.differ if name in seed]
    if not relative:
        return view.parse(where)
    return view.parse([*(where if isinstance(where, (list, tuple)) else [where]), *relative])


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

    def rows(self, base: str) -> list[Row]:
        """All candidates that pass the filter ``base``, best first, ties by id."""
        page, ranking = self._page, self._ranking
        finder = Finder(self._client, self._view, self._question, ranking, page.exclude)
        found = finder.find(base, page.end + len(page.exclude))
        scores, totals = self._scores(found)
        order = scoring.ordered(totals, found.ids)
        order = order[self._is_wanted(found, scores)[order]][:MAX_POOL]
        order = order[scoring.in_groups([found.groups[at] for at in order], ranking.group_size)]
        told = self._told(found, scores, totals, order) if ranking.explain else {}
        if ranking.diversity and len(order):
            order = self._spread(found, totals, order, told)
        return [Row(found.ids[at], float(scores[at]), why=told.get(at)) for at in order.tolist()]

    def _scores(self, found: Candidates) -> tuple[Floats, Floats]:
        """The similarity of each candidate, and the total that decides: six digits each."""
        shares = np.array([probe.share for probe in self._question.probes])
        weights = np.array([boost.weight for boost in self._ranking.boosts])
        scores = np.round(found.similarity @ shares, 6)
        return scores, np.round(scores + found.signals @ weights, 6)

    def _is_wanted(self, found: Candidates, scores: Floats) -> NDArray[np.bool_]:
        """Which candidates may be shown; NaN is the score of a vector that others wrote."""
        page = self._page
        wanted = np.isfinite(scores)
        return wanted if page.min_score is None else wanted & (scores >= page.min_score)

    def _told(
        self, found: Candidates, scores: Floats, totals: Floats, order: Places
    ) -> dict[int, dict[str, Any]]:
        """For each place in ``order`` what made its total."""
        boosts, likes = self._ranking.boosts, self._question.likes
        told = {}
        for at in order.tolist():
            told[at] = {
                "similarity": float(scores[at]),
                "boosts": {
                    boost.text: round(boost.weight * float(signal), 6)
                    for boost, signal in zip(boosts, found.signals[at], strict=True)
                },
                "total": float(totals[at]),
            }
            if len(likes) > 1:
                told[at]["nearest"] = likes[found.liked[at]]
        return told

    def _spread(
        self, found: Candidates, totals: Floats, order: Places, told: dict[int, dict[str, Any]]
    ) -> Places:
        """The order by diversity; what decided it is told."""
        count = self._page.end
        among, rest = order[: SPREAD * count + 20], order[SPREAD * count + 20 :]
        units = self._units([found.ids[at] for at in among])
        places, nearest = scoring.spread_out(totals[among], units, self._ranking.diversity, count)
        for at, near in zip(among.tolist(), nearest.tolist(), strict=True):
            if at in told and not math.isnan(near):
                told[at]["mmr"] = {"total": float(totals[at]), "nearest_chosen": round(near, 6)}
        return np.concatenate([among[places], rest])

    def _units(self, ids: list[str]) -> NDArray[np.floating[Any]]:
        """Vectors of length 1, by the question's main one; zeros for who has none any more."""
        vector, entry = self._question.vector, self._view.entry
        spec, dims = entry.catalogue.vectors[vector], entry.stamps[vector].dims
        blobs = hashes.read_many(self._client, self._view.prefix, ids, [vector_field(vector)])
        empty = np.zeros(dims, dtype=vectors.DTYPES[spec.type]).tobytes()
        joined = b"".join(blob or empty for [blob] in blobs)
        matrix = np.frombuffer(joined, vectors.DTYPES[spec.type]).astype(np.float32)
        unit: NDArray[np.floating[Any]] = np.nan_to_num(
            vectors.normalise(matrix.reshape(len(ids), dims))
        )
        return unit
