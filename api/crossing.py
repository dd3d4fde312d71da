"""CORS: which pages of other sites may ask, by flask-cors; without the setting none may.

Only what asks: a page that wrote would have to hold a write key, for every visitor to read.
"""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response
from flask_cors import CORS

from recommender import Settings

ASKING, READING = ("GET", "HEAD", "POST"), ("GET", "HEAD")
RESOURCES: dict[str | re.Pattern[str], dict[str, Any]] = {
    r".*/v1/[^/]*/items": {"methods": READING},
    r".*": {"methods": ASKING},
}
"""By path, whatever prefix stands before: the longer pattern goes first."""

HEADERS = ("Authorization", "Content-Type", "If-None-Match", "X-API-Key", "X-Request-Id")
EXPOSED = (
    "ETag", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After",
    "X-Request-Id",
)  # fmt: skip
MAX_AGE_SECONDS = 7200
"""How long a browser need not ask again whether it may ask; Chromium keeps it no longer."""


def allow(blueprint: Blueprint, settings: Settings) -> None:
    """Lets the pages of the settings ask this instance, and no other."""
    if not settings.cors_origins:
        return
    # An answer for every page is the same with and without an Origin, for caches too.
    for_all = settings.cors_origins == ("*",)
    if not for_all:
        blueprint.after_request(_vary)
    CORS(
        blueprint,
        resources=RESOURCES,
        origins=["*"] if for_all else [_exactly(each) for each in settings.cors_origins],
        allow_headers=list(HEADERS),
        expose_headers=list(EXPOSED),
        max_age=MAX_AGE_SECONDS,
        send_wildcard=for_all,
        always_send=for_all,
        supports_credentials=False,
        allow_private_network=False,
        vary_header=False,
    )


def _exactly(origin: str) -> re.Pattern[str]:
    """That origin alone: flask-cors would take the brackets of an address for a pattern's."""
    return re.compile(rf"{re.escape(origin)}\Z", re.IGNORECASE)


def _vary(response: Response) -> Response:
    # Also without an Origin: a cache must not give that answer to a page that needs the headers.
    response.vary.add("Origin")
    return response
