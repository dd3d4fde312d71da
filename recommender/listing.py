"""One item's stored neighbours, as hits."""

from __future__ import annotations

from typing import NamedTuple

from recommender.errors import RelatedNotBuilt
from recommender.items import Hit
from recommender.nearest import DIGITS
from recommender.store import hashes, neighbours
from recommender.store.connection import Client
from recommender.store.neighbours import Built, Near
from recommender.view import View
from recommender.wishes import Page


class NoList(NamedTuple):
    """An item has the vector, but its neighbours are still to be found."""

    vector: str


def read(client: Client, view: View, id: str, page: Page) -> tuple[list[Hit], Near] | NoList | None:
    """The hits of the page from the list of the item ``id``; None where there is no such item.

    Two round trips, to the list and to its items. Raises RelatedNotBuilt.
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
    names, wanted = view.wanted(page.fields), page.offset + page.limit
    listed = _listed(near, page)
    calibration = view.entry.calibration.get(near.vector)
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


def _listed(near: Near, page: Page) -> list[tuple[str, bytes, float]]:
    """What the page may show of a list: ids as text and as bytes, and scores."""
    rows = [
        (id.decode(), id, round(score, DIGITS))
        for id, score in zip(near.ids, near.scores, strict=True)
    ]
    rows = [row for row in rows if row[0] not in page.exclude]
    least = page.min_score
    return rows if least is None else [row for row in rows if row[2] >= least]


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
