"""Candidates with their scores and totals, and why each has them."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import calibration, fusion, lexical
from recommender.calibration import check_min_relevance
from recommender.candidates import Candidates
from recommender.question import Question
from recommender.scoring import Floats
from recommender.view import View
from recommender.wishes import Page, Ranking


class Scored:
    """What candidates are worth, all arrays ``(n,)``.

    ``scores`` are what is told of them, ``relevances`` the same on 0..1 (None where that was not
    measured for each of the vectors), ``totals`` what decides. All have six digits.
    """

    def __init__(self, found: Candidates, question: Question, ranking: Ranking, view: View) -> None:
        self._found = found
        self._question = question
        self._ranking = ranking
        self._calibration = view.entry.calibration
        self.scores = self._score()
        self.relevances = self._relevance()
        self._fused = self._fuse()
        weights = np.array([boost.weight for boost in ranking.boosts])
        self.totals: Floats = np.round(self._fused + found.signals @ weights, 6)

    def _score(self) -> Floats:
        """The similarity of each candidate; in mode text how good the words fit by the best."""
        if self._ranking.mode == "text":
            return np.round(fusion.shared(self._found.words), 6)
        shares = np.array([probe.share for probe in self._question.probes])
        return np.asarray(np.round(self._found.similarity @ shares, 6))

    def _relevance(self) -> Floats | None:
        """The same on 0..1; None where that was not measured for each of the vectors."""
        known, probes = self._calibration, self._question.probes
        if self._ranking.mode == "text" or any(probe.vector not in known for probe in probes):
            return None
        parts = {
            probe.vector: known[probe.vector].relevance(np.round(self._found.similarity[:, at], 6))
            for at, probe in enumerate(probes)
        }
        shares = {probe.vector: probe.share for probe in probes}
        return np.round(calibration.blended(parts, shares), 6)

    def _fuse(self) -> Floats:
        """What the boosts are added to."""
        if self._ranking.mode != "hybrid":
            return self.scores
        ratio = self._ranking.semantic_ratio
        if ratio == lexical.RRF:
            return fusion.rrf(fusion.ranks(self.scores), fusion.ranks(self._found.words))
        if ratio is None:
            ratio = lexical.RATIO if self._question.is_asked_in_words else lexical.ITEM_RATIO
        return fusion.blend(self.scores, self._found.words, float(ratio))

    def is_wanted(self, page: Page) -> NDArray[np.bool_]:
        """Which candidates may be shown; NaN is the score of a vector that others wrote."""
        wanted = np.isfinite(self.scores)
        if self._ranking.mode == "text":
            wanted &= ~np.isnan(self._found.words)
        if page.min_relevance is not None:
            if self.relevances is None:  # says what is missing
                check_min_relevance(page.min_relevance, None)
            else:
                wanted &= self.relevances >= page.min_relevance
        return wanted if page.min_score is None else wanted & (self.scores >= page.min_score)

    def source(self, at: int) -> str:
        """What found it."""
        if self._ranking.mode == "hybrid":
            return "vector" if math.isnan(self._found.words[at]) else "hybrid"
        return self._ranking.mode

    def why(self, at: int) -> dict[str, Any]:
        """What put one candidate into its place, but for what others of them did."""
        found, question, boosts = self._found, self._question, dict[str, float]()
        for boost, signal in zip(self._ranking.boosts, found.signals[at].tolist(), strict=True):
            boosts[boost.text] = round(boosts.get(boost.text, 0.0) + boost.weight * signal, 6)
        reasons: dict[str, Any] = {} if self._ranking.mode == "text" else self._nearness(at)
        reasons |= {"boosts": boosts, "total": float(self.totals[at])}
        if len(question.likes) > 1:
            reasons["nearest"] = question.likes[found.liked[at]]
        if not math.isnan(found.words[at]):
            reasons["words"] = {
                "bm25": round(float(found.words[at]), 6),
                "share": round(float(self._word_shares[at]), 6),
                "rank": int(self._word_ranks[at]),
            }
        if self._ranking.mode != "vector":
            reasons["base"] = round(float(self._fused[at]), 6)
        return reasons

    def _nearness(self, at: int) -> dict[str, Any]:
        """The similarity, by each vector where there are several, and what it means."""
        probes, similarity = self._question.probes, self._found.similarity[at].tolist()
        told: dict[str, Any] = {"similarity": float(self.scores[at])}
        if len(probes) > 1:
            told["similarities"] = {
                probe.vector: round(value, 6)
                for probe, value in zip(probes, similarity, strict=True)
            }
        known = self._calibration.get(self._question.vector)
        if known is not None and len(probes) == 1:
            told["relevance"] = known.words(float(self.scores[at]))
        return told

    @cached_property
    def _word_shares(self) -> Floats:
        return fusion.shared(self._found.words)

    @cached_property
    def _word_ranks(self) -> Floats:
        return fusion.ranks(self._found.words)
