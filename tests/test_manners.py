"""The manners of HTTP: caching, packing, HEAD and OPTIONS, ids, limits, a Redis that hangs."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from conftest import Load, loaded
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from outside import Answer, Client, served
from test_api_errors import own_redis, problem

from api import create_app
from api.plugin import recommendations
from recommender import Catalogue, Settings, presets, related
from recommender.store import embedded, index, versions
from recommender.store.connection import Server, connect

KEY, READER = "a-key-that-writes", "a-key-that-reads"
JSON = {"Content-Type": "application/json"}
WRITES = {**JSON, "X-API-Key": KEY}


def films(**vector: Any) -> Catalogue:
    return Catalogue.from_dict(
        {
            "name": "films",
            "fields": {
                "title": {"type": "text"}, "year": {"type": "number"}, "genres": {"type": "tag"}
            },
            "vectors": {"v": {"embedder": "given", "column": "v"} | vector},
        }
    )  # fmt: skip


FILMS: list[dict[str, Any]] = [
    {
        "id": f"f{number}", "title": f"film number {number} " + "long " * 30,
        "year": 1990 + number, "genres": ["Drama"], "v": [1, number],
    }
    for number in range(30)
]  # fmt: skip

GET = (
    "/v1/films",
    "/v1/films/similar?id=f1",
    "/v1/films/similar?id=f1&where=year%3E1990&boosts=0.2*near(year,8)",
    "/v1/films/search?q=film&mode=text",
    "/v1/films/related?id=f1",
    "/v1/films/facets",
    "/v1/films/items?id=f1",
)
"""What has an ETag."""


@pytest.fixture
def catalogue(load: Load, server: Server) -> None:
    load(films(), FILMS)
    related.build(server, "films", size=5)


@pytest.fixture
def client(catalogue: None, settings: Settings) -> Iterator[Client]:
    """The API over the films; its key may write."""
    with served(create_app(replace(settings, write_keys=(KEY,)))) as client:
        yield client


def ask(client: Client, path: str, tag: str | None = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if tag is not None:
        named["If-None-Match"] = tag
    return client.send("GET", path, headers=named)


def tag_of(client: Client, path: str) -> str:
    """The ETag of what is there now: whoever brings another one is told the latest."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        answer = ask(client, path, '"another"')
        assert answer.status == 200, answer.body
        tag = answer.headers.get("ETag")
        if tag is not None and ask(client, path, tag).status == 304:
            return tag
    pytest.fail("it never gets an ETag")


# --- caching --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", GET)
def test_an_answer_that_still_holds_is_not_sent_again(client: Client, path: str) -> None:
    first = client.get(path)
    assert first.status == 200
    assert first.headers["ETag"].startswith('W/"')
    assert first.headers["Cache-Control"] == "public, max-age=0, must-revalidate"
    again = ask(client, path, first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    for name in ("ETag", "Cache-Control", "Vary"):
        assert again.headers[name] == first.headers[name]
    assert "Content-Type" not in again.headers
    assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]


def test_an_etag_is_of_one_address(client: Client) -> None:
    paths = [*GET, "/v1/films/similar?id=f2", "/v1/films/similar?id=f1&limit=10"]
    tags = [tag_of(client, path) for path in paths]
    assert len({*tags}) == len(paths)
    assert ask(client, paths[1], tags[2]).status == 200


HTTP_WRITES = {
    "put": ("PUT", "items?id=f2", {"fields": {"title": "new"}, "vectors": {"v": [3, 1]}}),
    "patch": ("PATCH", "items?id=f2", {"fields": {"year": 1}}),
    "delete": ("DELETE", "items?id=f2", None),
    "post": ("POST", "items", [{"id": "n", "fields": {"title": "n"}, "vectors": {"v": [1, 1]}}]),
}


@pytest.mark.parametrize("write", HTTP_WRITES.values(), ids=HTTP_WRITES)
def test_after_a_write_no_old_answer_holds(client: Client, write: Any) -> None:
    method, path, body = write
    paths = list(GET)
    tags = [tag_of(client, path) for path in paths]
    sent = None if body is None else json.dumps(body).encode()
    assert client.send(method, f"/v1/films/{path}", sent, headers=WRITES).status in (200, 201)
    for path, tag in zip(paths, tags, strict=True):
        assert ask(client, path, tag).status == 200
        assert tag_of(client, path) != tag


