"""Vectors as numpy arrays: check them, normalise them, turn them into bytes and back.

Shapes: one vector is ``(dims,)``, many are ``(n, dims)``. No function changes its arguments.
"""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from recommender.errors import InvalidVector

DTYPES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}
"""Names in the catalogue file -> what Redis stores, little-endian."""


MAX_ABSOLUTE = 1e15
"""Largest number of a vector, either way: products of larger ones leave the range of a float."""


def faults(vectors: NDArray[np.floating[Any]]) -> dict[int, str]:
    """Row number -> what is wrong with it, for the rows of ``(n, dims)`` that must not be stored.

    Redis would take NaN, infinite and zero vectors and answer with the score ``nan``.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # over: 1e15 as float16
        computed = as_computed(vectors)
        squares = np.einsum("ij,ij->i", computed, computed)
        if ((squares > 0) & (squares < MAX_ABSOLUTE**2)).all():  # as good as always
            return {}
        large = np.flatnonzero((np.abs(vectors) > MAX_ABSOLUTE).any(axis=1))
    bad = {int(row): f"holds numbers beyond {MAX_ABSOLUTE:.0e}" for row in large}
    bad |= {int(row): "is not finite" for row in np.flatnonzero(~np.isfinite(vectors).all(axis=1))}
    zero = np.flatnonzero(~vectors.any(axis=1))
    return bad | {int(row): "is all zeros" for row in zero}


def check(value: Any, dims: int) -> NDArray[np.float64]:
    """One vector ``(dims,)`` float64 from a list, a tuple or an array.

    Raises InvalidVector for another length, anything but finite numbers, or all zeros.
    """
    if isinstance(value, (list, tuple)) and bool in map(type, value):
        raise InvalidVector("the vector is not a list of numbers")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidVector("the vector is not a list of numbers") from error
    if array.dtype.kind not in "iuf":
        raise InvalidVector("the vector is not a list of numbers")
    if array.ndim != 1 or array.size != dims:
        raise InvalidVector(
            f"the vector has {array.size if array.ndim == 1 else array.shape} numbers,"
            f" the catalogue's have {dims}"
        )
    vector: NDArray[np.float64] = array.astype(np.float64)
    fault = faults(vector[np.newaxis])
    if fault:
        raise InvalidVector(f"the vector {fault[0]}")
    return vector


def normalise(vectors: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Rows of ``(n, dims)`` or one ``(dims,)`` scaled to length 1; zero rows become NaN."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        squares = np.einsum("...i,...i->...", vectors, vectors)[..., np.newaxis]
        usual = (squares > 1e-12) & (squares < 1e12)
        unit: NDArray[np.floating[Any]] = vectors / np.sqrt(squares)
        if usual.all():
            return unit
        # By the largest first: the squares of very large or small numbers leave the range.
        scaled = vectors / np.abs(vectors).max(axis=-1, keepdims=True)
        careful = scaled / np.linalg.norm(scaled, axis=-1, keepdims=True)
        return np.where(usual, unit, careful)


def as_stored(vectors: NDArray[np.floating[Any]], dtype: str) -> NDArray[Any]:
    """The numbers as a field of type ``dtype`` holds them; too large ones become infinite."""
    with np.errstate(over="ignore"):
        return vectors.astype(DTYPES[dtype], copy=False)


def as_computed(stored: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Stored numbers in a type that sums of squares do not leave: short ones as float64."""
    return stored if stored.itemsize >= 4 else stored.astype(np.float64)


def to_bytes(vector: NDArray[np.floating[Any]], dtype: str) -> bytes:
    """One vector ``(dims,)`` as the bytes of a field of type ``dtype``.

    Raises InvalidVector where that type cannot hold its numbers.
    """
    stored = as_stored(vector, dtype)
    fault = faults(as_computed(stored)[np.newaxis])
    if fault:
        raise InvalidVector(f"the vector {fault[0]} as {dtype}")
    return stored.tobytes()


def from_bytes(blob: bytes, dtype: str) -> NDArray[np.float64]:
    """The vector ``(dims,)`` that a field of type ``dtype`` holds."""
    return np.frombuffer(blob, DTYPES[dtype]).astype(np.float64)


def score_of(distance: float, metric: str) -> float:
    """Redis's distance as a similarity, higher is closer; NaN stays NaN.

    cosine and ip: the product, ``1 - distance``, clamped to -1..1 for cosine because rounding
    gives 1.0000001. l2: ``1 / (1 + d)`` with the Euclidean ``d``; Redis reports its square.
    """
    if metric == "l2":
        return 1.0 / (1.0 + math.sqrt(max(distance, 0.0)))
    product = 1.0 - distance
    return min(max(product, -1.0), 1.0) if metric == "cosine" else product


def scores(rows: NDArray[np.float64], centre: NDArray[Any], metric: str) -> NDArray[np.float64]:
    """The similarity of each of ``rows`` ``(n, dims)`` to ``centre`` ``(dims,)``: ``(n,)``.

    As :func:`score_of` gives it; for cosine both are of length 1. What is not finite becomes NaN.
    """
    if metric == "l2":
        distances = np.sqrt(((rows - centre) ** 2).sum(axis=1))
        return np.asarray(1.0 / (1.0 + distances))
    products = rows @ centre
    return np.asarray(np.clip(products, -1.0, 1.0) if metric == "cosine" else products)
