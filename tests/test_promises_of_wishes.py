"""What is promised of every answer, whatever is wished for: pages, fallbacks, presets, words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest
from conftest import loaded
from hypothesis import assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from recommender import (
    Catalogue,
    Hit,
    Recommender,
    Results,
    Settings,
    Writer,
    presets,
    related,
)
from recommender.errors import InvalidParameter
from recommender.store.connection import Server

COLOURS = ("red", "Green", "blue")
# 27 directions, each three times over: whatever is asked, many answers are equally good.
GRID = [point for point in product((-1, 0, 1), repeat=3) if any(point)] + [(2, 1, 0)]
ITEMS: list[dict[str, Any]] = [
    {
        "id": f"item {number:02}",
        "title": f"{COLOURS[number % 3]} thing of sort {number % 5}",
        "colours": [COLOURS[number % 3], COLOURS[number % 2]],
        "series": [f"s{number % 9}"],
        "size": number % 7,
        "views": number * number % 31,
        "v": [float(part) for part in GRID[number % 27]],
    }
    for number in range(81)
]
IDS = [item["id"] for item in ITEMS]
BY_ID = dict(zip(IDS, ITEMS, strict=True))
NAMES = ["flat", "hnsw"]

WHERE: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "colours=red": lambda item: "red" in item["colours"],
    "colours!=green": lambda item: "Green" not in item["colours"],
    "size>=5": lambda item: item["size"] >= 5,
    "size<0": lambda item: False,
    "title~sort 4": lambda item: item["title"].endswith("sort 4"),
}
NOTHING = {"any": []}
FALLBACKS = ["same_tag(colours)", "popular(views)", "latest(size)"]
SOURCES = ["same_tag", "popular", "latest"]


def catalogue(name: str, **more: Any) -> Catalogue:
    number, tag = {"type": "number"}, {"type": "tag"}
    fields = {
        "title": {"type": "text"}, "colours": tag, "series": tag, "size": number, "views": number,
    }  # fmt: skip
    vector = {"embedder": "given", "column": "v", "index": name.partition("-")[0]}
    return Catalogue.from_dict({"name": name, "fields": fields, "vectors": {"v": vector}, **more})


@pytest.fixture(scope="module")
def store(_redis: Server) -> Server:
    return _redis


@pytest.fixture(scope="module")
def engines(_redis: Server, settings: Settings) -> Iterator[dict[str, Recommender]]:
    opened = {name: loaded(_redis, settings, catalogue(name), ITEMS) for name in NAMES}
    for name in NAMES:
        related.build(_redis, name)
    yield opened
    _redis.client.flushall()


@dataclass(frozen=True)
class Asked:
    """One question on one of the paths, with a mix of wishes."""

    engine: str
    verb: str
    seeds: tuple[str, ...]
    hated: tuple[str, ...]
    wishes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def named(self) -> set[str]:
        own = {"recommend": {*self.seeds, *self.hated}, "search": set[str]()}
        return own.get(self.verb, {self.seeds[0]}) | {*self.wishes.get("exclude", ())}

    def ask(self, engine: Recommender, **changed: Any) -> Results:
        wishes = {**self.wishes, **changed}
        if self.verb == "related":
            kept = ("limit", "offset", "exclude", "fields", "min_score")
            known = {name: wishes[name] for name in kept if name in wishes}
            return engine.related(self.seeds[0], **known)
        if self.verb == "similar":
            return engine.similar(self.seeds[0], **wishes)
        if self.verb == "search" and wishes.get("mode") == "text":
            return engine.search(BY_ID[self.seeds[0]]["title"], **wishes)
        if self.verb == "search":
            return engine.search(vector=BY_ID[self.seeds[0]]["v"], **wishes)
        return engine.recommend(self.seeds, self.hated, **wishes)

    def pages(self, engine: Recommender, between: Callable[[], None] = lambda: None) -> list[Hit]:
        """The hits of all pages, each asked for with the last one's ``next``."""
        found = self.ask(engine, next="start", offset=0)
        hits = list(found)
        while found.next:
            between()
            found = self.ask(engine, next=found.next)
            hits += found
        return hits


def allowed(asked: Asked, item: Mapping[str, Any]) -> bool:
    if asked.verb == "related":  # which takes no conditions
        return True
    return all(WHERE[condition](item) for condition in asked.wishes.get("where", ()))


