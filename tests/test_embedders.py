"""Every embedder keeps one contract; then what is special to each of them."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai_server import KEY, LETTERS, OpenAIServer, Reply, busy, letters, pack

from recommender.embedders.base import Embedder, make_embedder
from recommender.embedders.remote import OpenAICompatible
from recommender.embedders.static import GROUP_CHARACTERS, PIECE_CHARACTERS, WordLlama
from recommender.errors import EmbedderError, InvalidCatalogue, TextRefused
from recommender.settings import Settings

TEXTS = ["a bad cab", "the red dog barks", "Crème brûlée, 世界 🙂", "1999", "a bad cab", "zzz"]
SMALL = "text-embedding-3-small"
NOWHERE = Settings(home=Path("/nonexistent"))


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def unit(vector: list[float]) -> np.ndarray:
    return np.asarray(vector) / np.linalg.norm(vector)


# One contract


@pytest.fixture(
    params=["wordllama", "wordllama/64", "openai", "openai/256", "unknown", "azure", "lists"]
)
def embedder(request: pytest.FixtureRequest, server: OpenAIServer) -> Embedder:
    if request.param == "lists":
        server.knows.clear()
    return {
        "wordllama": lambda: make_embedder("wordllama", None, NOWHERE),
        "wordllama/64": lambda: make_embedder("wordllama", 64, NOWHERE),
        "openai": lambda: make_embedder(f"openai:{SMALL}", None, server.settings()),
        "openai/256": lambda: make_embedder(f"openai:{SMALL}", 256, server.settings()),
        "unknown": lambda: make_embedder("openai:letters", None, server.settings()),
        "azure": lambda: make_embedder("openai:my-own", None, server.azure()),
        "lists": lambda: make_embedder("openai:letters", None, server.settings()),
    }[request.param]()


def test_vectors_are_float32_unit_rows(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dims)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_order_is_kept_and_equal_texts_are_equal(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    np.testing.assert_array_equal(vectors[0], vectors[4])
    np.testing.assert_array_equal(embedder.embed(TEXTS[::-1]), vectors[::-1])
    np.testing.assert_array_equal(embedder.embed(tuple(TEXTS[1:2])), vectors[1:2])
    assert len(np.unique(vectors, axis=0)) == len(set(TEXTS))


def test_it_says_what_it_is_like(embedder: Embedder) -> None:
    assert embedder.is_remote == embedder.name.startswith("openai")
    assert embedder.max_bytes is None or embedder.max_bytes > 1000


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    vectors = embedder.embed([])
    assert vectors.shape == (0, embedder.dims)
    assert vectors.dtype == np.float32


def test_a_blank_text_is_a_row_of_nan_and_costs_the_others_nothing(embedder: Embedder) -> None:
    vectors = embedder.embed(["", "abc", " \n\t"])
    assert np.isnan(vectors).all(axis=1).tolist() == [True, False, True]
    np.testing.assert_array_equal(vectors[1], embedder.embed(["abc"])[0])
    assert np.isnan(embedder.embed([""])).all()


def test_half_a_surrogate_pair_is_a_question_mark(embedder: Embedder) -> None:
    vectors = embedder.embed(["b\ud800c", "b?c"])
    np.testing.assert_array_equal(vectors[0], vectors[1])


def test_more_texts_than_it_likes_at_once(embedder: Embedder) -> None:
    texts = [TEXTS[i % 4] for i in range(2 * embedder.batch_size + 1)]
    few = embedder.embed(TEXTS[:4])
    np.testing.assert_array_equal(embedder.embed(texts), few[np.arange(len(texts)) % 4])


def test_many_threads_at_once(embedder: Embedder) -> None:
    start = threading.Barrier(8)

    def embed(turn: int) -> np.ndarray:
        start.wait()
        return np.roll(embedder.embed(np.roll(TEXTS, turn).tolist()), -turn, axis=0)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(embed, range(8)))
    for result in results:
        np.testing.assert_array_equal(result, results[0])


# wordllama


@pytest.fixture(scope="module")
def original() -> Any:
    WordLlama("", None, NOWHERE).embed(["x"])  # so that the import below leaves the logging alone
    import wordllama

    return wordllama.WordLlama.load(
        cache_dir=Path(wordllama.__file__).parent, disable_download=True
    )


@pytest.mark.parametrize("dims", [64, 128, 256])
def test_wordllama_gives_what_the_package_gives(original: Any, dims: int) -> None:
    theirs = original.embed(TEXTS)[:, :dims]
    ours = WordLlama("", dims, NOWHERE).embed(TEXTS)
    expected = theirs / np.linalg.norm(theirs, axis=1, keepdims=True)
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def exact(original: Any, text: str) -> np.ndarray:
    """The vector of a text in float64: the package adds up in float32."""
    (encoding,) = original.tokenizer.encode_batch([text], add_special_tokens=False)
    return unit(original.embedding[encoding.ids].mean(axis=0, dtype=np.float64))


@pytest.mark.parametrize("seed", range(4))  # other words at the cuts
def test_wordllama_cuts_a_long_text_without_changing_its_vector(original: Any, seed: int) -> None:
    words = ["the", "quick", "brown", "<s>", "lazy", "dog,\nnot", "in", "Zürich", "", "世界"]
    text = " ".join(words[i] for i in np.random.default_rng(seed).integers(0, len(words), 15_000))
    assert len(text) > 5 * PIECE_CHARACTERS
    ours = WordLlama("", None, NOWHERE).embed(["short", text, "shorter"])
    np.testing.assert_allclose(ours[1], exact(original, text), atol=1e-6)
    np.testing.assert_allclose(ours[2], exact(original, "shorter"), atol=1e-6)
    # Of two 1e-5 apart, the package's float32 sum over 25,000 tokens is the rough one.
    np.testing.assert_allclose(ours[1], original.embed([text], norm=True)[0], atol=3e-5)


def test_wordllama_cuts_a_text_without_spaces(original: Any) -> None:
    text = "世界" * (PIECE_CHARACTERS + 1)
    ours = WordLlama("", None, NOWHERE).embed([text, "x" * PIECE_CHARACTERS])
    assert ours[0] @ exact(original, text) > 0.999999


def test_wordllama_needs_little_memory_for_long_texts_among_short_ones() -> None:
    texts = ["word " * (GROUP_CHARACTERS // 10), *["short"] * 63, "word " * (GROUP_CHARACTERS // 4)]
    embedder = WordLlama("", None, NOWHERE)
    embedder.embed(["load the model first"])
    tracemalloc.start()
    vectors = embedder.embed(texts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6  # padded, as in the package: 65 texts of 250,000 tokens of 1 KB
    np.testing.assert_allclose(vectors[0], vectors[-1], atol=1e-6)


@pytest.mark.parametrize("dims", [0, -1, 63, 100, 512])
def test_wordllama_has_three_lengths(dims: int) -> None:
    with pytest.raises(InvalidCatalogue, match=f"{dims} numbers.*64, 128 or 256"):
        WordLlama("", dims, NOWHERE)


def test_wordllama_takes_no_model() -> None:
    with pytest.raises(InvalidCatalogue, match="takes no model, not 'large'"):
        make_embedder("wordllama:large", None, NOWHERE)


FRESH = """
import logging, sys
from pathlib import Path
from recommender.embedders.remote import OpenAICompatible
from recommender.embedders.static import WordLlama
from recommender.settings import Settings

