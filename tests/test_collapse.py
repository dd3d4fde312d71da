"""Near-duplicates: the first of each stays, and says what it hides; numpy one by one agrees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender.calibration import Calibration
from recommender.collapse import Collapsed, collapse, threshold_of
from recommender.errors import InvalidParameter

Units = NDArray[np.float64]


def at(*degrees: float) -> Units:
    """Unit vectors in a plane; 8 degrees apart is 0.9903, 12 is 0.978."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def one_by_one(units: Units, threshold: float, seed: Units | None = None) -> Collapsed:
    """The slow way."""
    kept: list[int] = []
    hidden: dict[int, list[int]] = {}
    of_seed: list[int] = []
    for place, unit in enumerate(units):
        if seed is not None and unit @ seed >= threshold:
            of_seed.append(place)
            continue
        first = next((other for other in kept if units[other] @ unit >= threshold), None)
        if first is None:
            kept.append(place)
        else:
            hidden.setdefault(first, []).append(place)
    return Collapsed(kept, hidden, of_seed)


def test_the_first_of_each_stays_and_says_what_it_hides() -> None:
    found = collapse(at(0, 90, 1, 91, 2, 45), 0.99)
    assert found == Collapsed([0, 1, 5], {0: [2, 4], 1: [3]}, [])
    ids = ["a", "b", "a1", "b1", "a2", "c"]
    assert found.why(0, ids) == {"duplicates": ["a1", "a2"]}
    assert found.why(1, ids) == {"duplicates": ["b1"]}
    assert found.why(5, ids) == {}


def test_the_same_as_the_seed_goes() -> None:
    [seed] = at(0)
    assert collapse(at(0, 1, 30, 31, 359), 0.99, seed) == Collapsed([2], {2: [3]}, [0, 1, 4])
    assert collapse(at(0, 1), 0.99, seed) == Collapsed([], {}, [0, 1])


def test_what_is_like_a_hidden_one_only_stays() -> None:
    # 0 and 7 are one, 7 and 14 would be, but 14 is unlike 0, which is the one that is shown.
    assert collapse(at(0, 7, 14), 0.99) == Collapsed([0, 2], {0: [1]}, [])


def test_a_hidden_one_goes_with_the_first_that_it_is_like() -> None:
    assert collapse(at(14, 0, 7), 0.99) == Collapsed([0, 1], {0: [2]}, [])


def test_nothing_and_one() -> None:
    assert collapse(np.empty((0, 2)), 0.99) == Collapsed([], {}, [])
    assert collapse(np.empty((0, 2)), 0.99, at(0)[0]) == Collapsed([], {}, [])
    assert collapse(at(5), 0.99) == Collapsed([0], {}, [])


def test_equal_vectors_are_one_at_a_threshold_of_1() -> None:
    unit = np.random.default_rng(0).normal(size=(1, 300)).astype(np.float32)
    unit /= np.linalg.norm(unit)
    assert collapse(np.repeat(unit, 700, axis=0), 1.0).kept == [0]


def test_across_blocks() -> None:
    random = np.random.default_rng(1)
    units = random.normal(size=(40, 8))[random.integers(0, 40, 1700)]
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    found = collapse(units, 0.99)
    assert found == one_by_one(units, 0.99)
    assert len(found.kept) == 40


@pytest.mark.parametrize("wanted", [1, 10, 25, 39, 40, 41])
def test_the_beginning_is_that_of_the_whole(wanted: int) -> None:
    random = np.random.default_rng(2)
    units = random.normal(size=(40, 8))[np.minimum(random.integers(0, 400, 900) // 3, 39)]
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    whole, found = collapse(units, 0.99), collapse(units, 0.99, None, wanted)
    assert found.kept[:wanted] == whole.kept[:wanted]
    for place in whole.kept[:wanted]:
        assert found.hidden.get(place) == whole.hidden.get(place)


def test_vectors_stay_as_they_are() -> None:
    units = at(0, 1, 2)
    before = units.copy()
    collapse(units, 0.99, units[0])
    assert (units == before).all()


@given(
    places=st.lists(st.integers(0, 359), max_size=40),
    threshold=st.sampled_from([0.0105, 0.5005, 0.9, 0.99, 0.9999]),
    seed=st.none() | st.integers(0, 359),
)
def test_it_is_what_numpy_finds_one_by_one(
    places: list[int], threshold: float, seed: int | None
) -> None:
    units = at(*places)
    start = None if seed is None else at(seed)[0]
    found = collapse(units, threshold, start)
    assert found == one_by_one(units, threshold, start)
    every = [*found.kept, *found.of_seed, *(one for each in found.hidden.values() for one in each)]
    assert sorted(every) == list(range(len(places)))


def test_a_threshold_is_a_relevance() -> None:
    calibration = Calibration(mean=0.8, sd=0.05, same=1.0, pairs=45, items=10)
    assert threshold_of(True, None) == 0.99
    assert threshold_of(True, calibration) == pytest.approx(0.998)
    assert threshold_of(0.5, calibration) == pytest.approx(0.9)
    assert threshold_of(1, calibration) == 1.0


@pytest.mark.parametrize("value", [False, 0, -1, 1.5, "0.9", None, float("nan"), [1]])
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(InvalidParameter, match="above 0 and up to 1") as caught:
        threshold_of(value, None)
    assert caught.value.parameter == "collapse"
