"""What visitors did, as pages send it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from api.models.answers import Answer, Count, Problem
from recommender.items import MAX_ID_BYTES

MAX_EVENTS = 100
"""Most events of one request."""

Name = Annotated[str, Field(min_length=1, max_length=MAX_ID_BYTES)]


class SentEvent(BaseModel):
    """Somebody did something with an item."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["view", "click", "like", "buy"]
    id: Annotated[Name | int, Field(description="The item")]
    user: Annotated[
        str | int | None, Field(description="Who it was, as the page calls them; better a digest")
    ] = None
    seed: Annotated[
        Name | int | None, Field(description="The item under which this one was shown")
    ] = None


class SentEvents(BaseModel):
    """Several events."""

    model_config = ConfigDict(extra="forbid")

    events: Annotated[list[SentEvent], Field(min_length=1, max_length=MAX_EVENTS)]


class Sent(RootModel[SentEvent | SentEvents]):
    """One event, or several."""


class Rejected(Answer):
    """An event that was not taken."""

    place: str
    detail: str


class Taken(Answer):
    """How many events were taken, and which were not."""

    accepted: Count
    rejected: list[Rejected]


class NoneTaken(Problem):
    """No event of several was taken."""

    accepted: Count = 0
    rejected: Annotated[list[Rejected], Field(default_factory=list)]
