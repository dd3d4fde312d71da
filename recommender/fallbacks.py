"""Fallbacks: what to show where a question has too few answers. None is used unasked.

``same_tag(genres)``    what shares most labels with the seed, and of those the rarest first
``popular(popularity)`` the greatest numbers first
``latest(date)``        the same of a date

Several are used in their order. What they bring is labelled in ``source`` and has no score.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any

from recommender.catalogue import Catalogue
from recommender.errors import InvalidParameter, UnknownField, brief, suggest
from recommender.fields import KINDS
from recommender.store import candidates
from recommender.store.connection import Client
from recommender.store.query import TIMEOUT_MS, Span
from recommender.where import any_of, both

FIELD_TYPES = {"same_tag": "tag", "popular": "number", "latest": "number"}
MAX_FALLBACKS = 8
MAX_LABELS = 20
"""Labels of the seed that count for same_tag."""

ALL_UP_TO = 2000
"""Up to so many items that share a label, all are looked at; of more, some for each label."""

PAIRED = 6
"""Of so many labels, the rarest, items are looked for that share two."""

TEXT = re.compile(r"\s*([a-z_]+)\s*(?:\(\s*([^()]*?)\s*\))?\s*")


@dataclass(frozen=True, slots=True)
class Fallback:
    """One fallback: its kind, which is its hits' ``source``, and the field that it looks at."""

    kind: str
    field: str


def parse_fallbacks(given: Any, catalogue: Catalogue) -> list[Fallback]:
    """Fallbacks from texts like those above; none from none.

    Raises InvalidParameter ("fallbacks"), UnknownField.
    """
    texts = [given] if isinstance(given, str) else given
    is_list = isinstance(texts, Sequence) and not isinstance(texts, bytes)
    if not is_list or not all(isinstance(text, str) for text in texts):
        raise _wrong(f"fallbacks is {brief(given)}", "It is a list of texts like popular(views)")
    if len(texts) > MAX_FALLBACKS:
        raise _wrong(f"there are {len(texts)} fallbacks", f"The limit is {MAX_FALLBACKS}")
    return list(dict.fromkeys(_fallback(text, catalogue) for text in texts))


def _fallback(text: str, catalogue: Catalogue) -> Fallback:
    found = TEXT.fullmatch(text)
    if not found:
        raise _wrong(f"the fallback {brief(text)} cannot be read", "Write popular(views)")
    kind, field = found.groups()
    if kind not in FIELD_TYPES:
        raise _wrong(f"there is no fallback {brief(kind)}", suggest(kind, FIELD_TYPES, "fallbacks"))
    wanted = FIELD_TYPES[kind]
    fitting = [name for name, spec in catalogue.fields.items() if spec.type == wanted]
    example = f"Write {kind}({fitting[0]})" if fitting else f"There is no {wanted} field here"
    if not field:
        raise _wrong(f"the fallback {brief(text)} names no field", example)
    if field not in catalogue.fields:
        raise UnknownField("fallbacks", field, fitting)
    if field not in fitting:
        raise _wrong(
            f"{kind} is for {wanted} fields, {field!r} is {catalogue.fields[field].type}", example
        )
    return Fallback(kind, field)


def fill(
    client: Client,
    catalogue: Catalogue,
    prefix: str,
    fallbacks: Sequence[Fallback],
    *,
    seed: Mapping[str, Any],
    base: str,
    exclude: Collection[str],
    count: int,
    spans: Mapping[str, Span] | None = None,
) -> list[tuple[str, str]]:
    """Up to ``count`` (id, source) from the fallbacks in their order, each id once.

    All meet the filter ``base`` (the engine's own text), none is in ``exclude``. ``prefix`` is that
    of the live generation's keys, ``seed`` the fields of what was asked about, which same_tag looks
    at. ``spans`` of numbers make popular and latest faster in a large catalogue, and may be old.
    The same items give the same answer. Raises StoreError, IndexNotReady.
    """
    shown = set(exclude)
    found: list[tuple[str, str]] = []
    cut = len(prefix.encode())
    for fallback in fallbacks:
        wanted = count - len(found)
        if wanted <= 0:
            break
        rows = wanted + len(shown)
        if fallback.kind == "same_tag":
            keys = _sharing(client, catalogue.name, fallback.field, seed, base, rows)
        else:
            span = (spans or {}).get(fallback.field)
            keys = greatest(client, catalogue.name, fallback.field, base, rows, span)
        fresh = [id for key in keys if (id := key[cut:].decode()) not in shown][:wanted]
        shown.update(fresh)
        found += [(id, fallback.kind) for id in fresh]
    return found


