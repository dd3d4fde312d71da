"""What is liked and disliked, items, texts and vectors, and what they come to together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from recommender.arguments import check_text
from recommender.errors import InvalidParameter, brief, suggest
from recommender.question import Probe, Rate, Rows
from recommender.vectors import normalise

MAX_SEEDS = 100
MAX_WEIGHT = 1000.0
DISLIKE = 0.5
"""How much dislikes count beside likes in an average."""

Strategy = Literal["average", "best", "sum"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
KINDS = ("id", "text", "vector", "image")


@dataclass(frozen=True, slots=True)
class Seed:
    """One thing that is liked or not: ``kind`` is one of KINDS; ``weight`` is above 0.

    ``catalogue`` names another catalogue that the id is of.
    """

    kind: str
    value: Any
    weight: float
    catalogue: str | None = None

    @property
    def parts(self) -> tuple[Any, ...]:
        """What tells it from other ones."""
        return self.kind, self.value, self.weight, self.catalogue

    @property
    def name(self) -> str:
        """What to call it in an explanation."""
        if self.kind == "image":
            return "an image"
        if self.kind == "vector":
            return "a vector"
        return brief(self.value).strip("'") if self.kind == "id" else brief(self.value)


def read(parameter: str, given: Any, own: str | None = None) -> list[Seed]:
    """Seeds from ids, or from ``{"id" | "text" | "vector" | "image": ..., "weight": 1}``.

    Beside an id may stand the ``catalogue`` that it is of, which is as good as none where it is
    ``own``. Raises InvalidParameter naming ``parameter``.
    """
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Sequence):
        raise InvalidParameter(
            parameter, f"{parameter} is {brief(given)}", remedy='It is a list: ["id", {"text": ""}]'
        )
    if len(given) > MAX_SEEDS:
        raise InvalidParameter(
            parameter, f"{parameter} has {len(given)} entries", remedy=f"The limit is {MAX_SEEDS}"
        )
    return [_seed(parameter, one, own) for one in given]


def _seed(parameter: str, given: Any, own: str | None) -> Seed:
    if isinstance(given, str):
        return Seed("id", check_text(parameter, given), 1.0)
    kinds = [kind for kind in KINDS if isinstance(given, Mapping) and kind in given]
    allowed = {"weight", *kinds[:1], *(["catalogue"] if kinds == ["id"] else [])}
    if len(kinds) != 1 or set(given) - allowed:
        raise InvalidParameter(
            parameter,
            f"{brief(given)} is nothing that can be liked",
            remedy='Write an id, or one of {"id": ...}, {"text": ...}, {"vector": [...]},'
            ' {"image": ...}, with a "weight" if you like',
        )
    weight = given.get("weight", 1.0)
    is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if not is_number or not 0 < weight <= MAX_WEIGHT:
        raise InvalidParameter(
            parameter,
            f"the weight {brief(weight)} cannot be",
            remedy=f"It is a number above 0, up to {MAX_WEIGHT:g}; what you dislike goes to unlike",
        )
    if kinds == ["id"]:
        check_text(parameter, given["id"])
    other = given.get("catalogue")
    if other is not None:
        check_text(parameter, other)
    return Seed(kinds[0], given[kinds[0]], float(weight), None if other == own else other)


def faded(seeds: Sequence[Seed], half_life: Any) -> list[Seed]:
    """The seeds, the latest last, each with half the weight of what came ``half_life`` later.

    For "because you viewed". Raises InvalidParameter.
    """
    if half_life is None:
        return list(seeds)
    is_number = isinstance(half_life, (int, float)) and not isinstance(half_life, bool)
    if not is_number or not 0 < half_life <= MAX_SEEDS:
        raise InvalidParameter(
            "half_life",
            f"half_life is {brief(half_life)}",
            remedy=f"It is how many likes later one counts twice: above 0, up to {MAX_SEEDS}",
        )
    last = len(seeds) - 1
    return [
        replace(seed, weight=seed.weight * 0.5 ** ((last - place) / half_life))
        for place, seed in enumerate(seeds)
    ]


def check_sides(likes: Sequence[Seed], unlikes: Sequence[Seed], strategy: Any) -> None:
    """Raises InvalidParameter for nothing at all, for both at once, and for the strategy."""
    if strategy not in STRATEGIES:
        raise InvalidParameter(
            "strategy",
            f"there is no strategy {brief(strategy)}",
            remedy=suggest(str(strategy)[:40], STRATEGIES, "strategies"),
        )
    if not likes and not unlikes:
        raise InvalidParameter(
            "like", "nothing is liked and nothing is not", remedy="Name an id in like, at least"
        )
    liked = {(seed.value, seed.catalogue) for seed in likes if seed.kind == "id"}
    both = [s for s in unlikes if s.kind == "id" and (s.value, s.catalogue) in liked]
    if both:
        raise InvalidParameter(
            "unlike", f"{brief(both[0].value)} is liked and disliked", remedy="Name it on one side"
        )


def average(likes: Rows, like_weights: Rows, unlikes: Rows, unlike_weights: Rows) -> Rows:
    """One vector ``(dims,)``: the mean of the likes less half the mean of the dislikes.

    Rocchio's formula (1971), scaled to length 1. Dislikes alone give the opposite of their mean,
    which outliers are nearest to. Raises InvalidParameter where likes and dislikes cancel out.
    """
    dims = likes.shape[1] if len(likes) else unlikes.shape[1]
    total = np.zeros(dims)
    if len(likes):
        total = total + np.average(likes, axis=0, weights=like_weights)
    if len(unlikes):
        total = total - DISLIKE * np.average(unlikes, axis=0, weights=unlike_weights)
    if np.linalg.norm(total) < 1e-6:
        raise InvalidParameter(
            "like", "what is liked and what is not cancel each other out", remedy="Name others"
        )
    return normalise(total)


def best(likes: Rows, unlikes: Rows) -> Rows:
    """One score ``(n,)`` from similarities ``(n, likes)`` and ``(n, dislikes)``.

    The best like where it beats the best dislike, else minus the square of that: what is nearer to
    a dislike than to any like comes last.
    """
    if not likes.shape[1]:
        farthest: Rows = -unlikes.max(axis=1)
        return farthest
    up: Rows = likes.max(axis=1)
    if not unlikes.shape[1]:
        return up
    down: Rows = unlikes.max(axis=1)
    return np.where(up > down, up, -np.square(down))


def summed(likes: Rows, like_weights: Rows, unlikes: Rows, unlike_weights: Rows) -> Rows:
    """The weighted sum of similarities to likes less that to dislikes, by the sum of weights."""
    total = likes @ like_weights - unlikes @ unlike_weights
    scaled: Rows = total / (like_weights.sum() + unlike_weights.sum())
    return scaled


def merged(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The fields of several liked items as one's: all labels, means of numbers, texts joined."""
    fields: dict[str, Any] = {}
    for name in dict.fromkeys(name for item in items for name in item):
        values = [item[name] for item in items if name in item]
        if all(isinstance(value, list) for value in values):
            labels = {label.lower(): label for value in values for label in value}
            fields[name] = list(labels.values())
        elif all(isinstance(value, (int, float)) for value in values):
            fields[name] = sum(values) / len(values)
        elif all(isinstance(value, str) for value in values):
            fields[name] = "\n".join(values)
    return fields


