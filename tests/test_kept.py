"""Answers that a process keeps are given while nothing was written, and never after."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from conftest import FILM_FIELDS, Quiet, angle
from outside import Client, served

from api import create_app
from api.kept import LONGEST, MOST_BYTES, OVERHEAD, Answers, Kept
from recommender import Catalogue, Record, Settings, Writer, sync
from recommender.store.connection import Server

KEY = "a-key-of-16-characters"
PATH = "/v1/films/similar?id=0"
OWN = ("Date", "X-Request-Id")
"""Headers that each answer has for itself."""

FILMS = Catalogue.from_dict(
    {
        "name": "films",
        "fields": FILM_FIELDS,
        "vectors": {"v": {"embedder": "given", "column": "v", "index": "flat"}},
    }
)


def put(films: Writer, number: int, title: str) -> None:
    """Writes one film anew."""
    item = {"id": str(number), "fields": {"title": title}, "vectors": {"v": angle(10 * number)}}
    assert films.put([item])[0].result == "changed"


@pytest.fixture
def films(server: Server, settings: Settings) -> Writer:
    """A catalogue of six films, and what writes it."""
    given = [{"id": str(n), "title": f"Film {n}", "v": angle(10 * n)} for n in range(6)]
    records = [Record(f"record {number}", film) for number, film in enumerate(given)]
    sync(server, FILMS, records, settings, progress=Quiet(), on_reject=lambda reject: None)
    return Writer("films", settings=settings, server=server)


@pytest.fixture
def client(films: Writer, settings: Settings) -> Iterator[Client]:
    with served(create_app(settings)) as client:
        yield client


def is_kept(client: Client, path: str, **headers: str) -> bool:
    """Whether later answers are the first one: else their times differ, by chance not all."""
    answers = [client.send("GET", path, headers=headers) for _ in range(5)]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == len(answers)
    told = [
        {name: value for name, value in answer.headers.items() if name not in OWN}
        for answer in answers
    ]
    same = len({answer.body for answer in answers}) == 1
    assert not same or all(each == told[0] for each in told)
    return same


def test_an_answer_is_given_again_with_an_id_of_its_own(client: Client) -> None:
    assert is_kept(client, PATH)
    assert is_kept(client, PATH, **{"Accept-Encoding": "gzip"})
    assert client.get(PATH).json["items"][0]["id"] == "1"
    assert not is_kept(client, PATH, **{"Cache-Control": "no-cache"})
    asked = client.send("GET", PATH, headers={"X-Request-Id": "mine"})
    assert asked.headers["X-Request-Id"] == "mine"


@pytest.mark.parametrize("path", [f"{PATH}&next=start", f"{PATH}&boosts=0.1*fresh(year,1)"])
def test_what_passes_by_itself_is_not_kept(client: Client, path: str) -> None:
    assert not is_kept(client, path)


def test_a_write_is_seen_by_the_very_next_question(client: Client, films: Writer) -> None:
    assert is_kept(client, PATH)
    for number in range(30):
        put(films, 1, title := f"Written {number}")
        assert client.get(PATH).json["items"][0]["fields"]["title"] == title
        assert client.get(PATH).json["items"][0]["fields"]["title"] == title
    films.delete(["1"])
    assert client.get(PATH).json["items"][0]["id"] == "2"


def test_no_question_that_follows_a_write_gets_what_was_before_it(
    client: Client, films: Writer
) -> None:
    """Many ask while one writes: whoever asks after a write knows at least that one."""
    done, wrong = threading.Event(), []
    written = 0

    def ask() -> None:
        while not done.is_set():
            least = written
            title = client.get(PATH).json["items"][0]["fields"]["title"]
            if int(title.rpartition(" ")[2]) < least:
                wrong.append((title, least))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(2, 120):  # it is "Film 1" before
        put(films, 1, f"Film {number}")
        written = number
    done.set()
    for thread in threads:
        thread.join()
    assert written == 119
    assert wrong == []


def test_a_catalogue_that_was_dropped_is_not_kept(client: Client, server: Server) -> None:
    assert is_kept(client, PATH)
    server.client.delete("recommender:films")  # its engine may not know for a second
    assert not is_kept(client, PATH)


def test_nothing_is_kept_where_callers_have_to_be_told_apart(
    films: Writer, settings: Settings
) -> None:
    for told in ({"read_keys": (KEY,)}, {"cors_origins": ("*",)}):
        with served(create_app(replace(settings, **told))) as client:
            assert not is_kept(client, PATH, **{"X-API-Key": KEY})


def test_what_is_kept_has_a_limit() -> None:
    answers = Answers()
    body, most = b"x" * 1000, MOST_BYTES // (1000 + OVERHEAD)
    for number in range(most + 10):
        answers.keep(("/", str(number), ""), Kept("", [], body, None))
        assert answers.find(("/", "0", "")) is not None, "what is asked for stays"
    assert answers.find(("/", "1", "")) is None
    assert answers.find(("/", str(most + 9), "")) is not None
    long = "q" * (LONGEST // 16 - 10)
    for number in range(MOST_BYTES // len(long)):  # addresses count, however short the answer
        answers.keep(("/", f"{number:08}{long}", ""), Kept("", [], b"", None))
    assert answers.find(("/", f"{0:08}{long}", "")) is None
    answers.keep(("/", "huge", ""), Kept("", [], b"x" * (LONGEST + 1), None))
    assert answers.find(("/", "huge", "")) is None
    answers.keep(("/", "q" * LONGEST, ""), Kept("", [], body, None))
    assert answers.find(("/", "q" * LONGEST, "")) is None


def test_figures_count_what_is_given_again(films: Writer, settings: Settings) -> None:
    with served(create_app(settings)) as client:
        for _ in range(3):
            client.get(f"{PATH}&limit=10")
        text = client.get("/metrics").body.decode()
    route = 'route="/v1/<catalogue>/similar"'
    assert f'recommender_requests_total{{method="GET",{route},status="200"}} 3.0' in text
    assert 'recommender_returned_hits_sum{catalogue="films"} 15.0' in text
    assert 'recommender_short_answers_total{catalogue="films"} 3.0' in text
