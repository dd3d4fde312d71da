"""What loaders of documents share: one file is read, decoded and becomes one record."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime


def seconds_of(text: str) -> int | None:
    """Seconds since 1970 of a date as people and programs write it, None where it is none.

    ISO 8601 (``2024-05-01``, ``2024-05-01T10:00:00Z``, ``2024-05-01 10:00 +0200``) and that of
    mail (``Wed, 01 May 2024 10:00:00 GMT``); without a zone it is UTC.
    """
    moment = _iso(text.strip()) or _mail(text)
    if moment is None:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    try:
        return int(moment.timestamp())
    except (OverflowError, ValueError):  # the zone leads out of the years 1 to 9999
        return None


def _iso(text: str) -> datetime | None:
    for layout in ("", "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M %z", "%Y-%m-%dT%H:%M:%S%z"):
        try:
            return datetime.strptime(text, layout) if layout else datetime.fromisoformat(text)
        except ValueError:
            continue
    return None


def _mail(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
