"""The OpenAPI document as people read it: calls in groups, tables, commands to try."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from werkzeug.http import HTTP_STATUS_CODES

Schema = Mapping[str, Any]

KINDS = {"string": "text", "integer": "whole number", "number": "number",
         "boolean": "true or false", "object": "object", "null": "null"}  # fmt: skip
PLAIN = {"string": "texts", "integer": "whole numbers", "number": "numbers", "object": "objects"}
KEY = ' -H "X-API-Key: $KEY"'


@dataclass(frozen=True)
class Row:
    """A parameter or a member: its name, what it may be, and what it is for."""

    name: str
    kind: str
    about: str
    default: str = ""
    needed: bool = False
    shapes: Sequence[str] = ()


@dataclass(frozen=True)
class Carried:
    """What a body may be: its content type and its members."""

    type: str
    rows: Sequence[Row]
    shape: str


@dataclass(frozen=True)
class Call:
    """One call."""

    id: str
    method: str
    path: str
    summary: str
    about: str
    key: str
    parameters: Sequence[Row]
    bodies: Sequence[Carried]
    commands: Sequence[tuple[str, str]]
    answers: Sequence[tuple[int, str, str]]
    failures: Sequence[tuple[int, str, Sequence[tuple[str, str]]]]


@dataclass(frozen=True)
class Shape:
    """A named shape: its members, or what else it may be."""

    name: str
    about: str
    rows: Sequence[Row]
    whole: Row
    examples: Sequence[str]


class Reading:
    """A document, read for people; ``host`` is the address that commands begin with."""

    def __init__(self, document: Mapping[str, Any], host: str) -> None:
        self._document = document
        self.base = host + document["servers"][0]["url"].rstrip("/")
        self._schemas = document["components"]["schemas"]

    def groups(self) -> dict[str, list[Call]]:
        """The calls by their groups."""
        found: dict[str, list[Call]] = {tag["name"]: [] for tag in self._document["tags"]}
        for path, methods in self._document["paths"].items():
            for method, operation in methods.items():
                found[operation["tags"][0]].append(self._call(method.upper(), path, operation))
        return found

    def shapes(self) -> list[Shape]:
        """Every named shape, by its name."""
        return [
            Shape(
                name, schema.get("description", "").partition("\n")[0], self._members(schema),
                self._row(name, schema, needed=True, about=""),
                [json.dumps(each, indent=2) for each in schema.get("examples", ())],
            )
            for name, schema in sorted(self._schemas.items())
        ]  # fmt: skip

    def _call(self, method: str, path: str, operation: Schema) -> Call:
        parameters = [
            self._row(each["name"], each["schema"], each["required"], each.get("description", ""))
            for each in operation["parameters"]
            if each["in"] == "query"
        ]
        content = operation.get("requestBody", {}).get("content", {})
        return Call(
            operation["operationId"], method, path, operation["summary"],
            operation.get("description", ""), _key(operation), parameters,
            [self._carried(type, each["schema"]) for type, each in content.items()],
            [*self._commands(method, path, operation)],
            [*self._answers(operation)], [*self._failures(operation)],
        )  # fmt: skip

    def _carried(self, type: str, schema: Schema) -> Carried:
        name = _name(schema)
        return Carried(type, self._members(self._schemas[name]), name)

    def _members(self, schema: Schema) -> list[Row]:
        needed = schema.get("required", ())
        rows = [
            self._row(name, each, name in needed, each.get("description", ""))
            for name, each in schema.get("properties", {}).items()
        ]
        return sorted(rows, key=lambda row: not row.needed)

    def _row(self, name: str, schema: Schema, needed: bool, about: str) -> Row:
        default = schema.get("default")
        said = "" if default is None or default in ([], {}, "") else json.dumps(default)
        return Row(name, self._kind(schema), about, said.strip('"'), needed, [*_named(schema)])

    def _kind(self, schema: Schema) -> str:
        """What a value may be, in words."""
        if "$ref" in schema:
            return _name(schema)
        if "anyOf" in schema:
            return " or ".join(dict.fromkeys(map(self._kind, schema["anyOf"])))
        if "enum" in schema or "const" in schema:
            return ", ".join(str(each) for each in schema.get("enum", [schema.get("const")]))
        if schema.get("type") == "array":
            items = schema.get("items", {})
            return f"list of {PLAIN.get(items.get('type', ''), self._kind(items))}"
        limits = _limits(schema)
        return KINDS.get(schema.get("type", ""), "any value") + (f", {limits}" if limits else "")

    def _commands(self, method: str, path: str, operation: Schema) -> Iterator[tuple[str, str]]:
        """Commands to try, each with its name."""
        url = self.base + path.replace("{catalogue}", "movies") + _query(operation)
        key = KEY if _key(operation) == "needed" else ""
        verb = "" if method == "GET" else f" -X {method}"
        contents = operation.get("requestBody", {}).get("content", {})
        if not contents:
            yield "", f'curl{verb} "{url}"{key}'
        for type, content in contents.items():
            verb = "" if method == "POST" else f" -X {method}"
            head = f'curl{verb} "{url}"{key}'
            for name, example in content.get("examples", {}).items():
                body = shlex.quote(json.dumps(example["value"], ensure_ascii=False))
                yield name, f'{head} -H "Content-Type: {type}" \\\n  -d {body}'
            if type == "multipart/form-data":
                yield "a picture", f"{head} \\\n  -F image=@photo.jpg -F limit=5"
            if type == "application/x-ndjson":
                yield (
                    "a file of lines",
                    f'{head} -H "Content-Type: {type}" \\\n  --data-binary @items.ndjson',
                )

    def _answers(self, operation: Schema) -> Iterator[tuple[int, str, str]]:
        for status, response in operation["responses"].items():
            response = self._found(response)
            schema = response.get("content", {}).get("application/json", {}).get("schema")
            if schema or status == "304":
                yield int(status), response["description"], _name(schema) if schema else ""

    def _failures(self, operation: Schema) -> Iterator[tuple[int, str, Sequence[tuple[str, str]]]]:
        for status, response in operation["responses"].items():
            response = self._found(response)
            if "application/problem+json" in response.get("content", {}):
                lines = [line.rpartition("`: ") for line in response["description"].split("\n")]
                told = [(codes.replace("`", ""), text) for codes, _, text in lines]
                yield int(status), HTTP_STATUS_CODES[int(status)], told

    def _found(self, response: Schema) -> Schema:
        if "$ref" not in response:
            return response
        found: Schema = self._document["components"]["responses"][_name(response)]
        return found


def _name(schema: Schema) -> str:
    """The name of what a schema refers to; "" where it is none's."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _named(schema: Schema) -> Iterator[str]:
    """The names of all shapes in a schema."""
    if "$ref" in schema:
        yield _name(schema)
    inner = [*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties")]
    for each in inner:
        if isinstance(each, Mapping):
            yield from _named(each)


def _limits(schema: Schema) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum")
    if high is not None:
        above = "above " if "exclusiveMinimum" in schema else ""
        return f"{above}{low:,} to {high:,}"
    return "" if low is None else f"{low:,} or more"


def _key(operation: Schema) -> str:
    """Whether a key is "needed", "optional", or "none"."""
    security = operation["security"]
    return "none" if not security else "optional" if {} in security else "needed"


def _query(operation: Schema) -> str:
    """An example of the parameters: those that are needed, and the limit."""
    asked = []
    for parameter in operation["parameters"]:
        examples = parameter["schema"].get("examples")
        if parameter["in"] == "query" and examples and _is_shown(parameter):
            value = examples[0]
            asked.append((parameter["name"], value if isinstance(value, list) else [value]))
    return f"?{urlencode(asked, doseq=True, quote_via=quote)}" if asked else ""


def _is_shown(parameter: Schema) -> bool:
    return bool(parameter["required"]) or parameter["name"] == "limit"
