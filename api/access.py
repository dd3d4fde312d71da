"""Whether a request may do what it asks for: its key, out of a header."""

from __future__ import annotations

from flask import request

from api.state import state


def check_read() -> None:
    """Before a request that reads. OPTIONS needs no key: browsers ask it without one."""
    keys = state().keys
    if keys.are_for_reading and request.method != "OPTIONS":
        keys.check_read(given_key())


def check_write() -> None:
    """Before a request that writes."""
    if request.method != "OPTIONS":
        state().keys.check_write(given_key())


def check_events() -> None:
    """Before a request that sends events."""
    if request.method != "OPTIONS":
        state().keys.check_events(given_key())


def given_key() -> bytes | None:
    """The request's key; ``X-API-Key`` goes first: the other header may be a proxy's."""
    key = request.headers.get("X-API-Key")
    if key is None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        key = token if scheme.lower() == "bearer" else None
    return key.strip().encode(errors="surrogatepass") if key and key.strip() else None
