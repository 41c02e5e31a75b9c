"""The score fold by fold. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.metrics import score


@dataclass(frozen=True)
class FoldScores:
    """Scores by fold number, their mean and their standard deviation (n - 1; nan for one fold)."""

    scores: dict[int, float]
    mean: float
    sd: float


def fold_scores(
    labels: Labels, probabilities: Probabilities, folds: NDArray[np.int16], metric: str
) -> FoldScores:
    """The metric within each fold's rows. labels (n,), probabilities (n, C), folds (n,)."""
    scores = {}
    for fold in np.unique(folds):
        rows = folds == fold
        scores[int(fold)] = score(metric, labels[rows], probabilities[rows])
    values = np.array(list(scores.values()))
    sd = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return FoldScores(scores, float(values.mean()), sd)
