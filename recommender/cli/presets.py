"""``presets``: wishes that are kept with a catalogue under a name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from recommender import presets as kept
from recommender.cli.context import chosen_settings
from recommender.cli.output import json_option, print_json, print_mapping
from recommender.cli.wishes import given_wishes, kept_options, names_of
from recommender.errors import InvalidParameter
from recommender.store import catalogues
from recommender.store.connection import connect


@click.group()
def presets() -> None:
    """Keep the options of a question under a name, and ask with it on every face.

    \b
    recommender presets save posts related-posts --differ url --diversity 0.2 --limit 3
    recommender similar posts rye-bread.md --preset related-posts
    recommender presets list posts
    """


@presets.command(name="list")
@click.argument("name")
@json_option
def list_presets(name: str, as_json: bool) -> None:
    """List the presets of catalogue NAME, and what each asks for.

    \b
    recommender presets list shop
    recommender presets list shop --json
    """
    found = catalogues.get(connect(chosen_settings()).client, name).catalogue.presets
    if as_json:
        print_json({"catalogue": name, "presets": found})
    elif not found:
        click.echo(f"{name} has no presets: recommender presets save {name} NAME --limit 5 ...")
    else:
        print_mapping({each: _told(wishes) for each, wishes in found.items()})


@presets.command()
@click.argument("name")
@click.argument("as_preset", metavar="PRESET")
@kept_options
@json_option
def save(name: str, as_preset: str, fields: str | None, as_json: bool, **_: Any) -> None:
    """Keep the options that are given as PRESET of catalogue NAME.

    Nothing else is kept. It takes the place of one of that name and may be used at once. What is
    given beside --preset goes before it; conditions and excluded ids of both count.

    \b
    recommender presets save shop cheaper --boost "0.5*low(price)" --same kind --limit 5
    recommender presets save shop in-stock --where "stock>0" --fallback "popular(sales)"
    """
    wishes = given_wishes()
    if fields is not None:
        wishes["fields"] = names_of(fields)
    if not wishes:
        raise InvalidParameter(
            "preset", "no options are given to be kept", remedy="Add some, like --limit 5"
        )
    kept.save(connect(chosen_settings()).client, name, as_preset, wishes)
    if as_json:
        print_json({"catalogue": name, "preset": as_preset, "wishes": wishes})
        return
    click.echo(f"Kept as the preset {as_preset!r} of {name}: {_told(wishes)}")
    click.echo(f"Use it: recommender similar {name} ID --preset {as_preset}")


@presets.command()
@click.argument("name")
@click.argument("as_preset", metavar="PRESET")
def drop(name: str, as_preset: str) -> None:
    """Forget PRESET of catalogue NAME.

    \b
    recommender presets drop shop cheaper
    """
    kept.drop(connect(chosen_settings()).client, name, as_preset)
    click.echo(f"The preset {as_preset!r} of {name} is forgotten")


def _told(wishes: Mapping[str, Any]) -> str:
    """Wishes on one line: ``limit 5, boosts 0.5*low(price)``."""
    return ", ".join(f"{name} {_value(value)}" for name, value in wishes.items())


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value):
        return " and ".join(value) if value else "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
