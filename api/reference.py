"""What the API says of itself: /openapi.json for programs, /docs for people."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from flask import (
    Blueprint,
    Response,
    current_app,
    render_template,
    request,
    send_file,
    url_for,
)

from api import schema
from api.answers import answer
from api.reading import Reading
from api.state import EXTENSION, name_of, state
from recommender import Settings

reference = Blueprint("reference", __name__, template_folder="web/templates")

STYLE = Path(__file__).parent / "web" / "static" / "docs.css"
FOREVER = 365 * 86_400
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
KEPT = f"{EXTENSION}.reference"
DOCUMENT, PAGE = "/openapi.json", "/docs"


@reference.get(DOCUMENT)
def openapi() -> Response:
    """The OpenAPI document of this instance, with its own address in it."""
    return answer(described(DOCUMENT))


@reference.get(PAGE)
def docs() -> Response:
    """The same for people: a page that needs no script and nothing from elsewhere."""
    document = described(PAGE)
    reading = Reading(document, request.host_url.rstrip("/"))
    html = render_template(
        "recommender/docs.html", info=document["info"], groups=reading.groups(),
        shapes=reading.shapes(), base=reading.base, document=url_for(".openapi"),
        home=url_for(f"{name_of(request)}.page.home"),
        stylesheet=url_for(".style", version=_version()),
    )  # fmt: skip
    return Response(html, mimetype="text/html", headers=HEADERS)


@reference.get("/docs/<version>.css")
def style(version: str) -> Response:
    """The page's style sheet; under its present version it never changes."""
    is_present = version == _version()
    response = send_file(STYLE, mimetype="text/css", max_age=FOREVER if is_present else 0)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@cache
def _version() -> str:
    return blake2b(STYLE.read_bytes(), digest_size=6).hexdigest()


def described(path: str) -> dict[str, Any]:
    """The document, asked for under ``path`` of this instance. It is made once an application."""
    kept = current_app.extensions.setdefault(KEPT, {})
    name = name_of(request)
    if name not in kept:
        root = str(request.url_rule).removesuffix(path)
        rules = schema.rules_of(current_app.url_map, current_app.view_functions, name, root)
        kept[name] = schema.document(rules, open_keys=_open_keys(state().settings))
    server = request.script_root + request.path.removesuffix(path)
    return {**kept[name], "servers": [{"url": server or "/"}]}


def _open_keys(settings: Settings) -> list[str]:
    """The kinds of keys that nobody needs here."""
    if settings.read_keys:
        return []
    return ["read", "events"] if settings.events else ["read"]
