"""The search for boosts: which signals, with which weights, bring the best NDCG. Numpy only.

Forward selection: beginning with the similarity alone, the signal and the weight are added that
raise the mean NDCG most, then all weights are moved in turn. It is done on all queries, and once
for each fold without that fold's queries, on which it is then judged: how far a selection goes is
decided there and not where it was fitted. (Hastie, Tibshirani and Friedman 2009, "The Elements of
Statistical Learning", chapters 3.3 and 7.10.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.boosts import MAX_WEIGHT
from recommender.metrics import Floats
from recommender.problem import Matrix, Problem, Queries

MAX_STEPS = 8
"""Boosts at most: each of them costs every question later on."""

GRID = (1, 2, 5, 10, 20, 40)
"""Weights that are tried, in standard deviations of a query's similarities."""

MOVES = (0.0, 0.5, 0.7, 0.85, 1.15, 1.4, 2.0)
"""What a weight is multiplied by, in turn, while that helps."""

PASSES = 2
LEAST_STEP = 5e-4
"""A selection ends where the next signal adds less than this to the mean NDCG it is fitted on."""

CLEAR = 0.003
"""What more boosts have to add to the mean NDCG of queries that the fit has not seen."""

Weights = dict[str, float]
Told = Callable[[], None]
"""Is called after each step of a selection."""


def forward(
    problem: Problem, queries: Queries, told: Told, steps: int = MAX_STEPS
) -> list[Weights]:
    """The weights after each step, at most ``steps``; the first are none."""
    weights: Weights = {}
    path = [dict(weights)]
    best = float(problem.judged(weights, queries).mean())
    unit = problem.unit(queries)
    while len(path) <= steps:
        total, found = problem.total(weights, queries), (best, "", 0.0)
        for name in problem.signals:
            if name not in weights:
                score, name, weight = _best_weight(problem, name, total, queries, unit)
                found = max(found, (score - problem.costs.get(name, 0.0), name, weight))
        if found[0] < best + LEAST_STEP:
            break
        weights, best = refine(problem, weights | {found[1]: found[2]}, queries)
        path.append(dict(weights))
        told()
    return path


def _best_weight(
    problem: Problem, name: str, total: Matrix, queries: Queries, unit: float
) -> tuple[float, str, float]:
    signal = problem.signal(name, queries)
    signs = problem.signs.get(name, (1,))
    tried = [_within(sign * unit * step) for sign in signs for step in GRID]
    scores = [_mean(problem, total, signal, weight, queries) for weight in tried]
    return max((score, name, weight) for score, weight in zip(scores, tried, strict=True))


def refine(problem: Problem, start: Mapping[str, float], queries: Queries) -> tuple[Weights, float]:
    """Moves each weight in turn while that helps: the weights, and the mean NDCG they reach.

    One that is better off as 0 is left out.
    """
    weights = dict(start)
    total = problem.total(weights, queries)
    best = float(problem.ndcg(total, queries).mean())
    for _ in range(PASSES):
        before = best
        for name in list(weights):
            signal, old = problem.signal(name, queries), weights[name]
            rest = total - np.float32(old) * signal
            moved = [_within(old * move) for move in MOVES]
            tried = [(_mean(problem, rest, signal, weight, queries), weight) for weight in moved]
            score, weight = max(tried, key=lambda pair: pair[0])
            if score > best + 1e-6:
                best, weights[name] = score, weight
                total = rest + np.float32(weight) * signal
            if not weights[name]:
                del weights[name]
        if best == before:
            break
    return weights, best


def _within(weight: float) -> float:
    """The weight, or the largest that a boost may have."""
    return min(max(weight, -MAX_WEIGHT), MAX_WEIGHT)


def _mean(
    problem: Problem, total: Matrix, signal: Matrix, weight: float, queries: Queries
) -> float:
    # What is equal stays equal on every processor: not one's last digit chooses.
    return round(float(problem.ndcg(total + np.float32(weight) * signal, queries).mean()), 9)


@dataclass(frozen=True)
class Fit:
    """What was found: ``weights``, and for each query the NDCG ``after`` a fit that never saw it.

    ``before`` is that of the similarity alone; ``steps`` are the cross-validated means of 0, 1, ...
    boosts. ``losses`` say for each boost what the cross-validated mean loses without it.
    """

    weights: Weights
    before: Floats
    after: Floats
    steps: tuple[float, ...]
    losses: Mapping[str, float]


def fit(problem: Problem, told: Callable[[int, int], None] = lambda done, total: None) -> Fit:
    """Chooses boosts and weights. The same problem gives the same answer."""
    folds = sorted(set(problem.fold.tolist()))
    count, total = 0, (len(folds) + 1) * MAX_STEPS

    def tell() -> None:
        nonlocal count
        count += 1
        told(min(count, total), total)

    unseen = np.zeros((MAX_STEPS + 1, len(problem.similarity)))
    for number, fold in enumerate(folds, 1):
        judged = np.flatnonzero(problem.fold == fold)
        path = forward(problem, np.flatnonzero(problem.fold != fold), tell)
        for step in range(MAX_STEPS + 1):
            unseen[step, judged] = problem.judged(path[min(step, len(path) - 1)], judged)
        count = number * MAX_STEPS
    path = forward(problem, problem.queries, tell, chosen(unseen))
    after = np.empty(len(problem.similarity))
    for fold in folds:  # how many boosts there are is not decided by the fold's own queries, too
        judged = problem.fold == fold
        after[judged] = unseen[chosen(unseen[:, ~judged]), judged]
    weights, losses = _pruned(problem, path[-1], folds)
    told(total, total)
    return Fit(weights, unseen[0], after, tuple(unseen.mean(axis=1).tolist()), losses)


def chosen(unseen: Floats) -> int:
    """The fewest boosts after which no more of them are clearly better.

    ``unseen`` ``(steps, q)`` are the NDCG of queries that the fit had not seen.
    """
    means = unseen.mean(axis=1)
    return int(np.argmax(means >= means.max() - CLEAR))


def _pruned(
    problem: Problem, weights: Weights, folds: Sequence[int]
) -> tuple[Weights, dict[str, float]]:
    """Weights of two digits, and what is lost without each; who brings nothing goes."""
    while True:
        kept = {name: float(f"{weight:.2g}") for name, weight in weights.items()}
        losses = _losses(problem, kept, folds)
        worst = min(losses, key=lambda name: losses[name], default=None)
        if worst is None or losses[worst] >= CLEAR:
            return kept, losses
        rest = {name: weight for name, weight in kept.items() if name != worst}
        weights, _ = refine(problem, rest, problem.queries)


def _losses(problem: Problem, weights: Weights, folds: Sequence[int]) -> dict[str, float]:
    """What the mean NDCG of unseen queries loses without each boost, weights fitted anew."""

    def unseen(names: Sequence[str]) -> float:
        scores = np.empty(len(problem.similarity))
        for fold in folds:
            start = {name: weights[name] for name in names}
            fitted, _ = refine(problem, start, np.flatnonzero(problem.fold != fold))
            judged = np.flatnonzero(problem.fold == fold)
            scores[judged] = problem.judged(fitted, judged)
        return float(scores.mean())

    if not weights:
        return {}
    whole = unseen(list(weights))
    return {name: whole - unseen([n for n in weights if n != name]) for name in weights}
