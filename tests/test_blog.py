"""The blog of samples/: a real server, a real Redis, a real browser."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Visiting, address
from conftest import ROOT, Open, Quiet
from flask import Flask
from outside import Client, served

import loaders
from recommender import Record, Settings, infer, sync
from recommender.store.connection import Server

Create = Callable[[dict[str, Any]], Flask]


@pytest.fixture(scope="module")
def create_app() -> Create:
    """The factory of ``samples/blog/app.py``."""
    spec = importlib.util.spec_from_file_location("blog", ROOT / "samples" / "blog" / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["blog"] = module  # where dataclasses look themselves up
    spec.loader.exec_module(module)
    create: Create = module.create_app
    return create


@pytest.fixture
def blog(server: Server, settings: Settings, create_app: Create) -> Iterator[Client]:
    """The blog behind a real HTTP server, with its posts loaded."""
    options = loaders.Options(globs=("*.md",))
    records = [*loaders.load(str(ROOT / "samples" / "posts"), options)]
    catalogue = infer([each for each in records if isinstance(each, Record)], "posts")
    sync(server, catalogue, records, settings, progress=Quiet(), on_reject=pytest.fail)
    with served(create_app({"RECOMMENDER_HOME": settings.home, "REDIS_URL": ""})) as client:
        yield client


@pytest.mark.parametrize("scripts", [True, False])
def test_a_post_ends_with_what_else_to_read(blog: Client, visit: Visiting, scripts: bool) -> None:
    visited = visit(f"{address(blog)}/rye-bread", java_script_enabled=scripts)
    page = visited.page
    assert page.title() == "Rye bread like my grandmother's · Bread & Bytes"
    assert page.locator("article").inner_text().count("+++") == 0  # the front matter is not shown
    if scripts:
        page.locator("more-like-this [slot=list]").wait_for()  # what the widget shows is the same
    assert page.get_by_role("navigation", name="More like this").count() == 1
    related = page.locator(".related a:visible")
    assert related.all_inner_texts()[0] == "A sourdough starter in seven days"
    assert len(related.all_inner_texts()) == 3
    related.first.click()
    page.wait_for_url("**/sourdough-starter")
    assert page.get_by_role("heading", level=1).inner_text() == "A sourdough starter in seven days"


def test_the_catalogue_is_told_what_was_clicked(
    blog: Client, visit: Visiting, open_catalogue: Open
) -> None:
    page = visit(f"{address(blog)}/rye-bread").page
    page.locator("more-like-this [slot=list] a").first.click()
    page.wait_for_url("**/sourdough-starter")
    page.locator("more-like-this [slot=list]").wait_for()
    starter, rye = "sourdough-starter.md", "rye-bread.md"
    expected = {("view", rye, None), ("click", starter, rye), ("view", starter, None)}
    for _ in range(100):
        told = {(event.type, event.id, event.seed) for event in open_catalogue("posts").events()}
        if told == expected:
            break
        time.sleep(0.05)
    assert told == expected


def test_a_list_is_shorter_where_less_is_like_it(blog: Client, visit: Visiting) -> None:
    page = visit(f"{address(blog)}/postgres-backups").page
    page.locator("more-like-this [slot=list]").wait_for()
    related = page.locator(".related a:visible")
    assert related.all_inner_texts() == [
        "Redis as a cache, and when not to",
        "Finding the one slow query",
    ]


def test_words_find_posts(blog: Client, visit: Visiting) -> None:
    page = visit(address(blog)).page
    posts = page.locator(".posts a")
    assert posts.first.inner_text() == "Pizza dough that waits for you"  # the latest
    assert posts.count() == 8
    page.get_by_role("searchbox", name="Search").fill("a nightly <b>dump</b>")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=*")
    assert page.get_by_role("heading", level=1).inner_text() == "Closest to “a nightly <b>dump</b>”"
    assert posts.first.inner_text() == "The night I needed my Postgres backups"
    page.goto(f"{address(blog)}/?q=zzz")
    assert page.get_by_text("Nothing here fits").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/rye-bread"])
def test_its_policy_refuses_nothing_of_it_and_everyone_can_use_it(
    blog: Client, visit: Visiting, path: str, scheme: str
) -> None:
    visited = visit(address(blog) + path, color_scheme=scheme)
    if path != "/":
        visited.page.locator("more-like-this [slot=list]").wait_for()
    assert visited.refused() == []
    assert visited.accessibility() == []
    assert "'unsafe" not in blog.get(path).headers["Content-Security-Policy"]


def test_it_narrows_to_a_phone(blog: Client, visit: Visiting) -> None:
    visited = visit(f"{address(blog)}/rye-bread", viewport={"width": 320, "height": 640})
    assert visited.page.evaluate("document.documentElement.scrollWidth") == 320


def test_drafts_are_nowhere(blog: Client) -> None:
    assert blog.get("/kubernetes-at-home").status == 404
    assert "Kubernetes" not in blog.get("/").body.decode()


def test_the_same_is_answered_over_http(blog: Client) -> None:
    answer = blog.get("/recommendations/v1/posts/similar", id="rye-bread.md", limit=1)
    assert [item["id"] for item in answer.json["items"]] == ["sourdough-starter.md"]
    assert blog.get("/recommendations/v1/posts/similar").json["code"] == "invalid_id"
    assert blog.get("/nothing").headers["Content-Type"].startswith("text/html")


def test_the_blog_goes_on_while_redis_is_away(create_app: Create, tmp_path: Path) -> None:
    app = create_app({"REDIS_URL": "redis://127.0.0.1:1", "RECOMMENDER_HOME": tmp_path})
    with served(app) as client:
        post = client.get("/rye-bread")
        assert post.status == 200
        assert b"No kneading" in post.body
        assert b"More like this" not in post.body
        assert b"Nothing here fits" in client.get("/", q="bread").body
