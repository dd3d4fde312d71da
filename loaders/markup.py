"""XML and HTML from a file, stdin or the web: their bytes, and their text in whatever encoding."""

from __future__ import annotations

import codecs
import gzip
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO, cast
from xml.parsers import expat

from loaders.base import BOMS, GZIP, READ, Opened, Options, opened
from loaders.web import MAX_BYTES, Fetched, fetch
from recommender.errors import SourceError
from recommender.items import Record, Reject

HEAD = 8 * 1024  # characters or bytes: where a document says what it is
DECLARED = re.compile(rb"""(?:encoding|charset)\s*=\s*["']?([\w.:-]+)""")
NOT_OF_DOCUMENTS = (
    "idna",
    "punycode",
    "raw-unicode-escape",
    "undefined",
    "unicode-escape",
    "utf-7",
)
"""Encodings that Python knows but no document is in: some take hours for what is not theirs."""

FIRST = re.compile(r"<([A-Za-z_][\w:.-]*)")


@dataclass(frozen=True, slots=True)
class Markup:
    """A document: ``url`` is "" for a file, ``charset`` what was said about it from outside."""

    name: str
    url: str
    charset: str | None
    stream: BinaryIO
    watched: Callable[[Iterator[Record | Reject]], Iterator[Record | Reject]]

    def body(self) -> bytes:
        """All its bytes. Raises SourceError past MAX_BYTES."""
        body = bytearray()
        while chunk := self.stream.read(READ):  # not at once: that would make room for the limit
            body += chunk
            if len(body) > MAX_BYTES:
                raise too_big(self.name)
        return bytes(body)

    def text(self, body: bytes) -> str:
        """``body`` in its encoding."""
        return decoded(body, self.charset)


@dataclass(frozen=True, slots=True)
class Prolog:
    """What stands before the content: the root's name (local, lower case), entities or not."""

    root: str
    has_entities: bool


@contextmanager
def opened_markup(source: str, options: Options) -> Iterator[Markup]:
    """Open ``source``: a URL, a file or ``-`` for stdin, unpacked. Raises SourceError."""
    if "://" in source:
        yield markup_of(fetch(source, options), options)
        return
    with opened(source, options) as file:
        yield Markup(
            file.name, "", options.encoding, cast(BinaryIO, file.text.buffer), file.watched
        )


def markup_of(fetched: Fetched, options: Options) -> Markup:
    """A response as a document; one that is itself a gzip file is unpacked."""
    stream: BinaryIO = io.BytesIO(fetched.body)
    if fetched.body.startswith(GZIP):
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=stream))
    watched = Opened(fetched.url, io.TextIOWrapper(io.BytesIO()), lambda: None).watched
    charset = options.encoding or fetched.charset
    return Markup(fetched.url, fetched.url, charset, stream, watched)


def too_big(name: str) -> SourceError:
    """The error for a document of more than MAX_BYTES."""
    return SourceError(
        f"{name} has more than {MAX_BYTES:,} bytes", remedy="Split it into several files"
    )


def decoded(body: bytes, charset: str | None) -> str:
    """``body`` as text: by its byte order mark, ``charset``, what it declares, or what fits.

    The first of these that the bytes agree with; at last cp1252, with U+FFFD for what is no text.
    """
    marked = next((encoding for bom, encoding in BOMS if body.startswith(bom)), None)
    declared = DECLARED.search(body, 0, HEAD)
    named = declared.group(1).decode("ascii", "replace") if declared else None
    for encoding in (marked, charset, named, "utf-8"):
        with suppress(LookupError, ValueError):
            if encoding and codecs.lookup(encoding).name not in NOT_OF_DOCUMENTS:
                return body.decode(encoding)
    return body.decode("cp1252", "replace")


def prolog_of(text: str) -> Prolog:
    """How ``text`` begins, as the XML parser sees it, which no comment can deceive."""
    names: list[str] = []
    entities: list[str] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, _: names.append(name)
    parser.EntityDeclHandler = lambda name, *_: entities.append(name)
    head = text[:HEAD]
    first = FIRST.search(re.sub(r"<!--.*?-->", "", head, flags=re.DOTALL))
    try:
        for start in range(0, len(text), HEAD):
            parser.Parse(text[start : start + HEAD])
            if names or entities:
                break
    except (expat.ExpatError, ValueError):
        pass  # what is no XML may still be read by a lenient parser
    root = names[0] if names else first.group(1) if first else ""
    before = text[: first.start()] if first and not names else ""
    return Prolog(root.rpartition(":")[2].lower(), bool(entities) or "<!ENTITY" in before)
