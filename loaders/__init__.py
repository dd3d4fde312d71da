"""Loaders: a source (a file, or ``-`` for stdin) -> a lazy stream of records."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from loaders.base import Options
from recommender import registry
from recommender.errors import SourceError
from recommender.items import Record, Reject

__all__ = ["Options", "load"]

GROUP = "recommender.loaders"
ALIASES = {"tab": "tsv", "jsonl": "ndjson"}
"""Suffixes that are not the name of their format."""


def load(source: str, options: Options | None = None) -> Iterator[Record | Reject]:
    """Read ``source`` with the loader of its format: the one asked for, else its suffix's.

    Nothing is read before the first record is asked for. Raises SourceError: here for an unknown
    format, later for a source that cannot be read (at all, or no further).
    """
    options = options or Options()
    name = options.format or _format(source)
    stream: Iterator[Record | Reject] = registry.find(GROUP, name)(
        source, replace(options, format=name)
    )
    return stream


def _format(source: str) -> str:
    """Find the format by the suffix."""
    known = registry.names(GROUP)
    stem, suffix = os.path.splitext(source.lower())
    if suffix == ".gz":
        suffix = os.path.splitext(stem)[1]
    name = ALIASES.get(suffix[1:], suffix[1:])
    if name in known:
        return name
    if source == "-":
        problem = "stdin has no suffix that tells its format"
    elif os.path.lexists(source):
        problem = f"the suffix {suffix!r} of {source!r} tells no format"
    else:
        problem = f"there is no file {source!r}, and its suffix {suffix!r} tells no format"
    raise SourceError(problem, remedy=f"Name it with --format: {', '.join(known)}")
