"""One item's stored neighbours, as hits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from recommender.errors import RelatedNotBuilt
from recommender.items import Hit
from recommender.nearest import DIGITS
from recommender.store import hashes, neighbours, query
from recommender.store.connection import Client
from recommender.store.neighbours import Built, Near
from recommender.view import View, least_score
from recommender.where import EVERYTHING
from recommender.wishes import Page

Listed = tuple[str, bytes, float]
"""An id as text and as bytes, and its score."""


class NoList(NamedTuple):
    """An item has the vector, but its neighbours are still to be found."""

    vector: str


def read(client: Client, view: View, id: str, page: Page) -> tuple[list[Hit], Near] | NoList | None:
    """The hits of the page from the list of the item ``id``; None where there is no such item.

    Two round trips, to the list and to its items, and one for ``where``. Raises RelatedNotBuilt.
    """
    catalogue, generation = view.entry.catalogue.name, view.entry.generation
    near = neighbours.read(client, neighbours.prefix_of(catalogue, generation), id)
    if near is None:
        is_there, _ = neighbours.read_items(client, view.prefix, (), (), id)
        built = _built(client, catalogue, generation) if is_there else None
        if built is None:
            return None
        if hashes.read_vector(client, view.prefix, id, built.vector) is not None:
            return NoList(built.vector)
        near = Near(built.vector, True, (), ())
    hits = _hits(client, view, id, page, near)
    return None if hits is None else (hits, near)


def _hits(client: Client, view: View, id: str, page: Page, near: Near) -> list[Hit] | None:
    names, wanted = view.wanted(page.fields), page.end
    calibration = view.entry.calibration.get(near.vector)
    listed = _listed(near, page, least_score(page, calibration))
    if (filter := view.parse(page.where)) != EVERYTHING:
        listed = _meeting(client, view, filter, listed)
    hits: list[Hit] = []
    for start in range(0, max(len(listed), 1), wanted):  # more than once where items are gone
        part = listed[start : start + wanted]
        is_there, items = neighbours.read_items(
            client, view.prefix, [each for _, each, _ in part], names, id
        )
        if not is_there:
            return None
        for (other, _, score), values in zip(part, items, strict=True):
            if values is not None:
                own = view.fields(names, values)
                relevance = None if calibration is None else calibration.of(score)
                hits.append(Hit(other, score, own, "related", None, relevance))
        if len(hits) >= wanted:
            break
    return hits[page.offset : wanted]


def _listed(near: Near, page: Page, least: float) -> list[Listed]:
    """What the page may show of a list, by its ids and scores."""
    rows = [
        (id.decode(), id, round(score, DIGITS))
        for id, score in zip(near.ids, near.scores, strict=True)
    ]
    return [row for row in rows if row[0] not in page.exclude and row[2] >= least]


def _meeting(
    client: Client, view: View, filter: str | None, rows: Sequence[Listed]
) -> list[Listed]:
    """Those of the rows that pass the filter; none where nothing can."""
    if filter is None:
        return []
    prefix = view.prefix.encode()
    keys = [prefix + id for _, id, _ in rows]
    met = query.meeting(client, view.entry.catalogue.name, filter, keys)
    return [row for row, key in zip(rows, keys, strict=True) if key in met]


def _built(client: Client, catalogue: str, generation: int) -> Built:
    """What was built to the end. Raises RelatedNotBuilt."""
    built = neighbours.get_built(client, catalogue, generation)
    if built is not None and built.done:
        return built
    raise RelatedNotBuilt(
        f"the neighbours of {catalogue!r} have not been built"
        + (" to the end: it goes on, or was cut off" if built else ""),
        remedy=f"recommender related build {catalogue}",
    )
