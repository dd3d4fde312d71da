"""Ranking: boosts held against numpy, relative conditions, groups, diversity, and why."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from conftest import FILM_FIELDS, Load, Open, angle
from hypothesis import given
from hypothesis import strategies as st

from recommender import Catalogue, Recommender, ranked, scoring
from recommender.boosts import closeness, height, overlaps, parse
from recommender.errors import IndexNotReady, InvalidParameter, StoreError, UnknownField
from recommender.scoring import spread_out
from recommender.store import candidates, index
from recommender.store.connection import Server

FILMS = Catalogue.from_dict(
    {
        "name": "films",
        "fields": FILM_FIELDS,
        "vectors": {"v": {"embedder": "given", "column": "v", "index": "flat"}},
    }
)


def film(id: str, degrees: float, **values: Any) -> dict[str, Any]:
    return {"id": id, "title": f"Film {id}", "v": angle(degrees), **values}


SEED = film("seed", 0, genres=["Drama", "War"], series=["One"], year=2000, votes=100)
OTHERS = [
    film("near", 10, genres=["Drama", "War"], series=["One"], year=1950, votes=1),
    film("mid", 30, genres=["Drama"], series=["Two"], year=2000, votes=1000),
    film("far", 60, genres=["Comedy"], series=["Two"], year=2001, votes=100_000),
    film("bare", 40),
]


@pytest.fixture
def films(load: Load, open_catalogue: Open) -> Recommender:
    load(FILMS, [SEED, *OTHERS])
    return open_catalogue("films")


def ids(films: Recommender, **wishes: Any) -> list[str]:
    return [hit.id for hit in films.similar("seed", **wishes)]


def test_without_wishes_the_nearest_come_first(films: Recommender) -> None:
    assert ids(films) == ["near", "mid", "bare", "far"]


@pytest.mark.parametrize(
    ("boosts", "order"),
    [
        (["1*near(year,5)"], ["mid", "far", "near", "bare"]),
        (["near(year,5,to=1950)"], ["near", "mid", "bare", "far"]),
        (["2*high(votes)"], ["far", "mid", "near", "bare"]),
        (["0*high(votes)"], ["near", "mid", "bare", "far"]),
        (["-1*high(votes)"], ["near", "bare", "mid", "far"]),
        (["1*low(votes)"], ["near", "mid", "bare", "far"]),
        (["1*overlap(genres)"], ["near", "mid", "bare", "far"]),
        (["5*match(genres=Comedy)"], ["far", "near", "mid", "bare"]),
        (["-1*match(year<1990)"], ["mid", "bare", "far", "near"]),
        ("1*near(year,5)", ["mid", "far", "near", "bare"]),
    ],
)
@pytest.mark.parametrize("exact", [False, True])
def test_boosts_change_the_order_and_leave_the_score(
    films: Recommender, boosts: Any, order: list[str], exact: bool
) -> None:
    hits = films.similar("seed", boosts=boosts, exact=exact)
    assert [hit.id for hit in hits] == order
    scores = {"near": 10, "mid": 30, "bare": 40, "far": 60}
    for hit in hits:
        assert hit.score == pytest.approx(math.cos(math.radians(scores[hit.id])), abs=1e-5)


def test_why_adds_up(films: Recommender) -> None:
    boosts = ["0.5*near(year,5)", "0.25*overlap(genres)", "0.1*high(votes)"]
    for hit in films.similar("seed", boosts=boosts, explain=True, fields=["title"]):
        assert hit.why is not None
        total = hit.why["similarity"] + sum(hit.why["boosts"].values())
        assert hit.why["total"] == pytest.approx(total, abs=1e-5)
        assert set(hit.why["boosts"]) == set(boosts)
        assert set(hit.fields) == {"title"}
        assert f"similarity {hit.score:.2f}" in hit.why["sentence"]
    [first] = [hit for hit in films.similar("seed", explain=True) if hit.id == "near"]
    assert first.why is not None
    assert first.why["shared"] == {"genres": ["Drama", "War"], "series": ["One"]}


def test_same_and_differ(films: Recommender) -> None:
    assert ids(films, same=["series"]) == ["near"]
    assert ids(films, differ=["series"]) == ["mid", "bare", "far"]
    assert ids(films, same=["genres"], differ=["series"]) == ["mid"]
    assert ids(films, same=["year"]) == ["mid"]
    assert ids(films, same=["genres"], where="year>=1990") == ["mid"]


@pytest.mark.parametrize("label", ["a|b", "a\\b", "x, y", "C++", "back\\", "é", "#1", "@{}"])
def test_odd_labels(load: Load, open_catalogue: Open, label: str) -> None:
    load(FILMS, [film("seed", 0, genres=[label]), film("a", 10, genres=[label]), film("b", 20)])
    films = open_catalogue("films")
    assert ids(films, same=["genres"]) == ["a"]
    assert ids(films, differ=["genres"]) == ["b"]
    assert ids(films, boosts="-1*overlap(genres)") == ["b", "a"]


def test_nothing_is_the_same_as_nothing(films: Recommender) -> None:
    results = films.similar("bare", same=["series"])
    assert (results.items, results.complete) == ([], False)
    assert {hit.id for hit in films.similar("bare", differ=["series"])} == {
        "seed", "near", "mid", "far",
    }  # fmt: skip


def test_groups(films: Recommender) -> None:
    assert ids(films, group_by="series") == ["near", "mid", "bare"]
    assert ids(films, group_by="series", group_size=2) == ["near", "mid", "bare", "far"]
    assert ids(films, group_by="year", limit=2) == ["near", "mid"]


def test_diversity_is_chosen_before_the_page_is_cut(load: Load, open_catalogue: Open) -> None:
    twins = [film(f"a{n}", 10 + n / 10) for n in range(5)] + [film("b", 50), film("c", 70)]
    load(FILMS, [SEED, *twins])
    films = open_catalogue("films")
    assert ids(films, limit=3) == ["a0", "a1", "a2"]
    spread = ids(films, limit=3, diversity=0.9)
    assert spread[0] == "a0"
    assert {"b", "c"} & set(spread[1:])
    pages = [ids(films, limit=2, offset=start, diversity=0.9) for start in (0, 2, 4, 6)]
    assert sorted(id for page in pages for id in page) == sorted(each["id"] for each in twins)


def test_excluded_ids_and_the_seed_are_never_there(films: Recommender) -> None:
    assert ids(films, boosts="high(votes)", exclude=["far"]) == ["mid", "near", "bare"]
    assert ids(films, boosts="match(genres=Drama)", limit=1) == ["near"]


def test_min_score_is_for_the_similarity(films: Recommender) -> None:
    assert ids(films, boosts="9*high(votes)", min_score=0.7) == ["mid", "near", "bare"]


def test_what_boosts_favour_is_found_beyond_the_nearest(load: Load, open_catalogue: Open) -> None:
    crowd = [film(f"c{n:04}", 1 + n / 100, votes=1 + n % 50) for n in range(2000)]
    load(FILMS, [SEED, *crowd, film("star", 80, votes=1_000_000)])
    assert ids(open_catalogue("films"), boosts="9*high(votes)", limit=1) == ["star"]


@pytest.mark.parametrize(
    ("wishes", "parameter"),
    [
        ({"boosts": ["near(year)"]}, "boosts"),
        ({"boosts": ["near(year,0)"]}, "boosts"),
        ({"boosts": ["near(year,8"]}, "boosts"),
        ({"boosts": ["nan*high(votes)"]}, "boosts"),
        ({"boosts": ["1e9*high(votes)"]}, "boosts"),
        ({"boosts": ["high(title)"]}, "boosts"),
        ({"boosts": ["nere(year,8)"]}, "boosts"),
        ({"boosts": ["high(votes)"] * 17}, "boosts"),
        ({"boosts": 3}, "boosts"),
        ({"boosts": "match(nope=1)"}, "boosts"),
        ({"diversity": 1.5}, "diversity"),
        ({"diversity": "much"}, "diversity"),
        ({"boosts": "high(votes)", "pool": 0}, "pool"),
        ({"group_by": "series", "group_size": 0}, "group_size"),
        ({"group_size": 0}, "group_size"),
        ({"pool": 0}, "pool"),
    ],
)
def test_what_cannot_be_asked_names_its_parameter(
    films: Recommender, wishes: dict[str, Any], parameter: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        films.similar("seed", **wishes)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize("parameter", ["same", "differ", "group_by"])
def test_unknown_fields(films: Recommender, parameter: str) -> None:
    wish = "seriess" if parameter == "group_by" else ["seriess"]
    with pytest.raises(UnknownField, match="Did you mean 'series'"):
        films.similar("seed", **{parameter: wish})


def test_boosts_are_read() -> None:
    [boost] = parse("0.2*fresh(year, 180d, gauss)", FILMS)
    assert (boost.kind, boost.weight, boost.scale, boost.curve) == (
        "fresh", 0.2, 180 * 86_400, "gauss",
    )  # fmt: skip
    [boost] = parse("near(votes,20,to=100)", FILMS)
    assert (boost.weight, boost.to, boost.curve) == (1.0, 100.0, "exp")


finite = st.floats(-1e6, 1e6)


@given(
    st.lists(finite, min_size=1), st.floats(0.1, 1e4), st.sampled_from(["exp", "linear", "gauss"])
)
def test_closeness_is_1_at_0_and_falls(values: list[float], scale: float, curve: str) -> None:
    signal = closeness(np.array([0.0, *sorted(map(abs, values))]), scale, curve)
    assert signal[0] == 1.0
    assert ((signal >= 0) & (signal <= 1)).all()
    assert (np.diff(signal) <= 1e-12).all()


@given(st.lists(finite, min_size=2))
def test_height_is_0_at_the_least_and_1_at_the_greatest(values: list[float]) -> None:
    array = np.array(sorted(values))
    signal = height(array, array[0], array[-1])
    if array[-1] > array[0]:
        assert signal[0] == pytest.approx(0.0)
        assert signal[-1] == pytest.approx(1.0)
        assert (np.diff(signal) >= -1e-12).all()
    else:
        assert not signal.any()


def test_overlap_is_that_of_jaccard() -> None:
    signal = overlaps([["a", "B"], ["c"], [], ["A", "b", "c"]], ["a", "b"])
    assert signal.tolist() == pytest.approx([1.0, 0.0, 0.0, 2 / 3])


@given(st.integers(1, 8), st.integers(1, 8), st.floats(0, 1), st.integers(0, 1000))
def test_spreading_out_is_greedy_maximal_marginal_relevance(
    n: int, count: int, diversity: float, number: int
) -> None:
    draw = np.random.default_rng(number)
    vectors = draw.standard_normal((n, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    totals = np.sort(draw.random(n).round(3))[::-1]
    places, nearest = spread_out(totals, vectors, diversity, count)
    got = places.tolist()
    assert np.isfinite(nearest).sum() == min(count, n)
    worth = (totals - totals.min()) / (np.ptp(totals) or 1.0)
    chosen: list[int] = []
    for _ in range(min(count, n)):
        left = [i for i in range(n) if i not in chosen]
        value = {
            i: (1 - diversity) * worth[i]
            - diversity * max([0.0, *(float(vectors[i] @ vectors[j]) for j in chosen)])
            for i in left
        }
        best = max(value.values())
        pick = got[len(chosen)]
        assert value[pick] == pytest.approx(best, abs=1e-9)
        chosen.append(pick)
    assert sorted(got) == list(range(n))


WORDED = [
    film("seed", 0, title="A lonely robot", genres=["Drama"]),
    film("close", 10, title="Cooking for two"),
    film("robots", 60, title="Robots and more robots", genres=["Drama"]),
    film("robot", 40, title="A robot at sea"),
]


def test_similar_by_words_alone_looks_at_no_vector(load: Load, open_catalogue: Open) -> None:
    load(FILMS, WORDED)
    films = open_catalogue("films")
    hits = films.similar("seed", mode="text", explain=True).items
    assert {hit.id for hit in hits} == {"robots", "robot"}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert hits[0].score == 1.0
    assert all(hit.relevance is None and hit.source == "text" for hit in hits)
    assert all("similarity" not in hit.why for hit in hits if hit.why)
    with pytest.raises(InvalidParameter, match="no meaning in mode text") as caught:
        films.similar("seed", mode="text", min_relevance=0.5)
    assert caught.value.parameter == "min_relevance"


def test_why_names_the_words_and_labels_that_were_found(load: Load, open_catalogue: Open) -> None:
    load(FILMS, WORDED)
    films = open_catalogue("films")
    found = {hit.id: hit.why for hit in films.search("robot drama", mode="text", explain=True)}
    assert found["robot"]
    assert found["robot"]["words"]["matched"] == ["robot"]
    assert found["seed"]
    assert found["seed"]["words"]["matched"] == ["robot", "drama"]
    assert "(robot, drama)" in found["seed"]["sentence"]
    assert "terms" not in found["seed"]["words"]
    own = {hit.id: hit.why for hit in films.similar("seed", mode="hybrid", explain=True)}
    assert own["robot"]
    assert own["robot"]["words"]["matched"] == ["robot"]
    assert own["close"]
    assert "words" not in own["close"]


def test_words_of_an_item_count_less_than_those_of_a_person(
    load: Load, open_catalogue: Open
) -> None:
    load(FILMS, WORDED)
    films = open_catalogue("films")
    by_default = films.similar("seed", mode="hybrid", explain=True).to_dict()["items"]
    assert (
        by_default
        == films.similar("seed", mode="hybrid", semantic_ratio=0.8, explain=True).to_dict()["items"]
    )


@pytest.mark.parametrize("exact", [False, True])
def test_words_lift_what_says_the_same(load: Load, open_catalogue: Open, exact: bool) -> None:
    # So near to each other that a small share of the words is enough: BM25 differs between loads.
    titles = {"seed": 0, "submarine war": 40, "a quiet garden": 35, "submarine": 45}
    items = [
        film(id, degrees, title=id if id != "seed" else "submarine war stories")
        for id, degrees in titles.items()
    ]
    load(FILMS, items)
    films = open_catalogue("films")
    wishes: dict[str, Any] = {"exact": exact, "explain": True}
    assert ids(films, **wishes) == ["a quiet garden", "submarine war", "submarine"]
    hits = films.similar("seed", boosts="1*words()", **wishes).items
    assert [hit.id for hit in hits] == ["submarine war", "submarine", "a quiet garden"]
    shares = [dict(hit.why or {})["boosts"]["1*words()"] for hit in hits]
    assert shares[0] == 1.0
    assert 0 < shares[1] < 1
    assert shares[2] == 0.0
    with pytest.raises(InvalidParameter, match="cannot be read"):
        films.similar("seed", boosts="words(title)")


@pytest.mark.parametrize("wishes", [{"explain": True}, {"exact": True, "diversity": 0.5}])
def test_a_vector_that_somebody_else_broke_costs_its_item_only(
    films: Recommender, wishes: Any
) -> None:
    films.client.hset("films:1:item:near", "v_vector", b"short")
    assert ids(films, **wishes) == ["mid", "bare", "far"]


def test_same_and_differ_of_an_item_with_very_many_labels(load: Load, open_catalogue: Open) -> None:
    labels = [f"label {number} | a\\b" for number in range(700)]
    long = "x" * 4096
    load(
        FILMS,
        [
            film("seed", 0, genres=[*labels, long]),
            film("one", 10, genres=[labels[-1]]),
            film("long", 20, genres=[long]),
            film("other", 30, genres=["Drama"]),
            film("none", 40),
        ],
    )
    films = open_catalogue("films")
    assert ids(films, same=["genres"]) == ["one", "long"]
    assert ids(films, differ=["genres"]) == ["other", "none"]
    assert len(ids(films, boosts=["-5*overlap(genres,idf)"])) == 4


def test_no_condition_goes_with_same(films: Recommender) -> None:
    assert ids(films, where=None, same=["genres"]) == ids(films, same=["genres"])
    assert ids(films, where=["year>=1"], same=["genres"]) == ids(films, same=["genres"])
    assert ids(films, where={"any": []}, same=["genres"]) == []


@pytest.mark.parametrize(
    "boost", ["near(year,5e-324)", "near(year,5e-324,gauss)", "near(votes,1e-320,log)"]
)
def test_the_smallest_scale_there_is(films: Recommender, boost: str) -> None:
    assert ids(films, boosts=[boost])[0] == ("mid" if "year" in boost else "near")
    assert len(ids(films, boosts=[boost], pool=1, limit=1)) == 1  # by legs


@pytest.mark.parametrize(
    "wishes",
    [
        {"mode": "text"},
        {"mode": "hybrid"},
        {"boosts": ["1*words()"]},
        {"boosts": ["1*match(year>1)"]},
        {"boosts": ["1*high(votes)"]},
        {"boosts": ["1*overlap(genres,idf)"]},
        {"fallbacks": ["popular(votes)"]},
        {"exact": True, "explain": True},
    ],
)
def test_every_wish_says_that_there_is_no_index(
    films: Recommender, server: Server, wishes: dict[str, Any]
) -> None:
    server.client.execute_command("FT.ALIASDEL", "films")
    with pytest.raises(IndexNotReady):
        films.similar("seed", **wishes)


def test_a_seed_whose_vector_somebody_else_broke(films: Recommender) -> None:
    for blob in (b"", b"abc", b"four" * 5):
        films.client.hset("films:1:item:seed", "v_vector", blob)
        for ask in (
            lambda: films.similar("seed"),
            lambda: films.similar("seed", explain=True),
            lambda: films.recommend(["seed", "near"]),
        ):
            with pytest.raises(StoreError, match=r"size|bytes"):
                ask()


def test_exact_beyond_what_one_search_gives(
    films: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"exact": True, "explain": True, "where": "votes>0"}
    whole = ids(films, **asked)
    monkeypatch.setattr(candidates, "MAX_SEARCHED", 2)
    assert ids(films, **asked) == whole == ["near", "mid", "far"]
    assert ids(films, exact=True, cut="auto", boosts=["0*high(votes)"])


def test_diversity_chooses_so_many_and_the_others_follow(
    films: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    spread = ids(films, diversity=0.9)
    assert spread == ["near", "far", "mid", "bare"]
    monkeypatch.setattr(ranked, "SPREAD", 1)
    assert ids(films, diversity=0.9) == ["near", "mid", "bare", "far"]


@pytest.mark.parametrize("size", [1, 9, 10, 1000])
def test_spreading_out_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    draw = np.random.default_rng(1)
    vectors = draw.standard_normal((20, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    totals = np.sort(draw.random(20))[::-1]
    whole = spread_out(totals, vectors, 0.5, 10)
    monkeypatch.setattr(scoring, "ALONE", size)
    blocks = spread_out(totals, vectors, 0.5, 10)
    assert whole[0].tolist() == blocks[0].tolist()
    assert whole[1] == pytest.approx(blocks[1], nan_ok=True)


def test_a_filter_is_there_for_who_parsed_it_though_others_forget_all(
    films: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgetful(dict[Any, Any]):
        def __setitem__(self, key: Any, value: Any) -> None:
            """As if another thread had cleared it at once."""

    parsing = films._latest.view()
    monkeypatch.setattr(parsing, "_parsed", Forgetful())
    assert parsing.parse("year>=1990") == "(@year:[1990 +inf])"


@pytest.mark.parametrize(
    "wishes", [{"group_by": "year"}, {"boosts": ["near(year,5,to=2000)"]}, {"fields": ["year"]}]
)
def test_a_value_of_another_kind_says_that_the_catalogue_was_loaded_anew(
    films: Recommender, wishes: dict[str, Any]
) -> None:
    films.client.execute_command("FT.DROPINDEX", "films:1")
    films.client.hset("films:1:item:mid", "year", "once")
    films.client.execute_command(
        "FT.CREATE", "films:1", "PREFIX", 1, "films:1:item:", "SCHEMA", "year", "TAG",
        "v_vector", "VECTOR", "FLAT", 6, "TYPE", "FLOAT32", "DIM", 3, "DISTANCE_METRIC", "COSINE",
    )  # fmt: skip
    index.publish(films.client, "films", 1)
    index.wait(films.client, "films:1", lambda state: None)
    with pytest.raises(IndexNotReady, match="loaded anew"):
        films.search(vector=angle(0), **wishes)


def test_short_filters_are_remembered_and_long_ones_are_not(
    load: Load, open_catalogue: Open
) -> None:
    vectors = {"v": {"embedder": "given", "column": "v", "index": "hnsw"}}
    fields = {"genres": {"type": "tag"}}
    load(Catalogue.from_dict({"name": "f", "fields": fields, "vectors": vectors}), [SEED, *OTHERS])
    films = open_catalogue("f")
    long = [f"genres=Drama|{number:04}{'x' * 1000}" for number in range(5)]
    for wishes in ({}, {"explain": True}):
        assert len(films.similar("seed", where=long, **wishes)) == 2
        assert len(films.similar("seed", where="genres=Drama", **wishes)) == 2
    view = films._latest.view()
    assert [*view._parsed] == [("genres=Drama",)]
    assert [*view.known._counts] == ["(@genres:{Drama})"]
