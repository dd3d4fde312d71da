"""Ranked rows as hits: with the fields that are wanted, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
        why = None if row.why is None else told(row.why, seed, own)
        hits.append(Hit(row.id, row.score, shown, row.source, why, row.relevance))
    return hits
