"""``events``: what visitors did, counted, and as a file."""

from __future__ import annotations

import json
from collections import Counter

import click

from recommender.cli.context import chosen_settings
from recommender.cli.output import json_option, print_json, print_table
from recommender.engine import Recommender
from recommender.events import WEIGHTS


@click.group()
def events() -> None:
    """Count what visitors did with a catalogue's items, or write it to a file.

    Events come in over HTTP, or from Python: Writer.track. The latest million is kept.

    \b
    recommender events show movies
    recommender events export movies > events.ndjson
    recommender evaluate relevance movies --events
    """


@events.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Count the events of catalogue NAME by type, and those with a user or a seed.

    \b
    recommender events show movies
    recommender events show movies --json
    """
    counts = {type: Counter[str]() for type in WEIGHTS}
    for event in Recommender(name, settings=chosen_settings()).events():
        named = {"events": True, "users": event.user, "seeds": event.seed}
        counts[event.type].update(label for label, value in named.items() if value)
    rows = [
        {"type": type, "events": found["events"], "with_user": found["users"],
         "with_seed": found["seeds"]}
        for type, found in counts.items()
    ]  # fmt: skip
    total = sum(found["events"] for found in counts.values())
    if as_json:
        print_json({"catalogue": name, "events": total, "types": rows})
    elif not total:
        click.echo(f"{name} has no events yet. Send some: POST /v1/{name}/events")
    else:
        columns = ["type", "events", "with user", "with seed"]
        print_table(f"Events of {name}: {total:,}", columns, [[*row.values()] for row in rows])


@events.command()
@click.argument("name")
def export(name: str) -> None:
    """Write the events of catalogue NAME to stdout, one JSON object a line, the oldest first.

    The file can be measured with, here and elsewhere: --judgements FILE.

    \b
    recommender events export movies > events.ndjson
    recommender evaluate relevance movies --judgements events.ndjson
    """
    for event in Recommender(name, settings=chosen_settings()).events():
        click.echo(json.dumps(event.to_dict()))  # ASCII: no terminal's encoding harms an id
