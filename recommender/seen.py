"""Which ids a source has named already, in 8 bytes each, whatever their length."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np


class SeenIds:
    """The ids that a source has named, as sorted 64-bit digests: 8 bytes each, whatever the ids."""

    def __init__(self) -> None:
        self._digests = np.empty(0, dtype=np.uint64)

    def add(self, ids: Sequence[str]) -> set[int]:
        """Remembers ``ids`` and returns the positions of those that were there before."""
        raw = b"".join(blake2b(id.encode(), digest_size=8).digest() for id in ids)
        fresh = np.frombuffer(raw, dtype=np.uint64)
        first = np.zeros(len(fresh), dtype=bool)
        unique, positions = np.unique(fresh, return_index=True)
        first[positions] = True
        places = np.searchsorted(self._digests, unique)
        inside = places < len(self._digests)
        known = np.zeros(len(unique), dtype=bool)
        known[inside] = self._digests[places[inside]] == unique[inside]
        self._digests = np.insert(self._digests, places[~known], unique[~known])
        return set(np.flatnonzero(~first).tolist()) | set(positions[known].tolist())
