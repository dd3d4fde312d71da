"""What loaders of documents share: one file is read, decoded and becomes one record."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, cast

from loaders.base import BOMS, BREAKS, Options, as_record, opened
from recommender import dates
from recommender.errors import RecordError
from recommender.items import Record, Reject

MAX_FILE = 10_000_000
"""Largest file, in bytes: no more of a source is ever held."""

Cells = dict[str, Any]
Reader = Callable[[str, bytes, "str | None"], "Cells | None"]
"""``(name, content, encoding)`` -> the record's cells but its id, None for a draft."""

DATED = re.compile(r"(\d{4}-\d\d-\d\d)-(?=.)")
FOLDER_PAGES = ("index", "_index")
"""Files that stand for the folder they are in, and so have their title from it."""


class Unfit(RecordError):
    """A document that cannot be a record, and the line (from 1) where that shows."""

    def __init__(self, message: str, *, line: int | None = None, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.line = line


def single(source: str, options: Options, read: Reader) -> Iterator[Record | Reject]:
    """The one record of the file ``source``, with its base name as id; none for a draft."""
    with opened(source, options) as file:
        # Unpacked but not decoded: a page says itself in what it is.
        content = cast(BinaryIO, file.text.buffer)
        found = entry(file.name, file.name, lambda: content.read(MAX_FILE + 1), read, options)
        if found is not None:
            yield found
        file.report()


def entry(
    name: str, place: str, content: Callable[[], bytes], read: Reader, options: Options
) -> Record | Reject | None:
    """The document ``name`` as a record, or why it is none; None for a draft."""
    try:
        cells = read(name, _checked(content()), options.encoding)
    except RecordError as error:
        line = error.line if isinstance(error, Unfit) else None
        return Reject(f"{place}, line {line}" if line else place, str(error), name)
    except BREAKS as error:
        reason = getattr(error, "strerror", None) or error
        return Reject(place, f"it cannot be read: {reason}", name)
    if cells is None:
        return None
    found = as_record(place, {"id": name, **cells})
    return replace(found, id=name) if isinstance(found, Reject) else found


def _checked(content: bytes) -> bytes:
    if not content:
        raise Unfit("it is empty")
    if len(content) > MAX_FILE:
        raise Unfit(f"it has more than {MAX_FILE:,} bytes", remedy="Split it, or leave it out")
    return content


def decode(content: bytes, encoding: str | None) -> str:
    """The text of a file, its line ends made one kind. Raises Unfit for what is no text."""
    marked = next((codec for bom, codec in BOMS if content.startswith(bom)), None)
    codec = marked or encoding or "utf-8"
    if b"\0" in content and codec.startswith("utf-8"):
        raise Unfit("it holds NUL bytes: it is no text")
    try:
        text = content.decode(codec)
    except UnicodeError as error:
        line = content.count(b"\n", 0, getattr(error, "start", 0)) + 1
        raise Unfit(
            f"it is not text in {codec}",
            line=line,
            remedy="Name its encoding, for example --encoding latin-1",
        ) from error
    if not text.strip():
        raise Unfit("it is empty")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def cells_of(name: str, front: Cells, found: Cells) -> Cells:
    """The cells of one document: its front matter before what was ``found`` in its text.

    Title and date come from the name where neither knows them. ``id`` and ``body`` are always the
    document's own: the front matter's are kept as ``front_matter_id`` and ``front_matter_body``.
    """
    known = {key: cell for key, cell in {**found, **front}.items() if cell not in (None, "")}
    for key in ("id", "body"):
        if key in front:
            known[f"front_matter_{key}"] = known.pop(key)
    if "title" not in known or "date" not in known:
        title, date = from_name(name)
        known = {"title": title, **({} if date is None else {"date": date}), **known}
    return {"title": known.pop("title"), **known, "body": found["body"]}


def from_name(name: str) -> tuple[str, int | None]:
    """A readable title from a file's name, and the date that Jekyll puts before it.

    ``posts/2024-05-01-red-tea.md`` is "Red tea" of the first of May; ``red-tea/index.md`` is "Red
    tea" too.
    """
    folder, base = posixpath.split(name)
    stem = posixpath.splitext(base.removesuffix(".gz"))[0]
    if stem in FOLDER_PAGES and folder:
        stem = posixpath.basename(folder)
    dated = DATED.match(stem)
    date = seconds_of(dated[1]) if dated else None
    if dated and date is not None:
        stem = stem[dated.end() :]
    title = re.sub(r"[-_\s]+", " ", stem).strip() or base
    return title[0].upper() + title[1:], date


def seconds_of(text: str) -> int | None:
    """Seconds since 1970 of a date as people and programs write it, None where it is none.

    That of ISO 8601 and that of mail (``Wed, 01 May 2024 10:00:00 GMT``).
    """
    seconds = dates.seconds_of(text)
    return _mail(text) if seconds is None else seconds


def _mail(text: str) -> int | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())
