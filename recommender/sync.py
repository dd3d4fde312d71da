"""Records -> items -> what is new or changed -> embedded -> written -> indexed -> checked.

Batches are written in their order, and none is held longer than a remote embedder needs to be kept
busy; so whatever stops a load, what was done stays done and the next load goes on from there.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from recommender.batch import Comparer, Row, begin_write
from recommender.catalogue import Catalogue
from recommender.dry_run import plan
from recommender.embedders.base import is_long, text_limits
from recommender.embedding import Embedding, Made, Pending
from recommender.errors import EmbedderError, SourceError, StoreError
from recommender.garbage import rare_collections
from recommender.items import Record, Reject
from recommender.opening import Opening, begin
from recommender.pruning import prune_lost
from recommender.related import refresh
from recommender.report import Progress, Report, Silent
from recommender.settings import Settings
from recommender.store import calibrations, catalogues, hashes, index, neighbours, versions
from recommender.store.connection import Server
from recommender.store.index import IndexState
from recommender.store.packed import Sent


def sync(
    server: Server,
    catalogue: Catalogue,
    records: Iterable[Record | Reject],
    settings: Settings | None = None,
    *,
    prune: bool = False,
    within: str = "",
    force: bool = False,
    skip_repeated: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
    on_reject: Callable[[Reject], None] | None = None,
) -> Report:
    """Brings the catalogue in step with ``records``; what they do not name stays as it is.

    With ``prune`` that is removed, unless it is more than half of what there is, or a record that
    could not be read may be one of them: ``force`` removes it all the same. ``within`` spares the
    items whose ids do not begin so, as those of another source. Of records with one id the first
    good one counts; the others are rejected, or with ``skip_repeated`` passed over.
    ``dry_run`` writes nothing and reports what would be done, and what it would cost.
    ``settings`` hold the embedders' keys (the environment's by default); ``on_reject`` gets each
    record that cannot be an item, which the report only counts.
    Raises ModelMismatch where the catalogue is kept with other vectors, SourceError where not one
    record can be used; PruneRefused, StoreError and EmbedderError come through after the batches
    before them were written.
    """
    began = time.monotonic()
    settings, progress = settings or Settings.from_env(), progress or Silent()
    on_reject = on_reject or (lambda reject: None)
    beginning = partial(
        begin, server.client, catalogue, records, skip_repeated=skip_repeated, progress=progress
    )
    if dry_run:
        # A key is for embedding, which a dry run does not do.
        keyed = replace(settings, openai_api_key=settings.openai_api_key or "none is needed")
        report = plan(
            server.client, *beginning(settings=keyed), keyed, progress, on_reject,
            prune=prune, within=within, force=force,
        )  # fmt: skip
        report.seconds = round(time.monotonic() - began, 3)
        return report
    waiting = f"waiting: {catalogue.name!r} is being loaded by another process"
    locked = catalogues.locked(server.client, catalogue.name, lambda: progress.note(waiting))
    with rare_collections(), locked as check_lock:
        opening, source, batches = beginning(settings=settings)
        load = _Load(server, opening, source, settings, progress, on_reject, check_lock)
        remove = None
        if prune:
            remove = partial(
                prune_lost, server.client, opening, source,
                within=within, force=force, on_lost=load.note_changed,
            )  # fmt: skip
        report = load.run(batches, remove)
    report.seconds = round(time.monotonic() - began, 3)
    return report


class _Load:
    """One load, with the lock held."""

    def __init__(
        self,
        server: Server,
        opening: Opening,
        source: Comparer,
        settings: Settings,
        progress: Progress,
        on_reject: Callable[[Reject], None],
        check_lock: Callable[[], None],
    ) -> None:
        self._client = server.client
        self._opening = opening
        self._source = source
        self._progress = progress
        self._on_reject = on_reject
        self._check_lock = check_lock
        self._catalogue = opening.entry.catalogue
        self._limits = text_limits(self._catalogue, settings)
        self._long = 0
        self._embedding = Embedding(
            self._catalogue, opening.embedders, settings.concurrency, self._on_embedded
        )
        self._waiting: deque[Pending] = deque()
        self._reasons: deque[str] = deque(maxlen=3)
        self._embedded = 0
        self._sent: tuple[Sent, list[Made]] | None = None
        # Nobody reads a new catalogue, so nobody waits for a transaction to end.
        self._at_once = opening.is_new and server.local
        self.report = Report(self._catalogue.name, opening.entry.generation)
        # Only a build makes it so, and a build waits for the lock.
        self._has_related = not opening.is_new and neighbours.is_built(
            self._client, self._catalogue.name, opening.entry.generation
        )

    def run(
        self, batches: Iterable[Sequence[Record | Reject]], remove: Callable[[int], int] | None
    ) -> Report:
        """Reads to the end, then makes sure that the index has everything."""
        report = self.report
        if self._opening.is_changed:
            catalogues.keep(self._client, self._opening.entry)
        try:
            self._read(batches)
        except (SourceError, EmbedderError):
            if report.written:
                self._index()  # what came before the break is good
            raise
        finally:
            if self._opening.is_new and not report.written:
                self._forget()
            self._embedding.close()  # last: it waits, and may be left by a second Ctrl-C
        if self._long:
            self._progress.note(
                f"{self._long:,} texts are longer than the model takes at once: each was embedded"
                " as overlapping passages, whose vectors are averaged"
            )
        if not report.written and not report.unchanged:
            reasons = "; ".join(self._reasons)
            raise SourceError(
                f"not one of {report.read:,} records could be loaded"
                + (f": {reasons}" if reasons else "")
            )
        self._check_lock()
        try:
            if remove is not None:
                report.removed = remove(report.new)
        finally:
            self._index()
        return report

    def _read(self, batches: Iterable[Sequence[Record | Reject]]) -> None:
        """Every batch, and what was begun with before the source broke off."""
        try:
            for records in batches:
                self._take(records)
            self._write_all(0)
        except SourceError:
            self._write_all(0)
            raise
        finally:
            self._settle()

    def _take(self, records: Sequence[Record | Reject]) -> None:
        batch = self._source.compare(records)
        self.report.read += len(records)
        self.report.unchanged += len(batch.unchanged)
        self.report.skipped += len(batch.skipped)
        self._reject(batch.rejects)
        self._count_long(batch.rows)
        self._waiting.append(self._embedding.start(batch.rows))
        self._write_all(self._embedding.window)
        self._progress.stage("read", self.report.read, None)

    def _count_long(self, rows: Sequence[Row]) -> None:
        if self._limits:
            texts = [row.prepared.texts for row in rows if row.needs_vectors]
            self._long += sum(is_long(each, self._limits) for each in texts)

    def _write_all(self, window: int) -> None:
        """Writes batches, the oldest first, as long as those behind it hold ``window`` rows."""
        while self._waiting:
            oldest, *others = self._waiting
            if sum(map(len, others)) < window:
                break
            self._waiting.popleft()
            self._write(oldest)

    def _write(self, pending: Pending) -> None:
        made, refused = self._embedding.finish(pending)
        self._reject(refused)
        self._check_lock()
        self._settle()
        if made:
            self.note_changed([row.prepared.id for row, _ in made if row.needs_vectors])
            prefix = self._opening.prefix
            sent = begin_write(self._client, prefix, made, at_once=self._at_once)
            self._sent = sent, made

    def _settle(self) -> None:
        """Waits for what Redis was sent last, and counts it."""
        if self._sent is None:
            return
        (sent, made), self._sent = self._sent, None
        sent.finish()
        report = self.report
        new = sum(row.is_new for row, _ in made)
        report.new += new
        report.changed += len(made) - new
        if self._opening.embedders:
            report.embedded += sum(row.needs_vectors for row, _ in made)
        self._progress.stage("write", report.written, None)

    def note_changed(self, ids: Sequence[str]) -> None:
        """For the stored neighbours, where there are some."""
        if self._has_related:
            generation = self._opening.entry.generation
            neighbours.note_changed(self._client, self._catalogue.name, generation, ids)

    def _forget(self) -> None:
        with suppress(StoreError):  # Redis may be what stopped it
            if not hashes.count(self._client, self._opening.prefix):
                catalogues.forget(self._client, self._catalogue.name)

    def _index(self) -> None:
        """Creates the index if need be, waits until it is complete, checks it, publishes it."""
        client, name, report = self._client, self._catalogue.name, self.report
        stamps = self._opening.entry.stamps
        target = index.index_name(name, report.generation)
        dims = {vector: stamp.dims for vector, stamp in stamps.items()}
        is_new = index.create(client, self._catalogue, report.generation, dims)
        state = index.wait(client, target, self._on_indexed)
        if is_new or state.failures:  # a count of failures may be of long ago, hashes are not
            missing = hashes.count(client, self._opening.prefix) - state.items
            if missing > 0:
                why = state.failure or "it does not say why"
                reason = f"Redis did not index {missing:,} items: {why}"
                self._reject([Reject(state.failed_key or name, reason)])
        index.publish(client, name, report.generation)
        report.items = state.items
        versions.put(client, name, missing=True)  # after a load that was cut off
        calibrations.refresh(client, self._opening.entry, state.items)
        if self._has_related:
            refresh(client, self._opening.entry, self._check_lock, self._progress)

    def _on_embedded(self, count: int) -> None:
        self._embedded += count
        self._progress.stage("embed", self._embedded, None)

    def _on_indexed(self, state: IndexState) -> None:
        if self.report.written:
            self._progress.stage("index", state.indexed, 1.0)

    def _reject(self, rejects: Sequence[Reject]) -> None:
        self.report.rejected += len(rejects)
        for reject in rejects:
            self._reasons.append(f"{reject.place}: {reject.reason}")
            self._on_reject(reject)
