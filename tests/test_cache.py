"""What was paid for is kept: asked for first, written at once, and never part of a catalogue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from openai_server import OpenAIServer, Reply
from outside import Shell
from redis.backoff import NoBackoff
from redis.retry import Retry

from recommender.embedders.base import embed_all, make_embedder
from recommender.embedders.cached import CALL_BYTES, Cached, digest_of
from recommender.errors import EmbedderError, StoreError, TextRefused
from recommender.store import catalogues, embeddings, hashes
from recommender.store.connection import Server
from recommender.store.embeddings import Kept

SMALL = "text-embedding-3-small"


@pytest.fixture
def openai() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def sent(openai: OpenAIServer) -> list[str]:
    return [text for request in openai.requests for text in request.body["input"]]


def cached(openai: OpenAIServer, server: Server, model: str = SMALL, dims: int = 3) -> Cached:
    embedder = make_embedder(f"openai:{model}", dims, openai.settings())
    return Cached(embedder, Kept(server.client, embedder.name, embedder.dims))


# Never paid for twice


def test_the_same_text_is_never_paid_for_twice(openai: OpenAIServer, server: Server) -> None:
    first = cached(openai, server).embed(["aab", "cc", "aab"])
    assert sent(openai) == ["aab", "cc"]
    again = cached(openai, server).embed(["cc", "b", "aab"])  # as in another process
    assert sent(openai) == ["aab", "cc", "b"]
    np.testing.assert_array_equal(again[[2, 0]], first[:2])
    np.testing.assert_array_equal(first[0], first[2])
    assert again.dtype == first.dtype == np.float32


def test_another_model_and_another_length_are_paid_for(
    openai: OpenAIServer, server: Server
) -> None:
    assert cached(openai, server).embed(["aab"]).shape == (1, 3)
    assert cached(openai, server, dims=2).embed(["aab"]).shape == (1, 2)
    assert cached(openai, server, "text-embedding-3-large").embed(["aab"]).shape == (1, 3)
    assert sent(openai) == ["aab"] * 3


def test_a_long_text_is_paid_for_once(openai: OpenAIServer, server: Server) -> None:
    long = "a" * 20_000 + "b" * 20_000
    first = cached(openai, server).embed([long])
    count = len(sent(openai))
    assert count == 3
    np.testing.assert_array_equal(cached(openai, server).embed([long]), first)
    assert len(sent(openai)) == count


def test_what_came_before_a_failure_is_kept(openai: OpenAIServer, server: Server) -> None:
    texts = [letter * 10_000 for letter in "abc" * 40]
    texts = [f"{number} {text}" for number, text in enumerate(texts)]
    openai.script.extend([Reply(), Reply(), Reply(402)])
    with pytest.raises(EmbedderError, match="402"):
        cached(openai, server).embed(texts)
    paid = [len(request.body["input"]) for request in openai.requests[:2]]
    assert sum(paid) >= 60
    cached(openai, server).embed(texts)
    good = openai.requests[:2] + openai.requests[3:]
    assert [text for request in good for text in request.body["input"]] == texts


def test_a_call_is_one_request(openai: OpenAIServer, server: Server) -> None:
    texts = ["word " * (CALL_BYTES // 5 // 25) + str(number) for number in range(60)]
    embedder = cached(openai, server)
    embedder.embed(texts)
    assert [len(request.body["input"]) for request in openai.requests] == [24, 24, 12]


def test_refused_texts_are_found_and_the_others_are_kept(
    openai: OpenAIServer, server: Server
) -> None:
    texts = [f"a text {number}" for number in range(20)]
    openai.refuses.add("a text 7")
    _, refused = embed_all(cached(openai, server), texts, lambda done: None)
    assert list(refused) == [7]
    openai.requests.clear()
    with pytest.raises(TextRefused):
        cached(openai, server).embed(texts)
    assert sent(openai) == ["a text 7"]


def test_a_text_without_a_meaning_is_not_kept(openai: OpenAIServer, server: Server) -> None:
    vectors = cached(openai, server).embed(["", "a", "zzz"])  # 3 numbers: of a, b and c
    assert np.isnan(vectors).all(axis=1).tolist() == [True, False, True]
    assert embeddings.sizes(server.client)[0].texts == 1


def test_unknown_texts_are_told_without_embedding(openai: OpenAIServer, server: Server) -> None:
    embedder = cached(openai, server)
    embedder.embed(["a", "b"])
    openai.requests.clear()
    assert embedder.unknown(["c", "a", "d", "c"]) == ["c", "d"]
    assert embedder.unknown([]) == []
    assert openai.requests == []


def test_no_texts(openai: OpenAIServer, server: Server) -> None:
    vectors = cached(openai, server).embed([])
    assert (vectors.shape, vectors.dtype, openai.requests) == ((0, 3), np.float32, [])


def test_it_is_otherwise_like_what_it_wraps(openai: OpenAIServer, server: Server) -> None:
    inner = make_embedder("openai:letters", None, openai.settings())
    around = Cached(inner, Kept(server.client, inner.name, inner.dims))
    for name in ("name", "dims", "batch_size", "is_remote", "max_bytes"):
        assert getattr(around, name) == getattr(inner, name)


# Without a server: what a cache may do to it


class Lengths:
    """An embedder: a text's length and 1, refused when it is "bad"; it counts what it embeds."""

    name, dims, batch_size, is_remote, max_bytes = "lengths", 2, 3, True, None

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self.hold: Callable[[], object] = lambda: None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.hold()
        if "bad" in texts:
            raise TextRefused("it is bad")
        self.embedded += texts
        return np.array([[len(text), 1] for text in texts], dtype=np.float32)


