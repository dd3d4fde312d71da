"""Rankings in catalogues that are hardly any: none, one, all alike, odd ids, items that vanish."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Thread
from typing import Any

import pytest
from conftest import Load, Open

from recommender import Catalogue, Hit, Reject, Settings, Writer
from recommender.errors import InvalidParameter, UnknownItem
from recommender.store.connection import Server

INDEXES = ["flat", "hnsw"]
ALL: dict[str, Any] = {
    "boosts": ["high(size)", "near(size,2)", "overlap(kinds,idf)", "-0.2*match(size>3)"],
    "diversity": 0.4, "collapse": True, "group_by": "kinds", "cut": "auto", "explain": True,
    "fallbacks": ["same_tag(kinds)", "popular(size)"], "next": "start", "differ": ["size"],
    "mode": "hybrid", "semantic_ratio": "rrf",
}  # fmt: skip
"""All wishes at once."""
NONE: dict[str, Any] = {}


def things(index: str = "flat", **more: Any) -> Catalogue:
    fields = {"title": {"type": "text"}, "kinds": {"type": "tag"}, "size": {"type": "number"}}
    vector = {"embedder": "given", "column": "v", "index": index}
    return Catalogue.from_dict(
        {"name": "things", "fields": fields, "vectors": {"v": vector}, **more}
    )


def thing(id: str, vector: Sequence[float], **values: Any) -> dict[str, Any]:
    return {"id": id, "title": f"a thing of {len(id)} letters", "v": [*vector], **values}


MANY = [thing(f"t{n:03}", (1, n % 17, n % 5), kinds=[f"k{n % 4}"], size=n % 11) for n in range(250)]


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("wishes", [NONE, ALL], ids=["plain", "all"])
def test_a_catalogue_without_items(
    load: Load, open_catalogue: Open, settings: Settings, server: Server, index: str,
    wishes: dict[str, Any],
) -> None:  # fmt: skip
    load(things(index), [thing("a", (1, 2, 3))])
    Writer("things", settings=settings, server=server).delete(["a"])
    engine = open_catalogue("things")
    for found in (
        engine.search(vector=[1, 2, 3], **wishes),
        engine.recommend([{"vector": [1, 2, 3]}], **wishes),
        engine.recommend(unlike=[{"vector": [1, 2, 3]}], **wishes),
    ):
        assert (found.items, found.complete, found.next) == ([], False, None)
    with pytest.raises(UnknownItem):
        engine.similar("a", **wishes)
    found = engine.search("a thing", mode="text", fallbacks="popular(size)")
    assert (found.items, found.complete) == ([], False)


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("wishes", [NONE, ALL], ids=["plain", "all"])
def test_a_catalogue_of_one(
    load: Load, open_catalogue: Open, index: str, wishes: dict[str, Any]
) -> None:
    load(things(index), [thing("a", (1, 2, 3), kinds=["x"], size=1)])
    engine = open_catalogue("things")
    for found in (engine.similar("a", **wishes), engine.recommend(["a"], **wishes)):
        assert (found.items, found.complete, found.next) == ([], False, None)
    [hit] = engine.search(vector=[2, 4, 6], **wishes)
    assert (hit.id, hit.score, hit.relevance) == ("a", 1.0, None)
    with pytest.raises(InvalidParameter, match="has not been measured"):
        engine.similar("a", **wishes, min_relevance=0.5)


@pytest.mark.parametrize("index", INDEXES)
def test_a_catalogue_in_which_all_are_alike(load: Load, open_catalogue: Open, index: str) -> None:
    ids = [f"t{number:02}" for number in range(40)]
    load(things(index), [thing(id, (1, 2, 3), kinds=["x"], size=1) for id in ids])
    engine = open_catalogue("things")
    explained = engine.similar("t00", limit=50, explain=True, cut="auto", diversity=0.5)
    assert [hit.id for hit in explained] == ids[1:]
    assert {hit.relevance for hit in explained} == {None}
    boosted = engine.similar("t00", limit=50, boosts=["high(size)", "low(size)"])
    assert [hit.id for hit in boosted] == ids[1:]
    assert engine.similar("t00", collapse=True, fallbacks="popular(size)").items == []
    assert [hit.id for hit in engine.search(vector=[1, 2, 3], collapse=0.5)] == ["t00"]
    hybrid = engine.similar("t00", limit=50, mode="hybrid")
    assert {hit.id for hit in hybrid} == {*ids[1:]}
    for wishes in (NONE, {"explain": True}, {"pool": 5}):
        with pytest.raises(InvalidParameter, match="not all alike"):
            engine.similar("t00", min_relevance=0.0, **wishes)


ODD_IDS = [
    "a:b", "*", "a*", "[x]", "line\nbreak", "{t}", "'q\"", "ünï/çødé ✓", "-1", "%",
    "x" * 1000, "é" * 500, " a", "$v", "@v:{x}", "=>[KNN 1 @v $v]", "start", "None",
]  # fmt: skip


@pytest.mark.parametrize("index", INDEXES)
def test_odd_ids_are_ids_everywhere(load: Load, open_catalogue: Open, index: str) -> None:
    rows = [
        thing(id, (1, number, number % 3), kinds=[f"k{number % 2}"], size=number)
        for number, id in enumerate(ODD_IDS)
    ]
    rejects: list[Reject] = []
    load(things(index), rows, rejects)
    assert not rejects
    engine = open_catalogue("things")
    for id in ODD_IDS:
        rest = {*ODD_IDS} - {id}
        for found in (
            engine.similar(id, limit=30),
            engine.similar(id, limit=30, explain=True, pool=1000),
            engine.recommend([id], limit=30, strategy="best"),
            engine.recommend(unlike=[id], limit=30),
            engine.search(vector=[1, 2, 3], exclude=[id], limit=30, boosts="high(size)"),
        ):
            assert {hit.id for hit in found} == rest
        late = engine.similar(id, min_score=2.0, fallbacks=["popular(size)"], limit=30)
        assert {hit.id for hit in late} == rest
    both = engine.recommend(ODD_IDS[:10], ODD_IDS[10:], limit=30, fallbacks="popular(size)")
    assert (both.items, both.complete) == ([], False)


def test_an_id_that_would_not_be_found_is_refused(load: Load) -> None:
    rejects: list[Reject] = []
    load(things(), [thing("nul\0", (1, 2, 3)), thing("a", (1, 2, 3))], rejects)
    [reject] = rejects
    assert "the id holds a NUL character" in reject.reason


@pytest.mark.parametrize("strategy", ["average", "best", "sum"])
def test_a_hundred_likes_and_a_hundred_dislikes(
    load: Load, open_catalogue: Open, strategy: Any
) -> None:
    load(things("hnsw"), MANY)
    ids = [row["id"] for row in MANY]
    engine = open_catalogue("things")
    found = engine.recommend(
        ids[:100], ids[100:200], strategy=strategy, limit=1000, half_life=1e-300
    )
    assert {hit.id for hit in found} == {*ids[200:]}
    found = engine.recommend(ids[:100], ids[100:200], strategy=strategy, limit=60, **ALL)
    assert not {hit.id for hit in found} & {*ids[:200]}


@pytest.mark.parametrize("index", INDEXES)
def test_the_limits_of_pages_and_pools(load: Load, open_catalogue: Open, index: str) -> None:
    load(things(index), MANY)
    engine = open_catalogue("things")
    for wishes in (
        NONE,
        {"boosts": "high(size)"},
        {"mode": "hybrid"},
        {"exact": True, "cut": None},
    ):
        assert len(engine.similar("t000", limit=1000, **wishes)) == 249
        assert not engine.similar("t000", limit=1000, **wishes).complete
        late = engine.similar("t000", offset=9_000, limit=999, **wishes)
        assert (late.items, late.complete, late.next) == ([], False, None)
        [last] = engine.similar("t000", offset=248, limit=9, **wishes)
        assert last.id != "t000"
    one = engine.similar("t000", pool=1, limit=1, explain=True)
    assert one.complete
    assert len(engine.similar("t000", pool=1, limit=50, explain=True)) == 50
    late = engine.similar("t000", offset=249, limit=5, fallbacks="popular(size)", next="start")
    assert (late.items, late.next) == ([], None)


def test_passages_one_a_document(load: Load, open_catalogue: Open) -> None:
    made = Catalogue.from_dict(
        {
            "name": "things",
            "passages": True,
            "fields": {"title": {"type": "text"}},
            "vectors": {"text": {"embedder": "wordllama", "template": "{title}", "index": "flat"}},
        }
    )
    rows = [
        {"id": f"d{doc}", "title": "\n\n".join(f"{words} in chapter {n}. " * 30 for n in range(6))}
        for doc, words in enumerate(["Sea and sailors", "Stars and space", "Love in Paris"])
    ]
    load(made, rows)
    engine = open_catalogue("things")
    assert engine.count() == 9
    found = engine.search("sailors", group_by="parent")
    assert {*map(parent, found)} == {"d0", "d1", "d2"}
    assert (len(found), parent(found.items[0])) == (3, "d0")
    others = engine.similar("d0#1", group_by="parent", differ=["parent"])
    assert sorted(map(parent, others)) == ["d1", "d2"]
    two = engine.search("space", group_by="parent", group_size=2, limit=50)
    assert sorted(map(parent, two)) == ["d0", "d0", "d1", "d1", "d2", "d2"]


def parent(hit: Hit) -> str:
    [found] = hit.fields["parent"]
    return str(found)


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("lost", ["item", "vector", "fields"])
@pytest.mark.parametrize(
    "wishes",
    [NONE, {"explain": True, "exact": True}, ALL, {"mode": "text"}],
    ids=["plain", "exact", "all", "text"],
)
def test_items_that_vanish_while_they_are_ranked(
    load: Load, open_catalogue: Open, server: Server, index: str, lost: str, wishes: dict[str, Any]
) -> None:
    load(things(index), MANY)
    engine = open_catalogue("things")
    keys = [f"things:1:item:{row['id']}" for row in MANY[1:]]

    def lose() -> None:
        for key in keys:
            if lost == "item":
                server.client.delete(key)
            else:
                names = {"vector": ["v_vector"], "fields": ["title", "kinds", "size"]}[lost]
                server.client.hdel(key, *names)

    losing = Thread(target=lose)
    losing.start()
    answers = []
    while losing.is_alive() or len(answers) < 3:
        answers.append(engine.similar("t000", **{**wishes, "limit": 40}))
    losing.join()
    for found in answers:
        assert len({hit.id for hit in found}) == len(found)
        assert "t000" not in {hit.id for hit in found}
        assert found.complete == (len(found) == 40)
    if lost == "item":
        assert engine.similar("t000", **wishes).items == []


def test_what_a_stored_field_holds_costs_no_answer(load: Load, open_catalogue: Open) -> None:
    """Lists of what is no text, mappings and places are kept and shown, and never compared."""
    catalogue = Catalogue.from_dict(
        {
            "name": "stored",
            "fields": {
                "kind": {"type": "tag"}, "title": {"type": "text"}, "place": {"type": "geo"},
                "extra": {"type": "stored"}, "is_new": {"type": "stored"},
            },
            "vectors": {"v": {"embedder": "given", "column": "v", "index": "flat"}},
        }
    )  # fmt: skip
    things = [
        {"id": f"t{n}", "kind": ["a", "b"], "title": "A thing", "place": "2.35,48.85",
         "extra": [n, {"x": None}, "a"], "is_new": True, "v": [1, n]}
        for n in range(9)
    ]  # fmt: skip
    load(catalogue, things)
    engine = open_catalogue("stored")
    first = engine.similar("t0", explain=True, limit=3, next="start")
    second = engine.similar("t0", explain=True, limit=3, next=first.next)
    liked = engine.recommend(["t0", "t1"], explain=True, mode="hybrid", limit=3)
    for found in (first, second, liked):
        assert len(found) == 3
        assert [dict(hit.why or {})["shared"] for hit in found] == [{"kind": ["a", "b"]}] * 3
    assert first.items[0].fields["extra"] == [1, {"x": None}, "a"]
