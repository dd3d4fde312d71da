"""The token of a catalogue's last write: every write changes it, a kill never leaves an old one."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Load
from outside import Answer, Client, served

from api import create_app
from recommender import Catalogue, Recommender, Settings, Writer, presets, related
from recommender.calibration import MIN_ITEMS
from recommender.errors import StoreError
from recommender.store import calibrations, catalogues, hashes, index, neighbours, versions
from recommender.store.connection import Server, connect

ROOT = Path(__file__).resolve().parent.parent
COUNT = 2500


def film(number: int, year: int) -> dict[str, Any]:
    return {"id": f"f{number}", "title": f"film {number}", "year": year, "v": [1, number % 97]}


def films() -> Catalogue:
    fields = {"title": {"type": "text"}, "year": {"type": "number"}}
    vectors = {"v": {"embedder": "given", "column": "v"}}
    return Catalogue.from_dict({"name": "films", "fields": fields, "vectors": vectors})


SOME = [film(number, 1990) for number in range(MIN_ITEMS + 10)]


@pytest.fixture
def token(server: Server, load: Load) -> Callable[[], bytes]:
    """Some films are loaded; what is called gives their token, which has to be there."""
    load(films(), SOME)

    def read() -> bytes:
        found = versions.read(server.client, "films")
        assert found is not None
        return found

    return read


Write = Callable[[Server, Settings, Load], object]
ITEM = {"id": "f1", "fields": {"title": "film 1", "year": 2000}, "vectors": {"v": [1, 1]}}


def writer(settings: Settings, server: Server) -> Writer:
    return Writer("films", settings=settings, server=server)


def build(server: Server) -> None:
    related.build(server, "films", size=3)


WRITES: dict[str, Write] = {
    "put": lambda server, settings, load: writer(settings, server).put([ITEM]),
    "patch": lambda server, settings, load: writer(settings, server).patch("f1", {"year": 3}),
    "delete": lambda server, settings, load: writer(settings, server).delete(["f1"]),
    "sync with a change": lambda server, settings, load: load(films(), [film(1, 7)]),
    "sync with a new item": lambda server, settings, load: load(films(), [film(5000, 7)]),
    "build": lambda server, settings, load: build(server),
    "preset": lambda server, settings, load: presets.save(
        server.client, "films", "few", {"limit": 2}
    ),
    "calibration": lambda server, settings, load: [
        server.client.hdel("recommender:films", "calibration"),
        calibrations.refresh(server.client, catalogues.get(server.client, "films")),
    ],
    "neighbours": lambda server, settings, load: neighbours.write(
        server.client, neighbours.prefix_of("films", 1),
        [(b"f1", neighbours.Near("v", True, [b"f2"], [1.0]))],
    ),
    "no neighbours": lambda server, settings, load: neighbours.delete(
        server.client, neighbours.prefix_of("films", 1), [b"f1"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_every_write_changes_the_token(
    server: Server, settings: Settings, load: Load, token: Callable[[], bytes], write: Write
) -> None:
    before = token()
    entry = catalogues.get(server.client, "films")
    write(server, settings, load)
    assert token() != before
    after = catalogues.get(server.client, "films")
    if after.catalogue.presets == entry.catalogue.presets:
        assert after == entry, "an entry does not know of the token"


def test_a_preset_that_is_dropped_and_a_prune_change_it(
    server: Server, load: Load, token: Callable[[], bytes], settings: Settings
) -> None:
    presets.save(server.client, "films", "few", {"limit": 2})
    seen = [token()]
    presets.drop(server.client, "films", "few")
    seen.append(token())
    build(server)
    writer(settings, server).patch("f2", vectors={"v": [5, 1]})  # makes lists anew, too
    seen.append(token())
    related.refresh(server.client, catalogues.get(server.client, "films"))
    hashes.delete(server.client, [b"films:1:item:f9"])
    seen.append(token())
    assert len({*seen}) == 4


def test_what_writes_nothing_leaves_it(
    server: Server, load: Load, token: Callable[[], bytes], settings: Settings
) -> None:
    before = token()
    assert load(films(), SOME).unchanged == len(SOME)
    assert writer(settings, server).patch("f1", {"year": 1990}).result == "unchanged"
    assert writer(settings, server).delete([]) == 0
    assert hashes.delete(server.client, []) == 0
    assert token() == before


def test_a_catalogue_that_is_dropped_and_loaded_again_has_another_one(
    server: Server, load: Load, token: Callable[[], bytes]
) -> None:
    before = token()
    index.drop(server.client, "films", 1)
    hashes.delete_all(server.client, "films:1:item:")
    catalogues.forget(server.client, "films")
    assert versions.read(server.client, "films") is None
    load(films(), SOME)
    assert token() != before


def test_a_late_token_does_not_bring_a_dropped_catalogue_back(server: Server) -> None:
    hashes.begin_write(server.client, "films:1:item:", [("a", {"_digest": b"d"}, ())]).finish()
    assert catalogues.find(server.client, "films") is None
    assert catalogues.names(server.client) == []


def test_a_write_that_fails_leaves_none_until_the_next(
    server: Server, load: Load, token: Callable[[], bytes]
) -> None:
    def failing() -> None:
        with versions.changing(server.client, "films"):
            raise StoreError("cut off")

    with pytest.raises(StoreError):
        failing()
    assert versions.read(server.client, "films") is None
    assert load(films(), SOME).written == 0
    assert token(), "a load that finds all in order puts one there"


def test_no_token_is_put_over_another_writers_work(
    server: Server, load: Load, token: Callable[[], bytes]
) -> None:
    versions.take(server.client, "films")
    WRITES["calibration"](server, Settings(home=Path()), load)
    assert versions.read(server.client, "films") is None


def test_the_engine_knows_of_which_version_it_answers(
    server: Server, settings: Settings, load: Load, open_catalogue: Any
) -> None:
    load(films(), SOME)
    engine = open_catalogue("films")
    first = engine.version()
    assert first == versions.read(server.client, "films")
    writer(settings, server).patch("f1", {"year": 5})
    second = versions.read(server.client, "films")
    end = time.monotonic() + 10
    while engine.version(second) != second:
        assert time.monotonic() < end
    versions.take(server.client, "films")
    while engine.version(b"other") is not None:
        assert time.monotonic() < end


class Gate:
    """A way to a Redis at a unix socket; it can hold back the next look at a catalogue."""

    def __init__(self, path: Path, redis: str) -> None:
        self.url = f"unix://{path}"
        self._redis = redis
        self._armed = False
        self.held, self.open = threading.Event(), threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self) -> None:
        """The next look waits, and sets ``held``, until ``open`` is set."""
        self._armed = True

    def close(self) -> None:
        """Takes no further connections."""
        self.open.set()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._redis)
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError), one, other:
            while data := one.recv(65536):
                if self._armed and b"HGETALL" in data:
                    self._armed = False
                    self.held.set()
                    self.open.wait(20)
                other.sendall(data)


def test_of_two_looks_at_once_no_token_goes_with_the_other_ones_knowledge(
    server: Server, settings: Settings, load: Load, token: Callable[[], bytes]
) -> None:
    path = settings.home / "gate"
    gate = Gate(path, server.address.removeprefix("unix://"))
    try:
        engine = Recommender("films", settings=replace(settings, redis_url=gate.url))
        assert engine.version() == token()
        time.sleep(0.1)
        gate.arm()
        found: list[tuple[bytes | None, bool]] = []

        def slow() -> None:
            version = engine.version(b"another")
            found.append((version, "few" in engine.entry.catalogue.presets))

        thread = threading.Thread(target=slow)
        thread.start()
        assert gate.held.wait(20)
        engine.version(b"another")  # looks meanwhile
        presets.save(server.client, "films", "few", {"limit": 2})
        gate.open.set()
        thread.join()
        [(version, knows)] = found
        assert knows or version != token(), "the new token, and the presets of before"
    finally:
        gate.close()
        path.unlink()


# --- kills ----------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from recommender import Settings, Writer, sync, Record, related
from recommender.store.connection import connect
from test_versions import COUNT, Quiet, film, films

settings = Settings(home=Path(sys.argv[1]))
server = connect(settings)
writer = Writer("films", settings=settings, server=server)
year = int(sys.argv[3])
print("begun", flush=True)
while True:
    year += 1
    records = [Record(str(n), film(n, year)) for n in range(COUNT)]
    sync(server, films(), records, settings, progress=Quiet())
    writer.patch("f1", {"year": 1})
    writer.delete(["f1"])
    related.build(server, "films", size=year % 3 + 1)
"""


