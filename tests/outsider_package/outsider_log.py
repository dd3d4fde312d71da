"""Reads ``server.log``: every line ``TIME LEVEL MESSAGE`` is a record."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from loaders import Options
from recommender import Record, Reject
from recommender.errors import SourceError

LINE = re.compile(r"(?P<time>\S+) (?P<level>[A-Z]+) (?P<message>.+)")


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """The lines of ``source`` as records, their number as the id. Raises SourceError."""
    name = os.path.basename(source)
    try:
        with open(source, encoding=options.encoding or "utf-8") as file:
            for number, line in enumerate(file, 1):
                place = f"{name}, line {number}"
                if found := LINE.fullmatch(line.strip()):
                    yield Record(place, {"id": str(number), **found.groupdict()})
                else:
                    yield Reject(place, "no time, level and message")
    except FileNotFoundError as error:
        raise SourceError(f"the log {source!r} is not there", remedy="Rotate it back") from error
