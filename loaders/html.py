"""HTML: a page is one record, its title, text, tags and date without what stands around them."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

from loaders import front_matter
from loaders.base import Options
from loaders.documents import Cells, cells_of, decode, seconds_of, single
from recommender.items import Record, Reject

BLOCKS = (
    "address|article|aside|blockquote|body|br|button|caption|center|dd|details|dialog|dir|div|dl|dt"
    "|fieldset|figcaption|figure|footer|form|h[1-6]|header|hgroup|hr|label|legend|li|main|menu|nav"
    "|ol|optgroup|option|p|pre|section|select|summary|table|tbody|td|textarea|tfoot|th|thead|tr|ul"
)
BLOCK = re.compile(rf"<(?=/?(?:{BLOCKS})[\s/>])", re.IGNORECASE)
BREAK = "\f"
"""Put before every block's tags: white space that a table may hold too, and that nobody writes."""

CHARSET = re.compile(rb"<meta[^>]*?charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
CODECS = ("utf-8", "iso8859", "cp", "koi8", "mac", "gb", "big5", "euc", "shift", "iso2022")
TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)([^>]*)>?")
SMALL, MAX_WEIGHT = 10_000, 200_000_000
"""Characters that need no look, and the most steps, which take about a second."""
MARKS = {
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
}  # fmt: skip
CLOSED_BY_OTHERS = {
    "area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta",
    "optgroup", "option", "p", "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track",
    "wbr",
}  # fmt: skip
QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|/")
UNSEEN = "script, style, noscript, template, svg, iframe, object, sup.footnote-ref"
ANCHOR = "a[href^='#'], a.headerlink"
WORD = re.compile(r"\w")
FURNITURE = "nav, header, footer, aside, [hidden], [aria-hidden=true], [role=navigation]"
SITE = re.compile(r"\s+[-|:·•»\u2013\u2014]\s.*", re.DOTALL)
"""What follows a page's own name in its <title>: `` | My Blog``."""

NAMES = ("property", "name", "itemprop")
TITLES = ("og:title", "twitter:title")
DESCRIPTIONS = ("description", "og:description")
TAGS = ("article:tag", "keywords")
DATES = ("article:published_time", "datepublished", "date", "dc.date", "dcterms.created")


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """The one record of the file ``source``; none for a draft. Raises SourceError."""
    yield from single(source, options, read)


def read(name: str, content: bytes, encoding: str | None) -> Cells | None:
    """The cells of the document ``name``, None for a draft. Raises Unfit."""
    front, html = front_matter.split(decode(content, encoding or _declared(content)))
    if front_matter.take_draft(front):
        return None
    return cells_of(name, front, page_of(html, front.get("title") or ""))


def text_of(html: str) -> str:
    """The words of ``html``, a page or a piece of one: a line a block, entities decoded."""
    page = parsed(html)
    clean(page.body)
    return _words(page.body)


def page_of(html: str, title: str = "") -> dict[str, Any]:
    """``body``, and where ``html`` has them ``title``, ``description``, ``tags``, ``date``.

    The title, unless ``title`` gives it, is that of <title> without the site's name, else of
    og:title or <h1>. ``body`` is the text of the <article> or <main>, else of the page, without
    navigation and the like, and without a heading that only repeats the title; ``date`` is in
    seconds since 1970.
    """
    page = parsed(html)
    meta = _meta(page)
    clean(page.body)
    heading = _heading(page)
    title = title or _title(page, meta, line_of(heading))
    if heading is not None and title == line_of(heading):
        heading.decompose()
    _drop(page.body, FURNITURE)
    found = {
        "title": title,
        "description": next((meta[name][0] for name in DESCRIPTIONS if name in meta), ""),
        "tags": next((_labels(meta[name]) for name in TAGS if name in meta), []),
        "date": next((seconds_of(meta[name][0]) for name in DATES if name in meta), None),
    }
    body = _words(_region(page)) or _words(page.body)
    return {name: cell for name, cell in found.items() if cell not in ("", [], None)} | {
        "body": body
    }


