"""The web page where there is little to show: no catalogue, one alone, one without an index."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from page_site import NUMBERS, ODD
from selectolax.lexbor import LexborHTMLParser as Tree

from api import create_app
from recommender import Catalogue, Settings
from recommender.store import index
from recommender.store.connection import Server

ROWS = [{"id": f"n{i}", "size": i, "v": [1, i]} for i in range(3)]


def test_no_catalogue_says_what_to_do(server: Server, settings: Settings) -> None:
    answer = create_app(settings).test_client().get("/")
    assert answer.status_code == 200
    assert "recommender load" in answer.text


def test_the_only_catalogue_is_opened_at_once(settings: Settings, load: Any) -> None:
    client = create_app(settings).test_client()
    load(NUMBERS, ROWS)
    answer = client.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/c/numbers")
    chosen = Tree(client.get("/?all=").text)
    assert [node.text() for node in chosen.css(".shelf a")] == ["numbers"]


def test_a_catalogue_without_an_index_says_so(
    server: Server, settings: Settings, load: Any
) -> None:
    client = create_app(settings).test_client()
    load(NUMBERS, ROWS)
    load(ODD, [{"id": "a", "title": "A", "v": [1, 2]}])
    index.drop(server.client, "odd", 1)
    answer = client.get("/c/odd")
    assert (answer.status_code, "has no index yet" in answer.text) == (503, True)
    assert int(answer.headers["Retry-After"]) > 0
    assert "Being loaded" in client.get("/").text


def test_a_book_published_in_a_year_has_no_day_of_1970(settings: Settings, load: Any) -> None:
    spec = {
        "name": "books",
        "fields": {"published": {"type": "number"}, "year_sales": {"type": "number"}},
        "vectors": {"v": {"embedder": "given", "column": "v"}},
    }
    books = [
        {"id": "a", "published": 1999, "year_sales": 1_234_567, "v": [1, 0]},
        {"id": "b", "published": 2004, "year_sales": 99, "v": [1, 1]},
    ]
    load(Catalogue.from_dict(spec), books)
    page = Tree(create_app(settings).test_client().get("/c/books").text)
    facts = [node.text(strip=True) for node in page.css(".card .facts li")]
    assert sorted(facts) == ["1234567", "99"]
    group = page.css("[data-field=published]")[0]
    assert group.attributes["data-type"] == "number"
    assert group.css_first(".known").text() == "1999 to 2004"


def test_a_label_may_end_with_a_backslash(settings: Settings, load: Any) -> None:
    given = {"v": {"embedder": "given", "column": "v"}}
    spec = {"name": "files", "fields": {"kinds": {"type": "tag"}}, "vectors": given}
    kinds = ["c:\\", "d", "e|f"]
    rows = [{"id": kind, "kinds": [kind], "v": [1, i]} for i, kind in enumerate(kinds)]
    load(Catalogue.from_dict(spec), rows)
    client = create_app(settings).test_client()
    page = Tree(client.get("/c/files", query_string={"tag.kinds": kinds[:2]}).text)
    assert {card.attributes["data-id"] for card in page.css("[data-grid] .card")} == {*kinds[:2]}


def test_the_only_item_has_nothing_like_it(settings: Settings, load: Any) -> None:
    load(NUMBERS, ROWS[:1])
    client = create_app(settings).test_client()
    nothing = Tree(client.get("/c/numbers?like=n0").text)
    assert nothing.css_first(".notice h2").text() == "There is nothing else here"
    assert nothing.css_first("#status").text(strip=True) == "Nothing found"


def test_too_many_pages_are_refused_by_a_page_and_its_files_never(
    server: Server, settings: Settings
) -> None:
    client = create_app(replace(settings, rate_limits=((2, 60),))).test_client()
    pages = [client.get("/?all=") for _ in range(3)]
    assert [page.status_code for page in pages] == [200, 200, 429]
    assert (pages[2].mimetype, int(pages[2].headers["Retry-After"]) > 0) == ("text/html", True)
    [sheet] = Tree(pages[2].text).css("link[rel=stylesheet]")
    assert client.get(sheet.attributes["href"] or "").status_code == 200


def test_redis_away_is_told_by_a_page(settings: Settings) -> None:
    gone = replace(settings, redis_url="redis://127.0.0.1:1/0")
    for path in ("/", "/c/movies?q=robot"):
        answer = create_app(gone).test_client().get(path)
        assert (answer.status_code, answer.mimetype) == (503, "text/html")
        assert int(answer.headers["Retry-After"]) > 0
        again = Tree(answer.text).css_first("[data-again]")
        assert again.attributes["href"] == path
