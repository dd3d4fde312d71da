"""SQLite files: a table or a query, row by row; nothing is ever written or created."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from loaders.base import Options
from loaders.tables import READING, records, statement, whole_file
from recommender.errors import SourceError
from recommender.items import Record, Reject

WAIT = 3.0
"""Seconds to wait for another program that has locked the file."""
MAGIC = b"SQLite format 3\0"
FORMAT_AT, WAL = slice(18, 20), b"\2\2"
BREAKS = (sqlite3.Error, sqlite3.Warning, ValueError)

TABLES = """
SELECT name, sql LIKE 'CREATE VIRTUAL %', EXISTS (
  SELECT 1 FROM sqlite_master AS virtual WHERE virtual.sql LIKE 'CREATE VIRTUAL %'
  AND substr(found.name, 1, length(virtual.name) + 1) = virtual.name || '_'
) FROM sqlite_master AS found WHERE type IN ('table', 'view') AND substr(name, 1, 7) <> 'sqlite_'
"""
"""Tables and views; which are virtual, as search indexes are, and which seem parts of one."""


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """Every row of ``options.table``, of ``options.sql``, or of the only table. Raises SourceError.

    Text that is not UTF-8 costs its own record. While it reads, others can write to a file in WAL
    mode; to another they cannot (read a copy of a busy one). A file in WAL mode that nobody else
    has open is read without a lock; should it be changed meanwhile, that is a SourceError.
    """
    name = whole_file(source)
    with _connected(source, name) as connection:
        try:
            sql = statement(name, options, lambda: _tables(connection, options.table))
            cursor = connection.execute(sql)
        except BREAKS as error:
            raise _broken(name, "at its beginning", error) from error
        if cursor.description is None:
            raise SourceError(f"{name}: the statement of --sql gives no rows", remedy=READING)
        columns = [column[0] for column in cursor.description]
        yield from records(name, columns, cursor, BREAKS, _broken)


@contextmanager
def _connected(source: str, name: str) -> Iterator[sqlite3.Connection]:
    """A connection that only reads, to a file that really is a database."""
    with open(source, "rb") as file:
        head = file.read(FORMAT_AT.stop)
    if not head.startswith(MAGIC):
        raise SourceError(
            f"{name} is not an SQLite database, or it is encrypted",
            remedy="Name its format (--format), or decrypt it first",
        )
    # In WAL mode even a reader would make two files beside it, and leave them there.
    unshared = head[FORMAT_AT] == WAL and not os.path.exists(f"{source}-wal")
    before = os.stat(source)
    path = quote(os.fsencode(os.path.abspath(source)))
    uri = f"file://{path}?mode=ro{'&immutable=1' * unshared}"
    connection = sqlite3.connect(uri, uri=True, timeout=WAIT, isolation_level=None)
    try:
        connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        connection.set_authorizer(_authorize)
        yield connection
    finally:
        connection.close()
    after = os.stat(source)
    if unshared and (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise SourceError(
            f"{name} was changed by another program while it was read",
            remedy="The same command again reads it as it is now",
        )


def _authorize(action: int, *_about: str | None) -> int:
    """Refuse ATTACH, and VACUUM INTO, which is one: both make files even for a reader."""
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK


def _tables(connection: sqlite3.Connection, wanted: str | None) -> dict[str, str]:
    """The tables to choose from; search indexes only if wanted: they say what tables say."""
    found = connection.execute(TABLES).fetchall()
    quoted = {table: '"' + table.replace('"', '""') + '"' for table, _, _ in found}
    real = {table: quoted[table] for table, *of_index in found if not any(of_index)}
    return real if real and wanted in (None, *real) else quoted


def _broken(name: str, where: str, error: Exception) -> SourceError:
    message = str(error)
    if "locked" in message or "busy" in message:
        return SourceError(
            f"{name} is locked by another program ({message})",
            remedy="Try again when that has done its work, or read a copy of the file",
        )
    remedy = READING if where == "at its beginning" else ""
    return SourceError(f"{name} cannot be read {where}: {message}", remedy=remedy)
