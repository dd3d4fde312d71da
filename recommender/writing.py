"""Items written by hand, one or many, into a catalogue that is there already."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

from recommender.arguments import check_names, check_text
from recommender.batch import SIZE, Comparer
from recommender.calibration import CHANGED
from recommender.catalogue import Catalogue
from recommender.errors import CatalogueBusy, RecordError
from recommender.events import Event
from recommender.items import Record, Reject
from recommender.related import refresh
from recommender.settings import Settings
from recommender.shape import id_of, parts_of, values_of
from recommender.spent import RANKING, ranking, spending
from recommender.store import calibrations, catalogues, hashes, neighbours
from recommender.store.catalogues import Entry
from recommender.store.connection import Server, connect
from recommender.target import Outcome, Target
from recommender.tracking import track

PATIENCE = 5.0
"""How many seconds a call waits while another process writes the catalogue."""

TURN_PATIENCE = 1.0
"""The same for another thread of this process: those that wait cannot serve readers meanwhile."""

Given = Mapping[str, Any] | Record | Reject
"""An item as a caller has it; a Record tells its place too, a Reject could not be read."""


class Writer:
    """Writes items of one catalogue, which a load made. Safe to share between threads.

    An item is ``{"id": "x", "fields": {"title": "..."}, "vectors": {"image": [0.1, ...]}}`` with
    the catalogue's own names and vectors only where the catalogue says that they are given.
    What a call returned from is in Redis. Two calls, or a call and a load, never mix: one waits
    for the other, and raises CatalogueBusy after 5 seconds.
    """

    def __init__(
        self, name: str, *, settings: Settings | None = None, server: Server | None = None
    ) -> None:
        """Opens the catalogue ``name`` in the Redis of ``settings`` (the environment's by default).

        Raises UnknownCatalogue with the closest name, StoreError where Redis is away.
        """
        self.name = name
        self._settings = settings or Settings.from_env()
        self._client = (server or connect(self._settings)).client
        self._turn = threading.Lock()  # spares threads of one process polling for Redis's
        self._target: Target | None = None
        self._unmeasured = 0  # items put since relevance was measured, as far as this one knows
        catalogues.get(self._client, name)

    def put(self, items: Iterable[Given]) -> list[Outcome]:
        """Writes whole items; one Outcome an item, in their order. A bad item costs only itself.

        An item that was there is replaced: what the new one does not name is gone. Of items with
        one id the first good one counts, the others are rejected. Raises StoreError or
        EmbedderError after the batches of 1,000 before it were written.
        """
        return [outcome for outcomes in self.put_batches(_cut(items)) for outcome in outcomes]

    def put_batches(self, batches: Iterable[Sequence[Given]]) -> Iterator[list[Outcome]]:
        """The same for any number of items: each batch is written before the next is asked for."""
        began: Target | None = None
        comparer: Comparer | None = None
        count = 0
        for batch in batches:
            with spending(RANKING), self._writing() as (entry, check_lock):
                target = self._opened(entry)
                if comparer is None:
                    began = target
                    comparer = target.comparer()
                if target is not began:
                    raise CatalogueBusy(
                        f"{self.name!r} has been made anew meanwhile", remedy="Send the rest again"
                    )
                records = _records(batch, count, target.catalogue)
                outcomes = target.put(records, comparer, check_lock)
            count += len(batch)
            yield outcomes
        self._refresh(count)

    @ranking
    def patch(
        self,
        id: str,
        fields: Mapping[str, Any] | None = None,
        vectors: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Sets some fields of one item, removes those given as None, and keeps the others.

        It is embedded only where its text changes; given vectors stay unless new ones come. Raises
        UnknownItem, RecordError for what the item cannot hold, StoreError and EmbedderError.
        """
        check_text("id", id)
        with self._writing() as (entry, check_lock):
            target = self._opened(entry)
            parts = parts_of(fields, vectors, target.catalogue)
            outcome = target.patch(id, parts, check_lock)
            refresh(self._client, entry, check_lock, thorough=False)
            return outcome

    @ranking
    def delete(self, ids: Sequence[str]) -> int:
        """Removes the items of these ids and says how many were there; no ids remove nothing."""
        unique = dict.fromkeys(check_text("id", id) for id in check_names("ids", ids))
        with self._writing() as (entry, check_lock):
            check_lock()
            prefix = hashes.prefix_of(self.name, entry.generation)
            if unique and neighbours.is_built(self._client, self.name, entry.generation):
                neighbours.note_changed(self._client, self.name, entry.generation, unique)
            removed = hashes.delete(self._client, [(prefix + id).encode() for id in unique])
            refresh(self._client, entry, check_lock, thorough=False)
            return removed

    @ranking
    def track(self, events: Iterable[Mapping[str, Any] | Event]) -> list[Reject]:
        """Keeps what visitors did: ``{"type": "click", "id": "x", "user": "u1", "seed": "y"}``.

        ``type`` is view, click, like or buy; ``user`` and ``seed``, the item under which this one
        was shown, may be left out. Returns those events that were not kept, with their place and
        reason: one bad one costs only itself. The latest million stays, and waits for no load.
        Raises StoreError, and UnknownCatalogue where the catalogue is gone.
        """
        return track(self._client, self.name, events)

    @ranking
    def _refresh(self, count: int) -> None:
        """Brings stored neighbours in step with the ``count`` items put, once for all of them."""
        entry = catalogues.find(self._client, self.name)
        if entry:
            self._measure(entry, count)
        if entry and neighbours.count_changed(self._client, self.name, entry.generation):
            # Whoever holds the lock now does it: what is put is put, and noted.
            with suppress(CatalogueBusy), self._writing() as (entry, check_lock):
                refresh(self._client, entry, check_lock, thorough=False)

    def _measure(self, entry: Entry, count: int) -> None:
        """What relevance means, again where so many items were put that it may have changed."""
        self._unmeasured += count
        known = [each.items for each in entry.calibration.values()]
        if not known or self._unmeasured > CHANGED * min(known):
            self._unmeasured = 0
            calibrations.refresh(self._client, entry)

    @contextmanager
    def _writing(self) -> Iterator[tuple[Entry, Callable[[], None]]]:
        """The catalogue as it is now, for this thread alone, and a check that this is still so."""
        end = time.monotonic() + PATIENCE
        if not self._turn.acquire(timeout=min(TURN_PATIENCE, PATIENCE)):
            raise CatalogueBusy(
                f"too many are writing {self.name!r}", remedy="Try again in a few seconds"
            )
        try:
            left = max(0.0, end - time.monotonic())
            with catalogues.locked(
                self._client, self.name, lambda: None, patience=left
            ) as check_lock:
                yield catalogues.get(self._client, self.name), check_lock
        finally:
            self._turn.release()

    def _opened(self, entry: Entry) -> Target:
        if self._target is None or not self._target.entry.takes_the_same(entry):
            self._target = Target(self._client, entry, self._settings)
        return self._target


def _cut(items: Iterable[Given]) -> Iterator[list[Given]]:
    rest = iter(items)
    while batch := list(islice(rest, SIZE)):
        yield batch


def _records(batch: Sequence[Given], before: int, catalogue: Catalogue) -> list[Record | Reject]:
    """The items by the converter's names, and why some are none."""
    records: list[Record | Reject] = []
    for number, given in enumerate(batch, before + 1):
        if isinstance(given, Reject):
            records.append(given)
            continue
        place, item = f"record {number}", given
        if isinstance(given, Record):
            place, item = given.place, given.values
        try:
            records.append(Record(place, values_of(item, catalogue)))
        except RecordError as error:
            records.append(Reject(place, str(error), id_of(item)))
    return records
