r"""``where``: what the engine's own filter text is, and what is said of what cannot be read.

That the engine then finds the right items is told in test_where_redis.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from recommender import Catalogue
from recommender.errors import InvalidWhere, UnknownField
from recommender.where import EVERYTHING, parse

CATALOGUE = Catalogue.from_yaml("""
name: films
fields:
  genres: {type: tag}
  year: {type: number}
  title: {type: text}
  place: {type: geo}
  poster: {type: stored}
vectors: {v: {embedder: given, column: v}}
""")

CONDITIONS: list[tuple[str, str]] = [
    ("genres=Drama", "@genres:{Drama}"),
    ("genres = SCI-FI ", r"@genres:{SCI\-FI}"),
    ("genres!=Drama", "(-@genres:{Drama})"),
    ("genres=Drama|film noir", r"@genres:{Drama|film\ noir}"),
    ("genres=film \t\n noir", r"@genres:{film\ noir}"),
    ("genres!=Drama|Sci-Fi", r"(-@genres:{Drama|Sci\-Fi})"),
    ("genres=film", "@genres:{film}"),
    (r"genres=a\|b", r"@genres:{a\|b}"),
    ("genres=a|b", "@genres:{a|b}"),
    ("genres=c,d", r"@genres:{c\,d}"),
    ("genres={x}", r"@genres:{\{x\}}"),
    ("genres=@home|a:b", r"@genres:{\@home|a\:b}"),
    ('genres="q"|it\'s', r"@genres:{\"q\"|it\'s}"),
    ("genres=R&B", r"@genres:{R\&B}"),
    ("genres=v1.0|100%|$5", r"@genres:{v1\.0|100\%|\$5}"),
    ("genres=Été|日本", "@genres:{Été|日本}"),
    ("genres=*", r"@genres:{\*}"),
    ("genres=x*", r"@genres:{x\*}"),
    ("genres=C:\\x", r"@genres:{C\:\\x}"),
    ("genres=_|a`b", r"@genres:{\_|a\`b}"),
    ("genres=nobody", "@genres:{nobody}"),
    ("year=1990", "@year:[1990 1990]"),
    ("year=5|-5|+0", "(@year:[5 5] | @year:[-5 -5] | @year:[0 0])"),
    ("year!=1990", "(-@year:[1990 1990])"),
    ("year!=..0|5", "(-(@year:[-inf 0] | @year:[5 5]))"),
    ("year>1990", "@year:[(1990 +inf]"),
    ("year>=1990", "@year:[1990 +inf]"),
    ("year<-2.5", "@year:[-inf (-2.5]"),
    ("year <= -2.5", "@year:[-inf -2.5]"),
    ("year=1990..1995", "@year:[1990 1995]"),
    ("year=-5..-1|2000..", "(@year:[-5 -1] | @year:[2000 +inf])"),
    ("year=0 .. 1", "@year:[0 1]"),
    ("year=..-3", "@year:[-inf -3]"),
    ("year=1990..1990", "@year:[1990 1990]"),
    ("year=1e-5|1e20", "(@year:[1e-05 1e-05] | @year:[1e+20 1e+20])"),
    ("year=9007199254740992", "@year:[9007199254740992 9007199254740992]"),
    ("title~toy story", '(@title:("toy") @title:("story"))'),
    ("title~Schindler's", '(@title:("schindler") @title:("s"))'),
    ("title~spider-man", '(@title:("spider") @title:("man"))'),
    ("title~E.T.|list", '((@title:("e") @title:("t")) | @title:("list"))'),
    ("title~2001|1999", '(@title:("2001") | @title:("1999"))'),
    ("title~snake_case", '@title:("snake_case")'),
    ("title~(a)=>*", '@title:("a")'),
    ("title~amélie", '@title:("amélie")'),
    ("title~日本|inf as", '(@title:("日本") | (@title:("inf") @title:("as")))'),
    ("title~or not", '(@title:("or") @title:("not"))'),
    ("title~[0]", '@title:("0")'),
    ("title~1E5", '@title:("1e5")'),
    ("title~AC\\DC a\x01b\x7f", '(@title:("acdc") @title:("ab"))'),
    ("title~toy _ __", '@title:("toy")'),
    ("place=@2.35,48.85,1m", "@place:[2.35 48.85 1 m]"),
    ("place = @ 2.35 , 48.85 , 20 km ", "@place:[2.35 48.85 20 km]"),
    ("place!=@2.35,48.85,20km", "(-@place:[2.35 48.85 20 km])"),
    ("place=@2.35,48.85,250mi", "@place:[2.35 48.85 250 mi]"),
    ("place=@-.12,51.5,.5ft", "@place:[-0.12 51.5 0.5 ft]"),
    ("place=@1e-9,0,1km", "@place:[1e-09 0.0 1 km]"),
    ("place=@180,-85.05112878,1km", "@place:[180.0 -85.05112878 1 km]"),
]


@pytest.mark.parametrize(("where", "text"), CONDITIONS, ids=[ascii(c[0]) for c in CONDITIONS])
def test_one_condition(where: str, text: str) -> None:
    assert parse(where, CATALOGUE) == f"({text})"


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (None, EVERYTHING),
        ([], EVERYTHING),
        (["genres=Drama", "year=1990"], "((@genres:{Drama} @year:[1990 1990]))"),
        (("genres=Drama",), "(@genres:{Drama})"),
        ({"any": ["genres=Drama", "year=0"]}, "((@genres:{Drama} | @year:[0 0]))"),
        ({"all": ["genres=Drama", "year=0"]}, "((@genres:{Drama} @year:[0 0]))"),
        ([{"any": ["year=0", "year=2000"]}, {"not": "genres=a"}],
         "(((@year:[0 0] | @year:[2000 2000]) (-@genres:{a})))"),
        ({"not": {"any": ["year>0", "year<=0"]}}, "((-(@year:[(0 +inf] | @year:[-inf 0])))"),
        ({"not": {"all": ["genres=Drama", "year=1990"]}},
         "((-(@genres:{Drama} @year:[1990 1990])))"),
        ({"any": [{"all": ["genres=a", "year=0"]}, "title~toy"]},
         '(((@genres:{a} @year:[0 0]) | @title:("toy")))'),
        ({"any": ["year=0", "year=1", "year=2"]},
         "((@year:[0 0] | @year:[1 1] | @year:[2 2]))"),
        ({"any": [{"any": []}, "year=0"]}, "(@year:[0 0])"),
        ({"any": []}, None),
        ([{"any": []}, "year=0"], None),
        ({"all": ["year=0", {"any": []}]}, None),
        ({"any": [{"all": ["year=0", {"any": []}]}]}, None),
    ],
)  # fmt: skip
def test_several_conditions(where: Any, text: str | None) -> None:
    assert parse(where, CATALOGUE) == text


# What cannot be read


def nots(depth: int) -> Any:
    return {"not": nots(depth - 1)} if depth else "year=0"


def alternatives(many: int) -> str:
    return "genres=" + "|".join(["x"] * many)


@pytest.mark.parametrize(
    "where",
    [["year=1"] * 64, {"any": ["year=1"] * 63}, [{"all": ["year=1"]}] * 32, nots(8),
     [nots(7)] * 8, alternatives(500), [alternatives(250)] * 2, "genres=" + "x" * 4089],
    ids=range(8),
)  # fmt: skip
def test_limits_that_are_just_kept(where: Any) -> None:
    assert parse(where, CATALOGUE)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("year", "'year' is not a condition. Write FIELD OP VALUE"),
        ("", "'' is not a condition"),
        ("=1990", "is not a condition"),
        ("year 1990", "is not a condition"),
        ("@year=1", "is not a condition"),
        ("_at>0", "is not a condition"),
        (5, "5 is not a condition"),
        (True, "True is not a condition"),
        (b"year=1", "is not a condition"),
        ({"year=1"}, "is not a condition"),
        ([5], "5 is not a condition"),
        ([None], "None is not a condition"),
        ([["year=1"]], "is not a condition"),
        ({"not": []}, "[] is not a condition"),
        ("genres=caf\udce9", "'genres=caf\\udce9' is not a condition"),
        ("title~caf\udce9", "is not a condition"),
        ("year=", "'year=' has no value. Write it like year=1990..2000 or year>=1990"),
        ("genres= ", "has no value. Write it like genres=Drama|Comedy"),
        ("genres=a||b", "empty value beside a |"),
        ("genres=|", "empty value beside a |"),
        ("genres>1", "> does not go with 'genres', which is a tag. Write it like genres=Drama"),
        ("genres~x", "~ does not go with 'genres'"),
        ("year~1", "~ does not go with 'year', which is a number"),
        ("title=x", "= does not go with 'title', which is a text. Write it like title~toy story"),
        ("title!=x", "!= does not go with 'title'"),
        ("place>1", "> does not go with 'place', which is a geo"),
        ("poster=x", "is stored and not indexed. Conditions may name: genres, year, title"),
        ("poster~x", "'poster' is stored and not indexed"),
        ("genres=a\x00b", "'a\\x00b' holds a control character"),
        ("genres=b|a\x01b", "'a\\x01b' holds a control character"),
        ("genres=a\x1bb", "holds a control character"),
        ("genres!=a\x7fb", "holds a control character"),
        ("year=2000..1990", "the range '2000..1990' is reversed. Write year=1990..2000"),
        ("year=..", "'..' has no end"),
        ("year=x", "'x' is not a number"),
        ("year=1..x", "'x' is not a number"),
        ("year=1..2..3", "'2..3' is not a number"),
        ("year>1|2", "'1|2' is not a number"),
        ("year==1", "'=1' is not a number"),
        ("year=1_000", "'1_000' is not a number"),
        ("year>=1_000", "'1_000' is not a number"),
        ("year=nan", "'nan' is not a finite number"),
        ("year>=inf", "'inf' is not a finite number"),
        ("year=1e400", "'1e400' is not a finite number"),
        ("year=" + "9" * 400, "is not a finite number"),
        ("title~...", "'...' holds no word"),
        ("title~a|!", "'!' holds no word"),
        ("title~_", "'_' holds no word"),
        ("title~&_", "'&_' holds no word"),
        ("title~\\\x01", "holds no word"),
        ("place=Paris", "is no circle: it is not @LONGITUDE,LATITUDE,RADIUS with m, km, mi or ft"),
        ("place=@1,2,3", "is no circle"),
        ("place=@1,2,-3km", "is no circle"),
        ("place=@1,2,0km", "is no circle"),
        ("place=@1,2,1.2.3km", "is no circle"),
        ("place=@1,2," + "9" * 400 + "km", "is no circle"),
        ("place=@181,2,3km", "is no circle"),
        ("place=@1,91,3km", "is no circle"),
        ("place=@1,85.06,3km", "the latitude is not within 85.05112878 of the equator"),
        ("place!=@1,-86,3km", "the latitude is not within 85.05112878 of the equator"),
        ("place=@nan,2,3km", "is no circle"),
        ("place=@2,nan,3km", "is no circle"),
        ({}, "[] is no group of conditions"),
        ({"or": []}, "['or'] is no group of conditions"),
        ({"any": [], "all": []}, "['all', 'any'] is no group"),
        ({5: []}, "['5'] is no group"),
        ({"any": "year=1"}, "'any' takes a list of conditions, not 'year=1'"),
        ({"all": []}, "'all' holds no condition"),
        ({"not": {"any": []}}, "'not' stands around a group that is empty"),
        (["year=1"] * 65, "there are more than 64 conditions and groups"),
        ({"any": ["year=1"] * 64}, "there are more than 64 conditions and groups"),
        ([{"any": []}] * 65, "there are more than 64 conditions and groups"),
        (nots(9), "the conditions nest deeper than 8"),
        (alternatives(501), "the conditions name more than 500 values"),
        ([alternatives(250), "year=1", alternatives(250)], "name more than 500 values"),
        ("genres=" + "x" * 4090, "a condition has 4097 characters, the limit is 4096"),
        ("place=@1_0,2,3km", "is no circle"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(where: Any, said: str) -> None:
    with pytest.raises(InvalidWhere) as caught:
        parse(where, CATALOGUE)
    assert said in str(caught.value)
    assert (caught.value.parameter, caught.value.code) == ("where", "invalid_where")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("genre=Drama", "there is no field 'genre' here. Did you mean 'genres'?"),
        ("id=a", "The fields are: genres, place, title, year"),
        ("v_vector=a", "there is no field 'v_vector'"),
        ({"not": {"any": ["year=1", "Year=1"]}}, "Did you mean 'year'?"),
    ],
)
def test_a_field_that_is_not_there(where: Any, said: str) -> None:
    with pytest.raises(UnknownField) as caught:
        parse(where, CATALOGUE)
    assert said in str(caught.value)
