"""A question with a ranking: its candidates in order, and what put each in its place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import fallbacks, scoring, vectors
from recommender.candidates import Candidates, Finder
from recommender.catalogue import vector_field
from recommender.collapse import Collapsed, collapse, threshold_of
from recommender.cut import natural_cut
from recommender.question import Question
from recommender.scored import Scored
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
        scored, told = Scored(found, self._question, ranking, self._view), Told()
        totals = scored.totals
        order = scoring.ordered(totals, found.ids)
        order = order[scored.is_wanted(page)[order]][:MAX_POOL]
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
        rows = [
            Row(
                found.ids[at],
                float(scored.scores[at]),
                None if scored.relevances is None else float(scored.relevances[at]),
                scored.source(at),
                self._why(scored, at, told) if ranking.explain else None,
            )
            for at in places
        ]
        return rows + self._fallbacks(rows, base)

    def _why(self, scored: Scored, at: int, told: Told) -> dict[str, Any]:
        """Why a candidate stands there, with the words that were looked for and what others did."""
        why, words = scored.why(at), self._finder.words
        if words is not None and "words" in why:
            why["words"] = words.asked() | why["words"]
        return why | told.get(at, {})

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
