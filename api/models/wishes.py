"""The wishes, one by one: the type of each, its limits, what it is for, and an example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SkipValidation
from typing_extensions import TypeAliasType

from recommender.arguments import MAX_END, MAX_LIMIT
from recommender.boosts import MAX_BOOSTS
from recommender.collapse import DEFAULT as SAME
from recommender.fallbacks import MAX_FALLBACKS
from recommender.lexical import Mode as ModeName
from recommender.wishes import MAX_GROUP, MAX_POOL, MAX_SHARE


@dataclass(frozen=True)
class Wanted:
    """What a value is when it is right, for the remedy where it is wrong."""

    text: str


class AnyOf(BaseModel):
    """Conditions of which at least one holds."""

    model_config = ConfigDict(extra="forbid")
    any: list[Condition]


class AllOf(BaseModel):
    """Conditions that all hold."""

    model_config = ConfigDict(extra="forbid")
    all: list[Condition]


class Not(BaseModel):
    """A condition that does not hold."""

    model_config = ConfigDict(extra="forbid")
    no: Condition = Field(alias="not")


Condition = TypeAliasType("Condition", "str | AnyOf | AllOf | Not")
for _model in (AnyOf, AllOf, Not):
    _model.model_rebuild()

A_FIELDS = "The fields to return; all, where it is not given"
A_WHERE = "Conditions that every hit meets, like year>=1990 or genres=Drama|Comedy"
AN_EXCLUDE = "Ids to leave out"
A_SAME = "Tags and numbers in which every hit agrees with the item"
A_DIFFER = "Tags and numbers in which no hit agrees with the item"
A_USING = "The vector to compare by, or several with their shares; the first, where it is not given"
A_BOOSTS = f"What is added to the similarity for the order of the hits; up to {MAX_BOOSTS}"
A_FALLBACKS = f"What fills a short page, in this order; up to {MAX_FALLBACKS}"

LIST = Wanted("a list of texts")

Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many hits", examples=[5])]
Offset = Annotated[
    int,
    Field(
        ge=0, le=MAX_END,
        description=f"How many hits to skip; with limit and the excluded ids at most {MAX_END:,}",
    ),
]  # fmt: skip
# What follows from the catalogue - its fields, its vectors - is the engine's to judge.
Where = Annotated[
    Condition | list[Condition] | None,
    SkipValidation,
    Field(description=A_WHERE, examples=[["year>=1990"], {"any": ["genres=Western", "year<1930"]}]),
]
Exclude = Annotated[list[str], Field(description=AN_EXCLUDE, examples=[["up"]]), LIST]
Fields = Annotated[
    list[str] | None, Field(description=A_FIELDS, examples=[["title", "year"]]), LIST
]
Share = Annotated[float, Field(gt=0, le=MAX_SHARE)]
Using = Annotated[
    str | dict[str, Share] | None,
    SkipValidation,
    Field(description=A_USING, examples=["text", {"text": 1}]),
]
MinScore = Annotated[
    float | None, Field(description="Drops what scores lower", examples=[0.3]), Wanted("a number")
]
MinRelevance = Annotated[
    Annotated[float, Field(ge=0, le=1)] | None,
    Field(description="Drops what is less relevant: 0 (chance) to 1 (the same)", examples=[0.2]),
    Wanted("0 to 1"),
]
Exact = Annotated[bool, Field(description="Looks at every item")]
Same = Annotated[list[str], Field(description=A_SAME, examples=[["genres"]]), LIST]
Differ = Annotated[list[str], Field(description=A_DIFFER, examples=[["year"]]), LIST]
Boosts = Annotated[
    str | list[str],
    SkipValidation,
    Field(description=A_BOOSTS, examples=[["0.3*near(year,8)", "0.2*overlap(genres)"]]),
]
Mode = Annotated[ModeName, Field(description="Compares by a vector, by words (text), or by both")]
Ratio = Annotated[float, Field(ge=0, le=1)]
SemanticRatio = Annotated[
    Ratio | Literal["rrf"] | None,
    Field(
        description="In mode hybrid: 0 (words) to 1 (meaning), or rrf, which fuses their ranks;"
        " 0.5, for an item 0.8, where it is not given",
    ),
    Wanted("a number from 0 (words alone) to 1 (vectors alone), or rrf"),
]
Diversity = Annotated[
    float,
    Field(
        ge=0, le=1, examples=[0.3], description="0 (the best) to 1 (as unlike each other as can be)"
    ),
    Wanted("0 (none) to 1 (most)"),
]
GroupBy = Annotated[
    str | None,
    Field(description="Of each value of this field there are group_size hits at most",
          examples=["year"]),
    Wanted("the name of a field"),
]  # fmt: skip
GroupSize = Annotated[
    int, Field(ge=1, le=MAX_GROUP, description="How many hits each value of group_by may have")
]
Collapse = Annotated[
    Annotated[float, Field(gt=0, le=1)] | bool | None,
    Field(
        description=f"The relevance from which two items are the same, or true ({SAME}): the better"
        " one stands for both",
        examples=[True],
    ),
    Wanted(f"true ({SAME}), false, or a relevance above 0 and up to 1 (the same)"),
]
Cut = Annotated[
    Literal["auto"] | None, Field(description="Ends the list at its first big drop")
]  # fmt: skip
Fallbacks = Annotated[
    str | list[str],
    SkipValidation,
    Field(description=A_FALLBACKS, examples=[["same_tag(genres)", "latest(year)"]]),
]
Pool = Annotated[
    int, Field(ge=1, le=MAX_POOL, description="How many candidates are ranked", examples=[100])
]
Explain = Annotated[bool, Field(description="Adds to each hit why it stands where it does")]
Preset = Annotated[
    str | None,
    Field(description="Wishes that are kept with the catalogue, by their name"),
    Wanted("the name of a preset"),
]
Next = Annotated[
    str | None,
    Field(
        description="start keeps the ranked list for 30 minutes; a token, which the answer before"
        " gave, asks for the page after it",
        examples=["start"],
    ),
    Wanted("start, or the token of an answer"),
]
