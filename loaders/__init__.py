"""Loaders: a source (file, folder, URL, database, or ``-`` for stdin) -> a stream of records."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from loaders.base import Options, neighbour
from recommender import registry
from recommender.errors import InvalidParameter, SourceError
from recommender.items import Record, Reject

__all__ = ["Options", "load"]

GROUP = "recommender.loaders"
ALIASES = {
    "atom": "feed",
    "db": "sqlite",
    "htm": "html",
    "jsonl": "ndjson",
    "md": "markdown",
    "py": "python",
    "rss": "feed",
    "sqlite3": "sqlite",
    "tab": "tsv",
    "txt": "text",
    "xml": "feed",
}
"""Suffixes that are not the name of their format."""

ONLY_FOR = {
    "sql": ("sql", "sqlite"),
    "table": ("sql", "sqlite"),
    "globs": ("folder", "python"),
}
"""Options that only some formats have: a misplaced one must not pass for done."""


def load(source: str, options: Options | None = None) -> Iterator[Record | Reject]:
    """Read ``source`` with the loader of its format: the one asked for, else its own.

    A URL's scheme tells it, a folder is one, a file has a suffix. Nothing is read before the first
    record is asked for. Raises SourceError: here for an unknown format, later for a source that
    cannot be read (at all, or no further); InvalidParameter for an option that the format lacks.
    """
    options = options or Options()
    name = options.format or _format(source)
    for option, formats in ONLY_FOR.items():
        if getattr(options, option) and name in registry.BUILT_IN[GROUP] and name not in formats:
            parameter = option.removesuffix("s") if option == "globs" else option
            raise InvalidParameter(
                parameter,
                f"--{parameter} is not for the format {name!r}",
                remedy=f"It is for: {', '.join(formats)}",
            )
    stream: Iterator[Record | Reject] = registry.find(GROUP, name)(
        source, replace(options, format=name)
    )
    return stream if options.limit is None else islice(stream, options.limit)


def _format(source: str) -> str:
    """Find the format by the scheme, the folder or the suffix."""
    known = registry.names(GROUP)
    scheme = source.partition("://")[0].lower() if "://" in source else ""
    if scheme:
        return _format_of_url(scheme, source)
    if os.path.isdir(source):
        return "folder"
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
        raise SourceError(f"there is no file or folder {source!r}", remedy=neighbour(source))
    raise SourceError(problem, remedy=f"Name it with --format: {', '.join(known)}")


def _format_of_url(scheme: str, source: str) -> str:
    if scheme not in ("http", "https"):
        return "sql"
    return "sitemap" if "sitemap" in source.rpartition("/")[2].lower() else "feed"
