"""The API over real HTTP: every route, the shape of every answer, and the promises it shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from conftest import ROOT, Quiet
from outside import Answer, Client, served

import loaders
from api import create_app
from recommender import Catalogue, Record, Reject, Settings, infer, sync
from recommender.store.connection import Server

ODD_IDS = [
    "sqlite/geopoly.md",
    "two words",
    "ünï/çødé ✓",
    "?a=b&c=d#e%20f+g",
    "..",
    "/",
    "a:b*{c}[d]",
    "quo\"te's",
    "line\nbreak",
    "x" * 1024,
]
ANSWER = [
    "items", "requested", "returned", "complete", "catalogue", "generation", "embedder", "exact",
    "took_ms",
    "next",
]  # fmt: skip


@pytest.fixture(scope="module")
def client(_redis: Server, settings: Settings) -> Iterator[Client]:
    """The API over the sample films (wordllama, HNSW) and things with odd ids (given, flat)."""
    rejects: list[Reject] = []
    films = [
        entry
        for entry in loaders.load(str(ROOT / "samples" / "movies.csv"))
        if isinstance(entry, Record)
    ]
    odd = Catalogue.from_dict(
        {
            "name": "odd",
            "fields": {
                "title": {"type": "text"},
                "tags": {"type": "tag"},
                "size": {"type": "number"},
                "at": {"type": "geo"},
                "more": {"type": "stored"},
            },
            "vectors": {"v": {"embedder": "given", "column": "v", "index": "flat"}},
        }
    )
    things = [
        {
            "id": id,
            "title": f"Thing {number}",
            "tags": ["a|b", f"n{number % 3}"],
            "size": number,
            "at": f"{number},50",
            "more": {"deep": [number]},
            "v": [1, number],
        }
        for number, id in enumerate(ODD_IDS)
    ]
    for catalogue, records in (
        (infer(films, "movies"), films),
        (odd, [Record(f"record {number}", thing) for number, thing in enumerate(things)]),
    ):
        sync(_redis, catalogue, records, settings, progress=Quiet(), on_reject=rejects.append)
    assert not rejects
    with served(create_app(settings)) as client:
        yield client
    _redis.client.flushall()


def listed(answer: Answer) -> list[dict[str, Any]]:
    """The hits of an answer that has the promised shape."""
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert [*answer.json] == ANSWER
    items: list[dict[str, Any]] = answer.json["items"]
    assert all([*item] == ["id", "score", "relevance", "fields", "source"] for item in items)
    assert all(item["source"] == "vector" for item in items)
    assert answer.json["returned"] == len(items)
    assert answer.json["complete"] == (len(items) == answer.json["requested"])
    assert [-item["score"] for item in items] == sorted(-item["score"] for item in items)
    return items


def test_catalogues(client: Client) -> None:
    answer = client.get("/v1/catalogues")
    assert (answer.status, answer.json) == (200, {"catalogues": ["movies", "odd"]})


def test_one_catalogue(client: Client) -> None:
    assert client.get("/v1/movies").json == {
        "name": "movies",
        "items": 399,
        "generation": 1,
        "id": "id",
        "fields": {"title": "text", "year": "number", "genres": "tag", "description": "text"},
        "vectors": {
            "text": {
                "embedder": "wordllama",
                "dims": 256,
                "index": "hnsw",
                "metric": "cosine",
                "type": "float32",
            }
        },
        "presets": {},
        "index": {"ready": True, "indexed": 1.0, "failures": 0},
    }


@pytest.mark.parametrize("id", ODD_IDS, ids=lambda id: id[:12])
def test_ids_may_hold_anything(client: Client, id: str) -> None:
    item = client.get("/v1/odd/items", id=id)
    assert (item.status, item.json["id"]) == (200, id)
    found = [hit["id"] for hit in listed(client.get("/v1/odd/similar", id=id, limit=9))]
    assert sorted(found) == sorted({*ODD_IDS} - {id})
    others = sorted({*ODD_IDS} - {id, "..", "/"})
    without = listed(client.get("/v1/odd/similar", id=id, exclude=["..", "/"]))
    assert sorted(hit["id"] for hit in without) == others


def test_an_item_has_every_kind_of_field(client: Client) -> None:
    item = client.get("/v1/odd/items", id="two words").json
    assert item == {
        "id": "two words",
        "fields": {
            "title": "Thing 1",
            "tags": ["a|b", "n1"],
            "size": 1,
            "at": [1.0, 50.0],
            "more": {"deep": [1]},
        },
    }
    some = client.get("/v1/odd/items", id="two words", fields="size,tags").json
    assert some["fields"] == {"size": 1, "tags": ["a|b", "n1"]}
    assert client.get("/v1/odd/items", id="two words", fields="").json["fields"] == {}


def test_similar(client: Client) -> None:
    answer = client.get("/v1/movies/similar", id="toy-story", limit=3, fields="title,year")
    hits = listed(answer)
    assert hits[0]["id"] == "toy-story-2"
    assert hits[0]["fields"] == {"title": "Toy Story 2", "year": 1999}
    assert hits[0]["score"] == pytest.approx(0.7289, abs=1e-3)
    rest = {key: answer.json[key] for key in ANSWER[1:-2]}
    assert rest == {
        "requested": 3,
        "returned": 3,
        "complete": True,
        "catalogue": "movies",
        "generation": 1,
        "embedder": "wordllama",
        "exact": False,
    }
    assert answer.json["took_ms"] > 0


@pytest.mark.parametrize(
    ("path", "seed"),
    [("similar", {"id": "toy-story"}), ("search", {"q": "two toys and a cowboy"})],
)
def test_every_parameter_of_a_listing(client: Client, path: str, seed: dict[str, str]) -> None:
    def ask(**query: Any) -> list[dict[str, Any]]:
        return listed(client.get(f"/v1/movies/{path}", **seed, **query))

    plain = ask()
    ids = [hit["id"] for hit in plain]
    assert len(ids) == 10
    assert seed.get("id") not in ids
    pages = [hit["id"] for offset in range(0, 10, 3) for hit in ask(limit=3, offset=offset)][:10]
    assert pages == ids
    narrow = ask(where=["year>=2000", "genres=Comedy|Family"])
    assert narrow
    assert all(hit["fields"]["year"] >= 2000 for hit in narrow)
    assert all({"Comedy", "Family"} & {*hit["fields"]["genres"]} for hit in narrow)
    assert not {ids[0], ids[4]} & {hit["id"] for hit in ask(exclude=[ids[0], ids[4]])}
    assert all([*hit["fields"]] == ["year", "title"] for hit in ask(fields=["year", "title"]))
    assert ask(using="text", exact="false") == plain
    assert ask(min_score=plain[3]["score"]) == plain[:4]
    exact = client.get(f"/v1/movies/{path}", **seed, exact="true")
    assert (listed(exact), exact.json["exact"]) == (plain, True)


def test_fewer_than_asked_says_so(client: Client) -> None:
    few = client.get("/v1/odd/similar", id="..", limit=50)
    assert len(listed(few)) == len(ODD_IDS) - 1
    assert (few.json["requested"], few.json["complete"]) == (50, False)
    none = client.get("/v1/movies/similar", id="toy-story", where="year<1800")
    assert (listed(none), none.json["complete"]) == ([], False)


def test_where_of_every_type(client: Client) -> None:
    for where, numbers in {
        "size=2..4": {2, 3, 4},
        "size!=1..9": {0},
        "tags=n1": {1, 4, 7},
        r"tags=a\|b": {*range(10)},
        "tags!=n1|n2": {0, 3, 6, 9},
        "title~thing 7": {7},
        "at=@3,50,100km": {2, 3, 4},
    }.items():
        hits = listed(client.get("/v1/odd/similar", id="..", where=where, limit=20))
        assert {hit["fields"]["size"] for hit in hits} == numbers - {4}, where


def test_facets(client: Client) -> None:
    answer = client.get("/v1/odd/facets")
    assert answer.status == 200
    assert answer.json == {
        "catalogue": "odd",
        "items": 10,
        "facets": {
            "tags": {
                "type": "tag",
                "values": [
                    {"value": "a|b", "count": 10},
                    {"value": "n0", "count": 4},
                    {"value": "n1", "count": 3},
                    {"value": "n2", "count": 3},
                ],
            },
            "size": {"type": "number", "count": 10, "min": 0, "max": 9},
        },
    }
    some = client.get("/v1/odd/facets", fields="size", where=["size>=3", "tags=n0"]).json
    assert some["items"] == 3
    assert some["facets"] == {"size": {"type": "number", "count": 3, "min": 3, "max": 9}}
    none = client.get("/v1/odd/facets", where="size>99").json
    assert none["items"] == 0
    assert none["facets"] == {
        "tags": {"type": "tag", "values": []},
        "size": {"type": "number", "count": 0, "min": None, "max": None},
    }


def test_health(client: Client) -> None:
    assert client.get("/healthz").json == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status, ready.json) == (200, {"status": "ready", "indexing": 0})


@pytest.mark.parametrize(
    "path",
    [
        "/v1/catalogues", "/v1/movies", "/v1/movies/items?id=up", "/v1/movies/similar?id=up",
        "/v1/movies/search?q=up", "/v1/movies/facets", "/healthz", "/readyz",
    ],
)  # fmt: skip
def test_head_and_options(client: Client, path: str) -> None:
    head, get = client.send("HEAD", path), client.send("GET", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"] == "application/json"
    options = client.send("OPTIONS", path)
    assert options.status == 200
    writing = {"PUT", "POST", "PATCH", "DELETE"} if "/items" in path else set()
    bodies = {"POST"} if "/similar" in path or "/search" in path else set()
    assert {"GET", "HEAD", "OPTIONS"} | writing | bodies == {*options.headers["Allow"].split(", ")}


def test_the_answer_is_utf8_as_it_is(client: Client) -> None:
    body = client.get("/v1/odd/items", id="ünï/çødé ✓").body
    assert "ünï/çødé ✓".encode() in body


def test_similar_ranks_as_asked(client: Client) -> None:
    plain = client.get("/v1/movies/similar?id=alien&limit=5").json
    assert "why" not in plain["items"][0]
    asked = client.get(
        "/v1/movies/similar?id=alien&limit=5&boosts=0.5*near(year,3)&boosts=0.3*overlap(genres)"
        "&differ=year&diversity=0.2&group_by=year&pool=100&explain=true&fields=title"
    ).json
    assert len(asked["items"]) == 5
    for hit in asked["items"]:
        assert set(hit["why"]["boosts"]) == {"0.5*near(year,3)", "0.3*overlap(genres)"}
        assert set(hit["fields"]) == {"title"}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("boosts=near(year)", "boosts"),
        ("boosts=high(titel)", "boosts"),
        ("diversity=2", "diversity"),
        ("diversity=x", "diversity"),
        ("same=title", "same"),
        ("group_by=nope", "group_by"),
        ("explain=perhaps", "explain"),
        ("pool=0&explain=true", "pool"),
    ],
)
def test_a_wish_that_cannot_be_names_its_parameter(
    client: Client, query: str, parameter: str
) -> None:
    answer = client.get(f"/v1/movies/similar?id=alien&{query}")
    assert (answer.status, answer.json["parameter"]) == (400, parameter)


def test_recommend(client: Client) -> None:
    def ask(body: str) -> Answer:
        headers = {"Content-Type": "application/json"}
        return client.send("POST", "/v1/movies/recommend", body.encode(), headers=headers)

    answer = ask(
        '{"like": ["alien", {"text": "space", "weight": 2}], "unlike": ["up"], "limit": 3}'
    )
    assert (answer.status, answer.json["returned"]) == (200, 3)
    assert not {"alien", "up"} & {hit["id"] for hit in answer.json["items"]}
    for body, parameter in (
        ("{}", "like"), ('{"like": ["alien"], "strategy": "x"}', "strategy"),
        ('{"like": "alien"}', "like"), ('{"likes": []}', "likes"),
        ('{"like": ["alien"], "using": {}}', "using"),
        ('{"like": ["alien"], "exact": "no"}', "exact"),
        ('{"like": ["alien"], "where": 5, "same": ["genres"]}', "where"),
        ('{"like": ["alien"], "explain": 1}', "explain"),
        ('{"like": ["alien"], "limit": "3"}', "limit"), ('{"like": ["nobody"]}', "like"),
    ):  # fmt: skip
        wrong = ask(body)
        assert (wrong.status, wrong.json["parameter"]) in ((400, parameter), (404, parameter))
