"""A JSON array of objects, streamed: one element is held at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import ijson

from loaders.base import MAX_DEPTH, MAX_LINE, Opened, Options, as_record, opened
from recommender.errors import SourceError
from recommender.items import Record, Reject

KINDS = {"start_map": "an object", "string": "text", "number": "a number", "null": "null"}
STEPS = {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}
DEEPEST = MAX_DEPTH + 2
"""Levels of an element that are built: itself, its cells, and one for the rule to see."""
MARK = "\U0010ffff"
"""A code point that no text may hold: how a byte that is not text comes through ijson."""


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """Every element of the array in ``source`` as a record. Raises SourceError.

    JSON that breaks in the middle is a SourceError after the records before it: nothing tells
    where the next one begins.
    """
    with opened(source, options) as file:
        yield from file.watched(_entries(file))


def _entries(file: Opened) -> Iterator[Record | Reject]:
    feed = _Feed(file)
    try:
        for value in _elements(feed):
            feed.records += 1
            feed.size = 0
            yield as_record(f"{file.name}, record {feed.records}", value)
    except ijson.JSONError as error:
        if feed.blank:
            return
        message = " ".join(str(error).partition("(right here)")[0].split())
        raise SourceError(
            f"{feed.name} is not JSON after record {feed.records}: {message}",
            remedy="JSON has no NaN, no Infinity, no comments, no comma before ]; one object a"
            " line (--format ndjson) loses only the bad ones",
        ) from error


def _elements(feed: _Feed) -> Iterator[Any]:
    """Yield the elements of the array, each built whole."""
    events = ijson.basic_parse(feed, use_float=True)
    found, _ = next(events)
    if found != "start_array":
        raise SourceError(
            f"{feed.name} holds {KINDS.get(found, 'true or false')} where an array is wanted",
            remedy="Write [{...}, {...}], or one object a line (--format ndjson)",
        )
    builder, depth = ijson.ObjectBuilder(), 0
    for event, value in events:
        step = STEPS.get(event, 0)
        if depth + step < 0:  # the array's own end: ijson lets only white space follow
            continue
        if depth + (step > 0) <= DEEPEST:
            builder.event(event, feed.unmark(value) if feed.marked else value)
        depth += step
        if depth == 0:
            yield builder.value
            builder = ijson.ObjectBuilder()


class _Feed:
    """The text of a source as the UTF-8 that ijson wants, with the place where it is."""

    def __init__(self, file: Opened) -> None:
        self.name = file.name
        self.records = 0
        self.size = 0
        self.blank = True
        self.marked = False
        self._read = file.text.readline

    def read(self, size: int) -> bytes:
        """Read on, a line at most: a slow pipe gives no more. At the end comes b"".

        ijson begins a text anew with every read: a long record is read in doubling steps.
        """
        text = self._read(max(size, self.size))
        self.size += len(text)
        self.blank = self.blank and not text.strip()
        if self.size > MAX_LINE:
            raise SourceError(
                f"{self.name}, record {self.records + 1}: it has more than {MAX_LINE:,} characters",
                remedy="Split it, or write one object a line (--format ndjson)",
            )
        try:
            return text.encode()
        except UnicodeEncodeError:
            self.marked = True
            return re.sub("[\ud800-\udfff]", MARK, text).encode()

    def unmark(self, value: Any) -> Any:
        """Text with the bad bytes as lone surrogates again: no item can be made of it."""
        return value.replace(MARK, "\udcff") if isinstance(value, str) else value
