"""Judgements out of events: what the same people liked, more often than chance would have it.

The relevance of item b for item a is

    max(0, ln(n_ab * N / (n_a * n_b))) * n_ab / (n_ab + SHRINK)

where N people liked anything, n_a of them a, n_b b and n_ab both. The first factor is their
pointwise mutual information (Church and Hanks 1990, "Word association norms, mutual information,
and lexicography"): popularity is divided out. The second draws towards 0 what few people support
(Koren 2008, "Factorization meets the neighborhood", section 2.2).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

SHRINK = 10.0
"""How many people who liked both make half of the full relevance."""

PER_USER = 100
"""How many likes of one person count, the latest: who likes everything tells nothing."""

MIN_LIKES, MIN_BOTH = 5, 2
"""Fewest people who liked an item for it to be a query, and two items for them to be a pair."""

PER_QUERY, MAX_QUERIES = 200, 2000
"""How many items are kept for a query, the most relevant, and how many queries, drawn by hash."""

AT_ONCE = 10_000
"""How many people's likes are looked at together."""


class Events:
    """Likes as they come, 28 bytes each: who, what, when."""

    def __init__(self) -> None:
        self._users: dict[str, int] = {}
        self._items: dict[str, int] = {}
        self._user, self._item = array("l"), array("l")
        self._weight, self._time = array("f"), array("d")

    def __len__(self) -> int:
        return len(self._user)

    def add(self, user: str, item: str, weight: float, time: float) -> None:
        """One event; of two with the same user and item the later one counts."""
        self._user.append(self._users.setdefault(user, len(self._users)))
        self._item.append(self._items.setdefault(item, len(self._items)))
        self._weight.append(weight)
        self._time.append(time)

    def likes(self, above: float = 0.0, per_user: int = PER_USER) -> tuple[Ints, Ints]:
        """Users and items of the events that are likes: a weight over ``above``.

        Sorted by user; of each the latest ``per_user``.
        """
        user, item = np.array(self._user, np.int64), np.array(self._item, np.int64)
        weight, time = np.array(self._weight), np.array(self._time)
        order = np.lexsort((time, item, user))  # stable: of equal times the later line is later
        user, item, weight, time = user[order], item[order], weight[order], time[order]
        last = np.append((user[1:] != user[:-1]) | (item[1:] != item[:-1]), True)[: len(user)]
        kept = last & (weight > above)
        user, item, time = user[kept], item[kept], time[kept]
        order = np.lexsort((item, -time, user))
        user, item = user[order], item[order]
        place = np.arange(len(user)) - np.searchsorted(user, user)
        return user[place < per_user], item[place < per_user]

    def judge(self, draw: Any, *, above: float = 0.0) -> Iterator[tuple[str, dict[str, float]]]:
        """Each query's id with its items and their relevance, all above 0.

        ``draw`` gives a number for an id: where there are too many queries, those with the lowest
        are taken. Memory is that of the events, and of one query's people at a time.
        """
        names = list(self._items)
        pairs = _Pairs(*self.likes(above), len(names))
        able = [number for number in range(len(names)) if pairs.likes[number] >= MIN_LIKES]
        for number in sorted(able, key=lambda each: float(draw(names[each])))[:MAX_QUERIES]:
            found = {names[other]: round(gain, 4) for other, gain in pairs.relevance(number)}
            if found:
                yield names[number], found


class _Pairs:
    """Who liked what, both ways round."""

    def __init__(self, user: Ints, item: Ints, items: int) -> None:
        self._items_of = item
        people = int(user[-1]) + 1 if len(user) else 0
        self._starts = np.searchsorted(user, np.arange(people + 1))
        order = np.argsort(item, kind="stable")
        self._users_of = user[order]
        self._places = np.searchsorted(item[order], np.arange(items + 1))
        self.likes = np.diff(self._places)
        self._people = len(np.unique(user))

    def relevance(self, query: int) -> Iterator[tuple[int, float]]:
        """The other items with their relevance for ``query``, at most PER_QUERY, best first."""
        both = self._both(query)
        both[query] = 0
        others = np.flatnonzero(both >= MIN_BOTH)
        n = both[others].astype(np.float64)
        lift = n * self._people / (float(self.likes[query]) * self.likes[others])
        gain = np.log(lift) * n / (n + SHRINK)
        order = np.argsort(-gain, kind="stable")[:PER_QUERY]
        for place in order:
            if gain[place] >= 0.0001:
                yield int(others[place]), float(gain[place])

    def _both(self, query: int) -> Ints:
        """For each item how many of those who liked ``query`` liked it."""
        users = self._users_of[self._places[query] : self._places[query + 1]]
        counts = np.zeros(len(self.likes), np.int64)
        for first in range(0, len(users), AT_ONCE):
            part = users[first : first + AT_ONCE]
            starts = self._starts[part]
            sizes = self._starts[part + 1] - starts
            shift = np.repeat(starts - np.append(0, np.cumsum(sizes)[:-1]), sizes)
            theirs = self._items_of[shift + np.arange(len(shift))]
            counts += np.bincount(theirs, minlength=len(counts))
        return counts
