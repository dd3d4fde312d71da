"""Items written by hand: whole or in part, one or many, against loads and against each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from conftest import Load
from hypothesis import HealthCheck

from recommender import Catalogue, Outcome, Recommender, Record, Reject, Settings, Writer, presets
from recommender.calibration import Calibration, to_json
from recommender.errors import (
    CatalogueBusy,
    InvalidParameter,
    RecordError,
    UnknownCatalogue,
    UnknownItem,
)
from recommender.store import catalogues
from recommender.store.connection import Server

POSTS = Catalogue.from_dict(
    {
        "name": "posts",
        "id": "slug",
        "fields": {
            "id": {"type": "stored", "column": "Number"},  # a field may be called so
            "title": {"type": "text", "column": "Post title"},
            "tags": {"type": "tag", "separator": "|"},
            "year": {"type": "number"},
            "place": {"type": "geo"},
            "more": {"type": "stored"},
        },
        "vectors": {"text": {"template": "{title} {tags}", "index": "flat"}},
    }
)
LOADED = [
    {"slug": "a", "Post title": "red apples", "tags": "fruit|food", "year": 2001, "place": "1,50"},
    {"slug": "b", "Post title": "green pears", "tags": "fruit", "year": 2002, "more": {"n": [1]}},
]
WHOLE = {"title": "blue plums", "tags": ["fruit"], "year": 2003}

GIVEN = Catalogue.from_dict(
    {
        "name": "given",
        "fields": {"title": {"type": "text"}, "size": {"type": "number"}},
        "vectors": {
            "image": {"embedder": "given", "column": "pixels", "index": "flat"},
            "text": {"template": "{title}", "index": "flat"},
        },
    }
)


@pytest.fixture
def posts(load: Load, server: Server, settings: Settings) -> Writer:
    """A writer of two loaded posts."""
    load(POSTS, LOADED)
    return Writer("posts", settings=settings, server=server)


@pytest.fixture
def given(load: Load, server: Server, settings: Settings) -> Writer:
    """A writer of two things with a given vector and one made from their title."""
    load(GIVEN, [{"id": "a", "title": "one", "size": 1, "pixels": [3, 4]},
                 {"id": "b", "title": "two", "size": 2, "pixels": [1, 0]}])  # fmt: skip
    return Writer("given", settings=settings, server=server)


Read = Callable[[str], dict[str, Any]]


@pytest.fixture
def read(server: Server, settings: Settings) -> Read:
    """``read("a")``: the fields of a post."""
    return lambda id: dict(Recommender("posts", settings=settings, server=server).item(id).fields)


def results(outcomes: list[Outcome]) -> list[str]:
    return [outcome.result for outcome in outcomes]


def hash_of(server: Server, id: str, catalogue: str = "posts") -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = server.client.hgetall(f"{catalogue}:1:item:{id}")
    return found


def test_put_creates_changes_and_leaves(posts: Writer, read: Read) -> None:
    item = {"id": "c", "fields": WHOLE}
    assert posts.put([item]) == [Outcome("record 1", "c", "created", embedded=True)]
    assert read("c") == WHOLE
    assert posts.put([item]) == [Outcome("record 1", "c", "unchanged")]
    older = {"id": "c", "fields": WHOLE | {"year": 1999}}
    assert posts.put([older]) == [Outcome("record 1", "c", "changed", embedded=False)]
    other = {"id": "c", "fields": {"title": "yellow bananas"}}
    assert posts.put([other]) == [Outcome("record 1", "c", "changed", embedded=True)]
    assert read("c") == {"title": "yellow bananas"}  # what is not named is gone


def test_what_was_put_is_found(posts: Writer, server: Server, settings: Settings) -> None:
    posts.put([{"id": "c", "fields": WHOLE}, {"id": "d", "fields": {"title": "steam engine"}}])
    engine = Recommender("posts", settings=settings, server=server)
    assert engine.similar("a").items[-1].id == "d"
    assert [hit.id for hit in engine.similar("a", where="year>=2003")] == ["c"]
    posts.patch("d", {"title": "red apples", "tags": ["fruit", "food"]})
    assert engine.similar("a").items[0].id == "d"
    assert engine.similar("a").items[0].score == 1.0
    posts.delete(["d"])
    assert "d" not in [hit.id for hit in engine.similar("a")]


def test_every_kind_of_value(posts: Writer, read: Read) -> None:
    fields = {
        "id": 7,
        "title": "a\u2028b\nc",
        "tags": ["one, two", "a|b"],
        "year": -1.5,
        "place": {"lon": 2.35, "lat": 48.85},
        "more": {"deep": [None, {"x": [1.5, "ü"]}]},
    }
    assert results(posts.put([{"id": "x", "fields": fields}])) == ["created"]
    wanted = fields | {"place": (2.35, 48.85)}
    assert read("x") == wanted
    assert posts.patch("x", {"year": None}).result == "changed"
    assert read("x") == {name: value for name, value in wanted.items() if name != "year"}


BAD: list[tuple[Any, str]] = [
    ({"fields": WHOLE}, "the item has no id"),
    ({"id": None, "fields": WHOLE}, "the id is empty"),
    ({"id": " ", "fields": WHOLE}, "the id is empty"),
    ({"id": ["x"], "fields": WHOLE}, "neither text nor a whole number"),
    ({"id": True, "fields": WHOLE}, "neither text nor a whole number"),
    ({"id": "x" * 1025, "fields": WHOLE}, "1025 bytes, the limit is 1024"),
    ({"id": "\ud800", "fields": WHOLE}, "is not text"),
    ({"id": "x"}, "nothing to embed: title, tags have no value"),
    ({"id": "x", "fields": {}}, "nothing to embed"),
    ({"id": "x", "fields": {"title": None}}, "nothing to embed"),
    ({"id": "x", "fields": []}, "fields is [] where an object is wanted"),
    ({"id": "x", "fields": "title"}, "fields is 'title' where an object is wanted"),
    ({"id": "x", "fields": {"titel": "x"}}, "no field 'titel' here. Did you mean 'title'?"),
    ({"id": "x", "fields": {"Post title": "x"}}, "no field 'Post title' here"),
    ({"id": "x", "feilds": WHOLE}, "no key 'feilds' here. Did you mean 'fields'?"),
    ({"id": "x", "title": "x"}, "no key 'title' here. The keys are: fields, id, vectors"),
    ({"id": "x", "fields": WHOLE, "vectors": {"text": [1]}}, "made by wordllama, so none can"),
    ({"id": "x", "fields": WHOLE, "vectors": {"image": [1]}}, "no vector 'image' here"),
    ({"id": "x", "fields": WHOLE, "vectors": [1]}, "vectors is [1] where an object"),
    ({"id": "x", "fields": WHOLE | {"year": "old"}}, "year: 'old' is not a number"),
    ({"id": "x", "fields": WHOLE | {"year": True}}, "year: True is not a number"),
    ({"id": "x", "fields": WHOLE | {"year": float("nan")}}, "year: "),
    ({"id": "x", "fields": WHOLE | {"year": float("inf")}}, "year: "),
    ({"id": "x", "fields": WHOLE | {"year": 10**400}}, "year: "),
    ({"id": "x", "fields": WHOLE | {"more": [float("inf")]}}, "more: "),
    ({"id": "x", "fields": WHOLE | {"title": "a\0b"}}, "title: it holds a NUL character"),
    ({"id": "x", "fields": WHOLE | {"title": "\ud800"}}, "is not text"),
    ({"id": "x", "fields": WHOLE | {"title": "a" * 1_000_001}}, "title: it has 1,000,001 char"),
    ({"id": "x", "fields": WHOLE | {"place": "200,0"}}, "place: '200,0' is not on the map"),
    ("x", "the item is 'x' where an object is wanted"),
    (Reject("line 3", "broken JSON"), "broken JSON"),
]  # fmt: skip


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_a_bad_item_costs_only_itself(posts: Writer, server: Server) -> None:
    items = [item for item, _ in BAD]
    items[5:5] = [{"id": "good", "fields": WHOLE}]
    items += [{"id": "deep", "fields": WHOLE | {"more": nested(101)}},
              {"id": "less deep", "fields": WHOLE | {"more": nested(100)}}]  # fmt: skip
    outcomes = posts.put(items)
    assert len(outcomes) == len(items)
    good = outcomes.pop(5)
    assert (good.id, good.result) == ("good", "created")
    assert (outcomes.pop().result, outcomes.pop().detail) == (
        "created", "more: it nests more than 100 levels deep"
    )  # fmt: skip
    for outcome, (item, reason) in zip(outcomes, BAD, strict=True):
        assert outcome.result == "rejected", item
        assert reason in outcome.detail, item
        assert len(outcome.detail) < 300
        assert not outcome.embedded
    assert [outcome.id for outcome in outcomes[:8]] == [None] * 7 + ["x"]
    assert outcomes[-1].place == "line 3"
    assert server.client.exists("posts:1:item:x") == 0


@pytest.mark.parametrize("item", [BAD[n][0] for n in (12, 16, 19, 23, 26)])
def test_a_bad_patch_changes_nothing(posts: Writer, server: Server, item: Any) -> None:
    before = hash_of(server, "a")
    with pytest.raises(RecordError):
        posts.patch("a", item["fields"], item.get("vectors"))
    assert hash_of(server, "a") == before


def test_the_same_id_twice(posts: Writer, read: Read) -> None:
    items = [
        {"id": "x", "fields": {"titel": "no"}},
        {"id": "x", "fields": {"title": "first"}},
        {"id": "x", "fields": {"title": "second"}},
        {"id": "X", "fields": {"title": "another"}},
    ]
    outcomes = posts.put(items)
    assert results(outcomes) == ["rejected", "created", "rejected", "created"]
    assert "came before" in outcomes[2].detail
    assert read("x") == {"title": "first"}
    assert results(posts.put(items[2:3])) == ["changed"]  # another call


def test_the_same_id_in_another_batch_of_one_call(posts: Writer) -> None:
    items = [{"id": str(number % 1500), "fields": {"title": "x"}} for number in range(2500)]
    outcomes = posts.put(iter(items))
    assert [outcome.place for outcome in outcomes] == [f"record {n}" for n in range(1, 2501)]
    assert results(outcomes) == ["created"] * 1500 + ["rejected"] * 1000


def test_batches_are_written_as_they_come(posts: Writer, server: Server) -> None:
    def batches() -> Iterator[list[Any]]:
        yield [{"id": "x", "fields": WHOLE}]
        assert server.client.exists("posts:1:item:x") == 1
        # Between two batches others may write, this thread too.
        assert posts.delete(["x"]) == 1
        yield [Record("here", {"id": "y", "fields": WHOLE}), Record("here", {"id": "z"})]

    first, second = posts.put_batches(batches())
    assert results(first) == ["created"]
    assert [(o.place, o.result) for o in second] == [("here", "created"), ("here", "rejected")]


def test_no_items_are_no_write(posts: Writer) -> None:
    assert posts.put([]) == []
    assert posts.delete([]) == 0


@pytest.mark.parametrize("id", ["a/b.md", "ünï ✓", "a:b*{c}[d]", "line\nbreak", "é" * 512, 12])
def test_ids_may_hold_anything(posts: Writer, read: Read, id: Any) -> None:
    [outcome] = posts.put([{"id": id, "fields": WHOLE}])
    assert (outcome.id, outcome.result) == (str(id), "created")
    posts.patch(str(id), {"year": 1})
    assert read(str(id))["year"] == 1
    assert posts.delete([str(id), str(id)]) == 1


def test_patch_sets_and_removes_and_keeps(posts: Writer, read: Read, server: Server) -> None:
    vector = hash_of(server, "a")[b"text_vector"]
    assert posts.patch("a", {"year": 1999, "place": None}) == Outcome("a", "a", "changed")
    assert read("a") == {"title": "red apples", "tags": ["fruit", "food"], "year": 1999}
    assert hash_of(server, "a")[b"text_vector"] == vector
    assert posts.patch("a", {"year": 1999, "place": None}).result == "unchanged"
    assert posts.patch("a", {"title": "blue apples"}) == Outcome("a", "a", "changed", True)
    assert hash_of(server, "a")[b"text_vector"] != vector
    assert posts.patch("a", {"tags": None}).embedded  # the template names it
    assert read("a") == {"title": "blue apples", "year": 1999}


def test_patch_makes_the_vector_that_put_makes(posts: Writer, server: Server) -> None:
    posts.patch("a", {"title": "blue plums"})
    posts.put([{"id": "c", "fields": {"title": "blue plums", "tags": ["fruit", "food"]}}])
    assert hash_of(server, "a")[b"text_vector"] == hash_of(server, "c")[b"text_vector"]


def test_a_patch_that_leaves_nothing_to_embed(posts: Writer, read: Read) -> None:
    with pytest.raises(RecordError, match="nothing to embed"):
        posts.patch("a", {"title": None, "tags": None})
    assert read("a")["title"] == "red apples"


def test_what_is_not_there(posts: Writer, server: Server, settings: Settings) -> None:
    with pytest.raises(UnknownItem, match="there is no item 'nope' in 'posts'"):
        posts.patch("nope", {"year": 1})
    assert posts.delete(["nope", "a"]) == 1
    with pytest.raises(UnknownCatalogue, match="Did you mean 'posts'"):
        Writer("post", settings=settings, server=server)
    for id in ("", " ", "\ud800"):
        with pytest.raises(InvalidParameter):
            posts.patch(id, {"year": 1})
        with pytest.raises(InvalidParameter):
            posts.delete([id])
    with pytest.raises(InvalidParameter, match="list of texts"):
        posts.delete("a")


def test_a_load_brings_back_what_its_source_says(posts: Writer, load: Load, read: Read) -> None:
    posts.patch("a", {"year": 1, "title": "x"})
    posts.put([{"id": "b", "fields": {"title": "x"}}, {"id": "c", "fields": WHOLE}])
    report = load(POSTS, LOADED)
    assert (report.changed, report.embedded, report.items) == (2, 2, 3)
    assert read("a")["title"] == "red apples"
    assert read("b")["more"] == {"n": [1]}
    assert load(POSTS, LOADED).unchanged == 2


def test_a_put_after_a_load_embeds_only_other_texts(posts: Writer, read: Read) -> None:
    fields = read("a")
    assert posts.put([{"id": "a", "fields": fields}]) == [Outcome("record 1", "a", "changed")]
    assert posts.put([{"id": "a", "fields": fields}]) == [Outcome("record 1", "a", "unchanged")]


def test_given_vectors_come_with_a_put(given: Writer, server: Server) -> None:
    bad = [None, [1], [1, 2, 3], [0, 0], [float("nan"), 1], [1e400, 1], "x", [[1, 2]], [True, 1]]
    items = [{"id": "x", "fields": {"title": "x"}, "vectors": {"image": v}} for v in bad]
    outcomes = given.put([*items, {"id": "x", "fields": {"title": "x"}}])
    assert results(outcomes) == ["rejected"] * 10
    assert all("vectors.image: " in outcome.detail for outcome in outcomes)
    [outcome] = given.put([items[0] | {"vectors": {"image": [3, 4]}}])
    assert (outcome.result, outcome.embedded) == ("created", True)
    image = hash_of(server, "x", "given")[b"image_vector"]
    assert np.frombuffer(image, np.float32).tolist() == pytest.approx([0.6, 0.8])


def test_a_patch_keeps_given_vectors(given: Writer, server: Server, settings: Settings) -> None:
    before = hash_of(server, "a", "given")
    assert given.patch("a", {"size": 5}) == Outcome("a", "a", "changed", embedded=False)
    assert given.patch("a", {"title": "other words"}).embedded
    after = hash_of(server, "a", "given")
    assert after[b"image_vector"] == before[b"image_vector"]
    assert after[b"text_vector"] != before[b"text_vector"]
    assert given.patch("a", {"title": "one", "size": 1}).embedded
    item = Recommender("given", settings=settings, server=server).item("a", vectors=True)
    assert item.vectors == {"image": pytest.approx([0.6, 0.8])}
    whole = {"id": "a", "fields": item.fields, "vectors": item.vectors}
    assert results(given.put([whole])) == ["unchanged"]
    assert hash_of(server, "a", "given")[b"text_vector"] == before[b"text_vector"]


def test_a_patch_of_a_given_vector_embeds_nothing(given: Writer, server: Server) -> None:
    before = hash_of(server, "b", "given")
    assert given.patch("b", None, {"image": [1, 0]}).result == "unchanged"
    assert given.patch("b", vectors={"image": [0, 2]}) == Outcome("b", "b", "changed")
    after = hash_of(server, "b", "given")
    assert after[b"text_vector"] == before[b"text_vector"]
    assert np.frombuffer(after[b"image_vector"], np.float32).tolist() == [0, 1]
    with pytest.raises(RecordError, match="image: the vector is missing"):
        given.patch("b", vectors={"image": None})


def test_a_catalogue_of_given_vectors_only(load: Load, server: Server, settings: Settings) -> None:
    only = GIVEN.model_copy(update={"vectors": {"image": GIVEN.vectors["image"]}})
    load(only, [{"id": "a", "title": "one", "pixels": [3, 4]}])
    writer = Writer("given", settings=settings, server=server)
    before = hash_of(server, "a", "given")
    assert writer.patch("a", {"title": "two"}) == Outcome("a", "a", "changed")
    assert hash_of(server, "a", "given")[b"image_vector"] == before[b"image_vector"]
    assert writer.patch("a", {"title": "two"}).result == "unchanged"
    assert writer.patch("a", vectors={"image": [0, 2]}) == Outcome("a", "a", "changed")
    image = hash_of(server, "a", "given")[b"image_vector"]
    assert np.frombuffer(image, np.float32).tolist() == [0, 1]
    item = {"id": "b", "fields": {}, "vectors": {"image": [1, 0]}}
    assert writer.put([item]) == [Outcome("record 1", "b", "created", embedded=False)]
    assert results(writer.put([item])) == ["unchanged"]
    assert results(writer.put([item | {"vectors": {"image": [1, 1]}}])) == ["changed"]


def test_a_catalogue_of_passages(load: Load, server: Server, settings: Settings) -> None:
    notes = Catalogue.from_dict(
        {
            "name": "notes",
            "passages": True,
            "fields": {"text": {"type": "text"}},
            "vectors": {"v": {"template": "{text}"}},
        }
    )
    load(notes, [{"id": "a", "text": "x"}])
    writer = Writer("notes", settings=settings, server=server)
    writer.put([{"id": "b", "fields": {"text": "y"}},
                {"id": "a#2", "fields": {"text": "z", "parent": ["a"]}}])  # fmt: skip
    parents = [hash_of(server, id, "notes")[b"parent"] for id in ("a", "b", "a#2")]
    assert parents == [b"a", b"b", b"a"]


def test_a_load_after_a_patch_of_vectors(given: Writer, load: Load, server: Server) -> None:
    source = [{"id": "b", "title": "two", "size": 2, "pixels": [1, 0]}]
    before = hash_of(server, "b", "given")[b"image_vector"]
    given.patch("b", vectors={"image": [0, 2]})
    load(GIVEN, source)
    assert hash_of(server, "b", "given")[b"image_vector"] == before
    given.patch("b", {"title": "three"})
    load(GIVEN, source)
    after = hash_of(server, "b", "given")
    assert (after[b"title"], after[b"image_vector"]) == (b"two", before)


def test_patches_at_once_all_survive(posts: Writer, server: Server, settings: Settings) -> None:
    other = Writer("posts", settings=settings, server=server)  # as of another process
    changes = [{"title": "new"}, {"tags": ["t"]}, {"year": 3}, {"place": "3,3"}, {"more": 3},
               {"id": 3}]  # fmt: skip
    with ThreadPoolExecutor(8) as many:
        for turn in range(5):
            posts.put([{"id": "x", "fields": {"title": f"old {turn}"}}])
            done = [
                many.submit((posts, other)[number % 2].patch, "x", change)
                for number, change in enumerate(changes)
            ]
            assert [one.result().result for one in done] == ["changed"] * 6
            stored = hash_of(server, "x")
            names = (b"title", b"tags", b"year", b"place", b"more", b"id")
            assert [stored[name] for name in names] == [
                b"new", b"t", b"3", b"3.0,3.0", b"3", b"3"
            ]  # fmt: skip


def test_no_reader_sees_half_an_item(posts: Writer, server: Server) -> None:
    one = {"id": "x", "fields": {"title": "one", "year": 1}}
    two = {"id": "x", "fields": {"title": "two", "more": 2}}
    halves = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            found = hash_of(server, "x")
            if found and (b"year" in found) == (b"more" in found):
                halves.append(found)

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(100):
        posts.put([one])
        posts.put([two])
    done.set()
    reader.join()
    assert halves == []


def test_a_load_under_way_is_waited_for_a_while(
    posts: Writer, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.writing.PATIENCE", 0.3)
    with ExitStack() as loading:
        loading.enter_context(catalogues.locked(server.client, "posts", lambda: None))
        for write in (
            lambda: posts.put([{"id": "x", "fields": WHOLE}]),
            lambda: posts.patch("a", {"year": 1}),
            lambda: posts.delete(["a"]),
        ):
            with pytest.raises(CatalogueBusy, match="'posts' is being written by another process"):
                write()
    assert server.client.exists("posts:1:item:a", "posts:1:item:x") == 1
    assert results(posts.put([{"id": "x", "fields": WHOLE}])) == ["created"]


def test_a_catalogue_made_anew_meanwhile(posts: Writer, server: Server, load: Load) -> None:
    def batches() -> Iterator[list[Any]]:
        yield [{"id": "x", "fields": WHOLE}]
        server.client.flushall()
        load(GIVEN.model_copy(update={"name": "posts"}),
             [{"id": "a", "title": "x", "pixels": [1, 2]}])  # fmt: skip
        yield [{"id": "y", "fields": WHOLE}]

    writing = posts.put_batches(batches())
    assert results(next(writing)) == ["created"]
    with pytest.raises(CatalogueBusy, match="made anew"):
        next(writing)
    [outcome] = posts.put([{"id": "x", "fields": {"size": 1}}])
    assert "nothing to embed: title" in outcome.detail  # it knows the new one


def test_a_preset_and_a_measuring_between_two_batches_do_not_matter(
    posts: Writer, server: Server
) -> None:
    def batches() -> Iterator[list[dict[str, Any]]]:
        yield [{"id": "x", "fields": WHOLE}]
        presets.save(server.client, "posts", "few", {"limit": 3})
        text = to_json({"text": Calibration(0.1, 0.2, 1.0, 45, 10)}, 1, 10)
        server.client.hset(catalogues.key_of("posts"), catalogues.CALIBRATION, text)
        yield [{"id": "y", "fields": WHOLE}]

    writing = posts.put_batches(batches())
    assert [results(outcomes) for outcomes in writing] == [["created"], ["created"]]
    entry = catalogues.get(server.client, "posts")
    assert entry.catalogue.presets == {"few": {"limit": 3}}
    assert [*entry.calibration] == ["text"]


def test_a_catalogue_dropped_meanwhile(posts: Writer, server: Server) -> None:
    server.client.flushall()
    for write in (
        lambda: posts.put([{"id": "x", "fields": WHOLE}]),
        lambda: posts.patch("a", {"year": 1}),
        lambda: posts.delete(["a"]),
    ):
        with pytest.raises(UnknownCatalogue):
            write()
    assert server.client.keys() == []


VALUES = {
    "title": st.sampled_from(["red apples", "green pears", "a\u2028b"]),
    "tags": st.lists(st.sampled_from(["a|b", "fruit", "ünï, ✓"]), unique=True, min_size=1),
    "year": st.integers(-5, 5) | st.floats(-1e9, 1e9),
    "more": st.recursive(st.integers() | st.text(max_size=3), st.lists, max_leaves=3).filter(
        lambda value: value not in ("", []) and not (isinstance(value, str) and value.isspace())
    ),
}
SOME = st.fixed_dictionaries({}, optional={name: st.none() | v for name, v in VALUES.items()})
IDS = st.sampled_from(["x", "y/ü"])
STEP = st.tuples(st.just("put"), IDS, SOME) | st.tuples(st.just("patch"), IDS, SOME)
STEPS = st.lists(STEP | st.tuples(st.just("delete"), IDS, st.just({})), min_size=1, max_size=8)


@hypothesis.settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@hypothesis.given(steps=STEPS)
def test_any_steps_lead_where_a_dictionary_would(
    load: Load, server: Server, settings: Settings, steps: list[tuple[str, str, Any]]
) -> None:
    server.client.flushall()
    load(POSTS, LOADED)
    writer = Writer("posts", settings=settings, server=server)
    model: dict[str, dict[str, Any]] = {}
    for verb, id, given_fields in steps:
        kept = model.get(id, {}) if verb == "patch" else {}
        new = {name: v for name, v in {**kept, **given_fields}.items() if v is not None}
        is_good = bool(new.get("title") or new.get("tags"))
        if verb == "delete":
            assert writer.delete([id]) == (model.pop(id, None) is not None)
        elif verb == "put":
            [outcome] = writer.put([{"id": id, "fields": given_fields}])
            assert (outcome.result != "rejected") == is_good
        elif id not in model:
            with pytest.raises(UnknownItem):
                writer.patch(id, given_fields)
            continue
        elif is_good:
            outcome = writer.patch(id, given_fields)
            assert (outcome.result == "unchanged") == (new == kept)
        else:
            with pytest.raises(RecordError):
                writer.patch(id, given_fields)
        if verb != "delete" and is_good:
            model[id] = new
    engine = Recommender("posts", settings=settings, server=server)
    for id, fields in model.items():
        assert engine.item(id).fields == fields
        twin = {"id": "twin", "fields": fields}
        assert writer.put([twin])[0].result != "rejected"
        assert hash_of(server, id)[b"text_vector"] == hash_of(server, "twin")[b"text_vector"]
    there = {key.decode() for key in server.client.keys("posts:1:item:*")} - {"posts:1:item:twin"}
    assert there == {f"posts:1:item:{id}" for id in ("a", "b", *model)}
