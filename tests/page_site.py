"""Catalogues that the web page is tested with: films, hostile things, numbers alone."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from conftest import ROOT, loaded

from recommender import Catalogue, Settings
from recommender.store.connection import Server

FILMS = Catalogue.from_yaml("""
name: movies
fields:
  title: {type: text}
  year: {type: number}
  genres: {type: tag, separator: "|"}
  description: {type: text}
vectors: {text: {template: "{title}. {description} {genres}"}}
""")
ODD = Catalogue.from_yaml("""
name: odd
fields:
  title: {type: text}
  url: {type: stored}
  image: {type: stored}
  kinds: {type: tag}
  constructor: {type: tag}
  valueOf: {type: number}
  published: {type: number}
vectors: {v: {embedder: given, column: v}}
""")
NUMBERS = Catalogue.from_yaml("""
name: numbers
fields: {size: {type: number}, likes: {type: number}}
vectors: {v: {embedder: given, column: v, metric: l2, index: flat}}
""")

LONG = "word " * 2000
HOSTILE = [
    '<img src=x onerror="document.title=1">',
    "</script><script>document.title=2</script>",
    "\"><svg onload='document.title=3'>",
    "{{ 7 * 7 }} ${7 * 7} %s",
    "مرحبا بالعالم",
    "👩‍👩‍👧‍👦 family 🏳️‍🌈",
    LONG,
    "x" * 10_000,
    "quo\"te's & <b>bold</b>",
]
ADDRESSES = [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>1</script>",
    "//evil.test/", "/\\evil.test", "https://example.test/a?b=1&c=2", "/posts/one",
    "vbscript:1", "one.html",
]  # fmt: skip
SAFE = {"https://example.test/a?b=1&c=2", "/posts/one", "one.html"}


def films() -> Iterator[dict[str, Any]]:
    """The sample films."""
    with open(ROOT / "samples" / "movies.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield {**row, "genres": row["genres"].split("|")}


def odd() -> Iterator[dict[str, Any]]:
    """Things with hostile titles, addresses, pictures, labels and ids."""
    for number, (title, url) in enumerate(zip(HOSTILE, ADDRESSES, strict=True)):
        yield {
            "id": f"{title[:40]}/{number}?a=b&c=d#e",
            "title": title,
            "url": url,
            "image": url,
            "kinds": [f"<i>kind {number % 2}</i>", "a|b"],
            "published": f"2024-05-{number + 1:02}",
            "valueOf": number,
            "v": [1, number],
        } | ({"constructor": f"c{number % 3}"} if number else {})


def fill(server: Server, settings: Settings) -> None:
    """Loads them all."""
    loaded(server, settings, FILMS, films())
    loaded(server, settings, ODD, odd())
    rows = [{"id": f"n{i}", "size": i * 1000.5, "likes": -i, "v": [1, i]} for i in range(40)]
    loaded(server, settings, NUMBERS, rows)
