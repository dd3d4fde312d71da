"""Wishes that cannot be: each face refuses them, naming the parameter, and none passes unseen."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from conftest import loaded
from outside import Client, served

from api import create_app
from recommender import Catalogue, Recommender, Settings
from recommender.errors import RecommenderError
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
def store(_redis: Server) -> Server:
    return _redis


@pytest.fixture(scope="module")
def shop(_redis: Server, settings: Settings) -> Iterator[Recommender]:
    loaded(_redis, settings, FLAT, FEW)
    yield loaded(_redis, settings, SHOP, ITEMS)
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
    "collapse": ["null", "true", "false", "half"],
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


def refused(
    engine: Recommender, parameter: str, ask: str = "similar", /, *args: Any, **wishes: Any
) -> str:
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
    assert 400 <= answer.status < 500, answer.body
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json["parameter"] == parameter, answer.body
    assert answer.json["code"] in (f"invalid_{parameter}", *OTHER_CODES)


OTHER_CODES = (
    "unknown_field", "unknown_item", "unknown_catalogue", "invalid_catalogue", "model_mismatch",
)  # fmt: skip


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


EMBEDDED = base64.b64encode(b"no picture").decode()
ONE_BAD: list[tuple[str, dict[str, Any]]] = [
    ("limit", {"limit": 1001}),
    ("offset", {"offset": 9_999, "limit": 10}),
    ("where", {"where": "price=cheap"}),
    ("where", {"where": "prise=1"}),
    ("where", {"where": DEEP}),
    ("where", {"where": {"not": DEEP}}),
    ("where", {"where": 5, "preset": "cheap"}),
    ("exclude", {"exclude": 5, "preset": "cheap"}),
    ("exclude", {"exclude": "i2", "preset": "cheap"}),
    ("fields", {"fields": ["titel"]}),
    ("using", {"using": "pictures"}),
    ("using", {"using": ""}),
    ("using", {"using": "text:0.7,pictures:0.3"}),
    ("using", {"using": "text:,image:1"}),
    ("using", {"using": "text:0,image:1"}),
    ("using", {"using": "text:nan,image:1"}),
    ("using", {"using": ":"}),
    ("using", {"using": {"text": 0}}),
    ("using", {"using": {"text": 1e9}}),
    ("using", {"using": {"text": HUGE}}),
    ("using", {"using": {"text": NAN}}),
    ("using", {"using": {"text": True}}),
    ("using", {"using": {"text": [1]}}),
    ("min_score", {"min_score": INFINITE}),
    ("min_relevance", {"min_relevance": 2}),
    ("min_relevance", {"min_relevance": 0.5, "mode": "text"}),
    ("same", {"same": ["title"]}),
    ("differ", {"differ": ["poster"]}),
    ("group_by", {"group_by": "title"}),
    ("group_by", {"group_by": "kindz"}),
    ("group_size", {"group_by": "kinds", "group_size": 101}),
    ("group_size", {"group_size": 1.0}),
    ("mode", {"mode": "words"}),
    ("semantic_ratio", {"semantic_ratio": 0.5}),
    ("semantic_ratio", {"semantic_ratio": "rrf"}),
    ("semantic_ratio", {"semantic_ratio": "RRF", "mode": "hybrid"}),
    ("semantic_ratio", {"semantic_ratio": 1.01, "mode": "hybrid"}),
    ("semantic_ratio", {"semantic_ratio": NAN, "mode": "hybrid"}),
    ("semantic_ratio", {"semantic_ratio": 0.5, "mode": "text"}),
    ("diversity", {"diversity": 1.01}),
    ("diversity", {"diversity": -0.01}),
    ("collapse", {"collapse": 2}),
    ("collapse", {"collapse": 0}),
    ("collapse", {"collapse": NAN}),
    ("cut", {"cut": "AUTO"}),
    ("pool", {"pool": 0}),
    ("pool", {"pool": 10_001}),
    ("preset", {"preset": "cheep"}),
    ("next", {"next": "START"}),
    ("next", {"next": "0" * 32 + ".10"}),
    ("next", {"next": "0" * 32 + ".99999"}),
    ("next", {"next": "0" * 33}),
    *[
        ("boosts", {"boosts": text})
        for text in (
            "high(prise)", "high(title)", "high(poster)", "overlap(price)", "near(price)",
            "near(price,0)", "near(price,-1)", "near(price,nan)", "near(price,inf)",
            "near(price,1e999)", "near(price,8,to=)", "near(price,8,to=nan)",
            "near(price,8,log,to=0)", "nan*high(price)", "1e9*high(price)", "inf*high(price)",
            "-1001*high(price)", "*high(price)",
            "fresh(price,0d)", "fresh(price,d)", "match()", "match(prise=1)", "match(price=x)",
            "high(price", "high()", "high", "high(price,2)", "hihg(price)",
            "9" * 400 + "*high(price)",
        )
    ],
    ("boosts", {"boosts": ["high(price)"] * 17}),
    *[
        ("fallbacks", {"fallbacks": text})
        for text in (
            "popular", "popular()", "popular(prise)", "popular(kinds)", "same_tag(price)",
            "best(price)",
            "popular(price)(price)", "latest(poster)",
        )
    ],
    ("fallbacks", {"fallbacks": ["popular(price)"] * 9}),
]  # fmt: skip
"""Wishes of which one is wrong, beside all those above."""


def named(value: Any) -> str:
    return str(value)[:50]


@pytest.mark.parametrize(("parameter", "wishes"), ONE_BAD, ids=named)
@pytest.mark.parametrize("more", [{}, {"explain": True, "next": "start"}], ids=["", "next"])
def test_wishes_that_cannot_be(
    shop: Recommender, client: Client, parameter: str, wishes: dict[str, Any], more: dict[str, Any]
) -> None:
    wishes = {**more, **wishes}
    refused(shop, parameter, "similar", "i0", **wishes)
    refused(shop, parameter, "recommend", ["i0"], **wishes)
    if "mode" not in wishes:
        refused(shop, parameter, "search", vector=[1, 2, 3], **wishes)
    problem(client, parameter, "/v1/shop/similar", {"id": "i0", **wishes})
    problem(client, parameter, "/v1/shop/recommend", {"like": ["i0"], **wishes})
    in_address = {
        name: "true" if value is True else value
        for name, value in wishes.items()
        if isinstance(value, (str, int, float))
    }
    if in_address.keys() == wishes.keys() and (parameter == "preset" or "preset" not in wishes):
        problem(client, parameter, f"/v1/shop/similar?{urlencode({'id': 'i0', **in_address})}")
        if "mode" in wishes:
            problem(client, parameter, f"/v1/shop/search?{urlencode({'q': 'thing', **in_address})}")


SEEDS: list[Any] = [
    5, None, True, "i0", {"id": "i0"}, [5], [None], [[]], [{}], [{"id": 5}], [{"id": ["i0"]}],
    [{"id": {}}], [{"id": ""}], [{"id": "i0", "text": "x"}], [{"id": "i0", "wait": 1}],
    [{"id": "i0", "weight": 0}], [{"id": "i0", "weight": -1}], [{"id": "i0", "weight": NAN}],
    [{"id": "i0", "weight": 1e9}], [{"id": "i0", "weight": HUGE}], [{"id": "i0", "weight": "1"}],
    [{"id": "i0", "weight": True}], [{"id": "i0", "weight": None}], [{"id": "\ud800"}], ["\ud800"],
    ["nobody"], [""], [{"text": ""}], [{"text": 5}], [{"text": "x" * 20_001}], [{"text": "x"}],
    [{"vector": []}], [{"vector": [1]}], [{"vector": [NAN, 1, 1]}], [{"vector": [0, 0, 0]}],
    [{"vector": "1,2,3"}], [{"vector": [HUGE, 1, 1]}], [{"vector": DEEP}],
    [{"vector": [[1, 2, 3]]}],
    [{"vector": [True, 1, 1]}], [{"vector": None}], [{"vector": {"x": 1}}],
    [{"image": "not base64!"}], [{"image": 5}], [{"image": ""}], [{"image": EMBEDDED}],
    [{"id": "i0", "catalogue": "nowhere"}], [{"id": "i0", "catalogue": 5}], [DEEP],
    [{"id": "i0", "catalogue": []}], [{"id": "i0", "catalogue": "flat"}],
    [{"id": "i0", "catalogue": ""}], [{"id": "i0", "catalogue": "\ud800"}],
    [{"text": "x", "catalogue": "flat"}],
    [{"id": "nobody", "catalogue": "shop"}], ["i0"] * 101, "", {}, [{"ID": "i0"}],
]  # fmt: skip


@pytest.mark.parametrize("seeds", SEEDS, ids=named)
@pytest.mark.parametrize("side", ["like", "unlike"])
def test_seeds_that_cannot_be(shop: Recommender, client: Client, side: str, seeds: Any) -> None:
    other = {"like": ["i2"]} if side == "unlike" else {"unlike": ["i2"]}
    refused(shop, side, "recommend", **{side: seeds, **other})
    problem(client, side, "/v1/shop/recommend", {side: seeds, **other})
    refused(shop, side, "recommend", **{side: seeds, **other}, next="start")


@pytest.mark.parametrize(
    ("parameter", "asked"),
    [
        ("like", {}),
        ("like", {"like": [], "unlike": []}),
        ("unlike", {"like": ["i0"], "unlike": ["i1", "i0"]}),
        ("unlike", {"like": [{"id": "i0", "weight": 2}], "unlike": [{"id": "i0"}]}),
        ("unlike", {"like": ["i0"], "unlike": [{"id": "i0", "catalogue": "shop"}]}),
        (
            "strategy",
            {
                "like": [{"vector": [1, 2, 3]}],
                "unlike": [{"vector": [2, 4, 6], "weight": 3}],
                "strategy": "avg",
            },
        ),
        *[
            ("strategy", {"like": ["i0"], "strategy": odd})
            for odd in (*ODD.values(), "avg", "Best")
        ],
        *[
            ("half_life", {"like": ["i0", "i1"], "half_life": odd})
            for name, odd in ODD.items()
            if name not in ("null", "half", "five")
        ],
    ],
    ids=named,
)
def test_recommendations_that_cannot_be(
    shop: Recommender, client: Client, parameter: str, asked: dict[str, Any]
) -> None:
    refused(shop, parameter, "recommend", **asked)
    problem(client, parameter, "/v1/shop/recommend", asked)


@pytest.mark.parametrize(
    ("parameter", "asked"),
    [
        ("text", {}),
        ("text", {"text": None}),
        ("text", {"text": "x", "vector": [1, 2, 3]}),
        ("text", {"text": ""}),
        ("text", {"text": " ", "mode": "text"}),
        ("text", {"text": "\ud800", "mode": "text"}),
        ("text", {"vector": [1, 2, 3], "mode": "text"}),
        ("image", {"image": "not base64!"}),
        ("image", {"image": EMBEDDED}),
        *[("text", {"text": odd}) for name, odd in ODD.items() if name not in ("null", *WEIRD)],
        *[("vector", {"vector": odd}) for name, odd in ODD.items() if name != "null"],
        *[("image", {"image": odd}) for name, odd in ODD.items() if name != "null"],
        ("vector", {"vector": [1, 2, HUGE]}),
        ("vector", {"vector": [1, 2, 1e300]}),
        ("vector", {"vector": [1, 2, 3], "using": {"text": 0.5, "image": 0.5}}),
    ],
    ids=named,
)
@pytest.mark.parametrize("more", [{}, {"diversity": 0.5, "next": "start"}], ids=["", "next"])
def test_searches_that_cannot_be(
    shop: Recommender, client: Client, parameter: str, asked: dict[str, Any], more: dict[str, Any]
) -> None:
    refused(shop, parameter, "search", **asked, **more)
    problem(client, parameter, "/v1/shop/search", {**asked, **more})


@pytest.mark.parametrize("name", [name for name in ODD if name != "x"])
def test_ids_that_cannot_be(shop: Recommender, client: Client, name: str) -> None:
    refused(shop, "id", "similar", ODD[name])
    refused(shop, "id", "similar", ODD[name], boosts="high(price)", next="start")
    problem(client, "id", "/v1/shop/similar", {"id": ODD[name]})


def test_the_next_of_another_question(shop: Recommender, client: Client) -> None:
    asked: dict[str, Any] = {"limit": 3, "boosts": "high(price)", "next": "start"}
    token = shop.similar("i0", **asked).next
    assert token
    others: list[tuple[Any, ...]] = [
        ("similar", "i1", {}), ("similar", "i0", {"boosts": "low(price)"}),
        ("similar", "i0", {"where": "price>3"}), ("similar", "i0", {"exclude": ["i3"]}),
        ("similar", "i0", {"exact": True}), ("similar", "i0", {"using": "image"}),
        ("similar", "i0", {"explain": True}), ("similar", "i0", {"pool": 20}),
        ("recommend", ["i0"], {}), ("recommend", ["i0"], {"strategy": "best"}),
    ]  # fmt: skip
    for ask, seed, changed in others:
        refused(shop, "next", ask, seed, **{**asked, **changed, "next": token})
    problem(client, "next", "/v1/flat/similar", {"id": "i0", **asked, "next": token})
    problem(client, "next", "/v1/shop/similar", {"id": "i1", **asked, "next": token})
    assert shop.similar("i0", **{**asked, "next": token}).returned == 3


def test_a_next_that_has_expired(shop: Recommender, store: Server) -> None:
    asked: dict[str, Any] = {"limit": 3, "explain": True}
    token = shop.similar("i0", **asked, next="start").next
    assert token
    name, _, place = token.partition(".")
    refused(
        shop, "next", "similar", "i0", **asked, next=f"{name[:-1]}{int(name[-1] == '0')}.{place}"
    )
    store.client.delete(f"recommender:pages:{name}")
    said = refused(shop, "next", "similar", "i0", **asked, next=token)
    assert "next=start" in said


def test_what_a_catalogue_lacks(shop: Recommender, settings: Settings, store: Server) -> None:
    flat = Recommender("flat", settings=settings, server=store)
    refused(flat, "mode", "similar", "i0", mode="hybrid")
    refused(flat, "min_relevance", "similar", "i0", min_relevance=0.5)
    refused(flat, "min_relevance", "similar", "i0", min_relevance=0.5, boosts="high(price)")
    refused(flat, "using", "recommend", ["i0"])  # l2
    refused(flat, "nonsense", "similar", "i0", nonsense=5)


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("similar", "id"),
        ("similar?id=i0&limit=ten", "limit"),
        ("similar?id=i0&limit=1&limit=2", "limit"),
        ("similar?id=i0&diversity=much", "diversity"),
        ("similar?id=i0&pool=1e3", "pool"),
        ("similar?id=i0&explain=maybe", "explain"),
        ("similar?id=i0&group_size=1.5", "group_size"),
        ("similar?id=i0&semantic_ratio=some&mode=hybrid", "semantic_ratio"),
        ("similar?id=i0&collapse=some", "collapse"),
        ("similar?id=i0&min_relevance=", "min_relevance"),
        ("similar?id=i0&boosts=", "boosts"),
        ("similar?id=i0&fallbacks=", "fallbacks"),
        ("similar?id=i0&using=", "using"),
        ("similar?id=i0&cut=", "cut"),
        ("similar?id=i0&next=", "next"),
        ("similar?id=i0&preset=", "preset"),
        ("similar?id=i0&group_by=", "group_by"),
        ("search?q=", "q"),
        ("search?q=thing&mode=text&min_relevance=0.1", "min_relevance"),
    ],
)
def test_addresses_that_cannot_be(client: Client, path: str, parameter: str) -> None:
    problem(client, parameter, f"/v1/shop/{path}")


@pytest.mark.parametrize(
    "wishes",
    [
        "using=text:0.7,image:0.3",
        "semantic_ratio=rrf&mode=hybrid",
        "semantic_ratio=0.2&mode=hybrid",
        "collapse=true",
        "collapse=0.9&cut=auto&diversity=0.1&group_by=kinds&group_size=2",
        "boosts=near(price,2,log)&boosts=high(price)&same=kinds&differ=price",
        "fallbacks=same_tag(kinds)&fallbacks=popular(price)&explain=true&preset=cheap",
        "pool=5&exact=true&min_relevance=0.2&min_score=0.1&next=start",
    ],
)
def test_addresses_say_all_that_bodies_say(client: Client, wishes: str) -> None:
    answer = client.get(f"/v1/shop/similar?id=i3&{wishes}")
    assert answer.status == 200, answer.body
    body: dict[str, Any] = {"id": "i3"}
    for part in wishes.split("&"):
        name, _, text = part.partition("=")
        if name in ("boosts", "fallbacks", "same", "differ"):
            body.setdefault(name, []).append(text)
        else:
            body[name] = READ.get(text, text) if text in READ else _number(text)
    other = client.send("POST", "/v1/shop/similar", json.dumps(body).encode(), headers=JSON)
    assert other.json["items"] == answer.json["items"]


READ = {"true": True}


def _number(text: str) -> Any:
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        return text
