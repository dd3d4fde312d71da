"""Stored neighbours as files, so that a static site shows related posts without a server.

``json``      one file an item, ``DIR/<id>.json``; with ``one_file`` all in ``DIR/related.json``
``jsonl``     ``DIR/related.jsonl``, one line an item
``hugo``      ``DIR/data/related.json``       ``{{ index site.Data.related .File.Path }}``
``jekyll``    ``DIR/_data/related.json``      ``site.data.related[page.path]``
``eleventy``  ``DIR/_data/related.json``      ``related[key]``
``pelican``   ``DIR/related.json``            for ``RELATED = json.load(...)`` in pelicanconf.py

Items are in the order of their ids, so that the files of two exports can be compared. Each file is
whole or not there: it takes the place of an older one at its end.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from recommender.arguments import check_page
from recommender.errors import InvalidParameter, RelatedNotBuilt, suggest
from recommender.nearest import DIGITS
from recommender.store import candidates, catalogues, neighbours
from recommender.store.connection import Client, Server
from recommender.view import View
from recommender.where import EVERYTHING
from recommender.wishes import Where

PLACES = {
    "json": "related.json",
    "jsonl": "related.jsonl",
    "hugo": "data/related.json",
    "jekyll": "_data/related.json",
    "eleventy": "_data/related.json",
    "pelican": "related.json",
}
"""Formats and where in the folder their one file goes."""

BATCH = 200
"""Items whose neighbours are read at once."""

MAX_PART = 200
"""Longest name of a file or a folder, in bytes, without its suffix."""

Listing = tuple[str, list[dict[str, Any]]]
"""An id and its neighbours: ``{"id": ..., "score": ..., "title": ...}`` each, best first."""

Told = Callable[[int], None]
"""Is told how many items are written."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote: how many items, how many files, and the one or their folder."""

    items: int
    files: int
    path: str


def export(
    server: Server,
    name: str,
    folder: Path,
    format: str = "json",
    *,
    one_file: bool = False,
    limit: int = 10,
    fields: Sequence[str] | None = None,
    where: Where = (),
    on_progress: Told = lambda count: None,
) -> Exported:
    """Writes the stored neighbours of the catalogue ``name`` below ``folder``.

    At most ``limit`` an item, each with the ``fields`` (None: all); what does not meet ``where`` is
    left out, both as an item and as a neighbour. Raises RelatedNotBuilt, UnknownCatalogue,
    InvalidWhere, UnknownField, and InvalidParameter for a format that is unknown or a file that
    cannot be written.
    """
    if format not in PLACES:
        raise InvalidParameter(
            "format", f"there is no format {format!r}", remedy=suggest(format, PLACES, "formats")
        )
    check_page(limit, 0, 0)
    items = listings(server.client, name, limit, fields, where)
    with _explained(folder):
        if format == "json" and not one_file:
            count = _write_files(items, folder, on_progress)
            return Exported(count, count, str(folder))
        path = folder / PLACES[format]
        write = _write_lines if format == "jsonl" else _write_object
        with replacing(path) as file:
            count = write(items, file, on_progress)
    return Exported(count, 1, str(path))


def listings(
    client: Client, name: str, limit: int, fields: Sequence[str] | None, where: Where = ()
) -> Iterator[Listing]:
    """Every item's neighbours, in the order of the ids, of those that meet ``where``.

    Items that are gone are not among them. An item that has no list has no neighbours. Raises
    RelatedNotBuilt, and InvalidWhere or UnknownField.
    """
    view = View(catalogues.get(client, name))
    built = neighbours.get_built(client, name, view.entry.generation)
    if built is None or not built.done:
        raise RelatedNotBuilt(
            f"the neighbours of {name!r} have not been built" + (" to the end" if built else ""),
            remedy=f"recommender related build {name}",
        )
    names = view.wanted(fields)
    ids = neighbours.ids_of(client, view.prefix)
    passing = _passing(client, view, where, ids)
    ids = [id for id in ids if id in passing]
    for start in range(0, len(ids), BATCH):
        yield from _listed(client, view, ids[start : start + BATCH], passing, limit, names)


