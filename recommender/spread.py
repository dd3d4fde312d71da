"""Long documents as several items, one a passage: what ``passages: true`` asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from recommender.catalogue import PARENT, Catalogue
from recommender.embedders.passages import split
from recommender.errors import RecordError
from recommender.items import Record, Reject, check_id
from recommender.template import Template

PASSAGE_BYTES = 2_000
"""Longest passage, in bytes of UTF-8: some three paragraphs, which are about one thing."""


def spread(records: Iterable[Record | Reject], catalogue: Catalogue) -> Iterator[Record | Reject]:
    """``records``, each with its own id as ``parent``; long ones as several.

    The longest text that is embedded is the one that is split; everything else a passage has in
    common with its document. The passages of ``a.md`` are ``a.md#1``, ``a.md#2`` and so on.
    """
    columns = _embedded_columns(catalogue)
    parent = catalogue.column(PARENT)
    for record in records:
        id = _id_of(record, catalogue)
        if isinstance(record, Reject) or id is None:
            yield record
            continue
        values: dict[str, Any] = {**record.values, parent: id}
        texts = {name: values[name] for name in columns if isinstance(values.get(name), str)}
        longest = max(texts, key=lambda name: len(texts[name]), default=None)
        passages = split(texts[longest], PASSAGE_BYTES) if longest else []
        if len(passages) < 2:
            yield Record(record.place, values)
            continue
        for number, passage in enumerate(passages, 1):
            own = {catalogue.id: f"{id}#{number}", str(longest): passage}
            yield Record(f"{record.place}, passage {number}", values | own)


def _id_of(record: Record | Reject, catalogue: Catalogue) -> str | None:
    """The document's id; None where it has none that its passages could be named after."""
    if isinstance(record, Reject):
        return None
    try:
        return check_id(record.values.get(catalogue.id))
    except RecordError:
        return None


def _embedded_columns(catalogue: Catalogue) -> list[str]:
    """The source's columns of the text fields in any template."""
    templates = [spec.template for spec in catalogue.vectors.values() if spec.template]
    names = {name for template in templates for name in Template(template).fields}
    return [catalogue.column(n) for n in sorted(names) if catalogue.fields[n].type == "text"]