class Quiet:
    """A progress that nobody watches."""

    def stage(self, name: str, done: float, total: float | None) -> None: ...

    def note(self, text: str) -> None: ...


ASKED = (
    "/v1/films/facets?fields=year",  # tells of every item
    "/v1/films/items?id=f1",
    "/v1/films/items?id=f2400",
    "/v1/films/similar?id=f7&limit=5&where=year%3E1900",
    "/v1/films/related?id=f7",
)


Answers = dict[tuple[str, str], list[Any]]


def body_of(answer: Answer) -> Any:
    """What was answered, but for how long it took."""
    return {name: value for name, value in answer.json.items() if name != "took_ms"}


@pytest.fixture
def killed(server: Server, settings: Settings) -> Iterator[Callable[[float], None]]:
    """``killed(seconds)``: a writer of its own works for so long, and is killed."""
    years = iter(range(2000, 9000, 100))

    def run(seconds: float) -> None:
        tests = str(Path(__file__).parent)
        arguments = [str(settings.home), tests, str(next(years))]
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WRITER, *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            time.sleep(seconds)
            process.kill()
        server.client.delete("recommender:films:lock")
        seen: Any = None
        while seen != (seen := server.client.info("commandstats")["cmdstat_hset"]["calls"]):
            time.sleep(0.05)  # what it had sent is being done

    return run


