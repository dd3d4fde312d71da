"""Events on their way into a catalogue: the good are kept, the others told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from recommender.errors import InvalidParameter, brief
from recommender.events import Event, check_event
from recommender.items import Reject
from recommender.store import catalogues, hashes, sampling
from recommender.store import events as store
from recommender.store.connection import Client

AT_ONCE = 1000

Given = Mapping[str, Any] | Event


def track(client: Client, catalogue: str, given: Iterable[Given]) -> list[Reject]:
    """Keeps the events that are good, 1,000 at once, and returns the others with their reasons.

    An event of an item that the catalogue does not have is not kept. Raises UnknownCatalogue, and
    StoreError after the thousands before were kept.
    """
    if isinstance(given, (str, bytes, Mapping, Event)) or not isinstance(given, Iterable):
        raise InvalidParameter(
            "events", f"events is {brief(given)}", remedy="It is a list of events"
        )
    prefix = hashes.prefix_of(catalogue, catalogues.generation(client, catalogue))
    rest = enumerate(given, 1)
    rejects: list[Reject] = []
    while batch := list(islice(rest, AT_ONCE)):
        checked = list(_checked(batch, rejects))
        kept = _known(client, prefix, checked, rejects)
        if kept:
            store.append(client, catalogue, kept)
    return sorted(rejects, key=lambda reject: int(reject.place.rpartition(" ")[2]))


def _checked(
    batch: Sequence[tuple[int, Given]], rejects: list[Reject]
) -> Iterator[tuple[int, Event]]:
    for number, given in batch:
        try:
            yield number, check_event(given)
        except InvalidParameter as error:
            rejects.append(Reject(_place(number), str(error)))


def _known(
    client: Client, prefix: str, events: Sequence[tuple[int, Event]], rejects: list[Reject]
) -> list[Event]:
    """Those of ``events`` whose items are there: nobody can fill Redis with ids of their own."""
    named = {id for _, event in events for id in (event.id, event.seed) if id is not None}
    there = sampling.existing(client, prefix, named)
    kept = []
    for number, event in events:
        missing = [id for id in (event.id, event.seed) if id is not None and id not in there]
        if missing:
            rejects.append(
                Reject(_place(number), f"there is no item {brief(missing[0])}", event.id)
            )
        else:
            kept.append(event)
    return kept


def _place(number: int) -> str:
    return f"event {number}"