def test_a_preset_that_was_changed_answers_anew(client: Client, server: Server, load: Load) -> None:
    path = "/v1/films/similar?id=f1&preset=few"
    for limit in range(1, 6):
        presets.save(server.client, "films", "few", {"limit": limit})
        tag = tag_of(client, path)  # never with what the preset was before
        assert ask(client, path, tag).status == 304
        assert len(client.get(path).json["items"]) == limit
    before = tag_of(client, path)
    assert load(films().with_presets({"few": {"limit": 5}}), FILMS).unchanged == len(FILMS)
    assert ask(client, path, before).status == 304, "a load that changes nothing"


PASSING = (
    "/v1/films/similar?id=f1&next=start",
    "/v1/films/similar?id=f1&boosts=0.2*fresh(year,9y)",
    "/v1/films/similar?id=f1&boosts=0.2*near(year,8)&boosts=%201*%20fresh(year,9y)",
    "/v1/films/similar?id=f1&preset=young",
    "/v1/catalogues",
    "/healthz",
    "/readyz",
)


@pytest.mark.parametrize("path", PASSING)
def test_what_changes_without_a_write_is_not_kept(
    client: Client, server: Server, path: str
) -> None:
    presets.save(server.client, "films", "young", {"boosts": "0.3*fresh(year,9y)"})
    for tag in (None, '"x"', "*"):
        answer = ask(client, path, tag)
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert "ETag" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/films/similar?id=nope", 404),
        ("GET", "/v1/films/similar?id=f1&limit=0", 400),
        ("GET", "/v1/nope/similar?id=f1", 404),
        ("GET", "/nope", 404),
        ("PUT", "/v1/films/similar", 405),
        ("PUT", "/v1/films/items?id=f1", 401),
        ("POST", "/v1/films/similar", 200),
    ],
)
def test_errors_and_posts_are_not_kept(client: Client, method: str, path: str, status: int) -> None:
    body = b'{"id": "f1"}' if method == "POST" else None
    answer = client.send(method, path, body, headers={**JSON, "If-None-Match": "*"})
    assert answer.status == status
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Request-Id"]


def test_nothing_is_kept_while_the_index_fills(
    settings: Settings, server: Server, load: Load
) -> None:
    made = films(index="hnsw")
    many = [
        {"id": str(n), "year": n, "v": [1.0, n % 89, n % 83, n % 79, *[n % 7] * 60]}
        for n in range(6000)
    ]
    load(made, many)
    path = "/v1/films/similar?id=1"
    with served(create_app(settings)) as client:
        tag_of(client, path)
        index.drop(server.client, "films", 1)
        index.create(server.client, made, 1, {"v": 64})
        index.publish(server.client, "films", 1)
        versions.put(server.client, "films")  # as whatever made it would
        time.sleep(0.06)
        seen = 0
        while not index.get_state(server.client, "films").is_ready:
            answer = ask(client, path, '"another"')
            still = not index.get_state(server.client, "films").is_ready
            if still and answer.status == 200:
                seen += 1
                assert answer.headers["Cache-Control"] == "no-store"
        assert seen, "it was filled too fast to see anything"
        assert tag_of(client, path)


def test_nothing_is_kept_of_a_restarted_redis_before_its_index_is_full(server: Server) -> None:
    with own_redis() as other:
        numbers = random.Random(1)  # no two are equally far: such may change places
        many = [{"id": str(n), "v": [numbers.gauss(0, 1) for _ in range(8)]} for n in range(6000)]
        with (found := connect(other)).client:
            loaded(found, other, films(index="hnsw"), many)
        path = "/v1/films/similar?id=1&exact=true"
        with served(create_app(other)) as client:
            tag = tag_of(client, path)
            whole = client.get(path).json["items"]
            os.kill(int(embedded.status(other.home)["pid"]), signal.SIGKILL)
            time.sleep(0.2)
            embedded.start(other.home)
            partial, unseen = 0, f"{path}&limit=10"  # the same, and not asked for before
            while "ETag" not in (answer := client.get(unseen)).headers:
                assert answer.headers["Cache-Control"] == "no-store"
                partial += answer.status == 200 and answer.json["items"] != whole
            assert answer.json["items"] == whole
            assert partial, "it was filled too fast to see anything"
            assert ask(client, path, tag).status == 304, "what was kept before still holds"
            assert client.get(path).json["items"] == whole


