"""What is known of one request when it is over: where its time went, and what it brought."""

from __future__ import annotations

from contextvars import Token
from typing import Any, NamedTuple

from recommender.fallbacks import FIELD_TYPES
from recommender.spent import LISTENING, Spent


class Noted(NamedTuple):
    """What the answers of one request brought: see :class:`Measured`."""

    catalogue: str
    returned: int | None
    short: int
    fallbacks: int


class Measured(Spent):
    """One request, and the clock that the engine and the store find in its context.

    ``owner`` is who started it and has to stop it. ``returned`` is how many hits it brought, None
    where it brings no hits, of which ``fallbacks`` only filled up; ``short`` how many of its lists
    lack some (most requests have one list). ``catalogue`` is the one that answered, so there is
    one of that name.
    """

    __slots__ = ("_token", "catalogue", "fallbacks", "owner", "returned", "short")

    def __init__(self, owner: object) -> None:
        """Starts the clock."""
        super().__init__()
        self.owner = owner
        self.catalogue = ""
        self.returned: int | None = None
        self.short = self.fallbacks = 0
        self._token: Token[Spent | None] = LISTENING.set(self)

    def note(self, results: dict[str, Any]) -> None:
        """Counts one answer of the engine, as it goes out."""
        hits = results["items"]
        self.catalogue = results["catalogue"]
        self.returned = (self.returned or 0) + len(hits)
        self.short += not results["complete"]
        self.fallbacks += sum(hit["source"] in FIELD_TYPES for hit in hits)

    @property
    def noted(self) -> Noted:
        """What was counted, for when the same is answered again."""
        return Noted(self.catalogue, self.returned, self.short, self.fallbacks)

    @noted.setter
    def noted(self, noted: Noted) -> None:
        self.catalogue, self.returned, self.short, self.fallbacks = noted

    def stop(self) -> None:
        """Nobody listens any more in this context; the clock goes on for what remains."""
        LISTENING.reset(self._token)


def measured_here() -> Measured | None:
    """The request that this context handles, None where nobody measures it."""
    found = LISTENING.get()
    return found if type(found) is Measured else None
