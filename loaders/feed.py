"""Feeds: an entry of RSS, Atom or JSON Feed is one record; a sitemap goes to its own loader."""

from __future__ import annotations

import calendar
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin
from xml.sax import SAXParseException

import feedparser
from selectolax.lexbor import LexborHTMLParser

from loaders import json_feed, sitemap
from loaders.base import Options, as_record
from loaders.html import text_of
from loaders.markup import Markup, opened_markup, prolog_of
from recommender.errors import SourceError
from recommender.items import Record, Reject

DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'
MARKUP = ("text/html", "application/xhtml+xml")
STUMBLES = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What feedparser raises, unannounced, over XML that was made to be broken."""

FEEDS = "link[rel~=alternate][type*=rss], link[rel~=alternate][type*=atom]"
FEEDS += ", link[rel~=alternate][type*=feed]"

NOT_BY_URL = "Of URLs only feeds and sitemaps are read: fetch it yourself and load the file"
FURNITURE = ("custom_css", "nav_menu_item", "wp_block", "wp_global_styles", "wp_navigation")
FIND_IT = "Look for its feed: often it is at /feed, /rss.xml or /atom.xml"


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """Every entry of ``source``, a URL or a file, as a record. Raises SourceError.

    Its cells, where the entry has them: ``id`` (else its link), ``title``, ``body`` (the full
    content, else the summary, as text), ``link``, ``author``, ``tags``, ``date`` (seconds since
    1970, published, else updated) and ``image`` (a URL). A feed is held as a whole.
    """
    with opened_markup(source, options) as markup:
        yield from markup.watched(_entries(markup, options))


def _entries(markup: Markup, options: Options) -> Iterator[Record | Reject]:
    body = markup.body()
    text = markup.text(body)
    if not text.strip():
        return
    if text.lstrip().startswith("{"):
        yield from json_feed.entries(markup.name, text)
        return
    prolog = prolog_of(text)
    if prolog.root in sitemap.ROOTS:
        again = replace(markup, stream=io.BytesIO(body))
        yield from sitemap.entries(again, options)
    elif prolog.root in ("html", "body"):
        raise _web_page(markup, text)
    elif prolog.has_entities:
        raise SourceError(
            f"{markup.name} declares XML entities, which no feed needs and attacks use",
            remedy="Take its <!ENTITY ...> lines out",
        )
    else:
        yield from _parsed(markup, text, prolog.root)


def _parsed(markup: Markup, text: str, root: str) -> Iterator[Record | Reject]:
    feed = _tree(markup, text)
    if not feed.entries and not feed.version:
        raise SourceError(
            f"{markup.name} is not a feed: "
            + (f"its root is <{root}>" if root else "it is no XML"),
            remedy=NOT_BY_URL if markup.url else "For another format, name it with --format",
        )
    for number, entry in enumerate(feed.entries, 1):
        if not _is_published(entry):
            continue
        place = f"{markup.name}, entry {number}"
        cells = _cells(entry, feed.feed)
        if "id" in cells:
            yield as_record(place, cells)
        else:
            yield Reject(place, "it has neither an id nor a link")
    broken = feed.get("bozo_exception")
    if isinstance(broken, SAXParseException):
        yield Reject(
            f"{markup.name}, line {broken.getLineNumber()}",
            f"the XML breaks here ({broken.getMessage()}): the rest was read as far as it goes",
        )


def _tree(markup: Markup, text: str) -> Any:
    """What feedparser makes of ``text``; where it is no XML, that is what it can still find."""
    if not text.startswith("<?xml"):
        text = DECLARATION + text.lstrip()
    try:
        return feedparser.parse(
            io.BytesIO(text.encode(errors="replace")),  # of a str it would open the file or URL
            response_headers={
                "content-type": "application/xml; charset=utf-8",
                "content-location": markup.url,
            },
            resolve_relative_uris=False,
            sanitize_html=False,  # only text is kept
        )
    except STUMBLES as error:
        raise SourceError(
            f"{markup.name} is broken beyond reading: {error}", remedy="Fetch it again"
        ) from error


def _is_published(entry: Mapping[str, Any]) -> bool:
    """Whether everybody may read it: WordPress exports drafts, menus and pictures as well."""
    return (
        entry.get("wp_status", "publish") == "publish"
        and not entry.get("wp_post_password")
        and entry.get("wp_post_type") not in FURNITURE
    )


def _cells(entry: Mapping[str, Any], feed: Mapping[str, Any]) -> dict[str, Any]:
    tags = [tag.get("label") or tag.get("term") for tag in entry.get("tags", ())]
    cells = {
        "id": entry.get("id") or entry.get("link"),
        "title": " ".join(_text(entry, "title").split()),
        "body": _body(entry),
        "link": entry.get("link"),
        "author": _author(entry) or _author(feed),
        "tags": [tag for tag in dict.fromkeys(tags) if tag],
        "date": _date(entry),
        "image": _image(entry),
    }
    return {name: cell for name, cell in cells.items() if cell not in (None, "", [])}


def _text(entry: Mapping[str, Any], name: str) -> str:
    kind = entry.get(f"{name}_detail", {}).get("type", "")
    return _plain(kind, entry.get(name) or "")


def _plain(kind: str, text: str) -> str:
    return text_of(text) if kind in MARKUP else text.strip()


def _body(entry: Mapping[str, Any]) -> str:
    """The longest of what the entry says about itself: formats disagree which is the content."""
    texts = [
        _plain(part.get("type", ""), part.get("value") or "")
        for part in entry.get("content", ())
        if part.get("type", "").startswith("text/") or part.get("type") in MARKUP
    ]
    if not texts or "summary_detail" in entry:  # else it is a copy of the content, as markup
        texts.append(_text(entry, "summary"))
    return max(texts, key=len)


def _author(entry: Mapping[str, Any]) -> str:
    names = [author.get("name") or author.get("email") for author in entry.get("authors", ())]
    return ", ".join(dict.fromkeys(filter(None, names))) or entry.get("author") or ""


def _date(entry: Mapping[str, Any]) -> int | None:
    # Not entry.get("updated_parsed"): where there is none, it warns and gives the other.
    moments = [entry[name] for name in ("published_parsed", "updated_parsed") if name in entry]
    moment = next(filter(None, moments), None)
    try:
        return calendar.timegm(moment) if moment else None
    except (ValueError, OverflowError):  # not of the years 1 to 9999
        return None


def _image(entry: Mapping[str, Any]) -> str | None:
    pictures = [
        *entry.get("media_thumbnail", ()),
        *(part for part in entry.get("media_content", ()) if _is_picture(part)),
        *(link for link in entry.get("links", ()) if _is_picture(link)),
        entry.get("image", {}),
    ]
    urls = [picture.get("url") or picture.get("href") for picture in pictures]
    return next(filter(None, urls), None)


def _is_picture(part: Mapping[str, Any]) -> bool:
    return part.get("medium") == "image" or part.get("type", "").startswith("image/")


def _web_page(markup: Markup, text: str) -> SourceError:
    links = LexborHTMLParser(text).css(FEEDS)
    feed = next((href for link in links if (href := link.attributes.get("href"))), None)
    return SourceError(
        f"{markup.name} is a web page, not a feed",
        remedy=f"Its feed is {urljoin(markup.url, feed)}" if feed else FIND_IT,
    )
