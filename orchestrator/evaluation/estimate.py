"""A score with its interval, and the score fold by fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.metrics import score


@dataclass(frozen=True)
class Estimate:
    """A score, its interval [low, high] at `level`, how it was obtained and over how many groups."""

    score: float
    low: float
    high: float
    level: float
    method: str
    n_groups: int

    def __str__(self) -> str:
        return f"{self.score:.4f} ({self.level:.0%} interval {self.low:.4f} to {self.high:.4f})"


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
