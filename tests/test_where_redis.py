"""``where`` against Redis: the engine finds what a plain oracle in Python finds, and no more."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from conftest import Open
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender import Catalogue, Recommender
from recommender.errors import InvalidWhere, UnknownField

Film = dict[str, Any]
Load = Callable[..., Any]
Oracle = Callable[[Film], bool]

CATALOGUE = Catalogue.from_yaml("""
name: films
fields: {genres: {type: tag}, year: {type: number}, title: {type: text}, place: {type: geo}}
vectors: {v: {embedder: given, column: v}}
""")
PARIS, VERSAILLES, LONDON, ORIGIN = (2.35, 48.85), (2.13, 48.80), (-0.12, 51.50), (0.0, 0.0)
FILMS: list[Film] = [
    {"id": "a", "genres": ["Drama"], "year": 1990, "title": "Toy Story", "place": PARIS},
    {"id": "b", "genres": ["Drama", "Sci-Fi"], "year": 1995, "title": "Story of a toy"},
    {"id": "c", "genres": ["sci-fi", "film noir"], "year": 2000, "title": "Schindler's List"},
    {"id": "d", "genres": ["film", "noir"], "year": 1990.5, "title": "Spider-Man: Home, again!"},
    {"id": "e", "genres": ["a|b", "c,d"], "year": -5, "title": "E.T.", "place": VERSAILLES},
    {"id": "f", "genres": ["a", "b"], "year": 0, "title": "2001: robots"},
    {"id": "g", "genres": ["{x}", "@home", "a:b"], "year": 1e-5, "title": "Amélie & co"},
    {"id": "h", "genres": ['"q"', "it's", "R&B"], "title": "snake_case (1999)", "place": LONDON},
    {"id": "i", "genres": ["v1.0", "100%", "$5"], "year": -2.5, "title": "a robot's year"},
    {"id": "j", "genres": ["Été", "日本"], "year": 1e20, "title": "日本 inf or as not"},
    {"id": "k", "year": 2**53, "title": "-1 + 1 = [0]", "place": ORIGIN},
    {"id": "l", "genres": ["C:\\x", "*", "x*y"]},
    {"id": "m", "genres": ["a`b", "c \t\n d", "_"], "title": "the 1E5 INF AC\\DC a\x01b _ plan"},
]
ALL = "".join(film["id"] for film in FILMS)


@pytest.fixture
def films(load: Load, open_catalogue: Open) -> Recommender:
    load(CATALOGUE, [film | {"v": [1, number]} for number, film in enumerate(FILMS)])
    return open_catalogue("films")


def found(films: Recommender, where: Any) -> str:
    """The ids that pass, in one word; counting and searching say the same."""
    hits = films.search(vector=[1, 1], where=where, limit=50)
    ids = "".join(sorted(hit.id for hit in hits))
    assert films.count(where) == len(ids)
    return ids


def plain(label: str) -> str:
    """What the engine takes as the same: ASCII letters of any case, white space as one space."""
    lower = "".join(letter.lower() if letter.isascii() else letter for letter in label)
    return " ".join(lower.split())


def tagged(*labels: str) -> Oracle:
    wanted = {plain(label) for label in labels}
    return lambda film: any(plain(label) in wanted for label in film.get("genres", ()))


def year(test: Callable[[float], bool]) -> Oracle:
    return lambda film: "year" in film and test(film["year"])


def exactly(*numbers: float) -> Oracle:
    return year(lambda y: y in numbers)


def either(*oracles: Oracle) -> Oracle:
    return lambda film: any(oracle(film) for oracle in oracles)


def says(*words: str) -> Oracle:
    def test(film: Film) -> bool:
        title = re.sub(r"[\\\x01]", "", plain(film.get("title", "")))
        return {*words} <= {*re.split(r"[^\w]+", title)}

    return test


def near(lon: float, lat: float, metres: float) -> Oracle:
    def test(film: Film) -> bool:
        x, y = (math.radians(angle) for angle in film.get("place", (180, -85)))
        u, v = math.radians(lon), math.radians(lat)
        half = math.sin((y - v) / 2) ** 2 + math.cos(y) * math.cos(v) * math.sin((x - u) / 2) ** 2
        return "place" in film and 2 * 6372797.56 * math.asin(math.sqrt(half)) <= metres

    return test


def no(oracle: Oracle) -> Oracle:
    return lambda film: not oracle(film)


CONDITIONS: list[tuple[str, Oracle]] = [
    ("genres=Drama", tagged("drama")),
    ("genres = SCI-FI ", tagged("sci-fi")),
    ("genres!=Drama", no(tagged("drama"))),
    ("genres=Drama|film noir", tagged("drama", "film noir")),
    ("genres!=Drama|Sci-Fi", no(tagged("drama", "sci-fi"))),
    ("genres=film", tagged("film")),
    (r"genres=a\|b", tagged("a|b")),
    ("genres=a|b", tagged("a", "b")),
    ("genres=c,d", tagged("c,d")),
    ("genres={x}", tagged("{x}")),
    ("genres=@home|a:b", tagged("@home", "a:b")),
    ('genres="q"|it\'s', tagged('"q"', "it's")),
    ("genres=R&B", tagged("r&b")),
    ("genres=v1.0|100%|$5", tagged("v1.0", "100%", "$5")),
    ("genres=Été|日本", tagged("Été", "日本")),
    ("genres=*", tagged("*")),
    ("genres=x*", tagged("x*")),
    ("genres=C:\\x", tagged("c:\\x")),
    ("genres=a`b", tagged("a`b")),
    ("genres=a b", tagged()),
    ("genres=c d", tagged("c d")),
    ("genres=c\n\t d", tagged("c d")),
    ("genres=_", tagged("_")),
    ("genres=nobody", tagged()),
    ("year=1990", exactly(1990)),
    ("year=5|-5|+0", exactly(5, -5, 0)),
    ("year!=1990", no(exactly(1990))),
    ("year!=..0|5", no(year(lambda y: y <= 0 or y == 5))),
    ("year>1990", year(lambda y: y > 1990)),
    ("year>=1990", year(lambda y: y >= 1990)),
    ("year<-2.5", year(lambda y: y < -2.5)),
    ("year <= -2.5", year(lambda y: y <= -2.5)),
    ("year=1990..1995", year(lambda y: 1990 <= y <= 1995)),
    ("year=-5..-1|2000..", year(lambda y: -5 <= y <= -1 or y >= 2000)),
    ("year=0 .. 1", year(lambda y: 0 <= y <= 1)),
    ("year=..-3", year(lambda y: y <= -3)),
    ("year=1990..1990", exactly(1990)),
    ("year=1e-5|1e20", exactly(1e-5, 1e20)),
    ("year=9007199254740992", exactly(2**53)),
    ("title~toy story", says("toy", "story")),
    ("title~STORIES", says("stories")),  # no stems, on no path
    ("title~robot", says("robot")),
    ("title~Schindler's", says("schindler", "s")),
    ("title~spider-man", says("spider", "man")),
    ("title~E.T.|list", either(says("e", "t"), says("list"))),
    ("title~2001|1999", either(says("2001"), says("1999"))),
    ("title~snake_case", says("snake_case")),
    ("title~(a)=>*", says("a")),
    ("title~amélie", says("amélie")),
    ("title~日本|inf as", either(says("日本"), says("inf", "as"))),
    ("title~or not", says("or", "not")),
    ("title~[0]", says("0")),
    ("title~1E5", says("1e5")),
    ("title~1e5 Inf", says("1e5", "inf")),
    ("title~AC\\DC", says("acdc")),
    ("title~a\x01b", says("ab")),
    ("title~toy _", says("toy")),
    ("place=@2.35,48.85,1m", near(*PARIS, 1)),
    ("place = @ 2.35 , 48.85 , 20 km ", near(*PARIS, 20_000)),
    ("place!=@2.35,48.85,20km", no(near(*PARIS, 20_000))),
    ("place=@2.35,48.85,250mi", near(*PARIS, 250 * 1609.34)),
    ("place=@-.12,51.5,.5ft", near(*LONDON, 0.15)),
    ("place=@1e-9,0,1km", near(*ORIGIN, 1000)),
]


@pytest.mark.parametrize(("where", "oracle"), CONDITIONS, ids=[ascii(c[0]) for c in CONDITIONS])
def test_one_condition(films: Recommender, where: str, oracle: Oracle) -> None:
    expected = "".join(film["id"] for film in FILMS if oracle(film))
    assert found(films, where) == expected
    assert found(films, {"not": {"not": where}}) == expected
    assert found(films, {"not": where}) == "".join(f["id"] for f in FILMS if not oracle(f))


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        (None, ALL),
        ([], ALL),
        (["genres=Drama", "year=1990"], "a"),
        (("genres=Drama",), "ab"),
        ({"any": ["genres=Drama", "year=0"]}, "abf"),
        ({"all": ["genres=Drama", "year=0"]}, ""),
        ([{"any": ["year=0", "year=2000"]}, {"not": "genres=a"}], "c"),
        ({"not": {"any": ["year>0", "year<=0"]}}, "hlm"),
        ({"not": {"all": ["genres=Drama", "year=1990"]}}, ALL[1:]),
        ({"any": [{"all": ["genres=a", "year=0"]}, "title~toy"]}, "abf"),
        ({"any": [{"any": []}, "year=0"]}, "f"),
        ({"any": []}, ""),
        ([{"any": []}, "year=0"], ""),
        ({"all": ["year=0", {"any": []}]}, ""),
        ({"any": [{"all": ["year=0", {"any": []}]}]}, ""),
    ],
)
def test_several_conditions(films: Recommender, where: Any, ids: str) -> None:
    assert found(films, where) == ids


def test_the_engine_takes_the_most_that_the_limits_let_through(films: Recommender) -> None:
    where: Any = "genres=Drama"
    for _ in range(8):
        where = {"not": where}
    assert found(films, where) == "ab"
    assert found(films, ["genres=Drama"] * 64) == "ab"
    assert found(films, {"any": ["genres=nobody"] * 62 + ["genres=Drama"]}) == "ab"
    assert found(films, "title~" + "toy " * 1000) == "ab"
    for start, last in (("year=1", "|0"), ("title~x", "|2001"), ("genres=x", "|a")):
        assert found(films, start + "|99" * 498 + last) == "f"


# Nobody gets out of a condition

INJECTIONS = [
    "}", "x} | *", "x}) | (*", ") | *", "x) | (*", "*", "?", "%%x%%", "x}=>{$weight: 1}",
    "x})=>[KNN 50 @v_vector $v]", "=>[KNN", "@year:[-inf +inf]", "-x", "~x", "$v", "w'*'", "\n*",
    "ismissing(@year)", "'", '"', '") | *', "\\", "x\\", "\\} \\| *", "[", "(", "{", "<x", "x>",
    "\r\n", "\x00", "\x00} | *", "\u2028*", "`", "\t} | *", "\x7f", "_",
]  # fmt: skip


@pytest.mark.parametrize("value", INJECTIONS, ids=ascii)
def test_user_text_stays_a_value(films: Recommender, value: str) -> None:
    written = value.replace("|", r"\|")
    same = "".join(film["id"] for film in FILMS if tagged(value)(film))
    for where in (f"genres={written}", f"genres=nobody|{written}", f"title~{written}"):
        try:
            ids = found(films, where)
        except InvalidWhere:
            continue
        assert ids == same if where.startswith("genres") else len(ids) <= 3
    for where in (f"year={written}", f"year={written}..", f"year>{written}", f"place={written}",
                  f"place=@{written},1,1km", f"place=@1,1,1{written}", f"{written}=1"):  # fmt: skip
        with pytest.raises((InvalidWhere, UnknownField)):
            films.count(where)


any_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
labels = any_text.filter(lambda text: plain(text) and not re.search(r"[\x00-\x1f\x7f]", text))


def test_any_text_finds_the_items_with_that_tag(load: Load, open_catalogue: Open) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(labels, min_size=6, max_size=6))
    def holds(tags: list[str]) -> None:
        load(CATALOGUE, [{"id": str(i), "genres": [t], "v": [1, i]} for i, t in enumerate(tags)])
        films = open_catalogue("films")
        for tag in tags:
            same = "".join(str(i) for i, other in enumerate(tags) if plain(other) == plain(tag))
            written = tag.replace("|", r"\|")
            assert found(films, f"genres={written}") == same
            assert films.count(f"genres!={written}") == len(tags) - len(same)

    holds()


def test_any_text_is_answered_or_refused(films: Recommender) -> None:
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(["genres=", "genres!=", "title~", "year=", "place=", ""]), any_text)
    def holds(start: str, value: str) -> None:
        with suppress(InvalidWhere, UnknownField):
            found(films, start + value)

    holds()
