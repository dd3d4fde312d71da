"""The catalogues that a Redis holds: their names, their files, their generations, their locks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field

from redis.exceptions import RedisError
from redis.lock import Lock

from recommender.calibration import Calibration, from_json
from recommender.catalogue import Catalogue, check_name
from recommender.errors import (
    CatalogueBusy,
    InvalidCatalogue,
    ModelMismatch,
    StoreError,
    UnknownCatalogue,
    suggest,
)
from recommender.store import versions
from recommender.store.connection import Client, translated
from recommender.store.versions import key_of as key_of

NAMES = "recommender:catalogues"
CALIBRATION = "calibration"
"""The hash field that tells what similarity means here; see ``store.calibrations``."""

LOCK_SECONDS = 15.0
"""A lock outlives the process that held it by no more than this."""

POLL_SECONDS = 0.05
"""How often a waiting process looks whether the lock is free."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What made a vector: the embedder's name, the vector's length, the template (or column)."""

    embedder: str
    dims: int
    made_from: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A catalogue as it is kept: its file, its live generation, and the stamp of each vector.

    ``calibration`` is by the vector's name, and lacks those that were not measured.
    """

    catalogue: Catalogue
    generation: int
    stamps: Mapping[str, Stamp]
    calibration: Mapping[str, Calibration] = field(default_factory=dict)

    def takes_the_same(self, other: Entry) -> bool:
        """Whether items are written to both alike: presets and what is measured do not matter."""
        mine, others = (
            (each.catalogue.with_presets({}), each.generation, each.stamps)
            for each in (self, other)
        )
        return mine == others

    def check_same(self, catalogue: Catalogue, stamps: Mapping[str, Stamp]) -> None:
        """Raises ModelMismatch or InvalidCatalogue where a load would make something else of it."""
        name = catalogue.name
        remedy = f"Load under another name (--catalogue), or start afresh: recommender drop {name}"
        for vector in sorted({*self.stamps, *stamps}):
            old, new = self.stamps.get(vector), stamps.get(vector)
            if old != new:
                raise ModelMismatch(
                    f"the {vector!r} vectors of {name!r} are {_made(old)},"
                    f" this load's are {_made(new)}",
                    remedy=remedy,
                )
        if self.catalogue.with_presets({}) != catalogue.with_presets({}):
            raise InvalidCatalogue(
                f"{name!r} is kept with other settings than this catalogue file's",
                remedy=f"See them: recommender info {name}. {remedy}",
            )


def names(client: Client) -> list[str]:
    """The names of all catalogues, sorted."""
    with translated():
        listed = sorted(name.decode() for name in client.smembers(NAMES))
        pipe = client.pipeline(transaction=False)
        for name in listed:
            pipe.execute_command("EXISTS", key_of(name))
        return [name for name, there in zip(listed, pipe.execute(), strict=True) if there]


def generation(client: Client, name: str) -> int:
    """The live generation, also of an entry that cannot be read. Raises UnknownCatalogue."""
    with translated():
        stored = client.hget(key_of(check_name(name)), "generation")
        if stored is None and not client.exists(key_of(name)):
            raise unknown(client, name)
    return int(stored) if stored and stored.isdigit() else 1


def find(client: Client, name: str) -> Entry | None:
    """The catalogue ``name``, None where there is none."""
    found = look(client, name)
    return None if found is None else found[0]


def look(client: Client, name: str) -> tuple[Entry, bytes | None] | None:
    """The catalogue ``name`` with the token of its last write (see ``versions``), None for none."""
    with translated():
        stored = client.hgetall(key_of(check_name(name)))
    written = stored.pop(versions.WRITTEN.encode(), None)
    if not stored:  # or nothing but a token, of a write that did not know that it was dropped
        return None
    measured = stored.pop(CALIBRATION.encode(), b"").decode(errors="replace")
    try:
        values = {key.decode(): value.decode() for key, value in stored.items()}
        stamps = {name: Stamp(**stamp) for name, stamp in json.loads(values["stamps"]).items()}
        entry = Entry(
            Catalogue.from_yaml(values["catalogue"]),
            int(values["generation"]),
            stamps,
            from_json(measured, int(values["generation"])),
        )
        if entry.catalogue.name != name or set(stamps) != set(entry.catalogue.vectors):
            raise ValueError("its parts do not belong together")
    except (AttributeError, KeyError, TypeError, ValueError, InvalidCatalogue) as error:
        raise StoreError(
            f"what {key_of(name)} holds is not a catalogue of this version ({error!r})",
            remedy=f"Drop it and load it again: recommender drop {name}",
        ) from error
    return entry, written


def get(client: Client, name: str) -> Entry:
    """The catalogue ``name``. Raises UnknownCatalogue with the closest name there is."""
    return get_versioned(client, name)[0]


def get_versioned(client: Client, name: str) -> tuple[Entry, bytes | None]:
    """The same with the token of its last write, both of one moment."""
    found = look(client, name)
    if found is None:
        raise unknown(client, name)
    return found


def keep(client: Client, entry: Entry) -> None:
    """Writes the entry down, over what was kept under its name."""
    name = entry.catalogue.name
    stamps = {vector: asdict(stamp) for vector, stamp in entry.stamps.items()}
    values = {
        "catalogue": entry.catalogue.to_yaml(),
        "generation": str(entry.generation),
        "stamps": json.dumps(stamps),
        versions.WRITTEN: versions.token(),  # in one command with what it stands for
    }
    with translated():
        client.sadd(NAMES, name)  # first: what is listed but not there is passed over
        client.hset(key_of(name), mapping=values)


def forget(client: Client, name: str) -> None:
    """Removes the entry ``name``; its items and index are others' business."""
    with translated():
        client.delete(key_of(name))
        client.srem(NAMES, name)


