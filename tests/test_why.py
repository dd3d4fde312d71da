"""Why a hit stands where it does: figures that add up, and a sentence that can be read."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from conftest import FILM_FIELDS, Load, Open, angle

from recommender import Catalogue, Hit, Recommender

FILMS = Catalogue.from_dict(
    {
        "name": "films",
        "fields": FILM_FIELDS,
        "vectors": {
            "v": {"embedder": "given", "column": "v", "index": "flat"},
            "look": {"embedder": "given", "column": "look", "index": "flat"},
        },
    }
)


def film(id: str, degrees: float, title: str, look: float = 0, **values: Any) -> dict[str, Any]:
    return {"id": id, "title": title, "v": angle(degrees), "look": angle(look), **values}


FEW = [
    film("seed", 0, "Robots of the Desert", genres=["Drama", "War"], series=["war", "One"],
         year=2000, votes=9),
    film("near", 25, "A Robot in the Desert", 60, genres=["drama", "War"], series=["War"],
         year=2000, votes=1),
    film("same", 25, "The Desert Robots", 60, genres=["War"], year=1990, votes=99),
    film("mid", 60, "Desert Flowers", genres=["Drama"], year=1950, votes=999),
    film("far", 90, "Love in Paris", genres=["Love"], year=2020, votes=99_999),
]  # fmt: skip


@pytest.fixture
def films(load: Load, open_catalogue: Open) -> Recommender:
    """Too few to tell what chance gives: there is no relevance."""
    load(FILMS, FEW)
    return open_catalogue("films")


@pytest.fixture
def many(load: Load, open_catalogue: Open) -> Recommender:
    load(FILMS, [*FEW, *(film(f"x{n}", 20 * n, f"Number {n}") for n in range(10))])
    return open_catalogue("films")


def by_id(hits: Any) -> dict[str, Hit]:
    return {hit.id: hit for hit in hits}


def sentences(hits: Any) -> dict[str, str]:
    return {hit.id: hit.why["sentence"] for hit in hits}


ASKED: list[dict[str, Any]] = [
    {},
    {"boosts": ["0.5*near(year,5)", "0.25*overlap(genres)", "-0.3*high(votes)"]},
    {"boosts": ["0.5*match(year>=2000)", "-0.5*match(genres=Love)"], "collapse": True},
    {"using": {"v": 0.6, "look": 0.4}, "boosts": ["0.2*low(votes)"]},
    {"boosts": ["0.4*words()"]},
    {"mode": "text", "boosts": ["0.2*low(votes)"]},
    {"mode": "hybrid", "boosts": ["0.2*low(votes)"], "diversity": 0.3},
    {"mode": "hybrid", "semantic_ratio": 0.3},
    {"mode": "hybrid", "semantic_ratio": "rrf", "boosts": ["0.2*low(votes)"]},
    {"diversity": 0.9, "boosts": ["0.2*low(votes)"]},
]


@pytest.mark.parametrize("wishes", ASKED, ids=str)
@pytest.mark.parametrize("verb", ["similar", "search", "recommend"])
def test_the_figures_add_up(many: Recommender, verb: str, wishes: dict[str, Any]) -> None:
    if verb == "similar":
        results = many.similar("seed", explain=True, **wishes)
    elif verb == "recommend":
        results = many.recommend(["seed", "mid"], ["far"], explain=True, **wishes)
    elif "mode" in wishes:  # no model knows words here
        results = many.search(
            "desert robots", explain=True, **wishes | {"mode": "text", "semantic_ratio": None}
        )
    else:
        results = many.search(vector=angle(5), explain=True, **wishes)
    assert results.items
    for hit in results:
        assert hit.why is not None
        base = hit.why["base"] if wishes.get("mode") else hit.why["similarity"]
        total = base + math.fsum(hit.why["boosts"].values())
        assert hit.why["total"] == pytest.approx(total, abs=3e-6)
        assert set(hit.why["boosts"]) == set(wishes.get("boosts", ()))
        if "similarities" in hit.why:
            shares = wishes["using"]
            parts = [shares[name] * each for name, each in hit.why["similarities"].items()]
            assert hit.why["similarity"] == pytest.approx(math.fsum(parts), abs=3e-6)
        if "similarity" in hit.why:
            assert hit.why["similarity"] == hit.score
        assert re.fullmatch(r"\S.*[^\s;,]", hit.why["sentence"])
    if not wishes.get("diversity"):
        totals = [hit.why["total"] for hit in results if hit.why]
        assert totals == sorted(totals, reverse=True)


def test_nothing_is_told_unasked(films: Recommender) -> None:
    for results in (
        films.similar("seed"),
        films.similar("seed", boosts="high(votes)", mode="hybrid"),
    ):
        assert [hit.why for hit in results] == [None] * 4
        assert "why" not in results.to_dict()["items"][0]


def test_similarity_and_labels(films: Recommender) -> None:
    told = sentences(films.similar("seed", explain=True))
    assert told == {
        "near": "similarity 0.91; shares Drama, War",
        "same": "similarity 0.91; shares War",
        "mid": "similarity 0.50; shares Drama",
        "far": "similarity 0.00",
    }
    [near] = [hit for hit in films.similar("seed", explain=True) if hit.id == "near"]
    assert near.why is not None
    assert near.why["shared"] == {"genres": ["Drama", "War"], "series": ["war"]}


def test_relevance_is_told_and_how_it_came_about(many: Recommender) -> None:
    near = by_id(many.similar("seed", explain=True))["near"]
    assert near.why is not None
    assert near.why["sentence"].startswith(f"similarity 0.91 (relevance {near.relevance:.2f}); ")
    assert re.fullmatch(
        r"random pairs have -?0\.\d\d \+- 0\.\d\d, so 0\.91 is 0\.\d\d of the way from chance"
        r" to the same",
        near.why["relevance"],
    )


def test_several_vectors(films: Recommender) -> None:
    told = sentences(films.similar("seed", using={"v": 0.5, "look": 0.5}, explain=True))
    assert told["near"] == "similarity 0.70 (v 0.91, look 0.50); shares Drama, War"


def test_the_nearest_of_several_likes(films: Recommender) -> None:
    near = by_id(films.recommend(["seed", "far"], strategy="best", explain=True))["near"]
    assert near.why is not None
    assert near.why["nearest"] == "seed"
    assert near.why["sentence"].startswith("similarity 0.91 (nearest to seed); ")
    likes = [{"vector": angle(25)}, "far"]
    assert "nearest to a vector" in sentences(films.recommend(likes, explain=True))["near"]
    assert "nearest" not in sentences(films.recommend(["seed"], explain=True))["near"]


def test_words(films: Recommender) -> None:
    results = by_id(films.search("robots in the desert", mode="text", explain=True))
    assert {*results} == {"seed", "near", "same", "mid"}
    for hit in results.values():
        assert hit.why is not None
        assert "similarity" not in hit.why
        assert hit.why["base"] == hit.why["words"]["share"] == hit.score
    told = {id: hit.why["words"]["matched"] for id, hit in results.items() if hit.why}
    assert told["seed"] == told["same"] == ["robots", "desert"]
    assert told["near"] == ["desert"]  # robot is a form of it and is found, but not named
    assert told["mid"] == ["desert"]
    best = next(iter(results.values()))
    assert best.why is not None
    assert best.why["sentence"] == "words 1.00 of the best (robots, desert)"


def test_words_of_an_item(films: Recommender) -> None:
    same = by_id(films.similar("seed", mode="hybrid", explain=True))["same"]
    assert same.why is not None
    assert same.source == "hybrid"
    assert {*same.why["words"]["matched"]} == {"robots", "desert"}
    assert re.match(r"similarity 0\.91; words \d\.\d\d of the best \(", same.why["sentence"])
    far = by_id(films.similar("seed", mode="hybrid", explain=True))["far"]
    assert far.why is not None
    assert (far.source, "words" in far.why) == ("vector", False)


def test_words_as_a_boost_are_named(films: Recommender) -> None:
    near = by_id(films.similar("seed", boosts="0.5*words()", explain=True))["same"]
    assert near.why is not None
    assert "base" not in near.why
    share = near.why["words"]["share"]
    assert near.why["boosts"] == {"0.5*words()": pytest.approx(0.5 * share, abs=2e-6)}
    assert {*near.why["words"]["matched"]} == {"robots", "desert"}
    assert f"words {share:.2f} of the best (" in near.why["sentence"]


def test_boosts_up_and_down(films: Recommender) -> None:
    boosts = ["0.2*match(year>=2000)", "-0.5*match(genres=Love)", "0.3*near(year,1)"]
    told = sentences(films.similar("seed", boosts=boosts, explain=True))
    assert told["far"] == ("similarity 0.00; -0.50 for genres=Love; +0.20 for year>=2000")
    assert "+0.30 for a close year; +0.20 for" in told["near"]
    assert told["mid"] == "similarity 0.50; shares Drama"


def test_duplicates(films: Recommender) -> None:
    near = by_id(films.similar("seed", collapse=True, explain=True))["near"]
    assert near.why is not None
    assert near.why["duplicates"] == ["same"]
    assert near.why["sentence"].endswith("; stands for 1 more that is nearly the same")
    all_but = films.search(vector=angle(0), collapse=0.1, explain=True).items[0]
    assert all_but.why is not None
    assert all_but.why["sentence"].endswith("; stands for 3 more that are nearly the same")


def test_diversity(films: Recommender) -> None:
    first, second, *_ = films.similar("seed", diversity=0.5, limit=4, explain=True)
    assert first.why is not None
    assert second.why is not None
    assert "mmr" not in first.why
    assert second.why["mmr"]["total"] == second.why["total"]
    nearest = second.why["mmr"]["nearest_chosen"]
    assert second.why["sentence"].endswith(f"at most {nearest:.2f} similar to a hit above")


@pytest.mark.parametrize(
    ("fallback", "said"),
    [
        ("popular(votes)", "nothing more was similar, this is one of the most popular"),
        ("latest(year)", "nothing more was similar, this is one of the latest"),
        ("same_tag(genres)", "nothing more was similar; shares Drama"),
    ],
)
def test_fallbacks(films: Recommender, fallback: str, said: str) -> None:
    results = films.similar("seed", min_score=0.6, fallbacks=fallback, explain=True)
    last = results.items[2]
    assert (last.score, last.source, last.id) in {
        (None, "popular", "far"), (None, "latest", "far"), (None, "same_tag", "mid"),
    }  # fmt: skip
    assert last.why is not None
    assert last.why["sentence"] == said
    assert last.why["fallback"] == last.source


def test_the_pages_that_follow_tell_the_same(films: Recommender) -> None:
    asked: dict[str, Any] = {
        "mode": "hybrid", "boosts": "0.2*near(year,5)", "explain": True, "limit": 1,
    }  # fmt: skip
    whole = sentences(films.similar("seed", **asked | {"limit": 4}))
    told: dict[str, str] = {}
    token: str | None = "start"
    while token:
        page = films.similar("seed", **asked, next=token)
        told |= sentences(page)
        token = page.next
    assert told == whole


def test_a_long_list_of_labels_is_cut(load: Load, open_catalogue: Open) -> None:
    labels = [f"label{n}" for n in range(9)]
    load(FILMS, [film(id, n, id, genres=labels) for n, id in enumerate(["seed", "a"])])
    [hit] = open_catalogue("films").similar("seed", explain=True)
    assert hit.why is not None
    assert hit.why["sentence"].endswith("shares label0, label1, label2, label3, label4 and 4 more")


def test_boosts_that_are_twice_the_same_add_up(films: Recommender) -> None:
    for hit in films.similar("seed", boosts=["0.25*high(votes)"] * 2, explain=True):
        assert hit.why is not None
        [share] = hit.why["boosts"].values()
        assert hit.why["similarity"] + share == pytest.approx(hit.why["total"], abs=2e-6)
