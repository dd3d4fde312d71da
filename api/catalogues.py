"""The catalogues that a serving process has open: one connection, one engine a catalogue."""

from __future__ import annotations

import threading
import time
from copy import copy

from recommender import Recommender, Settings, Writer
from recommender.catalogue import check_name
from recommender.errors import StoreError, UnknownCatalogue
from recommender.store import catalogues, versions
from recommender.store.connection import Server, connect

PATIENCE = 5.0
"""How many seconds Redis may take before a request is answered with a 503."""


class OpenCatalogues:
    """Opens Redis and catalogues when they are first asked for; shared by all threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._server: Server | None = None
        self._failure: tuple[float, StoreError | None] = (0.0, None)
        self._open: dict[str, Recommender] = {}
        self._writers: dict[str, Writer] = {}

    @property
    def server(self) -> Server:
        """The connected Redis. Raises StoreError while it is away; the next call tries again."""
        if self._server is not None:
            return self._server
        asked = time.monotonic()
        with self._lock:
            if self._server is None:
                self._server = self._connected(asked)
            return self._server

    def written(self, name: str) -> bytes | None:
        """The token of the last write of the catalogue ``name``: see ``store.versions``.

        Raises InvalidParameter for what is no name: it might lead to another key.
        """
        return versions.read(self.server.client, check_name(name))

    def _connected(self, asked: float) -> Server:
        when, failure = self._failure
        if failure is not None and when > asked:  # what failed while this one waited, fails for it
            raise copy(failure) from failure
        try:
            return connect(self._settings, patience=PATIENCE, hurried=True)
        except StoreError as error:
            self._failure = time.monotonic(), error
            raise

    def names(self) -> list[str]:
        """All catalogues, sorted."""
        return catalogues.names(self.server.client)

    def get(self, name: str) -> Recommender:
        """The engine of the catalogue ``name``. Raises UnknownCatalogue."""
        found = self._open.get(name)
        if found is None:
            found = Recommender(name, settings=self._settings, server=self.server)
            self._open[name] = found
        return found

    def writer(self, name: str) -> Writer:
        """What writes the catalogue ``name``. Raises UnknownCatalogue."""
        found = self._writers.get(name)
        if found is None:
            made = Writer(name, settings=self._settings, server=self.server)
            found = self._writers.setdefault(name, made)  # one, so that threads take turns
        return found

    def forget(self, error: UnknownCatalogue) -> None:
        """Closes what is no longer there, after a request that came upon it."""
        for known in (self._open, self._writers):
            for name in [name for name in list(known) if repr(name) in error.message]:
                known.pop(name, None)
