"""Fusion against a plain oracle in Python, and on numbers that can be checked by eye."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender import fusion

NAN = math.nan
SCORES = st.one_of(st.just(NAN), st.floats(-2, 2).map(lambda value: round(value, 2)))
LEGS = st.integers(1, 12).flatmap(
    lambda n: st.lists(st.lists(SCORES, min_size=n, max_size=n), min_size=1, max_size=4)
)


def array(*values: float) -> fusion.Floats:
    return np.array(values, dtype=np.float64)


def test_the_best_score_is_first_and_equal_scores_share_a_rank() -> None:
    placed = fusion.ranks(array(0.2, 0.9, NAN, 0.9, -1.0))
    assert placed.tolist()[:2] == [3, 1]
    assert math.isnan(placed[2])
    assert placed.tolist()[3:] == [1, 4]


def test_rrf_of_two_legs_by_hand() -> None:
    fused = fusion.rrf(array(1, 2, NAN), array(1, NAN, 3))
    assert fused == pytest.approx([1.0, 61 / 62 / 2, 61 / 63 / 2])
    assert fusion.rrf(array(NAN), array(NAN)).tolist() == [0]


def test_a_small_k_makes_more_of_the_first_ranks() -> None:
    assert fusion.rrf(array(1, 2), k=0).tolist() == [1, 0.5]


def test_a_blend_by_hand() -> None:
    # The similarity runs 0.2..0.6, so 0.4 is its middle; the best text score is 8.
    blended = fusion.blend(array(0.2, 0.4, 0.6), array(8, 4, NAN), 0.5)
    assert blended == pytest.approx([0.5, 0.5, 0.5])
    assert fusion.blend(array(0.2, 0.4, 0.6), array(8, 4, NAN), 1).tolist() == pytest.approx(
        [0, 0.5, 1]
    )
    assert fusion.blend(array(0.2, 0.4, 0.6), array(8, 4, NAN), 0).tolist() == [1, 0.5, 0]


def test_nothing_found_and_no_candidates() -> None:
    assert fusion.shared(array(NAN, NAN)).tolist() == [0, 0]
    assert fusion.shared(array(0.0, 0.0)).tolist() == [0, 0]
    assert fusion.spanned(array(NAN)).tolist() == [0]
    assert fusion.spanned(array(0.3, 0.3, NAN)).tolist() == [1, 1, 0]
    none = np.zeros(0)
    for empty in (fusion.ranks(none), fusion.rrf(none, none), fusion.blend(none, none, 0.5)):
        assert empty.shape == (0,)


@given(legs=LEGS)
def test_rrf_is_the_sum_over_the_legs(legs: list[list[float]]) -> None:
    arrays = [np.array(leg) for leg in legs]
    before = [each.copy() for each in arrays]
    fused = fusion.rrf(*map(fusion.ranks, arrays))
    for place, value in enumerate(fused):
        expected = sum(
            1 / (60 + 1 + sum(other > leg[place] for other in leg))
            for leg in legs
            if not math.isnan(leg[place])
        )
        assert value == pytest.approx(expected * 61 / len(legs))
    assert all(0 <= value <= 1 + 1e-12 for value in fused)
    for each, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(each, old)


@given(legs=LEGS.filter(lambda legs: len(legs) > 1), ratio=st.floats(0, 1))
def test_a_blend_is_its_formula(legs: list[list[float]], ratio: float) -> None:
    similarity, text = legs[0], [abs(score) for score in legs[1]]
    blended = fusion.blend(np.array(similarity), np.array(text), ratio)
    known = [score for score in similarity if not math.isnan(score)]
    best = max((score for score in text if not math.isnan(score)), default=0)
    for place, value in enumerate(blended):
        near, words = 0.0, 0.0
        if not math.isnan(similarity[place]):
            width = max(known) - min(known)
            near = (similarity[place] - min(known)) / width if width else 1.0
        if best and not math.isnan(text[place]):
            words = text[place] / best
        assert value == pytest.approx(ratio * near + (1 - ratio) * words)
        assert -1e-12 <= value <= 1 + 1e-12
