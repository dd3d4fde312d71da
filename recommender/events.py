"""Events: what visitors did with the items of a catalogue, and how much each kind tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recommender.errors import InvalidParameter, RecordError, brief, kind_of, suggest
from recommender.items import check_id, encode

WEIGHTS: Mapping[str, float] = {"view": 1.0, "click": 2.0, "like": 4.0, "buy": 5.0}
"""The types of events, and what one of each is worth when judgements are made of them."""

MAX_USER_BYTES = 128
"""Longest name of a user, in UTF-8 bytes: anybody may have made it up, and it is kept."""

MEMBERS = ("type", "id", "user", "seed")


@dataclass(frozen=True, slots=True)
class Event:
    """Somebody did something with an item.

    ``type`` is view, click, like or buy; ``id`` the item; ``user`` who it was, as the page calls
    them, None for nobody knows; ``seed`` the item under which this one was shown. ``time`` is when
    Redis took it, in seconds since 1970; 0 before.
    """

    type: str
    id: str
    user: str | None = None
    seed: str | None = None
    time: float = 0.0

    @property
    def weight(self) -> float:
        """What it is worth, by its type."""
        return WEIGHTS[self.type]

    def to_dict(self) -> dict[str, Any]:
        """The event as it is exported: every member, and its weight."""
        names = {name: getattr(self, name) for name in MEMBERS}
        return names | {"weight": self.weight, "time": self.time}


def check_event(given: Any) -> Event:
    """The event that ``given``, an Event or a mapping of its members, says; its time is left out.

    Raises InvalidParameter ("type", "id", "user", "seed"; "events" for what is no event at all).
    """
    if isinstance(given, Event):
        return event_of({name: getattr(given, name) for name in MEMBERS})
    if not isinstance(given, Mapping):
        raise InvalidParameter(
            "events",
            f"the event is {kind_of(given)} where an object is wanted",
            remedy='Send {"type": "click", "id": "..."}',
        )
    for name in given:
        if name not in MEMBERS:
            text = brief(name) if not isinstance(name, str) else repr(name[:60])
            raise InvalidParameter(
                "events", f"an event has no member {text}", remedy=_known(str(name)[:60])
            )
    return event_of(given)


def event_of(values: Mapping[str, Any], time: float = 0.0) -> Event:
    """The event of these members, whatever else there is. Raises InvalidParameter as above."""
    type = values.get("type")
    if not isinstance(type, str) or type not in WEIGHTS:
        close = type[:60] if isinstance(type, str) else ""
        raise InvalidParameter(
            "type", f"the type is {brief(type)}", remedy=suggest(close, WEIGHTS, "types")
        )
    id = _text("id", values.get("id"))
    user, seed = (
        None if values.get(name) is None else _text(name, values[name]) for name in ("user", "seed")
    )
    if user is not None and (size := len(encode(user))) > MAX_USER_BYTES:
        raise InvalidParameter(
            "user", f"the user has {size} bytes, the limit is {MAX_USER_BYTES}", remedy="Hash it"
        )
    if seed == id:
        raise InvalidParameter(
            "seed",
            "the seed is the item itself",
            remedy="It is the item under which this one was shown",
        )
    return Event(type, id, user, seed, time)


def _text(parameter: str, value: Any) -> str:
    """An id, or what is written like one: text or a whole number."""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise InvalidParameter(
            parameter, f"the {parameter} is {brief(value)}", remedy="It is some text"
        )
    try:
        return check_id(value)
    except RecordError as error:
        raise InvalidParameter(
            parameter, error.message.replace("the id", f"the {parameter}")
        ) from error


def _known(name: str) -> str:
    if name.lower() in ("time", "timestamp", "date"):
        return "Leave it out: Redis says when"
    return suggest(name, MEMBERS, "members")
