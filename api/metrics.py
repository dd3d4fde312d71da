"""Figures for Prometheus: what was asked, how long it took, what it brought, how the indexes are.

No label is a client's to choose: routes are the patterns of addresses, catalogues those that
answered.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector

from api.catalogues import OpenCatalogues
from api.measured import Measured
from recommender.errors import IndexNotReady, RecommenderError
from recommender.spent import EMBEDDING, PARTS

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
HITS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
UNMATCHED = "unmatched"
"""The route of an address that is nobody's."""


class Metrics:
    """The figures of one instance.

    ``folder`` is where the processes of one server put theirs together (None: this one is alone);
    it is the ``PROMETHEUS_MULTIPROC_DIR`` of the environment.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None and not folder.is_dir():
            raise RecommenderError(
                f"there is no directory {folder}, which PROMETHEUS_MULTIPROC_DIR names",
                remedy="Make it, or unset the variable where one process serves alone",
            )
        if folder is not None:
            values.ValueClass = values.MultiProcessValue(_pid)  # type: ignore[no-untyped-call]
        self._folder = folder
        self._known: dict[tuple[Any, ...], Any] = {}
        self._registry = own = CollectorRegistry()
        name = "recommender_{}".format
        self._requests = Counter(
            name("requests"), "Requests answered.", ("method", "route", "status"), registry=own
        )
        self._seconds = Histogram(
            name("request_seconds"), "Seconds from a request to its answer.",
            ("route",), buckets=SECONDS, registry=own,
        )  # fmt: skip
        self._parts = Histogram(
            name("request_part_seconds"), f"The same by part: {', '.join(PARTS)}.",
            ("route", "part"), buckets=SECONDS, registry=own,
        )  # fmt: skip
        self._returned = Histogram(
            name("returned_hits"), "Hits of an answer.",
            ("catalogue",), buckets=HITS, registry=own,
        )  # fmt: skip
        self._short = Counter(
            name("short_answers"), "Answers with fewer hits than asked for, or of an index that"
            " was still being built.", ("catalogue",), registry=own,
        )  # fmt: skip
        self._fallbacks = Counter(
            name("fallback_hits"), "Hits that a fallback brought.", ("catalogue",), registry=own
        )
        self._embedding = Counter(
            name("embedding_seconds"), "Seconds spent on embedding.", registry=own
        )

    def count(self, method: str, route: str, status: int, measured: Measured | None) -> None:
        """Counts one request that is about to be answered; ``route`` is an address's pattern."""
        known = method if method in METHODS else "other"
        self._of(self._requests, known, route, str(status)).inc()
        if measured is None:
            return
        measured.mark()
        self._of(self._seconds, route).observe(measured.total)
        for part, seconds in zip(PARTS, measured.seconds, strict=True):
            if seconds:
                self._of(self._parts, route, part).observe(seconds)
        if measured.seconds[EMBEDDING]:
            self._embedding.inc(measured.seconds[EMBEDDING])
        if measured.returned is not None:
            self._count_hits(measured, measured.returned)

    def _count_hits(self, measured: Measured, returned: int) -> None:
        self._of(self._returned, measured.catalogue).observe(returned)
        if measured.short:
            self._short.labels(measured.catalogue).inc(measured.short)
        if measured.fallbacks:
            self._fallbacks.labels(measured.catalogue).inc(measured.fallbacks)

    def _of(self, family: Any, *labels: str) -> Any:
        """One of a family's own figures, in half of the time that the family takes to find it."""
        key = (family, *labels)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = family.labels(*labels)
        return known

    def text(self, opened: OpenCatalogues) -> bytes:
        """All figures in Prometheus's text format, with those of the indexes as they are now."""
        if self._folder is None:
            known, pids = generate_latest(self._registry), [os.getpid()]
        else:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
            known, pids = generate_latest(registry), _pids(self._folder)
        now = CollectorRegistry()
        now.register(_Given(_indexes(opened)))
        now.register(_Given(_processes(pids)))
        return known + generate_latest(now)


_own = [os.getpid()]
os.register_at_fork(after_in_child=lambda: _own.__setitem__(0, os.getpid()))


def _pid() -> int:
    """The process's own id, without asking the system each time."""
    return _own[0]


class _Given:
    """Families that are made when they are asked for."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """The families, once."""
        return self._families

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering asks for nothing."""
        return ()


def _indexes(opened: OpenCatalogues) -> Iterator[Metric]:
    """The state of every catalogue's index; none of them while Redis is away."""
    name = "recommender_{}".format
    up = GaugeMetricFamily(name("redis_up"), "1 where Redis answers.")
    items = GaugeMetricFamily(name("index_items"), "Items in the index.", labels=["catalogue"])
    share = GaugeMetricFamily(
        name("index_ratio"), "Part of the items that is indexed.", labels=["catalogue"]
    )
    failures = GaugeMetricFamily(
        name("index_failures"), "Items that could not be indexed.", labels=["catalogue"]
    )
    try:
        for catalogue in opened.names():
            try:
                state = opened.get(catalogue).state()
            except IndexNotReady:
                share.add_metric([catalogue], 0.0)
                continue
            items.add_metric([catalogue], state.items)
            share.add_metric([catalogue], state.indexed)
            failures.add_metric([catalogue], state.failures)
        up.add_metric([], 1)
    except RecommenderError:
        up.add_metric([], 0)
    yield from (up, items, share, failures)


def _processes(pids: Iterable[int]) -> Iterator[Metric]:
    """Memory, processor time, files and start of each process that serves."""
    families: dict[str, Metric] = {}
    for pid in pids:
        for family in ProcessCollector(pid=partial(int, pid), registry=None).collect():
            kept = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for sample in family.samples:
                kept.add_sample(sample.name, {"pid": str(pid)}, sample.value)
    yield from families.values()


def _pids(folder: Path) -> list[int]:
    """The processes that put figures into the folder and are still there."""
    found = {int(path.stem.rpartition("_")[2]) for path in folder.glob("*_*.db")}
    return sorted(pid for pid in found if Path(f"/proc/{pid}").exists())
