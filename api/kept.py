"""The latest answers that each process keeps: what is popular is asked for again and again.

An answer is as good as new while its catalogue's token is still there (see ``store.versions``), so
it is given again only after a look at that token, in one round trip to Redis and without Flask.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from flask import Response, request

from api import ids
from api.measured import Noted, measured_here

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MOST_BYTES = 32 * 2**20
"""What the answers that a process keeps may come to."""

OVERHEAD = 1500
"""Bytes that an answer takes beside its body and its address."""

LONGEST = 64 * 1024
"""Bytes of the longest body that is kept, and of addresses a sixteenth of it."""

PATH = re.compile(r"/v1/([A-Za-z0-9][A-Za-z0-9_-]*)(/(?:facets|items|related|search|similar)|)")
"""The addresses whose answers have a tag: the catalogue's name, and what is asked of it."""

Asked = tuple[str, str, str]
"""Path, query and Accept-Encoding, as they were sent: all that such an answer depends on."""


class Kept(NamedTuple):
    """An answer: its weak tag, its headers but for the request's id, its body, what it brought."""

    tag: str
    headers: list[tuple[str, str]]
    body: bytes
    noted: Noted | None


class Answers:
    """The latest answers, at most MOST_BYTES of them; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Asked, Kept] = OrderedDict()
        self._bytes = 0

    def find(self, asked: Asked) -> Kept | None:
        """What was answered to this, whether it still holds or not."""
        with self._lock:
            found = self._kept.get(asked)
            if found is not None:
                self._kept.move_to_end(asked)
            return found

    def keep(self, asked: Asked, answer: Kept) -> None:
        """Keeps an answer in the place of those that were not asked for the longest."""
        if len(answer.body) > LONGEST or sum(map(len, asked)) > LONGEST // 16:
            return
        with self._lock:
            if (old := self._kept.pop(asked, None)) is not None:
                self._bytes -= _size(asked, old)
            self._kept[asked] = answer
            self._bytes += _size(asked, answer)
            while self._bytes > MOST_BYTES:
                self._bytes -= _size(*self._kept.popitem(last=False))


def _size(asked: Asked, answer: Kept) -> int:
    return sum(map(len, asked)) + len(answer.body) + OVERHEAD


def asked_by(environ: WSGIEnvironment) -> Asked:
    """What a request asks for."""
    return (
        environ.get("PATH_INFO", ""),
        environ.get("QUERY_STRING", ""),
        environ.get("HTTP_ACCEPT_ENCODING", ""),
    )


def remember(answers: Answers, response: Response) -> Response:
    """After a request: keeps an answer that has a tag, as it goes out."""
    tag = response.headers.get("ETag")
    if tag and response.status_code == 200 and request.method == "GET":
        asked = asked_by(request.environ)
        if PATH.fullmatch(asked[0]):
            headers = [pair for pair in response.headers if pair[0] != ids.HEADER]
            measured = measured_here()
            noted = measured.noted if measured else None
            answers.keep(asked, Kept(tag, headers, response.get_data(), noted))
    return response
