"""One question, four ways: Python, GET, POST and the command line give the same answer."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from conftest import ROOT, loaded
from outside import Client, Shell, served

from api import create_app
from recommender import Catalogue, Recommender, Settings, presets
from recommender.store.connection import Server

FILMS = Catalogue.from_dict(
    {
        "name": "films",
        "fields": {
            "title": {"type": "text"},
            "description": {"type": "text"},
            "genres": {"type": "tag"},
            "first": {"type": "tag"},
            "year": {"type": "number"},
            "votes": {"type": "number"},
        },
        "vectors": {
            "text": {"template": "{title}. {description}"},
            "look": {"embedder": "given", "column": "look"},
        },
    }
)
KEPT: dict[str, dict[str, Any]] = {
    "newer": {"where": ["year>=1990"], "boosts": ["0.3*near(year,8,to=2010)"], "limit": 4},
    "told": {"explain": True, "exact": True, "mode": "hybrid"},
    "wide": {"diversity": 0.8, "group_by": "first", "collapse": True, "fields": ["title", "year"]},
}


def films() -> Iterator[dict[str, Any]]:
    """The first eighty sample films, with votes, a look, and one of them twice."""
    with open(ROOT / "samples" / "movies.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:80]
    for number, row in enumerate([*rows, rows[1] | {"id": "twin"}]):
        genres = row["genres"].split("|")
        look = [number % 7 + 1, number % 5 - 2, number % 3]
        more = {"genres": genres, "first": genres[:1], "votes": number**2, "look": look}
        yield {**row, **more}


class Faces(NamedTuple):
    engine: Recommender
    client: Client
    shell: Shell


@pytest.fixture(scope="module")
def faces(
    _redis: Server, home: Any, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Faces]:
    loaded(_redis, settings, FILMS, films())
    for name, wishes in KEPT.items():
        presets.save(_redis.client, "films", name, wishes)
    with served(create_app(settings)) as client:
        engine = Recommender("films", settings=settings, server=_redis)
        yield Faces(engine, client, Shell(home, tmp_path_factory.mktemp("faces")))
    _redis.client.flushall()


OPTIONS = {"boosts": "--boost", "fallbacks": "--fallback"}
LISTED = ("fields", "same", "differ")
"""Parted by commas in an address; on the command line only fields are."""


def as_text(value: Any) -> str:
    """One value in an address, or after an option."""
    if isinstance(value, Mapping):
        return ",".join(f"{name}:{weight}" for name, weight in value.items())
    return value if isinstance(value, str) else json.dumps(value)


def as_query(wishes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: ",".join(value) if name in LISTED
        else [*map(as_text, value)] if isinstance(value, list) else as_text(value)
        for name, value in wishes.items()
    }  # fmt: skip


def as_options(wishes: Mapping[str, Any]) -> list[str]:
    options = []
    for name, value in wishes.items():
        option = OPTIONS.get(name, "--" + name.replace("_", "-"))
        if name in ("exact", "explain"):
            options.append(option if value else f"--no-{name}")
        elif name == "fields":
            options += [option, ",".join(value)]
        else:
            for each in value if isinstance(value, list) else [value]:
                options += [option, as_text(each)]
    return options


def post(faces: Faces, verb: str, **body: Any) -> Any:
    answer = faces.client.send(
        "POST", f"/v1/films/{verb}", json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert answer.status == 200, answer.json
    return answer.json


def compared(answer: Mapping[str, Any]) -> dict[str, Any]:
    """All of an answer that does not change from one time to the next."""
    kept = json.loads(json.dumps(answer))
    kept["next"] = kept["next"] is not None
    del kept["took_ms"]
    return dict(kept)


SIMILAR: list[dict[str, Any]] = [
    {},
    {"limit": 3, "offset": 2, "fields": ["title", "year"]},
    {"where": ["year>=1990", "genres=Comedy|Drama"], "exclude": ["up", "twin"]},
    {"min_score": 0.4, "exact": True},
    {"using": "look"},
    {"using": {"text": 0.7, "look": 0.3}},
    {"using": {"text": 0.7, "look": 0.3}, "explain": True},
    {"using": "look:1", "limit": 4},
    {"mode": "text", "explain": True},
    {"mode": "hybrid", "semantic_ratio": 0.3, "explain": True},
    {"mode": "hybrid", "semantic_ratio": "rrf", "explain": True},
    {"mode": "hybrid", "semantic_ratio": 1},
    {"min_relevance": 0.2, "limit": 50},
    {"cut": "auto", "limit": 50},
    {"collapse": True, "explain": True},
    {"collapse": 0.3, "explain": True},
    {"fallbacks": ["same_tag(genres)", "popular(votes)"], "where": ["year<1960"], "limit": 8},
    {"fallbacks": ["latest(year)"], "min_score": 0.9, "explain": True, "limit": 5},
    {"boosts": ["0.3*near(year,8)", "0.2*overlap(genres)", "-0.1*match(year<1990)"],
     "explain": True},
    {"boosts": ["0.3*high(votes)"], "pool": 20},
    {"boosts": ["0.3*words()"], "explain": True},
    {"same": ["genres", "first"], "differ": ["year"]},
    {"diversity": 0.7, "explain": True},
    {"diversity": 0},
    {"group_by": "first", "group_size": 2},
    {"preset": "newer", "explain": True},
    {"preset": "newer", "limit": 2, "where": ["year<2005"]},
    {"preset": "newer", "explain": False, "exact": False},
    {"preset": "told"},
    {"preset": "told", "explain": False},
    {"preset": "wide"},
    {"preset": "wide", "diversity": 0, "fields": ["votes"]},
    {"preset": "wide", "collapse": False, "explain": True},
    {"next": "start", "limit": 3},
]  # fmt: skip
SEARCH: list[dict[str, Any]] = [
    {},
    {"mode": "text", "explain": True, "limit": 5},
    {"mode": "hybrid", "explain": True},
    {"mode": "hybrid", "semantic_ratio": "rrf", "boosts": ["0.2*high(votes)"], "collapse": True},
    {"cut": "auto", "min_relevance": 0.1, "limit": 30},
    {"preset": "newer", "mode": "hybrid"},
    {"fallbacks": ["popular(votes)"], "min_score": 0.95, "limit": 3},
    {"next": "start", "mode": "hybrid", "limit": 2},
]
WORDS = "a cowboy doll and a space ranger"


@pytest.mark.parametrize("wishes", SIMILAR, ids=str)
def test_similar(faces: Faces, wishes: dict[str, Any]) -> None:
    wanted = compared(faces.engine.similar("toy-story", **wishes).to_dict())
    assert wanted["items"]
    got = faces.client.get("/v1/films/similar", id="toy-story", **as_query(wishes))
    posted = post(faces, "similar", id="toy-story", **wishes)
    shown = faces.shell.call("similar", "films", "toy-story", "--json", *as_options(wishes))
    assert compared(got.json) == wanted
    assert compared(posted) == wanted
    assert shown.code == 0, shown.err
    assert compared(shown.json) == wanted


@pytest.mark.parametrize("wishes", SEARCH, ids=str)
def test_search(faces: Faces, wishes: dict[str, Any]) -> None:
    wanted = compared(faces.engine.search(WORDS, **wishes).to_dict())
    assert wanted["items"]
    got = faces.client.get("/v1/films/search", q=WORDS, **as_query(wishes))
    posted = post(faces, "search", text=WORDS, **wishes)
    shown = faces.shell.call("search", "films", WORDS, "--json", *as_options(wishes))
    assert compared(got.json) == wanted
    assert compared(posted) == wanted
    assert shown.code == 0, shown.err
    assert compared(shown.json) == wanted


RECOMMEND: list[tuple[dict[str, Any], list[str]]] = [
    ({"like": ["up"]}, ["--like", "up"]),
    (
        {"like": ["up", {"text": "a lonely robot"}], "unlike": ["toy-story"], "strategy": "best"},
        ["--like", "up", "--like-text", "a lonely robot", "--unlike", "toy-story",
         "--strategy", "best"],
    ),
    (
        {"like": ["up", "toy-story", "coco"], "half_life": 1},
        ["--like", "up", "--like", "toy-story", "--like", "coco", "--half-life", "1"],
    ),
    ({"unlike": ["up"], "strategy": "sum"}, ["--unlike", "up", "--strategy", "sum"]),
    (
        {"like": [{"id": "up", "catalogue": "films"}]},
        ["--like-from", "films", "up"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"explain": True, "boosts": ["0.2*near(year,5)"], "mode": "hybrid"},
        {"preset": "wide", "limit": 4},
        {"using": {"text": 0.5, "look": 0.5}, "min_score": 0.1},
    ],
    ids=str,
)
@pytest.mark.parametrize(("seeds", "options"), RECOMMEND, ids=str)
def test_recommend(
    faces: Faces, seeds: dict[str, Any], options: list[str], wishes: dict[str, Any]
) -> None:
    if "look" in wishes.get("using", ()):
        seeds = seeds | {"like": [each for each in seeds.get("like", ()) if "text" not in each]}
        options = [each for each in options if each not in ("--like-text", "a lonely robot")]
    wanted = compared(faces.engine.recommend(**seeds, **wishes).to_dict())
    posted = post(faces, "recommend", **seeds, **wishes)
    shown = faces.shell.call("recommend", "films", "--json", *options, *as_options(wishes))
    assert compared(posted) == wanted
    assert shown.code == 0, shown.err
    assert compared(shown.json) == wanted


def ids(answer: Any) -> list[str]:
    return [hit["id"] for hit in answer["items"]]


@pytest.mark.parametrize(
    "wishes",
    [{}, {"preset": "newer"}, {"mode": "hybrid", "collapse": 0.9, "explain": True}],
    ids=str,
)
def test_pages_go_on_alike(faces: Faces, wishes: dict[str, Any]) -> None:
    """Each page on its own face, and each face from its own first page."""
    wishes = {**wishes, "limit": 3}
    whole = ids(faces.engine.similar("up", **wishes | {"limit": 9}).to_dict())
    assert len(whole) == 9

    def python(next: str) -> Any:
        return faces.engine.similar("up", **wishes, next=next).to_dict()

    def get(next: str) -> Any:
        return faces.client.get("/v1/films/similar", id="up", **as_query(wishes), next=next).json

    def body(next: str) -> Any:
        return post(faces, "similar", id="up", **wishes, next=next)

    def command(next: str) -> Any:
        options = as_options({**wishes, "next": next})
        return faces.shell.call("similar", "films", "up", "--json", *options).json

    pages = []
    for face in (python, get, body, command):
        token, own = "start", []
        for _ in range(3):
            own.append(face(token))
            token = own[-1]["next"]
        assert [id for page in own for id in ids(page)] == whole
        pages.append([compared(page) for page in own])
    assert pages[1:] == pages[:1] * 3
    if "preset" not in wishes:  # a list is the same in an address and in a body
        assert ids(body(get("start")["next"])) == whole[3:6]


# What only the command line shows


def test_fallbacks_have_a_label_in_the_place_of_a_score(faces: Faces) -> None:
    done = faces.shell.call(
        "similar", "films", "toy-story", "--min-score", "0.6", "--limit", "3",
        "--fallback", "popular(votes)", "--fields", "title", "--explain",
    )  # fmt: skip
    rows = [line.split() for line in done.out.splitlines()]
    labelled = [row[1] for row in rows if row[:1] == ["popular"]]
    assert labelled
    assert f"{labelled[0]}: nothing more was similar, this is one of the most popular" in done.out
    assert "3 of 3 asked for" in done.out


def test_the_page_after_it_is_shown_as_a_command_takes_it(faces: Faces) -> None:
    asked = ("similar", "films", "up", "--limit", "2")
    first = faces.shell.call(*asked, "--next", "start")
    assert first.out.splitlines()[-1].startswith("The page after it: --next ")
    option = first.out.splitlines()[-1].split(": ")[1].split()
    following = faces.shell.call(*asked, *option, "--json").json
    assert ids(following) == ids(faces.engine.similar("up", limit=4).to_dict())[2:]
    assert "The page after it" not in faces.shell.call(*asked).out


def test_every_hit_has_its_sentence(faces: Faces) -> None:
    done = faces.shell.call("search", "films", WORDS, "--mode", "hybrid", "-n", "2", "--explain")
    lines = [line for line in done.out.splitlines() if line.startswith("toy-story: ")]
    assert len(lines) == 1
    assert "similarity 0." in lines[0]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("semantic_ratio", "much", "or rrf"),
        ("semantic_ratio", "1.5", "or rrf"),
        ("semantic_ratio", "true", "or rrf"),
        ("collapse", "yes", "It is true"),
        ("collapse", "0", "It is true"),
        ("collapse", "nan", "It is true"),
        ("diversity", "2", "0 (none) to 1 (most)"),
        ("min_relevance", "-1", "0 to 1"),
        ("cut", "here", "auto"),
        ("mode", "words", "mode"),
        ("using", "text:x,look:1", "text:0.7,image:0.3"),
        ("preset", "new", "newer"),
        ("next", "more", "next=start"),
        ("fallbacks", "popular(genres)", "popular"),
    ],
)
def test_what_is_refused_is_refused_alike(faces: Faces, name: str, value: str, said: str) -> None:
    more = {"mode": "hybrid"} if name == "semantic_ratio" else {}
    got = faces.client.get("/v1/films/similar", id="up", **{name: value}, **more)
    assert (got.status, got.json["code"]) == (400, f"invalid_{name}")
    assert said in json.dumps(got.json)
    options = as_options({name: value, **more})
    done = faces.shell.call("similar", "films", "up", *options)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