settings = Settings(home=Path("/nonexistent"), openai_api_key="x")
OpenAICompatible("text-embedding-3-small", None, settings).dims
embedder = WordLlama("", None, settings)
assert not {"openai", "wordllama"} & set(sys.modules), "imported before it is needed"
embedder.embed(["a"])
assert "wordllama" in sys.modules
root = logging.getLogger()
assert (root.handlers, root.level) == ([], logging.WARNING), (root.handlers, root.level)
"""


def test_packages_are_imported_late_and_leave_the_logging_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FRESH],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert (done.returncode, done.stderr) == (0, "")


BROKEN = """
import logging
from pathlib import Path
from recommender.embedders.static import WordLlama
from recommender.errors import EmbedderError
from recommender.settings import Settings

try:
    WordLlama("", None, Settings(home=Path("/nonexistent"))).embed(["a"])
except EmbedderError as error:
    print(error)
assert not logging.getLogger().handlers
"""


def test_a_broken_package_is_an_error(tmp_path: Path) -> None:
    broken = "import logging\nlogging.basicConfig(level=20)\nraise ImportError('no such symbol')"
    (tmp_path / "wordllama.py").write_text(broken)
    done = subprocess.run(
        [sys.executable, "-c", BROKEN],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env={"PYTHONPATH": f"{tmp_path}:."},
    )
    said = "wordllama cannot be loaded: no such symbol. pip install --force-reinstall wordllama\n"
    assert (done.stdout, done.stderr) == (said, "")


# OpenAI and its likes: the request


def test_the_request(server: OpenAIServer) -> None:
    server.key = KEY
    vectors = OpenAICompatible(SMALL, None, server.settings()).embed(["a bad cab"])
    np.testing.assert_allclose(vectors[0], unit(letters("a bad cab", 1536)), atol=1e-6)
    (request,) = server.requests
    assert request.path == "/v1/embeddings"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {"model": SMALL, "input": ["a bad cab"], "encoding_format": "base64"}


@pytest.mark.parametrize(
    ("version", "sent"), [(None, "2024-10-21"), ("2025-01-01-preview", "2025-01-01-preview")]
)
def test_azure(server: OpenAIServer, version: str | None, sent: str) -> None:
    server.key = KEY
    settings = server.azure(azure_api_version=version, openai_base_url="http://never.invalid/v1")
    embedder = OpenAICompatible("my-own", 5, settings)
    np.testing.assert_allclose(embedder.embed(["abba"]), [unit([2, 2, 0, 0, 0])], atol=1e-6)
    assert (embedder.name, embedder.dims, embedder.batch_size) == ("openai:my-own", 5, 256)
    request = server.requests[-1]
    assert request.path == "/openai/deployments/my-own/embeddings"
    assert request.query == {"api-version": sent}
    assert request.headers["api-key"] == KEY


def test_a_server_of_ones_own_needs_no_key(server: OpenAIServer) -> None:
    settings = server.settings(openai_api_key=None)
    assert OpenAICompatible("letters", None, settings).embed(["a"]).shape == (1, LETTERS)


@pytest.mark.parametrize(
    ("model", "dims", "expected"),
    [
        (SMALL, None, 1536),
        (SMALL, 512, 512),
        ("text-embedding-3-large", None, 3072),
        ("text-embedding-ada-002", 1536, 1536),
        ("openai/text-embedding-3-small", None, 1536),
        ("letters", 8, 8),
    ],
)
def test_dims_that_need_no_question(
    server: OpenAIServer, model: str, dims: int | None, expected: int
) -> None:
    assert OpenAICompatible(model, dims, server.settings()).dims == expected
    assert server.requests == []


def test_an_unknown_model_is_asked_once_for_its_length(server: OpenAIServer) -> None:
    embedder = OpenAICompatible("letters", None, server.settings())
    assert server.requests == []
    assert [embedder.dims, embedder.dims] == [LETTERS, LETTERS]
    embedder.embed(["a"])
    assert [len(request.body["input"]) for request in server.requests] == [1, 1]


def test_a_model_that_embeds_nothing(server: OpenAIServer) -> None:
    server.script.append(Reply(400, body='{"error": {"message": "chat models only chat"}}'))
    with pytest.raises(EmbedderError, match=r"only chat.*model for embeddings") as caught:
        OpenAICompatible("chat", None, server.settings()).embed(["a"])
    assert not isinstance(caught.value, TextRefused)


@pytest.mark.parametrize(
    ("model", "dims", "sent"),
    [
        (SMALL, None, None),
        (SMALL, 1536, None),
        (SMALL, 8, 8),
        ("text-embedding-ada-002", 1536, None),
        ("letters", LETTERS, None),
        ("letters", 8, 8),
    ],
)
def test_dimensions_are_sent_when_they_say_something(
    server: OpenAIServer, model: str, dims: int | None, sent: int | None
) -> None:
    embedder = OpenAICompatible(model, dims, server.settings())
    assert embedder.embed(["abc"]).shape == (1, embedder.dims)
    assert server.requests[-1].body.get("dimensions") == sent


@pytest.mark.parametrize(
    ("model", "dims", "limit"),
    [
        (SMALL, 1537, "1 to 1536"),
        (SMALL, 0, "1 to 1536"),
        ("text-embedding-ada-002", 512, "1536"),
        ("letters", -3, "1 or more"),
    ],
)
def test_dims_that_cannot_be(model: str, dims: int, limit: str) -> None:
    with pytest.raises(InvalidCatalogue, match=rf"{dims} numbers\. dims is {limit}"):
        make_embedder(f"openai:{model}", dims, NOWHERE)


def test_a_server_that_ignores_dimensions(server: OpenAIServer) -> None:
    server.knows.discard("dimensions")
    vectors = OpenAICompatible(SMALL, 3, server.settings()).embed(["aab", "cc"])
    np.testing.assert_allclose(vectors, [unit([2, 1, 0]), [0, 0, 1]], atol=1e-6)
    with pytest.raises(EmbedderError, match=r"27 numbers, not 3.*Leave out dims"):
        OpenAICompatible("letters", 3, server.settings()).embed(["aab"])


def test_a_server_that_refuses_dimensions(server: OpenAIServer) -> None:
    message = '{"detail": [{"type": "extra_forbidden", "loc": ["body", "dimensions"]}]}'
    server.script.extend([Reply(), Reply(422, body=message)])
    with pytest.raises(EmbedderError, match=r"will not give 3 numbers.*Leave out dims") as caught:
        OpenAICompatible("letters", 3, server.settings()).embed(["aab"])
    assert not isinstance(caught.value, TextRefused)


# OpenAI and its likes: how much at once


def sizes(server: OpenAIServer) -> list[int]:
    return [len(request.body["input"]) for request in server.requests]


def test_requests_hold_so_many_texts(server: OpenAIServer) -> None:
    texts = [f"text {i}" for i in range(600)]
    OpenAICompatible(SMALL, None, server.settings()).embed(texts)
    assert sizes(server) == [256, 256, 88]
    assert [text for request in server.requests for text in request.body["input"]] == texts
    assert OpenAICompatible("letters", None, server.settings()).batch_size == 32


def test_requests_hold_so_many_tokens(server: OpenAIServer) -> None:
    OpenAICompatible(SMALL, None, server.settings()).embed(["word " * 2_000] * 120)
    assert sizes(server) == [49, 49, 22]  # 10,000 bytes are at most 5,001 tokens


def test_a_text_beyond_the_model_is_embedded_in_passages(server: OpenAIServer) -> None:
    long = "a" * 16_000 + "b" * 16_000
    (vector,) = make_embedder(f"openai:{SMALL}", 3, server.settings()).embed([long])
    texts = server.requests[0].body["input"]
    assert [len(text) for text in texts] == [16_382, 16_382, 2_512]
    assert texts[0] + texts[1][1_638:] + texts[2][1_638:] == long
    parts = [(16_382, unit([16_000, 382, 0])), (16_382, unit([1_256, 15_126, 0]))]
    mean = sum(weight * part for weight, part in [*parts, (2_512, np.array([0, 1, 0]))])
    np.testing.assert_allclose(vector, unit(mean), atol=1e-6)


def test_a_server_of_ones_own_gets_a_long_text_whole(server: OpenAIServer) -> None:
    long = "x" + "é" * 20_000
    make_embedder("openai:letters", LETTERS, server.settings()).embed([long])
    assert server.requests[-1].body["input"] == [long]


# OpenAI and its likes: the answer


def test_vectors_are_put_in_the_order_of_their_index(server: OpenAIServer) -> None:
    server.script.append(Reply(change=lambda rows: rows[::-1]))
    vectors = OpenAICompatible(SMALL, None, server.settings()).embed(["a", "b", "c"])
    assert vectors.argmax(axis=1).tolist() == [0, 1, 2]


def test_a_vector_of_zeros_is_a_row_of_nan(server: OpenAIServer) -> None:
    vectors = OpenAICompatible(SMALL, 3, server.settings()).embed(["abc", "xyz"])
    assert np.isnan(vectors).any(axis=1).tolist() == [False, True]


def with_first(embedding: Any) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda rows: [rows[0] | {"embedding": embedding}, *rows[1:]]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(change=lambda rows: rows[:1]), "1 vectors for 2 texts"),
        (Reply(change=lambda rows: [*rows, rows[0]]), "3 vectors for 2 texts"),
        (Reply(change=lambda rows: [rows[0], rows[0]]), "not numbered from 0"),
        (Reply(change=lambda rows: [row | {"index": 0} for row in rows]), "not numbered"),
        (Reply(change=lambda rows: [row | {"index": "1"} for row in rows]), "not numbered"),
        (Reply(change=lambda rows: [{"embedding": [1.0]} for _ in rows]), "index"),
        (Reply(change=lambda rows: []), "0 vectors for 2 texts"),
        (Reply(change=lambda rows: None), "no usable vectors"),
        (Reply(change=with_first([1.0, 2.0])), "same shape"),
        (Reply(change=with_first(pack([float("nan")] * 1536))), "finite numbers"),
        (Reply(change=with_first([float("inf")] * 1536)), "finite numbers"),
        (Reply(change=with_first([None] * 1536)), "finite numbers"),
        (Reply(change=with_first(["word"] * 1536)), "no usable vectors"),
        (Reply(change=with_first([10**400] * 1536)), "no usable vectors"),
        (Reply(change=with_first("%%%")), "no usable vectors"),
        (Reply(change=with_first("AAAAAAA=")), "no usable vectors"),
        (Reply(change=with_first({})), "no usable vectors"),
        (Reply(change=lambda rows: [row | {"embedding": 1.0} for row in rows]), "finite numbers"),
        (Reply(change=lambda rows: [row | {"embedding": []} for row in rows]), "finite numbers"),
        (Reply(change=lambda rows: [row | {"embedding": [1.0]} for row in rows]), "1 numbers, not"),
        (Reply(body="<html>sign in</html>"), "'<html>sign in</html>'.*end in /v1"),
        (Reply(body='{"error": "no"}'), "no usable vectors: 'data'"),
        (Reply(body="[]"), "no usable vectors"),
        (Reply(body=""), "no usable vectors"),
    ],
)
def test_a_broken_answer_is_an_error(server: OpenAIServer, reply: Reply, message: str) -> None:
    server.script.append(reply)
    embedder = OpenAICompatible(SMALL, None, server.settings())
    with pytest.raises(EmbedderError, match=message) as caught:
        embedder.embed(["a", "b"])
    assert not isinstance(caught.value, TextRefused)
    assert embedder.embed(["a"])[0, 0] == 1  # and it goes on


# OpenAI and its likes: failures


def test_a_refused_text_is_told_apart(server: OpenAIServer) -> None:
    server.refuses.add("bad words")
    embedder = OpenAICompatible(SMALL, None, server.settings())
    with pytest.raises(TextRefused, match="refused 2 texts: Invalid input: bad words"):
        embedder.embed(["good words", "bad words"])
    assert embedder.embed(["good words"]).shape == (1, 1536)


@pytest.mark.parametrize("status", [413, 422])
def test_too_much_at_once_is_a_refusal_too(server: OpenAIServer, status: int) -> None:
    server.script.append(Reply(status, body='{"error": "batch size 2 > 1"}'))
    with pytest.raises(TextRefused, match="batch size 2 > 1"):
        OpenAICompatible(SMALL, None, server.settings()).embed(["a", "b"])


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "refused the key: scripted.*Check OPENAI_API_KEY"),
        (402, r"failed 1 time \(402\): scripted"),
        (403, "refused the key"),
        (404, f"no model '{SMALL}': scripted.*end in /v1"),
    ],
)
def test_what_trying_again_does_not_help(server: OpenAIServer, status: int, message: str) -> None:
    server.script.append(Reply(status))
    with pytest.raises(EmbedderError, match=message):
        OpenAICompatible(SMALL, None, server.settings()).embed(["a"])
    assert len(server.requests) == 1


def test_a_wrong_path_is_said(server: OpenAIServer) -> None:
    settings = server.settings(openai_base_url=server.host)
    with pytest.raises(EmbedderError, match=r"Invalid URL.*most end in /v1"):
        OpenAICompatible(SMALL, None, settings).embed(["a"])


def test_busy_servers_are_asked_again(server: OpenAIServer) -> None:
    server.script.extend([busy(429), busy(500), busy(503)])
    assert OpenAICompatible(SMALL, None, server.settings()).embed(["a"]).shape == (1, 1536)
    assert len(server.requests) == 4


@pytest.mark.parametrize("status", [429, 500])
def test_a_server_that_stays_busy(server: OpenAIServer, status: int) -> None:
    server.script.extend([busy(status)] * 9)
    embedder = OpenAICompatible(SMALL, None, server.settings(), max_retries=2)
    with pytest.raises(EmbedderError, match=rf"{server.url} failed 3 times \({status}\): scripted"):
        embedder.embed(["a"])
    assert len(server.requests) == 3


def test_a_wait_that_is_too_long_is_not_waited_for(server: OpenAIServer) -> None:
    server.script.append(Reply(429, {"Retry-After": "9999", "x-should-retry": "false"}))
    with pytest.raises(EmbedderError, match=r"failed 1 time \(429\)"):
        OpenAICompatible(SMALL, None, server.settings()).embed(["a"])


def test_a_slow_server(server: OpenAIServer) -> None:
    server.script.append(Reply(delay=30))
    embedder = OpenAICompatible(SMALL, None, server.settings(), max_retries=0, timeout=0.2)
    with pytest.raises(EmbedderError, match=r"failed 1 time \(no answer\).*timed out"):
        embedder.embed(["a"])


def test_no_server() -> None:
    with OpenAIServer() as gone:
        pass
    embedder = OpenAICompatible(SMALL, None, gone.settings(), max_retries=0)
    with pytest.raises(EmbedderError, match=r"failed 1 time \(no answer\).*is the server running"):
        embedder.embed(["a"])


# OpenAI and its likes: keys and addresses


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "https://api.openai.com/v1 needs a key.*Set OPENAI_API_KEY, or OPENAI_BASE_URL"),
        ({"azure_endpoint": "https://x.azure.com/"}, "x.azure.com needs.*Set AZURE_OPENAI_API_KEY"),
        ({"openai_api_key": "sk-“x”"}, "OPENAI_API_KEY holds a character"),
        ({"openai_base_url": "localhost:11434/v1"}, "It looks like"),
        ({"openai_base_url": "http://localhost:port/v1"}, "localhost:port/v1 is not the address"),
        ({"openai_base_url": "http://localhost/v1?a=b"}, "http://localhost/v1 is not the address"),
        ({"openai_base_url": "http://"}, "is not the address"),
        ({"openai_base_url": "http://a..b/v1"}, "is not the address"),
        ({"openai_base_url": "http://🙂/v1"}, "is not the address"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, str], message: str) -> None:
    with pytest.raises(EmbedderError, match=message):
        make_embedder(f"openai:{SMALL}", None, Settings(home=Path("/nonexistent"), **settings))


def test_openai_needs_a_model() -> None:
    with pytest.raises(InvalidCatalogue, match=r"needs a model.*openai:text-embedding-3-small"):
        make_embedder("openai", None, NOWHERE)


def printed(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def test_a_key_is_never_shown(server: OpenAIServer) -> None:
    server.key = "another"
    embedder = OpenAICompatible(SMALL, None, server.settings())
    with pytest.raises(EmbedderError, match=r"Incorrect API key provided: \*\*\*") as caught:
        embedder.embed(["a"])  # the server repeats the key
    assert KEY not in printed(caught.value) + repr(embedder) + str(embedder)
    server.script.append(Reply(body="x" * 70 + KEY))
    with pytest.raises(EmbedderError, match=r"x\*\*\*'") as caught:  # not even half of it
        embedder.embed(["a"])
    assert KEY not in printed(caught.value)


def test_a_password_in_the_address_is_sent_but_never_shown(
    server: OpenAIServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    address = server.url.replace("://", "://ann:s3cr%40t@")
    embedder = OpenAICompatible(SMALL, None, server.settings(openai_base_url=address))
    server.script.extend([Reply(), Reply(401)])
    embedder.embed(["a"])
    assert server.requests[0].headers["authorization"] == "Basic YW5uOnMzY3JAdA=="
    with pytest.raises(EmbedderError, match=server.url) as caught:
        embedder.embed(["a"])
    assert "s3cr" not in printed(caught.value) + repr(embedder) + caplog.text
    with pytest.raises(EmbedderError) as caught:
        OpenAICompatible(SMALL, None, server.settings(openai_base_url=f"{address}?key=1"))
    assert "s3cr" not in printed(caught.value)
