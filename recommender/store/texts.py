"""Words in the full-text index: how many items hold them, and which items they fit best.

Scores are the engine's BM25 (scorer BM25STD, k1 1.2): from 0, higher is better, without an upper
end, and to be compared within one question only. Robertson and Zaragoza 2009, "The Probabilistic
Relevance Framework: BM25 and Beyond". Field weights count as so many occurrences.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from recommender.lexical import Wording, spellings
from recommender.store.candidates import KNOWN_SECONDS, MAX_KNOWN, answers
from recommender.store.connection import Client
from recommender.store.packed import Command
from recommender.store.query import TIMEOUT_MS
from recommender.where import EVERYTHING

GROUP = 16
"""Alternatives side by side. The engine merges more than 20 in another way, which on 2.10.5 may go
round without end where a filter stands beside them."""

SCORER = "BM25STD"
"""Named, for the default is TFIDF before Redis 8. The older "BM25" divides by the distance between
the words, so that filters change its scores."""


def frequencies(client: Client, index: str, words: Sequence[str]) -> dict[str, int]:
    """Word -> how many items hold it or another form of it, 0 for none, in one round trip.

    Raises IndexNotReady.
    """
    commands = [command(index, Wording({word: 1.0}), EVERYTHING, 0) for word in words]
    replies = answers(client, index, commands)
    return {word: int(reply[0]) for word, reply in zip(words, replies, strict=True)}


def command(index: str, wording: Wording, filter: str, rows: int) -> Command:
    """The command for the ``rows`` items that the words fit best; :func:`found` reads the reply.

    Items hold at least one of the words (there has to be one) and pass ``filter`` (the engine's own
    text, see ``where.parse``), which adds nothing to the score but may cost it some of the words.
    """
    params: list[str] = []
    text = _any([_any(_words(wording, params)), *_labels(wording, params)])
    if filter != EVERYTHING:
        # Labels are words to the scorer, and some versions pass over the weight of a group of one.
        text = f"({text} ({filter}|{filter})=>{{$weight: 0;}})"
    return (
        "FT.SEARCH", index, text, "NOCONTENT", "WITHSCORES", "SCORER", SCORER,
        "LIMIT", 0, rows, "PARAMS", len(params), *params, "DIALECT", 2, "TIMEOUT", TIMEOUT_MS,
    )  # fmt: skip


def found(reply: Any) -> list[tuple[bytes, float]]:
    """The reply to :func:`command`: keys with their scores, best first, ties by key."""
    pairs = [(key, float(score)) for key, score in zip(reply[1::2], reply[2::2], strict=True)]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def _words(wording: Wording, params: list[str]) -> list[str]:
    """The words as parts of a query that holds only the names of ``params``, which it adds."""
    is_plain = len(set(wording.terms.values())) == 1
    parts = []
    for word, weight in wording.terms.items():
        names = _named(spellings(word), params)
        if is_plain:
            parts += names
            continue
        # Twice: some versions pass over the weight of a single word. And not as alternatives, for
        # the engine's parser takes a group of these, with its weight, for the group around it.
        either = _any(names)
        parts.append(f"({either} {either})=>{{$weight: {weight:.6f};}}")
    return parts


def _labels(wording: Wording, params: list[str]) -> list[str]:
    if not wording.labels:
        return []
    names = _named(wording.labels, params)
    groups = ["|".join(names[at : at + GROUP]) for at in range(0, len(names), GROUP)]
    return [f"@{name}:{{{group}}}" for name in wording.tags for group in groups]


def _any(parts: Sequence[str]) -> str:
    """One of the parts, in groups of GROUP at most, and in groups of these."""
    while len(parts) > GROUP:
        parts = [_any(parts[at : at + GROUP]) for at in range(0, len(parts), GROUP)]
    return f"({'|'.join(parts)})"


def _named(values: Sequence[str], params: list[str]) -> list[str]:
    """Names for the values, which go into ``params`` under them."""
    names = []
    for value in values:
        name = f"p{len(params) // 2}"
        params += (name, value)
        names.append(f"${name}")
    return names


class Frequencies:
    """How many items hold a word, at most a minute old: a stale number costs a little order."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, int]] = {}

    def of(self, client: Client, index: str, words: Sequence[str]) -> dict[str, int]:
        """Word -> how many items hold it; what is not known is counted in one round trip."""
        now = time.monotonic()
        found = {
            word: kept[1]
            for word in words
            if (kept := self._known.get(word)) and kept[0] > now - KNOWN_SECONDS
        }
        if unknown := [word for word in words if word not in found]:
            counted = frequencies(client, index, unknown)
            if len(self._known) + len(counted) > MAX_KNOWN:
                self._known.clear()
            self._known.update({word: (now, count) for word, count in counted.items()})
            found |= counted
        return found
