"""Every request has an id, in its answer and in the log: the client's own, or one that is made."""

from __future__ import annotations

import re
from random import getrandbits

from flask import Response, g, request

HEADER = "X-Request-Id"
OWN = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def request_id() -> str:
    """The request's id; ``g.request_id`` from the first time on."""
    known = g.get("request_id")
    if isinstance(known, str) and OWN.fullmatch(known):  # also where the host application has some
        return known
    given = request.headers.get(HEADER, "")
    g.request_id = given if OWN.fullmatch(given) else f"{getrandbits(64):016x}"
    return str(g.request_id)


def identify() -> None:
    """Before a request."""
    request_id()


def tell(response: Response) -> Response:
    """After a request."""
    response.headers.setdefault(HEADER, request_id())
    return response
