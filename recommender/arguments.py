"""The limits on what a caller may ask, checked in one place for every face."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from typing import Any

from recommender.errors import InvalidParameter, brief

MAX_LIMIT = 1000
MAX_END = 10_000
"""Deepest page: ``offset + limit`` and the number of excluded ids together."""

MAX_NAMES = 1000
"""Most names of fields in one list."""

MAX_TEXT_CHARS = 20_000
"""Longest text to search with."""


def check_page(limit: Any, offset: Any, excluded: int) -> None:
    """``limit`` 1..MAX_LIMIT and ``offset`` 0..MAX_END, whole numbers."""
    for name, value, low, high in (("limit", limit, 1, MAX_LIMIT), ("offset", offset, 0, MAX_END)):
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise InvalidParameter(
                name,
                f"{name} is {brief(value)}",
                remedy=f"It is a whole number from {low} to {high:,}",
            )
    if offset + limit + excluded > MAX_END:
        raise InvalidParameter(
            "offset",
            f"offset, limit and the excluded ids come to {offset + limit + excluded:,}",
            remedy=f"Together they may be {MAX_END:,}; narrow the question with 'where'",
        )


def check_min_score(value: Any) -> None:
    """A finite number, or None."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # Compared, not math.isfinite: an integer of 400 digits is no float.
    if value is not None and not (is_number and abs(value) <= sys.float_info.max):
        raise InvalidParameter("min_score", f"min_score is {brief(value)}", remedy="It is a number")


def check_text(parameter: str, value: Any) -> str:
    """Some Unicode text, not empty and not too long."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidParameter(
            parameter,
            f"the {parameter} is {brief(value)}",
            remedy="It is some text, at least a word",
        )
    if len(value) > MAX_TEXT_CHARS:
        raise InvalidParameter(
            parameter,
            f"the {parameter} has {len(value):,} characters, the limit is {MAX_TEXT_CHARS:,}",
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidParameter(
            parameter, f"the {parameter} {brief(value)} is not Unicode text"
        ) from error
    return value


def number_or_word(text: str) -> float | bool | str:
    """The text of an argument that takes a number or a word: 0.3, True, ``rrf``."""
    try:
        return float(text)
    except ValueError:
        return {"true": True, "false": False}.get(text.lower(), text)


def check_names(parameter: str, values: Any, most: int | None = None) -> Collection[str]:
    """A list (or any collection) of Unicode texts, ``most`` of them, which a single text is not."""
    is_list = isinstance(values, Collection) and not isinstance(values, (str, bytes, Mapping))
    if not is_list or not all(isinstance(value, str) and is_unicode(value) for value in values):
        raise InvalidParameter(
            parameter, f"{parameter} is {brief(values)}", remedy="It is a list of texts"
        )
    if most is not None and len(values) > most:
        raise InvalidParameter(
            parameter,
            f"{parameter} has {len(values):,} entries, the limit is {most:,}",
            remedy="Name fewer, or narrow the question with 'where'",
        )
    checked: Collection[str] = values
    return checked


def is_unicode(text: str) -> bool:
    """Whether it can be written: half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
