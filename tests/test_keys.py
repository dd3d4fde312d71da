"""API keys: who may read, who may write, and that no key is ever shown."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from api import create_app
from recommender import RecommenderError, Settings
from recommender.store.connection import Server

READER, WRITER, OTHER = "r" * 16, "writer-of-everything", "another-writers-key!"
READ, WRITE = "RECOMMENDER_READ_KEYS", "RECOMMENDER_WRITE_KEYS"


@pytest.fixture
def ask(server: Server, settings: Settings) -> Any:
    """``ask(method, headers, read_keys, write_keys)``: the status and code of one request."""

    def run(
        method: str,
        headers: dict[str, str] | None = None,
        read: tuple[str, ...] = (),
        write: tuple[str, ...] = (),
    ) -> tuple[int, str | None]:
        app = create_app(replace(settings, read_keys=read, write_keys=write))
        client: FlaskClient = app.test_client()
        path = "/v1/catalogues" if method in ("GET", "HEAD") else "/v1/films/items?id=x"
        answer = client.open(path, method=method, headers=headers, json=None)
        for key in (READER, WRITER, OTHER):
            assert key.encode() not in answer.data
        if answer.status_code == 401:
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        found = answer.get_json(silent=True) or {}
        return answer.status_code, found.get("code")

    return run


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_without_keys_anyone_reads_and_nobody_writes(ask: Any) -> None:
    assert ask("GET") == (200, None)
    assert ask("GET", bearer("whatever")) == (200, None)
    for method in ("PUT", "POST", "PATCH", "DELETE"):
        assert ask(method) == (403, "read_only")
        assert ask(method, bearer("x" * 20)) == (403, "read_only")


def test_a_read_key_reads(ask: Any) -> None:
    for method in ("GET", "HEAD"):
        assert ask(method, read=(READER,))[0] == 401
        assert ask(method, bearer(READER), read=(OTHER, READER))[0] == 200
    assert ask("DELETE", bearer(READER), (READER,), (WRITER,)) == (403, "forbidden")
    assert ask("DELETE", bearer(READER), (READER,)) == (403, "read_only")


def test_a_write_key_does_both(ask: Any) -> None:
    both = {"read": (READER,), "write": (OTHER, WRITER)}
    assert ask("GET", bearer(WRITER), **both) == (200, None)
    assert ask("DELETE", bearer(WRITER), **both) == (404, "unknown_catalogue")
    assert ask("DELETE", **both) == (401, "invalid_key")
    assert ask("GET", write=(WRITER,)) == (200, None)  # reads stay open


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": READER},
        {"Authorization": f"Basic {READER}"},
        bearer(READER[:-1]),
        bearer(READER + "r"),
        bearer(READER.upper()),
        bearer(f"{READER},{READER}"),
        bearer("ü" * 16),
        bearer("\udcff" * 16),
        bearer("r" * 7000),
        {"X-API-Key": ""},
        {"X-API-Key": "wrong"},
        {"X-API-Key": "wrong"} | bearer(READER),
    ],
)
def test_a_wrong_key_is_told_so(ask: Any, headers: dict[str, str]) -> None:
    assert ask("GET", headers, read=(READER,)) == (401, "invalid_key")


@pytest.mark.parametrize(
    "headers",
    [
        bearer(READER),
        {"authorization": f"bearer  {READER} "},
        {"X-API-Key": READER},
        {"X-API-Key": READER, "Authorization": "Basic of-a-proxy"},
    ],
)
def test_the_headers_that_carry_a_key(ask: Any, headers: dict[str, str]) -> None:
    assert ask("GET", headers, read=(READER,)) == (200, None)


def test_options_and_health_need_no_key(server: Server, settings: Settings) -> None:
    client = create_app(replace(settings, read_keys=(READER,))).test_client()
    for path in ("/healthz", "/readyz"):
        assert client.get(path).status_code == 200
    answer = client.options("/v1/films/items")
    assert (answer.status_code, answer.data) == (200, b"")
    wanted = {"GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"}
    assert {*answer.headers["Allow"].split(", ")} == wanted
    assert client.get(f"/v1/catalogues?key={READER}").status_code == 401  # addresses are logged


def test_keys_are_read_from_the_environment() -> None:
    settings = Settings.from_env({READ: f" {READER} ,, ", WRITE: f"{WRITER},{OTHER}"})
    assert (settings.read_keys, settings.write_keys) == ((READER,), (WRITER, OTHER))
    assert Settings.from_env({READ: " , "}).read_keys == ()
    for key in (READER, WRITER, OTHER):
        assert key not in repr(settings)
        assert key not in repr(create_app(settings).extensions)


@pytest.mark.parametrize("variable", [READ, WRITE])
@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("short-of-sixteen", None),
        ("one-too-few-of-it"[:15], "has 15 characters, the shortest has 16"),
        ("schlüssel-schlüssel", "holds something else"),
        ("two words two words", "holds something else"),
        ("a\tb-a\tb-a\tb-a\tb-a\tb", "holds something else"),
    ],
)
def test_a_key_that_cannot_be(variable: str, key: str, fault: str | None) -> None:
    given = {variable: f"{WRITER},{key}"}
    if fault is None:
        Settings.from_env(given)
        return
    with pytest.raises(RecommenderError, match=f"^{variable}: its key number 2 {fault}") as found:
        Settings.from_env(given)
    assert key not in str(found.value)
    assert WRITER not in str(found.value)


def test_no_key_is_logged(ask: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for key in (READER, WRITER, OTHER):
        ask("GET", bearer(key), (READER,))
        ask("PUT", bearer(key), (READER,), (WRITER,))
    assert not any(key in caplog.text for key in (READER, WRITER, OTHER))
