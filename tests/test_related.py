"""Stored neighbours: the same as numpy finds, and right after whatever happens to the items."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Load, Open
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from recommender import (
    Catalogue,
    Record,
    Settings,
    Writer,
    related,
    sync,
    vectors,
)
from recommender.errors import (
    InvalidParameter,
    RelatedNotBuilt,
    StoreError,
    UnknownCatalogue,
    UnknownField,
    UnknownItem,
)
from recommender.export import PLACES, export, path_of
from recommender.nearest import Matrix
from recommender.store import neighbours
from recommender.store.connection import Server
from recommender.store.neighbours import Built, Near

GRID = [point for point in product((-1, 0, 1), repeat=3) if any(point)] + [(2, 1, 0)]
THINGS = [
    {"id": f"thing {number:02}", "title": f"Thing {number}", "v": [float(x) for x in point]}
    for number, point in enumerate(GRID * 2)
]
"""27 directions, each twice: many answers are equally good, and the first ids come first."""


def catalogue(name: str = "things", **vector: Any) -> Catalogue:
    spec = {"embedder": "given", "column": "v", "index": "flat"} | vector
    fields = {"title": {"type": "text"}, "size": {"type": "number"}}
    return Catalogue.from_dict({"name": name, "fields": fields, "vectors": {"v": spec}})


def all_lists(server: Server, name: str = "things") -> dict[str, list[tuple[str, float]]]:
    """Every stored list, read key by key."""
    prefix = neighbours.prefix_of(name, 1)
    found = {}
    for id in neighbours.ids_of(server.client, prefix):
        near = neighbours.read(server.client, prefix, id.decode())
        assert near is not None
        ids = [other.decode() for other in near.ids]
        found[id.decode()] = [*zip(ids, (round(score, 6) for score in near.scores), strict=True)]
    return found


def expected(
    items: Sequence[Mapping[str, Any]], metric: str, size: int, dtype: str = "float32"
) -> dict[str, list[str]]:
    """Ids by falling score, ties by id: one pair after the other, in Python's own floats."""
    stored = {item["id"]: np.array(item["v"], np.float64) for item in items}
    if metric == "cosine":
        stored = {id: vector / np.linalg.norm(vector) for id, vector in stored.items()}
    stored = {
        id: vector.astype(vectors.DTYPES[dtype]).astype(np.float64) for id, vector in stored.items()
    }
    answers = {}
    for id, vector in stored.items():
        scored = []
        for other, against in stored.items():
            if other == id:
                continue
            apart = vector - against
            product_ = float(vector @ against)
            if metric == "cosine":
                product_ /= float(np.linalg.norm(vector) * np.linalg.norm(against))
            distance = float(apart @ apart) if metric == "l2" else 1 - product_
            scored.append((-round(vectors.score_of(distance, metric), 6), other))
        answers[id] = [other for _, other in sorted(scored)[:size]]
    return answers


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_lists_are_what_comparing_every_pair_gives(
    server: Server, load: Load, open_catalogue: Open, metric: str, dtype: str
) -> None:
    load(catalogue(metric=metric, type=dtype), THINGS)
    made = related.build(server, "things", size=7)
    assert (made.items, made.without, made.size, made.exact) == (54, 0, 7, True)
    found = all_lists(server)
    wanted = expected(THINGS, metric, 7, dtype)
    assert {id: [other for other, _ in rows] for id, rows in found.items()} == wanted


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_scores_are_those_of_similar(
    server: Server, load: Load, open_catalogue: Open, metric: str
) -> None:
    load(catalogue(metric=metric), THINGS)
    related.build(server, "things")
    engine = open_catalogue("things")
    for item in THINGS:
        stored = engine.related(item["id"], limit=20)
        asked = engine.similar(item["id"], limit=53)
        assert stored.complete
        assert stored.exact
        assert {hit.source for hit in stored} == {"related"}
        assert [hit.score for hit in stored] == pytest.approx(
            [hit.score for hit in asked][:20], abs=2e-6
        )
        scores = {hit.id: hit.score for hit in asked}
        for hit in stored:
            assert hit.score == pytest.approx(scores[hit.id], abs=2e-6)
            assert hit.fields["title"].startswith("Thing")
        assert item["id"] not in [hit.id for hit in stored]


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("items", [1, 2, 20, 21, 22, 700])
def test_blocks_and_groups_find_what_sorting_finds(
    metric: str, items: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.nearest.BLOCK_NUMBERS", 10_000)
    monkeypatch.setattr("recommender.nearest.GROUP", 4)
    random = np.random.default_rng(items)
    stored = random.normal(size=(items, 6)).astype(np.float32) * random.uniform(1, 9)
    stored[items // 2 :] = stored[: items - items // 2]  # everything twice
    matrix = Matrix(stored, metric)
    exact = stored.astype(np.float64)
    if metric == "cosine":
        exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    keys = exact @ exact.T
    if metric == "l2":
        keys = -((exact[:, None] - exact[None]) ** 2).sum(axis=2)
    keys = keys.astype(np.float32)
    seen = 0
    for block in matrix.neighbours(np.arange(items), 20):
        for row, found in zip(block.rows, block.neighbours, strict=True):
            others = np.delete(np.arange(items), row)
            best = others[np.lexsort((others, -keys[row, others]))][:20]
            assert set(found.tolist()) == set(best.tolist())
            seen += 1
    assert seen == items


def test_a_thousand_copies_of_one_vector(server: Server, load: Load) -> None:
    load(catalogue(), [{"id": f"{number:04}", "title": "x", "v": [1, 2]} for number in range(1000)])
    related.build(server, "things", size=3)
    found = all_lists(server)
    assert [id for id, _ in found["0500"]] == ["0000", "0001", "0002"]
    assert [id for id, _ in found["0001"]] == ["0000", "0002", "0003"]


def test_an_item_without_the_vector_has_none_and_is_in_none(
    server: Server, load: Load, open_catalogue: Open
) -> None:
    load(catalogue(), THINGS[:5])
    server.client.hset("things:1:item:bare", mapping={"_digest": "x", "title": "Bare"})
    bad = {"_digest": "x", "v_vector": np.full(3, np.nan, np.float32).tobytes()}
    server.client.hset("things:1:item:spoilt", mapping=bad)
    server.client.hset("things:1:item:short", mapping={"_digest": "x", "v_vector": b"1234"})
    made = related.build(server, "things")
    assert (made.items, made.without) == (5, 3)
    assert all(len(rows) == 4 for rows in all_lists(server).values())
    empty = open_catalogue("things").related("bare")
    assert (empty.returned, empty.complete, empty.items) == (0, False, [])


def test_pages_and_what_narrows_them(server: Server, load: Load, open_catalogue: Open) -> None:
    load(catalogue(), THINGS)
    related.build(server, "things")
    engine = open_catalogue("things")
    whole = [hit.id for hit in engine.related("thing 00", limit=20)]
    assert len(whole) == len(set(whole)) == 20
    assert [hit.id for hit in engine.related("thing 00", limit=5, offset=5)] == whole[5:10]
    without = engine.related("thing 00", limit=5, exclude=whole[:3])
    assert [hit.id for hit in without] == whole[3:8]
    assert without.complete
    beyond = engine.related("thing 00", limit=30)
    assert (beyond.requested, beyond.returned, beyond.complete) == (30, 20, False)
    assert engine.related("thing 00", offset=20).items == []
    least = engine.related("thing 00", limit=3).items[2].score
    assert all(hit.score >= least for hit in engine.related("thing 00", min_score=least))
    assert engine.related("thing 00", fields=[]).items[0].fields == {}
    assert engine.related("thing 00", fields=["title"]).items[0].fields == {"title": "Thing 27"}


def test_what_does_not_meet_a_condition_is_left_out(
    server: Server, load: Load, open_catalogue: Open, settings: Settings
) -> None:
    shown = [{**thing, "size": number % 2} for number, thing in enumerate(THINGS)]
    load(catalogue(), shown)
    related.build(server, "things")
    engine = open_catalogue("things")
    sizes = {thing["id"]: thing["size"] for thing in shown}
    whole = [hit.id for hit in engine.related("thing 00", limit=20)]
    wanted = [id for id in whole if sizes[id] == 1]
    assert [hit.id for hit in engine.related("thing 00", limit=20, where="size=1")] == wanted
    some = engine.related("thing 00", limit=3, offset=1, where=["size=1"])
    assert ([hit.id for hit in some], some.complete) == (wanted[1:4], True)
    assert engine.related("thing 00", where={"any": []}).items == []
    Writer("things", server=server, settings=settings).patch(wanted[0], {"size": 0})  # at once
    assert [h.id for h in engine.related("thing 00", limit=20, where="size=1")] == wanted[1:]
    relevances = [hit.relevance for hit in engine.related("thing 00", limit=20)]
    least = relevances[4]
    assert least is not None
    kept = [hit.relevance for hit in engine.related("thing 00", limit=20, min_relevance=least)]
    assert kept == [each for each in relevances if each is not None and each >= least]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"id": "nobody"}, UnknownItem),
        ({"id": ""}, InvalidParameter),
        ({"id": "thing 00", "limit": 0}, InvalidParameter),
        ({"id": "thing 00", "offset": -1}, InvalidParameter),
        ({"id": "thing 00", "min_score": float("nan")}, InvalidParameter),
        ({"id": "thing 00", "exclude": "thing 01"}, InvalidParameter),
        ({"id": "thing 00", "fields": ["titel"]}, UnknownField),
    ],
)
def test_what_cannot_be_asked(
    server: Server, load: Load, open_catalogue: Open, arguments: Any, error: type[Exception]
) -> None:
    load(catalogue(), THINGS[:3])
    related.build(server, "things")
    with pytest.raises(error):
        open_catalogue("things").related(**arguments)


