"""Dates as numbers: seconds since 1970, UTC where a date names no zone."""

from __future__ import annotations

import re
from datetime import datetime, timezone

ISO = re.compile(r"\d{4}-\d\d-\d\d(?P<time>[T ]\d\d:\d\d\S*(?:\s+(?:Z|[+-]\d\d:?\d\d))?)?")
"""``2024-05-01``, ``2024-05-01T10:00:00Z``, ``2024-05-01 10:00 +0200``."""

ZONE = re.compile(r"\s*(?:Z|([+-]\d\d):?(\d\d)?)$")
"""The zone as Python 3.10 cannot read it."""

DAY = 24 * 60 * 60


def seconds_of(text: str) -> int | None:
    """Seconds since 1970 of a date of ISO 8601, None where ``text`` is none."""
    span = span_of(text)
    return None if span is None else span[0]


def span_of(text: str) -> tuple[int, int] | None:
    """The first and the last second that a date of ISO 8601 means: a day has many."""
    text = text.strip()
    found = ISO.fullmatch(text)
    if not found:
        return None
    try:
        moment = datetime.fromisoformat(ZONE.sub(_zone, text) if found["time"] else text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    first = int(moment.timestamp())
    return first, first if found["time"] else first + DAY - 1


def _zone(found: re.Match[str]) -> str:
    return f"{found[1] or '+00'}:{found[2] or '00'}"
