"""Events over HTTP: who may send them, what is taken, and what hostile or unlucky clients get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from conftest import Load
from flask import Flask
from outside import Answer, Client, Shell, served

from api import create_app, recommendations
from recommender import Catalogue, Event, Settings
from recommender.store import events
from recommender.store.connection import Server

READER, WRITER = "a-key-that-may-read", "a-key-that-may-write"
CLICK = {"type": "click", "id": "alien", "user": "u1", "seed": "blob"}
FILMS = Catalogue.from_dict(
    {
        "name": "films",
        "fields": {"title": {"type": "text"}},
        "vectors": {"v": {"embedder": "given", "column": "v", "index": "flat"}},
    }
)


@pytest.fixture
def films(load: Load) -> None:
    load(FILMS, [{"id": "alien", "title": "Alien", "v": [1, 0]}, {"id": "blob", "v": [0, 1]}])


@contextmanager
def api(settings: Settings, **more: Any) -> Iterator[Client]:
    with served(create_app(replace(settings, **more))) as client:
        yield client


@pytest.fixture
def client(films: None, settings: Settings) -> Iterator[Client]:
    """A server of two films whose visitors may tell what they did."""
    with api(settings, events=True) as client:
        yield client


def post(client: Client, body: Any, target: str = "/v1/films/events", **headers: str) -> Answer:
    """``body`` as it is, or as JSON where it is neither bytes nor parts."""
    if not (isinstance(body, bytes) or hasattr(body, "__next__")):
        body = json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.send("POST", target, body, headers={"Content-Type": "application/json"} | given)


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The document of an answer that is a problem."""
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json
    return found


def kept(server: Server) -> list[Event]:
    return list(events.read(server.client, "films"))


def test_one_event(client: Client, server: Server) -> None:
    answer = post(client, CLICK)
    assert (answer.status, answer.json) == (202, {"accepted": 1, "rejected": []})
    assert post(client, {"type": "view", "id": "blob", "user": None}).status == 202
    first, second = kept(server)
    assert (first.type, first.id, first.user, first.seed) == ("click", "alien", "u1", "blob")
    assert (second.type, second.id, second.user, second.seed) == ("view", "blob", None, None)
    assert second.time >= first.time > 1.6e9


def test_several_events_of_which_one_is_bad(client: Client, server: Server) -> None:
    given = [CLICK, CLICK | {"type": "clik"}, CLICK | {"id": "gone"}, 7, CLICK | {"user": "u2"}]
    answer = post(client, {"events": given})
    assert (answer.status, answer.json) == (
        202,
        {
            "accepted": 2,
            "rejected": [
                {"place": "event 2", "detail": "the type is 'clik'. Did you mean 'click'?"},
                {"place": "event 3", "detail": "there is no item 'gone'"},
                {"place": "event 4", "detail": "the event is a number where an object is wanted."
                 ' Send {"type": "click", "id": "..."}'},
            ],
        },
    )  # fmt: skip
    assert [event.user for event in kept(server)] == ["u1", "u2"]


def test_a_hundred_and_no_more(client: Client, server: Server) -> None:
    assert post(client, {"events": [CLICK] * 100}).json["accepted"] == 100
    for given in ([CLICK] * 101, []):
        found = problem(post(client, {"events": given}), 400, "invalid_events")
        assert found["remedy"].endswith("1 to 100")
    assert len(kept(server)) == 100


def test_all_bad(client: Client, server: Server) -> None:
    found = problem(post(client, {"events": [{}, CLICK | {"id": "x"}]}), 400, "all_rejected")
    assert (found["accepted"], len(found["rejected"])) == (0, 2)
    assert kept(server) == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid_type"),
        (CLICK | {"type": "x"}, 400, "invalid_type"),
        (CLICK | {"id": "x\0"}, 400, "invalid_id"),
        (CLICK | {"id": "\ud800"}, 400, "invalid_id"),
        (CLICK | {"id": "x" * 1025}, 400, "invalid_id"),
        (CLICK | {"id": {"a": [1]}}, 400, "invalid_id"),
        (CLICK | {"user": "u" * 129}, 400, "invalid_user"),
        (CLICK | {"user": ["u"]}, 400, "invalid_user"),
        (CLICK | {"seed": "alien"}, 400, "invalid_seed"),
        (CLICK | {"seed": ""}, 400, "invalid_seed"),
        (CLICK | {"time": 5}, 400, "invalid_events"),
        (CLICK | {"usr": 5}, 400, "invalid_events"),
        (CLICK | {"events": []}, 400, "invalid_events"),
        ({"events": CLICK}, 400, "invalid_events"),
        ({"events": None}, 400, "invalid_events"),
        (CLICK | {"id": "gone"}, 404, "unknown_item"),
        (CLICK | {"seed": "gone"}, 404, "unknown_item"),
        ([CLICK], 400, "invalid_body"),
        (7, 400, "invalid_body"),
        (b"", 400, "invalid_body"),
        (b"{", 400, "invalid_body"),
        (b"\xff", 400, "invalid_body"),
        (b'{"type": "click", "type": "buy", "id": "alien"}', 400, "invalid_body"),
        (b'{"events": [{"type": "view", "id": "alien", "id": "blob"}]}', 400, "invalid_body"),
        (b'{"id": ' + b"9" * 5000 + b"}", 400, "invalid_body"),
        (b"[" * 60_000, 400, "invalid_body"),
        (b'{"type": "click", "id": NaN}', 400, "invalid_id"),
    ],
    ids=range(27),
)
def test_what_is_no_event(
    client: Client, server: Server, body: Any, status: int, code: str
) -> None:
    found = problem(post(client, body), status, code)
    assert found["detail"]
    assert len(json.dumps(found)) < 1000
    assert kept(server) == []