def test_what_cannot_be_built(server: Server, load: Load, open_catalogue: Open) -> None:
    load(catalogue(), THINGS[:3])
    with pytest.raises(RelatedNotBuilt, match="recommender related build things"):
        open_catalogue("things").related("thing 00")
    with pytest.raises(UnknownItem):
        open_catalogue("things").related("nobody")
    with pytest.raises(UnknownCatalogue):
        related.build(server, "thing")
    with pytest.raises(InvalidParameter, match="image"):
        related.build(server, "things", using="image")
    for size in (0, 256, "7"):
        with pytest.raises(InvalidParameter, match="1 to 255"):
            related.build(server, "things", size=size)  # type: ignore[arg-type]
    assert server.client.keys("things:1:near*") == []


def test_deleted_items_never_appear_and_it_is_said(
    server: Server, load: Load, open_catalogue: Open
) -> None:
    load(catalogue(), THINGS)
    related.build(server, "things")
    engine = open_catalogue("things")
    whole = [hit.id for hit in engine.related("thing 00", limit=20)]
    for id in whole[:15]:  # behind the product's back: no list knows of it
        server.client.delete(f"things:1:item:{id}")
    left = engine.related("thing 00", limit=4)
    assert [hit.id for hit in left] == whole[15:19]
    assert left.complete
    short = engine.related("thing 00", limit=10)
    assert ([hit.id for hit in short], short.complete) == (whole[15:], False)
    assert [hit.id for hit in engine.related("thing 00", limit=2, offset=2)] == whole[17:19]
    server.client.delete("things:1:item:thing 00")
    with pytest.raises(UnknownItem):
        engine.related("thing 00")


