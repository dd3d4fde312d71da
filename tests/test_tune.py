"""Fitting boosts: what was planted is found, what is noise is not, and no fit sees its judges."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Load, Open
from hypothesis import given
from hypothesis import strategies as st
from outside import Shell

from recommender import Catalogue, Recommender, fitting, metrics, presets
from recommender import boosts as boosting
from recommender import columns as reading
from recommender import tune as tuning
from recommender.boosts import parse
from recommender.columns import Columns
from recommender.errors import InvalidParameter, UnknownField
from recommender.judgements import Judgements
from recommender.problem import Problem
from recommender.proposals import proposals
from recommender.store import catalogues
from recommender.store.connection import Server
from recommender.tune import Tuned, tune
from recommender.wordings import words_signal

BOOKS = Catalogue.from_dict(
    {
        "name": "books",
        "fields": {
            "series": {"type": "tag"},
            "year": {"type": "number"},
            "noise": {"type": "number"},
            "number": {"type": "number"},
            "shop": {"type": "tag"},
        },
        "vectors": {"v": {"embedder": "given", "column": "v", "dims": 2, "index": "flat"}},
    }
)
COUNT, SERIES = 96, 12


def books() -> list[dict[str, Any]]:
    """On a circle, where neighbours are of different series: similarity misleads."""
    noise = np.random.default_rng(1).uniform(0, 1, COUNT)
    return [
        {
            "id": f"b{n:02}",
            "series": f"s{n % SERIES}",
            "year": 1950 + n % SERIES,
            "noise": float(noise[n]),
            "number": n,
            "shop": "ours",
            "v": [math.cos(2 * math.pi * n / COUNT), math.sin(2 * math.pi * n / COUNT)],
        }
        for n in range(COUNT)
    ]


def judged(seed: int = 0) -> dict[str, dict[str, float]]:
    """About half of each book's series, worth 1 to 3: nobody finds all that is good."""
    draws = np.random.default_rng(seed)
    return {
        f"b{n:02}": {
            f"b{other:02}": float(draws.integers(1, 4))
            for other in range(n % SERIES, COUNT, SERIES)
            if other != n and (draws.random() < 0.5 or other == (n + SERIES) % COUNT)
        }
        for n in range(0, COUNT, 2)
    }


@pytest.fixture
def engine(load: Load, open_catalogue: Open) -> Recommender:
    load(BOOKS, books())
    return open_catalogue("books")


def lasting(tuned: Tuned) -> dict[str, Any]:
    """All of it but the times."""
    found = tuned.to_dict()
    for report in found["fitted"].values():
        del report["p50_ms"]
    return found


def test_what_was_planted_is_found_and_noise_is_not(engine: Recommender) -> None:
    told: list[tuple[int, int]] = []
    tuned = tune(engine, Judgements(judged()), progress=lambda *pair: told.append(pair))
    [text] = tuned.wishes["boosts"]
    assert text.partition("*")[2] in ("overlap(series)", "near(year,1)")
    assert tuned.is_clear
    assert tuned.contributions[text] > 0.3
    assert tuned.comparison.differences["ndcg"].low > 0.3
    assert tuned.comparison.worse == 0
    assert tuned.after.ndcg.value > tuned.before.ndcg.value + 0.3
    assert tuned.steps[1] > tuned.steps[0] + 0.3
    assert (tuned.queries, tuned.items) == (COUNT // 2, COUNT)
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]
    assert json.loads(json.dumps(tuned.to_dict()))["wishes"] == tuned.wishes


def test_the_wishes_can_be_asked_with(engine: Recommender) -> None:
    tuned = tune(engine, Judgements(judged()), without=["year"])
    assert [text.partition("*")[2] for text in tuned.wishes["boosts"]] == ["overlap(series)"]
    hits = engine.similar("b01", limit=7, **tuned.wishes)
    assert {hit.fields["series"][0] for hit in hits} == {"s1"}


