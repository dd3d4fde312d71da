"""Ranked rows as hits: with the fields that are wanted, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recommender import lexical
from recommender.items import Hit
from recommender.reasons import told
from recommender.store import candidates, hashes
from recommender.store.connection import Client
from recommender.store.pools import Row
from recommender.view import View


def made(
    client: Client,
    view: View,
    rows: Sequence[Row],
    fields: Sequence[str] | None,
    seed: Mapping[str, Any],
) -> list[Hit]:
    """The hits of ``rows``, in their order; an item that was deleted meanwhile is left out.

    ``fields`` None means all of them; ``seed`` are the fields that a ``why`` compares with.
    """
    names = view.wanted(fields)
    explained = any(row.why is not None for row in rows)
    read = view.wanted(None) if explained else names
    keys = [(view.prefix + row.id).encode() for row in rows]
    stored = candidates.read(client, keys, [hashes.DIGEST, *read])
    hits = []
    for row, (digest, *values) in zip(rows, stored, strict=True):
        if digest is None:
            continue
        own = view.fields(read, values)
        shown = {name: own[name] for name in names if name in own} if explained else own
        why = None
        if row.why is not None:
            why = told(_with_matched(row.why, own, view), seed, own, row.relevance)
        hits.append(Hit(row.id, row.score, shown, row.source, why, row.relevance))
    return hits


def _with_matched(why: Mapping[str, Any], own: Mapping[str, Any], view: View) -> Mapping[str, Any]:
    """``why`` with the words that the item has in the place of those that were looked for."""
    if "words" not in why:
        return why
    catalogue = view.entry.catalogue
    words = dict(why["words"])
    terms, labels = words.pop("terms", ()), tuple(words.pop("labels", ()))
    tags = tuple(name for name, field in catalogue.fields.items() if field.type == "tag")
    asked = lexical.Wording(dict.fromkeys(terms, 1.0), labels, tags if labels else ())
    found = dict.fromkeys(lexical.matched(asked, own, catalogue))
    return {**why, "words": {**words, "matched": list(found)}}
