"""The widget among failing servers, hostile items and strict policies; with a keyboard only."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import pytest
from browser import Visiting
from flask import Flask
from outside import served
from playwright.sync_api import expect
from web_server import Site, serving
from widget_pages import (
    FALLBACK,
    RYE,
    STRICT,
    Pages,
    links,
    load_things,
    more,
    stocked_pages,
    tag,
    titles,
    warned,
)

from api import Recommendations, create_app
from recommender import Settings
from recommender.store import events
from recommender.store.connection import Server

ASKED = "/v1/posts/similar?limit=5&id=bread%2Frye.md&"
LARGE = "A title \N{GRINNING FACE} " * 1000
HOSTILE = [
    "<img src=x onerror=\"document.title='broken'\">",
    "<script>document.title = 'broken'</script>",
    "\"'><b>bold</b>{year}&amp;</a>",
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd \u0639\u0631\u0628\u064a",
    LARGE,
]
ADDRESSES = [
    "javascript:document.title='broken'",
    " javascript:document.title='broken'",
    "java\nscript:document.title='broken'",
    "data:text/html,<script>document.title='broken'</script>",
    "vbscript:x",
    "blob:https://x.example/1",
    "file:///etc/passwd",
    "posts/unclear",
]


@pytest.fixture(scope="module")
def pages(_redis: Server, settings: Settings) -> Iterator[Pages]:
    with stocked_pages(_redis, settings, events=True) as served:
        yield served


@pytest.fixture
def elsewhere() -> Iterator[Site]:
    """A server of another origin that lets every page ask it."""
    with serving() as site:
        site.put("/widget.css", "", "text/css", Access_Control_Allow_Origin="*")
        yield site


def answered(site: Site, body: str, status: int = 200) -> str:
    """A page's element that asks ``site``, which answers ``body``."""
    site.put(ASKED, body, "application/json", status, Access_Control_Allow_Origin="*")
    return more(f'{RYE} api="{site.url}/"')


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, json.dumps({"items": []})),
        (200, "no JSON"),
        (200, "{}"),
        (404, json.dumps({"code": "unknown_item", "remedy": "Load it"})),
        (429, json.dumps({"code": "too_many_requests"})),
        (500, "<h1>Internal Server Error</h1>"),
        (503, json.dumps({"code": "redis_unavailable"})),
    ],
)
def test_what_the_page_holds_stays_when_the_api_fails(
    pages: Pages, visit: Visiting, elsewhere: Site, status: int, body: str
) -> None:
    page, warning = warned(visit, pages.put(answered(elsewhere, body, status)))
    assert warning.startswith("<more-like-this>: ")
    assert status == 200 or body in warning
    expect(page.get_by_role("link", name="All posts")).to_be_visible()
    assert len([path for path in elsewhere.paths() if path.startswith("/v1")]) == 1


def test_and_when_there_is_none(pages: Pages, visit: Visiting) -> None:
    page, warning = warned(visit, pages.put(more(f'{RYE} api="http://127.0.0.1:1/"')))
    assert "Failed to fetch" in warning
    expect(page.get_by_role("link", name="All posts")).to_be_visible()


def test_and_when_it_never_answers(pages: Pages, visit: Visiting, elsewhere: Site) -> None:
    gone = threading.Event()

    def wait(handler: BaseHTTPRequestHandler) -> None:
        gone.wait(30)
        handler.close_connection = True

    elsewhere.answers[ASKED] = wait
    try:
        page, warning = warned(visit, pages.put(more(f'{RYE} api="{elsewhere.url}/"')))
        assert warning == "<more-like-this>: no answer in 4 s"
        expect(page.get_by_role("link", name="All posts")).to_be_visible()
    finally:
        gone.set()


