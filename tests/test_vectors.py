"""Vectors: numpy, asked in another way, says the same; bad ones are refused at the door."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from conftest import Open
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recommender import Catalogue, Recommender, vectors
from recommender.errors import InvalidVector

ONE = {"float32": "0000803f", "float64": "000000000000f03f", "float16": "003c", "bfloat16": "803f"}
"""The types and the bytes, in hex, of 1.0: little-endian."""

matrices = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 5)),
    elements=st.floats(-1000, 1000).map(lambda number: round(number, 3)),
)


@pytest.fixture
def open_two(load: Callable[..., Any], open_catalogue: Open) -> Open:
    """``open_two(metric)``: a catalogue of an item ``near`` (1, 1) and one ``far`` (1, -1)."""

    def make(metric: str) -> Recommender:
        given_v = {"embedder": "given", "column": "v", "metric": metric}
        load(
            Catalogue.from_dict({"name": "x", "vectors": {"v": given_v}}),
            [{"id": "near", "v": [1, 1]}, {"id": "far", "v": [1, -1]}],
        )
        return open_catalogue("x")

    return make


# faults


def test_rows_that_must_not_be_stored() -> None:
    rows = np.array([[1, 2], [0, 0], [math.nan, 1], [math.inf, 0], [0, -math.inf], [0, 1e-30]])
    assert vectors.faults(rows) == {
        1: "is all zeros", 2: "is not finite", 3: "is not finite", 4: "is not finite",
    }  # fmt: skip
    assert vectors.faults(np.array([[-0.0, 0.0], [math.nan, math.nan]])) == {
        0: "is all zeros", 1: "is not finite",
    }  # fmt: skip
    assert vectors.faults(np.array([[1e15, 1], [1.1e15, 1], [-1e200, 1], [math.inf, 1e200]])) == {
        1: "holds numbers beyond 1e+15", 2: "holds numbers beyond 1e+15", 3: "is not finite",
    }  # fmt: skip
    assert vectors.faults(np.empty((0, 3))) == {}


@pytest.mark.parametrize("name", ["float32", "float64", "bfloat16", "float16"])
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
        ([[1, 2]], "has"),
        *((value, "is not a list of numbers") for value in (
            [1, "x"], "abc", "12", ["3", "4"], {"a": 1}, {3, 4}, [[1], [2, 3]], [10**400, 1],
            [1j, 1], None, [None, 1], [True, True], np.array([True, False]), b"12",
        )),
        ([math.nan, 1], "is not finite"),
        ([math.inf, 1], "is not finite"),
        ([1e16, 1], "holds numbers beyond 1e+15"),
        ([1, -1e300], "holds numbers beyond 1e+15"),
        ([0, 0.0], "is all zeros"),
    ],
)  # fmt: skip
def test_one_vector_that_is_none(value: Any, said: str) -> None:
    with pytest.raises(InvalidVector) as caught:
        vectors.check(value, 2)
    assert said in str(caught.value)
    assert caught.value.parameter == "vector"


@pytest.mark.parametrize("value", [[True, 2.5], [0, True]])
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


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1, 1e15])
def test_normalise_what_check_lets_through(scale: float) -> None:
    rows = vectors.check([scale, scale], 2)[np.newaxis]
    np.testing.assert_allclose(vectors.normalise(rows), [[math.sqrt(0.5)] * 2], rtol=1e-3)


# bytes


@pytest.mark.parametrize("name", ONE)
@given(rows=matrices)
def test_bytes_are_what_numpy_makes_of_the_numbers(name: str, rows: np.ndarray) -> None:
    before = rows.copy()
    oracle = rows.astype(ml_dtypes.bfloat16 if name == "bfloat16" else name)
    assert np.array_equal(vectors.as_stored(rows, name), oracle)
    for row, expected in zip(rows, oracle, strict=True):
        if expected.any():
            assert vectors.to_bytes(row, name) == expected.tobytes()
    assert np.array_equal(rows, before)


@pytest.mark.parametrize("name", ONE)
def test_bytes_are_little_endian(name: str) -> None:
    assert vectors.to_bytes(np.array([1.0]), name) == bytes.fromhex(ONE[name])


@pytest.mark.parametrize(
    ("number", "name", "said"),
    [
        (1e300, "float32", "the vector is not finite as float32"),
        (70_000.0, "float16", "the vector is not finite as float16"),
        (1e300, "bfloat16", "the vector is not finite as bfloat16"),
        (1e300, "float64", "the vector holds numbers beyond 1e+15 as float64"),
        (1e-300, "float32", "the vector is all zeros as float32"),
        (1e-9, "float16", "the vector is all zeros as float16"),
        (0.0, "float64", "the vector is all zeros as float64"),
        (math.nan, "float32", "the vector is not finite as float32"),
    ],
)
def test_numbers_that_the_type_cannot_hold(number: float, name: str, said: str) -> None:
    with pytest.raises(InvalidVector) as caught:
        vectors.to_bytes(np.array([number, 0.0]), name)
    assert str(caught.value) == said


def test_numbers_too_large_or_small_for_the_type_are_seen_once_they_are_stored() -> None:
    rows = np.array([[1e14, 1.0], [1e-30, 0.0], [3.0, 4.0]])
    assert vectors.faults(vectors.as_stored(rows, "float16").astype(np.float64)) == {
        0: "is not finite", 1: "is all zeros",
    }  # fmt: skip
    assert vectors.faults(rows) == {}


@pytest.mark.parametrize(
    ("metric", "scale"),
    [("cosine", 1e-200), ("cosine", 1e-320), ("cosine", 1e15), ("ip", 0.001), ("ip", 1e15),
     ("l2", 1.5)],
)  # fmt: skip
def test_searching_with_what_check_lets_through(open_two: Open, metric: str, scale: float) -> None:
    near, far = open_two(metric).search(vector=[scale, scale])
    assert (near.id, far.id) == ("near", "far")
    assert far.score < near.score < math.inf


@pytest.mark.parametrize(
    ("metric", "scale", "said"),
    [
        ("cosine", 1e200, "holds numbers beyond 1e+15"),
        ("ip", 1e300, "holds numbers beyond 1e+15"),
        ("l2", 1e300, "holds numbers beyond 1e+15"),
        ("ip", 1e-300, "is all zeros as float32"),
        ("l2", 1e-300, "is all zeros as float32"),
    ],
)
def test_searching_with_what_cannot_be_compared(
    open_two: Open, metric: str, scale: float, said: str
) -> None:
    with pytest.raises(InvalidVector, match=re.escape(said)):
        open_two(metric).search(vector=[scale, scale])


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


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_a_distance_that_is_none_is_no_score(metric: str) -> None:
    assert math.isnan(vectors.score_of(math.nan, metric))
