"""The one engine behind the CLI, HTTP and Python: similar, search, recommend, related, facets."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from recommender import hits, listing, presets, vectors
from recommender import seeds as seeding
from recommender.arguments import check_names, check_text
from recommender.asking import Asking, unknown_item
from recommender.catalogue import Catalogue
from recommender.errors import IndexNotReady, InvalidParameter, UnknownField
from recommender.items import Facet, Hit, Item, Results
from recommender.question import Question
from recommender.ranked import Ranked, condition
from recommender.seeds import Strategy
from recommender.settings import Settings
from recommender.store import catalogues, hashes, index, pools, query
from recommender.store.catalogues import Entry
from recommender.store.connection import Client, Server, connect
from recommender.store.index import IndexState
from recommender.store.pools import Pool
from recommender.view import MAX_FILTERS, Filter, View, policy_of, pool_of
from recommender.where import EVERYTHING, parse
from recommender.wishes import (
    Where,
    Wishes,
    check_known,
    is_plain,
    page_of,
    ranking_of,
    shares_of,
    with_preset,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

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
        self._asking = Asking(self._client, self._settings)

    @property
    def entry(self) -> Entry:
        """The catalogue's file, live generation and stamps, at most a second old."""
        return self._fresh().entry

    @property
    def client(self) -> Client:
        """The connection to its Redis, for what measures it."""
        return self._client

    def similar(self, id: str, **wishes: Unpack[Wishes]) -> Results:
        """The items most like ``id``, which is never among them.

        What else can be asked for is told by :class:`Wishes`. Raises UnknownItem, and
        InvalidParameter naming what is out of range.
        """
        began = time.perf_counter()
        view = self._fresh()
        asked = self._asked(view.entry.catalogue, wishes)
        if is_plain(asked):
            vector = view.entry.catalogue.vector(asked.get("using"))
            blob = hashes.read_vector(self._client, view.prefix, check_text("id", id), vector)
            if blob is None:
                raise unknown_item(self.name, id)
            return self._nearest(view, vector, blob, asked, (id,), began)
        shares = shares_of(asked.get("using"), view.entry.catalogue)
        return self._ranked(
            view, asked, ("similar", id), lambda: self._asking.by_item(view, id, shares), began
        )

    def search(
        self,
        text: str | None = None,
        *,
        vector: Sequence[float] | None = None,
        image: bytes | str | None = None,
        **wishes: Unpack[Wishes],
    ) -> Results:
        """The items closest to ``text``, to a ``vector`` of the catalogue's length, to an image.

        Give one of the three; an ``image`` is bytes, or base64 text. What else can be asked for is
        told by :class:`Wishes`. Raises InvalidParameter or InvalidVector for bad arguments,
        EmbedderError where the text cannot be embedded.
        """
        began = time.perf_counter()
        view = self._fresh()
        asked = self._asked(view.entry.catalogue, wishes)
        given = [each for each in (text, vector, image) if each is not None]
        if len(given) != 1:
            raise InvalidParameter("text", "search takes a text, a vector or an image, one of them")
        shares = shares_of(asked.get("using"), view.entry.catalogue)

        def question() -> Question:
            if asked.get("mode") == "text":
                return self._asking.by_words(next(iter(shares)), text)
            if text is not None:
                return self._asking.by_text(view, text, shares)
            if vector is not None:
                return self._asking.by_vector(view, vector, shares)
            return self._asking.by_image(view, image, shares)

        if not is_plain(asked):
            return self._ranked(view, asked, ("search", *given), question, began)
        [probe] = question().probes
        blob = vectors.to_bytes(probe.centre, view.entry.catalogue.vectors[probe.vector].type)
        return self._nearest(view, probe.vector, blob, asked, (), began)

    def related(
        self,
        id: str,
        *,
        limit: int = 10,
        offset: int = 0,
        where: Where = (),
        exclude: Collection[str] = (),
        fields: Sequence[str] | None = None,
        min_score: float | None = None,
        min_relevance: float | None = None,
    ) -> Results:
        """The neighbours of ``id`` that are stored for it, at most as many as were built (20).

        The arguments are those of :meth:`similar`, which answers for an item that has changed and
        has no new list yet. Items that are gone meanwhile do not appear, nor those of the list that
        do not meet ``where``, and ``exact`` says whether every item was compared when the list was
        made. Raises RelatedNotBuilt where there are no lists, UnknownItem, InvalidParameter.
        """
        began = time.perf_counter()
        view = self._fresh()
        wishes: Wishes = {
            "limit": limit, "offset": offset, "where": where, "exclude": exclude,
            "fields": fields, "min_score": min_score, "min_relevance": min_relevance,
        }  # fmt: skip
        page = page_of(wishes, (check_text("id", id),))
        found = listing.read(self._client, view, id, page)
        if found is None:
            raise unknown_item(self.name, id)
        if isinstance(found, listing.NoList):  # it has just changed
            wishes["using"] = found.vector
            return self.similar(id, **wishes)
        shown, near = found
        return self._results(view, near.vector, shown, limit, near.exact, began, is_whole=True)

    def recommend(
        self,
        like: Sequence[Any] = (),
        unlike: Sequence[Any] = (),
        *,
        strategy: Strategy = "average",
        half_life: float | None = None,
        **wishes: Unpack[Wishes],
    ) -> Results:
        """The items most like what is in ``like`` and least like what is in ``unlike``.

        Both hold ids, or ``{"id": ...}``, ``{"text": ...}``, ``{"vector": [...]}``,
        ``{"image": ...}``, with a ``"weight"`` (1) if one counts more, an id with a ``"catalogue"``
        if it is of another one with the same embedder; every id of this catalogue that is named is
        left out of the answer. Only ``unlike`` gives what is least like all else. ``strategy``
        average looks around one vector (see :func:`recommender.seeds.average`), best compares with
        each of them and counts the nearest, sum counts all; ``score`` is then what that gives,
        about -1..1. With ``half_life`` the likes are in the order in which they were viewed, the
        latest last: so many places earlier one counts half. What else can be asked for is told by
        :class:`Wishes`. Raises UnknownItem, InvalidParameter.
        """
        began = time.perf_counter()
        view = self._fresh()
        asked = self._asked(view.entry.catalogue, wishes)
        likes = seeding.faded(seeding.read("like", like, self.name), half_life)
        unlikes = seeding.read("unlike", unlike, self.name)
        seeding.check_sides(likes, unlikes, strategy)
        shares = shares_of(asked.get("using"), view.entry.catalogue)
        return self._ranked(
            view,
            asked,
            ("recommend", [s.parts for s in likes], [s.parts for s in unlikes], strategy),
            lambda: self._asking.by_likes(view, likes, unlikes, strategy, shares),
            began,
        )

    def item(self, id: str, *, fields: Sequence[str] | None = None, vectors: bool = False) -> Item:
        """One item with its fields, and with ``vectors`` those that came with it, as Redis keeps
        them: for cosine scaled to length 1. Raises UnknownItem."""  # noqa: D205, D209
        view = self._fresh()
        names = [*view.wanted(fields), *(view.given if vectors else ())]
        stored = hashes.read(self._client, view.prefix, check_text("id", id), names)
        if stored is None:
            raise unknown_item(self.name, id)
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

    def _asked(self, catalogue: Catalogue, wishes: Mapping[str, Any]) -> Mapping[str, Any]:
        """The wishes with those of their preset."""
        check_known(wishes)
        name = wishes.get("preset")
        return wishes if name is None else with_preset(wishes, presets.find(catalogue, name))

    def _nearest(
        self,
        view: View,
        vector: str,
        blob: bytes,
        asked: Mapping[str, Any],
        named: Collection[str],
        began: float,
    ) -> Results:
        """The answer of the index itself, in one round trip."""
        page = page_of(asked, named)
        spec = view.entry.catalogue.vectors[vector]
        names = view.wanted(page.fields)
        needed = page.end + len(page.exclude)
        filter = self._filter(view, page.where, counted=spec.index == "hnsw")
        policy: query.Policy | None = None
        rows: list[query.Found] = []
        if filter is not None:
            exact = asked.get("exact", False)
            policy = policy_of(filter, view.items, exact) if spec.index == "hnsw" else None
            pool = pool_of(needed, policy)
            knn = query.Knn(self.name, vector, blob, pool, needed, filter.text, names, policy)
            rows = query.knn(self._client, knn)
        shown = view.hits(rows, vector, page)
        return self._results(view, vector, shown, page.limit, policy in ("each", None), began)

    def _ranked(
        self,
        view: View,
        asked: Mapping[str, Any],
        seeds: Sequence[Any],
        ask: Callable[[], Question],
        began: float,
    ) -> Results:
        """The answer to a question with a ranking; ``ask`` makes it, which may take a model."""
        catalogue = view.entry.catalogue
        ranking, digest, token = ranking_of(asked, catalogue), "", asked.get("next")
        if token is not None:
            digest = pools.asked_of(*seeds, **asked)
        if token not in (None, pools.START):
            return self._following(view, asked, digest, began)
        question = ask()
        if ranking.mode == "text":  # no vector is looked at
            question = replace(question, probes=(), likes=())
        page = page_of(asked, question.named)
        view.wanted(page.fields)
        base = condition(view, question, page.where, ranking)
        rows = []
        if base is not None:
            ranked = Ranked(self._client, view, question, page, ranking)
            rows = ranked.rows(base, is_kept=token is not None)
        shown = hits.made(
            self._client, view, rows[page.offset : page.end], page.fields, question.fields
        )
        found = self._results(view, question.vector, shown, page.limit, ranking.exact, began)
        if token is None or base is None:
            return found
        pool = Pool(self.name, view.entry.generation, digest, base, rows, question.fields)
        return replace(found, next=pools.begin(self._client, pool, page.end))

    def _following(
        self, view: View, asked: Mapping[str, Any], digest: str, began: float
    ) -> Results:
        """The page that the token ``next`` names, out of the pool that was kept."""
        page, token = page_of(asked), asked["next"]
        view.wanted(page.fields)
        pool, offset = pools.read(self._client, token, catalogue=self.name, asked=digest)
        taken = pools.take(self._client, pool, offset, page.limit, generation=view.entry.generation)
        shown = hits.made(self._client, view, taken.rows, page.fields, pool.seed)
        vector = next(iter(shares_of(asked.get("using"), view.entry.catalogue)))
        exact = bool(asked.get("exact"))
        found = self._results(view, vector, shown, page.limit, exact, began)
        return replace(found, next=pools.following(token, taken.offset))

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
