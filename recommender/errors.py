"""Every error this product raises on purpose.

RecommenderError
├── InvalidParameter          an argument of a call: limit, where, id, ...
│   ├── UnknownField          a field that the catalogue does not have
│   ├── InvalidWhere          a condition that cannot be read
│   └── InvalidVector         wrong length, NaN, infinite or zero
├── InvalidCatalogue          a catalogue file (or what was inferred) that cannot work
├── UnknownCatalogue          no catalogue of that name
├── UnknownItem               no item of that id
├── SourceError               a source that cannot be read at all
├── RecordError               one record that cannot become an item (collected, not fatal)
├── EmbedderError             the embedder cannot be made or does not answer
│   └── TextRefused           the embedder answers, but will not embed this text
├── ModelMismatch             the catalogue was embedded by something else
├── PruneRefused              a source that lost so much that it looks like an accident
├── RelatedNotBuilt           no neighbours are stored, or not all of them yet
├── IndexNotReady             the index is missing or still being built
├── StoreError                Redis is away, lacks the query engine, or refused a command
│   ├── CatalogueBusy         somebody else is writing the catalogue
│   ├── StoreFull             Redis is out of memory
│   └── LocalServerError      the local Redis cannot be started or stopped
├── InvalidKey                a key is missing, or nobody's
├── RateLimited               a client that asks too often
├── NotAllowed                the key is known, but not for this
│   ├── ReadOnly              no key would do: nobody may write here
│   └── EventsClosed          events are taken from write keys only
└── MissingExtra              an optional package is not installed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RecommenderError(Exception):
    """What went wrong (value and limit) and, in ``remedy``, what to do about it."""

    code = "error"

    def __init__(self, message: str, *, remedy: str = "", parameter: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.parameter = parameter

    def __str__(self) -> str:
        return f"{self.message.rstrip('.')}. {self.remedy}" if self.remedy else self.message


class InvalidParameter(RecommenderError):
    """An argument out of its range; ``parameter`` names it, ``code`` is ``invalid_<parameter>``."""

    def __init__(self, parameter: str, message: str, *, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy, parameter=parameter)
        self.code = f"invalid_{parameter}"


class UnknownField(InvalidParameter):
    """A field name that the catalogue does not have, or not in the form that is asked for."""

    def __init__(self, parameter: str, name: str, known: Iterable[str]) -> None:
        known = list(known)
        super().__init__(
            parameter, f"there is no field {name!r} here", remedy=suggest(name, known, "fields")
        )
        self.code = "unknown_field"


class InvalidWhere(InvalidParameter):
    """A ``where`` condition that cannot be read."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__("where", message, remedy=remedy)


class InvalidCatalogue(RecommenderError):
    """A catalogue file that cannot work."""

    code = "invalid_catalogue"


class UnknownCatalogue(RecommenderError):
    """No catalogue of that name in this Redis."""

    code = "unknown_catalogue"


class UnknownItem(RecommenderError):
    """No item of that id in the catalogue."""

    code = "unknown_item"


class SourceError(RecommenderError):
    """A source that cannot be read at all: missing, empty, of another format."""

    code = "invalid_source"


class RecordError(RecommenderError):
    """One record that cannot become an item; the others go on."""

    code = "invalid_record"


class InvalidVector(InvalidParameter):
    """A vector of the wrong length, or with NaN, infinite or only zero numbers."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__("vector", message, remedy=remedy)


class EmbedderError(RecommenderError):
    """An embedder that cannot be made, is not reachable or answers nonsense."""

    code = "embedder_failed"


class TextRefused(EmbedderError):
    """The embedder works but refuses what it was given; a smaller batch may find the culprit."""

    code = "text_refused"


class ModelMismatch(RecommenderError):
    """The catalogue's vectors came from another model, size or template."""

    code = "model_mismatch"


class PruneRefused(RecommenderError):
    """The source lost so much, or is so damaged, that removing it all looks like an accident."""

    code = "prune_refused"


class RelatedNotBuilt(RecommenderError):
    """Stored neighbours were asked for where none were built, or not to the end."""

    code = "related_not_built"


class IndexNotReady(RecommenderError):
    """The catalogue has no complete index yet; ``retry_after`` is in seconds."""

    code = "index_not_ready"
    retry_after = 2


class StoreError(RecommenderError):
    """Redis is away, lacks the query engine, or refused a command."""

    code = "redis_unavailable"


class CatalogueBusy(StoreError):
    """Somebody else is writing the catalogue, and was waited for long enough."""

    code = "catalogue_busy"


class StoreFull(StoreError):
    """Redis is out of memory, and took nothing of the command it was given."""

    code = "redis_full"


class LocalServerError(StoreError):
    """The local Redis cannot be found, started or stopped."""

    code = "local_redis_failed"


class InvalidKey(RecommenderError):
    """No key where one is needed, or one that nobody has."""

    code = "invalid_key"


class RateLimited(RecommenderError):
    """A client that asks too often; ``seconds`` is how long it should wait."""

    code = "rate_limited"

    def __init__(self, message: str, *, seconds: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.seconds = seconds


class NotAllowed(RecommenderError):
    """A known key that does not allow this."""

    code = "forbidden"


class ReadOnly(NotAllowed):
    """A write where no key would allow it."""

    code = "read_only"


class EventsClosed(NotAllowed):
    """An event from somebody without a write key, where only those may send one."""

    code = "events_closed"


class MissingExtra(RecommenderError):
    """An optional package is not installed."""

    code = "missing_extra"


def suggest(name: str, known: Iterable[str], what: str) -> str:
    """A remedy for a misspelt name: the closest known one, else all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"The {what} are: {', '.join(known)}" if known else f"There are no {what} yet"


def brief(value: object) -> str:
    """A value for a message: its ``repr``, cut to 60 characters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a bottomless list
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def kind_of(value: object) -> str:
    """What JSON calls a value, for a message."""
    if value is None:
        return "null"
    names = {dict: "an object", list: "an array", str: "text", bool: "true or false"}
    return names.get(type(value), "a number")
