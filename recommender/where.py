r"""``where``: conditions on fields, one grammar on every face -> redisvl filter expressions.

``FIELD OP VALUE``, several are ANDed; ``|`` between values is OR and ``\|`` a plain bar::

    genres=Drama|Comedy   genres!=Horror   year=1990..2000   year>=1990   date>=2024-05-01
    title~toy story       place=@2.35,48.85,10km

Around such strings: ``{"any": [...]}``, ``{"all": [...]}``, ``{"not": ...}``.
User text reaches Redis only through redisvl's escaping.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redisvl.query.filter import FilterExpression, Geo, GeoRadius, Num, Tag, Text
from redisvl.utils.token_escaper import TokenEscaper

from recommender.arguments import is_unicode
from recommender.catalogue import Catalogue, FieldSpec
from recommender.dates import span_of
from recommender.errors import InvalidWhere, UnknownField, brief
from recommender.fields import CONTROL, MAX_LATITUDE

EVERYTHING = "*"
"""The filter of no condition at all."""

MAX_CONDITIONS = 64
MAX_VALUES = 500
MAX_DEPTH = 8
MAX_CHARS = 4096
"""Of one ``where``: conditions and groups, values in all, nesting, characters of a condition."""

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
BETWEEN_WORDS = re.compile(r"[\s!-/:-@\[\]^`{-~]+")
"""Where the engine ends a word: white space and all ASCII punctuation but ``_`` and ``\\``."""

DROPPED = re.compile(r"[\\\x00-\x08\x0e-\x1f\x7f]")
"""What the engine leaves out of words."""

PLACE = re.compile(r"\s*@([^,_]+),([^,_]+),\s*([\d.]+)\s*(m|km|mi|ft)\s*")


class _Tag(Tag):  # type: ignore[misc] # redisvl has no types
    """redisvl's own leaves ````` and ``_`` as they are, which the engine reads as a space."""

    escaper = TokenEscaper(re.compile(r"[\s!-/:-@\[-`{-\x7f]"))


def parse(where: Any, catalogue: Catalogue) -> str | None:
    """``where`` as the engine's own filter text, EVERYTHING for no condition.

    None means that nothing can match, as for ``{"any": []}``: an empty list of what is allowed
    allows nothing. Raises InvalidWhere or UnknownField.
    """
    conditions = [where] if isinstance(where, (str, Mapping)) else where
    if conditions is None:
        return EVERYTHING
    if not isinstance(conditions, (list, tuple)):
        raise InvalidWhere(f"{brief(where)} is not a condition", remedy="Write it like year>=1990")
    parser = _Parser(catalogue)
    parts = [parser.parse(condition, 0) for condition in conditions]
    if any(part is None for part in parts):
        return None
    return f"({_joined(parts, ' ')})" if parts else EVERYTHING


def without(where: Any, field: str) -> Any:
    """``where`` without the plain conditions on ``field``; groups stay as they are."""
    conditions = [where] if isinstance(where, (str, Mapping)) else where
    if not isinstance(conditions, (list, tuple)):
        return where
    return [each for each in conditions if not _is_on(each, field)]


def _is_on(condition: Any, field: str) -> bool:
    found = CONDITION.fullmatch(condition) if isinstance(condition, str) else None
    return found is not None and found[1] == field


def any_of(field: str, value: Any) -> str:
    """The filter, as the engine's own text, that an item has this number, or one of these labels.

    For what an item holds, of which there may be more than somebody may write down in a ``where``.
    """
    return str(_Tag(field) == value if isinstance(value, list) else Num(field) == value)


def both(base: str, text: str) -> str:
    """The filter for what passes both; ``base`` may be EVERYTHING."""
    return text if base == EVERYTHING else f"({base} {text})"


