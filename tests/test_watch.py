"""``load --watch`` as a process of its own: files change as editors change them, and it follows."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from openai_server import KEY, OpenAIServer, Reply
from outside import Done, Shell

from recommender.store import embedded, hashes
from recommender.store.connection import Server

CSV = "id,title\na,A red fish\nb,A blue bird\nc,An old cloud\n"
SPEC = """\
name: films
fields:
  title: {type: text}
vectors:
  text: {embedder: wordllama, dims: 64, index: flat, template: "{title}"}
"""
REMOTE = SPEC.replace("wordllama, dims: 64", "'openai:text-embedding-3-small', dims: 4")
QUIET = 1.2  # seconds, several times what a load that follows a change takes to begin


class Watching:
    """A running ``load --watch``: what it said so far, on both streams."""

    def __init__(self, shell: Shell, *args: str, **env: str) -> None:
        self.process = shell.start("load", *args, "--watch", **env)
        self.out: list[str] = []
        self.err: list[str] = []
        pairs: list[tuple[IO[str] | None, list[str]]] = [
            (self.process.stdout, self.out),
            (self.process.stderr, self.err),
        ]
        self._threads = [threading.Thread(target=_collect, args=pair) for pair in pairs]
        for thread in self._threads:
            thread.start()

    def loads(self) -> list[tuple[int, int, int]]:
        """New, changed and unchanged of each finished load."""
        counts = [re.findall(r"(\d+) (?:new|changed|unchanged)", line) for line in self.out]
        return [(int(new), int(changed), int(same)) for new, changed, same in counts]

    def until(self, done: Callable[[], object]) -> None:
        end = time.monotonic() + 30
        while not done():
            assert time.monotonic() < end, (self.out, self.err)
            assert self.process.poll() is None, (self.out, self.err)
            time.sleep(0.01)

    def until_loaded(self, count: int) -> None:
        self.until(lambda: len(self.out) >= count)

    def ready(self) -> Watching:
        """The first load is done."""
        self.until(lambda: any("Watching for changes" in line for line in self.err))
        return self

    def is_quiet(self) -> bool:
        """Whether it comes to rest: the last load may still be telling what it did."""
        for _ in range(3):
            before = list(self.out)
            time.sleep(QUIET)
            if self.out == before:
                return True
        return False

    def ended(self) -> None:
        self.process.wait(30)
        for thread in self._threads:
            thread.join()


def _collect(stream: IO[str] | None, lines: list[str]) -> None:
    assert stream is not None
    with stream:
        lines.extend(iter(stream.readline, ""))


@contextmanager
def watching(shell: Shell, *args: str, **env: str) -> Iterator[Watching]:
    running = Watching(shell, *args, **env)
    try:
        yield running
    finally:
        running.process.kill()
        running.ended()
        assert running.process.stdin is not None
        running.process.stdin.close()
    assert not any("Traceback" in line for line in running.err), running.err


@pytest.fixture
def shell(server: Server, home: Path, tmp_path: Path) -> Shell:
    (tmp_path / "films.csv").write_text(CSV)
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "remote.yaml").write_text(REMOTE)
    return Shell(home, tmp_path)


def titles(server: Server, name: str = "films") -> dict[str, str]:
    prefix = hashes.prefix_of(name, 1)
    keys = [key for batch in hashes.scan(server.client, prefix) for key in batch]
    found = {key.decode()[len(prefix) :]: server.client.hget(key, "title") for key in keys}
    return {id: title.decode() for id, title in found.items() if title}  # it may be gone meanwhile


def ctrl_c(running: Watching) -> Done:
    """Ctrl-C as the terminal sends it, and what is left then."""
    os.killpg(running.process.pid, 2)
    running.ended()
    return Done(running.process.returncode, "".join(running.out), "".join(running.err))


# Files


def test_a_file_that_changes_in_place(shell: Shell, server: Server) -> None:
    file = shell.folder / "films.csv"
    with watching(shell, "films.csv", "--spec", "spec.yaml") as running:
        running.ready()
        assert running.loads() == [(3, 0, 0)]
        with file.open("a") as more:
            more.write("d,A new kite\n")
        running.until_loaded(2)
        file.write_text(CSV.replace("blue", "green") + "d,A new kite\n")
        running.until_loaded(3)
        assert running.loads()[1:] == [(1, 0, 3), (0, 1, 3)]
        assert running.is_quiet(), "a load is no change"
    assert titles(server)["b"] == "A green bird"


def replaced(file: Path, text: str) -> None:
    """As most editors save."""
    other = file.with_name(".films.csv.swp")
    other.write_text(text)
    other.replace(file)


def renamed(file: Path, text: str) -> None:
    """As vim saves: the old file becomes a backup, the new one gets its name."""
    file.rename(file.with_name("films.csv~"))
    file.write_text(text)
    file.with_name("films.csv~").unlink()


def from_elsewhere(file: Path, text: str) -> None:
    """As ``mv`` from another folder."""
    (file.parent.parent / "elsewhere.csv").write_text(text)
    (file.parent.parent / "elsewhere.csv").replace(file)


@pytest.mark.parametrize("save", [replaced, renamed, from_elsewhere])
def test_a_file_that_is_replaced(
    shell: Shell, server: Server, save: Callable[[Path, str], None]
) -> None:
    with watching(shell, "films.csv", "--spec", "spec.yaml") as running:
        running.ready()
        for count, word in enumerate(["green", "loud", "calm"], 2):
            save(shell.folder / "films.csv", CSV.replace("blue", word))
            running.until(lambda word=word: titles(server)["b"] == f"A {word} bird")
            running.until_loaded(count)


def test_its_neighbours_are_not_its_business(shell: Shell) -> None:
    deep = shell.folder / "deep" / "deeper"
    deep.mkdir(parents=True)
    with watching(shell, "films.csv", "--spec", "spec.yaml") as running:
        running.ready()
        for name in ("films.csv.bak", "films.cs", "other.csv", "deep/films.csv", "films.csvx"):
            (shell.folder / name).write_text(CSV)
        assert running.is_quiet()
        watched = [
            line
            for info in Path(f"/proc/{running.process.pid}/fdinfo").glob("*")
            for line in info.read_text().splitlines()
            if line.startswith("inotify")
        ]
        assert len(watched) <= 1, "a file's folder is watched, not all that is below it"


def test_a_link_that_is_set_to_another_file(shell: Shell, server: Server) -> None:
    (shell.folder / "next.csv").write_text(CSV.replace("blue", "green"))
    link = shell.folder / "current.csv"
    link.symlink_to("films.csv")
    with watching(shell, "current.csv", "--spec", "spec.yaml") as running:
        running.ready()
        (shell.folder / "new-link").symlink_to("next.csv")
        (shell.folder / "new-link").replace(link)
        running.until_loaded(2)
        assert titles(server)["b"] == "A green bird"


def test_a_file_behind_a_link(shell: Shell, server: Server) -> None:
    (shell.folder / "links").mkdir()
    (shell.folder / "links" / "current.csv").symlink_to(shell.folder / "films.csv")
    with watching(shell, "links/current.csv", "--spec", "spec.yaml") as running:
        running.ready()
        (shell.folder / "films.csv").write_text(CSV.replace("blue", "green"))
        running.until_loaded(2)
        assert titles(server)["b"] == "A green bird"


def test_half_a_file_is_said_and_waited_for(shell: Shell, server: Server) -> None:
    rows = [{"id": id, "title": f"film {id}"} for id in "abc"]
    file = shell.folder / "films.json"
    file.write_text(json.dumps(rows))
    with watching(shell, "films.json", "--spec", "spec.yaml", "--prune") as running:
        running.ready()
        for half in (b"", b"[", b"\x1f\x8b\x08broken"):
            said = len(running.err)
            file.write_bytes(half)
            running.until(lambda said=said: any("Error:" in each for each in running.err[said:]))
            assert set(titles(server)) == set("abc")
        file.write_text(json.dumps([*rows, {"id": "d", "title": "film d"}]))
        running.until(lambda: running.loads()[-1] == (1, 0, 3))


def test_a_file_that_is_gone_for_a_while(shell: Shell, server: Server) -> None:
    with watching(shell, "films.csv", "--spec", "spec.yaml", "--prune") as running:
        running.ready()
        (shell.folder / "films.csv").unlink()
        running.until(lambda: any("Error:" in line for line in running.err))
        assert set(titles(server)) == set("abc"), "a source that is not there prunes nothing"
        (shell.folder / "films.csv").write_text(CSV + "d,A new kite\n")
        running.until(lambda: running.loads()[-1] == (1, 0, 3))


def test_a_refused_prune_and_rejects_are_said_and_waited_for(shell: Shell, server: Server) -> None:
    with watching(shell, "films.csv", "--spec", "spec.yaml", "--prune") as running:
        running.ready()
        (shell.folder / "films.csv").write_text("id,title\na,A red fish\n")
        running.until(lambda: any("more than half" in line for line in running.err))
        (shell.folder / "films.csv").write_text(CSV + "a,again\n")
        running.until(lambda: any("came before" in line for line in running.err))
        (shell.folder / "films.csv").write_text(CSV.replace("c,An old cloud\n", ""))
        running.until(lambda: any("1 removed" in line for line in running.out))
        assert set(titles(server)) == set("ab")


# Folders


def test_a_folder(shell: Shell, server: Server) -> None:
    posts = shell.folder / "posts"
    posts.mkdir()
    for name in ("one", "two", "three"):
        (posts / f"{name}.md").write_text(f"# Post {name}\n\nA red fish.\n")
    with watching(shell, "posts", "--spec", "spec.yaml", "--prune") as running:
        running.ready()
        assert running.loads() == [(3, 0, 0)]
        (posts / "four.md").write_text("# Post four\n\nNew.\n")
        running.until(lambda: "four.md" in titles(server))
        (posts / "one.md").unlink()
        running.until(lambda: "one.md" not in titles(server))
        (posts / "deep").mkdir()
        time.sleep(0.1)
        (posts / "deep" / "five.md").write_text("# Post five\n\nDeep.\n")
        running.until(lambda: "deep/five.md" in titles(server))
        (posts / "deep").rename(posts / "deeper")
        running.until(lambda: "deeper/five.md" in titles(server))
        running.until(lambda: "deep/five.md" not in titles(server))
        (posts / "two.md").rename(posts / "zwei.md")
        running.until(lambda: {"zwei.md"} <= titles(server).keys())
        assert running.is_quiet()
    assert set(titles(server)) == {"three.md", "four.md", "zwei.md", "deeper/five.md"}


def test_a_folder_and_a_file_elsewhere(shell: Shell, server: Server) -> None:
    posts = shell.folder / "posts"
    posts.mkdir()
    (posts / "one.md").write_text("# Post one\n\nA red fish.\n")
    with watching(shell, "films.csv", "posts", "--spec", "spec.yaml") as running:
        running.ready()
        assert running.loads() == [(4, 0, 0)]
        (posts / "two.md").write_text("# Post two\n\nA red fish.\n")
        running.until_loaded(2)
        (shell.folder / "films.csv").write_text(CSV.replace("blue", "green"))
        running.until_loaded(3)
        assert running.loads()[1:] == [(1, 0, 4), (0, 1, 4)]


@pytest.fixture
def inner(request: pytest.FixtureRequest) -> Iterator[Shell]:
    """A folder of posts that also holds the data directory, with a Redis of its own."""
    folder = Path(tempfile.mkdtemp(prefix="rec-"))
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "one.md").write_text("# Post one\n\nA red fish.\n")
    yield Shell(folder / request.param, folder)
    embedded.stop(folder / request.param)
    shutil.rmtree(folder)


@pytest.mark.parametrize("inner", [".", ".data"], indirect=True)
def test_its_own_data_are_no_source(inner: Shell) -> None:
    """Redis writes its log of changes, and the load its rejects, into the folder that is read."""
    with watching(inner, ".", "--catalogue", "films", "--spec", "spec.yaml") as running:
        running.ready()
        (inner.folder / "two.md").write_text("# Post two\n\nA red fish.\n")
        (inner.folder / "bad.md").write_text("---\nx: [\n---\nA red fish.\n")
        running.until(lambda: running.loads()[-1][0] == 1 or len(running.out) > 2)
        assert running.is_quiet() or running.is_quiet()


# Databases


def test_sqlite_with_a_write_ahead_log(shell: Shell, server: Server) -> None:
    database = sqlite3.connect(shell.folder / "films.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE films (id TEXT PRIMARY KEY, title TEXT)")
    database.executemany("INSERT INTO films VALUES (?, ?)", [("a", "A fish"), ("b", "A bird")])
    args = ("films.db", "--table", "films", "--spec", "spec.yaml", "--prune")
    with watching(shell, *args) as running:
        running.ready()
        database.execute("INSERT INTO films VALUES ('c', 'A cloud')")
        running.until(lambda: "c" in titles(server))
        database.execute("DELETE FROM films WHERE id = 'a'")
        running.until(lambda: "a" not in titles(server))
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert running.is_quiet() or running.is_quiet()
        database.execute("UPDATE films SET title = 'Another cloud' WHERE id = 'c'")
        running.until(lambda: titles(server)["c"] == "Another cloud")
        database.close()
        assert running.is_quiet() or running.is_quiet(), "reading the database is no change"


def test_sqlite_with_a_write_ahead_log_that_nobody_has_open(shell: Shell, server: Server) -> None:
    def change(statement: str) -> None:
        database = sqlite3.connect(shell.folder / "films.db", isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(statement)
        database.close()

    change("CREATE TABLE films (id TEXT PRIMARY KEY, title TEXT)")
    change("INSERT INTO films VALUES ('a', 'A fish')")
    with watching(shell, "films.db", "--table", "films", "--spec", "spec.yaml") as running:
        running.ready()
        assert running.is_quiet(), "reading the database is no change"
        change("INSERT INTO films VALUES ('b', 'A bird')")
        running.until(lambda: "b" in titles(server))
        assert running.is_quiet() or running.is_quiet(), "reading the database is no change"


# Ctrl-C


def test_ctrl_c_while_it_waits(shell: Shell) -> None:
    with watching(shell, "films.csv", "--spec", "spec.yaml") as running:
        done = ctrl_c(running.ready())
    assert (done.code, done.err.endswith("Stopped watching.\n")) == (0, True), done


@pytest.mark.parametrize("which", ["first", "second"])
def test_ctrl_c_in_the_middle_of_a_load(shell: Shell, server: Server, which: str) -> None:
    with OpenAIServer() as openai:
        env = {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": KEY}
        with watching(shell, "films.csv", "--spec", "remote.yaml", **env) as running:
            if which == "second":
                running.ready()
            asked = len(openai.requests)
            openai.script.append(Reply(delay=1.0))
            (shell.folder / "films.csv").write_text(CSV.replace("blue", "green"))
            running.until(lambda: len(openai.requests) > asked)
            done = ctrl_c(running)
        assert done.code == 130, done
        assert "Stopped. What was written is kept; the same command goes on" in done.err
        assert not server.client.exists("recommender:films:lock")
        asked = len(openai.requests)
        again = shell.run("load", "films.csv", "--spec", "remote.yaml", **env)
        assert (again.code, titles(server)["b"]) == (0, "A green bird")
        assert len(openai.requests) == asked, "what was under way is paid for, and kept"


def test_a_change_while_the_first_load_runs(shell: Shell, server: Server) -> None:
    with OpenAIServer() as openai:
        env = {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": KEY}
        openai.script.append(Reply(delay=1.0))
        with watching(shell, "films.csv", "--spec", "remote.yaml", **env) as running:
            running.until(lambda: openai.requests)
            assert running.out == []
            (shell.folder / "films.csv").write_text(CSV.replace("blue", "green"))
            running.until_loaded(2)
            assert running.loads() == [(3, 0, 0), (0, 1, 2)]
    assert titles(server)["b"] == "A green bird"


# What cannot be watched


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["-", "--format", "csv", "--catalogue", "films"], "'-' cannot be watched"),
        (["https://example.com/feed.xml"], "cannot be watched"),
        (["films.csv", "postgresql://me:secret@localhost/shop"], "cannot be watched"),
        (["films.csv", "--json"], "--json"),
        (["films.csv", "--dry-run"], "--watch does not go here"),
    ],
)
def test_what_cannot_be_watched(shell: Shell, server: Server, args: list[str], said: str) -> None:
    done = shell.run("load", *args, "--watch")
    assert (done.code, done.out, said in done.err) == (2, "", True), done
    assert "secret" not in done.err
    assert not list(server.client.scan_iter())


@pytest.mark.parametrize("name", ["missing.csv", "nowhere/films.csv", "films.csv/x.csv"])
def test_a_first_load_that_fails_ends_it(shell: Shell, name: str) -> None:
    done = shell.run("load", name, "--watch")
    assert (done.code, done.out, "Error: " in done.err) == (1, "", True), done


def test_rejects_of_the_first_load_do_not_end_it(shell: Shell) -> None:
    (shell.folder / "films.csv").write_text(CSV + "a,again\n")
    with watching(shell, "films.csv", "--spec", "spec.yaml") as running:
        running.ready()
        assert ctrl_c(running).code == 0
