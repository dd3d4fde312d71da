"""What is known to hold still is answered before Flask, which takes longer to set up a request.

These are 304s and answers that are kept, by the same token and tag as in the application, to which
all else goes on. It stands before one that is ours alone, and where nobody has to be told apart: no
keys for reading, no rate limits, no other sites' pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from flask import Flask

from api import caching, ids, kept, manners, problems
from api.measured import Measured, measured_here
from api.state import State
from recommender.errors import InvalidParameter, StoreError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Shortcut:
    """A WSGI application around that of ``app``, whose one instance ``state`` is."""

    def __init__(self, app: Flask, state: State) -> None:
        self._app = app
        self._inner: WSGIApplication = app.wsgi_app
        self._state = state
        self._answers = kept.Answers()
        app.after_request(partial(kept.remember, self._answers))
        self._policy = caching.policy_of(state.settings)

    @staticmethod
    def is_for(state: State) -> bool:
        """Whether nobody has to be told apart."""
        settings = state.settings
        return not (settings.read_keys or settings.rate_limits or settings.cors_origins)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """What is known to hold still, or what the application answers."""
        method, asked = environ["REQUEST_METHOD"], kept.asked_by(environ)
        known = environ.get("HTTP_IF_NONE_MATCH", "")
        may_be_kept = method == "GET" and "no-cache" not in environ.get("HTTP_CACHE_CONTROL", "")
        answer = self._answers.find(asked) if may_be_kept else None
        found = kept.PATH.fullmatch(asked[0]) if known or answer else None
        if found is None or method not in caching.READ:
            return self._inner(environ, start_response)
        with _measured() as measured:
            try:
                tag = self._tag(found[1], *asked[:2])
            except StoreError as error:  # the application would wait for Redis once more
                with self._app.request_context(environ):
                    response = manners.unrouted(problems.answer_to(error))
                self._count(method, found[2], response.status_code, measured)
                return response(environ, start_response)
            id = (ids.HEADER, ids.fitting(environ.get("HTTP_X_REQUEST_ID")))
            if tag is not None and tag in known:
                self._count(method, found[2], 304, measured)
                headers = caching.headers_of(tag, self._policy)
                start_response("304 NOT MODIFIED", [*headers, manners.NO_SNIFFING, id])
                return ()
            if answer and answer.tag == f"W/{tag}" and known.strip() != "*":
                if answer.noted:
                    measured.noted = answer.noted
                self._count(method, found[2], 200, measured)
                start_response("200 OK", [*answer.headers, id])
                return (answer.body,)
        return self._inner(environ, start_response)

    def _tag(self, name: str, path: str, query: str) -> str | None:
        try:
            version = self._state.catalogues.written(name)
        except InvalidParameter:
            return None
        if version is None:
            return None
        return caching.tag_of(version, path.encode(), query.encode("latin-1"))

    def _count(self, method: str, verb: str, status: int, measured: Measured) -> None:
        self._state.metrics.count(method, f"/v1/<catalogue>{verb}", status, measured)


@contextmanager
def _measured() -> Iterator[Measured]:
    """The clock of this request: that of the access log where there is one."""
    running = measured_here()
    measured = running or Measured(Shortcut)
    try:
        yield measured
    finally:
        if running is None:
            measured.stop()
