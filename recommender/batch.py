"""A batch of records against what Redis keeps: which are new, changed, unchanged or no items."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from recommender.convert import Converter, Prepared
from recommender.errors import RecordError, SourceError
from recommender.items import Record, Reject
from recommender.seen import SeenDocuments, SeenIds
from recommender.store import hashes
from recommender.store.connection import Client
from recommender.store.packed import Sent

REPEATED = "came before in this load"
"""How the reason of a second record with one id ends."""

SIZE = 1000
"""Records that are compared at once."""


@dataclass(slots=True)  # not frozen: that would triple the time to make one
class Row:
    """A record on its way into Redis: a new item, or one that changed."""

    place: str
    digest: str
    prepared: Prepared
    needs_vectors: bool
    is_new: bool


@dataclass(slots=True)
class Batch:
    """What became of some records.

    ``unchanged`` are ids, and so are ``skipped``: those that came before, where that is no fault.
    """

    rows: list[Row] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


class Comparer:
    """Compares the batches of one load, one after the other.

    Of records with one id the first good one counts; the others are rejected, or skipped where
    ``skip_repeated``. ``is_new`` spares looking into a catalogue that has no items yet.

    ``parent`` is the column that names the document where records are passages: a document that
    came before is repeated whole, and a bad record may have been any passage of its document.
    """

    def __init__(
        self,
        client: Client,
        prefix: str,
        converter: Converter,
        *,
        is_new: bool = False,
        skip_repeated: bool = False,
        parent: str | None = None,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._converter = converter
        self._is_new = is_new
        self._skip_repeated = skip_repeated
        self._parent = parent
        self._documents = SeenDocuments()
        self._taken = SeenIds()
        self._spoilt = SeenIds()
        self.nameless = 0
        """How many records were rejected without an id: which items they were, nobody knows."""

    def compare(self, records: Sequence[Record | Reject]) -> Batch:
        """Sorts out ``records``."""
        batch = Batch()
        fresh: list[tuple[Record, str, str]] = []
        for record in records:
            if isinstance(record, Reject):
                batch.rejects.append(record)
                continue
            id, values = None, record.values
            try:
                id = self._converter.id_of(values)
                fresh.append((record, id, self._converter.digest_of(values)))
            except RecordError as error:
                batch.rejects.append(Reject(record.place, str(error), id))
        self._compare(batch, fresh)
        spoilt = [reject.id for reject in batch.rejects if reject.id is not None]
        self._spoilt.add(spoilt + self._documents_of(spoilt))
        self.nameless += sum(reject.id is None for reject in batch.rejects)
        return batch

    def names(self, ids: Sequence[str]) -> list[bool]:
        """For each id whether any record so far had it, a bad one too."""
        found = [self._taken.known(ids), self._spoilt.known(ids)]
        if self._parent is not None:
            found.append(self._spoilt.known(self._documents_of(ids)))
        return [any(known) for known in zip(*found, strict=True)]

    def _documents_of(self, ids: Sequence[str]) -> list[str]:
        """The ids of the documents that these may be passages of."""
        return [] if self._parent is None else [id.rpartition("#")[0] or id for id in ids]

    def _is_repeated(self, record: Record, id: str) -> bool:
        """Whether ``id`` is a passage of another document than the first good one of its name."""
        if self._parent is None:
            return False
        return self._documents.came_before(str(record.values.get(self._parent)), id)

    def _compare(self, batch: Batch, fresh: Sequence[tuple[Record, str, str]]) -> None:
        ids = [id for _, id, _ in fresh]
        stored: list[tuple[bytes | None, bytes | None]] = [(None, None)] * len(ids)
        if not self._is_new:
            stored = hashes.digests(self._client, self._prefix, ids)
        taken = {id for id, known in zip(ids, self._taken.known(ids), strict=True) if known}
        for (record, id, digest), (old_digest, old_embedded) in zip(fresh, stored, strict=True):
            if self._is_repeated(record, id) or id in taken:
                if self._skip_repeated:
                    batch.skipped.append(id)
                else:
                    reason = f"the id {id!r} {REPEATED}"
                    batch.rejects.append(Reject(record.place, reason, id))
                continue
            is_new = old_digest is None
            if not is_new and old_digest == digest.encode():
                batch.unchanged.append(id)
            else:
                try:
                    prepared = self._converter.prepare(id, record.values)
                except RecordError as error:
                    batch.rejects.append(Reject(record.place, str(error), id))
                    continue
                embedded = prepared.embedded.encode()
                needs_vectors = not embedded or old_embedded != embedded
                batch.rows.append(Row(record.place, digest, prepared, needs_vectors, is_new))
            taken.add(id)
            if self._parent is not None:
                self._documents.take()
        self._taken.add(list(taken))


def batches(stream: Iterable[Record | Reject]) -> Iterator[list[Record | Reject]]:
    """The entries of ``stream`` in lists of SIZE; where it breaks off, first what came before."""
    batch: list[Record | Reject] = []
    try:
        for entry in stream:
            batch.append(entry)
            if len(batch) == SIZE:
                yield batch
                batch = []
    except SourceError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def begin_write(
    client: Client,
    prefix: str,
    rows: Sequence[tuple[Row, Mapping[str, bytes]]],
    *,
    at_once: bool = False,
) -> Sent:
    """Begins to write rows with the bytes of their vectors (see ``hashes.begin_write``)."""
    now = str(int(time.time()))
    items = []
    for row, blobs in rows:
        prepared = row.prepared
        fields: dict[str, str | bytes] = {**prepared.fields, **blobs}
        fields[hashes.DIGEST], fields[hashes.WRITTEN_AT] = row.digest, now
        if prepared.embedded:
            fields[hashes.EMBEDDED] = prepared.embedded
        items.append((prepared.id, fields, () if row.is_new else prepared.missing))
    return hashes.begin_write(client, prefix, items, at_once=at_once)


def write(client: Client, prefix: str, rows: Sequence[tuple[Row, Mapping[str, bytes]]]) -> None:
    """The same, done when it returns."""
    begin_write(client, prefix, rows).finish()
