"""The one engine behind the CLI, HTTP and Python: similar, search, facets, one item."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from recommender import listing, vectors
from recommender import seeds as seeding
from recommender.arguments import check_min_score, check_names, check_page, check_text
from recommender.embedders.base import Embedder, make_embedder
from recommender.errors import (
    IndexNotReady,
    InvalidParameter,
    ModelMismatch,
    UnknownField,
    UnknownItem,
)
from recommender.items import Facet, Hit, Item, Results
from recommender.ranked import Ranked
from recommender.ranking import PLAIN_WISHES, POOL, ranking_of
from recommender.seeds import Seed, Seeds, Strategy
from recommender.settings import Settings
from recommender.store import catalogues, hashes, index, query
from recommender.store.catalogues import Entry
from recommender.store.connection import Client, Server, connect
from recommender.store.index import IndexState
from recommender.view import MAX_FILTERS, Filter, Page, View, Where, policy_of, pool_of
from recommender.where import EVERYTHING, parse

FRESH_SECONDS = 1.0
"""How old the knowledge of a catalogue may be before it is looked at again."""

COUNT_SECONDS = 60.0
"""How old a count of what passes a filter may be."""


class Recommender:
    """Answers about one catalogue. Safe to share between threads.

    ``Recommender("movies").similar("toy-story")`` gives what is most like an item,
    ``.search("robots that feel")`` what is closest to words or to a vector.
    """

    def __init__(
        self, name: str, *, settings: Settings | None = None, server: Server | None = None
    ) -> None:
        """Opens the catalogue ``name`` in the Redis of ``settings`` (the environment's by default).

        Raises UnknownCatalogue with the closest name, StoreError where Redis is away.
        """
        self.name = name
        self._settings = settings or Settings.from_env()
        self._client = (server or connect(self._settings)).client
        self._view = View(catalogues.get(self._client, name))
        self._embedders: dict[tuple[str, int], Embedder] = {}

    @property
    def entry(self) -> Entry:
        """The catalogue's file, live generation and stamps, at most a second old."""
        return self._fresh().entry

    @property
    def client(self) -> Client:
        """The connection to its Redis, for what measures it."""
        return self._client

    def similar(
        self,
        id: str,
        *,
        limit: int = 10,
        offset: int = 0,
        where: Where = (),
        exclude: Collection[str] = (),
        fields: Sequence[str] | None = None,
        using: str | None = None,
        min_score: float | None = None,
        exact: bool = False,
        same: Collection[str] = (),
        differ: Collection[str] = (),
        boosts: str | Sequence[str] = (),
        diversity: float = 0.0,
        group_by: str | None = None,
        group_size: int = 1,
        pool: int = POOL,
        explain: bool = False,
    ) -> Results:
        """The items most like ``id``, which is never among them.

        ``limit`` 1..1000 and ``offset`` 0.. choose the page; ``where`` are conditions that every
        hit meets; ``exclude`` are more ids to leave out; ``fields`` those to return (None: all);
        ``using`` names the vector (None: the first); ``min_score`` drops hits below it (see
        :class:`Results` for its scale); ``exact`` compares with every item.

        ``same`` and ``differ`` name tags and numbers in which every hit agrees with the seed, or
        does not. ``boosts`` (see :mod:`recommender.boosts`) add to the similarity for the order of
        the hits; ``diversity`` 0 (none) to 1 (most) keeps them unlike each other; of each value of
        the field ``group_by`` there are ``group_size`` at most; ``pool`` 1..10,000 is how many
        candidates are looked at; ``explain`` tells why each hit stands where it does.
        Raises UnknownItem, and InvalidParameter naming what is out of range.
        """
        began = time.perf_counter()
        view = self._fresh()
        vector = view.entry.catalogue.vector(using)
        blob = hashes.read_vector(self._client, view.prefix, check_text("id", id), vector)
        if blob is None:
            raise self._no_item(id)
        page = Page(limit, offset, where, {id, *check_names("exclude", exclude)}, fields, min_score)
        asked = same or differ or boosts or diversity or group_by or explain
        if not asked and group_size == 1 and pool == POOL:
            return self._nearest(view, vector, blob, page, exact, began)
        ranking = ranking_of(
            view.entry.catalogue,
            same=same, differ=differ, boosts=boosts, diversity=diversity, group_by=group_by,
            group_size=group_size, pool=pool, explain=explain,
        )  # fmt: skip
        ranked = Ranked(self._client, view, vector)
        hits = ranked.hits(blob, self.item(id), page, ranking, exact=exact)
        return self._results(view, vector, hits, limit, exact, began)

    def search(
        self,
        text: str | None = None,
        *,
        vector: Sequence[float] | None = None,
        limit: int = 10,
        offset: int = 0,
        where: Where = (),
        exclude: Collection[str] = (),
        fields: Sequence[str] | None = None,
        using: str | None = None,
        min_score: float | None = None,
        exact: bool = False,
    ) -> Results:
        """The items closest to ``text``, or to a ``vector`` of the catalogue's own length.

        Give one of the two; the other arguments are those of :meth:`similar`. Raises
        InvalidParameter or InvalidVector for bad arguments, EmbedderError where the text cannot
        be embedded.
        """
        began = time.perf_counter()
        view = self._fresh()
        name = view.entry.catalogue.vector(using)
        if (text is None) == (vector is None):
            raise InvalidParameter("text", "search takes a text or a vector, one of the two")
        given = vector if text is None else self._embed(view.entry, name, check_text("text", text))
        spec = view.entry.catalogue.vectors[name]
        checked: Any = vectors.check(given, view.entry.stamps[name].dims)
        if spec.metric == "cosine":
            checked = vectors.normalise(checked)
        blob = vectors.to_bytes(checked, spec.type)
        excluded = set(check_names("exclude", exclude))
        page = Page(limit, offset, where, excluded, fields, min_score)
        return self._nearest(view, name, blob, page, exact, began)

    def related(
        self,
        id: str,
        *,
        limit: int = 10,
        offset: int = 0,
        exclude: Collection[str] = (),
        fields: Sequence[str] | None = None,
        min_score: float | None = None,
    ) -> Results:
        """The neighbours of ``id`` that are stored for it, at most as many as were built (20).

        The arguments are those of :meth:`similar`, which answers for an item that has changed and
        has no new list yet. Items that are gone meanwhile do not appear, and ``exact`` says whether
        every item was compared when the list was made. Raises RelatedNotBuilt where there are no
        lists, UnknownItem, InvalidParameter.
        """
        began = time.perf_counter()
        view = self._fresh()
        excluded = {check_text("id", id), *check_names("exclude", exclude)}
        check_page(limit, offset, len(excluded))
        check_min_score(min_score)
        page = Page(limit, offset, (), excluded, fields, min_score)
        found = listing.read(self._client, view, id, page)
        if found is None:
            raise self._no_item(id)
        if isinstance(found, listing.NoList):  # it has just changed
            return self.similar(
                id, limit=limit, offset=offset, exclude=exclude, fields=fields,
                using=found.vector, min_score=min_score,
            )  # fmt: skip
        hits, near = found
        return self._results(view, near.vector, hits, limit, near.exact, began, is_whole=True)

    def recommend(
        self,
        like: Sequence[Any] = (),
        unlike: Sequence[Any] = (),
        *,
        strategy: Strategy = "average",
        limit: int = 10,
        offset: int = 0,
        where: Where = (),
        exclude: Collection[str] = (),
        fields: Sequence[str] | None = None,
        using: str | None = None,
        min_score: float | None = None,
        exact: bool = False,
        **wishes: Any,
    ) -> Results:
        """The items most like what is in ``like`` and least like what is in ``unlike``.

        Both hold ids, or ``{"id": ...}``, ``{"text": ...}``, ``{"vector": [...]}``, with a
        ``"weight"`` (1) if one counts more; every id that is named is left out of the answer. Only
        ``unlike`` gives what is least like all else. ``strategy`` average looks around one vector
        (see :func:`recommender.seeds.average`), best compares with each of them and counts the
        nearest, sum counts all; ``score`` is then what that gives, about -1..1.
        The other arguments are those of :meth:`similar`. Raises UnknownItem, InvalidParameter.
        """
        began = time.perf_counter()
        view = self._fresh()
        vector = view.entry.catalogue.vector(using)
        seeds = self._seeds(view, vector, like, unlike, strategy)
        named = {*seeds.ids, *check_names("exclude", exclude)}
        page = Page(limit, offset, where, named, fields, min_score)
        ranking = ranking_of(view.entry.catalogue, **{**PLAIN_WISHES, **wishes})
        spec = view.entry.catalogue.vectors[vector]
        blob = vectors.to_bytes(seeds.centre, spec.type)
        more = (
            [] if seeds.rate is None else [vectors.to_bytes(row, spec.type) for row in seeds.likes]
        )
        hits = Ranked(self._client, view, vector).hits(
            blob, Item("", seeds.fields), page, ranking, exact=exact, more=more, rate=seeds.rate
        )
        return self._results(view, vector, hits, limit, exact, began)

    def _seeds(self, view: View, vector: str, like: Any, unlike: Any, strategy: Any) -> Seeds:
        """What is liked and disliked, as vectors."""
        likes, unlikes = seeding.read("like", like), seeding.read("unlike", unlike)
        if view.entry.catalogue.vectors[vector].metric != "cosine":
            raise InvalidParameter("using", "recommend needs a vector whose metric is cosine")

        def row(parameter: str, seed: Seed) -> tuple[Any, dict[str, Any] | None]:
            if seed.kind == "id":
                id = check_text(parameter, seed.value)
                blob = hashes.read_vector(self._client, view.prefix, id, vector)
                if blob is None:
                    raise self._no_item(id)
                spec = view.entry.catalogue.vectors[vector]
                return vectors.from_bytes(blob, spec.type), dict(self.item(id).fields)
            if seed.kind == "text":
                return self._embed(view.entry, vector, check_text(parameter, seed.value)), None
            return vectors.check(seed.value, view.entry.stamps[vector].dims), None

        return seeding.gathered(
            [(seed, *row("like", seed)) for seed in likes],
            [(seed, *row("unlike", seed)) for seed in unlikes],
            strategy,
        )

    def item(self, id: str, *, fields: Sequence[str] | None = None, vectors: bool = False) -> Item:
        """One item with its fields, and with ``vectors`` those that came with it, as Redis keeps
        them: for cosine scaled to length 1. Raises UnknownItem."""  # noqa: D205, D209
        view = self._fresh()
        names = [*view.wanted(fields), *(view.given if vectors else ())]
        stored = hashes.read(self._client, view.prefix, check_text("id", id), names)
        if stored is None:
            raise self._no_item(id)
        pairs: list[bytes] = []
        for name, blob in zip(names, stored, strict=True):
            if blob is not None:
                pairs += (name.encode(), blob)
        return Item(id, view.unpacked(pairs), view.given_vectors(pairs))

    def facets(self, fields: Sequence[str] | None = None, *, where: Where = ()) -> list[Facet]:
        """For each tag the count of every label under ``where``, for each number its range.

        ``fields`` None means all tags and numbers. At most 1,000 labels a tag, most frequent first.
        Raises UnknownField for a field that has no facets.
        """
        catalogue = self._fresh().entry.catalogue
        able = [name for name, spec in catalogue.fields.items() if spec.type in ("tag", "number")]
        wanted = able if fields is None else check_names("fields", fields)
        for name in wanted:
            if name not in able:
                raise UnknownField("fields", name, able)
        condition = parse(where, catalogue)
        return [self._facet(name, catalogue.fields[name].type, condition) for name in wanted]

    def count(self, where: Where = ()) -> int:
        """How many items meet ``where``."""
        condition = parse(where, self._fresh().entry.catalogue)
        return 0 if condition is None else query.count(self._client, self.name, condition)

    def state(self) -> IndexState:
        """What the engine says of the live index. Raises IndexNotReady where there is none."""
        return index.get_state(self._client, self.name)

    def _nearest(
        self, view: View, vector: str, blob: bytes, page: Page, exact: bool, began: float
    ) -> Results:
        check_page(page.limit, page.offset, len(page.exclude))
        check_min_score(page.min_score)
        spec = view.entry.catalogue.vectors[vector]
        names = view.wanted(page.fields)
        needed = page.offset + page.limit + len(page.exclude)
        filter = self._filter(view, page.where, counted=spec.index == "hnsw")
        policy: query.Policy | None = None
        rows: list[query.Found] = []
        if filter is not None:
            policy = policy_of(filter, view.items, exact) if spec.index == "hnsw" else None
            pool = pool_of(needed, policy)
            knn = query.Knn(self.name, vector, blob, pool, needed, filter.text, names, policy)
            rows = query.knn(self._client, knn)
        hits = view.hits(rows, spec.metric, page)
        return self._results(view, vector, hits, page.limit, policy in ("each", None), began)

    def _results(
        self,
        view: View,
        vector: str,
        hits: list[Hit],
        limit: int,
        exact: bool,
        began: float,
        *,
        is_whole: bool = False,
    ) -> Results:
        return Results(
            items=hits,
            requested=limit,
            returned=len(hits),
            complete=len(hits) == limit and (is_whole or view.is_whole),
            catalogue=self.name,
            generation=view.entry.generation,
            embedder=view.entry.stamps[vector].embedder,
            exact=exact,
            took_ms=round((time.perf_counter() - began) * 1000, 3),
        )

    def _filter(self, view: View, where: Where, *, counted: bool) -> Filter | None:
        """``where`` for the engine, None where nothing can match.

        ``counted`` adds how many items pass it, which tells how to search an HNSW index. It is
        counted once a minute for each filter: a stale number costs time, not hits.
        """
        text = view.parse(where)
        if text is None:
            return None
        if text == EVERYTHING or not counted:
            return Filter(text, view.items, 0.0)
        now = time.monotonic()
        known = view.filters.get(text)
        if known is None or known.counted < now - COUNT_SECONDS:
            if len(view.filters) >= MAX_FILTERS:
                view.filters.clear()
            known = Filter(text, query.count(self._client, self.name, text), now)
            view.filters[text] = known
        return known

    def _facet(self, name: str, kind: str, condition: str | None) -> Facet:
        if condition is None:
            return Facet(name, kind)
        if kind == "tag":
            counts = query.tag_counts(self._client, self.name, condition, name)
            return Facet(name, kind, values=counts, count=len(counts))
        count, low, high = query.number_range(self._client, self.name, condition, name)
        return Facet(name, kind, count=count, min=low, max=high) if count else Facet(name, kind)

    def _embed(self, entry: Entry, name: str, text: str) -> Any:
        spec, stamp = entry.catalogue.vectors[name], entry.stamps[name]
        key = (stamp.embedder, stamp.dims)
        if key not in self._embedders:
            embedder = make_embedder(spec.embedder, spec.dims, self._settings)
            if (embedder.name, embedder.dims) != key:
                raise ModelMismatch(
                    f"{self.name!r} was embedded by {stamp.embedder} with {stamp.dims} numbers,"
                    f" this is {embedder.name} with {embedder.dims}",
                    remedy="Use the same model, or load the catalogue again under another name",
                )
            self._embedders[key] = embedder
        [vector] = self._embedders[key].embed([text])
        if np.isnan(vector).any():
            raise InvalidParameter(
                "text", f"the embedder knows no word of {text[:60]!r}", remedy="Use other words"
            )
        return vector

    def _no_item(self, id: str) -> UnknownItem:
        return UnknownItem(
            f"there is no item {id!r} in {self.name!r}",
            remedy="Ids are compared letter by letter",
            parameter="id",
        )

    def _fresh(self) -> View:
        """What is known of the catalogue: it may be loaded anew, or Redis restarted, meanwhile."""
        view, now = self._view, time.monotonic()
        if now - view.seen < FRESH_SECONDS:
            return view
        entry = catalogues.get(self._client, self.name)
        if entry != view.entry:
            view = View(entry)
        try:
            state = self.state()
            view.is_whole, view.items = state.is_ready, state.items
        except IndexNotReady:
            view.is_whole, view.items = False, 0  # the query itself will say so
        view.seen = now
        self._view = view
        return view
