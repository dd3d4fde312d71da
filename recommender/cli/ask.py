"""``similar``, ``recommend`` and ``search``: asking a catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from recommender import presets
from recommender.cli.context import chosen_settings
from recommender.cli.output import json_option, print_json, print_results, shown_fields
from recommender.cli.wishes import given_wishes, names_of, wish_options
from recommender.engine import Recommender
from recommender.fields import as_text
from recommender.items import Results

image_type = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("name")
@click.argument("id")
@wish_options
@json_option
def similar(
    name: str, id: str, as_json: bool, fields: str | None, preset: str | None, **_: Any
) -> None:
    """The items of catalogue NAME that are most like the item ID.

    \b
    recommender similar movies toy-story
    recommender similar movies toy-story --where "year>=2000" --where "genres=Comedy|Family"
    recommender similar movies toy-story --limit 3 --fields title,year --json
    recommender similar movies toy-story --boost "0.3*near(year,8)" --explain
    recommender similar movies toy-story --differ year --diversity 0.3
    recommender similar movies toy-story --preset related-posts
    """
    engine = Recommender(name, settings=chosen_settings())
    columns, wanted = _columns(engine, fields, preset, as_json)
    results = engine.similar(id, **wanted, **given_wishes())
    title = id
    if not as_json:
        seed = engine.item(id, fields=columns[:1]).fields
        title = next(map(as_text, seed.values()), id)
    _print(f"More like {title}", results, columns, as_json)


@click.command()
@click.argument("name")
@click.option("--like", "likes", multiple=True, metavar="ID", help="An id; may be repeated.")
@click.option("--unlike", "unlikes", multiple=True, metavar="ID", help="An id; may be repeated.")
@click.option(
    "--like-from", "others", nargs=2, multiple=True, metavar="CATALOGUE ID",
    help="An item of another catalogue with the same embedder; repeatable.",
)  # fmt: skip
@click.option("--like-text", "texts", multiple=True, metavar="TEXT", help="Words; repeatable.")
@click.option("--like-image", "images", multiple=True, type=image_type, help="A picture's file.")
@click.option(
    "--strategy",
    default="average",
    show_default=True,
    help="average: around one point; best: near any like; sum: near all.",
)
@click.option(
    "--half-life", type=float, metavar="N", help="Likes as viewed, latest last: N earlier is half."
)
@wish_options
@json_option
def recommend(
    name: str,
    likes: Sequence[str],
    unlikes: Sequence[str],
    others: Sequence[tuple[str, str]],
    texts: Sequence[str],
    images: Sequence[Path],
    strategy: Any,
    half_life: float | None,
    as_json: bool,
    fields: str | None,
    preset: str | None,
    **_: Any,
) -> None:
    """The items of catalogue NAME most like several others, and unlike some.

    \b
    recommender recommend movies --like alien --like up --unlike cars
    recommender recommend movies --like alien --like-text "a lonely robot" --strategy best
    recommender recommend movies --like alien --like up --like coco --half-life 1
    recommender recommend movies --like-from books dune --like alien
    """
    engine = Recommender(name, settings=chosen_settings())
    columns, wanted = _columns(engine, fields, preset, as_json)
    seeds = [
        *likes,
        *({"id": id, "catalogue": other} for other, id in others),
        *({"text": text} for text in texts),
        *({"image": image.read_bytes()} for image in images),
    ]
    results = engine.recommend(
        seeds, unlikes, strategy=strategy, half_life=half_life, **wanted, **given_wishes()
    )
    _print("Recommended", results, columns, as_json)


@click.command()
@click.argument("name")
@click.argument("words", nargs=-1, metavar="WORD...")
@click.option("--image", type=image_type, help="A picture's file, in place of words.")
@wish_options
@json_option
def search(
    name: str,
    words: Sequence[str],
    image: Path | None,
    as_json: bool,
    fields: str | None,
    preset: str | None,
    **_: Any,
) -> None:
    """The items of catalogue NAME that are closest in meaning to some words.

    \b
    recommender search movies "robots that feel"
    recommender search movies "a heist goes wrong" --where "year=1990..2010"
    recommender search movies pixar toys --mode hybrid
    """
    if not words and image is None:
        raise click.UsageError("Missing argument 'WORD...'.")
    text = " ".join(words) if words else None
    engine = Recommender(name, settings=chosen_settings())
    columns, wanted = _columns(engine, fields, preset, as_json)
    picture = None if image is None else image.read_bytes()
    results = engine.search(text, image=picture, **wanted, **given_wishes())
    _print(f"Closest to “{text or image}”", results, columns, as_json)


def _columns(
    engine: Recommender, fields: str | None, preset: str | None, as_json: bool
) -> tuple[list[str], dict[str, Any]]:
    """The columns of a table, and the wish for fields: none for JSON, or where a preset has it."""
    catalogue = engine.entry.catalogue
    if fields is not None:
        columns = names_of(fields)
        return columns, {"fields": columns}
    kept = None if preset is None else presets.find(catalogue, preset).get("fields")
    columns = shown_fields(catalogue) if kept is None else list(kept)
    return columns, {} if as_json or kept is not None else {"fields": columns}


def _print(title: str, results: Results, columns: Sequence[str], as_json: bool) -> None:
    if as_json:
        print_json(results.to_dict())
    else:
        print_results(title, results, columns)
