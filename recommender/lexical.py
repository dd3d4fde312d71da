"""What to ask the full-text index: the words of a user's text, or the telling ones of an item.

Words go to Redis as parameters of a query, never as a part of it (see :mod:`store.texts`), so
nothing that anybody types is read as syntax.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from recommender.catalogue import Catalogue
from recommender.errors import InvalidParameter, brief, suggest
from recommender.where import BETWEEN_WORDS, DROPPED

Mode = Literal["vector", "text", "hybrid"]
"""What ranks: likeness of vectors, words in common, or both."""

MODES: tuple[Mode, ...] = get_args(Mode)

RRF = "rrf"
"""In the place of a ratio: fuse the ranks, not the scores."""

RATIO = 0.5
"""The ratio of mode hybrid where none is given: it found films and products by words made of them
better than RRF, vectors or words alone (mean reciprocal rank)."""

ITEM_RATIO = 0.8
"""The same where an item's own words are looked for: with this the neighbours of films were as good
as by vectors alone (NDCG), with less worse."""

Terms = dict[str, float]
"""Word -> how much it counts, above 0."""


@dataclass(frozen=True, slots=True)
class Wording:
    """Any of ``terms`` in the text fields, or any of ``labels`` in one of the ``tags``.

    False where there is nothing to ask.
    """

    terms: Terms
    labels: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)


MAX_ASKED = 32
"""Words of a user's text that are asked for."""

MAX_LABEL = 3
"""Words of the longest label that is looked for in a user's text."""

MAX_TAGS = 16
"""Tag fields, the first of the catalogue, in which labels are looked for."""

SEED_WORDS = 20
"""Words that stand for an item."""

COMMON_SHARE, COMMON_ITEMS = 0.1, 1000
"""A word of an item is common where more than this share of all items, and more than so many, hold
it. Asking for it takes as long as it is common and tells little."""

MAX_COUNTED = 256
"""Words of one text that are counted at most: the first, which in long texts sum it up."""

MAX_WORD = 64
"""Characters of the longest word that is worth asking for."""

STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by for if in into is it no not of on or such that the their"
        " then there these they this to was will with",
    )
)
"""The engine's own default list. The index keeps them, so that "The Who" can be found."""

INSIDE_WORDS = re.compile(r"[^\W_]+(?:_+[^\W_]+)*")


def mode_of(catalogue: Catalogue) -> Mode | None:
    """How words are best searched for here: hybrid where there are text fields and a model.

    None where there is neither: no word can be asked for.
    """
    is_embedded = next(iter(catalogue.vectors.values())).embedder != "given"
    if text_fields(catalogue):
        return "hybrid" if is_embedded else "text"
    return "vector" if is_embedded else None


def check_mode(mode: Any, semantic_ratio: Any, catalogue: Catalogue) -> None:
    """``mode`` is one of MODES, ``semantic_ratio`` None, RRF or 0..1.

    Raises InvalidParameter naming the argument that is wrong: ``mode`` also where the catalogue has
    no text field to find words in, ``semantic_ratio`` also where there is nothing to weigh.
    """
    if mode not in MODES:
        remedy = suggest(mode if isinstance(mode, str) else "", MODES, "modes")
        raise InvalidParameter("mode", f"mode is {brief(mode)}", remedy=remedy)
    if mode != "vector" and not text_fields(catalogue):
        raise InvalidParameter(
            "mode",
            f"{catalogue.name!r} has no text field, so there are no words to find",
            remedy="Use mode vector, or declare a field of type text",
        )
    if semantic_ratio is not None:
        is_rrf = isinstance(semantic_ratio, str) and semantic_ratio == RRF
        is_number = isinstance(semantic_ratio, (int, float)) and type(semantic_ratio) is not bool
        if not is_rrf and (not is_number or not 0 <= semantic_ratio <= 1):
            raise InvalidParameter(
                "semantic_ratio",
                f"semantic_ratio is {brief(semantic_ratio)}",
                remedy="It is a number from 0 (words alone) to 1 (vectors alone), or rrf",
            )
        if mode != "hybrid":
            raise InvalidParameter(
                "semantic_ratio", f"semantic_ratio has no meaning in mode {mode}",
                remedy="Use mode hybrid",
            )  # fmt: skip


def text_fields(catalogue: Catalogue) -> list[str]:
    """The fields in which words are found."""
    return [name for name, field in catalogue.fields.items() if field.type == "text"]


def words(text: str) -> list[str]:
    """The words of ``text`` in their order, as often as they occur, ASCII letters in lower case.

    They are cut as the engine cuts them: at white space and ASCII punctuation. It leaves dashes,
    quotes and other signs beyond ASCII in its words, so for ``“heist”`` comes ``heist``, too.
    """
    found = []
    for token in BETWEEN_WORDS.split(DROPPED.sub("", text)):
        if not token.strip("_"):
            continue
        if token.isascii():
            found.append(token.lower())
            continue
        inside = INSIDE_WORDS.findall(token)
        found += [_lower(word) for word in dict.fromkeys((token, *inside))]
    return [word for word in found if len(word) <= MAX_WORD]


