"""``load`` and ``infer``: from a source to a catalogue."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import click

import loaders
from recommender.catalogue import Catalogue, check_name, name_from
from recommender.cli.output import json_option, print_json
from recommender.cli.progress import shown
from recommender.errors import InvalidCatalogue, InvalidParameter, SourceError
from recommender.inference import SAMPLE
from recommender.inference import infer as infer_catalogue
from recommender.items import Record, Reject
from recommender.report import Report
from recommender.settings import Settings
from recommender.store import catalogues
from recommender.store.connection import connect
from recommender.sync import sync

SHOWN_REJECTS = 5

catalogue_option = click.option(
    "--catalogue", "name", metavar="NAME", help="Its name. [default: the source's file name]"
)
id_option = click.option("--id", "id_column", metavar="COLUMN", help="The column that is the id.")
format_option = click.option(
    "--format", "format_", metavar="NAME", help="csv, tsv, json or ndjson. [default: the suffix]"
)
encoding_option = click.option("--encoding", metavar="NAME", help="Like latin-1. [default: utf-8]")


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@catalogue_option
@click.option("--spec", type=click.Path(dir_okay=False), help="A catalogue file (YAML).")
@id_option
@format_option
@encoding_option
@json_option
def load(
    sources: Sequence[str],
    name: str | None,
    spec: str | None,
    id_column: str | None,
    format_: str | None,
    encoding: str | None,
    as_json: bool,
) -> None:
    """Load files (or - for stdin) into a catalogue, new or known.

    The first load infers the catalogue file from the records and keeps it; the next ones use what
    is kept, embed only what is new or has another text, and write only what changed.

    \b
    recommender load movies.csv
    recommender load products.json.gz --catalogue shop
    recommender infer movies.csv > movies.yaml     (edit it)
    recommender load movies.csv --spec movies.yaml
    cat posts.ndjson | recommender load - --format ndjson --catalogue posts
    """
    settings = Settings.from_env()
    if name:
        check_name(name)
    given = _read_spec(spec, name, sources[0]) if spec else None
    name = given.name if given else name or _name(sources[0])
    server = connect(settings)
    kept = catalogues.find(server.client, name)
    with shown() as progress, Rejects(settings.home / "rejects" / f"{name}.ndjson") as rejects:
        options = loaders.Options(encoding=encoding, format=format_, progress=progress.source)
        records: Iterator[Record | Reject] = chain.from_iterable(
            loaders.load(source, options) for source in sources
        )
        catalogue = given or (kept.catalogue if kept else None)
        try:
            if catalogue is None:
                catalogue, records = _inferred(records, name, id_column)
                progress.note(catalogue.to_yaml())
            _check_id(catalogue, id_column)
            report = sync(
                server, catalogue, records, settings, progress=progress, on_reject=rejects.add
            )
        except KeyboardInterrupt:
            progress.note("Stopped. What was written is kept; the same command goes on from there.")
            sys.exit(130)
    _say(report, rejects, as_json)
    sys.exit(3 if report.rejected else 0)


@click.command()
@click.argument("source")
@catalogue_option
@id_option
@format_option
@encoding_option
@json_option
def infer(
    source: str,
    name: str | None,
    id_column: str | None,
    format_: str | None,
    encoding: str | None,
    as_json: bool,
) -> None:
    """Print the catalogue file that SOURCE would be loaded with. Nothing is written.

    \b
    recommender infer movies.csv > movies.yaml
    """
    records = loaders.load(source, loaders.Options(encoding=encoding, format=format_))
    catalogue, _ = _inferred(records, name or _name(source), id_column)
    if as_json:
        print_json(catalogue.model_dump(exclude_none=True))
    else:
        click.echo(catalogue.to_yaml(), nl=False)


class Rejects:
    """The records that were not taken: the first on stderr, all of them in a file.

    Where the file cannot be written, all of them go to stderr.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.is_lost = False
        self._file: IO[str] | None = None

    def __enter__(self) -> Rejects:
        with suppress(OSError):  # what the last load rejected is history
            self.path.unlink()
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            try:
                self._file.close()
            except OSError as problem:
                self._lose(problem)

    def add(self, reject: Reject) -> None:
        """Takes one down."""
        self.count += 1
        if not self.is_lost:
            self._write({"place": reject.place, "reason": reject.reason, "id": reject.id})
        if self.is_lost or self.count <= SHOWN_REJECTS:
            line = "".join(letter if letter.isprintable() else " " for letter in reject.reason)
            click.echo(f"Rejected: {reject.place}: {line}", err=True)

    def _write(self, row: dict[str, Any]) -> None:
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._file = self.path.open("w", encoding="utf-8", errors="backslashreplace")
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as problem:
            self._lose(problem)

    def _lose(self, problem: OSError) -> None:
        self.is_lost = True
        click.echo(f"The rejects file {self.path} cannot be written: {problem}", err=True)


def _name(source: str) -> str:
    if source == "-":
        raise InvalidParameter(
            "catalogue", "stdin has no name for the catalogue", remedy="Name it: --catalogue NAME"
        )
    return name_from(source)


def _check_id(catalogue: Catalogue, id_column: str | None) -> None:
    if id_column not in (None, catalogue.id):
        raise InvalidParameter(
            "id",
            f"the id of {catalogue.name!r} is the column {catalogue.id!r}, not {id_column!r}",
            remedy=f"Leave --id out, or start afresh: recommender drop {catalogue.name}",
        )


def _read_spec(path: str, name: str | None, source: str) -> Catalogue:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise InvalidCatalogue(f"the catalogue file {path!r} cannot be read: {error}") from error
    default = None
    with suppress(InvalidParameter):  # the file may well have a name
        default = _name(source)
    return Catalogue.from_yaml(text, name=name, default_name=default)


def _inferred(
    records: Iterator[Record | Reject], name: str, id_column: str | None
) -> tuple[Catalogue, Iterator[Record | Reject]]:
    """The catalogue that the first records suggest, and all records again."""
    first = list(islice(records, SAMPLE))
    sample = [record for record in first if isinstance(record, Record)]
    if first and not sample:
        reasons = [f"{entry.place}: {entry.reason}" for entry in first if isinstance(entry, Reject)]
        raise SourceError(
            f"not one of {len(first):,} records is any good: {'; '.join(reasons[:3])}"
        )
    return infer_catalogue(sample, name, id=id_column), chain(first, records)


def _say(report: Report, rejects: Rejects, as_json: bool) -> None:
    if rejects.count > SHOWN_REJECTS and not rejects.is_lost:
        click.echo(f"Rejected: {rejects.count:,} in all, see {rejects.path}", err=True)
    if as_json:
        path = str(rejects.path) if rejects.count and not rejects.is_lost else None
        print_json(report.to_dict() | {"rejects": path})
        return
    click.echo(
        f"{report.catalogue}: {report.items:,} items"
        f" ({report.new:,} new, {report.changed:,} changed, {report.unchanged:,} unchanged,"
        f" {report.rejected:,} rejected; {report.embedded:,} embedded) in {report.seconds:.1f} s"
    )
