r"""``where``: conditions on fields, one grammar on every face -> redisvl filter expressions.

``FIELD OP VALUE``, several are ANDed; ``|`` between values is OR and ``\|`` a plain bar::

    genres=Drama|Comedy   genres!=Horror   year=1990..2000   year>=1990
    title~toy story       place=@2.35,48.85,10km

Around such strings: ``{"any": [...]}``, ``{"all": [...]}``, ``{"not": ...}``.
User text reaches Redis only through redisvl's escaping, or as words without any punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import reduce
from operator import and_, or_
from typing import Any

from redisvl.query.filter import FilterExpression, Geo, GeoRadius, Num, Tag, Text

from recommender.catalogue import Catalogue, FieldSpec
from recommender.errors import InvalidWhere, UnknownField

EVERYTHING = "*"
"""The filter of no condition at all."""

MAX_CONDITIONS = 64
MAX_DEPTH = 8
MAX_CHARS = 4096

CONDITION = re.compile(r"\s*([^\W\d_]\w*)\s*(!=|>=|<=|=|>|<|~)(.*)", re.DOTALL)
OPERATORS = {
    "tag": ("=", "!="),
    "number": ("=", "!=", ">", ">=", "<", "<="),
    "text": ("~",),
    "geo": ("=", "!="),
}
EXAMPLES = {
    "tag": "{0}=Drama|Comedy",
    "number": "{0}=1990..2000 or {0}>=1990",
    "text": "{0}~toy story",
    "geo": "{0}=@2.35,48.85,10km",
}
NOT_IN_WORDS = re.compile(r"[\x00-\x20!-/:-@\[-^`{-\x7f]+")
"""Where the engine ends a word: white space and all ASCII punctuation but ``_``."""

PLACE = re.compile(r"\s*@([^,]+),([^,]+),\s*([\d.]+)\s*(m|km|mi|ft)\s*")


def parse(where: Any, catalogue: Catalogue) -> str | None:
    """``where`` as the engine's own filter text, EVERYTHING for no condition.

    None means that nothing can match, as for ``{"any": []}``: an empty list of what is allowed
    allows nothing. Raises InvalidWhere or UnknownField.
    """
    conditions = [where] if isinstance(where, (str, Mapping)) else where
    if conditions is None:
        return EVERYTHING
    if not isinstance(conditions, (list, tuple)):
        raise InvalidWhere(f"{where!r} is not a condition", remedy="Write it like year>=1990")
    parser = _Parser(catalogue)
    expressions = [parser.parse(condition, 0) for condition in conditions]
    if any(expression is None for expression in expressions):
        return None
    kept = [expression for expression in expressions if expression is not None]
    return f"({reduce(and_, kept)})" if kept else EVERYTHING


class _Parser:
    """One ``where`` of one catalogue; counts its conditions."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._count = 0

    def parse(self, node: Any, depth: int) -> FilterExpression | None:
        """A filter for ``node``, None where nothing can match it."""
        if depth > MAX_DEPTH:
            raise InvalidWhere(f"the conditions nest deeper than {MAX_DEPTH}")
        if isinstance(node, Mapping):
            return self._group(node, depth)
        if not isinstance(node, str):
            raise InvalidWhere(
                f"{node!r} is not a condition",
                remedy='Write it like "year>=1990" or {"any": ["genres=Drama", "year>=1990"]}',
            )
        self._count += 1
        if self._count > MAX_CONDITIONS:
            raise InvalidWhere(f"there are more than {MAX_CONDITIONS} conditions")
        return self._condition(node)

    def _group(self, node: Mapping[str, Any], depth: int) -> FilterExpression | None:
        if len(node) != 1 or next(iter(node)) not in ("any", "all", "not"):
            raise InvalidWhere(
                f"{sorted(map(str, node))} is no group of conditions",
                remedy='A group is one of {"any": [...]}, {"all": [...]}, {"not": ...}',
            )
        [(kind, inner)] = node.items()
        if kind == "not":
            negated = self.parse(inner, depth + 1)
            if negated is None:
                raise InvalidWhere("'not' stands around a group that is empty")
            return FilterExpression(f"(-{negated})")
        if not isinstance(inner, (list, tuple)):
            raise InvalidWhere(f"{kind!r} takes a list of conditions, not {inner!r}")
        parts = [self.parse(part, depth + 1) for part in inner]
        kept = [part for part in parts if part is not None]
        if kind == "any":
            return reduce(or_, kept) if kept else None
        if not parts:
            raise InvalidWhere("'all' holds no condition")
        return reduce(and_, kept) if len(kept) == len(parts) else None

    def _condition(self, text: str) -> FilterExpression:
        if len(text) > MAX_CHARS:
            raise InvalidWhere(f"a condition has {len(text)} characters, the limit is {MAX_CHARS}")
        found = CONDITION.fullmatch(text)
        if not found:
            raise InvalidWhere(
                f"{text!r} is not a condition", remedy="Write FIELD OP VALUE, like year>=1990"
            )
        name, operator, value = found.groups()
        field = self._catalogue.fields.get(name)
        if field is None:
            raise UnknownField("where", name, self._searchable())
        self._check_operator(name, field, operator)
        if not value.strip():
            raise InvalidWhere(
                f"{text!r} has no value",
                remedy=f"Write it like {EXAMPLES[field.type].format(name)}",
            )
        make = {"tag": _tag, "number": _number, "text": _text, "geo": _geo}[field.type]
        return make(name, operator, value)

    def _searchable(self) -> list[str]:
        return [name for name, field in self._catalogue.fields.items() if field.type != "stored"]

    def _check_operator(self, name: str, field: FieldSpec, operator: str) -> None:
        if field.type == "stored":
            raise InvalidWhere(
                f"the field {name!r} is stored and not indexed",
                remedy=f"Conditions may name: {', '.join(self._searchable()) or 'no field'}",
            )
        if operator not in OPERATORS[field.type]:
            raise InvalidWhere(
                f"{operator} does not go with {name!r}, which is a {field.type}",
                remedy=f"Write it like {EXAMPLES[field.type].format(name)}",
            )


