"""What docs/widget.md shows: every example in a page, every attribute in the script."""

from __future__ import annotations

import re
from pathlib import Path

from browser import Visiting
from conftest import ROOT
from outside import Shell
from playwright.sync_api import expect
from widget_pages import SCRIPT, links, pages_of

from recommender import Settings
from recommender.store.connection import Server

PAGE = (ROOT / "docs" / "widget.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^    <[^\n]*\n(?:(?: {4}[^\n]*)?\n)*", PAGE, re.MULTILINE)


def test_every_example_shows_recommendations(
    server: Server, settings: Settings, home: Path, tmp_path: Path, visit: Visiting
) -> None:
    shell = Shell(home, tmp_path)
    assert shell.call("load", str(ROOT / "samples" / "movies.csv")).code == 0
    posts = str(ROOT / "samples" / "posts")
    assert shell.call("load", posts).code == 0
    assert shell.call("load", posts, "--prefix", "posts/", "--catalogue", "blog").code == 0
    widgets = [example for example in EXAMPLES if "catalogue=" in example]
    assert len(widgets) == 5
    with pages_of(server, settings) as pages:
        for example in widgets:
            here = example.replace("https://recs.example/", "/")
            head = "" if "/widget.js" in here else SCRIPT
            page = visit(pages.put(here, head=head)).page
            expect(links(page).first).to_be_visible()
            expect(page.get_by_text("All posts")).to_be_hidden()


def test_other_examples_are_styles_and_scripts(
    server: Server, settings: Settings, visit: Visiting
) -> None:
    style, script = (example for example in EXAMPLES if "catalogue=" not in example)
    with pages_of(server, settings) as pages:
        page = visit(pages.put(style + script + "<more-like-this></more-like-this>")).page
        width = "getComputedStyle(document.querySelector('more-like-this')).getPropertyValue"
        assert page.evaluate(f"{width}('--more-width')") == "12em"
        detail = "{ detail: { seed: 'a', item: { id: 'b' } } }"
        with page.expect_console_message(lambda message: message.type == "log") as told:
            page.evaluate(f"dispatchEvent(new CustomEvent('recommender:click', {detail}))")
        assert told.value.text == "a b"


def test_every_attribute_is_told(server: Server, settings: Settings, visit: Visiting) -> None:
    table = PAGE.partition("## Attributes")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    with pages_of(server, settings) as pages:
        page = visit(pages.put("")).page
        page.wait_for_function("!!customElements.get('more-like-this')")
        known = page.evaluate("() => customElements.get('more-like-this').observedAttributes")
    assert sorted(told) == sorted([*known, "events", "user", "target"])


def test_every_custom_property_is_told() -> None:
    style = (ROOT / "api" / "web" / "static" / "widget.css").read_text(encoding="utf-8")
    ours = set(re.findall(r"--more-\w+(?:-\w+)?", style)) - {"--more-usual-width", "--more-columns"}
    assert ours == set(re.findall(r"--more-\w+(?:-\w+)?", PAGE))
