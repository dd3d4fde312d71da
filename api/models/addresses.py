"""The parameters of addresses: the same as in bodies, as texts; conditions nest only there."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from api.models import wishes as wish
from api.models.bodies import Id, Question
from api.models.texts import AsFlag, AsNames, AsNumber, AsNumberOrFlag, AsWhole
from recommender.arguments import MAX_TEXT_CHARS, check_text
from recommender.wishes import DEFAULTS

Names = Annotated[list[str], AsNames]
"""Names, which may be parted by commas, too."""

Conditions = Annotated[
    list[str], Field(description=wish.A_WHERE, examples=[["year>=1990", "genres=Drama|Comedy"]])
]
FieldNames = Annotated[Names, Field(description=wish.A_FIELDS, examples=[["title", "year"]])]


class Address(Question):
    """The parameters of one call. Nothing, where it takes none."""

    lists: ClassVar[frozenset[str]] = frozenset()
    """The parameters that may come several times."""

    @classmethod
    def __pydantic_init_subclass__(cls, **more: Any) -> None:
        """Reads off which parameters are lists."""
        cls.lists = frozenset(
            field.alias or name
            for name, field in cls.model_fields.items()
            if field.annotation == list[str]
        )


class OneItem(Address):
    """An item to write."""

    id: Annotated[Id, Field(examples=["dune"])]


class SeveralItems(Address):
    """Items."""

    id: Annotated[
        list[str],
        Field(min_length=1, description="Ids of items; may be repeated", examples=[["dune"]]),
    ]


class ReadItem(Address):
    """An item, and what of it."""

    id: Id
    fields: FieldNames = None  # type: ignore[assignment]  # as the engine has it
    vectors: Annotated[
        bool, AsFlag, Field(description="Gives the vectors that came with the item, too")
    ] = False


class Facets(Address):
    """A question for the values that are there."""

    fields: Annotated[
        Names,
        Field(description="Tags and numbers; all, where it is not given", examples=[["genres"]]),
    ] = None  # type: ignore[assignment]
    where: Conditions = DEFAULTS["where"]
    q: Annotated[
        str,
        AfterValidator(lambda value: check_text("q", value)),
        Field(
            description="Words: only their 240 best candidates are counted",
            examples=["robots"],
            json_schema_extra={"minLength": 1, "maxLength": MAX_TEXT_CHARS},
        ),
    ] = None  # type: ignore[assignment]
    disjunctive: Annotated[
        bool,
        AsFlag,
        Field(description="Leaves out of a field's counts the conditions on that field itself"),
    ] = False


class Browse(Address):
    """A question for what is there, like nothing in particular."""

    order: Annotated[
        str, Field(description="A number field: the greatest first", examples=["year"])
    ] = None  # type: ignore[assignment]
    limit: Annotated[wish.Limit, AsWhole] = DEFAULTS["limit"]
    offset: Annotated[wish.Offset, AsWhole] = DEFAULTS["offset"]
    where: Conditions = DEFAULTS["where"]
    fields: FieldNames = DEFAULTS["fields"]


class Listed(Address):
    """Which hits, and what of them."""

    limit: Annotated[wish.Limit, AsWhole] = DEFAULTS["limit"]
    offset: Annotated[wish.Offset, AsWhole] = DEFAULTS["offset"]
    fields: FieldNames = DEFAULTS["fields"]
    where: Conditions = DEFAULTS["where"]
    exclude: Annotated[
        list[str], Field(description=wish.AN_EXCLUDE, examples=[["up"]])
    ] = DEFAULTS["exclude"]  # fmt: skip
    min_score: Annotated[wish.MinScore, AsNumber] = DEFAULTS["min_score"]
    min_relevance: Annotated[wish.MinRelevance, AsNumber] = DEFAULTS["min_relevance"]


class Wishes(Listed):
    """What may be asked for beside the item or the words."""

    next: wish.Next = DEFAULTS["next"]
    same: Annotated[Names, Field(description=wish.A_SAME, examples=[["genres"]])] = DEFAULTS["same"]
    differ: Annotated[
        Names, Field(description=wish.A_DIFFER, examples=[["year"]])
    ] = DEFAULTS["differ"]  # fmt: skip
    cut: wish.Cut = DEFAULTS["cut"]
    using: Annotated[
        str, Field(description=wish.A_USING, examples=["text", "text:0.7,image:0.3"])
    ] = DEFAULTS["using"]  # fmt: skip
    mode: wish.Mode = DEFAULTS["mode"]
    semantic_ratio: Annotated[wish.SemanticRatio, AsNumber] = DEFAULTS["semantic_ratio"]
    boosts: Annotated[
        list[str], Field(description=wish.A_BOOSTS, examples=[["0.3*near(year,8)"]])
    ] = DEFAULTS["boosts"]  # fmt: skip
    diversity: Annotated[wish.Diversity, AsNumber] = DEFAULTS["diversity"]
    group_by: wish.GroupBy = DEFAULTS["group_by"]
    group_size: Annotated[wish.GroupSize, AsWhole] = DEFAULTS["group_size"]
    collapse: Annotated[wish.Collapse, AsNumberOrFlag] = DEFAULTS["collapse"]
    fallbacks: Annotated[
        list[str], Field(description=wish.A_FALLBACKS, examples=[["same_tag(genres)"]])
    ] = DEFAULTS["fallbacks"]  # fmt: skip
    preset: wish.Preset = DEFAULTS["preset"]
    pool: Annotated[wish.Pool, AsWhole] = DEFAULTS["pool"]
    exact: Annotated[wish.Exact, AsFlag] = DEFAULTS["exact"]
    explain: Annotated[wish.Explain, AsFlag] = DEFAULTS["explain"]


class Similar(Wishes):
    """A question for what is like one item."""

    id: Id


class Related(Listed):
    """A question for what is stored as most like one item."""

    id: Id


class Search(Wishes):
    """A question for what is closest to some words."""

    text: Annotated[
        str,
        AfterValidator(lambda value: check_text("q", value)),
        Field(
            alias="q", description="Words", examples=["toys that come alive"],
            json_schema_extra={"minLength": 1, "maxLength": MAX_TEXT_CHARS},
        ),
    ]  # fmt: skip
