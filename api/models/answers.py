"""What is answered. Answers are not run through these models: tests hold them to their schemas."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

Unit = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Values = Annotated[
    dict[str, Any],
    Field(
        description="By the catalogue's fields: text, a list of labels, a number, [lon, lat], or"
        " what was stored",
        examples=[{"title": "Toy Story 2", "year": 1999, "genres": ["Animation", "Comedy"]}],
    ),
]


class Answer(BaseModel):
    """An answer, or a part of one."""


class Words(TypedDict):
    """What the words come to."""

    bm25: float
    share: Annotated[float, Field(description="Of the greatest")]
    rank: Annotated[int, Field(description="By words")]
    matched: Annotated[list[str], Field(description="Words and labels as the item has them")]


class Diversity(TypedDict):
    """What diversity looked at."""

    total: float
    nearest_chosen: Annotated[float, Field(description="How near the nearest hit above is")]


class Why(TypedDict, total=False):
    """Why a hit stands where it does; what has no part in that is not there."""

    similarity: Annotated[float, Field(description="The same as score")]
    similarities: Annotated[dict[str, float], Field(description="By each vector")]
    nearest: Annotated[str, Field(description="The like that it is nearest to")]
    relevance: Annotated[str, Field(description="How the similarity became a relevance")]
    words: Annotated[Words, Field(description="In hybrid and text")]
    base: Annotated[float, Field(description="What boosts are added to, in hybrid and text")]
    boosts: Annotated[dict[str, float], Field(description="What each adds")]
    total: Annotated[float, Field(description="What the order is by")]
    mmr: Annotated[Diversity, Field(description="With diversity, but for the first")]
    duplicates: Annotated[list[str], Field(description="The ids that collapse hid behind it")]
    fallback: Annotated[str, Field(description="The fallback that gave it")]
    shared: Annotated[dict[str, list[str]], Field(description="Labels in common with the item")]
    sentence: Annotated[str, Field(description="The same for people")]


SHOWN: dict[str, Any] = {
    "items": [
        {
            "id": "toy-story-2", "score": 0.728914, "relevance": 0.681,
            "fields": {"title": "Toy Story 2", "year": 1999}, "source": "vector",
        }
    ],
    "requested": 1, "returned": 1, "complete": True, "catalogue": "movies", "generation": 1,
    "embedder": "wordllama", "exact": False, "took_ms": 0.9, "next": None,
}  # fmt: skip
WRONG: dict[str, Any] = {
    "type": "about:blank", "title": "Bad Request", "status": 400, "code": "invalid_limit",
    "detail": "limit is 0", "parameter": "limit",
    "remedy": "It is a whole number from 1 to 1,000",
}  # fmt: skip


class Hit(Answer):
    """One item of an answer."""

    id: str
    score: Annotated[
        float | None,
        Field(description="The similarity, higher is closer; null for fallbacks and browsing"),
    ]
    relevance: Annotated[
        Unit | None, Field(description="The score on 0 (chance) to 1 (the same), where it is known")
    ]
    fields: Values
    source: Annotated[
        Literal["vector", "text", "hybrid", "related", "browse", "same_tag", "popular", "latest"],
        Field(description="What found it: the index, a stored list, browsing, or a fallback"),
    ]
    why: Annotated[Why, Field(description="With explain")] = {}


class Results(Answer):
    """Hits, best first, and what is to be known about them."""

    model_config = ConfigDict(json_schema_extra={"examples": [SHOWN]})

    items: list[Hit]
    requested: Annotated[Count, Field(description="The limit")]
    returned: Annotated[Count, Field(description="How many hits there are")]
    complete: Annotated[
        bool,
        Field(
            description="False when fewer came back than were asked for, or while the index is"
            " still being built"
        ),
    ]
    catalogue: str
    generation: Annotated[int, Field(ge=1, description="Which load of the catalogue answered")]
    embedder: Annotated[str, Field(description="The model of its vectors", examples=["wordllama"])]
    exact: Annotated[bool, Field(description="Whether every item was compared")]
    took_ms: Annotated[float, Field(ge=0, description="Milliseconds", examples=[1.5])]
    next: Annotated[str | None, Field(description="The token of the page after it")]  # fmt: skip


class Problem(Answer):
    """What went wrong, as RFC 9457 has it."""

    model_config = ConfigDict(json_schema_extra={"examples": [WRONG]})

    type: Literal["about:blank"]
    title: Annotated[str, Field(description="The status in words", examples=["Bad Request"])]
    status: Annotated[int, Field(ge=400, le=599)]
    code: Annotated[str, Field(description="What programs look at", examples=["invalid_limit"])]
    detail: Annotated[str, Field(description="What is wrong", examples=["limit is 0"])]
    parameter: Annotated[str, Field(description="Where, if it is in one")] = ""
    remedy: Annotated[
        str,
        Field(description="What to do", examples=["It is a whole number from 1 to 1,000"]),
    ] = ""


class BatchResults(Results):
    """The hits of one id of a batch."""

    id: str


class BatchProblem(Answer):
    """An id of a batch that is not there."""

    id: str
    problem: Problem


class BatchAnswer(Answer):
    """What each id of a batch gave, in their order."""

    results: list[BatchResults | BatchProblem]
    took_ms: Annotated[float, Field(ge=0)]
