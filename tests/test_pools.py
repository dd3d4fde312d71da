"""Pools for `next`: no item twice, none that stays left out, whatever happens between the pages."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence

import numpy as np
import pytest
from conftest import Load
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from recommender import Catalogue
from recommender.errors import InvalidParameter
from recommender.store import hashes, index, pools
from recommender.store.connection import Server
from recommender.store.pools import Pool, Row
from recommender.where import parse

THINGS = Catalogue.from_dict(
    {
        "name": "things",
        "fields": {"colour": {"type": "tag"}, "size": {"type": "number"}},
        "vectors": {"v": {"embedder": "given", "column": "v", "index": "flat"}},
    }
)
IDS = [f"thing {number:02}" for number in range(40)]
RED = parse("colour=red", THINGS) or ""
PREFIX = hashes.prefix_of("things", 1)
EVERYTHING = "*"


@pytest.fixture
def loaded(load: Load, server: Server) -> Server:
    load(THINGS, [{"id": id, "colour": "red", "size": 1, "v": [1.0, 2.0]} for id in IDS])
    return server


def pool(ids: Sequence[str] = IDS, filter: str = EVERYTHING, asked: str = "q") -> Pool:
    rows = [Row(id, 1 - number / 100) for number, id in enumerate(ids)]
    return Pool("things", 1, asked, filter, rows)


def ids_of(taken: pools.Taken) -> list[str]:
    return [row.id for row in taken.rows]


def test_a_pool_comes_back_as_it_was_kept(loaded: Server) -> None:
    rows = [
        Row("a", 0.5, 0.25, "vector", {"sentence": "it is \u00fc", "boosts": {"x": 0.1}}),
        Row("b", None, None, "popular", None),
    ]
    for kept in (
        Pool("things", 3, "asked", RED, rows),
        Pool("things", 1, "asked", "*", [Row(f"b\u00fccher/{n}.md", n / 7) for n in range(999)]),
        Pool("things", 1, "asked", "*", []),
    ):
        name = pools.keep(loaded.client, kept)
        assert pools.read(loaded.client, f"{name}.7", catalogue="things", asked="asked") == (
            kept,
            7,
        )


def test_a_large_pool_is_cut_and_compressed(loaded: Server) -> None:
    rows = [Row(str(number), 0.5) for number in range(10_050)]
    name = pools.keep(loaded.client, Pool("things", 1, "q", "*", rows))
    assert name is not None
    kept, _ = pools.read(loaded.client, f"{name}.10000", catalogue="things", asked="q")
    assert kept.rows == rows[:10_000]
    assert loaded.client.strlen(pools.key_of(name)) < 100_000
    assert pools.take(loaded.client, kept, 10_000, 5) == ([], None)


def test_half_an_hour_from_the_last_page(loaded: Server) -> None:
    name = pools.keep(loaded.client, pool())
    key = pools.key_of(str(name))
    assert 1790 <= loaded.client.ttl(key) <= 1800
    loaded.client.expire(key, 5)
    pools.read(loaded.client, f"{name}.10", catalogue="things", asked="q")
    assert 1790 <= loaded.client.ttl(key) <= 1800


def test_nothing_is_kept_where_nothing_follows(loaded: Server) -> None:
    before = loaded.client.dbsize()
    assert pools.begin(loaded.client, pool(IDS[:3]), 3) is None
    assert pools.begin(loaded.client, pool([]), 0) is None
    assert loaded.client.dbsize() == before
    token = pools.begin(loaded.client, pool(IDS[:3]), 2)
    assert token is not None
    assert token.endswith(".2")
    assert pools.following(token, 3) == token[:-1] + "3"
    assert pools.following(token, None) is None


@pytest.mark.parametrize(
    "token",
    ["", "x", 5, None, ["a"], "0" * 32, f"{'0' * 32}.", f"{'0' * 32}.-1", f"{'0' * 32}.01",
     f"{'0' * 32}.10001", f"{'0' * 32}.1\n", f"{'A' * 32}.1", f"{'0' * 32}.\u0661", "lock.1",
     f"{'0' * 31}*.1", f"{'0' * 33}.1", "\ud800.1", "x" * 100_000],
)  # fmt: skip
def test_a_malformed_token_is_refused(server: Server, token: object) -> None:
    with pytest.raises(InvalidParameter, match="Ask again with next=start") as caught:
        pools.read(server.client, token, catalogue="things", asked="q")
    assert caught.value.parameter == "next"
    assert caught.value.code == "invalid_next"
    assert len(str(caught.value)) < 200


def test_a_forged_an_expired_and_a_foreign_token_are_refused(loaded: Server) -> None:
    client, token = loaded.client, f"{pools.keep(loaded.client, pool())}.10"
    with pytest.raises(InvalidParameter, match="of the catalogue 'things', not of 'films'"):
        pools.read(client, token, catalogue="films", asked="q")
    with pytest.raises(InvalidParameter, match="another question"):
        pools.read(client, token, catalogue="things", asked="other")
    with pytest.raises(InvalidParameter, match=r"older than 30 minutes, or no answer ever gave it"):
        pools.read(client, f"{'0' * 32}.10", catalogue="things", asked="q")
    client.delete(pools.key_of(token.partition(".")[0]))
    with pytest.raises(InvalidParameter, match=r"older than 30 minutes.*Ask again with next=start"):
        pools.read(client, token, catalogue="things", asked="q")


@pytest.mark.parametrize("blob", [b"", b"[]", b"[1", b"\0\1", zlib.compress(b"{}"), b"[1,2,3,4,5]"])
def test_what_somebody_else_wrote_is_no_pool(server: Server, blob: bytes) -> None:
    server.client.set(pools.key_of("0" * 32), blob)
    with pytest.raises(InvalidParameter):
        pools.read(server.client, f"{'0' * 32}.0", catalogue="things", asked="q")


def test_questions_are_told_apart() -> None:
    vector = np.array([0.5, 1.0])
    asked = pools.asked_of("similar", "a", where=("x=1",), exclude={"b", "c"}, limit=10, next=None)
    assert asked == pools.asked_of(
        "similar", "a", where=["x=1"], exclude={"c", "b"}, limit=99, offset=3, fields=["t"]
    )
    assert asked != pools.asked_of("similar", "b", where=["x=1"], exclude={"c", "b"})
    assert asked != pools.asked_of("search", "a", where=["x=1"], exclude={"c", "b"})
    assert asked != pools.asked_of("similar", "a", where=["x=2"], exclude={"c", "b"})
    assert pools.asked_of("search", vector) == pools.asked_of("search", [0.5, 1.0])
    assert pools.asked_of("search", "\ud800") != pools.asked_of("search", "?")


def test_what_is_gone_or_changed_is_passed_over(loaded: Server) -> None:
    client, red = loaded.client, pool(filter=RED)
    assert ids_of(pools.take(client, red, 0, 5)) == IDS[:5]
    client.delete(PREFIX + IDS[6])
    client.hset(PREFIX + IDS[7], "colour", "blue")
    taken = pools.take(client, red, 5, 3)
    assert ids_of(taken) == [IDS[5], IDS[8], IDS[9]]
    assert taken.offset == 10
    assert ids_of(pools.take(client, pool(), 5, 3)) == [IDS[5], IDS[7], IDS[8]]  # no filter


def test_most_of_a_pool_gone(load: Load, server: Server) -> None:
    load(THINGS, [{"id": "last", "colour": "red", "v": [1.0, 2.0]}])
    for filter in (RED, EVERYTHING):
        many = pool([*(f"gone {number}" for number in range(9_000)), "last"], filter)
        assert ids_of(pools.take(server.client, many, 0, 3)) == ["last"]
        assert pools.take(server.client, many, 0, 3).offset is None


def test_a_new_generation_is_looked_up_in_itself(loaded: Server) -> None:
    client, red = loaded.client, pool(filter=RED)
    newer = hashes.prefix_of("things", 2)
    row = {"colour": "red", "v_vector": np.array([1, 2], np.float32).tobytes(), "_at": "1"}
    hashes.begin_write(client, newer, [(id, row, ()) for id in IDS if id != IDS[3]]).finish()
    index.create(client, THINGS, 2, {"v": 2})
    index.wait(client, index.index_name("things", 2), lambda state: None)
    index.publish(client, "things", 2)
    hashes.delete_all(client, PREFIX)
    for kept in (red, pool()):
        taken = pools.take(client, kept, 2, 3, generation=2)
        assert ids_of(taken) == [IDS[2], IDS[4], IDS[5]]


change = st.tuples(st.sampled_from(["delete", "blue", "red", "add"]), st.sampled_from(IDS))


@given(
    order=st.permutations(IDS),
    size=st.integers(0, len(IDS)),
    filtered=st.booleans(),
    turns=st.lists(st.tuples(st.integers(1, 12), st.lists(change, max_size=12)), max_size=40),
)
@examples(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_item_twice_and_none_that_stays_left_out(
    load: Load, server: Server, order: list[str], size: int, filtered: bool,
    turns: list[tuple[int, list[tuple[str, str]]]],
) -> None:  # fmt: skip
    client = server.client
    client.flushall()
    load(THINGS, [{"id": id, "colour": "red", "v": [1.0, 2.0]} for id in IDS])
    ranked = order[:size]
    token = pools.begin(client, pool(ranked, RED if filtered else EVERYTHING), 0)
    colours = dict.fromkeys(IDS, "red")
    stayed = set(IDS)
    shown: list[str] = []
    for limit, changes in [*turns, *[(12, [])] * len(IDS)]:
        if token is None:
            break
        for kind, id in changes:
            _change(server, colours, kind, id)
            stayed &= {id for id, colour in colours.items() if colour == "red" or not filtered}
        kept, offset = pools.read(client, token, catalogue="things", asked="q")
        page = pools.take(client, kept, offset, limit)
        assert all(colours.get(id) == "red" or not filtered for id in ids_of(page))
        assert {*ids_of(page)} <= {*colours}
        assert len(page.rows) == limit or page.offset is None
        shown += ids_of(page)
        token = pools.following(token, page.offset)
    assert token is None
    assert len(shown) == len(set(shown))
    assert [id for id in ranked if id in shown] == shown  # in the order of the ranking
    assert {*ranked} & stayed <= {*shown}


def _change(server: Server, colours: dict[str, str], kind: str, id: str) -> None:
    client, key = server.client, PREFIX + id
    if kind == "delete":
        client.delete(key)
        colours.pop(id, None)
    elif kind == "add" or id in colours:
        colours[id] = "blue" if kind == "blue" else "red"
        blob = np.array([1, 2], np.float32).tobytes()
        client.hset(key, mapping={"colour": colours[id], "v_vector": blob, "_at": "1"})


def test_what_is_kept_is_plain_json(loaded: Server) -> None:
    name = pools.keep(loaded.client, pool(IDS[:2]))
    text = loaded.client.get(pools.key_of(str(name)))
    assert json.loads(text) == [
        "things", 1, "q", "*",
        [["thing 00", 1.0, None, "vector", None], ["thing 01", 0.99, None, "vector", None]],
            {},
    ]  # fmt: skip
