"""A folder of documents: every Markdown, HTML and text file below it is a record."""

from __future__ import annotations

from collections.abc import Iterator

from loaders import html, markdown, text
from loaders.base import Options
from loaders.documents import MAX_FILE, Reader, entry
from loaders.walk import File, files, name_of
from recommender.errors import SourceError
from recommender.items import Record, Reject

SUFFIXES = ("md", "markdown", "html", "htm", "txt")
READERS: dict[str, Reader] = {
    "htm": html.read,
    "html": html.read,
    "markdown": markdown.read,
    "md": markdown.read,
    "mdown": markdown.read,
    "mdx": markdown.read,
    "mkd": markdown.read,
    "xhtml": html.read,
}
"""Any other file is plain text."""


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """Every document below the folder ``source``, in the order of their paths, which are the ids.

    ``options.globs`` choose other files than those with SUFFIXES; see ``walk.files``. Raises
    SourceError where there is no document.
    """
    count = 0
    for file in files(source, options, SUFFIXES, "document"):
        found = file if isinstance(file, Reject) else _entry(file, options)
        if found is not None:
            count += 1
            yield found
    if not count:
        raise SourceError(f"every document in {name_of(source)} is a draft")


def _entry(file: File, options: Options) -> Record | Reject | None:
    reader = READERS.get(file.path.rpartition(".")[2].lower(), text.read)
    return entry(file.path, file.place, lambda: file.content(MAX_FILE), reader, options)
