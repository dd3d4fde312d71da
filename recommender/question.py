"""A question as vectors: what to look around, whatever it was asked with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.floating[Any]]
Rate = Callable[[Rows], Rows]
"""Unit vectors ``(n, dims)`` -> their scores ``(n,)``."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Where to look by one vector of the catalogue.

    ``share`` 0..1 is what it counts of the similarity. Candidates are the nearest to ``centre``
    ``(dims,)``. Where their score is not the similarity to it, ``rate`` gives it, and they are the
    nearest to each of ``likes`` ``(n, dims)``, too.
    """

    vector: str
    share: float
    centre: Rows
    rate: Rate | None = None
    likes: Rows | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for.

    ``vector`` is the main one. ``fields`` are those of the seed, for what is relative to it;
    ``named`` are ids that never come back; ``likes`` names the rows of each probe's ``likes``;
    ``text`` holds the user's own words; ``twin`` ``(dims,)`` is the main vector of the only item
    that is asked with, whose near-duplicates are as good as the item itself.
    """

    vector: str
    probes: Sequence[Probe]
    fields: Mapping[str, Any] = field(default_factory=dict)
    named: Sequence[str] = ()
    text: str | None = None
    likes: Sequence[str] = ()
    twin: Rows | None = None

    @property
    def is_asked_in_words(self) -> bool:
        """Whether the words to find are the user's own, not those of an item."""
        return self.text is not None and not self.fields
