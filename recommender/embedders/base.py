"""How an embedder is made from its name in the catalogue file, and asked for many texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import numpy as np

from recommender.catalogue import Catalogue
from recommender.embedders.contract import (
    Embedder,
    Vectors,
    embed_checked,
    images_checked,
    takes_images,
)
from recommender.embedders.passages import Passages
from recommender.errors import (
    EmbedderError,
    InvalidCatalogue,
    InvalidParameter,
    RecommenderError,
    TextRefused,
)
from recommender.registry import find
from recommender.settings import Settings

__all__ = [
    "Embedder", "Vectors", "embed_all", "embed_picture", "is_long", "make_embedder", "text_limits",
]  # fmt: skip

MAX_REFUSED = 8
"""Texts refused one after the other before the embedder itself is blamed."""


def make_embedder(name: str, dims: int | None, settings: Settings) -> Embedder:
    """The embedder called ``KIND`` or ``KIND:MODEL``; ``dims`` None means the model's own.

    It takes texts of any length: where the model does not, as the mean of their passages.
    Raises InvalidCatalogue for an unknown name or impossible dims, EmbedderError for a missing key.
    """
    embedder = _made(name, dims, settings)
    return embedder if embedder.max_bytes is None else Passages(embedder)


def embed_picture(embedder: Embedder, picture: bytes) -> Vectors:
    """The unit vector ``(dims,)`` of what a picture's file holds.

    Raises InvalidParameter ("image") for an embedder that takes no pictures and for a picture that
    it does not take, EmbedderError where it cannot be asked or gives something else.
    """
    if not takes_images(embedder):
        raise InvalidParameter(
            "image", f"{embedder.name} embeds texts and no images",
            remedy="Search with words, or name the vector of another model with 'using'",
        )  # fmt: skip
    try:
        [row] = images_checked(embedder, [picture])
    except TextRefused as error:
        raise InvalidParameter(
            "image", f"{embedder.name} refused the image: {error.message}", remedy=error.remedy
        ) from error
    if not np.isfinite(row).all():
        raise InvalidParameter(
            "image", f"{embedder.name} sees nothing in the image", remedy="Use another one"
        )
    return np.asarray(row)


def text_limits(catalogue: Catalogue, settings: Settings) -> dict[str, int]:
    """The most bytes of UTF-8 that the embedder of each vector takes as one passage.

    Without those that take any length, or that cannot be made (no key yet, no such model).
    """
    limits: dict[str, int] = {}
    for name, spec in catalogue.vectors.items():
        with suppress(RecommenderError):
            limit = _made(spec.embedder, spec.dims, settings).max_bytes
            if limit is not None:
                limits[name] = limit
    return limits


def is_long(texts: Mapping[str, str], limits: Mapping[str, int]) -> bool:
    """Whether one of an item's texts goes beyond the limit of its vector."""
    return any(len(texts[name].encode(errors="replace")) > limit for name, limit in limits.items())


def _made(name: str, dims: int | None, settings: Settings) -> Embedder:
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
            rows = embed_checked(embedder, texts[start:end])
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
        matrix[start:end] = rows
        for row in np.flatnonzero(np.isnan(rows).any(axis=1)):
            refused[start + int(row)] = f"is empty: {embedder.name} knows no word of the text"
        in_a_row = 0
        on_done(end - start)
    return matrix, refused
