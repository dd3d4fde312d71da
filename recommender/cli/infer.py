"""``infer``: the catalogue file for a source, and what of its records would be embedded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import click

from recommender.catalogue import Catalogue
from recommender.cli.context import chosen_settings
from recommender.cli.output import json_option, print_json, printable
from recommender.cli.sources import Reading, source_options
from recommender.convert import Converter
from recommender.embedders.base import text_limits
from recommender.errors import RecordError
from recommender.items import Record, Reject
from recommender.spread import spread


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@source_options
@click.option(
    "--preview", type=click.IntRange(min=1), metavar="N", help="Show what N records would embed."
)
@json_option
def infer(sources: Sequence[str], reading: Reading, preview: int | None, as_json: bool) -> None:
    """Print the catalogue file that the sources would be loaded with. Nothing is written.

    With --preview the texts of the first records follow, as comments, just as they would be
    embedded; with --spec they are those of a catalogue file that is there already.

    \b
    recommender infer movies.csv > movies.yaml
    recommender infer movies.csv --preview 3
    recommender infer movies.csv --spec movies.yaml --preview 3
    """
    name, catalogue = reading.catalogue_of(sources[0])
    records = reading.records(sources, None)
    if catalogue is None:
        catalogue, records = reading.inferred(records, name)
    reading.check_id(catalogue)
    records = reading.prefixed(records, catalogue.id)
    records = spread(records, catalogue) if catalogue.passages else records
    texts = list(islice(_texts(catalogue, records), preview)) if preview else []
    if as_json:
        known = catalogue.model_dump(exclude_none=True)
        print_json(known | {"preview": texts} if preview else known)
        return
    click.echo(catalogue.to_yaml(), nl=False)
    for text in texts:
        place = f"{text['place']} ({text['id']})" if "id" in text else text["place"]
        click.echo(f"\n# {printable(place)}")
        for vector, words in text.get("texts", {}).items():
            lines = map(printable, words.splitlines())
            click.echo(f"# {vector}: " + "\n#   ".join(lines))
        for warning in text["warnings"]:
            click.echo(f"# ! {printable(warning)}")


def _texts(catalogue: Catalogue, records: Iterator[Record | Reject]) -> Iterator[dict[str, Any]]:
    """What is embedded for each record, or why it would be rejected."""
    converter = Converter(catalogue, {})
    limits = text_limits(catalogue, chosen_settings())
    for record in records:
        if isinstance(record, Reject):
            yield {"place": record.place, "warnings": [record.reason]}
            continue
        try:
            id, texts = converter.id_of(record.values), converter.texts_of(record.values)
        except RecordError as error:
            yield {"place": record.place, "warnings": [str(error)]}
            continue
        warnings = [
            f"{len(text.encode()):,} bytes are more than {catalogue.vectors[name].embedder} takes"
            f" at once ({limit:,}): it is embedded as overlapping passages"
            for name, text in texts.items()
            if (limit := limits.get(name)) and len(text.encode()) > limit
        ]
        yield {"place": record.place, "id": id, "texts": texts, "warnings": warnings}
