"""What an embedder is, and how one is made from its name in the catalogue file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.errors import EmbedderError, InvalidCatalogue, TextRefused
from recommender.registry import find
from recommender.settings import Settings

Vectors = NDArray[np.float32]

MAX_REFUSED = 8
"""Texts refused one after the other before the embedder itself is blamed."""


class Embedder(Protocol):
    """Texts to unit vectors.

    ``name`` tells which model it is (``openai:text-embedding-3-small``): two embedders with the
    same name and dims must give the same vectors. ``dims`` is the length of a vector.
    ``batch_size`` is how many texts it likes to be given at once. ``is_remote`` says that each call
    goes over a network and may be paid for: its vectors are worth keeping, and several calls at
    once are faster. ``max_bytes`` is the longest text, in bytes of UTF-8, that it takes whole; None
    means that it takes any length, or that nobody knows the limit.
    """

    name: str
    dims: int
    batch_size: int
    is_remote: bool
    max_bytes: int | None

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape ``(len(texts), dims)``, float32, in the order of ``texts``.

        A row of NaN stands for a text that has no meaning to the model (no known word).
        Raises EmbedderError when the model cannot be asked, TextRefused when it will not embed
        what it was given (the caller may try again with fewer texts).
        """
        ...


def make_embedder(name: str, dims: int | None, settings: Settings) -> Embedder:
    """The embedder called ``KIND`` or ``KIND:MODEL``; ``dims`` None means the model's own.

    Raises InvalidCatalogue for an unknown name or impossible dims, EmbedderError for a missing key.
    """
    kind, _, model = name.partition(":")
    if kind == "given":
        raise InvalidCatalogue(
            "the vectors of this catalogue are given, so there is no model to embed a text",
            remedy="Search by id or by vector",
        )
    embedder: Embedder = find("recommender.embedders", kind)(model, dims, settings)
    return embedder


def embed_all(
    embedder: Embedder, texts: Sequence[str], on_done: Callable[[int], None]
) -> tuple[Vectors, dict[int, str]]:
    """Vectors ``(n, dims)``, and the positions of texts that the embedder will not take, with why.

    A refused batch is halved until the culprit stands alone; where one text after the other is
    refused it is the embedder that is wrong, and EmbedderError says so. ``on_done`` is told how
    many more texts are through.
    """
    matrix = np.full((len(texts), embedder.dims), np.nan, dtype=np.float32)
    refused: dict[int, str] = {}
    in_a_row = 0
    size = embedder.batch_size
    todo = [(start, min(start + size, len(texts))) for start in range(0, len(texts), size)]
    while todo:
        start, end = todo.pop(0)
        try:
            rows = embedder.embed(texts[start:end])
        except TextRefused as error:
            if end - start > 1:
                middle = (start + end) // 2
                todo[:0] = [(start, middle), (middle, end)]
                continue
            refused[start] = f"was refused: {error}"
            in_a_row += 1
            if in_a_row >= MAX_REFUSED:
                raise EmbedderError(
                    f"{embedder.name} refused {in_a_row} texts in a row, the last: {error}"
                ) from error
            continue
        if rows.shape != (end - start, embedder.dims):
            raise EmbedderError(
                f"{embedder.name} gave vectors of shape {rows.shape} for {end - start} texts,"
                f" not {(end - start, embedder.dims)}"
            )
        matrix[start:end] = rows
        for row in np.flatnonzero(np.isnan(rows).any(axis=1)):
            refused[start + int(row)] = f"is empty: {embedder.name} knows no word of the text"
        in_a_row = 0
        on_done(end - start)
    return matrix, refused
