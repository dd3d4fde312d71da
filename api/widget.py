"""The widget's script and its style, for pages of any origin."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

from flask import Blueprint, Response, request

widget = Blueprint("widget", __name__)

STATIC = Path(__file__).with_name("web") / "static"
FILES = {name: (STATIC / name).read_bytes() for name in ("widget.js", "widget.css")}

MAX_AGE = 3600
"""How long a browser may keep them without asking, in seconds."""


@widget.get("/widget.js")
def script() -> Response:
    """What makes recommendations out of ``<more-like-this>`` and of its own script tag."""
    return _file("widget.js", "text/javascript")


@widget.get("/widget.css")
def style() -> Response:
    """How they look; the script fetches it."""
    return _file("widget.css", "text/css")


def _file(name: str, mimetype: str) -> Response:
    response = Response(FILES[name], mimetype=mimetype)
    response.cache_control.public = True
    response.cache_control.max_age = MAX_AGE
    response.set_etag(blake2b(FILES[name], digest_size=8).hexdigest())
    # They are the same for everybody and hold no secret, so any page may have them.
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.make_conditional(request)
    return response
