"""The same small catalogue in every format that has a loader: what the contract is held against."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from web_server import Site

from recommender.items import MAX_CELL

Items = Sequence[tuple[str, str]]
"""Ids and titles, sorted by id."""

DIMS = 256
UNPACKED = {"compression": "none", "use_dictionary": False, "data_page_size": 100_000}
TOO_LONG = "x" * (MAX_CELL + 1)
"""A cell that costs its record where a format itself lets no record be broken."""


@dataclass(frozen=True)
class Place:
    """Where a source may be made: a folder of the test's own, or its site."""

    folder: Path
    site: Site


Make = Callable[[Place, Items, bool], str]


@dataclass(frozen=True)
class Case:
    """How to make a source. ``make(place, items, bad)`` gives its name, with a bad record second.

    ``base`` is how its places begin, ``id`` an item's id in it, ``asked`` the format where the
    source does not tell it.
    """

    make: Make
    base: str
    id: str = "{}"
    asked: str | None = None
    is_single: bool = False  # one item a source
    has_bad: bool = True  # one record may be bad and the others good
    has_titles: bool = True
    is_folder: bool = False
    is_whole: bool = False  # held as a whole: memory grows with the source
    is_remote: bool = False
    has_size: bool = True  # so that progress can be told


def _write(path: Path, text: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


def _table(suffix: str, delimiter: str) -> Make:
    def make(place: Place, items: Items, bad: bool) -> str:
        path = place.folder / f"films.{suffix}"
        rows = [["id", "title"], *map(list, items)]
        if bad:
            rows.insert(2, ["one", "cell", "too many"])
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows(rows)
        return str(path)

    return make


def _records(items: Items) -> list[str]:
    return [json.dumps({"id": id, "title": title}, ensure_ascii=False) for id, title in items]


def _json(place: Place, items: Items, bad: bool) -> str:
    records = _records(items)
    if bad:
        records.insert(1, "5")
    return _write(place.folder / "films.json", f"[{', '.join(records)}]")


def _json_by_id(place: Place, items: Items, bad: bool) -> str:
    members = [f"{json.dumps(id)}: {json.dumps({'title': title})}" for id, title in items]
    if bad:
        members.insert(1, '"bad": 5')
    return _write(place.folder / "films.json", f"{{{', '.join(members)}}}")


def _ndjson(place: Place, items: Items, bad: bool) -> str:
    lines = _records(items)
    if bad:
        lines.insert(1, "{")
    return _write(place.folder / "films.ndjson", "\n".join(lines) + "\n")


def _with_bad(items: Items, bad: bool) -> list[tuple[str, str]]:
    return [*items[:1], ("bad", TOO_LONG), *items[1:]] if bad else list(items)


def _parquet(place: Place, items: Items, bad: bool) -> str:
    ids, titles = zip(*_with_bad(items, bad), strict=True)
    path = place.folder / "films.parquet"
    table = pa.table({"id": ids, "title": titles})
    pq.write_table(table, path, **UNPACKED)
    return str(path)


def _sqlite(place: Place, items: Items, bad: bool) -> str:
    path = place.folder / "films.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE films (id TEXT, title TEXT)")
        connection.executemany("INSERT INTO films VALUES (?, ?)", _with_bad(items, bad))
    return str(path)


def _sql(place: Place, items: Items, bad: bool) -> str:
    # Other URLs of SQLite are read as the file that they name, without SQLAlchemy.
    return f"sqlite:///file:{_sqlite(place, items, bad)}?mode=ro&uri=true"


def _vectors(items: Items) -> np.ndarray:
    return np.arange(len(items) * DIMS, dtype=np.float32).reshape(len(items), DIMS)


def _npz(place: Place, items: Items, bad: bool) -> str:
    ids, titles = (np.array(cells) for cells in zip(*items, strict=True))
    np.savez(place.folder / "films.npz", vectors=_vectors(items), ids=ids, title=titles)
    return str(place.folder / "films.npz")