# --- refreshing --------------------------------------------------------------------------------


def check_against_a_rebuild(server: Server, size: int) -> None:
    """The lists as they are, then built anew: the same."""
    kept = all_lists(server)
    assert neighbours.count_changed(server.client, "things", 1) == 0
    neighbours.drop(server.client, "things", 1)
    related.build(server, "things", size=size)
    assert kept == all_lists(server)


POINTS = st.sampled_from(GRID)
CHANGES = st.lists(
    st.tuples(st.sampled_from(["put", "put", "delete"]), st.integers(0, 11), POINTS),
    min_size=1, max_size=6,
)  # fmt: skip


@examples(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    first=st.lists(POINTS, min_size=1, max_size=10),
    changes=CHANGES,
    metric=st.sampled_from(["cosine", "ip", "l2"]),
    most=st.sampled_from([1.0, 10.0, 0.05]),
)
def test_after_any_writes_the_lists_are_those_of_a_rebuild(
    server: Server, settings: Settings, first: Any, changes: Any, metric: str, most: float
) -> None:
    size = 3
    server.client.flushall()
    spec = catalogue(metric=metric)
    records = [{"id": f"i{number}", "title": "x", "v": list(v)} for number, v in enumerate(first)]
    _load(server, settings, spec, records)
    related.build(server, "things", size=size)
    writer = Writer("things", settings=settings, server=server)
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(related.refresh.__kwdefaults__, "most", most)
        for what, number, v in changes:
            if what == "delete":
                writer.delete([f"i{number}"])
            else:
                fields, given_vectors = {"title": "y"}, {"v": list(v)}
                writer.put([{"id": f"i{number}", "fields": fields, "vectors": given_vectors}])
    check_against_a_rebuild(server, size)


