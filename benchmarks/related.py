"""Stored neighbours: building them against bare numpy, reading one list against bare Redis."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Sequence
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
    timed,
)
from recommender import Writer
from recommender.related import SIZE, build
from recommender.store import neighbours

ROUNDS = 5
SEEDS = 1000
LIMIT = 10
BLOCK = 512
"""Rows that bare numpy multiplies at once: 91 MB of products, about as many as the build takes."""
ITEMS, LISTS = "fashion:1:item:", "fashion:1:near:"


def run() -> Iterator[Measurement]:
    """A build and a read with bars, then one item written, for information."""
    with fashion() as source, private_redis() as store:
        with source.open(newline="", encoding="utf-8") as file:
            ids = [row["id"] for row in csv.DictReader(file)]
        catalogue = catalogue_of(source, "hnsw")
        load_here(store, source, catalogue, Silent())
        yield _build(store, ids)
        seeds = random.Random(7).sample(ids, SEEDS)
        engine = opened(store, catalogue)
        fields = list(engine.entry.catalogue.fields)
        times = race(
            {
                "ours": lambda id: engine.related(id, limit=LIMIT),
                "raw": lambda id: raw_related(store.raw, id, fields),
            },
            seeds,
            ROUNDS,
            TURN,
        )
        ratios = [sum(raw) / sum(ours) for ours, raw in zip(*times.values(), strict=True)]
        details = {
            "raw_per_s": per_second(times["raw"]),
            "p50_ms": p50_ms(times["ours"]),
            "raw_p50_ms": p50_ms(times["raw"]),
            "ratios": ratios,
        }
        value = per_second(times["ours"])
        yield Measurement("related.read", value, "reads/s", median(ratios), None, 0.6, details)
        yield _write(store, seeds)


def raw_related(client: Any, id: str, fields: Sequence[str]) -> Any:
    """The least that the question takes: the list, then the fields of its first ten."""
    near = neighbours.unpacked(client.get(LISTS + id))
    pipe = client.pipeline(transaction=False)
    for other in near.ids[:LIMIT]:
        pipe.hmget(ITEMS + other.decode(), fields)
    return pipe.execute()


def bare(matrix: NDArray[np.float32]) -> None:
    """The products of all rows with all, and the places of the largest of each, in blocks."""
    for start in range(0, len(matrix), BLOCK):
        products = matrix[start : start + BLOCK] @ matrix.T
        np.argpartition(products, -SIZE - 1, axis=1)[:, -SIZE - 1 :]


def _build(store: Redis, ids: Sequence[str]) -> Measurement:
    """From hashes to lists, reading and writing included."""
    pipe = store.raw.pipeline(transaction=False)
    for id in ids:
        pipe.hget(ITEMS + id, "text_vector")
    matrix = np.frombuffer(b"".join(pipe.execute()), np.float32).reshape(len(ids), -1)
    bare(matrix[:BLOCK])
    raw = timed(lambda: bare(matrix))
    ours = timed(lambda: build(store.server, "fashion"))
    raw = min(raw, timed(lambda: bare(matrix)))  # on both sides of ours
    details = {"raw_s": raw, "items": len(ids), "dims": matrix.shape[1]}
    return Measurement("related.build", ours, "s", ours / raw, at_most=1.5, details=details)


def _write(store: Redis, seeds: Sequence[str]) -> Measurement:
    """One item with another text, and every list that this changes."""
    writer = Writer("fashion", settings=store.settings, server=store.server)
    texts = iter(seeds)

    def write() -> None:
        writer.patch(next(texts), {"name": "Blue jeans for tall men"})

    seconds = [timed(write) for _ in range(5)]
    return Measurement("related.write", median(seconds), "s", details={"all_s": seconds})