def test_what_is_no_request_for_it(client: Client, server: Server) -> None:
    assert post(client, CLICK, "/v1/flims/events").json["remedy"] == "Did you mean 'films'?"
    problem(post(client, CLICK, "/v1/flims/events"), 404, "unknown_catalogue")
    problem(post(client, CLICK, "/v1/films%3A1/events"), 400, "invalid_catalogue")
    problem(post(client, CLICK, "/v1/films/events?type=buy"), 400, "invalid_parameter")
    for kind in ("text/plain", "application/x-ndjson", "application/x-www-form-urlencoded"):
        problem(post(client, CLICK, Content_Type=kind), 415, "unsupported_media_type")
    problem(post(client, CLICK, Content_Encoding="gzip"), 415, "unsupported_media_type")
    answer = client.send("GET", "/v1/films/events")
    problem(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]
    assert kept(server) == []


def test_a_body_has_an_end(client: Client, server: Server) -> None:
    big = json.dumps({"events": [CLICK | {"user": "u" * 1000}] * 100}).encode()
    assert len(big) > 64 * 1024
    for body in (big, iter([big[:40_000], big[40_000:]])):
        found = problem(post(client, body), 413, "request_entity_too_large")
        assert found["detail"] == "the body has more than 65,536 bytes: send less at once"
    assert post(client, b" " * 60_000 + json.dumps(CLICK).encode()).status == 202
    assert len(kept(server)) == 1


@pytest.mark.parametrize(
    ("more", "key", "expected"),
    [
        ({}, None, (403, "events_closed")),
        ({}, "whatever-somebody-has", (403, "events_closed")),
        ({"read_keys": (READER,)}, READER, (403, "events_closed")),
        ({"write_keys": (WRITER,)}, None, (403, "events_closed")),
        ({"write_keys": (WRITER,)}, "whatever-somebody-has", (401, "invalid_key")),
        ({"write_keys": (WRITER,)}, WRITER, (202, None)),
        ({"write_keys": (WRITER,), "read_keys": (READER,)}, READER, (403, "forbidden")),
        ({"events": True}, None, (202, None)),
        ({"events": True, "write_keys": (WRITER,)}, None, (202, None)),
        ({"events": True, "write_keys": (WRITER,)}, WRITER, (202, None)),
        ({"events": True, "read_keys": (READER,)}, None, (401, "invalid_key")),
        ({"events": True, "read_keys": (READER,)}, READER, (202, None)),
        ({"events": True, "read_keys": (READER,), "write_keys": (WRITER,)}, WRITER, (202, None)),
    ],
)
def test_who_may_send(
    films: None,
    server: Server,
    settings: Settings,
    more: dict[str, Any],
    key: str | None,
    expected: tuple[int, str | None],
) -> None:
    with api(settings, **more) as client:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        answer = post(client, CLICK, **headers)
        assert (answer.status, answer.json.get("code")) == expected
        assert key is None or key.encode() not in answer.body
        assert answer.headers.get("WWW-Authenticate") == (
            "Bearer" if answer.status == 401 else None
        )
        if expected[1] == "events_closed":
            assert "RECOMMENDER_EVENTS=open" in answer.json["remedy"]
    assert len(kept(server)) == (expected[0] == 202)


def test_in_an_application_of_somebody_else(
    films: None, server: Server, settings: Settings
) -> None:
    app = Flask("theirs")
    app.register_blueprint(recommendations(replace(settings, events=True)), url_prefix="/more")
    with served(app) as client:
        assert post(client, CLICK, "/more/v1/films/events").status == 202
    assert len(kept(server)) == 1


def test_two_servers_at_once(films: None, server: Server, settings: Settings) -> None:
    with api(settings, events=True) as first, api(settings, events=True) as second:
        given = [CLICK | {"user": f"u{n}"} for n in range(60)]
        with ThreadPoolExecutor(6) as pool:
            answers = pool.map(lambda n: post((first, second)[n % 2], given[n]), range(60))
            assert {answer.status for answer in answers} == {202}
    assert {event.user for event in kept(server)} == {event["user"] for event in given}


def test_redis_is_full(client: Client, server: Server) -> None:
    post(client, CLICK)
    server.client.config_set("maxmemory", 1)
    try:
        problem(post(client, {"events": [CLICK, {}]}), 507, "redis_full")
    finally:
        server.client.config_set("maxmemory", 0)
    assert len(kept(server)) == 1
    assert post(client, CLICK).status == 202


def test_the_catalogue_is_dropped_and_made_again(
    client: Client, server: Server, load: Load, home: Any, tmp_path: Any
) -> None:
    shell = Shell(home, tmp_path)
    assert post(client, CLICK).status == 202
    assert shell.call("drop", "films", "--yes").code == 0
    for _ in range(2):
        problem(post(client, CLICK), 404, "unknown_catalogue")
    assert server.client.keys() == []
    load(FILMS, [{"id": "alien", "v": [1, 0]}, {"id": "new", "v": [1, 1]}])
    problem(post(client, CLICK), 404, "unknown_item")  # the blob is gone
    assert post(client, CLICK | {"seed": "new"}).status == 202
    assert [event.seed for event in kept(server)] == ["new"]


def test_redis_is_away(settings: Settings, films: None) -> None:
    with api(settings, events=True, redis_url="redis://127.0.0.1:1") as client:
        answer = post(client, CLICK)
        problem(answer, 503, "redis_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