def _load(
    server: Server,
    settings: Settings,
    spec: Catalogue,
    records: Sequence[Mapping[str, Any]],
    **how: Any,
) -> Any:

    entries = [Record(f"record {number}", record) for number, record in enumerate(records)]
    return sync(server, spec, entries, settings, **how)


def test_a_sync_refreshes_what_it_changes_adds_and_prunes(
    server: Server, load: Load, settings: Settings, open_catalogue: Open
) -> None:
    random = np.random.default_rng(1)
    items = [
        {"id": f"i{n}", "title": f"T{n}", "v": random.normal(size=3).tolist()} for n in range(300)
    ]
    load(catalogue(), items)
    related.build(server, "things", size=5)
    before = all_lists(server)
    items[7] = items[7] | {"v": [1.0, 0.0, 0.0]}
    items[8] = items[8] | {"title": "only the title"}
    del items[20:23]
    items.append({"id": "new", "title": "N", "v": [0.0, 1.0, 0.0]})
    report = _load(server, settings, catalogue(), items, prune=True)
    assert (report.new, report.changed, report.removed) == (1, 2, 3)
    after = all_lists(server)
    assert set(after) == {item["id"] for item in items}
    assert sum(after[id] != before.get(id) for id in after) < 100
    check_against_a_rebuild(server, 5)


def test_a_change_that_leaves_the_vector_leaves_the_lists(server: Server, load: Load) -> None:
    load(catalogue(), THINGS)
    related.build(server, "things")
    load(catalogue(), [item | {"size": 7} for item in THINGS])
    assert neighbours.count_changed(server.client, "things", 1) == 0


def test_without_lists_nothing_is_noted(server: Server, load: Load, settings: Settings) -> None:
    load(catalogue(), THINGS)
    writer = Writer("things", settings=settings, server=server)
    writer.put([{"id": "a", "fields": {"title": "A"}, "vectors": {"v": [1, 2, 3]}}])
    writer.delete(["a"])
    load(catalogue(), [THINGS[0] | {"v": [3, 2, 1]}])
    assert [key for key in server.client.keys("things:*") if b":item:" not in key] == []


