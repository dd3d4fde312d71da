"""Measures by hand and by their laws; measuring a small catalogue whose right answers are plain."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from conftest import Load, Open
from hypothesis import given
from hypothesis import strategies as st

from recommender import Catalogue, metrics
from recommender.errors import InvalidParameter, InvalidWhere
from recommender.evaluate import compare, recall, relevance
from recommender.judgements import Judgements
from recommender.metrics import estimate
from recommender.selectivity import conditions

GAINS = {"a": 3.0, "b": 2.0, "c": 1.0, "d": 0.0}
LISTS = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)
WORTHS = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0, 10), min_size=1)


def test_ndcg_by_hand() -> None:
    # b, nothing, a: 2/log2(2) + 0 + 3/log2(4) = 3.5; at best 3/1 + 2/1.58496 + 1/2 = 4.76186.
    assert metrics.ndcg(["b", "x", "a"], GAINS, 3) == pytest.approx(3.5 / 4.76186, abs=1e-6)
    # Wanted are two: the ideal has two, too.
    assert metrics.ndcg(["b", "x", "a"], GAINS, 2) == pytest.approx(2 / 4.26186, abs=1e-6)
    assert metrics.ndcg([], GAINS, 10) == 0
    assert math.isnan(metrics.ndcg(["a"], {"a": 0.0}, 10))


def test_ndcg_of_a_textbook() -> None:
    # Wikipedia, "Discounted cumulative gain": 3, 2, 3, 0, 1, 2 where 3, 3, 3, 2, 2, 2, 1, 0 are
    # known: 6.861 / 8.740 = 0.785.
    known = dict(zip("abcdefgh", (3.0, 2.0, 3.0, 0.0, 1.0, 2.0, 3.0, 2.0), strict=True))
    assert metrics.ndcg("abcdef", known, 6) == pytest.approx(0.785, abs=5e-4)


TREC_GAINS = {"a": 3.0, "b": 2.0, "c": 1.0, "d": 0.0, "e": 5.0, "f": 1.0}
TREC = [
    ("eab", 3, 1.0000000, 0.6, 1.0),
    ("xbeda", 5, 0.5651249, 0.6, 0.5),
    ("dcfabe", 10, 0.5714717, 1.0, 0.5),
    ("xyz", 3, 0.0, 0.0, 0.0),
    ("fcb", 2, 0.2366139, 0.4, 1.0),
    ("abcdef", 4, 0.5721006, 0.6, 1.0),
]
"""A list, k, and the NDCG, recall and reciprocal rank that trec_eval gives, through ir-measures.

