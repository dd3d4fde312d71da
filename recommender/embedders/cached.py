"""Nothing is paid for twice: what a remote embedder gave is kept, and asked for first."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Protocol

import numpy as np

from recommender.embedders.contract import Embedder, Vectors, embed_checked

DIGEST_BYTES = 16
STORED = np.dtype("<f4")

CALL_BYTES = 400_000
"""Text of one call, below what OpenAICompatible sends in one request: what breaks off midway loses
one request and not those before it."""


class Cache(Protocol):
    """Where the vectors of one embedder are kept, by the digest of their text."""

    def get(self, digests: Sequence[bytes]) -> list[bytes | None]:
        """Vectors as float32 little-endian, None where there is none."""
        ...

    def put(self, vectors: Mapping[bytes, bytes]) -> None:
        """Keeps vectors. What cannot be kept for want of space is passed over."""
        ...


class Cached:
    """An embedder around another: only texts that the cache does not know are embedded.

    Equal texts are embedded once, also where several threads ask for them at the same time. What
    came back is kept at once, a call at a time; rows of NaN and refused texts are not kept. What
    the cache gives back is checked: a vector of another length or not finite is made again.

    Errors of the embedder and of the cache come through.
    """

    def __init__(self, embedder: Embedder, cache: Cache) -> None:
        self._embedder = embedder
        self._cache = cache
        self._lock = threading.Lock()
        self._under_way: dict[bytes, threading.Event] = {}
        self.name = embedder.name
        self.batch_size = embedder.batch_size
        self.is_remote = embedder.is_remote
        self.max_bytes = embedder.max_bytes

    @property
    def dims(self) -> int:
        """The length of a vector, which the embedder may have to ask for."""
        return self._embedder.dims

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape ``(len(texts), dims)``, from the cache or else from the embedder."""
        digests = [digest_of(text) for text in texts]
        todo = dict(zip(digests, texts, strict=True))
        rows: dict[bytes, Vectors] = {}
        while todo:
            mine, others = self._claim(todo)
            try:
                rows |= self._kept_or_made(mine)
            finally:
                self._release(mine)
            for event in others:
                event.wait()
            # What another thread was about is kept by now, or it failed and is tried here.
            todo = {digest: text for digest, text in todo.items() if digest not in rows}
        found = [rows[digest] for digest in digests]
        return np.stack(found) if found else np.empty((0, self.dims), dtype=np.float32)

    def unknown(self, texts: Sequence[str]) -> list[str]:
        """Those of ``texts`` that would have to be embedded, each once."""
        todo = {digest_of(text): text for text in texts}
        kept = self._kept(list(todo))
        return [text for digest, text in todo.items() if digest not in kept]

    def _kept_or_made(self, todo: Mapping[bytes, str]) -> dict[bytes, Vectors]:
        rows = self._kept(list(todo))
        missing = [(digest, text) for digest, text in todo.items() if digest not in rows]
        for group in _calls(missing, self.batch_size):
            made = embed_checked(self._embedder, [text for _, text in group])
            made = np.asarray(made, dtype=np.float32)
            digests = [digest for digest, _ in group]
            new = dict(zip(digests, made, strict=True))
            good = _finite(new)
            self._cache.put({digest: row.astype(STORED).tobytes() for digest, row in good.items()})
            rows |= new
        return rows

    def _kept(self, digests: Sequence[bytes]) -> dict[bytes, Vectors]:
        """The rows of these texts that the cache has, if they can be right."""
        size = self.dims * STORED.itemsize
        pairs = zip(digests, self._cache.get(digests), strict=True) if digests else ()
        found = {digest: value for digest, value in pairs if value and len(value) == size}
        matrix = np.frombuffer(b"".join(found.values()), dtype=STORED).astype(np.float32)
        matrix = matrix.reshape(len(found), self.dims)
        return _finite(dict(zip(found, matrix, strict=True)))

    def _claim(self, todo: Mapping[bytes, str]) -> tuple[dict[bytes, str], set[threading.Event]]:
        """What this thread is to see to, and what tells when others are done with the rest."""
        done = threading.Event()
        with self._lock:
            others = {digest: self._under_way.get(digest) for digest in todo}
            mine = {digest: text for digest, text in todo.items() if others[digest] is None}
            self._under_way |= dict.fromkeys(mine, done)
        return mine, {event for event in others.values() if event is not None}

    def _release(self, mine: Mapping[bytes, str]) -> None:
        with self._lock:
            events = {self._under_way.pop(digest) for digest in mine}
        for event in events:
            event.set()


def digest_of(text: str) -> bytes:
    """The 16 bytes by which a text is known; of a billion texts no two are likely to share them."""
    return blake2b(text.encode(errors="surrogatepass"), digest_size=DIGEST_BYTES).digest()


def _finite(rows: Mapping[bytes, Vectors]) -> dict[bytes, Vectors]:
    return {digest: row for digest, row in rows.items() if np.isfinite(row).all()}


def _calls(texts: Sequence[tuple[bytes, str]], count: int) -> Iterator[list[tuple[bytes, str]]]:
    """The texts in groups of ``count`` and ``CALL_BYTES`` at most; a longer one is alone."""
    group: list[tuple[bytes, str]] = []
    size = 0
    for digest, text in texts:
        length = len(text.encode(errors="surrogatepass"))
        if group and (len(group) == count or size + length > CALL_BYTES):
            yield group
            group, size = [], 0
        group.append((digest, text))
        size += length
    if group:
        yield group