def greatest(
    client: Client, index: str, field: str, base: str, rows: int, span: Span | None = None
) -> list[bytes]:
    """Keys by a falling number, ties by key, at least ``rows``; what has none is left out."""
    unpack = KINDS["number"].unpack
    numbered: list[tuple[float, bytes]] = []
    # The engine sorts all that passes, so it is given the upper part first, where that may do.
    for least in [span.top, span.high, "-inf"] if span else ["-inf"]:
        command = (
            "FT.SEARCH", index, both(base, f"@{field}:[{least} +inf]"), "SORTBY", field, "DESC",
            "LIMIT", 0, rows, "RETURN", 1, field, "DIALECT", 2, "TIMEOUT", TIMEOUT_MS,
        )  # fmt: skip
        [[_, *found]] = candidates.answers(client, index, [command])
        in_turn = zip(found[::2], found[1::2], strict=True)
        numbered = [(-unpack(own[1]), key) for key, own in in_turn if own]
        if len(numbered) >= rows:
            break
    return [key for _, key in sorted(numbered)]


def _sharing(
    client: Client, index: str, field: str, seed: Mapping[str, Any], base: str, rows: int
) -> list[bytes]:
    """Keys by the number of labels shared with the seed; then by their rarity; then in order."""
    labels = list(dict.fromkeys(map(str.lower, seed.get(field, ()))))[:MAX_LABELS]
    filters = [any_of(field, [label]) for label in labels]
    if not labels:
        return []
    one_of = both(base, any_of(field, labels))
    [(total, found)] = _labelled(client, index, field, [one_of], ALL_UP_TO)
    counts = Counter(label for own in found.values() for label in own)
    if total > len(found):
        pairs = [*zip(labels, filters, strict=True)]
        counts, found = _some(client, index, field, pairs, base, rows)
    wanted = set(labels)

    def place(key: bytes) -> tuple[int, float, bytes]:
        shared = wanted & found[key]
        return -len(shared), -sum(1 / max(counts[label], 1) for label in sorted(shared)), key

    return sorted(found, key=place)[:rows]


def _some(
    client: Client,
    index: str,
    field: str,
    pairs: Sequence[tuple[str, str]],
    base: str,
    rows: int,
) -> tuple[Counter[str], dict[bytes, set[str]]]:
    """How frequent each label is, and some items of each, of each two, of the rarest together."""
    filters = [both(base, text) for _, text in pairs]
    totals = [total for total, _ in _labelled(client, index, field, filters, 0)]
    counts = Counter({label: total for (label, _), total in zip(pairs, totals, strict=True)})
    rising = sorted((counts[label], text) for label, text in pairs if counts[label])
    texts = [text for _, text in rising]
    groups = [texts[:size] for size in range(len(texts), 2, -1)]
    groups += map(list, combinations(texts[:PAIRED], 2))
    together = [f"({' '.join(group)})" for group in groups]
    legs = [both(base, text) for text in (*together, *texts)]
    found = _labelled(client, index, field, legs, rows)
    return counts, dict(chain.from_iterable(own.items() for _, own in found))


def _labelled(
    client: Client, index: str, field: str, filters: Sequence[str], rows: int
) -> Iterator[tuple[int, dict[bytes, set[str]]]]:
    """For each filter how many items meet it, and the labels, in small letters, of some."""
    commands = [
        (
            "FT.SEARCH", index, filter, "RETURN", 1, field, "LIMIT", 0, rows,
            "DIALECT", 2, "TIMEOUT", TIMEOUT_MS,
        )
        for filter in filters
    ]  # fmt: skip
    unpack = KINDS["tag"].unpack
    for total, *rest in candidates.answers(client, index, commands):
        in_turn = zip(rest[::2], rest[1::2], strict=True)
        yield total, {key: {*map(str.lower, unpack(own[1]))} for key, own in in_turn if own}


def _wrong(message: str, remedy: str) -> InvalidParameter:
    return InvalidParameter("fallbacks", message, remedy=remedy)
