"""What is answered about what is kept: catalogues, items, and what became of those written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api.models.answers import Answer, Count, Problem, Unit, Values
from recommender.catalogue import FieldType, IndexType, Metric, NumberType


class Catalogues(Answer):
    """The names of all catalogues, sorted."""

    catalogues: list[str]


class VectorState(Answer):
    """One vector of the items."""

    embedder: str
    dims: Annotated[int, Field(ge=1)]
    index: IndexType
    metric: Metric
    type: NumberType


class IndexState(Answer):
    """How far the index is."""

    ready: bool
    indexed: Annotated[Unit, Field(description="The part that is done")]
    failures: Annotated[Count, Field(description="Items that it could not take")]


class Catalogue(Answer):
    """One catalogue."""

    name: str
    items: Count
    generation: Annotated[int, Field(ge=1)]
    id: Annotated[str | None, Field(description="The column of the source that the ids are from")]
    fields: Annotated[dict[str, FieldType], Field(description="Its fields and their types")]
    vectors: dict[str, VectorState]
    presets: Annotated[dict[str, dict[str, Any]], Field(description="Wishes, by their names")]
    index: IndexState


class Item(Answer):
    """One item."""

    id: str
    fields: Values
    vectors: Annotated[
        dict[str, list[float]],
        Field(default_factory=dict, description="Those that came with it, if asked for"),
    ]


class Labels(Answer):
    """How often each label of a tag occurs, the most frequent first, 1,000 at most."""

    type: Literal["tag"]
    values: list[Label]


class Label(Answer):
    """A label and how many items have it."""

    value: str
    count: Annotated[int, Field(ge=1)]


class Range(Answer):
    """The range of a number, and how many items have one."""

    type: Literal["number"]
    count: Count
    min: float | None
    max: float | None


class Facets(Answer):
    """Values under some conditions."""

    catalogue: str
    items: Annotated[Count, Field(description="How many items meet the conditions")]
    facets: Annotated[dict[str, Labels | Range], Field(description="By the names of fields")]


class Outcome(Answer):
    """What became of an item that was written."""

    id: str
    result: Literal["created", "changed", "unchanged"]
    embedded: Annotated[bool, Field(description="Whether a text was embedded for it")]


class Placed(Answer):
    """What became of one record of many."""

    place: Annotated[str, Field(examples=["record 1", "line 12"])]
    id: str | None
    result: Literal["created", "changed", "unchanged", "rejected"]
    embedded: bool = False
    detail: Annotated[str, Field(description="Why it was rejected")] = ""


class Outcomes(Answer):
    """What became of many records: all are counted, the first 10,000 are listed."""

    created: Count
    changed: Count
    unchanged: Count
    rejected: Count
    results: list[Placed]


class Deleted(Answer):
    """How many items were removed."""

    deleted: Annotated[int, Field(ge=1)]


class Alive(Answer):
    """The process answers."""

    status: Literal["ok"]


class Ready(Answer):
    """Redis answers and every index is complete, or not yet."""

    status: Literal["ready", "not ready"]
    indexing: Annotated[Count, Field(description="Catalogues whose index is being built")] = 0
    detail: str = ""


class AllRejected(Problem):
    """No record of many could be kept: the members of both."""

    created: Count = 0
    changed: Count = 0
    unchanged: Count = 0
    rejected: Count = 0
    results: Annotated[list[Placed], Field(default_factory=list)]
