"""Markdown: a file is one record, its front matter, its title and its text without marks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cmarkgfm import markdown_to_html_with_extensions
from cmarkgfm.cmark import Options as Cmark
from selectolax.lexbor import LexborHTMLParser

from loaders import front_matter
from loaders.base import Options
from loaders.documents import Cells, cells_of, decode, single
from loaders.html import BREAK, SMALL, UNSEEN, drop, line_of, parsed
from recommender.items import Record, Reject

EXTENSIONS = ["table", "strikethrough", "tasklist"]
RENDER = Cmark.CMARK_OPT_UNSAFE | Cmark.CMARK_OPT_FOOTNOTES | Cmark.CMARK_OPT_NOBREAKS
"""Unsafe only to a browser: the text within raw HTML is text. A paragraph is one line."""
RAW = re.compile(r"<[a-zA-Z!]|\[\^")
"""What may be HTML or a footnote: all else is turned into HTML that needs no cleaning."""


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
    html = markdown_to_html_with_extensions(text, RENDER, EXTENSIONS)
    is_raw = RAW.search(text) is not None or len(html) > SMALL
    page = parsed(html) if is_raw else LexborHTMLParser(html)
    if is_raw:
        drop(page.body, UNSEEN)
    first = page.css_first("h1") or page.css_first("h2, h3, h4, h5, h6")
    heading = line_of(first)
    if first is not None and (title or heading) == heading:
        first.decompose()
    lines = page.body.text().replace(BREAK, "\n").split("\n") if page.body else []
    return heading, "\n".join(line.rstrip() for line in lines if line.strip())
