"""Writes over HTTP: one item or many, whole or in part, and what hostile or unlucky clients get."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from conftest import Load
from openai_server import OpenAIServer
from outside import Answer, Client, Shell, served

from api import create_app
from recommender import Catalogue, Record, Settings, sync
from recommender.catalogue import VectorSpec
from recommender.store import catalogues
from recommender.store.connection import Server

KEY = "a-key-that-may-write"
BEARER = {"Authorization": f"Bearer {KEY}"}
JSON, NDJSON = "application/json", "application/x-ndjson"

FILMS = Catalogue.from_dict(
    {
        "name": "films",
        "fields": {
            "title": {"type": "text"},
            "genres": {"type": "tag"},
            "year": {"type": "number"},
            "price": {"type": "number"},
            "more": {"type": "stored"},
        },
        "vectors": {"text": {"template": "{title}", "index": "flat"}},
    }
)
GIVEN = Catalogue.from_dict(
    {
        "name": "given",
        "fields": {"title": {"type": "text"}},
        "vectors": {"v": {"embedder": "given", "column": "v"}},
    }
)
ALIEN = {"title": "Alien", "genres": ["Horror", "Science Fiction"], "year": 1979}


class Api:
    """What writes: a client with the key."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def send(
        self, method: str, target: str, body: Any = None, kind: str = JSON, **headers: str
    ) -> Answer:
        """``body`` as it is, or as JSON where it is neither bytes nor parts."""
        if not (body is None or isinstance(body, bytes) or hasattr(body, "__next__")):
            body = json.dumps(body).encode()
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        given = BEARER | ({"Content-Type": kind} if kind else {}) | more
        return self.client.send(method, target, body, headers=given)

    def item(self, method: str, id: str, body: Any = None, **headers: str) -> Answer:
        """A request about one film."""
        return self.send(method, f"/v1/films/items?id={quote(id, safe='')}", body, **headers)

    def post(self, body: Any, kind: str = JSON, **headers: str) -> Answer:
        return self.send("POST", "/v1/films/items", body, kind, **headers)

    def fields(self, id: str) -> Any:
        """What GET says of a film, None where there is none."""
        answer = self.item("GET", id)
        return answer.json["fields"] if answer.status == 200 else None


