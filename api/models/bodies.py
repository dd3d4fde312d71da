"""The JSON bodies of questions: the wishes as members, beside what the question is about."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SkipValidation

from api.models import wishes as wish
from recommender.arguments import MAX_TEXT_CHARS, check_text
from recommender.engine import MAX_IDS
from recommender.items import MAX_ID_BYTES
from recommender.seeds import MAX_SEEDS, MAX_WEIGHT
from recommender.seeds import Strategy as StrategyName
from recommender.wishes import DEFAULTS

Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARS)]
"""As the schema has it; the engine says what is wrong with one."""

Id = Annotated[
    str,
    AfterValidator(lambda value: check_text("id", value)),
    Field(
        description="An item's id, letter by letter", examples=["toy-story"],
        json_schema_extra={"minLength": 1, "maxLength": MAX_ID_BYTES},
    ),
    wish.Wanted("the id of an item"),
]  # fmt: skip
Image = Annotated[
    str,
    Field(
        description="A picture of up to 20 MB, in base64",
        json_schema_extra={"contentEncoding": "base64", "minLength": 1},
    ),
]
Vector = Annotated[
    list[float], SkipValidation, Field(description="As many numbers as the catalogue's vector has")
]


class Question(BaseModel):
    """What a request asks for; what it does not name has its default."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    def given(self) -> dict[str, Any]:
        """The members that the request named, for the engine."""
        named = self.__pydantic_fields_set__
        return {name: value for name, value in self.__dict__.items() if name in named}


class Wishes(Question):
    """What may be asked for beside the item, the words or the likes."""

    limit: wish.Limit = DEFAULTS["limit"]
    offset: wish.Offset = DEFAULTS["offset"]
    next: wish.Next = DEFAULTS["next"]
    fields: wish.Fields = DEFAULTS["fields"]
    where: wish.Where = DEFAULTS["where"]
    exclude: wish.Exclude = DEFAULTS["exclude"]
    same: wish.Same = DEFAULTS["same"]
    differ: wish.Differ = DEFAULTS["differ"]
    min_score: wish.MinScore = DEFAULTS["min_score"]
    min_relevance: wish.MinRelevance = DEFAULTS["min_relevance"]
    cut: wish.Cut = DEFAULTS["cut"]
    using: wish.Using = DEFAULTS["using"]
    mode: wish.Mode = DEFAULTS["mode"]
    semantic_ratio: wish.SemanticRatio = DEFAULTS["semantic_ratio"]
    boosts: wish.Boosts = DEFAULTS["boosts"]
    diversity: wish.Diversity = DEFAULTS["diversity"]
    group_by: wish.GroupBy = DEFAULTS["group_by"]
    group_size: wish.GroupSize = DEFAULTS["group_size"]
    collapse: wish.Collapse = DEFAULTS["collapse"]
    fallbacks: wish.Fallbacks = DEFAULTS["fallbacks"]
    preset: wish.Preset = DEFAULTS["preset"]
    pool: wish.Pool = DEFAULTS["pool"]
    exact: wish.Exact = DEFAULTS["exact"]
    explain: wish.Explain = DEFAULTS["explain"]


class Similar(Wishes):
    """A question for what is like one item."""

    id: Id


class SimilarBatch(Wishes):
    """A question for what is like each of some items."""

    ids: Annotated[
        list[str],
        Field(
            min_length=1, max_length=MAX_IDS, description="Ids, each answered by itself",
            examples=[["toy-story", "alien"]],
        ),
        wish.Wanted(f"a list of 1 to {MAX_IDS} ids"),
    ]  # fmt: skip


class Related(Question):
    """A question for what is stored as most like one item."""

    id: Id
    limit: wish.Limit = DEFAULTS["limit"]
    offset: wish.Offset = DEFAULTS["offset"]
    fields: wish.Fields = DEFAULTS["fields"]
    where: wish.Where = DEFAULTS["where"]
    exclude: wish.Exclude = DEFAULTS["exclude"]
    min_score: wish.MinScore = DEFAULTS["min_score"]
    min_relevance: wish.MinRelevance = DEFAULTS["min_relevance"]


class Search(Wishes):
    """A question for what is closest to a text, a vector or an image: one of the three."""

    text: Annotated[
        str | None,
        AfterValidator(lambda value: value if value is None else check_text("text", value)),
        Field(description="Words", examples=["toys that come alive"]),
        wish.Wanted("some text, at least a word"),
    ] = None
    vector: Annotated[Vector | None, SkipValidation] = None
    image: Annotated[Image | None, wish.Wanted("base64, of at most 20 MB")] = None


Weight = Annotated[
    float, Field(gt=0, le=MAX_WEIGHT, description="How much it counts beside the others")
]


class LikedItem(Question):
    """An item, of this catalogue or of another one with the same embedder."""

    id: Text
    catalogue: Text | None = None
    weight: Weight = 1.0


class LikedText(Question):
    """Words."""

    text: Text
    weight: Weight = 1.0


class LikedVector(Question):
    """A vector of the catalogue's length."""

    vector: Vector
    weight: Weight = 1.0


class LikedImage(Question):
    """A picture."""

    image: Image
    weight: Weight = 1.0


Seed = Text | LikedItem | LikedText | LikedVector | LikedImage
Seeds = Annotated[list[Seed], SkipValidation]


class Recommend(Wishes):
    """A question for what is like several others, and unlike some; one is named at least."""

    like: Annotated[
        Seeds,
        Field(
            json_schema_extra={"maxItems": MAX_SEEDS},
            description="What is liked",
            examples=[["alien", {"text": "a lonely robot", "weight": 0.5}]],
        ),
    ] = ()  # type: ignore[assignment]  # as the engine has it
    unlike: Annotated[
        Seeds,
        Field(
            json_schema_extra={"maxItems": MAX_SEEDS}, description="What is not", examples=[["up"]]
        ),
    ] = ()  # type: ignore[assignment]
    strategy: Annotated[
        StrategyName,
        Field(description="Looks around one point, near any of the likes, or near all"),
    ] = "average"
    half_life: Annotated[
        Annotated[float, Field(gt=0, le=MAX_SEEDS)] | None,
        Field(description="The likes are as viewed, the latest last: so many places earlier one"
              " counts half"),
        wish.Wanted(f"how many likes later one counts twice: above 0, up to {MAX_SEEDS}"),
    ] = None  # fmt: skip
