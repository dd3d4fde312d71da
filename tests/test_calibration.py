"""Relevance: the same whatever all vectors have in common; measured at a load, kept, read again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from conftest import Load, Open
from hypothesis import given
from hypothesis import strategies as st

from recommender import Catalogue, Writer
from recommender.calibration import (
    Calibration,
    blended,
    check_min_relevance,
    from_json,
    is_due,
    measured,
    to_json,
)
from recommender.errors import InvalidParameter
from recommender.settings import Settings
from recommender.store import calibrations, catalogues
from recommender.store.connection import Server

PLAIN = Calibration(mean=0.2, sd=0.1, same=1.0, pairs=45, items=10)
KEY = "recommender:things"


def things(name: str = "things", **more: Any) -> Catalogue:
    spec = {"embedder": "given", "column": "v", "index": "flat"}
    vectors = {"v": spec} | {vector: spec | options for vector, options in more.items()}
    return Catalogue.from_dict(
        {"name": name, "fields": {"n": {"type": "number"}}, "vectors": vectors}
    )


def rows(count: int, dims: int = 3, seed: int = 0, first: int = 0) -> list[dict[str, Any]]:
    numbers = np.random.default_rng(seed).normal(size=(count, dims))
    return [
        {"id": f"thing {first + number}", "v": row.tolist()} for number, row in enumerate(numbers)
    ]


# What it says


def test_chance_is_0_and_the_same_is_1() -> None:
    scores = np.array([-1.0, 0.2, 0.6, 1.0, 1.1, np.nan])
    assert PLAIN.relevance(scores) == pytest.approx([0, 0, 0.5, 1, 1, np.nan], nan_ok=True)
    assert PLAIN.score_of(0.5) == pytest.approx(0.6)


def test_in_words() -> None:
    assert PLAIN.words(0.63) == (
        "random pairs have 0.20 +- 0.10, so 0.63 is 0.54 of the way from chance to the same"
    )
    assert PLAIN.words(0.1) == "random pairs have 0.20 +- 0.10, so 0.10 is no more than chance"


def test_a_blend_is_the_blend_of_the_relevances() -> None:
    found = {"text": np.array([1.0, 0.0, 0.5]), "image": np.array([0.0, 1.0, 0.5])}
    assert blended(found, {"text": 3, "image": 1}) == pytest.approx([0.75, 0.25, 0.5])
    assert blended(found, {"image": 0.5}) == pytest.approx([0, 1, 0.5])


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "0.5", True, [0.5]])
def test_min_relevance_is_0_to_1(value: object) -> None:
    with pytest.raises(InvalidParameter, match="no more alike than by chance") as caught:
        check_min_relevance(value, PLAIN)
    assert caught.value.parameter == "min_relevance"


def test_min_relevance_needs_a_calibration() -> None:
    check_min_relevance(0.5, PLAIN)
    check_min_relevance(None, None)
    with pytest.raises(InvalidParameter, match="Load it again, with at least 10 items"):
        check_min_relevance(0.5, None)


# How it is measured


def test_all_pairs_count() -> None:
    one, other = [1.0, 0.0], [0.0, 1.0]
    found = measured(np.array([one] * 5 + [other] * 5), "cosine", 10)
    # 20 of 45 pairs are the same, 25 at right angles.
    assert found == Calibration(round(20 / 45, 6), pytest.approx(0.496904), 1.0, 45, 10)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_it_is_what_numpy_finds_pair_by_pair(metric: str) -> None:
    matrix = np.random.default_rng(3).normal(size=(30, 5)) + 0.5
    scores = []
    for i, a in enumerate(matrix):
        for b in matrix[i + 1 :]:
            if metric == "cosine":
                scores.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
            else:
                scores.append(a @ b if metric == "ip" else 1 / (1 + np.linalg.norm(a - b)))
    same = float((matrix**2).sum(axis=1).mean()) if metric == "ip" else 1.0
    found = measured(matrix, metric, 30)
    assert found is not None
    assert (found.mean, found.sd, found.same) == pytest.approx(
        (np.mean(scores), np.std(scores), same), abs=1e-6
    )
    assert (found.pairs, found.items) == (435, 30)


def test_nothing_is_told_of_few_or_of_equal_items() -> None:
    assert measured(np.ones((9, 3)), "cosine", 9) is None
    assert measured(np.random.default_rng(0).normal(size=(9, 3)), "cosine", 9) is None
    for metric in ("cosine", "ip", "l2"):
        assert measured(np.ones((20, 3)), metric, 20) is None
    rubbish = np.vstack([np.eye(9), np.zeros((3, 9)), np.full((3, 9), np.nan)])
    assert measured(rubbish, "cosine", 15) is None


@given(share=st.floats(0, 10), seed=st.integers(0, 1000))
def test_what_all_vectors_share_changes_nothing(share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(40, 8))
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    shared = np.hstack([matrix, np.full((40, 1), np.sqrt(share))])  # as ada-002's common direction
    shared /= np.linalg.norm(shared, axis=1, keepdims=True)
    before, after = measured(matrix, "cosine", 40), measured(shared, "cosine", 40)
    assert before is not None
    assert after is not None
    assert after.relevance(shared @ shared.T) == pytest.approx(
        before.relevance(matrix @ matrix.T), abs=1e-4
    )


# How it is kept


def test_it_comes_back_as_it_was_kept() -> None:
    text = to_json({"v": PLAIN}, 2, 10)
    assert from_json(text, 2) == {"v": PLAIN}
    assert from_json(text, 3) == {}
    assert from_json(None, 2) == {}


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "5", "null", "{}", '{"generation": 1}', '{"generation": 1, "vectors": []}',
     '{"generation": 1, "items": 5, "vectors": {"v": {"mean": 0.5}}}',
     '{"generation": 1, "items": "x", "vectors": 3}', "[" * 100_000,
     '{"items": 12, "vectors": {}}', '{"generation": 1, "items": 1e999, "vectors": {}}',
     to_json({"v": Calibration(1.0, 0.0, 1.0, 45, 10)}, 1, 10),
     to_json({"v": Calibration(float("nan"), 0.0, 1.0, 45, 10)}, 1, 10),
     to_json({"v": Calibration("a", 0.0, 1.0, 45, 10)}, 1, 10),  # type: ignore[arg-type]
     ],
)  # fmt: skip
def test_a_broken_one_is_none_and_due(server: Server, load: Load, text: str) -> None:
    assert from_json(text, 1) == {}
    assert is_due(text, 1, 12)
    load(things(), rows(12))
    server.client.hset(KEY, "calibration", text)
    entry = catalogues.find(server.client, "things")
    assert entry is not None
    assert entry.calibration == {}
    load(things(), rows(12))
    assert [*catalogues.get(server.client, "things").calibration] == ["v"]


def test_bytes_that_are_no_text_are_none(server: Server, load: Load) -> None:
    load(things(), rows(12))
    server.client.hset(KEY, "calibration", b"\xff\xfe")
    assert catalogues.get(server.client, "things").calibration == {}


@pytest.mark.parametrize(
    ("items", "due"), [(100, False), (120, False), (121, True), (80, False), (79, True)]
)
def test_it_is_due_when_a_fifth_has_changed(items: int, due: bool) -> None:
    text = to_json({"v": PLAIN}, 1, 100)
    assert is_due(text, 1, items) is due
    assert is_due(text, 2, items)


# What a load does


def test_a_load_measures_every_vector(server: Server, load: Load) -> None:
    catalogue = things(
        w={"column": "w", "metric": "l2", "type": "float16"}, x={"column": "x", "metric": "ip"}
    )
    entries = [row | {"w": row["v"][:2], "x": [9 * n for n in row["v"]]} for row in rows(60)]
    load(catalogue, entries)
    found = catalogues.get(server.client, "things").calibration
    for name, metric, column in (("v", "cosine", "v"), ("w", "l2", "w"), ("x", "ip", "x")):
        exact = measured(np.array([row[column] for row in entries]), metric, 60)
        assert exact is not None
        assert found[name].mean == pytest.approx(exact.mean, rel=1e-3, abs=1e-3)
        assert found[name].same == pytest.approx(exact.same, rel=1e-3)
        assert (found[name].pairs, found[name].items) == (60 * 59 // 2, 60)


def test_a_large_catalogue_is_measured_by_a_sample(server: Server, load: Load) -> None:
    load(things(), rows(1200))
    found = catalogues.get(server.client, "things").calibration["v"]
    assert (found.pairs, found.items) == (500 * 499 // 2, 1200)
    assert abs(found.mean) < 0.05
    again = calibrations.measure(server.client, catalogues.get(server.client, "things"), 1200)
    assert again == {"v": found}  # the same sample


def test_few_items_have_no_calibration(server: Server, load: Load) -> None:
    load(things(), rows(9))
    assert catalogues.get(server.client, "things").calibration == {}
    load(things(), rows(10))
    assert catalogues.get(server.client, "things").calibration["v"].items == 10


def test_an_unchanged_load_measures_nothing(server: Server, load: Load) -> None:
    load(things(), rows(20))
    mark = to_json({"v": PLAIN}, 1, 20)
    server.client.hset(KEY, "calibration", mark)
    load(things(), rows(20))
    load(things(), rows(4, seed=1, first=20))
    assert server.client.hget(KEY, "calibration") == mark.encode()
    load(things(), rows(1, seed=2, first=30))
    assert catalogues.get(server.client, "things").calibration["v"].items == 25


def test_equal_items_are_measured_once(server: Server, load: Load) -> None:
    load(things(), [{"id": str(n), "v": [1.0, 2.0]} for n in range(20)])
    entry = catalogues.get(server.client, "things")
    assert entry.calibration == {}
    assert json.loads(server.client.hget(KEY, "calibration")) == {
        "generation": 1, "items": 20, "vectors": {},
    }  # fmt: skip
    assert not calibrations.refresh(server.client, entry, 20)


def test_an_old_catalogue_gets_one_at_its_next_load(server: Server, load: Load) -> None:
    load(things(), rows(20))
    server.client.hdel(KEY, "calibration")
    assert catalogues.get(server.client, "things").calibration == {}
    load(things(), rows(20))
    assert catalogues.get(server.client, "things").calibration["v"].items == 20


def test_items_put_by_hand_are_measured_where_nothing_was(
    server: Server, load: Load, settings: Settings
) -> None:
    load(things(), rows(5))
    writer = Writer("things", settings=settings, server=server)
    put = [{"id": row["id"], "vectors": {"v": row["v"]}} for row in rows(12)]
    writer.put(put[:8])
    assert catalogues.get(server.client, "things").calibration == {}
    writer.put(put)
    assert catalogues.get(server.client, "things").calibration["v"].items == 12


def test_a_catalogue_that_grows_by_hand_is_measured_again(
    server: Server, load: Load, settings: Settings
) -> None:
    load(things(), rows(20))
    writer = Writer("things", settings=settings, server=server)
    measured_at = []
    for row in rows(10, seed=1, first=20):
        writer.put([{"id": row["id"], "vectors": {"v": row["v"]}}])
        measured_at.append(catalogues.get(server.client, "things").calibration["v"].items)
    assert measured_at == [20] * 4 + [25] * 6


def test_a_catalogue_dropped_meanwhile_does_not_come_back(server: Server, load: Load) -> None:
    load(things(), rows(20))
    entry = catalogues.get(server.client, "things")
    server.client.delete(KEY)
    assert not calibrations.refresh(server.client, entry, 20)
    assert not server.client.exists(KEY)
    newer = catalogues.Entry(entry.catalogue, 2, entry.stamps)
    catalogues.keep(server.client, newer)
    assert not calibrations.refresh(server.client, entry, 20)
    assert catalogues.get(server.client, "things").calibration == {}


def test_vectors_that_somebody_else_wrote_are_passed_over(server: Server, load: Load) -> None:
    load(things(), rows(20))
    server.client.hset("things:1:item:thing 3", "v_vector", b"short")
    server.client.hset("things:1:item:odd", "n", "1")
    entry = catalogues.get(server.client, "things")
    assert calibrations.measure(server.client, entry, 21)["v"].pairs == 19 * 18 // 2


# What an answer says


def test_one_score_has_one_relevance_on_every_path(load: Load, open_catalogue: Open) -> None:
    load(things(v={"type": "float64"}), rows(100))
    engine = open_catalogue("things")
    plain = engine.similar("thing 0", limit=99)
    ranked = engine.similar("thing 0", limit=99, explain=True)
    assert {hit.id: (hit.score, hit.relevance) for hit in plain} == {
        hit.id: (hit.score, hit.relevance) for hit in ranked
    }


@pytest.mark.parametrize("path", [{}, {"explain": True}], ids=["plain", "ranked"])
def test_a_min_relevance_of_0_drops_nothing(
    load: Load, open_catalogue: Open, path: dict[str, Any]
) -> None:
    load(things(), rows(100))
    found = open_catalogue("things").similar("thing 0", limit=99, min_relevance=0, **path)
    assert (len(found), found.items[-1].relevance) == (99, 0.0)
