"""Relevance: similarities put on 0..1, from what chance gives to what an item has with itself.

``relevance = (s - mean) / (same - mean)``, cut to 0..1, where ``mean`` is the similarity of random
pairs of the catalogue and ``same`` that of an item with itself.

Why this: the vectors of many models share a direction (Mu and Viswanath, "All-but-the-Top", 2018;
ada-002's cosines lie at 0.7 to 0.9). A share ``c`` of it makes of every cosine ``s``
``(c + s) / (1 + c)``, which is a straight line through ``same = 1``: the formula undoes it exactly.
Films by wordllama have random pairs at 0.32, and at 0.82 with such a direction added. Of their ten
nearest 73 % lie above relevance 0.3 and 22 % above 0.5, both before and after (as cosines: all of
them above 0.5 after); of all films above 0.3 and 0.5 21 % and 30 % share the first genre, before
and after, and 28 % and 34 % by another model (LSA, random pairs at 0.11). Counting standard
deviations or starting from a high quantile agreed less between models.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import vectors
from recommender.errors import InvalidParameter, brief

MIN_ITEMS = 10
"""Fewer give too few pairs (45) to tell what chance gives."""

LEAST_SPAN = 1e-6
"""Where ``same`` is no farther from ``mean``, all items are alike and nothing can be told."""

CHANGED = 0.2
"""What part of the items may come or go before it is measured again."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What similarity means in one vector of a catalogue.

    ``mean`` and ``sd`` are of the similarity of ``pairs`` random pairs, ``same`` is that of an item
    with itself (1 for cosine and l2), ``items`` how many the catalogue had then.
    """

    mean: float
    sd: float
    same: float
    pairs: int
    items: int

    def relevance(self, scores: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Similarities of any shape as relevances 0..1: 0 is chance, 1 the same; NaN stays NaN."""
        way = (np.asarray(scores, dtype=np.float64) - self.mean) / (self.same - self.mean)
        return np.asarray(np.clip(way, 0.0, 1.0))

    def of(self, score: float) -> float:
        """The same of one similarity, with six digits."""
        way = (score - self.mean) / (self.same - self.mean)
        # A third of the time that min and max take: it is worked out for every hit.
        return 0.0 if way <= 0.0 else 1.0 if way >= 1.0 else round(way, 6)

    def score_of(self, relevance: float) -> float:
        """The similarity that has this relevance, for a threshold."""
        return self.mean + relevance * (self.same - self.mean)

    def words(self, score: float) -> str:
        """How a similarity became a relevance, for ``why``."""
        chance = f"random pairs have {self.mean:.2f} +- {self.sd:.2f}"
        relevance = float(self.relevance(np.array(score)))
        if relevance <= 0:
            return f"{chance}, so {score:.2f} is no more than chance"
        return f"{chance}, so {score:.2f} is {relevance:.2f} of the way from chance to the same"


def measured(stored: NDArray[np.floating[Any]], metric: str, items: int) -> Calibration | None:
    """The calibration of a catalogue of ``items`` from a sample ``(n, dims)`` of its vectors.

    All pairs of the sample count. None for fewer than 10 items, and where all are alike.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        matrix = vectors.normalise(stored) if metric == "cosine" else stored
        matrix = matrix[np.isfinite(matrix).all(axis=1)]
        if len(matrix) < MIN_ITEMS:
            return None
        products = matrix @ matrix.T
        squares = np.einsum("ij,ij->i", matrix, matrix)
        upper = np.triu_indices(len(matrix), 1)
        scores = products[upper].astype(np.float64)
        same = float(squares.mean()) if metric == "ip" else 1.0
        if metric == "l2":
            distances = squares[upper[0]] + squares[upper[1]] - 2.0 * scores
            scores = 1.0 / (1.0 + np.sqrt(np.maximum(distances, 0.0)))
    mean, sd = float(scores.mean()), float(scores.std())
    found = Calibration(round(mean, 6), round(sd, 6), round(same, 6), len(scores), items)
    return found if _is_sound(found) else None


def blended(
    relevances: Mapping[str, NDArray[np.floating[Any]]], weights: Mapping[str, float]
) -> NDArray[np.float64]:
    """Relevance 0..1 over several vectors: the mean of theirs, weighted as the scores are."""
    total = sum(weights.values())
    parts = [weight * np.asarray(relevances[name]) for name, weight in weights.items()]
    return np.asarray(np.clip(np.sum(parts, axis=0) / total, 0.0, 1.0))


def check_min_relevance(value: Any, calibration: Calibration | None) -> None:
    """Raises InvalidParameter ("min_relevance") for what is no number 0..1, or with nothing known.

    ``calibration`` is that of the vector that is asked about.
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InvalidParameter(
            "min_relevance",
            f"min_relevance is {brief(value)}",
            remedy="It is 0 (no more alike than by chance) to 1 (the same)",
        )
    if calibration is None:
        raise InvalidParameter(
            "min_relevance",
            "what relevance means has not been measured in this catalogue",
            remedy=f"Load it again, with at least {MIN_ITEMS} items that are not all alike",
        )


def to_json(found: Mapping[str, Calibration], generation: int, items: int) -> str:
    """Calibrations by the vector's name, as they are kept."""
    named = {name: asdict(calibration) for name, calibration in found.items()}
    return json.dumps({"generation": generation, "items": items, "vectors": named})


def from_json(text: str | None, generation: int) -> dict[str, Calibration]:
    """What ``to_json`` gave; none of another generation, and none that is broken."""
    try:
        kept = json.loads(text or "{}")
        if kept.get("generation") != generation:
            return {}
        found = {name: Calibration(**values) for name, values in kept["vectors"].items()}
        return {name: each for name, each in found.items() if _is_sound(each)}
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return {}


def is_due(text: str | None, generation: int, items: int) -> bool:
    """Whether it has to be measured (again): never was, another generation, a fifth came or went.

    ``items`` is how many there are now.
    """
    try:
        kept = json.loads(text or "{}")
        before, named = int(kept["items"]), set(kept["vectors"])
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return True
    if kept.get("generation") != generation or named != set(from_json(text, generation)):
        return True
    return abs(items - before) > CHANGED * before


def _is_sound(each: Calibration) -> bool:
    numbers = (each.mean, each.sd, each.same, each.pairs, each.items)
    are_numbers = all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers)
    return are_numbers and each.same - each.mean > LEAST_SPAN