class _Parser:
    """One ``where`` of one catalogue; counts what it holds."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._conditions = 0
        self._values = 0

    def parse(self, node: Any, depth: int) -> str | None:
        """A filter for ``node``, None where nothing can match it."""
        self._conditions += 1
        if depth > MAX_DEPTH:
            raise InvalidWhere(
                f"the conditions nest deeper than {MAX_DEPTH}",
                remedy="Write them flatter: 'not' around 'any' is 'all' around 'not'",
            )
        if self._conditions > MAX_CONDITIONS:
            raise InvalidWhere(
                f"there are more than {MAX_CONDITIONS} conditions and groups",
                remedy="Several values of one field are one condition: genres=Drama|Comedy",
            )
        if isinstance(node, Mapping):
            return self._group(node, depth)
        if not isinstance(node, str):
            raise InvalidWhere(
                f"{brief(node)} is not a condition",
                remedy='Write it like "year>=1990" or {"any": ["genres=Drama", "year>=1990"]}',
            )
        return self._condition(node)

    def _group(self, node: Mapping[str, Any], depth: int) -> str | None:
        if len(node) != 1 or next(iter(node)) not in ("any", "all", "not"):
            raise InvalidWhere(
                f"{brief(sorted(map(str, node)))} is no group of conditions",
                remedy='A group is one of {"any": [...]}, {"all": [...]}, {"not": ...}',
            )
        [(kind, inner)] = node.items()
        if kind == "not":
            negated = self.parse(inner, depth + 1)
            if negated is None:
                raise InvalidWhere("'not' stands around a group that is empty")
            return f"(-{negated})"
        if not isinstance(inner, (list, tuple)):
            raise InvalidWhere(f"{kind!r} takes a list of conditions, not {brief(inner)}")
        parts = [self.parse(part, depth + 1) for part in inner]
        kept = [part for part in parts if part is not None]
        if kind == "any":
            return _joined(kept, " | ") if kept else None
        if not parts:
            raise InvalidWhere("'all' holds no condition")
        return _joined(kept, " ") if len(kept) == len(parts) else None

    def _condition(self, text: str) -> str:
        if len(text) > MAX_CHARS:
            raise InvalidWhere(
                f"a condition has {len(text)} characters, the limit is {MAX_CHARS}",
                remedy="Part it: several conditions are ANDed, and {'any': [...]} is OR",
            )
        found = CONDITION.fullmatch(text)
        if not found or not is_unicode(text):
            raise InvalidWhere(
                f"{brief(text)} is not a condition", remedy="Write FIELD OP VALUE, like year>=1990"
            )
        name, operator, value = found.groups()
        field = self._catalogue.fields.get(name)
        if field is None:
            raise UnknownField("where", name, self._searchable())
        self._check_operator(name, field, operator)
        if not value.strip():
            example = EXAMPLES[field.type].format(name)
            raise InvalidWhere(f"{brief(text)} has no value", remedy=f"Write it like {example}")
        values = [value] if field.type == "geo" else _alternatives(value)
        self._values += len(values)
        if self._values > MAX_VALUES:
            raise InvalidWhere(
                f"the conditions name more than {MAX_VALUES} values",
                remedy="Give what they have in common a tag of its own, or a range",
            )
        return MAKERS[field.type](name, operator, values)

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


def _joined(parts: Sequence[str | FilterExpression | None], sign: str) -> str:
    # In one flat group: redisvl's operators nest pairs, and many overflow the engine's parser.
    return str(parts[0]) if len(parts) == 1 else f"({sign.join(map(str, parts))})"


def _alternatives(value: str) -> list[str]:
    parts = [part.replace(r"\|", "|").strip() for part in re.split(r"(?<!\\)\|", value)]
    if not all(parts):
        raise InvalidWhere(
            f"{brief(value)} has an empty value beside a |", remedy=r"A plain bar is \|"
        )
    return parts


def _tag(name: str, operator: str, values: list[str]) -> str:
    labels = [" ".join(value.split()) for value in values]
    for label in labels:
        if CONTROL.search(label):
            raise InvalidWhere(f"{brief(label)} holds a control character, which no tag does")
    return str(_Tag(name) == labels if operator == "=" else _Tag(name) != labels)


def _number(name: str, operator: str, values: list[str]) -> str:
    field = Num(name)
    compare = {">": field.__gt__, ">=": field.__ge__, "<": field.__lt__, "<=": field.__le__}
    if operator in compare:
        first, last = _span("|".join(values))
        return str(compare[operator](last if operator in (">", "<=") else first))
    either = _joined([_number_or_range(name, value) for value in values], " | ")
    return either if operator == "=" else f"(-{either})"


def _number_or_range(name: str, text: str) -> FilterExpression:
    low, dots, high = text.partition("..")
    if not dots:
        first, last = _span(text)
        return Num(name) == first if first == last else Num(name).between(first, last)
    if not low.strip() and not high.strip():
        raise InvalidWhere("'..' has no end", remedy=f"Write {name}=1990.., ..2000 or 1990..2000")
    start = _span(low)[0] if low.strip() else None
    end = _span(high)[1] if high.strip() else None
    if start is not None and end is not None and start > end:
        raise InvalidWhere(
            f"the range {brief(text)} is reversed",
            remedy=f"Write {name}={high.strip()}..{low.strip()}",
        )
    if start is None:
        return Num(name) <= end
    return Num(name) >= start if end is None else Num(name).between(start, end)


def _span(text: str) -> tuple[int | float, int | float]:
    """The lowest and the highest number that ``text`` means: of a day its first and last second."""
    dates = span_of(text)
    if dates is not None:
        return dates
    number = _float(text)
    return number, number


def _float(text: str) -> int | float:
    text = text.strip()
    try:
        if "_" in text:
            raise ValueError("Python's own way to write a number")
        number = int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError as error:
        raise InvalidWhere(
            f"{brief(text)} is not a number", remedy="Write one, or a date like 2024-05-01"
        ) from error
    if number != number or abs(number) > 1.7e308:
        raise InvalidWhere(f"{brief(text)} is not a finite number")
    return number


def _text(name: str, _operator: str, values: list[str]) -> str:
    phrases = []
    for value in values:
        words = BETWEEN_WORDS.split(DROPPED.sub("", value))
        # Each word as a phrase of its own: the engine stems plain words in some queries but not
        # beside a vector. Capitals are kept only in what looks like a number (1E5).
        kept = [word.lower() if word.isascii() else word for word in words if word.strip("_")]
        if not kept:
            raise InvalidWhere(f"{brief(value)} holds no word")
        phrases.append(_joined([Text(name) == word for word in kept], " "))
    return _joined(phrases, " | ")


def _geo(name: str, operator: str, values: list[str]) -> str:
    [value] = values
    found = PLACE.fullmatch(value)
    try:
        if not found:
            raise ValueError("it is not @LONGITUDE,LATITUDE,RADIUS with m, km, mi or ft")
        lon, lat, radius, unit = found.groups()
        if abs(float(lat)) > MAX_LATITUDE:
            raise ValueError(f"the latitude is not within {MAX_LATITUDE} of the equator")
        circle = GeoRadius(float(lon), float(lat), float(radius), unit)
    except ValueError as error:
        raise InvalidWhere(
            f"{brief(value.strip())} is no circle: {error}",
            remedy=f"Write {EXAMPLES['geo'].format(name)}",
        ) from error
    return str(Geo(name) == circle if operator == "=" else Geo(name) != circle)


MAKERS: dict[str, Callable[[str, str, list[str]], str]] = {
    "tag": _tag,
    "number": _number,
    "text": _text,
    "geo": _geo,
}
