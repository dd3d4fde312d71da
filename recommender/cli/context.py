"""Whose settings a command uses: those that its context brings, else the environment's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import click

from recommender.settings import Settings


@dataclass(frozen=True)
class Source:
    """What finds the settings when a command asks for them: its help needs none."""

    find: Callable[[], Settings]


def chosen_settings() -> Settings:
    """The settings of the command that runs. Raises what Settings.from_env raises."""
    source = click.get_current_context().find_object(Source)
    return source.find() if source else Settings.from_env()
