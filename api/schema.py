"""The OpenAPI document of one instance: its routes as they are registered, and the models."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from werkzeug.routing import Rule

from api import failures
from api.describing import GROUPS, Operation, operation_of
from api.models.addresses import Address
from api.models.answers import Problem
from api.models.texts import AsNames

REFS = "#/components/schemas/{model}"
SECRET = {"bearer": {"type": "http", "scheme": "bearer"},
          "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}  # fmt: skip
VARIABLE = re.compile(r"<(?:[^<>:]+:)?([^<>:]+)>")
ABOUT = (
    "More like this, for any catalogue. A parameter that a call does not take is an error, so a"
    " misspelt filter never passes for none."
)
CATALOGUE = {
    "name": "catalogue", "in": "path", "required": True, "description": "A catalogue's name",
    "schema": {"type": "string", "minLength": 1, "examples": ["movies"]},
}  # fmt: skip
ETAG = {
    "ETag": {"description": "Changes with the answer", "schema": {"type": "string"}},
    "Cache-Control": {"schema": {"type": "string"}},
}
IF_NONE_MATCH = {
    "name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"},
    "description": "The ETag of an answer before; 304 says that it still holds",
}  # fmt: skip


class _Schemas(GenerateJsonSchema):
    """Schemas without titles that only repeat names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False

    def sort(self, value: Any, parent_key: str | None = None) -> Any:
        """Members stay in the order in which they are written."""
        return value


def document(
    rules: list[tuple[str, Rule, Operation]], *, open_keys: Collection[str]
) -> dict[str, Any]:
    """The document for routes given as (path, rule, what is said of it).

    ``open_keys`` are the kinds of keys that nobody needs here. The servers are left to the caller.
    """
    models = _models(operation for _, _, operation in rules)
    refs, defined = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=REFS, schema_generator=_Schemas,
    )  # fmt: skip
    schema_of: Callable[[type[BaseModel]], Any] = lambda model: refs[(model, "validation")]  # noqa: E731
    paths: dict[str, dict[str, Any]] = {}
    for path, rule, operation in rules:
        described = _operation(rule, operation, schema_of, open_keys=open_keys)
        for method in sorted({*(rule.methods or ())} - {"HEAD", "OPTIONS"}):
            paths.setdefault(VARIABLE.sub(r"{\1}", path), {})[method.lower()] = described
    responses = _shared(paths)
    used = {operation.group for _, _, operation in rules}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Recommender", "version": version("recommender"), "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": name} for name in GROUPS if name in used],
        "paths": paths,
        "components": {
            "schemas": defined["$defs"], "responses": responses, "securitySchemes": SECRET,
        },
    }  # fmt: skip


def rules_of(
    url_map: Any, views: Mapping[str, Any], name: str, root: str
) -> list[tuple[str, Rule, Operation]]:
    """The described routes of the instance ``name``, whose addresses start with ``root``."""
    return [
        (rule.rule.removeprefix(root), rule, operation)
        for rule in url_map.iter_rules()
        if rule.endpoint.startswith(f"{name}.")
        and (operation := operation_of(views.get(rule.endpoint))) is not None
    ]


def _models(operations: Iterator[Operation]) -> list[type[BaseModel]]:
    """Every model that the document refers to, each once."""
    found: dict[type[BaseModel], None] = {Problem: None}
    for operation in operations:
        found.update(dict.fromkeys(operation.answers.values()))
        found.update(dict.fromkeys(body.model for body in operation.bodies))
    return list(found)


def _operation(
    rule: Rule,
    operation: Operation,
    schema_of: Callable[[type[BaseModel]], Any],
    *,
    open_keys: Collection[str],
) -> dict[str, Any]:
    is_cached = "GET" in (rule.methods or ()) and "catalogue" in rule.arguments
    parameters = [CATALOGUE] if "catalogue" in rule.arguments else []
    parameters += _parameters(operation.address)
    parameters += [IF_NONE_MATCH] if is_cached else []
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.group],
        "parameters": parameters,
        "responses": _responses(operation, schema_of, is_cached=is_cached),
        "security": _security(operation.key, open_keys),
    }
    if operation.more:
        described["description"] = operation.more
    if operation.bodies:
        content = {
            body.type: {"schema": schema_of(body.model)}
            | ({"examples": {name: {"value": value} for name, value in body.examples.items()}}
               if body.examples else {})
            for body in operation.bodies
        }  # fmt: skip
        described["requestBody"] = {"required": True, "content": content}
    return described


def _parameters(model: type[Address]) -> list[dict[str, Any]]:
    """The model's members as query parameters."""
    whole = model.model_json_schema(schema_generator=_Schemas)
    needed = whole.get("required", ())
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    made = []
    for name, schema in whole.get("properties", {}).items():
        parameter: dict[str, Any] = {"name": name, "in": "query", "required": name in needed}
        parameter["description"] = schema.pop("description", "")
        parameter["schema"] = _without_null(schema)
        if name in model.lists:
            # Names may be parted by commas; what may hold one is repeated.
            parameter |= {"style": "form", "explode": AsNames not in fields[name].metadata}
        made.append(parameter)
    return sorted(made, key=lambda parameter: not parameter["required"])


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema as an address can meet it, in which nothing is null."""
    if schema.get("default", 0) in (None, []):
        del schema["default"]
    kinds = [kind for kind in schema.pop("anyOf", ()) if kind != {"type": "null"}]
    return {**(kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}), **schema}


def _responses(
    operation: Operation, schema_of: Callable[[type[BaseModel]], Any], *, is_cached: bool
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for status, model in operation.answers.items():
        if not issubclass(model, Problem):
            made[str(status)] = {
                "description": (model.__doc__ or "").partition("\n")[0],
                "content": {"application/json": {"schema": schema_of(model)}},
            } | ({"headers": ETAG} if is_cached and status == 200 else {})
    if is_cached:
        made["304"] = {"description": "What If-None-Match names still holds.", "headers": ETAG}
    for status, failure in failures.of(operation).items():
        made[str(status)] = {
            "description": failure.told,
            "content": {
                "application/problem+json": {
                    "schema": schema_of(operation.answers.get(status, Problem))
                    | {"properties": {"code": failure.codes}}
                }
            },
        } | ({"headers": failure.headers} if failure.headers else {})
    return dict(sorted(made.items()))


def _shared(paths: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Takes out what several calls answer alike: these responses by their names."""
    known: dict[str, str] = {}
    shared: dict[str, Any] = {}
    for described in (each for methods in paths.values() for each in methods.values()):
        for status, response in described["responses"].items():
            if status >= "300":
                text = json.dumps(response)
                if text not in known:
                    known[text] = f"Status{status}_{len(known) + 1}"
                    shared[known[text]] = response
                described["responses"][status] = {"$ref": f"#/components/responses/{known[text]}"}
    return shared


def _security(key: str, open_keys: Collection[str]) -> list[dict[str, list[str]]]:
    if not key:
        return []
    keys: list[dict[str, list[str]]] = [{"bearer": []}, {"header": []}]
    return [{}, *keys] if key in open_keys else keys
