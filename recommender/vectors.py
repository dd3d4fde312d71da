"""Vectors as numpy arrays: check them, normalise them, turn them into bytes and back.

Shapes: one vector is ``(dims,)``, many are ``(n, dims)``. No function changes its arguments.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def faults(vectors: NDArray[np.floating[Any]]) -> dict[int, str]:
    """Row number -> what is wrong with it, for the rows of ``(n, dims)`` that must not be stored.

    Redis would take NaN, infinite and zero vectors and answer with the score ``nan``.
    """
    bad = {int(row): "is not finite" for row in np.flatnonzero(~np.isfinite(vectors).all(axis=1))}
    zero = np.flatnonzero(~vectors.any(axis=1))
    return bad | {int(row): "is all zeros" for row in zero}


def check(value: Any, dims: int) -> NDArray[np.float64]:
    """One vector ``(dims,)`` float64 from a list, a tuple or an array.

    Raises InvalidVector for another length, anything but finite numbers, or all zeros.
    """
    try:
        vector = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidVector("the vector is not a list of numbers") from error
    if vector.ndim != 1 or vector.size != dims:
        raise InvalidVector(
            f"the vector has {vector.size if vector.ndim == 1 else vector.shape} numbers,"
            f" the catalogue's have {dims}"
        )
    fault = faults(vector[np.newaxis])
    if fault:
        raise InvalidVector(f"the vector {fault[0]}")
    return vector


def normalise(vectors: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Rows of ``(n, dims)`` or one ``(dims,)`` scaled to length 1; zero rows become NaN."""
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled: NDArray[np.floating[Any]] = vectors / np.linalg.norm(
            vectors, axis=-1, keepdims=True
        )
    return scaled


def as_stored(vectors: NDArray[np.floating[Any]], dtype: str) -> NDArray[Any]:
    """The numbers as a field of type ``dtype`` holds them; too large ones become infinite."""
    with np.errstate(over="ignore"):
        return vectors.astype(DTYPES[dtype])


def to_bytes(vectors: NDArray[np.floating[Any]], dtype: str) -> list[bytes]:
    """The rows of ``(n, dims)`` as the bytes of fields of type ``dtype``."""
    return [row.tobytes() for row in as_stored(vectors, dtype)]


def from_bytes(blobs: Sequence[bytes], dtype: str) -> NDArray[np.float32]:
    """Stored vectors as ``(n, dims)`` float32; all blobs must have one length."""
    flat = np.frombuffer(b"".join(blobs), dtype=DTYPES[dtype])
    return flat.reshape(len(blobs), -1).astype(np.float32)


def score_of(distance: float, metric: str) -> float:
    """Redis's distance as a similarity, higher is closer.

    cosine and ip: the product, ``1 - distance``, clamped to -1..1 for cosine because rounding
    gives 1.0000001. l2: ``1 / (1 + d)`` with the Euclidean ``d``; Redis reports its square.
    """
    if metric == "l2":
        return 1.0 / (1.0 + math.sqrt(max(distance, 0.0)))
    product = 1.0 - distance
    return max(-1.0, min(1.0, product)) if metric == "cosine" else product
