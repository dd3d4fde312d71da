"""Pages with widgets in them, served by the application that the widgets ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from browser import Visiting, address
from conftest import angle, loaded
from flask import Response
from outside import served
from playwright.sync_api import Locator, Page, expect

from api import create_app
from recommender import Catalogue, Settings
from recommender.store.connection import Server

GIVEN = {"v": {"embedder": "given", "column": "v", "index": "flat"}}
FIELDS = {
    "title": "text",
    "tags": "tag",
    "year": "number",
    "date": "number",
    "url": "stored",
    "image": "stored",
}
FALLBACK = '<a href="/archive">All posts</a>'
SCRIPT = '<script src="/widget.js" async></script>'
RYE = 'catalogue="posts" item="bread/rye.md" link="/posts/{path}/"'
TITLES = ["A starter", "Pizza dough", "My first loaf", "Backups"]
STRICT = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self'"
PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><rect width="40" height="30"/>'
    "</svg>"
)


@dataclass
class Pages:
    """``url`` is the application's, without a slash; every page of ``html`` is below /pages/."""

    server: Server
    url: str = ""
    html: dict[str, str] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)

    def put(
        self,
        body: str,
        name: str = "page",
        *,
        head: str = SCRIPT,
        policy: str = "",
        html: str = 'lang="en"',
    ) -> str:
        """Make the page ``name`` of these parts; its URL."""
        self.html[name] = (
            f'<!doctype html><html {html}><meta charset="utf-8"><title>A page</title>{head}'
            f"<main><h1>A page</h1>{body}</main></html>"
        )
        self.headers[name] = {"Content-Security-Policy": policy} if policy else {}
        return f"{self.url}/pages/{name}"


@contextmanager
def pages_of(server: Server, settings: Settings, **more: Any) -> Iterator[Pages]:
    """The application of ``settings`` with pages beside it."""
    app = create_app(replace(settings, **more))
    pages = Pages(server)

    @app.get("/pages/<path:name>")
    def page(name: str) -> Response:
        return Response(pages.html[name], headers=pages.headers[name], mimetype="text/html")

    @app.get("/pictures/<name>")
    def picture(name: str) -> Response:
        return Response(PICTURE, mimetype="image/svg+xml")

    @app.get("/favicon.ico")
    def icon() -> Response:
        return Response(PICTURE, mimetype="image/svg+xml")

    with served(app) as client:
        pages.url = address(client)
        yield pages


def more(attributes: str = RYE, content: str = FALLBACK) -> str:
    return f"<more-like-this {attributes}>{content}</more-like-this>"


def links(page: Page) -> Locator:
    """The recommendations that are shown."""
    return page.locator("more-like-this li a")


def titles(page: Page) -> list[str]:
    expect(links(page).first).to_be_visible()
    return [text.split("\n")[0] for text in links(page).all_inner_texts()]


def tag(catalogue: str, id: str, more: str = "") -> str:
    """A script tag that is a widget, too."""
    names = f'data-catalogue="{catalogue}" data-id="{id}" data-link="/{{id}}"'
    return f'<script src="/widget.js" {names} {more}></script>'


def warned(visit: Visiting, url: str) -> tuple[Page, str]:
    """The page, and what its console was warned of."""
    page = visit().page
    with page.expect_console_message(lambda message: message.type == "warning") as told:
        page.goto(url)
    return page, told.value.text


def load_things(server: Server, settings: Settings, name: str, *items: dict[str, Any]) -> None:
    """A catalogue whose items are the less alike the later they come."""
    catalogue = Catalogue.from_dict(
        {
            "name": name,
            "fields": {name: {"type": kind} for name, kind in FIELDS.items()},
            "vectors": GIVEN,
        }
    )
    things = [item | {"v": angle(5 * number)} for number, item in enumerate(items)]
    loaded(server, settings, catalogue, things)


def load_posts(server: Server, settings: Settings) -> None:
    """Five posts about bread: of the first, the others are alike in their order."""
    load_things(
        server, settings, "posts",
        {"id": "bread/rye.md", "title": "Rye bread", "tags": ["bread"], "year": 2019},
        {"id": "bread/starter.md", "title": "A starter", "tags": ["bread", "sour"], "year": 2020},
        {"id": "bread/pizza.md", "title": "Pizza dough", "tags": ["kitchen"], "year": 2021},
        {"id": "first & last?.md", "title": "My first loaf", "year": 2022},
        {"id": "servers/backups.md", "title": "Backups", "tags": ["servers"], "year": 2023},
    )  # fmt: skip


def load_films(server: Server, settings: Settings) -> None:
    """Five films with addresses and pictures of their own."""
    load_things(
        server, settings, "films",
        *(
            {
                "id": f"f{number}",
                "title": f"Film {number}",
                "year": 2000 + number,
                "url": f"/films/{number}",
                "image": f"/pictures/{number}",
            }
            for number in range(5)
        ),
    )  # fmt: skip


@contextmanager
def stocked_pages(server: Server, settings: Settings, **more: Any) -> Iterator[Pages]:
    """The same with posts and films, for all tests of a module."""
    load_posts(server, settings)
    load_films(server, settings)
    with pages_of(server, settings, **more) as pages:
        yield pages
    server.client.flushall()
