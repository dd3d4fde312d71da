"""Plain text: a file is one record, its first line the title where it is short enough."""

from __future__ import annotations

import re
from collections.abc import Iterator

from loaders.base import Options
from loaders.documents import Cells, cells_of, decode, single
from recommender.items import Record, Reject

MAX_TITLE = 120
"""Longest first line, in characters, that is taken for a title."""
RULE = re.compile(r"\s*[=~*_-]{3,}[ \t]*(\n|$)")


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """The one record of the file ``source``. Raises SourceError."""
    yield from single(source, options, read)


def read(name: str, content: bytes, encoding: str | None) -> Cells:
    """The cells of the document ``name``. Raises Unfit."""
    text = decode(content, encoding).strip()
    first, _, rest = text.partition("\n")
    if len(first) > MAX_TITLE:
        return cells_of(name, {}, {"body": text})
    return cells_of(name, {}, {"title": first.strip(), "body": RULE.sub("", rest, 1).strip()})