class Memory:
    """A cache in a dict."""

    def __init__(self) -> None:
        self.vectors: dict[bytes, bytes] = {}
        self.on_put: Callable[[], object] = lambda: None

    def get(self, digests: Sequence[bytes]) -> list[bytes | None]:
        return [self.vectors.get(digest) for digest in digests]

    def put(self, vectors: Mapping[bytes, bytes]) -> None:
        self.vectors.update(vectors)
        self.on_put()


WORDS = st.sampled_from(["", "a", "bb", "ccc", "b\ud800", "b?", "世界", "bad"])


@given(st.lists(st.lists(WORDS, max_size=9), max_size=5))
def test_with_and_without_a_cache_is_the_same(batches: list[list[str]]) -> None:
    plain, inner = Lengths(), Lengths()
    around = Cached(inner, Memory())
    for texts in batches:
        expected, refused = embed_all(plain, texts, lambda done: None)
        found, also_refused = embed_all(around, texts, lambda done: None)
        np.testing.assert_array_equal(found, expected)
        assert also_refused == refused
    assert sorted(inner.embedded) == sorted({text for texts in batches for text in texts} - {"bad"})


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\0" * 4,
        b"\0" * 12,
        np.array([np.nan, 1], "<f4").tobytes(),
        np.array([np.inf, 1], "<f4").tobytes(),
    ],
)
def test_a_vector_that_cannot_be_right_is_made_again(value: bytes) -> None:
    memory, inner = Memory(), Lengths()
    memory.vectors[digest_of("abc")] = value
    assert Cached(inner, memory).embed(["abc", "d"]).tolist() == [[3, 1], [1, 1]]
    assert inner.embedded == ["abc", "d"]
    assert memory.vectors[digest_of("abc")] == np.array([3, 1], "<f4").tobytes()


def test_a_vector_of_another_length_is_not_kept() -> None:
    memory, inner = Memory(), Lengths()
    inner.dims = 3
    with pytest.raises(EmbedderError, match=r"shape \(1, 2\) for 1 texts, not \(1, 3\)"):
        Cached(inner, memory).embed(["abc"])
    assert memory.vectors == {}


