"""Browsing against Redis: items like nothing in particular, in pages, under conditions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest

from recommender import Catalogue, Recommender
from recommender.errors import InvalidParameter, UnknownField

CATALOGUE = Catalogue.from_yaml("""
name: films
fields: {genres: {type: tag}, year: {type: number}, title: {type: text}}
vectors: {v: {embedder: given, column: v}}
""")


@pytest.fixture
def films(load: Callable[..., Any], open_catalogue: Callable[[str], Recommender]) -> Recommender:
    """Twenty films; the even ones have a year, which falls as their number rises."""
    rows = [
        {"id": f"{i:02}", "v": [1, i], "title": f"Film {i}", "genres": "odd" if i % 2 else "even"}
        | ({"year": 2000 - i} if i % 2 == 0 else {})
        for i in range(20)
    ]  # fmt: skip
    load(CATALOGUE, rows)
    return open_catalogue("films")


def ids(films: Recommender, **asked: Any) -> list[str]:
    return [hit.id for hit in films.browse(**asked)]


def test_the_greatest_come_first_and_what_has_no_number_last(films: Recommender) -> None:
    whole = ids(films, order="year", limit=100)
    assert whole[:10] == [f"{i:02}" for i in range(0, 20, 2)]
    assert sorted(whole[10:]) == [f"{i:02}" for i in range(1, 20, 2)]
    pages = [ids(films, order="year", limit=6, offset=at) for at in (0, 6, 12, 18, 24)]
    assert [*chain(*pages)] == whole
    assert [len(page) for page in pages] == [6, 6, 6, 2, 0]


def test_without_an_order_pages_neither_repeat_nor_skip(films: Recommender) -> None:
    pages = [ids(films, limit=7, offset=at) for at in (0, 7, 14)]
    assert len({*chain(*pages)}) == 20
    assert [*chain(*pages)] == ids(films, limit=50)


def test_what_is_said_of_the_hits(films: Recommender) -> None:
    found = films.browse(order="year", limit=2, fields=["title"], where="genres=even")
    assert [(hit.score, hit.relevance, hit.source) for hit in found] == [(None, None, "browse")] * 2
    assert found.items[0].fields == {"title": "Film 0"}
    assert (found.requested, found.returned, found.complete, found.exact) == (2, 2, True, True)
    assert films.browse(limit=11, where="genres=even").complete is False
    assert ids(films, where={"any": []}) == []


def test_what_is_refused(films: Recommender) -> None:
    with pytest.raises(UnknownField) as caught:
        films.browse(order="title")
    assert caught.value.parameter == "order"
    with pytest.raises(InvalidParameter):
        films.browse(limit=0)
    with pytest.raises(UnknownField):
        films.browse(fields=["titel"])
