"""How much each of two ways to the same answer counts. Pure.

The weight is fitted by log loss, which says more of a few hundred rows than a score of predicted labels, and
judged by the metric: a blend has to gain more than one standard error on rows that it was not fitted to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Probabilities
from orchestrator.core.metrics import find, score
from orchestrator.core.metrics.row_sums import log_losses
from orchestrator.evaluation.choose_vote import Considered
from orchestrator.evaluation.gate import ONE_FOLD, Gate, paired_gate, refused
from orchestrator.evaluation.pool import Answers, JudgedRows

GRID = np.linspace(0.0, 1.0, 21)
"""Weights of the first of two routes that are tried."""


@dataclass(frozen=True)
class BlendChoice:
    """What was chosen, and what it was chosen from."""

    name: str  # a route's own, or "blend"
    weights: tuple[float, ...]  # of the routes, summing to 1
    answers: Answers
    candidates: tuple[Considered, ...]  # the simplest first; gates are against the best route alone


def choose_blend(
    rows: JudgedRows,
    routes: Sequence[Answers],
    names: Sequence[str],
    row_weights: NDArray[np.floating] | None = None,
) -> BlendChoice:
    """The better of two routes alone, both alike, or weights fitted to the rows: the richer only if it pays.

    routes: of one or two. Everything is fitted to, and chosen by, the rows of positive weight alone.
    """
    if len(routes) == 1:
        return BlendChoice(names[0], (1.0,), routes[0], ())
    weights = rows.weights(row_weights)
    single = _fitted(rows, routes, weights, _better)
    even = _fitted(rows, routes, weights, lambda *_: np.full(len(routes), 1 / len(routes)))
    fitted = _fitted(rows, routes, weights, _by_log_loss)
    best = names[int(np.argmax(single[0]))]
    chosen, candidates = (best, single), [_considered(rows, best, single, single, weights)]
    for kind, item in (("even blend", even), ("fitted blend", fitted)):
        name = _words(kind, names, item[0])
        candidates.append(_considered(rows, name, single, item, weights))
        if _gate(rows, chosen[1], item, weights).accepted:
            chosen = (name, item)
    found, answers = chosen[1]
    return BlendChoice(chosen[0], tuple(found.tolist()), answers, tuple(candidates))


def blended(weights: Floats, routes: Sequence[Probabilities]) -> Probabilities:
    """(n, C): their weighted mean; a route of weight 0 changes no byte."""
    kept = [(weight, route) for weight, route in zip(weights, routes, strict=True) if weight > 0]
    if len(kept) == 1:
        return kept[0][1]
    total = sum(weight * route.astype(np.float64) for weight, route in kept)
    found: Probabilities = np.asarray(total, np.float32)
    return found


_Blend = tuple[Floats, Answers]
_Fit = Callable[[JudgedRows, Sequence[Probabilities], Floats], Floats]
"""Rows, routes and weights of rows -> weights of the routes."""


def _fitted(rows: JudgedRows, routes: Sequence[Answers], weights: Floats, fit: _Fit) -> _Blend:
    without = {}
    for fold in sorted(set.intersection(*(set(route.without) for route in routes))):
        parts = [route.without[fold] for route in routes]
        without[fold] = blended(fit(rows, parts, np.where(rows.folds == fold, 0.0, weights)), parts)
    finals = [route.final for route in routes]
    found: Floats = fit(rows, finals, weights)
    return found, Answers(blended(found, finals), without)


def _better(rows: JudgedRows, routes: Sequence[Probabilities], weights: Floats) -> Floats:
    metric, size = find(rows.metric), len(rows.labels)
    scored = [
        float(metric.of(metric.count(rows.labels, item, np.arange(size), size)(weights[None]))[0])
        for item in routes
    ]
    best = int(np.nanargmax(rows.sign * np.array(scored))) if np.isfinite(scored).any() else 0
    alone: Floats = np.eye(len(routes))[best]
    return alone


def _by_log_loss(rows: JudgedRows, routes: Sequence[Probabilities], weights: Floats) -> Floats:
    known = weights > 0
    first, second = (route[known].astype(np.float64) for route in routes)

    def loss(share: float) -> float:
        losses = log_losses(rows.labels[known], share * first + (1 - share) * second)
        return float(np.average(losses[:, 0], weights=weights[known]))

    losses = [loss(float(share)) for share in GRID]
    share = float(GRID[int(np.argmin(losses))])
    return np.array([share, 1 - share])


def _gate(rows: JudgedRows, simpler: _Blend, richer: _Blend, weights: Floats) -> Gate:
    honest = simpler[1].honest(rows.folds, weights)
    if not honest.any():
        return refused(ONE_FOLD)
    return paired_gate(rows, simpler[1].crossed(rows.folds), richer[1].crossed(rows.folds), honest)


def _considered(rows: JudgedRows, name: str, single: _Blend, item: _Blend, weights: Floats) -> Considered:
    judged, crossed = item[1].honest(rows.folds, weights) > 0, item[1].crossed(rows.folds)
    gate = Gate(0.0, 0.0, True, "the simplest") if item is single else _gate(rows, single, item, weights)
    known = score(rows.metric, rows.labels[judged], crossed[judged]) if judged.any() else math.nan
    return Considered(name, known, gate)


def _words(kind: str, names: Sequence[str], weights: Floats) -> str:
    shares = ", ".join(f"{name} {weight:.2f}" for name, weight in zip(names, weights, strict=True))
    return f"{kind} ({shares})"
