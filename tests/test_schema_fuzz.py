"""What the OpenAPI document promises, held against the real app by requests made from it.

Every call is asked what it documents and what it does not: no answer is a 5xx, none has a status,
a content type, a header or a shape that the document does not tell.
``FUZZ_EXAMPLES=1000 pytest --hypothesis-seed=7`` asks more, and something else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from conftest import loaded
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from outside import Client, served
from schemathesis.config import SchemathesisConfig
from test_faces import FILMS, KEPT, films

from api import create_app
from recommender import Settings, presets, related
from recommender.store.connection import Server

WRITE_KEY, READ_KEY = "k" * 16, "r" * 16
EXAMPLES = os.environ.get("FUZZ_EXAMPLES")

CONFIG: dict[str, Any] = {
    # Names of catalogues and ids of items are hardly ever guessed.
    "parameters": {"path.catalogue": "films"},
    "checks": {
        # A schema does not know the fields and presets of a catalogue: what it allows may be a 400.
        "positive_data_acceptance": {"enabled": False},
        # The key is sent with every request; test_with_another_key sends another one.
        "ignored_auth": {"enabled": False},
    },
    "generation": {"allow-x00": True, "exclude-header-characters": "\n\r"},
}
bounded = hypothesis_settings(
    max_examples=int(EXAMPLES or 8),
    deadline=None,
    derandomize=EXAMPLES is None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def document_of(*, limits: bool = False, mode: str = "all", **keys: Any) -> Any:
    """The calls that an app describes; where its Redis is makes no difference to that.

    ``limits`` is whether every limit of every parameter is gone to, one by one; ``mode`` positive
    asks only what is allowed.
    """
    app = create_app(Settings(home=Path(os.devnull), **keys))
    document = app.test_client().get("/openapi.json").json
    phases = {"coverage": {"enabled": limits}}
    generation = {**CONFIG["generation"], "mode": mode}
    config = SchemathesisConfig.from_dict({**CONFIG, "phases": phases, "generation": generation})
    return schemathesis.openapi.from_dict(document, config=config)


KEYS = {"read_keys": (READ_KEY,), "write_keys": (WRITE_KEY,)}
with_keys, with_other_keys = document_of(limits=True, **KEYS), document_of(**KEYS)
without_keys = document_of(mode="positive")


FIT: dict[str, Any] = {
    "id": "toy-story",
    "ids": ["toy-story", "nobody"],
    "like": ["alien"],
    "unlike": ["up"],
    "where": ["year>=1950"],
    "fields": ["year"],
    "same": ["genres"],
    "differ": ["year"],
    "using": "text",
    "boosts": ["0.3*near(year,8)", "0.2*overlap(genres)"],
    "fallbacks": ["latest(year)"],
    "group_by": "first",
    "order": "year",
    "preset": "newer",
    "next": "start",
}
"""What only this catalogue can tell, so that what is asked beside it comes to be met."""


@without_keys.hook
def map_query(_context: Any, query: Any) -> Any:
    """Parameters that fit the catalogue, where one is given."""
    return {name: FIT.get(name, value) for name, value in query.items()} if query else query


@without_keys.hook
def map_body(_context: Any, body: Any) -> Any:
    """The same for members."""
    if not isinstance(body, dict):
        return body
    return {name: FIT.get(name, value) for name, value in body.items()}


@pytest.fixture(scope="module")
def store(_redis: Server, settings: Settings) -> Iterator[Settings]:
    """The sample films with presets and stored neighbours."""
    loaded(_redis, settings, FILMS, films())
    for name, wishes in KEPT.items():
        presets.save(_redis.client, "films", name, wishes)
    related.build(_redis, "films")
    yield settings
    _redis.client.flushall()


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture(scope="module")
def locked(store: Settings) -> Iterator[Client]:
    with served(create_app(replace(store, **KEYS))) as client:
        yield client


@pytest.fixture(scope="module")
def unlocked(store: Settings) -> Iterator[Client]:
    with served(create_app(store)) as client:
        yield client


@schemathesis.serializer("application/x-ndjson")
def lines(_context: Any, value: Any) -> bytes:
    """Some text, or anything else, as the lines of a body."""
    return (value if isinstance(value, str) else json.dumps(value)).encode(errors="surrogatepass")


def hold(case: Any, client: Client, session: requests.Session, **headers: str) -> Any:
    """Sends what was made up, and compares the answer with the document."""
    answer = case.call(
        base_url=f"http://{client.host}:{client.port}", session=session, headers=headers
    )
    if answer.status_code != 414:  # an address too long for the server, which asks no application
        case.validate_response(answer)
    return answer


@with_keys.parametrize()
@bounded
def test_with_a_key(case: Any, locked: Client, session: requests.Session) -> None:
    hold(case, locked, session, **{"X-API-Key": WRITE_KEY})


@without_keys.parametrize()
@bounded
def test_without_a_key(case: Any, unlocked: Client, session: requests.Session) -> None:
    hold(case, unlocked, session)


@with_other_keys.parametrize()
@hypothesis_settings(bounded, max_examples=4)
def test_with_another_key(case: Any, locked: Client, session: requests.Session) -> None:
    answer = hold(case, locked, session, **{"X-API-Key": "x" * 16, "Authorization": ""})
    needs_none = case.operation.path in ("/healthz", "/readyz") or case.method == "OPTIONS"
    assert answer.status_code in ((200, 405) if needs_none else (401, 405, 414))
