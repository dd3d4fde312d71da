"""``tune``: boosts fitted to judgements, and what they bring on queries not fitted on."""

from __future__ import annotations

from collections.abc import Sequence

import click

from recommender import presets
from recommender.cli.context import chosen_settings
from recommender.cli.evaluate import judgement_options, k_option, liked_option, read_judgements
from recommender.cli.measures import FEW
from recommender.cli.output import json_option, print_json, print_table
from recommender.cli.progress import counted
from recommender.engine import Recommender
from recommender.errors import RecommenderError
from recommender.judgements import Half
from recommender.tune import Tuned
from recommender.tune import tune as fit


@click.command()
@click.argument("name")
@judgement_options
@liked_option
@click.option(
    "--half", type=click.Choice(["open", "held"]), help="Fit on that half of the queries only."
)
@click.option("--without", multiple=True, metavar="FIELD", help="No boosts by it; repeatable.")
@click.option("--using", metavar="VECTOR", help="Which vector. [default: the first]")
@click.option("--preset", metavar="NAME", help="Keep what was found under this name.")
@click.option("--force", is_flag=True, help="Keep it even where it is not clearly better.")
@k_option
@json_option
def tune(
    name: str,
    judgements: str | None,
    events: bool,
    liked_above: float,
    half: Half | None,
    without: Sequence[str],
    using: str | None,
    preset: str | None,
    force: bool,
    k: int,
    as_json: bool,
) -> None:
    """Find boosts for catalogue NAME that rank what people judged, or liked, to the top.

    FILE and --events are what `evaluate relevance` takes. What the boosts bring is told for queries
    that they were not fitted on. Ctrl-C leaves everything as it was.

    \b
    recommender tune movies --judgements judgements.csv
    recommender tune movies --judgements judgements.csv --half open --preset tuned
    recommender tune movies --judgements ratings.csv --liked-above 3.5 --without popularity
    recommender tune movies --events --preset tuned
    """
    engine = Recommender(name, settings=chosen_settings())
    if preset is not None:  # not after minutes of fitting
        presets.check(engine.entry.catalogue.with_presets({preset: {}}))
    given = read_judgements(engine, judgements, events, liked_above)
    if half is not None:
        given = given.half(half)
    with counted("Fitting") as progress:
        tuned = fit(engine, given, k=k, using=using, without=without, progress=progress)
    saved = preset if preset and (tuned.is_clear or force) else None
    try:
        if saved:
            presets.save(engine.client, name, saved, tuned.wishes)
    except RecommenderError:
        saved = None
        raise
    finally:  # what took minutes is told, also where it could not be kept
        if as_json:
            print_json(tuned.to_dict() | {"source": given.source, "half": half, "saved": saved})
        else:
            _show(name, tuned, k)
    if saved and not as_json:
        click.echo(f"Kept as the preset {saved!r}: recommender similar {name} ID --preset {saved}")
    elif preset and not as_json:
        click.echo(f"Not kept as {preset!r}: --force keeps it anyway")


def _show(name: str, tuned: Tuned, k: int) -> None:
    queries = f"{tuned.queries:,} queries"
    if tuned.contributions:
        rows = [[text, f"{loss:.3f}"] for text, loss in tuned.contributions.items()]
        print_table(f"Boosts for {name}, from {queries}", ["boost", "lost without it"], rows)
    else:
        click.echo(f"None of {len(tuned.tried)} boosts helps {name}, by {queries}")
    unseen = tuned.comparison
    gain = unseen.differences["ndcg"]
    click.echo(
        f"NDCG@{k} of queries not fitted on: {unseen.before['ndcg']:.3f} by similarity,"
        f" {unseen.after['ndcg']:.3f} with boosts"
    )
    click.echo(
        f"Difference {gain.value:+.3f}, 95 % interval {gain.low:+.3f} .. {gain.high:+.3f};"
        f" {unseen.better:,} queries better, {unseen.worse:,} worse"
    )
    whole = tuned.before
    if tuned.items < whole.items or tuned.queries < len(whole.queries):
        click.echo(
            f"So among {tuned.items:,} of {whole.items:,} items, by {tuned.queries:,} of"
            f" {len(whole.queries):,} queries: among all, by all, similarity has"
            f" {whole.ndcg.value:.3f}"
        )
    if tuned.contributions:
        pool = tuned.wishes["pool"]
        click.echo(
            f"Pool {pool:,}: {tuned.pools[pool]:.3f} of {tuned.pools[None]:.3f}"
            " on the queries of the fit, which proves nothing"
        )
    if tuned.after.covered < tuned.before.covered / 2:
        click.echo(
            f"The lists show {tuned.after.covered:,} different items, by similarity"
            f" {tuned.before.covered:,}: what is high by itself crowds out the rest. If that is not"
            " what you want, fit --without that field"
        )
    if not tuned.is_clear:
        click.echo("That is not clearly better: judge more queries")
    elif tuned.queries < FEW:
        click.echo(f"{queries} are few: the true interval is wider than this")
