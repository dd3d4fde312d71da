"""Legs: each kind brings what it promises, all of it passes the filter, and it stays bounded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from conftest import Load, Open
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender import Catalogue, boosts, formula, legs
from recommender.legs import Drawn, Target
from recommender.store import candidates, query
from recommender.store.candidates import Known
from recommender.store.connection import Server
from recommender.store.query import Span
from recommender.where import EVERYTHING, parse

NOW = 1_700_000_000.0
DAY = 86_400
COUNT = 400


def films(index: str, metric: str = "cosine") -> Catalogue:
    vector = {"embedder": "given", "column": "v", "index": index, "metric": metric}
    numbers = {name: {"type": "number"} for name in ("year", "votes", "stars", "rare", "date")}
    fields = {"genres": {"type": "tag"}, **numbers}
    return Catalogue.from_dict({"name": "films", "fields": fields, "vectors": {"v": vector}})


def film(number: int) -> dict[str, Any]:
    """Number 0 is the seed; the vectors turn away from its own, a quarter of a degree each."""
    angle = math.radians(number / 4)
    genres = [f"g{number % 7}", f"h{number % 5}", f"i{number % 3}"]
    rare = {"rare": number} if number % 40 == 0 else {}
    return {
        "id": f"f{number:03}",
        "v": [math.cos(angle), math.sin(angle), 0.0],
        "genres": genres,
        "year": 1900 + (number * 37) % 101,
        "votes": (number * 7919) % 10_007,
        "stars": -5 + number % 11,
        "date": NOW - DAY * ((number * 31) % 1000),
        **rare,
    }


FILMS = [film(number) for number in range(COUNT)]


class Drawing:
    """Draws candidates for the seed from the films in Redis."""

    def __init__(self, server: Server, catalogue: Catalogue) -> None:
        self.server = server
        self.catalogue = catalogue
        self.known = Known()

    def __call__(
        self, texts: Sequence[str], *, pool: int = 40, where: Any = (), extra: Any = ()
    ) -> Drawn:
        parsed = boosts.parse(list(texts), self.catalogue)
        client, name = self.server.client, self.catalogue.name
        fields = {boost.field for boost in parsed if boost.kind in ("high", "low")}
        spans = {each: query.span(client, name, each) or Span(0, 0, 0, 0) for each in fields}
        base = parse(where, self.catalogue)
        assert base is not None
        blob = np.array(FILMS[0]["v"], dtype=np.float32).tobytes()
        return legs.candidates(
            client, self.catalogue, [Target("v", blob)], base, parsed, FILMS[0], spans, self.known,
            items=COUNT, pool=pool, now=NOW, extra=extra,
        )  # fmt: skip

    def numbers(self, *texts: str, **options: Any) -> list[int]:
        return [int(key.decode()[-3:]) for key in self(texts, **options).keys]


@pytest.fixture(params=["hnsw", "flat"])
def draw(request: pytest.FixtureRequest, load: Load, server: Server) -> Drawing:
    catalogue = films(request.param)
    load(catalogue, FILMS)
    return Drawing(server, catalogue)


def best(count: int, worth: Mapping[int, float]) -> set[int]:
    return set(sorted(worth, key=lambda number: -worth[number])[:count])


def test_all_where_no_more_than_the_pool_pass(draw: Drawing) -> None:
    assert sorted(draw.numbers(pool=COUNT)) == list(range(COUNT))
    few = draw.numbers("1*high(votes)", where="rare>=0")
    assert sorted(few) == list(range(0, COUNT, 40))
    assert draw.numbers(where="rare<0") == []


def test_without_boosts_the_nearest(draw: Drawing) -> None:
    assert draw.numbers(pool=20) == list(range(20))
    assert draw.numbers("0*high(votes)", pool=20) == list(range(20))


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("3*high(votes)", lambda film: film["votes"]),
        ("-3*high(votes)", lambda film: -film["votes"]),
        ("3*low(votes)", lambda film: -film["votes"]),
        ("3*high(stars)", lambda film: film["stars"]),
        ("5*fresh(date,200d)", lambda film: film["date"]),
        ("-5*fresh(date,200d)", lambda film: -film["date"]),
    ],
)
def test_what_is_high_comes_however_far_it_is(draw: Drawing, text: str, worth: Any) -> None:
    values = {number: worth(film) for number, film in enumerate(FILMS)}
    least = min(sorted(values.values(), reverse=True)[:5])
    found = [values[number] for number in draw.numbers(text, pool=60)]
    assert sum(value >= least for value in found) >= 5


@pytest.mark.parametrize("options", ["3", "3,gauss", "6,linear"])
def test_what_is_close_in_a_number_comes(draw: Drawing, options: str) -> None:
    same = [number for number in range(COUNT) if FILMS[number]["year"] == FILMS[0]["year"]]
    assert len(same) == 4
    assert set(same) <= set(draw.numbers(f"2*near(year,{options})", pool=80))


def test_near_to_a_given_number(draw: Drawing) -> None:
    wanted = {number for number in range(COUNT) if FILMS[number]["year"] == 1950}
    assert wanted <= set(draw.numbers("2*near(year,1,to=1950)", pool=80))


def test_what_shares_two_labels_comes(draw: Drawing) -> None:
    # 105 has all three of the seed's labels, the others that have them are farther.
    assert 105 in draw.numbers("2*overlap(genres)", pool=80)
    found = draw.numbers("-2*overlap(genres)")
    assert sum(not set(FILMS[number]["genres"]) & set(FILMS[0]["genres"]) for number in found) >= 5


def test_conditions(draw: Drawing) -> None:
    found = draw.numbers("0.5*match(genres=g6)")
    assert [number for number in found if number % 7 == 6][:5] == [6, 13, 20, 27, 34]
    found = draw.numbers("-0.5*match(year<=1990)")
    assert sum(FILMS[number]["year"] > 1990 for number in found) >= 10


def test_what_lacks_a_number_is_drawn_by_other_legs(draw: Drawing) -> None:
    assert set(draw.numbers("0.5*high(rare)", "0.5*high(votes)")) >= {0, 1, 2}
    # Too few have the rare number: with it in the formula no others would come from there.
    strong = draw.numbers("3*high(votes)", "0.5*high(rare)", pool=60)
    assert best(5, {n: film["votes"] for n, film in enumerate(FILMS)}) <= set(strong)


MANY = [
    {
        "id": f"f{number:04}",
        "v": [math.cos(number), math.sin(number), math.sin(number * number)],
        "genres": [f"g{number % 7}", f"h{number % 11}"],
        "year": 1900 + (number * 37) % 101,
        "votes": (number * 7919) % 100_003,
        "stars": (number * 31) % 100,
    }
    for number in range(3000)
]


@pytest.mark.parametrize(
    "texts",
    [
        ["2*high(votes)", "1.2*high(stars)", "0.5*near(year,2)", "0.5*near(year,8)"],
        ["0.3*high(votes)", "0.3*near(year,4)", "0.2*overlap(genres)"],
        ["-2*high(votes)", "0.5*near(year,4)"],
        ["0.5*high(stars)", "0.5*low(votes)"],
    ],
)
def test_the_best_of_all_are_drawn(load: Load, server: Server, texts: list[str]) -> None:
    catalogue = films("hnsw")
    load(catalogue, MANY)
    parsed = boosts.parse(texts, catalogue)
    spans = {name: query.span(server.client, "films", name) for name in ("votes", "stars")}
    rows = np.array([film["v"] for film in MANY])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    total = rows @ rows[0]
    for boost in parsed:
        if boost.kind == "overlap":
            signal = boosts.overlaps([film["genres"] for film in MANY], MANY[0]["genres"])
        else:
            values = np.array([film[boost.field] for film in MANY], dtype=float)
            signal = _signal(boost, values, spans.get(boost.field), MANY[0])
        total = total + boost.weight * signal
    drawn = legs.candidates(
        server.client, catalogue, [Target("v", rows[0].astype(np.float32).tobytes())], EVERYTHING,
        parsed, MANY[0], {name: span for name, span in spans.items() if span}, Known(),
        items=len(MANY), pool=240, now=NOW,
    )  # fmt: skip
    found = {int(key.decode()[-4:]) for key in drawn.keys}
    assert len(found & set(np.argsort(-total)[:10].tolist())) >= 9


def test_extra_queries_go_along(draw: Drawing) -> None:
    command = candidates.some("films", "@year:[1900 1900]", 10)
    drawn = draw(["1*high(votes)"], extra=[command])
    [reply] = drawn.extra
    same = [film["id"].encode() for film in FILMS if film["year"] == 1900]
    assert sorted(candidates.keys_of(reply)) == [b"films:1:item:" + id for id in same]
    assert len(draw([], pool=COUNT, extra=[command, command]).extra) == 2


def test_an_index_from_before_numbers_were_sortable(draw: Drawing) -> None:
    texts = ["0.5*high(votes)", "0.3*near(year,5)"]
    before = draw.numbers(*texts)
    client = draw.server.client
    client.execute_command(
        "FT.CREATE", "old", "PREFIX", 1, "films:1:item:", "STOPWORDS", 0, "SCHEMA",
        "genres", "TAG", "SEPARATOR", "\x1f", "year", "NUMERIC", "votes", "NUMERIC",
        "v_vector", "VECTOR", draw.catalogue.vectors["v"].index, 6,
        "TYPE", "FLOAT32", "DIM", 3, "DISTANCE_METRIC", "COSINE",
    )  # fmt: skip
    while client.ft("old").info()["percent_indexed"] not in ("1", b"1", 1):
        pass
    client.execute_command("FT.ALIASUPDATE", "films", "old")
    assert draw.numbers(*texts) == before


def test_numbers_are_sortable(draw: Drawing) -> None:
    info = draw.server.client.execute_command("FT.INFO", "films")
    attributes = dict(zip(info[::2], info[1::2], strict=True))[b"attributes"]
    assert {row[1] for row in attributes if b"SORTABLE" in row} == {
        b"year", b"votes", b"stars", b"rare", b"date",
    }  # fmt: skip


TEXTS = [
    "3*high(votes)", "-1*high(stars)", "0.5*low(votes)", "0.4*near(year,5)", "0.3*near(year,50)",
    "-0.5*near(year,5,gauss)", "1*near(votes,100,to=-5)", "0.7*fresh(date,30d)", "0.4*high(rare)",
    "1*overlap(genres)", "-1*overlap(genres)", "0.5*match(genres=g1)", "-0.5*match(votes<5000)",
    "1000*high(date)", "0*high(votes)", "1e-9*near(year,1e-9)", "1*near(date,1e300)",
]  # fmt: skip
WHERES: list[Any] = [
    (), "genres=g1|h2", "genres!=g1", "year=1900..1950", ["votes>=5000", "genres=i1"], "rare>=0",
    {"not": "stars>=0"}, "stars>100",
]  # fmt: skip


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    texts=st.lists(st.sampled_from(TEXTS), max_size=8, unique=True),
    where=st.sampled_from(WHERES),
    pool=st.sampled_from([1, 2, 10, 40, 100, 1000]),
)
def test_every_key_passes_the_filter(
    draw: Drawing, texts: list[str], where: Any, pool: int
) -> None:
    base = parse(where, draw.catalogue) or EVERYTHING
    client = draw.server.client
    allowed = set(candidates.keys(client, "films", [candidates.some("films", base, 1000)])[0])
    keys = draw(texts, where=where, pool=pool).keys
    assert set(keys) <= allowed
    assert len(set(keys)) == len(keys) <= pool
    assert len(keys) >= min(len(allowed), pool // 4)
    assert draw(texts, where=where, pool=pool).keys == keys


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
@pytest.mark.parametrize("text", [*TEXTS[:9], "0.3*near(year,8,linear)", "2*near(stars,1.5,exp)"])
def test_formulas_give_what_boosts_do(load: Load, server: Server, text: str, metric: str) -> None:
    catalogue = films("flat", metric)
    load(catalogue, FILMS)
    [boost] = boosts.parse([text], catalogue)
    span = query.span(server.client, "films", boost.field)
    assert span is not None
    terms = formula.terms([boost], FILMS[0], {boost.field: span}, NOW)
    blob = np.array(FILMS[0]["v"], dtype=np.float32).tobytes()
    command = candidates.best(
        server.client, "films", EVERYTHING, formula.total(terms, metric, 0.5), [boost.field], COUNT,
        ("v", blob, COUNT, None),
    )  # fmt: skip
    [reply] = candidates.answers(server.client, "films", [command])
    rows = [dict(zip(row[::2], row[1::2], strict=True)) for row in reply[1:]]
    numbers = [int(row[b"__key"].decode()[-3:]) for row in rows]
    got = np.array([float(row[b"__total"]) for row in rows])

    values = np.array([FILMS[n][boost.field] for n in numbers], dtype=float)
    products = np.array([FILMS[n]["v"][0] for n in numbers])
    apart = np.sqrt(2 - 2 * products)
    similarity = 1 / (1 + apart) if metric == "l2" else products
    wanted = 0.5 * similarity + boost.weight * _signal(boost, values, span, FILMS[0])
    assert len(rows) == sum(boost.field in film for film in FILMS)
    # What is the same for all is left out of the formula.
    # The square root of float32's error near 0 is some 5e-4.
    difference = wanted - got
    assert np.ptp(difference) < (2e-3 if metric == "l2" else 1e-5)


def _signal(boost: boosts.Boost, values: Any, span: Span | None, seed: Any) -> Any:
    if span is not None and boost.kind in ("high", "low"):
        height = boosts.height(values, span.least, span.greatest)
        return height if boost.kind == "high" else 1 - height
    if boost.kind == "fresh":
        return boosts.closeness(np.maximum(NOW - values, 0), boost.scale, boost.curve)
    reference = seed[boost.field] if boost.to is None else boost.to
    return boosts.closeness(values - reference, boost.scale, boost.curve)


@pytest.mark.parametrize("value", [0.0, -3.5, 1e300, -1e22, 5e-324, 1e-7, 123456789.123])
def test_numbers_as_the_engine_reads_them(draw: Drawing, value: float) -> None:
    text = f"{formula.number(value)} * (@year / @year)"
    command = candidates.best(draw.server.client, "films", "@year:[1937 1937]", text, ["year"], 1)
    [reply] = candidates.answers(draw.server.client, "films", [command])
    row = dict(zip(reply[1][::2], reply[1][1::2], strict=True))
    assert float(row[b"__total"]) == pytest.approx(value, rel=1e-9, abs=1e-300)


def test_read(server: Server) -> None:
    odd = "k\r\n$0\r\n\r\nü".encode()
    server.client.hset(odd, mapping={"a": b"\x00\r\n", "ä": "2"})
    found = candidates.read(server.client, [odd, b"none", odd], ["ä", "a", "b"])
    assert found == [[b"2", b"\x00\r\n", None], [None] * 3, [b"2", b"\x00\r\n", None]]
    assert candidates.read(server.client, [], ["a"]) == []
    assert candidates.read(server.client, [odd], []) == [[]]


def test_what_is_known_is_not_asked_again(draw: Drawing) -> None:
    client, known = draw.server.client, Known()
    assert known.counts(client, "films", ["@year:[1900 1900]", "*", "@year:[1900 1900]"]) == [
        4,
        COUNT,
        4,
    ]
    assert (
        known.tail(client, "films", "votes", top=True)[:2]
        == sorted((film["votes"] for film in FILMS), reverse=True)[:2]
    )
    assert known.tail(client, "films", "rare", top=False) == list(range(0, COUNT, 40))
    client.execute_command("FT.ALIASDEL", "films")
    assert known.counts(client, "films", ["*"]) == [COUNT]
    assert len(known.tail(client, "films", "rare", top=False)) == 10


def test_a_count_that_is_out_of_date_hides_nothing(load: Load, open_catalogue: Open) -> None:
    """The best of many that came within the minute in which a count is believed."""
    catalogue = Catalogue.from_dict(
        {
            "name": "fresh",
            "fields": {"kind": {"type": "tag"}},
            "vectors": {"v": {"embedder": "given", "column": "v", "index": "flat"}},
        }
    )
    few = [{"id": f"far {n}", "kind": "a", "v": [n + 1, 100]} for n in range(30)]
    load(catalogue, [{"id": "seed", "kind": "b", "v": [1, 0]}, *few])
    engine = open_catalogue("fresh")
    wishes: Any = {"where": "kind=a", "explain": True, "pool": 40, "limit": 3}
    assert engine.similar("seed", **wishes).items[0].id == "far 29"
    load(catalogue, [{"id": f"near {n}", "kind": "a", "v": [100, n]} for n in range(60)])
    assert [hit.id for hit in engine.similar("seed", **wishes)] == ["near 0", "near 1", "near 2"]


@pytest.mark.parametrize(
    "texts", [["1*near(year,5)"], ["1*match(votes<500)"], ["3*high(votes)"], ["1*overlap(genres)"]]
)
def test_a_long_page_is_full_whatever_the_legs_share(
    draw: Drawing, open_catalogue: Open, texts: list[str]
) -> None:
    films = open_catalogue("films")
    for limit in (120, 150, 180):
        found = films.similar("f000", boosts=texts, limit=limit, pool=1)
        assert found.complete
        assert len({hit.id for hit in found}) == limit


def test_likes_that_are_nearly_the_same_fill_a_long_page(
    draw: Drawing, open_catalogue: Open
) -> None:
    likes = [f"f{number:03}" for number in range(20)]
    found = open_catalogue("films").recommend(likes, strategy="best", limit=100)
    assert found.complete
    assert len({hit.id for hit in found}) == 100
