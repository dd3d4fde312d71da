"""The widget in a real browser: what it shows, what it keeps, and what it never does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

import pytest
from browser import Visiting
from conftest import ROOT
from outside import Client, served
from playwright.sync_api import expect
from widget_pages import (
    FALLBACK,
    RYE,
    SCRIPT,
    TITLES,
    Pages,
    links,
    load_things,
    more,
    stocked_pages,
    tag,
    titles,
    warned,
)

from api import create_app
from recommender import Settings
from recommender.related import build
from recommender.store.connection import Server


@pytest.fixture(scope="module")
def pages(_redis: Server, settings: Settings) -> Iterator[Pages]:
    with stocked_pages(_redis, settings) as served:
        yield served


def test_the_script_is_small_and_says_how_long_it_may_be_kept(pages: Pages) -> None:
    host, port = pages.url.removeprefix("http://").split(":")
    client = Client(host, int(port))
    script, style = client.get("/widget.js"), client.get("/widget.css")
    assert script.body == (ROOT / "api" / "web" / "static" / "widget.js").read_bytes()
    assert len(script.body) < 5000
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert style.headers["Content-Type"] == "text/css; charset=utf-8"
    for answer in (script, style):
        assert answer.headers["Cache-Control"] == "public, max-age=3600"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    known = {"If-None-Match": script.headers["ETag"]}
    again = client.send("GET", "/widget.js", headers=known)
    assert (again.status, again.body) == (304, b"")
    assert client.send("GET", "/widget.css", headers=known).status == 200
    assert client.send("HEAD", "/widget.js").body == b""


def test_the_script_needs_no_key(settings: Settings) -> None:
    with served(create_app(replace(settings, read_keys=("k" * 16,)))) as client:
        assert [client.get(path).status for path in ("/widget.js", "/widget.css")] == [200, 200]


def test_an_element_shows_what_is_like_its_item(pages: Pages, visit: Visiting) -> None:
    page = visit(pages.put(more(RYE + ' heading="Read on" note="{tags} · {year}"'))).page
    assert titles(page) == TITLES
    assert links(page).first.inner_text() == "A starter\nbread, sour · 2020"
    assert links(page).nth(2).inner_text() == "My first loaf"  # no tags: no note
    expect(page.get_by_text("All posts")).to_be_hidden()
    navigation = page.get_by_role("navigation", name="Read on")
    expect(navigation.get_by_role("heading", name="Read on", level=2)).to_be_visible()
    expect(navigation.get_by_role("listitem")).to_have_count(4)
    expect(page.locator("more-like-this img")).to_have_count(0)


def test_a_script_tag_does_the_same_where_it_stands(pages: Pages, visit: Visiting) -> None:
    script = tag("posts", "bread/rye.md", 'data-limit="2"')
    page = visit(pages.put(f"<p>before</p>{script}<p>after</p>", head="")).page
    assert titles(page) == TITLES[:2]
    order = page.evaluate("[...document.querySelector('main').children].map(e => e.tagName)")
    assert order == ["H1", "P", "SCRIPT", "MORE-LIKE-THIS", "P"]
    expect(page.get_by_role("navigation", name="More like this")).to_be_visible()


def test_a_script_tag_takes_the_place_of_its_target(pages: Pages, visit: Visiting) -> None:
    target = f'<aside id="next">{FALLBACK}</aside>'
    place = 'async data-target="#next"'
    page = visit(pages.put(target + tag("posts", "bread/rye.md", place), head="")).page
    assert titles(page) == TITLES
    expect(page.get_by_text("All posts")).to_be_hidden()
    page = visit(pages.put(target + tag("nothing", "bread/rye.md", place), head="")).page
    page.wait_for_selector("more-like-this")
    expect(page.get_by_text("All posts")).to_be_visible()


def test_several_scripts_and_elements_stand_on_one_page(pages: Pages, visit: Visiting) -> None:
    both = tag("posts", "bread/rye.md", 'data-limit="1"') + tag("films", "f4", 'data-limit="1"')
    page = visit(pages.put(both + more(RYE + ' limit="1"'), head="")).page
    expect(links(page)).to_have_count(3)
    assert titles(page) == ["A starter", "Film 3", "A starter"]


def test_links_are_made_of_a_pattern_or_of_the_item(pages: Pages, visit: Visiting) -> None:
    page = visit(pages.put(more())).page
    titles(page)
    addresses = [link.get_attribute("href") for link in links(page).all()]
    assert addresses == [
        "/posts/bread/starter/",
        "/posts/bread/pizza/",
        "/posts/first%20%26%20last%3F/",
        "/posts/servers/backups/",
    ]
    page = visit(pages.put(more('catalogue="films" item="f0"'))).page
    assert titles(page) == ["Film 1", "Film 2", "Film 3", "Film 4"]
    assert links(page).first.get_attribute("href") == "/films/1"
    assert page.locator("more-like-this img").first.get_attribute("src") == "/pictures/1"
    page = visit(
        pages.put(more('catalogue="films" item="f0" link="{url}?from=more" picture=""'))
    ).page
    titles(page)
    assert links(page).first.get_attribute("href") == "/films/1?from=more"
    expect(page.locator("more-like-this img")).to_have_count(0)


def test_dates_are_days_to_read(pages: Pages, visit: Visiting, settings: Settings) -> None:
    dated = [
        {"id": "seed", "title": "seed"},
        {"id": "a", "title": "A", "date": 1717804800, "url": "/"},
        {"id": "b", "title": "B", "url": "/"},
    ]
    load_things(pages.server, settings, "dated", *dated)
    page = visit(pages.put(more('catalogue="dated" item="seed" note="{day}"'))).page
    expect(links(page).first).to_be_visible()
    assert links(page).all_inner_texts() == ["A\n2024-06-08", "B"]


def test_what_leads_nowhere_is_not_shown(pages: Pages, visit: Visiting) -> None:
    page, warning = warned(visit, pages.put(more('catalogue="posts" item="bread/rye.md"')))
    assert warning == "<more-like-this>: no item has a link"
    expect(page.get_by_text("All posts")).to_be_visible()


def test_anything_that_the_api_takes_can_be_asked(pages: Pages, visit: Visiting) -> None:
    query = "where=year>=2021&where=tags=kitchen|servers&fields=title"
    page = visit(pages.put(more(f'{RYE} limit="3" query="{query}"'))).page
    assert titles(page) == ["Pizza dough", "Backups"]
    page, warning = warned(visit, pages.put(more(f'{RYE} query="preset=none"')))
    assert "invalid_preset" in warning
    expect(page.get_by_text("All posts")).to_be_visible()


def test_neighbours_that_are_stored(pages: Pages, visit: Visiting) -> None:
    url = pages.put(more('catalogue="films" item="f0" from="related" limit="2"'))
    page, warning = warned(visit, url)
    assert "related_not_built" in warning
    expect(page.get_by_text("All posts")).to_be_visible()
    build(pages.server, "films")
    page.reload()
    assert titles(page) == ["Film 1", "Film 2"]


@pytest.mark.parametrize(
    ("head", "attributes"),
    [
        ('<link rel="canonical" href="https://blog.example/bread/rye/">', 'item="{path}.md"'),
        ('<link rel="canonical" href="https://blog.example/films/f%201">', ""),
        ("", 'item="{url}"'),
    ],
)
def test_the_page_itself_is_the_item(
    pages: Pages, visit: Visiting, settings: Settings, head: str, attributes: str
) -> None:
    own = f"{pages.url}/pages/own.html"
    load_things(
        pages.server, settings, "site",
        *({"id": id, "title": id, "url": "/"} for id in (
            "bread/rye.md", "https://blog.example/films/f%201", own
        )),
    )  # fmt: skip
    pages.put(more(f'catalogue="site" limit="2" {attributes}'), "own.html", head=head + SCRIPT)
    page = visit(f"{own}?utm=1#top").page
    expected = {"bread/rye.md", "https://blog.example/films/f%201", own}
    seed = "bread/rye.md" if "path" in attributes else head[28:-2] or own
    assert set(titles(page)) == expected - {seed}


def test_a_change_of_attributes_asks_again(pages: Pages, visit: Visiting) -> None:
    page = visit(pages.put(more())).page
    assert titles(page) == TITLES
    page.evaluate("document.querySelector('more-like-this').setAttribute('limit', 2)")
    expect(links(page)).to_have_count(2)
    page.evaluate(
        """Object.entries({catalogue: "films", item: "f4", link: "{url}"}).forEach(
          (pair) => document.querySelector("more-like-this").setAttribute(...pair))"""
    )
    expect(links(page).first).to_have_text("Film 3")
    assert titles(page) == ["Film 3", "Film 2"]
    page.evaluate("document.querySelector('more-like-this').setAttribute('item', 'gone')")
    expect(page.get_by_text("All posts")).to_be_visible()
    expect(links(page)).to_have_count(0)


def test_elements_may_come_before_the_script_and_long_after(pages: Pages, visit: Visiting) -> None:
    page = visit(pages.put(more(RYE + ' limit="1"'), head="")).page
    expect(page.get_by_text("All posts")).to_be_visible()
    page.add_script_tag(url="/widget.js")
    assert titles(page) == ["A starter"]
    page.evaluate(
        """() => {
          const late = document.createElement("more-like-this");
          Object.entries({catalogue: "films", item: "f0", limit: 1}).forEach(
            (pair) => late.setAttribute(...pair));
          document.querySelector("main").append(late);
        }"""
    )
    expect(links(page)).to_have_count(2)
    assert titles(page) == ["A starter", "Film 1"]


def test_an_element_may_move_and_go_while_it_loads(pages: Pages, visit: Visiting) -> None:
    visited = visit(pages.put(more() + "<footer></footer>"))
    page = visited.page
    titles(page)
    page.evaluate(
        "document.querySelector('footer').append(document.querySelector('main > *:nth-child(2)'))"
    )
    expect(page.locator("footer more-like-this li")).to_have_count(4)
    with page.expect_event("requestfailed") as failed:
        page.evaluate(
            """() => {
              const element = document.querySelector("more-like-this");
              element.setAttribute("limit", 3);
              element.remove();
            }"""
        )
    assert "limit=3" in failed.value.url
    page.evaluate("new Promise((done) => setTimeout(done, 50))")
    assert visited.messages("warning") == []


def test_templates_say_how_an_item_looks(pages: Pages, visit: Visiting) -> None:
    template = """<template><article class="card">
      <!-- {nothing} -->
      <a href="/read/{path}"><img src="{image}" alt="{title}"><b>{title|name}</b></a>
      <p>{tags}</p><i>since {year}</i>
    </article> {id}</template>"""
    style = "<style>.card { color: rgb(1, 2, 3) }</style>"
    visited = visit(pages.put(style + more(RYE + ' limit="3"', template + FALLBACK)))
    page = visited.page
    expect(page.locator(".card")).to_have_count(3)
    expect(page.locator(".card").first).to_have_css("color", "rgb(1, 2, 3)")
    expect(page.locator("li").first).to_have_text(
        "A starter bread, soursince 2020 bread/starter.md"
    )
    expect(page.locator("li").nth(2)).to_have_text("My first loaf since 2022 first & last?.md")
    expect(page.locator(".card img")).to_have_count(0)
    assert links(page).nth(2).get_attribute("href") == "/read/first%20%26%20last%3F"
    expect(page.get_by_role("list").get_by_role("listitem")).to_have_count(3)
    expect(page.get_by_text("All posts")).to_be_hidden()
    page.evaluate("document.querySelector('more-like-this').setAttribute('item', 'gone')")
    expect(page.get_by_text("All posts")).to_be_visible()
    expect(page.locator(".card")).to_have_count(0)


def test_templates_never_write_code(pages: Pages, visit: Visiting) -> None:
    code = '<script>document.title = "{title}"</script><style>b { color: {title} }</style>'
    link = '<a href="{url}" onclick="{title}" style="color: {title}">{title}</a>'
    content = f"<template>{link}{code}</template>"
    page = visit(pages.put(more('catalogue="films" item="f0" limit="1"', content))).page
    assert titles(page) == ["Film 1"]
    assert page.title() == "{title}"
    assert links(page).get_attribute("onclick") == "{title}"
    assert page.locator("li style").text_content() == "b { color: {title} }"


def test_templates_load_nothing_before_they_are_filled(pages: Pages, visit: Visiting) -> None:
    visited = visit()
    asked: list[str] = []
    visited.page.on("request", lambda request: asked.append(unquote(request.url)))
    template = '<template><a href="{url}"><img src="{image}" alt="">{title}</a></template>'
    attributes = 'catalogue="films" item="f0"'
    visited.page.goto(pages.put(more(attributes, template) + more(attributes)))
    expect(links(visited.page)).to_have_count(8)
    visited.page.wait_for_load_state("networkidle")
    assert [url for url in asked if "{" in url] == []