def test_the_same_again_and_in_another_order_is_the_same(engine: Recommender) -> None:
    gains = judged()
    first = tune(engine, Judgements(gains), seed=3)
    turned = {query: dict(reversed(gains[query].items())) for query in reversed(gains)}
    again = tune(engine, Judgements(turned), seed=3)
    assert again.wishes == first.wishes
    assert again.comparison.to_dict() == first.comparison.to_dict()
    assert lasting(tune(engine, Judgements(gains), seed=3)) == lasting(first)


def test_a_fit_on_one_half_does_not_see_the_other(engine: Recommender) -> None:
    gains, others = judged(), judged(seed=9)
    held = Judgements(gains).half("held").gains
    mixed = {query: others[query] if query in held else gains[query] for query in gains}
    assert mixed != gains
    fits = [tune(engine, Judgements(each).half("open")) for each in (gains, mixed)]
    assert lasting(fits[0]) == lasting(fits[1])


def test_where_nothing_helps_that_is_said(engine: Recommender) -> None:
    near = {
        f"b{n:02}": {f"b{(n + step) % COUNT:02}": 3.0 - abs(step) for step in (-2, -1, 1, 2)}
        for n in range(0, COUNT, 3)
    }
    tuned = tune(engine, Judgements(near))
    assert tuned.wishes["boosts"] == []
    assert not tuned.is_clear
    assert tuned.contributions == {}


