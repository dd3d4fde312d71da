"""The access log: one line of JSON a request, with where its time went."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, Any

from api.measured import Measured
from recommender.spent import EMBEDDING, RANKING, REDIS, RENDERING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_LINE = 4096
"""Bytes that a pipe takes whole: lines of several processes never mix."""

MAX_TEXT = 1000
"""Characters of a path or of a query that are kept; where a line gets too long, SHORT of them."""

SHORT = 100

SECRET = re.compile(
    r"((?:^|[?&;])[^=&;]*(?:key|token|secret|passw|auth|signature|session)[^=&;]*=)[^&;]*",
    re.IGNORECASE,
)
"""A parameter that holds a secret by its name, up to its value."""

LINE = (
    '{"time":"%s.%03dZ","id":%s,"method":%s,"path":%s,"query":%s,"status":%d,"bytes":%d,"ms":%.3f,'
    '"redis_ms":%.3f,"ranking_ms":%.3f,"embedding_ms":%.3f,"rendering_ms":%.3f,"returned":%s,'
    '"catalogue":%s,"key":%s,"remote":%s}\n'
)


class AccessLog:
    """A WSGI application around ``app`` that writes a line for each request.

    ``write`` gets whole lines, encoded, one a call; it must not raise.
    """

    def __init__(self, app: WSGIApplication, write: Callable[[bytes], object]) -> None:
        self._app = app
        self._write = write

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers as the application does; the line is written when the last byte has gone."""
        answered = _Answered(environ, self._write)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            answered.status, answered.headers = status, headers
            return (
                start_response(status, headers, exc_info)
                if exc_info
                else start_response(status, headers)
            )

        try:
            answered.body = self._app(environ, start)
        finally:
            answered.measured.stop()
        return answered


class _Answered:
    """The body of an answer, which ends with a line in the log."""

    def __init__(self, environ: WSGIEnvironment, write: Callable[[bytes], object]) -> None:
        self.began = time.time()
        self.measured = Measured(self)
        self.status, self.headers = "500", [("", "")]
        self.body: Iterable[bytes] = ()
        self._environ = environ
        self._write = write

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def close(self) -> None:
        """What a server calls in the end, also where the client has gone."""
        try:
            close = getattr(self.body, "close", None)
            if close is not None:
                close()
        finally:
            self.measured.mark()
            self._write(self._line(MAX_TEXT))

    def _line(self, longest: int) -> bytes:
        environ, seconds = self._environ, self.measured.seconds
        known = {name.lower(): value for name, value in self.headers}
        path, query = _address(environ)
        # Text of a client is quoted, so whatever it holds, it is one valid line.
        line = LINE % (
            _second(int(self.began)), self.began % 1 * 1000, _text(known.get("x-request-id")),
            quoted(environ["REQUEST_METHOD"][:20]),
            quoted(path[:longest]), quoted(query[:longest]),
            int(self.status[:3]),
            0 if environ["REQUEST_METHOD"] == "HEAD" else int(known.get("content-length", 0)),
            1000 * self.measured.total, 1000 * seconds[REDIS], 1000 * seconds[RANKING],
            1000 * seconds[EMBEDDING], 1000 * seconds[RENDERING],
            "null" if self.measured.returned is None else self.measured.returned,
            _text(self.measured.catalogue), _text(_key(environ)),
            _text(environ.get("REMOTE_ADDR")),
        )  # fmt: skip
        if len(line) > MAX_LINE and longest > SHORT:
            return self._line(SHORT)
        return line.encode()


def write_to(descriptor: int) -> Callable[[bytes], object]:
    """Writes lines to a file descriptor; where nobody reads it any more, they are lost."""

    def write(line: bytes) -> None:
        with suppress(OSError):  # the log has gone, the answers have not
            os.write(descriptor, line)

    return write


def _address(environ: WSGIEnvironment) -> tuple[str, str]:
    """The path as it was sent, and the query without secrets."""
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    path = raw.partition("?")[0] if raw else environ.get("PATH_INFO", "")
    query = environ.get("QUERY_STRING", "")
    return path, SECRET.sub(r"\1...", query) if "=" in query else query


def _key(environ: WSGIEnvironment) -> str | None:
    """What tells keys apart and gives none away: eight digits of the digest of the one given."""
    key = environ.get("HTTP_X_API_KEY") or environ.get("HTTP_AUTHORIZATION", "")[7:]
    if not key.strip():
        return None
    return blake2b(key.strip().encode(errors="surrogatepass")).hexdigest()[:8]


def _text(value: str | None) -> str:
    return quoted(value[:100]) if value else "null"


@lru_cache(maxsize=4)
def _second(now: int) -> str:
    """An epoch second as ISO 8601 has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
