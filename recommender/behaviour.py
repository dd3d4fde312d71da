"""Judgements out of events: what was chosen under an item, and what the same people chose.

The gain of item b for item a is the sum of two parts, either of which may be 0:

    log2(1 + weights of the events about b with the seed a)  +  the relevance of b for a

The first damps counts as Hu, Koren and Volinsky 2008 do ("Collaborative filtering for implicit
feedback datasets", equation 6): the tenth click tells less than the first. Of one user's events
about one b under one a only the heaviest counts. It knows nothing of where b stood in the list,
and what stands first is clicked most whatever it is (Joachims et al. 2005, "Accurately interpreting
clickthrough data as implicit feedback"). The second part is that of :mod:`.colikes`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from recommender.colikes import MAX_QUERIES, MIN_BOTH, MIN_LIKES, PER_QUERY
from recommender.colikes import Events as Likes
from recommender.events import Event

Gains = dict[str, dict[str, float]]


class Behaviour:
    """Events as they come, at most 56 bytes each and the names once."""

    def __init__(self, above: float = 0.0) -> None:
        """``above``: events of a type that weighs no more are left out."""
        self.count = 0
        self._above = above
        self._likes, self._chosen = Likes(), _Chosen()

    def add(self, event: Event) -> None:
        """One event; it counts by its user, by its seed, by both, or not at all."""
        self.count += 1
        if event.weight <= self._above:
            return
        if event.user is not None:
            self._likes.add(event.user, event.id, event.weight, event.time)
        if event.seed is not None:
            self._chosen.add(event)

    def judge(self, draw: Callable[[str], float]) -> Gains:
        """Query -> item -> gain, above 0; where there are too many queries, the lowest ``draw``.

        A query has 5 events with it as the seed, and 2 about each item; or 5 users, and 2 who
        chose the item, too.
        """
        found = dict(self._likes.judge(draw, above=self._above))
        for seed, gains in self._chosen.judge():
            joined = found.setdefault(seed, {})
            for item, gain in gains.items():
                joined[item] = round(joined.get(item, 0.0) + gain, 4)
        kept = sorted(found, key=lambda query: (draw(query), query))[:MAX_QUERIES]
        return {query: _best(found[query]) for query in kept}


class _Chosen:
    """What was chosen under which seed, by whom."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._users: dict[str, int] = {}
        self._seed, self._item, self._user = array("l"), array("l"), array("l")
        self._weight = array("f")

    def add(self, event: Event) -> None:
        # Nobody knows whether two without a name are one: each counts as somebody else.
        unnamed = -len(self._seed) - 1
        user = event.user
        self._seed.append(self._ids.setdefault(event.seed or "", len(self._ids)))
        self._item.append(self._ids.setdefault(event.id, len(self._ids)))
        self._user.append(
            unnamed if user is None else self._users.setdefault(user, len(self._users))
        )
        self._weight.append(event.weight)

    def judge(self) -> Iterator[tuple[str, dict[str, float]]]:
        """Each seed with at least MIN_LIKES events, its items and their gain."""
        if not self._seed:
            return
        names = list(self._ids)
        pairs, sums, counts = self._pairs()
        starts = np.flatnonzero(np.append(True, pairs[0, 1:] != pairs[0, :-1]))
        ends = np.append(starts[1:], pairs.shape[1])
        for start, end in zip(starts, ends, strict=True):
            part = np.flatnonzero(counts[start:end] >= MIN_BOTH) + start
            if counts[start:end].sum() >= MIN_LIKES and len(part):
                gains = np.log2(1.0 + sums[part])
                items = pairs[1, part]
                yield (
                    names[pairs[0, start]],
                    {names[item]: float(gain) for item, gain in zip(items, gains, strict=True)},
                )

    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Seeds and items, ``(2, n)`` sorted; the weights and the number of those who chose."""
        seed, item, user = (
            np.array(each, np.int64) for each in (self._seed, self._item, self._user)
        )
        weight = np.array(self._weight, np.float64)
        order = np.lexsort((weight, user, item, seed))
        seed, item, user, weight = seed[order], item[order], user[order], weight[order]
        other_pair = (seed[1:] != seed[:-1]) | (item[1:] != item[:-1])
        heaviest = np.append(other_pair | (user[1:] != user[:-1]), True)
        seed, item, weight = seed[heaviest], item[heaviest], weight[heaviest]
        first = np.append(True, (seed[1:] != seed[:-1]) | (item[1:] != item[:-1]))
        starts = np.flatnonzero(first)
        counts = np.diff(np.append(starts, len(seed)))
        return np.stack([seed[starts], item[starts]]), np.add.reduceat(weight, starts), counts


def _best(gains: dict[str, float]) -> dict[str, float]:
    kept = sorted(gains, key=lambda item: (-gains[item], item))[:PER_QUERY]
    return {item: gains[item] for item in kept}
