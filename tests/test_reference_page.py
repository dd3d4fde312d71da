"""The page of the reference: legible to everybody, true in every command that it shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import ROOT, loaded
from curl import put_curl
from outside import Client, served

import loaders
from api import create_app
from recommender import Record, Settings, infer
from recommender.store.connection import Server

if TYPE_CHECKING:
    from browser import Visiting

KEY = "k" * 16
NOWHERE = Settings(home=Path(os.devnull))
"""The page needs no Redis."""


def address(client: Client) -> str:
    return f"http://{client.host}:{client.port}"


@pytest.fixture(scope="module")
def movies(_redis: Server, settings: Settings) -> Iterator[Client]:
    """The sample films behind the API, with a key for writing."""
    records = loaders.load(str(ROOT / "samples" / "movies.csv"))
    kept = [each for each in records if isinstance(each, Record)]
    loaded(_redis, settings, infer(kept, "movies"), [each.values for each in kept])
    with served(create_app(Settings(home=settings.home, write_keys=(KEY,)))) as client:
        yield client
    _redis.client.flushall()


def operations() -> list[Any]:
    paths = create_app(NOWHERE).test_client().get("/openapi.json").json["paths"]
    return [operation for methods in paths.values() for operation in methods.values()]


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", (1280, 900)), ("dark", (390, 844))], ids=["desktop", "phone"]
)
def test_the_page_is_for_everybody(visit: Visiting, scheme: str, size: tuple[int, int]) -> None:
    with served(create_app(NOWHERE)) as client:
        view = {"width": size[0], "height": size[1]}
        visited = visit(f"{address(client)}/docs", viewport=view, color_scheme=scheme)
        page = visited.page
        assert page.title() == "Recommender API"
        page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
        assert visited.accessibility() == []
        assert visited.refused() == []
        assert visited.console == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert page.locator("article").count() == len(operations())
        lost = page.evaluate(
            "[...document.querySelectorAll('a[href^=\"#\"]')].map((each) => each.hash.slice(1))"
            ".filter((id) => !document.getElementById(id))"
        )
        assert lost == []


def test_the_page_needs_no_script_and_nothing_from_elsewhere(visit: Visiting) -> None:
    with served(create_app(NOWHERE)) as client:
        answer = client.get("/docs")
        assert "<script" not in answer.body.decode()
        assert "style=" not in answer.body.decode()
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        visited = visit(java_script_enabled=False)
        asked: list[str] = []
        visited.page.on("request", lambda request: asked.append(request.url))
        visited.page.goto(f"{address(client)}/docs")
        assert len(asked) == 2
        assert all(url.startswith(address(client)) for url in asked)
        visited.page.get_by_text("Parameters").first.click()
        assert visited.page.get_by_text("How many hits to skip").first.is_visible()


def commands(page: str) -> list[str]:
    unescaped = page.replace("&#34;", '"').replace("&#39;", "'").replace("&gt;", ">")
    found = re.findall(r"<pre[^>]*><code>(curl .*?)</code></pre>", unescaped, re.DOTALL)
    return [each.replace("&lt;", "<").replace("&amp;", "&") for each in found]


def test_every_command_of_the_page_works(movies: Client, tmp_path: Path) -> None:
    page = movies.get("/docs").body.decode()
    shown = commands(page)
    assert len(shown) >= len(operations())
    (tmp_path / "items.ndjson").write_text('{"id": "up", "fields": {"title": "Up"}}\n')
    (tmp_path / "photo.jpg").write_bytes(b"no picture is needed to be refused")
    if not shutil.which("curl"):
        put_curl(tmp_path)
    env = {"KEY": KEY, "PATH": f"{os.environ['PATH']}{os.pathsep}{tmp_path}"}
    told = {}
    for command in shown:
        done = subprocess.run(
            f"{command} --silent", shell=True, cwd=tmp_path, env=env, capture_output=True,
            text=True, timeout=30, check=True,
        )  # fmt: skip
        told[command] = json.loads(done.stdout)
    wrong = {command: each["code"] for command, each in told.items() if "code" in each}
    for command, code in wrong.items():
        expected = {"-F image": "invalid_image", "/related": "related_not_built"}
        [known] = [value for part, value in expected.items() if part in command]
        assert code == known, command
    assert len(wrong) == 3
    assert shlex.split(shown[0])[1].startswith(address(movies))


def test_the_page_has_a_style_that_may_be_kept(movies: Client) -> None:
    [sheet] = re.findall(r'href="([^"]+\.css)"', movies.get("/docs").body.decode())
    kept = movies.get(sheet)
    assert (kept.status, kept.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert "max-age=31536000" in kept.headers["Cache-Control"]
    old = movies.get(re.sub(r"\w+\.css", "old.css", sheet))
    assert "max-age=31536000" not in old.headers["Cache-Control"]