@contextmanager
def locked(
    client: Client, name: str, on_wait: Callable[[], None], *, patience: float | None = None
) -> Iterator[Callable[[], None]]:
    """Holds the one right to write the catalogue ``name``; calls ``on_wait`` before waiting for it.

    A thread renews the lock, so it lasts as long as the process and not much longer. What is
    yielded raises StoreError once the right is lost, as by a process that stood still for a while.
    ``patience`` is how many seconds to wait (None: for ever); then it raises CatalogueBusy.
    """
    lock = Lock(client, f"{key_of(name)}:lock", timeout=LOCK_SECONDS, thread_local=False)
    with translated():
        if not lock.acquire(blocking=False):
            on_wait()
            if not lock.acquire(blocking=True, blocking_timeout=patience, sleep=POLL_SECONDS):
                raise CatalogueBusy(
                    f"{name!r} is being written by another process",
                    remedy="Try again in a few seconds; a whole load may take minutes",
                )
    done = threading.Event()
    keeper = threading.Thread(target=_renew, args=(lock, done), daemon=True)
    keeper.start()

    def check() -> None:
        with translated():
            if not lock.owned():
                raise StoreError(
                    f"another process has taken {name!r} over, because this one stood still",
                    remedy="Run the same command again: it goes on from there",
                )

    try:
        yield check
    finally:
        done.set()
        keeper.join()
        with suppress(RedisError, OSError):  # then it expires by itself
            lock.release()


def _renew(lock: Lock, done: threading.Event) -> None:
    while not done.wait(LOCK_SECONDS / 3):
        with suppress(RedisError, OSError):  # Redis may be back in time; else the work says so
            lock.reacquire()


def _made(stamp: Stamp | None) -> str:
    if stamp is None:
        return "not there"
    return f"{stamp.embedder} with {stamp.dims} numbers from {stamp.made_from!r}"


def unknown(client: Client, name: str) -> UnknownCatalogue:
    """The error that there is no catalogue ``name``, with the closest name there is."""
    return UnknownCatalogue(
        f"there is no catalogue {name!r}", remedy=suggest(name, names(client), "catalogues")
    )
