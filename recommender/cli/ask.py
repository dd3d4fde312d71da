"""``similar``, ``recommend`` and ``search``: asking a catalogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from recommender.cli.output import json_option, print_json, print_results, shown_fields
from recommender.engine import Recommender
from recommender.fields import as_text
from recommender.wishes import POOL

Command = TypeVar("Command", bound=Callable[..., Any])

OPTIONS = (
    click.option("--limit", "-n", type=int, default=10, show_default=True, help="How many."),
    click.option("--offset", type=int, default=0, help="How many to skip first."),
    click.option(
        "--where",
        "-w",
        multiple=True,
        metavar="CONDITION",
        help="Like year>=1990; may be repeated.",
    ),
    click.option("--exclude", multiple=True, metavar="ID", help="An id to leave out; repeatable."),
    click.option("--fields", metavar="A,B", help="The fields to show. [default: some; --json all]"),
    click.option("--using", metavar="VECTOR", help="Which vector. [default: the first]"),
    click.option("--min-score", type=float, help="Drop what scores lower."),
    click.option("--exact", is_flag=True, help="Compare with every item."),
    json_option,
)


def listing_options(command: Command) -> Command:
    """The options that every listing command takes."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


RANKING = (
    click.option(
        "--boost", "boosts", multiple=True, metavar="BOOST",
        help="Like 0.3*near(year,8) or 0.2*overlap(genres); may be repeated.",
    ),
    click.option("--same", multiple=True, metavar="FIELD", help="Agree with the seed in it."),
    click.option("--differ", multiple=True, metavar="FIELD", help="Differ from the seed in it."),
    click.option(
        "--diversity", type=float, default=0.0, help="0: the best; 1: as unlike as can be."
    ),
    click.option("--group-by", metavar="FIELD", help="Few of each value of this field."),
    click.option("--group-size", type=int, default=1, help="How few. [default: 1]"),
    click.option("--pool", type=int, default=POOL, help=f"Candidates to rank. [default: {POOL}]"),
    click.option("--explain", is_flag=True, help="Tell why each hit stands where it does."),
)  # fmt: skip


def ranking_options(command: Command) -> Command:
    """The options of a question with a ranking."""
    for option in reversed(RANKING):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@click.argument("id")
@listing_options
@ranking_options
def similar(name: str, id: str, as_json: bool, fields: str | None, **arguments: Any) -> None:
    """The items of catalogue NAME that are most like the item ID.

    \b
    recommender similar movies toy-story
    recommender similar movies toy-story --where "year>=2000" --where "genres=Comedy|Family"
    recommender similar movies toy-story --limit 3 --fields title,year --json
    recommender similar movies toy-story --boost "0.3*near(year,8)" --explain
    recommender similar movies toy-story --differ year --diversity 0.3
    """
    engine = Recommender(name)
    columns = _columns(engine, fields)
    wanted = None if as_json and fields is None else columns
    results = engine.similar(id, fields=wanted, **arguments)
    if as_json:
        print_json(results.to_dict())
        return
    seed = engine.item(id, fields=columns[:1]).fields
    title = next(map(as_text, seed.values()), id)
    print_results(f"More like {title}", results, columns)


@click.command()
@click.argument("name")
@click.option("--like", "likes", multiple=True, metavar="ID", help="An id; may be repeated.")
@click.option("--unlike", "unlikes", multiple=True, metavar="ID", help="An id; may be repeated.")
@click.option("--like-text", "texts", multiple=True, metavar="TEXT", help="Words; repeatable.")
@click.option(
    "--strategy",
    default="average",
    show_default=True,
    help="average: around one point; best: near any like; sum: near all.",
)
@listing_options
@ranking_options
def recommend(
    name: str,
    likes: Sequence[str],
    unlikes: Sequence[str],
    texts: Sequence[str],
    as_json: bool,
    fields: str | None,
    **arguments: Any,
) -> None:
    """The items of catalogue NAME most like several others, and unlike some.

    \b
    recommender recommend movies --like alien --like up --unlike cars
    recommender recommend movies --like alien --like-text "a lonely robot" --strategy best
    """
    engine = Recommender(name)
    columns = _columns(engine, fields)
    wanted = None if as_json and fields is None else columns
    seeds = [*likes, *({"text": text} for text in texts)]
    results = engine.recommend(seeds, unlikes, fields=wanted, **arguments)
    if as_json:
        print_json(results.to_dict())
    else:
        print_results("Recommended", results, columns)


@click.command()
@click.argument("name")
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@listing_options
def search(
    name: str, words: Sequence[str], as_json: bool, fields: str | None, **arguments: Any
) -> None:
    """The items of catalogue NAME that are closest in meaning to some words.

    \b
    recommender search movies "robots that feel"
    recommender search movies "a heist goes wrong" --where "year=1990..2010"
    """
    text = " ".join(words)
    engine = Recommender(name)
    columns = _columns(engine, fields)
    wanted = None if as_json and fields is None else columns
    results = engine.search(text, fields=wanted, **arguments)
    if as_json:
        print_json(results.to_dict())
    else:
        print_results(f"Closest to “{text}”", results, columns)


def _columns(engine: Recommender, fields: str | None) -> list[str]:
    if fields is None:
        return shown_fields(engine.entry.catalogue)
    return [name.strip() for name in fields.split(",") if name.strip()]
