"""Writes whose replies are read late: nothing is lost, half done or counted before it is there."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import Load, Quiet
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st

from recommender import Catalogue, Record, Settings, sync
from recommender.errors import StoreError, StoreFull
from recommender.store import hashes, index
from recommender.store.connection import Server
from recommender.store.packed import EXEC, MULTI, Sent, resting

GIVEN = {"embedder": "given", "column": "v", "dims": 4, "index": "flat"}
COUNT = 4500


def catalogue(name: str = "shop") -> Catalogue:
    fields = {"title": {"type": "text"}, "year": {"type": "number"}, "tags": {"type": "tag"}}
    return Catalogue.from_dict({"name": name, "fields": fields, "vectors": {"v": GIVEN}})


def row(number: int, **more: Any) -> dict[str, Any]:
    vector = [1.0, number % 7, number % 11, number % 13]
    return {"id": str(number), "title": f"t{number}", "year": number, "v": vector} | more


ROWS = [row(number) for number in range(COUNT)]
BARE = [{"id": each["id"], "title": "bare", "v": each["v"]} for each in ROWS]
"""The same without their years."""


def stored(server: Server, name: str = "shop") -> dict[bytes, dict[bytes, bytes]]:
    """Every item by its id, but for the time when it was written."""
    prefix = hashes.prefix_of(name, 1).encode()
    keys = sorted({key for batch in hashes.scan(server.client, prefix.decode()) for key in batch})
    found = {key.removeprefix(prefix): server.client.hgetall(key) for key in keys}
    return {id: {k: v for k, v in item.items() if k != b"_at"} for id, item in found.items()}


def cut_off(
    rows: list[dict[str, Any]], after: int, fault: Callable[[], object]
) -> Iterator[dict[str, Any]]:
    """A source beside which something happens."""
    for number, each in enumerate(rows):
        if number == after:
            fault()
        yield each


def connections(server: Server) -> list[Any]:
    """The connections in the pool that nobody uses."""
    return [each for each in server.client.connection_pool._available_connections if each._sock]


def check_pool(server: Server) -> None:
    """Everything was given back, and nobody would read another one's reply."""
    pool = server.client.connection_pool
    assert pool._in_use_connections == set(resting(pool))
    for each in [*connections(server), *resting(pool)]:
        assert not each.can_read(timeout=0), "a reply was left"


# One batch


def test_everything_is_there_when_it_is_finished(server: Server) -> None:
    sent = Sent(server.client, [("SET", "a", b"1\r\n\x00"), ("GET", "a"), ("HSET", "h", "k", "v")])
    sent.finish()
    assert server.client.get("a") == b"1\r\n\x00"
    check_pool(server)
    sent.finish()  # for the second time: nothing is read, nothing given back twice
    check_pool(server)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_error_is_raised_and_all_other_replies_are_read(server: Server, at: int) -> None:
    commands = [("SET", f"k{number}", "x") for number in range(3)]
    commands.insert(at, ("HSET", "k-string", "f", "v"))
    server.client.set("k-string", "no hash")
    sent = Sent(server.client, commands)
    with pytest.raises(StoreError, match="WRONGTYPE"):
        sent.finish()
    assert server.client.mget("k0", "k1", "k2") == [b"x"] * 3, "the others are done"
    check_pool(server)


def test_an_error_inside_a_transaction_is_raised(server: Server) -> None:
    server.client.set("text", "no hash")
    commands = [MULTI, ("SET", "a", "1"), ("HSET", "text", "f", "v"), EXEC, ("SET", "b", "1")]
    with pytest.raises(StoreError, match="WRONGTYPE"):
        Sent(server.client, commands).finish()
    assert server.client.mget("a", "b") == [b"1", b"1"]
    check_pool(server)


