"""Records -> items: a value that cannot be kept, or a bad vector, costs its record and no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from recommender import Catalogue, Reject
from recommender.convert import Converter, parse_vector
from recommender.errors import RecordError
from recommender.fields import KINDS

Load = Callable[..., Any]


def one_field(kind: str) -> Catalogue:
    """A catalogue with one field ``it`` and one given vector ``v``."""
    given_v = {"embedder": "given", "column": "v"}
    return Catalogue.from_dict(
        {"name": "x", "fields": {"it": {"type": kind}}, "vectors": {"v": given_v}}
    )


def given_vector(value: Any) -> list[float]:
    return Converter(one_field("tag"), {"v": 2}).prepare("1", {"v": value}).given["v"].tolist()


@pytest.mark.parametrize("value", [[3, 4], (3, 4), "[3, 4]", " [3.0,4e0] "])
def test_a_record_may_hold_a_list_or_its_text(value: Any) -> None:
    assert given_vector(value) == [3.0, 4.0]
    assert list(parse_vector(value)) == [3, 4]


@pytest.mark.parametrize(
    "value",
    [None, "", [], "[3, 4", "3, 4", "words", "3", '"ab"', "{}", "[3]", "[0, 0]", "[NaN, 1]",
     "[1e400, 1]", '["a", 1]', "[[3, 4]]", [3, 10**400], "[1e16, 1]", "[true, true]", 5,
     "[" * 100_000, "9" * 5000, "[" + "9" * 5000 + ", 1]"],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_a_bad_vector_costs_only_its_record(value: Any) -> None:
    with pytest.raises(RecordError, match=r"^v: "):
        given_vector(value)


@pytest.mark.parametrize(
    "value",
    [None, 5, {}, "", "[3, 4", "3, 4", "words", "3", '"ab"', "{}", "null", "[" * 100_000],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_list_is_no_vector(value: Any) -> None:
    assert parse_vector(value) is None


def bottomless() -> list[Any]:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    return deep


UNPRINTABLE = pytest.mark.parametrize("make", [lambda: 10**5000, bottomless], ids=["long", "deep"])


@UNPRINTABLE
@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_cannot_be_printed_is_refused(kind: str, make: Callable[[], Any]) -> None:
    with pytest.raises(RecordError, match=r"^it: "):
        Converter(one_field(kind), {"v": 1}).prepare("1", {"it": make(), "v": [1]})


@UNPRINTABLE
@pytest.mark.parametrize("column", ["it", "v", "id"])
def test_a_value_that_cannot_be_printed_costs_only_its_record(
    load: Load, column: str, make: Callable[[], Any]
) -> None:
    rejects: list[Reject] = []
    good = {"id": "good", "it": "fine", "v": [1]}
    report = load(one_field("text"), [good | {"id": "bad"} | {column: make()}, good], rejects)
    assert (len(rejects), report.items) == (1, 1)


@pytest.mark.parametrize("value", [np.float64(2.5), np.array([2.5, 3.5]), np.array([])], ids=repr)
@pytest.mark.parametrize("column", ["it", "v"])
def test_a_value_of_numpy_ends_no_load(load: Load, column: str, value: Any) -> None:
    rejects: list[Reject] = []
    good = {"id": "good", "it": 1, "v": [1, 2]}
    report = load(one_field("number"), [good | {"id": "odd", column: value}, good], rejects)
    assert report.items + len(rejects) == 2


def test_a_number_of_numpy_is_kept_as_a_number() -> None:
    assert KINDS["number"].pack(KINDS["number"].parse(np.float64(2.5), None)) == b"2.5"
