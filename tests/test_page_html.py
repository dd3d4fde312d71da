"""The web page as HTML: what a browser gets before any script runs, from any address."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from page_site import ADDRESSES, HOSTILE, LONG, SAFE, fill
from selectolax.lexbor import LexborHTMLParser as Tree
from werkzeug.test import TestResponse

from api import create_app, recommendations
from recommender import Recommender, Settings
from recommender.store.connection import Server


@pytest.fixture(scope="module")
def site(_redis: Server, settings: Settings) -> Iterator[FlaskClient]:
    fill(_redis, settings)
    yield create_app(settings).test_client()
    _redis.client.flushall()


@pytest.fixture(scope="module")
def movies(site: FlaskClient, settings: Settings) -> Recommender:
    return Recommender("movies", settings=settings)


def page(site: FlaskClient, path: str, **query: Any) -> Tree:
    answer = site.get(f"{path}?{urlencode(query, doseq=True)}" if query else path)
    assert answer.status_code == 200
    return Tree(answer.text)


def texts(tree: Tree, selector: str) -> list[str]:
    return [node.text(strip=True) for node in tree.css(selector)]


def ids(tree: Tree) -> list[str]:
    return [node.attributes["data-id"] or "" for node in tree.css("[data-grid] .card")]


def test_the_choice_of_catalogues(site: FlaskClient) -> None:
    tree = page(site, "/")
    assert texts(tree, ".shelf a") == ["movies", "numbers", "odd"]
    assert "399 items" in tree.css(".shelf li")[0].text()
    assert "wordllama" in tree.css(".shelf li")[0].text()


def test_every_page_is_guarded(site: FlaskClient) -> None:
    for path in ("/", "/c/movies", "/c/nothing"):
        headers = site.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"


def test_nothing_inline_and_nothing_of_others(site: FlaskClient) -> None:
    for path in ("/", "/c/movies?q=robot", "/c/nothing"):
        tree = Tree(site.get(path).text)
        assert [
            node for node in tree.css("*") if any(a.startswith("on") for a in node.attributes)
        ] == []
        assert tree.css("style, [style]") == []
        scripts = [node.attributes for node in tree.css("script:not([type='application/json'])")]
        sources = [*scripts, *(node.attributes for node in tree.css("link"))]
        assert all((a.get("src") or a.get("href") or "").startswith("/assets/") for a in sources)


def test_files_are_kept_for_ever_under_their_version(site: FlaskClient) -> None:
    [sheet] = page(site, "/").css("link[rel=stylesheet]")
    address = sheet.attributes["href"] or ""
    answer = site.get(address)
    assert answer.mimetype == "text/css"
    assert "immutable" in answer.headers["Cache-Control"]
    assert "max-age=31536000" in answer.headers["Cache-Control"]
    older = site.get("/assets/0123456789ab/page.css")
    assert (older.status_code, "immutable" in older.headers["Cache-Control"]) == (200, False)
    tag = answer.headers["ETag"]
    assert site.get(address, headers={"If-None-Match": tag}).status_code == 304
    for path in ("../page.py", "%2e%2e/page.py", "nothing.js"):
        assert site.get(f"/assets/x/{path}").status_code == 404


def test_all_scripts_are_listed_and_small(site: FlaskClient) -> None:
    tree = page(site, "/")
    listed = {(n.attributes["href"] or "") for n in tree.css("link[rel=modulepreload]")}
    size = 0
    for address in listed:
        text = site.get(address).text
        size += len(text.encode())
        wanted = set(re.findall(r'from "\./(\w+\.js)"', text))
        assert wanted <= {each.rpartition("/")[2] for each in listed}
    [sheet] = tree.css("link[rel=stylesheet]")
    assert size + len(site.get(sheet.attributes["href"] or "").data) < 60_000


def test_the_question_is_the_engines(site: FlaskClient, movies: Recommender) -> None:
    found = page(site, "/c/movies", q="lonely robot", **{"tag.genres": ["Drama", "Family"]})
    where = ["genres=Drama|Family"]
    wanted = movies.search("lonely robot", mode="hybrid", where=where, limit=24)
    assert ids(found) == [hit.id for hit in wanted]
    liked = page(site, "/c/movies", like="alien")
    assert ids(liked) == [hit.id for hit in movies.similar("alien", limit=24, explain=True)]
    both = page(site, "/c/movies", like=["alien", "up"], unlike="jaws", q="robot", diversity=0.4)
    wanted = movies.recommend(
        ["alien", "up", {"text": "robot"}], ["jaws"], mode="hybrid", diversity=0.4, limit=24
    )
    assert ids(both) == [hit.id for hit in wanted]
    assert texts(both, ".chip.like .what, .chip.unlike .what") == ["Alien", "Up", "Jaws"]
    years = page(site, "/c/movies", **{"min.year": "1990", "max.year": "1994"})
    assert {text[:3] for text in texts(years, ".card .facts")} == {"199"}


def test_counts_are_beside_the_filters(site: FlaskClient, movies: Recommender) -> None:
    tree = page(site, "/c/movies", q="robot", **{"tag.genres": "Western", "min.year": "1990"})
    [facet] = movies.facets(["genres"], where="year=1990..", text="robot")
    rows = {
        (row.css_first("input").attributes["value"] or ""): int(row.css_first(".count").text())
        for row in tree.css("[data-field=genres] li")
    }
    assert rows == {"Western": 0} | facet.values
    ticked = tree.css("[data-field=genres] input[checked]")
    assert [box.attributes["value"] for box in ticked] == ["Western"]


def test_links_lead_to_the_next_state(site: FlaskClient) -> None:
    tree = page(site, "/c/movies", q="robot", **{"tag.genres": "Drama"})
    first = ids(tree)[0]
    more = Tree(site.get(tree.css_first("[data-act=like]").attributes["href"]).text)
    assert more.css_first("#q").attributes["value"] == "robot"
    assert first not in ids(more)
    assert len(more.css(".chip")) == 2
    cleared = Tree(site.get(more.css_first(".clear a").attributes["href"]).text)
    assert len(cleared.css(".chip")) == 0
    longer = Tree(site.get(tree.css_first("[data-more]").attributes["href"]).text)
    assert ids(longer)[:24] == ids(tree)
    assert len(ids(longer)) == 48


def test_nothing_found_says_which_filter_to_leave_out(site: FlaskClient) -> None:
    tree = page(site, "/c/movies", **{"tag.genres": "Western", "min.year": "2020"})
    assert ids(tree) == []
    assert [*map(unescape, texts(tree, ".notice li a"))] == [
        "Without Genres: Western", "Without Year from 2020",
    ]  # fmt: skip
    assert all(int(text) > 0 for text in texts(tree, ".notice .count"))
    alone = page(site, "/c/movies", **{"min.year": "2090", "tag.genres": "Polka"})
    assert ids(alone) == texts(alone, ".notice li a") == []
    assert "Leave out more than one." in texts(alone, ".notice p")


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({"min.year": "2000", "max.year": "1990"}, 400, "reversed"),
        ({"min.year": "soon"}, 400, "not a number"),
        ({"like": "nobody"}, 404, "nobody"),
        ({"q": "x" * 30_000}, 400, "20,000"),
    ],
)
def test_what_cannot_be_asked_is_told_in_its_place(
    site: FlaskClient, query: dict[str, str], status: int, said: str
) -> None:
    answer = site.get(f"/c/movies?{urlencode(query)}")
    assert answer.status_code == status
    assert said in Tree(answer.text).css_first(".notice").text()
    assert len(Tree(answer.text).css("#ask")) == 1


@pytest.mark.parametrize(
    "query",
    [
        "diversity=nan", "diversity=x", "diversity=-1", "show=99999999999", "show=x", "show=²",
        "show=" + "9" * 5000,
        "show=-5", "like=", "q=", "unknown=1", "tag.nothing=x", "tag.genres=", "min.genres=1",
        "q=%ff", "like=alien&unlike=alien", "q=" + "é" * 2000,
    ],
)  # fmt: skip
def test_odd_addresses_are_answered(site: FlaskClient, query: str) -> None:
    assert site.get(f"/c/movies?{query}").status_code == 200


def test_a_catalogue_that_is_not_there(site: FlaskClient) -> None:
    answer = site.get("/c/movie")
    assert answer.status_code == 404
    assert "Did you mean 'movies'" in unescape(answer.text)


def test_hostile_text_stays_text(site: FlaskClient) -> None:
    tree = page(site, "/c/odd")
    assert len(ids(tree)) == len(HOSTILE)
    shown = texts(tree, ".card .title")
    for title in HOSTILE:
        start = " ".join(title.split())[:40].strip()
        assert any(text.startswith(start) for text in shown), start
    assert max(map(len, shown)) <= 300
    assert LONG not in tree.html
    assert tree.css("main svg, main b, main i, [data-grid] script, .side i") == []
    hrefs = [node.attributes["href"] for node in tree.css(".card .title a")]
    pictures = [node.attributes["src"] for node in tree.css("[data-grid] .picture")]
    assert {*hrefs} == {*pictures} == SAFE
    assert len(ADDRESSES) > len(SAFE)
    assert texts(tree, ".card .facts")[0].startswith("2024-05-")
    for bad in ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'):
        for name in ("q", "like", "tag.kinds", "min.published"):
            assert bad not in site.get(f"/c/odd?{urlencode({name: bad})}").text


def test_numbers_alone_are_browsed_and_liked(site: FlaskClient) -> None:
    tree = page(site, "/c/numbers")
    assert tree.css("#q") == []
    assert ids(tree)[:2] == ["n0", "n1"]  # by likes
    assert tree.css("[data-act=unlike]") == []  # l2 takes one like
    assert ids(page(site, "/c/numbers", like=["n3", "n9"]))[0] in ("n8", "n10")
    assert "1,000.5" in tree.css(".card")[1].text()


def test_the_command_repeats_the_question(site: FlaskClient) -> None:
    for query in ({"q": "it's"}, {"like": "alien", "unlike": "up"}, {"like": "alien"}, {}):
        tree = page(site, "/c/movies", **query)
        words = shlex.split(tree.css_first("[data-curl]").text())
        assert words[0] == "curl"
        path = words[1].partition("localhost")[2]
        answer: TestResponse
        if "-d" in words:
            answer = site.post(path, data=words[-1], content_type="application/json")
        else:
            answer = site.get(path)
        assert answer.status_code == 200
        assert [hit["id"] for hit in answer.get_json()["items"]] == ids(tree)


def test_under_any_prefix_and_beside_each_other(settings: Settings, site: FlaskClient) -> None:
    app = Flask("shop")
    app.register_blueprint(recommendations(settings), url_prefix="/find")
    app.register_blueprint(recommendations(settings, name="other"), url_prefix="/x/y")
    client = app.test_client()
    for prefix in ("/find", "/x/y"):
        tree = Tree(client.get(f"{prefix}/c/movies?q=robot").text)
        assert tree.body.attributes["data-base"] == f"{prefix}/"  # type: ignore[union-attr]
        links = [node.attributes["href"] or "" for node in tree.css("a[href], link[href]")]
        own = [link for link in links if not link.startswith("#")]
        assert own
        assert all(link.startswith(f"{prefix}/") for link in own)
        assert (
            client.get(tree.css_first("link[rel=stylesheet]").attributes["href"]).status_code == 200
        )
        assert client.get(tree.css_first("[data-act=like]").attributes["href"]).status_code == 200


def test_with_read_keys_nothing_is_told_without_one(settings: Settings, site: FlaskClient) -> None:
    locked = create_app(replace(settings, read_keys=("a-read-key-of-some-length",))).test_client()
    for path in ("/", "/c/movies?q=robot", "/c/nothing"):
        answer = locked.get(path)
        assert answer.status_code == 401
        assert "movies" not in answer.text
        assert len(Tree(answer.text).css("[data-unlock]")) == 1
    key = {"X-API-Key": "a-read-key-of-some-length"}
    tree = Tree(locked.get("/c/movies", headers=key).text)
    assert len(ids(tree)) == 24
    assert texts(tree, "[data-curl]")[0].endswith('-H "X-API-Key: $KEY"')
    assert locked.get("/", headers=key).status_code == 200


def test_events_are_sent_only_where_they_are_taken(settings: Settings, site: FlaskClient) -> None:
    def told(taken: bool) -> str | None:
        client = create_app(replace(settings, events=taken)).test_client()
        body = Tree(client.get("/c/movies").text).body
        assert body is not None
        return body.attributes["data-events"]

    assert (told(True), told(False)) == ("true", "false")


def test_head_and_the_length_of_the_page(site: FlaskClient) -> None:
    head = site.head("/c/movies?q=robot")
    assert (head.status_code, head.data) == (200, b"")
