"""Removing from a catalogue what its source no longer has: asked for, and never more than half."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recommender.batch import Comparer
from recommender.errors import PruneRefused
from recommender.opening import Opening
from recommender.seen import SeenIds
from recommender.store import hashes
from recommender.store.connection import Client

MOST = 0.5
"""The largest part of a catalogue that a source may lose without ``force``."""


def lost(client: Client, prefix: str, source: Comparer, within: str) -> tuple[set[bytes], int]:
    """The keys of the items that no record of ``source`` names, not even a bad one.

    Only items whose ids begin with ``within`` are looked at; how many these are comes second.
    """
    keys: set[bytes] = set()
    seen = SeenIds()
    for batch in hashes.scan(client, prefix):
        ids = [key[len(prefix.encode()) :].decode() for key in dict.fromkeys(batch)]
        ids = [id for id in ids if id.startswith(within)]
        named = zip(ids, source.names(ids), strict=True)
        keys.update((prefix + id).encode() for id, is_named in named if not is_named)
        seen.add(ids)
    return keys, len(seen)


def check(name: str, source: Comparer, lost: int, items: int) -> None:
    """Raises PruneRefused where it looks like an accident to remove ``lost`` items of ``name``.

    ``items`` is how many it had before this load: new ones do not make up for those that are gone.
    """
    if lost > MOST * items:
        raise PruneRefused(
            f"the source lacks {lost:,} of the {items:,} items of {name!r}, more than half of them:"
            " none is removed",
            remedy="If that is right: --prune --force",
        )
    if lost and source.nameless:
        raise PruneRefused(
            f"{source.nameless:,} records could not be read, and one of them may be one of the"
            f" {lost:,} items that seem to be gone: none is removed",
            remedy="Mend them, or: --prune --force",
        )


def prune_lost(
    client: Client,
    opening: Opening,
    source: Comparer,
    new: int,
    *,
    within: str,
    force: bool,
    on_lost: Callable[[Sequence[str]], None] = lambda ids: None,
) -> int:
    """Removes what ``source`` lost and says how many items that were. Raises PruneRefused.

    ``new`` is how many items this load has added; ``on_lost`` is told the ids before they go.
    """
    keys, items = lost(client, opening.prefix, source, within)
    if not force:
        check(opening.entry.catalogue.name, source, len(keys), items - new)
    on_lost([key.decode().removeprefix(opening.prefix) for key in keys])
    return hashes.delete(client, sorted(keys))
