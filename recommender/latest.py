"""The latest that is known of a catalogue: it may be loaded anew, or Redis restarted, meanwhile."""

from __future__ import annotations

import threading
import time

from recommender.errors import IndexNotReady
from recommender.store import catalogues, index
from recommender.store.connection import Client, processes
from recommender.view import View

FRESH_SECONDS = 1.0
"""How old the knowledge of a catalogue may be before it is looked at again."""

STALE_SECONDS = 1.5
"""How old it may be while it is being looked at."""

SOONEST_SECONDS = 0.05
"""The same where it is known to be of another version: many may be written in a second."""


class Latest:
    """The view of one catalogue, looked at again when it is old; threads may share it."""

    def __init__(self, client: Client, name: str) -> None:
        """Raises UnknownCatalogue, StoreError."""
        self._client = client
        self._name = name
        self._view = View(catalogues.get(client, name))
        self._looking = threading.Lock()
        self._changing = threading.Lock()

    def view(self, age: float = FRESH_SECONDS) -> View:
        """What is known, at most ``age`` seconds old. Raises UnknownCatalogue, StoreError."""
        view, now = self._view, time.monotonic()
        met = processes(self._client)
        if now - view.seen < age and view.processes == met:
            return view
        # One thread looks and the others go on with what they know, while that is not much older;
        # then none waits for another one, which may be waiting for Redis.
        may_go_on = age == FRESH_SECONDS and view.processes == met
        if not may_go_on or now - view.seen > STALE_SECONDS:
            return self._looked_at(view, now, met)
        if not self._looking.acquire(blocking=False):
            return view
        try:
            return self._looked_at(view, now, met)
        finally:
            self._looking.release()

    def _looked_at(self, view: View, now: float, met: int) -> View:
        entry, version = catalogues.get_versioned(self._client, self._name)
        try:
            state = index.get_state(self._client, self._name)
            is_whole, items = state.is_ready, state.items
        except IndexNotReady:
            is_whole, items = False, 0  # the query itself will say so
        is_same = (entry, version, met) == (view.entry, view.version, view.processes)
        if not is_same or (is_whole and not view.is_whole):
            view = View(entry, version)  # what was counted is counted again
        with self._changing:
            shown = self._view
            # Of two that look at the same time nobody knows who saw more: the first one done is
            # believed by both. A token with what an earlier one knew would be kept for ever.
            if now < shown.until and shown.processes >= met:
                return shown
            view.is_whole, view.items = is_whole, items
            view.seen, view.until, view.processes = now, time.monotonic(), met
            self._view = view
        return view