It takes whole numbers as gains only, so it cannot take the place of our own code.
"""


@pytest.mark.parametrize(("ranked", "k", "ndcg", "found", "first"), TREC)
def test_measures_are_those_of_trec_eval(
    ranked: str, k: int, ndcg: float, found: float, first: float
) -> None:
    assert metrics.ndcg(ranked, TREC_GAINS, k) == pytest.approx(ndcg, abs=1e-6)
    assert metrics.recall(ranked, TREC_GAINS, k) == pytest.approx(found)
    assert metrics.reciprocal_rank(ranked, TREC_GAINS, k) == first


def test_first_good_rank_and_share_found() -> None:
    assert metrics.reciprocal_rank("xdca", GAINS, 10) == 1 / 3
    assert metrics.reciprocal_rank("xdca", GAINS, 2) == 0
    assert metrics.recall("xda", GAINS, 3) == 1 / 3
    assert metrics.recall("xda", GAINS, 2) == 0


def test_diversity_is_one_less_the_mean_likeness() -> None:
    right = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert metrics.diversity(right) == 1
    assert metrics.diversity(np.array([[1.0, 0.0]] * 3)) == 0
    # Pairs: 1, 0, 0.
    assert metrics.diversity(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])) == pytest.approx(2 / 3)
    assert metrics.diversity(np.array([[1.0, 0.0], [-1.0, 0.0]])) == 2
    assert math.isnan(metrics.diversity(right[:1]))


def test_novelty_counts_how_seldom_an_item_is_shown() -> None:
    assert metrics.novelty(["ab", "ab"]) == [0, 0]
    assert metrics.novelty(["ab", "cd"]) == [1, 1]
    assert metrics.novelty(["ab", "ac", "ad", "ae"]) == [1, 1, 1, 1]  # 0 for a, 2 for the other
    assert math.isnan(metrics.novelty(["", "a"])[0])


@given(LISTS, WORTHS, st.integers(1, 10))
def test_measures_stay_within_their_bounds(ranked: list[str], gains: Any, k: int) -> None:
    best = sorted(gains, key=lambda id: -gains[id])
    if not any(gains.values()):
        assert math.isnan(metrics.ndcg(ranked, gains, k))
        return
    assert 0 <= metrics.ndcg(ranked, gains, k) <= 1
    assert metrics.ndcg(best, gains, k) == pytest.approx(1)
    assert 0 <= metrics.recall(ranked, gains, k) <= 1
    assert metrics.recall(best, gains, len(best)) == 1
    assert metrics.reciprocal_rank(ranked, gains, k) in {0, *(1 / rank for rank in range(1, k + 1))}


@given(LISTS, WORTHS, st.integers(1, 10), st.permutations("abcdefgh"), st.floats(0.1, 10))
def test_names_units_and_the_order_of_judgements_do_not_matter(
    ranked: list[str], gains: dict[str, float], k: int, names: list[str], unit: float
) -> None:
    called = dict(zip("abcdefgh", names, strict=True))
    other = {called[id]: unit * gain for id, gain in reversed(gains.items())}
    renamed = [called[id] for id in ranked]
    if any(gain > 1e-300 for gain in gains.values()):
        before, after = metrics.ndcg(ranked, gains, k), metrics.ndcg(renamed, other, k)
        assert after == pytest.approx(before, nan_ok=True)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=50), st.randoms())
def test_an_interval_is_about_its_mean_whatever_the_order(values: list[float], random: Any) -> None:
    found = estimate(values)
    assert found == estimate(values)
    assert min(values) - 1e-9 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= max(values) + 1e-9
    random.shuffle(values)
    assert estimate(values).value == pytest.approx(found.value)


def test_an_interval_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(1).normal(0, 1, 400)
    found = estimate(values)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.08)


def test_too_few_values_have_no_interval() -> None:
    alone = estimate([0.5, math.nan])
    assert (alone.value, alone.n, math.isnan(alone.low)) == (0.5, 1, True)
    assert math.isnan(estimate([]).value)
    assert alone.to_dict() == {"value": 0.5, "low": None, "high": None, "n": 1}


# --- a catalogue on a circle: the nearest of each are its neighbours -------------------------


def circle(load: Load, count: int = 60, index: str = "flat") -> None:
    """Items i0, i1, ... at equal angles of a half circle; one in ten is red, half are even."""
    catalogue = Catalogue.from_dict(
        {
            "name": "circle",
            "fields": {"colour": {"type": "tag"}, "place": {"type": "number"}},
            "vectors": {"v": {"embedder": "given", "column": "v", "dims": 2, "index": index}},
        }
    )
    angles = [math.pi * number / count for number in range(count)]
    load(
        catalogue,
        [
            {
                "id": f"i{n}",
                "colour": "red" if n % 10 == 0 else "blue|green",
                "place": n,
                "v": [math.cos(angle), math.sin(angle)],
            }
            for n, angle in enumerate(angles)
        ],
    )


NEXT = {f"i{n}": {f"i{n - 1}": 1.0, f"i{n + 1}": 1.0} for n in range(10, 50)}
FAR = {f"i{n}": {f"i{n - 9}": 1.0} for n in range(10, 50)}


def test_a_perfect_catalogue_has_an_ndcg_of_one(load: Load, open_catalogue: Open) -> None:
    circle(load)
    report = relevance(open_catalogue("circle"), Judgements(NEXT), k=2)
    assert report.ndcg.value == report.ndcg.low == report.ndcg.high == 1
    assert report.estimates["mrr"].value == report.estimates["recall"].value == 1
    assert (len(report.queries), report.pairs, report.short, report.skipped) == (40, 80, 0, {})
    assert (report.covered, report.items) == (42, 60)  # i9 to i50
    assert report.coverage == 0.7
    assert report.chance == pytest.approx(2 / 59)
    # Both neighbours are two steps of 3 degrees apart.
    assert report.estimates["diversity"].value == pytest.approx(1 - math.cos(math.pi / 30))
    assert report.to_dict()["ndcg_of"]["i10"] == 1


@pytest.mark.parametrize(
    "asked",
    [{"using": "flat:0.1,round:0.9"}, {"using": {"flat": 0.1, "round": 0.9}}, {"preset": "both"}],
)
def test_diversity_is_that_of_the_first_of_several_vectors(
    asked: Any, load: Load, open_catalogue: Open
) -> None:
    given = {"embedder": "given", "dims": 2, "index": "flat"}
    vectors = {name: given | {"column": name} for name in ("round", "flat")}
    presets = {"both": {"using": {"flat": 0.1, "round": 0.9}}}
    angles = {f"i{n}": math.pi * n / 20 for n in range(20)}
    load(
        Catalogue.from_dict({"name": "two", "vectors": vectors, "presets": presets}),
        [
            {"id": id, "round": [math.cos(angle), math.sin(angle)], "flat": [1.0, 0.0]}
            for id, angle in angles.items()
        ],
    )
    judged = Judgements({"i5": {"i4": 1.0, "i6": 1.0}})
    report = relevance(open_catalogue("two"), judged, k=2, arguments=asked)
    assert report.ndcg.value == 1
    assert report.estimates["diversity"].value == pytest.approx(0)


def test_what_is_never_found_scores_nothing(load: Load, open_catalogue: Open) -> None:
    circle(load)
    report = relevance(open_catalogue("circle"), Judgements(FAR), k=10)
    assert [report.estimates[name].value for name in ("ndcg", "mrr", "recall")] == [0, 0, 0]


def test_what_cannot_be_judged_is_skipped_and_said(load: Load, open_catalogue: Open) -> None:
    circle(load)
    gains = {
        "i20": {"i21": 1.0, "nothing": 2.0, "i20": 9.0},  # an unknown one, and itself
        "gone": {"i1": 1.0},
        "i30": {"nothing": 1.0},
        "i31": {"i32": 0.0},
    }
    told: list[tuple[int, int]] = []
    report = relevance(
        open_catalogue("circle"), Judgements(gains), k=2, progress=lambda *n: told.append(n)
    )
    assert report.queries == ("i20",)
    assert report.skipped == {
        "the query is not in the catalogue": ("gone",),
        "none of its judged items is in the catalogue": ("i30",),
        "none of its items in the catalogue has a gain above 0": ("i31",),
    }
    assert report.unknown_items == ("nothing",)
    assert (report.pairs, told) == (1, [(1, 4), (2, 4), (3, 4), (4, 4)])


@pytest.mark.parametrize("gains", [{}, {"gone": {"i1": 1.0}}, {"i1": {"gone": 1.0}}])
def test_where_nothing_is_left_that_is_an_error(
    gains: Any, load: Load, open_catalogue: Open
) -> None:
    circle(load)
    with pytest.raises(InvalidParameter, match="no query can be judged") as caught:
        relevance(open_catalogue("circle"), Judgements(gains))
    assert caught.value.parameter == "judgements"


def test_arguments_reach_the_engine(load: Load, open_catalogue: Open) -> None:
    circle(load)
    engine, judged = open_catalogue("circle"), Judgements(NEXT)
    even = relevance(engine, judged, k=2, arguments={"where": ["place<0"], "exact": True})
    assert (even.ndcg.value, even.short) == (0, 40)
    with pytest.raises(InvalidWhere):
        relevance(engine, judged, arguments={"where": ["place=?"]})
    with pytest.raises(InvalidParameter, match="sets fields, limit itself"):
        relevance(engine, judged, arguments={"limit": 3, "fields": []})
    with pytest.raises(InvalidParameter, match="limit is 0"):
        relevance(engine, judged, k=0)


def test_two_reports_are_compared_query_by_query(load: Load, open_catalogue: Open) -> None:
    circle(load)
    engine = open_catalogue("circle")
    good = relevance(engine, Judgements(NEXT), k=2)
    bad = relevance(engine, Judgements(FAR), k=2)
    found = compare(bad, good)
    assert (found.queries, found.better, found.worse) == (40, 40, 0)
    assert (found.before["ndcg"], found.after["ndcg"]) == (0, 1)
    assert found.differences["ndcg"].low == found.differences["ndcg"].high == 1
    assert found.is_clear()
    same = compare(good, good)
    assert not same.is_clear()
    assert (same.better, same.worse, same.differences["ndcg"].value) == (0, 0, 0)
    with pytest.raises(InvalidParameter, match="lists of 2 and of 3"):
        compare(good, relevance(engine, Judgements(NEXT), k=3))
    other = relevance(engine, Judgements({"i2": {"i3": 1.0}}), k=2)
    with pytest.raises(InvalidParameter, match="no query in common"):
        compare(good, other)


def test_a_paired_difference_is_surer_than_two_intervals() -> None:
    values = np.random.default_rng(3).uniform(0, 1, 300)
    step = estimate(values + 0.01 - values)
    before, after = estimate(values), estimate(values + 0.01)
    assert step.low > 0
    assert before.high > after.low


@pytest.mark.parametrize("index", ["flat", "hnsw"])
def test_recall_of_a_small_catalogue_is_whole(index: str, load: Load, open_catalogue: Open) -> None:
    circle(load, 400, index)
    engine = open_catalogue("circle")
    report = recall(engine, sample=20, k=5, selectivities=(1, 0.1, 0.02, 1e-6))
    assert (report.sample, report.items, report.is_ready) == (20, 400, True)
    assert report.missing == (1e-6,)
    wheres = [row.condition.where for row in report.rows]
    assert wheres[:2] == ["", "colour=red"]
    assert [where.partition(">=")[0] for where in wheres[2:]] == ["place", "place"]
    for row in report.rows:
        assert row.recall.value == 1, row
        assert row.complete == 1
        assert row.condition.matching == engine.count(row.condition.where or ())
    if index == "flat":
        assert all(row.compared == 1 for row in report.rows)
    again = recall(engine, sample=20, k=5, selectivities=(1, 0.1, 0.02, 1e-6))
    assert [row.condition for row in again.rows] == [row.condition for row in report.rows]


def test_fewer_items_than_wanted_are_no_fault_of_the_index(
    load: Load, open_catalogue: Open
) -> None:
    circle(load)
    # Two items pass: an answer of two says that it is not complete, and so it is.
    report = recall(open_catalogue("circle"), sample=10, k=5, selectivities=(2 / 60,))
    [row] = report.rows
    assert (row.condition.matching, row.recall.value, row.complete) == (2, 1, 1)


def test_conditions_let_about_as_many_through_as_wanted(load: Load, open_catalogue: Open) -> None:
    circle(load, 200)
    engine = open_catalogue("circle")
    found = list(conditions(engine, (1.0, 0.5, 0.1, 0.001), 200))
    assert [(c.where, c.matching) for c in found][:1] == [("", 200)]
    for condition in found[1:]:
        assert 0.5 <= condition.matching / (condition.wanted * 200) <= 2
        assert condition.matching == engine.count(condition.where)
    assert {c.wanted for c in found} == {1.0, 0.5, 0.1}


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [
        ({"sample": 0}, "sample"),
        ({"sample": 10**6}, "sample"),
        ({"selectivities": ()}, "selectivities"),
        ({"selectivities": (0,)}, "selectivities"),
        ({"selectivities": (1.5,)}, "selectivities"),
        ({"selectivities": (math.nan,)}, "selectivities"),
        ({"k": 0}, "limit"),
        ({"arguments": {"exact": True}}, "arguments"),
        ({"selectivities": (1e-6,)}, "selectivities"),
    ],
)
def test_recall_refuses_what_is_out_of_range(
    arguments: Any, parameter: str, load: Load, open_catalogue: Open
) -> None:
    circle(load)
    with pytest.raises(InvalidParameter) as caught:
        recall(open_catalogue("circle"), **arguments)
    assert caught.value.parameter == parameter
