"""304 before Flask: to set up a request takes it longer than to look whether an answer still holds.

Only for what would be a 304 in any case, by the same token and tag; all else goes on to the
application. It stands before an application that is ours alone, and where nobody has to be told
apart: no keys for reading, no rate limits, no other sites' pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask

from api import caching, ids, manners, problems
from api.measured import measured_here
from api.state import State
from recommender.errors import InvalidParameter, StoreError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = re.compile(r"/v1/([A-Za-z0-9][A-Za-z0-9_-]*)(/(?:facets|items|related|search|similar)|)")


class Shortcut:
    """A WSGI application around that of ``app``, whose one instance ``state`` is."""

    def __init__(self, app: Flask, state: State) -> None:
        self._app = app
        self._inner: WSGIApplication = app.wsgi_app
        self._state = state
        self._policy = caching.policy_of(state.settings)

    @staticmethod
    def is_for(state: State) -> bool:
        """Whether nobody has to be told apart."""
        settings = state.settings
        return not (settings.read_keys or settings.rate_limits or settings.cors_origins)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """A 304, or what the application answers."""
        known, method = environ.get("HTTP_IF_NONE_MATCH"), environ["REQUEST_METHOD"]
        path = environ.get("PATH_INFO", "")
        found = PATH.fullmatch(path) if known and method in caching.READ else None
        if not known or found is None:
            return self._inner(environ, start_response)
        try:
            tag = self._tag(found[1], path, environ.get("QUERY_STRING", ""))
        except StoreError as error:  # the application would wait for Redis once more
            with self._app.request_context(environ):
                response = manners.unrouted(problems.answer_to(error))
            self._count(method, found[2], response.status_code)
            return response(environ, start_response)
        if tag is None or tag not in known:
            return self._inner(environ, start_response)
        self._count(method, found[2], 304)
        id = ids.fitting(environ.get("HTTP_X_REQUEST_ID"))
        headers = [*caching.headers_of(tag, self._policy), manners.NO_SNIFFING, (ids.HEADER, id)]
        start_response("304 NOT MODIFIED", headers)
        return ()

    def _tag(self, name: str, path: str, query: str) -> str | None:
        try:
            version = self._state.catalogues.written(name)
        except InvalidParameter:
            return None
        if version is None:
            return None
        return caching.tag_of(version, path.encode(), query.encode("latin-1"))

    def _count(self, method: str, verb: str, status: int) -> None:
        route = f"/v1/<catalogue>{verb}"
        self._state.metrics.count(method, route, status, measured_here())
