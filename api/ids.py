"""Every request has an id, in its answer and in the log: the client's own, or one that is made."""

from __future__ import annotations

import re
from random import getrandbits

from flask import g, request

HEADER = "X-Request-Id"
OWN = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def request_id() -> str:
    """The request's id, which is ``g.request_id`` from the first time on.

    An application that gives its requests ids there, before it comes to ours, is asked for them.
    """
    known = g.get("request_id") or request.headers.get(HEADER)
    if not (isinstance(known, str) and OWN.fullmatch(known)):
        known = f"{getrandbits(64):016x}"
    g.request_id = known
    return known
