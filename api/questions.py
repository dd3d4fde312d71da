"""The web page's question as one call of the API, which the engine answers and curl can repeat."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from api.asked import Asked
from api.shape import Shape
from recommender import Recommender, Results

EXPLAINED = {"explain": True}


@dataclass(frozen=True)
class Call:
    """One call: its ``verb`` is browse, similar, search or recommend, which takes a body."""

    verb: str
    arguments: Mapping[str, Any]

    def answer(self, engine: Recommender) -> Results:
        """What the engine says. Raises RecommenderError."""
        given = dict(self.arguments)
        if self.verb == "browse":
            return engine.browse(**given)
        if self.verb == "similar":
            return engine.similar(given.pop("id"), **given)
        if self.verb == "search":
            return engine.search(given.pop("q"), **given)
        return engine.recommend(**given)

    def curl(self, base: str, *, keyed: bool = False) -> str:
        """The same as a command for a shell; ``base`` is the address of the catalogue's calls.

        ``keyed`` is whether it takes a key, which then stands in the variable ``KEY``.
        """
        key = ' -H "X-API-Key: $KEY"' if keyed else ""
        if self.verb == "recommend":
            body = json.dumps(self.arguments, ensure_ascii=False)
            return (
                f"curl {shlex.quote(f'{base}/recommend')}{key} -H 'Content-Type: application/json'"
                f" -d {shlex.quote(body)}"
            )
        written = {
            name: "true" if value is True else value for name, value in self.arguments.items()
        }
        return f"curl {shlex.quote(f'{base}/{self.verb}?{urlencode(written, doseq=True)}')}{key}"


def call_of(asked: Asked, shape: Shape, limit: int) -> Call:
    """The call that answers ``asked`` with the first ``limit`` items.

    Nothing asked: the items as they are. One like alone: what is similar to it. Words alone: a
    search. Else likes and dislikes, among which the words are one more like.
    """
    common: dict[str, Any] = {"limit": limit}
    if where := asked.where():
        common["where"] = where
    if not (asked.q or asked.like or asked.unlike):
        return Call("browse", ({"order": shape.order} if shape.order else {}) | common)
    common |= EXPLAINED | ({"diversity": asked.diversity} if asked.diversity else {})
    if len(asked.like) == 1 and not asked.q and not asked.unlike:
        return Call("similar", {"id": asked.like[0]} | common)
    mode = {"mode": shape.mode} if asked.q and shape.mode != "vector" else {}
    if not asked.like and not asked.unlike:
        return Call("search", {"q": asked.q} | mode | common)
    likes = [*asked.like, *([{"text": asked.q}] if asked.q else [])]
    return Call("recommend", {"like": likes, "unlike": [*asked.unlike]} | mode | common)