def test_what_was_counted_of_half_an_index_is_counted_again(server: Server) -> None:
    with own_redis() as other:
        numbers = random.Random(1)
        many = [
            {"id": str(n), "genres": [f"g{n % 7}", f"u{n}"], "v": [numbers.gauss(0, 1), 1]}
            for n in range(6000)
        ]
        with (found := connect(other)).client:
            loaded(found, other, films(), many)
        path = "/v1/films/similar?id=1&boosts=0.5*overlap(genres,idf)&explain=true&limit=3"
        with served(create_app(other)) as client:
            client.get("/v1/films")  # it knows the catalogue, and of its labels nothing
            with served(create_app(other)) as another:
                whole = another.get(path).json["items"]
            os.kill(int(embedded.status(other.home)["pid"]), signal.SIGKILL)
            time.sleep(0.2)
            embedded.start(other.home)
            asked = 0
            while "ETag" not in (answer := client.get(path)).headers:
                asked += answer.status == 200
            assert asked, "it was filled too fast to see anything"
            assert answer.json["items"] == whole


OTHERS = st.sampled_from(['"x"', 'W/"y"', '""', '"a,b"', 'W/"W/"', '"\'"', '"é"'])


@examples(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_if_none_match_in_every_form(client: Client, data: st.DataObject) -> None:
    path = GET[1]
    weak = tag_of(client, path)
    tags = data.draw(st.lists(OTHERS, max_size=4))
    mine = data.draw(st.sampled_from([None, weak, weak.removeprefix("W/")]))
    if mine is not None:
        tags.insert(data.draw(st.integers(0, len(tags))), mine)
    if not tags:
        return
    header = data.draw(st.sampled_from([",", ", ", " ,\t", ",,"])).join(tags)
    assert ask(client, path, header).status == (200 if mine is None else 304)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ("*", 304), (" * ", 304), ("{0}", 304), ('"{1}"', 304), ("{1}", 200), ("W/{1}", 200),
        ("w/\"{1}x\"", 200), ('"x{1}"', 200), ('"**"', 200), ("", 200),
    ],
)  # fmt: skip
def test_what_matches(client: Client, form: str, status: int) -> None:
    tag = tag_of(client, GET[1])
    opaque = tag.removeprefix("W/").strip('"')
    assert ask(client, GET[1], form.format(tag, opaque)).status == status


@pytest.mark.parametrize("name", ["films:lock", "catalogues", "a%20b", "films:1", "*", "%00"])
def test_only_a_catalogue_is_looked_at(client: Client, server: Server, name: str) -> None:
    server.client.set("recommender:films:lock", "x")
    for tag in ('"x"', "*"):
        problem(ask(client, f"/v1/{name}/similar?id=f1", tag), 400, "invalid_catalogue")


@pytest.mark.parametrize("more", [{}, {"cors_origins": ("https://a.example",)}])
def test_the_short_way_and_the_long_one_say_the_same(
    catalogue: None, settings: Settings, more: dict[str, Any]
) -> None:
    """By HEAD and GET, by each address; with CORS there is no short way."""
    app = create_app(settings)
    host = Flask("host")
    host.register_blueprint(recommendations(replace(settings, **more)))
    with served(app) as short, served(host) as long:
        for path in GET:
            tag = tag_of(short, path)
            for method in ("GET", "HEAD"):
                headers = {"If-None-Match": tag, "X-Request-Id": "same"}
                said = [each.send(method, path, headers=headers) for each in (short, long)]
                assert [each.status for each in said] == [304, 304]
                kept = [{**each.headers, "Date": "", "Vary": varied(each)} for each in said]
                kept[1]["Vary"] = varied(said[1]) - {"Origin"}
                assert kept[0] == kept[1]
        for known, count in ((tag_of(short, GET[1]), 1), ('"x"', 0)):
            before = counted(short)
            ask(short, GET[1], known)
            assert counted(short) - before == count


def counted(client: Client) -> float:
    """How often 304 was answered, by the server's own figures."""
    lines = client.get("/metrics").body.decode().splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("recommender_requests_total") and 'status="304"' in line
    )


def test_a_star_needs_something_that_is_there(client: Client) -> None:
    assert ask(client, "/v1/films/items?id=nope", "*").status == 404


