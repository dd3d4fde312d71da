"""Judgements: for a query, an item of the catalogue, how much each other item is worth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from typing import Any, Literal

from recommender.behaviour import Behaviour
from recommender.colikes import Events
from recommender.errors import InvalidParameter, RecordError, brief
from recommender.events import Event, event_of
from recommender.fields import KINDS, is_missing
from recommender.items import Record, Reject, check_id

MAX_GAIN = 1e9
"""Largest gain: a sum of many is still exact enough."""

MAX_TIME = 1e15
"""Latest time, in whatever unit: milliseconds since 1970 come to 2e12 these days."""

MAX_EVENTS = 20_000_000
"""How many events are looked at: 600 MB of memory, and thrice that while they are sorted."""

COLUMNS = {
    "query": ("query_id", "query"),
    "user": ("user", "user_id"),
    "item": ("item_id", "item"),
    "gain": ("relevance", "gain"),
    "weight": ("weight",),
    "time": ("time",),
    "type": ("type",),
    "id": ("id",),
    "seed": ("seed",),
}
"""What a column is for, and what it may be called, in any case."""

Half = Literal["open", "held"]


@dataclass(frozen=True)
class Judgements:
    """Query id -> item id -> gain, a number from 0; an item that is not there counts 0.

    ``source`` says where they come from: ``judgements`` or ``events``.
    """

    gains: Mapping[str, Mapping[str, float]]
    source: str = "judgements"

    def __post_init__(self) -> None:
        for query, items in self.gains.items():
            for item, gain in items.items():
                if not 0 <= gain <= MAX_GAIN:  # NaN is neither
                    raise _wrong(f"the gain of {item!r} for {query!r} is {gain}", GAIN)

    def __len__(self) -> int:
        return len(self.gains)

    @property
    def pairs(self) -> int:
        """How many items are judged, each counted once for each query."""
        return sum(map(len, self.gains.values()))

    @classmethod
    def from_records(
        cls, records: Iterable[Record | Reject], *, liked_above: float = 0.0
    ) -> Judgements:
        """Judgements out of ``query_id,item_id[,relevance]`` or of ``user,item[,weight,time]``.

        The first record's column names tell which. A relevance is 1 where there is no such column.
        Events are likes where their weight is over ``liked_above`` (see :mod:`.colikes`). What was
        exported from a catalogue's own events is read as :meth:`from_events` does.
        Raises InvalidParameter, which names the record's place, for what is not as it should be,
        and where there is nothing.
        """
        entries = iter(records)
        first = next(entries, None)
        if first is None:
            raise _wrong("there is no judgement in it", SHAPE)
        names = _columns(_record(first).values)
        every = (_record(entry) for entry in chain([first], entries))
        if {"query", "item"} <= names.keys():
            return cls(_judged(every, names))
        if {"user", "item"} <= names.keys():
            return cls(_liked(every, names, liked_above), "events")
        if {"type", "id"} <= names.keys():
            return cls.from_events((_event(each, names) for each in every), liked_above=liked_above)
        raise _wrong(f"its columns are {', '.join(map(repr, _record(first).values))}", SHAPE)

    @classmethod
    def from_events(cls, events: Iterable[Event], *, liked_above: float = 0.0) -> Judgements:
        """Judgements out of what visitors did: by their seeds and by their users.

        Types that weigh no more than ``liked_above`` are left out; :mod:`.behaviour` tells how the
        others become gains. Raises InvalidParameter where they are too few to tell anything.
        """
        seen = Behaviour(liked_above)
        for event in events:
            seen.add(event)
            _check_count(seen.count)
        found = seen.judge(_draw_query)
        if not found:
            raise _wrong(
                f"{seen.count:,} events name no two items that enough people liked",
                "An item is judged when 5 people liked it and 2 of them another one, or when 5"
                " events are about what was shown under it, 2 of them about the same item",
            )
        return cls(found, "events")

    def half(self, which: Half, *, seed: int = 0) -> Judgements:
        """One half of the queries: ``open`` to fit on, ``held`` back to judge the fit.

        A hash of the query's id tells, so that a query stays in its half whatever is added.
        Raises InvalidParameter where that half is empty.
        """
        if which not in ("open", "held"):
            raise InvalidParameter("half", f"half is {brief(which)}", remedy="It is open or held")
        kept = [query for query in self.gains if (draw(query, seed) < 0.5) == (which == "open")]
        if not kept:
            raise InvalidParameter(
                "half",
                f"of {len(self)} queries none is in the {which} half",
                remedy="Judge more queries: 50 are a good start",
            )
        return self._only(kept)

    def folds(self, count: int = 5, *, seed: int = 0) -> list[tuple[Judgements, Judgements]]:
        """``count`` pairs (to fit on, to judge on): each query is judged once, never in its fit.

        Raises InvalidParameter for fewer queries than folds.
        """
        if not 2 <= count <= len(self):
            raise InvalidParameter(
                "folds",
                f"{len(self)} queries cannot be parted into {count} folds",
                remedy="At least 2 folds, and a query for each",
            )
        # By another hash than the halves', so that the folds of a half are as mixed as any.
        order = sorted(self.gains, key=lambda query: (draw(query, seed, "fold"), query))
        parts = [set(order[number::count]) for number in range(count)]
        return [
            (self._only(q for q in self.gains if q not in part), self._only(sorted(part)))
            for part in parts
        ]

    def _only(self, queries: Iterable[str]) -> Judgements:
        return Judgements({query: self.gains[query] for query in queries}, self.source)


def draw(id: str, seed: int = 0, purpose: str = "half") -> float:
    """A number from 0 to 1 that depends on nothing but the arguments."""
    text = f"{purpose}\0{seed}\0{id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=6).digest(), "big") / 2**48


def _judged(records: Iterator[Record], names: Mapping[str, str]) -> dict[str, dict[str, float]]:
    gains: dict[str, dict[str, float]] = {}
    for record in records:
        query, item = _id(record, names["query"]), _id(record, names["item"])
        gain = _number(record, names.get("gain"), 1.0, low=0.0)
        kept = gains.setdefault(query, {}).setdefault(item, gain)
        if kept != gain:
            raise _wrong(
                f"{record.place}: {item!r} is judged twice for {query!r}, {kept:g} and {gain:g}",
                "Keep one of them, or their mean",
            )
    return gains


def _liked(
    records: Iterator[Record], names: Mapping[str, str], above: float
) -> dict[str, dict[str, float]]:
    events = Events()
    for record in records:
        weight = _number(record, names.get("weight"), above + 1.0)
        time = _number(record, names.get("time"), 0.0, -MAX_TIME, MAX_TIME)
        events.add(_id(record, names["user"]), _id(record, names["item"]), weight, time)
        _check_count(len(events))
    found = dict(events.judge(_draw_query, above=above))
    if not found:
        raise _wrong(
            f"{len(events):,} events name no two items that enough people liked",
            "An item is judged when 5 people liked it and 2 of them another one",
        )
    return found


def _event(record: Record, names: Mapping[str, str]) -> Event:
    """An event as it was exported; an empty cell is nobody, or no seed."""
    wanted = {name: names.get(name) or name for name in ("type", "id", "user", "seed")}
    given = {name: record.values.get(column) for name, column in wanted.items()}
    present = {name: value for name, value in given.items() if not is_missing(value)}
    time = _number(record, names.get("time"), 0.0, -MAX_TIME, MAX_TIME)
    try:
        return event_of(present, time)
    except InvalidParameter as error:
        raise _wrong(f"{record.place}: {error.message}", error.remedy) from error


def _check_count(events: int) -> None:
    if events > MAX_EVENTS:
        raise _wrong(f"there are more than {MAX_EVENTS:,} events", "Take fewer users")


def _draw_query(id: str) -> float:
    return draw(id, 0, "query")


def _columns(values: Mapping[str, Any]) -> dict[str, str]:
    """What a column is for -> its name in the source."""
    lower = {str(name).strip().lower(): str(name) for name in values}
    return {
        purpose: next(lower[name] for name in known if name in lower)
        for purpose, known in COLUMNS.items()
        if any(name in lower for name in known)
    }


def _record(entry: Record | Reject) -> Record:
    if isinstance(entry, Reject):
        raise _wrong(f"{entry.place}: {entry.reason}", "Correct that line")
    return entry


def _id(record: Record, column: str) -> str:
    try:
        return check_id(record.values.get(column))
    except RecordError as error:
        raise _wrong(f"{record.place}: {column}: {error.message}", SHAPE) from error


def _number(
    record: Record,
    column: str | None,
    default: float,
    low: float = -MAX_GAIN,
    high: float = MAX_GAIN,
) -> float:
    if column is None:
        return default
    given = record.values.get(column)
    try:
        number = None if is_missing(given) else KINDS["number"].parse(given, None)
    except RecordError:
        number = None
    if number is None or not low <= number <= high:
        raise _wrong(f"{record.place}: {column} is {brief(given)}", GAIN if low == 0 else NUMBER)
    return float(number)


SHAPE = "The columns are query_id,item_id[,relevance], or user,item[,weight,time] for events"
GAIN = f"A gain is a number from 0 to {MAX_GAIN:,.0f}"
NUMBER = f"A weight is a number of at most {MAX_GAIN:,.0f}; a time may be a date, too"


def _wrong(message: str, remedy: str) -> InvalidParameter:
    return InvalidParameter("judgements", message, remedy=remedy)