def test_a_writer_killed_at_any_moment_leaves_no_old_answer_current(
    server: Server, settings: Settings, load: Load, killed: Callable[[float], None]
) -> None:
    load(films(), [film(number, 1990) for number in range(COUNT)])
    related.build(server, "films", size=2)
    moments, kept, cut_off = random.Random(7), 0, 0
    with served(create_app(settings)) as client:
        for _ in range(12):
            answers: Answers = {}
            over = threading.Event()
            reader = threading.Thread(target=remember, args=(client, answers, over))
            reader.start()
            killed(moments.uniform(0.05, 1.2))
            over.set()
            reader.join()
            kept += len(answers)
            cut_off += versions.read(server.client, "films") is None
            for (path, tag), bodies in answers.items():
                again = client.send("GET", path, headers={"If-None-Match": tag})
                if again.status == 304:
                    assert bodies == [body_of(client.get(path))], f"{path} is old and current"
    assert kept > 30, "something was kept while it was written"
    assert cut_off, "some writer was killed in the middle of a write"


def remember(client: Client, answers: Answers, over: threading.Event) -> None:
    """What caches would hold: all different answers by their address and ETag."""
    while not over.is_set():
        for path in ASKED:
            # Whoever brings one, though it is another's, is told the latest.
            with suppress(TimeoutError):
                answer = client.send("GET", path, headers={"If-None-Match": '"none"'})
                if answer.status == 200 and "ETag" in answer.headers:
                    bodies = answers.setdefault((path, answer.headers["ETag"]), [])
                    if body_of(answer) not in bodies:
                        bodies.append(body_of(answer))


def test_redis_full_takes_deletes_though_no_token(settings: Settings, server: Server) -> None:
    """A token needs room; that there is none must not stop what makes room."""
    client = connect(settings).client
    load_key = "films:1:item:a"
    hashes.begin_write(client, "films:1:item:", [("a", {"_digest": b"d"}, ())]).finish()
    client.config_set("maxmemory", 1)
    try:
        assert hashes.delete(client, [load_key.encode()]) == 1
        assert versions.read(client, "films") is None
    finally:
        client.config_set("maxmemory", 0)
        client.close()
