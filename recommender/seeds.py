"""What is liked and disliked, items, texts and vectors, and what they come to together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InvalidParameter, brief, suggest
from recommender.vectors import normalise

MAX_SEEDS = 100
MAX_WEIGHT = 1000.0
DISLIKE = 0.5
"""How much dislikes count beside likes in an average."""

Strategy = Literal["average", "best", "sum"]
STRATEGIES = ("average", "best", "sum")
KINDS = ("id", "text", "vector")

Rows = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Seed:
    """One thing that is liked or not: ``kind`` is id, text or vector; ``weight`` is above 0."""

    kind: str
    value: Any
    weight: float


def read(parameter: str, given: Any) -> list[Seed]:
    """Seeds from ids, or from ``{"id" | "text" | "vector": ..., "weight": 1}``.

    Raises InvalidParameter naming ``parameter``.
    """
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Sequence):
        raise InvalidParameter(
            parameter, f"{parameter} is {brief(given)}", remedy='It is a list: ["id", {"text": ""}]'
        )
    if len(given) > MAX_SEEDS:
        raise InvalidParameter(
            parameter, f"{parameter} has {len(given)} entries", remedy=f"The limit is {MAX_SEEDS}"
        )
    return [_seed(parameter, one) for one in given]


def _seed(parameter: str, given: Any) -> Seed:
    if isinstance(given, str):
        return Seed("id", given, 1.0)
    kinds = [kind for kind in KINDS if isinstance(given, Mapping) and kind in given]
    if len(kinds) != 1 or set(given) - {kinds[0], "weight"}:
        raise InvalidParameter(
            parameter,
            f"{brief(given)} is nothing that can be liked",
            remedy='Write an id, or one of {"id": ...}, {"text": ...}, {"vector": [...]},'
            ' with a "weight" if you like',
        )
    weight = given.get("weight", 1.0)
    is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if not is_number or not math.isfinite(weight) or not 0 < weight <= MAX_WEIGHT:
        raise InvalidParameter(
            parameter,
            f"the weight {brief(weight)} cannot be",
            remedy=f"It is a number above 0, up to {MAX_WEIGHT:g}; what you dislike goes to unlike",
        )
    return Seed(kinds[0], given[kinds[0]], float(weight))


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
    """The fields of several liked items as one's: all their labels, the means of their numbers."""
    fields: dict[str, Any] = {}
    for name in dict.fromkeys(name for item in items for name in item):
        values = [item[name] for item in items if name in item]
        if all(isinstance(value, list) for value in values):
            labels = {label.lower(): label for value in values for label in value}
            fields[name] = list(labels.values())
        elif all(isinstance(value, (int, float)) for value in values):
            fields[name] = sum(values) / len(values)
    return fields


@dataclass(frozen=True, slots=True)
class Seeds:
    """Likes and dislikes as vectors.

    ``centre`` ``(dims,)`` is where to look first; ``likes`` ``(n, dims)``; ``rate`` gives the
    scores of candidates where they are not the similarity to the centre; ``ids`` were named, and
    ``fields`` are those of the liked items, merged.
    """

    centre: Rows
    likes: Rows
    rate: Callable[[Rows], Rows] | None
    ids: Sequence[str]
    fields: Mapping[str, Any]


Resolved = tuple[Seed, Any, "dict[str, Any] | None"]
"""A seed, its vector ``(dims,)`` and its fields, where it is an item."""


def gathered(liked: Sequence[Resolved], unliked: Sequence[Resolved], strategy: Any) -> Seeds:
    """All seeds together. Raises InvalidParameter for none at all and for an unknown strategy."""
    if strategy not in STRATEGIES:
        raise InvalidParameter(
            "strategy",
            f"there is no strategy {brief(strategy)}",
            remedy=suggest(str(strategy)[:40], STRATEGIES, "strategies"),
        )
    if not liked and not unliked:
        raise InvalidParameter(
            "like", "nothing is liked and nothing is not", remedy="Name an id in like, at least"
        )
    dims = len([*liked, *unliked][0][1])
    likes, weights = _matrix(liked, dims)
    unlikes, unweights = _matrix(unliked, dims)
    rates: dict[str, Callable[[Rows], Rows] | None] = {
        "average": None,
        "best": lambda rows: best(rows @ likes.T, rows @ unlikes.T),
        "sum": lambda rows: summed(rows @ likes.T, weights, rows @ unlikes.T, unweights),
    }
    both = [*liked, *unliked]
    return Seeds(
        centre=_centre(strategy, likes, weights, unlikes, unweights),
        likes=likes,
        rate=rates[strategy],
        ids=[seed.value for seed, _, _ in both if seed.kind == "id"],
        fields=merged([fields for _, _, fields in liked if fields is not None]),
    )


def _matrix(seeds: Sequence[Resolved], dims: int) -> tuple[Rows, Rows]:
    rows = [np.asarray(vector, dtype=np.float64) for _, vector, _ in seeds]
    matrix = normalise(np.stack(rows)) if rows else np.empty((0, dims))
    return matrix, np.array([seed.weight for seed, _, _ in seeds], dtype=np.float64)


def _centre(strategy: str, likes: Rows, weights: Rows, unlikes: Rows, unweights: Rows) -> Rows:
    """Where to look first; the other strategies look around each like, too."""
    if strategy != "average" and len(likes):
        first: Rows = likes[0]
        return first
    return average(likes, weights, unlikes, unweights)
