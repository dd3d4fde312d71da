"""Where a question's time goes: Redis, a model, ranking, and the rest, for whoever listens.

A listener's clock always runs for one part, the innermost that is entered, so nothing is counted
twice and the parts add up to the whole. It listens to its own thread only. Where nobody listens,
entering a part costs one look at a context variable.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar

REDIS, RANKING, EMBEDDING, RENDERING = range(4)
"""The parts. RENDERING is all that no other one claims: what the listener does itself."""

PARTS = ("redis", "ranking", "embedding", "rendering")
"""Their names, in this order."""

P = ParamSpec("P")
T = TypeVar("T")


class Spent:
    """The seconds that each part took so far: ``seconds[REDIS]`` and so on."""

    __slots__ = ("_at", "_part", "began", "seconds")

    def __init__(self) -> None:
        """Starts the clock, for RENDERING."""
        self.seconds = [0.0, 0.0, 0.0, 0.0]
        self._part = RENDERING
        self.began = self._at = time.perf_counter()

    def enter(self, part: int) -> int:
        """Lets the clock run for ``part`` from now on; the part that it ran for until now."""
        now = time.perf_counter()
        before = self._part
        self.seconds[before] += now - self._at
        self._at, self._part = now, part
        return before

    def mark(self) -> None:
        """Counts up to now what the running part has taken."""
        self.enter(self._part)

    @property
    def total(self) -> float:
        """The seconds of all parts together, up to the last change of part."""
        return self._at - self.began


LISTENING: ContextVar[Spent | None] = ContextVar("recommender_spent", default=None)
"""Who listens in this context: ``token = LISTENING.set(Spent())``, later ``reset(token)``."""


class spending:  # noqa: N801 (used like a function; a generator would cost more than it measures)
    """Counts what is done inside ``with spending(EMBEDDING):`` as that part."""

    __slots__ = ("_before", "_part", "_spent")

    def __init__(self, part: int) -> None:
        self._part = part

    def __enter__(self) -> None:
        self._spent = spent = LISTENING.get()
        if spent is not None:
            self._before = spent.enter(self._part)

    def __exit__(self, *_: object) -> None:
        if self._spent is not None:
            self._spent.enter(self._before)


def ranking(function: Callable[P, T]) -> Callable[P, T]:
    """Counts what ``function`` does itself as RANKING."""

    @wraps(function)
    def counted(*args: P.args, **kwargs: P.kwargs) -> T:
        spent = LISTENING.get()
        if spent is None:
            return function(*args, **kwargs)
        before = spent.enter(RANKING)
        try:
            return function(*args, **kwargs)
        finally:
            spent.enter(before)

    return counted
