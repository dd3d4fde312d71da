"""Every request has an id, in its answer and in the log: the client's own, or one that is made."""

from __future__ import annotations

import re
from random import getrandbits
from typing import Any

from flask import g, request

HEADER = "X-Request-Id"
OWN = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def request_id() -> str:
    """The request's id, which is ``g.request_id`` from the first time on.

    An application that gives its requests ids there, before it comes to ours, is asked for them.
    """
    known = fitting(g.get("request_id") or request.headers.get(HEADER))
    g.request_id = known
    return known


def fitting(given: Any) -> str:
    """``given`` if it can be an id, else a new one."""
    is_one = isinstance(given, str) and OWN.fullmatch(given)
    return given if is_one else f"{getrandbits(64):016x}"
