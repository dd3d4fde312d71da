"""What a load would do and what it would cost, found out without writing anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from recommender.batch import Comparer, Row
from recommender.catalogue import Catalogue
from recommender.cost import Cost, Meter
from recommender.embedding import Embedding
from recommender.errors import PruneRefused, SourceError
from recommender.items import Record, Reject
from recommender.opening import Opening
from recommender.pruning import check, lost
from recommender.report import Progress, Report
from recommender.settings import Settings
from recommender.store import hashes
from recommender.store.connection import Client


def plan(
    client: Client,
    opening: Opening,
    source: Comparer,
    batches: Iterable[Sequence[Record | Reject]],
    settings: Settings,
    progress: Progress,
    on_reject: Callable[[Reject], None],
    *,
    prune: bool,
    within: str,
    force: bool,
) -> Report:
    """The report that a load of ``batches`` would give; ``items`` are those of now.

    ``embedded`` counts the items whose vectors would be made; ``cost`` leaves out what is kept from
    earlier, and what is embedded on this machine. Raises SourceError where not one record can be
    used.
    """
    report = Report(opening.entry.catalogue.name, opening.entry.generation, dry_run=True)
    given = _given(opening.entry.catalogue)
    meters = _meters(opening, settings)
    for records in batches:
        batch = source.compare(records)
        made, refused = given.finish(given.start(batch.rows))
        rows = [row for row, _ in made]
        report.read += len(records)
        report.unchanged += len(batch.unchanged)
        report.skipped += len(batch.skipped)
        report.rejected += len(batch.rejects) + len(refused)
        for reject in [*batch.rejects, *refused]:
            on_reject(reject)
        report.new += sum(row.is_new for row in rows)
        report.changed += sum(not row.is_new for row in rows)
        report.embedded += _metered(opening, rows, meters)
        progress.stage("read", report.read, None)
    if not report.written and not report.unchanged:
        raise SourceError(f"not one of {report.read:,} records could be loaded")
    report.items = hashes.count(client, opening.prefix)
    report.cost = Cost.sum(meter.cost() for meter in {*meters.values()}).to_dict()
    if prune:
        keys, items = lost(client, opening.prefix, source, within)
        report.removed = len(keys)
        try:
            if not force:
                check(report.catalogue, source, report.removed, items)
        except PruneRefused as error:
            progress.note(f"--prune would be refused: {error}")
            report.removed = 0
    return report


def _given(catalogue: Catalogue) -> Embedding:
    """What looks at given vectors, and embeds nothing."""
    vectors = {name: spec for name, spec in catalogue.vectors.items() if spec.column is not None}
    return Embedding(catalogue.model_copy(update={"vectors": vectors}), {})


def _meters(opening: Opening, settings: Settings) -> dict[str, Meter]:
    """A meter for each vector of a remote embedder; those of one embedder share it.

    No text is paid for twice.
    """
    remote = {name: each for name, each in opening.embedders.items() if each.is_remote}
    keys = {(each.name, each.dims) for each in remote.values()}
    made = {key: Meter(key[0], settings) for key in keys}
    return {name: made[each.name, each.dims] for name, each in remote.items()}


def _metered(opening: Opening, rows: Sequence[Row], meters: Mapping[str, Meter]) -> int:
    """How many of the rows need vectors; their texts that would be sent are metered."""
    changed = [row for row in rows if row.needs_vectors]
    for name, meter in meters.items():
        texts = [row.prepared.texts[name] for row in changed]
        for text in opening.unknown(name, texts):
            meter.add(text)
    return len(changed) if opening.embedders else 0
