"""``evaluate``: how good the recommendations are, and how much of the truth the index finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from click.decorators import FC

import loaders
from recommender.cli.context import chosen_settings
from recommender.cli.measures import print_recall, print_relevance
from recommender.cli.output import json_option, print_json
from recommender.cli.progress import counted
from recommender.cli.wishes import given_wishes, shaping_options
from recommender.engine import Recommender
from recommender.errors import InvalidParameter
from recommender.evaluate import recall as measure_recall
from recommender.evaluate import relevance as measure_relevance
from recommender.judgements import Half, Judgements
from recommender.recall import SELECTIVITIES

RANKED = (
    "boosts", "same", "differ", "diversity", "group_by", "group_size", "pool", "mode",
    "semantic_ratio", "collapse", "cut", "fallbacks", "preset", "min_relevance",
)  # fmt: skip
"""Options that put an answer in another order than the index's."""


def judgement_options(command: FC) -> FC:
    """Adds --judgements and --events: what is held against the answers."""
    file = click.option(
        "--judgements",
        metavar="FILE",
        help="query_id,item_id[,relevance], or events: user,item[,weight,time].",
    )
    kept = click.option(
        "--events", is_flag=True, help="What visitors did, as the catalogue keeps it."
    )
    return file(kept(command))


liked_option = click.option(
    "--liked-above",
    type=float,
    default=0.0,
    metavar="WEIGHT",
    help="Events: a weight over this is a like, 3.5 for five stars. [default: 0]",
)
k_option = click.option(
    "--limit", "-k", "k", type=int, default=10, show_default=True, help="How long the lists are."
)


@click.group()
def evaluate() -> None:
    """Measure a catalogue: its recommendations, or its index.

    \b
    recommender evaluate relevance movies --judgements judgements.csv
    recommender evaluate recall movies
    """


@evaluate.command()
@click.argument("name")
@judgement_options
@liked_option
@click.option(
    "--half", type=click.Choice(["open", "held"]), help="Only that half of the queries, by hash."
)
@k_option
@shaping_options()
@json_option
def relevance(
    name: str,
    judgements: str | None,
    events: bool,
    liked_above: float,
    half: Half | None,
    k: int,
    as_json: bool,
    **_: Any,
) -> None:
    """Hold what catalogue NAME recommends against what people judged, or liked.

    FILE says for a query, an item of the catalogue, how much other items are worth as its
    recommendations: a number, 0 for nothing. Made from events it is what the same people liked more
    often than chance would have it. It is read like any source: CSV, NDJSON, Parquet, - for stdin.
    With --events it is what the catalogue's own visitors did. Every option of `similar` that shapes
    an answer can be measured.

    \b
    recommender evaluate relevance movies --judgements judgements.csv
    recommender evaluate relevance movies --events
    recommender evaluate relevance movies --judgements judgements.csv --where "year>=1990"
    recommender evaluate relevance movies --judgements ratings.csv --liked-above 3.5
    recommender evaluate relevance movies --judgements judgements.csv --half held --json
    """
    engine = Recommender(name, settings=chosen_settings())
    given = read_judgements(engine, judgements, events, liked_above)
    if half is not None:
        given = given.half(half)
    with counted("Asking") as progress:
        report = measure_relevance(engine, given, k=k, arguments=given_wishes(), progress=progress)
    if as_json:
        print_json(report.to_dict() | {"source": given.source, "half": half})
        return
    print_relevance(report, f", the {half} half" if half else "")


@evaluate.command()
@click.argument("name")
@click.option("--sample", type=int, default=200, show_default=True, help="How many items ask.")
@click.option(
    "--selectivity",
    "selectivities",
    type=float,
    multiple=True,
    metavar="SHARE",
    default=SELECTIVITIES,
    show_default=True,
    help="What part of the items a filter lets through; repeatable.",
)
@k_option
@shaping_options(("where", "exact", *RANKED))
@json_option
def recall(
    name: str, sample: int, selectivities: Sequence[float], k: int, as_json: bool, **_: Any
) -> None:
    """Hold the index of catalogue NAME against the exact answer, plain and under filters.

    The filters are found in the catalogue: labels and numbers that about 10 %, 1 % and 0.1 % of the
    items have. Items drawn by hash ask for their nearest, once through the index and once comparing
    every item.

    \b
    recommender evaluate recall movies
    recommender evaluate recall movies --selectivity 0.5 --selectivity 0.25
    recommender evaluate recall movies --sample 1000 --json
    """
    engine = Recommender(name, settings=chosen_settings())
    with counted("Asking") as progress:
        report = measure_recall(
            engine,
            sample=sample,
            k=k,
            selectivities=selectivities,
            arguments=given_wishes(),
            progress=progress,
        )
    if as_json:
        print_json(report.to_dict())
    else:
        print_recall(report)


def read_judgements(
    engine: Recommender, file: str | None, events: bool, liked_above: float = 0.0
) -> Judgements:
    """The judgements of a file, in any format that a loader reads, or of the catalogue's events.

    Raises InvalidParameter unless one of the two is asked for.
    """
    if (file is None) != events:
        raise InvalidParameter(
            "judgements",
            "judgements come from a file or from events, one of them",
            remedy="Add --judgements FILE, or --events",
        )
    with counted("Reading") as progress:
        if file is None:
            return Judgements.from_events(engine.events(), liked_above=liked_above)
        options = loaders.Options(progress=lambda part: progress(round(part * 100), 100))
        return Judgements.from_records(loaders.load(file, options), liked_above=liked_above)