def test_without_lists_a_sync_asks_once(server: Server, load: Load) -> None:
    load(catalogue(), THINGS)
    server.client.config_resetstat()
    load(catalogue(), [THINGS[0] | {"v": [3, 2, 1]}])
    calls = {name: of["calls"] for name, of in server.client.info("commandstats").items()}
    assert calls["cmdstat_exists"] == 1
    assert not {"cmdstat_sadd", "cmdstat_smembers", "cmdstat_scard"} & {*calls}


def test_patch_refreshes(server: Server, load: Load, settings: Settings) -> None:
    load(catalogue(), THINGS)
    related.build(server, "things", size=4)
    writer = Writer("things", settings=settings, server=server)
    writer.patch("thing 03", vectors={"v": [5, -4, 3]})
    check_against_a_rebuild(server, 4)


class Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


class KilledAt:
    """A progress that does not outlive the ``count``-th list."""

    def __init__(self, count: int) -> None:
        self.count = count

    def stage(self, name: str, done: float, total: float | None) -> None:
        if name == "related" and done >= self.count:
            raise Killed

    def note(self, text: str) -> None: ...


def test_a_first_build_that_is_killed_says_so_and_can_be_done_again(
    server: Server, load: Load, open_catalogue: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "BATCH", 10)
    load(catalogue(), THINGS)
    with pytest.raises(Killed):
        related.build(server, "things", progress=KilledAt(20))
    engine, made = open_catalogue("things"), all_lists(server)
    assert len(made) == 20
    missing = next(item["id"] for item in THINGS if item["id"] not in made)
    with pytest.raises(RelatedNotBuilt, match="to the end"):
        engine.related(missing)
    load(catalogue(), [THINGS[0] | {"v": [9, 1, 1]}])  # neither hides it nor breaks on it
    with pytest.raises(RelatedNotBuilt):
        engine.related(missing)
    related.build(server, "things")
    assert len(engine.related(missing)) == 10
    check_against_a_rebuild(server, 20)


def test_a_rebuild_that_is_killed_leaves_every_list(
    server: Server, load: Load, open_catalogue: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "BATCH", 10)
    load(catalogue(), THINGS)
    related.build(server, "things")
    before = all_lists(server)
    with pytest.raises(Killed):
        related.build(server, "things", progress=KilledAt(20))
    assert all_lists(server) == before
    load(catalogue(), [THINGS[0] | {"v": [9, 1, 1]}])
    check_against_a_rebuild(server, 20)