def _declared(content: bytes) -> str | None:
    """The encoding that the page names at its beginning, where it is one for text."""
    found = CHARSET.search(content, 0, 4096)
    if not found:
        return None
    try:
        codec = codecs.lookup(found[1].decode("ascii")).name
    except LookupError:
        return None
    # As browsers do: who says Latin-1 or ASCII writes the quotation marks of Windows.
    codec = "cp1252" if codec in ("iso8859-1", "ascii") else codec
    return codec if codec.startswith(CODECS) else None


def parsed(html: str) -> LexborHTMLParser:
    """The page, with a BREAK before every tag of a block; without tags where they are a bomb."""
    if len(html) > SMALL and _weight(html) > MAX_WEIGHT:
        html = TAG.sub(BREAK, html)
    marked = BLOCK.sub(f"{BREAK}<", html)
    return LexborHTMLParser(marked.encode(errors="replace"))


def _weight(html: str) -> int:
    """The steps that a parser needs beside reading on: it is bound to take them, by the standard.

    It goes up through all that is open at every tag, compares every attribute with those before,
    and opens unclosed <b>, <a> and the like again in every block: 80 kB can fill gigabytes.
    """
    opened = Counter[str]()
    depth = marks = weight = 0
    for end, tag, attributes in TAG.findall(html):
        name = tag.lower()
        if not end:
            weight += depth + 100 * marks
        if len(attributes) > SMALL:
            bare = QUOTED.sub(" ", attributes)
            weight += len(bare.split()) ** 2
        if name in CLOSED_BY_OTHERS or (end and not opened[name]):
            continue
        step = -1 if end else 1
        opened[name] += step
        depth += step
        marks += step if name in MARKS else 0
    return weight


def clean(root: LexborNode | None) -> None:
    """Take out what a browser does not show, and links to the same page without a word: # or ¶."""
    _drop(root, UNSEEN)
    _drop(root, ANCHOR, lambda node: not WORD.search(node.text()))


def _drop(
    root: LexborNode | None, selector: str, only: Callable[[LexborNode], bool] = lambda _: True
) -> None:
    found = [] if root is None else [n for n in root.css(selector) if n.mem_id != root.mem_id]
    # Some are found twice; the inner ones go first, as the outer take them with them.
    for node in reversed({node.mem_id: node for node in found if only(node)}.values()):
        node.decompose()


def _words(node: LexborNode | None) -> str:
    text = "" if node is None else node.text()
    lines = (" ".join(line.split()) for line in text.split(BREAK))
    return "\n".join(line for line in lines if line)


def line_of(node: LexborNode | None) -> str:
    """The text of ``node`` in one line, "" where there is none."""
    return " ".join(node.text().split()) if node is not None else ""


def _meta(page: LexborHTMLParser) -> Mapping[str, list[str]]:
    """Name -> every content, in one line each, of the page's <meta>."""
    meta: dict[str, list[str]] = {}
    for node in page.css("meta[content]"):
        attributes = node.attributes
        name = next((attributes[key] for key in NAMES if attributes.get(key)), None)
        content = " ".join((attributes["content"] or "").split())
        if name and content:
            meta.setdefault(name.lower(), []).append(content)
    return meta


def _title(page: LexborHTMLParser, meta: Mapping[str, list[str]], heading: str) -> str:
    whole = line_of(page.css_first("head > title"))
    shared = next((meta[name][0] for name in TITLES if name in meta), "")
    for own in (shared, heading):
        if own and whole.startswith(own) and SITE.fullmatch(whole, len(own)):
            return own
    return whole or shared or heading


def _heading(page: LexborHTMLParser) -> LexborNode | None:
    """The <h1> that <title> begins with, else the first: a site's name may be one too."""
    whole = line_of(page.css_first("head > title"))
    found = page.css("main h1, article h1") or page.css("h1")
    own = (node for node in found if (text := line_of(node)) and whole.startswith(text))
    return next(own, found[0] if found else None)


def _labels(contents: list[str]) -> list[str]:
    labels = (label.strip() for content in contents for label in content.split(","))
    return [label for label in dict.fromkeys(labels) if label]


def _region(page: LexborHTMLParser) -> LexborNode | None:
    """The one <article> (a list of posts has many), else <main>, else all."""
    articles = page.css("article")
    if len(articles) == 1:
        return articles[0]
    return page.css_first("main, [role=main]") or page.body
