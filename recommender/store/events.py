"""Events in Redis: one stream a catalogue, ``movies:events``, the oldest trimmed off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recommender.events import MEMBERS, WEIGHTS, Event
from recommender.store.catalogues import key_of, unknown
from recommender.store.connection import Client, translated
from recommender.store.packed import EXEC, MULTI, Command, Sent

KEPT = 1_000_000
"""How many events a catalogue keeps, the latest, and up to about 100 more: Redis trims in blocks.

With short ids and users that is 80 MB.
"""

BATCH = 1000


def stream_of(catalogue: str) -> str:
    """The stream of a catalogue's events: of all its generations, and under no index's prefix."""
    return f"{catalogue}:events"


def append(client: Client, catalogue: str, events: Sequence[Event], kept: int = KEPT) -> None:
    """Adds all events or none, in their order; Redis says when. The latest ``kept`` stay.

    Raises UnknownCatalogue where there is none of that name, also when it is dropped meanwhile.
    """
    stream = stream_of(catalogue)
    head = ("XADD", stream, "MAXLEN", "~", kept, "*")
    # Always the same members in the same order: then Redis does not keep their names each time.
    commands: list[Command] = [
        (*head, "type", e.type, "id", e.id, "user", e.user or "", "seed", e.seed or "")
        for e in events
    ]
    Sent(client, [MULTI, *commands, EXEC]).finish()
    with translated():
        # Asked after the writing: a drop forgets the catalogue first and then removes the stream,
        # so that one of the two sees what the other did.
        if not client.exists(key_of(catalogue)):
            drop(client, catalogue)
            raise unknown(client, catalogue)


def read(client: Client, catalogue: str, batch: int = BATCH) -> Iterator[Event]:
    """All events, the oldest first, read while they are asked for.

    What comes in meanwhile is among them. What is no event of this version is passed over.
    """
    start = b"-"
    while True:
        with translated():
            rows = client.xrange(stream_of(catalogue), min=start, count=batch)
        for place, values in rows:
            event = _event(place, values)
            if event is not None:
                yield event
        if len(rows) < batch:
            return
        start = b"(" + rows[-1][0]


def count(client: Client, catalogue: str) -> int:
    """How many there are."""
    with translated():
        return int(client.xlen(stream_of(catalogue)))


def drop(client: Client, catalogue: str) -> None:
    """Removes all of them."""
    with translated():
        client.unlink(stream_of(catalogue))


def _event(place: bytes, values: dict[bytes, bytes]) -> Event | None:
    type, id, user, seed = (
        values.get(name.encode(), b"").decode("utf-8", "replace") for name in MEMBERS
    )
    if type not in WEIGHTS or not id:
        return None
    return Event(type, id, user or None, seed or None, int(place.partition(b"-")[0]) / 1000)