def _passing(client: Client, view: View, where: Where, ids: Sequence[bytes]) -> set[bytes]:
    """Those of the ids that meet ``where``."""
    filter, name, prefix = view.parse(where), view.entry.catalogue.name, view.prefix.encode()
    if filter == EVERYTHING:
        return set(ids)
    if filter is None:
        return set()
    [keys] = candidates.keys(client, name, [candidates.some(name, filter, max(len(ids), 1))])
    return {key.removeprefix(prefix) for key in keys}


def path_of(id: str) -> str:
    """A relative path for an id, another for each, which stays below the folder it is for.

    Slashes make folders. What a file system may not hold is quoted, as in addresses.
    """
    return "/".join(map(_part, id.split("/")))


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A new file that takes the place of ``path`` when all is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".related-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            yield file
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # a web server reads it, too
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _listed(
    client: Client,
    view: View,
    ids: Sequence[bytes],
    passing: Collection[bytes],
    limit: int,
    names: Sequence[str],
) -> Iterator[Listing]:
    prefix = neighbours.prefix_of(view.entry.catalogue.name, view.entry.generation)
    lists = list(neighbours.read_many(client, prefix, ids))
    found = dict.fromkeys(other for near in lists if near for other in near.ids)
    wanted = [other for other in found if other in passing]
    _, items = neighbours.read_items(client, view.prefix, wanted, names)
    shown = {
        id: view.fields(names, values)
        for id, values in zip(wanted, items, strict=True)
        if values is not None
    }
    for id, near in zip(ids, lists, strict=True):
        pairs_of = zip(near.ids, near.scores, strict=True) if near else ()
        rows = [
            {"id": other.decode(), "score": round(score, DIGITS)} | _without_id(shown[other])
            for other, score in pairs_of
            if other in shown
        ]
        yield id.decode(), rows[:limit]


def _without_id(fields: dict[str, Any]) -> dict[str, Any]:
    """A field may be called id or score: the neighbour's own come first."""
    return {name: value for name, value in fields.items() if name not in ("id", "score")}


def _part(part: str) -> str:
    if part in ("", ".", ".."):
        return "%" + part.replace(".", "%2E")  # no other part has a bare % at its beginning
    safe = "".join(
        letter if letter.isprintable() and letter not in '%\\:*?"<>|' else quote(letter, safe="")
        for letter in part
    )
    if len(safe.encode()) <= MAX_PART:
        return safe
    digest = blake2b(part.encode(), digest_size=8).hexdigest()
    return safe.encode()[: MAX_PART - 20].decode(errors="ignore") + f"%-{digest}"


def _write_files(items: Iterator[Listing], folder: Path, on_progress: Told) -> int:
    count = 0
    for count, (id, hits) in enumerate(items, 1):
        with replacing(folder / f"{path_of(id)}.json") as file:
            _dump(hits, file)
        on_progress(count)
    return count


def _write_lines(items: Iterator[Listing], file: TextIO, on_progress: Told) -> int:
    count = 0
    for count, (id, hits) in enumerate(items, 1):
        _dump({"id": id, "related": hits}, file)
        on_progress(count)
    return count


def _write_object(items: Iterator[Listing], file: TextIO, on_progress: Told) -> int:
    """One object, a line an item: a change of one item is a change of one line."""
    count = 0
    file.write("{")
    for count, (id, hits) in enumerate(items, 1):
        file.write(",\n" if count > 1 else "\n")
        file.write(f"{json.dumps(id, ensure_ascii=False)}: {json.dumps(hits, ensure_ascii=False)}")
        on_progress(count)
    file.write("\n}\n")
    return count


def _dump(value: Any, file: TextIO) -> None:
    file.write(json.dumps(value, ensure_ascii=False) + "\n")


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidParameter(
            "to",
            f"a file below {str(folder)!r} cannot be written: {error.strerror} ({error.filename})",
            remedy="Name another folder; where ids clash as paths, --one-file",
        ) from error
