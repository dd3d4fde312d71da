"""The API when something is wrong: a problem document each, never a stack trace, never a hang."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Load
from outside import Answer, Client, served

from api import create_app
from recommender import Catalogue, Settings
from recommender.store import catalogues, embedded, index, versions
from recommender.store.connection import Server, connect

FILMS: list[dict[str, Any]] = [
    {"id": f"f{number}", "title": f"film number {number}", "size": number, "v": [1, number]}
    for number in range(6)
]


def films(**vector: Any) -> Catalogue:
    return Catalogue.from_dict(
        {
            "name": "films",
            "fields": {
                "title": {"type": "text"}, "size": {"type": "number"}, "more": {"type": "stored"}
            },
            "vectors": {"v": {"embedder": "given", "column": "v"} | vector},
        }
    )  # fmt: skip


@pytest.fixture
def client(load: Load, settings: Settings) -> Iterator[Client]:
    """The API over six films."""
    load(films(), FILMS)
    with served(create_app(settings)) as client:
        yield client


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The document of an answer that is a problem as RFC 9457 wants it."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json
    assert {*found} <= {"type", "title", "status", "code", "detail", "parameter", "remedy"}
    assert (found["type"], found["status"], found["code"]) == ("about:blank", status, code)
    assert found["title"]
    assert found["detail"]
    assert "Traceback" not in answer.body.decode()
    if status == 503:
        assert int(answer.headers["Retry-After"]) > 0
    return found


SIMILAR = "/v1/films/similar?id=f1&"
BAD = {
    "limit=0": "invalid_limit",
    "limit=-1": "invalid_limit",
    "limit=1000000000": "invalid_limit",
    "limit=ten": "invalid_limit",
    "limit=1.5": "invalid_limit",
    "limit=": "invalid_limit",
    "limit=" + "9" * 5000: "invalid_limit",
    "offset=-1": "invalid_offset",
    "offset=9999": "invalid_offset",
    "min_score=high": "invalid_min_score",
    "min_score=nan": "invalid_min_score",
    "min_score=1e999": "invalid_min_score",
    "exact=maybe": "invalid_exact",
    "using=image": "invalid_using",
    "fields=titel": "unknown_field",
    "where=titel~film": "unknown_field",
    "where=size~1": "invalid_where",
    "where=size=": "invalid_where",
    "where=size=2..1": "invalid_where",
    "where=more=1": "invalid_where",
    "where=": "invalid_where",
    "where=size=1&where=nonsense": "invalid_where",
    "where=" + "size=1|" * 700 + "1": "invalid_where",
    "wher=size=1": "invalid_parameter",
    "q=film": "invalid_parameter",
}


def test_a_bad_parameter_has_its_own_code(client: Client) -> None:
    for query, code in BAD.items():
        found = problem(client.get(SIMILAR + query), 400, code)
        if code == "invalid_parameter":
            assert found["remedy"]
        else:
            assert found["parameter"] == query.partition("=")[0]
    assert "'where'" in problem(client.get(SIMILAR + "wher=a"), 400, "invalid_parameter")["remedy"]


def test_a_problem_does_not_repeat_a_long_value(client: Client) -> None:
    answer = client.get(SIMILAR + "limit=" + "9" * 3000)
    assert len(problem(answer, 400, "invalid_limit")["detail"]) < 200


@pytest.mark.parametrize("verb", ["similar", "similar:batch", "related", "search", "recommend"])
def test_a_member_whose_name_is_half_a_letter(client: Client, verb: str) -> None:
    body, headers = rb'{"id": "f1", "\ud800": 1}', {"Content-Type": "application/json"}
    answer = client.send("POST", f"/v1/films/{verb}", body, headers=headers)
    assert r"'\ud800'" in problem(answer, 400, "invalid_body")["detail"]


@pytest.mark.parametrize("query", ["limit=3&limit=5", "id=f2", "exact=true&exact=false"])
def test_a_parameter_that_comes_twice(client: Client, query: str) -> None:
    assert client.get(SIMILAR + query).status == 400


@pytest.mark.parametrize("limit", ["1_0", "%D9%A3", "+3", " 3"])
def test_a_number_is_written_in_digits(client: Client, limit: str) -> None:
    assert client.get(f"{SIMILAR}limit={limit.replace(' ', '%20')}").status == 400


@pytest.mark.parametrize(
    ("path", "status", "code", "parameter"),
    [
        ("/v1/films/similar", 400, "invalid_id", "id"),
        ("/v1/films/similar?id=", 400, "invalid_id", "id"),
        ("/v1/films/similar?id=nope", 404, "unknown_item", "id"),
        ("/v1/films/items", 400, "invalid_id", "id"),
        ("/v1/films/items?id=nope", 404, "unknown_item", "id"),
        ("/v1/films/items?id=f1&fields=titel", 400, "unknown_field", "fields"),
        ("/v1/films/items?id=f1&limit=1", 400, "invalid_parameter", "parameter"),
        ("/v1/films/search", 400, "invalid_q", "q"),
        ("/v1/films/search?q=%20", 400, "invalid_q", "q"),
        ("/v1/films/search?q=" + "a" * 20_001, 400, "invalid_q", "q"),
        ("/v1/films/facets?fields=title", 400, "unknown_field", "fields"),
        ("/v1/films/facets?where=size>a", 400, "invalid_where", "where"),
        ("/v1/films?fields=a", 400, "invalid_parameter", "parameter"),
        ("/v1/catalogues?x=1", 400, "invalid_parameter", "parameter"),
        ("/v1/flims", 404, "unknown_catalogue", None),
        ("/v1/flims/similar?id=f1", 404, "unknown_catalogue", None),
        ("/v1/a%20b", 400, "invalid_catalogue", "catalogue"),
        ("/v1/films:1/similar?id=f1", 400, "invalid_catalogue", "catalogue"),
        ("/v1/*/similar?id=f1", 400, "invalid_catalogue", "catalogue"),
        ("/nothing", 404, "not_found", None),
        ("/v1", 404, "not_found", None),
        ("/v1/films/", 404, "not_found", None),
        ("/v1/films/nope", 404, "not_found", None),
        ("/v1/films/similar/f1", 404, "not_found", None),
    ],
)
def test_what_is_not_there(
    client: Client, path: str, status: int, code: str, parameter: str | None
) -> None:
    found = problem(client.get(path), status, code)
    assert found.get("parameter") == parameter
    if code == "unknown_catalogue":
        assert found["remedy"] == "Did you mean 'films'?"


def test_a_remedy_is_for_who_reads_it(client: Client) -> None:
    found = problem(client.get("/v1/films/similar?id=nope"), 404, "unknown_item")
    assert "recommender search" not in found.get("remedy", "")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "NONSENSE"])
@pytest.mark.parametrize("path", ["/v1/films", "/v1/films/facets", "/healthz"])
def test_another_method_is_told_which_are_there(client: Client, method: str, path: str) -> None:
    answer = client.send(method, path, b"{}")
    problem(answer, 405, "method_not_allowed")
    assert {*answer.headers["Allow"].split(", ")} == {"GET", "HEAD", "OPTIONS"}


def test_bytes_that_are_no_text(client: Client) -> None:
    for query in ("id=%FF", "id=f1&where=%FF", "id=f1&fields=%FF", "%FF=1", "id=f1&where=size=%00"):
        answer = client.get(f"/v1/films/similar?{query}")
        assert answer.status in (400, 404), query
        problem(answer, answer.status, answer.json["code"])


def test_words_for_given_vectors(client: Client) -> None:
    found = problem(client.get("/v1/films/search?q=film"), 400, "invalid_catalogue")
    assert "given" in found["detail"]


def test_the_first_load_is_unfinished(client: Client, server: Server) -> None:
    entry = catalogues.get(server.client, "films")
    index.drop(server.client, "films", entry.generation)
    for path in ("", "/similar?id=f1", "/facets"):
        problem(client.get(f"/v1/films{path}"), 503, "index_not_ready")
    ready = client.get("/readyz")
    assert (ready.status, ready.json) == (503, {"status": "not ready", "indexing": 1})
    assert client.get("/healthz").status == 200


def test_a_catalogue_made_anew_is_seen_within_a_second(
    client: Client, server: Server, load: Load
) -> None:
    assert client.get("/v1/films").json["vectors"]["v"]["index"] == "hnsw"
    client.get("/v1/films/similar?id=f1")
    drop(server)
    time.sleep(1.1)
    problem(client.get("/v1/films/similar?id=f1"), 404, "unknown_catalogue")
    assert client.get("/v1/catalogues").json == {"catalogues": []}
    load(films(index="flat", metric="l2"), [film | {"v": [1, 2, 3]} for film in FILMS[:3]])
    time.sleep(1.1)
    vector = client.get("/v1/films").json["vectors"]["v"]
    assert (vector["index"], vector["metric"], vector["dims"]) == ("flat", "l2", 3)
    assert client.get("/v1/films/similar?id=f1").json["returned"] == 2


def drop(server: Server) -> None:
    """What ``recommender drop films`` does."""
    index.drop(server.client, "films", 1)
    server.client.delete(*server.client.keys("films:1:item:*"))
    catalogues.forget(server.client, "films")


def test_a_catalogue_made_anew_is_no_500_meanwhile(
    client: Client, server: Server, load: Load
) -> None:
    assert client.get("/v1/films/similar?id=f1").status == 200
    drop(server)
    made = films().model_copy(update={"fields": {"size": films().fields["title"]}})
    load(made, [film | {"size": "large"} for film in FILMS])
    for path in ("similar?id=f1", "items?id=f1", "facets"):
        assert client.get(f"/v1/films/{path}").status in (200, 404, 503)


def test_another_model_is_409(load: Load, server: Server, settings: Settings) -> None:
    words = Catalogue.from_dict(
        {
            "name": "words",
            "fields": {"title": {"type": "text"}},
            "vectors": {"text": {"template": "{title}"}},
        }
    )
    load(words, FILMS)
    with served(create_app(settings)) as client:
        assert client.get("/v1/words/search?q=film").status == 200
        stamps = json.loads(server.client.hget("recommender:words", "stamps"))
        stamps["text"]["embedder"] = "openai:text-embedding-3-small"
        server.client.hset("recommender:words", "stamps", json.dumps(stamps))
        versions.put(server.client, "words")  # as a load does
        time.sleep(1.1)
        found = problem(client.get("/v1/words/search?q=film"), 409, "model_mismatch")
        assert "openai:text-embedding-3-small" in found["detail"]
        assert client.get("/v1/words/similar?id=f1").status == 200  # needs no model


@contextmanager
def own_redis() -> Iterator[Settings]:
    """A Redis that may be stopped."""
    home = Path(tempfile.mkdtemp(prefix="rec-"))
    settings = Settings(home=home, redis_url=f"unix://{home}/redis/redis.sock")
    embedded.start(home)
    yield settings
    embedded.stop(home)
    shutil.rmtree(home)


def test_redis_goes_and_comes_back(server: Server) -> None:
    paths = ("/v1/catalogues", "/v1/films", "/v1/films/similar?id=f1", "/v1/films/facets")
    with own_redis() as settings, served(create_app(settings)) as client:
        connected = connect(settings)
        stamps = {"v": catalogues.Stamp("given", 2, "v")}
        catalogues.keep(connected.client, catalogues.Entry(films(), 1, stamps))
        assert client.get("/v1/catalogues").json == {"catalogues": ["films"]}
        problem(client.get("/v1/films"), 503, "index_not_ready")
        embedded.stop(settings.home)
        for path in paths:
            problem(client.get(path, timeout=5), 503, "redis_unavailable")
        ready = client.get("/readyz", timeout=5)
        assert (ready.status, ready.json["status"]) == (503, "not ready")
        assert client.get("/healthz").status == 200
        embedded.start(settings.home)
        assert client.get("/v1/catalogues").json == {"catalogues": ["films"]}
        connected.client.close()


def test_the_api_may_start_before_redis(server: Server) -> None:
    with own_redis() as settings:
        embedded.stop(settings.home)
        with served(create_app(settings)) as client:
            problem(client.get("/v1/catalogues"), 503, "redis_unavailable")
            embedded.start(settings.home)
            assert client.get("/v1/catalogues").json == {"catalogues": []}


def test_redis_hangs(server: Server) -> None:
    with own_redis() as settings, served(create_app(settings)) as client:
        assert client.get("/v1/catalogues").status == 200
        pid = int(embedded.status(settings.home)["pid"])
        os.kill(pid, signal.SIGSTOP)
        try:
            problem(client.get("/v1/catalogues", timeout=8), 503, "redis_unavailable")
        finally:
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.1)


def test_many_clients_at_once(client: Client) -> None:
    seen: list[tuple[int, list[str]]] = []

    def ask() -> None:
        for _ in range(10):
            answer = client.get("/v1/films/similar?id=f1")
            seen.append((answer.status, [hit["id"] for hit in answer.json["items"]]))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 80
    assert {status for status, _ in seen} == {200}
    assert len({tuple(ids) for _, ids in seen}) == 1
