"""Databases: an SQLite file and a real PostgreSQL read alike, and are never written to."""

from __future__ import annotations

import os
import pwd
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders import Options, load
from recommender.catalogue import name_from
from recommender.errors import InvalidParameter, MissingExtra, RecordError, SourceError
from recommender.items import Record, Reject, encode

PASSWORD = "open:sesame/1%"
QUOTED = "open%3Asesame%2F1%25"
FILMS = [
    "CREATE TABLE films (id integer PRIMARY KEY, title text, price numeric)",
    "INSERT INTO films VALUES (1, 'Amélie', 1.5), (2, 'The \"Thing\"', NULL), (3, 'Алиен', 3)",
]
TRUTH = [
    {"id": 1, "title": "Amélie", "price": 1.5},
    {"id": 2, "title": 'The "Thing"', "price": None},
    {"id": 3, "title": "Алиен", "price": 3},
]


@dataclass(frozen=True)
class Postgres:
    """A server of our own: its socket's folder, and how to run SQL on it."""

    folder: Path

    def url(self, who: str = "owner", database: str = "postgres") -> str:
        return f"postgresql+psycopg://{who}@/{database}?host={self.folder}"

    def run(self, *statements: str) -> None:
        info = f"host={self.folder} user=owner dbname=postgres"
        with psycopg.connect(info, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@pytest.fixture(scope="session")
def server_of_postgres() -> Iterator[Postgres]:
    """A PostgreSQL on a private socket, started once for all tests here."""
    found = [shutil.which("initdb"), *map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    initdb = next((Path(path) for path in reversed(found) if path), None)
    if initdb is None:
        pytest.skip("no PostgreSQL here: there is no initdb on the PATH or in /usr/lib/postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    data = folder / "data"
    options: dict[str, Any] = {"cwd": folder, "check": True, "capture_output": True}
    if os.geteuid() == 0:  # as which PostgreSQL refuses to run
        users = {entry.pw_name for entry in pwd.getpwall()}
        user = pwd.getpwnam("postgres" if "postgres" in users else "nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    try:
        subprocess.run(
            [initdb, "-D", data, "-U", "owner", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"],
            **options,
        )
        (data / "pg_hba.conf").write_text("local all reader scram-sha-256\nlocal all all trust\n")
        control = [initdb.with_name("pg_ctl"), "-D", data, "-w"]
        settings = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        subprocess.run([*control, "start", "-o", settings, "-l", folder / "log"], **options)
        try:
            server = Postgres(folder)
            server.run(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
            yield server
        finally:
            subprocess.run([*control, "stop", "-m", "immediate"], **options)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def postgres(server_of_postgres: Postgres) -> Postgres:
    """The server with nothing in it."""
    server_of_postgres.run(
        "DROP SCHEMA public CASCADE",
        "CREATE SCHEMA public",
        "GRANT USAGE ON SCHEMA public TO reader",
    )
    return server_of_postgres


@dataclass(frozen=True)
class Database:
    """One database, empty, with a way to run SQL on it, and the name that places give it."""

    source: str
    name: str
    run: Callable[..., None]


@pytest.fixture(params=["file", "url", "uri", "postgresql"])
def database(request: Any, tmp_path: Path) -> Database:
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        return Database(server.url(), "postgresql:///postgres", server.run)
    path = tmp_path / "films.db"

    def run(*statements: str) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    if request.param == "uri":  # what goes to SQLAlchemy, as any other database does
        source = f"sqlite+pysqlite:///file:{path}?mode=ro&uri=true"
        return Database(source, "films.db", run)
    return Database(f"sqlite:///{path}" if request.param == "url" else str(path), "films.db", run)


def plain(entry: Record | Reject) -> Mapping[str, Any]:
    assert isinstance(entry, Record), entry
    return entry.values


def rows(source: str, **options: Any) -> list[Mapping[str, Any]]:
    return [plain(entry) for entry in load(source, Options(**options))]


def refused(source: str, **options: Any) -> str:
    with pytest.raises(SourceError) as caught:
        list(load(source, Options(**options)))
    return str(caught.value)


# --- one contract -----------------------------------------------------------------------------


def test_the_only_table_a_table_and_a_query(database: Database) -> None:
    database.run(*FILMS)
    assert rows(database.source) == TRUTH
    assert rows(database.source, table="films") == TRUTH
    assert rows(database.source, sql="SELECT * FROM films WHERE id > 1;") == TRUTH[1:]
    assert rows(database.source, sql="SELECT max(id) AS id FROM films") == [{"id": 3}]


def test_places_count_the_rows(database: Database) -> None:
    database.run(*FILMS)
    places = [entry.place for entry in load(database.source)]
    assert places == [f"{database.name}, row {number}" for number in (1, 2, 3)]


def test_of_several_tables_one_has_to_be_named(database: Database) -> None:
    database.run(*FILMS, "CREATE VIEW dear AS SELECT * FROM films WHERE price > 2")
    message = refused(database.source)
    assert f"{database.name} has 2 tables: dear, films" in message
    assert "--table dear" in message
    assert rows(database.source, table="dear") == TRUTH[2:]
    assert "no table 'film'. Did you mean 'films'?" in refused(database.source, table="film")


def test_names_are_quoted(database: Database) -> None:
    database.run(
        'CREATE TABLE "odd ""name"";--" (id integer, "select" text, "Ü b" text)',
        'INSERT INTO "odd ""name"";--" VALUES (1, \'a\', \'b\')',
    )
    truth = [{"id": 1, "select": "a", "Ü b": "b"}]
    assert rows(database.source) == truth
    assert rows(database.source, table='odd "name";--') == truth


def test_percent_and_colon_stay_what_they_are(database: Database) -> None:
    database.run(*FILMS)
    sql = "SELECT 1 AS id, '100%' AS a, '%s' AS b, '12:30 :x' AS c, '%%' AS d"
    assert rows(database.source, sql=sql) == [
        {"id": 1, "a": "100%", "b": "%s", "c": "12:30 :x", "d": "%%"}
    ]


def test_labels_in_json_are_a_list(database: Database) -> None:
    cells = ['["a, b","c"]', '["a", 1]', "[1, 2]", '["cut', '{"a": 1}', "[]"]
    database.run(
        "CREATE TABLE posts (id integer, tags text)",
        *(f"INSERT INTO posts VALUES ({n}, '{cell}')" for n, cell in enumerate(cells)),
    )
    sql = "SELECT * FROM posts ORDER BY id"
    found = [row["tags"] for row in rows(database.source, sql=sql)]
    assert found == [["a, b", "c"], *cells[1:-1], []]


WRITES = [
    "INSERT INTO films VALUES (4, 'x', 0)",
    "INSERT INTO films VALUES (4, 'x', 0) RETURNING id",
    "UPDATE films SET price = 0",
    "DELETE FROM films",
    "DROP TABLE films",
    "CREATE TABLE other (id integer)",
    "CREATE TEMPORARY TABLE other (id integer)",
    "SELECT 1 AS id; DROP TABLE films",
    "VACUUM",
    "ATTACH DATABASE 'made.db' AS made",
    "VACUUM INTO 'made.db'",
]


@pytest.mark.parametrize("sql", WRITES)
def test_only_what_reads_is_run(
    database: Database, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database.run(*FILMS)
    before = sorted(tmp_path.iterdir())
    if "made" in sql and "sqlite+pysqlite" in database.source:
        pytest.skip("SQLAlchemy lets SQLite make other files; by path or plain URL it may not")
    message = refused(database.source, sql=sql)
    assert "--sql takes one statement that only reads" in message
    assert rows(database.source, table="films") == TRUTH
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT nope FROM films", "nope"),
        ("SELECT * FROM flims", "flims"),
        ("SELEC * FROM films", "syntax error"),
        ("SELECT ?", ""),
        ("-- nothing", ""),
        ("SELECT '\0'", ""),
        ("SELECT '\udcff'", ""),
    ],
)
def test_what_the_database_says_of_bad_sql(database: Database, sql: str, says: str) -> None:
    database.run(*FILMS)
    message = refused(database.source, sql=sql)
    assert message.startswith(database.name)
    assert says in message
    assert "--sql takes one statement" in message


def test_a_name_that_comes_twice(database: Database) -> None:
    database.run(*FILMS)
    sql = "SELECT * FROM films a JOIN films b ON a.id = b.id"
    assert "gives two columns called 'id'" in refused(database.source, sql=sql)


def test_no_tables_and_no_rows(database: Database) -> None:
    database.run(FILMS[0])
    assert "has no rows" in refused(database.source)
    database.run("DROP TABLE films")
    assert f"{database.name} has no tables" in refused(database.source)


def test_sql_and_table_are_not_both(database: Database) -> None:
    database.run(*FILMS)
    with pytest.raises(InvalidParameter, match="two ways to say the same"):
        rows(database.source, sql="SELECT 1", table="films")


def test_a_cell_too_large_costs_its_record(database: Database) -> None:
    database.run(
        *FILMS,
        "UPDATE films SET title = replace('" + "x" * 1001 + "', 'x', '" + "y" * 1000 + "')"
        " WHERE id = 1",
    )
    first, *others = load(database.source, Options(sql="SELECT * FROM films ORDER BY id"))
    assert isinstance(first, Reject)
    assert first.reason == "cell 'title' has 1,001,000 characters, the limit is 1,000,000"
    assert [plain(entry) for entry in others] == TRUTH[1:]


def test_nothing_is_held_open_by_a_limit(database: Database) -> None:
    database.run(*FILMS)
    assert rows(database.source, limit=1) == TRUTH[:1]
    database.run("DROP TABLE films")  # which waits for readers


# --- SQLite files -----------------------------------------------------------------------------


def make(path: Path, *statements: str) -> str:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    return str(path)


@pytest.mark.parametrize("name", ["a ?b#c%20&d.db", "é'\".sqlite", "x.SQLITE3", "a\nb.db"])
def test_odd_file_names(tmp_path: Path, name: str) -> None:
    assert rows(make(tmp_path / name, *FILMS)) == TRUTH


def test_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "films.db", *FILMS)
    monkeypatch.chdir(tmp_path)
    assert rows("films.db") == rows("sqlite:///films.db") == TRUTH


def test_a_wal_database_leaves_no_files_behind(tmp_path: Path) -> None:
    path = make(tmp_path / "films.db", "PRAGMA journal_mode = WAL", *FILMS)
    assert rows(path) == TRUTH
    assert [file.name for file in tmp_path.iterdir()] == ["films.db"]


def test_a_wal_database_that_is_being_written(tmp_path: Path) -> None:
    path = make(tmp_path / "films.db", "PRAGMA journal_mode = WAL", *FILMS)
    with closing(sqlite3.connect(path)) as writer, writer:
        writer.execute("INSERT INTO films VALUES (4, 'Dune', 4)")
        writer.commit()  # into the log: the file does not have it yet
        writer.execute("DELETE FROM films")
        assert [row["id"] for row in rows(path)] == [1, 2, 3, 4]
        writer.rollback()


def test_a_wal_database_that_changes_under_the_reader(tmp_path: Path) -> None:
    path = make(tmp_path / "films.db", "PRAGMA journal_mode = WAL", *FILMS)
    entries = load(path)
    next(entries)
    make(tmp_path / "films.db", "DELETE FROM films")
    with pytest.raises(SourceError, match="was changed by another program while it was read"):
        list(entries)


def test_a_locked_database(tmp_path: Path) -> None:
    path = make(tmp_path / "films.db", *FILMS)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "films.db is locked by another program" in refused(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "films.db is empty"),
        (b"id,title\n1,x\n", "films.db is not an SQLite database, or it is encrypted"),
        (os.urandom(4096), "films.db is not an SQLite database, or it is encrypted"),
        (b"\x1f\x8b" + b"x" * 100, "gzip"),
    ],
)
def test_what_is_no_database(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "films.db"
    path.write_bytes(content)
    assert message in refused(str(path))


def test_missing_folder_stdin_and_pipe(tmp_path: Path) -> None:
    path = make(tmp_path / "films.db", *FILMS)
    message = refused(str(tmp_path / "film.db"))
    assert "there is no file" in message
    assert f"Did you mean {path!r}?" in message
    assert "there is no file" in refused(f"sqlite:///{tmp_path}/film.db")
    assert "there is no file" in refused(f"sqlite:///{tmp_path}/film.db?timeout=5")
    assert sorted(tmp_path.iterdir()) == [Path(path)]  # nothing was created
    assert "is a folder" in refused(str(tmp_path), format="sqlite")
    assert "cannot be read from stdin. Save it as a file" in refused("-", format="sqlite")
    os.mkfifo(tmp_path / "pipe.db")
    assert "Save it as a file" in refused(str(tmp_path / "pipe.db"))


def test_packed_with_gzip_says_how_to_unpack(tmp_path: Path) -> None:
    path = make(tmp_path / "films.db", *FILMS)
    subprocess.run(["gzip", path], check=True)
    assert f"gunzip -k {path}.gz" in refused(f"{path}.gz")


def test_a_damaged_page_says_how_far_it_was_read(tmp_path: Path) -> None:
    long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
    path = make(tmp_path / "a.db", "CREATE TABLE t AS " + long + "SELECT i AS id, hex(i) FROM n")
    content = bytearray(Path(path).read_bytes())
    content[len(content) // 2 :] = b"\xff" * len(content[len(content) // 2 :])
    Path(path).write_bytes(content)
    read: list[Record | Reject] = []
    with pytest.raises(SourceError, match=r"a.db cannot be read after row \d+: .*malformed"):
        read.extend(load(path))
    assert len(read) > 1000


def test_text_that_is_not_utf_8_costs_its_own_record(tmp_path: Path) -> None:
    path = make(
        tmp_path / "a.db", *FILMS, "UPDATE films SET title = CAST(x'41ff' AS text) WHERE id = 1"
    )
    first, *others = load(path)
    with pytest.raises(RecordError, match="not text"):
        encode(plain(first)["title"])
    assert [plain(entry) for entry in others] == TRUTH[1:]


def test_a_search_index_is_no_choice_of_its_own(tmp_path: Path) -> None:
    path = make(
        tmp_path / "a.db",
        *FILMS,
        "CREATE VIRTUAL TABLE films_fts USING fts5(title, content=films)",
        "INSERT INTO films_fts (films_fts) VALUES ('rebuild')",
        "CREATE VIEW films_fts_words AS SELECT 1 AS id",  # which is no part of it
    )
    assert rows(path) == TRUTH
    assert [row["title"] for row in rows(path, table="films_fts")] == [f["title"] for f in TRUTH]
    assert rows(path, table="films_fts_words") == [{"id": 1}]
    assert "Did you mean 'films'?" in refused(path, table="film")
    sql = "SELECT rowid AS id FROM films_fts WHERE films_fts MATCH 'thing'"
    assert rows(path, sql=sql) == [{"id": 2}]


def test_without_rowid_blobs_and_infinity(tmp_path: Path) -> None:
    path = make(
        tmp_path / "a.db",
        "CREATE TABLE t (id text PRIMARY KEY, picture blob, number real) WITHOUT ROWID",
        "INSERT INTO t VALUES ('a', x'ff', 9e999), ('b', NULL, 1.5)",
    )
    assert rows(path) == [
        {"id": "a", "picture": None, "number": float("inf")},
        {"id": "b", "picture": None, "number": 1.5},
    ]


def test_memory_stays_small_in_sqlite(tmp_path: Path) -> None:
    many = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 1000000) "
    sql = many + "SELECT id, printf('%01000d', id) AS body FROM n"
    entries = load(make(tmp_path / "a.db", *FILMS), Options(sql=sql))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(1 for _ in islice(entries, 20_000)) == 20_000
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 20_000  # of the million in KiB


# --- PostgreSQL -------------------------------------------------------------------------------


def test_what_postgresql_holds_becomes_plain(postgres: Postgres) -> None:
    sql = """
    SELECT 1 AS id, date '2020-01-01' AS day, timestamptz '2020-01-01 02:00+02' AS moment,
      timestamp '1969-12-31 23:59' AS bare, 1.50::numeric AS price, 2::numeric AS whole,
      '00000000-0000-0000-0000-000000000001'::uuid AS uuid, ARRAY['a', 'b'] AS tags,
      ARRAY[0.5, 1]::float8[] AS vector, '{"a": [1, null]}'::jsonb AS json, NULL AS nothing,
      '\\x00'::bytea AS picture, inet '10.0.0.1' AS address, interval '1 day' AS span,
      time '12:30' AS hour, true AS yes, 'NaN'::float8 AS nan, int4range(1, 3) AS range
    """
    assert rows(postgres.url(), sql=sql) == [
        {
            "id": 1, "day": 1577836800, "moment": 1577836800, "bare": -60, "price": 1.5,
            "whole": 2, "uuid": "00000000-0000-0000-0000-000000000001", "tags": ["a", "b"],
            "vector": [0.5, 1.0], "json": {"a": [1, None]}, "nothing": None, "picture": None,
            "address": "10.0.0.1", "span": 86400.0, "hour": "12:30:00", "yes": True,
            "nan": None, "range": "[1, 3)",
        }
    ]  # fmt: skip


def test_an_infinite_number_costs_its_own_record(postgres: Postgres) -> None:
    number = "CASE i WHEN 2 THEN numeric 'Infinity' ELSE i END"
    sql = f"SELECT i AS id, {number} AS n FROM generate_series(1, 3) i"
    first, second, third = load(postgres.url(), Options(sql=sql))
    assert [plain(first)["n"], plain(third)["n"]] == [1, 3]
    assert isinstance(second, Reject)


def test_other_schemas_and_materialised_views(postgres: Postgres) -> None:
    postgres.run(*FILMS, "CREATE MATERIALIZED VIEW dear AS SELECT * FROM films WHERE price > 2")
    postgres.run('DROP SCHEMA IF EXISTS "My shop" CASCADE', 'CREATE SCHEMA "My shop"')
    postgres.run('CREATE TABLE "My shop".goods AS SELECT 7 AS id')
    assert rows(postgres.url(), table="dear") == TRUTH[2:]
    assert rows(postgres.url(), table="public.films") == TRUTH
    assert rows(postgres.url(), table="My shop.goods") == [{"id": 7}]
    assert "Did you mean 'My shop.goods'?" in refused(postgres.url(), table="My shop.good")


def test_rows_come_as_they_are_asked_for(postgres: Postgres) -> None:
    # A gigabyte: a cursor of the client would hold it all before the first row.
    sql = "SELECT i AS id, repeat('x', 1000) AS body FROM generate_series(1, 1000000) i"
    entries = load(postgres.url(), Options(sql=sql))
    next(entries)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(1 for _ in islice(entries, 20_000)) == 20_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def test_a_function_that_writes_is_refused(postgres: Postgres) -> None:
    postgres.run(*FILMS, "CREATE SEQUENCE counter")
    assert "read-only transaction" in refused(postgres.url(), sql="SELECT nextval('counter')")
    with_insert = "WITH made AS (INSERT INTO films VALUES (9) RETURNING id) SELECT * FROM made"
    assert "--sql takes one statement" in refused(postgres.url(), sql=with_insert)
    assert rows(postgres.url()) == TRUTH


def test_an_error_in_the_middle_says_how_far_it_was_read(postgres: Postgres) -> None:
    sql = "SELECT 1 / (5000 - i) AS id FROM generate_series(1, 9000) i"
    read: list[Record | Reject] = []
    with pytest.raises(SourceError, match=r"after row \d+: division by zero") as caught:
        read.extend(load(postgres.url(), Options(sql=sql)))
    assert f"after row {len(read)}:" in str(caught.value)
    assert 3000 < len(read) < 5000


def test_a_connection_lost_in_the_middle(postgres: Postgres) -> None:
    sql = "SELECT i AS id, pg_backend_pid() AS process FROM generate_series(1, 100000) i"
    entries = load(postgres.url(), Options(sql=sql))
    process = plain(next(entries))["process"]
    postgres.run(f"SELECT pg_terminate_backend({process})")
    with pytest.raises(SourceError, match=r"postgresql:///postgres cannot be read after row \d+: "):
        list(entries)


BAD_URLS = [
    ("postgresql+psycopg://reader:{password}@127.0.0.1:1/films", "Connection refused"),
    ("postgresql+psycopg://reader:{password}x@/postgres?host={folder}", "authentication failed"),
    ("postgresql+psycopg://nobody:{password}@/postgres?host={folder}", "does not exist"),
    ("postgresql+psycopg://reader:{password}@/films?host={folder}", '"films" does not exist'),
    ("postgresql+psycopg://reader:{password}@/postgres?host={folder}&x=1", "invalid"),
    ("postgresql+psycopg://reader@/postgres?host={folder}&password={password}x", "failed"),
    ("postgresql+psycopg://reader:{password}@/postgres?host={folder}", "no table 'none'"),
    ("postgresql+psycopg://reader:{password}@here:port/films", "URL cannot be read"),
    ("postgresql+psycopg://reader:a@b{password}@here/films", "URL"),
    ("postgres://reader:{password}@here/films", "Did you mean 'postgresql'?"),
    ("ftp://reader:{password}@here/films", "The addresses are: http, https, mariadb, mssql,"),
    ("nosuch://reader:{password}@here/films", "postgresql"),
    ("no such://reader:{password}@here/films", "URL cannot be read"),
]


@pytest.mark.parametrize(("url", "says"), BAD_URLS)
def test_bad_urls_and_no_password_in_any_message(postgres: Postgres, url: str, says: str) -> None:
    with pytest.raises(SourceError) as caught:
        list(load(url.format(password=QUOTED, folder=postgres.folder), Options(table="none")))
    assert says in str(caught.value)
    trace = "".join(traceback.format_exception(None, caught.value, caught.value.__traceback__))
    assert "sesame" not in trace


def test_the_password_is_used_and_in_no_place(postgres: Postgres) -> None:
    postgres.run(*FILMS, "GRANT SELECT ON films TO reader")
    first, *_ = load(postgres.url(f"reader:{QUOTED}"))
    assert first.place == "postgresql:///postgres, row 1"


@pytest.mark.parametrize("host", ["here/films", "here", "/", ""])
def test_no_password_in_the_errors_of_others_and_in_no_name(host: str) -> None:
    source = f"postgresql+psycopg://reader:open/sesame?1@{host}"
    with pytest.raises(InvalidParameter) as caught:
        load(source, Options(globs=("*",)))
    assert "sesame" not in str(caught.value)
    try:
        name = name_from(source)
    except InvalidParameter as error:
        name = str(error)
    assert "sesame" not in name


def test_what_one_may_not_read(postgres: Postgres) -> None:
    postgres.run(*FILMS)
    message = refused(postgres.url(f"reader:{QUOTED}"), table="films")
    assert "permission denied for table films" in message


# --- drivers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("postgresql+pg8000://u:sesame@h/d", "pg8000"),
        ("mysql+pymysql://u:sesame@h/d", "pymysql"),
        ("mysql://u:sesame@h/d", "mysqlclient"),
    ],
)
def test_a_driver_that_is_missing(url: str, package: str) -> None:
    with pytest.raises(MissingExtra, match=f"pip install {package}") as caught:
        list(load(url))
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("source", ["postgresql+psycopg://u:p@h/d", "nosuch://x", "none.db"])
def test_nothing_is_opened_before_the_first_record(source: str) -> None:
    load(source)


def test_sqlite_in_memory_holds_nothing() -> None:
    assert "has no tables" in refused("sqlite://")
