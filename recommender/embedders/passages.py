"""Long texts whole: cut into overlapping passages, whose vectors are averaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from recommender.embedders.contract import Embedder, Vectors, embed_checked, takes_images
from recommender.errors import EmbedderError, TextRefused
from recommender.vectors import normalise

OVERLAP = 10
"""A passage begins with the last tenth of the one before: a thought at a cut is whole in one."""

LAST_PART = 4
"""A cut is looked for in the last quarter of a passage, so that none is much too short."""

SMALLEST = 16
"""Fewer bytes hold no word: an embedder with such a limit is wrong about itself."""

BREAKS = tuple(
    tuple(mark.encode() for mark in marks)
    for marks in (
        ("\n\n", "\r\n\r\n", "\u2029"),
        (". ", "! ", "? ", ".\n", "!\n", "?\n", "\n", "\u3002", "\uff01", "\uff1f", "\u0964 "),
        (" ", "\t", "\u3000", "\u00a0"),
    )
)
"""What ends a paragraph, a sentence (or a line) and a word, the better place for a cut first."""


class Passages:
    """An embedder around another that takes texts of ``max_bytes`` at most; this takes any length.

    A longer text is embedded as its passages. Its vector is their mean, scaled to length 1, each
    with the weight of its bytes: the last passage may be a few words, and these would otherwise
    count as much as pages. Short texts pass through untouched. One that is refused alone is tried
    again in passages of half the length, because bytes are only a guess at a model's tokens.

    Raises EmbedderError for a limit too small to hold a word.
    """

    def __init__(self, embedder: Embedder) -> None:
        if embedder.max_bytes is not None and embedder.max_bytes < SMALLEST:
            raise EmbedderError(
                f"{embedder.name} takes texts of {embedder.max_bytes} bytes; it must be"
                f" {SMALLEST} or more",
                remedy="Correct its max_bytes (None: any length)",
            )
        self._embedder = embedder
        self._limit = embedder.max_bytes
        self.name = embedder.name
        self.batch_size = embedder.batch_size
        self.is_remote = embedder.is_remote
        self.max_bytes: int | None = None
        if takes_images(embedder):  # a picture is always whole
            self.embed_images = embedder.embed_images

    @property
    def dims(self) -> int:
        """The length of a vector, which the embedder may have to ask for."""
        return self._embedder.dims

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape ``(len(texts), dims)``; NaN where no passage has a meaning.

        Raises what the embedder raises: TextRefused when it refuses any of the passages.
        """
        if self._limit is None:
            return self._embedder.embed(texts)
        try:
            return self._embed(texts, self._limit)
        except TextRefused:
            half = self._limit // 2
            if len(texts) != 1 or half < SMALLEST or _size(texts[0]) <= half:
                raise
            return self._embed(texts, half)

    def _embed(self, texts: Sequence[str], limit: int) -> Vectors:
        passages = [[text] if _size(text) <= limit else split(text, limit) for text in texts]
        if all(len(own) == 1 for own in passages):
            return self._embedder.embed(texts)
        rows = self._in_batches(list(chain.from_iterable(passages)))
        vectors = np.empty((len(texts), rows.shape[1]), dtype=np.float32)
        start = 0
        for number, own in enumerate(passages):
            vectors[number] = _mean(rows[start : start + len(own)], own)
            start += len(own)
        return vectors

    def _in_batches(self, passages: Sequence[str]) -> Vectors:
        size = self.batch_size
        return np.concatenate(
            [
                embed_checked(self._embedder, passages[start : start + size])
                for start in range(0, len(passages), size)
            ]
        )


def split(text: str, max_bytes: int) -> list[str]:
    """The text as overlapping passages of ``max_bytes`` (4 or more) of UTF-8 at most, in order.

    Together they hold every character. A cut is after a paragraph, else a sentence or line, else a
    word, else a character; time is linear in the length of the text.
    """
    return list(_passages(text, max_bytes))


def _passages(text: str, max_bytes: int) -> Iterator[str]:
    data = text.encode(errors="surrogatepass")  # half a pair is a character like any other here
    start = 0
    while len(data) - start > max_bytes:
        end = start + max_bytes
        cut = _last_break(data, end - max_bytes // LAST_PART, end)
        yield data[start:cut].decode(errors="surrogatepass")
        start = _next_break(data, cut - max_bytes // OVERLAP, cut)
    yield data[start:].decode(errors="surrogatepass")


def _last_break(data: bytes, low: int, high: int) -> int:
    """The last good place for a cut in ``low..high``, else the last between two characters."""
    for marks in BREAKS:
        found = [(data.rfind(mark, low, high), len(mark)) for mark in marks]
        places = [place + length for place, length in found if place >= 0]
        if places:
            return max(places)
    while data[high] & 0xC0 == 0x80:  # inside a character
        high -= 1
    return high


def _next_break(data: bytes, low: int, high: int) -> int:
    """The first good place for a passage to begin in the first half of ``low..high``, else low."""
    for marks in BREAKS[1:]:  # a sentence's end is as good here as a paragraph's, and there is one
        found = [(data.find(mark, low, (low + high) // 2), len(mark)) for mark in marks]
        places = [place + length for place, length in found if place >= 0]
        if places:
            return min(places)
    while low < high and data[low] & 0xC0 == 0x80:
        low += 1
    return low


def _mean(rows: Vectors, passages: Sequence[str]) -> Vectors:
    """The vector ``(dims,)`` of a text from its passages'; those without a meaning do not count."""
    if len(passages) == 1:
        only: Vectors = rows[0]
        return only  # to the last bit what the embedder gave
    weights = np.array([_size(passage) for passage in passages], dtype=np.float64)
    known = ~np.isnan(rows).any(axis=1)
    if not known.any():
        return np.full(rows.shape[1], np.nan, dtype=np.float32)
    return normalise(weights[known] @ rows[known]).astype(np.float32, copy=False)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
