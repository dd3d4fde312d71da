"""Rows -> records: what SQLite files, databases, Parquet files and arrays have in common."""

from __future__ import annotations

import json
import os
import shlex
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from loaders.base import GZIP, REPORT_EVERY, Options, as_record, opened, plain
from recommender.errors import InvalidParameter, RecordError, SourceError, suggest
from recommender.items import Record, Reject, encode

READING = "--sql takes one statement that only reads, like: SELECT id, title FROM posts"
SHOWN_TABLES = 20
KNOWN = (str, int, float, list, dict, np.ndarray, type(None))
"""What a cell may be; a driver's own kinds (addresses, ranges) become text."""

Broken = Callable[[str, str, Exception], SourceError]
"""The error for the source of that name, which broke off there, with that."""


def whole_file(source: str) -> str:
    """The name for places of a file that has to be read here and there, and so be a plain one.

    Raises SourceError for stdin, a pipe, gzip, and for a file that is missing or empty.
    """
    if source == "-" or _is_pipe(source):
        raise SourceError(
            f"this format cannot be read from {'stdin' if source == '-' else repr(source)}",
            remedy="Save it as a file and name that",
        )
    with opened(source, Options()) as file:  # raises where there is no such file
        name = file.name
    if not os.path.getsize(source):
        raise SourceError(f"{name} is empty", remedy="Name a source that holds records")
    with open(source, "rb") as packed:
        if packed.read(len(GZIP)) == GZIP:
            raise SourceError(
                f"{name} is packed with gzip", remedy=f"Unpack it: gunzip -k {shlex.quote(source)}"
            )
    return name


def _is_pipe(source: str) -> bool:
    with suppress(OSError, ValueError):
        mode = os.stat(source).st_mode
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    return False


def statement(name: str, options: Options, tables: Callable[[], Mapping[str, str]]) -> str:
    """The query asked for, or the one that reads the table asked for, or the only table.

    ``tables`` finds the names of all tables, and how each is written in SQL. Raises SourceError
    for an unknown table, and where there is none or more than one to choose from.
    """
    if options.sql and options.table:
        raise InvalidParameter(
            "sql", "--sql and --table are two ways to say the same", remedy="Leave one of them out"
        )
    if options.sql:
        return options.sql.strip().rstrip(";")
    quoted = tables()
    known = sorted(quoted)
    if options.table and options.table not in known:
        raise SourceError(
            f"{name} has no table {options.table!r}",
            remedy=suggest(options.table, known, "tables"),
        )
    if not known:
        raise SourceError(f"{name} has no tables", remedy="Is it the database that you mean?")
    if not options.table and len(known) > 1:
        more = ", ..." if len(known) > SHOWN_TABLES else ""
        raise SourceError(
            f"{name} has {len(known)} tables: {', '.join(known[:SHOWN_TABLES])}{more}",
            remedy=f"Name one, like --table {shlex.quote(known[0])}, or a query with --sql",
        )
    return f"SELECT * FROM {quoted[options.table or known[0]]}"  # noqa: S608 (it is quoted)


def telling(options: Options, total: int) -> Callable[[int], None]:
    """What ``records`` calls with the rows read of ``total``, where that is known."""

    def told(rows: int) -> None:
        if options.progress:
            options.progress(min(rows / total, 1.0))

    return told


def records(
    name: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    breaks: tuple[type[Exception], ...],
    broken: Broken,
    told: Callable[[int], None] = lambda rows: None,
) -> Iterator[Record | Reject]:
    """Every row as a record; a row that cannot be one costs only itself.

    ``breaks`` are what a source that breaks off raises, and ``broken`` makes of them an error;
    ``told`` is called with the number of rows read, every 1,000 and at the end.
    Raises SourceError also for two columns of one name, and where there is no row.
    """
    _check(name, columns)
    number, stream = 0, iter(rows)
    while True:
        try:
            row = next(stream)
        except StopIteration:
            break
        except breaks as error:
            where = f"after row {number}" if number else "before its first row"
            raise broken(name, where, error) from error
        number += 1
        yield _record(f"{name}, row {number}", columns, row)
        if not number % REPORT_EVERY:
            told(number)
    if not number:
        raise SourceError(f"{name} has no rows to read", remedy="Name a source that holds records")
    told(number)


def _record(place: str, columns: Sequence[str], row: Sequence[Any]) -> Record | Reject:
    try:
        return as_record(place, dict(zip(columns, map(_cell, row), strict=True)))
    except (ValueError, ArithmeticError, RecursionError) as error:  # numeric 'Infinity' and such
        return Reject(place, f"a cell cannot be kept: {error}")


def _cell(value: Any) -> Any:
    """A cell as JSON knows it, NaN as None (as pandas means it), labels in JSON as their list."""
    if type(value) is str:
        return _labels(value) if value[:2] in ('["', "[]") else value
    if type(value) is float:
        return value if value == value else None
    if type(value) in (int, np.ndarray, type(None)):
        return value
    value = plain(value)
    return value if isinstance(value, KNOWN) else str(value)


def _labels(text: str) -> Any:
    """A list of texts where ``text`` is one in JSON: so sqlite-utils and others keep tags.

    Split at its commas, it would give labels with brackets and quotes.
    """
    try:
        labels = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return labels if all(isinstance(label, str) for label in labels) else text


def _check(name: str, columns: Sequence[str]) -> None:
    twice = [column for column, times in Counter(columns).items() if times > 1]
    if twice:
        raise SourceError(
            f"{name} gives two columns called {twice[0]!r}",
            remedy="Give one of them another name; in SQL: SELECT a.id, b.id AS b_id",
        )
    try:
        encode("".join(columns))
    except RecordError as error:
        raise SourceError(f"{name}: a column's name: {error}") from error
