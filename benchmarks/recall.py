"""How much of the exact answer an HNSW index finds, plain and under filters of its own fields."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.common import (
    Measurement,
    Silent,
    catalogue_of,
    fashion,
    load_here,
    opened,
    private_redis,
)
from recommender.recall import FilteredRecall, recall

SEEDS = 300
SELECTIVITIES = (1.0, 0.5, 0.1, 0.01, 0.001)
PLAIN, FILTERED = 0.99, 0.98
"""What is to be found at least, without a condition and with one."""


def run() -> Iterator[Measurement]:
    """For each condition the recall and whether answers are complete, then what was missing."""
    with fashion() as source, private_redis() as store:
        catalogue = catalogue_of(source, "hnsw")
        load_here(store, source, catalogue, Silent())
        report = recall(opened(store, catalogue), sample=SEEDS, selectivities=SELECTIVITIES)
    for row in report.rows:
        yield from _row(row, report.items)
    missing = {"missing": list(report.missing), "wanted": list(SELECTIVITIES)}
    yield Measurement(
        "recall.missing", len(report.missing), "selectivities", at_most=0, details=missing
    )


def _row(row: FilteredRecall, items: int) -> Iterator[Measurement]:
    condition = row.condition
    name = f"recall.{condition.where or 'plain'}"
    details = {
        "low": row.recall.low,
        "high": row.recall.high,
        "seeds": row.recall.n,
        "passing": condition.matching,
        "selectivity": condition.matching / items,
        "compared_all": row.compared,
        "p50_ms": row.p50_ms,
        "p95_ms": row.p95_ms,
        "exact_p50_ms": row.exact_p50_ms,
    }
    least = FILTERED if condition.where else PLAIN
    yield Measurement(name, row.recall.value, "recall@10", at_least=least, details=details)
    yield Measurement(f"{name}.complete", row.complete, "share of answers", at_least=1.0)
