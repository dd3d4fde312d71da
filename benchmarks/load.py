"""Loading the fashion catalogue: time against its parts, memory, and loading it again."""

from __future__ import annotations

import csv
import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.common import (
    Measurement,
    Ran,
    Redis,
    Silent,
    catalogue_of,
    fashion,
    generated,
    load_here,
    opened,
    private_redis,
    run_command,
    timed,
)
from recommender import Catalogue
from recommender.catalogue import vector_field
from recommender.convert import Converter
from recommender.embedders.base import Embedder, make_embedder
from recommender.settings import Settings
from recommender.store.hashes import prefix_of

ROUNDS = 5
EMBED_BATCH = 1000
PIPELINE = 500
MEMORY_MB = 300
FEW, MANY = 20_000, 200_000


def run() -> Iterator[Measurement]:
    """Time, loading again, memory."""
    with fashion() as source:
        yield from _times(source)
    with generated(FEW) as few, generated(MANY) as many:
        yield from _memory(few, many)


@dataclass(frozen=True)
class Parts:
    """What a load cannot do without: texts to embed, and bytes to write."""

    embedder: Embedder
    ids: list[str]
    texts: list[str]
    commands: list[list[str | bytes]]

    def embed(self) -> None:
        """All texts through the embedder, and nothing else."""
        for start in range(0, len(self.texts), EMBED_BATCH):
            self.embedder.embed(self.texts[start : start + EMBED_BATCH])

    def write(self, store: Redis) -> None:
        """Fields and vectors as pipelined HSET, and nothing else."""
        for start in range(0, len(self.commands), PIPELINE):
            pipe = store.raw.pipeline(transaction=False)
            for command in self.commands[start : start + PIPELINE]:
                pipe.execute_command(*command)
            pipe.execute()


def _parts(source: Path, catalogue: Catalogue) -> Parts:
    """The same texts, field bytes and vectors that the product makes of ``source``."""
    embedder = make_embedder("wordllama", None, Settings(home=Path()))
    converter = Converter(catalogue, {"text": embedder.dims})
    prefix = prefix_of(catalogue.name, 1)
    ids: list[str] = []
    texts: list[str] = []
    commands: list[list[str | bytes]] = []
    with source.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            item = converter.prepare(converter.id_of(row), row)
            ids.append(item.id)
            texts.append(item.texts["text"])
            pairs = [part for pair in item.fields.items() for part in pair]
            commands.append(["HSET", prefix + item.id, *pairs])
    for start in range(0, len(texts), EMBED_BATCH):
        matrix = embedder.embed(texts[start : start + EMBED_BATCH])
        for command, row in zip(commands[start : start + EMBED_BATCH], matrix, strict=True):
            command += [vector_field("text"), row.tobytes()]
    return Parts(embedder, ids, texts, commands)


@dataclass(frozen=True)
class Loads:
    """One round: the first load up to its first answer, and the second, which finds nothing new."""

    answering: float
    first: Ran
    again: Ran
    hset_calls: int
    changes: int


def _times(source: Path) -> Iterator[Measurement]:
    catalogue = catalogue_of(source, "flat")
    parts = _parts(source, catalogue)
    id = parts.ids[0]
    gc.collect()
    gc.freeze()  # the parts are no business of the garbage collections of what is measured
    embed, write, here, loads = [], [], [], []
    for _ in range(ROUNDS):
        embed.append(timed(parts.embed))
        with private_redis() as store:
            write.append(timed(partial(parts.write, store)))
        loads.append(_in_processes(source, catalogue, id))
        here.append(_in_this_process(source, catalogue, id))
    gc.unfreeze()
    yield from _compared(embed, write, here, [each.answering for each in loads], len(parts.texts))
    yield from _again(loads)
    peak = max(each.first.peak_mb for each in loads)
    yield Measurement("load.memory", peak, "MB", at_most=MEMORY_MB, details={"source": source.name})


