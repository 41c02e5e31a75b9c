"""The score fold by fold. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.metrics import scores


@dataclass(frozen=True)
class FoldScores:
    """Scores by fold number, their mean and their standard deviation (n - 1; nan for one fold)."""

    scores: dict[int, float]
    mean: float
    sd: float


def fold_scores(
    labels: Labels, probabilities: Probabilities, folds: NDArray[np.int16], metric: str
) -> FoldScores:
    """The metric within each fold's rows. labels (n,), probabilities (n, C), or both (n, L); folds (n,)."""
    return scores_of_folds([metric], labels, probabilities, folds)[metric]


def scores_of_folds(
    metrics: Sequence[str], labels: Labels, probabilities: Probabilities, folds: NDArray[np.int16]
) -> dict[str, FoldScores]:
    """`fold_scores` of several metrics; folds on which one is undefined are not among its scores."""
    found: dict[str, dict[int, float]] = {metric: {} for metric in metrics}
    for fold in np.unique(folds).tolist():
        rows = folds == fold
        for metric, value in scores(metrics, labels[rows], probabilities[rows]).items():
            if math.isfinite(value):
                found[metric][fold] = value
    return {metric: _summed_up(by_fold) for metric, by_fold in found.items()}


def _summed_up(by_fold: dict[int, float]) -> FoldScores:
    values = np.array(list(by_fold.values()))
    mean = float(values.mean()) if len(values) else math.nan
    sd = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    return FoldScores(by_fold, mean, sd)