def test_what_needs_a_key_needs_it_for_a_304_too(catalogue: None, settings: Settings) -> None:
    closed = replace(settings, read_keys=(READER,), cache_seconds=60)
    with served(create_app(closed)) as client:
        answer = ask(client, GET[1], X_API_Key=READER)
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert {"Authorization", "X-API-Key"} <= varied(answer)
        tag = answer.headers["ETag"]
        assert ask(client, GET[1], tag, X_API_Key=READER).status == 304
        assert {"Authorization", "X-API-Key"} <= varied(ask(client, GET[1], tag, X_API_Key=READER))
        for wrong in ({}, {"X_API_Key": "a-key-of-nobody-at-all"}):
            for known in (tag, "*"):
                refused = ask(client, GET[1], known, **wrong)
                problem(refused, 401, "invalid_key")
                assert refused.headers["Cache-Control"] == "no-store"


def test_shared_caches_may_wait(catalogue: None, settings: Settings) -> None:
    with served(create_app(replace(settings, cache_seconds=60))) as client:
        said = client.get(GET[1]).headers["Cache-Control"]
    assert said == "public, max-age=0, s-maxage=60, must-revalidate"


def varied(answer: Answer) -> set[str]:
    return {name.strip() for name in answer.headers.get("Vary", "").split(",")}


# --- packing, HEAD, OPTIONS -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip", True), ("gzip, deflate, br", True), ("br;q=1, gzip;q=0.5", True), ("*", True),
        ("GZIP", True), ("", False), ("identity", False), ("br", False), ("gzip;q=0", False),
        ("*;q=0", False), ("gzip;q=0, *", False),
    ],
)  # fmt: skip
def test_long_answers_are_packed_for_those_who_take_it(
    client: Client, accepted: str, is_packed: bool
) -> None:
    path = "/v1/films/similar?id=f1"
    plain = client.get(path)
    answer = ask(client, path, Accept_Encoding=accepted)
    assert (answer.headers.get("Content-Encoding") == "gzip") is is_packed
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    body = gzip.decompress(answer.body) if is_packed else answer.body
    assert json.loads(body)["items"] == plain.json["items"]
    assert answer.headers["ETag"] == plain.headers["ETag"]
    assert "Accept-Encoding" in varied(answer)
    assert "Accept-Encoding" in varied(plain)
    if is_packed:
        assert len(answer.body) < len(plain.body) / 2
    kept = ask(client, path, answer.headers["ETag"], Accept_Encoding=accepted)
    assert kept.status == 304
    assert "Content-Encoding" not in kept.headers


def test_a_packed_file_has_a_weak_etag(client: Client) -> None:
    plain, packed = client.get("/widget.js"), ask(client, "/widget.js", Accept_Encoding="gzip")
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["ETag"] == f"W/{plain.headers['ETag']}"
    for answer in (plain, packed):
        kept = ask(client, "/widget.js", answer.headers["ETag"], Accept_Encoding="gzip")
        assert (kept.status, kept.body) == (304, b"")
        assert "Accept-Encoding" in varied(kept)
        assert kept.headers["Cache-Control"] == answer.headers["Cache-Control"]


def test_short_answers_are_sent_as_they_are(client: Client) -> None:
    answer = ask(client, "/v1/films/items?id=f1", Accept_Encoding="gzip")
    assert "Content-Encoding" not in answer.headers
    assert answer.json["id"] == "f1"


def test_long_problems_are_packed(client: Client) -> None:
    words = json.dumps([{"id": f"x{n}", "fields": {"no": n}} for n in range(50)]).encode()
    headers = {**WRITES, "Accept-Encoding": "gzip"}
    answer = client.send("POST", "/v1/films/items", words, headers=headers)
    assert answer.status == 400
    assert answer.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.body))["code"] == "all_rejected"


def raw(client: Client, request: str) -> bytes:
    """Everything that a server answers to a request, as it came."""
    with socket.create_connection((client.host, client.port), timeout=10) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("path", GET)
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_head_is_get_without_a_body(client: Client, path: str, encoding: str) -> None:
    changing = ("date", "x-request-id", "content-length", "connection")
    heads = []
    for method in ("GET", "HEAD"):
        said = raw(
            client,
            f"{method} {path} HTTP/1.1\nHost: x\nAccept-Encoding: {encoding}\n"
            "Connection: close\n\n",
        )
        head, _, body = said.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        named = dict(line.split(": ", 1) for line in lines[1:])
        assert abs(int(named["Content-Length"]) - 2400) < 2400
        assert bool(body) is (method == "GET")
        kept = {name: value for name, value in named.items() if name.lower() not in changing}
        heads.append((lines[0], kept))
    assert heads[0] == heads[1]


