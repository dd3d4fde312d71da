"""What writing to a catalogue begins with: its entry, its embedders, its converter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain

from recommender import presets
from recommender.batch import Comparer, batches
from recommender.catalogue import PARENT, Catalogue, VectorSpec
from recommender.convert import Converter, parse_vector
from recommender.embedders.base import Embedder, make_embedder
from recommender.embedders.cached import Cached
from recommender.errors import InvalidCatalogue
from recommender.items import Record, Reject
from recommender.report import Progress
from recommender.settings import Settings
from recommender.spread import spread
from recommender.store import catalogues, hashes
from recommender.store.catalogues import Entry, Stamp
from recommender.store.connection import Client
from recommender.store.embeddings import Kept


@dataclass(frozen=True, slots=True)
class Opening:
    """A catalogue as it will be written: its entry, and what turns records into its items.

    ``is_new`` means that nothing of it is in Redis yet, ``is_changed`` that its entry is not;
    ``embedders`` are by the vector's name, none for a vector that is given.
    """

    entry: Entry
    is_new: bool
    is_changed: bool
    embedders: Mapping[str, Embedder]
    converter: Converter

    @property
    def prefix(self) -> str:
        """What the keys of its items start with."""
        return hashes.prefix_of(self.entry.catalogue.name, self.entry.generation)

    def unknown(self, vector: str, texts: Sequence[str]) -> list[str]:
        """Those of ``texts`` whose vectors are not kept from earlier."""
        embedder = self.embedders[vector]
        return embedder.unknown(texts) if isinstance(embedder, Cached) else list(texts)


def begin(
    client: Client,
    catalogue: Catalogue,
    records: Iterable[Record | Reject],
    settings: Settings,
    progress: Progress,
    *,
    skip_repeated: bool,
) -> tuple[Opening, Comparer, Iterator[list[Record | Reject]]]:
    """Opens ``catalogue`` for ``records``: it, what compares them, and their batches."""
    parts = batches(spread(records, catalogue) if catalogue.passages else records)
    first = next(parts, [])
    opening = open_for_writing(client, catalogue, first, settings)
    if note := _missing_columns(opening, first):
        progress.note(note)
    source = Comparer(
        client,
        opening.prefix,
        opening.converter,
        is_new=opening.is_new,
        skip_repeated=skip_repeated,
        parent=catalogue.column(PARENT) if catalogue.passages else None,
    )
    return opening, source, chain([first], parts) if first else parts


def open_for_writing(
    client: Client, catalogue: Catalogue, first: Sequence[Record | Reject], settings: Settings
) -> Opening:
    """Opens ``catalogue``, new or kept; ``first`` records tell the length of given vectors.

    Raises ModelMismatch or InvalidCatalogue where it is kept with other vectors or settings.
    """
    kept = catalogues.find(client, catalogue.name)
    made: dict[tuple[str, int | None], Embedder] = {}  # one each, which never asks for a text twice
    embedders: dict[str, Embedder] = {}
    for name, spec in catalogue.vectors.items():
        if spec.embedder != "given":
            key = (spec.embedder, spec.dims)
            made[key] = made.get(key) or _embedder(client, *key, settings)
            embedders[name] = made[key]
    stamps = {
        name: _stamp_of_model(spec, embedders[name])
        if name in embedders
        else _stamp_of_column(spec, kept.stamps.get(name) if kept else None, first)
        for name, spec in catalogue.vectors.items()
    }
    if kept is not None:
        kept.check_same(catalogue, stamps)
        catalogue = catalogue.with_presets({**kept.catalogue.presets, **catalogue.presets})
    presets.check(catalogue)
    converter = Converter(catalogue, {name: stamp.dims for name, stamp in stamps.items()})
    entry = Entry(catalogue, kept.generation if kept else 1, stamps)
    is_changed = kept is None or kept.catalogue != catalogue
    return Opening(entry, kept is None, is_changed, embedders, converter)


def _embedder(client: Client, name: str, dims: int | None, settings: Settings) -> Embedder:
    embedder = make_embedder(name, dims, settings)
    if not embedder.is_remote:  # to embed again is faster than to fetch
        return embedder
    return Cached(embedder, Kept(client, embedder.name, embedder.dims))


def _stamp_of_model(spec: VectorSpec, embedder: Embedder) -> Stamp:
    made_from = blake2b(str(spec.template).encode(), digest_size=8).hexdigest()
    return Stamp(embedder.name, embedder.dims, made_from)


def _stamp_of_column(
    spec: VectorSpec, kept: Stamp | None, first: Sequence[Record | Reject]
) -> Stamp:
    column = str(spec.column)
    dims = spec.dims or (kept.dims if kept else None)
    if dims is None:
        found = [parse_vector(record.values.get(column)) for record in _records(first)]
        lengths = Counter(len(vector) for vector in found if vector)
        if not lengths:
            raise InvalidCatalogue(
                f"the column {column!r} holds no vector in the first {len(first):,} records",
                remedy="A vector is a list of numbers, in CSV written like [0.1, 0.2]",
            )
        [(dims, _)] = lengths.most_common(1)
    return Stamp("given", dims, column)


def _missing_columns(opening: Opening, first: Sequence[Record | Reject]) -> str:
    """A note on the columns that the source seems not to have; "" where it has all."""
    there = {name for record in _records(first) for name in record.values}
    wanted = [opening.entry.catalogue.id, *opening.converter.columns]
    missing = [name for name in wanted if there and name not in there]
    if not missing:
        return ""
    return (
        f"No record so far has {', '.join(map(repr, missing))};"
        f" they have {', '.join(map(repr, sorted(there)))}"
    )


def _records(entries: Sequence[Record | Reject]) -> list[Record]:
    return [entry for entry in entries if isinstance(entry, Record)]