def test_a_late_answer_never_takes_the_place_of_a_later_question(
    pages: Pages, visit: Visiting, elsewhere: Site
) -> None:
    asked, go_on = threading.Event(), threading.Event()
    items = [{"id": id, "fields": {"url": "/"}} for id in ("late", "new")]
    late, new = (json.dumps({"items": [item]}) for item in items)
    html = answered(elsewhere, late)
    answer_late = elsewhere.answers[ASKED]

    def wait(handler: BaseHTTPRequestHandler) -> None:
        asked.set()
        go_on.wait(30)
        answer_late(handler)

    elsewhere.put(ASKED.replace("5", "6"), new, Access_Control_Allow_Origin="*")
    elsewhere.answers[ASKED] = wait
    try:
        visited = visit(pages.put(html))
        assert asked.wait(10)
        visited.page.evaluate("document.querySelector('more-like-this').setAttribute('limit', 6)")
        assert titles(visited.page) == ["new"]
    finally:
        go_on.set()
    visited.page.wait_for_timeout(200)
    assert titles(visited.page) == ["new"]
    assert visited.messages("warning") == []


def test_and_when_the_script_does_not_come(pages: Pages, visit: Visiting) -> None:
    page = visit(pages.put(more(), head='<script src="/gone.js"></script>')).page
    expect(page.get_by_role("link", name="All posts")).to_be_visible()


def test_titles_are_shown_as_they_are(pages: Pages, visit: Visiting, settings: Settings) -> None:
    seed = {"id": "seed", "title": "seed"}
    items = [{"id": f"{n}", "title": text, "url": "/x"} for n, text in enumerate(HOSTILE)]
    load_things(pages.server, settings, "hostile", seed, *items)
    template = (
        '<template><a href="{url}" title="x"><b>{title}</b><img alt="{title}"></a></template>'
    )
    both = [more('catalogue="hostile" item="seed"', content) for content in (FALLBACK, template)]
    page = visit(pages.put("<hr>".join(both), policy="")).page
    expect(links(page)).to_have_count(10)
    shown = links(page).locator("b").all_text_contents()
    assert shown == [*HOSTILE, *HOSTILE]
    for link in links(page).all():
        box = link.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 1280
    expect(page.locator("more-like-this script, more-like-this b b")).to_have_count(0)
    assert page.title() == "A page"
    first = page.locator("more-like-this").first
    assert first.evaluate("e => e.shadowRoot.querySelector('li:last-child').offsetHeight") < 150


def test_addresses_are_followed_only_where_they_are_safe(
    pages: Pages, visit: Visiting, settings: Settings
) -> None:
    good = ["https://shop.example/a b", "/path?q=1#top", "./here", "//cdn.example/x", "?p=4"]
    items = [
        {"id": f"{number}", "title": address, "url": address, "image": address}
        for number, address in enumerate([*ADDRESSES, *good])
    ]
    load_things(pages.server, settings, "odd", {"id": "seed", "title": "seed"}, *items)
    page = visit(pages.put(more('catalogue="odd" item="seed" limit="50"'))).page
    assert titles(page) == good
    assert [link.get_attribute("href") for link in links(page).all()] == good


def test_pictures_are_loaded_only_where_that_is_safe(
    pages: Pages, visit: Visiting, settings: Settings
) -> None:
    good = ["/pictures/1?q=1", "./here", "//127.0.0.1:1/x", "http://127.0.0.1:1/y"]
    items = [
        {"id": f"{number}", "title": "x", "url": "/", "image": address}
        for number, address in enumerate([*ADDRESSES, *good])
    ]
    load_things(pages.server, settings, "pictures", {"id": "seed", "title": "seed"}, *items)
    visited, asked = visit(), []
    visited.page.on("request", lambda request: asked.append((request.resource_type, request.url)))
    visited.page.goto(pages.put(more('catalogue="pictures" item="seed" limit="50"')))
    expect(links(visited.page)).to_have_count(len(items))
    pictures = visited.page.locator("more-like-this img")
    expect(pictures).to_have_count(1)  # the others are broken, and gone
    assert pictures.get_attribute("src") == good[0]
    assert {url for kind, url in asked if kind == "image" and "favicon" not in url} == {
        f"{pages.url}/pictures/1?q=1",
        f"{pages.url}/pages/here",
        "http://127.0.0.1:1/x",
        "http://127.0.0.1:1/y",
    }


