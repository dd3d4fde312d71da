"""The natural cut: plain lists whose answer is plain, and what holds for every list."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.cut import natural_cut

falling = st.lists(st.integers(-1000, 1000), min_size=1, max_size=60).map(
    lambda numbers: [float(n) for n in sorted(numbers, reverse=True)]
)


@pytest.mark.parametrize(
    ("totals", "kept"),
    [
        ([], 0),
        ([0.5], 1),
        ([0.9, 0.1], 2),  # two hits: nothing says what a usual drop is
        ([0.9, 0.88, 0.1], 2),
        ([0.9, 0.88, 0.87, 0.4, 0.39], 3),
        ([0.9, 0.4, 0.39, 0.38, 0.37, 0.36], 1),
        ([0.9, 0.89, 0.88, 0.87, 0.86, 0.1], 5),
        ([0.9, 0.88, 0.4, 0.39, 0.38, 0.37, 0.1, 0.09, 0.08, 0.07], 2),  # the first of two
        ([0.9, 0.9, 0.9, 0.9, 0.5, 0.5], 4),
        ([0.5] * 9, 9),
        ([0.9, 0.8, 0.7], 3),
        ([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], 10),
        ([1.0] * 120 + [0.8 - n / 1000 for n in range(80)], 120),  # copies of the seed
        ([-math.log((n + 1) / 200) for n in range(199)], 199),  # a tail as chance makes it
        ([math.exp(-n / 30) for n in range(200)], 200),
        ([0.79, *(0.53 - n / 1000 for n in range(300))], 1),  # a film with one sequel
    ],
)
def test_plain_lists(totals: list[float], kept: int) -> None:
    assert natural_cut(totals) == kept
    assert natural_cut(np.array(totals)) == kept


@given(falling)
def test_it_keeps_some_and_ends_before_a_drop(totals: list[float]) -> None:
    kept = natural_cut(totals)
    assert 1 <= kept <= len(totals)
    if kept < len(totals):
        drops = [a - b for a, b in pairwise(totals)]
        assert drops[kept - 1] >= 1.5 * (totals[0] - totals[-1]) / (len(totals) - 1) > 0


@given(falling, st.integers(-5000, 5000), st.sampled_from([0.25, 0.5, 2.0, 64.0]))
def test_moved_or_multiplied_it_is_the_same(totals: list[float], by: int, factor: float) -> None:
    # Whole numbers and powers of two: the arithmetic is exact, so equal is equal.
    assert natural_cut([(total + by) * factor for total in totals]) == natural_cut(totals)


@given(st.integers(1, 500), st.sampled_from([0.0, 0.25, 1.0, 3.0]), st.integers(-9, 9))
def test_nothing_is_cut_from_what_falls_evenly(count: int, step: float, first: int) -> None:
    assert natural_cut([first - step * place for place in range(count)]) == count


@given(falling, st.integers(1, 8))
def test_what_stands_far_above_the_rest_is_kept_alone(totals: list[float], count: int) -> None:
    if len(totals) > 2 * count + 2:
        span = totals[0] - totals[-1] + 1
        top = [totals[0] + 100 * span] * count
        assert natural_cut([*top, *totals]) == count