ids = st.lists(st.sampled_from(IDS), min_size=1, max_size=3, unique=True).map(tuple)
ASKING: dict[str, Any] = {
    "where": st.lists(st.sampled_from(sorted(WHERE)), max_size=2),
    "exclude": st.lists(st.sampled_from([*IDS, "nobody"]), max_size=6),
    "exact": st.booleans(),
    "pool": st.sampled_from([1, 5, 30, 240]),
    "boosts": st.lists(
        st.sampled_from(["0.5*high(views)", "-1*overlap(colours)", "near(size,2)"]), max_size=2
    ),
    "mode": st.sampled_from(["vector", "text", "hybrid"]),
    "diversity": st.sampled_from([0.3, 1.0]),
    "collapse": st.sampled_from([True, 0.9]),
    "group_by": st.sampled_from(["series", "size", "colours"]),
    "cut": st.just("auto"),
    "min_score": st.sampled_from([-0.5, 0.3, 0.9]),
    "min_relevance": st.sampled_from([0.1, 0.8]),
    "same": st.just(["colours"]),
    "differ": st.just(["series"]),
    "fallbacks": st.lists(st.sampled_from(FALLBACKS), max_size=3, unique=True),
    "explain": st.booleans(),
}


def made(verb: str, engine: str, seeds: Any, hated: Any, wishes: dict[str, Any]) -> Asked:
    """A question that can be asked."""
    if wishes.get("mode") == "text":
        wishes.pop("min_relevance", None)
    if verb == "search" and wishes.get("mode") == "hybrid":
        del wishes["mode"]  # nothing can embed its words
    return Asked(engine, verb, seeds, tuple({*hated} - {*seeds}), wishes)


questions = st.builds(
    made,
    verb=st.sampled_from(["similar", "search", "recommend", "related"]),
    engine=st.sampled_from(NAMES),
    seeds=ids,
    hated=ids | st.just(()),
    wishes=st.fixed_dictionaries(
        {"limit": st.integers(1, 30), "offset": st.sampled_from([0, 0, 4, 500])}, optional=ASKING
    ),
)
some = examples(max_examples=150, deadline=None, derandomize=True)
few = examples(max_examples=40, deadline=None, derandomize=True)


@contextmanager
def possible() -> Iterator[None]:
    """Passes over questions whose likes and dislikes come to nothing."""
    try:
        yield
    except InvalidParameter as error:
        assume("cancel each other out" not in error.message)
        raise


def answered(engines: Mapping[str, Recommender], asked: Asked, **changed: Any) -> Results:
    with possible():
        return asked.ask(engines[asked.engine], **changed)


def check_hits(hits: list[Hit], asked: Asked) -> None:
    found = [hit.id for hit in hits]
    assert len({*found}) == len(found)
    assert not asked.named & {*found}
    assert all(allowed(asked, BY_ID[id]) for id in found)
    usual = "related" if asked.verb == "related" else asked.wishes.get("mode", "vector")
    usually = {"hybrid", "vector"} if usual == "hybrid" else {usual, "vector"}
    is_late = [hit.source in SOURCES for hit in hits]
    assert is_late == sorted(is_late)
    for hit, late in zip(hits, is_late, strict=True):
        assert (hit.score is None) == late
        assert late or hit.source in usually
        assert not late or hit.relevance is None
        assert not late or f"{hit.source}(" in " ".join(asked.wishes["fallbacks"])


@given(questions)
@some
def test_every_hit_may_be_there(engines: dict[str, Recommender], asked: Asked) -> None:
    found = answered(engines, asked)
    check_hits(found.items, asked)
    assert found.requested == asked.wishes["limit"]
    assert found.returned == len(found) <= found.requested
    assert found.complete == (found.returned == found.requested)
    again = asked.ask(engines[asked.engine])
    assert [*again] == [*found]


@given(questions)
@few
def test_pages_by_next_are_one_list(engines: dict[str, Recommender], asked: Asked) -> None:
    assume(asked.verb != "related")
    answered(engines, asked)
    hits = asked.pages(engines[asked.engine])
    check_hits(hits, asked)
    if "fallbacks" not in asked.wishes and "pool" not in asked.wishes:
        # A pool of all: but for what diversity puts in another order, for it spreads a page
        whole = asked.ask(engines[asked.engine], limit=1000, offset=0)
        assert {hit.id for hit in hits} == {hit.id for hit in whole}
        if "diversity" not in asked.wishes:
            assert [hit.id for hit in hits] == [hit.id for hit in whole]


@given(questions)
@some
def test_an_empty_allow_list_gives_nothing(engines: dict[str, Recommender], asked: Asked) -> None:
    assume(asked.verb != "related")
    conditions = [*asked.wishes.get("where", ()), NOTHING]
    found = answered(engines, asked, where=conditions, fallbacks=FALLBACKS, next="start")
    assert (found.items, found.complete, found.next) == ([], False, None)
    plain = asked.ask(engines[asked.engine], where=NOTHING)
    assert (plain.items, plain.complete) == ([], False)


