"""What flows through the product: records in, items kept, hits and results out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from typing import Any

from recommender.errors import RecordError

MAX_ID_BYTES = 1024
"""Longest id, in UTF-8 bytes: enough for any path or URL, small enough for a key."""

MAX_CELL = 1_000_000
"""Longest value of a record, in characters; a longer one costs its record."""

MAX_DEPTH = 100
"""Deepest nesting of a value, in lists and objects: far below where recursive code breaks."""


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a source as its loader read it.

    ``place`` tells a person where it stands (``movies.csv, line 12``); ``values`` maps the
    source's own column names to text, numbers, lists or whatever the format holds.
    """

    place: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that did not become an item, with its place and the reason."""

    place: str
    reason: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a catalogue: its id and its fields, as plain Python values.

    ``vectors`` are those that came with it, where they were asked for.
    """

    id: str
    fields: Mapping[str, Any]
    vectors: Mapping[str, list[float]] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer.

    ``score`` is the similarity, higher is closer, and ``relevance`` the same on 0..1 for this
    catalogue (see :class:`Results`); both are None for a fallback. ``source`` tells what found it;
    ``why`` what put it in its place, where that was asked for.
    """

    id: str
    score: float | None
    fields: Mapping[str, Any]
    source: str = "vector"
    why: Mapping[str, Any] | None = None
    relevance: float | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """Hits, best first, ties in the order of their ids, and what is to be known about them.

    ``score`` is the product of the vectors (-1..1) for cosine and ip, 1 / (1 + distance) for l2;
    in mode text, where no vector is looked at, how good the words fit by the best that fits (0..1).
    ``relevance`` puts it on 0 (like a random pair of this catalogue) to 1 (the same), so that it
    means the same for every model; None where the catalogue has no calibration.
    ``complete`` is False when fewer hits came back than were asked for, or when the index was
    still being built; ``exact`` is True when every item was compared; ``took_ms`` is milliseconds.
    ``next`` is the token of the following page, where that was asked for and there is one.
    """

    items: list[Hit]
    requested: int
    returned: int
    complete: bool
    catalogue: str
    generation: int
    embedder: str
    exact: bool
    took_ms: float
    next: str | None = None

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def to_dict(self) -> dict[str, Any]:
        """The answer as it goes out over HTTP and ``--json``."""
        hits = [
            {
                "id": hit.id,
                "score": hit.score,
                "relevance": hit.relevance,
                "fields": hit.fields,
                "source": hit.source,
            }
            | ({"why": hit.why} if hit.why else {})
            for hit in self.items
        ]
        # Not dataclasses.asdict: it copies every field of every hit, in twenty times the time.
        names = [name for name in self.__slots__ if name != "items"]
        return {"items": hits} | {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Facet:
    """A field's values under some conditions: counts for tags, the range for numbers."""

    field: str
    type: str
    values: dict[str, int] = dataclasses.field(default_factory=dict)
    count: int = 0
    min: float | None = None
    max: float | None = None


def check_id(value: Any) -> str:
    """An id as text. Raises RecordError for an empty, too long or unencodable one, and for NUL."""
    try:
        text = value if isinstance(value, str) else "" if value is None else str(value)
    except (ValueError, RecursionError) as error:
        raise RecordError("the id is too long or too deep") from error
    if not text.strip():
        raise RecordError("the id is empty")
    if "\0" in text:  # the engine would index it and leave it out of what it returns
        raise RecordError("the id holds a NUL character")
    size = len(encode(text))
    if size > MAX_ID_BYTES:
        raise RecordError(f"the id has {size} bytes, the limit is {MAX_ID_BYTES}")
    return text


def encode(text: str) -> bytes:
    """UTF-8 bytes. Raises RecordError where the source's bytes were not text."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise RecordError(
            f"{text[error.start : error.start + 1]!r} is not text in the source's encoding",
            remedy="Name the encoding, for example --encoding latin-1",
        ) from error


def fault_of(value: Any) -> str:
    """Why a record's value is too much to be kept; "" where it is not."""
    size, depth = (len(value), 0) if isinstance(value, str) else _measure(value)
    if size > MAX_CELL:
        return f"has {size:,} characters, the limit is {MAX_CELL:,}"
    return f"nests more than {MAX_DEPTH} levels deep" if depth > MAX_DEPTH else ""


def _measure(value: Any) -> tuple[int, int]:
    """Characters (one for what is not text) and levels of a nested value, without recursion."""
    size, depth = 0, 0
    level: list[Any] = [value] if isinstance(value, (list, tuple, dict)) else []
    while level and depth <= MAX_DEPTH:
        size += sum(map(len, level))
        nested = [part for part in level if not isinstance(part, str)]
        depth += bool(nested)
        level = [
            part
            for parent in nested
            for part in (chain(parent, parent.values()) if isinstance(parent, dict) else parent)
            if isinstance(part, (str, list, tuple, dict))
        ]
    return size, depth


def digest(parts: Mapping[str, bytes]) -> str:
    """128 bits, in hex, that change when any name or value of ``parts`` changes."""
    state = blake2b(digest_size=16)
    for name, value in parts.items():
        state.update(b"%s=%d:%s;" % (name.encode(), len(value), value))
    return state.hexdigest()
