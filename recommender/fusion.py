"""Two rankings made one: by their ranks (RRF), or by their scores in a given ratio.

Arrays are ``(n,)``, one number for each candidate, NaN where a leg did not find it. What comes out
is 0..1, higher is better, so that boosts can be added to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RRF_K = 60
"""How little the first ranks stand out: Cormack, Clarke and Buettcher 2009, "Reciprocal Rank Fusion
outperforms Condorcet and individual rank learning methods", SIGIR."""


def ranks(scores: Floats) -> Floats:
    """Scores, higher is better -> ranks from 1; equal scores share the better rank, NaN stays."""
    found = ~np.isnan(scores)
    values = np.sort(scores[found])
    placed = np.full(scores.shape, np.nan)
    placed[found] = 1 + len(values) - np.searchsorted(values, scores[found], side="right")
    return placed


def rrf(*legs: Floats, k: float = RRF_K) -> Floats:
    """The fusion of several legs' ranks (from 1, NaN: not found): sum of 1 / (k + rank).

    Divided by what the first of every leg would have, so the best possible is 1. It says how
    items stand to each other and nothing else: never put a threshold on it.
    """
    total = np.zeros(legs[0].shape)
    for leg in legs:
        total += np.nan_to_num(1.0 / (k + leg), nan=0.0)
    return np.asarray(total * (k + 1.0) / len(legs), dtype=np.float64)


def blend(similarity: Floats, text: Floats, ratio: float) -> Floats:
    """``ratio * similarity + (1 - ratio) * text``, each on 0..1 among the candidates.

    ``ratio`` 1 is vectors alone, 0 words alone. The similarity runs from the least of the
    candidates to the greatest; text scores are divided by the greatest, and 0 where a candidate
    has none of the words.
    """
    return ratio * spanned(similarity) + (1.0 - ratio) * shared(text)


def spanned(values: Floats) -> Floats:
    """Values put on 0..1 from the least to the greatest, 1 where all are equal, NaN as 0."""
    found = ~np.isnan(values)
    if not found.any():
        return np.zeros(values.shape)
    low, high = values[found].min(), values[found].max()
    scaled = (values - low) / (high - low) if high > low else np.ones(values.shape)
    return np.where(found, scaled, 0.0)


def shared(values: Floats) -> Floats:
    """Values from 0 up as shares of the greatest, NaN as 0."""
    filled = np.nan_to_num(values, nan=0.0)
    greatest = filled.max(initial=0.0)
    return np.asarray(filled / greatest, dtype=np.float64) if greatest > 0 else filled
