"""Long texts: cut so that nothing is lost, put together so that nothing weighs too much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from openai_server import OpenAIServer, letters

from recommender.embedders.base import embed_all, make_embedder
from recommender.embedders.passages import Passages, split
from recommender.errors import EmbedderError, TextRefused

ALPHABET = st.sampled_from("ab .!?\n\r\té世🙂\ud800。 ")
TEXTS = st.one_of(st.text(max_size=300), st.text(ALPHABET, max_size=300))


def size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


# Cutting


@given(TEXTS, st.integers(4, 100))
@example("", 4)
@example("🙂" * 10, 4)
@example("\r\n\r\n" * 20, 9)
def test_passages_fit_and_hold_every_character_in_order(text: str, max_bytes: int) -> None:
    passages = split(text, max_bytes)
    assert all(size(passage) <= max_bytes for passage in passages)
    ends = {0}  # where the passages so far may end in the text, when each goes on from the others
    for passage in passages:
        starts = [start for start in range(len(text) + 1) if text.startswith(passage, start)]
        ends = {
            start + len(passage)
            for start in starts
            if any(start <= end <= start + len(passage) for end in ends)
        }
    assert len(text) in ends


@given(TEXTS, st.integers(4, 100))
def test_what_fits_is_not_cut(text: str, max_bytes: int) -> None:
    assert (split(text, max_bytes) == [text]) == (size(text) <= max_bytes)


@given(st.integers(16, 60), st.integers(1, 3000))
def test_the_overlap_and_the_passages_are_few(max_bytes: int, length: int) -> None:
    passages = split("x" * length, max_bytes)
    step = max_bytes - max_bytes // 10
    assert len(passages) == max(1, -(-(length - max_bytes // 10) // step))


@pytest.mark.parametrize(
    ("text", "passages"),
    [
        ("One. Two three. Four.\n\nFive. Six.", ["One. Two three. Four.\n\n", "\nFive. Six."]),
        ("Five six. Seven eight. Nine", ["Five six. Seven eight. ", ". Nine"]),
        ("twenty and three years ago", ["twenty and three years ", "s ago"]),
        ("x" * 24 + "yz", ["x" * 24, "xxyz"]),
        ("世界" * 4 + "。世界", ["世界" * 4, "。世界"]),  # no character fits into the overlap
    ],
    ids=["paragraph", "sentence", "word", "character", "no spaces"],
)
def test_cuts_are_where_a_reader_would_cut(text: str, passages: list[str]) -> None:
    assert split(text, 24) == passages


def test_a_passage_begins_with_the_last_words_of_the_one_before() -> None:
    words = [f"word{number:04}" for number in range(200)]
    first, second, *_ = split(" ".join(words), 900)
    shared = [word for word in second.split() if word in first.split()]
    assert first.split()[-len(shared) :] == shared
    assert 45 <= size(" ".join(shared)) <= 90
    assert second.startswith("word")


def test_a_megabyte_is_cut_in_time_that_grows_with_it() -> None:
    # Were it to copy the rest at each cut, this would be 25 GB of copies.
    passages = split("ab " * 1_700_000, 500)
    assert len(passages) > 10_000


# Embedding


class Counts:
    """An embedder of texts of 24 bytes: how many a and b a text has, nothing for another text."""

    name, dims, batch_size, is_remote = "counts", 2, 4, True

    def __init__(self, max_bytes: int | None = 24) -> None:
        self.max_bytes = max_bytes
        self.calls: list[list[str]] = []
        self.refused = "bad"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(list(texts))
        if any(self.refused in text for text in texts):
            raise TextRefused("it is bad")
        counts = np.array([[text.count("a"), text.count("b")] for text in texts], dtype=np.float32)
        with np.errstate(invalid="ignore"):
            return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def test_short_texts_pass_through_untouched_in_one_call() -> None:
    inner = Counts()
    texts = ["a", "b", "", "a", "ab"]
    vectors = Passages(inner).embed(texts)
    assert inner.calls == [texts]
    np.testing.assert_array_equal(vectors, Counts().embed(texts))


def test_it_takes_any_length_and_is_otherwise_like_what_it_wraps() -> None:
    around = Passages(Counts())
    assert (around.name, around.dims, around.batch_size) == ("counts", 2, 4)
    assert (around.is_remote, around.max_bytes) == (True, None)
    assert Passages(Counts(None)).embed(["a" * 1000]).tolist() == [[1, 0]]


def test_a_long_text_is_the_mean_of_its_passages_by_their_length() -> None:
    inner = Counts()
    (before, vector, after) = Passages(inner).embed(["a", "a" * 24 + "b" * 20, "b"])
    first, second = [1, 0], np.array([2, 20]) / np.hypot(2, 20)
    mean = 24 * np.array(first) + 22 * second
    np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)
    assert (before.tolist(), after.tolist()) == ([1, 0], [0, 1])
    assert inner.calls == [["a", "a" * 24, "aa" + "b" * 20, "b"]]


def test_a_last_passage_of_a_few_words_changes_little() -> None:
    whole = Passages(Counts()).embed(["a" * 24 * 40 + "b"])[0]
    assert whole[0] > 0.99


def test_passages_go_in_calls_of_the_size_it_likes() -> None:
    inner = Counts()
    Passages(inner).embed(["a" * 200, "b" * 10])
    assert [len(call) for call in inner.calls] == [4, 4, 2]
    assert inner.calls[-1][-1] == "b" * 10


def test_passages_without_a_meaning_do_not_count() -> None:
    vectors = Passages(Counts()).embed(["a " * 12 + "." * 40, "." * 100, "b"])
    np.testing.assert_allclose(vectors[0], [1, 0], atol=1e-6)
    assert np.isnan(vectors[1]).all()
    assert vectors[2].tolist() == [0, 1]


def test_one_refused_text_is_found_among_long_ones() -> None:
    long, bad = "ab " * 30, "a " * 30 + "bad" + " b" * 30
    texts = [long, "a", long, bad, "b", long, "bad"]
    matrix, refused = embed_all(Passages(Counts()), texts, lambda done: None)
    assert refused == {3: "was refused: it is bad", 6: "was refused: it is bad"}
    assert np.isfinite(matrix[[0, 1, 2, 4, 5]]).all()


def test_a_text_with_more_tokens_than_thought_is_tried_in_halves() -> None:
    inner = Counts(max_bytes=32)
    inner.refused = "a" * 17  # 16 fit
    assert Passages(inner).embed(["a" * 40]).tolist() == [[1, 0]]
    assert Passages(inner).embed(["a" * 20]).tolist() == [[1, 0]]
    with pytest.raises(TextRefused):
        Passages(inner).embed(["a" * 40, "b"])  # which of the two is not known


@pytest.mark.parametrize("limit", [-1, 0, 15])
def test_a_limit_without_sense_is_refused(limit: int) -> None:
    with pytest.raises(EmbedderError, match=f"texts of {limit} bytes.*Correct its max_bytes"):
        Passages(Counts(limit))


def test_a_vector_of_another_shape_is_found_out() -> None:
    inner = Counts()
    inner.dims = 3
    with pytest.raises(EmbedderError, match=r"shape \(2, 2\) for 2 texts, not \(2, 3\)"):
        Passages(inner).embed(["a" * 40])


# Over HTTP


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def test_a_book_reaches_openai_whole_and_within_its_limits(server: OpenAIServer) -> None:
    book = "The quick brown fox jumps over the lazy dog. " * 20_000
    embedder = make_embedder("openai:text-embedding-3-small", None, server.settings())
    (vector,) = embedder.embed([book])
    sent = [text for request in server.requests for text in request.body["input"]]
    assert all(size(text) <= 16_382 for text in sent)
    assert size(book) <= sum(map(size, sent)) <= 1.15 * size(book)
    whole = np.array(letters(book, 1536))
    assert vector @ whole / np.linalg.norm(whole) > 0.9999
