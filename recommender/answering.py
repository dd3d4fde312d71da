"""How a question is answered: by the index itself, by a ranking, or out of a kept pool."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from recommender import fallbacks
from recommender import hits as shown_hits
from recommender.errors import UnknownField
from recommender.items import Hit, Results
from recommender.question import Question
from recommender.ranked import Ranked, condition
from recommender.store import candidates, pools, query
from recommender.store.connection import Client, processes
from recommender.store.pools import Pool, Row
from recommender.view import Filter, View, policy_of, pool_of
from recommender.where import EVERYTHING
from recommender.wishes import Page, Where, page_of, ranking_of, shares_of


class Answering:
    """Answers questions about one catalogue."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name

    def nearest_to_each(
        self,
        view: View,
        vector: str,
        asked_by: Sequence[tuple[bytes, Collection[str]]],
        asked: Mapping[str, Any],
        began: float,
    ) -> list[Results]:
        """The answers of the index itself to some vectors, all in one round trip.

        ``asked_by`` holds each vector's bytes, and the ids that are not to be in its answer.
        """
        spec = view.entry.catalogue.vectors[vector]
        pages = [page_of(asked, named) for _, named in asked_by]
        if not pages:
            return []
        names = view.wanted(pages[0].fields)
        filter = self._filter(view, pages[0].where, counted=spec.index == "hnsw")
        policy: query.Policy | None = None
        found: list[list[query.Found]] = [[] for _ in pages]
        if filter is not None:
            exact = asked.get("exact", False)
            policy = policy_of(filter, view.items, exact) if spec.index == "hnsw" else None
            queries = []
            for page, (blob, _) in zip(pages, asked_by, strict=True):
                needed = page.end + len(page.exclude)
                pool = pool_of(needed, policy)
                queries.append(
                    query.Knn(self._name, vector, blob, pool, needed, filter.text, names, policy)
                )
            found = query.knn_each(self._client, queries)
        return [
            self.results(
                view, vector, view.hits(rows, vector, page), page.limit, policy in ("each", None),
                began,
            )
            for rows, page in zip(found, pages, strict=True)
        ]  # fmt: skip

    def ranked(
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
        shown = shown_hits.made(
            self._client, view, rows[page.offset : page.end], page.fields, question.fields
        )
        found = self.results(view, question.vector, shown, page.limit, ranking.exact, began)
        if token is None or base is None:
            return found
        labels = {name: own for name, own in question.fields.items() if isinstance(own, list)}
        pool = Pool(self._name, view.entry.generation, digest, base, rows, labels)
        return replace(found, next=pools.begin(self._client, pool, page.end))

    def _following(
        self, view: View, asked: Mapping[str, Any], digest: str, began: float
    ) -> Results:
        """The page that the token ``next`` names, out of the pool that was kept."""
        page, token = page_of(asked), asked["next"]
        view.wanted(page.fields)
        pool, offset = pools.read(self._client, token, catalogue=self._name, asked=digest)
        taken = pools.take(self._client, pool, offset, page.limit, generation=view.entry.generation)
        shown = shown_hits.made(self._client, view, taken.rows, page.fields, pool.seed)
        vector = next(iter(shares_of(asked.get("using"), view.entry.catalogue)))
        exact = bool(asked.get("exact"))
        found = self.results(view, vector, shown, page.limit, exact, began)
        return replace(found, next=pools.following(token, taken.offset))

    def browsed(self, view: View, order: str | None, page: Page, began: float) -> Results:
        """The items that pass the page's filter, by the number ``order`` or as the index has them.

        Raises UnknownField ("order") where it is no number.
        """
        numbers = [n for n, field in view.entry.catalogue.fields.items() if field.type == "number"]
        if order is not None and order not in numbers:
            raise UnknownField("order", order, numbers)
        view.wanted(page.fields)
        base = view.parse(page.where)
        keys = [] if base is None else self._browsed(order, base, page.end)
        rows = [Row(view.id_of(key), None, None, "browse") for key in keys[page.offset : page.end]]
        shown = shown_hits.made(self._client, view, rows, page.fields, {})
        return self.results(view, view.entry.catalogue.vector(None), shown, page.limit, True, began)

    def _browsed(self, order: str | None, base: str, end: int) -> list[bytes]:
        """The first ``end`` keys: those that have the number, then the others."""
        first: list[bytes] = []
        if order is not None:
            first = fallbacks.greatest(self._client, self._name, order, base, end)[:end]
        if len(first) >= end:
            return first
        command = candidates.some(self._name, base, end + len(first))
        [rest] = candidates.keys(self._client, self._name, [command])
        return list(dict.fromkeys([*first, *rest]))[:end]

    def results(
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
        """The hits with what is to be known of them; ``is_whole`` where no index was asked."""
        return Results(
            items=hits,
            requested=limit,
            returned=len(hits),
            complete=len(hits) == limit and (is_whole or self._is_whole(view)),
            catalogue=self._name,
            generation=view.entry.generation,
            embedder=view.entry.stamps[vector].embedder,
            exact=exact,
            took_ms=round((time.perf_counter() - began) * 1000, 3),
        )

    def _is_whole(self, view: View) -> bool:
        """Whether the index was filled, and Redis was not restarted since."""
        return view.is_whole and view.processes == processes(self._client)

    def _filter(self, view: View, where: Where, *, counted: bool) -> Filter | None:
        """``where`` for the engine, None where nothing can match.

        ``counted`` adds how many items pass it, which tells how to search an HNSW index. It is
        counted once a minute for each filter: a stale number costs time, not hits.
        """
        text = view.parse(where)
        if text is None:
            return None
        if text == EVERYTHING or not counted:
            return Filter(text, view.items)
        return Filter(text, view.known.counts(self._client, self._name, [text])[0])
