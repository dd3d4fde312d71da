"""Many ids at once: each gets what it gets alone, and one that is not there costs only itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from conftest import angle, loaded
from outside import Client, served

from api import create_app
from recommender import Catalogue, Recommender, Results, Settings
from recommender.engine import MAX_IDS
from recommender.errors import InvalidParameter, UnknownItem
from recommender.store.connection import Server

FIELDS = {"title": {"type": "text"}, "kinds": {"type": "tag"}, "size": {"type": "number"}}
ITEMS: list[dict[str, Any]] = [
    {
        "id": f"t{number}",
        "title": f"thing number {number}",
        "kinds": [f"k{number % 3}"],
        "size": number,
        "v": angle(number * number % 360),
        "w": angle(number * 7 % 360),
    }
    for number in range(120)
]


@pytest.fixture(scope="module", params=["flat", "hnsw"])
def engine(
    _redis: Server, settings: Settings, request: pytest.FixtureRequest
) -> Iterator[Recommender]:
    vectors = {
        name: {"embedder": "given", "column": name, "index": request.param} for name in ("v", "w")
    }
    things = Catalogue.from_dict({"name": "things", "fields": FIELDS, "vectors": vectors})
    yield loaded(_redis, settings, things, ITEMS)
    _redis.client.flushall()


@pytest.fixture
def client(engine: Recommender, settings: Settings) -> Iterator[Client]:
    with served(create_app(settings)) as client:
        yield client


def post(client: Client, **body: Any) -> Any:
    headers = {"Content-Type": "application/json"}
    target = "/v1/things/similar:batch"
    return client.send("POST", target, json.dumps(body).encode(), headers=headers)


def steady(results: Any) -> Results:
    """Results without what changes from one time to the next."""
    assert isinstance(results, Results)
    return replace(results, took_ms=0.0)


WISHES: list[dict[str, Any]] = [
    {},
    {"limit": 3, "offset": 2, "fields": ["title"]},
    {"where": ["size>=40", "kinds=k1|k2"], "exclude": ["t50", "t51"]},
    {"where": {"not": "kinds=k1"}},
    {"min_score": 0.99},
    {"exact": True, "using": "w"},
    {"where": "size<0"},
    {"boosts": "0.5*high(size)", "explain": True},
    {"using": {"v": 0.5, "w": 0.5}, "diversity": 0.5},
    {"differ": ["kinds"], "limit": 4},
    {"collapse": False},
]


@pytest.mark.parametrize("wishes", WISHES, ids=str)
def test_each_gets_what_it_gets_alone(engine: Recommender, wishes: dict[str, Any]) -> None:
    ids = ["t3", "t90", "t17", "t3"]
    together = engine.similar_many(ids, **wishes)
    assert [steady(each) for each in together] == [
        steady(engine.similar(id, **wishes)) for id in ids
    ]
    for id, results in zip(ids, together, strict=True):
        assert id not in [hit.id for hit in results if isinstance(results, Results)]


@pytest.mark.parametrize("wishes", [{}, {"boosts": "0.5*high(size)"}], ids=["plain", "ranked"])
def test_one_that_is_not_there_costs_only_itself(
    engine: Recommender, wishes: dict[str, Any]
) -> None:
    first, gone, last = engine.similar_many(["t1", "nobody", "t2"], **wishes)
    assert steady(first) == steady(engine.similar("t1", **wishes))
    assert steady(last) == steady(engine.similar("t2", **wishes))
    assert isinstance(gone, UnknownItem)
    assert "'nobody'" in gone.message
    [alone] = engine.similar_many(["nobody"], **wishes)
    assert isinstance(alone, UnknownItem)


def test_as_many_as_there_may_be(engine: Recommender) -> None:
    ids = [f"t{number}" for number in range(MAX_IDS)]
    found = engine.similar_many(ids, limit=100)
    assert [len(each) for each in found if isinstance(each, Results)] == [100] * MAX_IDS
    with pytest.raises(InvalidParameter, match=r"100 ids.*100 each") as caught:
        engine.similar_many(ids, limit=101)
    assert caught.value.parameter == "limit"
    assert len(engine.similar_many(ids[:9], limit=1000)) == 9


@pytest.mark.parametrize(
    ("ids", "wishes", "parameter"),
    [
        ([], {}, "ids"),
        (["t1"] * (MAX_IDS + 1), {}, "ids"),
        ("t1", {}, "ids"),
        (["t1", ""], {}, "ids"),
        (["t1", 5], {}, "ids"),
        (["t1", "\ud800"], {}, "ids"),
        (None, {}, "ids"),
        (["t1"], {"limit": 0}, "limit"),
        (["t1"], {"limit": "5"}, "limit"),
        (["t1"], {"where": "size~a"}, "where"),
        (["t1"], {"fields": ["titel"]}, "fields"),
        (["t1"], {"boosts": "high(titel)"}, "boosts"),
        (["t1"], {"next": "0" * 32 + ".10"}, "next"),
    ],
    ids=str,
)
def test_what_is_wrong_with_all_of_them(
    engine: Recommender, client: Client, ids: Any, wishes: dict[str, Any], parameter: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        engine.similar_many(ids, **wishes)
    assert caught.value.parameter == parameter
    answer = post(client, ids=ids, **wishes)
    assert (answer.status, answer.json["parameter"]) == (400, parameter)


def test_over_http(client: Client, engine: Recommender) -> None:
    answer = post(client, ids=["t5", "nobody", "t6"], limit=2, fields=["size"])
    assert answer.status == 200
    assert [*answer.json] == ["results", "took_ms"]
    first, gone, last = answer.json["results"]
    for id, found in (("t5", first), ("t6", last)):
        alone = client.get("/v1/things/similar", id=id, limit=2, fields="size").json
        assert {**found, "took_ms": 0} == {"id": id, **alone, "took_ms": 0}
    assert gone["id"] == "nobody"
    assert (gone["problem"]["status"], gone["problem"]["code"]) == (404, "unknown_item")
    assert gone["problem"]["parameter"] == "id"


def test_over_http_an_unknown_member_is_refused(client: Client) -> None:
    for body in ({"id": "t1"}, {"ids": ["t1"], "limt": 2}, {}):
        assert post(client, **body).status == 400
    assert post(client, ids=["t1"], limt=2).json["remedy"] == "Did you mean 'limit'?"
    assert client.get("/v1/things/similar:batch").status == 405


def test_the_pages_of_each_go_on_by_themselves(client: Client) -> None:
    first = post(client, ids=["t5", "t6"], limit=2, next="start").json["results"]
    for id, page in zip(("t5", "t6"), first, strict=True):
        after = client.get("/v1/things/similar", id=id, limit=2, next=page["next"]).json
        whole = client.get("/v1/things/similar", id=id, limit=4, next="start").json
        assert [*page["items"], *after["items"]] == whole["items"]
