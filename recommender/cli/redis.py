"""``redis``: the local server that is used when REDIS_URL is not set."""

from __future__ import annotations

import click

from recommender.cli.context import chosen_settings
from recommender.cli.output import json_option, print_json, print_mapping
from recommender.store import embedded


@click.group()
def redis() -> None:
    """Start, stop or look at the local Redis.

    Every command starts it when REDIS_URL is not set, so this is seldom needed. It listens on a
    private socket only, and keeps its data under RECOMMENDER_HOME.

    \b
    recommender redis status
    """


@redis.command()
def start() -> None:
    """Start it, unless it runs.

    \b
    recommender redis start
    """
    socket = embedded.start(chosen_settings().home)
    click.echo(f"The local Redis listens on unix://{socket}")


@redis.command()
def stop() -> None:
    """Stop it; what it holds is on disk and comes back with the next start.

    \b
    recommender redis stop
    """
    was_running = embedded.stop(chosen_settings().home)
    click.echo("The local Redis has stopped" if was_running else "The local Redis was not running")


@redis.command()
@json_option
def status(as_json: bool) -> None:
    """Say whether it runs, where, and how large it is.

    \b
    recommender redis status --json
    """
    known = embedded.status(chosen_settings().home)
    if as_json:
        print_json(known)
    else:
        print_mapping(known)
