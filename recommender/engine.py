"""The one engine behind the CLI, HTTP and Python: similar, search, recommend, related, facets."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recommender import faceting, listing, presets, vectors
from recommender import seeds as seeding
from recommender.answering import Answering
from recommender.arguments import check_names, check_text
from recommender.asking import Asking, unknown_item
from recommender.catalogue import Catalogue
from recommender.errors import InvalidParameter, UnknownItem, brief
from recommender.events import Event
from recommender.items import Facet, Item, Results
from recommender.latest import SOONEST_SECONDS, Latest
from recommender.lexical import mode_of
from recommender.question import Question
from recommender.seeds import Strategy
from recommender.settings import Settings
from recommender.spent import ranking
from recommender.store import events, hashes, index, query
from recommender.store.catalogues import Entry
from recommender.store.connection import Client, Server, connect, processes
from recommender.store.index import IndexState
from recommender.view import View
from recommender.where import parse, without
from recommender.wishes import (
    POOL,
    Where,
    Wishes,
    check_known,
    is_plain,
    page_of,
    shares_of,
    with_preset,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

MAX_IDS = 100
"""Most ids of one batch."""

MAX_HITS = 10_000
"""Most hits of one batch: its ids times their limit."""


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
        self._latest = Latest(self._client, name)
        self._asking = Asking(self._client, self._settings)
        self._answering = Answering(self._client, name)

    @property
    def entry(self) -> Entry:
        """The catalogue's file, live generation and stamps, at most a second old."""
        return self._latest.view().entry

    @property
    def client(self) -> Client:
        """The connection to its Redis, for what measures it."""
        return self._client

    @property
    def processes(self) -> int:
        """How many Redis processes were met so far.

        Where it changes while a question is answered, Redis was restarted, and the answer may be
        that of an index which fills again.
        """
        return processes(self._client)

    def version(self, latest: bytes | None = None) -> bytes | None:
        """A token (see ``store.versions``): the next answer is of it, or of a later one.

        It is at most a second old, or, where it is known not to be the ``latest``, as good as new.
        None during a write, and while the index is filling: then the same question may get another
        answer without a write. Raises StoreError.
        """
        view = self._latest.view()
        if latest is not None and view.version != latest:
            view = self._latest.view(SOONEST_SECONDS)
        return view.version if view.is_whole else None

    @ranking
    def similar(self, id: str, **wishes: Unpack[Wishes]) -> Results:
        """The items most like ``id``, which is never among them.

        What else can be asked for is told by :class:`Wishes`. Raises UnknownItem, and
        InvalidParameter naming what is out of range.
        """
        began = time.perf_counter()
        view = self._latest.view()
        asked = self._asked(view.entry.catalogue, wishes)
        if is_plain(asked):
            vector = view.entry.catalogue.vector(asked.get("using"))
            blob = hashes.read_vector(self._client, view.prefix, check_text("id", id), vector)
            if blob is None:
                raise unknown_item(self.name, id)
            [found] = self._answering.nearest_to_each(view, vector, [(blob, (id,))], asked, began)
            return found
        shares = shares_of(asked.get("using"), view.entry.catalogue)
        return self._answering.ranked(
            view, asked, ("similar", id), lambda: self._asking.by_item(view, id, shares), began
        )

    @ranking
    def similar_many(
        self, ids: Sequence[str], **wishes: Unpack[Wishes]
    ) -> list[Results | UnknownItem]:
        """What :meth:`similar` gives for each of 1..100 ids, in their order, one twice if asked so.

        An id that is not there gets its error and costs the others nothing. Where the index alone
        can answer, all vectors are read in one round trip and all searches are another one;
        ``took_ms`` is then that of all together. ``limit`` times the ids may be 10,000. Raises
        InvalidParameter for what is wrong with all of them.
        """
        began = time.perf_counter()
        view = self._latest.view()
        asked = self._asked(view.entry.catalogue, wishes)
        _check_batch(ids, asked)
        if is_plain(asked):
            return self._nearest_to_each(view, ids, asked, began)
        found: list[Results | UnknownItem] = []
        for id in ids:
            try:
                found.append(self.similar(id, **wishes))
            except UnknownItem as error:
                found.append(error)
        return found

    def _nearest_to_each(
        self, view: View, ids: Sequence[str], asked: Mapping[str, Any], began: float
    ) -> list[Results | UnknownItem]:
        vector = view.entry.catalogue.vector(asked.get("using"))
        blobs = hashes.read_vectors(self._client, view.prefix, ids, vector)
        known = [(blob, (id,)) for id, blob in zip(ids, blobs, strict=True) if blob is not None]
        results = iter(self._answering.nearest_to_each(view, vector, known, asked, began))
        return [
            unknown_item(self.name, id) if blob is None else next(results)
            for id, blob in zip(ids, blobs, strict=True)
        ]

    @ranking
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
        view = self._latest.view()
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
            return self._answering.ranked(view, asked, ("search", *given), question, began)
        [probe] = question().probes
        blob = vectors.to_bytes(probe.centre, view.entry.catalogue.vectors[probe.vector].type)
        [found] = self._answering.nearest_to_each(view, probe.vector, [(blob, ())], asked, began)
        return found

    @ranking
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
        view = self._latest.view()
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
        return self._answering.results(
            view, near.vector, shown, limit, near.exact, began, is_whole=True
        )

    @ranking
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
        view = self._latest.view()
        asked = self._asked(view.entry.catalogue, wishes)
        likes = seeding.faded(seeding.read("like", like, self.name), half_life)
        unlikes = seeding.read("unlike", unlike, self.name)
        seeding.check_sides(likes, unlikes, strategy)
        shares = shares_of(asked.get("using"), view.entry.catalogue)
        return self._answering.ranked(
            view,
            asked,
            ("recommend", [s.parts for s in likes], [s.parts for s in unlikes], strategy),
            lambda: self._asking.by_likes(view, likes, unlikes, strategy, shares),
            began,
        )

    @ranking
    def item(self, id: str, *, fields: Sequence[str] | None = None, vectors: bool = False) -> Item:
        """One item with its fields, and with ``vectors`` those that came with it, as Redis keeps
        them: for cosine scaled to length 1. Raises UnknownItem."""  # noqa: D205, D209
        view = self._latest.view()
        names = [*view.wanted(fields), *(view.given if vectors else ())]
        stored = hashes.read(self._client, view.prefix, check_text("id", id), names)
        if stored is None:
            raise unknown_item(self.name, id)
        pairs: list[bytes] = []
        for name, blob in zip(names, stored, strict=True):
            if blob is not None:
                pairs += (name.encode(), blob)
        return Item(id, view.unpacked(pairs), view.given_vectors(pairs))

    @ranking
    def facets(
        self,
        fields: Sequence[str] | None = None,
        *,
        where: Where = (),
        text: str | None = None,
        disjunctive: bool = False,
    ) -> list[Facet]:
        """For each tag the count of every label under ``where``, for each number its range.

        ``fields`` None means all tags and numbers. At most 1,000 labels a tag, most frequent first.
        With a ``text`` only its 240 best candidates are counted, as a hybrid search finds them
        under the same conditions. ``disjunctive`` leaves out of each field's counts the plain
        conditions on that field itself, as beside boxes to tick: of ``genres=Drama`` the other
        genres keep their counts. Raises UnknownField for a field that has no facets, and
        InvalidParameter.
        """
        view = self._latest.view()
        catalogue = view.entry.catalogue
        found = []
        answers: dict[str | None, Results] = {}
        for name in faceting.wanted(catalogue, fields):
            conditions = without(where, name) if disjunctive else where
            condition = parse(conditions, catalogue)
            if text is None:
                found.append(faceting.counted(self._client, view, name, condition))
                continue
            if condition not in answers:
                answers[condition] = self._best(view, text, conditions)
            found.append(faceting.among(answers[condition], name, catalogue))
        return found

    @ranking
    def browse(
        self,
        *,
        order: str | None = None,
        limit: int = 10,
        offset: int = 0,
        where: Where = (),
        fields: Sequence[str] | None = None,
    ) -> Results:
        """The items under ``where``, like nothing in particular: the hits have no score.

        With ``order``, a number field, the greatest come first and what has none last; without it
        they come in the index's own order, which means nothing but stays. Raises InvalidParameter,
        UnknownField.
        """
        began = time.perf_counter()
        view = self._latest.view()
        wishes: Wishes = {"limit": limit, "offset": offset, "where": where, "fields": fields}
        return self._answering.browsed(view, order, page_of(wishes), began)

    @ranking
    def count(self, where: Where = ()) -> int:
        """How many items meet ``where``."""
        condition = parse(where, self._latest.view().entry.catalogue)
        return 0 if condition is None else query.count(self._client, self.name, condition)

    def events(self) -> Iterator[Event]:
        """What visitors did, as :meth:`Writer.track` kept it: the oldest first, read lazily."""
        return events.read(self._client, self.name)

    @ranking
    def state(self) -> IndexState:
        """What the engine says of the live index. Raises IndexNotReady where there is none."""
        return index.get_state(self._client, self.name)

    def _asked(self, catalogue: Catalogue, wishes: Mapping[str, Any]) -> Mapping[str, Any]:
        """The wishes with those of their preset."""
        check_known(wishes)
        name = wishes.get("preset")
        return wishes if name is None else with_preset(wishes, presets.find(catalogue, name))

    def _best(self, view: View, text: str, where: Where) -> Results:
        """What a facet counts where there is a text: its best candidates."""
        mode = mode_of(view.entry.catalogue) or "vector"  # which then says what is missing
        names = faceting.wanted(view.entry.catalogue, None)
        return self.search(text, mode=mode, where=where, limit=POOL, fields=names)


def _check_batch(ids: Any, asked: Mapping[str, Any]) -> None:
    """Raises InvalidParameter for ids that are none, too many of them, or too many hits."""
    if not 1 <= len(check_names("ids", ids)) <= MAX_IDS:
        raise InvalidParameter(
            "ids", f"there are {len(ids)} ids", remedy=f"Ask for 1 to {MAX_IDS} at once"
        )
    for id in ids:
        check_text("ids", id)
    limit = page_of(asked).limit
    if limit * len(ids) > MAX_HITS:
        raise InvalidParameter(
            "limit",
            f"limit is {limit} for each of {len(ids)} ids",
            remedy=f"Together that may be {MAX_HITS:,} hits: {brief(MAX_HITS // len(ids))} each",
        )
