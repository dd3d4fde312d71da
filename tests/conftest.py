"""One real Redis with its query engine for the whole test process, emptied after each test."""

from __future__ import annotations

import math
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from recommender import Catalogue, Recommender, Record, Reject, Report, Settings, sync
from recommender.errors import LocalServerError
from recommender.store import embedded
from recommender.store.connection import Server, connect

ROOT = Path(__file__).resolve().parent.parent

pytest_plugins = ["browser"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in a shell's background: the commands that the tests press Ctrl-C on would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Quiet:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, float, float | None]] = []
        self.notes: list[str] = []

    def stage(self, name: str, done: float, total: float | None) -> None:
        self.stages.append((name, done, total))

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A data directory with a path short enough for a socket."""
    path = Path(tempfile.mkdtemp(prefix="rec-"))
    yield path
    embedded.stop(path)
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def settings(home: Path) -> Settings:
    return Settings(home=home)


@pytest.fixture(scope="session")
def _redis(settings: Settings) -> Iterator[Server]:
    try:
        server = connect(settings)
    except LocalServerError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Redis here: {error}")
    yield server
    server.client.close()


@pytest.fixture
def server(_redis: Server) -> Iterator[Server]:
    """The test process's own Redis, empty."""
    yield _redis
    _redis.client.flushall()


Load = Callable[..., Report]
Open = Callable[[str], Recommender]


@pytest.fixture
def load(server: Server, settings: Settings) -> Load:
    """``load(catalogue, [{"id": ...}, ...])``: syncs records given as mappings."""

    def run(
        catalogue: Catalogue,
        records: Iterable[Mapping[str, Any] | Reject],
        rejects: list[Reject] | None = None,
        progress: Quiet | None = None,
    ) -> Report:
        entries = (
            record if isinstance(record, Reject) else Record(f"record {number}", record)
            for number, record in enumerate(records, 1)
        )
        collected = [] if rejects is None else rejects
        return sync(
            server, catalogue, entries, settings,
            progress=progress or Quiet(), on_reject=collected.append,
        )  # fmt: skip

    return run


@pytest.fixture
def open_catalogue(server: Server, settings: Settings) -> Open:
    """``open_catalogue(name)``: a Recommender on the test's Redis."""
    return lambda name: Recommender(name, settings=settings, server=server)


def loaded(
    server: Server, settings: Settings, catalogue: Catalogue, items: Iterable[Mapping[str, Any]]
) -> Recommender:
    """A catalogue of the items, none rejected, for fixtures that a whole module shares."""
    rejects: list[Reject] = []
    records = (Record(f"record {number}", item) for number, item in enumerate(items))
    sync(server, catalogue, records, settings, progress=Quiet(), on_reject=rejects.append)
    assert not rejects
    return Recommender(catalogue.name, settings=settings, server=server)


FILM_FIELDS = {
    "title": {"type": "text"},
    "genres": {"type": "tag"},
    "series": {"type": "tag"},
    "year": {"type": "number"},
    "votes": {"type": "number"},
}


def angle(degrees: float) -> list[float]:
    """A vector whose cosine to that of 0 degrees is plain to see."""
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees)), 0.0]
