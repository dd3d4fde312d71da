"""Every path of the ranking against a slow one that is plain to see, on a mix of all wishes.

The oracle below knows the catalogue's items and what the docs say of the ranking, nothing of the
code: only the figures of BM25 and the place of the natural cut are taken from it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain, product
from typing import Any

import numpy as np
import pytest
from conftest import loaded
from hypothesis import assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from recommender import Catalogue, Hit, Recommender, Results, Settings
from recommender.cut import natural_cut
from recommender.errors import InvalidParameter
from recommender.store.connection import Server

COUNT = 150
LABELS = ("Drama", "War", "comedy", "heist", "Time travel", "a|b")
WORDS = ("sea", "snow", "fire", "rain", "wind", "stars", "city")
DAY = 86_400
NOW = time.time()
NAMES = ["flat-cosine", "hnsw-cosine", "hnsw-l2", "flat-ip"]
ROUNDING = 2e-6
GRID = [point for point in product((-1, 0, 1, 2), repeat=3) if any(point)]

Item = dict[str, Any]


def made_up() -> list[Item]:
    """Items of few directions, many twice, most with something missing."""
    draw = np.random.default_rng(4)
    items = []
    for number in range(COUNT):
        item: Item = {
            "id": f"item {number:03}",
            "title": " ".join(draw.choice(WORDS, size=draw.integers(1, 6))),
            "kinds": [str(label) for label in draw.choice(LABELS, draw.integers(0, 4), False)],
            "series": [f"S{draw.integers(0, 12)}"],
            "year": int(draw.integers(1950, 2020)),
            "votes": int(10 ** draw.uniform(0, 5)),
            "price": int(draw.integers(-3, 4)),
            "date": float(NOW - draw.integers(-400, 4000) * DAY),
            "text": [float(part) for part in GRID[draw.integers(len(GRID))]],
            "image": [float(part) for part in draw.normal(size=3).round(1) + 0.01],
        }
        for name in ("series", "year", "votes", "price", "date"):
            if draw.random() < 0.2:
                del item[name]
        items.append({name: value for name, value in item.items() if value != []})
    return items


ITEMS = made_up()
IDS = [item["id"] for item in ITEMS]
PLACE = {id: place for place, id in enumerate(IDS)}
BY_ID = dict(zip(IDS, ITEMS, strict=True))


def catalogue(name: str) -> Catalogue:
    index, _, metric = name.partition("-")
    number, tag = {"type": "number"}, {"type": "tag"}
    vectors = {
        each: {"embedder": "given", "column": each, "index": index, "metric": metric}
        for each in ("text", "image")
    }
    fields = {
        "title": {"type": "text"}, "kinds": {**tag, "separator": ";"}, "series": tag,
        "year": number, "votes": number, "price": number, "date": number,
    }  # fmt: skip
    return Catalogue.from_dict({"name": name, "fields": fields, "vectors": vectors})


# The oracle's parts, each as its page in the docs has it


def labels(fields: Mapping[str, Any], name: str) -> set[str]:
    return {label.lower() for label in fields.get(name, ())}


def near(name: str, scale: float, curve: str = "exp", to: float | None = None) -> Signal:
    def signal(seed: Mapping[str, Any], item: Item) -> float:
        reference = seed.get(name) if to is None else to
        if reference is None or name not in item:
            return 0.0
        ratio = abs(item[name] - reference) / scale
        falls = {"exp": math.exp(-ratio), "gauss": math.exp(-(ratio**2) / 2)}
        return falls.get(curve, max(0.0, 1 - ratio))

    return signal


def near_by_ratio(name: str, scale: float) -> Signal:
    def signal(seed: Mapping[str, Any], item: Item) -> float:
        if min(seed.get(name, 0), item.get(name, 0)) <= 0:
            return 0.0
        return math.exp(-abs(math.log(item[name] / seed[name])) / scale)

    return signal


def fresh(name: str, days: float) -> Signal:
    def signal(seed: Mapping[str, Any], item: Item) -> float:
        return math.exp(-max(time.time() - item[name], 0) / days / DAY) if name in item else 0.0

    return signal


def overlap(name: str, *, rare: bool = False) -> Signal:
    @cache
    def worth(label: str) -> float:
        having = sum(label in labels(item, name) for item in ITEMS)
        return math.log(1 + COUNT / having) if rare and having else float(not rare)

    def signal(seed: Mapping[str, Any], item: Item) -> float:
        wanted, own = labels(seed, name), labels(item, name)
        total = sum(map(worth, wanted))
        if not total or not own & wanted:
            return 0.0
        shared = sum(map(worth, own & wanted))
        return shared / (total + len(own - wanted) * total / len(wanted))

    return signal


def high(name: str, *, by_logarithm: bool, turned: bool = False) -> Signal:
    def put(value: float) -> float:
        return math.log(1 + value) if by_logarithm else value

    values = [put(item[name]) for item in ITEMS if name in item]

    def signal(seed: Mapping[str, Any], item: Item) -> float:
        if name not in item:
            return 0.0
        up = (put(item[name]) - min(values)) / (max(values) - min(values))
        return 1 - up if turned else up

    return signal


Signal = Callable[[Mapping[str, Any], Item], float]
BOOSTS: dict[str, Signal] = {
    "near(year,8)": near("year", 8),
    "near(year,15,linear)": near("year", 15, "linear"),
    "near(year,5,gauss)": near("year", 5, "gauss"),
    "near(price,1.5,to=2)": near("price", 1.5, to=2),
    "near(votes,0.7,log)": near_by_ratio("votes", 0.7),
    "fresh(date,3650d)": fresh("date", 3650),
    "overlap(kinds)": overlap("kinds"),
    "overlap(kinds,idf)": overlap("kinds", rare=True),
    "overlap(series)": overlap("series"),
    "high(votes)": high("votes", by_logarithm=True),
    "low(votes)": high("votes", by_logarithm=True, turned=True),
    "high(price)": high("price", by_logarithm=False),
    "low(year)": high("year", by_logarithm=False, turned=True),
    "match(kinds=War|heist)": lambda _, item: float(bool({"war", "heist"} & labels(item, "kinds"))),
    "match(year>=1990)": lambda _, item: float(item.get("year", 0) >= 1990),
}
WHERE: dict[str, Callable[[Item], bool]] = {
    "kinds=drama": lambda item: "drama" in labels(item, "kinds"),
    "kinds=War|comedy": lambda item: bool({"war", "comedy"} & labels(item, "kinds")),
    "kinds!=heist": lambda item: "heist" not in labels(item, "kinds"),
    "year=1960..2000": lambda item: 1960 <= item.get("year", 0) <= 2000,
    "price<0": lambda item: item.get("price", 0) < 0,
    "votes>=100000000": lambda item: False,
    "title~snow": lambda item: "snow" in item["title"].split(),
}


def agree(name: str, seed: Mapping[str, Any], item: Item) -> bool:
    """Whether both have the same number, or a label in common."""
    if isinstance(seed[name], list):
        return bool(labels(seed, name) & labels(item, name))
    return name in item and bool(item[name] == seed[name])


def unit(vector: Any) -> Any:
    return np.asarray(vector, dtype=float) / np.linalg.norm(vector)


def similarity(metric: str, one: Any, other: Any) -> float:
    if metric == "l2":
        return float(1 / (1 + np.linalg.norm(np.subtract(one, other))))
    return float(unit(one) @ unit(other) if metric == "cosine" else np.dot(one, other))


def ranks(values: Mapping[str, float]) -> dict[str, int]:
    return {id: 1 + sum(v > value for v in values.values()) for id, value in values.items()}


@dataclass(frozen=True)
class Asked:
    """One question: what is asked with, and the wishes beside it."""

    engine: str
    verb: str
    seed: str
    vector: tuple[float, ...]
    likes: tuple[tuple[str, float], ...]
    unlikes: tuple[tuple[str, float], ...]
    strategy: str
    half_life: float | None
    wishes: Mapping[str, Any] = field(default_factory=dict)

    def ask(self, engines: Mapping[str, World], **changed: Any) -> Results:
        engine, wishes = engines[self.engine].engine, {**self.wishes, **changed}
        if self.verb == "similar":
            return engine.similar(self.seed, **wishes)
        if self.verb == "search":
            return engine.search(vector=list(self.vector), **wishes)
        return engine.recommend(
            [{"id": id, "weight": weight} for id, weight in self.likes],
            [{"id": id, "weight": weight} for id, weight in self.unlikes],
            strategy=self.strategy, half_life=self.half_life, **wishes,
        )  # fmt: skip

    @property
    def named(self) -> set[str]:
        if self.verb == "recommend":
            return {id for id, _ in (*self.likes, *self.unlikes)}
        return {self.seed} if self.verb == "similar" else set()

    @property
    def fields(self) -> dict[str, Any]:
        """What the seed is in the fields: several likes have all labels, and mean numbers."""
        if self.verb != "recommend":
            return dict(BY_ID[self.seed]) if self.verb == "similar" else {}
        liked, merged = [BY_ID[id] for id, _ in self.likes], dict[str, Any]()
        for name in ("kinds", "series", "year", "votes", "price", "date"):
            values = [item[name] for item in liked if name in item]
            if values:
                is_tag = isinstance(values[0], list)
                merged[name] = [*chain(*values)] if is_tag else sum(values) / len(values)
        return merged


class World:
    """A catalogue, and the vectors that it keeps of each item."""

    def __init__(self, engine: Recommender, metric: str) -> None:
        self.engine, self.metric = engine, metric
        kept = {id: engine.item(id, vectors=True).vectors for id in IDS}
        self.vectors = {
            each: {id: np.array(kept[id][each]) for id in IDS} for each in ("text", "image")
        }
        units = {each: np.array([*map(unit, own.values())]) for each, own in self.vectors.items()}
        self.cosines = {each: (rows @ rows.T).tolist() for each, rows in units.items()}

    def score(self, asked: Asked, name: str, id: str) -> float:
        """The similarity of an item by one vector."""
        own = self.vectors[name]
        if asked.verb == "search":
            return similarity(self.metric, asked.vector, own[id])
        if asked.verb == "similar":
            return similarity(self.metric, own[asked.seed], own[id])
        return self.taste(asked, own, id)

    def taste(self, asked: Asked, own: Mapping[str, Any], id: str) -> float:
        """How good an item fits likes and dislikes."""
        likes, unlikes = list(asked.likes), list(asked.unlikes)
        if asked.half_life:
            last = len(likes) - 1
            likes = [
                (liked, weight * 0.5 ** ((last - place) / asked.half_life))
                for place, (liked, weight) in enumerate(likes)
            ]
        up = [(unit(own[liked]) @ unit(own[id]), weight) for liked, weight in likes]
        down = [(unit(own[hated]) @ unit(own[id]), weight) for hated, weight in unlikes]
        if asked.strategy == "best":
            best, worst = max(up, default=(-9, 0))[0], max(down, default=(-9, 0))[0]
            if not likes:
                return -float(worst)
            return float(best) if best > worst else -(float(worst) ** 2)
        if asked.strategy == "sum":
            total = sum(s * w for s, w in up) - sum(s * w for s, w in down)
            return float(total / sum(w for _, w in (*up, *down)))
        centre = np.zeros(3)
        for side, sign in ((likes, 1.0), (unlikes, -0.5)):
            whole = sum(weight for _, weight in side)
            for other, weight in side:
                centre = centre + sign * weight / whole * unit(own[other])
        return float(unit(centre) @ unit(own[id]))

    def relevance(self, name: str, score: float) -> float:
        """The score on 0..1, from random pairs of the catalogue up to the same thing."""
        known = self.engine.entry.calibration[name]
        return min(max((score - known.mean) / (known.same - known.mean), 0.0), 1.0)

    def words(self, asked: Asked) -> dict[str, float]:
        """BM25 of the items that hold a telling word of the seed: the engine's own figures.

        Asked for under the same conditions, for which items are looked at changes them.
        """
        kept = ("where", "same", "differ", "exclude", "using", "mode")
        wishes = {name: asked.wishes[name] for name in kept if name in asked.wishes}
        whole = replace(asked, wishes={**wishes, "limit": 1000, "explain": True})
        found = whole.ask({asked.engine: self})
        return {hit.id: hit.why["words"]["bm25"] for hit in found if hit.why and "words" in hit.why}


@dataclass
class Truth:
    """What the answer has to be: ``order`` before diversity, and the figures of each item."""

    order: list[str]
    scores: dict[str, float]
    relevances: dict[str, float]
    totals: dict[str, float]
    allowed: set[str]


def shares_of(asked: Asked) -> dict[str, float]:
    using = asked.wishes.get("using") or "text"
    if isinstance(using, str):
        return {using: 1.0}
    return {name: share / sum(using.values()) for name, share in using.items()}


def is_allowed(asked: Asked, id: str) -> bool:
    """Whether an item may be in the answer at all."""
    wishes, seed, item = asked.wishes, asked.fields, BY_ID[id]
    if id in asked.named or id in wishes.get("exclude", ()):
        return False
    if any(name not in seed or not agree(name, seed, item) for name in wishes.get("same", ())):
        return False
    if any(name in seed and agree(name, seed, item) for name in wishes.get("differ", ())):
        return False
    return all(WHERE[condition](item) for condition in wishes.get("where", ()))


def truth_of(world: World, asked: Asked) -> Truth:
    wishes, shares = asked.wishes, shares_of(asked)
    ids = [id for id in IDS if is_allowed(asked, id)]
    each = {id: {name: world.score(asked, name, id) for name in shares} for id in ids}
    scores = {id: round(sum(shares[n] * s for n, s in each[id].items()), 6) for id in ids}
    relevances = {
        id: round(sum(shares[n] * world.relevance(n, s) for n, s in each[id].items()), 6)
        for id in ids
    }
    base: dict[str, float] = scores
    mode = wishes.get("mode", "vector")
    if mode != "vector":
        words = {id: bm25 for id, bm25 in world.words(asked).items() if id in scores}
        best = max(words.values(), default=1.0)
        if mode == "text":
            ids = [id for id in ids if id in words]
            scores = base = {id: round(words[id] / best, 6) for id in ids}
        else:
            base = fused(scores, words, best, wishes.get("semantic_ratio"))
    totals = {
        id: round(
            base[id] + sum(boosted(boost, asked, id) for boost in wishes.get("boosts", ())), 6
        )
        for id in ids
    }
    order = sorted(ids, key=lambda id: (-totals[id], id))
    if wishes.get("min_score") is not None:
        order = [id for id in order if scores[id] >= wishes["min_score"]]
    if wishes.get("min_relevance") is not None:
        order = [id for id in order if relevances[id] >= wishes["min_relevance"]]
    if wishes.get("cut"):
        order = order[: natural_cut([totals[id] for id in order])]
    if wishes.get("collapse"):
        order = collapsed(world, asked, order)
    if wishes.get("group_by"):
        order = grouped(order, wishes["group_by"], wishes.get("group_size", 1))
    return Truth(order, scores, relevances, totals, set(ids))


def boosted(boost: str, asked: Asked, id: str) -> float:
    weight, _, text = boost.partition("*")
    return float(weight) * BOOSTS[text](asked.fields, BY_ID[id])


def fused(
    scores: Mapping[str, float], words: Mapping[str, float], best: float, ratio: Any
) -> dict[str, float]:
    if ratio == "rrf":
        by_vector, by_words = ranks(scores), ranks(words)
        parts = {id: [by_vector[id], *([by_words[id]] if id in by_words else [])] for id in scores}
        return {id: sum(61 / (60 + rank) for rank in part) / 2 for id, part in parts.items()}
    ratio = 0.8 if ratio is None else ratio
    low, high = min(scores.values(), default=0), max(scores.values(), default=0)
    return {
        id: ratio * ((score - low) / (high - low) if high > low else 1.0)
        + (1 - ratio) * words.get(id, 0.0) / best
        for id, score in scores.items()
    }


def threshold(world: World, asked: Asked) -> float:
    collapse = asked.wishes["collapse"]
    least = 0.99 if collapse is True else collapse
    if world.metric == "cosine":
        known = world.engine.entry.calibration[next(iter(shares_of(asked)))]
        least = known.mean + least * (known.same - known.mean)
    return float(min(least, 1 - 1e-6))


def cosine(world: World, asked: Asked, one: str, other: str) -> float:
    table: list[list[float]] = world.cosines[next(iter(shares_of(asked)))]
    return table[PLACE[one]][PLACE[other]]


def collapsed(world: World, asked: Asked, order: Sequence[str]) -> list[str]:
    """Of what is one thing the first; and nothing that is the one seed again."""
    least, kept = threshold(world, asked), list[str]()
    seeds = [asked.seed] if asked.verb == "similar" else []
    if asked.verb == "recommend" and len(asked.likes) == 1 and not asked.unlikes:
        seeds = [asked.likes[0][0]]
    for id in order:
        if all(cosine(world, asked, id, other) < least for other in (*seeds, *kept)):
            kept.append(id)
    return kept


def grouped(order: Sequence[str], name: str, size: int) -> list[str]:
    kept: list[str] = []
    for id in order:
        value = BY_ID[id].get(name)
        own = {value} if isinstance(value, (int, float)) else labels(BY_ID[id], name)
        before = [BY_ID[other].get(name) for other in kept]
        counts = [
            sum(
                label == value or (isinstance(value, list) and label in map(str.lower, value))
                for value in before
            )
            for label in own
        ]
        if all(count < size for count in counts):
            kept.append(id)
    return kept


@pytest.fixture(scope="module")
def worlds(_redis: Server, settings: Settings) -> Iterator[dict[str, World]]:
    """The same items under each index and metric, for all tests of this module."""
    yield {
        name: World(loaded(_redis, settings, catalogue(name), ITEMS), name.partition("-")[2])
        for name in NAMES
    }
    _redis.client.flushall()


weights = st.sampled_from([-1.5, -0.4, 0.1, 0.3, 1.0, 4.0])
boosts = st.lists(
    st.builds(lambda weight, text: f"{weight}*{text}", weights, st.sampled_from(sorted(BOOSTS))),
    max_size=4,
)
names = st.lists(st.sampled_from(["kinds", "series", "year", "price"]), max_size=2, unique=True)
seeds = st.lists(
    st.tuples(st.sampled_from(IDS), st.sampled_from([0.5, 1.0, 3.0])),
    max_size=4,
    unique_by=lambda pair: pair[0],
).map(tuple)
ASKING = {
    "boosts": boosts,
    "where": st.lists(st.sampled_from(sorted(WHERE)), max_size=1),
    "same": names.map(lambda given: given[:1]),
    "differ": names,
    "exclude": st.lists(st.sampled_from([*IDS, "nobody"]), max_size=5),
    "using": st.sampled_from(
        ["text", "image", {"text": 0.7, "image": 0.3}, {"image": 2, "text": 1}]
    ),
    "min_score": st.sampled_from([-0.2, 0.0, 0.31, 0.6]),
    "min_relevance": st.sampled_from([0.0, 0.21, 0.5]),
    "group_by": st.sampled_from(["series", "kinds", "year"]),
    "group_size": st.integers(1, 3),
    "collapse": st.sampled_from([True, 0.97, 0.9]),
    "cut": st.just("auto"),
    "diversity": st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    "mode": st.sampled_from(["vector", "hybrid", "text"]),
    "semantic_ratio": st.sampled_from([0.0, 0.3, 1.0, "rrf"]),
}


def made(**values: Any) -> Asked:
    """A question that can be asked: wishes that exclude each other are left out."""
    wishes = dict(values["wishes"])
    if values["verb"] == "recommend":
        values["engine"] = values["engine"].split("-")[0] + "-cosine"
    if values["verb"] == "search":
        wishes.pop("mode", None)
    if wishes.get("mode") != "hybrid":
        wishes.pop("semantic_ratio", None)
    if wishes.get("mode") == "text":
        wishes.pop("min_relevance", None)
    values["unlikes"] = tuple(p for p in values["unlikes"] if p[0] not in dict(values["likes"]))
    return Asked(**{**values, "wishes": wishes})


questions = st.builds(
    made,
    engine=st.sampled_from(["flat-cosine", "hnsw-cosine", "flat-ip", "hnsw-l2"]),
    verb=st.sampled_from(["similar", "search", "recommend"]),
    seed=st.sampled_from(IDS),
    vector=st.sampled_from([tuple(map(float, point)) for point in GRID]),
    likes=seeds,
    unlikes=seeds,
    strategy=st.sampled_from(["average", "best", "sum"]),
    half_life=st.sampled_from([None, 0.5, 3.0]),
    wishes=st.fixed_dictionaries(
        {"limit": st.integers(1, 40), "offset": st.sampled_from([0, 0, 3, 17])}, optional=ASKING
    ),
)
some = examples(max_examples=100, deadline=None, derandomize=True)


def answered(worlds: Mapping[str, World], asked: Asked, **changed: Any) -> tuple[Results, Truth]:
    """The answer and the truth; what cannot be asked has neither."""
    assume(asked.verb != "recommend" or asked.named)
    try:
        return asked.ask(worlds, explain=True, **changed), truth_of(worlds[asked.engine], asked)
    except InvalidParameter as error:
        assume("cancel each other out" not in error.message)
        raise


def check_figures(hits: Sequence[Hit], truth: Truth, asked: Asked) -> None:
    for hit in hits:
        assert hit.why is not None
        assert hit.score == pytest.approx(truth.scores[hit.id], abs=ROUNDING)
        assert hit.why["total"] == pytest.approx(truth.totals[hit.id], abs=ROUNDING)
        if asked.wishes.get("mode") != "text":
            assert hit.relevance == pytest.approx(truth.relevances[hit.id], abs=ROUNDING)
        for boost in asked.wishes.get("boosts", ()):
            wanted = asked.wishes["boosts"].count(boost) * boosted(boost, asked, hit.id)
            assert hit.why["boosts"][boost] == pytest.approx(wanted, abs=ROUNDING)


def check_spread(worlds: Mapping[str, World], asked: Asked, truth: Truth, ids: list[str]) -> None:
    """Each pick is one of the best by maximal marginal relevance, given those before it."""
    world, diversity = worlds[asked.engine], asked.wishes["diversity"]
    among = truth.order
    low = min((truth.totals[id] for id in among), default=0.0)
    span = max((truth.totals[id] for id in among), default=0.0) - low or 1.0
    assert len(ids) == min(len(truth.order), asked.wishes["offset"] + asked.wishes["limit"])
    close = dict.fromkeys(among, 0.0)
    for id in ids:
        values = {
            each: (1 - diversity) * (truth.totals[each] - low) / span - diversity * close[each]
            for each in close
        }
        assert values[id] == pytest.approx(max(values.values()), abs=1e-5)
        del close[id]
        close = {each: max(near, cosine(world, asked, each, id)) for each, near in close.items()}


@pytest.mark.parametrize("changed", [{"exact": True}, {}, {"pool": 10_000}], ids=str)
@given(asked=questions)
@some
def test_the_answer_is_the_oracles(
    worlds: dict[str, World], changed: dict[str, Any], asked: Asked
) -> None:
    found, truth = answered(worlds, asked, **changed)
    check_figures(found.items, truth, asked)
    limit, offset = asked.wishes["limit"], asked.wishes["offset"]
    ids = [hit.id for hit in found]
    if asked.wishes.get("diversity"):
        whole = asked.ask(worlds, **{**changed, "limit": limit + offset, "offset": 0})
        check_spread(worlds, asked, truth, [hit.id for hit in whole])
        assert ids == [hit.id for hit in whole][offset:]
    else:
        assert ids == truth.order[offset : offset + limit]
    assert found.complete == (len(found) == limit)


@given(asked=questions, pool=st.integers(1, 30))
@some
def test_with_a_small_pool_what_comes_is_right(
    worlds: dict[str, World], asked: Asked, pool: int
) -> None:
    found, truth = answered(worlds, asked, pool=pool)
    ids = [hit.id for hit in found]
    assert len({*ids}) == len(ids)
    assert {*ids} <= truth.allowed
    wishes = asked.wishes
    if wishes.get("mode", "vector") == "vector":
        check_figures(found.items, truth, asked)
    totals = [hit.why["total"] for hit in found if hit.why]
    assert len(totals) == len(ids)
    if not wishes.get("diversity"):
        assert [(-t, id) for t, id in zip(totals, ids, strict=True)] == sorted(
            (-t, id) for t, id in zip(totals, ids, strict=True)
        )
    for hit in found:
        assert wishes.get("min_score") is None or (hit.score or 0.0) >= wishes["min_score"]
        assert hit.relevance is None or hit.relevance >= wishes.get("min_relevance", 0.0)
    if wishes.get("group_by"):
        assert grouped(ids, wishes["group_by"], wishes.get("group_size", 1)) == ids
    if wishes.get("collapse"):
        assert collapsed(worlds[asked.engine], asked, ids) == ids


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("vector", ["text", "image"])
def test_relevance_is_measured_from_all_pairs(
    worlds: dict[str, World], name: str, vector: str
) -> None:
    world = worlds[name]
    known, own = world.engine.entry.calibration[vector], world.vectors[vector]
    pairs = [similarity(world.metric, own[a], own[b]) for a in IDS for b in IDS if a < b]
    assert known.mean == pytest.approx(np.mean(pairs), abs=1e-5)
    assert known.sd == pytest.approx(np.std(pairs), abs=1e-5)
    same = np.mean([similarity(world.metric, own[id], own[id]) for id in IDS])
    assert known.same == pytest.approx(same, abs=1e-5)