def test_threads_pay_once_for_the_same_texts() -> None:
    inner = Lengths()
    start, texts = threading.Barrier(8), [f"{number} x" for number in range(50)]
    around = Cached(inner, Memory())

    def embed(turn: int) -> list[list[float]]:
        start.wait()
        own = texts[turn:] + texts[:turn]
        found: list[list[float]] = around.embed(own).tolist()
        return found[len(texts) - turn :] + found[: len(texts) - turn]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(embed, range(0, 40, 5)))
    assert all(result == results[0] for result in results)
    assert sorted(inner.embedded) == sorted(texts)


def test_a_thread_that_waited_for_one_that_failed_tries_itself() -> None:
    inner, memory = Lengths(), Memory()
    around = Cached(inner, memory)
    entered, go_on, own_is_kept = threading.Event(), threading.Event(), threading.Event()
    memory.on_put = own_is_kept.set

    def fail_once() -> None:
        inner.hold = lambda: None
        entered.set()
        go_on.wait()
        raise EmbedderError("the line is cut")

    inner.hold = fail_once
    with ThreadPoolExecutor(2) as pool:
        failing = pool.submit(around.embed, ["a", "b"])
        entered.wait()
        waiting = pool.submit(around.embed, ["b", "cc"])
        own_is_kept.wait()  # what nobody else is about is done first
        assert not waiting.done()
        go_on.set()
        assert waiting.result().tolist() == [[1, 1], [2, 1]]
        with pytest.raises(EmbedderError, match="the line is cut"):
            failing.result()
    assert inner.embedded == ["cc", "b"]


# In Redis


def test_rows_come_back_as_they_were_put(server: Server) -> None:
    client = server.client
    assert Kept(client, "m", 2).get([]) == []
    assert Kept(client, "m", 2).get([b"a" * 16, b"b" * 16]) == [None, None]
    Kept(client, "m", 2).put({b"a" * 16: b"12345678", b"\0\r\n" * 5 + b"\xff": b"\0" * 8})
    Kept(client, "m", 2).put({})
    found = Kept(client, "m", 2).get([b"\0\r\n" * 5 + b"\xff", b"b" * 16, b"a" * 16])
    assert found == [b"\0" * 8, None, b"12345678"]
    assert Kept(client, "m", 3).get([b"a" * 16]) == [None]


def test_a_batch_is_one_command(server: Server) -> None:
    rows = {bytes([number]) * 16: b"12345678" for number in range(256)}
    server.client.config_resetstat()
    Kept(server.client, "m", 2).put(rows)
    assert Kept(server.client, "m", 2).get(list(rows)) == list(rows.values())
    calls = server.client.info("commandstats")
    assert (calls["cmdstat_hset"]["calls"], calls["cmdstat_hmget"]["calls"]) == (1, 1)


def test_sizes_and_clearing(server: Server) -> None:
    client = server.client
    assert embeddings.sizes(client) == []
    vector = np.zeros(1000, "<f4").tobytes()
    thousand = {number.to_bytes(16, "big"): vector for number in range(1000)}
    Kept(client, "openai:b", 1000).put(thousand)
    Kept(client, "openai:b", 8).put({b"x" * 16: b"\0" * 32})
    Kept(client, "openai:a:b/c*", 8).put({b"x" * 16: b"\0" * 32, b"y" * 16: b"\0" * 32})
    kept = [(size.name, size.dims, size.texts) for size in embeddings.sizes(client)]
    assert kept == [("openai:a:b/c*", 8, 2), ("openai:b", 8, 1), ("openai:b", 1000, 1000)]
    assert 4 < embeddings.sizes(client)[2].megabytes < 8
    assert embeddings.clear(client, "openai:a") == 0
    assert embeddings.clear(client, "openai:b") == 1001
    assert embeddings.clear(client) == 2
    assert embeddings.sizes(client) == []
    assert client.keys() == []


def test_a_catalogue_called_embeddings_is_no_part_of_it(server: Server) -> None:
    client = server.client
    client.hset(catalogues.key_of("embeddings"), "generation", "1")
    with catalogues.locked(client, "embeddings", lambda: None):
        keys = set(client.keys())
        assert len(keys) == 2
        assert embeddings.sizes(client) == []
        assert embeddings.clear(client) == 0
        assert set(client.keys()) == keys


