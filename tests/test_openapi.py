"""The description of the API: whole, valid, true to its address, and the page made from it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from conftest import FILM_FIELDS, ROOT, angle, loaded
from flask import Flask
from outside import served
from pydantic import BaseModel
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from api import create_app, recommendations
from api.describing import operation_of
from api.models import addresses, answers, bodies
from recommender import Catalogue, Recommender, Settings, errors
from recommender.errors import InvalidParameter
from recommender.store.connection import Server
from recommender.wishes import DEFAULTS

NOWHERE = Settings(home=Path(os.devnull))
"""The description needs no Redis."""

KEY = "k" * 16


def document_of(app: Any, path: str = "/openapi.json") -> Any:
    answer = app.test_client().get(path)
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    return answer.json


DOCUMENT = document_of(create_app(NOWHERE))
OPERATIONS = {
    (path, method): operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, (dict, list)):
            yield from parts(each)


def found(ref: str, document: Any = DOCUMENT) -> Any:
    for name in ref.removeprefix("#/").split("/"):
        document = document[name]
    return document


# The document


def test_every_route_and_method_is_described_and_nothing_else() -> None:
    app = create_app(NOWHERE)
    routes = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/v1")
        for method in {*(rule.methods or ())} - {"HEAD", "OPTIONS"}
    }
    assert routes == {each for each in OPERATIONS if each[0].startswith("/v1")}
    assert {path for path, _ in OPERATIONS if not path.startswith("/v1")} == {
        "/healthz", "/readyz",
    }  # fmt: skip
    for rule in app.url_map.iter_rules():
        operation = operation_of(app.view_functions[rule.endpoint])
        if operation is not None:
            assert ("catalogue" in rule.arguments) == ("{catalogue}" in json.dumps(
                [path for path, methods in DOCUMENT["paths"].items()
                 if any(each["operationId"] == operation.id for each in methods.values())]
            ))  # fmt: skip


def test_it_is_valid() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    for part in parts(DOCUMENT):
        if "$ref" in part:
            assert found(part["$ref"])
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(ids) == len(set(ids))
    known = {json.dumps(found(part["$ref"])) for part in parts(DOCUMENT["paths"]) if "$ref" in part}
    for name, response in DOCUMENT["components"]["responses"].items():
        assert json.dumps(response) in known, f"{name} is nobody's"


def test_every_operation_says_what_there_is_to_say() -> None:
    for operation in OPERATIONS.values():
        assert operation["summary"]
        for parameter in operation["parameters"]:
            assert parameter["description"], parameter["name"]
        for status, response in operation["responses"].items():
            response = found(response["$ref"]) if "$ref" in response else response
            assert response["description"]
            if int(status) >= 400 and operation["operationId"] != "isReady":
                assert [*response["content"]] == ["application/problem+json"]
            if status in ("429", "503") and operation["operationId"] != "isReady":
                assert "Retry-After" in response["headers"]
            if status == "401":
                assert "WWW-Authenticate" in response["headers"]


def test_every_code_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
    events = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    codes = {
        code
        for response in DOCUMENT["components"]["responses"].values()
        for part in parts(response)
        for code in part.get("enum", ())
    }
    assert {"unknown_item", "invalid_limit", "redis_full"} <= codes
    known = {f"invalid_{name}" for name in (*DEFAULTS, "id", "ids", "q", "text", "vector", "image",
                                            "strategy", "half_life", "vectors")}  # fmt: skip
    assert {code for code in codes - known if f"`{code}`" not in page + events} == set()


def test_every_error_of_the_api_is_in_the_document() -> None:
    codes = json.dumps(DOCUMENT["components"]["responses"])
    for kind in (errors.UnknownItem, errors.RelatedNotBuilt, errors.ModelMismatch, errors.StoreFull,
                 errors.EmbedderError, errors.IndexNotReady, errors.CatalogueBusy, errors.ReadOnly,
                 errors.InvalidKey, errors.NotAllowed, errors.RecordError):  # fmt: skip
        assert f'"{kind.code}"' in codes


def test_it_says_who_needs_a_key() -> None:
    def needed(document: Any) -> dict[str, bool]:
        return {
            each["operationId"]: {} not in each["security"] and each["security"] != []
            for methods in document["paths"].values()
            for each in methods.values()
        }

    closed = needed(document_of(create_app(Settings(home=NOWHERE.home, read_keys=(KEY,)))))
    opened = needed(DOCUMENT)
    assert (opened["getSimilar"], opened["putItem"], opened["isAlive"]) == (False, True, False)
    assert (closed["getSimilar"], closed["putItem"], closed["isAlive"]) == (True, True, False)


# Its address


def test_each_instance_has_a_document_of_its_own() -> None:
    app = Flask("shop")
    app.register_blueprint(recommendations(NOWHERE, name="one"), url_prefix="/one")
    other = recommendations(Settings(home=NOWHERE.home, read_keys=(KEY,)), name="two")
    app.register_blueprint(other, url_prefix="/two")
    app.register_blueprint(other, url_prefix="/again", name="three")
    for root in ("/one", "/two", "/again"):
        document = document_of(app, f"{root}/openapi.json")
        assert document["servers"] == [{"url": root}]
        assert [*document["paths"]] == [*DOCUMENT["paths"]]
        is_open = {} in document["paths"]["/v1/catalogues"]["get"]["security"]
        assert is_open == (root == "/one")
    assert app.test_client().get("/openapi.json").status_code == 404


def test_behind_a_prefix_of_somebody_else() -> None:
    app = create_app(NOWHERE)
    app.wsgi_app = DispatcherMiddleware(Flask("outer"), {"/shop": app.wsgi_app})  # type: ignore[method-assign]
    assert document_of(app, "/shop/openapi.json")["servers"] == [{"url": "/shop"}]
    page = app.test_client().get("/shop/docs").text
    assert "http://localhost/shop/v1/movies/similar" in page
    [sheet] = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)
    with app.test_client().get(sheet) as answer:
        assert answer.status_code == 200


# The models


def members(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def test_every_wish_is_in_the_models_and_in_the_docs() -> None:
    page = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
    table = page.split("## Parameters")[1].split("\n\n")
    rows = next(part for part in table if part.startswith("| parameter"))
    for model in (bodies.Wishes, addresses.Wishes):
        assert {*members(model)} == {*DEFAULTS}
    for name, default in DEFAULTS.items():
        assert f"`{name}`" in rows
        for model in (bodies.Wishes, addresses.Wishes):
            assert members(model)[name].default == default
            assert members(model)[name].description
        said = {each["description"] for each in
                (bodies.Wishes.model_json_schema()["properties"][name],
                 addresses.Wishes.model_json_schema()["properties"][name])}  # fmt: skip
        assert len(said) == 1


def test_what_is_shown_is_what_can_be() -> None:
    for name in ("Results", "Problem"):
        [shown] = DOCUMENT["components"]["schemas"][name]["examples"]
        getattr(answers, name).model_validate(shown, strict=True)
    for operation in OPERATIONS.values():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            ref = content["schema"].get("$ref", "").rpartition("/")[2]
            for example in content.get("examples", {}).values():
                if hasattr(bodies, ref):
                    getattr(bodies, ref).model_validate(example["value"])


BOUNDED = {
    name: (schema, name)
    for name, field in bodies.Wishes.model_json_schema()["properties"].items()
    for schema in (field, *field.get("anyOf", ()))
    if {"minimum", "maximum", "exclusiveMinimum"} & {*schema}
}
BESIDE: dict[str, dict[str, Any]] = {
    "semantic_ratio": {"mode": "hybrid"},
    "group_size": {"group_by": "genres"},
}


@pytest.fixture(scope="module")
def films(_redis: Server, settings: Settings) -> Iterator[Recommender]:
    catalogue = Catalogue.from_dict(
        {
            "name": "films",
            "fields": FILM_FIELDS,
            "vectors": {"v": {"embedder": "given", "column": "v"}},
        }
    )
    items = [
        {"id": f"f{n}", "title": f"film {n}", "genres": ["a"], "v": angle(n)} for n in range(60)
    ]
    yield loaded(_redis, settings, catalogue, items)
    _redis.client.flushall()


@pytest.mark.parametrize("name", BOUNDED)
def test_the_engine_agrees_with_each_bound(
    films: Recommender, settings: Settings, name: str
) -> None:
    schema, _ = BOUNDED[name]
    step = 1 if schema["type"] == "integer" else 0.001
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + step)
    good, bad = [low], [schema.get("minimum", schema.get("exclusiveMinimum")) - step]
    if "exclusiveMinimum" in schema:
        bad.append(schema["exclusiveMinimum"])
    good.append(schema["maximum"] if name != "offset" else schema["maximum"] - 11)
    bad.append(schema["maximum"] + step)
    more = BESIDE.get(name, {})
    with served(create_app(settings)) as client:
        for value in good:
            assert films.similar("f1", **{name: value}, **more).requested
            assert client.get("/v1/films/similar", id="f1", **{name: value}, **more).status == 200
        for value in bad:
            with pytest.raises(InvalidParameter) as caught:
                films.similar("f1", **{name: value}, **more)
            asked = client.get("/v1/films/similar", id="f1", **{name: value}, **more)
            assert asked.json["code"] == f"invalid_{name}"
            assert asked.json["remedy"] == caught.value.remedy


def test_there_are_bounds() -> None:
    assert {*BOUNDED} == {
        "limit", "offset", "min_relevance", "semantic_ratio", "diversity", "group_size",
        "collapse", "pool",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("min_score=1_0", "invalid_min_score"),
        ("min_score=%D9%A3", "invalid_min_score"),
        ("min_score=infinity", "invalid_min_score"),
        ("diversity=+0.5", "invalid_diversity"),
        ("diversity=0.5_0", "invalid_diversity"),
        ("collapse=0_1", "invalid_collapse"),
        ("semantic_ratio=1_0&mode=hybrid", "invalid_semantic_ratio"),
        ("exact=yes", "invalid_exact"),
        ("exact=", "invalid_exact"),
        ("mode=vectors", "invalid_mode"),
        ("limit=3&limit=3", "invalid_limit"),
        ("limt=3&limt=3", "invalid_parameter"),
    ],
)
def test_what_an_address_cannot_say(
    films: Recommender, settings: Settings, query: str, code: str
) -> None:
    answer = create_app(settings).test_client().get(f"/v1/films/similar?id=f1&{query}")
    assert (answer.status_code, answer.json["code"]) == (400, code)
    assert answer.json.get("remedy") or "more than once" in answer.json["detail"]


@pytest.mark.parametrize("value", ["0.5", ".5", "5e-1", "5E-1", "0.50", "1", "0", "1."])
def test_what_a_number_may_look_like(films: Recommender, settings: Settings, value: str) -> None:
    answer = create_app(settings).test_client().get(f"/v1/films/similar?id=f1&diversity={value}")
    assert answer.status_code == 200