@pytest.mark.parametrize(
    ("gains", "arguments", "parameter"),
    [
        ({}, {}, "judgements"),
        ({"gone": {"b01": 1.0}}, {}, "judgements"),
        ({"b01": {"gone": 1.0}}, {}, "judgements"),
        ({"b01": {"b02": 1.0}, "b03": {"b04": 1.0}}, {}, "folds"),
        (judged(), {"folds": 1}, "folds"),
        (judged(), {"without": ["title"]}, "without"),
        (judged(), {"without": ["series", "year", "noise"]}, "without"),
        (judged(), {"using": "w"}, "using"),
        (judged(), {"k": 0}, "limit"),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_a_remedy(
    gains: Any, arguments: Any, parameter: str, engine: Recommender
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        tune(engine, Judgements(gains), **arguments)
    assert caught.value.parameter == parameter
    assert caught.value.remedy


# --- what is proposed -----------------------------------------------------------------------


def test_boosts_are_proposed_on_the_scales_of_the_data() -> None:
    years = [1950 + n % SERIES for n in range(COUNT)]
    columns: dict[str, list[Any]] = {
        "series": [["a"], ["b"]] * (COUNT // 2),
        "year": years,
        "noise": [None] * COUNT,
        "number": list(range(COUNT)),
        "shop": [["ours"]] * COUNT,
    }
    found = proposals(BOOKS, columns)
    assert found == [
        "overlap(series)",
        *(f"near(year,{scale})" for scale in (1, 2, 4, 6)),
        "high(year)",
        "low(year)",
    ]
    assert all(parse([text], BOOKS) for text in found)
    assert proposals(BOOKS, columns, ["year"]) == ["overlap(series)"]
    with pytest.raises(UnknownField):
        proposals(BOOKS, columns, ["yeer"])


def test_wide_numbers_are_compared_by_ratio_dates_by_days_rare_labels_by_rarity() -> None:
    columns: dict[str, list[Any]] = {
        "series": [["a", "b"], ["a"], ["a", "c"], ["c"]] * 10,
        "year": [86_400 * 90 * n for n in range(40)],
        "noise": [10 ** (n / 10) for n in range(40)],
        "number": [None, 7] * 20,
        "shop": [[f"shop {n}"] for n in range(40)],
    }
    found = proposals(BOOKS, columns)
    assert found[:2] == ["overlap(series)", "overlap(series,idf)"]
    assert [text for text in found if "year," in text][::3] == [
        "near(year,270d)",
        "near(year,4.9y)",
    ]
    assert any(text.startswith("near(noise,") and text.endswith(",log)") for text in found)
    assert not any("number" in text or "shop" in text for text in found)


# --- signals --------------------------------------------------------------------------------


def read(engine: Recommender) -> Columns:
    ids = [f"b{n:02}" for n in range(COUNT)]
    return reading.read(engine.client, engine.entry, "v", [*reversed(ids), "gone"])


def test_all_items_in_memory_rank_as_the_engine_does(engine: Recommender) -> None:
    columns = read(engine)
    texts = ["0.4*near(year,2)", "0.3*overlap(series,idf)", "0.2*high(noise)"]
    boosts = parse([*texts, "0.3*near(noise,0.5,log)", "-0.1*overlap(shop)"], BOOKS)
    total = columns.similarities([5])[0].astype(np.float64)
    for boost in boosts:
        total += boost.weight * columns.signal(boost, [5]).reshape(-1, COUNT)[0]
    expected = [columns.ids[at] for at in np.argsort(-total, kind="stable")[:10]]
    asked = engine.similar("b05", boosts=[boost.text for boost in boosts], exact=True)
    assert [hit.id for hit in asked] == expected
    assert columns.similarities([5])[0, 5] == -math.inf


def test_words_of_all_items_rank_as_the_engine_does(load: Load, open_catalogue: Open) -> None:
    catalogue = Catalogue.from_dict(
        {
            "name": "notes",
            "fields": {"text": {"type": "text"}},
            "vectors": {"v": {"embedder": "given", "column": "v", "dims": 2, "index": "flat"}},
        }
    )
    subjects = ("harbour light", "slow river", "winter orchard", "copper kettle", "paper boat")
    rows = [
        {"id": row["id"], "v": row["v"], "text": f"{subjects[n % 5]} number {n % 7}"}
        for n, row in enumerate(books())
    ]
    load(catalogue, rows)
    engine = open_catalogue("notes")
    columns = read(engine)
    signal = words_signal(engine, columns.ids, [5, 6])
    total = columns.similarities([5, 6]) + np.float32(0.7) * signal
    for seed, row in zip(("b05", "b06"), total, strict=True):
        expected = [columns.ids[at] for at in np.argsort(-row, kind="stable")[:10]]
        asked = engine.similar(seed, boosts=["0.7*words()"], exact=True)
        assert [hit.id for hit in asked] == expected


@given(st.lists(st.lists(st.sampled_from("abCD"), unique=True), min_size=1, max_size=8))
def test_overlaps_of_all_at_once_are_those_one_by_one(labels: list[list[str]]) -> None:
    column = [own or None for own in labels]
    columns = Columns(list(map(str, range(len(labels)))), {"shop": column}, np.eye(1), "cosine", {})
    for text in ("overlap(shop)", "overlap(shop,idf)"):
        [boost] = parse([text], BOOKS)
        found = columns.signal(boost, range(len(labels)))
        having = {label: sum(label in map(str.lower, own) for own in labels) for label in "abcd"}
        idf = {label: boosting.rarity(count, len(labels)) for label, count in having.items()}
        for row, seed in enumerate(labels):
            expected = boosting.overlaps(labels, seed, idf if boost.idf else None)
            assert found[row] == pytest.approx(expected, abs=1e-6)


# --- the search -----------------------------------------------------------------------------


def planted(seed: int = 0, queries: int = 40, items: int = 60) -> Problem:
    """``good`` tells the gains through some noise, ``bad`` nothing."""
    draws = np.random.default_rng(seed)
    gains = (draws.random((queries, items)) < 0.2).astype(np.float32)
    gains[:, 0] = 1
    return Problem(
        similarity=draws.normal(0, 0.1, (queries, items)).astype(np.float32),
        gains=gains,
        ideal=np.array([metrics.ideal(row, 10) for row in gains.tolist()]),
        signals={
            "bad": draws.random((queries, items), dtype=np.float32),
            "good": np.clip(0.5 * gains + 0.5 * draws.random((queries, items)), 0, 1).astype(
                np.float32
            ),
            "high": draws.random(items, dtype=np.float32),
        },
        fold=np.arange(queries) % 5,
    )


def test_ndcg_is_that_of_the_metrics_ties_by_id() -> None:
    problem = planted()
    total = np.round(problem.similarity, 1)
    found = problem.ndcg(total, problem.queries)
    for row in range(len(total)):
        order = sorted(range(total.shape[1]), key=lambda at: (-total[row, at], at))
        gains = {str(at): gain for at, gain in enumerate(problem.gains[row].tolist())}
        expected = metrics.ndcg([str(at) for at in order], gains, 10)
        assert found[row] == pytest.approx(expected)


def test_no_weight_of_a_fold_depends_on_what_it_is_judged_by() -> None:
    problem = planted()
    judged, fitted = (np.flatnonzero((problem.fold == 2) == side) for side in (True, False))
    gains = problem.gains.copy()
    gains[judged] = gains[judged][:, ::-1]
    similarity = problem.similarity.copy()
    similarity[judged] *= 5
    other = replace(problem, gains=gains, similarity=similarity)
    paths = [fitting.forward(each, fitted, lambda: None) for each in (problem, other)]
    assert paths[0] == paths[1]
    assert len(paths[0]) > 1


def test_the_search_takes_the_good_and_leaves_the_bad() -> None:
    found = fitting.fit(planted())
    assert list(found.weights) == ["good"]
    assert found.weights["good"] == float(f"{found.weights['good']:.2g}") > 0
    assert found.after.mean() > found.before.mean() + 0.2
    assert found.losses["good"] > 0.2
    again = fitting.fit(planted())
    assert (again.weights, again.losses, again.steps) == (found.weights, found.losses, found.steps)


def test_a_signal_may_count_against_only_where_its_sign_may_turn() -> None:
    problem = planted()
    against = {"against": 1 - problem.signals["good"]}
    assert fitting.fit(replace(problem, signals=against)).weights == {}
    turned = fitting.fit(replace(problem, signals=against, signs={"against": (1, -1)}))
    assert turned.weights["against"] < 0


@pytest.mark.parametrize("unit", [1e-4, 1e3])
def test_the_search_is_the_same_on_any_scale_of_similarity(unit: float) -> None:
    problem = planted()
    scaled = replace(problem, similarity=problem.similarity * np.float32(unit))
    found = fitting.fit(scaled)
    assert list(found.weights) == ["good"]
    assert abs(found.weights["good"]) <= boosting.MAX_WEIGHT
    assert found.before == pytest.approx(fitting.fit(problem).before)


def test_what_is_no_candidate_gains_nothing() -> None:
    problem = planted(items=12)
    none = np.full_like(problem.similarity, -np.inf)
    assert problem.ndcg(none, problem.queries).tolist() == [0.0] * len(none)
    none[:, 0] = 0.5
    first = problem.ndcg(none, problem.queries)
    assert first == pytest.approx(1 / problem.ideal)


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=30))
def test_whatever_numbers_there_are_the_proposals_can_be_read(values: list[float | None]) -> None:
    columns: dict[str, list[Any]] = {name: [None] * len(values) for name in BOOKS.fields}
    for text in proposals(BOOKS, columns | {"noise": values}):
        [boost] = parse([text], BOOKS)
        assert (boost.scale > 0, boost.field) == (True, "noise")


def test_as_few_boosts_as_do_are_taken() -> None:
    unseen = np.array([[0.2, 0.3], [0.4, 0.5], [0.403, 0.499], [0.402, 0.5]])
    assert fitting.chosen(unseen) == 1
    assert fitting.chosen(unseen[:1]) == 0


# --- the command ----------------------------------------------------------------------------


@pytest.fixture
def shell(engine: Recommender, home: Path, tmp_path: Path) -> Shell:
    shell = Shell(home, tmp_path)
    rows = [f"{q},{i},{gain}" for q, gains in judged().items() for i, gain in gains.items()]
    (tmp_path / "j.csv").write_text("\n".join(["query_id,item_id,relevance", *rows]))
    (tmp_path / "noise.csv").write_text(
        "query_id,item_id\n" + "".join(f"b{n:02},b{n * 7 % 90 + 1:02}\n" for n in range(9))
    )
    return shell


def test_the_command_says_what_unseen_queries_gain(shell: Shell) -> None:
    done = shell.call("tune", "books", "--judgements", "j.csv", "--without", "year")
    assert done.code == 0, done.err  # where it takes longer, its progress is in err
    assert "overlap(series)" in done.out
    assert "NDCG@10 of queries not fitted on: 0." in done.out
    assert "proves nothing" in done.out


def test_json_is_what_python_gives(shell: Shell, engine: Recommender) -> None:
    done = shell.call("tune", "books", "--judgements", "j.csv", "--half", "open", "--json")
    found = done.json
    expected = json.loads(json.dumps(lasting(tune(engine, Judgements(judged()).half("open")))))
    for report in found["fitted"].values():
        del report["p50_ms"]
    more = {name: found.pop(name) for name in ("source", "half", "saved")}
    assert more == {"source": "judgements", "half": "open", "saved": None}
    assert found == expected


def test_what_is_not_clear_is_not_kept(shell: Shell) -> None:
    done = shell.call("tune", "books", "--judgements", "noise.csv", "--preset", "tuned")
    assert done.code == 0
    assert "not clearly better" in done.out
    assert "Not kept as 'tuned': --force keeps it anyway" in done.out


def test_a_preset_is_kept_and_can_be_asked_with(shell: Shell) -> None:
    done = shell.call("tune", "books", "--judgements", "j.csv", "--preset", "tuned")
    assert "Kept as the preset 'tuned'" in done.out
    asked = shell.call("similar", "books", "b01", "--preset", "tuned", "--limit", "7", "--json")
    assert {hit["fields"]["series"][0] for hit in asked.json["items"]} == {"s1"}


def test_a_name_that_no_preset_can_have_is_told_before_the_fit(shell: Shell) -> None:
    done = shell.call("tune", "books", "--judgements", "nowhere.csv", "--preset", "a b")
    assert (done.code, done.out) == (2, "")
    assert "'a b' cannot be a preset's name" in done.err


def test_what_cannot_be_kept_is_told_all_the_same(
    shell: Shell, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presets, "PATIENCE", 0.1)
    with catalogues.locked(server.client, "books", lambda: None):  # as by a load
        call = ("tune", "books", "--judgements", "j.csv", "--preset", "tuned")
        done, as_json = shell.call(*call), shell.call(*call, "--json")
    assert done.code == as_json.code == 1
    assert "NDCG@10 of queries not fitted on: 0." in done.out
    assert "Kept" not in done.out
    assert "being written by another process" in done.err
    assert (as_json.json["saved"], as_json.json["is_clear"]) == (None, True)


def test_of_a_part_it_is_said_that_it_is_one(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "MAX_ITEMS", 60)
    monkeypatch.setattr(tuning, "MAX_CELLS", 60 * 8)
    done = shell.call("tune", "books", "--judgements", "j.csv")
    assert " of 96 items, by 8 of 48 queries: among all, by all, similarity has 0." in done.out


def test_words_are_weighed_where_they_tell(load: Load, open_catalogue: Open) -> None:
    """The series stands in the title only; words are the one thing that knows it."""
    names = ["amber", "birch", "cedar", "dune", "ember", "fern", "grove", "heath", "iris", "juno",
             "kelp", "lotus"]  # fmt: skip
    catalogue = Catalogue.from_dict(
        {
            "name": "titled",
            "fields": {"title": {"type": "text"}},
            "vectors": {"v": {"embedder": "given", "column": "v", "dims": 2, "index": "flat"}},
        }
    )
    titled = [
        {"id": book["id"], "title": f"{names[int(book['series'][1:])]} {n}", "v": book["v"]}
        for n, book in enumerate(books())
    ]  # fmt: skip
    load(catalogue, titled)
    engine = open_catalogue("titled")
    tuned = tune(engine, Judgements(judged()))
    [text] = tuned.wishes["boosts"]
    assert text.endswith("*words()")
    assert tuned.is_clear
    assert tuned.after.ndcg.value == pytest.approx(max(tuned.pools.values()), abs=0.01)
    with pytest.raises(InvalidParameter, match="no number, no tag and no text"):
        tune(engine, Judgements(judged()), without=["title"])
