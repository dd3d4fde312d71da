"""``related``: neighbours that are stored ahead of time, and files of them for static sites."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from recommender.cli.context import chosen_settings
from recommender.cli.output import json_option, print_json, print_results, shown_fields
from recommender.cli.progress import shown
from recommender.cli.wishes import names_of
from recommender.engine import Recommender
from recommender.export import PLACES, export
from recommender.fields import as_text
from recommender.related import build
from recommender.store import catalogues
from recommender.store.connection import connect

LINKS = ("url", "link", "permalink", "href", "slug", "path", "image")
"""Names of fields that a page needs to show a neighbour, beside its title."""

fields_option = click.option("--fields", metavar="A,B", help="The fields of each. [default: some]")


@click.group()
def related() -> None:
    """Store the neighbours of every item, show them, export them for a static site.

    Once they are built, every load and every write keeps them right.

    \b
    recommender related build posts
    recommender related show posts rye-bread.md
    recommender related export posts --to site --format hugo
    """


@related.command(name="build")
@click.argument("name")
@click.option("--using", metavar="VECTOR", help="Which vector. [default: the first]")
@json_option
def build_lists(name: str, using: str | None, as_json: bool) -> None:
    """Store the 20 nearest of every item of catalogue NAME.

    Each list replaces an older one as soon as it is made; Ctrl-C leaves the others as they were.

    \b
    recommender related build posts
    recommender related build shop --using image
    """
    server = connect(chosen_settings())
    with shown() as progress:
        try:
            made = build(server, name, using=using, progress=progress)
        except KeyboardInterrupt:
            progress.note("Stopped. Lists that were made are kept; the same command mends the rest")
            sys.exit(130)
    if as_json:
        print_json(made.to_dict())
        return
    without = f", {made.without:,} have no {made.vector} vector" if made.without else ""
    how = "exact" if made.exact else "approximate"
    click.echo(
        f"{name}: neighbours of {made.items:,} items ({how}{without}) in {made.seconds:.1f} s"
    )


@related.command()
@click.argument("name")
@click.argument("id")
@click.option("--limit", "-n", type=int, default=10, show_default=True, help="How many.")
@click.option("--offset", type=int, default=0, help="How many to skip first.")
@click.option(
    "--where", "-w", multiple=True, metavar="CONDITION", help="Like year>=1990; repeatable."
)
@click.option("--exclude", multiple=True, metavar="ID", help="An id to leave out; repeatable.")
@click.option("--fields", metavar="A,B", help="The fields to show. [default: some; --json all]")
@click.option("--min-score", type=float, help="Drop what scores lower.")
@click.option("--min-relevance", type=float, help="Drop what is less relevant, 0 to 1.")
@json_option
def show(name: str, id: str, fields: str | None, as_json: bool, **arguments: Any) -> None:
    """Show the stored neighbours of the item ID of catalogue NAME.

    \b
    recommender related show posts rye-bread.md
    recommender related show posts rye-bread.md --limit 3 --fields title,date --json
    """
    engine = Recommender(name, settings=chosen_settings())
    columns = names_of(fields) if fields is not None else shown_fields(engine.entry.catalogue)
    wanted = None if as_json and fields is None else columns
    results = engine.related(id, fields=wanted, **arguments)
    if as_json:
        print_json(results.to_dict())
        return
    seed = engine.item(id, fields=columns[:1]).fields
    print_results(f"Related to {next(map(as_text, seed.values()), id)}", results, columns)


@related.command(name="export")
@click.argument("name")
@click.option(
    "--to", required=True, metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
    help="The folder: of the site, for a site generator's format.",
)  # fmt: skip
@click.option(
    "--format", type=click.Choice(list(PLACES)), default="json", show_default=True, help="For what."
)
@click.option("--one-file", is_flag=True, help="With json: one related.json, not one file an item.")
@click.option("--limit", "-n", type=int, default=10, show_default=True, help="How many an item.")
@click.option(
    "--where", "-w", multiple=True, metavar="CONDITION", help="Only what meets it; repeatable."
)
@fields_option
@json_option
def export_files(
    name: str,
    to: Path,
    format: str,
    one_file: bool,
    limit: int,
    where: Sequence[str],
    fields: str | None,
    as_json: bool,
) -> None:
    """Write the stored neighbours of catalogue NAME into files.

    \b
    json      DIR/ID.json for each item, or with --one-file DIR/related.json
    jsonl     DIR/related.jsonl, one line an item
    hugo      DIR/data/related.json      index site.Data.related .File.Path
    jekyll    DIR/_data/related.json     site.data.related[page.path]
    eleventy  DIR/_data/related.json     related[key]
    pelican   DIR/related.json           RELATED = json.load(open("related.json"))

    \b
    recommender related export posts --to site --format hugo --limit 3
    recommender related export shop --to public/related --fields title,url --where "hidden!=yes"
    """
    server = connect(chosen_settings())
    catalogue = catalogues.get(server.client, name).catalogue
    usual = [each for each in catalogue.fields if each.lower() in LINKS]
    columns = [*shown_fields(catalogue), *usual] if fields is None else names_of(fields)
    with shown() as progress:
        done = export(
            server, name, to, format, one_file=one_file, limit=limit,
            fields=list(dict.fromkeys(columns)), where=where,
            on_progress=lambda count: progress.stage("write", count, None),
        )  # fmt: skip
    if as_json:
        print_json({"items": done.items, "files": done.files, "path": done.path})
    else:
        place = done.path if done.files == 1 else f"{done.files:,} files below {done.path}"
        click.echo(f"{name}: neighbours of {done.items:,} items in {place}")