def _alternatives(value: str) -> list[str]:
    parts = [part.replace(r"\|", "|").strip() for part in re.split(r"(?<!\\)\|", value)]
    if not all(parts):
        raise InvalidWhere(f"{value!r} has an empty value beside a |", remedy=r"A plain bar is \|")
    return parts


def _tag(name: str, operator: str, value: str) -> FilterExpression:
    values = _alternatives(value)
    if any("\x00" in part for part in values):
        raise InvalidWhere(f"the value of {name!r} holds a NUL character")
    return Tag(name) == values if operator == "=" else Tag(name) != values


def _number(name: str, operator: str, value: str) -> FilterExpression:
    if operator in (">", ">=", "<", "<="):
        number = _float(value)
        field = Num(name)
        return {">": field.__gt__, ">=": field.__ge__, "<": field.__lt__, "<=": field.__le__}[
            operator
        ](number)
    either = reduce(or_, [_number_or_range(name, part) for part in _alternatives(value)])
    return either if operator == "=" else FilterExpression(f"(-{either})")


def _number_or_range(name: str, text: str) -> FilterExpression:
    low, dots, high = text.partition("..")
    if not dots:
        return Num(name) == _float(text)
    if not low.strip() and not high.strip():
        raise InvalidWhere("'..' has no end", remedy=f"Write {name}=1990.., ..2000 or 1990..2000")
    start = _float(low) if low.strip() else None
    end = _float(high) if high.strip() else None
    if start is not None and end is not None and start > end:
        raise InvalidWhere(
            f"the range {text!r} is reversed", remedy=f"Write {name}={high.strip()}..{low.strip()}"
        )
    if start is None:
        return Num(name) <= end
    return Num(name) >= start if end is None else Num(name).between(start, end)


def _float(text: str) -> int | float:
    try:
        number = int(text) if text.strip().lstrip("+-").isdecimal() else float(text)
    except ValueError as error:
        raise InvalidWhere(f"{text.strip()!r} is not a number") from error
    if number != number or abs(number) > 1.7e308:
        raise InvalidWhere(f"{text.strip()!r} is not a finite number")
    return number


def _text(name: str, _operator: str, value: str) -> FilterExpression:
    phrases = []
    for part in _alternatives(value):
        words = [word for word in NOT_IN_WORDS.split(part) if word]
        if not words:
            raise InvalidWhere(f"{part!r} holds no word")
        # Words without punctuation cannot close the clause, so the pattern operator is safe and
        # gives what a phrase does not: stemming (robots finds robot).
        phrases.append(reduce(and_, [Text(name) % word for word in words]))
    return reduce(or_, phrases)


def _geo(name: str, operator: str, value: str) -> FilterExpression:
    found = PLACE.fullmatch(value)
    try:
        if not found:
            raise ValueError("it is not @LONGITUDE,LATITUDE,RADIUS with m, km, mi or ft")
        lon, lat, radius, unit = found.groups()
        circle = GeoRadius(float(lon), float(lat), float(radius), unit)
    except ValueError as error:
        raise InvalidWhere(
            f"{value.strip()!r} is no circle: {error}",
            remedy=f"Write {EXAMPLES['geo'].format(name)}",
        ) from error
    return Geo(name) == circle if operator == "=" else Geo(name) != circle
