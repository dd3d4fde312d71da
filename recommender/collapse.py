"""Near-duplicates collapsed: of items that are as good as one thing the best ranked is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.calibration import Calibration
from recommender.errors import InvalidParameter, brief

DEFAULT = 0.99
"""The relevance (without a calibration: the similarity) from which two items are one thing.

Seen from 400 of the 44,446 products of fashion.csv (wordllama on name, article, colour and usage):
45 % have a neighbour at 0.99, 42 % one at 0.9999, which is the very same text. Pairs from 0.99 on
differ in a plural, an apostrophe or an article's number; from 0.98 on also in what a buyer sees
("Set of Two Silver Ring", "Silver Ring"), from 0.95 on in colour or kind. None of 400 films has a
neighbour at 0.9; sequels of one series lie at 0.75 to 0.87 and are different things.
"""

ROWS_AT_ONCE = 512
FEW = 50
"""So many that stay are found one by one, each compared with all others: such small products take
one core. For larger ones numpy waits for a second, 10 ms where the machine is busy."""

ROUNDING = 1e-6
"""Products of equal vectors come out as little as this below 1."""


@dataclass(frozen=True, slots=True)
class Collapsed:
    """What is left of a ranked list.

    ``kept`` are the places of the items that stay, rising; ``hidden`` is for each kept place that
    has some the places of its near-duplicates, rising; ``of_seed`` those of the seed's.
    """

    kept: list[int]
    hidden: Mapping[int, list[int]] = field(default_factory=dict)
    of_seed: list[int] = field(default_factory=list)

    def why(self, place: int, ids: Sequence[str]) -> dict[str, list[str]]:
        """For ``why`` of the item at ``place``: the ids hidden behind it, {} where there is none.

        ``ids`` are those of the whole ranked list.
        """
        hidden = self.hidden.get(place)
        return {"duplicates": [ids[each] for each in hidden]} if hidden else {}


def collapse(
    units: NDArray[np.floating[Any]],
    threshold: float,
    seed: NDArray[np.floating[Any]] | None = None,
    wanted: int | None = None,
) -> Collapsed:
    """Keeps of a ranked list what is not as good as the same as something kept before.

    ``units`` ``(n, dims)`` are of length 1, best first, and so is the ``seed`` ``(dims,)``, whose
    own near-duplicates go too. Two are one thing where their product is ``threshold`` or more. Each
    hidden item goes with the first kept one that it is the same as. Takes ``n * kept`` products;
    where only the first ``wanted`` of those that stay are needed, ``n * wanted``: others may then
    be missing, but nothing that is hidden behind those.
    """
    count = len(units)
    least = min(threshold, 1.0 - ROUNDING)
    owner = np.arange(count)  # the place that stands for each
    left = np.ones(count, dtype=bool)
    of_seed: list[int] = []
    if seed is not None and count:
        left = ~(units @ seed >= least)  # NaN is like nothing
        of_seed = np.flatnonzero(~left).tolist()
    wanted = count if wanted is None else wanted
    kept = (_first if wanted <= FEW else _many)(units, least, left, owner, wanted)
    hidden: dict[int, list[int]] = {}
    for place in np.flatnonzero(owner != np.arange(count)):
        hidden.setdefault(int(owner[place]), []).append(int(place))
    return Collapsed(kept, hidden, of_seed)


def _first(
    units: NDArray[np.floating[Any]],
    least: float,
    left: NDArray[np.bool_],
    owner: NDArray[np.intp],
    wanted: int,
) -> list[int]:
    """The first ``wanted`` places that stay; what they stand for is marked in the other two."""
    kept: list[int] = []
    for place in range(len(units)):
        if len(kept) == wanted:
            break
        if left[place]:
            kept.append(place)
            later = np.flatnonzero(left & (units @ units[place] >= least))
            later = later[later > place]
            left[later], owner[later] = False, place
    return kept


def _many(
    units: NDArray[np.floating[Any]],
    least: float,
    left: NDArray[np.bool_],
    owner: NDArray[np.intp],
    wanted: int,
) -> list[int]:
    """The same block by block, a few more than ``wanted`` where a block has them."""
    kept: list[int] = []
    for start in range(0, len(units), ROWS_AT_ONCE):
        block = np.arange(start, min(start + ROWS_AT_ONCE, len(units)))
        _drop(units, kept[:wanted], block[left[block]], least, left, owner)
        if len(kept) >= wanted:
            continue
        fresh = block[left[block]]
        alike = units[fresh] @ units[fresh].T >= least
        has_like = np.triu(alike, 1).any(axis=1)  # few have: the others cost nothing
        for row, place in enumerate(fresh.tolist()):
            if not left[place]:
                continue
            kept.append(place)
            if has_like[row]:
                later = fresh[row + 1 :][alike[row, row + 1 :] & left[fresh[row + 1 :]]]
                left[later], owner[later] = False, place
    return kept


def _drop(
    units: NDArray[np.floating[Any]],
    kept: Sequence[int],
    block: NDArray[np.intp],
    least: float,
    left: NDArray[np.bool_],
    owner: NDArray[np.intp],
) -> None:
    """Marks in ``left`` and ``owner`` what of the ``block`` is the same as something kept."""
    if not kept or not len(block):
        return
    alike = units[block] @ units[list(kept)].T >= least
    same = alike.any(axis=1)
    left[block[same]] = False
    owner[block[same]] = np.asarray(kept)[alike[same].argmax(axis=1)]


def threshold_of(value: Any, calibration: Calibration | None) -> float:
    """The similarity that ``collapse=value`` means in a catalogue.

    ``value`` is True (0.99) or a relevance above 0, up to 1. Without a calibration, and for ip and
    l2 (give None there), it is taken for the cosine itself. Raises InvalidParameter ("collapse").
    """
    number = DEFAULT if value is True else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number <= 1:
        raise InvalidParameter(
            "collapse",
            f"collapse is {brief(value)}",
            remedy=f"It is true ({DEFAULT}), false, or a relevance above 0 and up to 1 (the same)",
        )
    return float(number) if calibration is None else calibration.score_of(number)