@pytest.mark.parametrize("policy", [STRICT, STRICT + "; require-trusted-types-for 'script'"])
def test_a_strict_policy_refuses_nothing(pages: Pages, visit: Visiting, policy: str) -> None:
    films = more('catalogue="films" item="f0" heading="Films" note="{year}" events="on"')
    template = '<template><a href="{url}">{title}</a></template>'
    other = more('catalogue="films" item="f1"', template) + tag("posts", "bread/rye.md")
    visited = visit(pages.put(films + other, policy=policy))
    page = visited.page
    expect(links(page)).to_have_count(12)
    expect(page.locator("more-like-this li").first).to_have_css("display", "list-item")
    expect(page.locator("more-like-this ul").first).to_have_css("display", "grid")
    page.wait_for_load_state("networkidle")
    assert visited.refused() == []
    assert visited.messages("error") == []
    expect(page.locator("[style], style, [onclick]")).to_have_count(0)


def test_a_policy_that_forbids_the_api_keeps_what_the_page_holds(
    pages: Pages, visit: Visiting
) -> None:
    policy = "default-src 'none'; script-src 'self'"
    page, warning = warned(visit, pages.put(more(), policy=policy))
    assert "Failed to fetch" in warning
    expect(page.get_by_role("link", name="All posts")).to_be_visible()


