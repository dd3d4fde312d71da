"""A real Chromium for what people see: fixtures for all tests.

Without a Chromium such tests are skipped, aloud, and fail where CI is set.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from outside import Client, served
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from api import create_app
from recommender import Settings
from recommender.store.connection import Server

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 15_000
WATCH_POLICY = """
window.refusedByPolicy = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.refusedByPolicy.push(event.violatedDirective + " " + event.blockedURI));
"""


@dataclass(frozen=True)
class Visit:
    """A page in a browser of its own: nothing is left there by other tests.

    ``console``: every message as ``type: text``. ``uncaught``: the errors that nothing caught.
    """

    page: Page
    console: list[str] = field(default_factory=list)
    uncaught: list[str] = field(default_factory=list)

    def messages(self, kind: str) -> list[str]:
        """What the console was told as ``kind``: error, warning, log."""
        start = f"{kind}: "
        return [each.removeprefix(start) for each in self.console if each.startswith(start)]

    def refused(self) -> list[str]:
        """What the page's Content-Security-Policy has refused."""
        return list(self.page.evaluate("window.refusedByPolicy"))

    def accessibility(self, context: str | None = None) -> list[str]:
        """What axe-core finds serious or critical, in ``context`` (a selector) or everywhere."""
        found = Axe().run(self.page, context).response["violations"]
        return [
            f"{fault['id']}: {node['target']} {node['html'][:200]}"
            for fault in found
            if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"]
        ]


Visiting = Callable[..., Visit]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser of the whole test process."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = f"no Chromium here: install one of {', '.join(NAMES)}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visiting]:
    """``visit(url, **context)``: opens a page; ``context`` as ``Browser.new_context`` takes it.

    A test whose page throws what nothing catches fails, whatever else it looks at.
    """
    visits: list[Visit] = []

    with ExitStack() as opened:

        def open_page(url: str | None = None, **context: Any) -> Visit:
            fresh = chromium.new_context(**context)
            opened.callback(fresh.close)
            fresh.set_default_timeout(PATIENCE_MS)
            fresh.add_init_script(WATCH_POLICY)
            visited = Visit(fresh.new_page())
            visits.append(visited)
            visited.page.on("console", lambda message: visited.console.append(_told(message)))
            visited.page.on("pageerror", lambda error: visited.uncaught.append(str(error)))
            if url:
                visited.page.goto(url)
            return visited

        yield open_page
    assert [error for visited in visits for error in visited.uncaught] == []


@pytest.fixture
def app(server: Server, settings: Settings) -> Flask:
    """The application on the test's Redis."""
    return create_app(settings)


@pytest.fixture
def live(app: Flask) -> Iterator[str]:
    """The address of the application behind a real HTTP server, without a slash at its end."""
    with served(app) as client:
        yield address(client)


def address(client: Client) -> str:
    """Where ``client`` asks."""
    return f"http://{client.host}:{client.port}"


def _told(message: ConsoleMessage) -> str:
    return f"{message.type}: {message.text}"