def spellings(word: str) -> list[str]:
    """The forms in which the index may hold ``word``: it ignores the case of ASCII letters only."""
    if word.isascii():
        return [word]
    lower = word.lower()
    return list(dict.fromkeys((word, _lower(lower), _lower(lower[:1].upper() + lower[1:]))))


def asked_words(text: str) -> list[str]:
    """The distinct words of a user's text, MAX_COUNTED at most, in their order.

    Without stop words, unless there are no others.
    """
    distinct = list(dict.fromkeys(words(text)))
    telling = [word for word in distinct if word not in STOP_WORDS]
    return (telling or distinct)[:MAX_COUNTED]


def question(
    text: str, catalogue: Catalogue, frequencies: Mapping[str, int] | None = None
) -> Wording:
    """What to ask for a user's text; each word counts the same, for the engine weighs them itself.

    Of more than MAX_ASKED words the rarest by ``frequencies`` (word -> items that hold it) are
    kept, of those that occur at all; without ``frequencies`` the first. The labels of tags are
    found, too, where the text holds one as it is: "comedy", "time travel".
    """
    asked = asked_words(text)
    if len(asked) > MAX_ASKED:
        if frequencies is not None:
            asked = [word for word in asked if frequencies.get(word, 0)]
            asked.sort(key=lambda word: frequencies.get(word, 0))
        asked = asked[:MAX_ASKED]
    tags = [name for name, field in catalogue.fields.items() if field.type == "tag"][:MAX_TAGS]
    return Wording(dict.fromkeys(asked, 1.0), tuple(labels(text)) if tags else (), tuple(tags))


def labels(text: str) -> list[str]:
    """What may be a label in a user's text: each 1..MAX_LABEL of its first MAX_ASKED words."""
    parts = [part for part in DROPPED.sub("", text).split()[:MAX_ASKED] if len(part) <= MAX_WORD]
    rows = (
        parts[start : start + length]
        for length in range(1, MAX_LABEL + 1)
        for start in range(len(parts) - length + 1)
    )
    found = dict.fromkeys(" ".join(row) for row in rows)
    return [label for label in found if label.lower() not in STOP_WORDS]


def seed_words(fields: Mapping[str, Any], catalogue: Catalogue) -> Terms:
    """The words of an item's text fields -> how often each occurs, times its field's weight.

    MAX_COUNTED at most, the first of the heaviest field; stop words are left out, and so are single
    ASCII letters, most of which are what an apostrophe leaves: "boy's" is "boy" and "s".
    """
    counts: Terms = {}
    specs = catalogue.fields
    for name in sorted(text_fields(catalogue), key=lambda name: -specs[name].weight):
        value = fields.get(name)
        if value is None:
            continue
        for word in words(str(value)):
            if word in counts:
                counts[word] += specs[name].weight
            elif len(counts) < MAX_COUNTED and word not in STOP_WORDS and not _is_letter(word):
                counts[word] = specs[name].weight
    return counts


def _is_letter(word: str) -> bool:
    return len(word) == 1 and word.isascii() and word.isalpha()


def telling(
    counts: Mapping[str, float], frequencies: Mapping[str, int], items: int, n: int = SEED_WORDS
) -> Wording:
    """The ``n`` words that tell most of a text, the heaviest first: TF-IDF.

    The weight is ``(1 + ln count) * ln(1 + items / frequency)``, divided by the greatest: 0..1
    (Salton and Buckley 1988, "Term-weighting approaches"). ``frequencies`` say how many of all
    ``items`` hold a word; what only the text itself holds can find nothing and is left out, and so
    are common words where there are others.
    """
    shared = [word for word in counts if frequencies.get(word, 0) > 1]
    common = max(COMMON_SHARE * items, COMMON_ITEMS)
    rarer = [word for word in shared if frequencies[word] <= common]
    weighed = {
        word: (1.0 + math.log(max(counts[word], 1.0)))
        * math.log1p(max(items, 1) / frequencies[word])
        for word in rarer or shared
    }
    best = sorted(weighed.items(), key=lambda pair: (-pair[1], pair[0]))[:n]
    return Wording({word: weight / best[0][1] for word, weight in best})


def matched(asked: Wording, fields: Mapping[str, Any], catalogue: Catalogue) -> list[str]:
    """The words and labels asked for that an item's fields hold as they are, unstemmed."""
    there = {
        word
        for name in text_fields(catalogue)
        if fields.get(name) is not None
        for word in words(str(fields[name]))
    }
    held = {label.lower() for name in asked.tags for label in _labels_of(fields.get(name))}
    return [term for term in asked.terms if not there.isdisjoint(spellings(term))] + [
        label for label in asked.labels if label.lower() in held
    ]


def _labels_of(value: Any) -> Iterable[str]:
    return map(str, value) if isinstance(value, (list, tuple)) else ()


def _lower(word: str) -> str:
    """With ASCII letters in lower case, as the index holds its words."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in word)
