"""A catalogue with all that writing items to it takes, for whoever holds its lock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from recommender.batch import Comparer, Row, write
from recommender.catalogue import vector_field
from recommender.convert import Converter
from recommender.embedding import Embedding, Made
from recommender.errors import RecordError, UnknownItem
from recommender.fields import KINDS
from recommender.items import Record, Reject
from recommender.opening import open_for_writing
from recommender.settings import Settings
from recommender.shape import ID, by_own_names, column_of
from recommender.store import hashes, neighbours
from recommender.store.catalogues import Entry
from recommender.store.connection import Client
from recommender.vectors import from_bytes

Result = Literal["created", "changed", "unchanged", "rejected"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item that was to be written.

    ``result`` is created, changed, unchanged or rejected, and ``detail`` then the reason;
    ``embedded`` is whether a text was embedded for it; ``id`` is None where none can be told.
    """

    place: str
    id: str | None
    result: Result
    embedded: bool = False
    detail: str = ""


class Stored(NamedTuple):
    """An item as Redis holds it.

    ``fields`` are its bytes, ``values`` the same and its given vectors by the converter's names;
    ``embedded`` is the digest of what its vectors were made from.
    """

    fields: dict[str, bytes]
    values: dict[str, Any]
    embedded: str


class Target:
    """An entry with its converter and its embedders; items have the catalogue's own names."""

    def __init__(self, client: Client, entry: Entry, settings: Settings) -> None:
        """Raises ModelMismatch where the embedder is not the one that the entry was made with."""
        opening = open_for_writing(client, entry.catalogue, (), settings)
        self.entry = entry
        self.prefix = opening.prefix
        self.catalogue = by_own_names(entry.catalogue)
        dims = {name: stamp.dims for name, stamp in entry.stamps.items()}
        self._converter = Converter(self.catalogue, dims)
        self._client = client
        self._embedders = opening.embedders
        self._concurrency = settings.concurrency

    def comparer(self) -> Comparer:
        """What knows the ids of one call."""
        return Comparer(self._client, self.prefix, self._converter)

    def put(
        self,
        records: Sequence[Record | Reject],
        comparer: Comparer,
        check_lock: Callable[[], None],
    ) -> list[Outcome]:
        """Writes whole items, and says in their order what became of them."""
        # Places are the callers' words and may repeat; positions do not.
        numbered = [replace(record, place=str(number)) for number, record in enumerate(records)]
        batch = comparer.compare(numbered)
        made, refused = self._embed(batch.rows, self.catalogue.vectors)
        check_lock()
        self._note_changed(made)
        write(self._client, self.prefix, made)
        rows = {row.place: row for row, _ in made}
        rejects = {reject.place: reject for reject in [*batch.rejects, *refused]}
        return [
            self._outcome(record, rows.get(str(number)), rejects.get(str(number)))
            for number, record in enumerate(records)
        ]

    def patch(self, id: str, parts: Mapping[str, Any], check_lock: Callable[[], None]) -> Outcome:
        """Writes some parts of one item. Raises UnknownItem, RecordError."""
        stored = self._stored(id)
        values = {**stored.values, **parts}
        old_texts = self._converter.texts_of(stored.values)
        new = self._converter.prepare(id, values)
        changed = {name for name, text in new.texts.items() if text != old_texts[name]}
        changed |= {name for name in new.given if column_of(name) in parts}
        if not changed or (new.embedded and new.embedded == stored.embedded):
            changed, new = set(), replace(new, embedded=stored.embedded)
            if new.fields == stored.fields:
                return Outcome(id, id, "unchanged")
        row = Row(id, self._converter.digest_of(values), new, bool(changed), is_new=False)
        made, refused = self._embed([row], changed)
        if refused:
            raise RecordError(refused[0].reason)
        check_lock()
        self._note_changed(made)
        write(self._client, self.prefix, made)
        return Outcome(id, id, "changed", embedded=not changed.isdisjoint(self._embedders))

    def _note_changed(self, made: Sequence[Made]) -> None:
        """For the stored neighbours, where there are some."""
        ids = [row.prepared.id for row, _ in made if row.needs_vectors]
        name, generation = self.catalogue.name, self.entry.generation
        if ids and neighbours.is_built(self._client, name, generation):
            neighbours.note_changed(self._client, name, generation, ids)

    def _stored(self, id: str) -> Stored:
        given = {
            name: spec for name, spec in self.catalogue.vectors.items() if spec.column is not None
        }
        names = [*self.catalogue.fields, *map(vector_field, given), hashes.EMBEDDED]
        blobs = hashes.read(self._client, self.prefix, id, names)
        if blobs is None:
            raise UnknownItem(
                f"there is no item {id!r} in {self.catalogue.name!r}",
                remedy="Ids are compared letter by letter; a new item is put there whole",
                parameter="id",
            )
        found = {name: blob for name, blob in zip(names, blobs, strict=True) if blob is not None}
        fields = {name: found[name] for name in self.catalogue.fields if name in found}
        values = {
            name: KINDS[self.catalogue.fields[name].type].unpack(blob)
            for name, blob in fields.items()
        }
        for name, spec in given.items():
            values[column_of(name)] = from_bytes(found.get(vector_field(name), b""), spec.type)
        return Stored(fields, values, found.get(hashes.EMBEDDED, b"").decode())

    def _embed(
        self, rows: Sequence[Row], names: Collection[str]
    ) -> tuple[list[Made], list[Reject]]:
        """The rows with these of their vectors, and those that cannot have them."""
        vectors = {name: spec for name, spec in self.catalogue.vectors.items() if name in names}
        embedders = {name: each for name, each in self._embedders.items() if name in names}
        wanted = self.catalogue.model_copy(update={"vectors": vectors})
        embedding = Embedding(wanted, embedders, self._concurrency)
        try:
            return embedding.finish(embedding.start(rows))
        finally:
            embedding.close()

    def _outcome(self, record: Record | Reject, row: Row | None, reject: Reject | None) -> Outcome:
        if row is not None:
            result: Result = "created" if row.is_new else "changed"
            embedded = row.needs_vectors and bool(self._embedders)
            return Outcome(record.place, row.prepared.id, result, embedded)
        if reject is not None:
            return Outcome(record.place, reject.id, "rejected", detail=reject.reason)
        id = record.id if isinstance(record, Reject) else record.values[ID]
        return Outcome(record.place, id, "unchanged")
