"""CORS: which pages may ask, each instance by its own setting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from conftest import Load
from flask import Flask
from outside import Answer, Client, served

from api import create_app
from api.plugin import recommendations
from recommender import Catalogue, Settings

SHOP, BLOG = "https://shop.example", "http://localhost:3000"
SIMILAR = "/v1/films/similar?id=f1"
KEY = "a-key-that-writes"


@pytest.fixture
def films(settings: Settings, load: Load) -> Settings:
    """The settings of a Redis with some films, which a key may write."""
    vectors = {"v": {"embedder": "given", "column": "v"}}
    made = Catalogue.from_dict({"name": "films", "fields": {}, "vectors": vectors})
    load(made, [{"id": f"f{number}", "v": [1, number]} for number in range(5)])
    return replace(settings, write_keys=(KEY,))


@pytest.fixture
def client(films: Settings) -> Iterator[Client]:
    with served(create_app(replace(films, cors_origins=(SHOP, BLOG)))) as client:
        yield client


def ask(client: Client, path: str, origin: str | None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.send("GET", path, headers=named | ({"Origin": origin} if origin else {}))


def preflight(
    client: Client, path: str, method: str, origin: str = SHOP, headers: str = ""
) -> Answer:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return client.send("OPTIONS", path, headers=asked)


def told(answer: Answer) -> dict[str, str]:
    """The headers of CORS."""
    return {
        name.removeprefix("Access-Control-"): value
        for name, value in answer.headers.items()
        if name.startswith("Access-Control-")
    }


def listed(text: str) -> set[str]:
    return {part.strip() for part in text.split(",")}


def test_without_the_setting_there_is_nothing(films: Settings) -> None:
    with served(create_app(films)) as client:
        answers = [ask(client, SIMILAR, SHOP), preflight(client, SIMILAR, "GET")]
    for answer in answers:
        assert answer.status == 200
        assert told(answer) == {}
        assert "Origin" not in answer.headers.get("Vary", "")


@pytest.mark.parametrize("origin", [SHOP, BLOG])
def test_a_page_that_may_ask(client: Client, origin: str) -> None:
    answer = ask(client, SIMILAR, origin)
    found = told(answer)
    assert found["Allow-Origin"] == origin
    assert {"ETag", "X-Request-Id", "Retry-After"} <= listed(found["Expose-Headers"])
    assert "Allow-Credentials" not in found
    assert {"Origin", "Accept-Encoding"} <= listed(answer.headers["Vary"])
    again = ask(client, SIMILAR, origin, If_None_Match=answer.headers["ETag"])
    assert (again.status, told(again)) == (304, found)
    assert "Origin" in listed(again.headers["Vary"])


def test_an_address_in_brackets_is_no_pattern(films: Settings) -> None:
    origin = "https://[::1]:8080"
    with served(create_app(replace(films, cors_origins=(origin,)))) as client:
        assert told(ask(client, SIMILAR, origin))["Allow-Origin"] == origin
        for other in ("https://1:8080", "https://::8080", f"{origin}0", f"{origin}.example"):
            assert told(ask(client, SIMILAR, other)) == {}


@pytest.mark.parametrize(
    "origin",
    [
        "https://other.example", "http://shop.example", "https://shop.example:8443", "null", None,
        "https://shop.example.evil.example", "https://xshop.example", "https://shopxexample", "*",
        ".*",
    ],
)  # fmt: skip
def test_a_page_that_may_not(client: Client, origin: str | None) -> None:
    answer = ask(client, SIMILAR, origin)
    assert answer.status == 200
    assert told(answer) == {}
    assert "Origin" in listed(answer.headers["Vary"]), "no cache gives this to the shop"


def test_problems_can_be_read_too(client: Client) -> None:
    for path, status in (("/v1/films/similar?id=no", 404), ("/v1/films/similar", 400)):
        answer = ask(client, path, SHOP)
        assert (answer.status, told(answer)["Allow-Origin"]) == (status, SHOP)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/v1/films/similar", "GET"), ("/v1/films/similar", "POST"), ("/v1/films/search", "POST"),
        ("/v1/films/recommend", "POST"), ("/v1/films/events", "POST"), ("/v1/films/items", "GET"),
    ],
)  # fmt: skip
def test_asking_is_allowed(client: Client, path: str, method: str) -> None:
    answer = preflight(client, path, method, headers="authorization, content-type, x-api-key")
    found = told(answer)
    assert answer.status == 200
    assert found["Allow-Origin"] == SHOP
    assert method in listed(found["Allow-Methods"])
    assert listed(found["Allow-Headers"].lower()) == {"authorization", "content-type", "x-api-key"}
    assert int(found["Max-Age"]) > 0
    assert not listed(found["Allow-Methods"]) & {"PUT", "PATCH", "DELETE"}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_writing_is_not(client: Client, method: str) -> None:
    assert "Allow-Methods" not in told(preflight(client, "/v1/films/items?id=x", method))


def test_other_headers_are_not(client: Client) -> None:
    found = told(preflight(client, "/v1/films/similar", "GET", headers="x-evil, x-api-key"))
    assert listed(found["Allow-Headers"].lower()) == {"x-api-key"}


def test_every_page(films: Settings) -> None:
    with served(create_app(replace(films, cors_origins=("*",)))) as client:
        for origin in (SHOP, "null", "https://anybody.example"):
            answer = ask(client, SIMILAR, origin)
            assert told(answer)["Allow-Origin"] == "*"
            assert "Origin" not in listed(answer.headers["Vary"])
            assert "Allow-Credentials" not in told(answer)


def test_keys_are_needed_all_the_same(films: Settings) -> None:
    closed = replace(films, cors_origins=(SHOP,), read_keys=("a-key-that-reads",))
    with served(create_app(closed)) as client:
        assert preflight(client, SIMILAR, "GET").status == 200
        refused = ask(client, SIMILAR, SHOP)
        assert (refused.status, told(refused)["Allow-Origin"]) == (401, SHOP)
        assert ask(client, SIMILAR, SHOP, X_API_Key="a-key-that-reads").status == 200


def test_two_instances_in_one_application(films: Settings) -> None:
    app = Flask("host")
    for name, origin in (("shop", SHOP), ("blog", BLOG)):
        part = recommendations(replace(films, cors_origins=(origin,)), name=name)
        app.register_blueprint(part, url_prefix=f"/{name}")
    closed = recommendations(films, name="closed")
    app.register_blueprint(closed, url_prefix="/closed")

    @app.get("/own")
    def own() -> str:
        return "mine"

    allowed: Callable[[str, str], bool] = lambda path, origin: (  # noqa: E731
        told(ask(client, path, origin)).get("Allow-Origin") == origin
    )
    with served(app) as client:
        assert allowed(f"/shop{SIMILAR}", SHOP)
        assert allowed(f"/blog{SIMILAR}", BLOG)
        assert not allowed(f"/shop{SIMILAR}", BLOG)
        assert not allowed(f"/blog{SIMILAR}", SHOP)
        for path in (f"/closed{SIMILAR}", "/own"):
            for origin in (SHOP, BLOG):
                assert told(ask(client, path, origin)) == {}
        # POST of items is no question under any prefix.
        assert "Allow-Methods" not in told(preflight(client, "/shop/v1/films/items", "POST"))
        assert "Allow-Methods" in told(preflight(client, "/shop/v1/films/search", "POST"))
