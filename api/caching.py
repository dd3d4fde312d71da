"""What clients and caches may keep of an answer, and how they learn that it still holds.

An ETag is made of the catalogue's generation, the token of its last write (see ``store.versions``)
and the request, so that it is known before the engine is asked: whoever still has the answer gets a
304 after one round trip to Redis. It is weak, for the same answer may be packed, and took another
time. What may change without a write has none and is not to be kept: answers while the index is
filling, or just after a write, pages that go on with ``next``, boosts by age, and errors.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from hashlib import blake2b
from typing import Any

from flask import Response, g, request

from api.state import opened
from recommender import Recommender, Settings
from recommender.store import versions

FORMAT = "1"
"""To be counted up with every change of what is answered to the same question."""

NOT_KEPT = "no-store"
READ = ("GET", "HEAD")
KEPT = (200, 304)


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
    version = versions.read(opened().server.client, name)
    if version is None:
        return None
    tag = _tag_of(version)
    if tag in request.environ.get("HTTP_IF_NONE_MATCH", ""):  # quoted, so only as a whole
        g.recommender_tag = tag
        return _not_modified()
    engine = opened().get(name)
    if engine.is_settled(version[1]) and not _is_passing(engine):
        g.recommender_tag = tag
    return None


def keeper(policy: str) -> Callable[[Response], Response]:
    """What gives an answer its ETag and Cache-Control, after a request.

    ``policy`` is that of answers with an ETag; what brings its own stays as it is.
    """

    def keep(response: Response) -> Response:
        tag = g.pop("recommender_tag", None)
        if "Cache-Control" in response.headers:
            return response
        if tag is None or response.status_code not in KEPT:
            response.headers["Cache-Control"] = NOT_KEPT
            return response
        if request.environ.get("HTTP_IF_NONE_MATCH", "").strip() == "*":
            response = _not_modified()
        response.headers["ETag"] = f"W/{tag}"
        response.headers["Cache-Control"] = policy
        return response

    return keep


class _Empty(Response):
    default_mimetype = None


def _not_modified() -> Response:
    return _Empty(status=304, headers=[("Vary", "Accept-Encoding")])  # as the answer itself has it


def _tag_of(version: Iterable[bytes]) -> str:
    environ = request.environ
    asked = (FORMAT, environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
    parts = [*version, *(part.encode("utf-8", "surrogatepass") for part in asked)]
    return f'"{blake2b(chr(0).encode().join(parts), digest_size=12).hexdigest()}"'


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
