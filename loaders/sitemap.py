"""Sitemaps: every page that one names is fetched when its turn comes, and is one record."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin
from xml.parsers import expat

from loaders.base import BREAKS, Options, as_record
from loaders.documents import seconds_of
from loaders.html import page_of
from loaders.markup import Markup, decoded, markup_of, opened_markup, too_big
from loaders.urls import host_of
from loaders.web import MAX_BYTES, Fetched, Unreachable, Web
from recommender.errors import SourceError
from recommender.items import Record, Reject

ROOTS = ("urlset", "sitemapindex")
PAGES = ("text/html", "application/xhtml+xml")
READ = 64 * 1024  # bytes
MAX_URL = 2_048  # characters, by the protocol
MAX_DEPTH = 3
"""Deepest nesting of sitemaps, the first one included; the protocol has two."""
MAX_SITEMAPS = 1_000
"""Most sitemaps that are read; each may name 50,000 pages."""
MAX_LOST = 20
"""Pages in a row that the server did not give after which it is left alone."""


@dataclass(frozen=True, slots=True)
class Link:
    """An entry of a sitemap: a page's or a further sitemap's ``url``, as written."""

    url: str
    modified: str
    is_sitemap: bool


class SiteIsDown(SourceError):
    """Too many pages in a row that the server did not give: the rest would not come either."""


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """Every page that ``source``, a sitemap or an index of some, names. Raises SourceError.

    ``id`` is the page's URL; ``title``, ``description``, ``body``, ``tags`` and ``date`` (seconds
    since 1970, else that of the sitemap) are what the page has. One page at a time is fetched,
    when its record is asked for, and only from the host of the sitemap at ``source`` (any host,
    where that is a file). A page that cannot be had is a Reject.
    """
    with opened_markup(source, options) as markup:
        yield from markup.watched(entries(markup, options))


def entries(markup: Markup, options: Options) -> Iterator[Record | Reject]:
    """The pages of an opened sitemap."""
    with Web(options) as web:
        yield from _Crawl(web, options, markup.url).entries(markup, 1)


def links_of(markup: Markup) -> Iterator[Link]:
    """Every entry of one sitemap, as it is read. Raises SourceError where it is none."""
    reader = _Reader(markup.name)
    size = 0
    while True:
        chunk = markup.stream.read(READ)
        size += len(chunk)
        if size > MAX_BYTES:
            raise too_big(markup.name)
        if not size:
            return
        yield from reader.read(chunk)
        if not chunk:
            return


class _Crawl:
    """A walk through sitemaps, depth first, from the one at ``start`` ("" for a file)."""

    def __init__(self, web: Web, options: Options, start: str) -> None:
        self._web = web
        self._options = options
        self._home = _bare(start)
        self._sitemaps = {start}
        self._lost = 0

    def entries(self, markup: Markup, depth: int) -> Iterator[Record | Reject]:
        for number, link in enumerate(links_of(markup), 1):
            place = f"{markup.name}, entry {number}"
            url = urljoin(markup.url, link.url)
            if not link.is_sitemap:
                yield self._page(place, url, link.modified)
            elif url not in self._sitemaps:
                yield from self._nested(place, url, depth + 1)

    def _nested(self, place: str, url: str, depth: int) -> Iterator[Record | Reject]:
        if depth > MAX_DEPTH or len(self._sitemaps) == MAX_SITEMAPS:
            limit = f"{MAX_DEPTH} deep" if depth > MAX_DEPTH else f"{MAX_SITEMAPS:,}"
            # Without an id: which items its pages were, nobody knows.
            yield Reject(place, f"this sitemap is not read: the limit is {limit} ({url})")
            return
        self._sitemaps.add(url)
        try:
            yield from self.entries(markup_of(self._fetch(url), self._options), depth)
        except SiteIsDown:
            raise
        except (SourceError, *BREAKS) as error:
            yield Reject(place, f"this sitemap cannot be read: {error} ({url})")

    def _page(self, place: str, url: str, modified: str) -> Record | Reject:
        try:
            self._check(url)
            fetched = self._fetch(url, PAGES)
            self._check(fetched.url)
        except SiteIsDown:
            raise
        except SourceError as error:
            return Reject(place, str(error), url)
        page = page_of(decoded(fetched.body, fetched.charset))
        if not page.get("title") and not page["body"]:
            return Reject(place, "the page has no text; a script may write it", url)
        cells: dict[str, Any] = {"id": url, **page}
        date = seconds_of(modified)
        if date is not None:
            cells.setdefault("date", date)
        return as_record(place, cells)

    def _check(self, url: str) -> None:
        if len(url) > MAX_URL:
            raise SourceError(f"its address has {len(url):,} characters, the limit is {MAX_URL:,}")
        if self._home and _bare(url) != self._home:
            raise SourceError(f"{url} is on another host than its sitemap, {self._home}")

    def _fetch(self, url: str, types: tuple[str, ...] = ()) -> Fetched:
        try:
            fetched = self._web.fetch(url, types)
        except Unreachable as error:
            self._lost += 1
            if self._lost >= MAX_LOST:
                raise SiteIsDown(
                    f"{self._lost} pages in a row did not come, at last: {error.message}",
                    remedy="Try again later: what was loaded is kept",
                ) from error
            raise
        except SourceError:
            self._lost = 0
            raise
        self._lost = 0
        return fetched


class _Reader:
    """An XML parser that keeps no tree and refuses a DTD, without which there are no entities."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._depth = 0
        self._cells: dict[str, str] = {}
        self._open: list[str] | None = None
        self._found: deque[Link] = deque()
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def read(self, chunk: bytes) -> Iterator[Link]:
        """What is complete with ``chunk``; an empty one is the end."""
        problem: Exception | None = None
        try:
            self._parser.Parse(chunk, not chunk)
        except (expat.ExpatError, SourceError) as error:
            problem = error
        while self._found:
            yield self._found.popleft()
        if isinstance(problem, expat.ExpatError):
            why = expat.ErrorString(problem.code)
            raise SourceError(
                f"{self._name} is not a whole sitemap: {why}, in line {problem.lineno}",
                remedy="Fetch it again; a feed is read with --format feed",
            ) from problem
        if problem:
            raise problem

    def _doctype(self, *_: Any) -> None:
        raise SourceError(
            f"{self._name} has a DTD, which no sitemap needs and attacks use",
            remedy="Take its <!DOCTYPE ...> out",
        )

    def _start(self, name: str, _: Any) -> None:
        self._depth += 1
        local = name.rpartition(" ")[2].lower()
        if self._depth == 1 and local not in ROOTS:
            raise SourceError(
                f"{self._name} is not a sitemap: its root is <{local}>",
                remedy="Feeds are read with --format feed, web pages with --format html",
            )
        if self._depth == 2:
            self._cells = {}
        self._open = [] if self._depth == 3 and local in ("loc", "lastmod") else None

    def _text(self, text: str) -> None:
        if self._open is not None and len(self._open) < 16:  # more only where it is made to hurt
            self._open.append(text)

    def _end(self, name: str) -> None:
        local = name.rpartition(" ")[2].lower()
        if self._depth == 3 and self._open is not None:
            self._cells[local] = "".join(self._open).strip()
            self._open = None
        if self._depth == 2 and self._cells.get("loc"):
            is_sitemap = local == "sitemap"
            self._found.append(Link(self._cells["loc"], self._cells.get("lastmod", ""), is_sitemap))
        self._depth -= 1


def _bare(url: str) -> str:
    """The host of ``url`` without ``www.``; "" for none. Raises SourceError."""
    return host_of(url).removeprefix("www.") if url else ""
