"""Likes of another catalogue, and likes in the order in which they were viewed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Load, Open
from outside import Client, Shell, served

from api import create_app
from recommender import Catalogue, Recommender, Settings
from recommender.errors import (
    InvalidParameter,
    ModelMismatch,
    RecommenderError,
    UnknownCatalogue,
    UnknownItem,
)
from recommender.store.connection import Server

BOOKS = {"jaws": "A novel about a shark", "dune": "A desert planet", "a:b": "A love story in Paris"}
FILMS = {"sea": "A shark in the sea", "sand": "Worms on a desert planet", "love": "Love in Paris"}


def catalogue(name: str, fields: dict[str, Any] | None = None, **vector: Any) -> Catalogue:
    return Catalogue.from_dict(
        {
            "name": name,
            "fields": fields or {"title": {"type": "text"}},
            "vectors": {vector.pop("vector", "text"): vector or {"template": "{title}"}},
        }
    )


def titled(titles: dict[str, str]) -> list[dict[str, Any]]:
    return [{"id": id, "title": title} for id, title in titles.items()]


@pytest.fixture
def films(load: Load, open_catalogue: Open) -> Recommender:
    load(catalogue("films"), titled(FILMS))
    load(catalogue("books"), titled(BOOKS))
    load(catalogue("short", template="{title}", dims=64), titled(BOOKS))
    load(catalogue("other", vector="words", template="{title}"), titled(BOOKS))
    load(
        catalogue("given", embedder="given", column="v", dims=256),
        [{"id": "jaws", "title": "Jaws", "v": [1.0] * 256}],
    )
    return open_catalogue("films")


def ids(results: Any) -> list[str]:
    return [hit.id for hit in results]


# Another catalogue


def test_a_like_may_be_of_another_catalogue(films: Recommender) -> None:
    for id, wanted in (("jaws", "sea"), ("dune", "sand"), ("a:b", "love")):
        liked = films.recommend([{"id": id, "catalogue": "books"}], limit=1, explain=True)
        assert ids(liked) == [wanted]
    both = [{"id": "jaws", "catalogue": "books"}, {"id": "a:b", "catalogue": "books"}]
    assert {*ids(films.recommend(both, strategy="best", limit=2))} == {"sea", "love"}
    nearest = {
        hit.id: hit.why["nearest"]
        for hit in films.recommend(both, strategy="best", explain=True)
        if hit.why
    }
    assert (nearest["sea"], nearest["love"]) == ("jaws", "a:b")
    apart = films.recommend(["love"], [{"id": "jaws", "catalogue": "books"}])
    assert ids(apart) == ["sand", "sea"]


def test_it_gives_the_very_vector(films: Recommender) -> None:
    liked = films.recommend([{"id": "dune", "catalogue": "books"}])
    said = films.search(BOOKS["dune"])
    assert ids(liked) == ids(said)
    assert [hit.score for hit in liked] == pytest.approx([hit.score for hit in said], abs=2e-6)


def test_an_id_there_is_not_the_one_here(load: Load, films: Recommender) -> None:
    load(catalogue("books"), titled({"sea": BOOKS["jaws"]}))
    assert ids(films.recommend([{"id": "sea", "catalogue": "books"}], limit=1)) == ["sea"]
    assert "sea" not in ids(films.recommend([{"id": "sea", "catalogue": "films"}]))
    assert "sea" in ids(films.recommend([{"id": "sea", "catalogue": "books"}], ["sand"]))


@pytest.mark.parametrize(
    ("like", "error", "said"),
    [
        ({"id": "jaws", "catalogue": "short"}, ModelMismatch, "wordllama, 64 numbers"),
        ({"id": "jaws", "catalogue": "given"}, ModelMismatch, "given, 256 numbers"),
        ({"id": "jaws", "catalogue": "other"}, ModelMismatch, "not there"),
        ({"id": "jaws", "catalogue": "book"}, UnknownCatalogue, "no catalogue 'book'"),
        ({"id": "jaw", "catalogue": "books"}, UnknownItem, "no item 'jaw' in 'books'"),
        ({"id": "jaws", "catalogue": ""}, InvalidParameter, "''"),
        ({"text": "jaws", "catalogue": "books"}, InvalidParameter, "nothing that can be liked"),
    ],
)
@pytest.mark.parametrize("side", ["like", "unlike"])
def test_what_cannot_be_compared(
    films: Recommender, side: str, like: dict[str, Any], error: type[RecommenderError], said: str
) -> None:
    with pytest.raises(error, match=said) as caught:
        films.recommend(**{side: [like]})
    assert caught.value.parameter == side


# The latest counts most

POINTS = catalogue("points", {"at": {"type": "number"}}, embedder="given", column="v")


@pytest.fixture
def points(load: Load, open_catalogue: Open) -> Recommender:
    """A point every ten degrees of a quarter of a circle: p0, p10, ... p90."""
    load(
        POINTS,
        [
            {"id": f"p{d}", "at": d, "v": [math.cos(math.radians(d)), math.sin(math.radians(d))]}
            for d in range(0, 100, 10)
        ],
    )
    return open_catalogue("points")


@pytest.mark.parametrize(
    ("viewed", "half_life", "around"),
    [
        (["p0", "p90"], None, 45.0),  # as much of each
        (["p0", "p90"], 1, math.degrees(math.atan2(1, 0.5))),
        (["p90", "p0"], 1, math.degrees(math.atan2(0.5, 1))),
        (["p0", "p90"], 0.25, math.degrees(math.atan2(1, 1 / 16))),
        (["p0", "p0", "p90"], 1, math.degrees(math.atan2(1, 0.75))),
        (["p0", "p0", "p90"], 2, math.degrees(math.atan2(1, 0.5 + 0.5**0.5))),
        ([{"id": "p0", "weight": 2}, "p90"], 1, 45.0),  # weights count, too
    ],
)
def test_each_like_counts_half_of_one_that_came_later(
    points: Recommender, viewed: list[Any], half_life: float | None, around: float
) -> None:
    hits = points.recommend(viewed, half_life=half_life)
    assert len(hits) == 8
    for hit in hits:
        wanted = math.cos(math.radians(hit.fields["at"] - around))
        assert hit.score == pytest.approx(wanted, abs=2e-6)


def test_dislikes_do_not_fade(points: Recommender) -> None:
    asked = points.recommend(["p0"], ["p40", "p90"], half_life=0.5)
    assert [hit.score for hit in asked] == [
        h.score for h in points.recommend(["p0"], ["p40", "p90"])
    ]


@pytest.mark.parametrize("half_life", [0, -1, 101, math.nan, math.inf, "1", True, [1]])
def test_a_half_life_that_cannot_be(points: Recommender, half_life: Any) -> None:
    with pytest.raises(InvalidParameter, match="half_life is") as caught:
        points.recommend(["p0", "p90"], half_life=half_life)
    assert caught.value.parameter == "half_life"


# On the other faces


@pytest.fixture
def shell(home: Path, tmp_path: Path, films: Recommender, points: Recommender) -> Shell:
    return Shell(home, tmp_path)


@pytest.fixture
def client(
    server: Server, settings: Settings, films: Recommender, points: Recommender
) -> Iterator[Client]:
    with served(create_app(settings)) as client:
        yield client


def test_on_the_command_line(shell: Shell, films: Recommender, points: Recommender) -> None:
    def asked(*args: str) -> list[str]:
        done = shell.call("recommend", *args, "--json")
        assert done.code == 0, done.err
        return [hit["id"] for hit in done.json["items"]]

    assert asked("films", "--like-from", "books", "a:b", "-n", "1") == ["love"]
    likes = [{"id": "jaws", "catalogue": "books"}, {"id": "a:b", "catalogue": "books"}]
    assert asked("films", "--like-from", "books", "jaws", "--like-from", "books", "a:b") == ids(
        films.recommend(likes)
    )
    viewed = ("points", "--like", "p0", "--like", "p90")
    assert asked(*viewed, "--half-life", "0.25", "-n", "2") == ["p80", "p70"]
    assert asked(*viewed, "-n", "2") == ["p40", "p50"]


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("films", "--like-from", "short", "jaws"), 1, "wordllama, 64 numbers"),
        (("films", "--like-from", "book", "jaws"), 1, "Did you mean 'books'?"),
        (("films", "--like-from", "books", "jaw"), 1, "no item 'jaw' in 'books'"),
        (("films", "--like-from", "books"), 2, "requires 2 arguments"),
        (("points", "--like", "p0", "--half-life", "0"), 2, "half_life is 0"),
    ],
)
def test_wrong_on_the_command_line(
    shell: Shell, args: tuple[str, ...], code: int, said: str
) -> None:
    done = shell.call("recommend", *args)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


def test_over_http(client: Client) -> None:
    def post(name: str, body: bytes) -> Any:
        headers = {"Content-Type": "application/json"}
        return client.send("POST", f"/v1/{name}/recommend", body, headers=headers)

    liked = post("films", b'{"like": [{"id": "jaws", "catalogue": "books"}], "limit": 1}')
    assert [hit["id"] for hit in liked.json["items"]] == ["sea"]
    viewed = post("points", b'{"like": ["p0", "p90"], "half_life": 0.25, "limit": 2}')
    assert [hit["id"] for hit in viewed.json["items"]] == ["p80", "p70"]
    other = post("films", b'{"like": [{"id": "jaws", "catalogue": "short"}]}')
    assert (other.status, other.json["code"]) == (409, "model_mismatch")
    unknown = post("films", b'{"like": [{"id": "jaws", "catalogue": "book"}]}')
    assert (unknown.status, unknown.json["code"]) == (404, "unknown_catalogue")