def _compared(
    embed: Sequence[float],
    write: Sequence[float],
    here: Sequence[float],
    process: Sequence[float],
    items: int,
) -> Iterator[Measurement]:
    parts = [sum(pair) for pair in zip(embed, write, strict=True)]
    shared = {"items": items, "embed_s": median(embed), "hset_s": median(write)}
    for name, seconds, most, inside in (
        (
            "load.flat.process",
            process,
            None,
            "a `recommender load` process from its start to its end (Python's start and the"
            " model's loading included), then the first similar; Redis runs already",
        ),
        (
            "load.flat",
            here,
            2.5,
            "sync() up to the first similar; Python and the model are there already, as they are"
            " for the embedding and the HSETs that it is compared with",
        ),
    ):
        ratios = [whole / part for whole, part in zip(seconds, parts, strict=True)]
        details = {"inside": inside, "ratios": ratios, "items_per_s": items / median(seconds)}
        yield Measurement(
            name, median(seconds), "s", median(ratios), at_most=most, details=shared | details
        )


def _again(loads: Sequence[Loads]) -> Iterator[Measurement]:
    again = median(each.again.seconds for each in loads)
    ratios = [each.again.seconds / each.first.seconds for each in loads]
    yield Measurement(
        "load.again", again, "s", median(ratios), at_most=1 / 3, details={"ratios": ratios}
    )
    done = {
        "embedded": sum(each.again.said["embedded"] for each in loads),
        "written": sum(each.again.said["written"] for each in loads),
        "hset_calls": sum(each.hset_calls for each in loads),
    }
    changes = max(each.changes for each in loads)
    yield Measurement(
        "load.again.work",
        sum(done.values()),
        "items embedded or written",
        at_most=0,
        details=done | {"redis_changes": changes, "changes_are": "the lock, taken and given back"},
    )


def _in_processes(source: Path, catalogue: Catalogue, id: str) -> Loads:
    with private_redis() as store, _spec(store, catalogue) as spec:
        first = run_command(store, "load", str(source), "--spec", spec)
        answer = timed(lambda: opened(store, catalogue).similar(id))
        before = _writes(store)
        again = run_command(store, "load", str(source), "--spec", spec)
        hset_calls, changes = (
            after - earlier for after, earlier in zip(_writes(store), before, strict=True)
        )
    return Loads(first.seconds + answer, first, again, hset_calls, changes)


def _in_this_process(source: Path, catalogue: Catalogue, id: str) -> float:
    def load_and_ask() -> None:
        load_here(store, source, catalogue, Silent())
        opened(store, catalogue).similar(id)

    with private_redis() as store:
        return timed(load_and_ask)


def _writes(store: Redis) -> tuple[int, int]:
    """Redis's own counts: calls of HSET so far, and all changes to its data."""
    calls = store.raw.info("commandstats").get("cmdstat_hset", {}).get("calls", 0)
    return calls, store.raw.info("persistence")["rdb_changes_since_last_save"]


def _memory(few: Path, many: Path) -> Iterator[Measurement]:
    """A flat index, because the index is Redis's memory and the loader's only wait."""
    peaks = []
    for source in (few, many):
        catalogue = catalogue_of(source, "flat")
        with private_redis() as store, _spec(store, catalogue) as spec:
            peaks.append(run_command(store, "load", str(source), "--spec", spec).peak_mb)
    rows = {"rows": [FEW, MANY], "peaks_mb": peaks}
    yield Measurement("load.memory.many_rows", peaks[1], "MB", at_most=MEMORY_MB, details=rows)
    yield Measurement(
        "load.memory.flat_in_rows", peaks[1], "MB", peaks[1] / peaks[0], at_most=1.15, details=rows
    )


@contextmanager
def _spec(store: Redis, catalogue: Catalogue) -> Iterator[str]:
    """The catalogue as a file, in a directory that goes with the server."""
    path = store.settings.home / "fashion.yaml"
    path.write_text(catalogue.to_yaml(), encoding="utf-8")
    yield str(path)
