"""The words of one question: what is looked for, what holds it, and how good it fits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from recommender import lexical
from recommender.lexical import Wording
from recommender.question import Question
from recommender.scoring import Floats
from recommender.store import texts
from recommender.store.connection import Client
from recommender.store.packed import Command
from recommender.view import View
from recommender.where import EVERYTHING


class Words:
    """Words that are looked for; after the answer the scores of the items that hold them."""

    def __init__(self, client: Client, view: View, question: Question) -> None:
        """The user's own words, or of the seed's those that tell most."""
        self._name = view.entry.catalogue.name
        self._bm25: dict[bytes, float] = {}
        self._wording = _wording(client, view, question)

    def commands(self, base: str, rows: int) -> list[Command]:
        """The queries for the ``rows`` best that pass the filter ``base``; none without a word.

        Beside a filter the engine may pass over some of an item's words: what passes it and how
        good the words fit is asked for one by one.
        """
        if not self._wording:
            return []
        filters = [base] if base == EVERYTHING else [base, EVERYTHING]
        return [texts.command(self._name, self._wording, text, rows) for text in filters]

    def fitting(self, replies: Sequence[Any]) -> list[bytes]:
        """The keys that the replies to the commands bring, best first; keeps their scores."""
        found = [dict(texts.found(reply)) for reply in replies]
        for scores in found:
            self._bm25 |= scores
        own = self._bm25
        return sorted(found[0], key=lambda key: (-own[key], key)) if found else []

    def scores(self, keys: Sequence[bytes]) -> Floats:
        """How good the words fit each (BM25), NaN where none does."""
        return np.array([self._bm25.get(key, math.nan) for key in keys], dtype=np.float64)

    def asked(self) -> dict[str, list[str]]:
        """The words, and what may be labels, that were looked for; for ``why``."""
        return {"terms": list(self._wording.terms), "labels": list(self._wording.labels)}


def _wording(client: Client, view: View, question: Question) -> Wording:
    catalogue = view.entry.catalogue
    if question.fields or question.text is None:
        own = lexical.seed_words(question.fields, catalogue)
        counted = view.frequencies.of(client, catalogue.name, list(own))
        return lexical.telling(own, counted, max(view.items, 1))
    words = lexical.asked_words(question.text)
    if len(words) <= lexical.MAX_ASKED:
        return lexical.question(question.text, catalogue)
    counted = view.frequencies.of(client, catalogue.name, words)
    return lexical.question(question.text, catalogue, counted)
