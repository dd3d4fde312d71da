"""``flask recommender``: the same commands with the settings of a Flask application."""

from __future__ import annotations

from functools import partial
from typing import cast

import click
from flask.cli import ScriptInfo

from api.state import EXTENSION, State
from recommender.cli.context import Source
from recommender.cli.main import Commands, main
from recommender.errors import InvalidParameter, suggest
from recommender.settings import Settings


@click.group("recommender", cls=Commands, context_settings=main.context_settings, help=main.help)
@click.option("--instance", metavar="NAME", help="Which, where the application has several.")
@click.version_option(package_name="recommender")
@click.pass_context
def flask_commands(context: click.Context, instance: str | None) -> None:
    """Gives the commands below it the application's settings."""
    context.obj = Source(partial(_settings, context.ensure_object(ScriptInfo), instance))


def _settings(info: ScriptInfo, instance: str | None) -> Settings:
    """The settings of one instance: those it was given, or those of the configuration.

    Nothing is guessed: some commands delete.
    """
    app = info.load_app()
    known = cast("dict[str, State]", app.extensions.get(EXTENSION, {}))
    if instance is not None and instance not in known:
        raise InvalidParameter(
            "instance",
            f"the application {app.name!r} has no instance {instance!r}",
            remedy=suggest(instance, known, "instances"),
        )
    if instance is not None:
        return known[instance].settings
    different = {state.settings for state in known.values()}
    if len(different) > 1:
        raise InvalidParameter(
            "instance",
            f"the application {app.name!r} has several instances: {', '.join(known)}",
            remedy="Name one: flask recommender --instance NAME ...",
        )
    return different.pop() if different else Settings.from_config(app.config)
