"""What is promised of every answer, on data full of ties, for any mix of options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest
from conftest import Quiet
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from recommender import Catalogue, Recommender, Record, Reject, Results, Settings, sync
from recommender.store.connection import Server

COLOURS = ("red", "green", "blue")
# 27 directions, each four times over: whatever is asked, many answers are equally good.
GRID = [point for point in product((-1, 0, 1), repeat=3) if any(point)] + [(2, 1, 0)]
ITEMS = [
    {
        "id": f"item {number:03}",
        "title": f"{COLOURS[number % 3]} thing {number % 5}",
        "colours": [COLOURS[number % 3], COLOURS[number % 2]],
        "size": number % 7,
        "v": [float(part) for part in GRID[number % 27]],
    }
    for number in range(108)
]
IDS = [item["id"] for item in ITEMS]
MATRIX = np.array([item["v"] for item in ITEMS])
UNIT = MATRIX / np.linalg.norm(MATRIX, axis=1, keepdims=True)
NAMES = ["flat-cosine", "hnsw-cosine", "flat-ip", "hnsw-ip", "flat-l2", "hnsw-l2"]
ROUNDING = 2e-6
"""Redis computes in float32, and a score has six digits."""

WHERE: dict[str, Callable[[dict[str, Any]], bool]] = {
    "colours=red": lambda item: "red" in item["colours"],
    "colours=red|blue": lambda item: bool({"red", "blue"} & {*item["colours"]}),
    "colours!=green": lambda item: "green" not in item["colours"],
    "size=2..4": lambda item: 2 <= item["size"] <= 4,
    "size>=6": lambda item: item["size"] >= 6,
    "size<0": lambda item: False,
    "size!=3": lambda item: item["size"] != 3,
    "title~thing 4": lambda item: item["title"].endswith("thing 4"),
}


def catalogue(index: str, metric: str = "cosine") -> Catalogue:
    return Catalogue.from_dict(
        {
            "name": f"{index}-{metric}",
            "fields": {
                "title": {"type": "text"},
                "colours": {"type": "tag"},
                "size": {"type": "number"},
            },
            "vectors": {
                "v": {"embedder": "given", "column": "v", "index": index, "metric": metric}
            },
        }
    )


@pytest.fixture(scope="module")
def engines(_redis: Server, settings: Settings) -> Iterator[dict[str, Recommender]]:
    """The same items under each index and metric, for all tests of this module."""
    records = [Record(f"record {number}", item) for number, item in enumerate(ITEMS)]
    opened = {}
    for made in (catalogue(*name.split("-")) for name in NAMES):
        rejects: list[Reject] = []
        sync(_redis, made, records, settings, progress=Quiet(), on_reject=rejects.append)
        assert not rejects
        opened[made.name] = Recommender(made.name, settings=settings, server=_redis)
    yield opened
    _redis.client.flushall()


@dataclass(frozen=True)
class Question:
    """One call of ``similar`` or ``search`` with a mix of options."""

    engine: str
    seed: int
    by_vector: bool
    limit: int
    offset: int
    where: list[str]
    exclude: set[str]
    min_score: float | None
    exact: bool

    @property
    def metric(self) -> str:
        return self.engine.partition("-")[2]

    def ask(self, engines: dict[str, Recommender], **changed: Any) -> Results:
        options = {
            "limit": self.limit, "offset": self.offset, "where": self.where,
            "exclude": self.exclude, "min_score": self.min_score, "exact": self.exact,
        } | changed  # fmt: skip
        engine = engines[self.engine]
        if self.by_vector:
            return engine.search(vector=ITEMS[self.seed]["v"], **options)
        return engine.similar(IDS[self.seed], **options)

    def truth(self) -> dict[str, float]:
        """Every item that may be in the answer, with its score, worked out with numpy."""
        scores = scores_of(self.seed, self.metric)
        gone = self.exclude if self.by_vector else {*self.exclude, IDS[self.seed]}
        return {
            item["id"]: score
            for item, score in zip(ITEMS, scores, strict=True)
            if item["id"] not in gone
            and all(WHERE[condition](item) for condition in self.where)
            and (self.min_score is None or score >= self.min_score - ROUNDING)
        }


def scores_of(seed: int, metric: str) -> list[float]:
    if metric == "l2":
        return [float(1 / (1 + d)) for d in np.linalg.norm(MATRIX - MATRIX[seed], axis=1)]
    rows = UNIT if metric == "cosine" else MATRIX
    return [float(score) for score in rows @ rows[seed]]


questions = st.builds(
    Question,
    engine=st.sampled_from(NAMES),
    seed=st.integers(0, len(ITEMS) - 1),
    by_vector=st.booleans(),
    limit=st.integers(1, 40),
    offset=st.integers(0, 40),
    where=st.lists(st.sampled_from(sorted(WHERE)), max_size=2),
    exclude=st.sets(st.sampled_from([*IDS, "nobody"]), max_size=8),
    min_score=st.none() | st.sampled_from([-0.4, 0.0, 0.3, 0.65, 0.9]),
    exact=st.booleans(),
)
some = examples(max_examples=120, deadline=None, derandomize=True)


@given(questions)
@some
def test_every_hit_may_be_there(engines: dict[str, Recommender], question: Question) -> None:
    results = question.ask(engines)
    truth = question.truth()
    assert len({hit.id for hit in results}) == len(results)
    for hit in results:
        assert hit.id in truth
        assert hit.score == pytest.approx(truth[hit.id], abs=ROUNDING)
        assert question.min_score is None or hit.score >= question.min_score
    order = [(-hit.score, hit.id) for hit in results]
    assert order == sorted(order)
    assert results.returned == len(results) <= results.requested == question.limit
    assert results.complete == (results.returned == results.requested)


@given(questions)
@some
def test_the_answer_is_numpys(engines: dict[str, Recommender], question: Question) -> None:
    # On so few items the approximate search has no excuse either.
    best = sorted(question.truth().values(), reverse=True)
    wanted = best[question.offset : question.offset + question.limit]
    found = [hit.score for hit in question.ask(engines)]
    if question.min_score is not None:  # a score on the border may fall to either side
        border = [s for s in wanted if abs(s - question.min_score) <= ROUNDING]
        assert len(wanted) - len(border) <= len(found) <= len(wanted)
    else:
        assert len(found) == len(wanted)
    assert found == pytest.approx(wanted[: len(found)], abs=ROUNDING)


@given(questions, st.integers(1, 9))
@some
def test_pages_are_one_long_page(
    engines: dict[str, Recommender], question: Question, size: int
) -> None:
    length = 23  # with eight excluded and the seed 32: all from one pool
    whole = question.ask(engines, limit=length, offset=0)
    pages = [
        hit
        for offset in range(0, length, size)
        for hit in question.ask(engines, limit=min(size, length - offset), offset=offset)
    ]
    assert len({hit.id for hit in pages}) == len(pages)
    assert {hit.id for hit in pages} == {hit.id for hit in whole}
    assert [hit.score for hit in pages] == [hit.score for hit in whole]


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="beyond 31 rows the pool grows, and a filtered search breaks ties anew: page 4 repeats",
)
@pytest.mark.parametrize("name", NAMES)
def test_deep_pages_are_one_long_page(engines: dict[str, Recommender], name: str) -> None:
    def ids(seed: str, limit: int, offset: int) -> list[str]:
        where = "colours=red|blue"
        found = engines[name].similar(seed, limit=limit, offset=offset, where=where)
        return [hit.id for hit in found]

    for seed in IDS[:27]:
        pages = [id for offset in range(0, 60, 10) for id in ids(seed, 10, offset)]
        assert len({*pages}) == len(pages)
        assert {*pages} == {*ids(seed, 60, 0)}
