"""The text of an item that is embedded: ``"{title}. {overview} {genres}"``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter
from typing import Any

from recommender.errors import InvalidCatalogue
from recommender.fields import as_text, is_missing

ORPHANS = re.compile(r"\s*([.,;:])(?:\s*[.,;:])+")
"""Punctuation that a missing field left behind, as in ``Avatar. . Action``."""


class Template:
    """A template, read once: literal text and field names in turn."""

    def __init__(self, source: str) -> None:
        """Raises InvalidCatalogue for braces that do not match or hold more than a name."""
        self.source = source
        try:
            pieces = list(Formatter().parse(source))
        except ValueError as error:
            raise InvalidCatalogue(f"the template {source!r} cannot be read: {error}") from error
        for _, name, spec, conversion in pieces:
            if name is not None and (spec or conversion or not name.isidentifier()):
                raise InvalidCatalogue(
                    f"the template {source!r} holds {{{name}}}, which is not a field's name",
                    remedy="Write {title}; write {{ and }} for braces",
                )
        self._pieces = [(literal, name) for literal, name, _, _ in pieces]
        self.fields = [name for _, name in self._pieces if name]

    def render(self, values: Mapping[str, Any]) -> str:
        """The text for one item; a field without a value leaves nothing behind, "" if none has."""
        parts: list[str] = []
        missing = 0
        for literal, name in self._pieces:
            parts.append(literal)
            if name is not None:
                value = values.get(name)
                if is_missing(value):
                    missing += 1
                else:
                    parts.append(value if isinstance(value, str) else as_text(value))
        if missing == len(self.fields):
            return ""
        text = "".join(parts)
        return (ORPHANS.sub(r"\1", text) if missing else text).strip()
