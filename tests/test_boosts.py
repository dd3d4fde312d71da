"""Boosts: what can be written, and what each signal is worth, held against its formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender import Catalogue
from recommender.boosts import Boost, of_number, overlaps, parse, rarity
from recommender.errors import InvalidParameter

SHOP = Catalogue.from_dict(
    {
        "name": "shop",
        "fields": {
            "title": {"type": "text"},
            "price": {"type": "number"},
            "kinds": {"type": "tag"},
        },
        "vectors": {"v": {"embedder": "wordllama", "template": "{title}"}},
    }
)
LABELS = st.lists(st.sampled_from("abcdefgh"), unique=True)


def boost(text: str) -> Boost:
    [found] = parse([text], SHOP)
    return found


def signal(text: str, values: list[float], reference: float) -> list[float]:
    row = np.array(values, dtype=np.float64)
    return list(of_number(boost(text), row, reference, (0.0, 1.0), 0.0))


def test_near_by_ratio_takes_half_and_twice_as_equally_far() -> None:
    half, twice, same, tenfold = signal("near(price,0.7,log)", [50, 200, 100, 1000], 100)
    assert half == pytest.approx(twice)
    assert half == pytest.approx(math.exp(-math.log(2) / 0.7))
    assert same == 1
    assert tenfold == pytest.approx(math.exp(-math.log(10) / 0.7))


def test_near_by_ratio_knows_nothing_of_what_is_not_above_0() -> None:
    assert np.isnan(signal("near(price,1,log)", [0, -5, math.nan], 100)).all()
    assert np.isnan(signal("near(price,1,log)", [5.0, 6.0], 0)).all()
    assert signal("near(price,1,log,to=5)", [5.0], math.nan) == [1]


@pytest.mark.parametrize("curve", ["exp", "linear", "gauss"])
def test_options_of_near_come_in_any_order(curve: str) -> None:
    found = boost(f"0.3*near(price, log, {curve}, 2, to=7)")
    assert (found.weight, found.scale, found.curve) == (0.3, 2, curve)
    assert (found.to, found.log, found.idf) == (7, True, False)


@pytest.mark.parametrize(
    "text",
    [
        "near(price,log)",  # no scale
        "near(price,1,log,to=0)",
        "near(price,1,idf)",
        "fresh(price,1d,log)",
        "overlap(kinds,log)",
        "overlap(kinds,IDF)",
        "high(price,log)",
    ],
)
def test_options_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        boost(text)
    assert caught.value.parameter == "boosts"
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "bounds"),
    [("near(price,10)", (80, 120)), ("near(price,0.5,log)", (100 / math.e, 100 * math.e))],
)
def test_within_is_so_many_scales_around(text: str, bounds: tuple[float, float]) -> None:
    found = boost(text)
    assert found.within(100, 2) == pytest.approx(bounds)
    for number in found.within(100, 2):
        assert signal(text, [number], 100) == [pytest.approx(math.exp(-2))]


def test_within_of_a_ratio_stays_a_number() -> None:
    assert all(map(math.isfinite, boost("near(price,1000,log)").within(1e300, 2)))
    assert all(map(math.isnan, boost("near(price,1,log)").within(0, 2)))


def test_a_rare_label_in_common_counts_more() -> None:
    idf = {"drama": rarity(900, 1000), "heist": rarity(10, 1000)}
    common, rare, both, none = overlaps(
        [["Drama"], ["heist"], ["heist", "drama"], ["war"]], ["Drama", "Heist"], idf
    )
    assert 0 == none < common < rare < both == 1
    assert rare == pytest.approx(math.log(101) / (math.log(101) + math.log(1 + 10 / 9)))


def test_labels_of_others_count_as_the_seeds_own_do_on_average() -> None:
    idf = {"a": 1.0, "b": 3.0}
    assert overlaps([["b", "x", "y"]], ["a", "b"], idf).tolist() == [3 / (4 + 2 * 2)]


@given(st.lists(LABELS, max_size=5), LABELS, st.floats(0.01, 100))
def test_where_all_labels_are_as_rare_idf_changes_nothing(
    labels: list[list[str]], seed: list[str], weight: float
) -> None:
    plain = overlaps(labels, seed)
    assert overlaps(labels, seed, dict.fromkeys("abcdefgh", weight)) == pytest.approx(plain)
    for row, own in enumerate(labels):
        union = set(own) | set(seed)
        assert plain[row] == pytest.approx(len(set(own) & set(seed)) / max(len(union), 1))


@given(LABELS, LABELS, st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0, 10)))
def test_an_overlap_is_0_to_1_whatever_is_known_of_labels(
    own: list[str], seed: list[str], idf: dict[str, float]
) -> None:
    [found] = overlaps([own], seed, idf)
    assert 0 <= found <= 1 + 1e-12


def test_rarity_falls_and_stays_above_0() -> None:
    assert rarity(1, 100) > rarity(50, 100) > rarity(100, 100) > 0
    assert rarity(0, 100) == 0