Weighted = tuple[Seed, Any]
"""A seed and its vector ``(dims,)``."""


def probe_of(
    vector: str, share: float, liked: Sequence[Weighted], unliked: Sequence[Weighted], strategy: str
) -> Probe:
    """Where all seeds together say to look, by one vector of the catalogue."""
    dims = len([*liked, *unliked][0][1])
    likes, weights = _matrix(liked, dims)
    unlikes, unweights = _matrix(unliked, dims)
    if strategy == "average":
        centre = average(likes, weights, unlikes, unweights)
        return Probe(vector, share, centre, likes=likes)
    rates: dict[str, Rate] = {
        "best": lambda rows: best(rows @ likes.T, rows @ unlikes.T),
        "sum": lambda rows: summed(rows @ likes.T, weights, rows @ unlikes.T, unweights),
    }
    centre = likes[0] if len(likes) else average(likes, weights, unlikes, unweights)
    return Probe(vector, share, centre, rate=rates[strategy], likes=likes)


def _matrix(seeds: Sequence[Weighted], dims: int) -> tuple[Rows, Rows]:
    rows = [np.asarray(vector, dtype=np.float64) for _, vector in seeds]
    matrix = normalise(np.stack(rows)) if rows else np.empty((0, dims))
    return matrix, np.array([seed.weight for seed, _ in seeds], dtype=np.float64)
