"""Likes and dislikes: strategies held against numpy, weights, texts, and what is left out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from conftest import Load, Open, angle
from hypothesis import given
from hypothesis import strategies as st

from recommender import Catalogue, Recommender
from recommender.errors import InvalidParameter, UnknownItem
from recommender.seeds import average, best, summed

POINTS = Catalogue.from_dict(
    {
        "name": "points",
        "fields": {"title": {"type": "text"}, "side": {"type": "tag"}, "size": {"type": "number"}},
        "vectors": {"v": {"embedder": "given", "column": "v", "index": "flat"}},
    }
)


@pytest.fixture
def points(load: Load, open_catalogue: Open) -> Recommender:
    """A point every ten degrees of a half circle: p0, p10, ... p180."""
    load(
        POINTS,
        [
            {"id": f"p{d}", "title": f"at {d}", "v": angle(d), "side": ["left", "right"][d < 90],
             "size": d}
            for d in range(0, 190, 10)
        ],
    )  # fmt: skip
    return open_catalogue("points")


def ids(points: Recommender, *seeds: Any, **wishes: Any) -> list[str]:
    return [hit.id for hit in points.recommend(*seeds, **wishes)]


def test_one_like_is_similar(points: Recommender) -> None:
    asked = points.recommend(["p90"], limit=4)
    plain = points.similar("p90", limit=4)
    assert [(hit.id, hit.score) for hit in asked] == [(hit.id, hit.score) for hit in plain]


def test_two_likes_meet_in_the_middle(points: Recommender) -> None:
    assert ids(points, ["p60", "p100"], limit=3) == ["p80", "p70", "p90"]
    heavy = points.recommend([{"id": "p60", "weight": 9}, "p100"], limit=2)
    assert {hit.id for hit in heavy} == {"p70", "p50"}


def test_a_dislike_pushes_away(points: Recommender) -> None:
    assert ids(points, ["p90"], ["p100"], limit=2)[0] == "p80"
    assert ids(points, ["p90"], ["p80"], limit=2)[0] == "p100"


def test_dislikes_only_give_outliers(points: Recommender) -> None:
    assert ids(points, [], ["p0"], limit=2) == ["p180", "p170"]
    for strategy in ("best", "sum"):
        assert ids(points, [], ["p0"], limit=2, strategy=strategy) == ["p180", "p170"]


def test_what_is_named_is_left_out(points: Recommender) -> None:
    found = ids(points, ["p0", "p10"], ["p180"], exclude=["p20"], limit=100)
    assert not {"p0", "p10", "p180", "p20"} & set(found)
    assert len(found) == 15


def test_best_finds_both_sides_where_the_average_finds_the_middle(points: Recommender) -> None:
    assert ids(points, ["p0", "p180"], limit=2, strategy="best") == ["p10", "p170"]
    assert ids(points, ["p10", "p150"], limit=1) == ["p80"]


def test_a_vector_and_fields(points: Recommender) -> None:
    assert ids(points, [{"vector": angle(88)}], limit=2) == ["p90", "p80"]
    assert ids(points, ["p80"], limit=2, same=["side"]) == ["p70", "p60"]
    # cos(10) + 2 * log1p(90) / log1p(180) = 2.72, the others have less.
    assert ids(points, ["p80"], limit=2, boosts=["2*high(size)"]) == ["p90", "p100"]


def test_texts(load: Load, open_catalogue: Open) -> None:
    films = Catalogue.from_dict(
        {
            "name": "films",
            "fields": {"title": {"type": "text"}},
            "vectors": {"text": {"template": "{title}"}},
        }
    )
    titles = ["A shark in the sea", "A spaceship among the stars", "A love story in Paris"]
    load(films, [{"id": str(n), "title": title} for n, title in enumerate(titles)])
    engine = open_catalogue("films")
    assert engine.recommend([{"text": "astronauts in space"}], limit=1).items[0].id == "1"
    assert engine.recommend([{"text": "shark"}, {"text": "ocean"}], limit=1).items[0].id == "0"


@pytest.mark.parametrize(
    ("seeds", "wishes", "parameter"),
    [
        (([], []), {}, "like"),
        ((["p0"], ["p0"]), {"strategy": "worst"}, "strategy"),
        (("p0",), {}, "like"),
        (([3],), {}, "like"),
        (([{"id": "p0", "text": "x"}],), {}, "like"),
        (([{"id": "p0", "wait": 2}],), {}, "like"),
        ((["p0"], [{"id": "p0", "weight": 0}]), {}, "unlike"),
        ((["p0"], [{"id": "p0", "weight": math.nan}]), {}, "unlike"),
        (([{"id": "p0", "weight": 1e9}],), {}, "like"),
        (([{"vector": [1, 2]}],), {}, "like"),
        ((["p0"],), {"boost": "high(size)"}, "boost"),
        ((["p0", "p180"],), {}, "like"),
        ((["p0"] * 101,), {}, "like"),
    ],
)
def test_what_cannot_be_liked_names_its_parameter(
    points: Recommender, seeds: tuple[Any, ...], wishes: dict[str, Any], parameter: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        points.recommend(*seeds, **wishes)
    assert caught.value.parameter == parameter


def test_an_unknown_like(points: Recommender) -> None:
    with pytest.raises(UnknownItem, match="no item 'p5'"):
        points.recommend(["p5"])


@given(st.integers(1, 4), st.integers(0, 4), st.integers(0, 10_000))
def test_scores_are_those_of_plain_loops(likes: int, unlikes: int, number: int) -> None:
    draw = np.random.default_rng(number)
    up, down = draw.uniform(-1, 1, (5, likes)), draw.uniform(-1, 1, (5, unlikes))
    weights, unweights = draw.uniform(0.1, 2, likes), draw.uniform(0.1, 2, unlikes)
    for row in range(5):
        top = max(up[row])
        low = max(down[row], default=-2.0)
        wanted = top if top > low else -(low**2)
        assert best(up, down)[row] == pytest.approx(wanted)
        total = sum(up[row] * weights) - sum(down[row] * unweights)
        got = summed(up, weights, down, unweights)[row]
        assert got == pytest.approx(total / (weights.sum() + unweights.sum()))


def test_the_average_is_rocchios() -> None:
    likes, unlikes = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0]])
    got = average(likes, np.array([1.0, 1.0]), unlikes, np.array([1.0]))
    assert got == pytest.approx(np.array([1.0, 0.0]))  # (0.5, 0.5) - 0.5 * (0, 1), scaled
