"""NDJSON: one JSON object a line; a bad line costs only itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from loaders.base import MAX_LINE, Opened, Options, as_record, opened
from recommender.items import Record, Reject


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """Every line of ``source`` as a record; blank lines are skipped. Raises SourceError."""
    with opened(source, options) as file:
        yield from file.watched(_entries(file))


def _entries(file: Opened) -> Iterator[Record | Reject]:
    decode = json.JSONDecoder(parse_constant=_refuse).decode
    for number, line in enumerate(file.lines(), 1):
        place = f"{file.name}, line {number}"
        if len(line) > MAX_LINE:
            yield Reject(place, f"the line has more than {MAX_LINE:,} characters")
            continue
        try:
            value = decode(line)
        except (ValueError, RecursionError) as error:
            if line.strip():
                yield Reject(place, _reason(error))
            continue
        yield as_record(place, value)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON: write null")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"broken JSON: {error.msg} at column {error.colno}"
    if isinstance(error, RecursionError):
        return "it nests too deeply"
    return str(error)
