"""Where a question's time goes: each part once, whatever nests, and on every path."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from conftest import Load, Open

from recommender import Catalogue, Recommender, Settings, Writer
from recommender.related import build
from recommender.spent import EMBEDDING, LISTENING, RANKING, REDIS, RENDERING, Spent, spending
from recommender.store.connection import Server, translated


@contextmanager
def listening() -> Iterator[Spent]:
    spent = Spent()
    token = LISTENING.set(spent)
    try:
        yield spent
    finally:
        LISTENING.reset(token)
        spent.mark()


FILMS = Catalogue.from_dict(
    {
        "name": "films",
        "fields": {"title": {"type": "text"}, "year": {"type": "number"}},
        "vectors": {"text": {"embedder": "wordllama", "template": "{title}"}},
    }
)  # fmt: skip
RECORDS = [
    {"id": f"film {n}", "title": f"film about robots {n}", "year": 1990 + n} for n in range(30)
]


@pytest.fixture
def films(load: Load, open_catalogue: Open) -> Recommender:
    load(FILMS, RECORDS)
    return open_catalogue("films")


ASKED: dict[str, Callable[[Recommender], Any]] = {
    "similar": lambda films: films.similar("film 1"),
    "ranked": lambda films: films.similar("film 1", diversity=0.5, boosts=["0.2*near(year,8)"]),
    "pages": lambda films: films.similar("film 1", next="start", limit=2),
    "hybrid": lambda films: films.search("robots", mode="hybrid"),
    "words": lambda films: films.search("robots", mode="text"),
    "recommend": lambda films: films.recommend(like=["film 1", "film 2"]),
    "where": lambda films: films.similar("film 1", where="year>=1995"),
    "facets": lambda films: films.facets(where="year>=1995"),
    "item": lambda films: films.item("film 1"),
    "count": lambda films: films.count("year>=1995"),
    "state": lambda films: films.state(),
}


@pytest.mark.parametrize("name", ASKED)
def test_every_question_waits_for_redis_and_works_itself(films: Recommender, name: str) -> None:
    with listening() as spent:
        ASKED[name](films)
    assert spent.seconds[REDIS] > 0
    assert spent.seconds[RANKING] > 0
    assert sum(spent.seconds) == pytest.approx(spent.total)


def test_related_and_writes(films: Recommender, server: Server, settings: Settings) -> None:
    build(server, "films")
    writer = Writer("films", settings=settings, server=server)
    with listening() as related:
        films.related("film 1")
    with listening() as written:
        writer.put([{"id": "film 1", "fields": {"title": "quite another film"}}])
    for spent in (related, written):
        assert min(spent.seconds[REDIS], spent.seconds[RANKING]) > 0
        assert sum(spent.seconds) == pytest.approx(spent.total)
    assert (related.seconds[EMBEDDING], written.seconds[EMBEDDING] > 0) == (0, True)


def test_embedding_is_told_where_there_is_some(films: Recommender) -> None:
    with listening() as by_text:
        films.search("robots that feel")
    with listening() as by_like:
        films.recommend(like=[{"text": "robots that feel"}])
    with listening() as by_id:
        films.similar("film 1")
    assert [spent.seconds[EMBEDDING] > 0 for spent in (by_text, by_like, by_id)] == [
        True, True, False,
    ]  # fmt: skip


def test_what_nests_is_counted_once() -> None:
    with listening() as spent:
        time.sleep(0.01)
        with spending(RANKING):
            time.sleep(0.02)
            with spending(EMBEDDING):
                time.sleep(0.03)
                with translated(), translated():
                    time.sleep(0.04)
    assert sum(spent.seconds) == pytest.approx(spent.total)
    for part, least in ((RENDERING, 0.01), (RANKING, 0.02), (EMBEDDING, 0.03), (REDIS, 0.04)):
        assert spent.seconds[part] >= least


def test_errors_give_the_clock_back(films: Recommender) -> None:
    with listening() as spent:
        with pytest.raises(Exception, match="nobody"):
            films.similar("nobody")
        before = list(spent.seconds)
        time.sleep(0.01)
    assert spent.seconds[RENDERING] >= before[RENDERING] + 0.01
    assert spent.seconds[:RENDERING] == before[:RENDERING]


def test_who_listens_hears_its_own_thread_only(films: Recommender) -> None:
    with listening() as spent:
        other = threading.Thread(target=lambda: films.similar("film 1"))
        other.start()
        other.join()
    assert spent.seconds[REDIS] == 0


def test_without_a_listener_nothing_is_kept(films: Recommender) -> None:
    assert LISTENING.get() is None
    assert len(films.similar("film 1", limit=3)) == 3
    assert LISTENING.get() is None
