"""What each kind of field takes from a source, how Redis keeps it, and how it is read back.

``parse`` turns a source's value into a plain Python value (None where it is missing) and raises
RecordError for one that cannot be; ``pack`` and ``unpack`` are the two ways between that value and
the bytes of a Redis hash field, and ``unpack(pack(value)) == value``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from recommender.dates import seconds_of
from recommender.errors import RecordError, brief
from recommender.items import MAX_CELL, encode

TAG_SEPARATOR = "\x1f"
"""Between the tags of one item in Redis: unlike ``,`` or ``|`` it stands in nobody's labels."""

MAX_TAG_BYTES = 4096
"""The engine cuts longer tags short in silence, so they are refused."""

MAX_NUMBER = 1.7e308
"""Largest number, either way: what a double holds."""

MAX_LATITUDE = 85.05112878
"""The engine leaves points nearer a pole out of its index."""

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""Characters that no tag may hold: the engine cuts or drops them."""

ODD_SPACE = re.compile(r"[^\S \t\x1c-\x1f]")
PADDED_SPACE = re.compile(r" ([^\S \t\x1c-\x1f]) ")
"""White space that ends no word of the engine (a line end glues two words together): it is kept
with a space on either side."""

FIELD_NAME = re.compile(r"[^\W\d_]\w{0,63}")
"""A field's name: letters, digits and _, a letter first; fit for templates, queries, addresses."""

NO_NUMBER = frozenset({"", "-", "na", "n/a", "nan", "none", "null"})
"""What people write where a number is missing."""


@dataclass(frozen=True, slots=True)
class FieldKind:
    """The three conversions of one kind of field."""

    parse: Callable[[Any, str | None], Any]
    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]


def is_missing(value: Any) -> bool:
    """Whether a source's value stands for nothing: None, blank text or an empty list."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, list) and not value)


def as_text(value: Any) -> str:
    """Any value of a source as text: the parts of a list joined by commas, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(as_text(part) for part in value if not is_missing(part))
    return _json(value)


def _parse_text(value: Any, _separator: str | None) -> str:
    text = as_text(value)
    if len(text) > MAX_CELL:
        raise RecordError(f"it has {len(text):,} characters, the limit is {MAX_CELL:,}")
    if "\0" in text:
        raise RecordError("it holds a NUL character")
    return text


def _parse_tags(value: Any, separator: str | None) -> list[str] | None:
    if isinstance(value, list):
        parts = [as_text(part) for part in value if not is_missing(part)]
    else:
        text = as_text(value)
        parts = text.split(separator) if separator else [text]
    # The engine trims labels and where takes any white space for one space, so they are kept so.
    cleaned = (label for part in parts if (label := " ".join(part.split())))
    labels = list({encode(label).lower(): label for label in cleaned}.values())  # ASCII only
    for label in labels:
        size = len(encode(label))
        if size > MAX_TAG_BYTES:
            raise RecordError(f"a tag has {size:,} bytes, the limit is {MAX_TAG_BYTES:,}")
        if CONTROL.search(label):
            raise RecordError(f"the tag {brief(label)} holds a control character")
    return labels or None


def _parse_number(value: Any, _separator: str | None) -> int | float | None:
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in NO_NUMBER:
            return None
        try:
            if "_" in text:  # Python reads 1_000 as a number, people do not
                raise ValueError(text)
            number: Any = int(text) if text.lstrip("+-").isdecimal() else float(text)
        except ValueError as error:
            seconds = seconds_of(text)
            if seconds is not None:
                return seconds
            raise RecordError(f"{brief(text)} is not a number") from error
    else:
        number = value
    if not isinstance(number, (int, float)) or isinstance(number, bool):
        raise RecordError(f"{brief(value)} is not a number")
    if number != number or abs(number) > MAX_NUMBER:
        raise RecordError(f"{brief(value)} is not a finite number")
    return int(number) if isinstance(number, int) else float(number)


def _parse_geo(value: Any, _separator: str | None) -> tuple[float, float]:
    parts: Any
    if isinstance(value, Mapping):
        lower: dict[str, Any] = {str(key).lower(): part for key, part in value.items()}
        lon = next((lower[key] for key in ("lon", "lng", "longitude") if key in lower), None)
        lat = next((lower[key] for key in ("lat", "latitude") if key in lower), None)
        parts = [lon, lat]
    else:
        parts = value.split(",") if isinstance(value, str) else value
    try:
        longitude, latitude = map(_coordinate, parts)
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordError(
            f"{brief(value)} is not a place, which is 'longitude,latitude'"
        ) from error
    if not (abs(longitude) <= 180 and abs(latitude) <= MAX_LATITUDE):
        raise RecordError(
            f"{brief(value)} is not on the map: longitude -180..180,"
            f" latitude -{MAX_LATITUDE}..{MAX_LATITUDE}"
        )
    return longitude, latitude


def _coordinate(part: Any) -> float:
    if isinstance(part, bool) or (isinstance(part, str) and "_" in part):
        raise ValueError(part)
    return float(part)


def _parse_stored(value: Any, _separator: str | None) -> Any:
    text = value if isinstance(value, str) else _json(value)
    if len(text) > MAX_CELL:
        raise RecordError(f"it has {len(text):,} characters, the limit is {MAX_CELL:,}")
    return value


def _pack_text(value: str) -> bytes:
    return encode(ODD_SPACE.sub(r" \g<0> ", value))


def _unpack_text(blob: bytes) -> str:
    text = blob.decode()
    # Only what is not a printable line can hold an odd space, and most texts are one.
    return text if text.isprintable() else PADDED_SPACE.sub(r"\1", text)


def _pack_number(value: int | float) -> bytes:
    return repr(value).encode()


def _unpack_number(blob: bytes) -> int | float:
    return int(blob) if blob.lstrip(b"-").isdigit() else float(blob)


def _unpack_geo(blob: bytes) -> tuple[float, float]:
    lon, _, lat = blob.partition(b",")
    return float(lon), float(lat)


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordError(f"{brief(value)} cannot be kept as JSON") from error


KINDS: dict[str, FieldKind] = {
    "text": FieldKind(_parse_text, _pack_text, _unpack_text),
    "tag": FieldKind(
        _parse_tags,
        lambda labels: encode(TAG_SEPARATOR.join(labels)),
        lambda blob: blob.decode().split(TAG_SEPARATOR),
    ),
    "number": FieldKind(_parse_number, _pack_number, _unpack_number),
    "geo": FieldKind(_parse_geo, lambda place: f"{place[0]!r},{place[1]!r}".encode(), _unpack_geo),
    "stored": FieldKind(_parse_stored, lambda value: encode(_json(value)), json.loads),
}
"""The kinds of field a catalogue file may name, in the words of the design."""
