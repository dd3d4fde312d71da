"""The style sheet and scripts of the web page, which browsers keep for ever."""

from __future__ import annotations

import re
from functools import cache
from hashlib import blake2b
from pathlib import Path

from flask import Blueprint, Response, abort, request

assets = Blueprint("assets", __name__)

STATIC = Path(__file__).parent / "web" / "static" / "page"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
COMMENT = re.compile(rb"^[ \t]*/\*.*?\*/[ \t]*\n", re.DOTALL | re.MULTILINE)
FOREVER = 365 * 86_400
"""How long a browser may keep a file without asking, in seconds."""


@assets.get("/assets/<version>/<name>")
def asset(version: str, name: str) -> Response:
    """A style sheet or script; under its present version it never changes."""
    known = files().get(name)
    if known is None:
        abort(404)
    response = Response(known, mimetype=TYPES[Path(name).suffix])
    response.set_etag(present_version())
    if version == present_version():
        response.headers["Cache-Control"] = f"public, max-age={FOREVER}, immutable"
    else:
        response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.make_conditional(request)
    return response


@cache
def files() -> dict[str, bytes]:
    """The style sheet and scripts by their names, without comments on lines of their own."""
    paths = [path for path in sorted(STATIC.iterdir()) if path.suffix in TYPES]
    return {path.name: COMMENT.sub(b"", path.read_bytes()) for path in paths}


@cache
def present_version() -> str:
    """A digest of all of them: the scripts import each other, so they change together."""
    digest = blake2b(digest_size=6)
    for name, content in files().items():
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()
