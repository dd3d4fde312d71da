"""The text of an item that is embedded: ``"{title}. {overview} Genres: {genres}"``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter
from typing import NamedTuple

from recommender.errors import InvalidCatalogue
from recommender.fields import FIELD_NAME

TAIL = re.compile(r"\W*\s|\W*$|")
"""What of the text between two fields ends the first one: signs up to the last white space."""


SENTENCE_ENDS = ".!?…"
"""Signs after which a template's full stop would be one too many."""

SEPARATORS = " ,;:|/-"
"""What must not be the end because what it separated is missing."""


class Piece(NamedTuple):
    """One field of a template with the text that stands and falls with it."""

    head: str
    field: str
    tail: str


class Template:
    """A template, read once.

    A field without a value leaves nothing behind: with it goes the text before it as far as the
    field before, but for the signs that end that one; ``{title}. {overview} Genres: {genres}``
    without an overview is ``Alien. Genres: Horror``.
    """

    def __init__(self, source: str) -> None:
        """Raises InvalidCatalogue for braces that do not match or hold more than a name."""
        self.source = source
        try:
            parts = list(Formatter().parse(source))
        except ValueError as error:
            raise InvalidCatalogue(f"the template {source!r} cannot be read: {error}") from error
        for _, name, spec, conversion in parts:
            if name is not None and (spec or conversion or not FIELD_NAME.fullmatch(name)):
                raise InvalidCatalogue(
                    f"the template {source!r} holds {{{name}}}, which is not a field's name",
                    remedy="Write {title}; write {{ and }} for braces",
                )
        self._pieces = _pieces([(literal, name) for literal, name, _, _ in parts])
        self.fields = [piece.field for piece in self._pieces]

    def render(self, words: Mapping[str, str]) -> str:
        """The text for one item from the texts of its fields, "" if none of them has any."""
        parts: list[str] = []
        for head, field, tail in self._pieces:
            text = words.get(field)
            if text:
                is_ended = tail[:1] == "." and text[-1] in SENTENCE_ENDS
                parts += (head, text, tail[1:] if is_ended else tail)
        if parts and parts[-1] != self._pieces[-1].tail:
            parts[-1] = parts[-1].rstrip(SEPARATORS)
        return "".join(parts).strip()


def _pieces(parts: list[tuple[str, str | None]]) -> list[Piece]:
    pieces: list[Piece] = []
    before = ""
    for literal, name in parts:  # the literal stands before the name; the last may have no name
        before += literal
        if name is None:
            continue
        if pieces:
            cut = _end_of_tail(before)
            pieces[-1] = pieces[-1]._replace(tail=before[:cut])
            before = before[cut:]
        pieces.append(Piece(before, name, ""))
        before = ""
    if pieces:
        pieces[-1] = pieces[-1]._replace(tail=before)
    return pieces


def _end_of_tail(text: str) -> int:
    found = TAIL.match(text)
    return found.end() if found else 0
