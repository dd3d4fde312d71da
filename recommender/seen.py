"""Which ids have been seen, in 8 bytes each, whatever their length; and which documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class SeenIds:
    """A set of texts as sorted 64-bit digests: a million hold two alike once in 37 million."""

    def __init__(self) -> None:
        self._digests = np.empty(0, dtype=np.uint64)

    def __len__(self) -> int:
        return int(self._digests.size)

    def known(self, ids: Sequence[str]) -> list[bool]:
        """For each id whether it was added before."""
        fresh = _digests(ids)
        return (self._at(fresh) == fresh).tolist() if self._digests.size else [False] * len(ids)

    def add(self, ids: Sequence[str]) -> None:
        """Adds the ids, those that are there already too."""
        fresh = np.unique(_digests(ids))
        if self._digests.size:
            fresh = fresh[self._at(fresh) != fresh]
        self._digests = np.insert(self._digests, np.searchsorted(self._digests, fresh), fresh)

    def _at(self, digests: NDArray[np.uint64]) -> NDArray[Any]:
        """The kept digests at the places where ``digests`` belong."""
        places = np.searchsorted(self._digests, digests)
        return self._digests[np.minimum(places, self._digests.size - 1)]


class SeenDocuments:
    """Which documents have been seen, when their passages come one after the other."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._document = ""
        self._came_before = False

    def came_before(self, document: str, id: str) -> bool:
        """Whether ``id`` is a passage of a document whose name another one had that was taken."""
        if document != self._document or id in (document, f"{document}#1"):
            self._document, self._came_before = document, hash(document) in self._taken
        return self._came_before

    def take(self) -> None:
        """Takes the document that was asked about last."""
        self._taken.add(hash(self._document))


def _digests(ids: Sequence[str]) -> NDArray[np.uint64]:
    # Python's own: 64 bits with a key that is another in every process, and texts keep theirs.
    return np.fromiter(map(hash, ids), np.int64, len(ids)).view(np.uint64)
