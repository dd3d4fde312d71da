"""What may go wrong in a call, by status: the codes of the problems, and headers with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from api.describing import Operation
from api.problems import status_of_kind
from recommender import errors
from recommender.errors import RecommenderError

RETRY = {
    "Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}},
}
RATE = {
    name: {"description": text, "schema": {"type": "integer", "minimum": 0}}
    for name, text in (
        ("RateLimit-Limit", "Requests that the rate allows"),
        ("RateLimit-Remaining", "Those that are left"),
        ("RateLimit-Reset", "Seconds until its window ends"),
    )
}
HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}}, 429: {**RETRY, **RATE}, 503: RETRY,
}  # fmt: skip

UNFIT = "the value cannot be, or is needed and missing"

Told = tuple[int, str, str]
"""A status, a code and what it says."""


@dataclass
class Failure:
    """The problems of one status."""

    known: dict[str, str] = field(default_factory=dict)
    has_members: bool = False
    headers: dict[str, Any] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """The codes and when they come."""
        by_text: dict[str, list[str]] = {}
        for code, text in self.known.items():
            by_text.setdefault(text, []).append(f"`{code}`")
        return "\n".join(f"{', '.join(codes)}: {text}" for text, codes in by_text.items())

    @property
    def codes(self) -> dict[str, Any]:
        """The schema of the code. A body may have any member, which its code then names."""
        listed: dict[str, Any] = {"enum": list(self.known)}
        return {"anyOf": [listed, {"pattern": "^invalid_"}]} if self.has_members else listed


def of(operation: Operation) -> dict[int, Failure]:
    """The failures of a call, by status."""
    found: dict[int, Failure] = {}
    for status, code, text in (*_of_request(operation), *_of_errors(operation)):
        failure = found.setdefault(status, Failure(headers=HEADERS.get(status, {})))
        failure.known.setdefault(code, text)
    for status in [status for status, kind in operation.answers.items() if status == 503]:
        found.pop(status, None)  # it has an answer of its own
    if operation.bodies:
        found[400].has_members = True
    return dict(sorted(found.items()))


def _of_request(operation: Operation) -> Iterator[Told]:
    """What may be wrong with the request itself."""
    if operation.key:
        yield 400, "invalid_parameter", "a parameter that the call does not take"
    for name, known in operation.address.model_fields.items():
        name = known.alias or name
        yield 400, f"invalid_{name}", UNFIT
    for body in operation.bodies:
        for name, known in body.model.model_fields.items():
            if name != "root":
                yield 400, f"invalid_{known.alias or name}", UNFIT
    if operation.bodies:
        yield 400, "invalid_body", "a body that is empty, broken, or of another shape"
        yield 400, "bad_request", "a body that breaks off"
        yield 413, "request_entity_too_large", "the body is too long"
        yield 415, "unsupported_media_type", "the body's Content-Type is another one"
    if operation.key:
        yield from _of_key(operation.key)


def _of_key(key: str) -> Iterator[Told]:
    yield 401, errors.InvalidKey.code, _said(errors.InvalidKey)
    if key != "read":
        yield 403, errors.NotAllowed.code, _said(errors.NotAllowed)
    if key == "write":
        yield 403, errors.ReadOnly.code, _said(errors.ReadOnly)
    yield 429, errors.RateLimited.code, _said(errors.RateLimited)
    yield 500, "internal_error", "something went wrong; it is logged"


def _of_errors(operation: Operation) -> Iterator[Told]:
    for kind in operation.errors:
        code = "unknown_field" if kind is errors.UnknownField else kind.code
        yield status_of_kind(kind), code, _said(kind)
    if 400 in operation.answers:
        yield 400, "all_rejected", "not one record could be kept"


def _said(kind: type[RecommenderError]) -> str:
    """What an error means: the first line about it, without what is for programmers."""
    line = (kind.__doc__ or "").partition("\n")[0].partition(";")[0].rstrip(".")
    return line if line.startswith("Redis") else line[:1].lower() + line[1:]
