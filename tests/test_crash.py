"""``kill -9`` and Ctrl-C at any moment: what was written stays, and the next load goes on."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openai_server import KEY, OpenAIServer

from recommender import Catalogue, Recommender, Record, Report, Results, Settings, sync
from recommender.errors import StoreError
from recommender.store import catalogues, embedded, embeddings, hashes, index
from recommender.store.connection import Server, connect

ROOT = Path(__file__).resolve().parent.parent
COUNT = 5000
WORDS = [
    "red",
    "green",
    "blue",
    "old",
    "new",
    "fast",
    "slow",
    "big",
    "small",
    "loud",
    "calm",
    "wild",
    "deep",
    "high",
    "cold",
    "warm",
]
LOADER = """
import json, sys, time
from pathlib import Path
from recommender import Catalogue, Record, Settings, sync
from recommender.store.connection import connect

class Silent:
    def stage(self, name, done, total):
        print(name, done, flush=True)
    def note(self, text):
        pass

def trickle(path):
    for number, line in enumerate(open(path), 1):
        if number % 100 == 0:
            time.sleep(0.02)
        yield Record(f"line {number}", json.loads(line))

settings = Settings(
    home=Path(sys.argv[1]), openai_base_url=sys.argv[4], openai_api_key="x", concurrency=2
)
catalogue = Catalogue.from_yaml(Path(sys.argv[2]).read_text())
sync(connect(settings), catalogue, trickle(sys.argv[3]), settings, progress=Silent(),
     on_reject=lambda reject: sys.exit(str(reject)))
"""
"""A load of a source that takes a second: argv home, catalogue file, NDJSON file, a service."""


class Silent:
    """A progress that nobody watches."""

    def stage(self, name: str, done: float, total: float | None) -> None: ...

    def note(self, text: str) -> None: ...


def film(number: int) -> dict[str, Any]:
    """Film 291 is "blue green red": its digits in base 16, as words; no two are the same."""
    words = " ".join(WORDS[number >> shift & 15] for shift in (0, 4, 8, 12))
    return {"id": f"film/{number}", "title": f"{words} {number}", "year": 1900 + number % 100}


FILMS = [film(number) for number in range(COUNT)]


def catalogue(name: str = "films", index: str = "flat") -> Catalogue:
    vector = {"template": "{title}", "dims": 64, "index": index}
    fields = {"title": {"type": "text"}, "year": {"type": "number"}}
    return Catalogue.from_dict({"name": name, "fields": fields, "vectors": {"text": vector}})


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of its own, with a path short enough for a socket, and its source in it."""
    path = Path(tempfile.mkdtemp(prefix="rec-"))
    (path / "films.yaml").write_text(catalogue().to_yaml())
    (path / "films.ndjson").write_text("".join(json.dumps(row) + "\n" for row in FILMS))
    yield path
    for pid in servers(path):
        kill(pid)
    shutil.rmtree(path)


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(home=home)


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    found = connect(settings)
    with found.client:
        yield found


def servers(home: Path) -> list[int]:
    """The Redis processes under ``home``: a running one's title names its socket."""
    command = ["ps", "-A", "-ww", "-o", "pid=,stat=,command="]
    listed = subprocess.run(command, capture_output=True, check=True).stdout.splitlines()
    rows = [line.split(None, 2) for line in listed if os.fsencode(home) in line]
    return [int(pid) for pid, state, text in rows if b"redis-server" in text and b"Z" not in state]


def kill(pid: int) -> None:
    """``kill -9`` and wait until the process is gone (a zombie is)."""
    os.kill(pid, signal.SIGKILL)
    with suppress(OSError):
        while b") Z " not in Path(f"/proc/{pid}/stat").read_bytes():
            time.sleep(0.005)


def wait_until(done: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.005)