@given(questions)
@some
def test_groups_and_copies_are_not_filled_up_again(
    engines: dict[str, Recommender], asked: Asked
) -> None:
    assume(asked.verb in ("similar", "recommend"))
    found = answered(engines, asked, group_by="series", fallbacks=FALLBACKS, limit=60, offset=0)
    series = [BY_ID[hit.id]["series"][0] for hit in found]
    assert len({*series}) == len(series) <= 9
    if asked.verb == "similar":
        found = answered(engines, asked, collapse=True, fallbacks=FALLBACKS, limit=60, offset=0)
        seed = BY_ID[asked.seeds[0]]["v"]
        shown = [tuple(BY_ID[hit.id]["v"]) for hit in found]
        assert tuple(seed) not in shown
        assert len({*shown}) == len(shown)


@pytest.mark.parametrize("name", NAMES)
def test_deep_pages_by_next_are_one_long_page(engines: dict[str, Recommender], name: str) -> None:
    # What pages by offset cannot do, see test_promises.py.
    wishes = {"where": ["colours=red"], "limit": 10}
    for seed in IDS[:27]:
        asked = Asked(name, "similar", (seed,), (), wishes)
        hits = asked.pages(engines[name])
        whole = asked.ask(engines[name], limit=1000, explain=True)
        assert [hit.id for hit in hits] == [hit.id for hit in whole]
        order = [(-(hit.score or 0.0), hit.id) for hit in hits]
        assert order == sorted(order)


@given(questions)
@few
def test_a_preset_is_the_same_as_its_wishes(
    engines: dict[str, Recommender], store: Server, asked: Asked
) -> None:
    assume(asked.verb != "related")
    found = answered(engines, asked)
    presets.save(store.client, asked.engine, "mine", asked.wishes)
    engine = engines[asked.engine]
    engine._latest._view.seen = 0.0  # it looks once a second
    by_name = Asked(asked.engine, asked.verb, asked.seeds, asked.hated, {"preset": "mine"})
    if asked.wishes.get("mode") == "text" and asked.verb == "search":
        again = engine.search(BY_ID[asked.seeds[0]]["title"], preset="mine")
    else:
        again = by_name.ask(engine)
    assert [*again] == [*found]


CHANGES = ["delete", "move", "recolour", "add"]


@given(
    questions,
    st.lists(st.tuples(st.sampled_from(CHANGES), st.sampled_from(IDS)), min_size=1, max_size=30),
)
@few
def test_pages_stay_true_while_items_change(
    store: Server, settings: Settings, asked: Asked, changes: list[tuple[str, str]]
) -> None:
    assume(asked.verb != "related")
    name = f"{asked.engine}-changing"
    engine = loaded(store, settings, catalogue(name), ITEMS)
    writer = Writer(name, settings=settings, server=store)
    writer.delete([f"new {id}" for id in IDS])  # of the example before
    now = {id: dict(item) for id, item in BY_ID.items()}
    expected = {hit.id for hit in asked_all(engine, asked)}
    waiting = list(changes)
    shown: list[str] = []
    found = asked.ask(engine, next="start", offset=0)
    while True:
        for hit in found:
            assert hit.id in now
            assert allowed(asked, now[hit.id])
            shown.append(hit.id)
        if not found.next:
            break
        for kind, id in waiting[:3]:
            change(writer, now, kind, id)
        del waiting[:3]
        found = asked.ask(engine, next=found.next)
    assert len({*shown}) == len(shown)
    assert not asked.named & {*shown}
    assert expected - {id for _, id in changes} <= {*shown} <= expected


def asked_all(engine: Recommender, asked: Asked) -> list[Hit]:
    with possible():
        return asked.pages(engine)


def change(writer: Writer, now: dict[str, dict[str, Any]], kind: str, id: str) -> None:
    if kind == "delete":
        writer.delete([id])
        now.pop(id, None)
        return
    changed: dict[str, dict[str, Any]] = {
        "add": {"id": f"new {id}"}, "move": {"v": [9.0, -8.0, 7.0]}, "recolour": {"colours": ["x"]},
    }  # fmt: skip
    write(writer, now, BY_ID[id] | changed[kind])


def write(writer: Writer, now: dict[str, dict[str, Any]], item: dict[str, Any]) -> None:
    fields = {name: value for name, value in item.items() if name not in ("id", "v")}
    [outcome] = writer.put([{"id": item["id"], "fields": fields, "vectors": {"v": item["v"]}}])
    assert outcome
    now[item["id"]] = item
