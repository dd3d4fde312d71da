"""What is said of a view for the reference: data that stands beside it and does nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from api.models.addresses import Address
from recommender.errors import RecommenderError

V = TypeVar("V", bound=Callable[..., Any])

GROUPS = ASK, CATALOGUES, ITEMS, EVENTS, HEALTH = (
    "Ask", "Catalogues", "Items", "Events", "Health",
)  # fmt: skip
"""The groups of calls, in the order in which they are told."""

OPERATION = "__operation__"


@dataclass(frozen=True)
class Body:
    """What a request carries: its content type, its shape, and examples by their names."""

    model: Any
    examples: Mapping[str, Any] = field(default_factory=dict)
    type: str = "application/json"


@dataclass(frozen=True)
class Operation:
    """One call: what it takes, what it answers by status, and what may go wrong.

    ``key`` is "read", "write", or "" for a call that needs none. ``errors`` are those of its own
    beside what its parameters, its key and its body may bring.
    """

    id: str
    group: str
    summary: str
    answers: Mapping[int, type[BaseModel]]
    address: type[Address] = Address
    bodies: Sequence[Body] = ()
    errors: Sequence[type[RecommenderError]] = ()
    key: str = "read"
    more: str = ""


def describes(operation: Operation) -> Callable[[V], V]:
    """Attaches what is said of a view to it."""

    def attach(view: V) -> V:
        setattr(view, OPERATION, operation)
        return view

    return attach


def operation_of(view: Any) -> Operation | None:
    """What was said of a view."""
    found: Operation | None = getattr(view, OPERATION, None)
    return found
