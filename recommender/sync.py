"""Records -> items -> what is new or changed -> embedded -> written -> indexed -> checked.

Every batch is written before the next is read, so whatever stops a load, what was done stays done
and the next load goes on from there.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import vectors
from recommender.catalogue import Catalogue, VectorSpec, vector_field
from recommender.convert import Converter, Prepared, parse_vector
from recommender.embedders.base import embed_all, make_embedder
from recommender.errors import (
    EmbedderError,
    InvalidCatalogue,
    RecordError,
    SourceError,
    StoreError,
)
from recommender.items import Record, Reject
from recommender.report import Progress, Report, Silent
from recommender.seen import SeenIds
from recommender.settings import Settings
from recommender.store import catalogues, hashes, index
from recommender.store.catalogues import Entry, Stamp
from recommender.store.connection import Server
from recommender.store.index import IndexState

BATCH = 1000
"""Records that are held at once."""


def sync(
    server: Server,
    catalogue: Catalogue,
    records: Iterable[Record | Reject],
    settings: Settings | None = None,
    *,
    progress: Progress | None = None,
    on_reject: Callable[[Reject], None] | None = None,
) -> Report:
    """Brings the catalogue in step with ``records``; what they do not name stays as it is.

    ``settings`` hold the embedders' keys (the environment's by default); ``on_reject`` gets each
    record that cannot be an item, which the report only counts.
    Raises ModelMismatch where the catalogue is kept with other vectors, SourceError where not one
    record can be used; StoreError and EmbedderError come through after the batches before them
    were written.
    """
    began = time.monotonic()
    settings, progress = settings or Settings.from_env(), progress or Silent()
    with catalogues.locked(
        server.client,
        catalogue.name,
        lambda: progress.note(f"waiting: {catalogue.name!r} is being loaded by another process"),
    ) as check_lock:
        listener = on_reject or (lambda reject: None)
        load = _Load(server, catalogue, records, settings, progress, listener, check_lock)
        report = load.run()
    report.seconds = round(time.monotonic() - began, 3)
    return report


class _Load:
    """One load of one source, with the lock held."""

    def __init__(
        self,
        server: Server,
        catalogue: Catalogue,
        records: Iterable[Record | Reject],
        settings: Settings,
        progress: Progress,
        on_reject: Callable[[Reject], None],
        check_lock: Callable[[], None],
    ) -> None:
        self._client = server.client
        self._check_lock = check_lock
        self._progress = progress
        self._on_reject = on_reject
        self._stream = iter(records)
        self._seen = SeenIds()
        self._reasons: deque[str] = deque(maxlen=3)
        kept = catalogues.find(self._client, catalogue.name)
        first = list(islice(self._stream, BATCH))
        self._batches = _batches(first, self._stream)
        self._embedders = {
            name: make_embedder(spec.embedder, spec.dims, settings)
            for name, spec in catalogue.vectors.items()
            if spec.embedder != "given"
        }
        self._stamps = {
            name: self._stamp(name, spec, kept, first) for name, spec in catalogue.vectors.items()
        }
        if kept is not None:
            kept.check_same(catalogue, self._stamps)
        self._is_new = kept is None
        # Nobody reads a new catalogue, so nobody waits for a transaction to end.
        self._at_once = self._is_new and server.local
        self._catalogue = catalogue
        self.report = Report(catalogue.name, kept.generation if kept else 1)
        self._prefix = hashes.prefix_of(catalogue.name, self.report.generation)
        dims = {name: stamp.dims for name, stamp in self._stamps.items()}
        self._converter = Converter(catalogue, dims)
        self._note_missing_columns(first)

    def run(self) -> Report:
        """Reads to the end, then makes sure that the index has everything."""
        client, catalogue, report = self._client, self._catalogue, self.report
        if self._is_new:
            entry = Entry(catalogue, report.generation, self._stamps)
            catalogues.keep(client, entry)
        try:
            for batch in self._batches:
                self._load(batch)
        except (SourceError, EmbedderError):
            if report.written:
                self._index()  # what came before the break is good
            raise
        finally:
            if self._is_new and not report.written:
                with suppress(StoreError):  # Redis may be what stopped it
                    if not hashes.count(client, self._prefix):
                        catalogues.forget(client, catalogue.name)
        if not report.written and not report.unchanged:
            reasons = "; ".join(self._reasons)
            raise SourceError(
                f"not one of {report.read:,} records could be loaded"
                + (f": {reasons}" if reasons else "")
            )
        self._check_lock()
        self._index()
        return report

    def _stamp(
        self, name: str, spec: VectorSpec, kept: Entry | None, first: Sequence[Record | Reject]
    ) -> Stamp:
        if spec.column is None:
            embedder = self._embedders[name]
            made_from = blake2b(str(spec.template).encode(), digest_size=8).hexdigest()
            return Stamp(embedder.name, embedder.dims, made_from)
        dims = spec.dims or (kept.stamps[name].dims if kept and name in kept.stamps else None)
        found = [
            parse_vector(record.values.get(spec.column))
            for record in first
            if isinstance(record, Record)
        ]
        lengths = Counter(len(vector) for vector in found if vector)
        if dims is None and lengths:
            [(dims, _)] = lengths.most_common(1)
        if dims is None:
            raise InvalidCatalogue(
                f"the column {spec.column!r} holds no vector in the first {BATCH} records",
                remedy="A vector is a list of numbers, in CSV written like [0.1, 0.2]",
            )
        return Stamp("given", dims, spec.column)

    def _note_missing_columns(self, first: Sequence[Record | Reject]) -> None:
        """Says which columns the source seems not to have: that is no error of any record."""
        there = {name for record in first if isinstance(record, Record) for name in record.values}
        wanted = [self._catalogue.id, *self._converter.columns]
        missing = [name for name in wanted if there and name not in there]
        if missing:
            self._progress.note(
                f"No record so far has {', '.join(map(repr, missing))};"
                f" they have {', '.join(map(repr, sorted(there)))}"
            )

    def _load(self, batch: Sequence[Record | Reject]) -> None:
        fresh: list[tuple[Record, str, str]] = []
        self.report.read += len(batch)
        for record in batch:
            if isinstance(record, Reject):
                self._reject(record)
                continue
            try:
                id = self._converter.id_of(record.values)
                digest = self._converter.digest_of(record.values)
            except RecordError as error:
                self._reject(Reject(record.place, str(error)))
                continue
            fresh.append((record, id, digest))
        self._check_lock()
        rows = self._changed(fresh)
        written = self._with_vectors([row for row in rows if row.needs_vectors])
        written += [(row, {}) for row in rows if not row.needs_vectors]
        self._write(written)
        self._progress.stage("read", self.report.read, None)

    def _changed(self, entries: Sequence[tuple[Record, str, str]]) -> list[_Row]:
        """The rows to write. Of records with one id the first good one counts."""
        ids = [id for _, id, _ in entries]
        stored: list[tuple[bytes | None, bytes | None]] = [(None, None)] * len(ids)
        if not self._is_new:
            stored = hashes.digests(self._client, self._prefix, ids)
        rows: list[_Row] = []
        taken = {id for id, known in zip(ids, self._seen.known(ids), strict=True) if known}
        for (record, id, digest), (old_digest, old_embedded) in zip(entries, stored, strict=True):
            try:
                if id in taken:
                    raise RecordError(f"the id {id!r} came before in this source")
                if old_digest == digest.encode():
                    self.report.unchanged += 1
                else:
                    prepared = self._converter.prepare(id, record.values)
                    needs_vectors = old_embedded != prepared.embedded.encode()
                    is_new = old_digest is None
                    rows.append(_Row(record.place, digest, prepared, needs_vectors, is_new))
                taken.add(id)
            except RecordError as error:
                self._reject(Reject(record.place, str(error), id))
        self._seen.add(list(taken))
        return rows

    def _with_vectors(self, rows: list[_Row]) -> list[tuple[_Row, dict[str, bytes]]]:
        """The rows that got all their vectors, with these as bytes; the others are rejected."""
        done: list[tuple[_Row, dict[str, bytes]]] = [(row, {}) for row in rows]
        for name, spec in self._catalogue.vectors.items():
            if not done:
                break
            matrix, refused = self._vectors(name, [row for row, _ in done])
            refused = vectors.faults(matrix) | refused
            if spec.metric == "cosine":
                matrix = vectors.normalise(matrix)
            stored = vectors.as_stored(matrix, spec.type)
            refused = vectors.faults(stored.astype(np.float64)) | refused
            kept = []
            for position, (row, made) in enumerate(done):
                if position in refused:
                    reason = f"the {name} vector {refused[position]}"
                    self._reject(Reject(row.place, reason, row.prepared.id))
                else:
                    kept.append((row, {**made, vector_field(name): stored[position].tobytes()}))
            done = kept
        self.report.embedded += len(done) if self._embedders else 0
        return done

    def _vectors(
        self, name: str, rows: Sequence[_Row]
    ) -> tuple[NDArray[np.floating[Any]], dict[int, str]]:
        """Vectors ``(n, dims)`` of the rows, and the positions of the rows that got none."""
        if name not in self._embedders:
            matrix: NDArray[np.floating[Any]] = np.stack([row.prepared.given[name] for row in rows])
            refused: dict[int, str] = {}
        else:
            embedder = self._embedders[name]
            texts = [row.prepared.texts[name] for row in rows]
            matrix, refused = embed_all(embedder, texts, self._embed_progress)
        return matrix, refused

    def _embed_progress(self, done: int) -> None:
        self._progress.stage("embed", self.report.embedded + done, None)

    def _write(self, rows: Sequence[tuple[_Row, Mapping[str, bytes]]]) -> None:
        if not rows:
            return
        now = str(int(time.time())).encode()
        hashes.write(
            self._client,
            self._prefix,
            (
                (
                    row.prepared.id,
                    {
                        **row.prepared.fields,
                        **blobs,
                        hashes.DIGEST: row.digest.encode(),
                        hashes.EMBEDDED: row.prepared.embedded.encode(),
                        hashes.WRITTEN_AT: now,
                    },
                    () if row.is_new else row.prepared.missing,
                )
                for row, blobs in rows
            ),
            at_once=self._at_once,
        )
        new = sum(row.is_new for row, _ in rows)
        self.report.new += new
        self.report.changed += len(rows) - new
        self._progress.stage("write", self.report.written, None)

    def _index(self) -> None:
        """Creates the index if need be, waits until it is complete, checks it, publishes it."""
        client, name, report = self._client, self._catalogue.name, self.report
        target = index.index_name(name, report.generation)
        dims = {vector: stamp.dims for vector, stamp in self._stamps.items()}
        is_new = index.create(client, self._catalogue, report.generation, dims)
        state = index.wait(client, target, self._index_progress)
        if is_new or state.failures:  # a count of failures may be of long ago, hashes are not
            missing = hashes.count(client, self._prefix) - state.items
            if missing > 0:
                why = state.failure or "it does not say why"
                reason = f"Redis did not index {missing:,} items: {why}"
                self._reject(Reject(state.failed_key or name, reason))
        index.publish(client, name, report.generation)
        report.items = state.items

    def _index_progress(self, state: IndexState) -> None:
        if self.report.written:
            self._progress.stage("index", state.indexed, 1.0)

    def _reject(self, reject: Reject) -> None:
        self.report.rejected += 1
        self._reasons.append(f"{reject.place}: {reject.reason}")
        self._on_reject(reject)


@dataclass(frozen=True, slots=True)
class _Row:
    """A record on its way into Redis."""

    place: str
    digest: str
    prepared: Prepared
    needs_vectors: bool
    is_new: bool


def _batches(
    first: list[Record | Reject], rest: Iterator[Record | Reject]
) -> Iterator[list[Record | Reject]]:
    while first:
        yield first
        first = list(islice(rest, BATCH))
