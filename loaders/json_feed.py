"""JSON Feed: its items as records with the cells of every other feed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from loaders.base import as_record
from loaders.documents import seconds_of
from loaders.html import text_of
from recommender.errors import SourceError
from recommender.items import Record, Reject


def entries(name: str, text: str) -> Iterator[Record | Reject]:
    """Every item of the JSON Feed ``text``, which is called ``name``. Raises SourceError."""
    try:
        feed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{name} is not JSON: {error}") from error
    items = feed.get("items")
    if not isinstance(items, list):
        raise SourceError(
            f"{name} is JSON but not a JSON Feed: it has no list of items",
            remedy="For an array of objects, name its format: --format json",
        )
    for number, item in enumerate(items, 1):
        place = f"{name}, entry {number}"
        if not isinstance(item, dict):
            yield as_record(place, item)
            continue
        cells = _cells(item, feed)
        yield (
            as_record(place, cells)
            if "id" in cells
            else Reject(place, "it has neither an id nor a link")
        )


def _cells(item: dict[str, Any], feed: dict[str, Any]) -> dict[str, Any]:
    link = _text(item, "url") or _text(item, "external_url")
    tags = item.get("tags")
    cells = {
        "id": _text(item, "id") or link,
        "title": " ".join(_text(item, "title").split()),
        "body": _body(item),
        "link": link,
        "author": _author(item) or _author(feed),
        "tags": [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else [],
        "date": seconds_of(_text(item, "date_published"))
        or seconds_of(_text(item, "date_modified")),
        "image": _text(item, "image") or _text(item, "banner_image"),
    }
    return {name: cell for name, cell in cells.items() if cell not in (None, "", [])}


def _body(item: dict[str, Any]) -> str:
    html = _text(item, "content_html")
    return (text_of(html) if html else "") or _text(item, "content_text") or _text(item, "summary")


def _author(part: dict[str, Any]) -> str:
    """The authors' names: a list since version 1.1, one before."""
    authors = part.get("authors")
    given = authors if isinstance(authors, list) else [part.get("author")]
    return ", ".join(filter(None, (_text(one, "name") for one in given if isinstance(one, dict))))


def _text(part: dict[str, Any], name: str) -> str:
    """A value that should be text; ids of version 1 may be numbers."""
    value = part.get(name)
    if isinstance(value, str):
        return value.strip()
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return str(value) if is_number else ""
