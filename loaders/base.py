"""What every loader shares: its options, the opened source, the rule for one record."""

from __future__ import annotations

import codecs
import difflib
import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from encodings.aliases import aliases
from typing import Any, BinaryIO, cast
from uuid import UUID

from recommender.errors import RecordError, SourceError, kind_of
from recommender.items import MAX_CELL, Record, Reject, encode, fault_of

MAX_LINE = 64 * 1024 * 1024
"""Longest line (one JSON element included), in characters: no more of a source is ever held."""
REPORT_EVERY = 1_000  # records
READ = 16 * 1024  # bytes at once: gzip asks for 128 KiB, and progress would be far ahead

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
GZIP = b"\x1f\x8b"
BREAKS = (OSError, EOFError, zlib.error, UnicodeError)  # gzip's own is an OSError


@dataclass(frozen=True, slots=True)
class Options:
    """How to read a source; None means: found out from the source.

    ``encoding`` is for text without a byte order mark (else UTF-8), ``format`` is a loader's name,
    ``limit`` the most records to read. ``sql`` is a query and ``table`` a table of a database;
    ``globs`` choose files of a folder, like ``**/*.md``; ``allow_private`` lets a URL lead to this
    machine or its network. ``progress`` is called with the fraction (0..1) of the source that was
    consumed, every 1,000 records and at the end; never where nobody knows its size, as of stdin.
    """

    encoding: str | None = None
    format: str | None = None
    limit: int | None = None
    sql: str | None = None
    table: str | None = None
    globs: tuple[str, ...] = ()
    allow_private: bool = False
    progress: Callable[[float], None] | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A source ready to be read: ``name`` is for places, ``text`` keeps every line end as it is."""

    name: str
    text: io.TextIOWrapper
    report: Callable[[], None]

    def lines(self) -> Iterator[str]:
        """Every line; of one longer than MAX_LINE only its first MAX_LINE + 1 characters."""
        readline = self.text.readline
        while line := readline(MAX_LINE + 1):
            yield line
            while len(line) > MAX_LINE and not line.endswith(("\n", "\r")):
                line = readline(MAX_LINE + 1)

    def watched(self, entries: Iterator[Record | Reject]) -> Iterator[Record | Reject]:
        """``entries`` as they come, with progress; a source that breaks off is a SourceError."""
        count, last = 0, ""
        while True:
            try:
                entry = next(entries)
            except StopIteration:
                break
            except BREAKS as error:
                where = f"after {last}" if last else "before its first record"
                raise _broken(self.name, where, error) from error
            yield entry
            count += 1
            last = entry.place
            if not count % REPORT_EVERY:
                self.report()
        if not count:
            raise SourceError(f"{self.name} is empty", remedy="Name a source that holds records")
        self.report()


@contextmanager
def opened(source: str, options: Options) -> Iterator[Opened]:
    """Open ``source`` (a file, or ``-`` for stdin), unpacked and decoded.

    A byte that is not text in the encoding becomes a lone surrogate, which costs its own record
    when that becomes an item. Raises SourceError for a source that cannot be read at all.
    """
    check_encoding(options.encoding)
    file_name = os.fsencode(os.path.basename(source)).decode(errors="replace")
    name = "<stdin>" if source == "-" else file_name
    with ExitStack() as stack:
        try:
            file, size = _open(source), 0
            if source != "-":
                status = os.fstat(stack.enter_context(file).fileno())
                size = status.st_size if stat.S_ISREG(status.st_mode) else 0
            packed = plain = _Bytes(file)
            if packed.peek(len(GZIP)) == GZIP:
                plain = _Bytes(stack.enter_context(gzip.GzipFile(fileobj=cast(BinaryIO, packed))))
            head = plain.peek(4)
        except BREAKS as error:
            raise _broken(name, "at its beginning", error) from error
        marked = next((encoding for bom, encoding in BOMS if head.startswith(bom)), None)
        text = io.TextIOWrapper(
            io.BufferedReader(plain),
            encoding=marked or options.encoding or "utf-8",
            errors="surrogateescape",
            newline="",
        )

        def report() -> None:
            if options.progress and size:
                options.progress(min(packed.count / size, 1.0))

        yield Opened(name, stack.enter_context(text), report)


def as_record(place: str, value: Any) -> Record | Reject:
    """``value`` as a record, or why it is none: the one rule of all formats."""
    if not isinstance(value, dict):
        return Reject(place, f"{kind_of(value)} where an object is wanted")
    try:
        encode("".join(value))
    except RecordError as error:
        return Reject(place, f"a name in it: {error}")
    for name, cell in value.items():
        # Most cells are short texts, and to call a function for each would take longer.
        if (not isinstance(cell, str) or len(cell) > MAX_CELL) and (fault := fault_of(cell)):
            return Reject(place, f"cell {name!r} {fault}")
    return Record(place, value)


def plain(value: Any) -> Any:
    """A cell of a database, a typed file or front matter as what JSON knows.

    Dates become seconds since 1970 (UTC where they name no zone), so that they can be compared;
    bytes, which are pictures and the like, become None.
    """
    if type(value) in KNOWN:
        return value
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(part) for part in value]
    convert = next((make for kind, make in PLAIN.items() if isinstance(value, kind)), None)
    return convert(value) if convert else value


def _seconds(moment: datetime) -> int:
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())


KNOWN = frozenset((str, int, float, bool, type(None)))
PLAIN: dict[type | tuple[type, ...], Callable[[Any], Any]] = {
    datetime: _seconds,  # before date, which it is one of
    date: lambda day: _seconds(datetime(day.year, day.month, day.day)),
    timedelta: timedelta.total_seconds,
    Decimal: lambda number: int(number) if number == number.to_integral_value() else float(number),
    (UUID, time): str,
    (bytes, bytearray, memoryview): lambda _: None,
}


class _Bytes(io.RawIOBase):
    """A file's bytes: the first can be looked at ahead (on a pipe too), those read are counted.

    Closing it leaves the file open: stdin is not ours to close.
    """

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file
        self._head = b""
        self.count = 0

    def peek(self, size: int) -> bytes:
        """Look at the first ``size`` bytes; fewer come only where there are no more."""
        self._head += self._file.read(size - len(self._head))
        return self._head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head[: len(buffer)] or self._file.read1(min(len(buffer), READ))
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)


def _open(source: str) -> io.BufferedIOBase:
    if source == "-":
        if sys.stdin is None:
            raise SourceError("there is no stdin", remedy="Name a file instead of '-'")
        return cast(io.BufferedIOBase, sys.stdin.buffer)
    try:
        return open(source, "rb")
    except FileNotFoundError as error:
        raise SourceError(f"there is no file {source!r}", remedy=neighbour(source)) from error
    except IsADirectoryError as error:
        raise SourceError(f"{source!r} is a folder", remedy="Name a file in it") from error
    except PermissionError as error:
        raise SourceError(f"you may not read {source!r}", remedy="Try chmod +r on it") from error
    except (OSError, ValueError) as error:
        raise SourceError(f"{source!r} cannot be opened: {error}") from error


def neighbour(source: str) -> str:
    """A remedy for a misspelt path: the closest name in the same folder."""
    folder, name = os.path.split(source)
    with suppress(OSError, ValueError):
        close = difflib.get_close_matches(name, os.listdir(folder or "."), n=1)
        if close:
            return f"Did you mean {os.path.join(folder, close[0])!r}?"
    return "Check the path"


def check_encoding(encoding: str | None) -> None:
    """Raises SourceError for a name that no encoding of text has."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=encoding or "utf-8")
    except (LookupError, ValueError) as error:
        asked = (encoding or "").lower().replace("-", "_")
        known = {*aliases, *aliases.values()}  # some, like rot13, are not for text
        close = [] if asked in known else difflib.get_close_matches(asked, known, n=1)
        remedy = f"Did you mean {close[0].replace('_', '-')!r}?" if close else ""
        raise SourceError(
            f"there is no text encoding {encoding!r}",
            remedy=remedy or "Well-known ones are utf-8, utf-16, latin-1 and cp1252",
        ) from error


def _broken(name: str, where: str, error: Exception) -> SourceError:
    """Make the error for a source that stops being readable ``where``."""
    if isinstance(error, (EOFError, zlib.error, gzip.BadGzipFile)):
        return SourceError(
            f"the gzip data of {name} is cut off or damaged {where}", remedy="Fetch the file again"
        )
    if isinstance(error, UnicodeError):
        return SourceError(
            f"{name} cannot be decoded {where}: {error}", remedy="Name its encoding (--encoding)"
        )
    return SourceError(f"{name} cannot be read {where}: {error}")