def test_head_may_be_a_304(client: Client) -> None:
    tag = tag_of(client, GET[1])
    assert client.send("HEAD", GET[1], headers={"If-None-Match": tag}).status == 304


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/films/similar", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("/v1/films/items", {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}),
        ("/v1/films/facets", {"GET", "HEAD", "OPTIONS"}),
        ("/v1/films/recommend", {"OPTIONS", "POST"}),
        ("/healthz", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_options_says_what_there_is(
    catalogue: None, settings: Settings, path: str, methods: set[str]
) -> None:
    with served(create_app(replace(settings, read_keys=(READER,)))) as client:
        answer = client.send("OPTIONS", path)
    assert (answer.status, answer.body) == (200, b"")
    assert {*answer.headers["Allow"].split(", ")} == methods


# --- request ids ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [GET[1], "/v1/films/similar", "/nope", "/healthz"])
def test_a_request_keeps_its_id(client: Client, path: str) -> None:
    answer = ask(client, path, X_Request_Id="Abc-1_2.3")
    assert answer.headers["X-Request-Id"] == "Abc-1_2.3"
    made = {client.get(path).headers["X-Request-Id"] for _ in range(3)}
    assert len(made) == 3
    assert {len(each) for each in made} == {16}


@pytest.mark.parametrize("id", ["", "a b", "x" * 65, "<script>", "é", "a;b", '"'])
def test_an_id_that_is_none_is_replaced(client: Client, id: str) -> None:
    answer = ask(client, GET[1], X_Request_Id=id)
    assert answer.headers["X-Request-Id"] != id
    assert len(answer.headers["X-Request-Id"]) == 16


def test_an_unexpected_error_has_an_id_too(catalogue: None, settings: Settings) -> None:
    app = create_app(settings)

    @app.get("/broken")
    def broken() -> str:
        raise ZeroDivisionError

    with served(app) as client:
        answer = ask(client, "/broken", X_Request_Id="mine")
    problem(answer, 500, "internal_error")
    assert answer.headers["X-Request-Id"] == "mine"


# --- limits ---------------------------------------------------------------------------------------

NESTED: Any = "year>1"
for _ in range(9):
    NESTED = {"not": NESTED}

TOO_MUCH: dict[str, tuple[dict[str, Any], str, str]] = {
    "conditions": ({"where": ["year>1"] * 65}, "invalid_where", "64"),
    "nesting": ({"where": NESTED}, "invalid_where", "8"),
    "values": ({"where": "genres=" + "|".join(map(str, range(501)))}, "invalid_where", "500"),
    "characters": ({"where": "title~" + "a" * 5000}, "invalid_where", "4096"),
    "excluded": ({"exclude": [f"f{n}" for n in range(10_001)]}, "invalid_exclude", "10,000"),
    "excluded and limit": (
        {"exclude": [f"f{n}" for n in range(9_500)], "limit": 900}, "invalid_offset", "10,000",
    ),
    "fields": ({"fields": ["title"] * 1001}, "invalid_fields", "1,000"),
    "same": ({"same": ["year"] * 1001}, "invalid_same", "1,000"),
    "boosts": ({"boosts": ["0.1*high(year)"] * 17}, "invalid_boosts", "16"),
    "fallbacks": ({"fallbacks": ["latest(year)"] * 9}, "invalid_fallbacks", "8"),
    "limit": ({"limit": 1001}, "invalid_limit", "1,000"),
    "text": ({"text": "a" * 20_001}, "invalid_text", "20,000"),
    "likes": ({"like": ["f1"] * 101}, "invalid_like", "100"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "code", "limit"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_too_much_is_a_problem_with_its_limit(
    client: Client, body: dict[str, Any], code: str, limit: str
) -> None:
    verb = "search" if "text" in body else "recommend" if "like" in body else "similar"
    sent = json.dumps(body if verb != "similar" else {"id": "f1"} | body).encode()
    answer = client.send("POST", f"/v1/films/{verb}", sent, headers=JSON)
    found = problem(answer, 400, code)
    assert limit in found["detail"] + found.get("remedy", "")
    assert len(answer.body) < 1000


@pytest.mark.parametrize("verb", ["similar", "search", "recommend"])
def test_a_question_has_at_most_32_mb(client: Client, verb: str) -> None:
    announced = {**JSON, "Content-Length": str(33 * 1024 * 1024)}
    connection = f"POST /v1/films/{verb} HTTP/1.1\nHost: x\nConnection: close\n"
    said = raw(client, connection + "".join(f"{n}: {v}\n" for n, v in announced.items()) + "\n")
    assert b" 413 " in said.partition(b"\r\n")[0]
    assert b"33,554,432 bytes" in said
    assert b"request_entity_too_large" in said


def test_a_question_with_a_large_image_is_taken(client: Client) -> None:
    body = b'{"image": "' + b"A" * (27 * 1024 * 1024) + b'"}'
    answer = client.send("POST", "/v1/films/search", body, headers=JSON)
    assert answer.status in (400, 501)
    assert "using" in answer.json["detail"] or "image" in answer.json["detail"]


# --- a Redis that hangs ---------------------------------------------------------------------------


@contextmanager
def hanging(settings: Settings) -> Iterator[None]:
    pid = int(embedded.status(settings.home)["pid"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.1)


def asked_at_once(client: Client, requests: list[tuple[str, str, bytes | None]]) -> list[Answer]:
    """All of them side by side; each has to be answered sooner than after two waits."""
    found: list[Answer] = []

    def send(method: str, path: str, body: bytes | None) -> None:
        headers = {**WRITES, "If-None-Match": '"x"'}
        found.append(client.send(method, path, body, timeout=9, headers=headers))

    threads = [threading.Thread(target=send, args=each) for each in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


ROUTES: list[tuple[str, str, bytes | None]] = [
    *(("GET", path, None) for path in GET),
    ("GET", "/v1/catalogues", None),
    ("POST", "/v1/films/similar", b'{"id": "f1"}'),
    ("POST", "/v1/films/search", b'{"vector": [1, 2]}'),
    ("POST", "/v1/films/recommend", b'{"like": ["f1"]}'),
    ("POST", "/v1/films/items", b'[{"id": "a", "vectors": {"v": [1, 2]}}]'),
]


@pytest.mark.parametrize("rates", [(), ((1000, 60),)], ids=["", "with rate limits"])
def test_a_hanging_redis_is_waited_for_once(
    server: Server, settings: Settings, load: Load, rates: tuple[tuple[int, int], ...]
) -> None:
    with own_redis() as other:
        made = replace(other, write_keys=(KEY,), rate_limits=rates)
        with served(create_app(made)) as client:
            load_there(other)
            assert {a.status for a in asked_at_once(client, ROUTES)} <= {200, 409}
            with hanging(other):
                for answer in (found := asked_at_once(client, ROUTES)):
                    problem(answer, 503, "redis_unavailable")
            assert len(found) == len(ROUTES)


def test_all_that_wait_for_the_first_connection_wait_once(server: Server) -> None:
    with own_redis() as other, served(create_app(other)) as client, hanging(other):
        found = asked_at_once(client, ROUTES[:6])
        assert [answer.status for answer in found] == [503] * 6


def load_there(settings: Settings) -> None:
    with (found := connect(settings)).client:
        loaded(found, settings, films(), FILMS)


def test_a_host_application_keeps_its_own_ways(catalogue: None, settings: Settings) -> None:
    app = Flask("host")
    app.register_blueprint(recommendations(settings), url_prefix="/r")

    @app.get("/own")
    def own() -> str:
        return "x" * 5000

    with served(app) as client:
        answer = ask(client, "/own", Accept_Encoding="gzip")
        ours, nowhere = ask(client, f"/r{GET[1]}"), ask(client, "/r/v1/films/nope")
    named = {name.lower() for name in answer.headers}
    assert not named & {"x-request-id", "etag", "cache-control", "content-encoding", "vary"}
    assert {"X-Request-Id", "ETag", "Cache-Control"} <= {*ours.headers}
    assert (nowhere.status, nowhere.headers["Cache-Control"]) == (404, "no-store")
    assert {"X-Request-Id", "X-Content-Type-Options"} <= {*nowhere.headers}
