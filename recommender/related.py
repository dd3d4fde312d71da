"""Stored neighbours: built for a whole catalogue, and kept right when items change.

Lists are exact up to EXACT_ITEMS items; a larger catalogue's come from its index. Whatever stops a
build or a refresh, the lists that were there stay, and the next one mends the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

from recommender.errors import IndexNotReady, InvalidParameter, brief
from recommender.nearby import Listed, Nearest, is_large, items_of, lists_of, nearest_of
from recommender.report import Progress, Silent
from recommender.store import catalogues, index, neighbours
from recommender.store.catalogues import Entry
from recommender.store.connection import Client, Server
from recommender.store.neighbours import Built

SIZE = 20
"""Neighbours that are kept of each item."""

MOST_KEPT = 255
"""The same at most: the number is one byte of a list."""

NONE_YET = 1e30
"""The last score of a list that has no end to be compared with."""

MOST = 0.05
"""The part of a catalogue that may change before it is cheaper to make every list anew."""


@dataclass(slots=True)
class RelatedReport:
    """What a build did.

    ``items`` got a list each, ``without`` have no such vector and so none; ``exact`` is whether
    every item was compared; ``seconds`` are wall time.
    """

    catalogue: str
    generation: int
    vector: str
    size: int
    items: int = 0
    without: int = 0
    exact: bool = True
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The report as it goes out with ``--json``."""
        return asdict(self)


def build(
    server: Server,
    name: str,
    *,
    using: str | None = None,
    size: int = SIZE,
    progress: Progress | None = None,
) -> RelatedReport:
    """Stores the ``size`` (1..255) nearest of every item of the catalogue ``name``.

    ``using`` names the vector (None: the first). Nobody else writes the catalogue meanwhile; it
    answers all the time. Raises UnknownCatalogue, InvalidParameter, StoreError.
    """
    if not isinstance(size, int) or not 1 <= size <= MOST_KEPT:
        raise InvalidParameter(
            "size", f"size is {brief(size)}", remedy=f"It is a whole number from 1 to {MOST_KEPT}"
        )
    began, client = time.monotonic(), server.client
    progress = progress or Silent()
    catalogues.get(client, name).catalogue.vector(using)
    waiting = f"waiting: {name!r} is being written by another process"
    with catalogues.locked(client, name, lambda: progress.note(waiting)) as check_lock:
        entry = catalogues.get(client, name)
        built = Built(entry.catalogue.vector(using), size, done=True)
        # The same once more: each list is good, be it the old or the new one.
        if neighbours.get_built(client, name, entry.generation) != built:
            built = replace(built, done=False)
            neighbours.keep_built(client, name, entry.generation, built)
        made = _build(client, entry, built, progress, check_lock)
    made.seconds = round(time.monotonic() - began, 3)
    return made


def refresh(
    client: Client,
    entry: Entry,
    check_lock: Callable[[], None] = lambda: None,
    progress: Progress | None = None,
    *,
    most: float = MOST,
    thorough: bool = True,
) -> int:
    """Brings the lists in step with the items that were noted as changed; how many were made.

    For whoever holds the catalogue's lock. Beyond the part ``most`` of the items all lists are made
    anew. Where that would take minutes and not ``thorough``, only the lists of the changed items
    themselves are removed, to be made when they are asked for, and the next load does the rest.
    """
    name, generation = entry.catalogue.name, entry.generation
    changed = neighbours.changed(client, name, generation)
    if not changed:
        return 0
    progress = progress or Silent()
    built = neighbours.get_built(client, name, generation)
    if built is None:  # dropped meanwhile
        neighbours.forget_changed(client, name, generation)
        return 0
    if not built.done:
        progress.note(f"The neighbours were not built to the end: recommender related build {name}")
        return 0
    if not thorough and is_large(entry, built, _count(client, name)):
        neighbours.delete(client, lists_of(entry), sorted(changed))
        return 0
    ids = neighbours.ids_of(client, items_of(entry))
    if len(changed) > most * len(ids):
        return _build(client, entry, built, progress, check_lock, ids).items
    nearest = nearest_of(client, entry, built, ids)
    stale = _stale(client, entry, nearest, built, changed)
    check_lock()
    neighbours.delete(client, lists_of(entry), sorted(changed - set(nearest.ids)))
    count = _write(client, entry, nearest.lists(sorted(stale)), len(stale), progress, check_lock)
    neighbours.forget_changed(client, name, generation)
    return count


def _count(client: Client, name: str) -> int:
    try:
        return index.get_state(client, name).items
    except IndexNotReady:
        return 0


def _build(
    client: Client,
    entry: Entry,
    built: Built,
    progress: Progress,
    check_lock: Callable[[], None],
    ids: list[bytes] | None = None,
) -> RelatedReport:
    name, generation = entry.catalogue.name, entry.generation
    ids = neighbours.ids_of(client, items_of(entry)) if ids is None else ids
    progress.stage("read", len(ids), None)
    nearest = nearest_of(client, entry, built, ids)
    made = RelatedReport(name, generation, built.vector, built.size, exact=nearest.exact)
    made.items = _write(client, entry, nearest.lists(), len(nearest.ids), progress, check_lock)
    made.without = len(ids) - made.items
    check_lock()
    there = neighbours.ids_of(client, lists_of(entry))
    neighbours.delete(client, lists_of(entry), sorted(set(there) - set(nearest.ids)))
    neighbours.forget_changed(client, name, generation)
    neighbours.keep_built(client, name, generation, replace(built, done=True))
    return made


def _write(
    client: Client,
    entry: Entry,
    lists: Listed,
    total: int,
    progress: Progress,
    check_lock: Callable[[], None],
) -> int:
    """Writes lists as they come; each replaces an older one at once."""
    done = 0
    while batch := list(islice(lists, neighbours.BATCH)):
        check_lock()
        done += neighbours.write(client, lists_of(entry), batch)
        progress.stage("related", done, total)
    return done


def _stale(
    client: Client, entry: Entry, nearest: Nearest, built: Built, changed: set[bytes]
) -> set[bytes]:
    """The ids whose lists may be others by now: the changed, and where these enter or leave."""
    ids = nearest.ids
    known, whole = set(ids), min(built.size, len(ids) - 1)
    stale, last = changed & known, []
    lists = neighbours.read_many(client, lists_of(entry), ids)
    for id, near in zip(ids, lists, strict=True):
        if near is None or len(near.ids) < whole or not changed.isdisjoint(near.ids):
            stale.add(id)
        last.append(near.scores[-1] if near and near.scores else NONE_YET)
    if there := sorted(changed & known):
        stale |= nearest.reached(there, last)
    return stale