def _npy(place: Place, items: Items, bad: bool) -> str:
    np.save(place.folder / "films.npy", _vectors(items))
    _write(place.folder / "films.ids.txt", "".join(f"{id}\n" for id, _ in items))
    return str(place.folder / "films.npy")


def _files(suffix: str, page: str, broken: bytes) -> Make:
    def make(place: Place, items: Items, bad: bool) -> str:
        folder = place.folder / "films"
        for id, title in items:
            _write(folder / f"{id}.{suffix}", page.format(title))
        if bad:
            (folder / f"bad.{suffix}").write_bytes(broken)
        return str(folder)

    return make


def _file(suffix: str, page: str) -> Make:
    def make(place: Place, items: Items, bad: bool) -> str:
        return _write(place.folder / f"films.{suffix}", page.format(items[0][1]))

    return make


def _feed(place: Place, items: Items, bad: bool) -> str:
    entries = [f"<item><guid>{id}</guid><title>{title}</title></item>" for id, title in items]
    if bad:
        entries.insert(1, "<item><title>No id</title></item>")
    channel = f"<channel><title>Films</title>{''.join(entries)}</channel>"
    return _write(place.folder / "films.rss", f'<rss version="2.0">{channel}</rss>')


def _json_feed(place: Place, items: Items, bad: bool) -> str:
    entries: list[object] = [{"id": id, "title": title} for id, title in items]
    if bad:
        entries.insert(1, {"title": "No id"})
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": "Films", "items": entries}
    return _write(place.folder / "films.json", json.dumps(feed))


def _sitemap(place: Place, items: Items, bad: bool) -> str:
    urls = [
        place.site.put(f"/{quote(id)}", f"<title>{title}</title><p>A film") for id, title in items
    ]
    if bad:
        urls.insert(1, f"{place.site.url}/gone")
    entries = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return place.site.put(
        "/sitemap.xml", f'<urlset xmlns="{space}">{entries}</urlset>', "application/xml"
    )


CASES: dict[str, Case] = {
    "csv": Case(_table("csv", ","), "films.csv, line "),
    "tsv": Case(_table("tsv", "\t"), "films.tsv, line "),
    "json": Case(_json, "films.json, record "),
    "json of ids": Case(_json_by_id, "films.json, record "),
    "ndjson": Case(_ndjson, "films.ndjson, line "),
    "parquet": Case(_parquet, "films.parquet, row "),
    "sqlite": Case(_sqlite, "films.db, row ", has_size=False),
    "sql": Case(_sql, "films.db, row ", has_size=False),
    "npz": Case(_npz, "films.npz, row ", has_bad=False),
    "npy": Case(_npy, "films.npy, row ", has_bad=False, has_titles=False),
    "folder": Case(
        _files("md", "# {}\n\nA film.", b"\0"), "films/", "{}.md", is_folder=True
    ),
    "markdown": Case(
        _file("md", "# {}\n\nA film."), "films.md", "films.md",
        is_single=True, has_bad=False,
    ),
    "html": Case(
        _file("html", "<title>{}</title><p>A film."), "films.html", "films.html",
        is_single=True, has_bad=False,
    ),
    "text": Case(
        _file("txt", "{}\n\nA film."), "films.txt", "films.txt",
        is_single=True, has_bad=False,
    ),
    "feed": Case(_feed, "films.rss, entry ", is_whole=True),
    "feed in JSON": Case(_json_feed, "films.json, ", asked="feed", is_whole=True),
    "sitemap": Case(
        _sitemap, "{site}/sitemap.xml, entry ", "{site}/{}", is_remote=True, has_size=False
    ),
    "python": Case(
        _files("py", '"""{}."""', b"def"), "films/", "{}.py", asked="python", is_folder=True
    ),
}  # fmt: skip
"""Every loader, by its format and, behind a space, the form that it comes in."""