def test_a_write_that_is_killed_before_its_refresh_is_made_good(
    server: Server, load: Load, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(catalogue(), THINGS)
    related.build(server, "things")
    writer = Writer("things", settings=settings, server=server)

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("recommender.writing.refresh", killed)
        for write in (
            lambda: writer.delete(["thing 01"]),
            lambda: writer.put(
                [{"id": "thing 02", "fields": {"title": "x"}, "vectors": {"v": [1, 2, 3]}}]
            ),
        ):
            with pytest.raises(Killed):
                write()
    assert neighbours.changed(server.client, "things", 1) == {b"thing 01", b"thing 02"}
    load(catalogue(), THINGS[5:6])  # changes nothing itself
    check_against_a_rebuild(server, 20)


def test_another_vector_replaces_the_lists(
    server: Server, load: Load, open_catalogue: Open
) -> None:
    data = catalogue().model_dump()
    data["vectors"]["w"] = data["vectors"]["v"] | {"column": "w", "metric": "l2"}
    items = [item | {"w": item["v"][::-1]} for item in THINGS]
    load(Catalogue.from_dict(data), items)
    related.build(server, "things")
    assert related.build(server, "things", using="w").vector == "w"
    found = {id: [other for other, _ in rows] for id, rows in all_lists(server).items()}
    assert found == expected([item | {"v": item["w"]} for item in items], "l2", 20)


def test_a_catalogue_too_large_to_compare_asks_its_index(
    server: Server,
    load: Load,
    open_catalogue: Open,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> None:
    monkeypatch.setattr("recommender.nearby.EXACT_ITEMS", 10)
    random = np.random.default_rng(2)
    items = [
        {"id": f"i{n:03}", "title": f"T{n}", "v": random.normal(size=3).tolist()}
        for n in range(200)
    ]
    load(catalogue(index="hnsw"), items)
    made = related.build(server, "things")
    assert (made.items, made.exact) == (200, False)
    wanted = expected(items, "cosine", 20)
    found = {id: [other for other, _ in rows] for id, rows in all_lists(server).items()}
    assert sum(len({*found[id]} & {*wanted[id]}) for id in found) >= 0.98 * 200 * 20
    writer = Writer("things", settings=settings, server=server)
    writer.put([{"id": "i005", "fields": {"title": "x"}, "vectors": {"v": items[9]["v"]}}])
    writer.delete(["i007"])
    items[5] = items[5] | {"title": "x", "v": items[9]["v"]}
    del items[7]
    wanted = expected(items, "cosine", 20)
    engine = open_catalogue("things")
    live = engine.related("i005", limit=20)
    assert len({hit.id for hit in live} & {*wanted["i005"]}) >= 19
    assert {hit.source for hit in live} == {"vector"}  # found when it is asked for
    assert "i007" not in [hit.id for item in items for hit in engine.related(item["id"], limit=20)]
    load(catalogue(index="hnsw"), items)
    found = {id: [other for other, _ in rows] for id, rows in all_lists(server).items()}
    assert set(found) == set(wanted)
    assert sum(len({*found[id]} & {*wanted[id]}) for id in found) >= 0.98 * 199 * 20
    assert neighbours.count_changed(server.client, "things", 1) == 0


# --- what is kept ------------------------------------------------------------------------------


@given(
    st.text(max_size=20), st.booleans(),
    st.lists(st.tuples(st.binary(max_size=1024), st.floats(-1, 1, width=32)), max_size=255),
)  # fmt: skip
def test_a_packed_list_is_what_went_in(vector: str, exact: bool, rows: Any) -> None:
    near = Near(vector, exact, [id for id, _ in rows], tuple(score for _, score in rows))
    blob = neighbours.packed(near)
    assert neighbours.unpacked(blob) == near
    with pytest.raises(StoreError, match="related build"):
        neighbours.unpacked(blob[:-1])
    with pytest.raises(StoreError, match="version 9"):
        neighbours.unpacked(b"\x09" + blob[1:])


def test_lists_are_strings_beside_the_index_and_go_with_the_catalogue(
    server: Server, load: Load
) -> None:
    load(catalogue(), THINGS)
    related.build(server, "things")
    keys = server.client.keys("things:1:near*")
    assert len(keys) == 55
    assert {server.client.type(key) for key in keys} == {b"string"}
    neighbours.note_changed(server.client, "things", 1, ["x"])
    neighbours.drop(server.client, "things", 1)
    assert [key for key in server.client.keys("things:*") if b":item:" not in key] == []
    assert neighbours.get_built(server.client, "things", 1) is None


def test_every_generation_has_its_own_lists(
    server: Server, load: Load, open_catalogue: Open
) -> None:
    load(catalogue(), THINGS)
    related.build(server, "things")
    prefix = neighbours.prefix_of("things", 2)
    neighbours.write(server.client, prefix, [(b"thing 00", Near("v", True, [b"other"], [1.0]))])
    neighbours.keep_built(server.client, "things", 2, Built("v", 20, True))
    assert "other" not in [hit.id for hit in open_catalogue("things").related("thing 00")]
    neighbours.drop(server.client, "things", 2)
    assert len(all_lists(server)) == 54


# --- export ------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", PLACES)
def test_an_export_holds_every_item(
    server: Server, load: Load, open_catalogue: Open, tmp_path: Path, format: str
) -> None:
    odd = ["posts/a.md", "..", "x/../y", "/etc/passwd", "ünï ✓", "a:b*?", "", "n" * 500]
    names = [id or "//" for id in odd]
    items = [{"id": id, "title": f"T {id[:9]}", "v": [1, n]} for n, id in enumerate(names)]
    load(catalogue(), items)
    with pytest.raises(RelatedNotBuilt):
        export(server, "things", tmp_path, format)
    related.build(server, "things")
    done = export(server, "things", tmp_path / "site", format, one_file=True, limit=3)
    assert (done.items, done.files) == (8, 1)
    text = Path(done.path).read_text(encoding="utf-8")
    if format == "jsonl":
        rows = [json.loads(line) for line in text.splitlines()]
        found = {row["id"]: row["related"] for row in rows}
    else:
        found = json.loads(text)
    assert list(found) == sorted(names)
    engine = open_catalogue("things")
    for id, hits in found.items():
        assert hits == [
            {"id": hit.id, "score": hit.score} | dict(hit.fields)
            for hit in engine.related(id, limit=3)
        ]
    assert [path.name for path in (tmp_path / "site").rglob("*") if path.is_file()] == [
        Path(PLACES[format]).name
    ]


def test_an_export_leaves_out_what_does_not_meet_a_condition(
    server: Server, load: Load, open_catalogue: Open, tmp_path: Path
) -> None:
    sizes = {thing["id"]: number % 2 for number, thing in enumerate(THINGS)}
    load(catalogue(), [{**thing, "size": sizes[thing["id"]]} for thing in THINGS])
    related.build(server, "things")
    done = export(server, "things", tmp_path, one_file=True, where="size=1", limit=3)
    found = json.loads(Path(done.path).read_text())
    assert sorted(found) == sorted(id for id, size in sizes.items() if size)
    engine = open_catalogue("things")
    for id, hits in found.items():
        wanted = [hit.id for hit in engine.related(id, where="size=1", limit=3)]
        assert [hit["id"] for hit in hits] == wanted
    nothing = export(server, "things", tmp_path, one_file=True, where={"any": []})
    assert nothing.items == 0
    with pytest.raises(UnknownField):
        export(server, "things", tmp_path, one_file=True, where="colour=red")


def test_one_file_an_item_stays_below_its_folder(
    server: Server, load: Load, tmp_path: Path
) -> None:
    ids = ["posts/a.md", "..", "x/../../y", "/etc/passwd", "a:b*?", "//", "n" * 500, "%2E%2E", "."]
    load(catalogue(), [{"id": id, "title": "T", "v": [1, n]} for n, id in enumerate(ids)])
    related.build(server, "things")
    folder = tmp_path / "one" / "site"
    done = export(server, "things", folder, fields=["title"])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == len(ids) == done.files
    assert all(folder in path.parents for path in files)
    assert json.loads((folder / "posts" / "a.md.json").read_text())[0]["title"] == "T"
    shutil.rmtree(folder)
    server.client.delete("things:1:item://")
    assert all(
        hit["id"] != "//"
        for path in [Path(export(server, "things", folder, one_file=True).path)]
        for hits in json.loads(path.read_text()).values()
        for hit in hits
    )


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=5))
def test_two_ids_never_share_a_path(ids: list[str]) -> None:
    paths = {path_of(id) for id in ids}
    assert len(paths) == len(set(ids))
    for path in paths:
        assert not path.startswith("/")
        assert not {"", ".", ".."} & {*path.split("/")}


def test_a_folder_that_cannot_be_written_and_paths_that_clash(
    server: Server, load: Load, tmp_path: Path
) -> None:
    load(catalogue(), [{"id": id, "title": "T", "v": [1, 1]} for id in ("a", "a.json/b")])
    related.build(server, "things")
    with pytest.raises(InvalidParameter, match="--one-file"):
        export(server, "things", tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidParameter, match="file"):
        export(server, "things", tmp_path / "file", one_file=True)
    with pytest.raises(InvalidParameter, match="hugo"):
        export(server, "things", tmp_path, "hugoo")
