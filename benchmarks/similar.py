"""``Recommender.similar`` against the same question asked of Redis by hand."""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import (
    TURN,
    Measurement,
    Redis,
    Silent,
    catalogue_of,
    fashion,
    load_here,
    opened,
    p50_ms,
    per_second,
    private_redis,
    race,
)
from recommender import Recommender
from recommender.store.hashes import prefix_of

ROUNDS = 5
SEEDS = 1000
LIMIT = 10
EF = " EF_RUNTIME 128"
"""How many candidates an HNSW index keeps, as the product asks for a page of ten."""
BLOCK = 100
"""Seeds that are compared with everything at once."""
PREFIX = prefix_of("fashion", 1)
CASES: dict[str, dict[str, str]] = {
    "plain": {},
    "broad": {"gender": "Men"},
    "middle": {"article": "Watches"},
    "narrow": {"gender": "Men", "article": "Watches", "colour": "Blue"},
}
"""The conditions of each question: half of the items pass, one in 18, one in 700."""

Rows = list[dict[str, str]]


def run() -> Iterator[Measurement]:
    """HNSW with bars, then words and a flat index for information."""
    with fashion() as source:
        with source.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        seeds = random.Random(7).sample([row["id"] for row in rows], SEEDS)
        with private_redis() as store:
            yield _filled(store, source, "hnsw")
            engine = opened(store, catalogue_of(source, "hnsw"))
            exact = Exact(store, rows)
            for case, conditions in CASES.items():
                yield from _case(case, conditions, store, engine, exact, seeds)
            yield _by_text(engine, rows, seeds)
        with private_redis() as store:
            yield _filled(store, source, "flat")
            engine = opened(store, catalogue_of(source, "flat"))
            yield _flat(store, engine, seeds[: SEEDS // 5])


def raw_similar(
    client: Any, fields: Sequence[str], filter: str, ef: str, catalogue: str = "fashion"
) -> Callable[[str], Any]:
    """HGET of the seed's vector, then FT.SEARCH: the least that the question takes.

    One neighbour more than wanted, because the seed is its own nearest. The engine chooses how to
    search under ``filter``; its answer is not looked at.
    """
    prefix = prefix_of(catalogue, 1)
    # The product gives a flat index no EF_RUNTIME, and nor may we.
    query = f"{filter}=>[KNN {LIMIT + 1} @text_vector $v{ef} AS __distance]"
    tail = (
        "SORTBY", "__distance", "LIMIT", 0, LIMIT + 1,
        "RETURN", len(fields) + 1, "__distance", *fields, "DIALECT", 2, "TIMEOUT", 10_000,
    )  # fmt: skip

    def ask(id: str) -> Any:
        blob = client.hget(prefix + id, "text_vector")
        return client.execute_command("FT.SEARCH", catalogue, query, "PARAMS", 2, "v", blob, *tail)

    return ask


def raw_filter(conditions: dict[str, str]) -> str:
    """The conditions in the engine's own language."""
    parts = " ".join(f"@{field}:{{{label}}}" for field, label in conditions.items())
    return f"({parts})" if parts else "*"


class Exact:
    """Every vector as Redis keeps it, to compare with every one of them."""

    def __init__(self, store: Redis, rows: Rows) -> None:
        self.rows = rows
        self.places = {row["id"]: place for place, row in enumerate(rows)}
        pipe = store.raw.pipeline(transaction=False)
        for row in rows:
            pipe.hget(PREFIX + row["id"], "text_vector")
        self.vectors = np.frombuffer(b"".join(pipe.execute()), np.float32).reshape(len(rows), -1)

    def passing(self, conditions: dict[str, str]) -> NDArray[np.intp]:
        """The places of the rows that meet the conditions."""
        wanted = conditions.items()
        return np.array([place for place, row in enumerate(self.rows) if wanted <= row.items()])

    def wanted(self, seeds: Sequence[str], conditions: dict[str, str]) -> list[tuple[int, float]]:
        """For each seed how many neighbours it can have, at most ten, and the last one's score."""
        passing = self.passing(conditions)
        answers = []
        for start in range(0, len(seeds), BLOCK):
            places = [self.places[id] for id in seeds[start : start + BLOCK]]
            scores = self.vectors[places] @ self.vectors[passing].T
            scores[passing == np.array(places)[:, np.newaxis]] = -np.inf
            for row in scores:
                best = np.partition(row, -LIMIT)[-LIMIT:] if len(row) > LIMIT else row
                best = best[np.isfinite(best)]
                answers.append((len(best), float(best.min())))
        return answers

    def recall(
        self,
        seeds: Sequence[str],
        wanted: Sequence[tuple[int, float]],
        ask: Callable[[str], list[str]],
    ) -> float:
        """Which part of the true nearest ``ask`` finds; one as near as the last is as good."""
        found = 0
        for id, (_, last) in zip(seeds, wanted, strict=True):
            hits = [self.places[hit] for hit in ask(id) if hit != id][:LIMIT]
            found += int((self.vectors[hits] @ self.vectors[self.places[id]] >= last - 1e-6).sum())
        return found / sum(count for count, _ in wanted)


def _filled(store: Redis, source: Path, index: str) -> Measurement:
    """Loads the catalogue; how fast the index filled, once all hashes were there."""
    progress = Silent()
    report = load_here(store, source, catalogue_of(source, index), progress)
    seconds = time.perf_counter() - progress.index_began
    details = {"items": report.items, "load_s": report.seconds}
    return Measurement(f"fill.{index}", report.items / seconds, "items/s", details=details)


def _case(
    case: str,
    conditions: dict[str, str],
    store: Redis,
    engine: Recommender,
    exact: Exact,
    seeds: Sequence[str],
) -> Iterator[Measurement]:
    where = [f"{field}={label}" for field, label in conditions.items()]
    fields = list(engine.entry.catalogue.fields)
    raw = raw_similar(store.raw, fields, raw_filter(conditions), EF)
    times = race(
        {"ours": lambda id: engine.similar(id, limit=LIMIT, where=where), "raw": raw},
        seeds,
        ROUNDS,
        TURN,
    )
    ratios = [sum(raw) / sum(ours) for ours, raw in zip(times["ours"], times["raw"], strict=True)]
    details = {
        "where": where,
        "passing": len(exact.passing(conditions)),
        "raw_per_s": per_second(times["raw"]),
        "p50_ms": p50_ms(times["ours"]),
        "raw_p50_ms": p50_ms(times["raw"]),
        "ratios": ratios,
    }
    value = per_second(times["ours"])
    yield Measurement(f"similar.{case}", value, "queries/s", median(ratios), None, 0.75, details)

    def ids_of_ours(id: str) -> list[str]:
        return [hit.id for hit in engine.similar(id, limit=LIMIT, where=where)]

    def ids_of_raw(id: str) -> list[str]:
        return [key.decode().removeprefix(PREFIX) for key in raw(id)[1::2]]

    wanted = exact.wanted(seeds, conditions)
    ours = exact.recall(seeds, wanted, ids_of_ours)
    details = {"raw_recall": exact.recall(seeds, wanted, ids_of_raw)}
    yield Measurement(f"similar.{case}.recall", ours, "recall@10", at_least=0.98, details=details)


def _by_text(engine: Recommender, rows: Rows, seeds: Sequence[str]) -> Measurement:
    names = {row["id"]: row["name"] for row in rows}
    times = race({"ours": lambda id: engine.search(names[id])}, seeds, 1, TURN)
    return Measurement("search.text", p50_ms(times["ours"]), "ms")


def _flat(store: Redis, engine: Recommender, seeds: Sequence[str]) -> Measurement:
    fields = list(engine.entry.catalogue.fields)
    raw = raw_similar(store.raw, fields, "*", "")
    times = race({"ours": engine.similar, "raw": raw}, seeds, 1, TURN)
    details = {"raw_p50_ms": p50_ms(times["raw"])}
    ratio = sum(times["raw"][0]) / sum(times["ours"][0])
    return Measurement("similar.flat", p50_ms(times["ours"]), "ms", ratio, details=details)
