"""A JSON array of objects, streamed: one element is held at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from loaders.base import MAX_LINE, Opened, Options, as_record, opened
from recommender.errors import SourceError, brief
from recommender.items import Record, Reject

READ = 64 * 1024  # characters
BLANK = re.compile(r"[ \t\r\n]*")
KINDS = {'"': "text", "t": "true or false", "f": "true or false", "n": "null"}
KINDS |= dict.fromkeys("-0123456789", "a number")


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """Every element of the array in ``source`` as a record. Raises SourceError.

    JSON that breaks in the middle is a SourceError after the records before it: nothing tells
    where the next one begins.
    """
    with opened(source, options) as file:
        yield from file.watched(_entries(_Window(file)))


def _entries(window: _Window) -> Iterator[Record | Reject]:
    found = window.skip_blanks()
    if found == "[":
        yield from _array(window)
    elif found == "{":
        yield from _object(window)
    elif found in KINDS:
        raise window.unwanted(KINDS[found])
    elif found:
        raise window.broken("it begins with neither [ nor {")
    if window.skip_blanks():
        raise window.broken("it is closed but more follows")


def _array(window: _Window) -> Iterator[Record | Reject]:
    for _ in window.parts("]"):
        value, problem = window.value()
        place = window.next_place()
        yield Reject(place, problem) if problem else as_record(place, value)


def _object(window: _Window) -> Iterator[Record | Reject]:
    """What an object holds that begins with a record or vector; of others their one array.

    So neither a line of NDJSON nor a page of somebody's API is taken for ids.
    """
    arrays, of_ids = 0, None
    for _ in window.parts("}"):
        key, begins = window.key(), window.skip_blanks()
        is_array = begins == "[" and window.inside() == "{"
        if of_ids is None:
            of_ids = begins in ("{", "[") and not is_array
        if is_array:
            arrays += 1
            if of_ids or arrays > 1:
                raise window.unwanted(f"an object with more than the array {key!r}")
            yield from _array(window)
            continue
        value, problem = window.value()
        if of_ids:
            place = window.next_place()
            yield Reject(place, problem, key) if problem else _member(place, key, value)
    if of_ids is False and not arrays:
        raise window.unwanted("an object")


def _member(place: str, id: str, value: Any) -> Record | Reject:
    """A record or vector under its id. That is unique, so it goes before an ``id`` inside."""
    if isinstance(value, list) and value and set(map(type, value)) <= {int, float}:
        return Record(place, {"id": id, "vector": value})
    if not isinstance(value, dict):
        return Reject(place, f"{brief(value)} where a record or a vector is wanted", id)
    inner = value.get("id")
    other = {} if inner is None or str(inner) == id else {"inner_id": inner}
    entry = as_record(place, value | other | {"id": id})
    return replace(entry, id=id) if isinstance(entry, Reject) else entry


class _Window:
    """The part of the source's text that is held: from the element being read on."""

    def __init__(self, file: Opened) -> None:
        self.at = 0
        self.records = 0
        self._name = file.name
        self._read = file.text.readline  # a line at most: a slow pipe gives no more
        self._text = ""
        self._ended = False
        self._constants: list[str] = []
        self._decode = json.JSONDecoder(parse_constant=self._constants.append).raw_decode

    def skip_blanks(self) -> str:
        """Go to the next character that is not blank, and tell it; "" is the end."""
        while True:
            match = BLANK.match(self._text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self._text):
                return self._text[self.at]
            if self._ended:
                return ""
            self._more()

    def inside(self) -> str:
        """Tell the first character in the array that begins here, and stay."""
        while True:
            match = BLANK.match(self._text, self.at + 1)
            if match and match.end() < len(self._text):
                return self._text[match.end()]
            if self._ended:
                return ""
            self._more()

    def parts(self, close: str) -> Iterator[None]:
        """Stop at each part of the array or object that begins here; go on behind its end."""
        self.at += 1
        if self.skip_blanks() != close:
            yield
            while self.skip_blanks() == ",":
                self.at += 1
                self.skip_blanks()
                yield
            if self.skip_blanks() != close:
                raise self.broken(f"a comma or {close} is wanted")
        self.at += 1

    def key(self) -> str:
        """Read the name of the member that begins here, and its colon."""
        if self.skip_blanks() != '"':
            raise self.broken("a name in double quotes is wanted")
        key, _ = self.value()
        if self.skip_blanks() != ":":
            raise self.broken(f"a colon is wanted after {brief(key)}")
        self.at += 1
        return str(key)

    def next_place(self) -> str:
        """Count the record that was read, and tell its place."""
        self.records += 1
        return f"{self._name}, record {self.records}"

    def value(self) -> tuple[Any, str]:
        """Decode the value that begins here: it, or why it cannot be a record."""
        while True:
            self._constants.clear()
            try:
                value, end = self._decode(self._text, self.at)
            except json.JSONDecodeError as error:
                # Only an open text or an end too early may be cured by more of the source.
                open_text = error.msg.startswith("Unterminated string")
                if len(self._text) - self.at > MAX_LINE:
                    raise self._too_long() from error
                if self._ended or not (open_text or error.pos > len(self._text) - 16):
                    raise self.broken(error.msg) from error
            except (ValueError, RecursionError) as error:
                raise self.broken(str(error)) from error
            else:
                if self._ended or end < len(self._text):
                    self.at = end
                    constant = "".join(self._constants[:1])
                    return value, f"{constant} is not JSON: write null" if constant else ""
            self._more()

    def _more(self) -> None:
        """Hold twice as much, so that a long element is not decoded too often."""
        held = len(self._text) - self.at
        parts, wanted = [self._text[self.at :]], max(held, 1)
        while wanted > 0 and (line := self._read(READ)):
            parts.append(line)
            wanted -= len(line)
        self._ended = wanted > 0
        self._text, self.at = "".join(parts), 0

    def _too_long(self) -> SourceError:
        return SourceError(
            f"{self._name}, record {self.records + 1}: it has more than {MAX_LINE:,} characters",
            remedy="Split it, or write one object a line (--format ndjson)",
        )

    def unwanted(self, found: str) -> SourceError:
        """Make the error for a source of another form."""
        return SourceError(
            f"{self._name} holds {found} where an array is wanted",
            remedy='Write [{...}], or {"ID": {...}}, or one object a line (--format ndjson)',
        )

    def broken(self, message: str) -> SourceError:
        """Make the error for what is not JSON."""
        return SourceError(
            f"{self._name} is not JSON after record {self.records}: {message}",
            remedy="JSON has no comments and no comma before ]; one object a line"
            " (--format ndjson) loses only the bad ones",
        )
