"""Wishes that cannot be: each face refuses them, naming the parameter, and none passes unseen."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from conftest import Quiet
from outside import Client, served

from api import create_app
from recommender import Catalogue, Recommender, Record, Reject, Settings, sync
from recommender.errors import InvalidParameter, RecommenderError
from recommender.store.connection import Server
from recommender.wishes import DEFAULTS

SHOP = Catalogue.from_dict(
    {
        "name": "shop",
        "fields": {
            "title": {"type": "text"},
            "kinds": {"type": "tag"},
            "price": {"type": "number"},
            "poster": {"type": "stored"},
        },
        "vectors": {
            "text": {"embedder": "given", "column": "text", "index": "flat"},
            "image": {"embedder": "given", "column": "image", "index": "flat"},
        },
        "presets": {"cheap": {"where": "price<1000", "exclude": ["i1"], "diversity": 0.5}},
    }
)
FLAT = Catalogue.from_dict(
    {
        "name": "flat",
        "fields": {"price": {"type": "number"}},
        "vectors": {"text": {"embedder": "given", "column": "text", "metric": "l2"}},
    }
)
ITEMS = [
    {
        "id": f"i{number}",
        "title": f"A thing of sort {number % 5}",
        "kinds": [f"k{number % 3}"],
        "price": number,
        "text": [1.0, number, number**0.5],
        "image": [number, 1.0],
    }
    for number in range(30)
]
FEW = [{"id": f"i{number}", "price": number, "text": [number, 1.0]} for number in range(3)]


@pytest.fixture(scope="module")
def shop(_redis: Server, settings: Settings) -> Iterator[Recommender]:
    rejects: list[Reject] = []
    for catalogue, items in ((SHOP, ITEMS), (FLAT, FEW)):
        records = [Record(f"record {number}", item) for number, item in enumerate(items)]
        sync(_redis, catalogue, records, settings, progress=Quiet(), on_reject=rejects.append)
    assert not rejects
    yield Recommender("shop", settings=settings, server=_redis)
    _redis.client.flushall()


@pytest.fixture(scope="module")
def client(shop: Recommender, settings: Settings) -> Iterator[Client]:
    with served(create_app(settings)) as client:
        yield client


DEEP: list[Any] = []
for _ in range(300):
    DEEP = [DEEP]
JSON = {"Content-Type": "application/json"}
HUGE, NAN, INFINITE = 10**400, math.nan, math.inf

ODD: dict[str, Any] = {
    "null": None, "true": True, "false": False, "zero": 0, "minus": -1, "half": 0.5, "five": 5,
    "huge": HUGE, "nan": NAN, "infinite": INFINITE, "empty": "", "x": "x", "surrogate": "\ud800",
    "nul": "\0", "none": [], "object": {}, "numbers": [5], "nulls": [None], "names": ["x"],
    "surrogates": ["\ud800"], "deep": DEEP, "pair": {"x": 1}, "pairs": [{"x": {}}],
}  # fmt: skip
"""Values of every type that JSON has, and some that it only nearly has."""

WEIRD = ["x", "surrogate", "nul"]
FINE: dict[str, list[str]] = {
    "limit": ["five"],
    "offset": ["zero", "five"],
    "where": ["null", "none"],
    "exclude": ["none", "names"],
    "fields": ["null", "none"],
    "using": ["null"],
    "min_score": ["null", "zero", "minus", "half", "five"],
    "min_relevance": ["null", "zero", "half"],
    "exact": ["true", "false"],
    "same": ["none"],
    "differ": ["none"],
    "boosts": ["none"],
    "mode": [],
    "semantic_ratio": ["null"],
    "diversity": ["zero", "half"],
    "group_by": ["null"],
    "group_size": ["five"],
    "collapse": ["null", "true", "half"],
    "cut": ["null"],
    "fallbacks": ["none"],
    "pool": ["five"],
    "explain": ["true", "false"],
    "preset": ["null"],
    "next": ["null"],
}
"""Which of them a wish takes; all others it must refuse."""

CASES = [
    pytest.param(name, odd, id=f"{name}-{odd}")
    for name in DEFAULTS
    for odd in ODD
    if odd not in FINE[name]
]


def refused(engine: Recommender, parameter: str, ask: str = "similar", /, *args: Any, **wishes: Any) -> str:
    """The error names the parameter, and tells what to do."""
    with pytest.raises(RecommenderError) as caught:
        getattr(engine, ask)(*args, **wishes)
    assert caught.value.parameter == parameter
    assert caught.value.message
    return str(caught.value)


def problem(client: Client, parameter: str, path: str, body: Any = None) -> None:
    """A 4xx of the parameter, without a word of what is inside."""
    if body is None:
        answer = client.get(path)
    else:
        answer = client.send("POST", path, json.dumps(body).encode(), headers=JSON)
    assert 400 <= answer.status < 500, answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json["parameter"] == parameter, answer.text
    assert answer.json["code"] in (f"invalid_{parameter}", "unknown_field", "unknown_item")


def test_the_table_is_whole() -> None:
    assert list(FINE) == list(DEFAULTS)


@pytest.mark.parametrize(("name", "odd"), CASES)
@pytest.mark.parametrize("more", [{}, {"boosts": "high(price)"}], ids=["plain", "ranked"])
def test_odd_values(
    shop: Recommender, client: Client, name: str, odd: str, more: dict[str, Any]
) -> None:
    wishes = {**more, name: ODD[odd]}
    refused(shop, name, "similar", "i0", **wishes)
    problem(client, name, "/v1/shop/similar", {"id": "i0", **wishes})
