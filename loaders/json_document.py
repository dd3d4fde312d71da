"""A JSON array of objects, streamed: one element is held at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from loaders.base import MAX_LINE, Opened, Options, as_record, opened
from recommender.errors import SourceError
from recommender.items import Record, Reject

READ = 64 * 1024  # characters
BLANK = re.compile(r"[ \t\r\n]*")
KINDS = {"{": "an object", '"': "text", "t": "true or false", "f": "true or false", "n": "null"}


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """Every element of the array in ``source`` as a record. Raises SourceError.

    JSON that breaks in the middle is a SourceError after the records before it: nothing tells
    where the next one begins.
    """
    with opened(source, options) as file:
        yield from file.watched(_entries(file))


def _entries(file: Opened) -> Iterator[Record | Reject]:
    window = _Window(file)
    found = window.skip_blanks()
    if found not in ("", "["):
        raise SourceError(
            f"{file.name} holds {KINDS.get(found, 'a number')} where an array is wanted",
            remedy="Write [{...}, {...}], or one object a line (--format ndjson)",
        )
    while found in ("[", ","):
        window.at += 1
        first, found = found == "[", window.skip_blanks()
        if first and found == "]":
            break
        value, problem = window.element()
        place = f"{file.name}, record {window.records}"
        yield Reject(place, problem) if problem else as_record(place, value)
        found = window.skip_blanks()
    if window.records or found:
        window.finish(found)


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

    def element(self) -> tuple[Any, str]:
        """Decode the element that begins here: it, or why it cannot be a record."""
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
                    raise self._broken(error.msg) from error
            except (ValueError, RecursionError) as error:
                raise self._broken(str(error)) from error
            else:
                if self._ended or end < len(self._text):
                    self.at = end
                    self.records += 1
                    constant = "".join(self._constants[:1])
                    return value, f"{constant} is not JSON: write null" if constant else ""
            self._more()

    def finish(self, found: str) -> None:
        """Check that the array is closed here and that nothing follows."""
        if found != "]":
            raise self._broken("a comma or ] is wanted")
        self.at += 1
        if self.skip_blanks():
            raise self._broken("the array is closed but more follows")

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

    def _broken(self, message: str) -> SourceError:
        return SourceError(
            f"{self._name} is not JSON after record {self.records}: {message}",
            remedy="JSON has no comments and no comma before ]; one object a line"
            " (--format ndjson) loses only the bad ones",
        )
