"""The options that say what to read, and the catalogue and the records that they lead to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import wraps
from itertools import chain, islice
from pathlib import Path
from typing import Any

import click

import loaders
from recommender.catalogue import Catalogue, check_name, name_from
from recommender.errors import InvalidCatalogue, InvalidParameter, SourceError
from recommender.fields import is_missing
from recommender.inference import SAMPLE
from recommender.inference import infer as infer_catalogue
from recommender.items import Record, Reject

Records = Iterator[Record | Reject]
Command = Callable[..., Any]

OPTIONS = (
    click.option(
        "--catalogue", "name", metavar="NAME", help="Its name. [default: the first source's]"
    ),
    click.option("--spec", type=click.Path(dir_okay=False), help="A catalogue file (YAML)."),
    click.option("--id", "id_column", metavar="COLUMN", help="The column that is the id."),
    click.option("--prefix", default="", metavar="TEXT", help="Put before every id."),
    click.option(
        "--format", metavar="NAME", help="csv, markdown, feed, ... [default: from the source]"
    ),
    click.option("--encoding", metavar="NAME", help="Like latin-1. [default: utf-8]"),
    click.option(
        "--limit", type=click.IntRange(min=1), help="Read no more records of each source."
    ),
    click.option("--sql", metavar="QUERY", help="What to read from a database."),
    click.option("--table", metavar="NAME", help="The table to read from a database."),
    click.option(
        "--glob",
        "globs",
        multiple=True,
        metavar="PATTERN",
        help="Files of a folder, like **/*.md; may be repeated.",
    ),
    click.option(
        "--allow-private", is_flag=True, help="Let URLs lead to this machine or its network."
    ),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """The values of the options above."""

    name: str | None
    spec: str | None
    id_column: str | None
    prefix: str
    format: str | None
    encoding: str | None
    limit: int | None
    sql: str | None
    table: str | None
    globs: tuple[str, ...]
    allow_private: bool

    def catalogue_of(self, source: str) -> tuple[str, Catalogue | None]:
        """The catalogue's name, and the catalogue itself where a file gives it."""
        if self.name:
            check_name(self.name)
        if self.spec is None:
            return self.name or _name(source), None
        given = _read_spec(self.spec, self.name, source)
        return given.name, given

    def records(self, sources: Iterable[str], progress: Callable[[float], None] | None) -> Records:
        """The records of all ``sources``, one source after the other."""
        options = loaders.Options(
            encoding=self.encoding,
            format=self.format,
            limit=self.limit,
            sql=self.sql,
            table=self.table,
            globs=self.globs,
            allow_private=self.allow_private,
            progress=progress,
        )
        return chain.from_iterable(loaders.load(source, options) for source in sources)

    def inferred(self, records: Records, name: str) -> tuple[Catalogue, Records]:
        """The catalogue that the first records suggest, and all records again."""
        first, rest = _ahead(records, SAMPLE)
        sample = [record for record in first if isinstance(record, Record)]
        if not first:
            raise SourceError("the source gave no record", remedy="A draft, for example, is none")
        if not sample:
            raise _all_bad([entry for entry in first if isinstance(entry, Reject)])
        return infer_catalogue(sample, name, id=self.id_column), chain(first, rest)

    def check_id(self, catalogue: Catalogue) -> None:
        """Raises InvalidParameter where ``--id`` is another column than the catalogue's."""
        if self.id_column not in (None, catalogue.id):
            raise InvalidParameter(
                "id",
                f"the id of {catalogue.name!r} is the column {catalogue.id!r},"
                f" not {self.id_column!r}",
                remedy=f"Leave --id out, or start afresh: recommender drop {catalogue.name}",
            )

    def prefixed(self, records: Records, column: str) -> Records:
        """The records with the prefix before the id in ``column``."""
        return (self._prefixed(record, column) for record in records) if self.prefix else records

    def _prefixed(self, record: Record | Reject, column: str) -> Record | Reject:
        if isinstance(record, Reject):
            return record if record.id is None else replace(record, id=f"{self.prefix}{record.id}")
        id = record.values.get(column)
        if is_missing(id):
            return record
        return Record(record.place, {**record.values, column: f"{self.prefix}{id}"})


def source_options(command: Command) -> Command:
    """Gives a command the options above, as one argument called ``reading``."""
    names = [field.name for field in fields(Reading)]

    @wraps(command)
    def run(**arguments: Any) -> Any:
        reading = Reading(**{name: arguments.pop(name) for name in names})
        return command(reading=reading, **arguments)

    for option in reversed(OPTIONS):
        run = option(run)
    return run


def _ahead(records: Records, count: int) -> tuple[list[Record | Reject], Records]:
    """The first ``count`` and the rest; where they break off, that comes with the rest."""
    first: list[Record | Reject] = []
    try:
        for record in islice(records, count):
            first.append(record)
    except SourceError as error:
        if not first:
            raise
        return first, _broken(error)
    return first, records


def _broken(error: SourceError) -> Records:
    raise error
    yield  # so that it is raised where the next record is asked for


def _all_bad(rejects: list[Reject]) -> SourceError:
    reasons = "; ".join(f"{reject.place}: {reject.reason}" for reject in rejects[:3])
    if len(rejects) == 1:
        return SourceError(f"the only record cannot be used: {reasons}")
    return SourceError(
        f"not one of the first {len(rejects):,} records can be used: {reasons}",
        remedy="Is it text, in this format (--format) and this encoding (--encoding)?",
    )


def _name(source: str) -> str:
    if source == "-":
        raise InvalidParameter(
            "catalogue", "stdin has no name for the catalogue", remedy="Name it: --catalogue NAME"
        )
    return name_from(source if "://" in source else os.path.abspath(source))


def _read_spec(path: str, name: str | None, source: str) -> Catalogue:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise InvalidCatalogue(f"the catalogue file {path!r} cannot be read: {error}") from error
    default = None
    with suppress(InvalidParameter):  # the file may well have a name
        default = _name(source)
    return Catalogue.from_yaml(text, name=name, default_name=default)
