"""The ranking that was asked for: relative conditions, boosts, spread, groups, and why."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import boosts as boosting
from recommender.arguments import check_names
from recommender.boosts import Boost
from recommender.catalogue import Catalogue
from recommender.errors import InvalidParameter, UnknownField, brief, suggest
from recommender.legs import any_of

POOL = 240
MAX_POOL = 10_000
"""Candidates that are ranked, by default and at most."""

PLAIN_WISHES: Mapping[str, Any] = {
    "boosts": (),
    "same": (),
    "differ": (),
    "diversity": 0.0,
    "group_by": None,
    "group_size": 1,
    "explain": False,
    "pool": POOL,
}
"""What a ranking is where nothing is asked for."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """How candidates are ranked.

    ``same`` and ``differ`` name fields in which a hit agrees with the seed or not; ``diversity`` is
    0 (by score alone) to 1 (as unlike each other as can be); ``group_by`` a field of which each
    value comes ``group_size`` times at most; ``pool`` how many candidates are looked at.
    """

    boosts: Sequence[Boost] = ()
    same: Sequence[str] = ()
    differ: Sequence[str] = ()
    diversity: float = 0.0
    group_by: str | None = None
    group_size: int = 1
    explain: bool = False
    pool: int = POOL

    @property
    def columns(self) -> list[str]:
        """The fields that ranking looks at."""
        names = [boost.field for boost in self.boosts if boost.field]
        return list(dict.fromkeys([*names, *([self.group_by] if self.group_by else [])]))


@dataclass(slots=True)
class Candidate:
    """One item on its way to a hit: its similarity, its shares of the total, its order."""

    id: str
    score: float
    fields: Mapping[str, Any]
    total: float = 0.0
    shares: dict[str, float] | None = None
    mmr: dict[str, float] | None = None


def ranking_of(catalogue: Catalogue, **wishes: Any) -> Ranking:
    """The arguments of a question, checked. Raises InvalidParameter naming the wrong one."""
    for name in wishes:
        if name not in PLAIN_WISHES:
            raise InvalidParameter(
                name, f"there is no argument {name!r}", remedy=suggest(name, PLAIN_WISHES, "wishes")
            )
    diversity, size, pool = wishes["diversity"], wishes["group_size"], wishes["pool"]
    if not isinstance(diversity, (int, float)) or not 0 <= diversity <= 1:
        raise InvalidParameter(
            "diversity", f"diversity is {brief(diversity)}", remedy="It is 0 (none) to 1 (most)"
        )
    for name, value, high in (("group_size", size, 100), ("pool", pool, MAX_POOL)):
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= high:
            raise InvalidParameter(
                name, f"{name} is {brief(value)}", remedy=f"It is a whole number from 1 to {high:,}"
            )
    for name in ("same", "differ"):
        wishes[name] = _comparable(name, wishes[name], catalogue)
    if wishes["group_by"] is not None:
        _comparable("group_by", [wishes["group_by"]], catalogue)
    wishes["boosts"] = boosting.parse(wishes["boosts"], catalogue)
    return Ranking(**wishes)


def _comparable(parameter: str, names: Any, catalogue: Catalogue) -> list[str]:
    able = [name for name, spec in catalogue.fields.items() if spec.type in ("tag", "number")]
    for name in check_names(parameter, names):
        if name not in able:
            raise UnknownField(parameter, name, able)
    return list(names)


def relative(ranking: Ranking, seed: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """``same`` and ``differ`` as conditions; None where nothing can be the same as nothing."""
    if any(name not in seed for name in ranking.same):
        return None
    same = [any_of(name, seed[name]) for name in ranking.same]
    return same + [{"not": any_of(n, seed[n])} for n in ranking.differ if n in seed]


def score(
    candidates: Sequence[Candidate],
    ranking: Ranking,
    seed: Mapping[str, Any],
    spans: Mapping[str, tuple[float, float]],
    matching: Mapping[str, set[str]],
    now: float,
) -> None:
    """Totals: the similarity, and every boost's weight times its signal.

    ``spans`` are the least and the greatest number of a field in the catalogue, ``matching`` the
    ids that meet the condition of a match.
    """
    rows = [candidate.fields for candidate in candidates]
    total = np.array([candidate.score for candidate in candidates])
    shares: dict[str, NDArray[np.float64]] = {}
    for boost in ranking.boosts:
        if boost.kind == "match":
            ids = matching[boost.condition]
            signal = np.array([float(candidate.id in ids) for candidate in candidates])
        elif boost.kind == "overlap":
            labels = [row.get(boost.field, ()) for row in rows]
            signal = boosting.overlaps(labels, seed.get(boost.field, ()))
        else:
            signal = _number_signal(boost, boosting.numbers(rows, boost.field), seed, spans, now)
        signal = np.clip(np.nan_to_num(signal, nan=0.0), 0.0, 1.0)
        shares[boost.text] = boost.weight * signal
        total = total + shares[boost.text]
    for number, candidate in enumerate(candidates):
        candidate.total = round(float(total[number]), 6)
        if ranking.explain:
            candidate.shares = {text: round(float(s[number]), 6) for text, s in shares.items()}


def _number_signal(
    boost: Boost,
    values: NDArray[np.float64],
    seed: Mapping[str, Any],
    spans: Mapping[str, tuple[float, float]],
    now: float,
) -> NDArray[np.float64]:
    if boost.kind == "fresh":
        return boosting.closeness(np.maximum(now - values, 0.0), boost.scale, boost.curve)
    if boost.kind == "near":
        reference = seed.get(boost.field, math.nan) if boost.to is None else boost.to
        return boosting.closeness(values - reference, boost.scale, boost.curve)
    high = boosting.height(values, *spans[boost.field])
    return high if boost.kind == "high" else 1.0 - high


def in_groups(candidates: Sequence[Candidate], ranking: Ranking) -> list[Candidate]:
    """The best of each group; an item without a value, or with several, is in each of them."""
    if ranking.group_by is None:
        return list(candidates)
    counts: Counter[Any] = Counter()
    kept = []
    for candidate in candidates:
        value = candidate.fields.get(ranking.group_by)
        labels = value if isinstance(value, list) else [] if value is None else [value]
        if all(counts[label] < ranking.group_size for label in labels):
            counts.update(labels)
            kept.append(candidate)
    return kept


def spread_out(
    candidates: list[Candidate], vectors: NDArray[np.floating[Any]], diversity: float, count: int
) -> list[Candidate]:
    """The first ``count`` by maximal marginal relevance (Carbonell and Goldstein, 1998).

    ``vectors`` ``(n, dims)`` are of length 1. Each next one has the greatest
    ``(1 - diversity) * total - diversity * similarity to the nearest one chosen``, with totals put
    on 0..1; the others follow in their old order.
    """
    totals = np.array([candidate.total for candidate in candidates])
    span = float(np.ptp(totals)) or 1.0
    worth = (1.0 - diversity) * (totals - totals.min()) / span
    nearest = np.full(len(candidates), -1.0)
    left = np.ones(len(candidates), dtype=bool)
    chosen: list[int] = []
    for _ in range(min(count, len(candidates))):
        value = worth - diversity * np.maximum(nearest, 0.0)
        best = int(np.argmax(np.where(left, value, -np.inf)))
        candidates[best].mmr = {
            "total": candidates[best].total,
            "nearest_chosen": round(float(max(nearest[best], 0.0)), 6),
            "value": round(float(value[best]), 6),
        }
        chosen.append(best)
        left[best] = False
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return [candidates[i] for i in chosen] + [
        c for c, is_left in zip(candidates, left, strict=True) if is_left
    ]


def why(candidate: Candidate, ranking: Ranking, seed: Mapping[str, Any]) -> dict[str, Any]:
    """What made the order: the similarity, each boost's share, shared tags, and one sentence."""
    shared = {}
    for name, value in seed.items():
        own = candidate.fields.get(name)
        if isinstance(value, list) and isinstance(own, list):
            lower = {label.lower() for label in own}
            common = [label for label in value if label.lower() in lower]
            if common:
                shared[name] = common
    answer: dict[str, Any] = {
        "similarity": candidate.score,
        "boosts": candidate.shares or {},
        "total": candidate.total,
        "shared": shared,
    }
    if candidate.mmr and ranking.diversity:
        answer["mmr"] = candidate.mmr
    return answer | {"sentence": _sentence(answer)}


def _sentence(answer: Mapping[str, Any]) -> str:
    parts = [f"similarity {answer['similarity']:.2f}"]
    strong = sorted(answer["boosts"].items(), key=lambda pair: -abs(pair[1]))
    parts += [f"{share:+.2f} from {text}" for text, share in strong if abs(share) >= 0.005]
    if answer["shared"]:
        labels = [label for common in answer["shared"].values() for label in common]
        parts.append(f"shares {', '.join(labels[:5])}")
    return "; ".join(parts)


Fetch = Callable[[Sequence[str]], NDArray[np.floating[Any]]]
"""Vectors ``(n, dims)`` of length 1 of some ids."""
