"""What an embedder is: the shape that every one of them has, and a call that holds it to that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from recommender.errors import EmbedderError

Vectors = NDArray[np.float32]


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
    batch_size: int
    is_remote: bool
    max_bytes: int | None

    @property
    def dims(self) -> int:
        """The length of a vector; it may have to be asked for over the network."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape ``(len(texts), dims)``, float32, in the order of ``texts``.

        A row of NaN stands for a text that has no meaning to the model (no known word).
        Raises EmbedderError when the model cannot be asked, TextRefused when it will not embed
        what it was given (the caller may try again with fewer texts).
        """
        ...


class ImageEmbedder(Embedder, Protocol):
    """An embedder that puts pictures beside texts, as CLIP does: near to what they mean.

    So that a catalogue embedded by its texts can be searched by a picture. None of the built-in
    ones is.
    """

    def embed_images(self, images: Sequence[bytes]) -> Vectors:
        """Unit vectors, shape ``(len(images), dims)``, float32, in the order of ``images``.

        Each of these is what a picture's file holds, in any format that the embedder reads. A row
        of NaN stands for a picture that has no meaning to the model. Raises EmbedderError when the
        model cannot be asked, TextRefused for what is no picture to it.
        """
        ...


def takes_images(embedder: Embedder) -> TypeGuard[ImageEmbedder]:
    """Whether the embedder takes pictures, too."""
    return callable(getattr(embedder, "embed_images", None))


def embed_checked(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """What the embedder gives, with a look at its shape. Raises EmbedderError for another one."""
    return _checked(embedder, embedder.embed(texts), len(texts), "texts")


def images_checked(embedder: ImageEmbedder, images: Sequence[bytes]) -> Vectors:
    """The same for pictures."""
    return _checked(embedder, embedder.embed_images(images), len(images), "images")


def _checked(embedder: Embedder, rows: Vectors, count: int, what: str) -> Vectors:
    if rows.shape != (count, embedder.dims):
        raise EmbedderError(
            f"{embedder.name} gave vectors of shape {rows.shape} for {count} {what},"
            f" not {(count, embedder.dims)}"
        )
    return rows
