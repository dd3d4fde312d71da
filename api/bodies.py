"""The bodies of requests: JSON and NDJSON, within limits, as records of items."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flask import request
from werkzeug.exceptions import (
    ClientDisconnected,
    HTTPException,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)

from recommender import Record, Reject
from recommender.errors import InvalidParameter, kind_of

JSON, NDJSON = "application/json", "application/x-ndjson"

MAX_BODY = 64 * 1024 * 1024
"""Longest JSON body, in bytes: it is held whole."""

MAX_QUESTION = 32 * 1024 * 1024
"""Longest body of a question, in bytes: an image of 20 MB as base64, and words beside it."""

MAX_LINE = 64 * 1024 * 1024
"""Longest line of NDJSON, in bytes."""

BATCH_RECORDS, BATCH_BYTES = 1000, 16 * 1024 * 1024
"""What of an NDJSON body is held at once (or one longer line)."""

READ = 16 * 1024
BOM = b"\xef\xbb\xbf"


def read_object(limit: int | None = None) -> dict[str, Any]:
    """The JSON object of the request, of at most ``limit`` bytes (None: MAX_BODY).

    Raises InvalidParameter ("body"), 413 and 415.
    """
    check_type(JSON)
    value = _whole(limit)
    if not isinstance(value, dict):
        raise InvalidParameter(
            "body", f"the body is {kind_of(value)}", remedy='Send an object: {"fields": {...}}'
        )
    if fault := _repeated(value):
        raise InvalidParameter("body", fault, remedy="Send it once")
    return value


def read_batches() -> Iterator[Sequence[Record | Reject]]:
    """The items of a JSON array or of NDJSON, which is read while the batches are asked for.

    Raises 415 at once, and InvalidParameter ("body") or 413 with the first batch.
    """
    return _lines() if check_type(JSON, NDJSON) == NDJSON else _array()


def check_type(*allowed: str) -> str:
    """The body's content type, which is UTF-8 and not packed. Raises 415."""
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":
        raise UnsupportedMediaType(f"the body is packed ({encoding[:60]!r}): send it plain")
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8"):
        raise UnsupportedMediaType(f"the body's charset is {charset[:60]!r}: send UTF-8")
    if request.mimetype not in allowed:
        given = repr(request.mimetype[:60]) if request.mimetype else "missing"
        raise UnsupportedMediaType(
            f"the Content-Type is {given}: send {' or '.join(allowed)} and say so"
        )
    return request.mimetype


def _whole(limit: int | None = None) -> Any:
    body = Incoming(limit=limit or MAX_BODY).readall() or b""
    if not body.strip():
        raise InvalidParameter("body", "the body is empty", remedy="Send JSON in it")
    try:
        return parsed(body)
    except ValueError as error:
        raise InvalidParameter("body", f"the body cannot be read: {error}") from error


def _array() -> Iterator[list[Record | Reject]]:
    values = _whole()
    if not isinstance(values, list):
        raise InvalidParameter(
            "body",
            f"the body is {kind_of(values)}",
            remedy=f"Send an array of items, or items on a line each as {NDJSON}",
        )
    for start in range(0, len(values), BATCH_RECORDS):
        part = values[start : start + BATCH_RECORDS]
        yield [_record(f"record {number}", value) for number, value in enumerate(part, start + 1)]


def _lines() -> Iterator[list[Record | Reject]]:
    batch: list[Record | Reject] = []
    size = 0
    for number, line in enumerate(_split(io.BufferedReader(Incoming(), READ)), 1):
        place = f"line {number}"
        if number == 1:
            line = line.removeprefix(BOM)
        if not line.strip():
            continue
        if len(line) > MAX_LINE:
            batch.append(Reject(place, f"the line has more than {MAX_LINE:,} bytes"))
        else:
            batch.append(_read_line(place, line))
        size += len(line)
        if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _split(body: io.BufferedReader) -> Iterable[bytes]:
    """Every line; of one longer than MAX_LINE only its first MAX_LINE + 1 bytes."""
    while line := body.readline(MAX_LINE + 1):
        yield line
        while len(line) > MAX_LINE and not line.endswith(b"\n"):
            line = body.readline(MAX_LINE + 1)


def _read_line(place: str, line: bytes) -> Record | Reject:
    try:
        return _record(place, parsed(line))
    except ValueError as error:
        return Reject(place, str(error))


def _record(place: str, value: Any) -> Record | Reject:
    if not isinstance(value, dict):
        return Reject(place, f"it is {kind_of(value)} where an object is wanted")
    fault = _repeated(value)
    return Reject(place, fault) if fault else Record(place, value)


class _Repeating(dict[str, Any]):
    """An object of JSON in which a name comes twice: which value is meant, nobody knows."""

    name = ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    repeating = _Repeating(made)
    counts = Counter(name for name, _ in pairs)
    repeating.name = counts.most_common(1)[0][0]
    return repeating


def _repeated(value: dict[str, Any]) -> str:
    """What is wrong with the names of an object and its parts, "" if nothing is."""
    listed = (part for parts in value.values() if isinstance(parts, list) for part in parts)
    for part in (value, *value.values(), *listed):
        if isinstance(part, _Repeating):
            return f"the name {part.name[:60]!r} comes twice in one object"
    return ""


def parsed(text: bytes) -> Any:
    """The JSON value. Raises ValueError. NaN comes through, to cost its own record only."""
    try:
        return json.loads(text.decode("utf-8-sig"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 at byte {error.start + 1}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"broken JSON: {error.msg} at character {error.pos + 1}") from error
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error
    except ValueError as error:
        raise ValueError("a number in it has thousands of digits") from error


class Incoming(io.RawIOBase):
    """The request's body as it comes in.

    Raises 413 past ``limit`` bytes, announced or not, and ClientDisconnected where it breaks off,
    or is no body: what came so far is not all, whatever it looks like.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._stream = request.stream
        self._announced = request.content_length
        self._limit = limit
        self._count = 0
        self._check_limit(self._announced or 0)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills ``buffer`` as far as something came, 0 at the end."""
        try:
            data = self._stream.read(len(buffer))
        except HTTPException:
            raise
        except Exception as error:  # a server's own, of chunks that are none, is no OSError
            raise ClientDisconnected from error
        buffer[: len(data)] = data
        self._count += len(data)
        self._check_limit(self._count)
        if not data and self._announced is not None and self._count < self._announced:
            raise ClientDisconnected
        return len(data)

    def _check_limit(self, size: int) -> None:
        if self._limit is not None and size > self._limit:
            raise RequestEntityTooLarge(
                f"the body has more than {self._limit:,} bytes: send less at once"
                + (f", or {NDJSON}" if self._limit == MAX_BODY else "")
            )