def test_a_transaction_that_redis_will_not_take_does_nothing(server: Server) -> None:
    with pytest.raises(StoreError, match="unknown command"):
        Sent(server.client, [MULTI, ("SET", "a", "1"), ("NONSENSE",), EXEC]).finish()
    assert server.client.get("a") is None
    check_pool(server)


def test_others_use_the_client_between_sending_and_finishing(server: Server) -> None:
    sent = [Sent(server.client, [("INCR", "n")] * 500) for _ in range(5)]
    assert server.client.echo("mine") == b"mine"
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(server.client.echo(str(n))))  # type: ignore[misc]
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found, key=int) == [str(n).encode() for n in range(20)]
    for each in reversed(sent):
        each.finish()
    assert server.client.get("n") == b"2500"
    check_pool(server)


def test_a_lost_connection_is_an_error_and_not_used_again(server: Server) -> None:
    name = "to-be-killed"
    server.client.echo("a connection in the pool")
    sent = Sent(server.client, [("CLIENT", "SETNAME", name), ("BLPOP", "nothing", "0")])
    [victim] = wait_for(server, name)
    server.client.client_kill_filter(_id=victim["id"])
    with pytest.raises(StoreError, match="does not answer"):
        sent.finish()
    check_pool(server)
    assert server.client.echo("x") == b"x"


def wait_for(server: Server, name: str) -> list[dict[str, str]]:
    while True:
        found = [each for each in server.client.client_list() if each["name"] == name]
        if found:
            return found


def test_ctrl_c_while_it_waits_leaves_no_reply_behind(server: Server) -> None:
    sent = Sent(server.client, [("BLPOP", "nothing", "0"), ("SET", "a", "1")])
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        sent.finish()
    timer.join()
    check_pool(server)
    assert server.client.echo("x") == b"x"


@tuned(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.text(min_size=1, max_size=9),
            st.dictionaries(
                st.sampled_from("abc"), st.binary(max_size=99) | st.text(max_size=9), min_size=1
            ),
            st.lists(st.sampled_from("xyz"), unique=True),
        ),
        max_size=9,
    ),
    st.booleans(),
)
def test_what_is_written_is_what_redis_py_would_write(
    server: Server, rows: list[tuple[str, dict[str, Any], list[str]]], at_once: bool
) -> None:
    client = server.client
    client.flushall()
    for id, _, _ in rows:
        client.hset(f"ours:{id}", "x", "old")
        client.hset(f"theirs:{id}", "x", "old")
    hashes.begin_write(client, "ours:", rows, at_once=at_once).finish()
    for id, fields, gone in rows:
        client.hset(f"theirs:{id}", mapping=fields)
        if gone:
            client.hdel(f"theirs:{id}", *gone)
    for id, _, _ in rows:
        assert client.hgetall(f"ours:{id}") == client.hgetall(f"theirs:{id}")
    client.flushall()


# Whole loads


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("after", [0, 1000, 2500, 4499])
def test_a_full_redis_in_the_middle(load: Load, server: Server, after: int, known: bool) -> None:
    if known:
        load(catalogue(), ROWS)
        before = stored(server)
    progress = Quiet()
    fill_up = lambda: server.client.config_set("maxmemory", 1)  # noqa: E731
    try:
        with pytest.raises(StoreFull, match="out of memory") as caught:
            load(catalogue(), cut_off(BARE, after, fill_up), progress=progress)
    finally:
        server.client.config_set("maxmemory", 0)
    assert "run the same command again" in str(caught.value)
    check_pool(server)
    assert not server.client.exists("recommender:shop:lock")
    found = stored(server)
    told = max((done for stage, done, _ in progress.stages if stage == "write"), default=0)
    written = [id for id, item in found.items() if b"bare" in item.values()]
    assert told <= len(written) <= after
    if known:
        unchanged = {id: item for id, item in found.items() if id not in written}
        assert unchanged == {id: before[id] for id in unchanged}, "an item is whole"
    for source in (BARE, ROWS):
        load(catalogue("clean"), source)
        report = load(catalogue(), source)
        assert report.written + report.unchanged == report.items == COUNT
        assert stored(server) == stored(server, "clean")


