"""Fallbacks: labelled, in their order, under the filter, never what is shown already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from conftest import Load
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from recommender import Catalogue, fallbacks
from recommender.errors import InvalidParameter, UnknownField
from recommender.fallbacks import Fallback, fill, parse_fallbacks
from recommender.store import query
from recommender.store.connection import Server
from recommender.where import EVERYTHING, parse

FILMS = Catalogue.from_dict(
    {
        "name": "films",
        "fields": {
            "title": {"type": "text"},
            "genres": {"type": "tag"},
            "views": {"type": "number"},
            "date": {"type": "number"},
        },
        "vectors": {"v": {"embedder": "given", "column": "v", "index": "flat"}},
    }
)
PREFIX = "films:1:item:"
ROWS: list[dict[str, Any]] = [
    {"id": "alien", "genres": ["Horror", "Space", "Classic"], "views": 90, "date": 1979},
    {"id": "aliens", "genres": ["horror", "Space"], "views": 80, "date": 1986},
    {"id": "solaris", "genres": ["Space", "Classic"], "views": 20, "date": 1972},
    {"id": "psycho", "genres": ["Horror", "Classic"], "views": 70, "date": 1960},
    {"id": "scream", "genres": ["Horror"], "views": 60, "date": 1996},
    {"id": "saw", "genres": ["Horror"], "views": 60, "date": 2004},
    {"id": "dune", "genres": ["Space"], "views": 95.5, "date": 2021},
    {"id": "heat", "genres": ["Crime | Drama"], "views": 75},
    {"id": "untagged", "date": 2024},
]
SEED = ROWS[0]


@pytest.fixture
def films(load: Load, server: Server) -> Server:
    load(FILMS, [row | {"v": [1.0, 2.0]} for row in ROWS])
    return server


def filled(server: Server, texts: str | Sequence[str], count: int = 20, **more: Any) -> list[str]:
    asked = {"seed": SEED, "base": EVERYTHING, "exclude": {"alien"}} | more
    found = fill(server.client, FILMS, PREFIX, parse_fallbacks(texts, FILMS), count=count, **asked)
    return [f"{source} {id}" for id, source in found]


# Reading them


def test_texts_are_read_in_their_order() -> None:
    assert parse_fallbacks([], FILMS) == []
    assert parse_fallbacks(" popular( views ) ", FILMS) == [Fallback("popular", "views")]
    assert parse_fallbacks(["latest(date)", "same_tag(genres)", "latest(date)"], FILMS) == [
        Fallback("latest", "date"), Fallback("same_tag", "genres"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (5, "It is a list of texts like popular"),
        (None, "It is a list of texts like popular"),
        (b"popular(views)", "It is a list of texts like popular"),
        (["popular(views)", 5], "It is a list of texts like popular"),
        ("", "cannot be read"),
        ("popular(views", "cannot be read"),
        ("popular(views)(date)", "cannot be read"),
        ("popular", r"names no field. Write popular\(views\)"),
        ("same_tag()", r"names no field. Write same_tag\(genres\)"),
        ("poplar(views)", "Did you mean 'popular'"),
        ("popular(title)", r"popular is for number fields, 'title' is text. Write popular\(views"),
        ("popular(genres)", "'genres' is tag"),
        ("same_tag(views)", "same_tag is for tag fields, 'views' is number"),
        (["popular(views)"] * 9, "The limit is 8"),
    ],
)
def test_anything_else_is_refused(given: object, said: str) -> None:
    with pytest.raises(InvalidParameter, match=said) as caught:
        parse_fallbacks(given, FILMS)
    assert caught.value.parameter == "fallbacks"


def test_an_unknown_field_is_named_with_the_closest() -> None:
    with pytest.raises(UnknownField, match="Did you mean 'views'") as caught:
        parse_fallbacks("popular(view)", FILMS)
    assert caught.value.parameter == "fallbacks"
    with pytest.raises(UnknownField, match="The fields are: date, views"):
        parse_fallbacks("latest(nope)", FILMS)


# What they bring


def test_popular_is_the_greatest_first_ties_by_id(films: Server) -> None:
    assert filled(films, "popular(views)") == [
        "popular dune", "popular aliens", "popular heat", "popular psycho", "popular saw",
        "popular scream", "popular solaris",
    ]  # fmt: skip
    assert filled(films, "popular(views)", 2) == ["popular dune", "popular aliens"]
    assert filled(films, "popular(views)", 2, exclude={"alien", "dune", "heat", "nobody"}) == [
        "popular aliens", "popular psycho",
    ]  # fmt: skip


def test_spans_change_nothing_but_the_time(films: Server) -> None:
    right = filled(films, "popular(views)", 5)
    span = query.span(films.client, "films", "views")
    assert span is not None
    old = query.Span(*[0.0] * 4)
    for spans in ({}, {"views": span}, {"views": old}, {"views": query.Span(*[1e9] * 4)}):
        for count in range(1, 6):
            assert filled(films, "popular(views)", count, spans=spans) == right[:count]


def test_latest_is_the_newest_first(films: Server) -> None:
    assert filled(films, "latest(date)", 3) == ["latest untagged", "latest dune", "latest saw"]


def test_same_tag_is_most_shared_first_then_the_rarest(films: Server) -> None:
    # Space and Classic are rarer (4 and 3 items) than Horror (5).
    assert filled(films, "same_tag(genres)") == [
        "same_tag solaris",  # Space, Classic
        "same_tag psycho",  # Horror, Classic
        "same_tag aliens",  # Horror, Space
        "same_tag dune",  # Space
        "same_tag saw",
        "same_tag scream",
    ]


def test_several_in_their_order_and_nothing_twice(films: Server) -> None:
    texts = ["same_tag(genres)", "latest(date)", "popular(views)"]
    assert filled(films, texts, exclude={"alien", "solaris", "psycho"}) == [
        "same_tag aliens", "same_tag dune", "same_tag saw", "same_tag scream",
        "latest untagged", "popular heat",
    ]  # fmt: skip
    assert filled(films, texts, 5)[-1] == "same_tag saw"
    assert filled(films, texts, 0) == []
    assert filled(films, []) == []


def test_the_filter_holds(films: Server) -> None:
    base = parse("date<1990", FILMS)
    texts = ["same_tag(genres)", "popular(views)", "latest(date)"]
    assert filled(films, texts, base=base) == [  # here each label is on three
        "same_tag aliens", "same_tag psycho", "same_tag solaris",
    ]  # fmt: skip
    assert filled(films, texts, base=parse("views>1000", FILMS)) == []


def test_a_seed_without_labels_shares_none(films: Server) -> None:
    assert filled(films, "same_tag(genres)", seed={}) == []
    assert filled(films, "same_tag(genres)", seed={"genres": ["Nobody's"]}) == []
    assert filled(films, "same_tag(genres)", seed={"genres": ["Crime | Drama"]}) == [
        "same_tag heat"
    ]


labels = st.lists(st.sampled_from("abcdef"), max_size=4, unique=True)


@given(
    tags=st.lists(labels, min_size=1, max_size=25),
    own=labels,
    exclude=st.sets(st.integers(0, 24), max_size=8),
    count=st.integers(0, 12),
)
@examples(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_same_tag_is_what_python_finds(
    load: Load, server: Server, tags: list[list[str]], own: list[str], exclude: set[int], count: int
) -> None:
    server.client.flushall()
    rows = [{"id": f"{n:02}", "genres": each} for n, each in enumerate(tags)]
    load(FILMS, [row | {"v": [1.0, 2.0]} for row in rows])
    away = {f"{n:02}" for n in exclude}
    frequent = {label: sum(label in each for each in tags) for label in own}
    ranked = sorted(
        (-len({*own} & {*each}), -sum(1 / frequent[a] for a in sorted({*own} & {*each})), f"{n:02}")
        for n, each in enumerate(tags)
        if {*own} & {*each}
    )
    ids = [id for *_, id in ranked if id not in away][:count]
    found = filled(server, "same_tag(genres)", count, seed={"genres": own}, exclude=away)
    assert found == [f"same_tag {id}" for id in ids]


def test_of_very_many_the_ones_that_share_most_are_found(load: Load, server: Server) -> None:
    rows: list[dict[str, Any]] = [{"id": f"a {n:04}", "genres": ["a"]} for n in range(1500)]
    rows += [{"id": f"b {n:04}", "genres": ["b"]} for n in range(1000)]
    rows += [{"id": f"both {n}", "genres": ["A", "B"]} for n in range(3)]
    rows += [{"id": f"c {n}", "genres": ["c"]} for n in range(2)] + [
        {"id": "three", "genres": ["a", "b", "c"]}
    ]
    load(FILMS, [row | {"v": [1.0, 2.0]} for row in rows])
    assert len(rows) > fallbacks.ALL_UP_TO
    found = filled(server, "same_tag(genres)", 8, seed={"genres": ["a", "b", "c"]}, exclude=())
    assert found[:1] == ["same_tag three"]
    assert sorted(found[1:4]) == ["same_tag both 0", "same_tag both 1", "same_tag both 2"]
    assert found[4:6] == ["same_tag c 0", "same_tag c 1"]
    assert len({*found}) == 8
