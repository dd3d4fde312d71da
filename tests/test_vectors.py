"""Vectors: numpy, asked in another way, says the same; bad ones are refused at the door."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recommender import Catalogue, vectors
from recommender.convert import Converter, vector_length
from recommender.errors import InvalidVector, RecordError

TYPES = ["float32", "float64", "float16", "bfloat16"]
SIZES = {"float32": 4, "float64": 8, "float16": 2, "bfloat16": 2}
matrices = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 5)),
    elements=st.floats(-1000, 1000).map(lambda number: round(number, 3)),
)


# faults


def test_rows_that_must_not_be_stored() -> None:
    rows = np.array([[1, 2], [0, 0], [math.nan, 1], [math.inf, 0], [0, -math.inf], [0, 1e-30]])
    assert vectors.faults(rows) == {
        1: "is all zeros", 2: "is not finite", 3: "is not finite", 4: "is not finite",
    }  # fmt: skip
    assert vectors.faults(np.array([[-0.0, 0.0], [math.nan, math.nan]])) == {
        0: "is all zeros", 1: "is not finite",
    }  # fmt: skip
    assert vectors.faults(np.empty((0, 3))) == {}


@pytest.mark.parametrize("name", TYPES)
def test_faults_of_every_type(name: str) -> None:
    rows = np.array([[1, 2], [0, 0], [math.nan, 1], [math.inf, 0]]).astype(vectors.DTYPES[name])
    assert sorted(vectors.faults(rows)) == [1, 2, 3]


# check


@pytest.mark.parametrize("value", [[3, 4], (3.0, 4), np.array([3, 4]), np.float32([3, 4])])
def test_one_vector_is_taken_from_what_holds_numbers(value: Any) -> None:
    checked = vectors.check(value, 2)
    assert (checked.dtype, checked.tolist()) == (np.float64, [3.0, 4.0])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([1, 2, 3], "the vector has 3 numbers, the catalogue's have 2"),
        ([], "has 0 numbers"),
        (5, "has"),
        ("12", "has"),
        ([[1, 2]], "has"),
        ([1, "x"], "is not a list of numbers"),
        ("abc", "is not a list of numbers"),
        ({"a": 1}, "is not a list of numbers"),
        ([[1], [2, 3]], "is not a list of numbers"),
        ([10**400, 1], "is not a list of numbers"),
        ([1j, 1], "is not a list of numbers"),
        (None, "has"),
        ([None, 1], "is not finite"),
        ([math.nan, 1], "is not finite"),
        ([math.inf, 1], "is not finite"),
        ([0, 0.0], "is all zeros"),
    ],
)
def test_one_vector_that_is_none(value: Any, said: str) -> None:
    with pytest.raises(InvalidVector) as caught:
        vectors.check(value, 2)
    assert said in str(caught.value)
    assert caught.value.parameter == "vector"


@pytest.mark.xfail(strict=True, reason="np.asarray turns text and booleans into numbers")
@pytest.mark.parametrize("value", [["3", "4"], [True, True]])
def test_what_only_looks_like_numbers(value: Any) -> None:
    with pytest.raises(InvalidVector, match="is not a list of numbers"):
        vectors.check(value, 2)


# normalise


@given(matrices)
def test_normalise_as_numpy_does_row_by_row(rows: np.ndarray) -> None:
    before = rows.copy()
    scaled = vectors.normalise(rows)
    assert np.array_equal(rows, before)
    for row, unit in zip(rows, scaled, strict=True):
        if row.any():
            np.testing.assert_allclose(unit, row / math.sqrt(sum(x * x for x in row)), rtol=1e-12)
            np.testing.assert_allclose(vectors.normalise(row), unit)
        else:
            assert np.isnan(unit).all()


def test_normalise_keeps_the_type() -> None:
    assert vectors.normalise(np.float32([[3, 4]])).dtype == np.float32
    assert vectors.normalise(np.array([3.0, 4.0])).tolist() == [0.6, 0.8]


@pytest.mark.xfail(strict=True, reason="the squares leave float64: inf, NaN or zeros come out")
@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("scale", [1e-200, 1e-320, 1e200, 1e308])
def test_normalise_what_check_lets_through(scale: float) -> None:
    try:
        rows = vectors.check([scale, scale], 2)[np.newaxis]
    except InvalidVector:
        return
    np.testing.assert_allclose(vectors.normalise(rows), [[math.sqrt(0.5)] * 2], rtol=1e-3)


# bytes


@pytest.mark.parametrize("name", TYPES)
@given(rows=matrices)
def test_there_and_back(name: str, rows: np.ndarray) -> None:
    before = rows.copy()
    blobs = vectors.to_bytes(rows, name)
    assert np.array_equal(rows, before)
    assert [len(blob) for blob in blobs] == [rows.shape[1] * SIZES[name]] * len(rows)
    back = vectors.from_bytes(blobs, name)
    assert (back.dtype, back.shape) == (np.float32, rows.shape)
    oracle = rows.astype(ml_dtypes.bfloat16 if name == "bfloat16" else name).astype(np.float32)
    assert np.array_equal(back, oracle)


@pytest.mark.parametrize(
    ("name", "one"),
    [
        ("float32", "0000803f"),
        ("float64", "000000000000f03f"),
        ("float16", "003c"),
        ("bfloat16", "803f"),
    ],
)
def test_bytes_are_little_endian(name: str, one: str) -> None:
    assert vectors.to_bytes(np.array([[1.0]]), name) == [bytes.fromhex(one)]


def test_what_is_read_can_be_changed_without_changing_the_bytes() -> None:
    blob = vectors.to_bytes(np.array([[1.0, 2.0]]), "float32")
    back = vectors.from_bytes(blob, "float32")
    back[0, 0] = 9
    assert vectors.from_bytes(blob, "float32").tolist() == [[1.0, 2.0]]


@pytest.mark.xfail(strict=True, raises=ValueError, reason="reshape(0, -1): no vectors is an error")
def test_no_vectors_are_no_rows() -> None:
    assert len(vectors.from_bytes([], "float32")) == 0


def test_numbers_too_large_or_small_for_the_type_are_seen_once_they_are_stored() -> None:
    rows = np.array([[1e300, 1.0], [1e-300, 0.0], [3.0, 4.0]])
    stored = vectors.as_stored(rows, "float32")
    assert vectors.faults(stored) == {0: "is not finite", 1: "is all zeros"}
    assert vectors.faults(rows) == {}
    assert vectors.to_bytes(rows[2:], "float32") == [stored[2].tobytes()]


@pytest.mark.xfail(strict=True, reason="inf or NaN goes to Redis: every score is 1, inf or 0")
@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(
    ("metric", "scale"), [("cosine", 1e-200), ("cosine", 1e200), ("ip", 1e300), ("l2", 1e300)]
)
def test_searching_with_what_check_lets_through(
    load: Callable[..., Any], open_catalogue: Callable[[str], Any], metric: str, scale: float
) -> None:
    given_v = {"embedder": "given", "column": "v", "metric": metric}
    load(
        Catalogue.from_dict({"name": "x", "vectors": {"v": given_v}}),
        [{"id": "near", "v": [1, 1]}, {"id": "far", "v": [1, -1]}],
    )
    with suppress(InvalidVector):
        near, far = open_catalogue("x").search(vector=[scale, scale])
        assert (near.id, far.id) == ("near", "far")
        assert far.score < near.score < math.inf


# scores


@pytest.mark.parametrize(
    ("metric", "distance", "score"),
    [
        ("cosine", 0.0, 1.0),
        ("cosine", 0.25, 0.75),
        ("cosine", 2.0, -1.0),
        ("cosine", -1e-7, 1.0),
        ("cosine", 2.0000002, -1.0),
        ("ip", 0.25, 0.75),
        ("ip", -4.0, 5.0),
        ("ip", 11.0, -10.0),
        ("l2", 0.0, 1.0),
        ("l2", 9.0, 0.25),
        ("l2", -1e-7, 1.0),
        ("l2", math.inf, 0.0),
    ],
)
def test_a_distance_of_redis_as_a_score(metric: str, distance: float, score: float) -> None:
    assert vectors.score_of(distance, metric) == score


@given(hnp.arrays(np.float64, (2, 3), elements=st.floats(-100, 100).filter(lambda x: abs(x) > 0.1)))
def test_scores_against_the_definitions(pair: np.ndarray) -> None:
    a, b = pair
    cosine = 1 - float(a @ b) / float(np.linalg.norm(a) * np.linalg.norm(b))
    assert math.isclose(vectors.score_of(cosine, "cosine"), 1 - cosine, abs_tol=1e-9)
    assert math.isclose(vectors.score_of(1 - float(a @ b), "ip"), float(a @ b), abs_tol=1e-9)
    square = float(((a - b) ** 2).sum())
    assert math.isclose(vectors.score_of(square, "l2"), 1 / (1 + np.linalg.norm(a - b)))


@pytest.mark.xfail(strict=True, reason="min(1.0, nan) is 1.0: no answer looks like the best one")
def test_a_distance_that_is_none_is_not_the_best_score() -> None:
    assert vectors.score_of(math.nan, "cosine") != 1.0


# Vectors that come with a record


def given_vector(value: Any) -> list[float]:
    catalogue = Catalogue.from_yaml("name: x\nvectors: {v: {embedder: given, column: v}}")
    return Converter(catalogue, {"v": 2}).prepare("1", {"v": value}).given["v"].tolist()


@pytest.mark.parametrize("value", [[3, 4], "[3, 4]", " [3.0,4e0] "])
def test_a_record_may_hold_a_list_or_its_text(value: Any) -> None:
    assert given_vector(value) == [3.0, 4.0]
    assert vector_length(value) == 2


@pytest.mark.parametrize(
    "value",
    [None, "", [], "[3, 4", "3, 4", "words", "3", '"ab"', "{}", "[3]", "[0, 0]", "[NaN, 1]",
     "[1e400, 1]", '["a", 1]', "[[3, 4]]", [3, 10**400]],
)  # fmt: skip
def test_a_bad_vector_costs_only_its_record(value: Any) -> None:
    with pytest.raises(RecordError, match=r"^v: "):
        given_vector(value)
    vector_length(value)


@pytest.mark.xfail(strict=True, raises=RecursionError, reason="json.loads on a cell of brackets")
def test_a_cell_of_brackets_costs_only_its_record() -> None:
    with pytest.raises(RecordError, match=r"^v: "):
        given_vector("[" * 100_000)


@pytest.mark.xfail(strict=True, raises=RecursionError, reason="json.loads on a cell of brackets")
def test_a_cell_of_brackets_has_no_length() -> None:
    assert vector_length("[" * 100_000) is None
