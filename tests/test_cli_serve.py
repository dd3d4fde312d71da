"""The commands around a server: ``serve``, ``redis``, ``doctor``, ``drop``."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from conftest import Quiet
from outside import Client, Shell, interrupted, plain

from recommender import Catalogue, Record, Reject, Settings, sync
from recommender.store import embedded
from recommender.store.connection import Server

FILMS = [
    {"id": f"film {number}", "title": f"film number {number}", "v": [1, number]}
    for number in range(5)
]


@pytest.fixture
def shell(server: Server, home: Path, settings: Settings, tmp_path: Path) -> Shell:
    """A user whose Redis holds five films."""
    films = Catalogue.from_dict(
        {
            "name": "films",
            "fields": {"title": {"type": "text"}},
            "vectors": {"v": {"embedder": "given", "column": "v"}},
        }
    )
    rejects: list[Reject] = []
    records = [Record(film["id"], film) for film in FILMS]
    sync(server, films, records, settings, progress=Quiet(), on_reject=rejects.append)
    assert not rejects
    return Shell(home, tmp_path)


@pytest.fixture
def own_home() -> Iterator[Path]:
    """A data directory that no server uses yet, and none after the test."""
    path = Path(tempfile.mkdtemp(prefix="rec-"))
    yield path
    embedded.stop(path)
    shutil.rmtree(path)


@contextmanager
def serving(shell: Shell) -> Iterator[Client]:
    """``recommender serve`` while it answers; then it is interrupted, which it obeys with 0."""
    process = shell.start("serve", "--port", "0")
    try:
        yield client_of(process)
    finally:
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=15)
    assert time.monotonic() - began < 5
    assert process.returncode == 0
    assert all(json.loads(line)["status"] for line in out.splitlines())
    # gunicorn warns of a worker that had not begun yet.
    assert [line for line in err.splitlines() if not line.endswith("was sent SIGQUIT!")] == []


def client_of(process: subprocess.Popen[str]) -> Client:
    """A client of the address that ``serve`` prints."""
    assert process.stderr is not None
    rights, said = process.stderr.readline(), process.stderr.readline()
    assert rights == "Read-only (RECOMMENDER_WRITE_KEYS is not set); reads without a key\n"
    found = re.fullmatch(r"Serving on http://127\.0\.0\.1:(\d+) \(Ctrl-C stops\)\n", said)
    assert found, said
    client = Client("127.0.0.1", int(found[1]))
    assert client.get("/healthz").status == 200
    return client


def children(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, check=False)
    return [int(child) for child in listed.stdout.split()]


def test_serve_answers_until_ctrl_c(shell: Shell) -> None:
    with serving(shell) as client:
        answer = client.get("/v1/films/similar", id="film 1", limit=2)
        assert (answer.status, answer.json["returned"]) == (200, 2)
        assert client.get("/readyz").status == 200
        with ThreadPoolExecutor(8) as many:
            asked = [many.submit(client.get, "/v1/films/similar", id="film 1") for _ in range(40)]
        assert [one.result().status for one in asked] == [200] * 40
    with pytest.raises(OSError, match="refused"):
        client.get("/healthz")


def test_serve_stops_its_workers_once(shell: Shell) -> None:
    process = shell.start("serve", "--port", "0")
    try:
        client_of(process)
        time.sleep(1.0)  # until all of them are there
        workers = children(process.pid)
        for worker in workers:
            os.kill(worker, signal.SIGINT)
        time.sleep(0.3)
        assert children(process.pid) == workers  # they leave Ctrl-C to their master
    finally:
        done = interrupted(process, 15.0)
    assert (done.code, len(done.out.splitlines()), done.err) == (0, 1, "")


def test_serve_does_not_wait_for_silent_clients(shell: Shell) -> None:
    process = shell.start("serve", "--port", "0")
    with ExitStack() as browsers:
        client = client_of(process)
        for _ in range(4):  # a browser connects before it has anything to ask
            address = (client.host, client.port)
            browsers.enter_context(socket.create_connection(address))
        time.sleep(0.3)
        began = time.monotonic()
        done = interrupted(process, 15.0)
    assert time.monotonic() - began < 6
    assert (done.code, len(done.out.splitlines()), done.err) == (0, 1, "")


@pytest.mark.parametrize(
    ("host", "values", "said"),
    [
        ("0.0.0.0", ("", "", ""),
         "Read-only (RECOMMENDER_WRITE_KEYS is not set); whoever reaches 0.0.0.0 may read without"
         " a key (RECOMMENDER_READ_KEYS is not set)"),
        ("127.0.0.1", ("r" * 16, f"{'w' * 16},{'x' * 16}", ""),
         "Writes with 2 keys; reads with a key"),
        ("127.0.0.1", ("", "w" * 16, "open"),
         "Writes with 1 key; events from whoever may read; reads without a key"),
    ],
)  # fmt: skip
def test_serve_says_who_may_do_what(
    shell: Shell, host: str, values: tuple[str, str, str], said: str
) -> None:
    names = ("RECOMMENDER_READ_KEYS", "RECOMMENDER_WRITE_KEYS", "RECOMMENDER_EVENTS")
    env = dict(zip(names, values, strict=True))
    process = shell.start("serve", "--host", host, "--port", "0", **env)
    assert process.stderr is not None
    assert process.stderr.readline() == f"{said}\n"
    assert process.stderr.readline().startswith("Serving on http://")
    interrupted(process, 15.0)


def test_serve_refuses_a_short_key_without_showing_it(shell: Shell) -> None:
    done = shell.call("serve", "--port", "0", RECOMMENDER_WRITE_KEYS="swordfish")
    assert done.code == 1
    assert "RECOMMENDER_WRITE_KEYS: its key number 1 has 9 characters" in done.err
    assert "swordfish" not in done.err


def test_serve_says_that_a_port_is_taken(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = shell.run("serve", "--port", str(port))
    assert done.code in (1, 2)
    assert f"127.0.0.1:{port} cannot be listened on: Address already in use" in done.err
    assert "--port" in done.err


@pytest.mark.parametrize("host", ["no.such.host.invalid", f"{'a' * 70}.com"])
def test_serve_says_that_a_host_is_not_there(shell: Shell, host: str) -> None:
    done = shell.call("serve", "--host", host, "--port", "0")
    assert done.code in (1, 2)
    assert host in done.err
    assert "--host" in done.err
    assert "--port 8001" not in done.err


def test_serve_does_not_begin_without_redis(shell: Shell) -> None:
    done = shell.run("serve", "--port", "0", REDIS_URL="redis://127.0.0.1:1")
    assert done.code == 1
    assert "Redis at redis://127.0.0.1:1 does not answer" in done.err


def test_drop_asks_first(shell: Shell) -> None:
    for answer in ("n\n", "\n", ""):
        refused = shell.call("drop", "films", stdin=answer)
        assert (refused.code, "Aborted!" in refused.err) == (1, True)
    assert shell.call("info", "films", "--json").json["items"] == 5
    asked = shell.terminal("drop", "films", answer="y\n")
    assert asked.code == 0
    assert "Delete 'films' with all its items? [y/N]" in plain(asked.out)
    assert plain(asked.out).endswith("films: 5 items deleted\n")


def test_drop_with_yes_leaves_nothing(shell: Shell, server: Server) -> None:
    done = shell.run("drop", "films", "--yes")
    assert (done.code, done.out, done.err) == (0, "films: 5 items deleted\n", "")
    assert server.client.keys() == []
    assert server.client.execute_command("FT._LIST") == []
    again = shell.call("drop", "films", "--yes")
    assert again.code == 1
    assert "There are no catalogues yet" in again.err
    assert "There are no catalogues yet" in shell.call("catalogues").out


def test_an_entry_that_cannot_be_read_can_be_dropped(shell: Shell, server: Server) -> None:
    server.client.hset("recommender:old", mapping={"catalogue": "x: 1", "generation": "1"})
    server.client.sadd("recommender:catalogues", "old")
    shown = shell.call("info", "old")
    assert (shown.code, "recommender drop old" in shown.err) == (1, True)
    assert shell.call("drop", "old", "--yes").code == 0
    assert "old" not in shell.call("catalogues").out


def test_an_entry_that_cannot_be_read_does_not_hide_the_others(
    shell: Shell, server: Server
) -> None:
    server.client.hset("recommender:old", mapping={"catalogue": "x: 1", "generation": "1"})
    server.client.sadd("recommender:catalogues", "old")
    shown = shell.call("catalogues")
    assert "films" in shown.out
    assert "old" in shown.out


def test_redis_starts_stops_and_keeps(own_home: Path, server: Server, tmp_path: Path) -> None:
    shell = Shell(own_home, tmp_path)
    path = f"{own_home}/redis/redis.sock"
    assert shell.call("redis", "status", "--json").json == {
        "running": False,
        "socket": path,
        "directory": f"{own_home}/redis",
    }
    assert shell.run("redis", "stop").out == "The local Redis was not running\n"
    for _ in range(2):
        started = shell.run("redis", "start")
        assert (started.code, started.out) == (0, f"The local Redis listens on unix://{path}\n")
    (tmp_path / "f.csv").write_text("id,title\na,A film\nb,Another film\n")
    assert shell.call("load", "f.csv").code == 0
    shown = shell.call("redis", "status")
    assert re.search(r"^running +yes$", shown.out, re.MULTILINE)
    assert re.search(r"^pid +\d+$", shown.out, re.MULTILINE)
    assert shell.run("redis", "stop").out == "The local Redis has stopped\n"
    assert shell.run("catalogues", "--json").json["catalogues"][0]["items"] == 2  # it came back


def test_doctor_is_well(shell: Shell) -> None:
    done = shell.run("doctor")
    assert (done.code, done.err) == (0, "")
    assert all(line.startswith("ok    ") for line in done.out.splitlines())
    names = [line[6:].partition(":")[0] for line in done.out.splitlines()]
    wanted = ["Python", "data directory", "Redis", "embedder wordllama", "catalogue films"]
    assert names == wanted
    assert "catalogue films: 5 items, ready" in done.out
    document = shell.call("doctor", "--json").json
    assert document["ok"] is True
    assert [(check["name"], check["ok"]) for check in document["checks"]] == [
        (name, True) for name in wanted
    ]


def test_doctor_says_that_redis_is_away(shell: Shell) -> None:
    away = {"REDIS_URL": "redis://user:secret@127.0.0.1:1"}
    done = shell.call("doctor", "--json", **away)
    failed = [check for check in done.json["checks"] if not check["ok"]]
    assert (done.code, done.json["ok"], [check["name"] for check in failed]) == (
        1,
        False,
        ["Redis"],
    )
    assert "127.0.0.1:1 does not answer" in failed[0]["detail"]
    assert "secret" not in done.out


def test_doctor_does_not_send_to_the_doctor(shell: Shell) -> None:
    done = shell.call("doctor", REDIS_URL="redis://127.0.0.1:1")
    [line] = [line for line in done.out.splitlines() if line.startswith("FAIL")]
    assert ".." not in line
    assert "doctor" not in line


@pytest.mark.parametrize(
    ("name", "directory"),
    [
        ("under a file", "films.csv/recommender"),
        pytest.param(
            "too long",
            f"/tmp/{'a' * 300}",
        ),
        ("of nobody", "~nobody-of-that-name/recommender"),
    ],
)
def test_doctor_sees_a_data_directory_that_cannot_be(
    shell: Shell, name: str, directory: str
) -> None:
    (shell.folder / "films.csv").write_text("a file, not a folder")
    done = shell.call("doctor", RECOMMENDER_HOME=directory)
    assert done.code == 1, name
    assert "FAIL  data directory" in done.out or "RECOMMENDER_HOME" in done.err


def test_doctor_sees_a_catalogue_without_an_index(shell: Shell, server: Server) -> None:
    server.client.execute_command("FT.DROPINDEX", "films:1")
    done = shell.call("doctor")
    assert done.code == 1
    assert "FAIL  catalogue films: the catalogue 'films' has no index yet" in done.out
    listed = shell.call("catalogues", "--json").json["catalogues"]
    assert [(one["name"], one["ready"]) for one in listed] == [("films", False)]