@pytest.fixture
def api(load: Load, settings: Settings) -> Iterator[Api]:
    """A server of one film that takes writes."""
    load(FILMS, [{"id": "alien", "title": "Alien", "genres": ["Horror"], "year": 1979}])
    with served(create_app(replace(settings, write_keys=(KEY,)))) as client:
        yield Api(client)


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The document of an answer that is a problem."""
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(answer.body) < 1000
    found: dict[str, Any] = answer.json
    return found


def lines(*items: Any) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def test_put_one(api: Api) -> None:
    for status, result, fields, embedded in (
        (201, "created", ALIEN, True),
        (200, "unchanged", ALIEN, False),
        (200, "changed", ALIEN | {"year": 1980}, False),
        (200, "changed", {"title": "Aliens"}, True),
    ):
        answer = api.item("PUT", "new", {"fields": fields})
        assert (answer.status, answer.json) == (
            status, {"id": "new", "result": result, "embedded": embedded}
        )  # fmt: skip
        assert api.fields("new") == fields
    assert api.item("PUT", "new", {"id": "new", "fields": ALIEN}).status == 200
    problem(api.item("PUT", "new", {"id": "old", "fields": ALIEN}), 400, "invalid_id")


def test_what_get_gives_can_be_put(api: Api) -> None:
    got = api.item("GET", "alien").json
    assert api.item("PUT", "copy", {"fields": got["fields"]}).status == 201
    assert api.item("PUT", "alien", got).json == {
        "id": "alien", "result": "changed", "embedded": False
    }  # fmt: skip
    assert api.item("PUT", "alien", got).json["result"] == "unchanged"
    assert api.post([got]).json["unchanged"] == 1


def test_patch_one(api: Api) -> None:
    answer = api.item("PATCH", "alien", {"fields": {"price": 12, "genres": None}})
    assert answer.json == {"id": "alien", "result": "changed", "embedded": False}
    assert api.fields("alien") == {"title": "Alien", "year": 1979, "price": 12}
    answer = api.item("PATCH", "alien", {"fields": {"title": "Alien 3"}})
    assert answer.json == {"id": "alien", "result": "changed", "embedded": True}
    answer = api.item("PATCH", "alien", {"fields": {"title": "Alien 3"}, "id": "alien"})
    assert answer.json == {"id": "alien", "result": "unchanged", "embedded": False}
    problem(api.item("PATCH", "nope", {"fields": {"year": 1}}), 404, "unknown_item")
    problem(api.item("PATCH", "alien", {"fields": {"title": None}}), 400, "invalid_record")
    for body in ({}, {"fields": {}}, {"fields": None}, {"vectors": {}}):
        problem(api.item("PATCH", "alien", body), 400, "invalid_body")


def test_delete_one_and_several(api: Api) -> None:
    api.post([{"id": id, "fields": ALIEN} for id in "abc"])
    assert api.send("DELETE", "/v1/films/items?id=a&id=b&id=b&id=x").json == {"deleted": 2}
    problem(api.send("DELETE", "/v1/films/items?id=a&id=b"), 404, "unknown_item")
    for query in ("", "?id=", "?id=%20", "?id=c&id="):
        problem(api.send("DELETE", f"/v1/films/items{query}"), 400, "invalid_id")
    problem(api.send("DELETE", "/v1/films/items?id=c&where=year%3E0"), 400, "invalid_parameter")
    for pattern in ("*", "[a-z]", "c*"):
        problem(api.item("DELETE", pattern), 404, "unknown_item")
    assert api.fields("c") == ALIEN


ITEMS: list[Any] = [
    {"id": "a", "fields": ALIEN},
    {"id": "b", "fields": {"titel": "x"}},
    {"id": "alien", "fields": {"title": "Alien", "genres": ["Horror"], "year": 1980}},
    {"id": "a", "fields": ALIEN},
    7,
    {"id": 12, "fields": {"title": "Twelve", "year": None}},
]
RESULTS = [
    {"id": "a", "result": "created", "embedded": True},
    {"id": "b", "result": "rejected",
     "detail": "there is no field 'titel' here. Did you mean 'title'?"},
    {"id": "alien", "result": "changed", "embedded": False},
    {"id": "a", "result": "rejected", "detail": "the id 'a' came before in this load"},
    {"id": None, "result": "rejected", "detail": "it is a number where an object is wanted"},
    {"id": "12", "result": "created", "embedded": True},
]  # fmt: skip
COUNTS = {"created": 2, "changed": 1, "unchanged": 0, "rejected": 3}


def test_post_an_array(api: Api) -> None:
    answer = api.post(ITEMS)
    places = [{"place": f"record {number}"} for number in range(1, 7)]
    wanted = [place | result for place, result in zip(places, RESULTS, strict=True)]
    assert (answer.status, answer.json) == (200, COUNTS | {"results": wanted})
    assert api.fields("12") == {"title": "Twelve"}


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n  \n"])
def test_post_ndjson(api: Api, end: bytes) -> None:
    body = b"\xef\xbb\xbf" + end.join(json.dumps(item).encode() for item in ITEMS)
    answer = api.post(body, NDJSON)
    assert (answer.status, answer.json | {"results": []}) == (200, COUNTS | {"results": []})
    shown = [{key: value for key, value in result.items() if key != "place"}
             for result in answer.json["results"]]  # fmt: skip
    assert shown == RESULTS
    step = 3 if end.startswith(b"\n\n") else 1
    places = [result["place"] for result in answer.json["results"]]
    assert places == [f"line {number}" for number in range(1, 6 * step + 1, step)]


def test_post_where_nothing_is_good(api: Api) -> None:
    found = problem(api.post([{"id": "x"}, 7]), 400, "all_rejected")
    assert (found["created"], found["rejected"], len(found["results"])) == (0, 2, 2)
    problem(api.post(b"no json\n{}\n", NDJSON), 400, "all_rejected")
    for body, kind in (
        (b"[]", JSON),
        (b"", JSON),
        (b" \n", JSON),
        (b"", NDJSON),
        (b"\n\n", NDJSON),
    ):
        problem(api.post(body, kind), 400, "invalid_body")
    for body in (b"{}", b"7", b'"x"', b"null"):
        assert "array" in problem(api.post(body), 400, "invalid_body")["remedy"]


def test_a_long_post_is_listed_as_far_as_it_may_be(api: Api) -> None:
    good = [b'{"id": "%d", "fields": {"title": "x"}}' % number for number in range(10_500)]
    answer = api.post(b"\n".join([*good, b"bad", *good[:2]]), NDJSON)
    assert (answer.json["created"], answer.json["rejected"]) == (10_500, 3)
    results = answer.json["results"]
    assert [result["place"] for result in results[9_999:]] == [
        "line 10000", "line 10501", "line 10502", "line 10503"
    ]  # fmt: skip
    rejected = api.post(b"\n".join([b"bad"] * 25_000 + good[:1]), NDJSON).json
    assert (rejected["rejected"], len(rejected["results"])) == (25_000, 20_000)


def test_given_vectors(api: Api, load: Load) -> None:
    load(GIVEN, [{"id": "a", "title": "x", "v": [1, 0]}])
    url = "/v1/given/items?id=b"
    body = {"fields": {"title": "y"}, "vectors": {"v": [0, 1]}}
    assert api.send("PUT", url, body).json == {"id": "b", "result": "created", "embedded": False}
    assert api.client.get("/v1/given/similar?id=a").json["items"][0]["score"] == 0
    assert api.send("PATCH", url, {"vectors": {"v": [1, 0]}}).json["result"] == "changed"
    assert api.client.get("/v1/given/similar?id=a").json["items"][0]["score"] == 1
    got = api.send("GET", "/v1/given/items?id=a&vectors=true").json
    assert got == {"id": "a", "fields": {"title": "x"}, "vectors": {"v": [1, 0]}}
    got = api.send("GET", "/v1/given/items?id=a&vectors=false&fields=").json
    assert got == {"id": "a", "fields": {}}
    answer = api.send("GET", "/v1/given/items?id=a&vectors=some")
    problem(answer, 400, "invalid_vectors")
    assert "vectors" not in api.send("GET", "/v1/films/items?id=alien&vectors=1").json
    for vector in ("NaN", "1e400", "-Infinity", "true", '"a"', "{}", "[1]", "1" + "0" * 400):
        body = f'{{"fields": {{}}, "vectors": {{"v": [{vector}, 1]}}}}'.encode()
        problem(api.send("PUT", url, body), 400, "invalid_record")


BAD_BODIES: list[tuple[bytes, str]] = [
    (b"", "the body is empty"),
    (b"{", "broken JSON"),
    (b"\xff\xfe{\x00}\x00", "not UTF-8"),
    (b'{"fields": {"title": "\xe9"}}', "not UTF-8"),
    (b"[" * 100_000, "it nests too deeply"),
    (b'{"fields": {"more": ' + b"[" * 500 + b"]" * 500 + b"}}", "it nests more than 100 levels"),
    (b"[]", "the body is an array"),
    (b"null", "the body is null"),
    (b'{"fields": {"year": ' + b"9" * 5000 + b"}}", "thousands of digits"),
    (b'{"fields": {"title": "x", "year": 1e400}}', "year: "),
    (b'{"fields": {"title": "x", "year": NaN}}', "year: "),
    (b'{"fields": {"title": "x", "more": NaN}}', "more: "),
    (b'{"fields": {"title": "x", "more": {"a": [Infinity]}}}', "more: "),
    (b'{"fields": {"title": "x"}, "fields": {"title": "y"}}', "'fields' comes twice"),
    (b'{"fields": {"title": "x", "title": "y"}}', "'title' comes twice"),
    (b'{"fields": {"title": "\\ud800"}}', "is not text"),
    (b'{"fields": {"\\ud800": 1}}', "no field '\\ud800' here"),
    (b'{"\\ud800": 1}', "no key '\\ud800' here"),
    (b'{"fields": {"' + b"x" * 100_000 + b'": 1}}', "no field 'xxx"),
    (b'{"fields": {"title": "x"}, "vectors": {"text": [1]}}', "made by wordllama"),
    (b'{"title": "x"}', "no key 'title' here"),
    (b'{"fields": {"title": "' + b"x" * 1_000_001 + b'"}}', "the limit is 1,000,000"),
]


def test_a_bad_body_is_no_500_and_no_write(api: Api) -> None:
    for body, reason in BAD_BODIES:
        for method in ("PUT", "PATCH"):
            found = api.item(method, "alien", body)
            assert found.status == 400, (body[:80], found.body)
            assert reason in found.json["detail"], body[:80]
            assert len(found.body) < 600
    assert api.fields("alien") == {"title": "Alien", "genres": ["Horror"], "year": 1979}


def test_each_bad_line_costs_only_itself(api: Api) -> None:
    bad = [b'{"id": "x", ' + body[1:] for body, _ in BAD_BODIES[1:] if body.startswith(b"{")]
    bad += [b"[" * 100_000, b"\xff", b"7"]
    answer = api.post(b"\n".join([*bad, b'{"id": "good", "fields": {"title": "x"}}']), NDJSON)
    assert (answer.status, answer.json["created"]) == (200, 1)
    assert answer.json["rejected"] == len(bad)
    assert api.fields("x") is None


@pytest.mark.parametrize(
    ("kind", "encoding", "reason"),
    [
        ("", "", "missing"),
        ("application/x-www-form-urlencoded", "", "x-www-form-urlencoded"),
        ("text/plain", "", "send application/json"),
        ("application/json; charset=latin-1", "", "latin-1"),
        ("application/json; charset=utf-16", "", "utf-16"),
        (JSON, "gzip", "packed"),
    ],
)
def test_other_kinds_of_bodies(api: Api, kind: str, encoding: str, reason: str) -> None:
    more = {"Content_Encoding": encoding} if encoding else {}
    for method, target in (("PUT", "?id=x"), ("PATCH", "?id=alien"), ("POST", "")):
        answer = api.send(method, f"/v1/films/items{target}", b"{}", kind, **more)
        assert reason in problem(answer, 415, "unsupported_media_type")["detail"]
    problem(api.item("PUT", "x", b"{}", kind=NDJSON), 415, "unsupported_media_type")


def test_kinds_that_are_fine(api: Api) -> None:
    for kind in ("application/json; charset=UTF-8", "Application/JSON"):
        assert api.item("PUT", "x", {"fields": ALIEN}, kind=kind).status in (200, 201)


def test_a_body_that_is_too_long(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.bodies.MAX_BODY", 1000)
    monkeypatch.setattr("api.bodies.MAX_LINE", 1000)
    long = {"id": "x", "fields": {"title": "x" * 1000}}
    body = json.dumps([long]).encode()
    problem(api.post(body), 413, "request_entity_too_large")
    problem(api.post(iter([body[:500], body[500:]])), 413, "request_entity_too_large")
    problem(api.item("PUT", "x", long), 413, "request_entity_too_large")
    answer = api.post(lines(long, {"id": "y", "fields": ALIEN}, long), NDJSON)
    assert [result["result"] for result in answer.json["results"]] == [
        "rejected", "created", "rejected"
    ]  # fmt: skip
    assert "more than 1,000 bytes" in answer.json["results"][0]["detail"]


@pytest.mark.parametrize("id", ["a/b.md", "ünï/çødé ✓", "?a=b&c=d#e%20f+g", "..", "*", "é" * 512])
def test_ids_may_hold_anything(api: Api, id: str) -> None:
    assert api.item("PUT", id, {"fields": ALIEN}).json["id"] == id
    assert api.item("PATCH", id, {"fields": {"year": 1}}).json["id"] == id
    assert api.fields(id) == ALIEN | {"year": 1}
    assert api.post([{"id": id, "fields": ALIEN}]).json["changed"] == 1
    assert api.item("DELETE", id).json == {"deleted": 1}


def test_ids_that_cannot_be(api: Api) -> None:
    for id in ("", " ", "x" * 1025):
        assert api.item("PUT", id, {"fields": ALIEN}).status == 400, id
    problem(api.send("PUT", "/v1/films/items", {"fields": ALIEN}), 400, "invalid_id")
    problem(api.send("PUT", "/v1/films/items?id=a&id=b", {"fields": ALIEN}), 400, "invalid_id")
    for method in ("PUT", "PATCH", "DELETE"):  # U+FFFD is what %FF would be read as
        answer = api.send(method, "/v1/films/items?id=%FF", {"fields": ALIEN})
        problem(answer, 400, "invalid_parameter")
    assert api.item("PUT", "\ufffd", {"fields": ALIEN}).status == 201
    assert api.item("PUT", "7", {"id": 7, "fields": ALIEN}).status == 201


def test_another_catalogue(api: Api) -> None:
    for method, target in (("PUT", "?id=x"), ("PATCH", "?id=x"), ("POST", ""), ("DELETE", "?id=x")):
        body = [] if method == "POST" else {"fields": ALIEN}
        answer = api.send(method, f"/v1/flims/items{target}", body)
        assert problem(answer, 404, "unknown_catalogue")["remedy"] == "Did you mean 'films'?"
        answer = api.send(method, f"/v1/films:1/items{target}", body)
        problem(answer, 400, "invalid_catalogue")


def test_a_load_is_under_way(api: Api, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recommender.writing.PATIENCE", 0.2)
    with catalogues.locked(server.client, "films", lambda: None):
        for answer in (
            api.item("PUT", "x", {"fields": ALIEN}),
            api.item("PATCH", "alien", {"fields": {"year": 1}}),
            api.item("DELETE", "alien"),
            api.post([{"id": "x", "fields": ALIEN}]),
        ):
            problem(answer, 503, "catalogue_busy")
            assert int(answer.headers["Retry-After"]) > 0
    assert api.item("PUT", "x", {"fields": ALIEN}).status == 201


def test_redis_is_full(api: Api, server: Server) -> None:
    api.item("PUT", "before", {"fields": ALIEN})
    server.client.config_set("maxmemory", 1)
    try:
        for answer in (
            api.item("PUT", "x", {"fields": ALIEN}),
            api.item("PATCH", "before", {"fields": {"year": 1}}),
            api.post([{"id": "x", "fields": ALIEN}]),
        ):
            assert "out of memory" in problem(answer, 507, "redis_full")["detail"]
        assert api.fields("before") == ALIEN
        assert api.item("DELETE", "before").status in (200, 507)
    finally:
        server.client.config_set("maxmemory", 0)
    assert api.item("PUT", "x", {"fields": ALIEN}).status == 201


def test_the_embedder_is_away(load: Load, settings: Settings, server: Server) -> None:
    with OpenAIServer() as models:
        spec = VectorSpec(embedder="openai:text-embedding-3-small", template="{title}")
        films = FILMS.model_copy(update={"vectors": {"text": spec}})
        known = replace(models.settings(), home=settings.home, write_keys=(KEY,))
        sync(server, films, [Record("1", {"id": id, "title": "x"}) for id in "ab"], known)
        unknown = replace(known, openai_api_key="wrong")
        without = replace(known, openai_api_key=None)
        models.key = str(known.openai_api_key)
        for away in (unknown, without):
            with served(create_app(away)) as client:
                api = Api(client)
                problem(api.item("PUT", "x", {"fields": ALIEN}), 502, "embedder_failed")
                assert api.fields("x") is None
        assert models.requests
        with served(create_app(without)) as client:
            assert Api(client).item("DELETE", "a").json == {"deleted": 1}  # needs no embedder


def test_clients_at_once(api: Api) -> None:
    fields = ("year", "price", "more")
    api.item("PUT", "x", {"fields": ALIEN})
    with ThreadPoolExecutor(8) as many:
        jobs = [
            many.submit(api.item, "PATCH", "x", {"fields": {name: number}})
            for number in range(5)
            for name in fields
        ]
        jobs += [many.submit(api.post, [{"id": str(n), "fields": ALIEN}]) for n in range(5)]
    assert {job.result().status for job in jobs} == {200}
    assert {api.fields("x")[name] for name in fields} <= set(range(5))
    assert all(api.fields(str(number)) == ALIEN for number in range(5))


def test_ndjson_is_written_as_it_comes(api: Api, server: Server) -> None:
    def parts() -> Iterator[bytes]:
        yield lines(*({"id": f"{n}", "fields": {"title": "x"}} for n in range(1000)))
        for _ in range(200):
            yield b" " * 70_000 + b"\n"  # the server reads ahead by so much
            if server.client.exists("films:1:item:999"):
                break
            time.sleep(0.02)
        else:
            pytest.fail("the first batch waits for the second")
        yield lines({"id": "last", "fields": {"title": "x"}})

    answer = api.post(parts(), NDJSON)
    assert (answer.status, answer.json["created"]) == (200, 1001)


def test_the_memory_of_ndjson_is_flat(settings: Settings, load: Load) -> None:
    load(FILMS, [{"id": "alien", "title": "Alien"}])
    client = create_app(replace(settings, write_keys=(KEY,))).test_client()
    line = json.dumps({"id": "x", "fields": {"title": "x", "more": "y" * 50_000}}).encode() + b"\n"

    class Endless:
        """A body of 3,000 lines, 150 MB, that is nowhere as a whole."""

        left = 3000 * len(line)

        def read(self, size: int) -> bytes:
            start = -self.left % len(line)
            part = line[start : start + size][: self.left]
            self.left -= len(part)
            return part

    client.post("/v1/films/items", data=line, content_type=NDJSON, headers=BEARER)
    tracemalloc.start()
    answer = client.post(
        "/v1/films/items", content_type=NDJSON, headers=BEARER,
        environ_overrides={"wsgi.input": Endless(), "wsgi.input_terminated": True},
    )  # fmt: skip
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.json is not None
    assert (answer.json["unchanged"], answer.json["rejected"]) == (1, 2999)
    assert peak < 60_000_000


def sent_raw(client: Client, head: str, *parts: bytes) -> socket.socket:
    """A connection on which this much of a request went out."""
    connection = socket.create_connection((client.host, client.port), timeout=10)
    whole = f"{head}\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: {NDJSON}\r\n"
    connection.sendall(whole.encode() + b"".join(parts))
    return connection


def appears(server: Server, key: str) -> bool:
    """Whether the key comes within some seconds."""
    for _ in range(100):
        if server.client.exists(key):
            return True
        time.sleep(0.05)
    return False


POST = "POST /v1/films/items HTTP/1.1"
BATCH = lines(*({"id": f"{n}", "fields": {"title": "x"}} for n in range(1000)))


def test_a_client_hangs_up_in_the_middle(api: Api, server: Server) -> None:
    check_hang_up(api, server)


def check_hang_up(api: Api, server: Server) -> None:
    """What was written before stays; of what came after the last whole batch there is nothing."""
    cut = b'{"id": "cut", "fields": {"title": "x"}}'  # whole, as it happens
    body = BATCH + b" \n" * 50_000 + cut
    for framing in (
        b"Content-Length: %d\r\n\r\n" % (len(body) + 1000),
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body),
    ):
        connection = sent_raw(api.client, POST, framing, body, b"\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert b" 200 " not in connection.recv(100_000).partition(b"\r\n")[0]
        connection.close()
        assert appears(server, "films:1:item:999")
        assert not server.client.exists("films:1:item:cut")
        server.client.delete(*(f"films:1:item:{number}" for number in range(1000)))
    assert api.item("PUT", "cut", {"fields": ALIEN}).status == 201  # nothing is held any more


@contextmanager
def serving(shell: Shell) -> Iterator[tuple[Api, subprocess.Popen[str]]]:
    """``recommender serve`` with a write key: gunicorn, several processes."""
    process = shell.start("serve", "--port", "0", RECOMMENDER_WRITE_KEYS=KEY)
    assert process.stderr is not None
    said = process.stderr.readline() + process.stderr.readline()
    found = re.search(r"127\.0\.0\.1:(\d+)", said)
    assert found, said
    assert said.startswith("Writes with 1 key; reads without a key\n")
    assert KEY not in said
    try:
        yield Api(Client("127.0.0.1", int(found[1]))), process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert KEY not in err
    assert "Traceback" not in err, err


@pytest.fixture
def shell(load: Load, home: Path, tmp_path: Path) -> Shell:
    load(FILMS, [{"id": "alien", "title": "Alien", "genres": ["Horror"], "year": 1979}])
    return Shell(home, tmp_path)


def test_under_the_real_server(shell: Shell, server: Server) -> None:
    with serving(shell) as (api, _):
        test_put_one(api)
        body = iter([BATCH[:10_000], BATCH[10_000:]])  # in chunks
        assert api.post(body, NDJSON).json["created"] == 1000
        try:  # a client that does not stop may be cut off before it can read why
            endless = api.post(iter([b"[", *[b" " * 100_000] * 700]))
        except OSError:
            pass
        else:
            problem(endless, 413, "request_entity_too_large")
        problem(api.post(b"[]", "text/plain"), 415, "unsupported_media_type")
        for method in ("PUT", "PATCH", "DELETE"):
            answer = api.client.send(method, "/v1/films/items?id=alien", b"{}")
            problem(answer, 401, "invalid_key")
        test_clients_at_once(api)


def test_hanging_up_on_the_real_server(shell: Shell, server: Server) -> None:
    with serving(shell) as (api, _):
        check_hang_up(api, server)


def test_what_was_answered_outlives_the_server(shell: Shell, server: Server) -> None:
    with serving(shell) as (api, process):
        written: list[str] = []

        def write(number: int) -> None:
            try:
                answer = api.item("PUT", f"n{number}", {"fields": ALIEN})
            except OSError:
                return
            if answer.status == 201:
                written.append(f"n{number}")

        with ThreadPoolExecutor(4) as many:
            jobs = [many.submit(write, number) for number in range(400)]
            while len(written) < 20:
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGKILL)
        assert all(job.done() for job in jobs)
    assert 20 <= len(written) < 400
    assert all(server.client.hget(f"films:1:item:{id}", "title") == b"Alien" for id in written)
    server.client.delete("recommender:films:lock")  # it would be gone within 15 seconds
    with serving(shell) as (api, _):
        assert api.item("PUT", "after", {"fields": ALIEN}).status == 201
