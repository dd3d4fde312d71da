"""What a fit to judgements brings on queries that it has not seen, and what its answers cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import loaders
from benchmarks.common import (
    FILMS,
    MOVIES,
    MOVIES_JUDGED,
    RELEVANCE,
    TURN,
    Measurement,
    Redis,
    Silent,
    load_here,
    p50_ms,
    private_redis,
    race,
    timed,
)
from benchmarks.similar import EF, LIMIT, ROUNDS, raw_similar
from recommender import Catalogue, Recommender, Record, infer, presets
from recommender.evaluate import relevance
from recommender.judgements import Judgements
from recommender.tune import Tuned, tune

SEEDS = 300
TEMPLATE = "{title}. {overview} Genres: {genres}. Keywords: {keywords}"
SEPARATOR = "|"
LIKED = ("popularity", "vote_count", "vote_average")
"""Fields that say how much people liked a film: a new catalogue has nothing of the kind."""
PRESET = "tuned"
TIMES = 15
"""How often the raw Redis time may go into a tuned question."""


@dataclass(frozen=True)
class Case:
    """A catalogue, the fields that a fit may not look at, and what its NDCG@10 is to be."""

    name: str
    source: Path
    without: Sequence[str]
    at_least: float


CASES = (
    Case("judged", MOVIES_JUDGED, (), 0.52),
    Case("judged_unliked", MOVIES_JUDGED, LIKED, 0.49),
    Case("movies", MOVIES, (), 0.48),
)


def run() -> Iterator[Measurement]:
    """Nothing where the data is not there; see :func:`benchmarks.common.missing_data`."""
    if not all(path.exists() for path in FILMS):
        return
    records = (record for record in loaders.load(str(RELEVANCE)) if isinstance(record, Record))
    judgements = Judgements.from_records(records)
    for case in CASES:
        with private_redis() as store:
            load_here(store, case.source, films(case.source), Silent())
            engine = Recommender("films", settings=store.settings, server=store.server)
            yield from _case(case, store, engine, judgements)


def films(source: Path) -> Catalogue:
    """What the product infers from ``source``, called films, with a text that names its labels."""
    records = (record for record in loaders.load(str(source)) if isinstance(record, Record))
    data = infer(islice(records, 1000), "films").model_dump()
    for name in ("genres", "keywords"):
        data["fields"][name] |= {"type": "tag", "separator": SEPARATOR}
    data["vectors"]["text"] |= {"embedder": "wordllama", "template": TEMPLATE, "index": "hnsw"}
    return Catalogue.from_dict(data)


def _case(
    case: Case, store: Redis, engine: Recommender, judgements: Judgements
) -> Iterator[Measurement]:
    half, held = judgements.half("open"), judgements.half("held")
    found: list[Tuned] = []
    seconds = timed(lambda: found.append(tune(engine, half, without=case.without)))
    [tuned] = found
    presets.save(store.server.client, "films", PRESET, tuned.wishes)
    # Another engine, because an open one looks at the catalogue's file once a second only.
    engine = Recommender("films", settings=store.settings, server=store.server)
    plain, ranked, exact = (
        relevance(engine, held, k=LIMIT, arguments=arguments)
        for arguments in ({}, {"preset": PRESET}, {"preset": PRESET, "exact": True})
    )
    boosts = tuned.wishes["boosts"]
    details: dict[str, Any] = {
        "low": ranked.ndcg.low,
        "high": ranked.ndcg.high,
        "queries": len(ranked.queries),
        "plain": plain.ndcg.value,
        "exact": exact.ndcg.value,
        "coverage": ranked.coverage,
        "plain_coverage": plain.coverage,
        "unseen_in_fit": tuned.comparison.after["ndcg"],
        "fitted_on": tuned.queries,
        "boosts": len(boosts),
        "pool": tuned.wishes["pool"],
        "wishes": tuned.wishes,
    }
    yield Measurement(
        f"relevance.{case.name}", ranked.ndcg.value, "NDCG@10",
        at_least=case.at_least, details=details,
    )  # fmt: skip
    yield Measurement(f"relevance.{case.name}.tune", seconds, "s")
    yield _speed(case, store, engine, ranked.queries[:SEEDS])


def _speed(case: Case, store: Redis, engine: Recommender, seeds: Sequence[str]) -> Measurement:
    fields = list(engine.entry.catalogue.fields)
    raw = raw_similar(store.raw, fields, "*", EF, "films")
    sides = {"ours": lambda id: engine.similar(id, limit=LIMIT, preset=PRESET), "raw": raw}
    times = race(sides, seeds, ROUNDS, TURN)
    ratios = [
        median(ours) / median(raw) for ours, raw in zip(times["ours"], times["raw"], strict=True)
    ]
    details = {"raw_p50_ms": p50_ms(times["raw"]), "seeds": len(seeds), "ratios": ratios}
    return Measurement(
        f"relevance.{case.name}.similar", p50_ms(times["ours"]), "ms",
        median(ratios), at_most=TIMES, details=details,
    )  # fmt: skip
