"""Databases by SQLAlchemy URL: a table or a query, streamed, in a transaction that only reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from urllib.parse import quote

import sqlalchemy
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from loaders import sqlite
from loaders.base import Options
from loaders.tables import READING, Broken, records, statement
from recommender.errors import MissingExtra, SourceError, suggest
from recommender.items import Record, Reject

FETCH = 1_000  # rows at once
BREAKS = (SQLAlchemyError, *sqlite.BREAKS, OSError, RecursionError)
URLS = "A database's URL is like postgresql+psycopg://user:password@host/database"
BACKENDS = ("mariadb", "mssql", "mysql", "oracle", "postgresql", "sqlite")

READ_ONLY = {
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "oracle": "SET TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
}
"""What makes a session read only where SQLAlchemy has no option for it, as for PostgreSQL."""

PACKAGES = {
    "MySQLdb": "mysqlclient",
    "psycopg": "'psycopg[binary]'",
    "psycopg2": "psycopg2-binary",
}
"""Drivers whose package has another name."""


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """Every row of ``options.table``, of ``options.sql``, or of the only table. Raises SourceError.

    Rows come by the thousand, through a cursor of the server where the driver has such, and the
    transaction is always rolled back. No message and no place holds the password. Raises
    MissingExtra where the driver is not installed.
    """
    url = _url(source)
    database, backend = url.database or "", url.get_backend_name()
    is_file = database and url.drivername in ("sqlite", "sqlite+pysqlite")
    if is_file and "uri" not in url.query:  # SQLAlchemy would make a file that is missing
        yield from sqlite.load(database, replace(options, format="sqlite"))
        return
    file_name = os.path.basename(database.removeprefix("file:"))
    whole = file_name if is_file else f"{backend}://{url.host or ''}/{database}"
    name = os.fsencode(whole).decode(errors="replace")
    broken = partial(_broken, url)
    with _connected(url, name, broken) as connection:
        try:
            sql = statement(name, options, lambda: _tables(connection, options.table))
            # Without parameters a % and a : of the query stay what they are.
            streamed = connection.execution_options(yield_per=FETCH, no_parameters=True)
            result = streamed.exec_driver_sql(sql)
        except BREAKS as error:
            raise broken(name, "at its beginning", error) from error
        with closing(result):
            if not result.returns_rows:
                raise SourceError(f"{name}: the statement of --sql gives no rows", remedy=READING)
            yield from records(name, list(result.keys()), result, BREAKS, broken)


def _url(source: str) -> URL:
    """The parts of the URL; what is wrong with it is told without quoting it."""
    try:
        url = make_url(source)
    except (SQLAlchemyError, ValueError) as error:
        raise SourceError("the database's URL cannot be read", remedy=URLS) from error
    if "@" in f"{url.host}{url.database}":
        raise SourceError("the database's URL has an @ too many", remedy="Write %40 for it")
    return url


@contextmanager
def _connected(url: URL, name: str, broken: Broken) -> Iterator[Connection]:
    """A connection whose transactions only read, where the database knows such."""
    engine = _engine(url)
    try:
        connection = engine.connect().execution_options(postgresql_readonly=True)
    except (*BREAKS, TypeError) as error:  # TypeError: the URL names an option that is none
        message = str(broken(name, "", error))
        raise SourceError(
            f"{name} cannot be reached: {message}",
            remedy="Check the URL's host, port, user, password and database",
        ) from error
    with connection:  # which ends in a rollback
        if read_only := READ_ONLY.get(connection.dialect.name):
            connection.exec_driver_sql(read_only)
        yield connection


def _engine(url: URL) -> Engine:
    backend, drivername = url.get_backend_name(), url.drivername
    try:
        engine = sqlalchemy.create_engine(url, poolclass=NullPool)
    except NoSuchModuleError as error:
        raise SourceError(
            f"{drivername}:// is neither an address of the web nor a database known here",
            remedy=suggest(backend, ("http", "https", *BACKENDS), "addresses"),
        ) from error
    except ImportError as error:
        package = (error.name or url.get_driver_name()).partition(".")[0]
        other = ", or write postgresql+psycopg://" if drivername == "postgresql" else ""
        raise MissingExtra(
            f"{drivername!r} needs the package {package!r}",
            remedy=f"pip install {PACKAGES.get(package, package)}{other}",
        ) from error
    except (*BREAKS, TypeError) as error:
        raise SourceError(f"the options of the URL are wrong: {_message(url, error)}") from error
    if engine.dialect.is_async:
        raise SourceError(
            f"{drivername!r} is an asynchronous driver",
            remedy="Name another, like postgresql+psycopg:// or mysql+pymysql://",
        )
    return engine


def _tables(connection: Connection, wanted: str | None) -> dict[str, str]:
    """The tables to choose from, as they are written in SQL; of the schema that is wanted too."""
    inspector = sqlalchemy.inspect(connection)
    quote = connection.dialect.identifier_preparer.quote

    def names(schema: str | None) -> list[str]:
        found = inspector.get_table_names(schema) + inspector.get_view_names(schema)
        with suppress(NotImplementedError):
            found += inspector.get_materialized_view_names(schema)
        return found

    known = {table: quote(table) for table in names(None)}
    schema, dot, _ = (wanted or "").partition(".")
    if dot and wanted not in known and schema in inspector.get_schema_names():
        known |= {f"{schema}.{table}": f"{quote(schema)}.{quote(table)}" for table in names(schema)}
    return known


def _broken(url: URL, name: str, where: str, error: Exception) -> SourceError:
    message = _message(url, error)
    if not where:
        return SourceError(message)
    remedy = READING if where == "at its beginning" else ""
    return SourceError(f"{name} cannot be read {where}: {message}", remedy=remedy)


def _message(url: URL, error: Exception) -> str:
    """What the database says, without SQLAlchemy's additions and without any password."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    lines = str(cause).partition("\nLINE ")[0].splitlines()
    text = "; ".join(line.strip() for line in lines)
    hidden = [value for key, value in url.query.items() if "pass" in key.lower()]
    for secret in (url.password, *hidden):
        for form in (str(secret), quote(str(secret), safe="")):
            text = text.replace(form, "***") if secret else text
    return text
