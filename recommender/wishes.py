"""What may be asked beside the seed: the same arguments on every face, checked in one place."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from recommender import boosts as boosting
from recommender.arguments import MAX_END, MAX_NAMES, check_min_score, check_names, check_page
from recommender.boosts import Boost
from recommender.catalogue import Catalogue
from recommender.collapse import threshold_of
from recommender.errors import InvalidParameter, UnknownField, brief, suggest
from recommender.fallbacks import Fallback, parse_fallbacks
from recommender.lexical import Mode, check_mode

POOL = 240
MAX_POOL = 10_000
"""Candidates that are ranked, by default and at most."""

MAX_GROUP = 100
MAX_SHARE = 1000

Where = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]
Using = str | Mapping[str, float]


class Wishes(TypedDict, total=False):
    """The arguments that ``similar``, ``search`` and ``recommend`` share.

    ``limit`` 1..1000 and ``offset`` 0.. choose the page; ``next`` "start" keeps the ranked
    candidates for half an hour, and the answer's ``next`` gives the page after it. ``where`` are
    conditions that every hit meets, ``exclude`` ids to leave out, ``fields`` those to return (None:
    all). ``min_score`` and ``min_relevance`` drop hits below (see :class:`Results`); ``cut`` "auto"
    ends the list at its first big drop. ``exact`` looks at every item.

    ``using`` names the vector (None: the first), or several with their shares:
    ``{"text": 0.7, "image": 0.3}``. ``mode`` is vector, text (words) or hybrid (both);
    ``semantic_ratio`` 0 (words) to 1 (meaning) mixes the two (None: 0.5 for the user's own words,
    0.8 for those of an item), "rrf" fuses their ranks.

    ``same`` and ``differ`` name tags and numbers in which every hit agrees with the seed, or does
    not. ``boosts`` (see :mod:`recommender.boosts`) add to the similarity for the order of the hits;
    ``diversity`` 0 (none) to 1 (most) keeps them unlike each other; of each value of the field
    ``group_by`` there are ``group_size`` 1..100 at most; ``collapse`` shows one of what is as good
    as the same: True, or the relevance from which two things are; False shows all, whatever a
    preset says. ``pool`` 1..10,000 is how many candidates are ranked. ``fallbacks`` (see
    :mod:`recommender.fallbacks`) fill a short answer; ``explain`` tells why each hit stands where
    it does; ``preset`` names wishes that are kept with the catalogue.
    """

    limit: int
    offset: int
    where: Where
    exclude: Collection[str]
    fields: Sequence[str] | None
    using: Using | None
    min_score: float | None
    min_relevance: float | None
    exact: bool
    same: Collection[str]
    differ: Collection[str]
    boosts: str | Sequence[str]
    mode: Mode
    semantic_ratio: float | Literal["rrf"] | None
    diversity: float
    group_by: str | None
    group_size: int
    collapse: float | bool | None
    cut: Literal["auto"] | None
    fallbacks: str | Sequence[str]
    pool: int
    explain: bool
    preset: str | None
    next: str | None


DEFAULTS: Mapping[str, Any] = {
    "limit": 10, "offset": 0, "where": (), "exclude": (), "fields": None, "using": None,
    "min_score": None, "min_relevance": None, "exact": False, "same": (), "differ": (),
    "boosts": (), "mode": "vector", "semantic_ratio": None, "diversity": 0.0, "group_by": None,
    "group_size": 1, "collapse": None, "cut": None, "fallbacks": (), "pool": POOL,
    "explain": False, "preset": None, "next": None,
}  # fmt: skip
"""What each wish is where it is not given."""

PAGED = frozenset(
    ("limit", "offset", "where", "exclude", "fields", "min_score", "min_relevance", "exact",
     "preset")
)  # fmt: skip
"""Wishes that the index itself can meet, without a ranking (and ``using``, of one vector); those of
a preset stand beside its name by then."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which of the neighbours are wanted, and what of them."""

    limit: int
    offset: int
    where: Where
    exclude: Collection[str]
    fields: Sequence[str] | None
    min_score: float | None
    min_relevance: float | None = None

    @property
    def end(self) -> int:
        """How many hits come up to the end of the page."""
        return self.offset + self.limit


@dataclass(frozen=True, slots=True)
class Ranking:
    """How candidates are found and ranked: the other wishes, checked."""

    boosts: Sequence[Boost]
    same: Sequence[str]
    differ: Sequence[str]
    mode: str
    semantic_ratio: float | str | None
    diversity: float
    group_by: str | None
    group_size: int
    collapse: float | bool | None
    cut: str | None
    fallbacks: Sequence[Fallback]
    pool: int
    explain: bool
    exact: bool

    @property
    def boosted(self) -> list[str]:
        """The fields that boosts look at, each once."""
        return list(dict.fromkeys(boost.field for boost in self.boosts if boost.field))

    @property
    def columns(self) -> list[str]:
        """The fields that ranking looks at."""
        return list(dict.fromkeys([*self.boosted, *([self.group_by] if self.group_by else [])]))


def check_known(wishes: Mapping[str, Any]) -> None:
    """Raises InvalidParameter for a name that is no wish."""
    for name in wishes:
        if name not in DEFAULTS:
            raise InvalidParameter(
                name[:60],
                f"there is no argument {name[:60]!r}",
                remedy=suggest(name[:60], DEFAULTS, "arguments"),
            )


def is_plain(wishes: Mapping[str, Any]) -> bool:
    """Whether the index alone can answer: nothing is asked for that needs a ranking."""
    return all(
        name in PAGED
        or (name == "using" and isinstance(value, str) and ":" not in value)
        or (name == "collapse" and value is False)
        or _is_default(DEFAULTS[name], value)
        for name, value in wishes.items()
    )


