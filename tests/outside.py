"""The product from outside: its command on pipes or on a terminal, its API over HTTP."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

from click.testing import CliRunner
from flask import Flask
from werkzeug.serving import make_server

from recommender.cli import main

COMMAND = str(Path(sys.executable).with_name("recommender"))
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Done:
    """What a finished command left: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout as exactly one JSON document."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Shell:
    """A user's shell: a folder, and an environment of which nothing comes from ours but PATH."""

    home: Path
    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        plain = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "COLUMNS": "120",
            "RECOMMENDER_HOME": str(self.home),
        }
        return plain | more

    def run(self, *args: str | bytes, stdin: str | bytes = b"", **env: str) -> Done:
        """``recommender ARGS...``: it ends by itself and never shows a stack trace."""
        done = subprocess.run(
            [COMMAND, *args],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=self.folder,
            env=self.environment(**env),
            timeout=60,
            check=False,
        )
        err = done.stderr.decode()
        assert "Traceback" not in err, err
        return Done(done.returncode, done.stdout.decode(), err)

    def call(self, *args: str | bytes, stdin: str | bytes = b"", **env: str) -> Done:
        """The same in this process, which spares the half second that a process needs to begin."""
        wanted = self.environment(**env)
        changed: dict[str, str | None] = {name: None for name in os.environ if name not in wanted}
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            done = CliRunner().invoke(
                main, [os.fsdecode(arg) for arg in args], input=stdin, env=changed | wanted
            )
        finally:
            os.chdir(before)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise AssertionError("an exception came through") from done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

    def start(self, *args: str, **env: str) -> subprocess.Popen[str]:
        """The same without waiting for its end; it gets its own process group."""
        return subprocess.Popen(
            [COMMAND, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environment(**env),
            text=True,
            start_new_session=True,
        )

    def terminal(self, *args: str, columns: int = 100, answer: str = "", **env: str) -> Done:
        """The same on a real terminal: everything it shows is in ``out``, line ends as ``\\n``."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        values = {name: value for name, value in self.environment().items() if name != "COLUMNS"}
        process = subprocess.Popen(
            [COMMAND, *args],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=self.folder,
            env=values | {"TERM": "xterm-256color"} | env,
            start_new_session=True,
        )
        os.close(slave)
        os.write(master, answer.encode())
        shown = b""
        end = time.monotonic() + 60
        with suppress(OSError):  # the terminal's own way to say that nobody is left
            while time.monotonic() < end:
                if select.select([master], [], [], 0.1)[0]:
                    shown += os.read(master, 65536)
                elif process.poll() is not None:
                    break
        os.close(master)
        text = shown.decode(errors="replace").replace("\r\n", "\n")
        assert "Traceback" not in text, text
        return Done(process.wait(10), text, "")


def plain(shown: str) -> str:
    """What was shown on a terminal without colours and movements."""
    return ESCAPE.sub("", shown)


def interrupted(process: subprocess.Popen[str], seconds: float = 10.0) -> Done:
    """Ctrl-C: what the process says then, and its exit code."""
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=seconds)
    assert "Traceback" not in err, err
    return Done(process.returncode, out, err)


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """A client of one address; a connection a request, as ``curl`` does."""

    host: str
    port: int

    def get(self, path: str, *, timeout: float = 20.0, **query: Any) -> Answer:
        """GET; a list as a query's value repeats it."""
        asked = f"{path}?{urlencode(query, doseq=True, quote_via=quote)}" if query else path
        return self.send("GET", asked, timeout=timeout)

    def send(
        self,
        method: str,
        target: str,
        body: bytes | Iterable[bytes] | None = None,
        timeout: float = 20.0,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Answer:
        """Any request; a body in parts is sent in chunks, each when the one before is gone."""
        connection = HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request(method, target, body, {**headers})
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers.items()), response.read())
        finally:
            connection.close()


@contextmanager
def served(app: Flask) -> Iterator[Client]:
    """``app`` behind a real HTTP server, one thread a request."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Client("127.0.0.1", server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