def test_a_full_redis_and_then_the_old_source(load: Load, server: Server) -> None:
    """An item that lost a field, but did not get the rest, would pass for unchanged."""
    load(catalogue(), ROWS)
    before = stored(server)
    fill_up = lambda: server.client.config_set("maxmemory", 1)  # noqa: E731
    try:
        with pytest.raises(StoreFull):
            load(catalogue(), cut_off(BARE, 2000, fill_up))
    finally:
        server.client.config_set("maxmemory", 0)
    assert load(catalogue(), ROWS).items == COUNT
    assert stored(server) == before


class Filling(Quiet):
    """A progress during which something happens, when ``stage`` has done so much."""

    def __init__(self, wanted: str, at: int, fault: Callable[[], object]) -> None:
        super().__init__()
        self._wanted, self._at, self._fault = wanted, at, fault

    def stage(self, name: str, done: float, total: float | None) -> None:
        super().stage(name, done, total)
        if (name, done) == (self._wanted, self._at):
            self._fault()


def test_a_redis_that_is_full_when_the_index_is_made(load: Load, server: Server) -> None:
    fill_up = lambda: server.client.config_set("maxmemory", 1)  # noqa: E731
    try:
        with pytest.raises(StoreFull, match="out of memory"):
            load(catalogue(), ROWS, progress=Filling("write", COUNT, fill_up))
    finally:
        server.client.config_set("maxmemory", 0)
    report = load(catalogue(), ROWS)
    assert (report.unchanged, report.written, report.items) == (COUNT, 0, COUNT)


def test_a_full_redis_prunes_nothing(load: Load, server: Server, settings: Settings) -> None:
    load(catalogue(), ROWS)
    fill_up = lambda: server.client.config_set("maxmemory", 1)  # noqa: E731
    records = [Record(each["id"], each) for each in BARE[:4000]]
    try:
        with pytest.raises(StoreFull):
            sync(
                server, catalogue(), records, settings, prune=True,
                progress=Filling("read", 2000, fill_up),
            )  # fmt: skip
    finally:
        server.client.config_set("maxmemory", 0)
    assert len(stored(server)) == COUNT
    report = sync(server, catalogue(), records, settings, prune=True)
    assert (report.removed, report.items) == (500, 4000)


def test_an_item_that_redis_refuses_is_not_counted(load: Load, server: Server) -> None:
    """Somebody put a text where an item belongs: the load says so, and the next one goes on."""
    load(catalogue(), ROWS[:1])
    server.client.set("shop:1:item:1500", "not ours")
    progress = Quiet()
    with pytest.raises(StoreError, match="WRONGTYPE"):
        load(catalogue(), ROWS, progress=progress)
    told = [done for stage, done, _ in progress.stages if stage == "write"]
    assert max(told, default=0) <= 999
    check_pool(server)
    server.client.delete("shop:1:item:1500")
    assert load(catalogue(), ROWS).items == COUNT


def test_a_fault_of_the_last_batch_is_not_lost(load: Load, server: Server) -> None:
    load(catalogue(), ROWS[:1])
    fault = lambda: server.client.set("shop:1:item:4499", "not ours")  # noqa: E731
    with pytest.raises(StoreError, match="WRONGTYPE"):
        load(catalogue(), cut_off(ROWS, 4499, fault))
    check_pool(server)


def test_ctrl_c_between_two_batches(load: Load, server: Server) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(catalogue(), cut_off(ROWS, 2500, stop))
    check_pool(server)
    assert not server.client.exists("recommender:shop:lock")
    assert len(stored(server)) == 2000, "what was sent is there"
    report = load(catalogue(), ROWS)
    assert (report.unchanged, report.new) == (2000, COUNT - 2000)
    assert index.get_state(server.client, "shop").items == COUNT
