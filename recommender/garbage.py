"""Python's search for cyclic garbage, while millions of objects come and go without a cycle."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

COLLECT_AFTER = 100_000
"""Objects made, less those gone, before Python looks for cycles; its own number is 700."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Has the whole process look for cycles less often: a sixth of a load's time went into it."""
    before = gc.get_threshold()
    if before[0]:
        gc.set_threshold(max(before[0], COLLECT_AFTER), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
