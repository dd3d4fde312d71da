"""Query parameters -> the engine's arguments; every fault has the parameter's own code."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import request

from recommender.arguments import number_or_word
from recommender.errors import InvalidParameter, suggest
from recommender.wishes import DEFAULTS

LISTED = ("limit", "offset", "where", "exclude", "fields", "min_score", "min_relevance")
"""The wishes that go with neighbours stored ahead of time."""

REPEATED = ("where", "exclude", "boosts", "fallbacks")
"""Wishes of several texts, each given by itself: a comma may be in them."""

SEVERAL = ("fields", "same", "differ")
"""Wishes of several names, which may be parted by commas."""


def check_known(names: Collection[str], repeated: Collection[str] = (*REPEATED, *SEVERAL)) -> None:
    """Raises InvalidParameter for a parameter that this call does not take: a misspelt filter
    must not pass for no filter."""  # noqa: D205, D209 (one sentence)
    for name in request.args:
        if name not in names:
            raise InvalidParameter(
                "parameter",
                f"there is no parameter {name!r} here",
                remedy=suggest(name, names, "parameters"),
            )
        if name not in repeated and len(request.args.getlist(name)) > 1:
            raise InvalidParameter(name, f"the parameter {name!r} is given more than once")


def check_encoding() -> None:
    """Raises InvalidParameter for an address that is not UTF-8.

    Flask reads what is none as U+FFFD: no harm to a question, but an id to be written would be
    another one.
    """
    try:
        unquote_to_bytes(request.query_string).decode()
    except UnicodeDecodeError as error:
        raise InvalidParameter(
            "parameter", "the address is not UTF-8", remedy="Quote its bytes, as %C3%BC for ü"
        ) from error


def required(name: str) -> str:
    """The parameter's text. Raises InvalidParameter where it is not given."""
    value = request.args.get(name)
    if value is None:
        raise InvalidParameter(name, f"the parameter {name!r} is missing", remedy=f"Add {name}=...")
    return value


def wishes() -> dict[str, Any]:
    """The wishes that were given, for the engine to check further."""
    arguments: dict[str, Any] = {}
    for name in DEFAULTS:
        if name in REPEATED:
            if given := request.args.getlist(name):
                arguments[name] = given
        elif name in SEVERAL:
            if (listed := names(name)) is not None:
                arguments[name] = listed
        elif (text := request.args.get(name)) is not None:
            arguments[name] = _converted(name, text, CONVERT.get(name, str))
    return arguments


def body_wishes(body: dict[str, Any], *own: str) -> dict[str, Any]:
    """The members of a body, of which ``own`` are the call's and the others wishes.

    Raises InvalidParameter for another one.
    """
    known = (*own, *DEFAULTS)
    for name in body:
        if name not in known:
            raise InvalidParameter(
                name[:60],
                f"there is no member {name[:60]!r} here",
                remedy=suggest(name[:60], known, "members"),
            )
    return body


def flag(name: str) -> bool:
    """Whether the parameter is true; False where it is not given."""
    text = request.args.get(name)
    return text is not None and bool(_converted(name, text, _boolean))


def names(parameter: str) -> list[str] | None:
    """A list written ``a,b`` or given several times; None where it is not given at all."""
    given = request.args.getlist(parameter)
    if not given:
        return None
    return [name.strip() for part in given for name in part.split(",") if name.strip()]


def _converted(name: str, text: str, make: Callable[[str], Any]) -> Any:
    try:
        return make(text)
    except ValueError as error:
        kinds = {_whole: "a whole number", float: "a number", _boolean: "true or false"}
        raise InvalidParameter(
            name, f"{name} is {text[:60]!r}", remedy=f"It is {kinds[make]}"
        ) from error


def _whole(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ValueError(text)
    return int(text)


def _boolean(text: str) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in known:
        raise ValueError(text)
    return known[text.lower()]


CONVERT: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("limit", "offset", "group_size", "pool"), _whole),
    **dict.fromkeys(("min_score", "min_relevance", "diversity"), float),
    **dict.fromkeys(("semantic_ratio", "collapse"), number_or_word),
    **dict.fromkeys(("exact", "explain"), _boolean),
}
"""How the texts of wishes are read that are no texts."""
