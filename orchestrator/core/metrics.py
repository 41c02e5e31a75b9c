"""Scores of predictions, as pure functions of arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels
from orchestrator.core.errors import SearchSpaceError


def confusion_matrix(labels: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """Counts (C, C): row the true class, column the predicted one. labels, predicted (n,) in [0, C)."""
    flat = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def macro_f1_of_counts(counts: NDArray[np.int64]) -> float:
    """Macro-F1 of a confusion matrix (C, C).

    The mean over the classes present in the labels or in the predictions, as scikit-learn's
    `f1_score(average="macro")` without `labels`. A class in neither has no F1. No rows at all: 0.
    """
    hits = np.diag(counts).astype(np.float64)
    seen = counts.sum(axis=0) + counts.sum(axis=1)
    present = seen > 0
    if not present.any():
        return 0.0
    return float(np.mean(2 * hits[present] / seen[present]))


def macro_f1(labels: Labels, predicted: Labels, classes: int) -> float:
    """Macro-F1 in [0, 1]; see `macro_f1_of_counts`."""
    return macro_f1_of_counts(confusion_matrix(labels, predicted, classes))


def accuracy(labels: Labels, predicted: Labels, classes: int) -> float:
    """Share of rows whose predicted class is the true one; 0 for no rows."""
    del classes
    return float(np.mean(labels == predicted)) if len(labels) else 0.0


METRICS: dict[str, Callable[[Labels, Labels, int], float]] = {"macro_f1": macro_f1, "accuracy": accuracy}


def check_metric(metric: str, mode: str) -> None:
    """Raises SearchSpaceError for a metric or a mode that does not exist."""
    if metric not in METRICS:
        raise SearchSpaceError(f"metric={metric!r} is not known; use one of {', '.join(sorted(METRICS))}")
    if mode not in ("max", "min"):
        raise SearchSpaceError(f"mode={mode!r} is not known; use 'max' or 'min'")


def score(metric: str, labels: Labels, probabilities: NDArray[np.floating]) -> float:
    """`metric` of the most probable classes. labels (n,), probabilities (n, C)."""
    return METRICS[metric](labels, probabilities.argmax(axis=1), probabilities.shape[1])