def test_a_keyboard_is_enough(pages: Pages, visit: Visiting) -> None:
    page = visit(pages.put(more('catalogue="films" item="f0"'))).page
    titles(page)
    page.keyboard.press("Tab")
    expect(links(page).first).to_be_focused()
    assert links(page).first.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("Tab")
    expect(links(page).nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/films/2")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("html", ['lang="en"', 'lang="he" dir="rtl"'])
def test_axe_finds_nothing_serious(pages: Pages, visit: Visiting, scheme: str, html: str) -> None:
    body = "".join(
        (
            more(RYE + ' heading="Read on" note="{tags}"'),
            more('catalogue="films" item="f0" note="{year}"'),
            more('catalogue="films" item="f1" heading="x"', f"<template>{CARD}</template>"),
            more('catalogue="nothing"'),
        )
    )
    visited = visit(pages.put(body, head=LOOKS, html=html), color_scheme=scheme)
    expect(links(visited.page)).to_have_count(12)
    expect(visited.page.get_by_text("All posts")).to_have_count(3)
    background = "rgb(22, 24, 29)" if scheme == "dark" else "rgb(255, 255, 255)"
    expect(visited.page.locator("body")).to_have_css("background-color", background)
    assert visited.accessibility() == []


CARD = '<a href="{url}"><img src="{image}" alt="">{title}</a>'
LOOKS = """<style>body { background: #fff; color: #222 } a { color: #0645ad }
@media (prefers-color-scheme: dark) { body { background: #16181d; color: #e8e6e1 }
a { color: #9cc4ff } }</style><script src="/widget.js" async></script>"""


def test_right_to_left_begins_at_the_right(pages: Pages, visit: Visiting) -> None:
    page = visit(pages.put(more('catalogue="films" item="f0"'), html='dir="rtl" lang="ar"')).page
    titles(page)
    left = [link.bounding_box() for link in links(page).all()]
    places = [box["x"] for box in left if box]
    assert places == sorted(places, reverse=True)
    expect(links(page).first.locator("b")).to_have_css("text-align", "right")


def test_events_reach_the_catalogue(pages: Pages, visit: Visiting) -> None:
    before = events.count(pages.server.client, "films")
    page = visit(pages.put(more('catalogue="films" item="f0" events="on" user="u 1"'))).page
    titles(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    with page.expect_request(lambda request: "click" in (request.post_data or "")):
        page.keyboard.press("Enter")
    page.wait_for_url("**/films/2")
    for _ in range(100):  # what is sent on leaving arrives a moment later
        told = list(events.read(pages.server.client, "films"))[before:]
        if len(told) == 2:
            break
        page.wait_for_timeout(50)
    # Two requests at almost the same time: either may come first.
    assert sorted((each.type, each.id, each.seed or "", each.user) for each in told) == [
        ("click", "f2", "f0", "u 1"),
        ("view", "f0", "", "u 1"),
    ]


@pytest.mark.parametrize("attribute", ["", 'events="off"', 'events="false"'])
def test_events_are_sent_only_when_they_are_on(
    pages: Pages, visit: Visiting, attribute: str
) -> None:
    visited = visit()
    sent: list[str] = []
    visited.page.on("request", lambda request: sent.append(request.method))
    visited.page.goto(pages.put(more(f'catalogue="films" item="f0" {attribute}')))
    titles(visited.page)
    links(visited.page).first.click()
    visited.page.wait_for_url("**/films/1")
    assert set(sent) == {"GET"}


def test_the_page_hears_of_answers_and_clicks(pages: Pages, visit: Visiting) -> None:
    page = visit(pages.put(more('catalogue="films" item="f0"'), head="")).page
    page.evaluate(
        """() => {
          window.heard = [];
          for (const name of ["results", "click"])
            addEventListener("recommender:" + name, ({ type, target, detail }) =>
              heard.push([type, target.localName, detail.seed, detail.item?.id, detail.returned]));
          addEventListener("click", (event) => event.preventDefault());
        }"""
    )
    page.add_script_tag(url="/widget.js")
    titles(page)
    links(page).nth(2).click()
    assert page.evaluate("heard") == [
        ["recommender:results", "more-like-this", None, None, 4],
        ["recommender:click", "more-like-this", "f0", "f3", None],
    ]


def test_a_page_may_show_the_answer_itself(pages: Pages, visit: Visiting) -> None:
    page = visit(pages.put(more('catalogue="films" item="f0"'), head="")).page
    page.evaluate(
        """() => addEventListener("recommender:results", (event) => {
          event.preventDefault();
          document.title = event.detail.items.map((item) => item.id).join(" ");
        })"""
    )
    page.add_script_tag(url="/widget.js")
    page.wait_for_function("document.title === 'f1 f2 f3 f4'")
    expect(page.get_by_text("All posts")).to_be_visible()


def test_the_script_knows_its_api_by_its_own_address(
    pages: Pages, visit: Visiting, settings: Settings
) -> None:
    shop = Flask("shop")
    Recommendations(shop, settings, url_prefix="/shop/recs")

    @shop.get("/")
    def home() -> str:
        script = tag("films", "f0").replace("/widget.js", "/shop/recs/widget.js?v=2")
        return f"<title>x</title><body>{script}</body>"

    with served(shop) as client:
        page = visit(f"http://{client.host}:{client.port}/").page
        assert len(titles(page)) == 4


def test_a_page_of_another_origin(
    pages: Pages, visit: Visiting, settings: Settings, elsewhere: Site
) -> None:
    app = create_app(replace(settings, cors_origins=(elsewhere.url,), events=True))
    with served(app) as client:
        api = f"http://{client.host}:{client.port}"
        script = tag("films", "f0", 'data-events="on"').replace("/widget.js", f"{api}/widget.js")
        policy = f"default-src 'none'; script-src {api}; connect-src {api}"
        url = elsewhere.put("/post", f"<body>{script}</body>", Content_Security_Policy=policy)
        visited = visit()
        with visited.page.expect_response(f"{api}/v1/films/events") as told:
            visited.page.goto(url)
        assert told.value.status == 202
        assert titles(visited.page) == ["Film 1", "Film 2", "Film 3", "Film 4"]
        expect(visited.page.locator("more-like-this ul")).to_have_css("display", "grid")
