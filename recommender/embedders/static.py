"""Texts to vectors with wordllama: a static table of token vectors, offline and without a GPU."""

from __future__ import annotations

import functools
import logging
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.embedders.contract import Vectors
from recommender.errors import EmbedderError, InvalidCatalogue
from recommender.settings import Settings
from recommender.vectors import normalise

DIMS = (64, 128, 256)
"""The lengths the model was trained for (Matryoshka): a prefix of a vector is a vector."""

PIECE_CHARACTERS = 10_000
"""Longer texts are cut: a token's vector is 1 KB, and a character may be four tokens."""

GROUP_CHARACTERS = 1_000_000
"""What is tokenised at once: the tokenizer takes about 100 bytes a character."""

SINGLE_SPACE = re.compile(r".*[^ >](?= [^ <])", re.DOTALL)
"""Up to the last space that is alone and beside no ``<s>``: there the tokenizer looks further."""

_loading = threading.Lock()


class WordLlama:
    """The bundled wordllama model: the mean of a text's token vectors, scaled to length 1.

    ``dims`` is 64, 128 or 256 (the default). Raises InvalidCatalogue for other dims or a model.
    One object may be used by many threads at once.
    """

    def __init__(self, model: str, dims: int | None, settings: Settings) -> None:
        if model:
            raise InvalidCatalogue(
                f"wordllama takes no model, not {model!r}", remedy="Write wordllama alone"
            )
        if dims is not None and dims not in DIMS:
            raise InvalidCatalogue(
                f"wordllama has no vectors of {dims} numbers", remedy="dims is 64, 128 or 256"
            )
        self.name = "wordllama"
        self.dims = dims or DIMS[-1]
        self.batch_size = 1000
        self.is_remote = False
        self.max_bytes: int | None = None

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape ``(len(texts), dims)``, float32; a blank text gives a row of NaN.

        Memory does not grow with the length of the texts. One beyond 10,000 characters is cut
        between words, which changes nothing, or else, where 10,000 have no space, inside a word.
        Raises EmbedderError when the model cannot be loaded.
        """
        # wordllama's own embed() pads a batch to its longest text: one long text costs gigabytes.
        model = _model()
        sums = np.zeros((len(texts), self.dims), dtype=np.float32)
        for group in _groups(texts):
            encodings = model.tokenizer.encode_batch(
                [piece for _, piece in group], add_special_tokens=False
            )
            for (row, _), encoding in zip(group, encodings, strict=True):
                sums[row] += _pool(model.embedding, encoding.ids)[: self.dims]
        # The length is scaled away, so the sum serves as well as the mean.
        return normalise(sums).astype(np.float32, copy=False)


def _pool(table: NDArray[np.float32], ids: list[int]) -> NDArray[np.float64]:
    """The sum ``(256,)`` of the rows ``ids``; one beyond the table is its last, as in wordllama."""
    rows = table.take(ids, axis=0, mode="clip")
    # In float32, as wordllama adds them up, 20,000 tokens are wrong by 1e-5.
    pooled: NDArray[np.float64] = rows.sum(axis=0, dtype=np.float64)
    return pooled


def _groups(texts: Sequence[str]) -> Iterator[list[tuple[int, str]]]:
    """Rows and pieces of the texts that are not blank, as many as may be tokenised at once."""
    group: list[tuple[int, str]] = []
    size = 0
    for row, text in enumerate(texts):
        for piece in _pieces(text):
            group.append((row, piece))
            size += len(piece)
            if size >= GROUP_CHARACTERS:
                yield group
                group, size = [], 0
    if group:
        yield group


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces that together have its tokens, none for a blank text.

    No token reaches over a space, and the tokenizer puts one before every piece, so the space at
    a cut is left out. Half a surrogate pair, which no tokenizer takes, becomes a question mark.
    """
    if not text.strip():
        return
    text = text.encode(errors="replace").decode()
    start = 0
    while len(text) - start > PIECE_CHARACTERS:
        end = start + PIECE_CHARACTERS
        found = SINGLE_SPACE.match(text, start, end)
        cut = found.end() if found else end
        yield text[start:cut]
        start = cut + bool(found)
    yield text[start:]


def _model() -> Any:
    with _loading:
        return _load()


@functools.cache
def _load() -> Any:
    """The bundled model, once a process. Raises EmbedderError where the package is broken."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        import wordllama  # here, because it takes 0.2 s that most commands need not spend

        # Only its own folder as the cache makes it find the tokenizer that it brings along.
        model = wordllama.WordLlama.load(
            cache_dir=Path(wordllama.__file__).parent, disable_download=True
        )
    except (ImportError, OSError, ValueError) as error:
        raise EmbedderError(
            f"wordllama cannot be loaded: {error}", remedy="pip install --force-reinstall wordllama"
        ) from error
    finally:
        # wordllama calls logging.basicConfig(level=INFO) when it is imported.
        root.handlers[:] = handlers
        root.setLevel(level)
    model.tokenizer.no_padding()
    model.tokenizer.no_truncation()
    return model
