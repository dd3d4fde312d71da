"""What the API says of itself: /openapi.json for programs, /docs for people."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, request

from api import schema
from api.answers import answer
from api.state import EXTENSION, name_of, state

reference = Blueprint("reference", __name__)

KEPT = f"{EXTENSION}.reference"
DOCUMENT, PAGE = "/openapi.json", "/docs"


@reference.get(DOCUMENT)
def openapi() -> Response:
    """The OpenAPI document of this instance, with its own address in it."""
    return answer(described(DOCUMENT))


def described(path: str) -> dict[str, Any]:
    """The document, asked for under ``path`` of this instance. It is made once an application."""
    kept = current_app.extensions.setdefault(KEPT, {})
    name = name_of(request)
    if name not in kept:
        root = str(request.url_rule).removesuffix(path)
        rules = schema.rules_of(current_app.url_map, current_app.view_functions, name, root)
        kept[name] = schema.document(rules, is_read_open=not state().settings.read_keys)
    server = request.script_root + request.path.removesuffix(path)
    return {**kept[name], "servers": [{"url": server or "/"}]}
