"""Greedy selection of members with replacement. Pure.

Source: Caruana, Niculescu-Mizil, Crew, Ksikes, ICML 2004, "Ensemble selection from libraries of models".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats
from orchestrator.core.metrics import find
from orchestrator.evaluation.pool import Pool

STEPS = 20
PER_FAMILY = 3
LEAST_WEIGHT = 0.01


def greedy_weights(
    pool: Pool,
    row_weights: NDArray[np.floating] | None,
    rng: np.random.Generator,
    per_family: int = PER_FAMILY,
) -> Floats:
    """(m,) summing to 1: fitted to the rows of positive weight."""
    weights = pool.weights(row_weights)
    counts = np.zeros(len(pool.names))
    best, kept = -np.inf, counts
    for _ in range(STEPS):
        tried = [(_score(pool, counts, at, weights), -rank, at) for rank, at in enumerate(pool.by_name)]
        tried = [item for item in tried if _fits(pool, counts, item[2], per_family)]
        found, _, chosen = max(tried)
        counts = counts.copy()
        counts[chosen] += 1
        if found > best + 1e-12:
            best, kept = found, counts
    total: Floats = kept / kept.sum()
    return total


def mean_weights(found: list[Floats]) -> Floats:
    """(m,): mean of the folds' weights, without those below LEAST_WEIGHT."""
    mean = np.mean(found, axis=0)
    kept = np.where(mean >= LEAST_WEIGHT, mean, 0.0)
    total: Floats = kept / kept.sum()
    return total


def _score(pool: Pool, counts: Floats, added: int, weights: Floats) -> float:
    tried = counts.copy()
    tried[added] += 1
    voted = np.einsum("m,mnc->nc", tried / tried.sum(), pool.members)
    metric, size = find(pool.metric), len(pool.labels)
    value = metric.of(metric.count(pool.labels, voted, np.arange(size), size)(weights[None]))[0]
    return float(pool.sign * value)


def _fits(pool: Pool, counts: Floats, at: int, per_family: int) -> bool:
    if counts[at] or not pool.families:
        return True
    same = [pool.families[other] == pool.families[at] for other in np.flatnonzero(counts)]
    return sum(same) < per_family