def test_a_full_redis_loses_no_embedding(openai: OpenAIServer, server: Server) -> None:
    embedder = cached(openai, server)
    embedder.embed(["b"])
    server.client.config_set("maxmemory", "1mb")
    try:
        assert embedder.embed(["a", "b"]).tolist() == [[1, 0, 0], [0, 1, 0]]
        with pytest.raises(StoreError, match="out of memory"):
            hashes.begin_write(server.client, "film:1:item:", [("a", {"x": b"y"}, ())]).finish()
    finally:
        server.client.config_set("maxmemory", "0")
    assert embeddings.sizes(server.client)[0].texts == 1
    embedder.embed(["a"])
    assert embeddings.sizes(server.client)[0].texts == 2


def test_a_redis_that_refuses_is_an_error_before_anything_is_paid_for(
    openai: OpenAIServer, server: Server
) -> None:
    embedder = cached(openai, server)
    server.client.set(embeddings.key_of(embedder.name, 3), "not a hash")
    with pytest.raises(StoreError, match="WRONGTYPE"):
        embedder.embed(["a"])
    assert openai.requests == []


def test_a_lost_redis_is_an_error_as_everywhere(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none")
    client = redis.Redis(unix_socket_path=nowhere, retry=Retry(NoBackoff(), 0))
    kept = Kept(client, "m", 2)
    with pytest.raises(StoreError, match="does not answer"):
        kept.get([b"x" * 16])
    with pytest.raises(StoreError, match="does not answer"):
        kept.put({b"x" * 16: b"\0" * 8})


# On the command line


@pytest.fixture
def shell(server: Server, home: Path, tmp_path: Path) -> Shell:
    return Shell(home, tmp_path)


@pytest.fixture
def full(server: Server) -> Server:
    """A Redis with two vectors of one embedder and one of another."""
    vector = np.ones(2, "<f4").tobytes()
    Kept(server.client, "openai:small", 2).put({b"x" * 16: vector, b"y" * 16: vector})
    Kept(server.client, "openai:large", 2).put({b"x" * 16: vector})
    return server


def test_an_empty_cache_says_so(shell: Shell) -> None:
    assert (
        shell.call("cache").out == "No embeddings are kept: only those of remote embedders are.\n"
    )
    assert shell.call("cache", "--json").json == {"embeddings": []}
    assert shell.call("cache", "clear").out == "0 embeddings forgotten\n"


def test_the_cache_is_listed(shell: Shell, full: Server) -> None:
    done = shell.run("cache")
    assert (done.code, done.err) == (0, "")
    rows = [line.split() for line in done.out.splitlines()]
    assert ["name", "dims", "texts", "megabytes"] in rows
    assert ["openai:large", "2", "1", "0.0"] in rows
    assert ["openai:small", "2", "2", "0.0"] in rows
    listed = shell.call("cache", "--json").json["embeddings"]
    assert [(row["name"], row["texts"]) for row in listed] == [
        ("openai:large", 1),
        ("openai:small", 2),
    ]


def test_the_cache_is_cleared_when_that_is_meant(shell: Shell, full: Server) -> None:
    asked = shell.call("cache", "clear", stdin="n\n")
    assert (asked.code, "Forget 3 embeddings?" in asked.out) == (1, True)
    wrong = shell.call("cache", "clear", "openai:smal", "--yes")
    assert (wrong.code, "Did you mean 'openai:small'?" in wrong.err) == (2, True)
    assert len(embeddings.sizes(full.client)) == 2
    assert shell.call("cache", "clear", "openai:small", stdin="y\n").code == 0
    assert [size.name for size in embeddings.sizes(full.client)] == ["openai:large"]
    assert shell.run("cache", "clear", "--yes").out == "1 embeddings forgotten\n"
    assert embeddings.sizes(full.client) == []
