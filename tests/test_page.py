"""The web page as people use it: in a real Chromium, over real HTTP, on a real Redis."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import loaded
from outside import Client, served
from page_site import HOSTILE, SAFE, fill
from playwright.sync_api import Locator, Page, expect

from api import create_app
from recommender import Catalogue, Recommender, Settings
from recommender.store import embedded
from recommender.store.connection import Server, connect

if TYPE_CHECKING:  # as a plugin it must not be imported before
    from browser import Visit, Visiting

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True,
}  # fmt: skip
SMALL: dict[str, Any] = {"viewport": {"width": 320, "height": 640}}

UNLIKE = "".join(
    f".replace(/{pattern}/g, '')"
    for pattern in (
        r"<img[^>]*>",
        r"\d+",
        r' (referrerpolicy|rel|dir|alt|value|tabindex)="[^"]*"',
        r"\s+",
    )
)
"""Leaves out what the server and the scripts write differently: numbers and quiet attributes."""


@pytest.fixture(scope="module")
def site(_redis: Server, settings: Settings) -> Iterator[str]:
    """Where the page is served."""
    fill(_redis, settings)
    with served(create_app(settings)) as client:
        yield address(client)
    _redis.client.flushall()


@pytest.fixture(scope="module")
def movies(site: str, settings: Settings) -> Recommender:
    return Recommender("movies", settings=settings)


def address(client: Client) -> str:
    return f"http://{client.host}:{client.port}"


def shown(page: Page) -> list[str]:
    """The ids of the cards."""
    found: list[str] = page.eval_on_selector_all(
        "[data-grid] .card", "cards => cards.map(card => card.dataset.id)"
    )
    return found


def box(page: Page | Locator, label: str) -> Locator:
    """The box to tick beside a label of a filter."""
    return page.locator(f'input[type=checkbox][value="{label}"]')


def settle(page: Page) -> None:
    """Waits until nothing is being asked."""
    # What is typed is asked a moment later; the page's own clock keeps the order.
    page.evaluate("new Promise((done) => setTimeout(done, 350))")
    expect(page.locator("[data-grid]")).not_to_have_attribute("aria-busy", "true")


def test_results_follow_what_is_typed(visit: Visiting, site: str, movies: Recommender) -> None:
    visited = visit(f"{site}/c/movies")
    page = visited.page
    page.evaluate("window.stays = true")
    page.locator("#q").press_sequentially("samurai defend a village", delay=30)
    expect(page.locator(".card .title").first).to_have_text("Seven Samurai")
    settle(page)
    wanted = movies.search("samurai defend a village", mode="hybrid", limit=24)
    assert shown(page) == [hit.id for hit in wanted]
    assert page.url.endswith("/c/movies?q=samurai+defend+a+village")
    assert page.evaluate("window.stays")
    expect(page.locator("#status")).to_have_text("The 24 closest of 399 items")
    assert visited.refused() == []
    assert visited.messages("error") == []


def test_a_late_answer_never_replaces_a_newer_one(visit: Visiting, site: str) -> None:
    page = visit(f"{site}/c/movies").page
    slow = "window.fetch = ((own) => async (a, b) => { if (String(a).includes('q=alien&')) "
    slow += (
        "await new Promise((r) => setTimeout(r, 900)); return own(a, {...b, signal: undefined});"
    )
    page.evaluate(slow + " })(window.fetch)")
    page.fill("#q", "alien")
    page.wait_for_timeout(300)
    page.fill("#q", "shark")
    expect(page.locator(".card .title").first).to_have_text("Jaws")
    page.wait_for_timeout(1200)
    expect(page.locator(".card .title").first).to_have_text("Jaws")


def test_filters_narrow_and_their_counts_follow(
    visit: Visiting, site: str, movies: Recommender
) -> None:
    page = visit(f"{site}/c/movies?q=robot").page
    group = page.locator("[data-field=genres]")
    box(group, "Drama").check()
    settle(page)
    box(group, "Thriller").check()
    settle(page)
    page.locator("[data-field=year] input").first.fill("1990")
    page.keyboard.press("Enter")
    settle(page)
    where = ["genres=Drama|Thriller", "year=1990.."]
    wanted = movies.search("robot", mode="hybrid", where=where, limit=24)
    assert shown(page) == [hit.id for hit in wanted]
    [facet] = movies.facets(["genres"], where="year=1990..", text="robot")
    rows = group.locator("li").all_text_contents()
    counts = {text.split()[0]: text.split()[-1] for text in rows}
    assert counts["Drama"] == str(facet.values["Drama"])
    assert counts["Comedy"] == str(facet.values["Comedy"])  # its own field's ticks leave it
    assert page.locator("[data-badge]").text_content() == " 3"
    assert movies.count(where) == int(
        re.findall(r"of (\d+)", page.text_content("#status") or "")[0]
    )
    page.locator(".chip", has_text="Genres: Drama").get_by_role("link").click()
    settle(page)
    assert not box(group, "Drama").is_checked()
    assert "Drama" not in page.url


def test_likes_and_dislikes_ask_anew(visit: Visiting, site: str, movies: Recommender) -> None:
    visited = visit(f"{site}/c/movies?q=space")
    page = visited.page
    card = page.locator(".card[data-id=alien]")
    card.get_by_role("link", name="More like this").click()
    expect(page.locator(".chip.like .what")).to_have_text("Alien")
    settle(page)
    disliked = shown(page)[0]
    page.locator(".card").first.get_by_role("link", name="Less like this").click()
    expect(page.locator(".chip.unlike")).to_have_count(1)
    settle(page)
    wanted = movies.recommend(
        ["alien", {"text": "space"}], [disliked], mode="hybrid", limit=24, explain=True
    )
    assert shown(page) == [hit.id for hit in wanted]
    assert not {"alien", disliked} & {*shown(page)}
    page.get_by_role("link", name="Remove Alien", exact=True).click()
    expect(page.locator(".chip.like")).to_have_count(0)
    page.get_by_role("link", name="Clear all").click()
    expect(page.locator("[data-tray]")).to_be_hidden()
    assert page.url.endswith("/c/movies?q=space")
    assert visited.messages("error") == []


def test_diversity_spreads_the_results(visit: Visiting, site: str, movies: Recommender) -> None:
    page = visit(f"{site}/c/movies").page
    expect(page.locator("[data-spread]")).to_be_hidden()
    page.goto(f"{site}/c/movies?like=toy-story")
    slider = page.get_by_label("Diversity")
    slider.focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    settle(page)
    wanted = movies.similar("toy-story", diversity=0.6, limit=24)
    assert shown(page) == [hit.id for hit in wanted]
    assert page.url.endswith("diversity=0.6")
    expect(page.locator("[data-diversity]")).to_have_text("0.6")


def test_why_is_told_to_mouse_keyboard_and_touch(visit: Visiting, site: str) -> None:
    page = visit(f"{site}/c/movies?like=toy-story").page
    why = page.locator(".card").first.locator(".why")
    reason = why.get_by_role("tooltip", include_hidden=True)
    expect(reason).to_be_hidden()
    why.hover()
    expect(reason).to_be_visible()
    expect(reason).to_contain_text("imilarity 0.")
    page.keyboard.press("Escape")
    expect(reason).to_be_hidden()
    page.mouse.move(0, 0)
    why.get_by_role("button").focus()
    expect(reason).to_be_visible()
    phone = visit(f"{site}/c/movies?like=toy-story", **PHONE).page
    phone.locator(".why button").nth(1).tap()
    expect(phone.get_by_role("tooltip")).to_contain_text("imilarity 0.")
    settle(page)
    page.locator("#q").fill("toys")
    settle(page)
    assert "words" in (page.locator(".card .reason").first.text_content() or "")


def test_a_reason_names_a_like_by_its_title(visit: Visiting, site: str) -> None:
    page = visit(f"{site}/c/movies?like=toy-story&like=alien").page
    reasons = page.locator(".card .reason")
    expect(reasons.filter(has_text="nearest to Alien)").first).to_be_attached()
    page.locator("#q").fill("robot")
    expect(reasons.filter(has_text="words ").first).to_be_attached()
    expect(reasons.filter(has_text="nearest to Toy Story)").first).to_be_attached()
    expect(reasons.filter(has_text="toy-story")).to_have_count(0)


def test_more_is_appended_without_repeats(visit: Visiting, site: str) -> None:
    for question in ("", "?q=robot", "?like=alien&like=up"):
        page = visit(f"{site}/c/movies{question}").page
        first = shown(page)
        page.get_by_role("link", name="Show more").click()
        expect(page.locator(".card")).to_have_count(48)
        page.get_by_role("link", name="Show more").click()
        expect(page.locator(".card")).to_have_count(72)
        assert shown(page)[:24] == first
        assert len({*shown(page)}) == 72
        expect(page.locator("#status")).to_contain_text(re.compile("72 .*of 399 items"))
        assert page.evaluate("document.activeElement.dataset.id") == shown(page)[48]


def test_more_that_does_not_come_leaves_what_is_there(visit: Visiting, site: str) -> None:
    page = visit(f"{site}/c/movies").page
    page.route("**/browse?*", lambda route: route.abort())
    page.get_by_role("link", name="Show more").click()
    again = page.get_by_role("link", name="The server does not answer. Try again")
    expect(again).to_be_visible()
    expect(page.locator(".card")).to_have_count(24)
    page.unroute("**/browse?*")
    again.click()
    expect(page.locator(".card")).to_have_count(48)
    expect(page.get_by_role("link", name="Show more")).to_be_visible()


def test_the_end_of_the_list_is_said(visit: Visiting, site: str) -> None:
    page = visit(f"{site}/c/movies?tag.genres=Western&q=gun").page
    expect(page.get_by_role("link", name="Show more")).to_be_hidden()
    numbers = visit(f"{site}/c/numbers").page
    numbers.get_by_role("link", name="Show more").click()
    expect(numbers.locator("#status")).to_contain_text("That is all")
    expect(numbers.locator(".card")).to_have_count(40)
    expect(numbers.get_by_role("link", name="Show more")).to_be_hidden()


def test_back_and_forward_and_an_address_for_others(visit: Visiting, site: str) -> None:
    page = visit(f"{site}/c/movies").page
    start = shown(page)
    page.locator("#q").press_sequentially("robot", delay=20)
    settle(page)
    robots = shown(page)
    box(page, "Drama").check()
    settle(page)
    page.locator("[data-act=like]").first.click()
    settle(page)
    liked, link = shown(page), page.url
    page.go_back()
    settle(page)
    page.go_back()
    settle(page)
    assert shown(page) == robots
    assert not box(page, "Drama").is_checked()
    page.go_back()  # what was typed in one go is one step
    settle(page)
    assert (shown(page), page.input_value("#q")) == (start, "")
    for _ in range(3):
        page.go_forward()
        settle(page)
    assert (shown(page), page.url) == (liked, link)
    other = visit(link).page
    assert shown(other) == liked
    assert other.locator(".chip .what").all_text_contents() == (
        page.locator(".chip .what").all_text_contents()
    )


def test_every_search_that_is_sent_is_a_step_back(visit: Visiting, site: str) -> None:
    page = visit(f"{site}/c/movies").page
    for words in ("robot", "love"):
        page.locator("#q").fill(words)
        page.keyboard.press("Enter")
        settle(page)
    page.keyboard.press("Escape")
    settle(page)
    for words in ("love", "robot", ""):
        page.go_back()
        expect(page.locator("#q")).to_have_value(words)


def test_what_the_server_and_the_scripts_render_is_the_same(visit: Visiting, site: str) -> None:
    for name, question in (("movies", "?q=robot"), ("odd", ""), ("numbers", "?like=n3")):
        page = visit(f"{site}/c/{name}{question}").page
        clean = f"node => node.outerHTML{UNLIKE}"
        grid = page.locator("[data-grid]")
        before, groups = grid.evaluate(clean), page.locator(".group .values").all_text_contents()
        page.evaluate("dispatchEvent(new PopStateEvent('popstate'))")
        page.wait_for_timeout(100)
        settle(page)
        assert grid.evaluate(clean).replace('aria-busy="true"', "") == before
        after = page.locator(".group .values").all_text_contents()
        assert [text.split() for text in after] == [text.split() for text in groups]


def test_by_keyboard_alone(visit: Visiting, site: str) -> None:
    page = visit(f"{site}/c/movies").page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the results")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("shark")
    settle(page)
    expect(page.locator(".card .title").first).to_have_text("Jaws")
    adventure = box(page, "Adventure")
    for _ in range(60):
        if adventure.evaluate("node => node === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    settle(page)
    assert adventure.is_checked()
    expect(adventure).to_be_focused()
    like = page.locator("[data-act=like]").first
    for _ in range(90):
        if like.evaluate("node => node === document.activeElement"):
            break
        page.keyboard.press("Tab")
    outline = like.evaluate("node => getComputedStyle(node).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.locator(".chip.like")).to_have_count(1)
    expect(page.locator("#results")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    expect(page.locator("#q")).to_have_value("")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path",
    [
        "/", "/c/movies", "/c/movies?q=robot&like=alien&unlike=up&tag.genres=Drama&diversity=0.3",
        "/c/odd", "/c/numbers?like=n3", "/c/movies?tag.genres=Western&min.year=2020", "/c/nothing",
        "/c/movies?like=nobody",
    ],
)  # fmt: skip
def test_nothing_serious_for_axe(visit: Visiting, site: str, path: str, scheme: str) -> None:
    visited = visit(f"{site}{path}", color_scheme=scheme)
    visited.page.wait_for_timeout(200)
    assert visited.accessibility() == []
    phone = visit(f"{site}{path}", color_scheme=scheme, **PHONE)
    assert phone.accessibility() == []


@pytest.mark.parametrize("context", [PHONE, SMALL, {"viewport": {"width": 1600, "height": 900}}])
def test_no_page_is_wider_than_its_window(
    visit: Visiting, site: str, context: dict[str, Any]
) -> None:
    for path in ("/", "/c/movies?q=robot&like=alien&tag.genres=Drama", "/c/odd", "/c/numbers"):
        page = visit(f"{site}{path}", **context).page
        if page.locator("#filters").count():
            page.evaluate("document.getElementById('filters').open = true")
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, path


def test_filters_fold_on_a_phone(visit: Visiting, site: str) -> None:
    page = visit(f"{site}/c/movies", **PHONE).page
    expect(box(page, "Drama")).to_be_hidden()
    page.locator("#filters > summary").tap()
    box(page, "Drama").tap()
    settle(page)
    assert "tag.genres=Drama" in page.url


def test_hostile_titles_stay_text(visit: Visiting, site: str) -> None:
    for question in ("", "?q=word"):
        visited = visit(f"{site}/c/odd{question}")
        page = visited.page
        page.route("**/one.html", lambda route: route.abort())
        page.fill("#q", "family")
        settle(page)
        page.fill("#q", "")
        settle(page)
        assert page.title() == "odd"
        titles = " ".join(page.locator(".card .title").all_text_contents())
        for title in HOSTILE:
            assert " ".join(title.split())[:40].strip() in titles
        hrefs = page.eval_on_selector_all(
            ".card .title a", "links => links.map(link => link.getAttribute('href'))"
        )
        assert {*hrefs} == SAFE
        assert page.locator("main svg, main b, main i, [data-grid] script").count() == 0
        arabic = page.locator(".title", has_text="مرحبا")
        assert arabic.evaluate("node => getComputedStyle(node).direction") == "rtl"
        page.locator("[data-act=like]").first.click()
        settle(page)
        assert visited.refused() == []


def test_fields_may_be_called_what_every_object_has(visit: Visiting, site: str) -> None:
    page = visit(f"{site}/c/odd").page
    box(page, "c1").check()
    expect(page.locator("#status")).to_have_text("3 items")
    page.locator("[data-field=valueOf] input").first.fill("4")
    expect(page.locator("#status")).to_have_text("2 items")
    page.get_by_role("link", name="Remove Value Of from 4").click()
    page.get_by_role("link", name="Remove Constructor: c1").click()
    expect(page.locator("#status")).to_have_text("9 items")


def test_without_scripts(visit: Visiting, site: str) -> None:
    page = visit(f"{site}/c/movies", java_script_enabled=False).page
    page.fill("#q", "shark")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".card .title").first).to_have_text("Jaws")
    box(page, "Adventure").check()
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".chip .what")).to_have_text("Genres: Adventure")
    assert "q=shark" in page.url
    page.locator("[data-act=like]").first.click()
    expect(page.locator(".chip.like")).to_have_count(1)
    page.get_by_role("link", name="Show more").click()
    expect(page.locator(".card")).to_have_count(48)
    page.get_by_label("Diversity").fill("0.5")
    page.get_by_role("button", name="Apply").click()
    assert "diversity=0.5" in page.url
    expect(page.locator(".chip")).to_have_count(2)


def test_a_label_of_the_others_can_be_ticked(visit: Visiting, site: str) -> None:
    page = visit(f"{site}/c/movies").page
    group = page.locator("[data-field=genres]")
    group.get_by_text("Show more").click()
    box(group, "Western").check()
    settle(page)
    assert "tag.genres=Western" in page.url
    assert group.locator("li input").first.get_attribute("value") == "Western"


def test_a_label_is_looked_for_among_those_that_are_counted(
    visit: Visiting, site: str, settings: Settings
) -> None:
    given = {"v": {"embedder": "given", "column": "v"}}
    spec = {"name": "labels", "fields": {"kinds": {"type": "tag"}}, "vectors": given}
    rows = [{"id": f"{i}", "kinds": [f"k{i}", f"l{i}"], "v": [1, i]} for i in range(600)]
    loaded(connect(settings), settings, Catalogue.from_dict(spec), rows)
    page = visit(f"{site}/c/labels").page
    finder = page.get_by_role("searchbox", name="Find in kinds")
    finder.fill("k59")
    expect(page.locator(".values label:visible")).to_have_count(11)
    finder.fill("z")
    expect(page.get_by_text("None of the 1,000 most frequent")).to_be_visible()


def test_a_large_catalogue_is_shown_before_it_is_counted(
    visit: Visiting, site: str, settings: Settings
) -> None:
    sizes = {"size": {"type": "number"}, "kinds": {"type": "tag"}}
    given = {"v": {"embedder": "given", "column": "v", "index": "flat"}}
    many = Catalogue.from_dict({"name": "many", "fields": sizes, "vectors": given})
    rows = ({"id": f"{i}", "size": i, "kinds": f"k{i % 2}", "v": [1, i]} for i in range(10_010))
    loaded(connect(settings), settings, many, rows)
    with served(create_app(settings)) as client:
        plain = visit(f"{address(client)}/c/many", java_script_enabled=False).page
        expect(plain.locator(".card")).to_have_count(24)
        expect(box(plain, "k1")).to_have_count(0)
        plain.get_by_role("link", name="Show all filters").click()
        box(plain, "k1").check()
        plain.get_by_role("button", name="Apply").click()
        expect(plain.locator("#status")).to_contain_text("of 5,005 items")
        page = visit(f"{address(client)}/c/many").page
        box(page, "k0").check()
        expect(page.locator("#status")).to_contain_text("of 5,005 items")


def test_nothing_found_offers_the_way_out(visit: Visiting, site: str) -> None:
    page = visit(f"{site}/c/movies?tag.genres=Western").page
    page.locator("[data-field=year] input").first.fill("2020")
    expect(page.locator(".notice h2")).to_have_text("Nothing passes all of these filters")
    expect(page.locator("#status")).to_have_text("Nothing found")
    page.get_by_role("link", name="Without Year from 2020").click()
    expect(page.locator(".card")).to_have_count(15)
    expect(page.locator(".notice")).to_have_count(0)


def test_a_question_that_cannot_be_is_told(visit: Visiting, site: str) -> None:
    page = visit(f"{site}/c/movies?min.year=2000").page
    page.locator("[data-field=year] input").last.fill("1990")
    expect(page.get_by_role("alert")).to_contain_text("reversed")
    page.locator("[data-field=year] input").last.fill("2010")
    settle(page)
    expect(page.get_by_role("alert")).to_have_count(0)
    assert shown(page)


def test_filters_are_there_again_when_the_question_is_mended(visit: Visiting, site: str) -> None:
    page = visit(f"{site}/c/movies?min.year=abc").page
    expect(page.get_by_role("link", name="Start over")).to_be_visible()
    page.get_by_role("link", name="Remove Year from abc").click()
    expect(page.locator("#status")).to_have_text("24 of 399 items")
    box(page, "Drama").check()
    expect(page.locator("#status")).not_to_contain_text("of 399")


def test_a_phone_shows_no_filters_where_there_are_none(
    visit: Visiting, site: str, settings: Settings
) -> None:
    bare = Catalogue.from_dict(
        {"name": "bare", "vectors": {"v": {"embedder": "given", "column": "v"}}}
    )
    loaded(connect(settings), settings, bare, [{"id": "a", "v": [1, 0]}])
    page = visit(f"{site}/c/bare", **PHONE).page
    expect(page.locator("#status")).to_have_text("1 item")
    expect(page.locator(".filters")).to_be_hidden()


def test_events_are_sent_where_they_are_taken(
    visit: Visiting, site: str, settings: Settings, movies: Recommender
) -> None:
    with served(create_app(replace(settings, events=True))) as client:
        page = visit(f"{address(client)}/c/movies?q=shark").page
        with page.expect_response(re.compile("/events$")) as response:
            page.locator("[data-act=like]").first.click()
        assert response.value.status == 202
    assert [(event.type, event.id) for event in movies.events()][-1] == ("like", "jaws")


def test_a_key_is_asked_for_and_kept_by_the_tab(
    visit: Visiting, site: str, settings: Settings
) -> None:
    key = "a-read-key-of-some-length"
    with served(create_app(replace(settings, read_keys=(key,)))) as client:
        visited = visit(f"{address(client)}/c/movies?q=shark")
        page = visited.page
        expect(page.get_by_role("heading", level=1)).to_have_text("This API needs a key")
        assert visited.accessibility() == []
        page.get_by_label("Read key").fill("another-key-that-is-wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("does not open")
        page.get_by_label("Read key").fill(key)
        page.keyboard.press("Enter")
        expect(page.locator(".card .title").first).to_have_text("Jaws")
        page.fill("#q", "samurai defend a village")
        expect(page.locator(".card .title").first).to_have_text("Seven Samurai")
        page.reload()
        expect(page.locator(".card .title").first).to_have_text("Seven Samurai")
        assert key not in page.url
        assert '-H "X-API-Key: $KEY"' in (page.locator("[data-curl]").text_content() or "")
        page.evaluate("sessionStorage.clear()")
        page.fill("#q", "shark")
        expect(page.get_by_role("alert")).to_contain_text("This API needs a key")
        page.get_by_label("Read key").fill(key)
        page.keyboard.press("Enter")
        expect(page.locator(".card .title").first).to_have_text("Jaws")
        assert visited.refused() == []


def test_redis_goes_away_and_comes_back(visit: Visiting) -> None:
    home = Path(tempfile.mkdtemp(prefix="rec-"))
    settings = Settings(home=home)
    try:
        fill(connect(settings), settings)
        with served(create_app(settings)) as client:
            visited = visit(f"{address(client)}/c/movies?q=shark")
            page = visited.page
            embedded.stop(home)
            page.fill("#q", "robot")
            expect(page.get_by_role("alert")).to_contain_text("asks again by itself")
            expect(page.locator(".card").first).to_be_visible()  # what was there stays
            fresh = visit(f"{address(client)}/c/odd")  # which was not open yet
            expect(fresh.page.get_by_role("alert")).to_be_visible()
            connect(settings)
            expect(page.locator(".notice")).to_have_count(0, timeout=15_000)
            expect(fresh.page.locator(".card").first).to_be_visible(timeout=15_000)
            expect(page.locator(".card .title").first).to_have_text("Metropolis")
    finally:
        embedded.stop(home)
        shutil.rmtree(home)


def test_nothing_answers_and_then_it_does(visit: Visiting, site: str) -> None:
    visited: Visit = visit(f"{site}/c/movies")
    page = visited.page
    page.route("**/v1/**", lambda route: route.abort())
    page.fill("#q", "shark")
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    page.unroute("**/v1/**")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".card .title").first).to_have_text("Jaws")


def test_too_many_questions_wait_as_they_are_told(visit: Visiting, site: str) -> None:
    page = visit(f"{site}/c/movies").page
    busy = {"status": 429, "headers": {"Retry-After": "3"}, "json": {"detail": "slow down"}}
    page.route("**/v1/**", lambda route: route.fulfill(**busy), times=2)
    page.fill("#q", "shark")
    expect(page.get_by_role("alert")).to_contain_text("in 3 s")
    expect(page.locator(".card .title").first).to_have_text("Jaws")
