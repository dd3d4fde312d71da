"""What clients and caches may keep of an answer, and how they learn that it still holds.

An ETag is made of the token of the catalogue's last write (see ``store.versions``) and of the
request, so that it is known before the engine is asked: whoever still has the answer gets a 304
after one round trip to Redis. It is weak, for the same answer may be packed, and took another time.

Who brings no ETag gets that of the engine's own knowledge, which needs no round trip: for up to a
second after a write that may be an older token. It does no harm, for the token is gone, and what
was answered under it is asked for again.

What may change without a write has none and is not to be kept: answers during a write, or while the
index is filling, pages that go on with ``next``, boosts by age, and errors.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from flask import Response, g, request

from api.state import opened, state
from recommender import Recommender, Settings

FORMAT = b"1"
"""To be counted up with every change of what is answered to the same question."""

NOT_KEPT = "no-store"
READ = ("GET", "HEAD")


def policy_of(settings: Settings) -> str:
    """The Cache-Control of an answer with an ETag.

    What needs a key is for its owner's own cache only. Anything else may be in shared ones, which
    ask again each time, or after the seconds of the settings.
    """
    if settings.read_keys:
        return "private, no-cache"
    if settings.cache_seconds:
        return f"public, max-age=0, s-maxage={settings.cache_seconds}, must-revalidate"
    return "public, max-age=0, must-revalidate"


def revalidate() -> Response | None:
    """Before a request that reads a catalogue, after its key was checked: 304 if it may be."""
    name = (request.view_args or {}).get("catalogue")
    if name is None or request.method not in READ:
        return None
    latest = None
    if known := request.headers.get("If-None-Match"):
        latest = opened().written(name)
        if latest and (tag := _tag_here(latest)) in known:  # quoted, so only as a whole
            return _not_modified(tag, policy_of(state().settings))
    engine = opened().get(name)
    processes = engine.processes
    version = engine.version(latest)
    if version is not None and not _is_passing(engine):
        g.recommender_kept = _Kept(_tag_here(version), engine, processes)
    return None


def keep(response: Response, policy: str = NOT_KEPT) -> Response:
    """After a request: its ETag, or that it is not to be kept. What says so itself stays.

    ``policy`` is the Cache-Control of an answer with an ETag.
    """
    headers = response.headers
    if "Cache-Control" in headers:
        return response
    kept: _Kept | None = g.pop("recommender_kept", None)
    if kept is None or response.status_code != 200 or kept.is_broken:
        headers.add("Cache-Control", NOT_KEPT)
        return response
    if request.headers.get("If-None-Match", "").strip() == "*":
        return _not_modified(kept.tag, policy)
    headers.add("ETag", f"W/{kept.tag}")
    headers.add("Cache-Control", policy)
    return response


class _Kept(NamedTuple):
    """An answer's tag, and how many Redis processes its engine had met when it began."""

    tag: str
    engine: Recommender
    processes: int

    @property
    def is_broken(self) -> bool:
        """Whether Redis was restarted since: then the index may have been half full."""
        return self.engine.processes != self.processes


class _Empty(Response):
    default_mimetype = None


def _not_modified(tag: str, policy: str) -> Response:
    return _Empty(status=304, headers=headers_of(tag, policy))


def headers_of(tag: str, policy: str) -> list[tuple[str, str]]:
    """What a 304 says of the answer that still holds."""
    return [("ETag", f"W/{tag}"), ("Cache-Control", policy), ("Vary", "Accept-Encoding")]


def tag_of(version: bytes, path: bytes, query: bytes) -> str:
    """The tag, quoted, of what an address gives in this version of its catalogue."""
    asked = b"\0".join((FORMAT, version, path, query))
    return f'"{blake2b(asked, digest_size=12).hexdigest()}"'


def _tag_here(version: bytes) -> str:
    path = request.path.encode("utf-8", "surrogatepass")
    return tag_of(version, path, request.query_string)


def _is_passing(engine: Recommender) -> bool:
    """Whether the answer changes by itself, as time goes by."""
    if "next" in request.args:
        return True
    wishes: list[Mapping[str, Any]] = [{"boosts": request.args.getlist("boosts")}]
    if name := request.args.get("preset"):
        wishes.append(engine.entry.catalogue.presets.get(name, {}))
    return any("fresh" in boost for each in wishes for boost in _listed(each.get("boosts")))


def _listed(boosts: Any) -> Collection[str]:
    return (boosts,) if isinstance(boosts, str) else boosts or ()
