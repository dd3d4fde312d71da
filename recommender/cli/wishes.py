"""The options of a question: one for each wish, the same for every command that asks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from recommender.arguments import number_or_word
from recommender.presets import NOT_KEPT
from recommender.wishes import DEFAULTS, POOL

Command = TypeVar("Command", bound=Callable[..., Any])

PAGE = (
    click.option("--limit", "-n", type=int, default=10, show_default=True, help="How many."),
    click.option("--offset", type=int, default=0, help="How many to skip first."),
    click.option(
        "--next", metavar="TOKEN", help="start: keep the list; then the token of the page before."
    ),
    click.option("--fields", metavar="A,B", help="The fields to show. [default: some; --json all]"),
)
FILTERS = (
    click.option(
        "--where", "-w", multiple=True, metavar="CONDITION", help="Like year>=1990; repeatable."
    ),
    click.option("--exclude", multiple=True, metavar="ID", help="An id to leave out; repeatable."),
    click.option("--same", multiple=True, metavar="FIELD", help="Agree with the seed in it."),
    click.option("--differ", multiple=True, metavar="FIELD", help="Differ from the seed in it."),
    click.option("--min-score", type=float, help="Drop what scores lower."),
    click.option("--min-relevance", type=float, help="Drop what is less relevant, 0 to 1."),
    click.option("--cut", metavar="auto", help="auto: end the list at its first big drop."),
)
RANKING = (
    click.option(
        "--using", metavar="VECTOR", help="Which vector, or text:0.7,image:0.3. [default: first]"
    ),
    click.option("--mode", metavar="MODE", help="vector, text (words) or hybrid (both)."),
    click.option(
        "--semantic-ratio", type=number_or_word, metavar="RATIO",
        help="Hybrid: 0 words .. 1 meaning, or rrf, by ranks.",
    ),
    click.option(
        "--boost", "boosts", multiple=True, metavar="BOOST",
        help="Like 0.3*near(year,8) or 0.2*overlap(genres); repeatable.",
    ),
    click.option("--diversity", type=float, help="0: the best; 1: as unlike as can be."),
    click.option("--group-by", metavar="FIELD", help="Few of each value of this field."),
    click.option("--group-size", type=int, help="How few. [default: 1]"),
    click.option(
        "--collapse", type=number_or_word, metavar="RELEVANCE",
        help="Show one of what is as good as the same: true, or 0 to 1.",
    ),
    click.option(
        "--fallback", "fallbacks", multiple=True, metavar="FALLBACK",
        help="Fill a short list: same_tag(genres), popular(votes), latest(date).",
    ),
    click.option("--preset", metavar="NAME", help="Wishes that are kept with the catalogue."),
    click.option("--pool", type=int, help=f"Candidates to rank. [default: {POOL}]"),
    click.option("--exact/--no-exact", default=False, help="Look at every item."),
)  # fmt: skip
EXPLAIN = (
    click.option("--explain/--no-explain", default=False, help="Tell why each hit is where it is."),
)


def wish_options(command: Command) -> Command:
    """Every wish as an option."""
    return _adding((*PAGE, *FILTERS, *RANKING, *EXPLAIN))(command)


def kept_options(command: Command) -> Command:
    """Those that a preset may keep."""
    return _adding((*PAGE, *FILTERS, *RANKING, *EXPLAIN), NOT_KEPT)(command)


def shaping_options(without: Collection[str] = ()) -> Callable[[Command], Command]:
    """Those that shape the answer, not how much of it is shown, but for some."""
    return _adding((*FILTERS, *RANKING), without)


def _adding(
    options: Sequence[Callable[[Command], Command]], without: Collection[str] = ()
) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        def nothing() -> None:
            """Carries the options."""

        for option in reversed(options):
            option(nothing)
        made: list[click.Option] = getattr(nothing, "__click_params__", [])
        kept = [each for each in made if each.name not in without]
        known = getattr(command, "__click_params__", [])
        command.__click_params__ = [*known, *kept]  # type: ignore[attr-defined]
        return command

    return decorate


def names_of(fields: str) -> list[str]:
    """The names in ``title, year``."""
    return [name.strip() for name in fields.split(",") if name.strip()]


def given_wishes() -> dict[str, Any]:
    """The wishes that were given on the command line: the others are a preset's, or the engine's.

    Without ``fields``, which say what is shown.
    """
    context = click.get_current_context()
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in context.params.items()
        if name in DEFAULTS
        and name != "fields"
        and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
