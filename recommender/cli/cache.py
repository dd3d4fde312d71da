"""``cache``: the embeddings that were paid for and are kept in Redis."""

from __future__ import annotations

from dataclasses import asdict

import click

from recommender.cli.context import chosen_settings
from recommender.cli.output import json_option, print_json, print_table
from recommender.errors import InvalidParameter, suggest
from recommender.store import embeddings
from recommender.store.connection import connect


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def cache(context: click.Context, as_json: bool) -> None:
    """List the embeddings that are kept, so that no text is paid for twice.

    A load asks here before it asks a remote embedder. Every catalogue shares them; dropping a
    catalogue leaves them.

    \b
    recommender cache
    recommender cache clear --yes
    """
    if context.invoked_subcommand:
        return
    sizes = [asdict(size) for size in embeddings.sizes(connect(chosen_settings()).client)]
    if as_json:
        print_json({"embeddings": sizes})
    elif not sizes:
        click.echo("No embeddings are kept: only those of remote embedders are.")
    else:
        print_table("Embeddings kept", list(sizes[0]), [list(size.values()) for size in sizes])


@cache.command()
@click.argument("name", required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(name: str | None, yes: bool) -> None:
    """Forget the embeddings of the embedder NAME, or of all.

    The catalogues keep theirs; what is loaded anew is paid for anew.

    \b
    recommender cache clear openai:text-embedding-3-small
    recommender cache clear --yes
    """
    client = connect(chosen_settings()).client
    sizes = embeddings.sizes(client)
    kept = [size.name for size in sizes]
    if name is not None and name not in kept:
        raise InvalidParameter(
            "name",
            f"no embeddings of {name!r} are kept",
            remedy=suggest(name, set(kept), "embedders"),
        )
    texts = sum(size.texts for size in sizes if name in (None, size.name))
    if texts and not yes:
        click.confirm(f"Forget {texts:,} embeddings?", abort=True)
    click.echo(f"{embeddings.clear(client, name):,} embeddings forgotten")
