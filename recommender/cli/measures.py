"""Measurements as tables, with what a person must know before believing them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import click

from recommender.cli.output import print_table
from recommender.evaluate import RecallReport, RelevanceReport
from recommender.metrics import Estimate
from recommender.recall import FilteredRecall

FEW = 30
"""Of fewer queries a bootstrap's interval is too narrow."""

NAMED = 5
"""How many ids are named before the rest is only counted."""


def print_relevance(report: RelevanceReport, more: str = "") -> None:
    """What was measured, as a table, and what it does not tell."""
    k, found = report.k, report.estimates
    most = f"{math.log2(len(report.queries)):.1f}"
    told = {
        "ndcg": (f"NDCG@{k}", f"1: the best order; by chance {report.chance:.3f}"),
        "mrr": (f"MRR@{k}", "1 / place of the first good item"),
        "recall": (f"recall@{k}", "share of all good items that is listed"),
        "diversity": ("diversity", "0: the items of a list are all alike"),
        "novelty": ("novelty", f"0: all lists the same; {most}: none share"),
    }
    rows = [[label, *_figures(found[name]), what] for name, (label, what) in told.items()]
    covered = f"{report.covered:,} of {report.items:,} items are listed"
    rows.append(["coverage", f"{report.coverage:.3f}", "", covered])
    queries = len(report.queries)
    print_table(
        f"Relevance of {report.catalogue}: {queries:,} queries{more}",
        ["measure", "value", "95 % interval", "meaning"],
        rows,
    )
    click.echo(f"{report.pairs:,} judgements; half of the answers came in {report.p50_ms:.1f} ms")
    for line in _remarks(report):
        click.echo(line)


def print_recall(report: RecallReport) -> None:
    """Recall, condition by condition, as a table."""
    print_table(
        f"Recall of {report.catalogue}: {report.sample:,} of {report.items:,} items ask",
        ["filter", "passes", f"recall@{report.k}", "95 % interval", "complete", "ms", "exact ms"],
        [_filtered(row, report.items) for row in report.rows],
    )
    if report.missing:
        shares = ", ".join(f"{share:.4g}" for share in report.missing)
        click.echo(f"No tag or number of the catalogue lets about this share through: {shares}")
    perfect = [
        row.recall.n for row in report.rows if row.recall.value == 1.0 and row.compared < 1.0
    ]
    if perfect:  # a bootstrap finds no width where nothing differs; the rule of three does
        n = min(perfect)
        click.echo(
            f"1.000: none of {n:,} answers missed a hit: at most {min(3 / n, 1.0):.2%}"
            " of all do, with 95 % certainty"
        )
    if any(row.compared == 1.0 for row in report.rows):
        click.echo("* every item that passes was compared: there is nothing to miss")
    if not report.is_ready:
        click.echo("The index is still filling: measure again when it is done.")


def _filtered(row: FilteredRecall, items: int) -> list[Any]:
    value, interval = _figures(row.recall)
    return [
        row.condition.where or "none",
        f"{row.condition.matching / items:.2%}",
        value + ("*" if row.compared == 1.0 else ""),
        interval,
        f"{row.complete:.1%}",
        f"{row.p50_ms:.2f}",
        f"{row.exact_p50_ms:.2f}",
    ]


def _figures(estimate: Estimate) -> tuple[str, str]:
    value = "-" if math.isnan(estimate.value) else f"{estimate.value:.3f}"
    known = not math.isnan(estimate.low)
    return value, f"{estimate.low:.3f} .. {estimate.high:.3f}" if known else "-"


def _remarks(report: RelevanceReport) -> list[str]:
    """What a person must know before believing the table."""
    queries = len(report.queries)
    said = [
        f"Skipped {len(skipped):,}: {reason} ({_some(skipped)})"
        for reason, skipped in report.skipped.items()
    ]
    if report.unknown_items:
        said.append(
            f"{len(report.unknown_items):,} judged ids are not in the catalogue and left out:"
            f" {_some(report.unknown_items)}"
        )
    if report.short:
        said.append(f"{report.short:,} lists are shorter than {report.k}")
    if queries < FEW:
        said.append(f"{queries} queries are few: the true intervals are wider than these")
    return said


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:NAMED]) + (", ..." if len(ids) > NAMED else "")
