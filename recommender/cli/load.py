"""``load``: from sources to a catalogue, once or whenever they change."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from recommender.cli.context import chosen_settings
from recommender.cli.output import json_option, print_json
from recommender.cli.progress import shown
from recommender.cli.rejects import Rejects
from recommender.cli.sources import Reading, source_options
from recommender.errors import InvalidParameter
from recommender.report import Report
from recommender.settings import Settings
from recommender.store import catalogues
from recommender.store.connection import Server, connect
from recommender.sync import sync


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@source_options
@click.option("--prune", is_flag=True, help="Remove what the sources no longer have.")
@click.option("--force", is_flag=True, help="Prune more than half of the catalogue, too.")
@click.option(
    "--last-wins",
    is_flag=True,
    help="Of sources with the same id the last counts, no error; within one source the first.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done, and what it costs.")
@click.option("--watch", is_flag=True, help="Load again whenever the sources change.")
@json_option
def load(sources: Sequence[str], reading: Reading, **options: Any) -> None:
    """Load sources into a catalogue, new or known.

    A SOURCE is a file (CSV, TSV, JSON, NDJSON, Parquet, SQLite, Markdown, HTML, text, npz, npy,
    Python), a folder, the URL of a feed, a sitemap or a database, or - for stdin. The first load
    infers the catalogue file from the records and keeps it; the next ones use what is kept, embed
    only what is new or has another text, and write only what changed.

    \b
    recommender load movies.csv
    recommender load posts/ --prune --watch
    recommender load https://example.com/feed.xml --catalogue blog
    recommender load shop.db --table products --dry-run
    recommender load postgresql+psycopg://localhost/shop --sql "SELECT * FROM products"
    recommender infer movies.csv > movies.yaml     (edit it)
    recommender load movies.csv --spec movies.yaml
    cat posts.ndjson | recommender load - --format ndjson --catalogue posts
    """
    wishes = _Wishes(**options)
    if wishes.prune and reading.limit is not None:
        raise InvalidParameter(
            "limit", "--limit does not go with --prune: what it leaves out is not gone"
        )
    settings = chosen_settings()
    server = connect(settings)
    if not wishes.watch:
        report = _load(server, settings, sources, reading, wishes)
        sys.exit(3 if report.rejected else 0)
    from recommender.cli.watch import watch  # it needs an extra

    watch(sources, lambda: _load(server, settings, sources, reading, wishes), settings.home)


@dataclass(frozen=True, slots=True)
class _Wishes:
    """The options that say what to do with the records."""

    prune: bool
    force: bool
    last_wins: bool
    dry_run: bool
    watch: bool
    as_json: bool

    def __post_init__(self) -> None:
        wrong = {
            "force": self.force and not self.prune and "it is for --prune only",
            "watch": self.watch
            and ((self.as_json and "it gives no --json") or (self.dry_run and "it loads")),
        }
        for name, problem in wrong.items():
            if problem:
                raise InvalidParameter(name, f"--{name} does not go here: {problem}")


def _load(
    server: Server, settings: Settings, sources: Sequence[str], reading: Reading, wishes: _Wishes
) -> Report:
    """Loads all sources once."""
    name, given = reading.catalogue_of(sources[0])
    kept = catalogues.find(server.client, name)
    catalogue = given or (kept.catalogue if kept else None)
    with shown() as progress, Rejects(settings.home / "rejects" / f"{name}.ndjson") as rejects:
        # Of equal ids the first counts, so the last source has to come first.
        ordered = sources[::-1] if wishes.last_wins else sources
        records = reading.records(ordered, progress.source)
        try:
            if catalogue is None:
                catalogue, records = reading.inferred(records, name)
                progress.note(catalogue.to_yaml())
            reading.check_id(catalogue)
            report = sync(
                server,
                catalogue,
                reading.prefixed(records, catalogue.id),
                settings,
                prune=wishes.prune,
                within=reading.prefix,
                force=wishes.force,
                skip_repeated=wishes.last_wins,
                dry_run=wishes.dry_run,
                progress=progress,
                on_reject=rejects.add,
            )
        except KeyboardInterrupt:
            progress.note("Stopped. What was written is kept; the same command goes on from there.")
            sys.exit(130)
    rejects.say()
    if rejects.repeated and len(sources) > 1:
        click.echo("Of sources with the same ids the last one counts with --last-wins", err=True)
    if wishes.as_json:
        print_json(report.to_dict() | {"rejects": rejects.file and str(rejects.file)})
    else:
        click.echo(_sentence(report))
    return report


def _sentence(report: Report) -> str:
    """What a load did, on one line."""
    counts = [
        f"{report.new:,} new",
        f"{report.changed:,} changed",
        f"{report.unchanged:,} unchanged",
        *([f"{report.removed:,} removed"] if report.removed else []),
        *([f"{report.skipped:,} passed over"] if report.skipped else []),
        f"{report.rejected:,} rejected",
    ]
    done = f"{report.embedded:,} embedded) in {report.seconds:.1f} s"
    if report.dry_run:
        done = f"{report.embedded:,} to embed{_price(report)}). Nothing was done: --dry-run"
    return f"{report.catalogue}: {report.items:,} items ({', '.join(counts)}; {done}"


def _price(report: Report) -> str:
    """What embedding would cost, as far as that is known."""
    cost = report.cost
    if not cost or not cost["tokens"]:
        return ""
    about = "" if cost["exact"] else "about "
    dollars = cost["dollars"]
    if dollars is None:
        price = "at a price that is not known here"
    else:
        price = f"${dollars:,.2f}" if dollars >= 0.01 else "less than $0.01"
    return f", {about}{cost['tokens']:,} tokens, {price}"
