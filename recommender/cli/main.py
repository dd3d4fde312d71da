"""The command itself: its groups of commands, and how every error leaves it."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click

from recommender.errors import InvalidParameter, RecommenderError, suggest

COMMANDS: Mapping[str, str] = {
    "load": "recommender.cli.load:load",
    "infer": "recommender.cli.infer:infer",
    "similar": "recommender.cli.ask:similar",
    "recommend": "recommender.cli.ask:recommend",
    "search": "recommender.cli.ask:search",
    "related": "recommender.cli.related:related",
    "catalogues": "recommender.cli.catalogues:catalogues",
    "info": "recommender.cli.catalogues:info",
    "drop": "recommender.cli.catalogues:drop",
    "events": "recommender.cli.events:events",
    "evaluate": "recommender.cli.evaluate:evaluate",
    "presets": "recommender.cli.presets:presets",
    "tune": "recommender.cli.tune:tune",
    "serve": "recommender.cli.serve:serve",
    "cache": "recommender.cli.cache:cache",
    "redis": "recommender.cli.redis:redis",
    "doctor": "recommender.cli.doctor:doctor",
}
"""Imported only when asked for: no command waits for another one's server or bars."""


class Commands(click.Group):
    """The commands above, with one way out for errors and for Ctrl-C."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command's own file."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Adds the closest command to the error about an unknown one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}. {suggest(args[0], COMMANDS, 'commands')}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; what is raised on purpose becomes a message and an exit code."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a terminal may not know every letter
                stream.reconfigure(errors="replace")
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            sys.exit(130)
        except InvalidParameter as error:
            _leave(error, 2)
        except RecommenderError as error:
            _leave(error, 1)


def _leave(error: RecommenderError, code: int) -> NoReturn:
    click.echo(f"Error: {error.message}", err=True)
    if error.remedy:
        click.echo(f"  {error.remedy}", err=True)
    sys.exit(code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="recommender")
def main() -> None:
    """Turn any catalogue into "more like this", on Redis, in minutes.

    \b
    recommender load movies.csv            a file becomes a catalogue
    recommender similar movies toy-story   more like this
    recommender search movies "robots"     closest to these words
    recommender serve                      the same over HTTP

    Without REDIS_URL a local Redis is started and kept running. Exit codes: 0 fine,
    1 it could not be done, 2 wrong usage, 3 done but some records were rejected.
    """