@contextmanager
def started(*arguments: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A Python of its own, killed at the end."""
    command = [sys.executable, "-W", "error", *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def loading(home: Path, service: str = "http://localhost:1/v1") -> Any:
    files = (home, home / "films.yaml", home / "films.ndjson")
    return started("-c", LOADER, *files, service, stdout=subprocess.PIPE)


def recommender(home: Path, *arguments: object) -> Any:
    """The ``recommender`` command; what it reads and says goes through pipes."""
    env = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    return started(
        "-c", "from recommender.cli import main; main()", *arguments,
        env=env | {"RECOMMENDER_HOME": str(home)}, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def load(
    server: Server,
    settings: Settings,
    rows: Iterable[dict[str, Any]],
    made: Catalogue | None = None,
) -> Report:
    records = (Record(f"line {number}", row) for number, row in enumerate(rows, 1))
    made = made or catalogue()
    return sync(server, made, records, settings, progress=Silent(), on_reject=pytest.fail)


def items(server: Server, name: str) -> dict[str, Mapping[bytes, bytes]]:
    """Every hash of a catalogue by id, but for the time when it was written."""
    prefix = hashes.prefix_of(name, 1)
    keys = {key for batch in hashes.scan(server.client, prefix) for key in batch}
    with server.client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hgetall(key)
        stored = pipe.execute()
    for fields in stored:
        fields.pop(b"_at")
    return {key.decode()[len(prefix) :]: row for key, row in zip(keys, stored, strict=True)}


def count(server: Server) -> int:
    return hashes.count(server.client, hashes.prefix_of("films", 1))


def expire_lock(server: Server) -> None:
    """A killed load's lock goes after 15 s; nobody waits for that here."""
    assert server.client.pttl("recommender:films:lock") <= catalogues.LOCK_SECONDS * 1000
    server.client.delete("recommender:films:lock")


def answers(server: Server, settings: Settings, name: str) -> list[list[tuple[str, float]]]:
    engine = Recommender(name, settings=settings, server=server)
    seeds = [film(number)["id"] for number in (0, 291, 4999)]
    found = [engine.similar(seed, limit=20, exact=True) for seed in seeds]
    found += [engine.search("old blue", where="year>=1990", exact=True)]
    assert all(results.complete for results in found)
    return [[(hit.id, hit.score) for hit in results] for results in found]


def check_like_a_clean_load(server: Server, settings: Settings) -> None:
    """The same ids, fields, digests, vectors and answers as a load that nothing cut off."""
    assert load(server, settings, FILMS, catalogue("clean")).new == COUNT
    assert items(server, "films") == items(server, "clean")
    assert answers(server, settings, "films") == answers(server, settings, "clean")
    assert catalogues.names(server.client) == ["clean", "films"]
    state = index.get_state(server.client, "films")
    assert (state.items, state.failures, state.is_ready) == (COUNT, 0, True)


CALL, CALLS = 256, 2
"""Texts in a call to the remote service, and calls at once."""
KINDS: dict[str, dict[str, Any]] = {
    "wordllama": {"template": "{title}", "dims": 64, "index": "flat"},
    "given": {"embedder": "given", "column": "v", "dims": 8, "index": "flat"},
    "remote": {
        "embedder": "openai:text-embedding-3-small", "dims": 27, "template": "{title}",
        "index": "flat",
    },
}  # fmt: skip


def of_kind(kind: str, name: str) -> Catalogue:
    fields = {"title": {"type": "text"}, "year": {"type": "number"}, "note": {"type": "text"}}
    return Catalogue.from_dict({"name": name, "fields": fields, "vectors": {"text": KINDS[kind]}})


def sources() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Films before and after: a third lost a field, a third has another text, some are the same."""
    new = [row | {"v": [1, n % 7, n % 11, n % 13, n, 0, 0, 1]} for n, row in enumerate(FILMS)]
    old = [
        row | ({"note": "soon gone"}, {"title": "other", "v": [1] * 8}, {"year": 1}, {})[n % 4]
        for n, row in enumerate(new)
    ]
    return old, new


@pytest.mark.parametrize(
    ("kind", "known"),
    [("wordllama", False), ("given", False), ("given", True), ("remote", False), ("remote", True)],
)
def test_a_load_killed_at_ten_random_moments_ends_as_a_clean_one(
    server: Server, settings: Settings, home: Path, kind: str, known: bool
) -> None:
    old, new = sources()
    (home / "films.yaml").write_text(of_kind(kind, "films").to_yaml())
    (home / "films.ndjson").write_text("".join(json.dumps(row) + "\n" for row in new))
    moments = random.Random(f"{kind} {known}")
    seen: list[dict[str, Mapping[bytes, bytes]]] = []
    with OpenAIServer() as openai:
        service = {"openai_base_url": openai.url, "openai_api_key": KEY, "concurrency": CALLS}
        settings = replace(settings, **service)
        if known:
            load(server, settings, old, of_kind(kind, "films"))
        openai.delay = 0.05
        for _ in range(10):
            with loading(home, openai.url) as process:
                process.stdout.readline()  # it has read its first batch
                time.sleep(moments.uniform(0, 1.1))
            assert process.returncode in (0, -signal.SIGKILL)
            expire_lock(server)
            seen.append(items(server, "films"))
            kept = sum(size.texts for size in embeddings.sizes(server.client))
            assert len(set(openai.paid)) - kept <= CALL * CALLS, "what was paid for is kept"
        assert [len(each) for each in seen] == sorted(len(each) for each in seen)
        report = load(server, settings, new, of_kind(kind, "films"))
        assert report.unchanged + report.written == report.items == COUNT
        load(server, settings, old, of_kind(kind, "old"))
        load(server, settings, new, of_kind(kind, "new"))
        again = load(server, settings, new, of_kind(kind, "films"))
    assert (again.unchanged, again.written, again.embedded) == (COUNT, 0, 0)
    before, after = items(server, "old"), items(server, "new")
    assert items(server, "films") == after
    for each in seen:
        torn = {id for id, item in each.items() if item not in (after[id], known and before[id])}
        assert torn == set(), "an item is there whole, as it was or as it will be"
    state = index.get_state(server.client, "films")
    assert (state.items, state.failures, state.is_ready) == (COUNT, 0, True)


@pytest.mark.parametrize("moment", ["first batch written", "index begun"])
def test_a_load_killed_at_a_certain_moment_ends_as_a_clean_one(
    server: Server, settings: Settings, home: Path, moment: str
) -> None:
    done = {
        "first batch written": lambda: server.client.exists("films:1:item:film/999"),
        "index begun": lambda: server.client.execute_command("FT._LIST"),
    }[moment]
    with loading(home):
        wait_until(done)
    expire_lock(server)
    written = count(server)
    assert written % 1000 == 0
    report = load(server, settings, FILMS)
    assert (report.unchanged, report.new) == (written, COUNT - written)
    assert report.embedded == COUNT - written
    check_like_a_clean_load(server, settings)


def test_a_changed_catalogue_answers_while_it_is_loaded_and_after_that_load_is_killed(
    server: Server, settings: Settings, home: Path
) -> None:
    load(server, settings, FILMS)
    changed = [row | {"title": f"new {row['title']}"} for row in FILMS]
    (home / "films.ndjson").write_text("".join(json.dumps(row) + "\n" for row in changed))
    engine = Recommender("films", settings=settings, server=server)
    with loading(home) as process:
        while process.stdout.readline() != "write 3000\n":
            assert len(engine.similar("film/0", limit=20)) == 20
    expire_lock(server)
    assert len(engine.similar("film/0", limit=20)) == 20
    assert engine.state().items == COUNT
    report = load(server, settings, changed)
    assert report.changed <= COUNT - 3000
    assert report.changed + report.unchanged == COUNT
    assert [engine.item(row["id"]).fields["title"] for row in changed[::500]] == [
        row["title"] for row in changed[::500]
    ]


def feed(process: subprocess.Popen[str], first: int, end: int) -> None:
    assert process.stdin is not None
    process.stdin.write("".join(json.dumps(row) + "\n" for row in FILMS[first:end]))
    process.stdin.flush()


def load_stdin(home: Path) -> Any:
    return recommender(home, "load", "-", "--format", "ndjson", "--spec", home / "films.yaml")


def load_again(home: Path) -> str:
    """Loads the whole file; what the command says on stdout."""
    with recommender(
        home, "load", home / "films.ndjson", "--spec", home / "films.yaml", "--json"
    ) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def test_redis_killed_during_a_load(server: Server, settings: Settings, home: Path) -> None:
    with load_stdin(home) as process:
        feed(process, 0, 3500)
        wait_until(lambda: server.client.exists("films:1:item:film/2999"))
        [pid] = servers(home)
        kill(pid)
        with suppress(BrokenPipeError):
            feed(process, 3500, COUNT)
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdin = None
        out, err = process.communicate(timeout=30)
    assert process.returncode == 1, err
    assert out == ""
    assert "Error: Redis does not answer" in err
    assert "Traceback" not in err
    found = connect(settings)
    with found.client:
        assert count(found) == 3000
        expire_lock(found)
        report = json.loads(load_again(home))
        assert (report["unchanged"], report["new"]) == (3000, COUNT - 3000)
        assert (report["embedded"], report["items"]) == (COUNT - 3000, COUNT)
        check_like_a_clean_load(found, settings)


@pytest.mark.parametrize("after", [10, 1500, 3500, COUNT - 1])
@pytest.mark.parametrize("kind", ["given", "remote"])
def test_redis_killed_between_sending_and_reading_replies(
    server: Server, settings: Settings, home: Path, kind: str, after: int
) -> None:
    _, new = sources()

    def cut_off() -> Iterator[dict[str, Any]]:
        for number, row in enumerate(new):
            if number == after:
                kill(servers(home)[0])
            yield row

    made = of_kind(kind, "films")
    with OpenAIServer() as openai:
        service = {"openai_base_url": openai.url, "openai_api_key": KEY, "concurrency": CALLS}
        settings = replace(settings, **service)
        with pytest.raises(StoreError, match="does not answer"):
            load(server, settings, cut_off(), made)
        found = connect(settings)
        with found.client:
            written = count(found)
            assert written % 1000 == 0
            assert written <= after
            expire_lock(found)
            report = load(found, settings, new, made)
            assert (report.unchanged, report.new) == (written, COUNT - written)
            assert len(openai.paid) - len(set(openai.paid)) <= CALL * CALLS * (kind == "remote")
            load(found, settings, new, of_kind(kind, "clean"))
            assert items(found, "films") == items(found, "clean")
            assert index.get_state(found.client, "films").items == COUNT


def test_an_open_catalogue_answers_again_when_redis_is_back(
    server: Server, settings: Settings, home: Path
) -> None:
    load(server, settings, FILMS)
    engine = Recommender("films", settings=settings, server=server)
    before = engine.similar("film/291", exact=True)
    [pid] = servers(home)
    kill(pid)
    with pytest.raises(StoreError, match="does not answer"):
        engine.similar("film/291")
    embedded.start(home)
    index.wait(server.client, "films", lambda state: None)
    wait_until(lambda: engine.similar("film/291").complete)
    after = engine.similar("film/291", exact=True)
    assert replace(after, took_ms=0) == replace(before, took_ms=0)


def test_answers_of_an_index_that_is_built_again_are_not_called_complete(
    server: Server, settings: Settings, home: Path
) -> None:
    load(server, settings, FILMS, catalogue(index="hnsw"))
    engine = Recommender("films", settings=settings, server=server)
    whole = engine.similar("film/291", limit=20, exact=True)
    [pid] = servers(home)
    kill(pid)
    embedded.start(home)
    asked = 0
    while not index.get_state(server.client, "films").is_ready:
        found = engine.similar("film/291", limit=20, exact=True)
        assert ids(found) == ids(whole) or not found.complete
        asked += 1
    assert asked, "it was built too fast to see anything"


def ids(results: Results) -> list[str]:
    return [hit.id for hit in results]


@pytest.mark.parametrize("whole_group", [True, False], ids=["terminal", "process"])
@pytest.mark.parametrize("read", [0, 3500])
def test_ctrl_c_during_a_load(
    server: Server, settings: Settings, home: Path, read: int, whole_group: bool
) -> None:
    written = read // 1000 * 1000
    with load_stdin(home) as process:
        feed(process, 0, read)
        wait_until(lambda: server.client.exists("recommender:films:lock"))
        wait_until(lambda: count(server) == written)
        time.sleep(0.2)  # until it waits for more to read
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, ""), err
    assert "Stopped. What was written is kept; the same command goes on from there." in err
    assert "Traceback" not in err
    assert servers(home), "Ctrl-C is not for the server"
    assert not server.client.exists("recommender:films:lock")
    assert catalogues.names(server.client) == (["films"] if written else [])
    report = load(server, settings, FILMS)
    assert (report.unchanged, report.new, report.embedded) == (
        written, COUNT - written, COUNT - written,
    )  # fmt: skip
    assert report.items == COUNT


def test_ctrl_c_before_the_first_records_are_read(server: Server, home: Path) -> None:
    with recommender(home, "load", "-", "--format", "ndjson", "--catalogue", "films") as process:
        feed(process, 0, 10)  # not enough to infer a catalogue from
        wait_until(lambda: is_connected(server))
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopped." in err


def is_connected(server: Server) -> bool:
    return len(server.client.client_list()) > 1


def test_two_loads_of_one_file_at_once(server: Server, settings: Settings, home: Path) -> None:
    arguments = ("load", home / "films.ndjson", "--spec", home / "films.yaml", "--json")
    with recommender(home, *arguments) as one, recommender(home, *arguments) as two:
        said = [process.communicate(timeout=60) for process in (one, two)]
        assert [one.returncode, two.returncode] == [0, 0], said
    reports = [json.loads(out) for out, _ in said]
    assert sorted(report["new"] for report in reports) == [0, COUNT]
    assert sorted(report["unchanged"] for report in reports) == [0, COUNT]
    assert [report["items"] for report in reports] == [COUNT, COUNT]
    assert sum(report["embedded"] for report in reports) == COUNT
    check_like_a_clean_load(server, settings)


@pytest.mark.parametrize("what", ["year", "title"])
def test_readers_get_answers_all_through_a_second_load(
    server: Server, settings: Settings, home: Path, what: str
) -> None:
    """A new year leaves the vectors as they are; a new title changes them all."""
    load(server, settings, FILMS)
    changed = [row | {what: 2000 if what == "year" else f"very {row['title']}"} for row in FILMS]
    found: list[Results | Exception] = []
    over = threading.Event()

    def ask() -> None:
        engine = Recommender("films", settings=settings, server=server)
        numbers = random.Random(1)
        while not over.is_set():
            try:
                found.append(engine.similar(f"film/{numbers.randrange(COUNT)}", limit=20))
                found.append(engine.search("old blue", limit=20, where="year>=1900"))
            except Exception as error:  # noqa: BLE001 (any is a failure, and told below)
                found.append(error)

    reader = threading.Thread(target=ask)
    reader.start()
    try:
        report = load(server, settings, changed)
    finally:
        over.set()
        reader.join()
    assert (report.changed, report.embedded) == (COUNT, COUNT if what == "title" else 0)
    assert len(found) > 20
    assert [error for error in found if isinstance(error, Exception)] == []
    assert {len(results) for results in found if isinstance(results, Results)} == {20}
