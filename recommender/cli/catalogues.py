"""``catalogues``, ``info`` and ``drop``: what this Redis holds."""

from __future__ import annotations

from typing import Any

import click

from recommender.cli.context import chosen_settings
from recommender.cli.output import json_option, print_json, print_mapping, print_table
from recommender.engine import Recommender
from recommender.errors import IndexNotReady, StoreError
from recommender.store import catalogues as store
from recommender.store import events, hashes, index, neighbours, versions
from recommender.store.connection import Server, connect


@click.command()
@json_option
def catalogues(as_json: bool) -> None:
    """List the catalogues.

    \b
    recommender catalogues
    recommender catalogues --json
    """
    server = connect(chosen_settings())
    rows = [_listed(server, name) for name in store.names(server.client)]
    if as_json:
        print_json({"catalogues": rows})
    elif not rows:
        click.echo("There are no catalogues yet. Load one: recommender load FILE")
    else:
        columns = ["name", "items", "embedder", "index", "ready"]
        print_table("Catalogues", columns, [[row[column] for column in columns] for row in rows])


@click.command()
@click.argument("name")
@json_option
def info(name: str, as_json: bool) -> None:
    """Show one catalogue: its counts, its index and its catalogue file.

    \b
    recommender info movies
    """
    server = connect(chosen_settings())
    known = _described(server, name)
    catalogue = store.get(server.client, name).catalogue
    if as_json:
        print_json(known | {"catalogue": catalogue.model_dump(exclude_none=True)})
        return
    print_mapping(known)
    click.echo(f"\n{catalogue.to_yaml()}", nl=False)


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(name: str, yes: bool) -> None:
    """Delete catalogue NAME: its items, its index, its events and its settings.

    \b
    recommender drop movies --yes
    """
    server = connect(chosen_settings())
    generation = store.generation(server.client, name)
    if not yes:
        click.confirm(f"Delete {name!r} with all its items?", abort=True)
    wait = lambda: click.echo(f"waiting: {name!r} is being loaded", err=True)  # noqa: E731
    with store.locked(server.client, name, wait):
        versions.take(server.client, name)
        index.drop(server.client, name, generation)
        removed = hashes.delete_all(server.client, hashes.prefix_of(name, generation))
        neighbours.drop(server.client, name, generation)
        events.drop(server.client, name)
        store.forget(server.client, name)
        events.drop(server.client, name)  # those that came in until it was forgotten
    click.echo(f"{name}: {removed:,} items deleted")


def _listed(server: Server, name: str) -> dict[str, Any]:
    try:
        return _described(server, name)
    except StoreError as error:
        problem = {"embedder": "?", "index": str(error), "ready": False}
        return {"name": name, "items": 0} | problem


def _described(server: Server, name: str) -> dict[str, Any]:
    entry = store.get(server.client, name)
    vectors = entry.catalogue.vectors
    known: dict[str, Any] = {
        "name": name,
        "items": 0,
        "generation": entry.generation,
        "embedder": ", ".join(dict.fromkeys(stamp.embedder for stamp in entry.stamps.values())),
        "dims": ", ".join(str(stamp.dims) for stamp in entry.stamps.values()),
        "index": ", ".join(f"{spec.index} {spec.metric} {spec.type}" for spec in vectors.values()),
        "ready": False,
    }
    try:
        state = Recommender(name, settings=chosen_settings(), server=server).state()
    except IndexNotReady:
        prefix = hashes.prefix_of(name, entry.generation)
        return known | {"items": hashes.count(server.client, prefix)}
    return known | {
        "items": state.items,
        "ready": state.is_ready,
        "indexed": state.indexed,
        "not_indexed": state.failures,
        "index_memory_mb": state.memory_mb,
    }
