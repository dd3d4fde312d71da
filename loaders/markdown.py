"""Markdown: a file is one record, its front matter, its title and its text without marks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pyromark

from loaders import front_matter
from loaders.base import Options
from loaders.documents import Cells, cells_of, decode, single
from loaders.html import BREAK, clean, line_of, parsed
from recommender.items import Record, Reject

EXTENSIONS = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_TASKLISTS
    | pyromark.Options.ENABLE_FOOTNOTES
)
RAW = re.compile(r"<[a-zA-Z!?/]|\[\^")
"""What may be HTML or a footnote: all else becomes HTML that needs no cleaning."""
HEADING = re.compile(r"<h1>(.*?)</h1>", re.DOTALL)
ANY_HEADING = re.compile(r"<h[2-6]>(.*?)</h[2-6]>", re.DOTALL)
PARAGRAPH = re.compile(r"<p>.*?</p>", re.DOTALL)
SOFT_BREAK = re.compile(r"(?<!<br />)\n")
CELL_END = re.compile("</t[dh]>")
NUMBER = re.compile(r'<sup class="footnote-[^>]*>.*?</sup>')
TAGS = re.compile(r"<[^>]*>")


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """The one record of the file ``source``; none for a draft. Raises SourceError."""
    yield from single(source, options, read)


def read(name: str, content: bytes, encoding: str | None) -> Cells | None:
    """The cells of the document ``name``, None for a draft. Raises Unfit."""
    front, text = front_matter.split(decode(content, encoding))
    if front_matter.take_draft(front):
        return None
    heading, body = _read(text, front.get("title") or "")
    return cells_of(name, front, {"title": heading, "body": body})


def _read(text: str, title: str) -> tuple[str, str]:
    """The first heading, and the text without it where it is the title."""
    html = as_html(text)
    heading, body = (cleaned if RAW.search(text) else stripped)(html, title)
    lines = body.replace(BREAK, "\n").split("\n")
    return heading, "\n".join(line.rstrip() for line in lines if line.strip())


def as_html(text: str) -> str:
    """Markdown as HTML with a line for each paragraph and each cell, and notes without numbers."""
    html = NUMBER.sub("", pyromark.html(text, options=EXTENSIONS))
    html = PARAGRAPH.sub(lambda found: SOFT_BREAK.sub(" ", found[0]), html)
    return CELL_END.sub(r"\g<0>\n", html)


def stripped(html: str, title: str) -> tuple[str, str]:
    """The heading and the text of HTML that was all made from Markdown, and so has no surprises.

    It is what ``cleaned`` makes of it, in a fifth of the time.
    """
    first = HEADING.search(html) or ANY_HEADING.search(html)
    heading = " ".join(unescape(TAGS.sub("", first[1])).split()) if first else ""
    if first and (title or heading) == heading:
        html = f"{html[: first.start()]}{html[first.end() :]}"
    return heading, unescape(TAGS.sub("", html))


def cleaned(html: str, title: str) -> tuple[str, str]:
    """The heading and the text of HTML that may hold anything."""
    page = parsed(html)
    clean(page.body)
    first = page.css_first("h1") or page.css_first("h2, h3, h4, h5, h6")
    heading = line_of(first)
    if first is not None and (title or heading) == heading:
        first.decompose()
    return heading, page.body.text() if page.body else ""
