"""Words in the full-text index: how many items hold them, and which items they fit best.

Scores are the engine's BM25 (scorer BM25STD, k1 1.2): from 0, higher is better, without an upper
end, and to be compared within one question only. Robertson and Zaragoza 2009, "The Probabilistic
Relevance Framework: BM25 and Beyond". Field weights count as so many occurrences.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from recommender.lexical import Words, spellings
from recommender.store import query
from recommender.store.connection import Client
from recommender.store.packed import Command
from recommender.store.query import TIMEOUT_MS
from recommender.where import EVERYTHING

SCORER = "BM25STD"
"""Named, for the default is TFIDF before Redis 8. The older "BM25" divides by the distance between
the words, so that filters change its scores."""

FRESH_SECONDS = 60.0
MAX_KNOWN = 50_000
"""How long, and of how many words, the frequency is remembered."""


class Frequencies:
    """How many items hold a word or another form of it; remembered for FRESH_SECONDS.

    Old numbers cost nothing but a little of the weights' precision.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, int]] = {}

    def of(self, client: Client, index: str, words: Sequence[str]) -> dict[str, int]:
        """Word -> how many, 0 for none; all that are not known in one round trip."""
        now = time.monotonic()
        old = (now - FRESH_SECONDS, 0)
        fresh = [word for word in words if self._known.get(word, (-math.inf, 0)) < old]
        if fresh:
            if len(self._known) > MAX_KNOWN:
                self._known = {word: self._known[word] for word in words if word not in fresh}
            counted = frequencies(client, index, fresh)
            self._known |= {word: (now, count) for word, count in counted.items()}
        return {word: self._known[word][1] for word in words}


def frequencies(client: Client, index: str, words: Sequence[str]) -> dict[str, int]:
    """Word -> how many items hold it or another form of it, 0 for none, in one round trip."""
    commands = [command(index, Words({word: 1.0}), EVERYTHING, 0) for word in words]
    replies = query.replies(client, index, commands) if commands else []
    return {word: int(reply[0]) for word, reply in zip(words, replies, strict=True)}


def command(
    index: str,
    words: Words,
    filter: str,
    rows: int,
    keys: Sequence[str | bytes] | None = None,
) -> Command:
    """The command for the ``rows`` items that the words fit best; :func:`found` reads the reply.

    Items hold at least one of the words (there has to be one) and pass ``filter`` (the engine's own
    text, see ``where.parse``), which adds nothing to the score. With ``keys``, not empty, only
    these items are looked at.
    """
    params: list[str] = []
    terms = f"({'|'.join(_terms(words, params))})"
    text = f"({'|'.join([terms, *_labels(words, params)])})"
    if filter != EVERYTHING:
        # Labels are words to the scorer, and some versions pass over the weight of a group of one.
        text = f"({text} ({filter}|{filter})=>{{$weight: 0;}})"
    within = () if keys is None else ("INKEYS", len(keys), *keys)
    return (
        "FT.SEARCH", index, text, "NOCONTENT", "WITHSCORES", *within, "SCORER", SCORER,
        "LIMIT", 0, rows, "PARAMS", len(params), *params, "DIALECT", 2, "TIMEOUT", TIMEOUT_MS,
    )  # fmt: skip


def found(reply: Any) -> list[tuple[bytes, float]]:
    """The reply to :func:`command`: keys with their scores, best first, ties by key."""
    pairs = [(key, float(score)) for key, score in zip(reply[1::2], reply[2::2], strict=True)]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def scores(
    client: Client, index: str, words: Words, keys: Sequence[str | bytes]
) -> dict[bytes, float]:
    """Of those of ``keys`` that hold one of the words: key -> score."""
    if not words or not keys:
        return {}
    [reply] = query.replies(client, index, [command(index, words, EVERYTHING, len(keys), keys)])
    return dict(found(reply))


def _terms(words: Words, params: list[str]) -> list[str]:
    """The words as parts of a query that holds only the names of ``params``, which it adds."""
    is_plain = len(set(words.terms.values())) == 1
    parts = []
    for word, weight in words.terms.items():
        names = _named(spellings(word), params)
        if is_plain:
            parts += names
            continue
        # Twice: some versions pass over the weight of a single word. And not as alternatives, for
        # the engine's parser takes a group of these, with its weight, for the group around it.
        either = f"({'|'.join(names)})"
        parts.append(f"({either} {either})=>{{$weight: {weight:.6f};}}")
    return parts


def _labels(words: Words, params: list[str]) -> list[str]:
    if not words.labels:
        return []
    either = "|".join(_named(words.labels, params))
    return [f"@{name}:{{{either}}}" for name in words.tags]


def _named(values: Sequence[str], params: list[str]) -> list[str]:
    """Names for the values, which go into ``params`` under them."""
    names = []
    for value in values:
        name = f"p{len(params) // 2}"
        params += (name, value)
        names.append(f"${name}")
    return names