def _is_default(default: Any, value: Any) -> bool:
    """Whether it is the same as not given; 0 is not False, nor an empty list None."""
    if isinstance(default, tuple):
        return isinstance(value, (list, tuple)) and not value
    if isinstance(value, bool) or isinstance(default, bool):
        return value is default
    if isinstance(default, int) and not isinstance(value, int):  # 1.0 is no whole number
        return False
    return value is default or (isinstance(value, (int, float, str)) and bool(value == default))


def with_preset(wishes: Mapping[str, Any], preset: Mapping[str, Any]) -> dict[str, Any]:
    """A preset's wishes and those given: both their conditions and exclusions, else the given."""
    both = {**preset, **wishes}
    if "where" in preset and "where" in wishes:
        both["where"] = [*_listed(preset["where"]), *_listed(wishes["where"])]
    if "exclude" in preset and "exclude" in wishes:
        both["exclude"] = [
            *preset["exclude"], *check_names("exclude", wishes["exclude"]),
        ]  # fmt: skip
    return both


def _listed(where: Any) -> list[Any]:
    if where is None:
        return []
    return list(where) if isinstance(where, (list, tuple)) else [where]


def page_of(wishes: Mapping[str, Any], named: Collection[str] = ()) -> Page:
    """The page that is asked for; ids in ``named`` are left out, too. Raises InvalidParameter."""
    asked = {**DEFAULTS, **wishes}
    exclude = {*named, *check_names("exclude", asked["exclude"], MAX_END)}
    check_page(asked["limit"], asked["offset"], len(exclude))
    check_min_score(asked["min_score"])
    if asked["min_relevance"] is not None:
        _check_number("min_relevance", asked["min_relevance"])
    _check_flag("exact", asked["exact"])
    return Page(
        asked["limit"], asked["offset"], asked["where"], exclude, asked["fields"],
        asked["min_score"], asked["min_relevance"],
    )  # fmt: skip


def ranking_of(wishes: Mapping[str, Any], catalogue: Catalogue) -> Ranking:
    """The ranking that is asked for. Raises InvalidParameter or UnknownField naming the wish."""
    asked = {**DEFAULTS, **wishes}
    _check_number("diversity", asked["diversity"], "0 (none) to 1 (most)")
    _check_whole("group_size", asked["group_size"], MAX_GROUP)
    _check_whole("pool", asked["pool"], MAX_POOL)
    _check_flag("explain", asked["explain"])
    _check_choice("cut", asked["cut"], ("auto", None))
    check_mode(asked["mode"], asked["semantic_ratio"], catalogue)
    if asked["mode"] == "text" and asked["min_relevance"] is not None:
        raise InvalidParameter(
            "min_relevance", "min_relevance has no meaning in mode text", remedy="Use min_score"
        )
    if asked["collapse"] is False:
        asked["collapse"] = None
    if asked["collapse"] is not None:
        threshold_of(asked["collapse"], None)
    for name in ("same", "differ"):
        _check_comparable(name, asked[name], catalogue)
    if asked["group_by"] is not None:
        _check_comparable("group_by", [asked["group_by"]], catalogue)
    asked["boosts"] = boosting.parse(asked["boosts"], catalogue)
    asked["fallbacks"] = parse_fallbacks(asked["fallbacks"], catalogue)
    return Ranking(**{name: asked[name] for name in Ranking.__slots__})


def shares_of(using: Any, catalogue: Catalogue) -> dict[str, float]:
    """The share of each vector in the similarity, together 1; ``text:0.7,image:0.3`` will do.

    Raises InvalidParameter ("using") for unknown vectors and for weights that are none.
    """
    if using is None or (isinstance(using, str) and ":" not in using):
        return {catalogue.vector(using): 1.0}
    given = dict(_pairs(using)) if isinstance(using, str) else using
    if not isinstance(given, Mapping) or not given:
        raise _wrong("using", using, 'a vector\'s name, or {"text": 0.7, "image": 0.3}')
    check_names("using", [*given])
    for name, weight in given.items():
        catalogue.vector(name)
        is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
        if not is_number or not 0 < weight <= MAX_SHARE:
            raise _wrong("using", weight, "a weight above 0, up to 1,000, for each vector")
    total = math.fsum(given.values())
    return {name: weight / total for name, weight in given.items()}


def _pairs(using: str) -> list[tuple[str, float]]:
    try:
        parted = [part.rpartition(":") for part in using.split(",")]
        return [(name.strip(), float(weight)) for name, _, weight in parted]
    except ValueError as error:
        raise _wrong("using", using, "like text:0.7,image:0.3") from error


def _check_number(name: str, value: Any, wanted: str = "0 to 1") -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= 1:
        raise _wrong(name, value, wanted)


def _check_whole(name: str, value: Any, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= high:
        raise _wrong(name, value, f"a whole number from 1 to {high:,}")


def _check_flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise _wrong(name, value, "true or false")


def _check_choice(name: str, value: Any, known: Sequence[str | None]) -> None:
    if value not in known:
        names = [text for text in known if text is not None]
        raise InvalidParameter(
            name,
            f"{name} is {brief(value)}",
            remedy=suggest(str(value)[:40], names, f"values of {name}"),
        )


def _check_comparable(parameter: str, names: Any, catalogue: Catalogue) -> None:
    able = [name for name, spec in catalogue.fields.items() if spec.type in ("tag", "number")]
    for name in check_names(parameter, names, MAX_NAMES):
        if name not in able:
            raise UnknownField(parameter, name, able)


def _wrong(name: str, value: Any, wanted: str) -> InvalidParameter:
    return InvalidParameter(name, f"{name} is {brief(value)}", remedy=f"It is {wanted}")
